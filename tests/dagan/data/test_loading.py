"""The images of a training: the bundled digits, and folders of images as people have them."""

import contextlib
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from dagan.config import Config
from dagan.data import images
from dagan.data.card import check_images
from dagan.data.facts import facts
from dagan.data.images import fingerprint, read_image
from dagan.errors import InvalidInput
from dagan.training.dataset import training_data

CPU = torch.device("cpu")


def data_of(**data):
    return training_data(Config.of({"method": "c", "data": data}), CPU)


def refusal(**data):
    with pytest.raises(InvalidInput) as caught:
        data_of(**data)
    return str(caught.value)


# The bundled digits


def test_the_facts_of_digits_are_those_of_scikit_learn():
    bunch, known = load_digits(), facts("digits")
    assert known.per_class == tuple(np.bincount(bunch.target))
    assert bunch.images.shape[1:] == (known.image_size, known.image_size)
    assert known.channels == 1
    assert not known.has_test


def test_digits_are_pixels_from_minus_one_to_one_with_their_classes():
    data, bunch = data_of(samples_per_class=5), load_digits()
    assert data.train.images.shape == (50, 1, 8, 8)
    assert torch.bincount(data.train.labels).tolist() == [5] * 10
    assert data.test.images.shape[1:] == (1, 8, 8)
    assert len(data.test) == sum(count // 3 for count in facts("digits").per_class)
    assert (data.train.images.min(), data.train.images.max()) == (-1, 1)
    known = {
        np.round((image + 1) * 8).astype(int).tobytes(): label
        for image, label in zip(bunch.images / 8 - 1, bunch.target, strict=True)
    }
    for image, label in zip(data.train.images[:, 0].numpy(), data.train.labels.tolist(), strict=True):
        assert known[np.round((image + 1) * 8).astype(int).tobytes()] == label


# Folders of images


def folder_data(folder, **data):
    return data_of(**({"folder": str(folder), "dataset": "mine", "image_size": 8, "samples_per_class": 1} | data))


def test_a_folder_gives_its_images_by_class(tmp_path, write_images):
    folder = write_images(tmp_path / "blank name", {"ключ": 12, "猫 と 犬": 12, "a b": 15})
    data = folder_data(folder, samples_per_class=3)
    assert data.train.images.shape == (9, 3, 8, 8)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert torch.bincount(data.test.labels).tolist() == [5, 4, 4]
    assert facts("mine", folder=folder).classes == ("a b", "ключ", "猫 と 犬")


def test_a_folder_with_train_and_test_keeps_them_apart(tmp_path, write_images):
    for part, count in (("train", 6), ("test", 4)):
        write_images(tmp_path / part, {"cats": count, "dogs": count + 1}, seed=count)
    search, confirm = folder_data(tmp_path, phase="search"), folder_data(tmp_path)
    assert search.test is None
    assert torch.bincount(confirm.test.labels).tolist() == [4, 5]
    known = facts("mine", folder=tmp_path)
    assert known.has_test
    assert known.per_class == (6, 7)
    expected = read_image(tmp_path / "test" / "cats" / "0.png", 8, 3) / 127.5 - 1
    assert np.allclose(confirm.test.images[0].permute(1, 2, 0), expected, atol=1e-6)


def test_search_does_not_open_test_images(tmp_path, write_images):
    for part in ("train", "test"):
        write_images(tmp_path / part, {"cats": 6, "dogs": 6})
    for file in (tmp_path / "test").rglob("*.png"):
        file.write_text("no image")
    assert len(folder_data(tmp_path, phase="search").train) == 2
    assert refusal(folder=str(tmp_path), dataset="mine", samples_per_class=1).count("is not an image") == 12


def test_a_grey_folder_has_one_channel(tmp_path, write_images):
    folder = write_images(tmp_path / "images", {"a": 8, "b": 8})
    assert folder_data(folder, channels=1).train.images.shape == (2, 1, 8, 8)


@pytest.mark.parametrize("wide", [True, False])
def test_images_that_are_not_square_are_made_so_as_fit_says(tmp_path, wide):
    """Three stripes, red, green and blue, each a square of 12 pixels."""
    stripes = np.repeat(np.eye(3, dtype=np.uint8) * 255, 12, axis=0)[None].repeat(12, axis=0)
    pixels = stripes if wide else stripes.transpose(1, 0, 2)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(8):
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    middles = {}
    for fit in (None, "crop", "pad", "stretch"):
        image = folder_data(tmp_path, image_size=12, **({"fit": fit} if fit else {})).train.images[0]
        assert image.shape == (3, 12, 12)
        along = image[:, 6, :] if wide else image[:, :, 6]
        middles[fit] = along.argmax(0).tolist()
        across = image[:, :, 6] if wide else image[:, 6, :]
        assert torch.allclose(across, across[:, :1].expand_as(across), atol=0.01), "padded with what is at the edge"
    assert middles[None] == middles["crop"] == [1] * 12
    assert middles["stretch"] == middles["pad"] == [0] * 4 + [1] * 4 + [2] * 4


def test_fit_cannot_be_chosen_where_images_are_square():
    assert "data.fit: is crop for digits and cannot be chosen. Remove it." in refusal(fit="pad")


def test_a_config_that_says_nothing_of_fit_keeps_its_signature(tmp_path, write_images):
    write_images(tmp_path, {"a": 8, "b": 8})
    choices = {"folder": str(tmp_path), "samples_per_class": 1}
    plain, crop, pad = (Config.of({"data": choices | fit}) for fit in ({}, {"fit": "crop"}, {"fit": "pad"}))
    assert plain.signature == crop.signature != pad.signature


def test_large_jpegs_are_decoded_at_a_fraction_of_their_size(tmp_path, photographs, monkeypatch):
    (photograph,) = photographs(1, side=512)
    Image.fromarray(photograph).save(tmp_path / "large.jpg", quality=95)
    sizes = []
    fit = images.ImageOps.fit
    monkeypatch.setattr(images.ImageOps, "fit", lambda image, *more: sizes.append(image.size) or fit(image, *more))
    small = read_image(tmp_path / "large.jpg", 32, 3)
    assert sizes == [(64, 64)]
    whole = np.asarray(fit(Image.fromarray(photograph), (32, 32), Image.Resampling.BICUBIC))
    assert np.abs(small.astype(int) - whole).mean() < 3


def solid(mode, colour, size=(20, 14)):
    return Image.new(mode, size, colour)


def palette(transparent):
    image = Image.new("P", (20, 14), 1)
    image.putpalette([0, 0, 0, 255, 0, 0] + [0] * 762)
    return image, ({"transparency": 1} if transparent else {})


def sixteen_bits(value, size=(14, 20)):
    return Image.fromarray(np.full(size, value, dtype=np.uint16))


@pytest.mark.parametrize(
    ("name", "image", "options", "colour"),
    [
        ("grey.png", solid("L", 100), {}, (100, 100, 100)),
        ("colour.png", solid("RGB", (10, 20, 30)), {}, (10, 20, 30)),
        ("half transparent.png", solid("RGBA", (0, 0, 0, 51)), {}, (204, 204, 204)),  # a fifth black on white
        ("grey alpha.png", solid("LA", (40, 255)), {}, (40, 40, 40)),
        ("palette.png", *palette(False), (255, 0, 0)),
        ("transparent palette.png", *palette(True), (255, 255, 255)),
        ("transparent palette.gif", *palette(True), (255, 255, 255)),
        ("keyed.png", solid("RGB", (1, 2, 3)), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        ("press.jpg", solid("CMYK", (0, 255, 255, 0)), {"quality": 100}, (255, 0, 0)),
        ("photo.JPEG", solid("RGB", (200, 100, 50)), {"quality": 100}, (200, 100, 50)),
        ("16 bits.png", sixteen_bits(32896), {}, (128, 128, 128)),  # 32896 / 65535 · 255
        ("16 bits.tiff", sixteen_bits(65535), {}, (255, 255, 255)),
        ("one bit.png", solid("1", 1), {}, (255, 255, 255)),
        ("one bit.bmp", solid("1", 0), {}, (0, 0, 0)),
        ("wide.webp", solid("RGB", (9, 9, 9), (40, 3)), {"lossless": True}, (9, 9, 9)),
        ("single pixel.png", solid("RGB", (7, 8, 9), (1, 1)), {}, (7, 8, 9)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_images_of_every_mode_and_size_are_converted(tmp_path, name, image, options, colour):
    image.save(tmp_path / name, **options)
    pixels = read_image(tmp_path / name, 8, 3)
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= (6 if "press" in name or "photo" in name else 1)
    assert read_image(tmp_path / name, 8, 1).shape == (8, 8, 1)


def test_the_orientation_that_a_camera_noted_is_applied(tmp_path):
    image = solid("RGB", (0, 0, 0), (8, 8))
    image.paste((255, 255, 255), (0, 0, 8, 4))  # the upper half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: the upper half becomes the right
    image.save(tmp_path / "turned.png", exif=exif)
    pixels = read_image(tmp_path / "turned.png", 8, 1)[..., 0]
    assert (pixels[:, 4:] == 255).all()
    assert (pixels[:, :4] == 0).all()


def test_the_middle_of_an_oblong_image_is_cut_out(tmp_path):
    image = solid("L", 0, (24, 8))
    image.paste(200, (8, 0, 16, 8))
    image.save(tmp_path / "oblong.png")
    assert (read_image(tmp_path / "oblong.png", 8, 1) == 200).all()


def test_damaged_images_are_refused_all_at_once_with_their_paths(tmp_path, write_images):
    folder = write_images(tmp_path / "images", {"a": 6, "b": 6}, size=40)
    Image.open(folder / "a" / "0.png").save(folder / "a" / "cut.jpg")
    whole = (folder / "a" / "cut.jpg").read_bytes()
    (folder / "a" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "b" / "letter.png").write_text("Dear reader, this is a letter.")
    (folder / "b" / "nothing.png").touch()
    with pytest.raises(InvalidInput) as caught:
        check_images(folder)
    first, second, third = map(str, caught.value.problems)
    assert first.startswith(f"data.folder: {folder}/a/cut.jpg cannot be read (image file is truncated")
    assert second == f"data.folder: {folder}/b/letter.png is not an image. Mend or remove it."
    assert third == f"data.folder: {folder}/b/nothing.png is not an image. Mend or remove it."
    assert "cut.jpg" in refusal(folder=str(folder), dataset="mine", samples_per_class=4, validation="within")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """Shared by the examples of one property."""
    return tmp_path_factory.mktemp("scratch")


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage before it fails
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"])
@given(cut=st.floats(0, 0.99), flipped=st.none() | st.floats(0, 0.99))
def test_a_damaged_file_is_read_or_refused_and_never_crashes(scratch, suffix, cut, flipped):
    file = scratch / suffix / f"damaged.{suffix}"
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(file)
    content = bytearray(file.read_bytes())
    if flipped is None:
        content = content[: int(cut * len(content))]
    else:
        content[int(flipped * len(content))] ^= 1 << int(cut * 8)
    file.write_bytes(content)
    with contextlib.suppress(InvalidInput):
        check_images(file.parent)


def test_files_that_are_no_images_are_passed_over(tmp_path, write_images):
    folder = write_images(tmp_path / "images", {"a": 6, "b": 6})
    before = facts("mine", folder=folder)
    (folder / "a" / "Thumbs.db").write_text("x")
    (folder / "b" / ".hidden.png").write_text("x")
    (folder / "README.txt").write_text("x")
    assert facts("mine", folder=folder) == before


@pytest.mark.parametrize(
    ("counts", "rule"),
    [
        ({}, "must hold one sub-folder per class, 2 or more, but has no sub-folder with images"),
        ({"a": 6}, "must hold one sub-folder per class, 2 or more, but has only `a`"),
        ({"a": 6, "b": 1}, "class `b` in {folder} must hold at least 3 images, but has 1"),
        ({"a": 6, "b": 0}, "class `b` in {folder} must hold at least 3 images, but has 0"),
        (
            {"a": 40, "b": 9},
            "data.samples_per_class: must be <= 2 for mine, whose smallest class has 9 images, but is 20",
        ),
    ],
)
def test_a_folder_that_cannot_serve_is_refused_with_the_rule(tmp_path, write_images, counts, rule):
    folder = tmp_path / "images"
    folder.mkdir()
    write_images(folder, counts)
    message = refusal(folder=str(folder), dataset="mine", image_size=8)
    assert rule.format(folder=folder) in message
    if "samples_per_class" not in rule:
        assert str(folder) in message


def test_train_and_test_of_other_classes_are_refused(tmp_path, write_images):
    write_images(tmp_path / "train", {"cats": 6, "dogs": 6})
    write_images(tmp_path / "test", {"cats": 6, "wolves": 6})
    message = refusal(folder=str(tmp_path), dataset="mine", samples_per_class=1)
    assert "test must have the classes that train has, but lacks `dogs`." in message


def test_a_test_class_without_images_is_refused(tmp_path, write_images):
    write_images(tmp_path / "train", {"cats": 6, "dogs": 6})
    write_images(tmp_path / "test", {"cats": 0, "dogs": 0})
    message = refusal(folder=str(tmp_path), dataset="mine", samples_per_class=1)
    assert "class `cats`" in message
    assert "class `dogs`" in message


@pytest.mark.parametrize("path", ["nowhere", "a file"])
def test_a_folder_that_is_none_is_refused(tmp_path, path):
    (tmp_path / "a file").write_text("x")
    message = refusal(folder=str(tmp_path / path), dataset="mine")
    assert f"{tmp_path / path} must be a folder" in message


def test_the_fingerprint_is_that_of_the_files_not_of_the_place(tmp_path, write_images):
    folder = write_images(tmp_path / "here", {"a": 6, "b": 6})
    before = fingerprint(folder)
    moved = folder.rename(tmp_path / "there")
    assert fingerprint(moved) == before
    Image.new("RGB", (5, 5)).save(moved / "a" / "new.png")
    assert fingerprint(moved) != before
    (moved / "a" / "new.png").unlink()
    assert fingerprint(moved) == before
    (moved / "a").rename(moved / "another class")
    assert fingerprint(moved) != before


def test_an_added_image_is_noticed_and_makes_another_config(tmp_path, write_images):
    folder = write_images(tmp_path / "images", {"a": 9, "b": 9})
    choices = {"data": {"folder": str(folder), "dataset": "mine", "samples_per_class": 1}}
    before = Config.of(choices)
    time.sleep(0.05)  # the clock of a file system is a coarse one
    Image.new("RGB", (5, 5)).save(folder / "a" / "new.png")
    assert Config.of(choices).signature != before.signature
    stored = before.model_dump(mode="json")
    with pytest.raises(InvalidInput, match="not the ones recorded"):
        Config.of(stored)


def test_a_folder_without_a_name_of_its_own_is_not_taken_for_digits(tmp_path, write_images):
    folder = write_images(tmp_path / "photos", {"a": 9, "b": 9})
    config = Config.of({"method": "c_aug", "data": {"folder": str(folder), "samples_per_class": 1}})
    assert config.network.name == "conv32"
    assert config.augmentation.rotation == 10
