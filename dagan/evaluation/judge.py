"""The judge: one classifier per data set that has seen no image of any subset that it judges.

Subsets of the confirm phase all come from the final half of the training pool; the judge is a training of `c_aug` on
the other half, the tuning half, and opens no test image. Its pooled features take the place of Inception's.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load, save
from torch import Tensor

from dagan.compute.device import MEMORY_FORMAT, machine
from dagan.compute.random_streams import Streams
from dagan.config import Config
from dagan.data.splits import capacity
from dagan.errors import refuse
from dagan.files import write_atomically
from dagan.nested import merged
from dagan.networks import build as networks
from dagan.networks.interfaces import Discriminator
from dagan.shapes import Features, Images, Labels
from dagan.training.training import Training

SEED = 0
MOST_IMAGES = 20_000
WAIT_SECONDS = 5
SETTINGS: dict[str, Any] = {
    "classifier": {"iterations": 2000, "learning_rate": 1e-3},
    # float32 everywhere: a judge is to say the same of the same images on any device.
    "compute": {"precision": "float32"},
}
"""Beside the defaults of `c_aug` for the data set."""


@dataclass(frozen=True)
class Judge:
    """A trained judge."""

    config: Config
    network: Discriminator
    scale: Tensor
    """Root mean square of the pooled features of the judge's own images, shape ()."""

    @torch.no_grad()
    def __call__(self, images: Images) -> tuple[Labels, Features]:
        """The classes that the judge sees, and its features: the pooled ones over their scale.

        So x·y / d is about 1 for real images, and no term of KID's kernel outweighs the others.
        """
        parts = [self.network(some) for some in images.split(500)]
        labels = torch.cat([logits.argmax(dim=1) for logits, _ in parts])
        return labels, torch.cat([features for _, features in parts]) / self.scale


IMAGES = {"dataset", "folder", "root", "fingerprint", "image_size", "channels", "fit"}
"""Which images a data set holds, whatever is drawn of them."""


def judge_config(config: Config, settings: Mapping[str, Any] | None = None) -> Config:
    """Return the config that the judge of a data set is trained by: the same for all configs of that data set.

    Its images are as many of the tuning half as every class has, up to `MOST_IMAGES`.

    Raises:
        InvalidInput: a data set without a tuning half, or settings that are wrong.
    """
    data, facts = config.data, config.facts
    if data.validation != "held_out":
        raise refuse(
            "data.validation",
            f"must be held_out to judge generated images, but is {data.validation}: subsets then come from the whole"
            " pool, and none is left for a judge. Use held_out, with samples_per_class less than half of the smallest"
            " class.",
        )
    room = capacity(facts.per_class, has_test=facts.has_test, validation="held_out")
    where = data.model_dump(mode="json", include=IMAGES) | {"validation": "held_out"}
    own = {
        "method": "c_aug",
        "seed": SEED,
        "data": where | {"phase": "search", "samples_per_class": max(1, min(room, MOST_IMAGES // len(facts.classes)))},
        "compute": {"device": config.compute.device, "threads": config.compute.threads},
    }
    judging = Config.of(merged(merged(own, SETTINGS), settings or {}))
    if judging.network.name == "dcgan64":
        raise refuse("judge", "must judge each image by itself, but D of dcgan64 has batch norm. Give another network.")
    return judging


def judge_of(
    config: Config,
    *,
    folder: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    heartbeat: Callable[[], None] = lambda: None,
) -> Judge:
    """Return the judge of a config's data set: read from `folder` if it is there, else trained and kept there.

    `settings` override those of the judge (a nested mapping as for `Config.of`): a smaller network, fewer iterations.
    Files are named by the signature of all that the judge was trained by; a damaged one counts as absent.
    `heartbeat` is called after each iteration of its training, and every few seconds while another process trains it.

    Raises:
        InvalidInput: a data set without a tuning half, settings that are wrong, or a judge that diverged.
    """
    own = judge_config(config, settings)
    if folder is None:
        return trained_judge(own, heartbeat)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"judge-{own.signature}.safetensors"
    lock = FileLock(path.with_suffix(".lock"))
    while not lock.is_locked:  # the trials of a sweep all come here at once
        heartbeat()
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=WAIT_SECONDS)
    try:
        found = kept_judge(own, path)
        if found is None:
            found = trained_judge(own, heartbeat)
            keep(found, path)
        return found
    finally:
        lock.release()


def trained_judge(config: Config, heartbeat: Callable[[], None] = lambda: None) -> Judge:
    """Train a judge."""
    training = Training(config)
    for _ in training.events(every=config.classifier.iterations):
        heartbeat()
    if training.status == "diverged":
        raise refuse("judge", f"must not diverge, but {training.error} Give `settings` with a smaller learning rate.")
    unscaled = Judge(config, training.trained.network, torch.ones((), device=training.machine.device))
    _, features = unscaled(training.data.train.images)
    return replace(unscaled, scale=features.square().mean().sqrt())


def keep(judge: Judge, path: Path) -> None:
    """Write the judge's weights, and beside them what they are."""
    tensors = judge.network.state_dict() | {"scale": judge.scale}
    weights = save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()})
    record = {
        "signature": judge.config.signature,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "torch": torch.__version__,
        "device": machine(judge.config).name,
        "config": judge.config.model_dump(mode="json", exclude={"data": {"root", "folder"}}),
    }
    write_atomically(path, weights)
    write_atomically(path.with_suffix(".json"), json.dumps(record, indent=1))


def kept_judge(config: Config, path: Path) -> Judge | None:
    """Read the judge that was kept; None where it is not there or damaged."""
    try:
        record, weights = json.loads(path.with_suffix(".json").read_bytes()), path.read_bytes()
    except (FileNotFoundError, ValueError):
        return None
    known = (record.get("signature"), record.get("sha256")) if isinstance(record, dict) else None
    if known != (config.signature, hashlib.sha256(weights).hexdigest()):
        return None
    device = machine(config).device
    network = networks.discriminator(networks.unstarted(config), Streams(config.seed, device)["discriminator_weights"])
    tensors = load(weights)
    scale = tensors.pop("scale").to(device)
    network.load_state_dict(tensors)
    return Judge(config, network.to(memory_format=MEMORY_FORMAT).requires_grad_(False), scale)
