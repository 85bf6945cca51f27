"""The laws of a training, which every method keeps with every network."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
import torch
from trainings import bits, outcome, ran, stored, weights

from dagan.config import Config
from dagan.data.loading import source_of
from dagan.data.splits import split
from dagan.defaults import reaches
from dagan.errors import InvalidInput
from dagan.methods import METHODS
from dagan.stage_key import stage_key
from dagan.stages import stages_of
from dagan.training import dataset
from dagan.training.dataset import GeneratedFolder
from dagan.training.generation import Generation
from dagan.training.training import Training

KG, KC = 3, 4
CASES = {
    "digits": {"data.phase": "search"},
    "digits measured": {
        "data.phase": "confirm",
        "classifier.label_smoothing": 0.1,
        "classifier.mixup": 0.4,
        "classifier.cutmix": 1.0,
        "augmentation.policy": "rand_augment",
        "augmentation.erasing": 0.5,
        "augmentation.stage_1": True,
    },
    "conv32": {
        "network.name": "conv32",
        "network.width": 0.05,
        "data.phase": "confirm",
        "compute.precision": "bfloat16",
    },
    "dcgan64": {"network.name": "dcgan64", "data.phase": "search"},
    "vgg16": {"network.name": "vgg16", "network.width": 1 / 32, "network.pretrained": False, "data.phase": "confirm"},
}
"""Each network, both phases and both precisions, and all that regularises; reports inside of a stage and at its end."""


@dataclass
class Case:
    """A method with a network: a config, and what comes out of it straight through."""

    config: Config

    @cached_property
    def straight(self) -> Training:
        """A training at its end; its states on the way are in `states`."""
        training = Training(self.config)
        self.states = [(p.stage, p.iteration, stored(training.state())) for p in training.run(every=2)]
        self.outcome = outcome(training)
        return training

    def changed(self, **sections: Any) -> Config:
        """The config with other settings in some sections."""
        return Config.of(
            self.config.model_dump()
            | {key: getattr(self.config, key).model_dump() | change for key, change in sections.items()}
        )


def parameters():
    """Every method with every network.

    The slow ones are rivals of DAGAN with other networks than `digits`, and what differs from others in classical
    augmentation alone.
    """
    for name in CASES:
        for method, row in METHODS.items():
            slow = name != "digits" and row.augmented != (name == "digits measured")
            slow |= name in ("conv32", "dcgan64", "vgg16") and method in ("vanilla_gan", "cgan", "semi_gan", "external")
            yield pytest.param((name, method), marks=[pytest.mark.slow] * slow, id=f"{name}-{method}")


@pytest.fixture(autouse=True)
def _looks(monkeypatch):
    """At what G draws, before the end of stage 1 and on the way."""
    monkeypatch.setattr("dagan.training.training.LOOKS", {1, 2})


@pytest.fixture(scope="module", params=parameters())
def case(request, make_config, ten_classes):
    name, method = request.param
    changes = {"gan.iterations": KG} if METHODS[method].adversary else {}
    if name == "vgg16":  # digits are too small for it
        changes |= {"data.folder": str(ten_classes), "data.dataset": "pictures", "data.samples_per_class": 2}
        changes |= {"classifier.batch_size": 4}
    common = {"classifier.iterations": KC, "compute.precision": "float32"}
    own = {key: value for key, value in CASES[name].items() if reaches(key, method)}
    return Case(make_config(method, common | changes | own))


class TestEveryTraining:
    """One law after the other."""

    def test_it_reports_inside_and_at_the_end_of_each_stage(self, case):
        assert case.straight.status == "completed"
        expected = [("generation", 2), ("generation", KG)] if case.config.gan else []
        assert [one[:2] for one in case.states] == [*expected, ("classification", 2), ("classification", KC)]

    def test_the_same_seed_gives_the_same_bits(self, case):
        again = ran(case.config)
        assert bits(again.state()) == bits(case.straight.state())
        assert outcome(again) == case.outcome

    def test_another_seed_gives_other_bits(self, case):
        begun, otherwise = (weights(Training(config)) for config in (case.config, case.config.with_seed(1)))
        drawn = [path for path in begun if path.endswith("weight") and "norms" not in path]
        assert drawn
        assert [path for path in drawn if begun[path] == otherwise[path]] == []
        one, other = weights(case.straight), weights(ran(case.config.with_seed(1)))
        assert one.keys() == other.keys()
        alike = {path for path in one if one[path] == other[path]}
        # G's batch norm learns no scale, but in dcgan64, and undoes the bias of the layer before it.
        unlearned = [".bias"] if case.config.network.name == "dcgan64" else ["linear.bias", ".weight"]
        allowed = {path for path in one if path.startswith("/generator") and path.endswith(tuple(unlearned))}
        assert alike <= allowed
        assert not alike or len(alike) < len(allowed)

    def test_resumed_equals_straight_through(self, case):
        last = bits(case.straight.state())
        for stage, iteration, state in case.states:
            resumed = Training(case.config)
            resumed.restore(state)
            assert resumed.iterations[stage] == iteration
            for _ in resumed.run(every=2):
                pass
            assert bits(resumed.state()) == last, (stage, iteration)
            assert outcome(resumed) == case.outcome, (stage, iteration)

    def test_going_back_to_a_state_undoes_what_came_after(self, case):
        """Of either stage, from the end of stage 2."""
        last, training = bits(case.straight.state()), Training(case.config)
        training.restore(case.states[-1][2])
        for _, _, state in [*case.states[1:], case.states[0]]:
            training.restore(state)
            back, expected = bits(training.state()), bits(state)
            assert {path: back[path] for path in expected} == expected
            assert all("/streams/classification" in path for path in back.keys() - expected.keys())  # begun anew
        for _ in training.run(every=2):
            pass
        assert bits(training.state()) == last

    def test_how_often_one_looks_changes_nothing(self, case):
        often = ran(case.config, every=1)
        assert weights(often) == weights(case.straight)
        assert len(often.curve) == sum(often.length(stage) for stage in stages_of(case.config))
        reports = {(p.stage, p.iteration): p for p in often.curve}
        for progress in case.straight.curve:
            same = reports[progress.stage, progress.iteration]
            assert (same.validation_accuracy, same.diversity) == (progress.validation_accuracy, progress.diversity)
            since = range((progress.iteration - 1) // 2 * 2, progress.iteration)
            for name, value in progress.losses.items():  # the mean since the last report
                own = [reports[progress.stage, 1 + iteration].losses[name] for iteration in since]
                assert value == pytest.approx(np.mean(own), rel=1e-12)
        result = outcome(often)
        assert {
            path for path, value in case.outcome.items() if result.get(path) != value and "/curve" not in path
        } == set()
        assert result["/validation_accuracy"] == reports["classification", KC].validation_accuracy

    def test_only_the_images_of_its_phase_are_read(self, case, monkeypatch):
        """Search never opens a test image, nor one that a confirm training may learn from, and the other way round."""
        read, original = [], dataset.part_of

        def spy(source, indices, device):
            read.extend(indices.tolist())
            return original(source, indices, device)

        monkeypatch.setattr(dataset, "part_of", spy)
        data, facts = case.config.data, case.config.facts
        training = Training(case.config)
        other = "confirm" if data.phase == "search" else "search"
        labels = source_of(facts, folder=data.folder, root=data.root).labels
        sealed = split(
            labels, dataset=facts.name, has_test=False, samples_per_class=data.samples_per_class, seed=0, phase=other
        )
        assert read
        assert (training.data.test is None) == (training.data.validation is not None) == (data.phase == "search")
        forbidden = [sealed.subset, sealed.validation, sealed.test]
        assert not {*read} & {index for part in forbidden for index in part.tolist()}

    def test_the_result_is_measured_once_by_the_averaged_weights(self, case):
        training = Training(case.config)
        with pytest.raises(RuntimeError, match="still running"):
            training.result()
        training.restore(case.straight.state())
        found = {}
        for name, part in (("test", training.data.test), ("validation", training.data.validation)):
            right = None if part is None else training.trained.predictions(part.images) == part.labels
            found[name] = None if right is None else right.float().mean(dtype=torch.float64).item()
        result = training.result()
        assert {"test": result.test_accuracy, "validation": result.validation_accuracy} == found
        assert [value is None for value in found.values()].count(True) == 1
        assert result.iterations == (KG if case.config.gan else 0) + KC
        with pytest.raises(RuntimeError, match="looked at once"):
            training.result()

    def test_a_state_of_another_config_is_refused(self, case):
        other = Training(case.config.with_seed(1))
        with pytest.raises(InvalidInput, match=r"snapshot: is of the .* stage of"):
            other.restore(case.straight.state())
        own, precision = case.config.compute.precision, {"float32": "bfloat16", "bfloat16": "float32"}
        converted = Training(case.changed(compute={"precision": precision[own]}))
        state = Training(case.config).state() | {"stage_key": stage_key(converted.config, converted.stage)}
        expected = rf"snapshot: is in torch\.{own}, but this machine trains in torch\.{precision[own]}\."
        with pytest.raises(InvalidInput, match=expected):
            converted.restore(state)

    @pytest.mark.parametrize("generated", ["online", "offline"])
    def test_a_ratio_of_zero_generates_nothing(self, case, generated, monkeypatch):
        if generated == "offline" and not case.config.row.has_generated:
            return  # the method has no such setting
        monkeypatch.setattr("dagan.training.training.generated_diversity", lambda *looked_at: None)
        monkeypatch.setattr("dagan.training.training.LOOKS", ())
        changes = {"classifier": {"augmentation_ratio": 0.0}}
        if case.config.row.has_generated:
            changes["classifier"]["generated"] = generated
        if case.config.gan:
            changes["gan"] = {"iterations": 1}
        training = Training(case.changed(**changes))
        made, original = [], Generation.images_of
        monkeypatch.setattr(Generation, "images_of", lambda *a: made.append(training.classification) or original(*a))
        for name in ("draw", "sampled"):
            monkeypatch.setattr(GeneratedFolder, name, lambda *a: made.append("from the folder"))
        for progress in training.run(every=1):
            assert progress.stage == "generation" or set(progress.losses) == {"real"}
        assert made == [None] * (3 if case.config.gan else 0)  # a D step and two G steps, all in stage 1

    def test_a_poisoned_weight_ends_it_with_the_iteration_and_the_terms(self, case):
        training, stage = Training(case.config), stages_of(case.config)[0]
        run = training.run(every=1)
        next(run)
        learner = training.generation.discriminator if training.generation else training.classification.learner
        with torch.no_grad():
            learner.network.head.bias[:] = float("nan")
        assert list(run) == []
        result = training.result()
        assert (result.status, result.validation_accuracy, result.test_accuracy) == ("diverged", None, None)
        assert result.error.startswith(f"loss became nan at stage {1 if stage == 'generation' else 2}, iteration 2 (")
        assert len(result.curve) == 1
