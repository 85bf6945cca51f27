"""Classical augmentation: what each setting does to an image whose outcome is plain."""

import math

import pytest
import torch

from dagan.augmentation.affine import moved_and_lit
from dagan.settings import Augmentation


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def noise_images(count=6, size=8):
    return torch.rand(count, 2, size, size, generator=random(9)) * 2 - 1


def ramp(size=32):
    """An image whose value is its x coordinate, −1 to 1 across the image; shape (1, 2, size, size), y beside x."""
    steps = (torch.arange(size) + 0.5) * 2 / size - 1
    return torch.stack([steps.expand(size, size), steps[:, None].expand(size, size)])[None]


def test_all_zero_is_the_identity():
    images = noise_images()
    assert torch.allclose(moved_and_lit(images, Augmentation(), random()), images, atol=1e-5)


def test_rotation_turns_about_the_centre_by_at_most_its_angle():
    images = ramp().expand(200, -1, -1, -1)
    turned = moved_and_lit(images, Augmentation(rotation=20.0), random())
    # On a ramp the slope says the angle: sampling x at (cos a · x − sin a · y, sin a · x + cos a · y).
    x = turned[:, 0, 15:17, 15:17] * 16
    along, across = x[:, 0, 1] - x[:, 0, 0], x[:, 1, 0] - x[:, 0, 0]
    angles = torch.atan2(-across, along) * 180 / math.pi
    assert torch.allclose((along**2 + across**2), torch.ones(200), atol=1e-3)
    assert torch.allclose(x.mean(dim=(1, 2)), torch.zeros(200), atol=1e-3)
    assert angles.abs().max() <= 20.01
    assert angles.min() < -18
    assert angles.max() > 18


def test_rotation_by_a_right_angle_is_that_of_the_pixels(monkeypatch):
    images = noise_images()
    monkeypatch.setattr(torch, "rand", lambda *shape, **settings: torch.ones(*shape))  # the draw at its upper end
    turned = moved_and_lit(images, Augmentation(rotation=90.0), random())
    assert torch.allclose(turned, torch.rot90(images, -1, (2, 3)), atol=1e-4) or torch.allclose(
        turned, torch.rot90(images, 1, (2, 3)), atol=1e-4
    )


def test_shift_is_a_share_of_the_image_size_and_repeats_the_edge(monkeypatch):
    images = noise_images(size=8)
    monkeypatch.setattr(torch, "rand", lambda *shape, **settings: torch.ones(*shape))
    moved = moved_and_lit(images, Augmentation(shift=0.25), random())  # two of eight pixels, both ways
    assert torch.allclose(moved[:, :, :6, :6], images[:, :, 2:, 2:], atol=1e-5)
    assert torch.allclose(moved[:, :, 6:, :6], images[:, :, -1:, 2:].expand(-1, -1, 2, -1), atol=1e-5)


def test_shift_goes_both_ways_on_each_axis_by_itself():
    moved = moved_and_lit(ramp().expand(200, -1, -1, -1), Augmentation(shift=0.1), random())
    steps = moved[:, :, 15:17, 15:17].mean(dim=(2, 3)) / 2  # share of the image size, x and y
    assert steps.abs().max() <= 0.1001
    assert (steps.min(dim=0).values < -0.09).all()
    assert (steps.max(dim=0).values > 0.09).all()
    assert abs(torch.corrcoef(steps.T)[0, 1]) < 0.25


def test_flip_mirrors_half_of_the_images_left_to_right():
    images = noise_images(count=400)
    flipped = moved_and_lit(images, Augmentation(horizontal_flip=True), random())
    mirrored = (flipped - images.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-5
    kept = (flipped - images).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert (mirrored ^ kept).all()
    assert mirrored.float().mean().item() == pytest.approx(0.5, abs=0.1)  # 4 standard deviations of 400 coins


def test_every_image_has_draws_of_its_own_for_all_of_its_channels():
    images = noise_images(count=1).expand(8, -1, -1, -1)
    turned = moved_and_lit(images, Augmentation(rotation=40.0, shift=0.2), random())
    assert all(not torch.allclose(turned[0], other, atol=1e-2) for other in turned[1:])
    alike = moved_and_lit(images[:, :1].expand(-1, 2, -1, -1), Augmentation(rotation=40.0, shift=0.2), random())
    assert torch.equal(alike[:, 0], alike[:, 1])


def test_the_same_state_gives_the_same_images():
    settings = Augmentation(rotation=30.0, shift=0.1, horizontal_flip=True)
    images = noise_images()
    assert torch.equal(moved_and_lit(images, settings, random(1)), moved_and_lit(images, settings, random(1)))
    assert not torch.equal(moved_and_lit(images, settings, random(1)), moved_and_lit(images, settings, random(2)))


def test_values_stay_within_those_of_the_image():
    images = noise_images()
    turned = moved_and_lit(images, Augmentation(rotation=180.0, shift=0.5, horizontal_flip=True), random())
    assert turned.min() >= images.min() - 1e-5
    assert turned.max() <= images.max() + 1e-5


def test_brightness_adds_the_same_to_a_whole_image_and_keeps_black_and_white():
    images = torch.cat([noise_images(count=400) / 2, ramp(8).expand(400, -1, -1, -1)], dim=1)
    lit = moved_and_lit(images, Augmentation(brightness=0.2), random())
    steps = (lit - images)[:, :2]  # at most half of the range used: nothing is cut off there
    assert torch.allclose(steps, steps[:, :1, :1, :1].expand_as(steps), atol=1e-5)
    light = steps[:, 0, 0, 0]
    assert light.abs().max() <= 0.4001  # a fifth of the range from -1 to 1
    assert light.min() < -0.36
    assert light.max() > 0.36
    assert light.mean().abs() < 0.06  # 5 standard errors
    assert torch.allclose(lit, (images + light[:, None, None, None]).clamp(-1, 1), atol=1e-5)
    assert (lit.min(), lit.max()) == (-1, 1)


def test_without_brightness_the_stream_goes_on_as_it_always_did():
    with_light, without = random(), random()
    settings = Augmentation(rotation=30.0, shift=0.1, horizontal_flip=True)
    moved_and_lit(noise_images(), settings, without)
    torch.rand(6, 4, generator=with_light)
    assert torch.equal(without.get_state(), with_light.get_state())
    turned = moved_and_lit(noise_images(), settings, random())
    lit = moved_and_lit(noise_images(), settings.model_copy(update={"brightness": 0.1}), random())
    light = (lit - turned)[:, :, 2:4, 2:4]
    assert light.abs().max() > 0.05
    inside = (lit.abs() < 1).all(dim=(1, 2, 3))
    assert torch.allclose(light[inside].std(dim=(1, 2, 3)), torch.zeros(int(inside.sum())), atol=1e-5)
