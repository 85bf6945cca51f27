"""How fast a study with 10,000 finished trials is ready to go on, and what a finished trial costs the driver's memory.

    python tests/benchmarks/resume.py [--trials 10000] [--rounds 3]

The ledger is made up: a plan is played through with entries as real trainings leave them, curves of twelve points and
all, over four methods and two sizes. Nearly finished: one trial per method is missing. Timed in a process of its own:
reading the ledger and replaying it into the plan, what `sweeps run` and `sweeps status` begin with; and its memory.
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dagan.config import is_whole
from sweeps.planning.plan import Plan
from sweeps.planning.sharing import Sharing
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger
from sweeps.study.parse import study_of
from sweeps.study.schema import Study

METHODS = ("c", "c_aug", "dagan", "dagan_aug")
SIZES = (5, 20)
CONFIRM = 10


def tree(trials: int, *, designed: bool) -> dict[str, Any]:
    """A study of about so many trials: a search, or a grid."""
    study: dict[str, Any] = {
        "name": "big",
        "datasets": ["digits"],
        "samples_per_class": list(SIZES),
        "methods": list(METHODS),
        "base": {"network": {"width": 0.5}, "gan": {"learning_rate": 2e-3}},
        "confirm": {"seeds": CONFIRM},
    }
    if designed:
        # Of the four methods two have all factors, and two the first alone.
        values = round((trials / CONFIRM / len(SIZES) / 2 / 5) ** 0.5)
        ratios = [index / values for index in range(values)]
        weights = [index / values for index in range(values)]
        rates = [1e-4, 2e-4, 3e-4, 4e-4, 5e-4]
        factors = {"classifier.learning_rate": rates, "gan.feature_matching_weight": weights}
        return study | {"design": "grid", "factors": factors | {"classifier.augmentation_ratio": ratios}}
    parameters = {
        "gan.feature_matching_weight": {"distribution": "log_uniform_values", "min": 0.05, "max": 5.0},
        "classifier.iterations": {"values": [200, 400, 600]},
        "classifier.learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 3e-3},
    }
    budget = trials // len(METHODS) // len(SIZES) - CONFIRM
    return study | {"search": {"parameters": parameters, "budget": {"trials": budget}}}


def entry_of(trial: Trial, rng: random.Random) -> Entry:
    """A made-up end of a trial, as large as a real one."""
    accuracy = rng.random()
    stages = [("generation", ("discriminator", "generator", "feature matching"))] * bool(trial.config.gan)
    curve = [
        {
            "stage": stage,
            "iteration": 50 * step,
            "total": 300,
            "validation_accuracy": rng.random() if stage == "classification" else None,
            "losses": {name: rng.random() for name in names},
            "images_per_second": 1e4 * rng.random(),
            "diversity": {str(digit): rng.random() for digit in range(10)} if stage == "generation" else None,
        }
        for stage, names in [*stages, ("classification", ("real", "generated"))]
        for step in range(1, 7)
    ]
    packages = dict.fromkeys(("python", "dagan-sweeps", "torch", "numpy", "optuna", "ray"), "1.2.3")
    return Entry(
        **trial.identity("big"),
        status="completed",
        validation_accuracy=accuracy if trial.phase == "search" else None,
        test_accuracy=accuracy if trial.phase == "confirm" else None,
        iterations=600,
        pflop=rng.random(),
        pflop_unshared=rng.random(),
        wall_seconds=rng.random(),
        provenance=packages | {"commit": "0123456789ab", "host": "somewhere", "device": "AVX512 CPU", "threads": 1},
        curve=curve,
    )


class Unwritten(Ledger):
    """A ledger whose files are written without waiting for the disk: making 10,000 up would take minutes."""

    def write(self, entry: Entry) -> None:
        """Write and note."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(entry.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
        (self.folder / f"{entry.signature}.json").write_text(text)
        self._add(entry)


def make(study: Study, folder: Path) -> None:
    """Make a study's ledger up: suggestions drawn at random, since asking Optuna for 10,000 takes minutes."""
    ledger, rng = Unwritten(folder), random.Random(0)
    for search in (branch.search for branch in Plan(study, ledger).branches):
        for number in range(search.planned):
            settings = {key: value.draw(rng, whole=is_whole(key)) for key, value in search.space.items()}
            config = study.config(search.cell, search.method, seed=0, phase="search", settings=settings)
            trial = Trial(search.cell, search.method, "search", number, config, search=search.key)
            ledger.write(entry_of(trial, rng))
    plan = Plan(study, ledger, sharing=Sharing(shared=False))
    while trial := plan.next():
        plan.start(trial)
        plan.record(trial, entry_of(trial, rng))
    last = {branch.method: list(branch.entries.values())[-1].signature for branch in plan.branches}
    for signature in last.values():
        (folder / f"{signature}.json").unlink()


def measure(file: Path, folder: Path) -> dict[str, float]:
    """Seconds until the plan is ready, by the clock and of processor time, and bytes of memory, of this process."""
    study = study_of(json.loads(file.read_text()))
    before, begin, worked = resident(), time.perf_counter(), time.process_time()
    ledger = Ledger(folder)
    read = time.perf_counter()
    plan = Plan(study, ledger, retry=True, sharing=Sharing())
    ready = time.perf_counter()
    processor = time.process_time() - worked
    assert plan.next()
    assert not plan.finished
    entries = len(plan.entries)
    bytes_each = (resident() - before) / entries
    seconds = {"read": read - begin, "replay": ready - read, "processor": processor}
    return {"entries": entries, **seconds, "bytes_per_entry": bytes_each}


def resident() -> int:
    """Memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    """Make both studies up, measure each a few times, print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, type=Path, help="measure here, a study file and its ledger")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    for designed in (False, True):
        folder = Path(tempfile.mkdtemp(prefix="resume-"))
        chosen = tree(options.trials, designed=designed)
        (folder / "study.json").write_text(json.dumps(chosen))
        make(study_of(chosen), folder / "ledger")
        command = [sys.executable, __file__, "--one", str(folder / "study.json"), str(folder / "ledger")]
        rounds = []
        for _ in range(options.rounds):
            begin = time.perf_counter()
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            rounds.append(json.loads(answer.stdout) | {"command": time.perf_counter() - begin})
        shutil.rmtree(folder)
        found = {key: round(statistics.median(one[key] for one in rounds), 2) for key in rounds[0]}
        print("grid" if designed else "search", json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
