"""What takes no network on the images of a study: references such as a logistic regression on pixels, as a table."""

from pathlib import Path

import pandas as pd

REFERENCES = "references.csv"
COLUMNS = {
    "dataset": "str",
    "samples_per_class": "int64",
    "images": "str",
    "seed": "int64",
    "reference": "str",
    "test_accuracy": "float64",
}


def load_references(directory: Path) -> pd.DataFrame:
    """Read what a study directory holds of references: a row for each cell, seed and reference.

    Columns: dataset, samples_per_class, images (a hash of what was measured on), seed, reference, test_accuracy (0..1).
    A file that is damaged counts as absent.
    """
    try:
        table = pd.read_csv(directory / REFERENCES, dtype=COLUMNS, usecols=list(COLUMNS), keep_default_na=False)
    except (OSError, ValueError):  # pandas raises ValueErrors of its own
        table = no_references()
    return table[table["test_accuracy"].between(0, 1)].reset_index(drop=True)


def no_references() -> pd.DataFrame:
    """Return the table of a study in which nobody has measured them."""
    return pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
