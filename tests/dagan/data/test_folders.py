"""A zip serves as the folder that it holds: the same images, the same identity, the same refusals."""

import os
import zipfile

import numpy as np
import pytest
import torch

from dagan.config import Config
from dagan.data.card import check_images
from dagan.data.facts import facts
from dagan.data.folders import image_folder
from dagan.data.images import fingerprint, read_images
from dagan.errors import InvalidInput
from dagan.training.dataset import scaled, training_data


def zipped(folder, file, *, around="", compression=zipfile.ZIP_STORED):
    """A zip of a folder, with entries for its sub-folders as most programs write them."""
    with zipfile.ZipFile(file, "w", compression) as target:
        for path in sorted(folder.rglob("*"), reverse=True):  # not in the order of names
            target.write(path, f"{around}{path.relative_to(folder).as_posix()}")
    return file


def config(place, **data):
    choices = {"folder": str(place), "dataset": "mine", "image_size": 8, "samples_per_class": 2} | data
    return Config.of({"method": "c", "data": choices})


def data_of(place, **data):
    return training_data(config(place, **data), torch.device("cpu"))


def refusal(place, **data):
    with pytest.raises(InvalidInput) as caught:
        data_of(place, **data)
    return str(caught.value)


@pytest.fixture(params=["flat", "train and test"])
def folder(request, tmp_path, write_images):
    folder = tmp_path / "my pets"
    counts = {"ключ": 9, "猫 と 犬": 12, "a b": 11}
    for number, part in enumerate([""] if request.param == "flat" else ["train", "test"]):
        write_images(folder / part, counts, seed=number)
    (folder / "README.txt").write_text("x")
    return folder


