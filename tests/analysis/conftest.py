"""What the tests of analysis share: a study to read, and entries for its ledger."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import entry, write_study

from analysis import Report, write_report


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a study directory and returns it; keywords change the usual one."""

    def make(**changes: Any) -> Path:
        return write_study(tmp_path / "results" / changes.get("name", "digits"), **changes)

    return make


@pytest.fixture
def make_entry() -> Callable[..., dict[str, Any]]:
    return entry


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the usual study, written once for all tests that only read it."""
    return write_report(write_study(tmp_path_factory.mktemp("results") / "digits", pictures=True))
