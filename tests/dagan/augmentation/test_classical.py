"""The whole of classical augmentation: its order, and a stream for each of its changes."""

import pytest
import torch
from trainings import in_stage_2

from dagan.augmentation import classical
from dagan.augmentation.affine import moved_and_lit
from dagan.augmentation.erasing import erased
from dagan.augmentation.policies import changed_by_policy
from dagan.compute.random_streams import Streams
from dagan.settings import Augmentation
from dagan.training.training import Training

CPU = torch.device("cpu")
IMAGES = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(9)) * 2 - 1


def test_first_the_affine_map_then_the_policy_last_the_box():
    settings = Augmentation(rotation=20.0, policy="rand_augment", erasing=0.5)
    ours, by_hand = Streams(0, CPU), Streams(0, CPU)
    expected = moved_and_lit(IMAGES, settings, by_hand["generation.augmentation"])
    expected = changed_by_policy(expected, settings, by_hand["generation.policy"])
    expected = erased(expected, 0.5, by_hand["generation.erasing"])
    assert torch.equal(classical.augmented(IMAGES, settings, ours, "generation"), expected)


@pytest.mark.parametrize(
    ("changes", "streams"),
    [
        ({}, set()),
        ({"policy_operations": 5, "policy_magnitude": 20}, set()),
        ({"policy": "trivial_augment"}, {"classification.policy"}),
        ({"erasing": 0.1}, {"classification.erasing"}),
    ],
)
def test_what_is_off_draws_nothing(changes, streams):
    drawn = Streams(0, CPU)
    classical.augmented(IMAGES, Augmentation(**changes), drawn, "classification")
    assert drawn.state().keys() == {"classification.augmentation"} | streams


@pytest.mark.parametrize("stage_1", [True, False])
def test_a_policy_acts_in_stage_1_where_augmentation_does(make_config, monkeypatch, stage_1):
    changes = {"augmentation.stage_1": stage_1, "augmentation.policy": "trivial_augment", "augmentation.erasing": 0.5}
    stages, original = [], classical.augmented
    monkeypatch.setattr("dagan.training.batches.augmented", lambda *given: stages.append(given[3]) or original(*given))
    training = Training(make_config("dagan_aug", changes))
    training.steps.step(0)
    found = {name for name in training.streams.state() if name.endswith((".policy", ".erasing"))}
    assert found == ({"generation.policy", "generation.erasing"} if stage_1 else set())
    in_stage_2(make_config("dagan_aug", changes)).steps.step(0)
    assert stages == ["generation"] * stage_1 + ["classification"]


def test_nothing_touches_the_global_generator():
    state = torch.get_rng_state()
    for policy in ("rand_augment", "trivial_augment"):
        classical.augmented(IMAGES, Augmentation(policy=policy, erasing=0.5), Streams(0, CPU), "classification")
    assert torch.equal(torch.get_rng_state(), state)
