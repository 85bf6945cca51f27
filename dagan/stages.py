"""The two stages of a training, in their order."""

from typing import Literal

from dagan.config import Config

Stage = Literal["generation", "classification"]

STAGES: tuple[Stage, Stage] = ("generation", "classification")


def stages_of(config: Config) -> tuple[Stage, ...]:
    """Return the stages that a config goes through: `classification` alone where the method has no GAN."""
    return STAGES if config.gan else STAGES[1:]


def length(config: Config, stage: Stage) -> int:
    """Return the iterations of a stage: KG or KC; 0 for stage 1 of a method without a GAN."""
    if stage == "classification":
        return config.classifier.iterations
    return config.gan.iterations if config.gan else 0
