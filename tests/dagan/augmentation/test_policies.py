"""RandAugment and TrivialAugment: the operations are torchvision's, the draws our own, one per image."""

from collections import Counter

import pytest
import torch
from torchvision.transforms import v2

from dagan.augmentation import policies
from dagan.augmentation.policies import OPERATIONS, RANGES, STRONGEST, changed, changed_by_policy, drawn_operations
from dagan.settings import Augmentation

TORCHVISIONS = {
    "identity": "Identity",
    "shear x": "ShearX",
    "shear y": "ShearY",
    "translate x": "TranslateX",
    "translate y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "colour": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterise": "Posterize",
    "solarise": "Solarize",
    "autocontrast": "AutoContrast",
    "equalise": "Equalize",
}
"""The names of the operations, in torchvision's order."""
POLICIES = ["rand_augment", "trivial_augment"]


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def pixels(count=1, channels=3, size=32):
    """Random images of less than the whole range, so that contrast can grow."""
    return torch.randint(20, 200, (count, channels, size, size), generator=random(9), dtype=torch.uint8)


def by_torchvision(monkeypatch, policy, image, name, level):
    """An image changed by torchvision's own transform, whose draws are told."""
    minus, level = level < 0, abs(level)
    told = {len(TORCHVISIONS): [*TORCHVISIONS].index(name), STRONGEST + 1: level}
    transform = v2.RandAugment(1, level) if policy == "rand_augment" else v2.TrivialAugmentWide()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randint", lambda most, shape: torch.tensor(told[most]))
        patch.setattr(torch, "rand", lambda shape: torch.tensor(0.0 if minus else 1.0))
        return transform(image)


@pytest.mark.parametrize(
    ("policy", "channels", "size"), [("rand_augment", 1, 8), ("rand_augment", 3, 32), ("trivial_augment", 3, 32)]
)
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_torchvisions_at_weak_and_strong_levels_either_way(monkeypatch, name, policy, channels, size):
    assert {*OPERATIONS} == {*TORCHVISIONS}
    image, found = pixels(1, channels, size), []
    levels = [0, 1, 9, 16, 23, 30] + ([-1, -9, -16, -30] if name in policies.TWO_WAY else [])
    for level in levels:
        found.append(OPERATIONS[name](image, level, RANGES[policy]))
        expected = by_torchvision(monkeypatch, policy, image[0], name, level)
        assert torch.equal(found[-1][0], expected), level
    different = len({tuple(one.flatten().tolist()) for one in found})
    if name in policies.WITHOUT_LEVEL or (name, channels) == ("colour", 1):
        assert different == 1
    else:
        assert different > len(levels) / 2


def test_no_translation_leaves_less_of_a_small_image_than_of_one_of_32_pixels():
    strongest = RANGES["trivial_augment"]
    assert [strongest.pixels(30, size) for size in (8, 28, 32, 64)] == [8, 28, 32, 32]
    assert strongest.pixels(-16, 8) == -4


@pytest.mark.parametrize("policy", POLICIES)
def test_every_image_of_a_batch_is_changed_by_its_own_operations(policy):
    settings = Augmentation(policy=policy, policy_operations=3, policy_magnitude=20)
    images = pixels(60, size=8)
    drawn = drawn_operations(60, settings, random(1))
    expected = images
    for operations in drawn:
        alone = [changed(one[None], [how], RANGES[policy]) for one, how in zip(expected, operations, strict=True)]
        expected = torch.cat(alone)
    assert len(drawn) == (3 if policy == "rand_augment" else 1)
    result = changed_by_policy(images / 127.5 - 1, settings, random(1))
    assert torch.equal(result, expected / 127.5 - 1)
    assert not torch.equal(changed_by_policy(images / 127.5 - 1, settings, random(2)), result)


def test_the_operations_are_drawn_alike_and_each_way_alike():
    """In TrivialAugment the levels too; 5 standard deviations each."""
    (drawn,) = drawn_operations(31 * 14 * 100, Augmentation(policy="trivial_augment"), random())
    count = len(drawn)

    def alike(found, kinds, of):
        counts = Counter(found)
        assert len(counts) == kinds
        assert max(abs(one - of / kinds) for one in counts.values()) < 5 * (of / kinds) ** 0.5

    alike([name for name, _ in drawn], 14, count)
    rotations = [level for name, level in drawn if name == "rotate"]
    alike([abs(level) for level in rotations], 31, len(rotations))
    alike([level > 0 for level in rotations if level], 2, len(rotations) * 30 / 31)
    assert {level for name, level in drawn if name == "solarise"} == {*range(31)}
    assert {level for name, level in drawn if name in policies.WITHOUT_LEVEL} == {0}


def test_rand_augment_draws_so_many_operations_of_one_magnitude():
    settings = Augmentation(policy="rand_augment", policy_operations=4, policy_magnitude=12)
    drawn = drawn_operations(200, settings, random())
    assert [len(one) for one in drawn] == [200] * 4
    assert len({tuple(name for name, _ in one) for one in drawn}) == 4
    assert {abs(level) for one in drawn for _, level in one} == {0, 12}
    assert {level for one in drawn for name, level in one if name == "shear x"} == {12, -12}


def test_an_image_of_eight_bits_comes_back_as_it_is(monkeypatch):
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16) / 127.5 - 1
    monkeypatch.setattr(policies, "drawn_operations", lambda *given: [[("identity", 0)]])
    assert torch.equal(changed_by_policy(images, Augmentation(policy="rand_augment"), random()), images)


@pytest.mark.parametrize("policy", POLICIES)
def test_values_stay_those_of_an_image(policy):
    images = torch.rand(300, 3, 8, 8, generator=random(3)) * 2 - 1
    result = changed_by_policy(images, Augmentation(policy=policy, policy_magnitude=30), random())
    assert (result.min(), result.max()) == (-1, 1)
    assert result.dtype == torch.float32
