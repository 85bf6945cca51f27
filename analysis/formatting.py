"""Format numbers in one way for terminal, report and figures."""

import math
from collections.abc import Sequence

MINUS = "−"


def percent(accuracy: float) -> str:
    """Format an accuracy of 0..1 in per cent with one decimal, without the sign: 0.8419 → 84.2."""
    return "–" if math.isnan(accuracy) else f"{100 * accuracy:.1f}"


def points(difference: float) -> str:
    """Format a signed difference of accuracies in percentage points with one decimal: 0.023 → +2.3."""
    if math.isnan(difference):
        return "–"
    text = f"{100 * difference:+.1f}"
    return "0.0" if text[1:] == "0.0" else text.replace("-", MINUS)


def interval(low: float, high: float) -> str:
    """Format the limits of a difference in points, or say that there are none."""
    return "no interval" if math.isnan(low) else f"{points(low)} to {points(high)}"


def correlation(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Format a correlation with two decimals and, where it has any, its limits: `0.41 (−0.13 to 0.76)`."""
    if math.isnan(value):
        return "–"
    limits = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
    return f"{value:.2f}{limits}".replace("-", MINUS)


def p_value(p: float) -> str:
    """Format a p value with two significant figures: 0.0312 → 0.031, below 0.001 only that."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"


def p_statement(p: float) -> str:
    """Format a p value as a statement: `p = 0.031` or `p < 0.001`."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def plural(count: int, noun: str, several: str = "") -> str:
    """Count a noun: `1 seed`, `8 seeds`; `several` is the plural of a noun that does not just take an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or noun + 's'}"


def listed(items: Sequence[str], most: int = 4) -> str:
    """Join items as `a, b and c`; those beyond `most` are counted instead of named."""
    shown = list(items[:most]) + ([f"{len(items) - most} more"] if len(items) > most else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def duration(seconds: float) -> str:
    """Format wall time in the unit that suits it: `48 s`, `12 min`, `3.4 h`."""
    if math.isnan(seconds):
        return "–"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def quantity(value: float) -> str:
    """Format a cost with three significant figures and no exponent below a million: `0.0123`, `4.56`, `1,230`."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(ratio: float) -> str:
    """Format a ratio of costs with the sign: `0.8 ×`, `2.4 ×`, `12 ×`."""
    return f"{ratio:,.0f} ×" if ratio >= 9.95 else f"{ratio:.1f} ×"


def tflop(pflop: float) -> str:
    """Format a cost given in PFLOP in TFLOP, 10^12 counted operations."""
    return quantity(1000 * pflop)
