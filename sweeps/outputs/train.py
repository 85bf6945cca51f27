"""Trains one config in this process: `sweeps train`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dagan.config import Config
from dagan.errors import refuse
from dagan.files import require_new
from sweeps.outputs.best_configs import read_config
from sweeps.outputs.cards import generated_warning
from sweeps.records.run_folder import shown
from sweeps.study.files import overridden, read_file, read_yaml

if TYPE_CHECKING:
    from dagan.training.training import Training

RECORDED = ("test_accuracy", "validation_accuracy", "iterations", "pflop", "provenance")
"""Fields of a training's record that are kept beside its weights."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a single training."""

    completed: bool
    sentence: str
    record: dict[str, Any]


def train_file(path: Path, overrides: Sequence[str], save: Path | None = None) -> Outcome:
    """Train the config of a file and compare the result with the one that the file records.

    Raises:
        InvalidInput: there is no such file, its config is wrong, or the folder to save in is not new.
    """
    config, recorded = read_choices(path, overrides)
    if save:
        require_new(save, "--save")
    return train_config(config, recorded, save)


def read_choices(path: Path, overrides: Sequence[str]) -> tuple[Config, dict[str, Any]]:
    """Read the config of a file, and the record of its training.

    Raises:
        InvalidInput: there is no such file, or its config is wrong.
    """
    choices, recorded = read_config(read_yaml(read_file(path, "CONFIG"), str(path)), str(path))
    if {"datasets", "search"} <= set(choices):
        raise refuse("CONFIG", f"`{path}` is a study, not a config. Use: sweeps run {path}")
    choices = overridden(choices, overrides)
    data = choices.get("data")
    for key in ("folder", "generated"):
        if isinstance(data, dict) and isinstance(place := data.get(key), str):
            data[key] = str((path.parent / place).resolve())
    return Config.of(choices), recorded


def train_config(config: Config, recorded: dict[str, Any], save: Path | None = None) -> Outcome:
    """Train a config with progress on stderr, and keep the networks in a folder, if one is given."""
    from dagan import weights
    from sweeps.records.provenance import commit, of_training

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in generated_warning(config.data.folder) if config.data.folder else []:
        console.print(f"Warning: {line}", markup=False)
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
        weights.save(training, save, {key: record[key] for key in RECORDED})
        console.print(f"Weights kept: {shown(save.absolute())}", markup=False)
    return Outcome(True, sentence(config, result.test_accuracy, result.validation_accuracy, recorded), record)


def trained(config: Config, console: Console, *, generation_only: bool = False) -> "Training":
    """Train to the end, or to the end of stage 1, with progress on the console."""
    from dagan.stages import STAGES
    from dagan.training.training import Training

    training = Training(config)
    console.print(f"{config.method} on {config.facts.name}, config {config.signature}, {training.machine.name}")
    longest = max(training.length(stage) for stage in STAGES)
    for progress in training.run(every=max(1, min(100, longest // 20))):
        terms = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
        accuracy = progress.validation_accuracy
        evaluated = "" if accuracy is None else f", validation {100 * accuracy:.1f} %"
        evaluated += f", lowest diversity {min(progress.diversity.values()):.2f}" if progress.diversity else ""
        where = f"{progress.stage} {progress.iteration}/{progress.total}"
        console.print(f"{where}: {terms}{evaluated}, {progress.images_per_second:.0f} images/s")
        if generation_only and progress.iteration == progress.total:
            break
    if training.warning:
        console.print(f"Warning: {training.warning}", markup=False)
    return training


def sentence(config: Config, test: float | None, validation: float | None, recorded: dict[str, Any]) -> str:
    """The exact accuracy as a sentence, beside the recorded one."""
    if test is None:
        return f"validation accuracy {validation!r}"
    measured = f"test accuracy {test!r}"
    if recorded.get("signature") != config.signature:
        return measured
    before = recorded.get("test_accuracy")
    if before == test:
        return f"{measured} (recorded {before!r}: identical)"
    source = recorded.get("provenance") or {}
    made = ", ".join(f"{key} {source[key]}" for key in ("torch", "device", "precision", "threads") if key in source)
    return f"{measured} (recorded {before!r} with {made}: the bits of a result hang on these)"
