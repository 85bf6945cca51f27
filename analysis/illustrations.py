"""The figures and pictures of a report, named and captioned, as inline elements and as files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis import plots
from analysis.confirmation import confirmed
from analysis.evidence import Evidence
from analysis.methods import ordered
from analysis.pictures import Pictures, Pixels, data_uri, grid, load_pictures, png, strip

MOST = 12  # figures per section; a study of many cells is read from its tables


@dataclass(frozen=True)
class Illustration:
    """One figure: `title` is plain text for a caption, `inline` SVG for a page, `file` SVG to stand alone."""

    name: str
    title: str
    inline: str
    file: str


@dataclass(frozen=True)
class PictureSheet:
    """Pictures of one cell and method: `rows` of (class, real, generated) data addresses, `file` a PNG."""

    name: str
    title: str
    rows: tuple[tuple[str, str, str], ...]
    file: bytes


@dataclass(frozen=True)
class Section:
    """Figures that belong together; `omitted` says how many more cells there were."""

    figures: tuple[Illustration, ...] = field(default=())
    omitted: int = 0


def figures(evidence: Evidence) -> dict[str, Section]:
    """All figures by section: accuracy, differences, search, learning, losses."""
    methods = evidence.study.methods
    return {
        "accuracy": _section("accuracy", _accuracy(evidence)),
        "differences": _section("differences", _differences(evidence)),
        "search": _section(
            "search",
            [
                (title, plots.search_progress(rows, methods))
                for title, rows in _by_cell(evidence.progress.dropna(subset="best"))
            ],
        ),
        "learning": _section("learning", _learning(evidence)),
        "losses": _section(
            "losses",
            [
                (f"{method}, {title}", plots.losses(part))
                for title, rows in _by_cell(_loss_curves(evidence))
                for method, part in rows.groupby("method", sort=False)
            ],
        ),
    }


def picture_sheets(evidence: Evidence, directory: Path) -> list[PictureSheet]:
    """Pictures of each cell and method with a generator, from the completed confirm trial of the lowest seed.

    The lowest seed, not the best one: pictures chosen by accuracy would flatter. At most `MOST` sheets.
    """
    trials = confirmed(evidence.results)
    trials = trials[trials["status"] == "completed"].sort_values("seed", kind="stable")
    sheets: list[PictureSheet] = []
    for dataset, size in evidence.cells:
        here = trials[(trials["dataset"] == dataset) & (trials["samples_per_class"] == size)]
        for method in ordered(here["method"], evidence.study.methods):
            if len(sheets) < MOST and (sheet := _first_sheet(here[here["method"] == method], directory)):
                sheets.append(sheet)
    return sheets


def _first_sheet(trials: pd.DataFrame, directory: Path) -> PictureSheet | None:
    for trial in trials.to_dict("records"):
        pictures = load_pictures(directory / "pictures" / f"{_safe(trial['signature'])}.npz")
        if pictures is not None:
            title = f"{trial['method']}, {trial['dataset']}, {trial['samples_per_class']:,} per class"
            return _sheet(f"{title}, seed {trial['seed']}", str(trial["signature"]), pictures)
    return None


def _accuracy(evidence: Evidence) -> list[tuple[str, Figure]]:
    return [
        (str(dataset), plots.accuracy_by_size(rows, evidence.study.methods))
        for dataset, rows in evidence.means[evidence.means["n"] > 0].groupby("dataset", sort=False)
    ]


def _differences(evidence: Evidence) -> list[tuple[str, Figure]]:
    comparable = evidence.comparisons[evidence.comparisons["n"] > 0]
    smallest, methods = evidence.study.smallest_difference, evidence.study.methods
    return [
        (str(dataset), plots.forest(rows, smallest, methods))
        for dataset, rows in comparable.groupby("dataset", sort=False)
    ]


def _learning(evidence: Evidence) -> list[tuple[str, Figure]]:
    curves = evidence.search_curves
    drawn = curves[(curves["stage"] == "classification") & curves["validation_accuracy"].notna()]
    return [(title, plots.learning_curves(rows, evidence.study.methods)) for title, rows in _by_cell(drawn)]


def _loss_curves(evidence: Evidence) -> pd.DataFrame:
    curves = evidence.search_curves if evidence.confirm_curves.empty else evidence.confirm_curves
    terms = [name for name in curves.columns if name.startswith("loss.")]
    with_generator = set(curves.loc[curves["stage"] == "generation", "method"])
    drawn = curves[curves["method"].isin(with_generator) & curves[terms].notna().any(axis=1)]
    places = ordered(drawn["method"], evidence.study.methods)
    return drawn.sort_values("method", key=lambda names: names.map(places.index), kind="stable")


def _by_cell(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for (dataset, size), rows in table.groupby(["dataset", "samples_per_class"], sort=True):
        yield f"{dataset}, {size:,} per class", rows


def _section(kind: str, drawn: list[tuple[str, Figure]]) -> Section:
    illustrations = []
    for place, (title, figure) in enumerate(drawn[:MOST], start=1):
        name = f"{kind}-{place}-{_slug(title)}"
        file = plots.svg(figure)
        inline = plots.inline_svg(file, f"{kind}: {title}", prefix=f"{kind}{place}")
        illustrations.append(Illustration(name, title, inline, file))
    return Section(tuple(illustrations), max(0, len(drawn) - MOST))


def _sheet(title: str, signature: str, pictures: Pictures) -> PictureSheet:
    rows = tuple(
        (label, _strip_uri(real), _strip_uri(generated))
        for label, real, generated in zip(pictures.classes, pictures.real, pictures.generated, strict=True)
    )
    file = png(grid(pictures), least=32 * len(pictures.classes))
    name = f"pictures-{_slug(title)}-{_slug(signature)[:8]}"
    return PictureSheet(name, title, rows, file)


def _strip_uri(images: Pixels) -> str:
    return data_uri(png(strip(images), least=28))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "figure"


def _safe(signature: object) -> str:
    # A signature is a hash; whatever else a table says must not name a file elsewhere.
    return re.sub(r"[^\w-]", "_", str(signature))
