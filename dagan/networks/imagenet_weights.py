"""The file with VGG-16's ImageNet weights: found or fetched, checked, read. Nothing in it is ever run."""

import hashlib
import pickle
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from dagan.errors import InvalidInput, first_line, refuse

SHA256_PREFIX = "397923af"
"""Of torchvision's file, which is named for it: `vgg16-397923af.pth`."""


def imagenet_weights(file: Path | None, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Read the weights by their names in torchvision, of exactly these shapes; `file` in place of torch's cache.

    Raises:
        InvalidInput: a file that is not there, cannot be had, or is not the one that the signature promises.
    """
    file = checked(file or fetched())
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise not_vgg(file, f"it cannot be read as weights alone ({first_line(error)})") from None
    if not isinstance(weights, Mapping):
        raise not_vgg(file, f"it holds a {type(weights).__name__}")
    found = {str(name): tuple(getattr(value, "shape", ())) for name, value in weights.items()}
    for name in [*shapes, *found]:
        if found.get(name) != shapes.get(name):
            raise not_vgg(file, f"`{name}` is {found.get(name, 'missing')}, not {shapes.get(name, 'known')}")
    return dict(weights)


def checked(file: Path) -> Path:
    """Return the file, if its bytes are the published ones."""
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise not_vgg(file, f"it cannot be opened ({first_line(error)})") from None
    if not digest.startswith(SHA256_PREFIX):
        raise not_vgg(file, f"its SHA-256 begins with {digest[:8]}, not with {SHA256_PREFIX}")
    return file


def fetched() -> Path:
    """Return torchvision's file in torch's own cache; downloaded where it is not there yet."""
    from torchvision.models import VGG16_Weights

    url: str = VGG16_Weights.IMAGENET1K_V1.url
    file: Path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):  # the trials of a sweep all come here at once
            if not file.is_file():
                torch.hub.download_url_to_file(url, str(file), hash_prefix=SHA256_PREFIX, progress=False)
    except (OSError, RuntimeError, HTTPException) as error:
        raise refuse(
            "network.weights",
            f"`pretrained: true` needs {file.name}, which is not in {file.parent} and could not be downloaded"
            f" ({first_line(error)}). Put it there, give its path, or set `network.pretrained: false`.",
        ) from None
    return file


def not_vgg(file: Path, why: str) -> InvalidInput:
    """Return the refusal of a file, to be raised."""
    remedy = "Give its path, or none to take it from torch's cache."
    return refuse("network.weights", f"{file} must be torchvision's vgg16-397923af.pth, but {why}. {remedy}")
