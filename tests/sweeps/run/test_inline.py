"""The inline executor, running from Python, and what is said of signals meanwhile."""

import os
import signal
import threading
import time

import pytest
from playing import numbers, plain

from dagan.errors import InvalidInput
from sweeps.api import run_study
from sweeps.run.interrupts import answering
from sweeps.run.listeners import Listener
from sweeps.run.messages import Outcome
from sweeps.study.parse import study_of

RATES = {"classifier.learning_rate": {"min": 1e-4, "max": 1e-2}}
STUDY = plain(
    search__parameters=RATES,
    search__budget={"trials": 2},
    search__window=2,
    search__early_stopping=None,
    confirm__seeds=2,
)


@pytest.fixture
def instant(monkeypatch):
    """Trainings that come to something at once."""

    def messages(order):
        confirm = order.config["data"]["phase"] == "confirm"
        yield Outcome("completed", validation_accuracy=None if confirm else 0.5, test_accuracy=0.5 if confirm else None)

    monkeypatch.setattr("sweeps.run.inline.messages", lambda order: messages(order))


def test_a_run_outside_the_main_thread(tmp_path, instant):
    found = []
    thread = threading.Thread(target=lambda: found.append(run_study(study_of(STUDY), out=tmp_path, wandb="off")))
    thread.start()
    thread.join()
    assert found[0].finished
    assert len(numbers(tmp_path / "tiny/ledger")) == 4


def test_what_goes_wrong_in_the_driver_ends_the_run_and_closes_all_that_watch(tmp_path, instant, monkeypatch):
    closed = []
    monkeypatch.setattr("sweeps.monitor.activity.Activity.closed", lambda self: closed.append("activity"))
    monkeypatch.setattr("sweeps.planning.plan.Plan.record", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_study(study_of(STUDY), out=tmp_path, wandb="off")
    assert closed == ["activity"]


def test_ctrl_c_keeps_what_has_ended(tmp_path, instant, monkeypatch):
    class Impatient(Listener):
        def ended(self, trial, entry):
            raise KeyboardInterrupt

    monkeypatch.setattr("sweeps.api.listeners_of", lambda *_: [Impatient()])
    plan = run_study(study_of(STUDY), out=tmp_path, wandb="off")
    assert not plan.finished
    assert len(numbers(tmp_path / "tiny/ledger")) == 1


def test_overrides_are_for_studies_by_name(tmp_path):
    with pytest.raises(InvalidInput, match="a Study is taken as it is"):
        run_study(study_of(STUDY), overrides=["confirm.seeds=3"], out=tmp_path)


def test_the_command_passes_its_options_on(typed, study_file, monkeypatch):
    from sweeps.run.experiment import Storage
    from sweeps.run.tune.session import Cluster

    asked = {}

    def run(study, **options):
        asked.update(options)
        raise InvalidInput([])

    monkeypatch.setattr("sweeps.api.run_study", run)
    options = "--no-sharing --storage s3://b --storage-limit 2 --workers 3 --address h:1 --wandb off --executor ray"
    typed("run", study_file(STUDY), *options.split())
    assert asked["storage"] == Storage("s3://b", 2e9, False)
    assert asked["cluster"] == Cluster("h:1", 3)
    assert (asked["executor"], asked["wandb"]) == ("ray", "off")


@pytest.fixture
def other_signal():
    """One that has a handler; and SIGINT is not ignored, as it is in the background of a shell."""
    handlers = {signal.SIGUSR1: lambda *told: None, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield signal.SIGUSR1
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


def test_an_interrupt_is_answered_at_once_and_nothing_else_is(other_signal, capsys):
    threads = threading.active_count()
    with answering():
        os.kill(os.getpid(), other_signal)
        time.sleep(0.1)
        assert capsys.readouterr().err == ""
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        deadline = time.monotonic() + 5
        while not (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert said == "stopping …\n"
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert capsys.readouterr().err == "", "said once"
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_where_nothing_happens_nothing_is_said(capsys):
    with answering():
        pass
    assert capsys.readouterr().err == ""
