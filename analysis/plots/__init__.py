"""Draw figures from tables, computing nothing; each states its unit, its n and its kind of interval."""

from analysis.plots.comparison import accuracy_by_method, accuracy_by_size, contributions, forest
from analysis.plots.confusion import confusion
from analysis.plots.cost import cost
from analysis.plots.learning import learning_curves, losses
from analysis.plots.search import budget_curves, importance, parameter_effects, search_progress
from analysis.plots.svg import inline_svg, png, svg

__all__ = [
    "accuracy_by_method",
    "accuracy_by_size",
    "budget_curves",
    "confusion",
    "contributions",
    "cost",
    "forest",
    "importance",
    "inline_svg",
    "learning_curves",
    "losses",
    "parameter_effects",
    "png",
    "search_progress",
    "svg",
]
