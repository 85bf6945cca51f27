"""What a training leaves behind: the classifier, and the G that images are drawn from.

Both work without the training and without its images, as `dagan.weights` loads them.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dagan.compute.device import MEMORY_FORMAT, Machine
from dagan.compute.random_streams import Streams
from dagan.config import Config
from dagan.errors import refuse
from dagan.networks.interfaces import Discriminator, Generator, Statistics
from dagan.networks.layer_tables import discriminator_layers
from dagan.settings import Gan
from dagan.shapes import ClassLogits, Images, Labels, LatentPath, Latents, Logits, PicturesOfLatents
from dagan.training import losses
from dagan.training.dataset import Labelled

ROUNDING = 1e-3
"""By which images may reach beyond [−1, 1]."""
MOST_CLASSES = 100
"""Of which it is counted what each was taken for."""
LEAST_TURNS = 16
"""Images of each class, at the least, by whose statistics G normalises a picture."""


class TrainedClassifier:
    """The averaged classifier: images in [−1, 1] in, classes out."""

    def __init__(
        self, config: Config, network: Discriminator, machine: Machine, statistics: Callable[[], Statistics]
    ) -> None:
        """`statistics`: what the network, as it is when asked, must know to judge an image by itself."""
        self.config, self.network, self.machine, self.statistics = config, network, machine, statistics
        self.form = form_of(config)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers."""
        return self.config.facts.classes

    @torch.no_grad()
    def scores(self, images: Images) -> ClassLogits:
        """Return one score per class: the logarithm of a probability, but for a constant.

        Raises:
            InvalidInput: images of another size or number of channels.
        """
        facts = self.config.facts
        if tuple(images.shape[1:]) != (wanted := (facts.channels, facts.image_size, facts.image_size)):
            raise refuse(
                "images",
                f"must be of shape (any number, {', '.join(map(str, wanted))}), but are of {tuple(images.shape)}.",
            )
        if not len(images):
            return torch.empty((0, len(self.classes)), device=self.machine.device)
        parts, statistics = [], self.statistics()
        for some in images.to(self.machine.device).split(500):
            with self.machine.autocast():
                logits, _ = self.network.evaluated(some.to(memory_format=MEMORY_FORMAT), statistics)
            parts.append(self.scores_of(logits.float()))
        return torch.cat(parts)

    def scores_of(self, logits: Logits) -> ClassLogits:
        """Return one score per class from the network's logits."""
        return losses.CLASS_SCORES[self.form](logits)

    def predictions(self, images: Images | NDArray[np.floating]) -> Labels:
        """Return the classes of images.

        Raises:
            InvalidInput: images of another size or number of channels, or with values outside [−1, 1].
        """
        return self.scores(within_range(images)).argmax(dim=1)

    def accuracy(self, images: Labelled) -> float:
        """Return the share of images, 0…1, whose class is predicted right."""
        return int((self.scores(images.images).argmax(dim=1) == images.labels).sum()) / len(images)

    def tested(self, images: Labelled) -> tuple[float, list[list[int]] | None]:
        """Return the accuracy, and images counted by their class, a row each, and the predicted class, a column each.

        The counts of more than `MOST_CLASSES` classes nobody reads: None.
        """
        classes = len(self.classes)
        predicted = self.scores(images.images).argmax(dim=1)
        accuracy = int((predicted == images.labels).sum()) / len(images)
        if classes > MOST_CLASSES:
            return accuracy, None
        pairs = (images.labels * classes + predicted).bincount(minlength=classes**2)
        return accuracy, pairs.reshape(classes, classes).tolist()

    def probabilities(self, images: Images | NDArray[np.floating]) -> ClassLogits:
        """Return p(class | image); the rows sum to 1.

        Raises:
            InvalidInput: as for `predictions`.
        """
        return self.scores(within_range(images)).softmax(dim=1)


def within_range(images: Images | NDArray[np.floating]) -> Images:
    """Return images as a tensor of float32, if they are scaled as in training.

    Raises:
        InvalidInput: values outside [−1, 1], as pixels of 0…255 have.
    """
    tensor = torch.as_tensor(images, dtype=torch.float32)
    if tensor.numel() and not (tensor.amin() >= -1 - ROUNDING and tensor.amax() <= 1 + ROUNDING):
        low, high = float(tensor.amin()), float(tensor.amax())
        raise refuse("images", f"must be in [−1, 1], but reach from {low:g} to {high:g}. Give pixels / 127.5 − 1.")
    return tensor


