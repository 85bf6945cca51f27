"""What a worker does with one trial: reports, snapshots, and failures as outcomes."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from playing import TINY

from dagan.config import Config
from dagan.errors import InvalidInput
from dagan.networks.flops import pflop
from dagan.stage_key import stage_key
from dagan.training import losses
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.snapshot_store import SnapshotKey, SnapshotStore
from sweeps.run import worker
from sweeps.run.controller import Controller
from sweeps.run.messages import Heartbeat, SnapshotNews, TrialOrder, decode, encode
from sweeps.run.worker import messages
from sweeps.run.worker_snapshots import TrialSnapshots
from sweeps.study.parse import study_of


@pytest.fixture(autouse=True)
def _every_report(monkeypatch):
    """None is left out for coming soon after another."""
    monkeypatch.setattr(worker, "REPORT_SECONDS", 0)


def order_of(tmp_path, *, method="dagan_aug", phase="confirm", settings=None, **changes):
    study = study_of(TINY)
    settings = settings or {"classifier.iterations": 40, "gan.iterations": 20}
    settings = {key: value for key, value in settings.items() if key in study.space(method)}
    config = study.config(study.cells[0], method, seed=3, phase=phase, settings=settings)
    kept = SnapshotStore(str(tmp_path / "snapshots")).snapshots()
    order = TrialOrder(
        config=config.model_dump(mode="json"),
        rungs=(25,),
        readings=(),
        report_every=20,
        commit="abc",
        store=str(tmp_path / "snapshots"),
        shared=True,
        snapshots=tuple(sorted(kept, key=lambda key: -key.iteration)),
        checkpoints=((), ()),
        pictures="s.npz" if phase == "confirm" else "",
        quality=False,
    )
    return decode(encode(replace(order, **changes)))


def timeless(outcome):
    """An outcome without what depends on the clock, or on what else there was to do."""
    curve = [{k: v for k, v in point.items() if k != "images_per_second"} for point in outcome.curve]
    spent = replace(outcome.spent, wall_seconds=0.0)
    return replace(outcome, curve=curve, spent=spent, provenance=None, snapshots=SnapshotNews(), quality={})


def test_reports_and_outcome(tmp_path):
    *progress, last = messages(order_of(tmp_path))
    assert [(report.stage, report.iteration) for report in progress] == [
        ("generation", 20),
        ("classification", 20),
        ("classification", 25),
    ]
    assert [len(report.curve) for report in (*progress, last)] == [1, 2, 3, 4]
    assert last.status == "completed"
    counts = last.confusion.counts
    assert last.confusion.classes == list("0123456789")
    assert last.test_accuracy == sum(counts[label][label] for label in range(10)) / sum(map(sum, counts))
    assert last.provenance["commit"] == "abc"
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["s.npz"]
    pictures = np.load(tmp_path / "snapshots" / "s.npz")
    assert pictures["real"].shape == pictures["generated"].shape == (10, 8, 8, 8, 1)
    assert pictures["iterations"].tolist() == [20]
    assert pictures["progress"].shape == (10, 1, 8, 8, 1)
    assert [decode(encode(one)) for one in (*progress, last)] == [*progress, last]


def test_what_a_thousand_classes_were_taken_for_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("dagan.training.inference.MOST_CLASSES", 9)
    *_, last = messages(order_of(tmp_path, method="c", settings={"classifier.iterations": 2}, readings=(), rungs=()))
    assert last.test_accuracy is not None
    assert last.confusion is None


def test_generated_images_are_judged_on_request(tmp_path, monkeypatch):
    from dagan.evaluation import judge

    monkeypatch.setattr(worker, "JUDGES", tmp_path / "judges")
    few = {"classifier": {"iterations": 20}}
    monkeypatch.setattr(judge, "SETTINGS", judge.SETTINGS | few)
    *_, straight = messages(order_of(tmp_path))
    beats = []
    *_, last = messages(order_of(tmp_path, quality=True), lambda: beats.append(1))
    assert len(beats) > 60 + 20 + 40, "the trial, the judge and the learner of GAN-train are heard of"
    quality = last.quality
    assert timeless(last) == timeless(straight), "judging changes nothing"
    assert set(quality) == {
        *("kid", "fid", "density", "coverage", "gan_test", "gan_train", "memorisation", "diversity", "judge_accuracy")
    }
    assert 0 <= quality["gan_test"] <= 1
    assert quality["kid"] > 0.1, "after 20 iterations nobody draws digits"
    assert len(list((tmp_path / "judges").glob("*.safetensors"))) == 1
    *_, plain = messages(order_of(tmp_path, method="c", quality=True))
    assert plain.quality == {}


def test_a_judge_that_fails_is_told_of_and_the_trial_none_the_worse(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "quality_of", lambda training, heartbeat: 1 / 0)
    *_, last = messages(order_of(tmp_path, quality=True))
    assert last.status == "completed"
    assert "could not be judged (ZeroDivisionError: division by zero)" in last.missing
    assert (tmp_path / "snapshots" / "s.npz").exists(), "its pictures are kept all the same"


def test_reports_that_nothing_hangs_on_are_left_out_but_no_point_of_the_curve(tmp_path, monkeypatch):
    *_, straight = messages(order_of(tmp_path))
    monkeypatch.setattr(worker, "REPORT_SECONDS", 3600)
    *progress, last = messages(order_of(tmp_path, checkpoints=((10, 20), ())))
    assert [(report.stage, report.iteration) for report in progress] == [
        ("generation", 20),  # others wait for its snapshots
        ("classification", 25),  # a rung
    ]
    assert len(progress[0].snapshots.written) == 2
    assert timeless(last) == timeless(straight)


def test_a_training_is_heard_of_after_every_iteration_however_far_apart_its_reports_are(tmp_path, monkeypatch):
    from ray import tune

    from sweeps.run.tune import adapters

    beats = []
    *_, last = messages(order_of(tmp_path, report_every=1000), lambda: beats.append(1))
    assert len(beats) == last.spent.iterations == 60
    told = []
    monkeypatch.setattr(tune, "report", lambda result: told.append(decode(result["message"])))
    monkeypatch.setattr(adapters, "HEARTBEAT_SECONDS", 0)
    adapters.train_trial({"order": encode(order_of(tmp_path, report_every=1000))})
    assert told.count(Heartbeat()) == 60
    assert timeless(told[-1]) == timeless(last)
    monkeypatch.setattr(adapters, "HEARTBEAT_SECONDS", 3600)
    told.clear()
    adapters.train_trial({"order": encode(order_of(tmp_path, report_every=1000))})
    assert Heartbeat() not in told


def test_time_that_a_heartbeat_takes_is_no_training(tmp_path):
    beats = []

    def pause_once():
        beats.append(1)
        if len(beats) == 10:
            time.sleep(4)

    *_, last = messages(order_of(tmp_path), pause_once)
    assert last.spent.wall_seconds < 4


def test_search_sees_no_test_images(tmp_path):
    *_, last = messages(order_of(tmp_path, phase="search"))
    assert last.test_accuracy is None
    assert last.curve[-1]["validation_accuracy"] == last.validation_accuracy is not None
    assert not (tmp_path / "snapshots").exists()


@pytest.mark.parametrize("reports_before_the_crash", [2, 3])
def test_a_trial_goes_on_from_its_snapshot(tmp_path, monkeypatch, reports_before_the_crash):
    *_, straight = messages(order_of(tmp_path))
    monkeypatch.setattr(worker, "SNAPSHOT_SECONDS", 0)
    crashed = messages(order_of(tmp_path))
    seen = [next(crashed) for _ in range(reports_before_the_crash)]
    crashed.close()
    store = SnapshotStore(str(tmp_path / "snapshots"))
    written = [report.snapshots.written[0][0] for report in seen]
    assert [*store.snapshots()] == written[-1:], "the latest alone is kept"
    assert [key for report in seen[1:] for key in report.snapshots.deleted] == written[:-1]
    *rest, resumed = messages(order_of(tmp_path))
    # A rung that lies behind is told of again: whether it would have stopped the trial was perhaps not known.
    again = [report.iteration for report in rest if not report.snapshots]
    assert again == ([25] if reports_before_the_crash > 2 else [])
    assert len(rest) - len(again) == 3 - reports_before_the_crash
    assert timeless(resumed) == timeless(straight)
    assert resumed.spent.pflop == straight.spent.pflop, "what it had done itself is its own"


@pytest.mark.parametrize(
    "damage", ["cut", *(pytest.param(one, marks=pytest.mark.slow) for one in ("empty", "of another config"))]
)
def test_a_damaged_snapshot_counts_as_absent(tmp_path, damage):
    *_, straight = messages(order_of(tmp_path))
    order, store = order_of(tmp_path), SnapshotStore(str(tmp_path / "snapshots"))
    config = Config.of(order.config)
    key = SnapshotKey(stage_key(config, "generation"), 20)
    other = TrialSnapshots(store, Config.of({"method": "c"}), shared=True)
    other.restored([])
    other.write_for_others("classification")
    (written,) = store.snapshots()
    content = store.get(written.name)
    store.put(key.name, {"cut": content[:5000], "empty": b"", "of another config": content}[damage])
    *progress, last = messages(replace(order, snapshots=(key,)))
    assert len(progress) == 3
    assert timeless(last) == timeless(straight)
    assert key not in store.snapshots(), "a damaged snapshot is removed"


def test_others_go_on_from_what_a_trial_was_asked_to_leave(tmp_path):
    first = order_of(tmp_path, checkpoints=((10, 20), (30,)))
    *progress, last = messages(first)
    made = [key for message in (*progress, last) for key, _ in message.snapshots.written]
    assert [key.iteration for key in made] == [10, 20, 30]
    settings = {"classifier.iterations": 80, "gan.iterations": 20}
    *_, scratch = messages(order_of(tmp_path, settings=settings, snapshots=()))
    *rest, shared = messages(order_of(tmp_path, settings=settings, snapshots=(made[2],)))
    assert replace(timeless(shared), spent=None) == replace(timeless(scratch), spent=None)
    assert shared.spent.iterations == scratch.spent.iterations
    assert shared.spent.pflop_unshared == scratch.spent.pflop
    own = pflop(Config.of(first.config), stage="classification", iterations=50)
    assert shared.spent.pflop == pytest.approx(own)
    assert shared.spent.wall_seconds < scratch.spent.wall_seconds
    assert rest[0].iteration == 25, "the rung that lies behind"


def test_a_store_that_cannot_be_written_costs_the_snapshot_not_the_trial(tmp_path):
    (tmp_path / "file").write_text("no folder")
    order = order_of(tmp_path, phase="search", checkpoints=((10,), ()), store=str(tmp_path / "file"))
    *progress, last = messages(order)
    assert last.status == "completed"
    assert all(report.snapshots.written == () for report in progress)
    assert any("could not be kept" in report.snapshots.warning for report in progress)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("no\nway"), "failed", "ValueError: no"),
        (torch.OutOfMemoryError("2 GiB"), "oom", "OutOfMemoryError: 2 GiB"),
        (MemoryError(), "oom", "MemoryError: "),
        (InvalidInput([]), "failed", ""),
    ],
)
def test_a_failure_is_an_outcome(tmp_path, monkeypatch, error, status, message):
    def fail(*_):
        raise error

    monkeypatch.setattr(losses, "classification_losses", fail)
    *_, last = messages(order_of(tmp_path))
    assert last.status == status
    assert last.error == message
    assert last.refused == isinstance(error, InvalidInput)


def test_divergence_is_an_outcome_at_once(tmp_path, monkeypatch):
    honest = losses.classification_losses
    monkeypatch.setattr(losses, "classification_losses", lambda *args: honest(*args) + torch.inf)
    *progress, last = messages(order_of(tmp_path))
    assert len(progress) == 1, "only stage 1 was reported"
    assert last.status == "diverged"
    assert last.error.startswith("loss became infinite at stage 2, iteration 1 (real inf")
    assert last.test_accuracy is None


def test_a_collapse_is_a_warning_of_the_outcome_that_the_ledger_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr("dagan.training.training.generated_diversity", lambda *looked_at: {"3": 0.04, "8": 0.7})
    *progress, last = messages(order_of(tmp_path))
    warning = "the generator collapsed: diversity 0.04 in 3 (1: as real images)."
    assert (last.status, last.warning) == ("completed", warning)
    assert progress[0].curve[0]["diversity"] == {"3": 0.04, "8": 0.7}
    plan = Plan(study_of(TINY), Ledger(tmp_path / "ledger"))
    controller = Controller(plan, SnapshotStore(str(tmp_path / "snapshots")))
    trial = controller.start("a")
    controller.receive("a", last)
    controller.end("a", lost=False)
    assert Ledger(tmp_path / "ledger").entries[trial.signature].warning == warning
