"""DAGAN's Algorithm 1, and its baselines, as something one iterates.

    training = Training(Config.of({"method": "dagan"}))
    for progress in training.run():
        print(progress)
    print(training.result().test_accuracy)

Stage 1 (`generation`) trains D and G in alternation; stage 2 (`classification`) trains the classifier on real and
generated images. Methods without a generator have stage 2 only. Whoever iterates decides to report, stop or save.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

import torch

from dagan.compute.device import machine
from dagan.compute.memory import keep_freed_memory
from dagan.compute.streams import Streams
from dagan.config import Config
from dagan.errors import refuse
from dagan.networks.flops import pflop
from dagan.networks.interfaces import Discriminator
from dagan.shapes import Images, Labels
from dagan.stage_key import stage_key
from dagan.stages import STAGES, Stage
from dagan.training.classification import Classification
from dagan.training.dataset import Labelled, TrainingData, training_data
from dagan.training.diversity import collapsed, generated_diversity
from dagan.training.generation import Generation
from dagan.training.learner import Learner
from dagan.training.progress import Checkpoint, Event, Progress, Result, Step
from dagan.training.window import Clock, Window, first_not_finite


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
        self.generation = Generation(config, self.data.train, self.streams, self.machine) if config.gan else None
        self.classification: Classification | None = None
        """From the beginning of stage 2 on."""
        self.iterations: dict[Stage, int] = dict.fromkeys(STAGES, 0)
        self.curve: list[Progress] = []
        self.status: Literal["running", "completed", "diverged"] = "running"
        self.error: str | None = None
        self._clock = Clock()
        self._window = Window()
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
        self,
        *,
        every: int = 100,
        also: Collection[int] = (),
        checkpoints: Mapping[Stage, Collection[int]] | None = None,
    ) -> Iterator[Event]:
        """Train to the end as `run` does, yielding all that happens on the way.

        After each iteration a `Step`; then, where it is one of the `checkpoints` of its stage, a `Checkpoint`; then,
        where a report is due, a `Progress`. The time until the next event is asked for is not counted.
        """
        checkpoints = checkpoints or {}
        if self.stage == "generation" and self.status == "running":
            yield from self._stage_events("generation", every, (), checkpoints.get("generation", ()))
            if self.status == "running":
                self.begin_classification()
        if self.status == "running":
            yield from self._stage_events("classification", every, also, checkpoints.get("classification", ()))
        if self.status == "running":
            self.status = "completed"

    def _stage_events(
        self, stage: Stage, every: int, also: Collection[int], checkpoints: Collection[int]
    ) -> Iterator[Event]:
        steps, length = self._steps(stage), self.length(stage)
        while True:
            iteration = self.iterations[stage]
            # A state can lie between a checkpoint and the report that is due there, so the report comes first here.
            if self._window.rows and (iteration % every == 0 or iteration in also or iteration == length):
                with self._clock:
                    terms = self._window.terms()
                if self._diverged(stage, terms):
                    return
                yield self._progress(stage, terms)
            if iteration == length:
                return
            with self._clock:
                self._window.rows.append(steps.step(iteration))
            self.iterations[stage] = iteration = iteration + 1
            yield Step(stage, iteration)
            if iteration in checkpoints:
                yield Checkpoint(stage, iteration)

    def begin_classification(self) -> None:
        """Set up stage 2, with G as it is now."""
        self.classification = Classification(self.config, self.data.train, self.streams, self.machine, self.generation)

    @property
    def stage(self) -> Stage:
        """Where the training is; at the end of stage 1 still there, until stage 2 begins."""
        return "classification" if self.classification else "generation"

    def length(self, stage: Stage) -> int:
        """Batches that a stage takes: KG or KC; 0 for stage 1 of a method without a generator."""
        if stage == "classification":
            return self.config.classifier.iterations
        return self.config.gan.iterations if self.config.gan else 0

    def ended(self, stage: Stage) -> bool:
        """Whether all batches of a stage are behind it, and its losses were finite to the end."""
        return self.iterations[stage] == self.length(stage) and self.status != "diverged"

    def _steps(self, stage: Stage) -> Generation | Classification:
        steps = self.generation if stage == "generation" else self.classification
        assert steps is not None, "the method has no such stage, or it has not begun"
        return steps

    def learner(self, stage: Stage) -> Learner[Discriminator]:
        """D in stage 1, the classifier in stage 2."""
        steps = self._steps(stage)
        return steps.discriminator if isinstance(steps, Generation) else steps.learner

    def _diverged(self, stage: Stage, terms: dict[str, list[float]]) -> bool:
        """Whether a loss term of the window is not finite, or D is not after its last step; `error` says which."""
        found = first_not_finite(terms)
        if found is None and self.learner(stage).is_finite:
            return False
        what, shown = "weights of D became nan or infinite", ""
        if found is not None:
            index, what, shown = found
            self.iterations[stage] += index + 1 - len(self._window.rows)
        where = f"stage {STAGES.index(stage) + 1}, iteration {self.iterations[stage]}"
        self.status, self.error = "diverged", f"{what} at {where}{shown}."
        return True

    def _progress(self, stage: Stage, terms: dict[str, list[float]]) -> Progress:
        """The report of a window of iterations; the next one begins."""
        steps, seconds = self._steps(stage), self._clock.seconds - self._window.begin
        progress = Progress(
            stage,
            self.iterations[stage],
            self.length(stage),
            self.accuracy(self.data.validation) if stage == "classification" else None,
            {name: sum(values) / len(values) for name, values in terms.items()},
            len(self._window.rows) * steps.batches.size * steps.batches.separate / seconds,
            generated_diversity(steps, self.data.train) if isinstance(steps, Generation) else None,
        )
        self.curve.append(progress)
        self._window = Window(begin=self._clock.seconds)
        return progress

    @property
    def wall_seconds(self) -> float:
        """Training alone, evaluation not counted."""
        return self._clock.seconds

    @property
    def classifier(self) -> Discriminator:
        """The averaged weights that every evaluation uses."""
        assert self.classification is not None, "stage 2 has not begun"
        return self.classification.learner.average

    def predictions(self, images: Images) -> Labels:
        """The classes of images, by the averaged weights; from the beginning of stage 2 on."""
        assert self.classification is not None, "stage 2 has not begun"
        return self.classification.trained.predictions(images)

    def draw(self, labels: Labels, purpose: str) -> Labelled:
        """Fresh generated images, from the latents of a purpose's own stream; see `Generation.draw`."""
        assert self.generation is not None, "the method has no generator"
        return self.generation.draw(labels, purpose)

    def accuracy(self, images: Labelled | None) -> float | None:
        """Share of images, 0…1, that the averaged weights get right."""
        if images is None:
            return None
        right = int((self.predictions(images.images) == images.labels).sum())
        return right / len(images)

    def result(self) -> Result:
        """The outcome, once, after `run` has ended: this is where test images are looked at."""
        if self.status == "running":
            raise RuntimeError("the training is still running; iterate `run` to its end first")
        if self._tested:
            raise RuntimeError("the result was already taken; test images are looked at once")
        self._tested = True
        completed = self.status == "completed"
        return Result(
            "completed" if completed else "diverged",
            self.accuracy(self.data.validation) if completed else None,
            self.accuracy(self.data.test) if completed else None,
            error=self.error,
            warning=self.warning,
            curve=[asdict(progress) for progress in self.curve],
            **self.spent(),
        )

    @property
    def warning(self) -> str | None:
        """The classes of which G draws one image again and again, as it was at the last look at stage 1."""
        looks = [progress for progress in self.curve if progress.diversity is not None]
        classes = collapsed(looks[-1].diversity or {}) if looks else []
        if not classes:
            return None
        lowest = min((looks[-1].diversity or {}).values())
        return f"the generator collapsed: diversity {lowest:.2f} in {', '.join(classes)} (1: as real images)."

    def spent(self) -> dict[str, Any]:
        """What the training has cost so far, under the names that `Result` has for it."""
        return {
            "iterations": sum(self.iterations.values()),
            "pflop": sum(pflop(self.config, stage=stage, iterations=self.iterations[stage]) for stage in STAGES),
            "wall_seconds": self.wall_seconds,
        }

    def state(self) -> dict[str, Any]:
        """The complete state; every training with the stage key of its stage can `restore` it and go on bit for bit.

        Its tensors are the training's own and change as it goes on: save them, or copy them, at once.
        """
        return {
            "stage_key": stage_key(self.config, self.stage),
            "stage": self.stage,
            "precision": str(self.machine.precision),
            "generation": self.generation.state() if self.generation else {},
            "classification": self.classification.state() if self.classification else {},
            "streams": self.streams.state(),
            "iterations": dict(self.iterations),
            "curve": [asdict(progress) for progress in self.curve],
            "window": self._window.rows,
            "window_seconds": self._clock.seconds - self._window.begin,
            "wall_seconds": self._clock.seconds,
            "diverged": self.error if self.status == "diverged" else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state that a training of the same stage key has come by.

        Raises:
            InvalidInput: a state of another stage key, further than this training goes, or in another precision.
        """
        self._check(state)
        if self.generation:
            self.generation.restore(state["generation"])
            self.classification = None
        if state["classification"]:
            if self.classification is None:
                self.begin_classification()
            assert self.classification is not None
            self.classification.restore(state["classification"])
        # Last of all: to set up a stage may draw from a stream.
        self.streams.restore(state["streams"])
        self.status, self.error, self._tested = "diverged" if state["diverged"] else "running", state["diverged"], False
        self.iterations = dict(state["iterations"])
        # How far a stage goes is this training's own.
        self.curve = [Progress(**point | {"total": self.length(point["stage"])}) for point in state["curve"]]
        self._clock = Clock(state["wall_seconds"])
        self._window = Window(
            [{name: term.to(self.machine.device) for name, term in row.items()} for row in state["window"]],
            begin=state["wall_seconds"] - state["window_seconds"],
        )

    def _check(self, state: dict[str, Any]) -> None:
        """Refuse a state that is not one of this training's."""
        stage: Stage = state["stage"]
        own, iteration, length = stage_key(self.config, stage), state["iterations"][stage], self.length(stage)
        if state["stage_key"] != own:
            raise refuse("snapshot", f"is of the {stage} stage of {state['stage_key']}, not of {own}.")
        if iteration > length:
            raise refuse("snapshot", f"is of iteration {iteration}, past the {length} here.")
        if state["precision"] != str(self.machine.precision):
            raise refuse(
                "snapshot", f"is in {state['precision']}, but this machine trains in {self.machine.precision}."
            )


def train(config: Config, *, report: Callable[[Progress], None] | None = None) -> Result:
    """Train a config from start to end."""
    training = Training(config)
    for progress in training.run():
        if report:
            report(progress)
    return training.result()
