"""Fixtures of the sweep tests."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[[Mapping[str, Any]], Path]:
    """Writes a study into a file."""

    def write(tree: Mapping[str, Any]) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(dict(tree), sort_keys=False))
        return path

    return write
