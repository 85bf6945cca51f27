"""Generated images of one's own, from `sweeps sample --to` to the report and the best config."""

import io
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from playing import numbers, plain
from rich.console import Console

from dagan.config import Config
from dagan.evaluation.judge import SETTINGS
from dagan.evaluation.pictures import pixels
from dagan.training.dataset import training_data
from sweeps.api import run_study
from sweeps.outputs.leaks import find_leaks
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.study.files import load
from sweeps.study.parse import study_of

GENERATOR = {
    "method": "dagan",
    "data": {"samples_per_class": 5},
    "network": {"width": 0.25},
    "gan": {"iterations": 8, "latent_size": 8},
    "classifier": {"batch_size": 32},
}
STUDY = {
    "name": "mine",
    "datasets": [{"name": "digits", "generated": "made"}],
    "samples_per_class": [5],
    "methods": ["c", "external"],
    "compare": {"external": ["c"]},
    "base": {"network": {"width": 0.25}, "classifier": {"batch_size": 32, "iterations": 10}},
    "search": {"parameters": {"classifier.augmentation_ratio": {"values": [0.5, 1.0]}}, "budget": {"trials": 2}},
    "confirm": {"seeds": 2},
    "report_every": 10,
}


@pytest.fixture
def study(tmp_path, typed):
    """The file of a study whose generated images `sweeps sample` has made."""
    (tmp_path / "generator.yaml").write_text(yaml.safe_dump(GENERATOR))
    code, _, said = typed("sample", "generator.yaml", "--to", "made", "--per-class", 6)
    assert code == 0, said
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return path


def test_a_study_of_sampled_images_runs_and_its_best_config_trains_again(study, tmp_path, typed, monkeypatch):
    from sweeps.outputs.best_configs import export
    from sweeps.records.run_folder import RunFolder

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    plan = run_study(load(str(study)), out=tmp_path / "results", wandb="off")
    entries = Ledger(tmp_path / "results/mine/ledger").entries.values()
    assert {(entry.method, entry.phase, entry.status) for entry in entries} == {
        ("c", "search", "completed"),
        ("c", "confirm", "completed"),
        ("external", "search", "completed"),
        ("external", "confirm", "completed"),
    }
    external = [entry for entry in entries if entry.method == "external"]
    assert {entry.config["data"]["generated"] for entry in external} == {str(tmp_path / "made")}
    assert len(list((tmp_path / "results/mine/pictures").glob("*.npz"))) == 2
    files = export(plan, RunFolder(tmp_path / "results", "mine"))
    assert "identical" in typed("train", files[1])[1]


@pytest.mark.slow
def test_another_folder_is_another_training_and_the_same_one_elsewhere_is_not(study, tmp_path):
    run_study(load(str(study)), out=tmp_path / "results", wandb="off")
    before = numbers(tmp_path / "results/mine/ledger")
    (tmp_path / "made").rename(tmp_path / "moved")
    moved = load(str(study), ["datasets=[{name: digits, generated: moved}]"])
    assert run_study(moved, out=tmp_path / "results", wandb="off").finished
    assert numbers(tmp_path / "results/mine/ledger") == before
    (tmp_path / "moved/0/0.png").rename(tmp_path / "moved/0/other.png")
    other = load(str(study), ["datasets=[{name: digits, generated: moved}]"])
    assert run_study(other, out=tmp_path / "results", wandb="off").finished
    new = {
        signature: one
        for signature, one in numbers(tmp_path / "results/mine/ledger").items()
        if signature not in before
    }
    assert [one[:2] for one in new.values()].count(("confirm", "external")) == 2
    assert {one[1] for one in new.values()} == {"external"}


def test_a_bad_generated_image_is_named_before_anything_runs(study, tmp_path, typed):
    (tmp_path / "made/3/notes.png").write_text("no image")
    code, _, said = typed("run", study)
    assert code == 2
    assert "data.generated: " in said
    assert "made/3/notes.png is not an image. Mend or remove it." in said
    assert not (tmp_path / "results").exists()


