"""Advises a study for a folder of images: from its card to a study file."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagan.data.card import Card, check_images
from dagan.data.facts import Facts, Fit, facts
from dagan.data.folders import image_folder
from dagan.data.images import read_images
from sweeps.forecast.simulate.forecast import cores_here
from sweeps.outputs.cards import card_lines, files
from sweeps.start.choice import Choice, Timer, choose
from sweeps.start.outline import Outline, networks
from sweeps.start.text import comments_on, study_text, verdict_lines
from sweeps.study.parse import study_of
from sweeps.study.schema import Study

MOST_PIXELS, MOST_PIXELS_GPU = 32, 64
"""Pixels per side that larger images are reduced to."""
MOST_COMPARED, COMPARED_SIDE = 3000, 32
"""Images that are compared with one another, and their size for it."""
LONG = 1.5
"""Longer side over shorter, from which on images are padded: to cut their middle out would lose a third of them."""


@dataclass(frozen=True)
class Advice:
    """A study file, and what was found and decided."""

    text: str
    lines: tuple[str, ...]
    choice: Choice


def advise(
    folder: Path,
    *,
    name: str,
    minutes: float,
    beside: Path,
    command: str = "sweeps init",
    gflops: float | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Advice:
    """Look at a folder of images, and write the study that answers within the time.

    `beside`: where the file will lie, from where it names the folder. `gflops`: the speed of a GPU, of which nothing is
    measured; without, a few steps are timed here. `tell` is given lines of progress.

    Raises:
        InvalidInput: a folder that is none, with files that are no images, or with too few of them.
    """
    facts(name, folder=folder)  # what is wrong with its classes is said before every image is opened
    tell(f"looking at the images in {folder} …")
    card = check_images(folder)
    for line in card_lines(card):
        tell(line)
    for line in near_copies_in(folder):
        tell(line)
    gpu, limit = gflops is not None, 60 * minutes
    dataset = dataset_of(card, name, gpu=gpu)
    known = facts(name, folder=folder, image_size=dataset["image_size"], channels=dataset["channels"])
    resources = {"gpu": 1} if gpu else {}

    def make(outline: Outline) -> Study:
        return study_of(outline.tree(dataset, name, resources))

    slots = 1 if gpu else cores_here()
    busy = os.getloadavg()[0]
    if not gpu and busy > slots / 2:
        tell(f"This machine is busy (load {busy:.1f} on {slots} cores), so the times measured now are too long.")
    narrowest = networks(known, gpu=gpu)[-1]
    timer = Timer(make, slots, limit, narrowest, gflops=gflops, tell=tell)
    choice = choose(known, timer.seconds, limit, gpu=gpu)
    where = f"at an assumed {gflops:,.0f} GFLOP/s" if gflops else "on this machine with nothing else to do"
    lines = verdict_lines(choice, minutes, command, where)
    relative = {**dataset, "folder": os.path.relpath(folder.resolve(), beside.resolve())}
    head = [f"{command} --minutes {minutes:g} wrote this.", *card_lines(card), *lines]
    text = study_text(choice.outline.tree(relative, name, resources), head, comments_on(choice.outline, known))
    return Advice(text, (*decided(choice, known), *lines), choice)


def near_copies_in(folder: Path) -> Iterator[str]:
    """Say which training images nearly equal others of another class, and which test images training images."""
    from dagan.data.near_copies import copies_within, near_copies

    listed = image_folder(folder)
    some = {part: some_of(listed.part(part), MOST_COMPARED) for part in ("train", "test")}
    names = {part: [name for name, _ in pairs] for part, pairs in some.items()}
    pixels = {part: read_images(listed, names[part], COMPARED_SIDE, 3) for part in names}
    inside = copies_within(pixels["train"])
    labels = [label for _, label in some["train"]]
    torn = [
        f"{names['train'][one]} and {names['train'][other]}"
        for one, other in zip(inside.candidates, inside.originals, strict=True)
        if labels[one] != labels[other]
    ]
    if torn:
        yield f"Nearly the same image in two classes: {files(torn)}."
    if len(inside) > len(torn):
        yield f"Nearly the same image twice in a class: {len(inside) - len(torn):,} of {len(labels):,} training images."
    copied = near_copies(pixels["train"], pixels["test"])
    if len(copied):
        pairs = [
            f"{names['test'][one]} is {names['train'][other]}"
            for one, other in zip(copied.candidates, copied.originals, strict=True)
        ]
        yield f"Test images that nearly equal training images: {files(pairs)}."


def some_of(classes: Mapping[str, Sequence[str]], most: int) -> list[tuple[str, str]]:
    """Return the first images of each class with their class, so many in all at most."""
    each = most // max(1, len(classes))
    return [(name, label) for label, names in classes.items() for name in names[:each]]


def dataset_of(card: Card, name: str, *, gpu: bool) -> dict[str, Any]:
    """Return the data set as in a study file: at what size, and how, its images are read."""
    most = MOST_PIXELS_GPU if gpu else MOST_PIXELS
    size = min(most, max(8, card.shorter_side // 4 * 4))
    fit: Fit = "pad" if card.elongation > LONG else "crop"
    found = {"name": name, "folder": str(card.place.resolve()), "image_size": size, "channels": 1 if card.grey else 3}
    return found | ({"fit": fit} if fit != "crop" else {})


def decided(choice: Choice, known: Facts) -> list[str]:
    """Say what the study does."""
    outline = choice.outline
    steps = f"{outline.rates} learning rates" + (f" and {outline.ratios} ratios" if outline.gan else "")
    gan = f", a GAN of {outline.kg:,} iterations" if outline.gan else ""
    return [
        f"Decided: {', '.join(outline.methods)} with {outline.samples_per_class} of {min(known.per_class)} images per "
        f"class at {known.image_size} pixels; {outline.network} × {outline.width:g}{gan}, classifiers of up to "
        f"{outline.kc[-1]:,}; a search of {steps}, {outline.seeds} confirm seeds."
    ]
