"""How good the images are that a training generates, by a judge that knows other images only.

    training = Training(config)           # phase confirm, validation held_out
    for _ in training.run():
        pass
    print(quality(training, judge_of(config)))

Real reference images are the test images; where a folder of generated images has fewer of a class than the test, so
many of each class. Numbers of two data sets, or of two judges, cannot be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from dagan.compute.random_streams import Streams
from dagan.config import Config
from dagan.defaults import reaches
from dagan.errors import InvalidInput, Problem, refuse
from dagan.evaluation.image_metrics import (
    Cover,
    KernelDistance,
    Memorisation,
    cover,
    frechet_distance,
    kernel_distance,
    memorisation,
)
from dagan.evaluation.judge import Judge
from dagan.nested import flatten, nest
from dagan.shapes import GeneratedFeatures, Labels, RealFeatures
from dagan.training.dataset import Labelled, TrainingData
from dagan.training.diversity import drawn, earlier_ones, generated_diversity
from dagan.training.training import Training

LEAST_REFERENCE = 4
"""Two halves, and two images to have a covariance."""


@dataclass(frozen=True)
class Quality:
    """What the judge says of one generator, or of one folder of generated images."""

    judge: str
    """Signature of the judge's config."""
    judge_accuracy: float
    """0…1, of the judge on the reference images: no number here is better than it."""
    images: int
    """Reference images, and as many generated ones of the same classes."""
    kernel_distance: KernelDistance
    """KID; smaller is better."""
    frechet_distance: float
    """FID at `frechet_images` images; smaller is better, `frechet_floor` as good as real."""
    frechet_floor: float
    """FID of two disjoint halves of the reference images."""
    frechet_images: int
    """Images on either side of both distances: half of the reference images."""
    density: dict[str, float]
    """Per class, fidelity: about 1 for real images, smaller is worse."""
    coverage: dict[str, float]
    """Per class, diversity: 0…1, larger is better; real images reach about 0.97."""
    gan_test: float
    """0…1: share of generated images of which the judge sees the class that was asked for; larger is better."""
    gan_train: float | None
    """0…1: accuracy on the reference images of `c` trained on generated images alone; larger is better.

    None where that training diverged.
    """
    memorisation: Memorisation
    """In the judge's features."""
    pixel_memorisation: Memorisation
    """In pixels."""
    diversity: dict[str, float]
    """Per class, spread of generated over that of the training images, in pixels; 1 like them, 0 collapsed."""


def quality(
    training: Training,
    judge: Judge,
    *,
    most_images: int = 10_000,
    gan_train_per_class: int = 500,
    heartbeat: Callable[[], None] = lambda: None,
) -> Quality:
    """Judge a trained generator or a folder. The same every time, and it changes nothing in the training.

    Costs one training of `c` (for GAN-train), in which `heartbeat` is called after every iteration, and a few seconds.

    Raises:
        InvalidInput: a training that cannot be judged, or not by this judge.
    """
    check(training, judge)
    assert training.generated is not None
    assert training.data.test is not None
    random = Streams(judge.config.seed, torch.device("cpu"))
    matched = first_of_each(training.data.test, training.generated.fewest, len(training.config.facts.classes))
    reference = some_of(matched, most_images, random["reference"])
    generated = drawn(training.generated, reference.labels, "quality")
    if not bool(generated.images.isfinite().all()):
        raise refuse("training", f"must draw finite images, but does not: {training.error or 'it has diverged'}")
    seen, real = judge(reference.images)
    seen_generated, features = judge(generated.images)
    _, train = judge(training.data.train.images)

    half = len(reference) // 2
    order = torch.randperm(len(reference), generator=random["halves"]).to(real.device)
    first, second = order[:half], order[half : 2 * half]
    covers = class_covers(real, features, reference.labels, training.config.facts.classes)
    return Quality(
        judge=judge.config.signature,
        judge_accuracy=share(seen == reference.labels),
        images=len(reference),
        kernel_distance=kernel_distance(real, features, random=random["subsets"]),
        frechet_distance=float(frechet_distance(real[first], features[first])),
        frechet_floor=float(frechet_distance(real[first], real[second])),
        frechet_images=half,
        density={name: one.density for name, one in covers.items()},
        coverage={name: one.coverage for name, one in covers.items()},
        gan_test=share(seen_generated == generated.labels),
        gan_train=gan_train(training, reference, gan_train_per_class, heartbeat),
        memorisation=memorisation(train, real, features),
        pixel_memorisation=memorisation(
            training.data.train.images.flatten(1), reference.images.flatten(1), generated.images.flatten(1)
        ),
        diversity=generated_diversity(training.generated, training.data.train),
    )


