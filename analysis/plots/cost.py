"""Figure of what each method cost."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from analysis.data.columns import PHASES
from analysis.formatting import duration, tflop
from analysis.methods import look, ordered
from analysis.plots.canvas import MUTED, bare_rows, canvas, label_points, note, styled


@styled
def cost(costs: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Draw the compute of each method in TFLOP: search (pale), confirm, and the sum had nothing been shared.

    Columns as `analysis.accounting.costs.costs`: phase, method, trials, pflop, pflop_unshared, wall_seconds.
    """
    shown = ordered(costs["method"], methods)
    figure, axes = canvas(1.2 + 0.27 * max(len(shown), 1))
    axes.grid(visible=False, axis="y")
    for place, method in enumerate(shown):
        before = 0.0
        for phase, strength in zip(PHASES, (0.45, 1.0), strict=True):
            for row in costs[(costs["method"] == method) & (costs["phase"] == phase)].to_dict("records"):
                width = 1000 * row["pflop"]
                colour = look(method, shown).colour
                axes.barh(place, width, left=before, height=0.6, color=colour, alpha=strength, linewidth=0)
                words = f"{method}, {phase}: {row['trials']} trials, {tflop(row['pflop'])} TFLOP"
                label_points(axes, [before + width / 2], [place], [f"{words}, {duration(row['wall_seconds'])}"])
                before += width
        unshared = 1000 * float(costs.loc[costs["method"] == method, "pflop_unshared"].sum())
        if unshared > before * 1.001:
            axes.plot([unshared] * 2, [place - 0.35, place + 0.35], color=MUTED, linewidth=1.6)
    bare_rows(axes, shown)
    axes.set_xlim(left=0)
    axes.set_xlabel("compute, TFLOP")
    counted = int(costs["trials"].sum())
    note(figure, f"pale: search, full: confirm; grey line: if nothing were shared; counted over n = {counted:,} trials")
    return figure
