"""DAGAN data augmentation and its baselines in PyTorch: `from dagan import Config, train`.

Names are imported when first used, so that what only plans a sweep does not wait for torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagan.config import Config
    from dagan.errors import InvalidInput
    from dagan.methods import METHODS
    from dagan.training.progress import Progress, Result
    from dagan.training.training import Training, train

__all__ = ["METHODS", "Config", "InvalidInput", "Progress", "Result", "Training", "train"]

_HOMES = {
    "Config": "dagan.config",
    "METHODS": "dagan.methods",
    "InvalidInput": "dagan.errors",
    "Progress": "dagan.training.progress",
    "Result": "dagan.training.progress",
    "Training": "dagan.training.training",
    "train": "dagan.training.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dagan' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
