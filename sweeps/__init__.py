"""Distributed sweeps over DAGAN trainings: Ray Tune schedules, Optuna searches, Weights & Biases logs.

>>> from sweeps import run_study
>>> run_study("digits", overrides=["confirm.seeds=3"])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.api import run_study
    from sweeps.study.files import load as load_study

__all__ = ["load_study", "run_study"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: `sweeps --help` must not wait for what a run needs."""
    if name == "run_study":
        from sweeps.api import run_study

        return run_study
    if name == "load_study":
        from sweeps.study.files import load

        return load
    raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
