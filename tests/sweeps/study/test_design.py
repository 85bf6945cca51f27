"""Ablation designs: their points, what is refused, and what becomes of a factor that a method does not have."""

import random

import pytest
from playing import Player, Unwritten, tiny

from dagan.errors import InvalidInput
from sweeps.planning.plan import Plan
from sweeps.study.design import label, points
from sweeps.study.parse import study_of

FACTORS = {"gan.feature_matching_weight": [0.0, 0.5], "classifier.start": ["warm", "fresh"]}


def designed(design="grid", factors=None, **changes):
    """The tiny study as an ablation, without a search."""
    tree = tiny(**({"compare": {}, "search": {}} | changes))
    return tree | {"design": design, "factors": FACTORS if factors is None else factors}


def refusal(tree):
    """Everything that is wrong with a study."""
    with pytest.raises(InvalidInput) as refused:
        study_of(tree)
    return {problem.where: problem.message for problem in refused.value.problems}


def test_a_grid_is_every_combination_the_last_factor_fastest():
    assert points("grid", {"a": [1, 2], "b": ["x", "y", "z"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 1, "b": "z"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
        {"a": 2, "b": "z"},
    ]


def test_one_factor_is_the_base_and_each_value_alone():
    assert points("one_factor", {"a": [1, 2], "b": ["x"]}) == [{}, {"a": 1}, {"a": 2}, {"b": "x"}]


def test_leave_one_out_is_the_whole_and_each_left_as_in_the_base():
    assert points("leave_one_out", {"a": [1], "b": ["x"], "c": [0.5]}) == [
        {"a": 1, "b": "x", "c": 0.5},
        {"b": "x", "c": 0.5},
        {"a": 1, "c": 0.5},
        {"a": 1, "b": "x"},
    ]


def test_without_a_design_there_is_the_base_alone():
    assert points(None, {}) == [{}]
    assert (label({}, {}), label({"a": 1, "b": "x"}, {"a": 1, "b": "y"})) == ("", "a=1 b=x")
    assert label({"a": 1}, {"a": 1, "b": "y"}) == "b=base", "left out"


def test_each_point_is_measured_with_each_seed():
    plan = Plan(study_of(designed(methods=["dagan_aug"])), Unwritten())
    assert plan.planned == 4 * 3
    trials = [trial for branch in plan.branches for trial in branch.confirm]
    seen = [(t.config.gan.feature_matching_weight, t.config.classifier.start, t.seed) for t in trials]
    assert seen == [(w, start, 1000 + s) for w in (0.0, 0.5) for start in ("warm", "fresh") for s in range(3)]
    assert trials[3].point == "gan.feature_matching_weight=0.0 classifier.start=fresh"
    assert len({trial.signature for trial in trials}) == 12


def test_a_factor_that_a_method_does_not_have_collapses():
    study = study_of(designed(factors=FACTORS | {"classifier.learning_rate": [1e-3, 1e-4]}))
    cell = study.cells[0]
    assert study.points(cell, "c") == [{"classifier.learning_rate": 1e-3}, {"classifier.learning_rate": 1e-4}]
    assert len(study.points(cell, "dagan_aug")) == 8


def test_a_value_that_is_the_base_anyway_collapses():
    study = study_of(designed("one_factor", {"classifier.batch_size": [32, 16]}))
    assert study.points(study.cells[0], "c") == [{}, {"classifier.batch_size": 16}]
    study = study_of(designed("leave_one_out", {"classifier.batch_size": [32], "network.width": [0.5]}))
    assert study.points(study.cells[0], "c") == [
        {"classifier.batch_size": 32, "network.width": 0.5},
        {"classifier.batch_size": 32},
    ], "left out, the batch size is 32 all the same"


def test_a_method_that_keeps_nothing_of_the_whole_has_points_of_its_own():
    factors = {"gan.loss": ["joint"], "classifier.batch_size": [16]}
    study = study_of(designed("leave_one_out", factors, methods=["c", "dagan_aug"], base={}))
    plan = Plan(study, Unwritten())
    found = {method: [b.point for b in plan.branches if b.method == method] for method in study.methods}
    assert found["c"] == ["", "classifier.batch_size=base"]
    assert found["dagan_aug"] == ["", "gan.loss=base", "classifier.batch_size=base"]


def test_with_a_search_each_point_is_tuned_for_itself():
    search = {"parameters": {"classifier.learning_rate": {"min": 1e-4, "max": 1e-3}}, "budget": {"trials": 3}}
    study = study_of(designed(search=search, methods=["dagan_aug"], base={"gan": {"iterations": 20}}))
    plan = Plan(study, Unwritten())
    assert plan.planned == 4 * (3 + 3)
    Player(plan, random.Random(0), workers=3).play()
    assert [len(branch.search.suggestions) for branch in plan.branches] == [3] * 4
    rates = {tuple(item.settings["classifier.learning_rate"] for item in b.search.suggestions) for b in plan.branches}
    assert len(rates) == 4, "points draw their own suggestions"


@pytest.mark.parametrize(
    ("tree", "where", "message"),
    [
        (designed(factors={}), "factors", "is needed with `design: grid`"),
        (designed(design=None), "design", "is needed with `factors`: grid, one_factor or leave_one_out."),
        (designed(factors={"gan.weight": [1]}), "factors.gan.weight", "unknown setting `gan.weight`"),
        (designed(factors={"data.dataset": ["mnist"]}), "factors.data.dataset", "unknown setting `data.dataset`"),
        (designed(factors={"gan.loss": ["joint"]}, methods=["c"], base={}), "factors.gan.loss", "reaches none of"),
        (designed(factors={"gan.learning_rate": [1e-3]}), "factors.gan.learning_rate", "is fixed by `base` too."),
        (designed(factors={"gan.iterations": [20, 20]}), "factors.gan.iterations", "`20` is listed twice."),
        (designed(factors=FACTORS | {"gan.iterations": []}), "factors.gan.iterations", "a list with at least one item"),
        (designed(factors={"gan.iterations": [-1]}), "factors.gan.iterations", "must be greater than"),
        (
            designed("leave_one_out", {"gan.iterations": [20, 40]}),
            "factors.gan.iterations",
            "must have one value with leave_one_out, but has 2.",
        ),
    ],
)
def test_a_bad_design_is_refused(tree, where, message):
    found = refusal(tree)
    assert found.keys() == {where}
    assert message in found[where]


def test_a_factor_that_is_searched_too_is_refused():
    tree = tiny(compare={}) | {"design": "grid", "factors": {"gan.iterations": [20]}}
    assert refusal(tree) == {
        "factors.gan.iterations": "is searched too, by `search.parameters`. Remove one of the two."
    }


def test_one_factor_may_change_what_the_base_fixes():
    study = study_of(designed("one_factor", {"gan.learning_rate": [1e-3]}, methods=["dagan_aug"]))
    assert study.points(study.cells[0], "dagan_aug") == [{}, {"gan.learning_rate": 1e-3}]


def test_all_problems_are_said_at_once():
    factors = {"gan.iterations": [20, 20], "gan.weight": [1]}
    assert refusal(designed(factors=factors, compare={"dagan_aug": ["c_aug"]})).keys() == {
        "compare.dagan_aug",
        "factors.gan.iterations",
        "factors.gan.weight",
    }
