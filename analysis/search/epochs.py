"""Lengths of trainings in the paper, in epochs of the real training images."""

PAPER = {"generation": 200, "classification": 500}
"""Each stage of the methods with a generator, Zhang & Wu 2019."""
PAPER_PLAIN = 600
"""The plain classifiers there."""


def paper_epochs(stage: str, *, generator: bool) -> int:
    """Return the epochs that the paper takes for a stage of a method with or without a generator."""
    return PAPER[stage] if generator else PAPER_PLAIN


def is_short(epochs: float, paper: int) -> bool:
    """Whether a training is short beside the paper's: less than half as long; False where its length is unknown."""
    return 2 * epochs < paper
