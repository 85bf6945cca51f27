"""The rules of the house: what imports what, and how much a folder holds.

`lint-imports` says the rest, by the contracts in `pyproject.toml`. Here is that it would notice, and what a fresh
interpreter loads: imports inside functions are there so that verbs start at once.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("dagan", "sweeps", "analysis")
MOST_FILES = 12
"""Python files of a folder, `__init__.py` not counted."""


def loaded(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after running the code."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in answer.stdout.split()}


def test_planning_a_study_loads_nothing_heavy():
    code = """
from sweeps.cli import app
from sweeps.forecast.estimate.costs import estimate
from sweeps.study.files import load
estimate(load("digits"))
"""
    assert not loaded(code) & {"torch", "torchvision", "ray", "wandb", "pandas", "matplotlib", "sklearn", "optuna"}


def test_the_driver_keeps_torch_out():
    modules = (
        "run.experiment",
        "run.controller",
        "run.worker",
        "run.tune.adapters",
        "run.tune.executor",
        "monitor.wandb_runs",
        "monitor.live_table",
        "outputs.best_configs",
    )
    found = loaded("".join(f"import sweeps.{name}\n" for name in modules))
    assert "ray" in found
    assert "torch" not in found


def test_an_inline_run_starts_without_ray():
    found = loaded("import sweeps.cli.running, sweeps.run.experiment, sweeps.run.inline")
    assert "optuna" in found
    assert "ray" not in found


def test_a_report_loads_optuna_only_for_importances():
    found = loaded("import analysis.reports.report, analysis.search.importance")
    assert "pandas" in found
    assert "optuna" not in found


def folders(top: Path) -> dict[str, int]:
    """The folders of the packages and their tests, with the number of Python files that one reads there."""
    found = {}
    for folder in (top / name for name in (*PACKAGES, "tests")):
        for inside in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            found[str(inside.relative_to(top))] = len({*inside.glob("*.py")} - {inside / "__init__.py"})
    return found


def test_no_folder_holds_more_files_than_one_looks_through():
    counted = folders(ROOT)
    assert {"dagan/training", "sweeps/study", "analysis/data", "tests/sweeps/study"} <= counted.keys()
    assert {name: count for name, count in counted.items() if count > MOST_FILES} == {}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the packages with the contracts, to break."""
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken(house: Path) -> str:
    """What `lint-imports` says of the contracts that a house does not keep; empty where it keeps them all."""
    answer = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=house,
        env=os.environ | {"PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
    )
    assert " kept, " in answer.stdout, answer.stderr
    found = answer.stdout.partition("Broken contracts")[2]
    assert answer.returncode == bool(found)
    return found


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        (
            "sweeps/study/space.py",
            "import sweeps.planning.trial",
            "sweeps.study is not allowed to import sweeps.plan",
        ),
        ("sweeps/new/__init__.py", "", "- sweeps.new"),
        ("sweeps/study/space.py", "import sweeps.study.schema", "No cycles are allowed in sweeps.study."),
        ("dagan/errors.py", "import sweeps.study.space", "dagan is not allowed to import sweeps"),
        ("dagan/errors.py", "def late():\n    import optuna", "dagan is not allowed to import optuna"),
        ("analysis/errors.py", "import torch", "analysis is not allowed to import torch"),
        ("sweeps/planning/trial.py", "def late():\n    import ray", "sweeps.planning is not allowed to import ray"),
        ("sweeps/run/worker.py", "def late():\n    import wandb", "sweeps.run is not allowed to import wandb"),
    ],
)
def test_an_import_against_the_rules_is_noticed(house, file, line, message):
    path = house / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        assert message in broken(house)
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before, encoding="utf-8")


def test_the_house_keeps_its_rules(house):
    assert broken(house) == ""
