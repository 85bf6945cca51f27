"""Train every method with several seeds from one config, and print what came out with intervals.

    python tests/benchmarks/methods.py CONFIG.yaml --out RESULTS.jsonl [--seeds 5] [--methods c dagan …]
        [--set data.root=… …] [--processes 2] [--seconds 600] [--with dagan]

Each training is `sweeps train`, or with `--with dagan` the library alone, which needs neither Ray nor W&B: ready for
a bare GPU machine. RESULTS gets one line per training; what stands there already is not trained again, so the same
command goes on where it was stopped. Seeds are the outer loop: whatever the time allows, methods stay paired.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import yaml
from scipy.stats import t

from dagan.config import Config
from dagan.defaults import reaches
from dagan.methods import METHODS
from dagan.nested import flatten, nest

FIRST_SEED = 1000
PUBLISHED = {
    ("cifar10", 50): {
        "c": 37.2,
        "c_aug": 39.6,
        "vanilla_gan": 38.3,
        "semi_gan": 39.2,
        "dagan": 39.3,
        "dagan_aug": 45.5,
    },
    ("cifar10", 100): {
        "c": 43.9,
        "c_aug": 47.2,
        "vanilla_gan": 44.0,
        "semi_gan": 46.4,
        "dagan": 47.2,
        "dagan_aug": 52.0,
    },
}
"""Test accuracies, %, of the DAGAN paper, Table 3; one subset and one seed each, no interval."""


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--set", nargs="+", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no training after so long")
    parser.add_argument("--with", choices=["sweeps", "dagan"], default="sweeps", dest="through")
    options = parser.parse_args()
    base = flatten(yaml.safe_load(options.config.read_text())) | {
        key: yaml.safe_load(value) for key, _, value in (text.partition("=") for text in options.settings)
    }
    done = recorded(options.out)
    wanted = itertools.product(range(FIRST_SEED, FIRST_SEED + options.seeds), options.methods)
    missing = []
    for seed, method in wanted:
        row = done.get((method, seed))
        if row is None:
            missing.append((method, seed))
        elif row["signature"] != Config.of(config_of(base, method, seed)).signature:
            raise SystemExit(f"{options.out} has `{method}`, seed {seed}, of another config. Give another --out.")
    train_all(missing, base, options)
    cell = (str(base["data.dataset"]).removesuffix("-jpeg"), base["data.samples_per_class"])
    print_table(recorded(options.out), PUBLISHED.get(cell, {}))


def recorded(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The lines of a results file by method and seed."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {(row["method"], row["seed"]): row for row in map(json.loads, lines)}


def train_all(missing: Sequence[tuple[str, int]], base: dict[str, Any], options: argparse.Namespace) -> None:
    """Train, so many at a time, and append each outcome as it comes."""
    end = time.monotonic() + options.seconds
    train = {"sweeps": through_sweeps, "dagan": through_dagan}[options.through]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(train, config_of(base, method, seed), end): (method, seed) for method, seed in missing}
        for future in as_completed(futures):
            method, seed = futures[future]
            outcome = future.result()
            if outcome is None:
                continue
            row = {"method": method, "seed": seed} | outcome
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{method}, seed {seed}: {row['status']}, test {row['test_accuracy']}", file=sys.stderr, flush=True)


def config_of(base: dict[str, Any], method: str, seed: int) -> dict[str, Any]:
    """The choices of one training: those of the base that reach the method."""
    own = {key: value for key, value in base.items() if reaches(key, method)}
    # Relative to where this was started; `sweeps train` takes a folder as relative to its file.
    own |= {key: str(Path(own[key]).resolve()) for key in ("data.folder", "data.root") if key in own}
    return nest(own | {"method": method, "seed": seed})


def through_sweeps(choices: dict[str, Any], end: float) -> dict[str, Any] | None:
    """The outcome by `sweeps train`; None after the end."""
    if time.monotonic() > end:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(yaml.safe_dump(choices))
        command = [sys.executable, "-m", "sweeps", "train", str(file), "--json"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode == 2:
        raise SystemExit(answer.stderr)
    return kept(json.loads(answer.stdout))


def through_dagan(choices: dict[str, Any], end: float) -> dict[str, Any] | None:
    """The outcome by the library alone; None after the end."""
    if time.monotonic() > end:
        return None
    from dataclasses import asdict

    from dagan import Config, train

    config = Config.of(choices)
    return kept(asdict(train(config)) | {"signature": config.signature})


def kept(outcome: dict[str, Any]) -> dict[str, Any]:
    """What a line of the results holds."""
    keys = ("signature", "status", "test_accuracy", "iterations", "pflop", "wall_seconds", "error")
    return {key: outcome[key] for key in keys}


def print_table(rows: dict[tuple[str, int], dict[str, Any]], published: dict[str, float]) -> None:
    """Mean and 95 % t interval by method, and the paired difference to the plain rival, as Markdown."""
    head = [
        "method",
        "seeds",
        "test accuracy, %",
        "difference to `c` or `c_aug`, points",
        "diverged",
        "TFLOP",
        "seconds",
    ]
    print(f"| {' | '.join(head + ['published, %'] * bool(published))} |")
    print("|---" + "|---:" * (len(head) - 1 + bool(published)) + "|")
    for method in METHODS:
        mine = {seed: row for (name, seed), row in rows.items() if name == method}
        if not mine:
            continue
        values = {seed: 100 * row["test_accuracy"] for seed, row in mine.items() if row["test_accuracy"] is not None}
        plain = "c_aug" if METHODS[method].augmented else "c"
        against = {seed: rows[plain, seed]["test_accuracy"] for seed in values if (plain, seed) in rows}
        differences = [values[seed] - 100 * other for seed, other in against.items() if other is not None]
        print(
            f"| `{method}` | {len(values)} | {interval(list(values.values()))} |"
            f" {'' if method == plain else interval(differences, sign='+')} | {len(mine) - len(values)} |"
            f" {1000 * statistics.mean(row['pflop'] for row in mine.values()):.2g} |"
            f" {statistics.median(row['wall_seconds'] for row in mine.values()):.0f} |"
            + (f" {published.get(method, '')} |" if published else "")
        )


def interval(values: Sequence[float], sign: str = "") -> str:
    """Mean ± half of the 95 % t interval; one value has none."""
    if not values:
        return "–"
    mean = f"{statistics.mean(values):{sign}.1f}"
    if len(values) == 1:
        return f"{mean} (no interval)"
    return f"{mean} ± {t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)):.1f}"


if __name__ == "__main__":
    main()
