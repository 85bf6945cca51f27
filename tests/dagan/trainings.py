"""Trainings run to their end or to a stage, and everything that is in them as comparable bits."""

import copy
import io
from collections.abc import Mapping

import pytest
import torch

from dagan.methods import METHODS
from dagan.training.training import Training

EACH_METHOD = [pytest.param(name, marks=[pytest.mark.slow] * row.augmented) for name, row in METHODS.items()]
"""For a law that a method with classical augmentation keeps as the same one without does: those are slow."""
EACH_GENERATING = [param for param in EACH_METHOD if METHODS[param.values[0]].has_generated]
EACH_GAN = [param for param in EACH_METHOD if METHODS[param.values[0]].adversary]
CLOCKS = {"wall_seconds", "window_seconds", "images_per_second"}


def bits(value, path=""):
    """Every number in a nest of values by its path, clocks left out; tensors as their bytes."""
    if isinstance(value, Mapping):
        return {k: v for key, one in value.items() if key not in CLOCKS for k, v in bits(one, f"{path}/{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for index, one in enumerate(value) for k, v in bits(one, f"{path}/{index}").items()}
    if isinstance(value, torch.Tensor):
        return {path: (value.dtype, value.shape, value.detach().cpu().numpy().tobytes())}
    return {path: value}


def learners(training):
    """What learns, by name; a D that goes on as the classifier is there once."""
    found = {"classifier": training.classification.learner} if training.classification else {}
    if training.generation:
        found["generator"] = training.generation.generator
        if found.get("classifier") is not training.generation.discriminator:
            found["discriminator"] = training.generation.discriminator
    return found


def weights(training):
    """The bits of what has been learnt, averages included."""
    return bits(
        {
            name: {"network": learner.network.state_dict(), "average": learner.average.state_dict()}
            for name, learner in learners(training).items()
        }
    )


def ran(config, every=2):
    """A training at its end."""
    training = Training(config)
    for _ in training.run(every=every):
        pass
    return training


def in_stage_2(config):
    """A training at the start of stage 2, without stage 1."""
    training = Training(config)
    if training.classification is None:
        training.begin_classification()
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
