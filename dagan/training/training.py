"""DAGAN's Algorithm 1, and its baselines, as something one iterates.

    training = Training(Config.of({"method": "dagan"}))
    for progress in training.run():
        print(progress)
    print(training.result().test_accuracy)

Stage 1 (`generation`) trains D and G in alternation; stage 2 (`classification`) trains the classifier on real and
generated images. Methods without a generator have stage 2 only. Whoever iterates decides to report, stop or save.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from dagan.compute.device import machine
from dagan.compute.memory import keep_freed_memory
from dagan.compute.streams import Streams
from dagan.config import Config
from dagan.data.loading import Labelled, TrainingData, training_data
from dagan.errors import refuse
from dagan.networks.interfaces import Discriminator
from dagan.networks.tables import Stage, pflop
from dagan.shapes import Images, Labels
from dagan.stage_key import prefix
from dagan.training.classification import Classification
from dagan.training.diversity import collapsed, generated_diversity
from dagan.training.generation import Generation
from dagan.training.learner import Learner

STAGES: tuple[Stage, Stage] = ("generation", "classification")

Marks = Mapping[Stage, Collection[int]]
"""Iterations of each stage at which somebody wants the state."""


@dataclass(frozen=True)
class Progress:
    """A training at one of its reported iterations."""

    stage: Stage
    iteration: int
    """Batches of this stage so far."""
    total: int
    validation_accuracy: float | None
    """0…1, in stage 2, of the averaged weights; None without validation images."""
    losses: dict[str, float]
    """Mean of each loss term since the last report."""
    images_per_second: float
    """Real images; evaluation not counted."""
    diversity: dict[str, float] | None = None
    """In stage 1, per class: 1 where generated images differ as real ones do, 0 where they are one and the same."""


@dataclass(frozen=True)
class Result:
    """What a training came to."""

    status: Literal["completed", "diverged"]
    validation_accuracy: float | None
    test_accuracy: float | None
    """None in search: the config asked for no test images."""
    iterations: int
    """Batches of both stages together."""
    pflop: float
    """Counted operations, 1e15."""
    wall_seconds: float
    """Training alone, evaluation not counted."""
    error: str | None
    warning: str | None
    """What makes a completed training doubtful: a generator that collapsed."""
    curve: list[dict[str, Any]] = field(repr=False)
    """Every progress so far, as mappings."""


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
        self.wall_seconds = 0.0
        self._window: list[dict[str, Tensor]] = []
        """Loss terms since the last report: a state can lie between two reports."""
        self._window_seconds = 0.0
        self._tested = False
        if self.generation is None:
            self.begin_classification()

    def run(
        self,
        *,
        every: int = 100,
        also: Collection[int] = (),
        marks: Marks | None = None,
        keep: Callable[[Stage], None] = lambda stage: None,
        alive: Callable[[], None] = lambda: None,
    ) -> Iterator[Progress]:
        """Train to the end, yielding progress each `every` iterations, at `also` in stage 2, and as a stage ends.

        At the `marks` of a stage `keep` is called, where `state` is what any training of this prefix comes by there:
        a report that is due at a mark is made after it. `alive` is called after every iteration, however far apart the
        reports are. How often one looks changes nothing in what comes out. Ends early when a loss is no longer finite.
        """
        marks = marks or {}
        if self.stage == "generation" and self.status == "running":
            yield from self._run_stage("generation", every, (), marks.get("generation", ()), keep, alive)
            if self.status == "running":
                self.begin_classification()
        if self.status == "running":
            yield from self._run_stage("classification", every, also, marks.get("classification", ()), keep, alive)
        if self.status == "running":
            self.status = "completed"

    def begin_classification(self) -> None:
        """Set up stage 2, with G as it is now."""
        self.classification = Classification(self.config, self.data.train, self.streams, self.machine, self.generation)

    def length(self, stage: Stage) -> int:
        """Batches that a stage takes: KG or KC; 0 for stage 1 of a method without a generator."""
        if stage == "classification":
            return self.config.classifier.iterations
        return self.config.gan.iterations if self.config.gan else 0

    def ended(self, stage: Stage) -> bool:
        """Whether all batches of a stage are behind it, and its losses were finite to the end."""
        return self.iterations[stage] == self.length(stage) and self.status != "diverged"

    def _run_stage(
        self,
        stage: Stage,
        every: int,
        also: Collection[int],
        marks: Collection[int],
        keep: Callable[[Stage], None],
        alive: Callable[[], None],
    ) -> Iterator[Progress]:
        steps = self.generation if stage == "generation" else self.classification
        length = self.length(stage)
        begin = time.perf_counter()
        while True:
            iteration = self.iterations[stage]
            if self._window and (iteration % every == 0 or iteration in also or iteration == length):
                # Losses stay on the device until somebody looks: no step waits for the one before it.
                terms = {name: torch.stack([row[name] for row in self._window]).tolist() for name in self._window[0]}
                self._count_seconds(begin)
                if self._diverged(stage, terms):
                    return
                yield self._progress(stage, terms)
                begin = time.perf_counter()
            if iteration == length:
                return
            assert steps is not None
            self._window.append(steps.step(iteration))
            self.iterations[stage] += 1
            paused = time.perf_counter()
            alive()
            begin += time.perf_counter() - paused
            if self.iterations[stage] in marks:
                self._count_seconds(begin)
                keep(stage)
                begin = time.perf_counter()

    def _progress(self, stage: Stage, terms: dict[str, list[float]]) -> Progress:
        """The report of a window of iterations; the next one begins."""
        steps = self.generation if stage == "generation" else self.classification
        assert steps is not None
        progress = Progress(
            stage,
            self.iterations[stage],
            self.length(stage),
            self.accuracy(self.data.validation) if stage == "classification" else None,
            {name: sum(values) / len(values) for name, values in terms.items()},
            len(self._window) * steps.batches.size * steps.batches.separate / self._window_seconds,
            generated_diversity(steps, self.data.train) if isinstance(steps, Generation) else None,
        )
        self.curve.append(progress)
        self._window.clear()
        self._window_seconds = 0.0
        return progress

    def _count_seconds(self, begin: float) -> None:
        seconds = time.perf_counter() - begin
        self.wall_seconds += seconds
        self._window_seconds += seconds

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
        """The complete state; every training with the prefix of its stage can `restore` it and go on bit for bit.

        Its tensors are the training's own and change as it goes on: save them, or copy them, at once.
        """
        return {
            "prefix": prefix(self.config, self.stage),
            "stage": self.stage,
            "precision": str(self.machine.precision),
            "generation": self.generation.state() if self.generation else {},
            "classification": self.classification.state() if self.classification else {},
            "streams": self.streams.state(),
            "iterations": dict(self.iterations),
            "curve": [asdict(progress) for progress in self.curve],
            "window": self._window,
            "window_seconds": self._window_seconds,
            "wall_seconds": self.wall_seconds,
            "diverged": self.error if self.status == "diverged" else None,
        }

    @property
    def stage(self) -> Stage:
        """Where the training is; at the end of stage 1 still there, until stage 2 begins."""
        return "classification" if self.classification else "generation"

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state that a training of the same prefix has come by.

        Raises:
            InvalidInput: a state of another prefix, further than this training goes, or in another precision.
        """
        stage: Stage = state["stage"]
        own = prefix(self.config, stage)
        if state["prefix"] != own:
            raise refuse("snapshot", f"is of the {stage} stage of {state['prefix']}, not of {own}.")
        if state["iterations"][stage] > self.length(stage):
            raise refuse(
                "snapshot", f"is of iteration {state['iterations'][stage]}, past the {self.length(stage)} here."
            )
        if state["precision"] != str(self.machine.precision):
            raise refuse(
                "snapshot", f"is in {state['precision']}, but this machine trains in {self.machine.precision}."
            )
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
        self._window = [{name: term.to(self.machine.device) for name, term in row.items()} for row in state["window"]]
        self._window_seconds = state["window_seconds"]
        self.wall_seconds = state["wall_seconds"]

    def _diverged(self, stage: Stage, terms: dict[str, list[float]]) -> bool:
        """Whether a loss term of the window is not finite, or D is not, after its last step; says where and what."""
        for index, row in enumerate(zip(*terms.values(), strict=True)):
            if not all(map(math.isfinite, row)):
                self.iterations[stage] += index + 1 - len(next(iter(terms.values())))
                shown = ", ".join(f"{name} {value:.3g}" for name, value in zip(terms, row, strict=True))
                what = "nan" if any(map(math.isnan, row)) else "infinite"
                self._end_diverged(f"loss became {what}", stage, f" ({shown})")
                return True
        if not self.learner(stage).is_finite:
            self._end_diverged("weights of D became nan or infinite", stage)
            return True
        return False

    def learner(self, stage: Stage) -> Learner[Discriminator]:
        """D in stage 1, the classifier in stage 2."""
        if stage == "classification":
            assert self.classification is not None
            return self.classification.learner
        assert self.generation is not None
        return self.generation.discriminator

    def _end_diverged(self, what: str, stage: Stage, terms: str = "") -> None:
        where = f"stage {STAGES.index(stage) + 1}, iteration {self.iterations[stage]}"
        self.status, self.error = "diverged", f"{what} at {where}{terms}."


def train(config: Config, *, report: Callable[[Progress], None] | None = None) -> Result:
    """Train a config from start to end."""
    training = Training(config)
    for progress in training.run():
        if report:
            report(progress)
    return training.result()
