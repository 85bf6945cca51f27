"""What `show` says of a study before anything is spent: counts, cost, snapshots, what the seeds can show."""

import io
import math
import random
import re
from dataclasses import replace
from functools import cache

import pytest
from playing import Player, Unwritten, plain, play, tiny
from rich.console import Console

from analysis import compare, detectable_difference
from analysis.data.entries import table
from analysis.data.tidy import tidy
from dagan.networks.flops import pflop
from dagan.training.progress import Checkpoint
from sweeps.forecast.estimate.costs import estimate
from sweeps.forecast.estimate.detectable import detectable, spread
from sweeps.forecast.estimate.snapshot_usage import snapshot_bytes
from sweeps.forecast.estimate.stage_tree import Snapshot, Stage2, Tree
from sweeps.forecast.estimate.text import EXPENDABLE, cost_table, print_estimate
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.snapshot_store import SnapshotStore
from sweeps.run.worker_snapshots import TrialSnapshots
from sweeps.study.files import load
from sweeps.study.parse import study_of

GRID = {
    "name": "grid",
    "datasets": ["digits"],
    "samples_per_class": [5],
    "methods": ["dagan"],
    "base": {"network": {"width": 0.25}, "classifier": {"batch_size": 20}},
    "design": "grid",
    "factors": {
        "gan.feature_matching_weight": [0.1, 1.0],
        "gan.iterations": [20, 40],
        "classifier.iterations": [30, 60],
        "classifier.augmentation_ratio": [0.0, 0.5, 1.0],
    },
    "confirm": {"seeds": 2},
}


@pytest.fixture
def grid():
    return study_of(GRID)


def test_a_small_grid_by_hand(grid):
    found = estimate(grid)
    (row,) = found.rows
    assert found.exact
    assert (row.points, row.confirm_trials, row.search_trials) == (2 * 2 * 2 * 3, 48, 0)
    assert row.stage_1 == 2 * 2, "one for each λ and seed, to the largest KG"
    assert row.stage_2 == 4 * 2 * 3, "one for each of these, KG and r; KC is read off"
    begun = [Stage2(count=3, kc=[30, 60])]
    assert row.tree == [Tree(4, [Snapshot(20, begun), Snapshot(40, begun)])]


def test_the_cost_of_a_small_grid_by_hand(grid):
    def of(ratio, kg, kc):
        settings = {"classifier.augmentation_ratio": ratio, "gan.iterations": kg, "classifier.iterations": kc}
        config = grid.config(grid.cells[0], "dagan", seed=0, phase="confirm", settings=settings)
        return (
            pflop(config, stage="generation", iterations=kg),
            pflop(config, stage="classification", iterations=kc),
        )

    ratios = (0.0, 0.5, 1.0)
    shared = 4 * of(0.0, 40, 30)[0] + 4 * 2 * sum(of(r, 40, 60)[1] for r in ratios)
    unshared = 4 * sum(sum(of(r, kg, kc)) for r in ratios for kg in (20, 40) for kc in (30, 60))
    found = estimate(grid)
    assert found.pflop == pytest.approx(shared)
    assert found.pflop_unshared == pytest.approx(unshared)
    assert found.saving == pytest.approx(1 - shared / unshared)


def test_points_that_another_method_pays_for_are_charged_once(grid):
    twice = study_of(GRID | {"methods": ["dagan", "dagan_aug"]})
    alone, both = estimate(grid), estimate(twice)
    # dagan_aug augments in stage 2 alone: its GANs are those of dagan.
    assert [row.stage_1 for row in both.rows] == [4, 0]
    assert both.rows[0].pflop == pytest.approx(alone.pflop)


def test_a_search_with_reuse_trains_fewer_gans():
    changes = {"methods": ["dagan_aug"], "compare": {}, "search__budget": {"trials": 40}}
    without, reusing = (estimate(study_of(tiny(**changes, search__reuse=reuse))).rows[0] for reuse in (False, True))
    assert without.stage_1 == 40 + 3
    assert without.search_trials == reusing.search_trials == 40
    assert 20 + 3 <= reusing.stage_1 <= 21 + 3, "every second suggestion keeps a known one"
    assert reusing.pflop < without.pflop


