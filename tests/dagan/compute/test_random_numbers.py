"""Random tensors: of their distribution, of the generator alone, whatever the shape."""

import math

import pytest
import torch
from scipy import stats

from dagan.compute import random_numbers
from dagan.compute.random_numbers import dropout, noisy, normal_like


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def words(*halves):
    """Words of 64 bits from pairs of signed 32 bits: first the radius's, then the angle's."""
    return torch.tensor(halves, dtype=torch.int32).view(torch.int64).flatten()


def test_normal_numbers_are_normal():
    numbers = normal_like(torch.empty(1_000_000), random()).double()
    error = 1e-3  # of the mean of so many
    assert abs(numbers.mean().item()) < 4 * error
    assert abs(numbers.var().item() - 1) < 4 * 2**0.5 * error
    assert abs((numbers**3).mean().item()) < 4 * 15**0.5 * error
    assert abs((numbers**4).mean().item() - 3) < 4 * 96**0.5 * error
    assert stats.kstest(numbers.numpy(), "norm").pvalue > 0.01
    for far in (2.0, 3.0, 4.0):  # both tails, which a KS test hardly looks at
        share = stats.norm.sf(far)
        for side in (numbers, -numbers):
            assert abs((side > far).double().mean().item() - share) < 4 * (share / 1e6) ** 0.5


def test_the_two_numbers_of_a_word_and_those_of_neighbours_are_independent():
    pairs = normal_like(torch.empty(2, 200_000), random()).double().T
    error = 200_000**-0.5
    for change in (torch.clone, torch.square, torch.abs, torch.sign):
        assert abs(torch.corrcoef(change(pairs).T)[0, 1]) < 4 * error
        row = change(pairs).T.flatten()
        assert abs(torch.corrcoef(torch.stack([row[:-1], row[1:]]))[0, 1]) < 4 * error


def test_box_and_muller_by_hand(monkeypatch):
    """Uniform = 1/2 and an angle of 0, then of π/2; then the largest uniform, 1, of which nothing is left."""
    quarter = 2**30
    given = words((-1 << 8, 0), (-1 << 8, quarter), (2**31 - 1, quarter))
    monkeypatch.setattr(random_numbers, "bits", lambda count, generator: given)
    radius = (2 * math.log(2)) ** 0.5
    expected = torch.tensor([radius, 0, 0, 0, radius, 0])  # all cosines, then all sines
    assert torch.allclose(normal_like(torch.empty(6), random()), expected, atol=1e-6)


@pytest.mark.parametrize("of_radius", [-(2**31), -(2**31) + 255, -1, 0, 1, 2**31 - 256, 2**31 - 1])
@pytest.mark.parametrize("of_angle", [-(2**31), -1, 0, 2**31 - 1])
def test_no_word_gives_an_infinite_number(monkeypatch, of_radius, of_angle):
    monkeypatch.setattr(random_numbers, "bits", lambda count, generator: words((of_radius, of_angle)))
    numbers = normal_like(torch.empty(2), random())
    assert numbers.isfinite().all()
    assert numbers.norm() <= (2 * 24 * math.log(2)) ** 0.5 + 1e-5  # from 24 bits: 5.77 at the most


def test_normal_numbers_are_those_of_the_generator():
    one = random()
    first, second = normal_like(torch.empty(7, 3), one), normal_like(torch.empty(7, 3), one)
    assert torch.equal(first, normal_like(torch.ones(7, 3), random()))
    assert not torch.equal(first, second)
    assert not torch.equal(first, normal_like(torch.empty(7, 3), random(1)))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (0, 3, 8, 8), (2, 5), (3, 1, 7, 5), (4, 3, 8, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_normal_numbers_have_the_shape_and_type_that_is_asked_for(shape, dtype):
    numbers = normal_like(torch.empty(shape, dtype=dtype), random())
    assert (numbers.shape, numbers.dtype) == (torch.Size(shape), dtype)
    assert numbers.unique().numel() == numbers.numel() or dtype is torch.bfloat16


@pytest.mark.parametrize(
    "draw", [normal_like, lambda maps, one: noisy(maps, 0.5, one), lambda *a: dropout(*a[:1], 0.5, a[1])]
)
def test_how_a_tensor_lies_in_memory_changes_no_number(draw):
    values = torch.rand(3, 5, 4, 6, generator=random(2)) + 1
    assert torch.equal(draw(values, random()), draw(values.to(memory_format=torch.channels_last), random()))


def test_noise_is_added_where_there_are_both_a_generator_and_a_strength():
    images = torch.rand(4, 3, 8, 8, generator=random(2))
    assert noisy(images, 0.5, None) is images
    one = random()
    state = one.get_state()
    assert noisy(images, 0.0, one) is images
    assert torch.equal(one.get_state(), state)
    assert torch.equal(noisy(images, 0.5, one), images + 0.5 * normal_like(images, random()))


@pytest.mark.parametrize("rate", [0.001, 0.25, 0.5, 0.75, 0.999])
def test_dropout_drops_its_share_in_256ths_and_keeps_the_mean(rate):
    maps = torch.ones(40, 12, 16, 16)  # 122,880 values
    kept = min(max(round(256 * (1 - rate)), 1), 256) / 256
    dropped = dropout(maps, rate, random())
    assert torch.allclose(dropped[dropped != 0], torch.tensor(1 / kept))
    spread = 4 * (kept * (1 - kept) / 122_880) ** 0.5 + 1e-6
    assert (dropped != 0).double().mean().item() == pytest.approx(kept, abs=spread)
    assert dropped.double().mean().item() == pytest.approx(1, abs=spread / kept)
    assert torch.equal(dropped, dropout(maps, rate, random()))
    if kept < 1:
        assert not torch.equal(dropped, dropout(maps, rate, random(1)))


def test_dropout_draws_for_every_value_by_itself():
    """Eight values come from one draw, and a mask lies as memory does: neither may show."""
    masks = (dropout(torch.ones(64, 16, 4, 4), 0.5, random()) != 0).float()
    for axis in range(4):
        neighbours = masks.unfold(axis, 2, 1).flatten(end_dim=-2)
        assert abs(torch.corrcoef(neighbours.T)[0, 1]) < 0.035  # 4 standard deviations of 12,288 pairs
    bytes_ = masks.permute(0, 2, 3, 1).reshape(-1, 8)
    off_diagonal = torch.corrcoef(bytes_.T) - torch.eye(8)
    assert off_diagonal.abs().max() < 0.1  # 2,048 words
