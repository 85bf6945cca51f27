"""A table in, a table out: the evidence of a sweep as means, intervals, tests, figures and a report.

>>> from analysis import compare, load, report
>>> results = load("results/digits")
>>> compare(results, {"dagan_aug": ["c_aug"]})
>>> report(results, "report", compare={"dagan_aug": ["c_aug"]})
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.ablation import contributions
    from analysis.accounting import best_suggestions, costs, counts, outcome_shares, search_progress
    from analysis.accuracy_table import table
    from analysis.bounds import edges
    from analysis.budget import budget_curves
    from analysis.cells import aggregate, improvement, profiles
    from analysis.comparison import compare, explore, means
    from analysis.confirmation import confirmed
    from analysis.corrections import benjamini_hochberg, holm
    from analysis.correlation import quality_and_gain, rank_correlations, rungs_and_finals
    from analysis.errors import ResultsError
    from analysis.importances import importance
    from analysis.intervals import Interval, bca_interval, t_interval
    from analysis.papers import published
    from analysis.power import detectable_difference, plan_seeds, seeds_needed
    from analysis.publication import Report, report, write_report
    from analysis.response import responses
    from analysis.results import load, load_curves, write_tables
    from analysis.sign_flips import sign_flip_p, smallest_attainable_p

# Each name is imported when it is first used: `sweeps --help` must not wait for pandas and matplotlib.
_HOMES = {
    "contributions": "ablation",
    **dict.fromkeys(("best_suggestions", "costs", "counts", "outcome_shares", "search_progress"), "accounting"),
    **dict.fromkeys(("aggregate", "improvement", "profiles"), "cells"),
    "budget_curves": "budget",
    **dict.fromkeys(("compare", "explore", "means"), "comparison"),
    "confirmed": "confirmation",
    **dict.fromkeys(("Report", "report", "write_report"), "publication"),
    "published": "papers",
    "table": "accuracy_table",
    **dict.fromkeys(("quality_and_gain", "rank_correlations", "rungs_and_finals"), "correlation"),
    **dict.fromkeys(("benjamini_hochberg", "holm"), "corrections"),
    "edges": "bounds",
    "ResultsError": "errors",
    "importance": "importances",
    **dict.fromkeys(("Interval", "bca_interval", "t_interval"), "intervals"),
    **dict.fromkeys(("detectable_difference", "plan_seeds", "seeds_needed"), "power"),
    "responses": "response",
    **dict.fromkeys(("load", "load_curves", "write_tables"), "results"),
    **dict.fromkeys(("sign_flip_p", "smallest_attainable_p"), "sign_flips"),
}

__all__ = [
    "Interval",
    "Report",
    "ResultsError",
    "aggregate",
    "bca_interval",
    "benjamini_hochberg",
    "best_suggestions",
    "budget_curves",
    "compare",
    "confirmed",
    "contributions",
    "costs",
    "counts",
    "detectable_difference",
    "edges",
    "explore",
    "holm",
    "importance",
    "improvement",
    "load",
    "load_curves",
    "means",
    "outcome_shares",
    "plan_seeds",
    "profiles",
    "published",
    "quality_and_gain",
    "rank_correlations",
    "report",
    "responses",
    "rungs_and_finals",
    "search_progress",
    "seeds_needed",
    "sign_flip_p",
    "smallest_attainable_p",
    "t_interval",
    "table",
    "write_report",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOMES[name]}"), name)