def test_a_budget_of_operations_gives_a_number_of_trials():
    one = estimate(study_of(tiny(methods=["dagan_aug"], compare={}, search__budget={"trials": 100}))).rows[0]
    searched = one.pflop * 100 / 103
    found = estimate(study_of(tiny(methods=["dagan_aug"], compare={}, search__budget={"pflop": searched}))).rows[0]
    assert found.search_trials == pytest.approx(100, rel=0.15)


def test_a_long_search_is_drawn_in_part_and_counted_in_full():
    found = estimate(study_of(plain(search__budget={"trials": 2000})))
    (row,) = found.rows
    short = estimate(study_of(plain(search__budget={"trials": 200}))).rows[0]
    assert row.search_trials == 2000
    assert row.pflop / 2003 == pytest.approx(short.pflop / 203, rel=0.1)


@pytest.mark.parametrize(
    ("method", "extra"),
    [("c", {}), ("dagan", {}), ("vanilla_gan", {}), ("cgan", {"gan": {"generator_average_decay": 0.9}})],
)
def test_the_size_of_a_real_snapshot(tmp_path, method, extra):
    base = {"network": {"width": 0.5}, "classifier": {"batch_size": 20, "iterations": 1}}
    base |= {} if method == "c" else {"gan": {"iterations": 1, **extra.get("gan", {})}}
    study = study_of(
        {key: GRID[key] for key in ("name", "datasets", "samples_per_class", "confirm")}
        | {"methods": [method], "base": base}
    )
    config = study.config(study.cells[0], method, seed=0, phase="search")
    snapshots = TrialSnapshots(SnapshotStore(str(tmp_path)), config, shared=True)
    training = snapshots.restored([])
    stages = ["classification"] if method == "c" else ["generation", "classification"]
    for event in training.events(every=1, checkpoints={stage: [1] for stage in stages}):
        if isinstance(event, Checkpoint):
            snapshots.write_for_others(event.stage)
    sizes = [size for _, size in snapshots.take_news().written]
    assert len(sizes) == len(stages)
    for stage, size in zip(stages, sizes, strict=True):
        assert snapshot_bytes(config, stage) == pytest.approx(size, rel=0.2)


def test_the_storage_of_a_small_grid_by_hand(grid):
    config = grid.config(grid.cells[0], "dagan", seed=0, phase="confirm")
    found = estimate(grid).storage
    # Of each GAN: at KG 20 and 40; and of each r at both of them one at the smaller KC.
    assert found.snapshots == 4 * (2 + 6)
    generation, classification = (snapshot_bytes(config, stage) for stage in ("generation", "classification"))
    assert found.written == 4 * (2 * generation + 6 * classification)
    assert 0 < found.peak <= 2 * generation + 6 * classification, "a family's are gone before the next begins"


def test_the_seeds_of_a_study_detect_what_the_report_would_say():
    found = detectable(load("digits"))
    assert found.detectable_deviations == detectable_difference(1.0, 12, alpha=0.05 / 2, test="sign_flip")
    assert found.smallest_p == 2 / 2**12
    assert (found.seeds_needed, found.enough) == (7, True)


def test_a_family_too_large_for_any_number_of_seeds_is_told():
    found = replace(detectable(study_of(tiny())), comparisons=6000, enough=False, seeds_needed=None)
    assert "no number of seeds could" in found.sentence


def test_what_a_ledger_says_of_the_spread(tmp_path):
    study = study_of(tiny())
    entries = play(study, tmp_path, workers=2, rng=random.Random(0)).entries
    tested = {(e.method, e.seed): 100 * e.test_accuracy for e in entries if e.test_accuracy is not None}
    differences = [tested["dagan_aug", seed] - tested["c", seed] for seed in study.confirm_seeds]
    middle = sum(differences) / 3
    expected = math.sqrt(sum((one - middle) ** 2 for one in differences) / 2)
    assert spread(study, entries) == pytest.approx(expected)
    assert spread(study, []) is None
    assert detectable(study, entries).deviation_measured
    assert not detectable(study).deviation_measured


