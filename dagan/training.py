"""DAGAN's Algorithm 1, and its baselines, as something one iterates.

    training = Training(Config.of({"method": "dagan"}))
    for progress in training.run():
        print(progress)
    print(training.result().test_accuracy)

Stage 1 ("generation") trains D and G in alternation; stage 2 ("classification") trains D alone on real and freshly
generated images. Methods without a generator have stage 2 only. Whoever iterates decides to report, stop or save.
"""

import copy
import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from dagan import losses, networks
from dagan.architecture import pflop
from dagan.augmentation import augmented
from dagan.compute import MEMORY_FORMAT, machine
from dagan.config import Config
from dagan.datasets import Labelled, TrainingData, training_data
from dagan.problem import refuse
from dagan.shapes import ClassLogits, Features, Images, Labels, Logits
from dagan.streams import BatchOrder, Streams

Stage = Literal["generation", "classification"]
STAGES: tuple[Stage, Stage] = ("generation", "classification")


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
    curve: list[dict[str, Any]] = field(repr=False)
    """Every progress so far, as mappings."""


class Training:
    """One config being trained. Equal configs give equal bits on one machine's CPU, resumed or straight through."""

    def __init__(self, config: Config, data: TrainingData | None = None) -> None:
        """`data` takes the place of the images that the config names; its signature does not know."""
        self.config = config
        self.machine = machine(config.compute)
        if self.machine.device.type == "cpu":
            torch.set_num_threads(config.compute.threads)
        self.data = data or training_data(config, self.machine.device)
        self.streams = Streams(config.seed, self.machine.device)
        self.orders = {
            stage: BatchOrder(len(self.data.train), self.streams[f"{stage}.batch_order"]) for stage in STAGES
        }
        self.discriminator = networks.discriminator(config, self.streams["discriminator_weights"])
        self.generator = networks.generator(config, self.streams["generator_weights"])
        if config.network.weight_norm:
            self._fit_weight_norm()
        self.discriminator.to(memory_format=MEMORY_FORMAT)
        self.average = copy.deepcopy(self.discriminator).requires_grad_(False)
        self.updates = 0
        betas = (config.classifier.beta1, 0.999)
        self.optimisers = {
            name: torch.optim.Adam(trained(network), lr=config.classifier.learning_rate, betas=betas, fused=True)
            for name, network in (("discriminator", self.discriminator), ("generator", self.generator))
            if network is not None
        }
        self.iterations: dict[Stage, int] = dict.fromkeys(STAGES, 0)
        self.curve: list[Progress] = []
        self.status: Literal["running", "completed", "diverged"] = "running"
        self.error: str | None = None
        self.wall_seconds = 0.0
        self._tested = False

    def run(self, *, every: int = 100, also: Collection[int] = ()) -> Iterator[Progress]:
        """Train to the end, yielding progress each `every` iterations, at `also` in stage 2, and as a stage ends.

        How often one looks changes nothing in what comes out. Ends early when a loss is no longer finite.
        """
        for stage in STAGES:
            if self.iterations[stage] < self.length(stage):
                yield from self._run_stage(stage, every, also if stage == "classification" else ())
            if self.status == "diverged":
                return
        self.status = "completed"

    def length(self, stage: Stage) -> int:
        """Batches that a stage takes: KG or KC; 0 for stage 1 of a method without a generator."""
        if stage == "classification":
            return self.config.classifier.iterations
        return self.config.gan.iterations if self.config.gan else 0

    def _run_stage(self, stage: Stage, every: int, also: Collection[int]) -> Iterator[Progress]:
        step = self.generation_step if stage == "generation" else self.classification_step
        section = self.config.gan if stage == "generation" else self.config.classifier
        assert section is not None
        self._set_learning_rate(section.learning_rate)
        window: list[dict[str, Tensor]] = []
        begin = time.perf_counter()
        while self.iterations[stage] < self.length(stage):
            window.append(step())
            self.iterations[stage] += 1
            iteration = self.iterations[stage]
            if iteration % every and iteration not in also and iteration != self.length(stage):
                continue
            # Losses stay on the device until somebody looks: no step waits for the one before it.
            terms = {name: torch.stack([row[name] for row in window]).tolist() for name in window[0]}
            seconds = time.perf_counter() - begin
            self.wall_seconds += seconds
            if self._diverged(stage, terms):
                return
            progress = Progress(
                stage,
                iteration,
                self.length(stage),
                self.accuracy(self.data.validation) if stage == "classification" else None,
                {name: sum(values) / len(values) for name, values in terms.items()},
                len(window) * self.config.classifier.batch_size / seconds,
            )
            self.curve.append(progress)
            yield progress
            window.clear()
            begin = time.perf_counter()

    def generation_step(self) -> dict[str, Tensor]:
        """One batch of stage 1: one D step, then the G steps. Eq. (3)–(5)."""
        gan = self.config.gan
        assert gan is not None
        assert self.generator is not None
        real, labels = self.batch("generation")
        generated = self.draw(labels, "generation")
        logits, _ = self.judged(torch.cat([real, generated]), "generation")
        on_real, on_generated = logits.chunk(2)
        adversarial = losses.DISCRIMINATOR_LOSSES[gan.loss](on_real, on_generated, labels)
        self._update("discriminator", adversarial)

        with torch.no_grad():
            _, real_features = self.judged(real, "generation")
        for _ in range(gan.generator_steps):
            generated = self.draw(labels, "generation", graph=True)
            logits, features = self.judged(generated, "generation")
            fooling = losses.GENERATOR_LOSSES[gan.loss](logits, labels)
            matching = losses.FEATURE_MATCHING_LOSSES[gan.feature_matching](
                real_features, features, labels, norm=gan.feature_matching_norm
            )
            self._update("generator", fooling + gan.feature_matching_weight * matching)
        return {
            "discriminator": adversarial.detach(),
            "generator": fooling.detach(),
            "feature matching": matching.detach(),
        }

    def classification_step(self) -> dict[str, Tensor]:
        """One batch of stage 2: D on real and freshly generated images, G frozen. Eq. (6)–(8)."""
        real, labels = self.batch("classification")
        drawn = round(self.config.classifier.augmentation_ratio * len(labels))
        if not drawn:
            loss = losses.classification_loss(self.scores(self.judged(real, "classification")[0]), labels)
            self._update("discriminator", loss)
            return {"real": loss.detach()}
        # Whole batches are drawn, then cut: G's batch norm works with the batch at hand, and learned on whole ones.
        whole = labels.repeat(math.ceil(drawn / len(labels)))
        wanted, generated = whole[:drawn], self.draw(whole, "classification")[:drawn]
        scores = self.scores(self.judged(torch.cat([real, generated]), "classification")[0])
        on_real = losses.classification_loss(scores[: len(labels)], labels)
        on_generated = losses.classification_loss(scores[len(labels) :], wanted)
        self._update("discriminator", on_real + drawn / len(labels) * on_generated)
        return {"real": on_real.detach(), "generated": on_generated.detach()}

    def batch(self, stage: Stage) -> tuple[Images, Labels]:
        """The next real images, classically augmented where the method asks for it."""
        index = self.orders[stage].next(self.config.classifier.batch_size)
        images, labels = self.data.train.images[index], self.data.train.labels[index]
        if self.config.augmentation:
            images = augmented(images, self.config.augmentation, self.streams[f"{stage}.augmentation"])
        return images, labels

    def draw(self, labels: Labels, purpose: str, *, graph: bool = False) -> Images:
        """Fresh generated images of the given classes, from the latents of a purpose's own stream."""
        assert self.generator is not None
        latents = self.latents(len(labels), purpose)
        with torch.set_grad_enabled(graph), self.machine.autocast():
            images: Images = self.generator(latents, labels)
            return images.float()

    def latents(self, count: int, purpose: str) -> Tensor:
        """z, shape (count, latent_size)."""
        gan = self.config.gan
        assert gan is not None
        random = self.streams[f"{purpose}.latents"]
        z = torch.empty(count, gan.latent_size, device=self.machine.device)
        return z.uniform_(generator=random) if gan.latent == "uniform" else z.normal_(generator=random)

    def judged(self, images: Images, stage: Stage) -> tuple[Logits, Features]:
        """D's logits and features, as in training: with noise and dropout."""
        images = images.to(memory_format=MEMORY_FORMAT)
        with self.machine.autocast():
            logits, features = self.discriminator(images, self.streams[f"{stage}.noise"])
        return logits.float(), features.float()

    @property
    def scores(self) -> Callable[[Logits], ClassLogits]:
        """From D's logits to one score per class: the rule of training and of prediction alike."""
        gan = self.config.gan
        doubled = gan is not None and self.config.row.outputs_per_class == 2
        return losses.CLASS_SCORES[gan.loss if gan is not None and doubled else "plain"]

    @torch.no_grad()
    def predictions(self, images: Images) -> Labels:
        """The classes of images, by the averaged weights."""
        parts = []
        for some in images.split(500):
            with self.machine.autocast():
                logits, _ = self.average(some.to(memory_format=MEMORY_FORMAT))
            parts.append(self.scores(logits.float()).argmax(dim=1))
        return torch.cat(parts)

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
            curve=[asdict(progress) for progress in self.curve],
            **self.spent(),
        )

    def spent(self) -> dict[str, Any]:
        """What the training has cost so far, under the names that `Result` has for it."""
        return {
            "iterations": sum(self.iterations.values()),
            "pflop": sum(pflop(self.config, stage=stage, iterations=self.iterations[stage]) for stage in STAGES),
            "wall_seconds": self.wall_seconds,
        }

    def state(self) -> dict[str, Any]:
        """The complete state at a reported iteration; `restore` goes on from it bit for bit.

        Its tensors are the training's own and change as it goes on: save them, or copy them, at once.
        """
        return {
            "signature": self.config.signature,
            "discriminator": self.discriminator.state_dict(),
            "generator": self.generator.state_dict() if self.generator else {},
            "average": self.average.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "streams": self.streams.state(),
            "orders": {stage: order.waiting for stage, order in self.orders.items()},
            "updates": self.updates,
            "iterations": dict(self.iterations),
            "curve": [asdict(progress) for progress in self.curve],
            "wall_seconds": self.wall_seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same config.

        Raises:
            InvalidInput: the state of another config.
        """
        if state["signature"] != self.config.signature:
            raise refuse("snapshot", f"is of config {state['signature']}, not of {self.config.signature}.")
        self.discriminator.load_state_dict(state["discriminator"])
        if self.generator:
            self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.streams.restore(state["streams"])
        for stage, order in self.orders.items():
            order.generator = self.streams[f"{stage}.batch_order"]
            order.waiting = state["orders"][stage].to(self.machine.device)
        self.status, self.error, self._tested = "running", None, False
        self.updates = state["updates"]
        self.iterations = dict(state["iterations"])
        self.curve = [Progress(**progress) for progress in state["curve"]]
        self.wall_seconds = state["wall_seconds"]

    def _fit_weight_norm(self) -> None:
        """The data-dependent start, on up to 500 of the real images and on as many generated ones."""
        count = min(500, len(self.data.train))
        index = BatchOrder(len(self.data.train), self.streams["start"]).next(count)
        self.discriminator.fit_weight_norm(self.data.train.images[index])
        if self.generator:
            latents = self.latents(count, "start")
            self.generator.fit_weight_norm(latents, self.data.train.labels[index])

    def _set_learning_rate(self, rate: float) -> None:
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = rate

    def _update(self, name: Literal["discriminator", "generator"], loss: Tensor) -> None:
        """One Adam step of one network alone; D's average follows D."""
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward(inputs=optimiser.param_groups[0]["params"])
        optimiser.step()
        if name == "discriminator":
            self._follow()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards D. The decay starts low, or short trainings would be judged by their start."""
        self.updates += 1
        decay = min(self.config.classifier.average_decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.discriminator.parameters()), 1 - decay)

    def _diverged(self, stage: Stage, terms: dict[str, list[float]]) -> bool:
        """Whether a loss term of the window is not finite, or D is not, after its last step; says where and what."""
        for index, row in enumerate(zip(*terms.values(), strict=True)):
            if not all(map(math.isfinite, row)):
                self.iterations[stage] += index + 1 - len(next(iter(terms.values())))
                shown = ", ".join(f"{name} {value:.3g}" for name, value in zip(terms, row, strict=True))
                what = "nan" if any(map(math.isnan, row)) else "infinite"
                self._end_diverged(f"loss became {what}", stage, f" ({shown})")
                return True
        if not all(bool(parameter.isfinite().all()) for parameter in self.discriminator.parameters()):
            self._end_diverged("weights of D became nan or infinite", stage)
            return True
        return False

    def _end_diverged(self, what: str, stage: Stage, terms: str = "") -> None:
        where = f"stage {STAGES.index(stage) + 1}, iteration {self.iterations[stage]}"
        self.status, self.error = "diverged", f"{what} at {where}{terms}."


def trained(network: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters that learn; the frozen scales of weight norm do not."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def train(config: Config, *, report: Callable[[Progress], None] | None = None) -> Result:
    """Train a config from start to end."""
    training = Training(config)
    for progress in training.run():
        if report:
            report(progress)
    return training.result()
