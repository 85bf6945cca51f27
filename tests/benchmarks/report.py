"""How long a report over many trials takes, and how much memory: from a Parquet file, and from a ledger.

python tests/benchmarks/report.py [--rows 100000] [--ledger]

Each report is written by a process of its own; its peak memory is what the kernel says of it.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from analysis.data.entries import table
from analysis.data.tidy import tidy

METHODS = ("c", "c_aug", "vanilla_gan", "vanilla_gan_aug", "cgan", "cgan_aug", "semi_gan", "semi_gan_aug", "dagan")
METHODS += ("dagan_aug",)
SIZES, DATASETS = (50, 100, 200, 500, 1000), ("cifar10", "svhn", "mnist", "kdef", "fashion_mnist")
FAMILY = {"dagan_aug": ["c_aug", "semi_gan_aug"], "dagan": ["c", "semi_gan"]}
SEARCHED = {
    "gan.iterations": {"values": [500, 1000, 2000]},
    "gan.feature_matching_weight": {"min": 0.05, "max": 5.0},
    "classifier.iterations": {"values": [1000, 2500]},
    "classifier.learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 3.2e-3},
}


def entries(rows: int) -> Iterator[dict[str, Any]]:
    """Made-up trials of one big study, half of them search."""
    random = np.random.default_rng(0)
    groups = [(d, n, m, p) for d in DATASETS for n in SIZES for m in METHODS for p in ("search", "confirm")]
    for index in range(rows):
        dataset, size, method, phase = groups[index % len(groups)]
        trial = index // len(groups)
        generator, search = "gan" in method, phase == "search"
        accuracy = float(np.clip(0.5 + 0.1 * np.log10(size) + random.normal(0, 0.05), 0, 1))
        gan = {"iterations": int(random.choice([500, 1000, 2000])), "feature_matching_weight": random.uniform(0.05, 5)}
        config = {
            "method": method,
            "seed": trial,
            "data": {"dataset": dataset, "samples_per_class": size, "phase": phase},
        }
        config |= {"network": {"name": "conv32", "width": 1.0}, "gan": gan if generator else None}
        rate = float(10 ** random.uniform(-4, -2.5))
        config |= {"classifier": {"iterations": int(random.choice([1000, 2500])), "learning_rate": rate, "beta1": 0.5}}
        points = [
            {"stage": "classification", "iteration": 100 * k, "losses": {"real": 1 / k, "generated": 2 / k}}
            | {"validation_accuracy": accuracy * (1 - 0.5 / k) if search else None, "images_per_second": 100.0}
            for k in range(1, 11)
        ]
        yield {
            "signature": hashlib.sha1(str(index).encode()).hexdigest()[:16], "study": "big", "phase": phase,
            "dataset": dataset, "samples_per_class": size, "method": method, "seed": trial, "trial": trial,
            "status": "completed" if random.uniform() < 0.97 else "diverged", "iterations": 1000, "pflop": 0.02,
            "validation_accuracy": accuracy if search else None, "test_accuracy": None if search else accuracy,
            "pflop_unshared": 0.04, "wall_seconds": 30.0, "config": config, "error": None, "warning": None,
            "provenance": {"commit": "0123abc", "torch": "2.15.0", "finished_at": f"2026-01-01T00:00:{trial % 60:02d}"},
            "curve": points,
        }  # fmt: skip


def write_study(folder: Path, rows: int) -> Path:
    """A study folder with a ledger of so many files."""
    (folder / "ledger").mkdir(parents=True)
    study = {"name": "big", "methods": list(METHODS), "compare": FAMILY}
    study |= {"search": {"parameters": SEARCHED}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    for entry in entries(rows):
        (folder / "ledger" / f"{entry['signature']}.json").write_text(json.dumps(entry, indent=1))
    return folder


def report(source: Path, output: Path) -> None:
    """Write one report, and print its seconds, on the clock and of the processor, and its peak memory."""
    from analysis import report, write_report

    begun = time.perf_counter()
    if source.is_dir():
        write_report(source, output=output)
    else:
        report(source, output, compare=FAMILY)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    busy = time.process_time()  # of a shared machine the clock says little
    print(f"{seconds:.1f} s ({busy:.1f} s of processor time, imports too), {peak:.2f} GB")


def main() -> None:
    """Make the trials, write the reports, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--ledger", action="store_true", help="a ledger of so many files too, with curves")
    parser.add_argument("--one", nargs=2, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        report(*asked.one)
        return
    with tempfile.TemporaryDirectory() as folder:
        sources = [Path(folder) / "big.parquet"]
        tidy(table(entries(asked.rows))).to_parquet(sources[0])
        if asked.ledger:
            sources.append(write_study(Path(folder) / "big", asked.rows))
        for source in sources:
            words = [sys.executable, __file__, "--one", str(source), str(Path(folder) / "report")]
            answer = subprocess.run(words, capture_output=True, text=True, check=True)
            print(f"{asked.rows:,} rows, {source.suffix or 'ledger'}: {answer.stdout.strip()}")


if __name__ == "__main__":
    main()
