"""KC is read off one training: the row, the score, the choice, and what a shorter training would have given."""

import random

import pytest
from playing import numbers, plain, play, tiny

from dagan.config import Config
from dagan.nested import merged
from dagan.training.training import Training
from sweeps.planning.early_stopping import level_at
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.run.messages import TrialOrder
from sweeps.run.worker import messages
from sweeps.study.parse import study_of
from sweeps.study.readings import readings

ITERATIONS, EPOCHS = "classifier.iterations", "classifier.epochs"


def row_of(parameters, *, method="c", point=None, **changes):
    """The readings of a plain study with these searched parameters."""
    study = study_of(tiny(search__parameters=parameters, search__early_stopping=None, **changes))
    return readings(study, study.cells[0], method, point or {})


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ({ITERATIONS: {"values": [80, 20, 40]}}, {20: 20, 40: 40, 80: 80}),
        ({ITERATIONS: {"value": 60}}, {60: 60}),
        ({ITERATIONS: {"min": 30, "max": 90, "q": 30}}, {30: 30, 60: 60, 90: 90}),
        ({ITERATIONS: {"min": 30, "max": 70}}, {30: 30, 40: 40, 60: 60, 70: 70}),  # and each report between: every 20
        # 5 images of 10 classes in batches of 32.
        ({EPOCHS: {"values": [32, 64]}}, {50: 32, 100: 64}),
        ({EPOCHS: {"min": 32.0, "max": 48.0}}, {50: 32.0, 60: 38.4, 75: 48.0}),
    ],
)
def test_the_row_of_kc_values(parameters, values):
    row = row_of(parameters)
    assert (row.key, dict(row.values)) == (next(iter(parameters)), pytest.approx(values))
    assert list(row.values) == sorted(row.values)
    assert row.longest == {row.key: pytest.approx(values[max(values)])}


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({"base__classifier": {"batch_size": 32, "schedule": "cosine"}}, "c"),
        ({"base__classifier": {"batch_size": 32, "augmentation_schedule": "linear"}}, "dagan_aug"),
    ],
)
def test_kc_is_sampled_where_a_schedule_runs_over_it(changes, method):
    values = {ITERATIONS: {"values": [40, 80]}}
    assert row_of(values, method=method).values
    assert not row_of(values, method=method, **changes).values
    searched = {"classifier.schedule": {"values": ["constant", "linear"]}}
    assert not row_of(values | searched, method=method).values
    assert not row_of(values, method=method, point={"classifier.schedule": "linear"}).values
    assert row_of(values, method="c", base__classifier={"augmentation_schedule": "linear"}).values, "c has none"


def test_a_search_trains_to_the_longest_and_confirms_at_the_kc_of_the_best_score(tmp_path):
    study = study_of(plain(search__seeds=2, search__budget={"trials": 8}, search__early_stopping=None))
    plan = play(study, tmp_path, workers=3, rng=random.Random(0))
    (branch,) = plan.branches
    best = branch.search.best
    assert {trial.config.classifier.iterations for item in branch.search.suggestions for trial in item.trials} == {80}
    assert all(ITERATIONS not in item.settings for item in branch.search.suggestions)
    means = {
        (item.number, kc): sum(entry.readings[kc] for entry in item.entries.values()) / 2
        for item in branch.search.suggestions
        for kc in (40, 80)
    }
    number, kc = max(means, key=means.get)
    assert (best.number, best.score) == (number, means[number, kc])
    assert {trial.config.classifier.iterations for trial in branch.confirm} == {kc}
    assert Plan(study, Ledger(tmp_path)).finished, "the ledger has the rows"
    assert len(numbers(tmp_path)) == 8 + 3


def test_the_kc_of_a_score_by_hand(tmp_path):
    study = study_of(plain(search__seeds=2, search__budget={"trials": 2}, search__early_stopping=None))
    plan = play(study, tmp_path, workers=1, rng=random.Random(0))
    (item,) = plan.branches[0].search.suggestions
    for rows, score, kc in (
        (({40: 0.9, 80: 0.5}, {40: 0.5, 80: 0.8}), 0.7, 40),  # not the 0.9 of one seed, nor the last: the mean
        (({40: 0.6, 80: 0.6}, {40: 0.6, 80: 0.6}), 0.6, 40),  # the shortest of equals
        (({40: 0.6, 80: 0.7}, {40: 0.7, 80: 0.7}), 0.7, 80),
    ):
        for seed, row in enumerate(rows):
            item.record(item.entries[seed].model_copy(update={"readings": row}))
        assert item.score == pytest.approx(score)
        assert item.chosen == item.settings | {ITERATIONS: kc}
    item.record(item.entries[0].model_copy(update={"status": "diverged"}))
    assert item.score is None


def test_a_method_whose_kc_alone_is_searched_needs_one_suggestion(tmp_path):
    parameters = {ITERATIONS: {"values": [40, 60, 80]}}
    study = study_of(plain(search__parameters=parameters, search__budget={"trials": 6}, search__seeds=2))
    plan = play(study, tmp_path, workers=2, rng=random.Random(0))
    assert len(numbers(tmp_path)) == 2 + 3
    assert plan.finished


def test_at_a_rung_a_training_that_overfits_is_as_good_as_it_was():
    curve = [
        {"stage": "generation", "iteration": 40, "validation_accuracy": None},
        *(
            {"stage": "classification", "iteration": iteration, "validation_accuracy": accuracy}
            for iteration, accuracy in ((20, 0.8), (40, 0.7), (60, 0.6), (80, 0.9))
        ),
    ]
    assert level_at(curve, 60, (40, 80)) == 0.7
    assert level_at(curve, 60) == 0.6, "where KC is not read off"
    assert level_at(curve, 50, (40, 80)) is None
    assert level_at(curve, 80, (40, 80)) == 0.9


@pytest.mark.parametrize("method", ["c", "dagan_aug"])
def test_what_is_read_off_is_what_a_training_to_that_kc_ends_with(method, tmp_path):
    study = study_of(tiny(search__parameters={ITERATIONS: {"values": [7, 13, 20]}}, search__early_stopping=None))
    trial = (
        next(b for b in Plan(study, Ledger(tmp_path)).branches if b.method == method).search.suggestions[0].trials[0]
    )
    settings = merged(trial.config.model_dump(mode="json"), {"gan.iterations": 5} if trial.config.gan else {})
    order = TrialOrder(
        config=settings,
        rungs=(),
        readings=trial.readings,
        report_every=50,
        commit="",
        store=(tmp_path / "store").as_uri(),
        shared=False,
        snapshots=(),
        checkpoints=tuple(() for _ in trial.stage_ends),
        pictures="",
        quality=False,
    )
    *_, outcome = messages(order)
    read = {p["iteration"]: p["validation_accuracy"] for p in outcome.curve if p["stage"] == "classification"}
    assert set(read) == {7, 13, 20}
    for kc in (7, 13):
        training = Training(Config.of(merged(settings, {ITERATIONS: kc})))
        for _ in training.run(every=50):
            pass
        assert training.result().validation_accuracy == read[kc]
