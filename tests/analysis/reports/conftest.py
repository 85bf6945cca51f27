"""Reports without what a test does not look at."""

import pytest

from analysis import plots
from analysis.reports import report as publication
from analysis.reports.figures import Figures


@pytest.fixture
def without_figures(monkeypatch):
    """Figures take most of a report's time; the tests of its words do without."""
    monkeypatch.setattr(publication, "draw", lambda evidence: Figures())


@pytest.fixture
def without_png(monkeypatch):
    """The tests of pages look at the SVG alone."""
    monkeypatch.setattr(plots, "png", lambda figure: b"")
