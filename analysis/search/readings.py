"""What is read off one training: the KC by which a suggestion of the search counts, and its accuracy there."""

import numpy as np
import pandas as pd

from analysis.data.columns import CELL_METHOD

READING = "readings."
ITERATIONS, EPOCHS = "config.classifier.iterations", "config.classifier.epochs"
KC = (ITERATIONS, EPOCHS)


def at_best_kc(results: pd.DataFrame) -> pd.DataFrame:
    """Replace KC and validation accuracy of completed search trials by those at which their suggestions count.

    A search trial trains to the largest KC of the space, and columns `readings.KC` hold its validation accuracy at each
    KC; its suggestion counts by the highest mean over its seeds, of equals at the shortest KC. Trials without such
    columns stay as they are.
    """
    columns = sorted((str(name) for name in results if str(name).startswith(READING)), key=kc_of)
    rows = results[(results["phase"] == "search") & (results["status"] == "completed")] if columns else results[:0]
    rows = rows[rows[columns].notna().any(axis=1)]
    if rows.empty:
        return results
    keys = [name for name in (*CELL_METHOD, "point", "trial") if name in rows]
    accuracies = rows[columns].astype(float)
    means = accuracies.groupby([rows[name] for name in keys]).transform("mean")
    best = means.fillna(-1.0).to_numpy().argmax(axis=1)  # the first of equals
    accuracy = accuracies.to_numpy()[np.arange(len(rows)), best]
    kc = np.array([kc_of(name) for name in columns])[best]
    found = results.copy()
    found.loc[rows.index, "validation_accuracy"] = accuracy
    if EPOCHS in found:
        epochs = pd.to_numeric(rows[EPOCHS]) * kc / pd.to_numeric(rows[ITERATIONS])
        found.loc[rows.index, EPOCHS] = epochs
    found.loc[rows.index, ITERATIONS] = kc
    return found


def by_kc(results: pd.DataFrame) -> pd.DataFrame:
    """List the accuracy of each suggestion at each KC that was read off its trainings, the mean over its seeds.

    Columns: dataset, samples_per_class, method, trial, completed (true), accuracy, and KC as in the config columns.
    Empty where nothing was read off.
    """
    columns = [str(name) for name in results if str(name).startswith(READING)]
    rows = results[(results["phase"] == "search") & (results["status"] == "completed")]
    rows = rows.assign(longest=pd.to_numeric(rows[ITERATIONS])) if columns else rows[:0].assign(longest=1)
    kept = [name for name in (*CELL_METHOD, "trial", "longest", EPOCHS) if name in rows]
    long = rows.melt(kept, columns, "kc", "accuracy")
    long = long.dropna(subset="accuracy")
    long[ITERATIONS] = long["kc"].map(kc_of).astype(int) if len(long) else []
    if EPOCHS in long:
        long[EPOCHS] = pd.to_numeric(long[EPOCHS]) * long[ITERATIONS] / long["longest"]
    keys = [*CELL_METHOD, "trial", *(name for name in KC if name in long)]
    means = long.groupby(keys, sort=False, dropna=False)["accuracy"].mean().reset_index()
    return means.assign(completed=True)


def sampled(suggestions: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Return suggestions without KC where it was read off their trainings: chosen afterwards, it explains nothing."""
    read_off = any(str(name).startswith(READING) for name in results)
    return suggestions.drop(columns=list(KC), errors="ignore") if read_off else suggestions


def kc_of(column: str) -> int:
    """Return the KC, in iterations, of a column `readings.KC`."""
    return int(column.removeprefix(READING))
