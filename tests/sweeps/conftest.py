"""Fixtures of the sweep tests."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeps.cli import main


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[[Mapping[str, Any]], Path]:
    """Writes a study into a file."""

    def write(tree: Mapping[str, Any]) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(dict(tree), sort_keys=False))
        return path

    return write


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """What `sweeps` answers in this process, in the folder of the test: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def answer(*words):
        monkeypatch.setattr(sys, "argv", ["sweeps", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return answer
