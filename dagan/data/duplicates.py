"""Test images of a data set that nearly equal one of its training images, as some of CIFAR-10 do.

Barz & Denzler 2020, "Do we train on test data? Purging CIFAR of near-duplicates". All training images of the data set
count, not those alone that one training draws, so that the test is one and the same for every seed and method.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dagan.data import near_copies as rule
from dagan.data.facts import Facts
from dagan.data.images import Pixels
from dagan.data.loading import Source
from dagan.data.near_copies import NearCopies, near_copies
from dagan.data.splits import Indices
from dagan.files import cache_folder, locked, write_atomically


def tested(source: Source, set_aside: Indices) -> tuple[Pixels, NDArray[np.int64]]:
    """Return a data set's own test images, or those set aside where it has none, with their classes."""
    return source.test() if source.test else (source.pixels(set_aside), source.labels[set_aside])


def duplicates(facts: Facts, source: Source, set_aside: Indices) -> NearCopies:
    """Find the test images that nearly equal a training image; `set_aside`: the test where there is none apart.

    A machine looks once at a data set, and keeps what it has found in the user's cache folder.

    Raises:
        InvalidInput: images that cannot be read.
    """
    training = np.setdiff1d(np.arange(len(source.labels)), set_aside)

    def found() -> NearCopies:
        return near_copies(source.pixels(training), tested(source, set_aside)[0])

    pairs = remembered(cache_folder() / "duplicates", identity(facts, source, set_aside), found)
    return NearCopies(pairs.candidates, training[pairs.originals], pairs.similarity, pairs.threshold)


def identity(facts: Facts, source: Source, set_aside: Indices) -> str:
    """Return 16 hex digits that tell these images, and this version of the rule, from others.

    Images of a folder go by their fingerprint, as in a config: to read them all would take longer than a look at them.
    """
    digest = hashlib.sha256(Path(rule.__file__).read_bytes())
    digest.update(set_aside.tobytes())
    if facts.fingerprint:
        digest.update(f"{facts.fingerprint} {facts.image_size} {facts.channels} {facts.fit}".encode())
    else:
        for pixels in (source.pixels(np.arange(len(source.labels))), tested(source, set_aside)[0]):
            digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:16]


def remembered(folder: Path, name: str, find: Callable[[], NearCopies]) -> NearCopies:
    """Return what was found before, else find it and keep it; a damaged file counts as absent."""
    path = folder / f"{name}.json"
    with locked(folder, name):
        if (known := kept(path)) is not None:
            return known
        found = find()
        with suppress(OSError):  # a folder that nobody can write to
            write_atomically(path, json.dumps(asdict(found), default=np.ndarray.tolist))
        return found


def kept(path: Path) -> NearCopies | None:
    """Read what was found; None where it is not there or damaged."""
    try:
        raw = json.loads(path.read_bytes())
        candidates, originals = (np.array(raw[key], dtype=np.int64) for key in ("candidates", "originals"))
        return NearCopies(candidates, originals, np.array(raw["similarity"], np.float64), float(raw["threshold"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
