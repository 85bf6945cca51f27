"""The import arrows of the three packages, each seen in a fresh interpreter."""

import subprocess
import sys

import pytest

FORBIDDEN = {
    "dagan": {"ray", "optuna", "wandb", "analysis", "sweeps"},
    "analysis": {"torch", "ray", "dagan", "sweeps", "optuna", "wandb"},
}
WALK = """
import importlib, pkgutil, sys
package = importlib.import_module({package!r})
for module in pkgutil.walk_packages(package.__path__, {package!r} + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*sys.modules)
"""


def loaded(code: str, *folders: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after running the code."""
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {list(folders)!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in answer.stdout.split()}


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_arrows(package):
    assert not loaded(WALK.format(package=package)) & FORBIDDEN[package]


def test_the_test_of_arrows_can_fail(tmp_path):
    for name, text in (("wrong", "import wrong.deep"), ("wrong/deep", "import optuna")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "__init__.py").write_text("" if name == "wrong" else text)
    assert "optuna" in loaded(WALK.format(package="wrong"), str(tmp_path))


def test_planning_a_study_loads_nothing_heavy():
    code = """
from sweeps.cli import app as cli
from sweeps.forecast.estimate.costs import estimate
from sweeps.study.files import load
estimate(load("digits"))
print(*sys.modules)
"""
    assert not loaded(code) & {"torch", "torchvision", "ray", "wandb", "pandas", "matplotlib", "sklearn", "optuna"}


def test_the_driver_keeps_torch_out():
    modules = (
        "run.experiment",
        "run.controller",
        "run.worker",
        "monitor.wandb_runs",
        "monitor.live_table",
        "outputs.best_configs",
    )
    code = "".join(f"import sweeps.{name}\n" for name in modules) + "print(*sys.modules)"
    assert "torch" not in loaded(code)
