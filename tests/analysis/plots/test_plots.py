"""Figures draw what their tables say, name axes, units, n and interval, and keep their points' words."""

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from analysis import costs, load, plots
from analysis.comparison.learning_curves import average_curves
from analysis.plots.canvas import LINE, canvas, label_points

METHODS = ("c", "dagan")


def words(figure) -> str:
    """All text of a figure, lines joined."""
    found = re.findall(r"<text[^>]*>(.*?)</text>", plots.svg(figure), re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", text) for text in found))


def titles(figure) -> list[str]:
    return [unescape(t) for t in re.findall(r'class="point"[^>]*><title>(.*?)</title>', plots.svg(figure))]


BUDGET = pd.DataFrame(
    [
        {"method": m, "tried": k, "of": 4, "pflop": 0.002 * k, "expected": 0.6 + 0.01 * k}
        | {"low": 0.55 if k == 1 else np.nan, "high": 0.7 if k == 1 else np.nan}
        for m in METHODS
        for k in (1, 2, 4)
    ]
)
EFFECTS = pd.DataFrame(
    [
        {"method": "dagan", "value": value, "mean": 0.6, "low": 0.55, "high": 0.65, "n": 4}
        for value in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    ]
)
IMPORTANCE = pd.DataFrame(
    [("c", "classifier.rate", 0.9), ("dagan", "classifier.rate", 0.3), ("dagan", "gan.iterations", 0.7)],
    columns=["method", "parameter", "importance"],
).assign(n=12)
ABLATION = pd.DataFrame(
    [
        ("loss", "joint", -0.02, -0.03, -0.01, 8, "worse"),
        ("head", "K+1", 0.001, -0.01, 0.012, 8, "no difference shown"),
        ("none", "x", np.nan, np.nan, np.nan, 0, "too few seeds"),
    ],
    columns=["factor", "level", "difference", "low", "high", "n", "verdict"],
)
TRIALS = pd.DataFrame({"method": "dagan", "value": [0.002, 0.05], "validation_accuracy": [0.6, 0.7], "trial": [3, 5]})


SHARES = pd.DataFrame(
    [("ape", "ape", 0.75), ("ape", "bee", 0.25), ("bee", "ape", 0.004), ("bee", "bee", 0.996)],
    columns=["label", "predicted", "share"],
).assign(n=4)


TELLING = {
    "confusion": ["class", "taken for", "%", "n = 4", "ape bee"],
    "budget": ["compute of the search, TFLOP", "expected best validation, %", "95 %", "n = 4"],
    "effects": ["gan.weight", "validation accuracy, %", "95 %", "n = 4"],
    "importance": ["gan.iterations", "importance, %", "n = 12", "no interval"],
    "contributions": ["loss: joint", "head: K+1", "points", "95 %", "n = 8"],
}


def figures():
    return {
        "confusion": plots.confusion(SHARES, "dagan"),
        "budget": plots.budget_curves(BUDGET),
        "effects": plots.parameter_effects(EFFECTS, "gan.weight"),
        "importance": plots.importance(IMPORTANCE),
        "contributions": plots.contributions(ABLATION),
    }


@pytest.mark.parametrize("name", TELLING)
def test_a_figure_names_axes_units_n_and_interval(name):
    text = words(figures()[name])
    assert [part for part in TELLING[name] if part not in text] == []


def test_a_confusion_is_read_by_rows_and_pales_with_its_share():
    drawn = plots.confusion(SHARES, "dagan")
    assert titles(drawn) == [
        "ape taken for ape: 75.0 %",
        "ape taken for bee: 25.0 %",
        "bee taken for ape: 0.4 %",
        "bee taken for bee: 99.6 %",
    ]
    (squares,) = drawn.axes[0].collections[:1]
    assert [round(colour[3], 3) for colour in squares.get_facecolors()] == [0.75, 0.25, 0.004, 0.996]
    boxes = [path.get_extents().bounds[:2] for path in squares.get_paths()]
    assert boxes == [(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)]
    assert sorted(text.get_text() for text in drawn.axes[0].texts) == ["100", "25", "75"]


def test_at_one_size_each_method_has_a_row():
    means = pd.DataFrame(
        [("dagan", 5, 3, 0.7, 0.65, 0.75), ("c", 5, 3, 0.6, 0.55, 0.65), ("c_aug", 5, 0, np.nan, np.nan, np.nan)],
        columns=["method", "samples_per_class", "n", "mean", "low", "high"],
    )
    trials = pd.DataFrame({"method": "c", "samples_per_class": 5, "seed": [0, 1], "test_accuracy": [0.58, 0.62]})
    drawn = plots.accuracy_by_method(means, trials=trials)
    axes = drawn.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "dagan"]
    assert [line.get_xdata()[0] for line in axes.lines] == [60.0, 70.0]
    assert titles(drawn) == [
        "c, 5 per class, seed 0: 58.0 %",
        "c, 5 per class, seed 1: 62.0 %",
        "c, 5 per class: 60.0 % (55.0 to 65.0), 3 seeds",
        "dagan, 5 per class: 70.0 % (65.0 to 75.0), 3 seeds",
    ]
    assert "5 images per class; 95 % Student t intervals over seeds; n = 3; pale dots: single seeds" in words(drawn)


