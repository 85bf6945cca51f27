"""Tables of accuracy by class."""

from dataclasses import dataclass

import pandas as pd

from analysis.comparison.by_class import balanced_accuracies, class_accuracies
from analysis.data.columns import CELL
from analysis.formatting import percent
from analysis.methods import ordered
from analysis.plots.canvas import extent
from analysis.reports.evidence import Evidence

MOST_CLASSES = 20
"""Rows of a table; of more classes it has the hardest."""


@dataclass(frozen=True)
class ClassTable:
    """Classes × methods of one cell: `rows` of (class, test images, accuracies in per cent)."""

    dataset: str
    samples_per_class: int
    methods: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    note: str

    @property
    def title(self) -> str:
        """Which cell it is."""
        return f"{self.dataset}, {self.samples_per_class:,} per class"


def class_tables(evidence: Evidence) -> list[ClassTable]:
    """Show accuracy by class in each cell whose confirm trials say it; of many classes the hardest."""
    accuracies = class_accuracies(evidence.confusions)
    balanced = balanced_accuracies(accuracies)
    tables = []
    for (dataset, size), here in accuracies.groupby(CELL, sort=False):
        methods = ordered(here["method"], evidence.study.methods)
        wide = here.pivot(index="label", columns="method", values="accuracy")
        wide = wide.reindex(index=pd.unique(here["label"]), columns=methods)
        images = here.groupby("label")["images"].max()
        hardest = wide.mean(axis=1).nsmallest(MOST_CLASSES).index
        rows = [
            (str(label), f"{images[label]:,.0f}", tuple(percent(value) for value in values))
            for label, values in zip(wide.index, wide.to_numpy(), strict=True)
            if label in hardest
        ]
        means = balanced[(balanced["dataset"] == dataset) & (balanced["samples_per_class"] == size)]
        by_method = means.set_index("method")["balanced"]
        rows.append(("all classes alike", "", tuple(percent(by_method[method]) for method in methods)))
        note = f"Mean over seeds (n = {extent(here['n'])}) of the share that was classified right, %."
        if len(wide) > MOST_CLASSES:
            note += f" The {MOST_CLASSES} hardest of {len(wide)} classes."
        if means["unbalanced"].any():
            note += (
                " Classes have different numbers of test images: the last row, balanced accuracy, counts them alike."
            )
        tables.append(ClassTable(str(dataset), int(str(size)), tuple(methods), tuple(rows), note))
    return tables
