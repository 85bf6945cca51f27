"""Between Ray's ids and the plan: what happens to a trial whose worker was lost."""

import pytest
from playing import tiny

from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.run.controller import MAX_LOSSES, Conductor, PlanScheduler
from sweeps.study.parse import study_of


@pytest.fixture
def conductor(tmp_path):
    return Conductor(
        Plan(study_of(tiny()), Ledger(tmp_path, writing=True)), order=lambda trial: {}, discard=lambda key: None
    )


def test_a_lost_trial_is_the_next_to_be_handed_out(conductor):
    trial = conductor.start("a")
    conductor.start("b")
    conductor.report("a", {"iteration": 20, "validation_accuracy": 0.5, "iterations": 20})
    conductor.end("a", lost=True)
    assert not conductor.plan.entries
    assert conductor.start("c") is trial
    assert conductor.start("d") is not trial
    assert "c" not in conductor.last, "what was seen before the loss is not part of the new start"


def test_a_trial_that_always_loses_its_worker_is_given_up(conductor):
    trial = conductor.start("0")
    for loss in range(1, MAX_LOSSES + 1):
        conductor.end(str(loss - 1), lost=True)
        assert conductor.start(str(loss)) is trial
    conductor.end(str(MAX_LOSSES), lost=True)
    (entry,) = conductor.plan.entries
    assert (entry.status, entry.error) == ("failed", "its worker process was lost 4 times")


def test_a_worker_lost_after_its_last_report_loses_nothing(conductor):
    trial = conductor.start("a")
    outcome = {"status": "completed", "validation_accuracy": 0.5, "test_accuracy": None, "error": None}
    conductor.report("a", {"outcome": outcome})
    conductor.end("a", lost=True)
    (entry,) = conductor.plan.entries
    assert (entry.signature, entry.status) == (trial.signature, "completed")


def test_losses_count_only_as_long_as_the_trial_gets_no_further(conductor):
    trial = conductor.start("0")
    for index in range(3 * MAX_LOSSES):
        conductor.report(str(index), {"iteration": 20, "iterations": 20 * (index + 1)})
        conductor.end(str(index), lost=True)
        assert conductor.start(str(index + 1)) is trial


def test_out_of_memory_runs_once_more_and_is_then_recorded(conductor):
    said = []
    conductor.listeners.append(lambda trial, report, entry: said.append(report.get("event", "")))
    outcome = {"status": "oom", "error": "MemoryError: no room"}
    trial = conductor.start("a")
    conductor.report("a", {"outcome": dict(outcome)})
    conductor.end("a", lost=False)
    assert any("it runs once more, with a larger share" in event for event in said)
    assert conductor.start("b") is trial
    assert trial.signature in conductor.larger
    conductor.report("b", {"outcome": dict(outcome)})
    conductor.end("b", lost=False)
    (entry,) = conductor.plan.entries
    assert (entry.status, entry.error, entry.provenance["starts"]) == ("oom", "MemoryError: no room", 2)


def test_tune_keeps_nothing_large_of_a_trial_that_has_ended(conductor):
    from ray.tune.experiment import Trial

    trial = Trial("nothing", stub=True, config={"order": "long", "larger": False})
    trial.update_last_result({"report": "long", "training_iteration": 3})
    assert trial.run_metadata.metric_n_steps
    PlanScheduler(conductor, {"CPU": 1.0}).on_trial_complete(None, trial, trial.last_result)
    assert trial.config == {"larger": False}
    assert "report" not in trial.last_result
    assert not trial.run_metadata.metric_n_steps
    assert not trial.run_metadata.metric_analysis
