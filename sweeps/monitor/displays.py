"""Displays for a table that changes: a terminal, or a notebook's output cell."""

from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table


class Display(Protocol):
    """Shows a table in place of the one before."""

    seconds: float
    """Least time between two tables."""

    def show(self, table: Table) -> None:
        """Show a table."""

    def close(self, table: Table) -> None:
        """Leave the last table."""


def display_on(console: Console) -> Display | None:
    """The display that suits a console; None where only lines can be printed."""
    if console.is_jupyter:
        return NotebookDisplay()
    return TerminalDisplay(console) if console.is_terminal else None


class TerminalDisplay:
    """Redraws the table at the bottom of a terminal."""

    seconds = 0.2

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, table: Table) -> None:
        """Redraw."""
        self._live.update(table, refresh=True)

    def close(self, table: Table) -> None:
        """Print the last table for good."""
        self._live.stop()
        self._console.print(table)


class NotebookDisplay:
    """Updates one output of a notebook cell; IPython is all it needs."""

    seconds = 1.0

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, table: RenderableType) -> None:
        """Display the table, or update the one displayed before."""
        from IPython.display import display

        if self._handle is None:
            self._handle = display(table, display_id=True)
        else:
            self._handle.update(table)

    def close(self, table: Table) -> None:
        """Update for the last time."""
        self.show(table)
