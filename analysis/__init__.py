"""A table in, a table out: the evidence of a sweep as means, intervals, tests, figures and a report.

>>> from analysis import compare, load, report
>>> results = load("results/digits")
>>> compare(results, {"dagan_aug": ["c_aug"]})
>>> report(results, "report", compare={"dagan_aug": ["c_aug"]})
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.accounting import best_suggestions, costs, counts, search_progress
    from analysis.accuracy_table import table
    from analysis.comparison import compare, explore, means
    from analysis.confirmation import confirmed
    from analysis.corrections import benjamini_hochberg, holm
    from analysis.errors import ResultsError
    from analysis.intervals import Interval, bca_interval, t_interval
    from analysis.papers import published
    from analysis.power import detectable_difference, plan_seeds, seeds_needed
    from analysis.publication import Report, report, write_report
    from analysis.results import load, load_curves, write_tables
    from analysis.sign_flips import sign_flip_p, smallest_attainable_p

# Each name is imported when it is first used: `sweeps --help` must not wait for pandas and matplotlib.
_HOMES = {
    **dict.fromkeys(("best_suggestions", "costs", "counts", "search_progress"), "accounting"),
    **dict.fromkeys(("compare", "explore", "means"), "comparison"),
    "confirmed": "confirmation",
    **dict.fromkeys(("Report", "report", "write_report"), "publication"),
    "published": "papers",
    "table": "accuracy_table",
    **dict.fromkeys(("benjamini_hochberg", "holm"), "corrections"),
    "ResultsError": "errors",
    **dict.fromkeys(("Interval", "bca_interval", "t_interval"), "intervals"),
    **dict.fromkeys(("detectable_difference", "plan_seeds", "seeds_needed"), "power"),
    **dict.fromkeys(("load", "load_curves", "write_tables"), "results"),
    **dict.fromkeys(("sign_flip_p", "smallest_attainable_p"), "sign_flips"),
}

__all__ = [
    "Interval",
    "Report",
    "ResultsError",
    "bca_interval",
    "benjamini_hochberg",
    "best_suggestions",
    "compare",
    "confirmed",
    "costs",
    "counts",
    "detectable_difference",
    "explore",
    "holm",
    "load",
    "load_curves",
    "means",
    "plan_seeds",
    "published",
    "report",
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
