"""DiffAugment: what each policy does to an image whose outcome is plain, and that gradients pass."""

import pytest
import torch

from dagan.augmentation.differentiable import cut_out, differentiably_augmented, recoloured, translated

POLICIES = ["translation", "translation+cutout", "color+translation+cutout"]


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def noise_images(count=6, size=8, channels=3):
    return torch.rand(count, channels, size, size, generator=random(9)) * 2 - 1


def moved(image, rows, columns):
    """An image moved by whole pixels, zeros coming in."""
    channels, size, _ = image.shape
    wide = torch.zeros(channels, 3 * size, 3 * size)
    wide[:, size : 2 * size, size : 2 * size] = image
    return wide[:, size + rows : 2 * size + rows, size + columns : 2 * size + columns]


@pytest.mark.parametrize(("size", "reach"), [(8, 1), (16, 2), (32, 4)])
def test_translation_moves_each_image_by_whole_pixels_and_brings_in_zero(size, reach):
    images = noise_images(400, size, 1)
    result, steps = translated(images, random()), []
    ways = [(y, x) for y in range(-reach - 1, reach + 2) for x in range(-reach - 1, reach + 2)]
    for before, after in zip(images, result, strict=True):
        (found,) = [way for way in ways if torch.equal(moved(before, *way), after)]
        steps.append(found)
    assert {way for way in ways if max(map(abs, way)) <= reach} >= set(steps)
    for axis in range(2):
        assert {step[axis] for step in steps} == set(range(-reach, reach + 1))  # all of them, each axis by itself
    assert len({*steps}) > 2 * reach + 1


@pytest.mark.parametrize("size", [8, 12, 28, 32])
def test_cutout_sets_a_square_of_half_the_size_to_zero_and_nothing_else(size):
    images = noise_images(600, size) + 5  # no value is 0
    result = cut_out(images, random())
    gone = (result == 0).all(dim=1)
    assert torch.equal(result, images * ~gone[:, None])
    extents = []
    for mask in gone:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns)
        for line in (rows, columns):
            (where,) = torch.nonzero(line, as_tuple=True)
            assert torch.equal(where, torch.arange(where[0], where[-1] + 1))
            extents.append((where[0].item(), len(where)))
    lengths = [length for _, length in extents]
    assert max(lengths) == size // 2
    # The edge cuts a square off whose middle is near it, and no other.
    for start, length in extents:
        assert length == size // 2 or start == 0 or start + length == size
    assert min(lengths) == size // 4
    inside = [start for start, length in extents if length == size // 2]
    assert {*inside} == set(range(size // 2 + 1))
    whole = torch.tensor([(mask.sum() == (size // 2) ** 2).item() for mask in gone])
    assert gone[whole].float().mean().item() == pytest.approx(0.25)
    assert whole.float().mean() > 0.2
    middle = torch.tensor([start + length / 2 for start, length in extents]).mean()
    assert middle.item() == pytest.approx(size / 2, rel=0.05)  # no side is favoured


def test_color_by_hand(monkeypatch):
    """Brightness + 0.25, saturation × 1.5 about each pixel's grey, contrast × 0.6 about the image's mean."""
    draws = torch.tensor([0.75, 0.75, 0.1]).reshape(3, 1, 1, 1, 1)
    monkeypatch.setattr(torch, "rand", lambda *shape, **settings: draws.expand(*shape))
    image = torch.tensor([[0.1, 0.4], [-0.2, 0.8], [0.4, -0.6]]).reshape(1, 3, 1, 2)  # two pixels
    # 0.35 0.05 0.65 (grey 0.35) and 0.65 1.05 −0.35 (grey 0.45)
    saturated = torch.tensor([[0.35, 0.75], [-0.1, 1.35], [0.8, -0.75]])
    expected = 0.4 + 0.6 * (saturated - 0.4)
    assert torch.allclose(recoloured(image, random())[0, :, 0], expected, atol=1e-6)


def test_color_moves_no_pixel_and_stays_in_its_ranges():
    images = noise_images(500, 8, 1)  # of one channel saturation is nothing
    result = recoloured(images, random())
    before, after = images.flatten(1), result.flatten(1)
    contrast = after.std(dim=1) / before.std(dim=1)
    assert torch.allclose(after - after.mean(1, True), contrast[:, None] * (before - before.mean(1, True)), atol=1e-5)
    brightness = (after - before).mean(dim=1)
    for found, low, high in ((contrast, 0.5, 1.5), (brightness, -0.5, 0.5)):
        assert low - 1e-4 <= found.min() < low + 0.02
        assert high - 0.02 < found.max() <= high + 1e-4
    assert abs(torch.corrcoef(torch.stack([contrast, brightness]))[0, 1]) < 0.2


@pytest.mark.parametrize("policy", POLICIES)
def test_the_gradient_passes_to_every_pixel_that_is_seen(policy):
    images = noise_images(4).requires_grad_()
    differentiably_augmented(images, policy, random()).sum().backward()
    reached = images.grad != 0
    assert images.grad.isfinite().all()
    assert reached.float().mean() > 0.5
    if policy == "translation":  # a pixel that is moved counts once
        assert set(images.grad.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_parts_of_a_policy_come_one_after_another_from_one_stream(policy):
    images, stream = noise_images(), random(2)
    expected = images
    for name in policy.split("+"):
        expected = {"color": recoloured, "translation": translated, "cutout": cut_out}[name](expected, stream)
    assert torch.equal(differentiably_augmented(images, policy, random(2)), expected)
    assert not torch.equal(differentiably_augmented(images, policy, random(3)), expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_image_has_draws_of_its_own_for_all_of_its_channels(policy):
    images = noise_images(1, channels=1).expand(40, 3, -1, -1)
    result = differentiably_augmented(images, policy, random())
    assert len({tuple(one.flatten().tolist()) for one in result}) > 5
    assert torch.equal(result[:, 0], result[:, 1])
