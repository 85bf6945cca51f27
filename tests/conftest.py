"""The order of the tests."""

from typing import Any

LONGEST = ("tests/sweeps/run", "tests/sweeps/cluster", "tests/sweeps/monitor")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Put the longest files first: whoever begins one last would work on it alone."""
    items.sort(key=lambda item: not any(folder in item.path.as_posix() for folder in LONGEST))
