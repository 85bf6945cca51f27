"""Trained networks as a folder, and the folder as trained networks again.

    save(training, Path("weights"))
    trained = load(Path("weights"))
    trained.classifier.predictions(images)

`config.yaml` holds the whole config, what was measured, the facts of the data set, and a hash of each file of weights:
`classifier.safetensors`, the averaged classifier, and `generator.safetensors`, the G that images are drawn from. The
data set need not be there to load them. Nothing in these files is ever run: they hold numbers and text.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn

from dagan.compute.device import MEMORY_FORMAT, machine
from dagan.compute.random_streams import Streams
from dagan.config import Config, signature_of
from dagan.data.facts import Facts
from dagan.errors import InvalidInput, refuse
from dagan.files import new_folder
from dagan.networks import build as networks
from dagan.networks.interfaces import Discriminator, Statistics
from dagan.training.inference import TrainedClassifier, TrainedGenerator
from dagan.training.training import Training

CONFIG = "config.yaml"
HEADER = """\
# The weights of a training of `{method}` on {dataset}. Load them: dagan.weights.load(folder).
# Train again: sweeps train {file}
"""


@dataclass(frozen=True)
class Weights:
    """A training as it was kept."""

    config: Config
    recorded: dict[str, Any]
    """What was measured, if it was, and where the weights come from."""
    classifier: TrainedClassifier | None
    """None where stage 2 was left out."""
    generator: TrainedGenerator | None
    """None for methods without one."""


def save(training: Training, folder: Path, recorded: Mapping[str, Any] | None = None) -> None:
    """Keep the networks of a training that has ended, or has stage 1 behind it: then G alone.

    `recorded`: what was measured, and where, as plain values; it is kept with them.

    Raises:
        InvalidInput: a folder that is not new or empty.
        RuntimeError: a training of which nothing is finished.
    """
    config = training.config
    finished: dict[str, dict[str, Tensor]] = {}
    if training.classification and training.status == "completed":
        trained = training.classification.trained
        finished["classifier"] = trained.network.state_dict() | named(trained.statistics())
    if training.generation and training.ended("generation"):
        finished["generator"] = training.generation.trained.network.state_dict()
    if not finished:
        raise RuntimeError(f"the training is {training.status}, and none of its networks is finished")
    with new_folder(folder, "weights", last=CONFIG) as inside:
        files = {}
        for name, tensors in finished.items():
            path = inside / f"{name}.safetensors"
            path.write_bytes(as_safetensors({key: value.contiguous() for key, value in tensors.items()}))
            files[path.name] = digest(path)
        document = {
            "config": config.model_dump(mode="json"),
            "recorded": {"signature": config.signature, **(recorded or {})},
            "facts": TypeAdapter(Facts).dump_python(config.facts, mode="json"),
            "files": files,
        }
        head = HEADER.format(method=config.method, dataset=config.facts.name, file=CONFIG)
        text = head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (inside / CONFIG).write_text(text, encoding="utf-8")


def load(folder: Path | str, *, device: str = "auto") -> Weights:
    """Load the networks that `save` kept, on a device of this machine; on a CPU with as many threads as in training.

    Raises:
        InvalidInput: a folder without them, or whose files are damaged, changed or of different trainings.
    """
    folder = Path(folder)
    document = read_document(folder / CONFIG)
    config = config_of(document, folder / CONFIG)
    compute = config.compute.model_copy(update={"device": device})
    here = machine(config.model_copy(update={"compute": compute}))
    if here.device.type == "cpu":
        torch.set_num_threads(config.compute.threads)  # as in training: more may change the last bits
    start = Streams(0, here.device).fresh("start")  # every weight is then replaced
    classifier = generator = None
    if "classifier.safetensors" in document["files"]:
        network = networks.discriminator(networks.unstarted(config), start)
        statistics = fill(network, folder / "classifier.safetensors", document)
        check_statistics(network, statistics, config.facts, folder / "classifier.safetensors")
        classifier = TrainedClassifier(config, network.to(memory_format=MEMORY_FORMAT), here, lambda: statistics)
    if "generator.safetensors" in document["files"] and (drawing := networks.generator(config, start)):
        fill(drawing, folder / "generator.safetensors", document)
        generator = TrainedGenerator(config, drawing.to(memory_format=MEMORY_FORMAT), here)
    return Weights(config, document["recorded"], classifier, generator)


def read_document(path: Path) -> dict[str, dict[str, Any]]:
    """Read the four parts of a `config.yaml`."""
    remedy = f"`{path.parent}` must be a folder of weights, as `sweeps train CONFIG --save FOLDER` writes it"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise refuse("weights", f"{remedy}, but has no {CONFIG}.") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise refuse("weights", f"{remedy}, but its {CONFIG} cannot be read ({reason}). Save them again.") from None
    parts = ("config", "recorded", "facts", "files")
    if not isinstance(document, dict) or not all(isinstance(document.get(part), dict) for part in parts):
        raise refuse("weights", f"{remedy}, but its {CONFIG} lacks one of {', '.join(parts)}. Save them again.")
    return document


def config_of(document: dict[str, dict[str, Any]], path: Path) -> Config:
    """Return the config in a document, if it is the one that was trained."""
    signature = document["recorded"].get("signature")
    try:
        found = signature_of(document["config"])
        facts = TypeAdapter(Facts).validate_python(document["facts"])
        config = Config.kept(document["config"], facts)
    except InvalidInput as error:
        raise refuse("weights", f"{path} must hold a config of this version, but: {error}") from None
    except (ValidationError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise refuse("weights", f"{path} must hold a config and its data set's facts, but: {reason}") from None
    if found != signature:
        raise refuse(
            "weights",
            f"{path} must hold the config that was trained, {signature}, but it was changed: its settings give {found}."
            f" Train the changed one: sweeps train {path}",
        )
    return config


REMEDY = "Copy the whole folder again, or train again."
STATISTICS = "statistics"
"""Begins the names of what batch norm must know of the training images, beside the weights."""


def named(statistics: Statistics) -> dict[str, Tensor]:
    """Return statistics as tensors with names."""
    return {
        f"{STATISTICS}.{index}.{name}": value
        for index, pair in enumerate(statistics)
        for name, value in zip(("mean", "variance"), pair, strict=True)
    }


def fill(network: nn.Module, path: Path, document: dict[str, dict[str, Any]]) -> Statistics:
    """Replace all weights of a network by those of a file; return the statistics that the file has beside them."""
    where, remedy = "weights", REMEDY
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise refuse(where, f"{path} must be there, as {CONFIG} names it, but is not. {remedy}") from None
    except (SafetensorError, OSError) as error:
        raise refuse(
            where, f"{path} must be a safetensors file, but is not or is damaged ({error}). {remedy}"
        ) from None
    if digest(path) != document["files"][path.name]:
        raise refuse(where, f"{path} must be the file that {CONFIG} was written with, but is another. {remedy}")
    layers = sum(name.startswith(f"{STATISTICS}.") for name in tensors) // 2
    device = next(network.parameters()).device
    try:
        statistics = [
            (
                tensors.pop(f"{STATISTICS}.{index}.mean").to(device),
                tensors.pop(f"{STATISTICS}.{index}.variance").to(device),
            )
            for index in range(layers)
        ]
        network.load_state_dict(tensors)
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise refuse(where, f"{path} must fit the networks of its config, but does not ({reason}). {remedy}") from None
    return statistics


def check_statistics(network: Discriminator, statistics: Statistics, facts: Facts, path: Path) -> None:
    """Refuse statistics that are not those of the network's layers: it is asked to judge one image by them."""
    device = next(network.parameters()).device
    try:
        with torch.no_grad():
            one = torch.zeros(1, facts.channels, facts.image_size, facts.image_size, device=device)
            network.evaluated(one, statistics)
    except (RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise refuse(
            "weights", f"{path} must hold the statistics of its network, but does not ({reason}). {REMEDY}"
        ) from None


def digest(path: Path) -> str:
    """Return SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
