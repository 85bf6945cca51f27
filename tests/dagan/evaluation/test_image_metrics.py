"""How alike two sets of features are: worked arithmetic, torchmetrics, and the right order."""

import math

import numpy as np
import pytest
import torch

from dagan.compute.random_streams import Streams
from dagan.evaluation.image_metrics import (
    cover,
    frechet_distance,
    kernel_distance,
    memorisation,
    nearest,
    squared_discrepancy,
)

CPU = torch.device("cpu")


def points(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def normal(count, features, seed=0):
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed))


def subsets(**settings):
    return {"random": Streams(0, CPU)["subsets"], **settings}


@pytest.fixture(scope="module")
def worse_and_worse():
    """Features of real images, of other real ones, of noisy ones, and of one image again and again."""
    real, other = normal(400, 8, 1), normal(400, 8, 2)
    return real, (other, other + normal(400, 8, 3), other[:1] + 0.01 * normal(400, 8, 4))


# FID


def test_frechet_distance_of_two_gaussians_of_known_mean_and_covariance():
    # Four points with mean 0 and covariance diag(a², b²) · 4/3; shifted by (3, 4), and scaled by 2 and 3.
    square = points([1, 1], [1, -1], [-1, 1], [-1, -1])
    other = square * points([2, 3]) + points([3, 4])
    # |(3, 4)|² + Σ (σ − σ')² = 25 + 4/3 · ((1 − 2)² + (1 − 3)²)
    assert float(frechet_distance(square, other)) == pytest.approx(25 + 4 / 3 * 5)
    assert float(frechet_distance(square[:, :1], other[:, :1])) == pytest.approx(9 + 4 / 3)


def test_frechet_distance_where_the_covariances_do_not_commute():
    real, other = normal(50, 3) @ normal(3, 3, 1), normal(60, 3, 2) @ normal(3, 3, 3)
    own, its = np.cov(real.double().numpy().T), np.cov(other.double().numpy().T)
    roots = np.sqrt(np.linalg.eigvals(own @ its).real).sum()
    shift = ((real.double().mean(0) - other.double().mean(0)) ** 2).sum()
    assert float(frechet_distance(real, other)) == pytest.approx(float(shift) + np.trace(own + its) - 2 * roots)


def test_frechet_distance_of_fewer_images_than_features():
    few = normal(5, 20)
    assert float(frechet_distance(few, few)) == pytest.approx(0, abs=1e-6)
    assert float(frechet_distance(few, few + 1)) == pytest.approx(20, abs=1e-6)


# KID


def test_squared_discrepancy_by_hand():
    # One feature, kernel (xy + 1)³: k(0, 1) = 1, k(2, 3) = 343, mean k(x, y) = (1 + 1 + 27 + 64) / 4.
    assert float(squared_discrepancy(points([0], [1]), points([2], [3]))) == 1 + 343 - 2 * 93 / 4
    # Two features: x·y is halved.
    assert float(squared_discrepancy(points([0, 0], [1, 1]), points([2, 2], [3, 3]))) == 1 + 343 - 2 * 93 / 4


def test_kernel_distance_is_unbiased():
    real, other = normal(2000, 4, 1), normal(2000, 4, 2)
    one = kernel_distance(real, other, **subsets(subsets=400, size=20))
    assert abs(one.mean) < 4 * one.deviation / math.sqrt(400)
    # Pairs of an image with itself would add 2 (mean k(x, x) − mean k(x, x')) / 20 to each, many times that error.
    excess = 2 * (((real.square().sum(1) / 4 + 1) ** 3).mean() - ((real @ real.T / 4 + 1) ** 3).mean()) / 20
    assert 4 * one.deviation / math.sqrt(400) < excess / 3


@pytest.mark.parametrize(("real", "generated", "size"), [(10, 40, 5), (40, 10, 5), (40, 40, 7)])
def test_subsets_are_no_larger_than_half_of_either_side(real, generated, size):
    one = kernel_distance(normal(real, 2), normal(generated, 2, 1), **subsets(subsets=3, size=7))
    assert one.subset_size == size


def test_kernel_distance_repeats_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second = (kernel_distance(normal(40, 2), normal(40, 2, 1), **subsets()) for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), before)


# Cross-check


