"""One training without Ray: `sweeps train CONFIG.yaml`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dagan.config import Config
from dagan.errors import refuse
from dagan.files import require_new
from sweeps.outputs.best_configs import read_config
from sweeps.records.run_folder import shown
from sweeps.study.files import overridden, read_file, read_yaml

if TYPE_CHECKING:
    from dagan.training.training import Training

KEPT = ("test_accuracy", "validation_accuracy", "iterations", "pflop", "provenance")
"""What is recorded of a training beside its weights."""


@dataclass(frozen=True)
class Outcome:
    """What came of a single training."""

    completed: bool
    sentence: str
    record: dict[str, Any]


def train_file(path: Path, overrides: Sequence[str], save: Path | None = None) -> Outcome:
    """Train the config of a file and compare the result with what the file has on record.

    Raises:
        InvalidInput: no such file, a config that cannot be, or a folder to save in that is not new.
    """
    config, recorded = read_choices(path, overrides)
    if save:
        require_new(save, "--save")
    return train_config(config, recorded, save)


def read_choices(path: Path, overrides: Sequence[str]) -> tuple[Config, dict[str, Any]]:
    """The config of a file, and what the file has on record of its training.

    Raises:
        InvalidInput: no such file, or a config that cannot be.
    """
    choices, recorded = read_config(read_yaml(read_file(path, "CONFIG"), str(path)), str(path))
    if {"datasets", "search"} <= set(choices):
        raise refuse("CONFIG", f"`{path}` is a study, not a config. Use: sweeps run {path}")
    choices = overridden(choices, overrides)
    data = choices.get("data")
    folder = data.get("folder") if isinstance(data, dict) else None
    if isinstance(folder, str):
        choices["data"]["folder"] = str((path.parent / folder).resolve())
    return Config.of(choices), recorded


def train_config(config: Config, recorded: dict[str, Any], save: Path | None = None) -> Outcome:
    """Train, showing progress on stderr; keep the networks in a folder where one is given."""
    from dagan import weights
    from sweeps.records.provenance import commit, of_training

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    training = trained(config, console)
    result = training.result()
    record = {
        "signature": config.signature,
        **asdict(result),
        "provenance": of_training(training.machine, threads=config.compute.threads, commit=commit()),
    }
    if result.status != "completed":
        return Outcome(False, f"{result.status}: {result.error}", record)
    if save:
        weights.save(training, save, {key: record[key] for key in KEPT})
        console.print(f"Weights kept: {shown(save.absolute())}", markup=False)
    return Outcome(True, sentence(config, result.test_accuracy, result.validation_accuracy, recorded), record)


def trained(config: Config, console: Console, *, generation_only: bool = False) -> "Training":
    """A training at its end, or at the end of the first stage alone; progress goes to the console."""
    from dagan.stages import STAGES
    from dagan.training.training import Training

    training = Training(config)
    console.print(f"{config.method} on {config.facts.name}, config {config.signature}, {training.machine.name}")
    longest = max(training.length(stage) for stage in STAGES)
    for progress in training.run(every=max(1, min(100, longest // 20))):
        terms = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
        accuracy = progress.validation_accuracy
        seen = "" if accuracy is None else f", validation {100 * accuracy:.1f} %"
        seen += f", lowest diversity {min(progress.diversity.values()):.2f}" if progress.diversity else ""
        where = f"{progress.stage} {progress.iteration}/{progress.total}"
        console.print(f"{where}: {terms}{seen}, {progress.images_per_second:.0f} images/s")
        if generation_only and progress.iteration == progress.total:
            break
    if training.warning:
        console.print(f"Warning: {training.warning}", markup=False)
    return training


def sentence(config: Config, test: float | None, validation: float | None, recorded: dict[str, Any]) -> str:
    """The accuracy, exact, beside the recorded one."""
    if test is None:
        return f"validation accuracy {validation!r}"
    said = f"test accuracy {test!r}"
    if recorded.get("signature") != config.signature:
        return said
    before = recorded.get("test_accuracy")
    if before == test:
        return f"{said} (recorded {before!r}: identical)"
    source = recorded.get("provenance") or {}
    made = ", ".join(f"{key} {source[key]}" for key in ("torch", "device", "precision", "threads") if key in source)
    return f"{said} (recorded {before!r} with {made}: the bits of a result hang on these)"