@pytest.mark.parametrize("around", ["", "my pets/"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_the_folder_that_it_holds(folder, tmp_path, around, compression):
    file = zipped(folder, tmp_path / "pets.zip", around=around, compression=compression)
    assert facts("mine", folder=file) == facts("mine", folder=folder)
    assert fingerprint(file) == fingerprint(folder)
    assert config(file).signature == config(folder).signature
    for phase in ("search", "confirm"):
        here, there = data_of(folder, phase=phase), data_of(file, phase=phase)
        for part in ("train", "validation", "test"):
            one, other = getattr(here, part), getattr(there, part)
            assert (one is None) == (other is None)
            if one:
                assert torch.equal(one.images, other.images)
                assert torch.equal(one.labels, other.labels)
    check_images(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my pets", "pets.zip"]  # nothing was unpacked


def test_what_macos_adds_is_passed_over(folder, tmp_path):
    before = fingerprint(folder)
    (folder / "__MACOSX" / "a b").mkdir(parents=True)
    (folder / "__MACOSX" / "a b" / "._0.png").write_text("x")
    (folder / ".DS_Store").write_text("x")
    assert facts("mine", folder=folder).classes == ("a b", "ключ", "猫 と 犬")
    (folder / "__MACOSX" / "a b" / "0.png").write_text("x")
    file = zipped(folder, tmp_path / "pets.zip")
    assert fingerprint(file) == before
    with zipfile.ZipFile(zipped(folder, tmp_path / "around.zip", around="pets/"), "a") as target:
        target.writestr("__MACOSX/pets/._0.png", "x")
    assert fingerprint(tmp_path / "around.zip") == before
    assert len(data_of(file).train) == 6


class Unmarked(zipfile.ZipInfo):
    """An entry with its name in UTF-8, but not said to be."""

    def _encodeFilenameFlags(self):  # noqa: N802
        return self.filename.encode(), self.flag_bits


def test_names_in_utf_8_that_are_not_said_to_be_are_read(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as target:
        for path in folder.rglob("*.png"):
            target.writestr(Unmarked(path.relative_to(folder).as_posix()), path.read_bytes())
    assert not any(info.flag_bits & 0x800 for info in zipfile.ZipFile(tmp_path / "pets.zip").infolist())
    assert fingerprint(tmp_path / "pets.zip") == fingerprint(folder)


def test_names_with_backslashes_are_folders(folder, tmp_path):
    file = tmp_path / "pets.zip"
    with zipfile.ZipFile(file, "w") as target:
        for path in folder.rglob("*.png"):
            target.writestr("pets\\" + path.relative_to(folder).as_posix().replace("/", "\\"), path.read_bytes())
    assert fingerprint(file) == fingerprint(folder)


def test_only_the_images_that_are_needed_are_opened(tmp_path, write_images, monkeypatch):
    for part in ("train", "test"):
        write_images(tmp_path / "pets" / part, {"cats": 20, "dogs": 20})
    file = zipped(tmp_path / "pets", tmp_path / "pets.zip")
    opened, read = [], zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, info: opened.append(info.filename) or read(self, info))
    assert facts("mine", folder=file).per_class == (20, 20)
    assert opened == []
    data_of(file, phase="search", validation="within")
    assert len(opened) == len(set(opened)) == 4
    assert not any("test" in name for name in opened)
    opened.clear()
    data_of(file)
    assert len(opened) == 4 + 40


@pytest.mark.parametrize(
    ("counts", "rule"),
    [
        ({}, "must hold one sub-folder per class, 2 or more, but has no sub-folder with images"),
        ({"a": 6}, "must hold one sub-folder per class, 2 or more, but has only `a`"),
        ({"a": 6, "b": 1}, "class `b` in {place} must hold at least 3 images, but has 1"),
        ({"a": 6, "b": 0}, "class `b` in {place} must hold at least 3 images, but has 0"),
    ],
)
def test_a_zip_that_cannot_serve_is_refused_as_a_folder_is(tmp_path, write_images, counts, rule):
    (tmp_path / "pets").mkdir()
    file = zipped(write_images(tmp_path / "pets", counts), tmp_path / "pets.zip")
    assert rule.format(place=file) in refusal(file)


def test_train_and_test_of_other_classes_are_refused(tmp_path, write_images):
    write_images(tmp_path / "pets" / "train", {"cats": 6, "dogs": 6})
    write_images(tmp_path / "pets" / "test", {"cats": 6, "wolves": 6})
    file = zipped(tmp_path / "pets", tmp_path / "pets.zip", around="pets/")
    said = refusal(file)
    assert f"{file}/test must have the classes that train has, but lacks `dogs`." in said
    assert f"{file}/train must have the classes that test has, but lacks `wolves`." in said


CUTS = [
    (("train", "val", "test"), {"train", "validation", "test"}),
    (("Train", "Validation"), {"train", "validation"}),
    (("training", "valid"), {"train", "validation"}),
    (("TRAIN", "Testing"), {"train", "test"}),
    (("train",), {"train"}),
]


@pytest.mark.parametrize(("names", "parts"), CUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_parts_are_read_as_what_they_are(tmp_path, write_images, names, parts, packed):
    place, counts = tmp_path / "pets", {"cats": 12, "dogs": 15}
    for seed, name in enumerate(names):
        write_images(place / name, counts, seed=seed)
    if packed:
        place = zipped(place, tmp_path / "pets.zip", around="pets/")
    known, folder = facts("pets", folder=place), image_folder(place)
    assert known.classes == ("cats", "dogs")
    assert known.per_class == (12, 15)
    assert (known.has_test, known.has_validation) == ("test" in parts, "validation" in parts)
    assert set(folder.parts) == parts

    settings = config(place, phase="search")
    assert settings.data.validation == ("own" if "validation" in parts else "held_out")
    found = data_of(place, phase="search")
    everything = {part: images_of(folder, folder.part(part)) for part in ("train", "validation", "test")}
    where = "validation" if "validation" in parts else "train"
    assert {image.tobytes() for image in found.validation.images.numpy()} <= everything[where]
    assert {image.tobytes() for image in found.train.images.numpy()} <= everything["train"]
    tested = data_of(place, phase="confirm").test
    where = "test" if "test" in parts else "train"
    assert {image.tobytes() for image in tested.images.numpy()} <= everything[where]
    assert len(tested) == (27 if "test" in parts else 4 + 5)


def images_of(folder, classes):
    names = [name for images in classes.values() for name in images]
    images = scaled(torch.from_numpy(read_images(folder, names, 8, 3)))
    return {image.tobytes() for image in images.numpy()}


def test_own_validation_images_leave_the_whole_pool_to_train_on_and_are_the_same_for_all_seeds(tmp_path, write_images):
    for seed, (part, count) in enumerate({"train": 6, "val": 9, "test": 5}.items()):
        write_images(tmp_path / "pets" / part, {"cats": count, "dogs": count}, seed=seed)
    place = tmp_path / "pets"
    assert len(data_of(place, samples_per_class=6, phase="search").train) == 12
    assert "must be <= 6" in refusal(place, samples_per_class=7)
    assert "must be <= 2" in refusal(place, samples_per_class=7, validation="held_out")
    first, second = (
        training_data(config(place, phase="search", validation_images=8).with_seed(seed), torch.device("cpu"))
        for seed in (0, 1)
    )
    assert torch.equal(first.validation.images, second.validation.images)
    assert first.validation.labels.bincount().tolist() == [4, 4]
    assert not torch.equal(first.train.images, second.train.images)
    assert len(data_of(place, samples_per_class=6, phase="search").validation) == 18
    assert data_of(place, phase="confirm").validation is None
    assert config(place).signature != config(place, validation="held_out").signature


def test_own_validation_needs_a_folder_of_it(tmp_path, write_images):
    write_images(tmp_path / "pets", {"cats": 12, "dogs": 12})
    said = refusal(tmp_path / "pets", validation="own")
    assert "data.validation: cannot be own: mine brings no validation images." in said


def test_an_image_that_serves_two_purposes_is_named(tmp_path, write_images):
    for seed, part in enumerate(("train", "val", "test")):
        write_images(tmp_path / "pets" / part, {"cats": 6, "dogs": 6}, seed=seed)
    place = tmp_path / "pets"
    check_images(place)
    (place / "val/dogs/again.png").write_bytes((place / "train/cats/1.png").read_bytes())
    (place / "test/dogs/again.png").write_bytes((place / "val/cats/2.png").read_bytes())
    (place / "train/dogs/again.png").write_bytes((place / "train/cats/1.png").read_bytes())  # one purpose
    with pytest.raises(InvalidInput) as caught:
        check_images(place)
    assert [problem.message for problem in caught.value.problems] == [
        f"{place}/val/dogs/again.png is the training image {place}/train/cats/1.png too. Remove one of them.",
        f"{place}/test/dogs/again.png is the validation image {place}/val/cats/2.png too. Remove one of them.",
    ]


def test_two_folders_for_one_part_are_refused(tmp_path, write_images):
    for name in ("train", "val", "Validation"):
        write_images(tmp_path / "pets" / name, {"cats": 6, "dogs": 6})
    said = refusal(tmp_path / "pets")
    assert "must have one folder of validation images, but has Validation and val. Put them into one." in said


def test_a_class_may_be_called_train(tmp_path, write_images):
    write_images(tmp_path / "vehicles", {"train": 9, "car": 9})
    assert facts("vehicles", folder=tmp_path / "vehicles").classes == ("car", "train")


def test_images_of_kinds_that_are_not_read_are_counted(tmp_path, write_images):
    place = write_images(tmp_path / "pets", {"cats": 9, "dogs": 9})
    for name in ("cats/a.heic", "cats/b.HEIC", "dogs/c.avif", "dogs/.hidden.heic", "dogs/note.txt"):
        (place / name).write_bytes(b"x")
    (place / "cats" / "0.png").rename(place / "cats" / "0.jfif")
    for there in (place, zipped(place, tmp_path / "pets.zip")):
        assert image_folder(there).unread == ("cats/a.heic", "cats/b.HEIC", "dogs/c.avif")
        assert facts("pets", folder=there).per_class == (9, 9)


def test_damaged_images_in_a_zip_are_named_all_at_once(tmp_path, write_images):
    folder = write_images(tmp_path / "pets", {"a": 6, "b": 6})
    (folder / "a" / "letter.png").write_text("Dear reader")
    (folder / "b" / "nothing.png").touch()
    file = zipped(folder, tmp_path / "pets.zip", around="pets/")
    with pytest.raises(InvalidInput) as caught:
        check_images(file)
    assert [str(problem) for problem in caught.value.problems] == [
        f"data.folder: {file}/a/letter.png is not an image. Mend or remove it.",
        f"data.folder: {file}/b/nothing.png is not an image. Mend or remove it.",
    ]


def test_a_test_image_that_is_a_training_image_too_is_named(tmp_path, write_images):
    for number, part in enumerate(("train", "test")):
        write_images(tmp_path / "pets" / part, {"a": 4, "b": 4}, seed=number)
    content = (tmp_path / "pets" / "train" / "b" / "2.png").read_bytes()
    (tmp_path / "pets" / "test" / "a" / "new.png").write_bytes(content)
    file = zipped(tmp_path / "pets", tmp_path / "pets.zip")
    with pytest.raises(InvalidInput) as caught:
        check_images(file)
    assert str(caught.value) == (
        f"data.folder: {file}/test/a/new.png is the training image {file}/train/b/2.png too. Remove one of them."
    )


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_zip_that_is_cut_off_is_refused(folder, tmp_path, kept):
    file = zipped(folder, tmp_path / "pets.zip")
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    assert f"data.folder: {file} must be a zip that can be read, but is damaged (" in refusal(file)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage before it fails
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_zip_with_a_damaged_byte_is_read_or_refused_and_never_crashes(tmp_path, write_images, compression):
    file = zipped(write_images(tmp_path / "pets", {"a": 3, "b": 3}), tmp_path / "pets.zip", compression=compression)
    whole, random, refused = file.read_bytes(), np.random.default_rng(0), 0
    for _ in range(150):
        content = bytearray(whole)
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        file.write_bytes(content)
        try:
            check_images(file)
            facts("mine", folder=file)
        except InvalidInput:
            refused += 1
    assert refused > 50


def test_a_zip_with_a_password_is_refused(folder, tmp_path):
    file = zipped(folder, tmp_path / "pets.zip")
    content = bytearray(file.read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start + 8] |= 1  # the flag bits of the first entry of the directory
    file.write_bytes(content)
    assert "must be a zip without a password, but has one" in refusal(file)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "pets.tar").write_text("x")
    assert "or a zip of one, but is a file of another kind" in refusal(tmp_path / "pets.tar")
    assert "or a zip of one, but is not there" in refusal(tmp_path / "pets.zip")


def test_a_zip_that_was_written_anew_is_read_anew(tmp_path, write_images):
    folder = write_images(tmp_path / "pets", {"a": 6, "b": 6})
    file = zipped(folder, tmp_path / "pets.zip")
    before = facts("mine", folder=file)
    assert image_folder(file) is image_folder(file)
    (folder / "a" / "0.png").unlink()
    zipped(folder, file)
    assert facts("mine", folder=file).per_class == (5, 6)
    assert facts("mine", folder=file).fingerprint != before.fingerprint


def test_a_class_that_is_a_link_counts_with_its_images(tmp_path, write_images):
    write_images(tmp_path / "elsewhere", {"dogs": 7})
    folder = write_images(tmp_path / "pets", {"cats": 6})
    before = fingerprint(folder)
    (folder / "dogs").symlink_to(tmp_path / "elsewhere" / "dogs")
    assert facts("mine", folder=folder).per_class == (6, 7)
    assert fingerprint(folder) != before
    os.truncate(tmp_path / "elsewhere" / "dogs" / "0.png", 10)
    assert fingerprint(folder) not in (before, facts("mine", folder=folder).fingerprint)
