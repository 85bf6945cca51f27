"""Turn the results of a sweep into means, intervals, tests, figures and a report: tables in, tables out.

>>> from analysis import compare, load, report
>>> results = load("results/digits")
>>> compare(results, {"dagan_aug": ["c_aug"]})
>>> report(results, "report", compare={"dagan_aug": ["c_aug"]})
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.accounting.costs import costs
    from analysis.accounting.outcomes import counts, outcome_shares
    from analysis.comparison.ablation import contributions
    from analysis.comparison.across_cells import aggregate, improvement, profiles
    from analysis.comparison.confirmed import confirmed
    from analysis.comparison.differences import compare, explore
    from analysis.comparison.image_quality import quality_and_gain
    from analysis.comparison.means import means
    from analysis.comparison.published import published
    from analysis.data.results import load, load_confusions, load_curves, write_tables
    from analysis.errors import ResultsError
    from analysis.reports.accuracy_table import table
    from analysis.reports.report import Report, report, write_report
    from analysis.search.budget import budget_curves
    from analysis.search.early_stopping import rungs_and_finals
    from analysis.search.importance import importance
    from analysis.search.late_gains import late_gains
    from analysis.search.range_edges import edges
    from analysis.search.response import responses
    from analysis.search.suggestions import best_suggestions, search_progress
    from analysis.search.thoroughness import thoroughness
    from analysis.statistics.corrections import benjamini_hochberg, holm
    from analysis.statistics.intervals import Interval, bca_interval, t_interval
    from analysis.statistics.power import detectable_difference, plan_seeds, seeds_needed
    from analysis.statistics.rank_correlation import rank_correlations
    from analysis.statistics.sign_flips import sign_flip_p, smallest_attainable_p

# Each name is imported when it is first used: `sweeps --help` must not wait for pandas and matplotlib.
_HOMES = {
    "costs": "accounting.costs",
    **dict.fromkeys(("counts", "outcome_shares"), "accounting.outcomes"),
    "contributions": "comparison.ablation",
    **dict.fromkeys(("aggregate", "improvement", "profiles"), "comparison.across_cells"),
    "confirmed": "comparison.confirmed",
    **dict.fromkeys(("compare", "explore"), "comparison.differences"),
    "quality_and_gain": "comparison.image_quality",
    "means": "comparison.means",
    "published": "comparison.published",
    **dict.fromkeys(("load", "load_confusions", "load_curves", "write_tables"), "data.results"),
    "ResultsError": "errors",
    "table": "reports.accuracy_table",
    **dict.fromkeys(("Report", "report", "write_report"), "reports.report"),
    "budget_curves": "search.budget",
    "rungs_and_finals": "search.early_stopping",
    "importance": "search.importance",
    "late_gains": "search.late_gains",
    "edges": "search.range_edges",
    "responses": "search.response",
    **dict.fromkeys(("best_suggestions", "search_progress"), "search.suggestions"),
    "thoroughness": "search.thoroughness",
    **dict.fromkeys(("benjamini_hochberg", "holm"), "statistics.corrections"),
    **dict.fromkeys(("Interval", "bca_interval", "t_interval"), "statistics.intervals"),
    **dict.fromkeys(("detectable_difference", "plan_seeds", "seeds_needed"), "statistics.power"),
    "rank_correlations": "statistics.rank_correlation",
    **dict.fromkeys(("sign_flip_p", "smallest_attainable_p"), "statistics.sign_flips"),
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
    "late_gains",
    "load",
    "load_confusions",
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
    "thoroughness",
    "write_report",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOMES[name]}"), name)
