"""Verdicts: when a difference may be claimed, and what the seeds at hand could have shown."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.statistics.corrections import benjamini_hochberg, holm
from analysis.statistics.power import detectable_each, seeds_needed_each
from analysis.statistics.sign_flips import smallest_attainable_p

ALPHA = 0.05


def claimed(measured: pd.DataFrame, smallest_difference: float) -> pd.DataFrame:
    """Judge the rows of `paired_statistics` as one declared family: corrected p values and verdicts.

    Adds p_holm (corrected over all rows, empty ones included), p_holm_attainable (the least p_holm that the numbers of
    pairs allow) and verdict. `smallest_difference` is in percentage points.

    A difference is claimed only if p_holm < 0.05, the interval excludes zero and the difference reaches
    `smallest_difference`. Equal methods are then told apart in at most 5 % of families; methods of equal mean whose
    differences are strongly skewed in more (6 to 14 % at skewness 1.5, tests/benchmarks/README.md).
    """
    table = measured.copy()
    table["p_holm"] = holm(table["p"])
    # Holm is monotone: with every pair at its least attainable p, no row can do better than this.
    table["p_holm_attainable"] = holm([smallest_attainable_p(n) for n in table["n"]])
    table["verdict"] = _verdicts(table, table["p_holm"], table["p_holm_attainable"], smallest_difference)
    return table


def explored(measured: pd.DataFrame, smallest_difference: float) -> pd.DataFrame:
    """Judge the rows of `paired_statistics` as comparisons that nobody declared: q values and verdicts.

    Adds q (Benjamini and Hochberg's corrected p, over all rows) and verdict, as in `claimed` but by q: of the rows
    that are called better or worse, one in twenty at most is expected to be wrong. A finding to confirm, not a claim.
    """
    table = measured.copy()
    table["q"] = benjamini_hochberg(table["p"])
    attainable = pd.Series(benjamini_hochberg([smallest_attainable_p(n) for n in table["n"]]), table.index)
    table["verdict"] = _verdicts(table, table["q"], attainable, smallest_difference)
    return table


def judged(measured: pd.DataFrame, smallest_difference: float) -> pd.DataFrame:
    """Extend the table of `claimed` by what these and other numbers of pairs could show.

    Adds detectable_difference (0..1: what a sign-flip test of so many pairs finds in 80 % of studies), seeds_needed
    (the pairs with which it finds `smallest_difference`) and seeds_needed_seen (the pairs with which it finds the
    difference that was seen, were it the true one), all at Bonferroni's α, so rather too many, and with `sd` for the
    truth (inf: impossible; nan: sd is zero or unknown, or the difference zero).
    """
    table = claimed(measured, smallest_difference)
    alpha = ALPHA / max(len(table), 1)
    sd = table["sd"].where(table["sd"] > 0)  # without spread nothing is known of what other seeds would say
    table["detectable_difference"] = detectable_each(sd, table["n"].to_numpy(), alpha=alpha)
    # For every difference to count, no number of seeds is enough.
    smallest = math.nan if smallest_difference <= 0 else smallest_difference / 100
    seen = table["difference"].abs().where(table["difference"] != 0)
    table["seeds_needed"] = seeds_needed_each(sd, smallest, alpha=alpha, test="sign_flip")
    table["seeds_needed_seen"] = seeds_needed_each(sd, seen, alpha=alpha, test="sign_flip")
    return table


def _verdicts(
    table: pd.DataFrame, corrected: pd.Series, attainable: pd.Series, smallest_difference: float
) -> list[str]:
    """`better` or `worse`, with `but smaller than …`; else `no difference shown` or `too few seeds`.

    Where the interval excludes zero and the difference is large enough, these last two begin with what it looks like:
    `looks better, not shown`, `looks worse, too few seeds`. `corrected` are the p values in their family, `attainable`
    the least that the numbers of pairs allow.
    """
    rows = zip(table.to_dict("records"), corrected, attainable, strict=True)
    return [_verdict(row, p, least, smallest_difference) for row, p, least in rows]


def _verdict(row: Mapping[Any, Any], corrected: float, attainable: float, smallest_difference: float) -> str:
    direction = "better" if row["difference"] > 0 else "worse"
    excludes_zero = row["low"] > 0 or row["high"] < 0
    # A difference of exactly the smallest one reaches it, whatever the last bit says.
    small = abs(row["difference"]) * 100 < smallest_difference * (1 - 1e-9)
    if corrected < ALPHA and attainable < ALPHA and excludes_zero:
        return f"{direction}, but smaller than {smallest_difference:g} points" if small else direction
    if excludes_zero and not small:
        return f"looks {direction}, {'too few seeds' if attainable >= ALPHA else 'not shown'}"
    return "too few seeds" if attainable >= ALPHA else "no difference shown"
