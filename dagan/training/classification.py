"""Stage 2, classification: D, or a fresh network in its place, learns from real and generated images. Eq. (6)–(8)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dagan.augmentation.mixing import mixed
from dagan.compute.device import MEMORY_FORMAT, Machine
from dagan.compute.random_numbers import noisy
from dagan.compute.random_streams import Streams
from dagan.config import Config, offline_per_class, trained_per_class
from dagan.networks import build as networks
from dagan.networks.flops import drawn_images
from dagan.networks.interfaces import Discriminator, Statistics
from dagan.shapes import ClassLogits, Features, Images, Labels, Logits
from dagan.training import losses
from dagan.training.batches import Batches, starting_images
from dagan.training.dataset import GeneratedImages, Labelled
from dagan.training.generation import Generation
from dagan.training.inference import TrainedClassifier
from dagan.training.learner import Learner, detached, scheduled


class Classification:
    """The classifier of one training, and one step of it."""

    def __init__(
        self, config: Config, train: Labelled, streams: Streams, machine: Machine, generated: GeneratedImages | None
    ) -> None:
        self.config, self.settings = config, config.classifier
        self.streams, self.machine, self.generated = streams, machine, generated
        self.iteration = 0
        """The latest one, counted from 0."""
        self.learner = self._learner(train)
        self.trained = TrainedClassifier(config, self.learner.average, machine, self.statistics)
        self.batches = self._batches(train)

    def _learner(self, train: Labelled) -> Learner[Discriminator]:
        """Return D where it goes on, with its optimiser and average; else a fresh network, for all methods the same."""
        settings = self.settings
        if settings.start == "warm":
            assert isinstance(self.generated, Generation)
            learner = self.generated.discriminator
            learner.go_on(settings.optimiser, beta1=settings.beta1, weight_decay=settings.weight_decay)
            return learner
        network = networks.discriminator(self.config, self.streams.fresh("discriminator_weights"))
        if self.config.network.weight_norm:
            some = starting_images(train, self.streams)
            network.fit_weight_norm(some.images, some.labels)
        network.to(memory_format=MEMORY_FORMAT)
        return Learner(
            network,
            optimiser=settings.optimiser,
            beta1=settings.beta1,
            weight_decay=settings.weight_decay,
            average_decay=settings.average_decay,
        )

    def _batches(self, train: Labelled) -> Batches:
        """Return batches of the training images, with the generated ones among them where these are drawn offline."""
        added = offline_per_class(self.config) if self.settings.generated == "offline" else 0
        if not added:
            return Batches(train, self.config, self.streams, "classification")
        assert self.generated is not None
        # From the beginning of a stream: a resumed training draws the same.
        drawn = self.generated.sampled(added, self.streams.fresh("offline.latents"))
        union = Labelled(torch.cat([train.images, drawn.images]), torch.cat([train.labels, drawn.labels]))
        return Batches(union, self.config, self.streams, "classification", real=len(train))

    def step(self, iteration: int) -> dict[str, Tensor]:
        """Do one iteration, counted from 0. Eq. (6): each generated image counts as much as each real one."""
        settings, self.iteration = self.settings, iteration
        images, labels, real = self.batch(iteration)
        shares = one_hot(labels, len(self.config.facts.classes)).float()
        if settings.mixup or settings.cutmix:
            images, shares = mixed(images, shares, real, settings, self.streams)
        scores = self.scores(self.judged(images)[0])
        each = losses.classification_losses(scores, losses.smoothed(shares, settings.label_smoothing))
        counting = each
        if settings.confidence:
            # Of a mixed image the classes that are in it, together.
            sure = (scores.detach().softmax(dim=1) * (shares > 0)).sum(dim=1) >= settings.confidence
            counting = each.where(real | sure, 0.0)
        loss = counting.sum() / settings.batch_size
        rate = scheduled(settings.learning_rate, settings.schedule, iteration, settings.iterations)
        self.learner.update(loss, rate)
        terms = {"real": mean_of(each, real)}
        if self.generated and settings.augmentation_ratio:
            terms["generated"] = mean_of(each, ~real)
        return detached(terms)

    def batch(self, iteration: int) -> tuple[Images, Labels, Tensor]:
        """Return real and generated images, their labels, and which of them are real."""
        batch, real = self.batches.next()
        online = self.settings.generated == "online"
        drawn = drawn_images(self.config, iteration) if online else 0
        if not drawn:
            return batch.images, batch.labels, real
        assert self.generated is not None
        # Whole batches are drawn, then cut: G's batch norm works with the batch at hand, and learned on whole ones.
        whole = batch.labels.repeat(-(-drawn // len(batch)))
        made = self.generated.draw(whole, "classification")
        chosen = torch.arange(drawn, device=self.machine.device)
        if self.generated.groups > 1 and drawn < len(made):  # they come class by class in turn
            random = self.streams["classification.cut"]
            chosen = torch.randperm(len(made), generator=random, device=self.machine.device)[:drawn]
        images = torch.cat([batch.images, made.images[chosen]])
        labels = torch.cat([batch.labels, made.labels[chosen]])
        return images, labels, torch.arange(len(labels), device=labels.device) < len(batch)

    def judged(self, images: Images) -> tuple[Logits, Features]:
        """Return the classifier's logits and features, as in training: with noise and dropout."""
        random = self.streams["classification.noise"]
        images = noisy(images, self.settings.noise, random).to(memory_format=MEMORY_FORMAT)
        with self.machine.autocast():
            logits, features = self.learner.network(images, random=random)
        return logits.float(), features.float()

    def scores(self, logits: Logits) -> ClassLogits:
        """Return one score per class from the classifier's logits: the rule of training and of prediction alike."""
        return self.trained.scores_of(logits)

    @torch.no_grad()
    def statistics(self) -> Statistics:
        """Return the batch-norm statistics by which the averaged classifier judges an image by itself; else none.

        Real and generated ones in their shares: by the real ones alone `dagan` with `dcgan64` got 87 and 83 % of
        digits right, by these 97 and 97 (two seeds, 20 images per class).
        """
        network = self.learner.average
        if not network.batch_norm:
            return []
        images = self.batches.images.images
        drawn = drawn_images(self.config, self.iteration) if self.settings.generated == "online" else 0
        per_class = round(drawn / self.settings.batch_size * trained_per_class(self.config.data))
        if per_class:
            assert self.generated is not None
            made = self.generated.sampled(per_class, self.streams.fresh("statistics.latents"))
            images = torch.cat([images, made.images])
        with self.machine.autocast():
            return network.statistics(images)

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs to go on bit for bit, streams and a D that goes on apart."""
        own = {} if self.settings.start == "warm" else {"classifier": self.learner.state()}
        return own | {"order": self.batches.order.waiting, "iteration": self.iteration}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, once the streams and D are restored."""
        if "classifier" in state:
            self.learner.restore(state["classifier"])
        self.batches.order.waiting = state["order"].to(self.machine.device)
        self.iteration = state["iteration"]


def mean_of(each: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean over the chosen ones; 0 where there are none, as can be in a batch of a union."""
    return each.where(chosen, 0.0).sum() / chosen.sum().clamp(min=1)
