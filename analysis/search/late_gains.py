"""Whether trainings were long enough: what their curves still gain at the end."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from analysis.comparison.confirmed import confirmed_at_points
from analysis.data.columns import CELL_METHOD

MEASURES = {"generation": "diversity", "classification": "validation_accuracy"}
"""What is looked at in each stage."""
ITERATIONS = {"generation": "config.gan.iterations", "classification": "config.classifier.iterations"}
DIVERSITY = 0.03
"""Gain in diversity that counts: the spread of 64 real images is known to 3 %."""
MOST = 32  # trials of a cell, method and phase; more would not move the mean
KEYS = [*CELL_METHOD, "stage"]


def late_gains(curves: pd.DataFrame, smallest_difference: float = 0.5) -> pd.DataFrame:
    """Measure what the longest trainings of each stage still gained in their last quarter.

    `curves` as from `analysis.load_curves`. In stage 2 it is validation accuracy, which search trials have; in stage 1
    the diversity of the generated images, which is low while a GAN draws blurs and rises towards 1, of the confirm
    trials or, before there are any, of the search. A trial's gain is its mean over the last quarter of the iterations
    less that over the quarter before; trials that end before the longest of their cell and method do not count, and
    those that share a stage 1 count once.

    Columns: dataset, samples_per_class, method, stage, iterations (of the longest), n (trials), end (mean over the last
    quarter), gain, low, high (95 % Student t interval over trials, nan for one) and improving: `yes` if the interval
    lies above zero and the gain counts, which takes `smallest_difference` points in stage 2 and 0.03 in stage 1; `no`
    if no gain that counts lies in the interval; else `unclear`.
    """
    tables = [_gains(curves, stage, measure) for stage, measure in MEASURES.items() if measure in curves]
    trials = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*KEYS, "end", "gain", "length"])
    groups = trials.groupby(KEYS, sort=False)
    table = groups.agg(iterations=("length", "max"), n=("gain", "size"), end=("end", "mean"), mean=("gain", "mean"))
    table = table.rename(columns={"mean": "gain"})
    spread = groups["gain"].std().to_numpy(dtype=float)
    n = table["n"].to_numpy(dtype=float)
    half = stats.t.ppf(0.975, np.where(n > 1, n - 1, np.nan)) * spread / np.sqrt(n)
    table["low"], table["high"] = table["gain"] - half, table["gain"] + half
    table = table.reset_index()
    least = table["stage"].map({"generation": DIVERSITY, "classification": smallest_difference / 100}).astype(float)
    table["improving"] = "unclear"
    table.loc[table["high"] < least, "improving"] = "no"
    table.loc[(table["low"] > 0) & (table["gain"] >= least), "improving"] = "yes"
    return table


def _gains(curves: pd.DataFrame, stage: str, measure: str) -> pd.DataFrame:
    """One row per trial that is as long as the longest: end and gain of one stage."""
    points = curves[(curves["stage"] == stage) & curves[measure].notna()]
    points = _of_phase(points, "confirm")
    points = points.assign(length=points.groupby("signature")["iteration"].transform("max"))
    points = points[points["length"] == points.groupby(CELL_METHOD)["length"].transform("max")]
    quarter = np.ceil(4 * points["iteration"] / points["length"])
    trials = points.drop_duplicates("signature").set_index("signature")[[*CELL_METHOD, "seed", "length"]]
    for name, number in (("before", 3), ("end", 4)):
        trials[name] = points[quarter == number].groupby("signature")[measure].mean()
    trials = trials.dropna(subset=["before", "end"]).assign(stage=stage, gain=lambda rows: rows["end"] - rows["before"])
    return trials.drop_duplicates([*CELL_METHOD, "seed", "before", "end"]) if stage == "generation" else trials


def lengths(results: pd.DataFrame, classes: Mapping[str, float]) -> pd.DataFrame:
    """Find the longest trainings of each cell, method and stage, of those trials that `late_gains` looks at.

    `classes` has the number of classes by data set, as far as it is known. Where there is no search, stage 2 is that of
    the confirm trials. Columns: dataset, samples_per_class, method, stage, iterations, epochs (passes over the real
    training images; nan where it is unknown or differs between the trials).
    """
    trials, tables = longest(results), [pd.DataFrame(columns=[*KEYS, "iterations", "epochs"])]
    for stage, key in ITERATIONS.items():
        if key in trials:
            known = _of_phase(trials[trials[key].notna()], "confirm" if stage == "generation" else "search")
            known = known[known[key] == known.groupby(CELL_METHOD)[key].transform("max")]
            known = known.assign(epochs=_epochs(known, key, classes))
            table = known.groupby(CELL_METHOD, sort=False).agg(
                iterations=(key, "max"), epochs=("epochs", "max"), least=("epochs", "min")
            )
            table["epochs"] = table["epochs"].where(table["epochs"] == table.pop("least"))
            tables.append(table.reset_index().assign(stage=stage))
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _epochs(trials: pd.DataFrame, key: str, classes: Mapping[str, float]) -> pd.Series:
    """Epochs as the settings say them, else counted: iterations · B / (K · n)."""
    unknown = pd.Series(np.nan, index=trials.index)
    images = trials["dataset"].map(dict(classes)).astype(float) * trials["samples_per_class"].astype(float)
    counted = trials[key].astype(float) * trials.get("config.classifier.batch_size", unknown).astype(float) / images
    # Validation within the n images holds some of them back; how many is not known here.
    held = (trials.get("config.data.validation", unknown) == "within") & (trials["phase"] == "search")
    return trials.get(key.replace("iterations", "epochs"), unknown).astype(float).fillna(counted.mask(held))


def _of_phase(rows: pd.DataFrame, phase: str) -> pd.DataFrame:
    """Rows of a phase in each cell and method that has it; all rows of the others."""
    here = rows["phase"] == phase
    return rows[here | ~here.groupby([rows[name] for name in CELL_METHOD]).transform("any")]


def longest(results: pd.DataFrame) -> pd.DataFrame:
    """Select the completed trials of which `late_gains` needs the curves: the longest of each stage and phase."""
    trials = pd.concat([results[results["phase"] == "search"], confirmed_at_points(results)])
    done, groups = trials[trials["status"] == "completed"], [*CELL_METHOD, "phase"]
    found = [done.head(0)]
    for key in ITERATIONS.values():
        if key in done:
            lasting = done[done[key] == done.groupby(groups)[key].transform("max")]
            found.append(lasting.groupby(groups, sort=False).head(MOST))
    return pd.concat(found).drop_duplicates("signature")
