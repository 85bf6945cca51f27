"""Means of references, and the methods behind them."""

import math

import pandas as pd
import pytest
from synthetic import table

from analysis.comparison.differences import compare
from analysis.comparison.means import means
from analysis.comparison.references import behind, reference_means
from analysis.findings.references import no_references
from analysis.reports.accuracy_table import accuracy_tables
from analysis.reports.limits import falling_behind


@pytest.fixture
def measured():
    """Two references over three seeds: means 0.6 and 0.7."""
    rows = [
        ("digits", 5, "hash", seed, name, value)
        for name, values in (("nearest neighbour", (0.6, 0.7, 0.8)), ("logistic regression", (0.5, 0.6, 0.7)))
        for seed, value in enumerate(values)
    ]
    return reference_means(pd.DataFrame(rows, columns=list(no_references())))


def test_means_over_seeds_with_their_intervals(measured):
    assert measured["reference"].tolist() == ["logistic regression", "nearest neighbour"]
    assert measured["mean"].tolist() == pytest.approx([0.6, 0.7])
    assert measured["n"].tolist() == [3, 3]
    half = 4.302653 * 0.1 / math.sqrt(3)  # the 97.5 % quantile of t with 2 degrees of freedom
    assert measured["low"].tolist() == pytest.approx([0.6 - half, 0.7 - half])
    assert measured["high"].tolist() == pytest.approx([0.6 + half, 0.7 + half])


def test_methods_below_the_best_reference_are_named(measured):
    averages = means(table({"c": [0.65], "dagan": [0.75], "c_aug": [0.5]}))
    found = behind(averages, measured)
    assert found["method"].tolist() == ["c", "c_aug"]
    assert set(found["reference"]) == {"nearest neighbour"}
    (said,) = falling_behind(found)
    assert said == (
        "On digits with 5 per class c (65.0 %) and c_aug (50.0 %) are below nearest neighbour on pixels (70.0 %), "
        "which takes no network: mend the settings before any comparison is believed."
    )
    assert behind(averages, reference_means(no_references())).empty
    other = measured.assign(samples_per_class=10)
    assert behind(averages, other).empty


def test_references_are_the_last_rows_of_a_table_the_best_first(measured):
    results = table({"c": [0.65]})
    (shown,) = accuracy_tables(results, means(results), compare(results, {}), references=measured)
    assert [name for name, _ in shown.references] == ["nearest neighbour", "logistic regression"]
    (entry,) = shown.references[0][1]
    assert (entry.value, entry.half) == ("70.0", "24.8")
