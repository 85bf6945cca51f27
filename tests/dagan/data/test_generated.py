"""A folder of generated images: what it must hold, what its identity decides, and what the settings make of it."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from dagan.config import Config
from dagan.data.card import check_generated
from dagan.data.generated import generated_facts
from dagan.data.loading import generated_images
from dagan.errors import InvalidInput
from dagan.nested import merged
from dagan.training.training import Training

CLASSES = ("cat", "dog", "hen")


@pytest.fixture
def pets(tmp_path, write_images):
    """The `data` settings of a folder of pets and, with as many images as are asked for, one of generated ones."""
    write_images(tmp_path / "pets", dict.fromkeys(CLASSES, 12))

    def settings(**counts):
        place = write_images(tmp_path / "made", dict.fromkeys(CLASSES, 5) | counts, size=20, seed=1)
        (place / "README.txt").write_text("x")
        data = {"dataset": "pets", "folder": str(tmp_path / "pets"), "image_size": 8, "samples_per_class": 2}
        return {"method": "external", "data": data | {"generated": str(place)}}

    return settings


def problems(choices, where="data.generated"):
    with pytest.raises(InvalidInput) as caught:
        Config.of(choices)
    assert {problem.where for problem in caught.value.problems} == {where}
    return "\n".join(problem.message for problem in caught.value.problems)


def test_a_folder_is_needed_and_the_signature_is_that_of_its_images(pets, tmp_path):
    choices = pets()
    config, made = Config.of(choices), tmp_path / "made"
    assert config.data.generated_fingerprint == generated_facts(made, config.facts).fingerprint
    shutil.make_archive(str(tmp_path / "zipped"), "zip", made)
    shutil.copytree(made, tmp_path / "elsewhere")
    for place in ("zipped.zip", "elsewhere"):
        assert Config.of(merged(choices, {"data.generated": str(tmp_path / place)})).signature == config.signature
    assert Config.of(config.model_dump(mode="json")).signature == config.signature
    (tmp_path / "elsewhere/cat/new.png").write_bytes((made / "cat/0.png").read_bytes())
    other = merged(choices, {"data.generated": str(tmp_path / "elsewhere")})
    assert Config.of(other).signature != config.signature
    recorded = merged(config.model_dump(mode="json"), {"data.generated": str(tmp_path / "elsewhere")})
    assert "elsewhere are not the ones recorded" in problems(recorded, "data.generated_fingerprint")
    del choices["data"]["generated"]
    assert problems(choices).startswith("of pets is needed by method `external`, but missing. Give a folder")


def test_a_folder_says_nothing_of_methods_without_one(pets, ten_classes):
    choices = pets()
    plain = {key: value for key, value in choices["data"].items() if key != "generated"}
    settings = Config.of({"method": "c", "data": plain}).model_dump(mode="json")
    assert settings["data"]["generated"] is settings["data"]["generated_fingerprint"] is None
    assert "reaches nothing: method `c` has no such part" in problems(choices | {"method": "c"})


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"rename": ("hen", "hens")}, "made has an unknown class `hens` (did you mean `hen`?). Known: cat, dog, hen."),
        (
            {"rename": ("hen", "hens")},
            "must have a sub-folder for each of the 3 classes of pets, but has none for `hen`.",
        ),
        ({"empty": "dog"}, "class `dog` in {made} must hold at least 1 image, but has none."),
        ({"remove": ""}, "{made} must be a folder with one sub-folder per class, or a zip of one, but is not there."),
        ({"replace": ""}, "{made} must be a folder with one sub-folder per class, or a zip of one, but is a file"),
    ],
    ids=str,
)
def test_a_folder_that_does_not_fit_is_refused(pets, tmp_path, change, rule):
    choices, made = pets(), tmp_path / "made"
    match change:
        case {"rename": (before, after)}:
            (made / before).rename(made / after)
        case {"empty": name}:
            for file in (made / name).iterdir():
                file.rename(file.with_suffix(".npy"))
        case {"remove": _}:
            shutil.rmtree(made)
        case {"replace": _}:
            shutil.rmtree(made)
            made.write_text("x")
    assert rule.format(made=made) in problems(choices)


def test_train_and_test_are_no_classes(pets, tmp_path):
    choices = pets()
    for part in ("train", "test"):
        shutil.copytree(tmp_path / "pets", tmp_path / "made" / part)
    assert "unknown class `test`" in problems(choices)


def test_too_few_images_to_draw_offline_are_refused_before_anything_is_drawn(pets, tmp_path):
    choices = merged(pets(hen=3), {"classifier.generated": "offline", "classifier.augmentation_ratio": 1.5})
    Config.of(choices).require_generated()
    rule = (
        f"{tmp_path / 'made'} must hold >= 4 images of each class, round(2 · 2) drawn offline, but of `hen` it holds 3."
    )
    with pytest.raises(InvalidInput) as caught:
        Training(Config.of(merged(choices, {"classifier.augmentation_ratio": 2.0})))
    assert str(caught.value) == f"data.generated: {rule}"
    Training(Config.of(merged(choices, {"classifier.augmentation_ratio": 2.0, "classifier.generated": "online"})))


def test_files_that_are_no_images_are_all_named(pets, tmp_path):
    pets()
    check_generated(tmp_path / "made")
    for name in ("cat/1.png", "dog/3.png"):
        (tmp_path / "made" / name).write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as target:
        for file in (tmp_path / "made").rglob("*.*"):
            target.write(file, file.relative_to(tmp_path / "made"))
    for place in ("made", "made.zip"):
        with pytest.raises(InvalidInput) as caught:
            check_generated(tmp_path / place)
        said = [str(problem) for problem in caught.value.problems]
        files = [tmp_path / place / name for name in ("cat/1.png", "dog/3.png")]
        assert said == [f"data.generated: {file} is not an image. Mend or remove it." for file in files]


def test_images_are_converted_as_those_of_the_data_set_are_and_come_class_by_class(tmp_path):
    """Of a built-in set by its names of classes, whatever their order in a folder."""
    facts = Config.of({"data": {"dataset": "fashion_mnist"}}).facts
    for index, name in enumerate(facts.classes):
        (tmp_path / name).mkdir()
        Image.new("RGBA", (50 + index, 31), (20 * index, 20 * index, 20 * index, 255)).save(tmp_path / name / "x.png")
    pixels = generated_images(facts, tmp_path)
    assert (pixels.shape, pixels.dtype) == ((10, 28, 28, 1), np.uint8)
    assert pixels[:, 14, 14, 0].tolist() == [20 * index for index in range(10)]
    assert np.ptp(pixels, axis=(1, 2)).max() == 0


def test_a_changed_folder_is_read_anew_and_an_unchanged_one_is_not(pets, tmp_path, monkeypatch):
    facts = Config.of(pets()).facts
    first = generated_images(facts, tmp_path / "made")
    assert generated_images(facts, tmp_path / "made") is first
    shutil.copy(tmp_path / "made/cat/0.png", tmp_path / "made/cat/00.png")
    assert len(generated_images(facts, tmp_path / "made")) == len(first) + 1
    assert json.dumps(generated_facts(tmp_path / "made", facts).per_class) == "[6, 5, 5]"