@pytest.mark.filterwarnings("ignore:Metric `.*` will save all extracted features:UserWarning")  # torchmetrics
def test_torchmetrics_says_the_same():
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    class Given(torch.nn.Module):
        """Features given as images."""

        num_features = 6

        def forward(self, images):
            return images

    real, generated = normal(80, 6, 1).double(), normal(80, 6, 2).double() * 1.5 + 0.3
    theirs = (
        FrechetInceptionDistance(feature=Given()),
        KernelInceptionDistance(feature=Given(), subsets=1, subset_size=80),
    )
    for metric in theirs:
        metric.set_dtype(torch.float64)
        metric.update(real, real=True)
        metric.update(generated, real=False)
    with torch.random.fork_rng():
        frechet, kernel = theirs[0].compute(), theirs[1].compute()[0]
    assert float(frechet_distance(real, generated)) == pytest.approx(float(frechet), rel=1e-9)
    assert float(squared_discrepancy(real, generated)) == pytest.approx(float(kernel), rel=1e-9)


# Density and coverage


def test_density_and_coverage_by_hand():
    # Real at 0, 1, 3; the nearest other lies 1, 1 and 2 away: balls (−1, 1), (0, 2), (1, 5) without their borders.
    real = points([0], [1], [3])
    generated = points([0.5], [1.5], [10], [-1])
    # 0.5 lies in two balls, 1.5 in two, 10 in none, −1 on a border: density 4 / (1 · 4); every ball holds one.
    assert cover(real, generated, neighbours=1) == cover(real, generated[:3], neighbours=1).__class__(1.0, 1.0)
    one = cover(real, points([0.5], [10]), neighbours=1)
    assert (one.density, one.coverage) == (2 / 2, pytest.approx(2 / 3))
    # k = 2: radii 3, 2, 3: 0.5 lies in all three balls, 10 in none.
    two = cover(real, points([0.5], [10]), neighbours=2)
    assert (two.density, two.coverage) == (3 / (2 * 2), 1.0)
    assert cover(real, points([0.5], [10]), neighbours=9) == two  # two others are all there are


def test_real_against_real_has_density_one_and_nearly_full_coverage():
    one = cover(normal(500, 4, 1), normal(500, 4, 2))
    assert one.density == pytest.approx(1, abs=0.15)
    assert one.coverage == pytest.approx(1 - 2**-5, abs=0.03)


# Memorisation


def test_nearest_by_hand():
    assert nearest(points([0, 0], [3, 4], [9, 0]), points([0, 0], [10, 0])).tolist() == pytest.approx([0, 5, 1])


def test_copies_are_seen():
    train, held_out = normal(100, 4, 1), normal(300, 4, 2)
    fresh = memorisation(train, held_out, normal(300, 4, 3))
    assert fresh.ratio == pytest.approx(1, abs=0.15)
    assert fresh.nearer < 0.05
    copies = memorisation(train, held_out, train + 1e-4 * normal(100, 4, 4))
    assert copies.ratio < 1e-3
    assert copies.nearer == 1
    half = memorisation(train, held_out, torch.cat([train, normal(100, 4, 3)]))
    assert half.nearer == pytest.approx(0.5, abs=0.05)


def test_memorisation_by_hand():
    # One training image at 0; held-out ones 1 … 5 away, generated ones 0.5, 2, 6.
    one = memorisation(points([0]), points([1], [2], [3], [4], [5]), points([0.5], [2], [6]))
    assert one.ratio == pytest.approx(2 / 3)
    assert one.nearer == pytest.approx(1 / 3)  # the first percentile of 1 … 5 is 1.04


# The right order


def test_distances_grow_from_real_to_noisy_to_collapsed(worse_and_worse):
    real, others = worse_and_worse
    frechet = [float(frechet_distance(real, other)) for other in others]
    kernel = [kernel_distance(real, other, **subsets()).mean for other in others]
    assert frechet == sorted(frechet)
    assert kernel == sorted(kernel)
    assert frechet[0] < frechet[1] / 5
    assert abs(kernel[0]) < kernel[1] / 5


def test_density_sees_noise_and_coverage_sees_the_collapse(worse_and_worse):
    real, (other, noisy, one) = worse_and_worse
    assert cover(real, noisy).density < cover(real, other).density
    assert cover(real, one).coverage < 0.2 < cover(real, noisy).coverage < cover(real, other).coverage


@pytest.mark.parametrize("count", [200])
def test_identical_sets(count):
    real = normal(count, 6)
    assert float(frechet_distance(real, real)) == pytest.approx(0, abs=1e-9)
    assert float(squared_discrepancy(real, real)) <= 0  # the same images, only not with themselves
    assert cover(real, real).coverage == 1
    assert memorisation(real, real + 1, real).ratio == pytest.approx(0, abs=1e-6)
