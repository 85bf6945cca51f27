"""Stage 1, data generation: D and G in alternation, for DAGAN and its rivals."""

from typing import Any

import torch
from torch import Tensor

from dagan.augmentation.differentiable import differentiably_augmented
from dagan.compute.device import MEMORY_FORMAT, Machine
from dagan.compute.random_numbers import noisy
from dagan.compute.random_streams import Streams
from dagan.config import Config
from dagan.networks import build as networks
from dagan.networks.flops import group_count
from dagan.networks.interfaces import Discriminator, Generator
from dagan.shapes import Features, Images, Labels, Latents, Logits, Scalar
from dagan.training import losses
from dagan.training.batches import Batches, starting_images
from dagan.training.dataset import Labelled
from dagan.training.inference import TrainedGenerator, fresh_latents, generated, label_batches
from dagan.training.learner import Learner, detached, scheduled

LOOKS = frozenset(25 * 2**doubling for doubling in range(30))
"""Iterations after which an image of each class is kept, to show how G learned; the same whatever KG is."""
CLASSES_KEPT = 10
"""Classes of which these images are kept, at the most."""


class Generation:
    """The GAN of one training: the networks, one step of both, and the images that G draws."""

    fewest: int | None = None

    def __init__(self, config: Config, train: Labelled, streams: Streams, machine: Machine) -> None:
        assert config.gan is not None
        self.config, self.gan = config, config.gan
        self.streams, self.machine = streams, machine
        self.groups = group_count(config)
        self.form = self.gan.loss or ("extra" if config.row.adversary == "extra" else "binary")
        self.batches = Batches(train, config, streams, "generation")
        d = networks.discriminator(config, streams.fresh("discriminator_weights"), "generation")
        g = networks.generator(config, streams.fresh("generator_weights"))
        assert g is not None
        if config.network.weight_norm:
            some = starting_images(train, streams, self.groups)
            d.fit_weight_norm(some.images, some.labels)
        for network in (d, g):
            network.to(memory_format=MEMORY_FORMAT)
        common = {"beta1": self.gan.beta1, "weight_decay": self.gan.weight_decay}
        # Taken even where stage 2 starts fresh: a warm start can then go on from the same stage 1.
        judged = config.classifier.average_decay if config.row.continues else 0.0
        self.discriminator: Learner[Discriminator] = Learner(
            d, optimiser=self.gan.discriminator_optimiser, average_decay=judged, **common
        )
        self.generator: Learner[Generator] = Learner(
            g, optimiser=self.gan.generator_optimiser, average_decay=self.gan.generator_average_decay, **common
        )
        self.trained = TrainedGenerator(config, self.generator.average, machine)
        """What stage 2 and pictures are drawn from."""
        self.looks: dict[int, Tensor] = {}
        """What `look` drew after each of `LOOKS`: shape (classes, channels, size, size), in [−1, 1]."""

    def look(self) -> Tensor:
        """Draw an image of each of the first classes, always from the same latents; looking changes nothing."""
        images = self.sampled(1, self.streams.fresh("looks.latents")).images[:CLASSES_KEPT]
        return images.half().cpu()  # pictures show eight bits

    def step(self, iteration: int) -> dict[str, Tensor]:
        """Do one iteration, counted from 0: the G steps and the D steps on one batch. Eq. (1)–(5).

        D looks at the real images once: for its own step and, before it, for the features that G is to match. So
        G's steps come first, and all of them see one D; over many iterations the alternation is the same.
        """
        gan = self.gan
        rate, generator_rate = (
            scheduled(rate, gan.schedule, iteration, gan.iterations)
            for rate in (gan.learning_rate, gan.generator_learning_rate or gan.learning_rate)
        )
        real, _ = self.batches.next()
        on_real, features = self.judged(real.images, real.labels)
        terms: dict[str, Tensor] = {}
        for _ in range(gan.generator_steps):
            terms |= self.generator_losses(real.labels, features.detach())
            loss = terms["generator"]
            if gan.feature_matching_weight:
                loss = loss + gan.feature_matching_weight * terms["feature matching"]
            self.generator.update(self.summed(loss), generator_rate)
        for extra in range(gan.discriminator_steps):
            if extra:
                real, _ = self.batches.next()
                on_real, _ = self.judged(real.images, real.labels)
            generated = self.draw(real.labels, "generation").images
            on_generated, _ = self.judged(generated, real.labels)
            terms["discriminator"] = losses.DISCRIMINATOR_LOSSES[self.form](on_real, on_generated, real.labels)
            self.discriminator.update(self.summed(terms["discriminator"]), rate)
        return detached(terms)

    def summed(self, loss: Scalar) -> Scalar:
        """Turn the mean over a batch into the sum over the K per-class GANs."""
        return loss * self.groups

    def generator_losses(self, labels: Labels, matched: Features) -> dict[str, Scalar]:
        """Return the terms of eq. (4) on fresh images; feature matching, eq. (5), only where it counts."""
        gan = self.gan
        generated = self.draw(labels, "generation", graph=True)
        logits, features = self.judged(generated.images, labels)
        terms = {"generator": losses.GENERATOR_LOSSES[self.form](logits, labels)}
        if gan.feature_matching_weight:
            assert gan.feature_matching is not None
            matching = losses.FEATURE_MATCHING_LOSSES[gan.feature_matching]
            terms["feature matching"] = matching(matched, features, labels, norm=gan.feature_matching_norm)
        return terms

    def judged(self, images: Images, labels: Labels) -> tuple[Logits, Features]:
        """Return D's logits and features, as in training: with DiffAugment, noise and dropout."""
        if self.gan.differentiable_augmentation != "none":
            random = self.streams["generation.differentiable_augmentation"]
            images = differentiably_augmented(images, self.gan.differentiable_augmentation, random)
        random = self.streams["generation.noise"]
        images = noisy(images, self.gan.noise, random).to(memory_format=MEMORY_FORMAT)
        with self.machine.autocast():
            logits, features = self.discriminator.network(images, labels, random)
        return logits.float(), features.float()

    def draw(self, labels: Labels, purpose: str, *, graph: bool = False) -> Labelled:
        """Draw generated images, from the latents of a purpose's own stream.

        Of the given classes; where each class has its own GAN, of all classes in turn, as many as given or a few
        more. With `graph`, G as it trains; else what stage 2 and pictures get: its average, where it has one.
        """
        if self.groups > 1:
            turns = -(-len(labels) // self.groups)
            labels = torch.arange(self.groups, device=labels.device).repeat(max(2, turns))
        latents = self.latents(len(labels), self.streams[f"{purpose}.latents"])
        network = self.generator.network if purpose == "generation" else self.generator.average
        with torch.set_grad_enabled(graph):
            return Labelled(self.images_of(network, latents, labels), labels)

    @torch.no_grad()
    def sampled(self, per_class: int, random: torch.Generator) -> Labelled:
        """Draw so many images of each class, the classes in turn, in batches like those of stage 1."""
        average = self.generator.average
        parts = [
            Labelled(self.images_of(average, self.latents(len(labels), random), labels)[:left], labels[:left])
            for labels, left in label_batches(self.config, per_class, self.machine.device)
        ]
        return Labelled(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))

    def images_of(self, network: Generator, latents: Latents, labels: Labels) -> Images:
        """Return G(z, y)."""
        return generated(network, latents, labels, self.machine)

    def latents(self, count: int, random: torch.Generator) -> Latents:
        """Draw z, shape (count, latent_size)."""
        return fresh_latents(self.gan, count, random)

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs to go on bit for bit, streams apart."""
        return {
            "discriminator": self.discriminator.state(),
            "generator": self.generator.state(),
            "order": self.batches.order.waiting,
            "looks": dict(self.looks),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, once the streams are restored."""
        self.discriminator.restore(state["discriminator"])
        self.generator.restore(state["generator"])
        self.batches.order.waiting = state["order"].to(self.machine.device)
        self.looks = dict(state.get("looks", {}))  # states of earlier versions have none
