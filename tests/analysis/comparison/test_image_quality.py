"""Image quality against accuracy gain."""

import math

import numpy as np
import pytest
from synthetic import table

from analysis import (
    quality_and_gain,
)


def test_quality_against_gain_is_paired_by_seed():
    rng, gains = np.random.default_rng(0).normal(0.5, 0.05, 8), [0.00, 0.03, 0.01, 0.05, 0.02, 0.06, 0.07, 0.04]
    results = table({"c": list(rng), "dagan": list(rng + gains), "cgan": list(rng)})
    results["quality.gan_test"] = np.where(results["method"] == "dagan", [*[0.0] * 8, *gains, *[0.0] * 8], math.nan)
    results["quality.kid"] = -(results["quality.gan_test"] ** 2)
    rows = quality_and_gain(results, ["quality.gan_test", "quality.kid"], {"dagan": ["c"]})
    assert rows["quality"].tolist() == ["quality.gan_test", "quality.kid"]
    assert rows["spearman"].tolist() == pytest.approx([1, -1])
    assert rows["n"].tolist() == [8, 8]