def test_ablation_rows_without_data_are_left_out():
    assert "none: x" not in words(plots.contributions(ABLATION))


def test_budget_is_in_tflop_and_its_points_say_so():
    assert "dagan, 2 trials, 4 TFLOP: 62.0 %" in titles(plots.budget_curves(BUDGET))
    axes = plots.budget_curves(BUDGET).axes[0]
    assert axes.lines[0].get_xdata().tolist() == [2, 4, 8]


def test_a_parameter_over_decades_is_drawn_logarithmically_and_words_as_places():
    drawn = plots.parameter_effects(EFFECTS, "gan.weight")
    assert drawn.axes[0].get_xscale() == "log"
    assert "0.01" in words(drawn)
    assert "math" not in plots.svg(drawn)
    few = plots.parameter_effects(EFFECTS.head(2), "gan.weight")
    assert few.axes[0].get_xscale() == "linear"
    assert "0.001 0.002" in words(few)
    named = EFFECTS.head(3).assign(value=["joint", "pairwise", "none"])
    axes = plots.parameter_effects(named, "gan.loss").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["joint", "pairwise", "none"]
    assert titles(plots.parameter_effects(EFFECTS, "gan.weight", trials=TRIALS)) == [
        "dagan, suggestion 3: 0.002, 60.0 %",
        "dagan, suggestion 5: 0.05, 70.0 %",
    ]


def test_points_lie_where_they_are_drawn():
    figure, axes = canvas(2)
    axes.plot([0, 1], [0, 1], marker="o", gid="drawn")
    label_points(axes, [0, 1], [0, 1], ["<one> & only", "two"])
    file = plots.svg(figure)
    drawn = file.split('id="drawn"')[1]
    places = [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', drawn)][:2]
    told = [(float(x), float(y)) for x, y in re.findall(r'<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"', file)]
    np.testing.assert_allclose(told, places, atol=0.06)
    assert titles(figure) == ["<one> & only", "two"]
    assert "&lt;one&gt; &amp; only" in file


def test_cost_is_stacked_and_in_tflop(make_study):
    results = load(make_study(sizes=(5,)))
    figure = plots.cost(costs(results))
    told = titles(figure)
    assert "c, search: 8 trials, 80 TFLOP, 280 s" in told or "c, search: 8 trials, 80 TFLOP, 5 min" in told
    bars = figure.axes[0].patches
    assert [round(bar.get_width()) for bar in bars] == [80, 80, 80, 80, 160, 160, 160, 160]
    assert [round(bar.get_x()) for bar in bars] == [0, 80, 0, 80, 0, 160, 0, 160]


def test_learning_curves_have_bands_of_their_seeds():
    rows = [
        {"dataset": "d", "samples_per_class": 5, "method": "c", "stage": "classification", "iteration": 10}
        | {"validation_accuracy": value, "loss.real": 1.0}
        for value in (0.5, 0.6, 0.7)
    ]
    averages = average_curves(pd.DataFrame(rows))
    assert averages[["n", "validation_accuracy"]].iloc[0].tolist() == [3, pytest.approx(0.6)]
    half = 4.302653 * 0.1 / 3**0.5  # t of 2 degrees of freedom
    assert averages["low"].item() == pytest.approx(0.6 - half, abs=1e-6)
    assert averages["high"].item() == pytest.approx(0.6 + half, abs=1e-6)
    assert "95 % Student t intervals" in words(plots.learning_curves(averages))
    single = average_curves(pd.DataFrame(rows[:1]))
    assert single["low"].isna().all()
    assert "one seed; no interval" in words(plots.learning_curves(single))


def test_notes_are_broken_before_they_run_over_the_edge():
    for figure in (plots.budget_curves(BUDGET), plots.parameter_effects(EFFECTS, "x"), plots.contributions(ABLATION)):
        assert max(map(len, figure._supxlabel.get_text().splitlines())) <= LINE


def test_png_and_svg_are_the_same_each_time():
    assert plots.svg(plots.importance(IMPORTANCE)) == plots.svg(plots.importance(IMPORTANCE))
    assert plots.png(plots.importance(IMPORTANCE)) == plots.png(plots.importance(IMPORTANCE))


def test_one_huge_contribution_does_not_squeeze_the_others():
    few = ABLATION[ABLATION["n"] > 0]
    huge = few.tail(1).assign(factor="norm", level="off", difference=-0.34, low=-0.43, high=-0.25, verdict="worse")
    rows = pd.concat([few, few, few, few, huge])
    figure = plots.contributions(rows)
    low, high = figure.axes[0].get_xlim()
    assert -high == low == pytest.approx(-1.4 * 3)
    assert "−34.0" in words(figure)
    assert "arrow: beyond the axis" in words(figure)
    assert any(title.startswith("−34.0 points (−43.0 to −25.0), n = 8") for title in titles(figure))
    assert "arrow" not in words(plots.contributions(few))
