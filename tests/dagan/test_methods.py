"""What every training promises, whatever its method."""

import numpy as np
import pytest
import torch
from trainings import bits, in_stage_2, learners, outcome, ran, stored, weights

from dagan.data.loading import digits
from dagan.data.splits import split
from dagan.errors import InvalidInput
from dagan.methods import METHODS
from dagan.stage_key import stage_key
from dagan.training import dataset
from dagan.training.generation import Generation
from dagan.training.training import Training, train

GANS = [method for method, row in METHODS.items() if row.adversary]


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
        alike = {path for path in one if one[path] == other[path]}
        assert alike == {path for path in one if "norms" in path and path.endswith("weight")}  # fixed to 1

    @pytest.mark.parametrize("phase", ["search", "confirm"])
    def test_resumed_equals_straight_through(self, make_config, method, phase):
        config = make_config(method, {"data.phase": phase})
        straight, snapshots = Training(config), []
        for progress in straight.run(every=2):
            snapshots.append((progress.stage, progress.iteration, stored(straight.state())))
        stages = [("generation", 2), ("generation", 4), ("generation", 5)] if straight.generation else []
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
        """Of either stage, from the end of stage 2."""
        training, states = Training(make_config(method)), []
        for _ in training.run(every=2):
            states.append(stored(training.state()))
        last = bits(training.state())
        for state in (states[0], states[-2]):
            training.restore(state)
            back, expected = bits(training.state()), bits(state)
            assert {path: back[path] for path in expected} == expected
            assert all("/streams/classification" in path for path in back.keys() - expected.keys())  # begun anew
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
        read, original = [], dataset.part_of

        def spy(source, indices, device):
            read.extend(indices.tolist())
            return original(source, indices, device)

        monkeypatch.setattr(dataset, "part_of", spy)
        training = ran(make_config(method, {"data.phase": "search"}))
        result = training.result()
        assert training.data.test is None
        assert result.test_accuracy is None
        assert 0 <= result.validation_accuracy <= 1
        labels = digits()[1]
        sealed = split(labels, dataset="digits", has_test=False, samples_per_class=4, seed=0, phase="confirm")
        assert read
        assert not set(read) & set(sealed.test.tolist())
        assert not set(read) & set(sealed.subset.tolist())

    def test_confirm_measures_on_the_test_images_once(self, make_config, method):
        training = ran(make_config(method))
        right = training.trained.predictions(training.data.test.images) == training.data.test.labels
        result = training.result()
        assert result.test_accuracy == right.float().mean(dtype=torch.float64).item()
        assert result.validation_accuracy is None
        assert result.status == "completed"
        assert result.iterations == (11 if training.generation else 6)
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
        with pytest.raises(InvalidInput, match=r"snapshot: is of the .* stage of"):
            Training(make_config(method, {"seed": 1})).restore(state)

    def test_a_state_in_another_precision_is_refused(self, make_config, method):
        state = Training(make_config(method)).state()
        other = Training(make_config(method, {"compute.precision": "bfloat16"}))
        with pytest.raises(InvalidInput, match=r"snapshot: is in torch.float32, but this machine trains in torch.bfl"):
            other.restore(state | {"stage_key": stage_key(other.config, other.stage)})

    def test_it_learns(self, make_config, method):
        settings = {"classifier.iterations": 60, "network.width": 0.5, "classifier.learning_rate": 3e-3}
        assert train(make_config(method, settings)).test_accuracy > 0.3  # chance: 0.1

    def test_a_poisoned_weight_ends_it_with_the_iteration_and_the_terms(self, make_config, method):
        training, seen = Training(make_config(method, {"data.phase": "search"})), []
        for progress in training.run(every=1):
            seen.append(progress)
            if progress.stage == "classification" and progress.iteration == 2:
                with torch.no_grad():
                    training.classification.learner.network.head.bias[0] = float("nan")
        result = training.result()
        assert (result.status, result.validation_accuracy, result.test_accuracy) == ("diverged", None, None)
        assert result.error.startswith("loss became nan at stage 2, iteration 3 (real nan")
        assert seen[-1].iteration == 2
        assert len(result.curve) == len(seen)

    @pytest.mark.parametrize("generated", ["online", "offline"])
    def test_a_ratio_of_zero_generates_nothing(self, make_config, method, generated, monkeypatch):
        monkeypatch.setattr("dagan.training.training.generated_diversity", lambda *looked_at: None)
        gan = {"classifier.generated": generated, "gan.iterations": 1} if method in GANS else {}
        training = Training(make_config(method, {"classifier.augmentation_ratio": 0.0} | gan))
        made, original = [], Generation.images_of
        monkeypatch.setattr(Generation, "images_of", lambda *a: made.append(training.classification) or original(*a))
        for progress in training.run(every=1):
            assert progress.stage == "generation" or set(progress.losses) == {"real"}
        assert len(made) == (3 if method in GANS else 0)  # a D step and two G steps, all in stage 1
        assert made == [None] * len(made)


@pytest.mark.parametrize("generated", ["online", "offline"])
@pytest.mark.parametrize("method", GANS)
def test_a_fresh_classifier_without_generated_images_is_the_plain_one_to_the_bit(make_config, method, generated):
    """Whatever stage 1 did. A warm start is the difference that it makes, and is told apart here too."""
    settings = {"classifier.augmentation_ratio": 0.0, "classifier.generated": generated}
    fresh = {"classifier.start": "fresh"} if METHODS[method].continues else {}
    plain = ran(make_config("c_aug" if METHODS[method].augmented else "c"))
    one = ran(make_config(method, settings | fresh))
    assert bits(one.classification.state()) == bits(plain.classification.state())
    accuracies = [p.losses for p in plain.curve], plain.result().test_accuracy
    assert ([p.losses for p in one.curve if p.stage == "classification"], one.result().test_accuracy) == accuracies
    if fresh:
        assert learners(ran(make_config(method, settings)))["classifier"].network.head.bias.shape != (10,)