@pytest.mark.parametrize(
    ("design", "factors", "family"),
    [
        ("grid", {"classifier.iterations": [20, 40], "classifier.augmentation_ratio": [0.0, 1.0]}, 4),
        ("one_factor", {"classifier.batch_size": [32, 16], "gan.loss": ["joint"], "network.dropout": [0.1]}, 4),
        ("leave_one_out", {"network.dropout": [0.1], "gan.loss": ["joint"]}, 3),
    ],
)
def test_the_family_that_is_foretold_is_the_one_that_the_report_tests(design, factors, family):
    changes = {"search": {}, "samples_per_class": [5, 10], "compare": {"dagan_aug": ["c_aug"]}}
    study = study_of(tiny(methods=["c_aug", "dagan_aug"], **changes) | {"design": design, "factors": factors})
    plan = Plan(study, Unwritten())
    Player(plan, random.Random(0), workers=3).play()
    results = tidy(table(entry.model_dump() for entry in plan.entries))
    compared = compare(results, study.compare)
    assert detectable(study).comparisons == len(compared) == 2 * family
    assert (compared["n"] == 3).all()
    variances = [row["sd"] ** 2 for row in compared.to_dict("records")]
    assert spread(study, plan.entries) == pytest.approx(100 * math.sqrt(sum(variances) / len(variances)))


def test_the_kc_at_which_c_has_done_what_the_costliest_dagan_does(capsys):
    study = study_of(GRID | {"methods": ["c", "dagan", "dagan_aug"], "samples_per_class": [5, 10]})
    found = estimate(study)
    # dagan_aug has no c_aug beside it.
    assert [(one.method, one.baseline, one.samples_per_class) for one in found.equal_work] == [
        ("dagan", "c", 5),
        ("dagan", "c", 10),
    ]
    costliest = {"gan.iterations": 40, "classifier.iterations": 60, "classifier.augmentation_ratio": 1.0}
    dagan = study.config(study.cells[0], "dagan", seed=0, phase="confirm", settings=costliest)
    work = pflop(dagan, stage="generation", iterations=40) + pflop(dagan, stage="classification", iterations=60)
    plain = study.config(study.cells[0], "c", seed=0, phase="confirm")
    kc = found.equal_work[0].iterations
    assert pflop(plain, stage="classification", iterations=kc) == pytest.approx(work, rel=0.5 / kc)
    assert [one.epochs for one in found.equal_work] == [pytest.approx(kc * 20 / 50), pytest.approx(kc * 20 / 100)]
    print_estimate(found)
    expected = f"in {kc * 0.2:,.0f} to {kc * 0.4:,.0f} epochs (dagan)."
    assert f"c does as many operations as the costliest training with a GAN {expected}" in capsys.readouterr().out


def test_of_a_search_the_costliest_choice_counts():
    changes = {"methods": ["c_aug", "dagan_aug"], "compare": {}, "base__classifier": {"batch_size": 20}}
    searched = {"classifier.iterations": {"values": [50, 30]}, "gan.iterations": {"min": 10, "max": 40}}
    searched |= {"classifier.learning_rate": {"min": 1e-4, "max": 1e-3}, "gan.generator_steps": {"value": 3}}
    study = study_of(tiny(**changes, search__parameters=searched))
    longest = {"classifier.iterations": 50, "gan.iterations": 40, "gan.generator_steps": 3}
    config = study.config(study.cells[0], "dagan_aug", seed=0, phase="confirm", settings=longest)
    work = pflop(config, stage="generation", iterations=40) + pflop(config, stage="classification", iterations=50)
    plain = study.config(study.cells[0], "c_aug", seed=0, phase="confirm")
    (found,) = estimate(study).equal_work
    assert found.iterations == round(work / pflop(plain, stage="classification", iterations=1))


@cache
def estimated(name):
    """The estimate of a shipped study."""
    return estimate(load(name))