class TrainedGenerator:
    """G, or its average where it has one: latents in, images in [−1, 1] out.

    G normalises by the batch at hand, so an image depends on its batch too. Batches hold all classes alike, in turn;
    where each class has its own GAN they have to (`dagan.networks.build`).
    """

    def __init__(self, config: Config, network: Generator, machine: Machine) -> None:
        self.config, self.network, self.machine = config, network, machine

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers."""
        return self.config.facts.classes

    def latents(self, count: int, random: torch.Generator) -> Latents:
        """Draw z, shape (count, latent_size), on the device of G."""
        assert self.config.gan is not None
        return fresh_latents(self.config.gan, count, random).to(self.machine.device)

    def images(self, latents: Latents, labels: Labels) -> Images:
        """Return G(z, y), of whole batches: see the class."""
        return generated(self.network, latents, labels, self.machine)

    def batches(self, per_class: int, random: torch.Generator) -> Iterator[Labelled]:
        """Yield so many images of each class, the classes in turn, drawn in batches like those of stage 1.

        The first images of more are those of fewer.
        """
        for labels, left in label_batches(self.config, per_class, self.machine.device):
            with torch.no_grad():
                images = self.images(self.latents(len(labels), random), labels)
            yield Labelled(images[:left], labels[:left])

    def sampled(self, per_class: int, random: torch.Generator) -> Labelled:
        """Return all of `batches` at once."""
        parts = list(self.batches(per_class, random))
        return Labelled(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))

    @torch.no_grad()
    def in_every_class(self, latents: Latents, seed: int = 0) -> PicturesOfLatents:
        """Draw images of each z in every class, shape (latents, classes, channels, height, width).

        Each z is drawn in a batch of its own, beside fresh latents that are the same for all of them: so its images
        depend on itself and the seed, not on which other latents are asked for.
        """
        classes = len(self.classes)
        turns = max(LEAST_TURNS, turns_of(self.config))
        labels = torch.arange(classes, device=self.machine.device).repeat(turns)
        beside = self.latents(len(labels) - classes, Streams(seed, torch.device("cpu")).fresh("beside.latents"))
        rows = [
            self.images(torch.cat([z.expand(classes, -1), beside]), labels)[:classes]
            for z in latents.to(self.machine.device)
        ]
        return torch.stack(rows)

    def path(self, points: Latents, steps: int) -> LatentPath:
        """Go from point to point in so many steps each, all of the points exactly among them.

        In a straight line where z is uniform. Where it is normal along the great circle, as the middle of a
        straight line is shorter than any z that G has learned on (White 2016, arXiv 1609.04468).
        """
        assert self.config.gan is not None
        between = torch.lerp if self.config.gan.latent == "uniform" else spherical
        parts = [between(a, b, step / steps) for a, b in pairwise(points) for step in range(steps)]
        return torch.stack([*parts, points[-1]])


def form_of(config: Config) -> str:
    """Return what the classifier's outputs stand for, as a key of `losses.CLASS_SCORES`: K, K+1 or 2K of them."""
    classes, outputs = len(config.facts.classes), discriminator_layers(config)[-1].outputs
    if outputs == classes:
        return "plain"
    return "extra" if outputs == classes + 1 else (config.gan and config.gan.loss) or "joint"


def fresh_latents(gan: Gan, count: int, random: torch.Generator) -> Latents:
    """Draw z, shape (count, latent_size), on the device of the random generator."""
    z = torch.empty(count, gan.latent_size, device=random.device)
    return z.uniform_(generator=random) if gan.latent == "uniform" else z.normal_(generator=random)


def generated(network: Generator, latents: Latents, labels: Labels, machine: Machine) -> Images:
    """Return G(z, y), computed in the precision of the machine."""
    with machine.autocast():
        images: Images = network(latents, labels)
    return images.float()


def turns_of(config: Config) -> int:
    """Return how many images of each class a batch like those of stage 1 has."""
    return max(2, round(config.classifier.batch_size / len(config.facts.classes)))


def label_batches(config: Config, per_class: int, device: torch.device) -> Iterator[tuple[Labels, int]]:
    """Yield the labels of each whole batch, the classes in turn, and how many of its images are still wanted."""
    classes = len(config.facts.classes)
    labels = torch.arange(classes, device=device).repeat(turns_of(config))
    for left in range(per_class * classes, 0, -len(labels)):
        yield labels, left


def spherical(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return the vector that lies a share of the way from one to another along the great circle."""
    cosine = torch.dot(first, second) / (first.norm() * second.norm())
    angle = cosine.clamp(-1, 1).acos()
    if angle.sin() < 1e-6:
        return torch.lerp(first, second, share)
    mixed: Tensor = (((1 - share) * angle).sin() * first + (share * angle).sin() * second) / angle.sin()
    return mixed
