"""Generated images that copy held-out ones: what a run has found of them, and what that makes of its results."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.formatting import listed, percent, plural

LEAKS = "leaks.json"
NAMED = 3  # files; the others are counted


def doubts(directory: Path, smallest_difference: float) -> tuple[str, ...]:
    """Say what `leaks.json` of a study directory makes doubtful; nothing where there is no such file."""
    try:
        found = json.loads((directory / LEAKS).read_bytes())
    except (FileNotFoundError, ValueError):
        return ()
    return tuple(one for dataset, leaks in found.items() for one in doubts_of(dataset, leaks, smallest_difference))


def doubts_of(dataset: str, found: Mapping[str, Any], smallest_difference: float) -> Iterator[str]:
    """Say of one data set how many of its generated images copy held-out ones, or why nobody knows.

    `found` has `methods` (those that learn from the images), `images` (their number), and of each purpose (test,
    validation) its `images`, how many of them are `copied`, and the `files` that do; or it has an `error`. Copies give
    away no more points of accuracy than the share of what they copy: below the smallest difference they are no doubt.
    """
    if found.get("error"):
        yield f"In doubt: nobody knows whether generated images of {dataset} copy its test images ({found['error']})."
        return
    leaks = {purpose: leak for purpose, leak in found["leaks"].items() if leak["files"]}
    if not leaks:
        return
    counted = [
        f"{plural(len(leak['files']), 'near-copy', 'near-copies')} of {leak['copied']:,} of the {leak['images']:,}"
        f" {purpose} images"
        for purpose, leak in leaks.items()
    ]
    names = list(dict.fromkeys(name for leak in leaks.values() for name in leak["files"]))
    doubtful = any(100 * leak["copied"] / leak["images"] >= smallest_difference for leak in leaks.values())
    opening = "In doubt: among" if doubtful else "Among"
    have = f"{opening} the {found['images']:,} generated images of {dataset} are {listed(counted)}"
    methods = listed(found["methods"])
    if "test" in leaks:
        share = percent(leaks["test"]["copied"] / leaks["test"]["images"])
        gain = f"those found can give away {share} points of the test accuracy of {methods}"
    else:
        gain = f"those found may decide what is chosen for {methods}"
    yield f"{have} ({listed(names, most=NAMED)}); {gain}. Remove them, and run again."
