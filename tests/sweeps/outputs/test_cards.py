"""The card of a folder in words, kept by a run and shown by its report."""

import json
import random

import numpy as np
import pytest
import yaml
from PIL import Image
from playing import plain, play
from rich.console import Console

from analysis import write_report
from analysis.findings.cards import CARDS, load_cards
from dagan.data.card import card_of
from sweeps.api import check_images
from sweeps.outputs.cards import SHOWN_IMAGES, SIDE, card_lines
from sweeps.records.run_folder import RunFolder
from sweeps.study.parse import study_of


@pytest.fixture
def pets(tmp_path):
    rng = np.random.default_rng(0)
    for label, count in (("cat", 9), ("dog", 12)):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for index in range(count):
            image = Image.fromarray(rng.integers(0, 256, (10, 10 + index, 3), dtype=np.uint8))
            image.save(tmp_path / "pets" / label / f"{index}.png")
    for name in ("cat/a.heic", "dog/b.heic"):
        (tmp_path / "pets" / name).write_bytes(b"x")
    for index in range(5):
        (tmp_path / "pets/dog" / f"again {index}.png").write_bytes((tmp_path / "pets/cat/3.png").read_bytes())
    return tmp_path / "pets"


def test_lines_tell_what_is_there_and_what_is_odd(pets):
    assert card_lines(card_of(pets)) == [
        "2 classes, 26 training images; the smallest class is `cat` with 9, of which a third is set aside for the "
        "test.",
        "10×10 to 21×10 pixels, the shorter side 10 in the middle; in colour (RGB).",
        "Not read: 2 .heic. Convert them to PNG or JPEG.",
        "No classifier can tell these apart: the same file is in two classes: dog/again 0.png is cat/3.png, "
        "dog/again 1.png is cat/3.png, dog/again 2.png is cat/3.png and 2 more.",
    ]


def test_show_tells_it_and_keeps_nothing(pets, typed, tmp_path):
    tree = plain(datasets=[{"name": "pets", "folder": str(pets), "image_size": 8}], samples_per_class=[2])
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tree))
    lines = card_lines(card_of(pets))
    code, said, told = typed("show", "study.yaml")
    assert code == 0
    assert f"pets: {' '.join(lines)}\n" in said
    assert "checking the images in pets …" in told
    assert json.loads(typed("show", "study.yaml", "--json")[1])["images"] == {"pets": lines}
    assert {path.name for path in tmp_path.iterdir()} == {"pets", "study.yaml"}
    (pets / "cat" / "0.png").write_bytes(b"no image")
    code, _, told = typed("show", "study.yaml")
    assert code == 2
    assert "cat/0.png" in told


def test_a_run_tells_and_keeps_it_and_the_report_shows_it(tmp_path, pets, capsys):
    tree = plain(datasets=[{"name": "pets", "folder": str(pets), "image_size": 8}], samples_per_class=[2])
    study = study_of(tree)
    folder = RunFolder(tmp_path / "results", study.name)
    check_images(study, folder, Console(soft_wrap=True))
    said = capsys.readouterr().out
    lines = card_lines(card_of(pets))
    assert f"pets: {' '.join(lines)}" in said
    (card,) = load_cards(folder.root)
    assert (card.dataset, card.lines) == ("pets", tuple(lines))
    sheet = np.asarray(Image.open(folder.root / CARDS / "pets.png"))
    assert sheet.shape == (2 * (SIDE + 2), SHOWN_IMAGES * (SIDE + 2), 3)

    play(study, folder.ledger, workers=1, rng=random.Random(0))
    folder.study.write_text(study.text)
    report = write_report(folder.root)
    assert "The images" in report.html.read_text()
    assert "The images" in report.markdown.read_text()
    assert "Convert them to PNG or JPEG." in report.html.read_text()
    assert (report.html.parent / "figures" / "images-pets.png").read_bytes() == card.thumbnails
    (folder.root / CARDS / "pets.json").write_text("[1]")
    (folder.root / CARDS / "other.json").write_text("[")
    assert load_cards(folder.root) == ()
    assert "The images" not in write_report(folder.root).html.read_text()
