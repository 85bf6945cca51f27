"""The snapshots of one trial: what it reads from the store, what it writes there, and what of its work is its own."""

import contextlib
import io
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagan.config import Config
from dagan.stage_key import stage_key
from dagan.stages import Stage, stages_of
from sweeps.planning.budget import own_pflop
from sweeps.records.snapshot_store import SnapshotKey, SnapshotStore
from sweeps.run.messages import SnapshotNews, Spent

if TYPE_CHECKING:
    from dagan.training.training import Training

NOTHING: dict[str, Any] = {"iterations": {}, "wall_seconds": 0.0}


class TrialSnapshots:
    """Reads and writes the snapshots of one trial. A store that cannot be written costs the snapshot, not the trial."""

    def __init__(self, store: SnapshotStore, config: Config, *, shared: bool) -> None:
        """Set up for one config; with `shared` false its snapshots are for its own crashes alone."""
        self.store, self.config, self.shared = store, config, shared
        self.inherited = NOTHING
        """What other trials had done when this one began."""
        self.news = SnapshotNews()
        """What has happened since `take_news` was last called."""
        self._for_a_crash: SnapshotKey | None = None
        self._for_others: set[SnapshotKey] = set()

    def restored(self, starts: Sequence[SnapshotKey]) -> "Training":
        """Return a training that goes on from the first of these snapshots that is usable, else a new one."""
        from dagan.training.training import Training

        self.training = Training(self.config)
        for key in starts:
            if self._restore(key):
                break
        return self.training

    def _restore(self, key: SnapshotKey) -> bool:
        """Go on from a snapshot; False if that is not possible."""
        import torch

        from dagan.training.training import Training

        try:
            content = self.store.read(key)
        except Exception as error:  # fsspec's systems have no error in common
            return self._warn(f"{key.name} cannot be read ({error}); its work is done again")
        if content is None:
            return self._warn(f"{key.name} is gone or damaged; its work is done again")
        try:
            kept = torch.load(io.BytesIO(content), weights_only=True, map_location=self.training.machine.device)
            self.training.restore(kept["training"])
        except Exception as error:
            # Whatever is wrong with a snapshot, the training can begin before it, so it does.
            with contextlib.suppress(Exception):
                self.store.delete(key.name)
            self.training = Training(self.config)
            return self._warn(f"{key.name} cannot be used ({type(error).__name__}); its work is done again")
        state, own = kept["training"], kept["owner"] == self.config.signature
        others = {"iterations": state["iterations"], "wall_seconds": state["wall_seconds"]}
        self.inherited = kept["inherited"] if own else others
        return True

    def by_stage(self, checkpoints: Sequence[Collection[int]]) -> Mapping[Stage, Collection[int]]:
        """The checkpoint iterations by stage."""
        return dict(zip(stages_of(self.config), checkpoints, strict=False))

    def write_for_others(self, stage: Stage) -> None:
        """Write the state as it is, for trials that share the stage."""
        key = self._key(stage)
        if self._write(key):
            self._for_others.add(key)

    def write_for_a_crash(self) -> None:
        """Write the state in place of the one before: that bounds what a crash can cost."""
        key = self._key(self.training.stage)
        if key not in self._for_others and self._write(key):
            if self._for_a_crash:
                with contextlib.suppress(Exception):
                    self.store.delete(self._for_a_crash.name)
                self._add(deleted=(self._for_a_crash,))
            self._for_a_crash = key

    def write_divergence(self) -> None:
        """Write the end of a stage 1 that others would see diverge too.

        Not if it showed only at the very end: a trial that goes on further looks there later.
        """
        stage = self.training.stage
        if self.shared and stage == "generation" and self.training.iterations[stage] < self.training.length(stage):
            self.write_for_others(stage)

    def take_news(self) -> SnapshotNews:
        """Return what has happened since the last call."""
        news, self.news = self.news, SnapshotNews()
        return news

    def spent(self, training: "Training", *, classification: int | None = None) -> Spent:
        """What the training has cost or, with an iteration of stage 2, had cost there."""
        iterations = dict(training.iterations)
        if classification is not None:
            iterations["classification"] = classification
        return Spent(
            iterations=sum(iterations.values()),
            pflop=own_pflop(self.config, self.inherited["iterations"], iterations),
            pflop_unshared=own_pflop(self.config, {}, iterations),
            wall_seconds=training.wall_seconds - self.inherited["wall_seconds"],
        )

    def _key(self, stage: Stage) -> SnapshotKey:
        if self.shared:
            return SnapshotKey(stage_key(self.config, stage), self.training.iterations[stage])
        return SnapshotKey(self.config.signature, sum(self.training.iterations.values()))

    def _write(self, key: SnapshotKey) -> bool:
        import torch

        file = io.BytesIO()
        state = {"training": self.training.state(), "owner": self.config.signature, "inherited": self.inherited}
        torch.save(state, file)
        try:
            size = self.store.write(key, file.getvalue())
        except Exception as error:  # fsspec's systems have no error in common
            return self._warn(f"{key.name} could not be kept ({error}); the trial goes on without")
        self._add(written=((key, size),))
        return True

    def _warn(self, text: str) -> bool:
        self._add(warning=f"snapshot {text}")
        return False

    def _add(
        self,
        *,
        written: tuple[tuple[SnapshotKey, int], ...] = (),
        deleted: tuple[SnapshotKey, ...] = (),
        warning: str = "",
    ) -> None:
        news = self.news
        self.news = SnapshotNews(news.written + written, news.deleted + deleted, warning or news.warning)
