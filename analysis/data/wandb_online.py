"""Read the runs of a W&B project through its API; needs the package `wandb` and a login."""

import inspect
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, Protocol

from analysis.data.entries import fault
from analysis.data.wandb_run import UNENDED, TrackedRun, entry
from analysis.errors import ResultsError

SCHEME = "wandb:"
PAGE = 200  # runs a request


class OnlineRun(Protocol):
    """The part of `wandb.apis.public.Run` that is read."""

    @property
    def id(self) -> str:
        """Signature of the trial."""

    @property
    def config(self) -> dict[str, Any]:
        """Config as it was logged, without W&B's own keys."""

    @property
    def summary_metrics(self) -> dict[str, Any]:
        """Last value of each metric, and what the trial wrote at its end."""

    def scan_history(self) -> Iterable[dict[str, Any]]:
        """Yield every logged step; a thousand steps are one request."""


def project_runs(project: str) -> Iterable[OnlineRun]:
    """Yield the runs of `entity/project`, or of a `project` of one's own.

    Raises:
        ResultsError: wandb is not installed, nobody is logged in, or there is no such project.
    """
    try:
        wandb: Any = import_module("wandb")
    except ImportError as error:
        raise ResultsError("reading a W&B project needs the package wandb. pip install wandb") from error
    try:
        api = wandb.Api()
        # Newer versions fetch each run's config by a request of its own by default.
        whole = {"lazy": False} if "lazy" in inspect.signature(api.runs).parameters else {}
        yield from api.runs(project, per_page=PAGE, include_sweeps=False, **whole)
    except (wandb.Error, ValueError) as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ResultsError(
            f"the W&B project {project} could not be read ({reason}). Log in (`wandb login`), or check the name."
        ) from error


def online_entries(
    runs: Iterable[OnlineRun], damaged: dict[str, str], *, with_curves: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the entries of runs; without curves a page of runs is one request. `damaged` names incomplete runs."""
    for run in runs:
        history = {int(row["_step"]): row for row in run.scan_history()} if with_curves else {}
        found = entry(TrackedRun(run.id, run.config, run.summary_metrics, history))
        if reason := UNENDED if found["status"] is None else fault(found):
            damaged[f"run {run.id}"] = reason
        else:
            yield found
