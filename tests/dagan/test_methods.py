"""What tells one method from another: heads, predictions, starts, and what two methods of one seed share."""

import pytest
import torch
from trainings import EACH_GENERATING, EACH_METHOD, bits, in_stage_2, ran, stored

from dagan.defaults import reaches
from dagan.methods import METHODS
from dagan.training.training import Training, train

GENERATING = [method for method, row in METHODS.items() if row.has_generated]


@pytest.mark.parametrize("method", EACH_METHOD)
def test_it_learns(make_config, method):
    settings = {"classifier.iterations": 60, "network.width": 0.5, "classifier.learning_rate": 3e-3}
    assert train(make_config(method, settings)).test_accuracy > 0.3  # chance: 0.1


@pytest.fixture(scope="module")
def plain(make_config):
    """The trainings of `c` and `c_aug`, by whether images are augmented, and their test accuracies."""
    trained = {augmented: ran(make_config("c_aug" if augmented else "c")) for augmented in (False, True)}
    return {augmented: (one, one.result().test_accuracy) for augmented, one in trained.items()}


@pytest.mark.parametrize("generated", ["online", "offline"])
@pytest.mark.parametrize("method", GENERATING)
def test_a_fresh_classifier_without_generated_images_is_the_plain_one_to_the_bit(make_config, plain, method, generated):
    """Whatever stage 1 did. A warm start is the difference that it makes, and is told apart here too."""
    settings = {"classifier.augmentation_ratio": 0.0, "classifier.generated": generated}
    settings |= {"gan.iterations": 1} if METHODS[method].adversary else {}
    fresh = {"classifier.start": "fresh"} if METHODS[method].continues else {}
    expected, accuracy = plain[METHODS[method].augmented]
    one = ran(make_config(method, settings | fresh))
    assert bits(one.classification.state()) == bits(expected.classification.state())
    accuracies = [p.losses for p in expected.curve], accuracy
    assert ([p.losses for p in one.curve if p.stage == "classification"], one.result().test_accuracy) == accuracies
    if fresh:
        warm = in_stage_2(make_config(method, settings)).classification
        assert warm.learner.network.head.bias.shape != (10,)


ROWS = {"c": (10, None), "vanilla_gan": (10, 1), "cgan": (10, 1), "semi_gan": (11, 11), "dagan": (20, 20)}
ROWS["external"] = ROWS["c"]


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


@pytest.mark.parametrize("other", GENERATING)
def test_methods_of_one_seed_share_their_luck(make_config, other):
    noise = {"classifier.noise": 0.1}
    plain = "c_aug" if METHODS[other].augmented else "c"
    one, two = in_stage_2(make_config(plain, noise)), in_stage_2(make_config(other, noise))
    assert torch.equal(one.data.train.images, two.data.train.images)
    trunks = [bits(training.trained.network.convolutions.state_dict()) for training in (one, two)]
    assert trunks[0] == trunks[1]
    for _ in range(3):
        (first, _), (second, _) = one.classification.batches.next(), two.classification.batches.next()
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.labels, second.labels)
        two.generated.draw(second.labels, "classification")  # what only one of them does moves nothing for the other
        judged = [training.classification.judged(first.images)[1] for training in (one, two)]
        assert torch.equal(*judged)


SWITCHES = {
    "gan.iterations": 3,
    "classifier.iterations": 4,
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


@pytest.mark.parametrize("method", EACH_GENERATING)
@pytest.mark.parametrize("stage_2", ["generated", "augmentation_schedule"])
def test_resumed_equals_straight_through_with_every_switch_turned(make_config, method, stage_2):
    """Of what stage 2 does with generated images one or the other; where D can go on, it does in one of the two."""
    settings = SWITCHES | {f"classifier.{stage_2}": "offline" if stage_2 == "generated" else "linear"}
    settings = {key: value for key, value in settings.items() if reaches(key, method)}
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
