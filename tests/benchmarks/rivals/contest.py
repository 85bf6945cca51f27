"""One list of trials, run by `sweeps` and by plain Ray Tune: both as commands of their own, timed from start to end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.study.schema import Study

RIVAL = Path(__file__).with_name("plain_tune.py")


@dataclass(frozen=True)
class Outcome:
    """What a contestant's run came to."""

    seconds: float
    """Of the whole command."""
    between: float
    """From the end of the first trial to that of the last: without start, end and report."""
    training: float
    """Sum of the trials' own training, evaluation not counted."""
    numbers: dict[str, Any]
    """By signature, all that a trial's config decides."""


@dataclass(frozen=True)
class Contestant:
    """A study's confirm trials, run in a folder."""

    folder: Path
    study: Study
    text: str
    """The study as YAML."""
    workers: int

    def sweeps(self, *options: str) -> Outcome:
        """By `sweeps run`, W&B off unless an option says otherwise."""
        (self.folder / "study.yaml").write_text(self.text)
        command = [sys.executable, "-m", "sweeps", "run", "study.yaml", *self._workers]
        out = self.folder / "-".join(["results", *(option.strip("-") for option in options)])
        seconds = self._seconds([*command, "--out", str(out), *(options or ("--wandb", "off"))])
        ledger = Ledger(out / self.study.name / "ledger")
        ends = [(ledger.folder / f"{signature}.json").stat().st_mtime for signature in ledger.entries]
        entries = [entry.model_dump(mode="json") for entry in ledger.entries.values()]
        training = sum(entry["wall_seconds"] for entry in entries)
        numbers = {entry["signature"]: decided(entry | {"pflop": entry["pflop_unshared"]}) for entry in entries}
        return Outcome(seconds, max(ends) - min(ends), training, numbers)

    def plain_tune(self) -> Outcome:
        """By plain Ray Tune, every trial from scratch."""
        plan = Plan(self.study, Ledger(self.folder / "none"))
        configs = [trial.config.model_dump_json() for branch in plan.branches for trial in branch.confirm]
        asked, answered = self.folder / "configs.jsonl", self.folder / "results.jsonl"
        asked.write_text("\n".join(configs))
        every = ["--every", str(self.study.report_every)]
        seconds = self._seconds([sys.executable, str(RIVAL), str(asked), str(answered), *every, *self._workers])
        lines = [json.loads(line) for line in answered.read_text().splitlines()]
        ends = [line["ended"] for line in lines]
        training = sum(line["result"]["wall_seconds"] for line in lines)
        numbers = {line["signature"]: decided(line["result"]) for line in lines}
        return Outcome(seconds, max(ends) - min(ends), training, numbers)

    @property
    def _workers(self) -> list[str]:
        return ["--workers", str(self.workers)]

    def _seconds(self, command: list[str]) -> float:
        here = {"RAY_worker_niceness": "0", "PYTHONPATH": str(Path(__file__).parents[3])}
        begin = time.perf_counter()
        subprocess.run(command, cwd=self.folder, env=os.environ | here, check=True, capture_output=True)
        return time.perf_counter() - begin


def decided(result: Mapping[str, Any]) -> dict[str, Any]:
    """What of a trial's result its config decides: all but what a clock measured."""
    names = ("status", "validation_accuracy", "test_accuracy", "iterations", "error", "warning")
    curve = [{key: value for key, value in point.items() if key != "images_per_second"} for point in result["curve"]]
    return {name: result[name] for name in names} | {"pflop": round(result["pflop"], 15), "curve": curve}
