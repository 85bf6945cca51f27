"""Which images nearly equal one another: copies in every disguise are found, honest lookalikes are not."""

import io
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from dagan.data import near_copies as near_copies_module
from dagan.data.loading import digits
from dagan.data.near_copies import LEAST, aligned, copies_within, details, near_copies


def saved_anew(image, quality=75):
    """The image as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(image.shape)


def moved(image, across=2, down=-1):
    """The image moved within its frame, whose edge repeats."""
    wide = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="edge")
    return wide[3 + down : 3 + down + len(image), 3 + across : 3 + across + len(image)]


def cut(image):
    """The image without the two outermost pixels at each edge, enlarged to its size."""
    box = (2, 2, image.shape[1] - 2, image.shape[0] - 2)
    return np.asarray(Image.fromarray(image).resize(image.shape[1::-1], Image.Resampling.BICUBIC, box=box))


DISGUISES = {
    "none": lambda image: image,
    "saved anew": saved_anew,
    "mirrored": lambda image: image[:, ::-1],
    "moved": moved,
    "brighter": lambda image: np.clip(image.astype(int) + 40, 0, 255).astype(np.uint8),
    "paler": lambda image: (image * 0.6 + 40).astype(np.uint8),
    "grey": lambda image: image.mean(axis=2, keepdims=True).repeat(image.shape[2], axis=2).astype(np.uint8),
    "cut off at its edges": cut,
    "mirrored, moved and saved anew": lambda image: saved_anew(moved(np.ascontiguousarray(image[:, ::-1]), 1, 1)),
}


@pytest.fixture(scope="module")
def photos(photographs):
    return photographs(60)


@pytest.fixture(scope="module")
def numerals():
    """Real digits of 8x8 pixels: many are much alike, and none is another's copy."""
    pixels, _ = digits()
    return pixels[:600], pixels[600:]


def test_photographs_are_found_in_every_disguise(photos, photographs):
    others, chosen = photographs(20, seed=1), [7, 40, 59]
    copies = [disguise(photos[index]) for disguise in DISGUISES.values() for index in chosen]
    found = near_copies(photos, np.concatenate([others[:10], copies, others[10:]]))
    asked = [(name, index) for name in DISGUISES for index in chosen]
    assert [asked[place - 10] for place in found.candidates if 10 <= place < 10 + len(asked)] == asked
    assert found.originals.tolist() == chosen * len(DISGUISES)
    assert (found.similarity >= found.threshold).all()
    assert LEAST <= found.threshold < 0.7, "photographs are unlike each other"


def test_digits_of_few_pixels_too(numerals):
    originals, _ = numerals
    disguises = [*(DISGUISES[name] for name in ("none", "mirrored", "paler")), partial(saved_anew, quality=90)]
    found = near_copies(originals, np.stack([disguise(image) for disguise in disguises for image in originals[::50]]))
    assert len(found) >= 0.95 * 4 * len(originals[::50])
    assert (found.originals == 50 * (found.candidates % len(originals[::50]))).all()


def test_honest_lookalikes_are_not(photos, numerals, photographs):
    assert len(near_copies(photos, photographs(60, seed=1))) == 0
    found = near_copies(*numerals)
    assert len(found) == 0
    assert found.threshold > 0.95, "digits are alike"


def test_copies_among_the_originals_hardly_move_the_threshold(photos, photographs):
    repeated = np.concatenate([photos, photos[:4]])
    found = near_copies(repeated, np.concatenate([photographs(10, seed=1), moved(photos[3])[None]]))
    assert found.candidates.tolist() == [10]


def test_more_images_than_a_block_and_larger_ones(monkeypatch, photographs):
    monkeypatch.setattr(near_copies_module, "BLOCK", 9)
    originals = photographs(25, side=48)
    found = near_copies(originals, originals[::-1])
    assert found.candidates.tolist() == list(range(25))
    assert found.originals.tolist() == list(range(25))[::-1]
    assert found.similarity == pytest.approx(np.ones(25), abs=1e-5)


def test_empty_images_equal_empty_ones_alone(photos):
    empty = np.full_like(photos[:1], 90)
    assert len(near_copies(photos, empty)) == 0
    assert near_copies(np.concatenate([photos, empty]), empty // 2).originals.tolist() == [len(photos)]


@pytest.mark.parametrize(("originals", "candidates", "expected"), [(0, 2, 0), (2, 0, 0), (1, 1, 1), (2, 2, 2)])
def test_sets_of_none_or_few(photos, originals, candidates, expected):
    assert len(near_copies(photos[:originals], photos[:candidates])) == expected


@pytest.mark.parametrize(("across", "down"), [(0, 0), (3, -2), (-1, 3)])
def test_a_correlation_is_that_of_the_overlap_at_the_best_shift(across, down):
    wide = np.random.default_rng(0).normal(size=(38, 38))
    image, shifted = wide[3:35, 3:35], wide[3 + down : 35 + down, 3 + across : 35 + across]
    images = torch.from_numpy(image.copy()).float()[None]
    originals = torch.from_numpy(np.stack([2 * shifted, -shifted])).float()[None]
    same, negative = aligned(images, originals)[0].tolist()
    assert same == pytest.approx(1, abs=1e-5)
    assert negative < 0.3


def test_details_know_no_brightness(photographs):
    images = torch.from_numpy(photographs(2)[..., 0])
    torch.testing.assert_close(details(images), details(images + 20))
    assert details(torch.full((1, 8, 8), 200, dtype=torch.uint8)).abs().max() < 1e-6


def test_copies_within_a_set_are_found_once_each(photographs):
    images = photographs(60)
    assert len(copies_within(images)) == 0
    copied = np.concatenate([images, images[7:8, :, ::-1], images[11:12]])
    found = copies_within(copied)
    assert found.candidates.tolist() == [60, 61]
    assert found.originals.tolist() == [7, 11]
    assert len(copies_within(images[:1])) == 0
    assert len(copies_within(images[:0])) == 0
