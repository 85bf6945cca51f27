"""Writes an advised study as a file with comments, and says what was decided and why."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from dagan.data.facts import Facts
from sweeps.start.choice import Choice
from sweeps.start.outline import GAN_EPOCHS, GAN_ITERATIONS, Outline, sizes

COLUMN, WIDTH = 58, 100
"""Where comments begin, and the characters of a line at the head."""
OPENED = ("base", "search", "search.parameters")
"""Sections that are written a line per key; all others stand in one line."""


def study_text(tree: Mapping[str, Any], head: Sequence[str], comments: Mapping[str, str]) -> str:
    """Write a study as YAML, with lines at its head, and comments by dotted key."""
    lines = [f"# {part}" for line in head for part in textwrap.wrap(line, WIDTH, break_on_hyphens=False)]
    return "\n".join([*lines, *section(tree, comments, "", ""), ""])


def section(tree: Mapping[str, Any], comments: Mapping[str, str], prefix: str, indent: str) -> list[str]:
    """Write one section, a line per key."""
    lines = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if name in OPENED:
            lines += [*spaced(name), f"{indent}{key}:", *section(value, comments, f"{name}.", f"{indent}  ")]
            continue
        line = f"{indent}{key}: {in_one_line(value)}"
        remark = comments.get(name, "")
        lines += spaced(name)
        lines.append(f"{line:<{COLUMN}}  # {remark}" if remark else line)
    return lines


def spaced(name: str) -> list[str]:
    """Return the empty line before the sections at the top that are several lines long."""
    return [""] if name in ("base", "search", "confirm") else []


def in_one_line(value: Any) -> str:
    """Write a value in YAML's flow style."""
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
        .removesuffix("\n...\n")
        .strip()
    )


def comments_on(outline: Outline, facts: Facts) -> dict[str, str]:
    """Return why each key of an outline's study is what it is."""
    validated = {
        "own": "validated with the folder's own images",
        "within": "a quarter of them validates while searching",
        "held_out": "others validate while searching",
    }
    there = sizes(facts)[0]
    of = "all that can be trained on" if outline.samples_per_class == there else f"of {there} that could be trained on"
    found = {
        "samples_per_class": f"{of}; {validated[outline.validation]}",
        "methods": "plain; with classical augmentation" + ("; with that and a GAN" if outline.gan else ""),
        "compare": "the declared family of tests",
        "base.network": "the widest that there is time for",
        "base.augmentation": "true where a mirrored image keeps its class; beside rotation by 10° and shifts",
        "base.data": "too few images to hold others back",
        "search.parameters.classifier.iterations": "KC, read off one training",
        "search.budget": "every setting once, the same budget for every method",
        "search.seeds": "each setting on two subsets: one misleads",
        "confirm": "fresh seeds on the test images: as many as there is time for",
    }
    if outline.gan:
        paper = outline.kg > GAN_ITERATIONS
        found["base.gan"] = (
            f"KG: the paper's {GAN_EPOCHS} epochs" if paper else f"KG: more than the paper's {GAN_EPOCHS} epochs"
        )
        found["search.parameters.classifier.augmentation_ratio"] = (
            "r: generated images per real one; 0: warm start alone"
        )
    return found


def verdict_lines(choice: Choice, minutes: float, command: str, where: str) -> list[str]:
    """Say whether a study fits its time, and what does not.

    `command` is `sweeps init …` without its minutes, `where` says of which machine the times are.
    """
    outline = choice.outline
    taken = f"{choice.seconds / 60:.0f} min"
    if not choice.fits:
        lines = [f"Nothing fits {minutes:g} min. The least study takes about {taken} {where}."]
    else:
        lines = [f"Foretold: about {taken} of the {minutes:g} min, {where}."]
    if not outline.gan and choice.with_gan is not None:
        enough = -(-choice.with_gan // 540) * 10  # minutes, a tenth to spare
        lines.append(
            "That is too short for a GAN at the paper's lengths, and a study of a shorter one would answer another "
            f"question. The least with a GAN takes about {choice.with_gan / 60:.0f} min: "
            f"{command} --minutes {enough:.0f}"
        )
        lines.append("What can be answered instead: whether classical augmentation helps, and by how much.")
    return lines
