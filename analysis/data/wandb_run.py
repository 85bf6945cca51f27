"""Turn a trial as Weights & Biases keeps it back into its ledger entry."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.data.columns import SUMMARY

STAGES = ("generation", "classification")
NOT_CONFIG = ("trial", "point", "study", "provenance", "_wandb")
NOT_LOSSES = ("generation/lowest diversity",)
NUMBERED = ("quality", "readings")
"""Fields whose values stand in the summary one by one: `quality/kid`, `readings/200`."""
UNENDED = "the run has no status: its trial has not ended, or was interrupted"


@dataclass
class TrackedRun:
    """One W&B run: `history` is what was logged, by step."""

    identifier: str
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: dict[int, dict[str, Any]] = field(default_factory=dict)


def entry(run: TrackedRun) -> dict[str, Any]:
    """Build the ledger entry of a run; a column that the run lacks is left out, for `fault` to name."""
    config = {name: value for name, value in run.config.items() if name not in NOT_CONFIG}
    data = config.get("data")
    data = data if isinstance(data, dict) else {}
    found: dict[str, Any] = {"signature": run.identifier}
    found |= {name: run.config[name] for name in ("study", "trial", "point") if name in run.config}
    found |= {name: config[name] for name in ("method", "seed") if name in config}
    found |= {name: data[name] for name in ("phase", "dataset", "samples_per_class") if name in data}
    # W&B has no null: what a trial does not have is not in its summary.
    found |= {name: run.summary.get(name) for name in SUMMARY}
    for field_name in NUMBERED:
        start = f"{field_name}/"
        found[field_name] = {
            name.removeprefix(start): _number(value) for name, value in run.summary.items() if name.startswith(start)
        }
    found["networks"] = _networks(run.summary)
    curve = list(_points(run.history, _generation_iterations(config)))
    return found | {"config": config, "provenance": run.config.get("provenance") or {}, "curve": curve}


def _networks(summary: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    networks: dict[str, dict[str, float | None]] = {}
    for name, value in summary.items():
        field_name, _, rest = name.partition("/")
        network, _, size = rest.partition("/")
        if field_name == "networks" and size:
            networks.setdefault(network, {})[size] = _number(value)
    return networks


def _generation_iterations(config: Mapping[str, Any]) -> int:
    gan = config.get("gan")
    return int(gan.get("iterations") or 0) if isinstance(gan, dict) else 0


def _points(history: Mapping[int, Mapping[str, Any]], generation: int) -> Iterator[dict[str, Any]]:
    for _, values in sorted(history.items()):
        logged = {name: _number(value) for name, value in values.items() if name.partition("/")[0] in STAGES}
        stage = next((name.partition("/")[0] for name in logged), "")
        if not stage or values.get("iteration") is None:
            continue
        # A run has one axis: there stage 2 goes on counting where stage 1 ended.
        before = generation if stage == "classification" else 0
        yield {
            "stage": stage,
            "iteration": int(values["iteration"]) - before,
            "validation_accuracy": _number(values.get("validation_accuracy")),
            "images_per_second": _number(values.get("images_per_second")),
            "losses": {name.partition("/")[2]: loss for name, loss in logged.items() if name not in NOT_LOSSES},
        }


def _number(value: Any) -> float | None:
    """Read a logged number; W&B writes "NaN" and "Infinity" where JSON has no number."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return math.nan