ROWS = {"c": (10, None), "vanilla_gan": (10, 1), "cgan": (10, 1), "semi_gan": (11, 11), "dagan": (20, 20)}


@pytest.mark.parametrize("augmented", ["", "_aug"])
@pytest.mark.parametrize("method", ROWS)
def test_heads_are_as_the_table_of_methods_says(make_config, method, augmented):
    training, (classifier, discriminator) = in_stage_2(make_config(method + augmented)), ROWS[method]
    images = training.data.train.images[:20]
    assert training.trained.network(images)[0].shape == (20, classifier)
    assert (training.generation is None) == (discriminator is None)
    if training.generation:
        labels = torch.arange(10).repeat(2)
        assert training.generation.discriminator.network(images, labels)[0].shape == (20, discriminator)
        continues = training.classification.learner is training.generation.discriminator
        assert continues == METHODS[method].continues == (method in ("semi_gan", "dagan"))


# Outputs for one image and K = 10, and the class that they speak for. log 1 = 0 stands where none is named.
@pytest.mark.parametrize(
    ("method", "settings", "outputs", "expected"),
    [
        ("c", {}, {2: 3.0, 5: 2.0}, 2),
        ("cgan", {}, {2: 3.0, 5: 2.0}, 2),
        ("vanilla_gan", {}, {2: 3.0, 5: 2.0}, 2),
        ("semi_gan", {}, {3: 2.0, 10: 9.0}, 3),  # output K+1 is no class
        ("dagan", {"gan.loss": "joint"}, {4: 7.0, 6: 5.0, 16: 5.0}, 6),  # 7 + 1 < 5 + 5
        ("dagan", {"gan.loss": "joint"}, {4: 7.0, 6: 4.0, 16: 3.0}, 4),  # 7 + 1 > 4 + 3, though 7 · 1 < 4 · 3
        ("dagan", {"gan.loss": "pairwise"}, {4: 7.0, 6: 4.0, 16: 3.0}, 6),
        ("dagan", {"classifier.start": "fresh"}, {2: 3.0, 5: 2.0}, 2),
    ],
)
def test_the_prediction_is_worked_from_the_outputs(make_config, monkeypatch, method, settings, outputs, expected):
    training = in_stage_2(make_config(method, settings))
    width = training.trained.network(training.data.train.images[:1])[0].shape[1]
    logits = torch.tensor([[outputs.get(index, 1.0) for index in range(width)]]).log()
    monkeypatch.setattr(
        training.trained.network, "forward", lambda images: (logits.expand(len(images), -1), images.flatten(1))
    )
    assert training.trained.predictions(training.data.train.images[:2]).tolist() == [expected, expected]


@pytest.mark.parametrize("loss", ["joint", "pairwise"])
def test_predictions_follow_the_loss_and_the_average(make_config, loss):
    training = ran(make_config("dagan", {"gan.loss": loss}))
    images = training.data.test.images
    real, generated = training.trained.network(images)[0].double().chunk(2, dim=1)
    scores = real.exp() + generated.exp() if loss == "joint" else real + generated
    best, second = scores.topk(2, dim=1).values.T
    clear = best - second > 1e-4  # float32 may break a near tie otherwise
    assert clear.float().mean() > 0.9
    assert torch.equal(training.trained.predictions(images)[clear], scores.argmax(dim=1)[clear])


@pytest.mark.parametrize("other", GANS)
def test_methods_of_one_seed_share_their_luck(make_config, other):
    noise = {"network.noise": 0.1}
    plain = "c_aug" if METHODS[other].augmented else "c"
    one, two = in_stage_2(make_config(plain, noise)), in_stage_2(make_config(other, noise))
    assert torch.equal(one.data.train.images, two.data.train.images)
    trunks = [bits(training.trained.network.convolutions.state_dict()) for training in (one, two)]
    assert trunks[0] == trunks[1]
    for _ in range(3):
        (first, _), (second, _) = one.classification.batches.next(), two.classification.batches.next()
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.labels, second.labels)
        two.generation.draw(second.labels, "classification")  # what only one of them does moves nothing for the other
        judged = [training.classification.judged(first.images)[1] for training in (one, two)]
        assert torch.equal(*judged)


SWITCHES = {
    "gan.discriminator_steps": 2,
    "gan.schedule": "cosine",
    "gan.discriminator_optimiser": "sgd",
    "gan.weight_decay": 0.1,
    "gan.generator_average_decay": 0.9,
    "gan.differentiable_augmentation": "color+translation+cutout",
    "classifier.schedule": "linear",
    "classifier.weight_decay": 0.2,
    "classifier.confidence": 0.05,
}


@pytest.mark.parametrize("method", GANS)
@pytest.mark.parametrize("stage_2", ["generated", "augmentation_schedule"])
def test_resumed_equals_straight_through_with_every_switch_turned(make_config, method, stage_2):
    """Of what stage 2 does with generated images one or the other; where D can go on, it does in one of the two."""
    settings = SWITCHES | {f"classifier.{stage_2}": "offline" if stage_2 == "generated" else "linear"}
    if METHODS[method].continues:
        settings["classifier.start"] = "fresh" if stage_2 == "generated" else "warm"
    config = make_config(method, settings)
    straight = Training(config)
    snapshots = [stored(straight.state()) for _ in straight.run(every=2)]
    last, resumed = bits(straight.state()), Training(config)
    for state in reversed(snapshots):  # into one training, so that each goes back from the end of stage 2
        resumed.restore(state)
        for _ in resumed.run(every=2):
            pass
        assert bits(resumed.state()) == last
