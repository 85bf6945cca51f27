"""The report of a study: one self-contained HTML page, its Markdown twin, CSV and Parquet."""

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis import tables, wording
from analysis.claims import ALPHA
from analysis.evidence import Evidence, gather
from analysis.illustrations import MOST, Illustration, PictureSheet, figures, picture_sheets
from analysis.methods import look
from analysis.results import write_tables
from analysis.sign_flips import DRAWS, EXACT_LIMIT


@dataclass(frozen=True)
class Report:
    """Where a report was written, and what it says in a few lines for a terminal."""

    html: Path
    markdown: Path
    csv: Path
    parquet: Path
    figures: tuple[Path, ...]
    lines: tuple[str, ...]


def write_report(
    directory: str | Path,
    *,
    planned: pd.DataFrame | None = None,
    signatures: Collection[str] | None = None,
    command: str | None = None,
    output: str | Path | None = None,
) -> Report:
    """Write the report of a study directory into `output`, by default its `report/`, and return the paths.

    `planned` has the columns phase, dataset, samples_per_class, method, trials; with it the report can say
    what is missing. With `signatures` the report is about these trials alone; `command` is how to run the study
    again. A study that is still searching, has one seed, one method or no declared comparison is reported as such.

    Raises:
        ResultsError: The directory is not a study directory, or its results break a rule.
    """
    directory = Path(directory)
    output = directory / "report" if output is None else Path(output)
    evidence = gather(directory, planned, signatures)
    csv, parquet = write_tables(evidence.results, output)
    context = _context(evidence, directory)
    context["command"] = command or f"sweeps run {shlex.quote(' '.join(evidence.study.name.split()))}"
    drawn = [figure for section in context["figures"].values() for figure in section.figures]
    files = _write_figures(drawn, context["pictures"], output / "figures")
    html, markdown = output / "index.html", output / "report.md"
    html.write_text(_html().get_template("report.html.j2").render(context), encoding="utf-8")
    markdown.write_text(_markdown().get_template("report.md.j2").render(context), encoding="utf-8")
    return Report(html, markdown, csv, parquet, files, evidence.answer.lines)


def escape_markdown(value: object) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no link, no cell and no line of its own."""
    text = " ".join(str(value).split())
    text = re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def _context(evidence: Evidence, directory: Path) -> dict[str, Any]:
    return {
        "study": evidence.study,
        "answer": evidence.answer.paragraph,
        "totals": tables.totals(evidence),
        "damaged": evidence.results.attrs["damaged"],
        "superseded": evidence.superseded,
        "accuracy": tables.accuracy_tables(evidence),
        "comparisons": evidence.comparisons.to_dict("records"),
        "notes": _notes(evidence),
        "figures": figures(evidence),
        "pictures": picture_sheets(evidence, directory),
        "most": MOST,
        "choices": tables.choices(evidence),
        "counts": evidence.counts.to_dict("records"),
        "costs": tables.cost_rows(evidence),
        "errors": _errors(evidence.results),
        "provenance": tables.provenance(evidence.results),
    }


def _notes(evidence: Evidence) -> list[str]:
    """What interval, what test, what was corrected."""
    notes = [
        "Configurations were chosen on validation images; each choice was then trained again with fresh "
        "seeds and read once on the test images.",
        "A seed fixes subset, initial weights, batch order, augmentation and latents alike for every method, "
        "so differences are paired by seed. The seed is the unit: n counts seeds, not images.",
        "Intervals: 95 % Student t over seeds, not corrected for their number. One seed has no interval.",
        f"Test: two-sided sign flips of the paired differences, exact up to {EXACT_LIMIT} seeds, "
        f"by {DRAWS:,} random draws above.",
    ]
    if len(evidence.comparisons):
        family = wording.plural(len(evidence.comparisons), "comparison")
        least = evidence.comparisons["p_holm_attainable"].min()
        notes += [
            f"Correction: Holm over all {family} that the study declares, cells without data included. "
            f"With the seeds there are, no corrected p can fall below {least:.2g}.",
            f"A method is called better or worse only if the corrected p is below {ALPHA}, the interval "
            f"excludes zero and the difference reaches {evidence.study.smallest_difference:g} points.",
        ]
    return notes


def _errors(results: pd.DataFrame, most: int = 8) -> list[dict[Any, Any]]:
    """The distinct messages of trials that did not complete, the most frequent first."""
    troubled = results[results["status"].isin(["diverged", "oom", "failed"])]
    troubled = troubled.assign(error=troubled["error"].fillna("no message"))
    counted = troubled.groupby(["status", "method", "error"], sort=False).size().rename("trials").reset_index()
    return counted.sort_values("trials", ascending=False, kind="stable").head(most).to_dict("records")


def _write_figures(drawn: list[Illustration], sheets: list[PictureSheet], folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for figure in drawn:
        paths.append(folder / f"{figure.name}.svg")
        paths[-1].write_text(figure.file, encoding="utf-8")
    for sheet in sheets:
        paths.append(folder / f"{sheet.name}.png")
        paths[-1].write_bytes(sheet.file)
    return tuple(paths)


def _html() -> Environment:
    return _environment(autoescape=True)


def _markdown() -> Environment:
    return _environment(autoescape=False, finalize=escape_markdown)


def _environment(**escaping: Any) -> Environment:
    environment = Environment(  # noqa: S701
        **escaping,  # HTML escapes every value, Markdown too (`escape_markdown`)
        loader=PackageLoader("analysis"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = ("percent", "points", "interval", "p_value", "plural", "duration", "quantity")
    environment.filters |= {name: getattr(wording, name) for name in words}
    environment.filters["known"] = lambda count: "–" if pd.isna(count) else f"{count:,}"
    environment.filters["colour"] = lambda method, methods: look(method, methods).colour
    return environment