def copies_of(part, folder, *, count, seed=0):
    """Replace a few generated images by copies of test or validation images of a confirm or search seed, with noise."""
    phase = "confirm" if part == "test" else "search"
    config = Config.of({"method": "c", "seed": seed, "data": {"phase": phase, "samples_per_class": 5}})
    images = getattr(training_data(config, torch.device("cpu")), part)
    random, names = np.random.default_rng(0), []
    for index, (image, label) in enumerate(zip(pixels(images.images), images.labels.tolist(), strict=True)):
        if index % (len(images) // count) == 0 and len(names) < count:
            noisy = (image[..., 0] + random.normal(0, 3, (8, 8))).clip(0, 255).astype(np.uint8)
            names.append(f"{label}/{part}-{index}.png")
            Image.fromarray(noisy).save(folder / names[-1])
    return sorted(names)


@pytest.fixture
def unseen(tmp_path):
    """A folder of generated digits that copy nothing: those of the final half, which nobody is measured by."""
    config = Config.of({"method": "c", "seed": 3, "data": {"samples_per_class": 20}})
    train = training_data(config, torch.device("cpu")).train
    for index, (image, label) in enumerate(zip(pixels(train.images), train.labels.tolist(), strict=True)):
        (tmp_path / "made" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / "made" / str(label) / f"{index}.png")
    return tmp_path / "made"


def told(tmp_path, **changes):
    """What is found before a study runs: its file, and what was said."""
    folder, said = RunFolder(tmp_path / "results", "mine"), io.StringIO()
    study = study_of(STUDY | changes, folder=tmp_path)
    find_leaks(study, folder, Console(file=said, width=1000))
    return json.loads((folder.root / "leaks.json").read_text()), said.getvalue()


def files(found):
    """The near-copies of each purpose, by name."""
    return {purpose: {*leak["files"]} for purpose, leak in found["digits"]["leaks"].items()}


def test_planted_copies_of_test_and_validation_images_are_found_and_told(unseen, tmp_path):
    before, said = told(tmp_path)
    assert sum(map(len, files(before).values())) <= 2  # of 200: ones are much alike
    assert "In doubt" not in said
    planted = {part: copies_of(part, unseen, count=6) for part in ("test", "validation")}
    found, said = told(tmp_path)
    digits = found["digits"]
    assert files(found) == {part: {*planted[part], *files(before)[part]} for part in planted}
    assert (digits["images"], digits["leaks"]["test"]["images"]) == (200 + 12, 596)
    assert 6 <= digits["leaks"]["validation"]["copied"] <= 8
    sentence = said.splitlines()[-1]
    assert sentence.startswith("Warning: In doubt: among the 212 generated images of digits are ")
    assert (
        "those found can give away 1.0 points of the test accuracy of external. Remove them, and run again." in sentence
    )
    assert told(tmp_path)[1].splitlines() == [sentence]  # told again, and not compared again
    assert files(told(tmp_path, search={})[0]) == {"test": files(found)["test"]}  # nothing is chosen by validation


def test_copies_of_the_validation_images_of_another_search_seed_are_found(unseen, tmp_path):
    planted = copies_of("validation", unseen, count=100, seed=1)
    one, two = (told(tmp_path, search=STUDY["search"] | {"seeds": seeds})[0] for seeds in (1, 2))
    assert [found["digits"]["leaks"]["validation"]["images"] > 500 for found in (one, two)] == [False, True]
    assert {*planted} <= files(two)["validation"]
    assert not {*planted} <= files(one)["validation"]


def test_where_held_out_images_cannot_be_read_it_is_said_and_the_run_goes_on(unseen, tmp_path, monkeypatch):
    def lost(*_):
        raise OSError("the server is gone")

    monkeypatch.setattr("dagan.evaluation.leaks.divided", lost)
    found, said = told(tmp_path)
    assert found["digits"]["error"] == "OSError: the server is gone"
    rule = "nobody knows whether generated images of digits copy its test images (OSError: the server is gone)"
    assert rule in said
    monkeypatch.undo()
    assert "leaks" in told(tmp_path)[0]["digits"]


def test_a_study_without_generated_images_of_ones_own_has_no_leaks(unseen, tmp_path):
    told(tmp_path)
    find_leaks(study_of(plain()), RunFolder(tmp_path / "results", "mine"), Console())
    assert not (tmp_path / "results/mine/leaks.json").exists()


@pytest.mark.slow
def test_planted_copies_stand_in_the_first_lines_of_terminal_and_report(unseen, tmp_path, typed):
    copies_of("test", unseen, count=20)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(STUDY))
    code, out, said = typed("run", "mine.yaml", "--executor", "inline", "--wandb", "off")
    assert code == 0, said
    doubt = out.splitlines()[0]
    assert doubt.startswith(
        "In doubt: among the 220 generated images of digits are 20 near-copies of 20 of the 596 test "
    )
    assert f"Warning: {doubt}\n" in said
    folder = tmp_path / "results/mine/report"
    for page in ("index.html", "report.md"):
        text = (folder / page).read_text()
        assert text.index("In doubt: among the 220 generated") < text.index("images per class")
    assert doubt in typed("report", "mine.yaml")[1]
    assert typed("keep", "mine.yaml", "--to", "kept")[0] == 0
    assert doubt in typed("report", "kept")[1]


@pytest.mark.slow
def test_generated_images_are_judged_and_shown_in_the_report(study, tmp_path, typed, monkeypatch):
    monkeypatch.setattr("sweeps.run.worker.JUDGES", tmp_path / "judges")
    monkeypatch.setitem(SETTINGS, "classifier", {"iterations": 50})
    code, _, said = typed("run", study, "--executor", "inline", "--wandb", "off", "--set", "confirm.quality=true")
    assert code == 0, said
    page = (tmp_path / "results/mine/report/report.md").read_text()
    assert "GAN-train" in page
    assert list((tmp_path / "results/mine/report/figures").glob("pictures-external-*.png"))
