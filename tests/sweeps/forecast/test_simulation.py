"""The simulation: hand-worked makespans, and the decisions of the real plan."""

import random
from dataclasses import replace

import pytest
from playing import accuracy_of, play, tiny

from sweeps.forecast.estimate.costs import estimate
from sweeps.forecast.estimate.draft import drafts
from sweeps.forecast.simulate import probe as probing
from sweeps.forecast.simulate import step_times as durations
from sweeps.forecast.simulate.forecast import durations_of, entries_in, forecast, slots_per_node
from sweeps.forecast.simulate.outcomes import Assumed, Recorded
from sweeps.forecast.simulate.simulation import Simulation
from sweeps.forecast.simulate.step_times import USUAL, Durations, assumed, seconds_at
from sweeps.forecast.simulate.timeline import Timeline
from sweeps.records.ledger import Ledger
from sweeps.study.parse import study_of

ALONE = {
    "name": "alone",
    "datasets": ["digits"],
    "samples_per_class": [5],
    "methods": ["c"],
    "base": {"network": {"width": 0.25}, "classifier": {"batch_size": 20, "iterations": 100}},
    "confirm": {"seeds": 4},
}
GRID = ALONE | {
    "name": "grid",
    "methods": ["dagan"],
    "base": {
        "network": {"width": 0.25},
        "classifier": {"batch_size": 20, "iterations": 100},
        "gan": {"iterations": 50},
    },
    "design": "grid",
    "factors": {"classifier.augmentation_ratio": [0.0, 0.5], "gan.feature_matching_weight": [0.1, 1.0]},
    "confirm": {"seeds": 1},
}


@pytest.fixture
def bare(monkeypatch):
    """Nothing takes time but the steps: 1 s of stage 1, 0.1 s of stage 2, whatever the settings."""
    for name in ("START", "REPORT", "DRIVER_START", "DRIVER_REPORT", "NODE"):
        monkeypatch.setattr(durations, f"{name}_SECONDS", 0.0)
    monkeypatch.setattr(durations, "BYTES_PER_SECOND", 1e30)
    monkeypatch.setattr("sweeps.forecast.simulate.course.SNAPSHOT_SECONDS", 1e9)
    free = {name: 0.0 for name, value in vars(USUAL).items() if isinstance(value, float)}
    monkeypatch.setattr(
        Durations, "step", lambda self, config, stage: {"generation": 1.0, "classification": 0.1}[stage]
    )
    return Durations([replace(USUAL, **free)], "bare")


def makespan(tree, slots, takes, **options):
    return Simulation(study_of(tree), slots, takes, Assumed(), **options).run().makespan


def test_a_plan_of_four_trials_by_hand(bare):
    # 4 trials of 100 steps of 0.1 s.
    assert makespan(ALONE, 1, bare) == pytest.approx(40)
    assert makespan(ALONE, 2, bare) == pytest.approx(20)
    assert makespan(ALONE, 3, bare) == pytest.approx(20)
    assert makespan(ALONE, 9, bare) == pytest.approx(10)


def test_a_shared_stage_1_by_hand(bare):
    # 2 GANs of 50 s, each with 2 branches of 10 s.
    assert makespan(GRID, 1, bare) == pytest.approx(2 * 50 + 4 * 10)
    assert makespan(GRID, 1, bare, shared=False) == pytest.approx(4 * 60)
    # Both slots train a GAN and go on; the other branches start when the snapshots are there and a slot is.
    assert makespan(GRID, 2, bare) == pytest.approx(70)
    # With two more slots they start at the snapshots themselves.
    assert makespan(GRID, 4, bare) == pytest.approx(60)


def test_start_of_nodes_trials_and_reports_by_hand(bare, monkeypatch):
    monkeypatch.setattr(durations, "NODE_SECONDS", 5.0)
    monkeypatch.setattr(durations, "START_SECONDS", 2.0)
    monkeypatch.setattr(durations, "DRIVER_START_SECONDS", 0.5)
    monkeypatch.setattr(durations, "REPORT_SECONDS", 1.0)
    monkeypatch.setattr(durations, "DRIVER_REPORT_SECONDS", 0.25)
    # Two reports at 50 and 100 and the outcome, which is the driver's alone.
    each = 2.0 + 10 + 2 * 1.0 + 0.25
    assert makespan(ALONE, 1, bare) == pytest.approx(5 + 4 * each)
    # The driver starts one after the other, at 0.5 s and 1 s. They end at 14.25 s and, as it is at work on the first
    # until then, 15 s; the next begin at 15.5 s and 16 s, report 13 s later, and end at 29.25 s and 30 s.
    assert makespan(ALONE, 2, bare) == pytest.approx(5 + 30)


