"""What a sweep costs around the training: many trials of a fraction of a second, ours against plain Ray Tune's.

    python tests/benchmarks/overhead.py [--trials 200] [--iterations 60] [--workers 2] [--rounds 3]

Plain classifiers with a seed each, so that nothing is shared. In every round `sweeps run` with W&B off, plain Ray Tune
doing the same trainings (`plain_tune.py`) and `sweeps run` with W&B offline take turns. Per trial, in milliseconds:

whole    from the end of the first trial to that of the last, by the number of trials between
around   the same times the workers, less the training itself: what a worker spends on a trial beside training it
command  the whole command with start, end and our report, by the number of trials

With --memory 2000 instead: what each finished trial of a run of so many adds to the driver's memory, W&B offline.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rivals.contest import Contestant, Outcome

from sweeps.study.parse import study_of


def tree(trials: int, iterations: int) -> dict[str, Any]:
    """A study of so many short trials."""
    return {
        "name": "short",
        "datasets": ["digits"],
        "samples_per_class": [5],
        "methods": ["c"],
        "base": {"network": {"width": 0.25}, "classifier": {"batch_size": 32, "iterations": iterations}},
        "confirm": {"seeds": trials},
        "report_every": iterations,
    }


def main() -> None:
    """Run all in turn, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="TRIALS")
    options = parser.parse_args()
    if options.memory:
        print(f"{memory_per_trial(options.memory):.0f} bytes per finished trial")
        return
    chosen = tree(options.trials, options.iterations)
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            contestant = Contestant(Path(name), study_of(chosen), yaml.safe_dump(chosen), options.workers)
            ours, plain = contestant.sweeps(), contestant.plain_tune()
            logged = contestant.sweeps("--wandb", "offline")
        assert ours.numbers == plain.numbers == logged.numbers
        assert len(ours.numbers) == options.trials
        runs = {"plain Ray Tune": plain, "sweeps": ours, "sweeps, W&B offline": logged}
        rounds.append({who: costs(outcome, options.workers) for who, outcome in runs.items()})
        print(rounds[-1], flush=True)
    for who in rounds[0]:
        cells = []
        for what in rounds[0][who]:
            value = statistics.median(one[who][what] for one in rounds)
            ratio = statistics.median(one[who][what] / one["plain Ray Tune"][what] for one in rounds)
            cells.append(f"{what} {value:6.1f} ms ({ratio:.2f}x)")
        print(f"{who:20} {'   '.join(cells)}")


def costs(outcome: Outcome, workers: int) -> dict[str, float]:
    """Milliseconds per trial."""
    trials = len(outcome.numbers)
    whole = outcome.between / (trials - 1)
    around = whole * workers - outcome.training / trials
    return {"whole": 1e3 * whole, "around": 1e3 * around, "command": 1e3 * outcome.seconds / trials}


def memory_per_trial(trials: int) -> float:
    """The slope of the driver's resident memory over finished trials, bytes; the first quarter is left out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "study.yaml").write_text(yaml.safe_dump(tree(trials, 5)))
        command = [sys.executable, "-m", "sweeps", "run", "study.yaml"]
        seen: list[tuple[int, int]] = []
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
            while driver.poll() is None and (not seen or seen[-1][0] < trials):
                done = len(list(folder.glob("results/short/ledger/*.json")))
                pages = int(Path(f"/proc/{driver.pid}/statm").read_text().split()[1])
                seen.append((done, pages * os.sysconf("SC_PAGE_SIZE")))
                print(*seen[-1], flush=True)
                time.sleep(1)
        assert driver.returncode == 0
    finished, used = np.array([one for one in seen if trials / 4 < one[0] < trials]).T
    return float(np.polyfit(finished, used, 1)[0])


if __name__ == "__main__":
    main()
