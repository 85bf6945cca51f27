"""The two stages of a training, in their order."""

from typing import Literal

from dagan.config import Config

Stage = Literal["generation", "classification"]

STAGES: tuple[Stage, Stage] = ("generation", "classification")


def stages_of(config: Config) -> tuple[Stage, ...]:
    """The stages that a config goes through: both, or `classification` alone for a method without a generator."""
    return STAGES if config.gan else STAGES[1:]
