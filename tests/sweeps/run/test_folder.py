"""A folder of JPEGs, from the study file to the report: what somebody with images of their own does."""

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from dagan.data.card import check_images
from dagan.errors import InvalidInput
from sweeps.records.ledger import Ledger

CLASSES = ("red bars", "grüne Punkte", "青")


def paint(folder, *, per_class=40):
    """Three classes of noisy images, of different sizes and modes, that a small network can tell apart."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            size = (30 + index % 7, 28 + index % 5)
            pixels = rng.normal(90, 40, (*size[::-1], 3))
            pixels[:: 3 + label, :, label] += 110
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.convert("L" if index % 9 == 0 else "RGB").save(folder / name / f"{index:03d}.jpg", quality=80)


@pytest.fixture
def study(tmp_path):
    paint(tmp_path / "my images")
    tree = {
        "name": "mine",
        "question": "Does it help on my own images?",
        "datasets": [{"name": "mine", "folder": "my images", "image_size": 16}],
        "samples_per_class": [8],
        "methods": ["c", "dagan_aug"],
        "compare": {"dagan_aug": ["c"]},
        "base": {"network": {"name": "conv32", "width": 0.05}, "classifier": {"batch_size": 16}},
        "search": {
            "parameters": {
                "gan.iterations": {"values": [5, 10]},
                "classifier.iterations": {"min": 20, "max": 40},
            },
            "budget": {"trials": 2},
        },
        "confirm": {"seeds": 2},
        "report_every": 10,
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
    return path


def test_a_folder_goes_from_study_file_to_report(study, tmp_path, typed, monkeypatch):
    # From another folder: relative image folders are meant from the study file.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    code, _, said = typed("run", study, "--executor", "inline")
    assert code == 0, said
    entries = Ledger(elsewhere / "results/mine/ledger").entries.values()
    assert sorted(entry.phase for entry in entries) == ["confirm"] * 4 + ["search"] * 3, "c searches KC alone"
    assert all(entry.config["data"]["fingerprint"] for entry in entries)
    page = (elsewhere / "results/mine/report/index.html").read_text()
    assert all(name in page for name in CLASSES)
    best = elsewhere / "results/mine/best/mine-n8-dagan_aug.yaml"
    monkeypatch.chdir(tmp_path)
    assert "identical" in typed("train", best)[1]


def test_a_bad_image_is_named_before_anything_runs(study, tmp_path, typed):
    (tmp_path / "my images" / CLASSES[0] / "notes.png").write_text("no image")
    whole = (tmp_path / "my images" / CLASSES[1] / "007.jpg").read_bytes()
    (tmp_path / "my images" / CLASSES[1] / "007.jpg").write_bytes(whole[: len(whole) // 2])
    code, _, said = typed("run", study)
    assert code == 2
    assert "Error: 2 problems" in said
    assert "notes.png is not an image. Mend or remove it." in said
    assert "007.jpg cannot be read (" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


def test_a_bad_image_in_a_zip_is_named_before_anything_runs(study, tmp_path, typed):
    tree = yaml.safe_load(study.read_text())
    tree["datasets"][0]["folder"] = "my images.zip"
    study.write_text(yaml.safe_dump(tree))
    shutil.make_archive(str(tmp_path / "my images"), "zip", tmp_path, "my images")
    code, _, said = typed("show", study, "--json")
    assert code == 0, said
    (tmp_path / "my images" / CLASSES[2] / "notes.png").write_text("no image")
    shutil.make_archive(str(tmp_path / "my images"), "zip", tmp_path, "my images")
    code, _, said = typed("run", study)
    assert code == 2
    assert f"my images.zip/{CLASSES[2]}/notes.png is not an image. Mend or remove it." in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


def test_kdef_that_is_not_there_is_told_of_before_anything_runs(study, tmp_path, typed):
    tree = yaml.safe_load(study.read_text())
    tree["datasets"] = [{"name": "kdef", "root": "faces", "image_size": 16}]
    study.write_text(yaml.safe_dump(tree))
    code, _, said = typed("run", study)
    assert code == 2
    assert f"{tmp_path}/faces must hold KDEF_and_AKDEF/KDEF/AF01 and so on, but does not" in said
    assert not (tmp_path / "results").exists()


def test_a_test_image_that_is_a_training_image_is_refused(tmp_path):
    folder = tmp_path / "images"
    paint(folder / "train", per_class=4)
    paint(folder / "test", per_class=3)
    for name in CLASSES:
        for file in (folder / "test" / name).iterdir():
            Image.open(file).rotate(90).save(file)
    check_images(folder)
    shutil.copy(folder / "train" / CLASSES[1] / "002.jpg", folder / "test" / CLASSES[1] / "new.jpg")
    with pytest.raises(InvalidInput, match=r"new\.jpg is the training image .*002\.jpg too\. Remove one of them\."):
        check_images(folder)


def test_a_study_of_other_images_does_not_take_over_a_folder(study, tmp_path, typed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results" / yaml.safe_load(study.read_text())["name"]
    results.mkdir(parents=True)
    (results / "study.yaml").write_text("name: mine\ndatasets:\n- name: others\n")
    code, _, said = typed("run", study, "--executor", "inline", "--wandb", "off")
    assert code == 2
    assert "holds a study of other images (others) under that name. Change it, or give another --out." in said
    assert not (results / "ledger").exists()
