"""A collapse of the generator can be seen while it trains, and looking changes nothing."""

import pytest
import torch

from dagan.datasets import Labelled
from dagan.diversity import COLLAPSED, GENERATED, collapsed, diversity, generated_diversity, spread
from dagan.samples import drawn
from dagan.training import Training


def images(*values):
    """Images of 1x1 pixels."""
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1)


def labels(*values):
    return torch.tensor(values)


@pytest.fixture
def training(make_config):
    return Training(make_config("dagan"))


class Painter:
    """A generator that paints the number of the class, and a little of the latent."""

    def __init__(self, strength):
        self.strength = strength
        self.batches = []

    def __call__(self, latents, labels):
        self.batches.append(torch.bincount(labels).tolist())
        values = labels / 10 + self.strength * latents[:, 0]
        return values[:, None, None, None].expand(-1, 1, 8, 8)


def test_spread_by_hand():
    assert float(spread(images(0, 1, 3))) == pytest.approx((1 + 3 + 2) / 3)
    squares = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    assert float(spread(squares)) == 2


def test_diversity_by_hand():
    generated = Labelled(images(0, 5, 1, 5), labels(0, 1, 0, 1))
    real = Labelled(images(0, 4, 1, 3), labels(0, 0, 1, 1))
    assert diversity(generated, real, ("cat", "dog")) == {"cat": 0.25, "dog": 0}


def test_classes_without_a_pair_are_left_out():
    generated = Labelled(images(0, 5, 1, 5), labels(0, 1, 0, 1))
    real = Labelled(images(0, 4, 1), labels(0, 0, 1))
    assert diversity(generated, real, ("cat", "dog", "cow")) == {"cat": 0.25}


def test_images_like_the_real_ones_have_diversity_one(training):
    train = training.data.train
    ratios = diversity(train, train, training.config.facts.classes)
    assert list(ratios) == list("0123456789")
    assert list(ratios.values()) == pytest.approx([1] * 10)


def test_collapsed_classes_are_named():
    ratios = {"0": 0.9, "1": COLLAPSED, "2": 0.99 * COLLAPSED, "3": 0.0, "4": float("nan")}
    assert collapsed(ratios) == ["2", "3", "4"]
    assert collapsed({}) == []


def test_a_generator_that_ignores_its_latents_has_collapsed(training):
    training.generator = Painter(0.0)
    assert collapsed(generated_diversity(training)) == list("0123456789")
    training.generator = Painter(1.0)
    assert collapsed(generated_diversity(training)) == []


def test_images_are_drawn_in_batches_of_the_trainings_size_with_all_classes_alike(training):
    training.generator = Painter(0.0)
    wanted = labels(*[3] * 5, 1, *[9] * 2)
    sample = drawn(training, wanted, "some purpose")
    assert torch.equal(sample.labels, wanted)
    assert torch.allclose(sample.images[:, 0, 0, 0], wanted / 10)
    assert training.generator.batches == [[2] * 10] * 3  # 16 images per batch, 10 classes; five of class 3


def test_images_of_one_draw_are_all_different(training):
    training.generator = Painter(1.0)
    sample = drawn(training, labels(*[3] * 40, *[4] * 7), "some purpose")
    assert len(set(sample.images[:, 0, 0, 0].tolist())) == 47


def test_every_look_sees_the_same_latents(training):
    wanted = labels(*range(10)).repeat(3)
    first, second = drawn(training, wanted, "look"), drawn(training, wanted, "look")
    assert torch.equal(first.images, second.images)
    assert not torch.equal(first.images, drawn(training, wanted, "other look").images)
    assert generated_diversity(training) == generated_diversity(training)


def test_images_that_come_with_labels_keep_them(training, monkeypatch):
    # A method whose generator answers in an order of its own.
    draw = training.draw
    monkeypatch.setattr(training, "draw", lambda labels, purpose: Labelled(draw(labels, purpose), labels).flipped())
    monkeypatch.setattr(
        Labelled, "flipped", lambda self: Labelled(self.images.flip(0), self.labels.flip(0)), raising=False
    )
    training.generator = Painter(0.0)
    wanted = labels(3, 1, 9)
    assert torch.allclose(drawn(training, wanted, "look").images[:, 0, 0, 0], wanted / 10)


def test_looking_changes_nothing_in_the_training(make_config):
    outcomes = []
    for looking in (False, True):
        one = Training(make_config("dagan"))
        for _ in one.run(every=2):
            if looking:
                assert len(generated_diversity(one)) == 10
        outcomes.append((one.result().test_accuracy, one.average.head.bias.tolist()))
    assert outcomes[0] == outcomes[1]


def test_looking_is_cheap(training):
    training.generator = Painter(0.0)
    generated_diversity(training)
    assert sum(map(sum, training.generator.batches)) <= 10 * GENERATED + training.config.classifier.batch_size
