"""What a snapshot hangs on: trainings of one prefix share their states, bit for bit, and no others do."""

from functools import cache

import pytest
import torch
from trainings import EACH_GAN, EACH_METHOD, bits, outcome, stored

from dagan.config import Config
from dagan.errors import InvalidInput
from dagan.methods import METHODS
from dagan.nested import flatten, merged
from dagan.stage_key import affects_stage_1, stage_key
from dagan.training.progress import Checkpoint
from dagan.training.training import Training

OF_STAGE_2_ALONE = {
    "classifier.iterations",
    "classifier.noise",
    "classifier.start",
    "classifier.learning_rate",
    "classifier.schedule",
    "classifier.optimiser",
    "classifier.beta1",
    "classifier.weight_decay",
    "classifier.label_smoothing",
    "classifier.mixup",
    "classifier.cutmix",
    "classifier.generated",
    "classifier.augmentation_ratio",
    "classifier.augmentation_schedule",
    "classifier.confidence",
    "augmentation.rotation",
    "augmentation.shift",
    "augmentation.horizontal_flip",
    "augmentation.brightness",
    "augmentation.policy",
    "augmentation.policy_operations",
    "augmentation.policy_magnitude",
    "augmentation.erasing",
}
"""A new setting is of stage 1 until it is listed here, and then a test looks whether that is true."""


def states_of(config, checkpoints, every=2):
    """The states at some iterations of each stage, and the outcome."""
    training, states = Training(config), {}
    for event in training.events(every=every, checkpoints=checkpoints):
        if isinstance(event, Checkpoint):
            states[event.stage, event.iteration] = stored(training.state())
    return states, outcome(training)


def gone_on(config, state, every=2):
    """The outcome of a training that begins at a state."""
    training = Training(config)
    training.restore(state)
    for _ in training.run(every=every):
        pass
    return outcome(training)


def test_the_settings_that_stage_1_does_not_know(make_config, other_values):
    config = make_config("dagan_aug")
    settings = config.model_dump(mode="json")
    free = {
        key
        for key, value in other_values.items()
        if flatten(settings)[key] != value
        and stage_key(Config.kept(merged(settings, {key: value}), config.facts), "generation")
        == stage_key(config, "generation")
    }
    # A method is an adversary, and settings that are compared each by itself; stage 2 neither knows what is tested.
    assert free == OF_STAGE_2_ALONE | {"gan.iterations", "method", "data.test_duplicates"}


@pytest.fixture(scope="module")
def after_stage_1(make_config):
    """A function from settings to everything that is in a training at the end of stage 1."""

    def bits_of(changes):
        training = Training(make_config("dagan_aug", {"gan.iterations": 2} | changes))
        assert next(training.run(every=5)).stage == "generation"
        return bits(training.state())

    return cache(lambda *items: bits_of(dict(items)))


@pytest.mark.parametrize("method", ["dagan", "semi_gan", "cgan", "vanilla_gan"])
def test_a_method_and_its_aug_train_one_gan(make_config, method):
    """As in the released code, where classical augmentation is of stage 2 alone."""
    plain, augmented = (make_config(name, {"gan.iterations": 3}) for name in (method, f"{method}_aug"))
    states, _ = states_of(plain, {"generation": [2, 3]})
    expected = states_of(augmented, {})[1]
    for state in states.values():
        assert gone_on(augmented, state) == expected
    both = make_config(f"{method}_aug", {"augmentation.stage_1": True})
    assert stage_key(both, "generation") != stage_key(augmented, "generation")
    assert {affects_stage_1(f"augmentation.{key}", both) for key in ("rotation", "stage_1")} == {True}
    assert not affects_stage_1("augmentation.rotation", augmented)


@pytest.mark.parametrize("key", sorted(OF_STAGE_2_ALONE))
def test_stage_1_is_the_same_to_the_bit_without_them(after_stage_1, other_values, key):
    assert after_stage_1((key, other_values[key])) == after_stage_1()


@pytest.mark.parametrize("method", EACH_GAN)
def test_another_kg_kc_and_ratio_go_on_from_a_shared_stage_1(make_config, method):
    """At a reported iteration, between two reports, and at the end of the stage that is left behind."""
    short = {"gan.iterations": 3, "classifier.iterations": 2}
    states, expected = states_of(make_config(method, short), {"generation": [1, 2, 3]})
    assert len(states) == 3
    config = make_config(
        method, {"gan.iterations": 4, "classifier.iterations": 3, "classifier.augmentation_ratio": 0.5}
    )
    other = states_of(config, {})[1]
    for place, state in states.items():
        assert gone_on(make_config(method, short), state) == expected, place
        assert gone_on(config, state) == other, place


@pytest.mark.parametrize("method", EACH_METHOD)
def test_another_kc_goes_on_from_a_shared_stage_2(make_config, method):
    short = {"gan.iterations": 1} if METHODS[method].adversary else {}
    states, expected = states_of(
        make_config(method, short | {"classifier.iterations": 4}), {"classification": [2, 3, 4]}
    )
    assert len(states) == 3
    config = make_config(method, short | {"classifier.iterations": 6, "data.phase": "confirm"})
    other = states_of(config, {})[1]
    for place, state in states.items():
        assert gone_on(make_config(method, short | {"classifier.iterations": 4}), state) == expected, place
        assert gone_on(config, state) == other, place


@pytest.mark.parametrize(
    ("stage", "changes", "other"),
    [
        ("generation", {"gan.schedule": "linear"}, {"gan.iterations": 7}),
        ("classification", {"classifier.schedule": "cosine"}, {"classifier.iterations": 7}),
        ("classification", {"classifier.augmentation_schedule": "linear"}, {"classifier.iterations": 7}),
    ],
)
def test_a_schedule_over_a_stage_ties_it_to_its_length(make_config, stage, changes, other):
    scheduled = stage_key(make_config("dagan", changes), stage)
    assert scheduled != stage_key(make_config("dagan", changes | other), stage)
    assert stage_key(make_config("dagan"), stage) == stage_key(make_config("dagan", other), stage)


def test_a_state_that_lies_further_than_the_training_goes_is_refused(make_config):
    states, _ = states_of(make_config("dagan"), {"generation": [5]})
    with pytest.raises(InvalidInput, match="snapshot: is of iteration 5, past the 3 here"):
        Training(make_config("dagan", {"gan.iterations": 3})).restore(states["generation", 5])


def test_a_divergence_is_a_state_too(make_config):
    training = Training(make_config("dagan"))
    for _ in training.run(every=2):
        with torch.no_grad():
            training.generation.discriminator.network.head.bias[0] = torch.nan
    again = Training(make_config("dagan", {"classifier.augmentation_ratio": 0.0}))
    again.restore(stored(training.state()))
    assert list(again.run(every=2)) == []
    assert outcome(again) == outcome(training)
