"""The run folder `DIR/<study>/`: where a study keeps everything. The ledger is what cannot be made again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from dagan.errors import refuse


class RunFolder:
    """The files of one study's runs."""

    def __init__(self, out: Path, study: str) -> None:
        self.root = (out / study).absolute()
        self.study = self.root / "study.yaml"
        self.ledger = self.root / "ledger"
        self.snapshots = self.root / "snapshots"
        self.pictures = self.root / "pictures"
        self.duplicates = self.root / "duplicates"
        self.wandb = self.root / "wandb"
        self.ray = self.root / "ray"
        self.activity = self.root / ".activity.json"
        self.report = self.root / "report"
        self.best = self.root / "best"
        self._lock = self.root / ".lock"

    @property
    def driven(self) -> bool | None:
        """Whether a driver holds the study right now; None in a folder that one may only read."""
        try:
            with FileLock(self._lock, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return None

    @contextmanager
    def driving(self) -> Iterator[Self]:
        """Hold the study for one driver.

        Raises:
            InvalidInput: another driver has it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse("--out", f"{self.root} must be a folder that can be written, but is not ({error}).") from None
        try:
            # `sweeps status` holds the lock for a moment when it looks whether somebody has it.
            with FileLock(self._lock, timeout=0.5):
                yield self
        except Timeout:
            raise refuse(
                str(self.root), "is being run by another driver. Wait for it, or choose another --out."
            ) from None


def shown(path: Path) -> str:
    """Return a path relative to the current folder where it lies below it, else as it is."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
