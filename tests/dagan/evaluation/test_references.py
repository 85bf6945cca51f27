"""Classifiers on pixels: what they reach, and that they learn from the images of a training and no others."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dagan.config import Config
from dagan.evaluation.references import REFERENCES, accuracies, references
from dagan.training.dataset import Labelled, training_data

CPU = torch.device("cpu")


def made(rows, labels):
    return Labelled(torch.tensor(rows).reshape(len(rows), 1, 1, 2), torch.tensor(labels))


def test_they_are_what_their_names_say():
    train = made([[-1.0, -1.0], [-0.8, -1.0], [1.0, 1.0], [-0.7, 0.9]], [0, 0, 1, 1])
    test = made([[-0.75, 0.8], [-0.9, -0.9], [0.9, 0.9], [0.9, -0.95], [0.5, 0.9]], [1, 0, 1, 0, 1])
    found = accuracies(train, test)
    assert tuple(found) == REFERENCES
    assert found["most frequent class"] == 3 / 5
    assert found["nearest neighbour"] == 1.0  # the fourth is 1.80 from the second image, 1.95 from the third
    seen, unseen = train.images.flatten(1).numpy(), test.images.flatten(1).numpy()
    linear = LogisticRegression(C=15).fit(seen, train.labels.numpy())
    assert found["logistic regression"] == np.mean(linear.predict(unseen) == test.labels.numpy())


def test_each_seed_has_the_images_of_its_trainings():
    config = Config.of({"method": "dagan", "data": {"samples_per_class": 5}})
    found = dict(references(config, [3, 4]))
    assert list(found) == [3, 4]
    assert found[3] != found[4]
    for seed in (3, 4):
        data = training_data(config.with_seed(seed), CPU)
        assert found[seed] == accuracies(data.train, data.test)
    assert found[3]["most frequent class"] == pytest.approx(0.1, abs=0.005)
    assert 0.75 < found[3]["nearest neighbour"] < 0.95
    assert 0.75 < found[3]["logistic regression"] < 0.95


def test_the_same_seed_gives_the_same_numbers():
    config = Config.of({"method": "c", "data": {"samples_per_class": 5}})
    assert dict(references(config, [0, 1])) == dict(references(config, [1, 0]))
