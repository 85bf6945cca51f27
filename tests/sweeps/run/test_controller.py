"""Between the executor's ids and the plan: what happens to a trial whose worker was lost."""

from dataclasses import replace

import pytest
from playing import tiny

from dagan.errors import InvalidInput
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.snapshot_store import SnapshotStore
from sweeps.run.controller import MAX_LOSSES, WARNINGS, Controller
from sweeps.run.heartbeat import HeartbeatMonitor
from sweeps.run.listeners import Listener, open_listeners
from sweeps.run.messages import Heartbeat, Outcome, Report, SnapshotNews, Spent
from sweeps.study.parse import study_of


class Heard(Listener):
    """Keeps what it is told."""

    def __init__(self):
        self.notices = []

    def noticed(self, trial, text, *, again=False):
        self.notices.append((text, again))


@pytest.fixture
def controller(tmp_path):
    plan = Plan(study_of(tiny()), Ledger(tmp_path / "ledger", writing=True))
    return Controller(plan, SnapshotStore(str(tmp_path / "snapshots")), [Heard()])


def report_at(iterations, accuracy=None):
    return Report("classification", 20, 40, accuracy, [], Spent(iterations=iterations), {})


def test_a_lost_trial_is_the_next_to_be_handed_out(controller):
    trial = controller.start("a")
    controller.start("b")
    controller.receive("a", report_at(20, 0.5))
    controller.end("a", lost=True)
    assert not controller.plan.entries
    assert controller.start("c") is trial
    assert controller.start("d") is not trial
    assert controller.running["c"].report is None, "what was seen before the loss is not part of the new start"


def test_a_trial_that_always_loses_its_worker_is_given_up(controller):
    trial = controller.start("0")
    for loss in range(1, MAX_LOSSES + 1):
        controller.end(str(loss - 1), lost=True)
        assert controller.start(str(loss)) is trial
    controller.end(str(MAX_LOSSES), lost=True)
    (entry,) = controller.plan.entries
    assert (entry.status, entry.error) == ("failed", "its worker process was lost 4 times")


def test_a_worker_lost_after_its_last_message_loses_nothing(controller):
    trial = controller.start("a")
    controller.receive("a", Outcome("completed", validation_accuracy=0.5))
    controller.end("a", lost=True)
    (entry,) = controller.plan.entries
    assert (entry.signature, entry.status, entry.validation_accuracy) == (trial.signature, "completed", 0.5)


def test_losses_count_only_as_long_as_the_trial_gets_no_further(controller):
    trial = controller.start("0")
    for index in range(3 * MAX_LOSSES):
        controller.receive(str(index), report_at(20 * (index + 1)))
        controller.end(str(index), lost=True)
        assert controller.start(str(index + 1)) is trial


def test_out_of_memory_runs_once_more_and_is_then_recorded(controller):
    short = Outcome("oom", error="MemoryError: no room")
    trial = controller.start("a")
    controller.receive("a", short)
    controller.end("a", lost=False)
    (heard,) = controller.listeners
    assert any(
        "it runs once more, with more memory where there is more" in text and again for text, again in heard.notices
    )
    assert controller.start("b") is trial
    assert controller.attempts(trial).needs_more
    controller.receive("b", short)
    controller.end("b", lost=False)
    (entry,) = controller.plan.entries
    assert (entry.status, entry.error, entry.provenance["starts"]) == ("oom", "MemoryError: no room", 2)


def test_a_stopped_trial_has_the_numbers_of_its_last_report(controller):
    trial = controller.start("a")
    controller.receive("a", report_at(60, 0.25))
    controller.running["a"].stopping = True
    controller.end("a", lost=False)
    (entry,) = controller.plan.entries
    assert (entry.signature, entry.status) == (trial.signature, "stopped")
    assert (entry.iterations, entry.validation_accuracy) == (60, 0.25)


def test_an_interrupted_trial_leaves_no_entry(controller):
    controller.start("a")
    controller.receive("a", report_at(20, 0.5))
    controller.end("a", lost=False)
    assert not controller.plan.entries