def check(training: Training, judge: Judge) -> None:
    """Refuse what cannot be judged, all reasons at once."""
    config, problems = training.config, []
    if not config.row.has_generated:
        problems.append(Problem("method", f"must have generated images, but `{config.method}` has none."))
    if config.data.validation != "held_out":
        rule = f"must be held_out, but is {config.data.validation}: the judge may know these images."
        problems.append(Problem("data.validation", rule))
    if config.data.phase != "confirm":
        problems.append(
            Problem("data.phase", f"must be confirm, but is {config.data.phase}: the judge knows these images.")
        )
    test = training.data.test
    if test is not None and len(test) < LEAST_REFERENCE:
        problems.append(Problem("data", f"must have >= {LEAST_REFERENCE} test images, but has {len(test)}."))
    if identity(config) != identity(judge.config):
        name, other = judge.config.data.dataset, config.data.dataset
        problems.append(Problem("judge", f"must be of the images of {other}, but is of other ones ({name})."))
    if problems:
        raise InvalidInput(problems)


def identity(config: Config) -> dict[str, object]:
    """Return what tells one data set from another."""
    return config.data.model_dump(include={"dataset", "fingerprint", "image_size", "channels"})


def some_of(images: Labelled, most: int, random: torch.Generator) -> Labelled:
    """Return all of the images, or so many drawn from them."""
    if len(images) <= most:
        return images
    chosen = torch.randperm(len(images), generator=random)[:most].to(images.labels.device)
    return Labelled(images.images[chosen], images.labels[chosen])


def first_of_each(images: Labelled, most: int | None, classes: int) -> Labelled:
    """Return the first images of each class, at most so many; all where there is no limit."""
    if most is None:
        return images
    kept = earlier_ones(images.labels, classes) < most
    return Labelled(images.images[kept], images.labels[kept])


def class_covers(
    real: RealFeatures, generated: GeneratedFeatures, labels: Labels, classes: tuple[str, ...]
) -> dict[str, Cover]:
    """Return density and coverage of each class with two images or more; both sides have the same labels row by row."""
    covers = {}
    for label, name in enumerate(classes):
        own = labels == label
        if int(own.sum()) > 1:
            covers[name] = cover(real[own], generated[own])
    return covers


def gan_train(
    training: Training, reference: Labelled, per_class: int, heartbeat: Callable[[], None] = lambda: None
) -> float | None:
    """Return the accuracy on real images of a classifier trained on generated ones; None where that diverged.

    GAN-train of Shmelkov et al. 2018; the classification accuracy score of Ravuri & Vinyals 2019.
    """
    assert training.generated is not None
    classes, fewest = len(training.config.facts.classes), training.generated.fewest
    labels = torch.arange(classes, device=reference.labels.device).repeat(min(per_class, fewest or per_class))
    generated = drawn(training.generated, labels, "gan_train")
    learner = Training(plain(training.config), TrainingData(generated, None, reference))
    for _ in learner.events(every=learner.config.classifier.iterations):
        heartbeat()
    return learner.result().test_accuracy


def plain(config: Config) -> Config:
    """Return the config of `c` with the same network, classifier settings and seed."""
    chosen = flatten(config.model_dump(mode="json"))
    return Config.of(nest({key: value for key, value in chosen.items() if reaches(key, "c")} | {"method": "c"}))


def share(hits: torch.Tensor) -> float:
    """Return the share of hits, 0…1."""
    return float(hits.double().mean())
