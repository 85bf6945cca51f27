"""The inline executor, and running from Python."""

import threading

import pytest
from playing import numbers, plain

from dagan.errors import InvalidInput
from sweeps.api import run_study
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
