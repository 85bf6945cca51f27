"""What takes no network: classifiers on pixels, beside which a trained one has to show what it is worth."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from dagan.config import Config
from dagan.training.dataset import Labelled, divided, test_part, training_images

REFERENCES = ("most frequent class", "nearest neighbour", "logistic regression")
C = 30.0
"""Of the logistic regression, divided by the values of an image: what suits digits, MNIST and CIFAR-10 alike."""
MOST_STEPS = 1000


def references(config: Config, seeds: Iterable[int]) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield for each seed the test accuracy of each reference, trained on the images that a training would have.

    `config` is of the phase confirm; its method and settings are of no account. Accuracies in 0…1. Test images are read
    once.

    Raises:
        InvalidInput: files that are missing, are not images, or are too few.
    """
    cpu = torch.device("cpu")
    source, parts = divided(config)
    test = test_part(config, source, parts, cpu)
    for seed in seeds:
        yield seed, accuracies(training_images(config.with_seed(seed), cpu), test)


def accuracies(train: Labelled, test: Labelled) -> dict[str, float]:
    """Train the references and return their accuracy, 0…1, on the test images.

    The most frequent class is that of the test images: what always saying the same is worth at most.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    (seen, classes), (unseen, truth) = arrays(train), arrays(test)
    linear = LogisticRegression(C=C / seen.shape[1], max_iter=MOST_STEPS).fit(seen, classes)
    nearest = KNeighborsClassifier(1).fit(seen, classes)
    return {
        "most frequent class": float(np.bincount(truth).max() / len(truth)),
        "nearest neighbour": float(nearest.score(unseen, truth)),
        "logistic regression": float(linear.score(unseen, truth)),
    }


def arrays(images: Labelled) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images as rows of numbers, with their classes."""
    return images.images.flatten(1).numpy(), images.labels.numpy()
