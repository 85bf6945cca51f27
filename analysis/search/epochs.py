"""Lengths of trainings in epochs of the real training images, and those of the paper."""

PAPER = {"generation": 200, "classification": 500}
"""Epochs of each stage of the methods with a generator, Zhang & Wu 2019."""
PAPER_PLAIN = 600
"""Epochs of the plain classifiers there."""


def epochs(iterations: float, batch_size: float, images: float) -> float:
    """Return how often a training of so many batches sees each of its real images: iterations · B / (K · n)."""
    return iterations * batch_size / images


def paper_epochs(stage: str, *, generator: bool) -> int:
    """Return the epochs that the paper takes for a stage of a method with or without a generator."""
    return PAPER[stage] if generator else PAPER_PLAIN