def test_the_driver_is_one_for_all(bare, monkeypatch):
    monkeypatch.setattr(durations, "START_SECONDS", 3.0)
    monkeypatch.setattr(durations, "DRIVER_START_SECONDS", 3.0)
    assert makespan(ALONE, 4, bare) == pytest.approx(4 * 3 + 10), "four starts in a row, then the last trial"


def test_more_slots_are_never_slower_without_sharing():
    tree = GRID | {"confirm": {"seeds": 5}}
    spans = [makespan(tree, slots, assumed(1.0), shared=False) for slots in (1, 2, 3, 5, 8, 16)]
    assert spans == sorted(spans, reverse=True)
    assert spans[0] > 5 * spans[-1]


@pytest.mark.parametrize("slots", [1, 4])
def test_sharing_saves_what_the_outline_says(slots):
    tree = GRID | {"factors": GRID["factors"] | {"gan.iterations": [20, 50], "classifier.iterations": [40, 80]}}
    tree["base"] = {"network": {"width": 0.25}, "classifier": {"batch_size": 20}}
    study = study_of(tree)
    facts = estimate(study)
    shared = Simulation(study, slots, assumed(1.0), Assumed()).run()
    alone = Simulation(study, slots, assumed(1.0), Assumed(), shared=False).run()
    assert shared.pflop == pytest.approx(facts.pflop)
    assert shared.pflop_unshared == pytest.approx(facts.pflop_unshared)
    assert alone.pflop == pytest.approx(facts.pflop_unshared)
    assert facts.saving > 0.4
    if slots == 1:
        assert shared.written == facts.storage.written
        assert shared.peak == facts.storage.peak


class Playing:
    """The stand-in training of the other tests."""

    def accuracy(self, trial, iteration):
        return accuracy_of(trial, iteration)

    def ending(self, trial):
        return "completed", None


def decisions(entries):
    return {
        (e.phase, e.method, e.samples_per_class, e.trial, e.seed): (
            e.signature,
            e.status,
            e.validation_accuracy,
            e.test_accuracy,
        )
        for e in entries
    }


@pytest.mark.parametrize("reuse", [False, True])
def test_decisions_are_the_real_ones(tmp_path, reuse):
    study = study_of(
        tiny(samples_per_class=[5, 10], search__budget={"trials": 12}, search__window=3, search__reuse=reuse)
    )
    real = play(study, tmp_path, workers=3, rng=random.Random(0))
    expected = decisions(real.entries)
    assert {status for _, status, *_ in expected.values()} == {"completed", "stopped"}
    for slots in (1, 5, 50):
        simulation = Simulation(study, slots, assumed(1.0), Playing())
        simulation.run()
        assert decisions(simulation.plan.entries) == expected
    assert not list(tmp_path.glob("*.damaged"))


def test_a_recorded_study_is_replayed_as_it_was(tmp_path):
    study = study_of(tiny(search__budget={"trials": 10}))
    real = play(study, tmp_path / "tiny" / "ledger", workers=3, rng=random.Random(0))
    entries = entries_in(tmp_path / "tiny")
    simulation = Simulation(study, 2, assumed(1.0), Recorded(entries))
    simulation.run()
    assert decisions(simulation.plan.entries) == decisions(real.entries)


def test_recorded_divergence_ends_a_trial_there(bare):
    simulation = Simulation(study_of(ALONE), 1, bare, Assumed())
    trial = simulation.plan.branches[0].confirm[0]
    entry = trial.identity("alone") | {"status": "diverged", "iterations": 30, "validation_accuracy": None}
    entry |= {"test_accuracy": None, "pflop": 0.0, "pflop_unshared": 0.0, "wall_seconds": 3.0, "provenance": {}}
    outcomes = Recorded([simulation_entry(entry)])
    tally = Simulation(study_of(ALONE), 1, bare, outcomes).run()
    assert tally.makespan == pytest.approx(30 + 3)
    assert tally.statuses == {"completed": 3, "diverged": 1}


def simulation_entry(values):
    from sweeps.records.ledger import Entry

    return Entry(**values)


