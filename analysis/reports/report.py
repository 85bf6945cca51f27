"""The report of a study: one self-contained HTML page, the same as Markdown, tables and figures as files."""

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.accounting.outcomes import messages, warnings
from analysis.comparison.image_quality import MEASURES
from analysis.data.csv_guard import guarded
from analysis.data.results import Source, load, write_tables
from analysis.data.study import Study
from analysis.formatting import (
    correlation,
    duration,
    interval,
    listed,
    p_value,
    percent,
    plural,
    points,
    quantity,
)
from analysis.methods import look, meanings
from analysis.reports.accuracy_table import grid
from analysis.reports.class_tables import class_tables
from analysis.reports.evidence import Evidence, gather, weigh
from analysis.reports.figures import LEGIBLE, MOST, Figures, draw, slug
from analysis.reports.method_notes import ablation_note, notes
from analysis.reports.picture_sheets import (
    PictureSheet,
    Sheet,
    card_sheets,
    duplicate_sheets,
    picture_sheets,
)
from analysis.reports.table_formats import FORMS, escape_markdown
from analysis.reports.tables import (
    choices,
    cost_rows,
    design_grid,
    design_tables,
    ends,
    generator_heads,
    generator_rows,
    length_rows,
    needed,
    network_rows,
    provenance,
    totals,
)
from analysis.search.early_stopping import ENOUGH

NUMBERS = (correlation, duration, interval, p_value, percent, plural, points, quantity)
TABLES = (
    choices,
    class_tables,
    cost_rows,
    design_tables,
    ends,
    generator_heads,
    generator_rows,
    length_rows,
    messages,
    network_rows,
)
FILTERS = (*NUMBERS, *TABLES, ablation_note, meanings, needed, notes, provenance, totals, warnings)
"""Functions that the templates may call as filters, each by its own name."""


@dataclass(frozen=True)
class Report:
    """Files of a report, and its answer in a few lines for a terminal."""

    html: Path
    markdown: Path
    csv: Path
    parquet: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]
    lines: tuple[str, ...]


def write_report(
    directory: str | Path,
    *,
    planned: pd.DataFrame | None = None,
    points: Mapping[str, str] | None = None,
    command: str | None = None,
    output: str | Path | None = None,
) -> Report:
    """Write the report of a study directory into `output`, by default its `report/`, and return the paths.

    `planned` has the columns phase, dataset, samples_per_class, method and trials, of a design also point and reference
    as in `compare`; with it the report can say what is missing. `points`, from signature to label of the design point,
    names the trials that the report is about, with the points at which they are in the study as it is now; `command`
    is how to run the study again. A study that is still searching, has one seed, one method or no declared comparison
    is reported as such.

    Raises:
        ResultsError: The directory is not a study directory, or its results break a rule.
    """
    directory = Path(directory)
    evidence = gather(directory, planned, points)
    command = command or f"sweeps run {shlex.quote(' '.join(evidence.study.name.split()))}"
    sheets = picture_sheets(evidence, directory)
    return _write(evidence, sheets, command, directory / "report" if output is None else Path(output))


def report(
    source: pd.DataFrame | Source | Sequence[Source],
    output: str | Path = "report",
    *,
    question: str = "",
    compare: Mapping[str, Sequence[str]] | None = None,
    smallest_difference: float = 0.5,
) -> Report:
    """Write the report of any results: a table of `load`, or one or several sources as `load` takes them.

    `compare` is the declared family of comparisons, method to baselines; `smallest_difference` in points.

    Raises:
        ResultsError: The results break a rule, or there are none.
    """
    if isinstance(source, pd.DataFrame):
        results = source
    else:
        sources = [source] if isinstance(source, str | Path) else list(source)
        results = load(*sources)
    study = Study(
        name=listed(list(results["study"].dropna().unique())) or "results",
        question=question,
        methods=tuple(results.attrs.get("methods", ())),
        compare=compare or {},
        smallest_difference=smallest_difference,
    )
    return _write(weigh(study, results), [], "", Path(output))


def _write(evidence: Evidence, sheets: list[PictureSheet], command: str, output: Path) -> Report:
    csv, parquet = write_tables(evidence.results, output)
    drawn = draw(evidence)
    duplicates = duplicate_sheets(evidence)
    cards = card_sheets(evidence)
    every: list[Sheet] = [*sheets, *duplicates, *cards]
    drawings = _write_figures(drawn, [sheet for sheet in every if sheet.file], output / "figures")
    grids = _write_grids(evidence, output / "tables")
    html, markdown = output / "index.html", output / "report.md"
    content = {"evidence": evidence, "figures": drawn, "pictures": sheets, "command": command}
    content |= {"duplicates": duplicates, "cards": cards}
    html.write_text(_html().get_template("report.html.j2").render(content), encoding="utf-8")
    markdown.write_text(_markdown().get_template("report.md.j2").render(content), encoding="utf-8")
    lines = (*evidence.doubts, *evidence.answer.lines)
    if evidence.answer.seeds and command:
        lines += (f"Next, to decide what is open: {command} --set confirm.seeds={evidence.answer.seeds}",)
    return Report(html, markdown, csv, parquet, drawings, grids, lines)


def _write_figures(drawn: Figures, sheets: Sequence[Sheet], folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {f"{figure.name}.svg": figure.svg.encode() for figure in drawn}
    contents |= {f"{figure.name}.png": figure.png for figure in drawn}
    return _written(contents | {f"{sheet.name}.png": sheet.file for sheet in sheets}, folder)


def _write_grids(evidence: Evidence, folder: Path) -> tuple[Path, ...]:
    """Write the tables of accuracies and of a design in four forms, and means, comparisons, an ablation in full."""
    contents = {
        f"accuracy-{place}-{slug(one.dataset)}.{ending}": set_as(grid(one)).encode()
        for place, one in enumerate(evidence.accuracy, start=1)
        for ending, set_as in FORMS.items()
    }
    contents |= {
        f"comparison-{place}-{slug(one.title)}.{ending}": set_as(
            design_grid(one, evidence.study.smallest_difference)
        ).encode()
        for place, one in enumerate(design_tables(evidence), start=1)
        for ending, set_as in FORMS.items()
    }
    in_full = {"means": evidence.means, "comparisons": evidence.comparisons}
    if len(evidence.ablation):
        in_full["ablation"] = evidence.ablation
    for name, table in in_full.items():
        contents[f"{name}.csv"] = guarded(table).to_csv(index=False).encode()
    return _written(contents, folder)


def _written(contents: Mapping[str, bytes], folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name in contents)


@cache
def _html() -> Environment:
    environment = _environment(autoescape=True)
    script = (files("analysis.reports") / "templates" / "report.js").read_text(encoding="utf-8")
    # The page runs this one script and no other, whatever text it shows.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    environment.globals |= {"script": script, "script_hash": digest}
    return environment


@cache
def _markdown() -> Environment:
    return _environment(autoescape=False, finalize=escape_markdown)


def _environment(**escaping: Any) -> Environment:
    environment = Environment(  # noqa: S701
        **escaping,  # HTML escapes every value, Markdown too (`escape_markdown`)
        loader=PackageLoader("analysis.reports"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"MEASURES": MEASURES, "MOST": MOST, "LEGIBLE": LEGIBLE, "ENOUGH": ENOUGH}
    environment.filters |= {one.__name__: one for one in FILTERS} | {
        "rows": lambda table: table.to_dict("records"),
        "known": lambda count: "–" if pd.isna(count) else f"{count:,}",
        "colour": lambda method, methods: look(method, methods).colour,
    }
    return environment
