"""Which image serves which purpose: test, tuning half, final half, subset, validation. DESIGN §4.2.

Everything here is decided by hashes of names, indices and seeds, so a split is the same on every machine
and in every version of every library, and no seed can move an image from one half to the other.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dagan.problem import refuse

Indices = NDArray[np.int64]
Phase = Literal["search", "confirm"]
TEST_SHARE = 3
"""One image in three is set aside for the test where a data set has no test images of its own."""


@dataclass(frozen=True)
class Split:
    """Indices into the training images (and, for `test`, into the same images when none are given apart)."""

    subset: Indices
    validation: Indices
    test: Indices
    """Empty where the data set brings its own test images, and in search."""


def ranked(indices: Indices, *key: object) -> Indices:
    """The indices in an order that depends on nothing but the key: by the hash of (key, index)."""
    prefix = "/".join(map(str, key))
    return np.array(
        sorted(indices.tolist(), key=lambda index: hashlib.sha256(f"{prefix}/{index}".encode()).digest()),
        dtype=np.int64,
    )


def capacity(per_class: Sequence[int], *, has_test: bool, validation: str) -> int:
    """The most samples per class that both phases can draw: what every half of every class holds.

    With `held_out` validation one image per class at least is left over for validation.
    """
    pool = [count if has_test else count - count // TEST_SHARE for count in per_class]
    return min(pool) if validation == "within" else min(pool) // 2 - 1


def split(
    labels: NDArray[np.int64],
    *,
    dataset: str,
    has_test: bool,
    samples_per_class: int,
    seed: int,
    phase: Phase,
    validation: Literal["held_out", "within"] = "held_out",
    validation_fraction: float = 0.25,
) -> Split:
    """Draw the subset of one seed, with its validation and test images.

    `held_out`: the pool of each class is cut once into a tuning half (search) and a final half (confirm);
    the seed draws its subset from the half of its phase, and validation is the rest of the tuning half.
    `within`: for sets too small for that, the seed draws its subset from the whole pool, and search sets
    aside `validation_fraction` of the subset; confirm trains on all of it.

    Raises:
        InvalidInput: a class with too few images.
    """
    room = capacity(np.bincount(labels).tolist(), has_test=has_test, validation=validation)
    if samples_per_class > room:
        raise refuse("data.samples_per_class", f"must be <= {room} for {dataset}, but is {samples_per_class}.")
    subsets, validations, tests = [], [], []
    for label in np.unique(labels):
        pool = ranked(np.flatnonzero(labels == label).astype(np.int64), dataset, "split")
        test, pool = (pool[:0], pool) if has_test else np.split(pool, [len(pool) // TEST_SHARE])
        half = len(pool) // 2
        if validation == "within":
            drawn = ranked(pool, dataset, "subset", seed)[:samples_per_class]
            share = min(max(1, round(validation_fraction * samples_per_class)), samples_per_class - 1)
            aside = share if phase == "search" else 0
            held, chosen = drawn[:aside], drawn[aside:]
        else:
            own = pool[:half] if phase == "search" else pool[half:]
            drawn = ranked(own, dataset, "subset", seed)
            chosen, held = drawn[:samples_per_class], drawn[samples_per_class:]
            held = held if phase == "search" else held[:0]
        subsets.append(chosen)
        validations.append(held)
        tests.append(test if phase == "confirm" else test[:0])
    return Split(np.concatenate(subsets), np.concatenate(validations), np.concatenate(tests))
