"""Which image serves which purpose: test, tuning half, final half, subset, validation.

Everything here is decided by hashes of names, indices and seeds, so a split is the same on every machine
and in every version of every library, and no seed can move an image from one half to the other.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dagan.errors import refuse, warn_once

Indices = NDArray[np.int64]
Groups = NDArray[Any]
"""The name of whom or what each image shows, where several images show the same: a person, say."""
Units = NDArray[Any]
"""What is dealt out to the purposes: indices of images, or the names of groups."""
Phase = Literal["search", "confirm"]
Validation = Literal["held_out", "within", "own"]
TEST_SHARE = 3
"""One image in three is set aside for the test where a data set has no test images of its own."""


@dataclass(frozen=True)
class Split:
    """Indices into the training images (and, for `test`, into the same images when none are given apart)."""

    subset: Indices
    validation: Indices
    """Into the data set's own validation images with `own`."""
    test: Indices
    """Empty where the data set brings its own test images, and in search."""


def ranked(units: Units, *key: object) -> Units:
    """Sort units in an order that depends on nothing but the key: by the hash of (key, unit)."""
    prefix = "/".join(map(str, key))
    return np.array(
        sorted(units.tolist(), key=lambda unit: hashlib.sha256(f"{prefix}/{unit}".encode()).digest()),
        dtype=units.dtype,
    )


def capacity(per_class: Sequence[int], *, has_test: bool, validation: Validation) -> int:
    """Return the most samples per class that both phases can draw: what every half of every class holds.

    With `held_out` validation one image per class at least is left over for validation; `within` and `own` draw
    from the whole pool. Where groups are dealt out, a group gives one image of each class, and `per_class` is the
    number of groups.
    """
    pool = [count if has_test else count - count // TEST_SHARE for count in per_class]
    return min(pool) // 2 - 1 if validation == "held_out" else min(pool)


def split(
    labels: NDArray[np.int64],
    *,
    dataset: str,
    has_test: bool,
    samples_per_class: int,
    seed: int,
    phase: Phase,
    validation: Validation = "held_out",
    validation_fraction: float = 0.25,
    validation_images: int | None = None,
    own_validation: NDArray[np.int64] | None = None,
    groups: Groups | None = None,
) -> Split:
    """Draw the subset of one seed, with its validation and test images.

    `held_out`: the pool of each class is cut once into a tuning half (search) and a final half (confirm);
    the seed draws its subset from the half of its phase, and validation is the rest of the tuning half, or
    `validation_images` of it, as many of each class.
    `within`: for sets too small for that, the seed draws its subset from the whole pool, and search sets
    aside `validation_fraction` of the subset; confirm trains on all of it.
    `own`: for sets that bring validation images, whose labels are `own_validation`: the seed draws its subset from the
    whole pool, and search validates with those, `validation_images` of them at most, as many of each class.

    `groups`: the group of each image. Groups are dealt out instead of images, so that all images of one lie on
    one side of every cut. Only groups with an image of every class take part; one that is trained on gives one
    image of each class.

    Raises:
        InvalidInput: a class with too few images, or too few groups.
    """
    most_held = None if validation_images is None else validation_images // len(np.unique(labels))
    deal = partial(
        dealt,
        dataset=dataset,
        has_test=has_test,
        samples_per_class=samples_per_class,
        seed=seed,
        phase=phase,
        validation=validation,
        validation_fraction=validation_fraction,
        most_held=most_held,
    )
    whole = None if groups is None else whole_groups(labels, groups, dataset)
    counts = np.bincount(labels).tolist() if whole is None else [len(whole)]
    room = capacity(counts, has_test=has_test, validation=validation)
    if samples_per_class > room:
        raise refuse("data.samples_per_class", f"must be <= {room} for {dataset}, but is {samples_per_class}.")
    if groups is None or whole is None:
        classes = [deal(np.flatnonzero(labels == label).astype(np.int64)) for label in np.unique(labels)]
        subset, held, test = (np.concatenate(parts) for parts in zip(*classes, strict=True))
        if validation == "own" and phase == "search":
            assert own_validation is not None
            held = some_of_each(own_validation, dataset, most_held)
        return Split(subset, held, test)
    chosen, aside, sealed = deal(whole)
    return Split(one_of_each(labels, groups, chosen), all_of(groups, aside), all_of(groups, sealed))


def dealt(
    units: Units,
    *,
    dataset: str,
    has_test: bool,
    samples_per_class: int,
    seed: int,
    phase: Phase,
    validation: Validation,
    validation_fraction: float,
    most_held: int | None,
) -> tuple[Units, Units, Units]:
    """Deal out the units of one class, or all groups: those to train on, to validate with and to test with.

    `most_held`: of the rest of the tuning half, so many validate at most; None for all of it.
    """
    pool = ranked(units, dataset, "split")
    test, pool = (pool[:0], pool) if has_test else np.split(pool, [len(pool) // TEST_SHARE])
    half = len(pool) // 2
    if validation == "within":
        drawn = ranked(pool, dataset, "subset", seed)[:samples_per_class]
        aside = held_within(samples_per_class, validation_fraction, phase)
        held, chosen = drawn[:aside], drawn[aside:]
    elif validation == "own":
        held, chosen = pool[:0], ranked(pool, dataset, "subset", seed)[:samples_per_class]
    else:
        own = pool[:half] if phase == "search" else pool[half:]
        drawn = ranked(own, dataset, "subset", seed)
        chosen, held = drawn[:samples_per_class], drawn[samples_per_class:]
        held = held[:most_held] if phase == "search" else held[:0]
    return chosen, held, test if phase == "confirm" else test[:0]


def some_of_each(labels: NDArray[np.int64], dataset: str, most: int | None) -> Indices:
    """Return the indices of at most so many images of each class, the same for every seed."""
    classes = [np.flatnonzero(labels == label).astype(np.int64) for label in np.unique(labels)]
    return np.concatenate([ranked(images, dataset, "validation")[:most] for images in classes])


def held_within(samples_per_class: int, validation_fraction: float, phase: Phase) -> int:
    """Return how many images of each class, or groups, `within` sets aside: in search one at the least."""
    share = min(max(1, round(validation_fraction * samples_per_class)), samples_per_class - 1)
    return share if phase == "search" else 0


def whole_groups(labels: NDArray[np.int64], groups: Groups, dataset: str) -> Groups:
    """Return the names of the groups that have an image of every class; a warning names the others."""
    classes = len(np.unique(labels))
    names = np.unique(groups)
    whole = np.array([len(np.unique(labels[groups == name])) == classes for name in names], dtype=bool)
    if not whole.all():
        lacking = ", ".join(names[~whole])
        warn_once(f"{dataset}: left out for want of an image of every class: {lacking}.")
    kept: Groups = names[whole]
    return kept


def one_of_each(labels: NDArray[np.int64], groups: Groups, names: Groups) -> Indices:
    """Return the first image of each class of each of the named groups, class by class."""
    first = [np.flatnonzero((labels == label) & (groups == name))[0] for label in np.unique(labels) for name in names]
    return np.array(first, dtype=np.int64)


def all_of(groups: Groups, names: Groups) -> Indices:
    """Return every image of the named groups."""
    return np.flatnonzero(np.isin(groups, names)).astype(np.int64)