def test_the_estimate_is_short_whatever_the_grid(capsys):
    print_estimate(estimated("sensitivity"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 20
    text = "\n".join(lines)
    assert "In all 1296 trials: 24 distinct trainings of stage 1 and 432 of stage 2." in text
    assert "24 × stage 1, each with snapshots at KG 200, 400, 800" in text
    assert "from KG 800: 3 × stage 2, KC read at 200, 400, 800" in text


@pytest.mark.parametrize("name", ["digits", "ablation", pytest.param("cifar10", marks=pytest.mark.slow), "handwritten"])
def test_an_estimate_of_every_kind_of_study_prints(name, capsys):
    found = estimated(name)
    print_estimate(found)
    text = capsys.readouterr().out
    assert f"In all {found.trials} trials" in text
    assert found.trials == sum(row.trials for row in found.rows)
    assert 0 <= found.saving < 1


def test_a_predicted_time_stands_in_place_of_the_rough_one(capsys):
    print_estimate(estimated("digits"), predicted=600.0)
    text = capsys.readouterr().out
    assert "cores here about 10:00 min, as probed (7:04 min to 14:08 min), by settings drawn at random" in text
    assert "roughly" not in text


def test_of_a_study_that_has_run_what_is_left_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sweeps.forecast.estimate.costs.CORE_GFLOPS", (1e-3, 1e-2))
    short, longer = (study_of(GRID | {"confirm": {"seeds": seeds}}) for seeds in (2, 3))
    ledger = play(short, tmp_path, workers=2, rng=random.Random(0)).ledger
    print_estimate(estimate(short, ledger))
    assert "All of these trials are done; `sweeps run` writes their report again." in capsys.readouterr().out
    found = estimate(longer, ledger)
    assert (found.remaining.done, found.remaining.trials) == (48, 24)
    assert found.remaining.pflop == pytest.approx(found.pflop / 3)
    print_estimate(found, predicted=600.0)
    text = capsys.readouterr().out
    tflop = f"{1000 * found.remaining.pflop:.3g} TFLOP"
    assert f"48 of these trials are done; 24 are to go: {tflop}, about 3:20 min, as probed (2:21 min" in text
    print_estimate(found)
    assert f"24 are to go: {tflop}, roughly " in capsys.readouterr().out


def test_of_a_search_that_was_made_longer_what_was_tried_counts_as_done(tmp_path):
    ledger = play(study_of(tiny()), tmp_path, workers=2, rng=random.Random(0)).ledger
    assert estimate(study_of(tiny()), ledger).remaining.trials == 0
    longer = estimate(study_of(tiny(search__budget={"trials": 8})), ledger)
    # What is confirmed will be another choice, for all that anybody knows.
    assert (longer.remaining.done, longer.remaining.trials) == (2 * 5, 2 * (3 + 3))
    assert 0 < longer.remaining.pflop < longer.pflop


@pytest.mark.parametrize("name", ["ablation", "digits"])
def test_the_plan_has_as_many_trials_as_estimated(name, tmp_path):
    assert estimated(name).trials == Plan(load(name), Ledger(tmp_path)).planned


@pytest.mark.parametrize("name", ["digits", "sensitivity"])
def test_on_a_narrow_terminal_nothing_is_cut_and_lines_end_between_words(name):
    """What is left of the table has whole heads and cells; what was left out are the columns that say least."""
    found = estimated(name)
    narrow = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    narrow.print(cost_table(found, narrow))
    lines = narrow.file.getvalue().splitlines()
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:5] == ["data", "set", "n", "method", "points" if name == "sensitivity" else "search"]
    assert "TFLOP" in lines[0]
    wide = Console(width=120, file=io.StringIO())
    wide.print(cost_table(found, wide))
    assert all(head in wide.file.getvalue() for head in EXPENDABLE)


def test_prose_of_show_wraps_on_a_terminal_and_not_in_a_pipe(monkeypatch, capsys):
    found = estimated("digits")
    print_estimate(found)
    whole = capsys.readouterr().out.splitlines()
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "80"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    print_estimate(found)
    wrapped = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, wrapped.splitlines())) <= 80
    total = next(line for line in whole if line.startswith("In all 96 trials"))
    assert len(total) > 150
    assert " ".join(total.split()) in " ".join(wrapped.split()), "broken between words alone"
