"""What every training promises, whatever its method; then what each setting, and each mishap, does to one."""

import copy
import io
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
import torch

from dagan import datasets, losses
from dagan.methods import METHODS
from dagan.problem import InvalidInput
from dagan.splits import split
from dagan.training import Training, train

CLOCKS = {"wall_seconds", "images_per_second"}


def bits(value, path=""):
    """Every number in a nest of values by its path, clocks left out; tensors as their bytes."""
    if isinstance(value, Mapping):
        return {k: v for key, one in value.items() if key not in CLOCKS for k, v in bits(one, f"{path}/{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for index, one in enumerate(value) for k, v in bits(one, f"{path}/{index}").items()}
    if isinstance(value, torch.Tensor):
        return {path: (value.dtype, value.shape, value.detach().cpu().numpy().tobytes())}
    return {path: value}


def weights(training):
    """The bits of what has been learnt."""
    state = training.state()
    return bits({key: state[key] for key in ("discriminator", "generator", "average")})


def ran(config, every=2):
    training = Training(config)
    for _ in training.run(every=every):
        pass
    return training


def outcome(training):
    """A result without its clocks, curve included."""
    return bits(copy.copy(vars(training.result())))


def stored(state):
    """A state as it comes back from a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    """The laws of a training."""

    def test_the_same_seed_gives_the_same_bits(self, make_config, method):
        one, other = ran(make_config(method)), ran(make_config(method))
        assert bits(one.state()) == bits(other.state())
        assert outcome(one) == outcome(other)

    def test_another_seed_gives_other_bits(self, make_config, method):
        one, other = weights(ran(make_config(method))), weights(ran(make_config(method, {"seed": 1})))
        assert one.keys() == other.keys()
        assert {path for path in one if "original0" not in path and one[path] == other[path]} <= {
            path
            for path in one
            if "norms" in path and path.endswith("weight")  # fixed to 1
        }

    @pytest.mark.parametrize("phase", ["search", "confirm"])
    def test_resumed_equals_straight_through(self, make_config, method, phase):
        config = make_config(method, {"data.phase": phase})
        straight, snapshots = Training(config), []
        for progress in straight.run(every=2):
            snapshots.append((progress.stage, progress.iteration, stored(straight.state())))
        stages = [("generation", 2), ("generation", 4), ("generation", 5)] if straight.generator else []
        stages += [("classification", 2), ("classification", 4), ("classification", 6)]
        assert [one[:2] for one in snapshots] == stages
        last, expected = bits(straight.state()), outcome(straight)
        for stage, iteration, state in snapshots:
            resumed = Training(config)
            resumed.restore(state)
            assert resumed.iterations[stage] == iteration
            for _ in resumed.run(every=2):
                pass
            assert bits(resumed.state()) == last, (stage, iteration)
            assert outcome(resumed) == expected, (stage, iteration)

    def test_going_back_to_a_state_undoes_what_came_after(self, make_config, method):
        training = Training(make_config(method))
        run = training.run(every=2)
        next(run)
        state = stored(training.state())
        for _ in run:
            pass
        last = bits(training.state())
        training.restore(state)
        for _ in training.run(every=2):
            pass
        assert bits(training.state()) == last

    def test_how_often_one_looks_changes_nothing(self, make_config, method):
        config = make_config(method, {"data.phase": "search"})
        often, seldom = ran(config, every=1), ran(config, every=100)
        assert weights(often) == weights(seldom)
        accuracies = {(p.stage, p.iteration): p.validation_accuracy for p in often.curve}
        assert len(accuracies) == sum(often.length(stage) for stage in ("generation", "classification"))
        for progress in seldom.curve:
            assert accuracies[progress.stage, progress.iteration] == progress.validation_accuracy
            own = [p.losses for p in often.curve if p.stage == progress.stage]
            for name, value in progress.losses.items():  # the mean since the last report
                assert value == pytest.approx(np.mean([row[name] for row in own]), rel=1e-12)
        assert (
            often.result().validation_accuracy == seldom.result().validation_accuracy == accuracies["classification", 6]
        )

    def test_search_never_opens_a_test_image(self, make_config, method, monkeypatch):
        read, original = [], datasets.training_pixels

        def spy(facts, data, indices):
            read.extend(indices.tolist())
            return original(facts, data, indices)

        monkeypatch.setattr(datasets, "training_pixels", spy)
        training = ran(make_config(method, {"data.phase": "search"}))
        result = training.result()
        assert training.data.test is None
        assert result.test_accuracy is None
        assert 0 <= result.validation_accuracy <= 1
        labels = datasets.digits()[1]
        sealed = split(labels, dataset="digits", has_test=False, samples_per_class=4, seed=0, phase="confirm")
        assert read
        assert not set(read) & set(sealed.test.tolist())
        assert not set(read) & set(sealed.subset.tolist())

    def test_confirm_measures_on_the_test_images_once(self, make_config, method):
        training = ran(make_config(method))
        right = training.predictions(training.data.test.images) == training.data.test.labels
        result = training.result()
        assert result.test_accuracy == right.float().mean(dtype=torch.float64).item()
        assert result.validation_accuracy is None
        assert result.status == "completed"
        assert result.iterations == (11 if training.generator else 6)
        with pytest.raises(RuntimeError, match="looked at once"):
            training.result()

    def test_there_is_no_result_before_the_end(self, make_config, method):
        training = Training(make_config(method))
        with pytest.raises(RuntimeError, match="still running"):
            training.result()
        run = training.run(every=1)
        next(run)
        with pytest.raises(RuntimeError, match="still running"):
            training.result()

    def test_a_state_of_another_config_is_refused(self, make_config, method):
        state = Training(make_config(method)).state()
        with pytest.raises(InvalidInput, match="snapshot: is of config"):
            Training(make_config(method, {"seed": 1})).restore(state)

    def test_it_learns(self, make_config, method):
        settings = {"classifier.iterations": 60, "network.width": 0.5, "classifier.learning_rate": 3e-3}
        assert train(make_config(method, settings)).test_accuracy > 0.3  # chance: 0.1

    def test_a_poisoned_weight_ends_it_with_the_iteration_and_the_terms(self, make_config, method):
        training, seen = Training(make_config(method, {"data.phase": "search"})), []
        for progress in training.run(every=1):
            seen.append(progress)
            if progress.stage == "classification" and progress.iteration == 2:
                with torch.no_grad():
                    training.discriminator.head.bias[0] = float("nan")
        result = training.result()
        assert (result.status, result.validation_accuracy, result.test_accuracy) == ("diverged", None, None)
        assert result.error.startswith("loss became nan at stage 2, iteration 3 (real nan")
        assert seen[-1].iteration == 2
        assert len(result.curve) == len(seen)


@pytest.mark.parametrize(("plain", "other"), [("c", "dagan"), ("c_aug", "dagan_aug")])
def test_methods_of_one_seed_share_their_luck(make_config, plain, other):
    noise = {"network.noise": 0.1}
    one, two = Training(make_config(plain, noise)), Training(make_config(other, noise))
    assert torch.equal(one.data.train.images, two.data.train.images)
    trunks = [bits(training.discriminator.convolutions.state_dict()) for training in (one, two)]
    assert trunks[0] == trunks[1]
    for _ in range(3):
        (images, labels), (same, alike) = one.batch("classification"), two.batch("classification")
        assert torch.equal(images, same)
        assert torch.equal(labels, alike)
        two.draw(labels, "classification")  # what only one of them does moves nothing for the other
        assert torch.equal(one.judged(images, "classification")[1], two.judged(images, "classification")[1])


def test_every_setting_changes_what_comes_out(make_config, other_values):
    """A setting that reached nothing would be searched in vain."""
    silent = {
        "data.dataset": "needs files",
        "data.image_size": "fixed for digits",
        "data.channels": "fixed for digits",
        "data.validation_fraction": "of `validation: within` in search alone",
    }
    before = weights(ran(make_config("dagan_aug")))
    same = []
    for key, value in other_values.items():
        if key in silent:
            continue
        method = value if key == "method" else "dagan_aug"
        after = weights(ran(make_config(method, {} if key == "method" else {key: value})))
        # Bits of equal shape alone count as equal; the average alone is what average_decay is about.
        moved = [path for path in before if path in after and before[path] != after[path]]
        if not any(path.startswith("/average") for path in moved):
            same.append(key)
    assert same == []


def test_the_validation_fraction_reaches_search_within(make_config):
    settings = {"data.phase": "search", "data.validation": "within"}
    sizes = [
        len(Training(make_config("c", settings | {"data.validation_fraction": fraction})).data.train)
        for fraction in (0.25, 0.5)
    ]
    assert sizes == [30, 20]


TABLES = {
    "gan.loss": [losses.DISCRIMINATOR_LOSSES, losses.GENERATOR_LOSSES, losses.CLASS_SCORES],
    "gan.feature_matching": [losses.FEATURE_MATCHING_LOSSES],
}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("gan.loss", "joint"),
        ("gan.loss", "pairwise"),
        ("gan.feature_matching", "batch"),
        ("gan.feature_matching", "class"),
    ],
)
def test_each_form_of_a_loss_is_used_throughout_and_no_other(make_config, monkeypatch, key, name):
    used = []
    for table in TABLES[key]:
        for form, loss in table.items():
            spy = lambda *a, form=form, loss=loss, **k: used.append((form, loss.__name__)) or loss(*a, **k)  # noqa: E731
            monkeypatch.setitem(table, form, spy)
    ran(make_config("dagan", {key: name}))
    assert {form for form, _ in used} == {name}
    assert len({loss for _, loss in used}) == len(TABLES[key])


def test_each_stage_has_the_learning_rate_of_its_section(make_config):
    training = Training(make_config("dagan", {"gan.learning_rate": 1e-5, "classifier.learning_rate": 1e-4}))
    expected = {"generation": 1e-5, "classification": 1e-4}
    for progress in training.run(every=1):
        for optimiser in training.optimisers.values():
            assert [group["lr"] for group in optimiser.param_groups] == [expected[progress.stage]]


def test_stage_2_leaves_the_generator_as_it_is(make_config):
    training, generators = Training(make_config("dagan")), []
    for _ in training.run(every=1):
        generators.append(bits(copy.deepcopy(training.generator.state_dict())))
    assert generators[3] != generators[4]  # the last step of stage 1 of five
    assert all(one == generators[4] for one in generators[5:])


@pytest.mark.parametrize("ratio", [0.0, 0.0625, 0.5, 1.0, 2.5])
def test_the_ratio_says_how_many_images_are_generated_and_how_much_they_count(make_config, monkeypatch, ratio):
    training = Training(make_config("dagan", {"classifier.augmentation_ratio": ratio}))
    drawn, counted = [], []
    monkeypatch.setattr(training.generator, "forward", lambda z, y: drawn.append(y) or torch.zeros(len(y), 1, 8, 8))
    monkeypatch.setattr(training, "_update", lambda name, loss: counted.append((name, loss.item())))
    terms = {name: value.item() for name, value in training.classification_step().items()}
    # Whole batches of 16 are drawn, and cut, for batch norm works with the batch at hand.
    wanted = {0.0: 0, 0.0625: 16, 0.5: 16, 1.0: 16, 2.5: 48}[ratio]
    assert sum(map(len, drawn)) == wanted
    assert counted == [("discriminator", pytest.approx(terms["real"] + ratio * terms.get("generated", 0.0)))]
    assert set(terms) == ({"real", "generated"} if wanted else {"real"})


def test_generated_images_have_the_classes_of_the_real_ones(make_config, monkeypatch):
    training, drawn = Training(make_config("dagan", {"classifier.augmentation_ratio": 1.5})), []
    original = training.draw
    monkeypatch.setattr(training, "draw", lambda y, *a, **k: drawn.append(y) or original(y, *a, **k))
    labels = copy.deepcopy(training).batch("classification")[1]
    training.classification_step()
    assert drawn[0].tolist() == labels.tolist() * 2


def test_a_single_generated_image_is_enough(make_config):
    assert train(make_config("dagan", {"classifier.augmentation_ratio": 0.0625})).status == "completed"


@pytest.mark.parametrize("loss", ["joint", "pairwise"])
def test_predictions_follow_the_loss_and_the_average(make_config, loss):
    training = ran(make_config("dagan", {"gan.loss": loss}))
    images = training.data.test.images
    real, generated = training.average(images)[0].double().chunk(2, dim=1)
    scores = real.exp() + generated.exp() if loss == "joint" else real + generated
    best, second = scores.topk(2, dim=1).values.T
    clear = best - second > 1e-4  # float32 may break a near tie otherwise
    assert clear.float().mean() > 0.9
    assert torch.equal(training.predictions(images)[clear], scores.argmax(dim=1)[clear])


def test_the_average_follows_d_with_the_decay_that_its_docstring_says(make_config):
    training = Training(make_config("c", {"classifier.average_decay": 0.25}))
    expected = training.discriminator.head.bias.detach().clone()
    for index, _ in enumerate(training.run(every=1), start=1):
        decay = min(0.25, (1 + index) / (10 + index))
        expected = decay * expected + (1 - decay) * training.discriminator.head.bias.detach()
        assert torch.allclose(training.average.head.bias, expected, atol=1e-6)


@pytest.mark.parametrize("every", [1, 100])
def test_a_config_that_diverges_says_where_however_seldom_one_looks(make_config, every):
    # A weight beyond the largest float32: infinite loss, no finite gradient, G spoilt from its first step on.
    settings = {"gan.feature_matching_weight": 1e39, "gan.generator_steps": 1}
    training = ran(make_config("dagan", settings), every)
    result = training.result()
    assert (result.status, result.test_accuracy) == ("diverged", None)
    assert result.iterations == 2
    assert result.error.startswith("loss became nan at stage 1, iteration 2 (discriminator nan, generator nan")


def test_train_returns_a_divergence(make_config, monkeypatch):
    monkeypatch.setattr(losses, "classification_loss", lambda scores, labels: scores.sum() * 0 + float("inf"))
    result = train(make_config("c"))
    assert result.status == "diverged"
    assert result.error == "loss became infinite at stage 2, iteration 1 (real inf)."


def test_weights_that_the_last_step_spoilt_are_a_divergence(make_config, monkeypatch):
    training = Training(make_config("c"))
    update = training._update

    def spoil_the_last(name, loss):
        update(name, loss)
        if training.iterations["classification"] == training.length("classification") - 1:
            with torch.no_grad():
                training.discriminator.head.bias[0] = torch.nan

    monkeypatch.setattr(training, "_update", spoil_the_last)
    for _ in training.run():
        pass
    result = training.result()
    assert (result.status, result.test_accuracy) == ("diverged", None)
    assert result.error == "weights of D became nan or infinite at stage 2, iteration 6."


def test_restoring_forgets_a_divergence(make_config):
    training = Training(make_config("c"))
    state = copy.deepcopy(training.state())
    with torch.no_grad():
        training.discriminator.head.bias[0] = torch.nan
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
    everything = "import dagan.training, dagan.pictures"
    foreign = {"ray", "optuna", "wandb", "analysis", "sweeps", "pandas"}
    assert imported(everything, foreign | {"torch"}) == {"torch"}


def test_a_config_does_not_wait_for_torch():
    statement = "from dagan import Config; Config.of({})"
    assert imported(statement, {"torch", "torchvision", "sklearn", "dagan"}) == {"dagan"}
