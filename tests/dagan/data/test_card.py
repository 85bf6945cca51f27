"""The card of a folder: counted, measured, and everything odd in it named."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from dagan.data.card import card_of


@pytest.fixture
def odd(tmp_path, write_images):
    """Two classes in train, val and test, with everything that a folder can have too much of."""
    place = tmp_path / "pets"
    for seed, (part, count) in enumerate({"Train": 9, "val": 3, "test": 4}.items()):
        write_images(place / part, {"cats": count, "dogs": count + 1}, seed=seed)
    (place / "Train/cats/again.png").write_bytes((place / "Train/cats/2.png").read_bytes())
    (place / "Train/dogs/cat.png").write_bytes((place / "Train/cats/3.png").read_bytes())
    (place / "Train/stray.png").write_bytes((place / "Train/cats/4.png").read_bytes())
    Image.new("L", (40, 20), 7).save(place / "test/cats/wide.png")
    for name in ("Train/cats/a.heic", "val/dogs/b.avif", "val/dogs/c.HEIC"):
        (place / name).write_bytes(b"x")
    return place


@pytest.mark.parametrize("packed", [False, True])
def test_everything_that_a_folder_holds_is_told(odd, packed, tmp_path):
    place = odd
    if packed:
        place = tmp_path / "pets.zip"
        with zipfile.ZipFile(place, "w") as file:
            for path in sorted(odd.rglob("*")):
                file.write(path, path.relative_to(odd).as_posix())
    card = card_of(place)
    assert card.classes == ("cats", "dogs")
    assert card.counts == {"train": (10, 11), "validation": (3, 4), "test": (5, 5)}
    assert card.smallest_class == ("cats", 10)
    assert len(card.sizes) == 38
    assert (card.sizes[0], card.sizes[-1], card.shorter_side) == ((12, 12), (40, 20), 12)
    assert card.modes == {"RGB": 37, "L": 1}
    assert not card.grey
    assert card.unread == {".heic": 2, ".avif": 1}
    assert card.outside == ("Train/stray.png",)
    assert card.twice == (("Train/cats/again.png", "Train/cats/2.png"),)
    assert card.torn == (("Train/dogs/cat.png", "Train/cats/3.png"),)
    assert card.problems == ()


def test_what_cannot_serve_is_a_problem_and_the_rest_is_told_all_the_same(odd):
    (odd / "val/cats/0.png").write_text("no image")
    (odd / "test/dogs/0.png").write_bytes((odd / "Train/cats/0.png").read_bytes())
    card = card_of(odd)
    assert [problem.message for problem in card.problems] == [
        f"{odd}/val/cats/0.png is not an image. Mend or remove it.",
        f"{odd}/test/dogs/0.png is the training image {odd}/Train/cats/0.png too. Remove one of them.",
    ]
    assert card.counts["validation"] == (3, 4)


@pytest.mark.parametrize(("mode", "grey"), [("L", True), ("1", True), ("I;16", True), ("RGB", True), ("CMYK", False)])
def test_grey_is_what_has_no_colour_whatever_its_mode(tmp_path, mode, grey):
    ramp = Image.fromarray(np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1)))
    image = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257) if mode == "I;16" else ramp.convert(mode)
    if mode == "CMYK":
        image = Image.merge("CMYK", (ramp, ramp.rotate(90), ramp, ramp))
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for index in range(4):
            image.save(tmp_path / label / f"{index}.{'tif' if mode in ('CMYK', 'I;16') else 'png'}")
    card = card_of(tmp_path)
    assert list(card.modes) == [mode]
    assert card.grey == grey


def test_a_grey_jpeg_in_colour_is_grey(tmp_path):
    ramp = Image.fromarray(np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))).convert("RGB")
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for index in range(3):
            ramp.save(tmp_path / label / f"{index}.jpg")
    assert card_of(tmp_path).grey