def test_a_failure_in_a_worker_keeps_the_numbers_of_its_last_report(controller):
    controller.start("a")
    curve = [{"stage": "generation", "iteration": 20, "validation_accuracy": None}]
    controller.receive("a", replace(report_at(60), curve=curve, provenance={"host": "h"}))
    controller.receive("a", Outcome("failed", error="ValueError: no"))
    controller.end("a", lost=False)
    (entry,) = controller.plan.entries
    assert (entry.status, entry.error, entry.iterations) == ("failed", "ValueError: no", 60)
    assert (entry.curve, entry.provenance) == (curve, {"host": "h", "starts": 1})


def test_a_refused_config_ends_the_run(controller):
    trial = controller.start("a")
    controller.receive("a", Outcome("failed", refused=True, error="must hold MNIST"))
    with pytest.raises(InvalidInput, match="must hold MNIST"):
        controller.end("a", lost=False)
    assert isinstance(controller.failure, InvalidInput)
    assert controller.failure.problems[0].where == trial.name
    assert not controller.plan.entries


def test_snapshots_are_known_as_workers_write_and_delete_them(controller):
    trial = controller.start("a")
    key = trial.stage_ends[0]
    controller.receive("a", replace(report_at(20), snapshots=SnapshotNews(written=((key, 100),))))
    assert controller.plan.sharing.bytes == 100
    controller.receive("a", replace(report_at(40), snapshots=SnapshotNews(deleted=(key,))))
    assert controller.plan.sharing.bytes == 0


def test_warnings_of_workers_are_passed_on_once_and_not_for_ever(controller):
    controller.start("a")
    for number in range(WARNINGS + 5):
        for _ in range(2):
            warning = SnapshotNews(warning=f"snapshot {number} could not be kept")
            controller.receive("a", replace(report_at(20), snapshots=warning))
    controller.receive("a", Outcome("completed", missing="its pictures could not be kept"))
    (heard,) = controller.listeners
    assert [text for text, _ in heard.notices] == [f"snapshot {n} could not be kept" for n in range(WARNINGS)]


def test_a_worker_that_is_silent_too_long_is_given_up(controller):
    now = 0.0
    controller.heartbeats = HeartbeatMonitor(30.0, clock=lambda: now)
    controller.start("a")
    controller.start("b")
    assert controller.give_up_silent(["a", "b", "not ours"]) == []
    now = 29.0
    controller.receive("b", Heartbeat())
    now = 31.0
    assert controller.give_up_silent(["a", "b", "not ours"]) == ["a"]
    (heard,) = controller.listeners
    assert heard.notices == [("nothing was heard of it for 30 s (resources.silence); its worker is given up", False)]


def test_an_entry_that_could_not_be_written_is_no_end(controller, monkeypatch):
    ended = []
    controller.listeners[0].ended = lambda trial, entry: ended.append(entry)
    controller.start("a")
    controller.receive("a", Outcome("completed", validation_accuracy=0.5))
    with monkeypatch.context() as patch:
        patch.setattr(controller.plan.ledger, "write", lambda entry: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            controller.end("a", lost=False)
    assert not ended
    assert isinstance(controller.failure, ZeroDivisionError)


def test_all_listeners_are_closed_whatever_one_of_them_does():
    closed = []

    class Closing(Listener):
        def __init__(self, name):
            self.name = name

        def closed(self):
            closed.append(self.name)
            if self.name == "bad":
                raise OSError("disk full")

    listeners = [Closing("first"), Closing("bad"), Closing("last")]
    with pytest.raises(OSError, match="disk full"), open_listeners(listeners, None, 1, {}):
        pass
    assert closed == ["first", "bad", "last"]


def test_tune_keeps_nothing_large_of_a_trial_that_has_ended(controller):
    from ray.tune.experiment import Trial

    from sweeps.run.tune.adapters import PlanScheduler

    trial = Trial("nothing", stub=True, config={"order": "long", "needs_more": False})
    trial.update_last_result({"message": "long", "training_iteration": 3})
    assert trial.run_metadata.metric_n_steps
    PlanScheduler(controller, {"CPU": 1.0}).on_trial_complete(None, trial, trial.last_result)
    assert trial.config == {"needs_more": False}
    assert "message" not in trial.last_result
    assert not trial.run_metadata.metric_n_steps
    assert not trial.run_metadata.metric_analysis
