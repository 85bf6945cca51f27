"""The standard ablation grid on digits: `sweeps run` against every trial from scratch under plain Ray Tune.

    python tests/benchmarks/sharing.py [--size small|quarter|full] [--workers 2] [--rounds 1]

λ 3 × KG 3 × KC 3 × r 3 × {dagan, dagan_aug} × 2 seeds = 324 trials, about half an hour on two cores. `quarter` has one
method and one seed: 81 trials; `small` a quarter of the iterations, too: a few minutes. The settings are those of the
shipped `digits` study. Both sides are timed as whole commands, from start to end, ours with its report; they take
turns, and every number of every trial must be the same on both: accuracies, iterations, operations, losses.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import yaml
from rivals.contest import Contestant, Outcome

from sweeps.planning.budget import FlopBudget
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.study.parse import study_of

STUDY: dict[str, Any] = {
    "name": "grid",
    "datasets": ["digits"],
    "samples_per_class": [5],
    "methods": ["dagan", "dagan_aug"],
    "base": {
        "network": {"width": 0.5, "dropout": 0.25},
        "gan": {"loss": "joint", "learning_rate": 2e-3},
        "classifier": {"batch_size": 48},
    },
    "design": "grid",
    "factors": {
        "gan.feature_matching_weight": [0.0, 0.5, 2.0],
        "gan.iterations": [200, 400, 600],
        "classifier.iterations": [200, 400, 600],
        "classifier.augmentation_ratio": [0.0, 0.5, 1.0],
    },
    "confirm": {"seeds": 2},
}
QUARTER: dict[str, Any] = {"methods": ["dagan"], "confirm": {"seeds": 1}}
FEW = {"gan.iterations": [50, 100, 150], "classifier.iterations": [50, 100, 150]}
SIZES = {"full": {}, "quarter": QUARTER, "small": QUARTER | {"factors": STUDY["factors"] | FEW}}


def main() -> None:
    """Run both in turn, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    tree = STUDY | SIZES[options.size]
    study = study_of(tree)
    trials = [trial for branch in Plan(study, Ledger(Path())).branches for trial in branch.confirm]
    alone, together = sum(FlopBudget().charge(trial) for trial in trials), FlopBudget().estimate(trials)
    print(f"{len(trials)} trials; counted operations {alone / together:.2f}x fewer when shared", flush=True)
    ratios = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            contestant = Contestant(Path(name), study, yaml.safe_dump(tree, sort_keys=False), options.workers)
            ours, plain = contestant.sweeps(), contestant.plain_tune()
        assert len(ours.numbers) == len(plain.numbers) == len(trials)
        differing = [signature for signature in plain.numbers if ours.numbers[signature] != plain.numbers[signature]]
        assert not differing, f"different numbers in {differing}"
        ratios.append(plain.seconds / ours.seconds)
        print(f"all numbers identical; {said(ours, plain)}", flush=True)
    print(json.dumps({"ratio": statistics.median(ratios), "ratios": ratios}))


def said(ours: Outcome, plain: Outcome) -> str:
    """Times and their ratio, in words."""
    return (
        f"sweeps {ours.seconds:.1f} s, plain Ray Tune {plain.seconds:.1f} s: {plain.seconds / ours.seconds:.2f}x;"
        f" first to last trial {ours.between:.1f} s, {plain.between:.1f} s: {plain.between / ours.between:.2f}x"
    )


if __name__ == "__main__":
    main()
