"""One reading of the search grammar: what is planned, what Optuna suggests and what analysis judges are the same."""

import math
import random

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from analysis import ResultsError
from analysis.search.importance import whole_settings
from analysis.search.space import domain, searched
from dagan.config import is_whole
from sweeps.planning.sampler import distribution
from sweeps.study.space import Parameter

WHOLE, BROKEN = "gan.iterations", "gan.learning_rate"
FORMS = [
    (BROKEN, {"values": [0.1, 0.5]}, CategoricalDistribution((0.1, 0.5)), 0.3),
    (WHOLE, {"values": [200, 400]}, CategoricalDistribution((200, 400)), 300),
    (BROKEN, {"value": 0.1}, CategoricalDistribution((0.1,)), 0.2),
    (BROKEN, {"min": 0.0, "max": 1.5}, FloatDistribution(0.0, 1.5), 1.6),
    (BROKEN, {"min": 0, "max": 1.5}, FloatDistribution(0, 1.5), -0.1),
    (BROKEN, {"min": 1, "max": 3}, IntDistribution(1, 3), 2.5),
    (BROKEN, {"min": 1, "max": 3, "distribution": "uniform"}, FloatDistribution(1, 3), 3.5),
    (BROKEN, {"min": 1, "max": 1000, "distribution": "log_uniform_values"}, FloatDistribution(1, 1000, log=True), 0.5),
    (BROKEN, {"min": 0.0, "max": 1.0, "distribution": "q_uniform", "q": 0.25}, FloatDistribution(0, 1, step=0.25), 0.3),
    (WHOLE, {"min": 100, "max": 1000}, IntDistribution(100, 1000), 100.5),
    (WHOLE, {"min": 100, "max": 1000, "distribution": "uniform"}, IntDistribution(100, 1000), 100.5),
    (WHOLE, {"min": 100, "max": 700, "distribution": "int_uniform", "q": 60}, IntDistribution(100, 700, step=60), 150),
    (WHOLE, {"min": 100, "max": 700, "distribution": "q_uniform", "q": 300}, IntDistribution(100, 700, step=300), 150),
    (WHOLE, {"min": 10, "max": 1000, "distribution": "log_uniform_values"}, IntDistribution(10, 1000, log=True), 10.5),
]  # fmt: skip
each_form = pytest.mark.parametrize(
    ("key", "form", "expected", "outside"), FORMS, ids=[str(form) for _, form, *_ in FORMS]
)


def suggested(found, value) -> bool:
    return bool(found._contains(found.to_internal_repr(value)))


@each_form
def test_planning_optuna_and_analysis_agree(key, form, expected, outside):
    parameter = Parameter(**form)
    found = distribution(key, parameter)
    assert found == expected
    judged = searched({key: form}, whole={key} if is_whole(key) else ())
    if found.single():
        assert judged == {}
    else:
        assert judged[key] == parameter.domain(whole=is_whole(key))
        assert judged[key].logarithmic == getattr(expected, "log", False)
    ends = domain(form).extremes
    assert parameter.extremes == list(ends)
    assert all(suggested(found, end) for end in ends)


@each_form
def test_values_inside_and_outside_are_the_same_for_all(key, form, expected, outside):
    parameter, rng = Parameter(**form), random.Random(0)
    values = parameter.domain(whole=is_whole(key))
    for value in [parameter.draw(rng, whole=is_whole(key)) for _ in range(50)]:
        assert value in values
        assert suggested(expected, value)
    assert outside not in values
    # Optuna turns a number that is not whole into one before it looks.
    assert isinstance(expected, CategoricalDistribution | IntDistribution) or not suggested(expected, outside)


def test_settings_that_take_whole_numbers_are_known_by_their_results():
    results = pd.DataFrame({"config.a": pd.array([1, 2], dtype="Int64"), "config.b": [1.5, 2.0], "seed": [1, 2]})
    assert whole_settings(results) == {"a"}


def test_positions_follow_the_scale():
    assert domain({"min": 0.01, "max": 1.0, "distribution": "log_uniform_values"}).position(0.1) == pytest.approx(0.5)
    assert domain({"min": 0, "max": 10}).position(5) == 0.5
    assert domain({"values": [1, 5, 100]}).position(5) == 0.5
    assert math.isnan(domain({"values": [1, 5]}).position(3))


def test_ends_that_yaml_takes_for_texts_are_numbers():
    found = domain({"min": "3e-4", "max": "3e-3", "distribution": "log_uniform_values"})
    assert found.extremes == (3e-4, 3e-3)
    assert np.float64(0.001) in found


@pytest.mark.parametrize("form", [{}, {"min": 1}, {"values": []}, {"distribution": "uniform"}])
def test_what_is_no_form_is_refused(form):
    with pytest.raises(ResultsError, match="must have `values`, or `min` and `max`"):
        searched({"x": form})
