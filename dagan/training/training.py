"""DAGAN's Algorithm 1, and its baselines, as something one iterates.

    training = Training(Config.of({"method": "dagan"}))
    for progress in training.run():
        print(progress)
    print(training.result().test_accuracy)

Stage 1 (`generation`) trains D and G in alternation; stage 2 (`classification`) trains the classifier on real and
generated images. Methods without a GAN have stage 2 only. Whoever iterates decides to report, stop or save.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

import torch

from dagan.compute.device import machine
from dagan.compute.memory import keep_freed_memory
from dagan.compute.random_streams import Streams
from dagan.config import Config
from dagan.errors import refuse
from dagan.networks.flops import pflop
from dagan.stage_key import stage_key
from dagan.stages import STAGES, Stage, length
from dagan.training.classification import Classification
from dagan.training.dataset import GeneratedFolder, GeneratedImages, Labelled, TrainingData, training_data
from dagan.training.diversity import collapse_warning, generated_diversity
from dagan.training.generation import LOOKS, Generation
from dagan.training.history import History, all_finite
from dagan.training.inference import TrainedClassifier
from dagan.training.progress import Checkpoint, Checkpoints, Event, Progress, Result, Step


class Training:
    """One config being trained. Equal configs give equal bits on one machine's CPU, resumed or straight through."""

    def __init__(self, config: Config, data: TrainingData | None = None) -> None:
        """`data` takes the place of the images that the config names; its signature does not know."""
        self.config = config
        self.machine = machine(config)
        if self.machine.device.type == "cpu":
            torch.set_num_threads(config.compute.threads)
            keep_freed_memory()
        self.data = data or training_data(config, self.machine.device)
        self.streams = Streams(config.seed, self.machine.device)
        self.history = History()
        self.generation = Generation(config, self.data.train, self.streams, self.machine) if config.gan else None
        folder = GeneratedFolder(config, self.streams, self.machine.device) if config.row.external else None
        self.generated: GeneratedImages | None = self.generation or folder
        """Where generated images come from: stage 1, or a folder."""
        self.classification: Classification | None = None
        """From the beginning of stage 2 on."""
        self._tested = False
        if self.generation is None:
            self.begin_classification()

    def run(self, *, every: int = 100, also: Collection[int] = ()) -> Iterator[Progress]:
        """Train to the end, yielding progress each `every` iterations, at `also` in stage 2, and as a stage ends.

        How often one looks changes nothing in what comes out. Ends early when a loss is no longer finite.
        """
        for event in self.events(every=every, also=also):
            if isinstance(event, Progress):
                yield event

    def events(
        self, *, every: int = 100, also: Collection[int] = (), checkpoints: Checkpoints | None = None
    ) -> Iterator[Event]:
        """Train to the end as `run` does, yielding all that happens on the way.

        After each iteration a `Step`; then, where it is one of the `checkpoints` of its stage, a `Checkpoint`; then,
        where a report is due, a `Progress`. The time until the next event is asked for is not counted.
        """
        while self.status == "running":
            yield from stage_events(self, every, also, (checkpoints or {}).get(self.stage, ()))
            if self.stage == "generation" and self.status == "running":
                self.begin_classification()

    def begin_classification(self) -> None:
        """Set up stage 2, with G as it is now."""
        self.classification = Classification(self.config, self.data.train, self.streams, self.machine, self.generated)

    @property
    def steps(self) -> Generation | Classification:
        """The stage where the training is: its networks, and one step of them."""
        steps = self.classification or self.generation
        assert steps is not None
        return steps

    @property
    def trained(self) -> TrainedClassifier:
        """The classifier by its averaged weights, which every evaluation uses; from the beginning of stage 2 on."""
        assert self.classification is not None, "stage 2 has not begun"
        return self.classification.trained

    def accuracy(self, images: Labelled | None) -> float | None:
        """Return the share of images, 0…1, that the averaged weights get right; None of none."""
        return None if images is None else self.trained.accuracy(images)

    @property
    def stage(self) -> Stage:
        """Where the training is; at the end of stage 1 still there, until stage 2 begins."""
        return "classification" if self.classification else "generation"

    @property
    def status(self) -> Literal["running", "completed", "diverged"]:
        """How things stand; completed after the last report."""
        if self.error:
            return "diverged"
        return "completed" if self.ended("classification") and not self.history.window else "running"

    def length(self, stage: Stage) -> int:
        """Return the batches that a stage takes: KG or KC; 0 for stage 1 of a method without a GAN."""
        return length(self.config, stage)

    def ended(self, stage: Stage) -> bool:
        """Whether all batches of a stage are behind it, and its losses were finite to the end."""
        return self.iterations[stage] == self.length(stage) and not self.error

    @property
    def iterations(self) -> Mapping[Stage, int]:
        """Batches of each stage so far."""
        return self.history.iterations

    @property
    def curve(self) -> list[Progress]:
        """Every progress so far."""
        return self.history.curve

    @property
    def wall_seconds(self) -> float:
        """Training alone, evaluation not counted."""
        return self.history.wall_seconds

    @property
    def error(self) -> str | None:
        """Where and how the training diverged, if it did."""
        return self.history.error

    @property
    def warning(self) -> str | None:
        """The classes of which G drew one image again and again at the last look at stage 1, if there are any."""
        return collapse_warning(self.curve)

    def result(self) -> Result:
        """Return the outcome, once, after the training has ended: this is where test images are looked at."""
        if self.status == "running":
            raise RuntimeError("the training is still running; iterate `run` to its end first")
        if self._tested:
            raise RuntimeError("the result was already taken; test images are looked at once")
        self._tested = True
        return outcome(self)

    def state(self) -> dict[str, Any]:
        """Return the complete state; every training with its stage key can `restore` it and go on bit for bit.

        Its tensors are the training's own and change as it goes on: save them, or copy them, at once.
        """
        return {
            "stage_key": stage_key(self.config, self.stage),
            "stage": self.stage,
            "precision": str(self.machine.precision),
            "generation": self.generation.state() if self.generation else {},
            "classification": self.classification.state() if self.classification else {},
            "streams": self.streams.state(),
            **self.history.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that a training of the same stage key has passed through.

        Raises:
            InvalidInput: a state of another stage key, further than this training goes, or in another precision.
        """
        check_state(state, self.config, str(self.machine.precision))
        if self.generation:
            self.generation.restore(state["generation"])
            self.classification = None
        if state["classification"]:
            if self.classification is None:
                self.begin_classification()
            self.steps.restore(state["classification"])
        # Last of all: to set up a stage may draw from a stream.
        self.streams.restore(state["streams"])
        self.history, self._tested = History.restored(state, self.config, self.machine.device), False


def stage_events(
    training: Training, every: int, also: Collection[int], checkpoints: Collection[int]
) -> Iterator[Event]:
    """Train to the end of the stage where the training is: Algorithm 1 of the paper, one batch after another."""
    stage, steps, history = training.stage, training.steps, training.history
    end, looks = training.length(stage), also if stage == "classification" else ()
    while True:
        iteration = history.iterations[stage]
        # First of all, as a state can lie between a checkpoint and the report that is due there.
        if history.window and (iteration % every == 0 or iteration in looks or iteration == end):
            yield from report(training)
        if iteration == end or history.error:
            return
        with history.timed():
            history.step(stage, steps.step(iteration))
        if isinstance(steps, Generation) and iteration + 1 in LOOKS:
            steps.looks[iteration + 1] = steps.look()
        yield Step(stage, iteration + 1)
        if iteration + 1 in checkpoints:
            yield Checkpoint(stage, iteration + 1)


def report(training: Training) -> Iterator[Progress]:
    """Yield the report of the iterations since the last one; none where the training has diverged."""
    stage, steps, history = training.stage, training.steps, training.history
    with history.timed():
        losses = history.losses()
    learner = steps.discriminator if isinstance(steps, Generation) else steps.learner
    if not all_finite(losses) or not learner.is_finite:
        history.diverge(stage, losses)
        return
    progress = Progress(
        stage,
        history.iterations[stage],
        training.length(stage),
        training.accuracy(training.data.validation) if stage == "classification" else None,
        {name: sum(values) / len(values) for name, values in losses.items()},
        len(history.window) * steps.batches.size * steps.batches.groups / history.window_seconds,
        generated_diversity(steps, training.data.train) if isinstance(steps, Generation) else None,
    )
    history.report(progress)
    yield progress


def outcome(training: Training) -> Result:
    """Return what a training came to; one that diverged is not measured."""
    config, completed = training.config, training.status == "completed"
    test = training.data.test if completed else None
    accuracy, confusion = (None, None) if test is None else training.trained.tested(test)
    return Result(
        "completed" if completed else "diverged",
        validation_accuracy=training.accuracy(training.data.validation) if completed else None,
        test_accuracy=accuracy,
        confusion=confusion,
        iterations=sum(training.iterations.values()),
        pflop=sum(pflop(config, stage=stage, iterations=training.iterations[stage]) for stage in STAGES),
        wall_seconds=training.wall_seconds,
        error=training.error,
        warning=training.warning,
        curve=[asdict(progress) for progress in training.curve],
    )


def check_state(state: Mapping[str, Any], config: Config, precision: str) -> None:
    """Refuse a state that a training of the config cannot go on from."""
    stage: Stage = state["stage"]
    own, iteration, end = stage_key(config, stage), state["iterations"][stage], length(config, stage)
    if state["stage_key"] != own:
        raise refuse("snapshot", f"is of the {stage} stage of {state['stage_key']}, not of {own}.")
    if iteration > end:
        raise refuse("snapshot", f"is of iteration {iteration}, past the {end} here.")
    if state["precision"] != precision:
        raise refuse("snapshot", f"is in {state['precision']}, but this machine trains in {precision}.")


def train(config: Config, *, report: Callable[[Progress], None] | None = None) -> Result:
    """Train a config from start to end."""
    training = Training(config)
    for progress in training.run():
        if report:
            report(progress)
    return training.result()
