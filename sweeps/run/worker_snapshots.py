"""What a trial reads from the store and leaves there, and what of its work is its own."""

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dagan.config import Config
from dagan.stage_key import stage_key
from dagan.stages import Stage, stages_of
from sweeps.planning.budget import own_pflop
from sweeps.records.snapshot_store import Key, Store

if TYPE_CHECKING:
    from dagan.training.training import Training

NOTHING: dict[str, Any] = {"iterations": {}, "wall_seconds": 0.0}


class Snapshots:
    """The snapshots of one trial. A store that cannot be written costs the snapshot, not the trial."""

    def __init__(self, store: Store, config: Config, *, shared: bool) -> None:
        """With `shared` false they are of this config alone, for its own crashes."""
        self.store, self.config, self.shared = store, config, shared
        self.inherited = NOTHING
        """What other trials had done when this one began."""
        self._new: list[tuple[str, int, int]] = []
        self._dropped: list[Key] = []
        self._for_a_crash: Key | None = None
        self._marked: set[Key] = set()
        self._error = ""

    def begun(self, starts: Sequence[Sequence[Any]]) -> "Training":
        """A training that goes on from the first of these snapshots that is whole, or begins."""
        import torch

        from dagan.training.training import Training

        self.training = Training(self.config)
        for prefix_, iteration in starts:
            key = Key(prefix_, iteration)
            try:
                content = self.store.read(key)
            except Exception as error:  # fsspec's systems have no error in common
                self._error = f"{key.name} cannot be read ({error}); its work is done again"
                continue
            if content is None:
                self._error = f"{key.name} is gone or damaged; its work is done again"
                continue
            try:
                kept = torch.load(io.BytesIO(content), weights_only=True, map_location=self.training.machine.device)
                self.training.restore(kept["training"])
            except Exception as error:
                # Whatever is wrong with a snapshot, the training can begin before it, so it does.
                self._error = f"{key.name} cannot be used ({type(error).__name__}); its work is done again"
                with contextlib.suppress(Exception):
                    self.store.delete(key.name)
                self.training = Training(self.config)
                continue
            state = kept["training"]
            own = kept["owner"] == self.config.signature
            self.inherited = (
                kept["inherited"] if own else {"iterations": state["iterations"], "wall_seconds": state["wall_seconds"]}
            )
            break
        return self.training

    def checkpoints(self, iterations: Sequence[Sequence[int]]) -> dict[Stage, Sequence[int]]:
        """What others want, by stage."""
        return dict(zip(stages_of(self.config), iterations, strict=False))

    def keep(self, stage: Stage) -> None:
        """Leave the state as it is for others."""
        key = self._key(stage)
        if self._write(key):
            self._marked.add(key)

    def keep_for_a_crash(self) -> None:
        """Leave the state in the place of the one before: what a crash can cost is bounded by that."""
        key = self._key(self.training.stage)
        if key not in self._marked and self._write(key):
            if self._for_a_crash:
                with contextlib.suppress(Exception):
                    self.store.delete(self._for_a_crash.name)
                self._dropped.append(self._for_a_crash)
            self._for_a_crash = key

    def keep_divergence(self) -> None:
        """Leave the end of a stage 1 that others would see diverge too.

        Not where it showed only at the very end: who goes on further looks there later.
        """
        stage = self.training.stage
        if self.shared and stage == "generation" and self.training.iterations[stage] < self.training.length(stage):
            self.keep(stage)

    def news(self) -> dict[str, Any]:
        """Since the last call: snapshots (prefix, iteration, bytes), those that are gone, a notice of what is wrong."""
        notice = {"notice": f"snapshot {self._error}"} if self._error else {}
        found = {"snapshots": self._new, "dropped": self._dropped, **notice}
        self._new, self._dropped, self._error = [], [], ""
        return found

    def spent(self, training: "Training", *, classification: int | None = None) -> dict[str, Any]:
        """What the training has cost, or had at an iteration of stage 2: its own part, and as if from scratch."""
        iterations = dict(training.iterations)
        if classification is not None:
            iterations["classification"] = classification
        inherited = self.inherited["iterations"]
        return {
            "iterations": sum(iterations.values()),
            "pflop": own_pflop(self.config, inherited, iterations),
            "pflop_unshared": own_pflop(self.config, {}, iterations),
            "wall_seconds": training.wall_seconds - self.inherited["wall_seconds"],
        }

    def _key(self, stage: Stage) -> Key:
        if self.shared:
            return Key(stage_key(self.config, stage), self.training.iterations[stage])
        return Key(self.config.signature, sum(self.training.iterations.values()))

    def _write(self, key: Key) -> bool:
        import torch

        file = io.BytesIO()
        state = {"training": self.training.state(), "owner": self.config.signature, "inherited": self.inherited}
        torch.save(state, file)
        try:
            size = self.store.write(key, file.getvalue())
        except Exception as error:  # fsspec's systems have no error in common
            self._error = f"{key.name} could not be kept ({error}); the trial goes on without"
            return False
        self._new.append((*key, size))
        return True
