"""What a training reports, what it does when it diverges, and what it imports."""

import copy
import re
import subprocess
import sys
import time

import pytest
import torch
from trainings import ran

from dagan.errors import InvalidInput
from dagan.training import losses
from dagan.training.progress import Checkpoint, Progress, Step
from dagan.training.training import Training, train


@pytest.mark.parametrize("every", [1, 100])
def test_a_config_that_diverges_says_where_however_seldom_one_looks(make_config, every):
    # A weight beyond the largest float32: infinite loss, no finite gradient, G spoilt when D looks at its images.
    settings = {"gan.feature_matching_weight": 1e39, "gan.generator_steps": 1}
    training = ran(make_config("dagan", settings), every)
    result = training.result()
    assert (result.status, result.test_accuracy) == ("diverged", None)
    assert result.iterations == 1
    assert re.fullmatch(
        r"loss became nan at stage 1, iteration 1 \(generator [\d.]+, feature matching [\d.]+, discriminator nan\)\.",
        result.error,
    )


@pytest.mark.parametrize("every", [1, 2, 100])
@pytest.mark.parametrize("value", ["nan", "infinite"])
def test_the_iteration_that_diverged_is_told_however_many_followed(make_config, monkeypatch, every, value):
    original, seen = losses.DISCRIMINATOR_LOSSES["pairwise"], []

    def spoilt_in_the_third(*images_and_labels):
        seen.append(1)
        return original(*images_and_labels) + (float(value[:3]) if len(seen) == 3 else 0.0)

    monkeypatch.setitem(losses.DISCRIMINATOR_LOSSES, "pairwise", spoilt_in_the_third)
    training = ran(make_config("dagan"), every)
    assert training.result().iterations == 3
    assert training.error.startswith(f"loss became {value} at stage 1, iteration 3 (generator ")


def test_train_returns_a_divergence(make_config, monkeypatch):
    monkeypatch.setattr(losses, "classification_losses", lambda scores, labels: scores[:, 0] * 0 + float("inf"))
    result = train(make_config("c"))
    assert result.status == "diverged"
    assert result.error == "loss became infinite at stage 2, iteration 1 (real inf)."


def test_weights_that_the_last_step_spoilt_are_a_divergence(make_config, monkeypatch):
    training = Training(make_config("c"))
    learner = training.classification.learner
    update = learner.update

    def spoil_the_last(loss, rate):
        update(loss, rate)
        if training.iterations["classification"] == training.length("classification") - 1:
            with torch.no_grad():
                learner.network.head.bias[0] = torch.nan

    monkeypatch.setattr(learner, "update", spoil_the_last)
    for _ in training.run():
        pass
    result = training.result()
    assert (result.status, result.test_accuracy) == ("diverged", None)
    assert result.error == "weights of D became nan or infinite at stage 2, iteration 6."


def test_test_images_are_counted_by_class_and_prediction(make_config):
    training = ran(make_config("c_aug"))
    test, result = training.data.test, training.result()
    predicted = training.trained.predictions(test.images)
    assert len(result.confusion) == 10
    for label, row in enumerate(result.confusion):
        of_label = predicted[test.labels == label]
        assert row == [int((of_label == other).sum()) for other in range(10)]
    assert result.test_accuracy == training.accuracy(test)
    assert ran(make_config("c_aug", {"data.phase": "search"})).result().confusion is None


def test_restoring_forgets_a_divergence(make_config):
    training = Training(make_config("c"))
    state = copy.deepcopy(training.state())
    with torch.no_grad():
        training.classification.learner.network.head.bias[0] = torch.nan
    assert list(training.run()) == []
    assert training.status == "diverged"
    training.restore(state)
    assert [p.iteration for p in training.run()] == [6]
    assert training.result().status == "completed"


@pytest.mark.parametrize("device", ["tpu", "mps", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(make_config, device):
    with pytest.raises(InvalidInput, match=r"compute\.device"):
        Training(make_config("c", {"compute.device": device}))


@pytest.mark.parametrize("method", ["c", "dagan"])
def test_the_highest_learning_rate_is_an_outcome_not_a_crash(make_config, method):
    settings = {"classifier.learning_rate": 1.0, "classifier.iterations": 40}
    settings |= {"gan.learning_rate": 1.0} if method == "dagan" else {}
    assert train(make_config(method, settings)).status in ("completed", "diverged")


def test_also_names_further_iterations_of_stage_2_to_report(make_config):
    reports = [(p.stage, p.iteration) for p in Training(make_config("dagan")).run(every=100, also={1, 3})]
    assert reports == [("generation", 5), ("classification", 1), ("classification", 3), ("classification", 6)]


def test_events_come_in_the_order_step_checkpoint_progress(make_config):
    config = make_config("dagan", {"gan.iterations": 2, "classifier.iterations": 3})
    checkpoints = {"generation": [2], "classification": [1, 3]}
    training = Training(config)
    events = list(training.events(every=2, also={1}, checkpoints=checkpoints))
    assert [(type(event), event.stage, event.iteration) for event in events] == [
        (Step, "generation", 1),
        (Step, "generation", 2),
        (Checkpoint, "generation", 2),
        (Progress, "generation", 2),
        (Step, "classification", 1),
        (Checkpoint, "classification", 1),
        (Progress, "classification", 1),
        (Step, "classification", 2),
        (Progress, "classification", 2),
        (Step, "classification", 3),
        (Checkpoint, "classification", 3),
        (Progress, "classification", 3),
    ]
    assert [event for event in events if isinstance(event, Progress)] == training.curve


def test_time_between_events_is_not_counted(make_config):
    training = Training(make_config("c", {"classifier.iterations": 3}))
    pauses = 0
    for _ in training.events(every=1, checkpoints={"classification": [1, 2, 3]}):
        pauses += 1
        time.sleep(0.2)
    assert pauses == 9
    assert training.wall_seconds < 0.2 * pauses / 3
    assert min(progress.images_per_second for progress in training.curve) > 16 / 0.2


def test_train_reports_every_progress(make_config):
    seen = []
    result = train(make_config("dagan"), report=seen.append)
    assert [(p.stage, p.iteration, p.total) for p in seen] == [("generation", 5, 5), ("classification", 6, 6)]
    assert [entry["losses"] for entry in result.curve] == [progress.losses for progress in seen]


def imported(statement, names):
    """Which of some modules a statement imports in a fresh interpreter."""
    code = f"import sys; {statement}; print(*({names!r} & {{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_training_imports_no_part_of_a_sweep():
    everything = "import dagan.training.training, dagan.evaluation.pictures"
    foreign = {"ray", "optuna", "wandb", "analysis", "sweeps", "pandas"}
    assert imported(everything, foreign | {"torch"}) == {"torch"}


def test_a_config_does_not_wait_for_torch():
    statement = "from dagan import Config; Config.of({})"
    assert imported(statement, {"torch", "torchvision", "sklearn", "dagan"}) == {"dagan"}
