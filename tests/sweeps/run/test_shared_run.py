"""A small grid, with sharing and without: the same numbers, for less work."""

import io

import pytest
from rich.console import Console

from sweeps.api import run_study
from sweeps.planning.budget import FlopBudget
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.run.experiment import Storage
from sweeps.run.tune.session import Cluster
from sweeps.study.parse import study_of

GRID = {
    "name": "grid",
    "datasets": ["digits"],
    "samples_per_class": [5],
    "methods": ["dagan", "c"],
    "base": {"network": {"width": 0.25}, "gan": {"learning_rate": 2e-3}, "classifier": {"batch_size": 32}},
    "design": "grid",
    "factors": {
        "gan.iterations": [20, 40],
        "classifier.iterations": [20, 40],
        "classifier.augmentation_ratio": [0.0, 1.0],
    },
    "confirm": {"seeds": 1},
    "report_every": 10,
}
WORK = {"pflop", "wall_seconds", "provenance", "curve"}
"""What may differ: who did the work, when, and how fast."""


def ran(folder, **options):
    """The entries of a run of the grid, by signature."""
    said = Console(file=io.StringIO(), width=500)
    plan = run_study(study_of(GRID), out=folder, wandb="off", console=said, **options)
    assert plan.finished
    assert "snapshot" not in said.file.getvalue(), "nothing was to be missed"
    assert not (folder / "grid/snapshots").exists()
    return Ledger(folder / "grid/ledger").entries


def decided(entry):
    """All columns of an entry that its config decides."""
    points = [{key: value for key, value in point.items() if key != "images_per_second"} for point in entry.curve]
    return entry.model_dump(exclude=WORK) | {"curve": points}


@pytest.mark.parametrize(
    "shared_options",
    [
        {},
        pytest.param({"executor": "ray", "cluster": Cluster(workers=2)}, marks=pytest.mark.slow),
    ],
    ids=["inline", "ray"],
)
def test_a_shared_run_equals_an_unshared_one(tmp_path, shared_options):
    shared = ran(tmp_path / "shared", **shared_options)
    unshared = ran(tmp_path / "unshared", storage=Storage(shared=False))
    assert len(shared) == len(unshared) == 2 * 2 * 2 + 2
    assert {key: decided(one) for key, one in shared.items()} == {key: decided(one) for key, one in unshared.items()}
    assert all(entry.pflop == entry.pflop_unshared for entry in unshared.values())
    plan = Plan(study_of(GRID), Ledger(tmp_path / "none"))
    trials = [trial for branch in plan.branches for trial in branch.confirm]
    assert sum(entry.pflop for entry in shared.values()) == pytest.approx(FlopBudget().estimate(trials))
    assert sum(entry.pflop for entry in unshared.values()) > 2 * FlopBudget().estimate(trials)
