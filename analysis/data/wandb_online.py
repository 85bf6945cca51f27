"""The runs of a W&B project, read through its API; needs the package `wandb` and a login."""

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
    """What is read of a `wandb.apis.public.Run`."""

    @property
    def id(self) -> str:
        """The signature of the trial."""

    @property
    def config(self) -> dict[str, Any]:
        """As it was logged, without W&B's own keys."""

    @property
    def summary_metrics(self) -> dict[str, Any]:
        """The last value of each metric, and what the trial wrote at its end."""

    def scan_history(self) -> Iterable[dict[str, Any]]:
        """Every logged step: a request per thousand."""


def project_runs(project: str) -> Iterable[OnlineRun]:
    """The runs of `entity/project` (or `project` of one's own).

    Raises:
        ResultsError: wandb is not installed, nobody is logged in, or there is no such project.
    """
    try:
        wandb: Any = import_module("wandb")
    except ImportError as error:
        raise ResultsError("reading a W&B project needs the package wandb. pip install wandb") from error
    try:
        api = wandb.Api()
        # Newer versions fetch each run's config by a request of its own unless told otherwise.
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
    """The entries of runs; without curves one page of runs is one request. What lacks something is in `damaged`."""
    for run in runs:
        history = {int(row["_step"]): row for row in run.scan_history()} if with_curves else {}
        found = entry(TrackedRun(run.id, run.config, run.summary_metrics, history))
        if reason := UNENDED if found["status"] is None else fault(found):
            damaged[f"run {run.id}"] = reason
        else:
            yield found