def test_steps_between_samples_are_on_a_line_and_beyond_in_proportion():
    points = [(1.0, 10.0), (3.0, 20.0)]
    assert seconds_at(points, 1.0) == 10
    assert seconds_at(points, 2.0) == 15
    assert seconds_at(points, 6.0) == 40
    assert seconds_at(points, 0.5) == 5
    assert seconds_at([(2.0, 4.0)], 3.0) == 6
    assert seconds_at([(2.0, 3.0), (2.0, 5.0)], 2.0) == 4, "as many operations, but not as many seconds"
    assert seconds_at([(1.0, 9.0), (1.0, 11.0), (3.0, 19.0), (3.0, 21.0)], 2.0) == 15


def test_times_come_from_a_ledgers_curves(tmp_path):
    study = study_of(ALONE)
    plan = play(study, tmp_path, workers=1, rng=random.Random(0))
    entries = [
        entry.model_copy(update={"curve": [point | {"images_per_second": 40.0} for point in entry.curve]})
        for entry in plan.entries
    ]
    found = durations_of(study, entries, None)
    config = study.config(study.cells[0], "c", seed=0, phase="confirm")
    assert found.step(config, "classification") == pytest.approx(20 / 40)
    assert durations_of(study, entries, 1e6).source.startswith("assumed")


def test_slots_of_a_node():
    study = study_of(ALONE)
    assert slots_per_node(study, 8, None) == 8
    assert slots_per_node(study, 8, 3) == 3
    quarter = study_of(ALONE | {"resources": {"gpu": 0.25}})
    assert slots_per_node(quarter, 2, None) == 8


def test_a_forecast_counts_storage_and_the_plans_load():
    study = study_of(GRID | {"confirm": {"seeds": 3}})
    facts = forecast(study, 4, assumed(1.0))
    assert facts.trials == facts.trained == 12
    assert 0 < facts.utilisation <= 1
    assert facts.bytes_written > 0
    assert facts.bytes_read == facts.bytes_written, "each GAN's snapshot is read by its one other branch"
    assert facts.bytes_peak <= facts.bytes_written
    assert 0 < facts.planning_longest_seconds <= facts.planning_seconds


def test_a_ledger_in_memory_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Simulation(study_of(ALONE), 2, assumed(1.0), Assumed()).run()
    assert not list(tmp_path.iterdir())
    assert Ledger(None).entries == {}


def test_a_probe_measures_every_part_of_a_training(monkeypatch):
    monkeypatch.setattr(probing, "SECONDS", 0.01)
    study = study_of(GRID)
    config = study.config(study.cells[0], "dagan", seed=0, phase="confirm")
    sample = probing.measured(probing.prolonged(config), start=2.0)
    parts = {name: value for name, value in vars(sample).items() if name != "method"}
    assert sample.method == "dagan"
    assert sample.start == 2.0
    assert min(parts.values()) > 0
    assert sample.generation_pflop == pytest.approx(probing.per_iteration(config, "generation"))


@pytest.mark.slow
def test_the_processes_of_a_probe_answer_for_each_config():
    trials = [trial for one in drafts(study_of(ALONE)) for trial in one.trials]
    told = []
    (sample,) = probing.probe(trials, slots=1, tell=lambda *how_far: told.append(how_far))
    assert told == [(1, 1)]
    assert sample.method == "c"
    assert sample.classification_step > 0 < sample.start
    assert sample.generation_step == 0


def test_a_probe_that_fails_says_why_however_much_it_said_before(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nread configs\nyes a warning | head -c 200000 >&2\necho the reason >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(probing.sys, "executable", str(program))
    trials = [trial for one in drafts(study_of(ALONE)) for trial in one.trials]
    with pytest.raises(RuntimeError, match="the probe failed: the reason"):
        probing.probe(trials, slots=2)


def test_the_timeline_is_in_order_of_time_then_of_scheduling():
    timeline = Timeline[str]()
    for seconds, event in ((2.0, "late"), (1.0, "first"), (1.0, "second")):
        timeline.schedule(seconds, event)
    seen = []
    for now, event in timeline:
        seen.append((now, event))
        if event == "first":
            timeline.schedule(1.5, "meanwhile")
    assert seen == [(1.0, "first"), (1.0, "second"), (1.5, "meanwhile"), (2.0, "late")]
    assert [timeline.served(now, 1.0) for now in (3.0, 3.5, 9.0)] == [4.0, 5.0, 10.0]
    assert timeline.driver_seconds == 3.0
