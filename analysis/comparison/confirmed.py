"""The confirm trials that count as evidence: those of the latest configuration of each method."""

import pandas as pd

from analysis.data.columns import CELL_METHOD
from analysis.data.tidy import of_reference
from analysis.errors import ResultsError

PLACE = [*CELL_METHOD, "point"]


def confirmed(results: pd.DataFrame) -> pd.DataFrame:
    """Select the confirm trials that count as evidence: those of the latest configuration of each cell and method.

    A study that went on with a bigger budget may have confirmed an earlier choice on the same seeds. The
    earlier trials stay in the table; here the configuration with the newest `provenance.finished_at` stands
    for the method. Of a design it is the point that the others are compared with.

    Raises:
        ResultsError: Two studies confirmed a seed with different settings, or a seed was confirmed twice and no
            `provenance.finished_at` says which is the newer.
    """
    return confirmed_at_points(of_reference(results))


def confirmed_at_points(results: pd.DataFrame) -> pd.DataFrame:
    """Select the confirm trials that count as evidence at each point of a design, by the rules of `confirmed`."""
    trials = results[results["phase"] == "confirm"]
    trials = trials if "point" in trials else trials.assign(point="")
    repeated = trials.duplicated([*PLACE, "seed"], keep=False)
    if not repeated.any():
        return trials
    # One training that two studies share is one trial; two trainings of one seed are not one evidence.
    trials = trials.drop_duplicates([*PLACE, "seed", "signature"])
    repeated = trials.duplicated([*PLACE, "seed"], keep=False)
    studies = trials[repeated].groupby([*PLACE, "seed"])["study"].unique().reset_index()
    for row in studies[studies["study"].map(len) > 1].to_dict("records"):
        raise ResultsError(
            f"a seed must be confirmed by one study, but {' and '.join(row['study'])} both confirmed {row['dataset']} "
            f"n={row['samples_per_class']} {row['method']} seed {row['seed']} with different settings. "
            f"Keep one: results[results['study'] == '{row['study'][0]}']."
        )
    if "provenance.finished_at" not in trials or trials.loc[repeated, "provenance.finished_at"].isna().any():
        first = trials[repeated].iloc[0]
        raise ResultsError(
            "a seed must be confirmed once per dataset, size and method, but "
            f"{first['dataset']} n={first['samples_per_class']} {first['method']} seed {first['seed']} is "
            "there more than once. Keep the rows of one configuration."
        )
    return _latest(trials, repeated)


def measured(trials: pd.DataFrame) -> pd.DataFrame:
    """Select the trials that completed with a test accuracy, over which means and differences are taken."""
    return trials[(trials["status"] == "completed") & trials["test_accuracy"].notna()]


def _latest(trials: pd.DataFrame, repeated: pd.Series) -> pd.DataFrame:
    # The seed and the machine are not the choice.
    settings = [
        name
        for name in trials.columns
        if name.startswith("config.") and not name.startswith("config.compute.") and not name.endswith("seed")
    ]
    text = trials[settings].astype("string").fillna("")
    by_age = trials[PLACE].assign(
        choice=text.groupby(settings, sort=False).ngroup() if settings else 0,
        repeated=repeated,
        seed=trials["seed"],
        finished_at=trials["provenance.finished_at"],
    )
    by_age = by_age.sort_values("finished_at", kind="stable")
    groups = by_age.groupby(PLACE, sort=False)
    current = by_age["choice"] == groups["choice"].transform("last")
    kept = by_age[current | ~groups["repeated"].transform("any")].drop_duplicates([*PLACE, "seed"], keep="last")
    return trials.loc[kept.index.sort_values()]
