"""A synthetic study as the sweep leaves it: study.yaml, ledger, pictures."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.data.columns import COLUMNS
from analysis.data.tidy import tidy

METHODS = ("c", "c_aug", "dagan", "dagan_aug")
LEVELS = {"c": 0.60, "c_aug": 0.66, "dagan": 0.63, "dagan_aug": 0.71}


def write_study(
    directory: Path,
    *,
    name: str = "digits",
    question: str = "Does DAGAN augmentation beat tuned baselines on handwritten digits?",
    dataset: str = "digits",
    methods: Iterable[str] = METHODS,
    levels: Mapping[str, float] = LEVELS,
    sizes: Iterable[int] = (5, 20),
    compare: Mapping[str, list[str]] | None = None,
    trials: int = 8,
    seeds: int = 8,
    pictures: bool = False,
) -> Path:
    (directory / "ledger").mkdir(parents=True)
    (directory / "pictures").mkdir()
    declared = {"dagan_aug": ["c_aug", "dagan"], "dagan": ["c"]} if compare is None else compare
    study = {"name": name, "question": question, "datasets": [dataset], "samples_per_class": list(sizes)}
    study |= {"methods": list(methods), "compare": declared, "smallest_difference": 0.5, "seed": 0}
    study |= {"search": {"parameters": PARAMETERS, "budget": {"trials": trials}}, "confirm": {"seeds": seeds}}
    (directory / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    for size in sizes:
        for method in methods:
            for phase, count in (("search", trials), ("confirm", seeds)):
                for trial in range(count):
                    one = entry(name, phase, dataset, size, method, trial, level=levels[method])
                    write_entry(directory, one)
                    if pictures and phase == "confirm" and "gan" in method:
                        write_pictures(directory / "pictures" / f"{one['signature']}.npz")
    return directory


PARAMETERS = {
    "gan.iterations": {"values": [200, 400]},
    "gan.feature_matching_weight": {"distribution": "log_uniform_values", "min": 0.05, "max": 5.0},
    "classifier.iterations": {"values": [400, 800]},
    "classifier.learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 3e-3},
}


def entry(
    study: str = "digits",
    phase: str = "confirm",
    dataset: str = "digits",
    size: int = 5,
    method: str = "c",
    trial: int = 0,
    *,
    level: float = 0.6,
    **changes: Any,
) -> dict[str, Any]:
    seed = trial if phase == "search" else 1000 + trial
    random = np.random.default_rng([size, trial, len(method), phase == "search"])
    rng = np.random.default_rng([size, seed]).normal(0, 0.02)  # the same for every method
    accuracy = float(np.clip(level + 0.1 * np.log10(size) + rng + random.normal(0, 0.008), 0, 1))
    search, generator = phase == "search", "gan" in method
    status = "completed" if not search or trial % 4 else "stopped"
    config = {"method": method, "seed": seed, "data": {"dataset": dataset}}
    config["data"] |= {"samples_per_class": size, "subset_seed": seed}
    config |= {
        "network": {"width": 1.0, "maps": [32, 64]},
        "augmentation": {"rotation": 15} if "aug" in method else None,
    }
    config |= {"gan": {"iterations": 400, "feature_matching_weight": 0.31 * size} if generator else None}
    rate = float(10 ** random.uniform(-4, -2.6)) if search else 0.00123 * (1 + len(method) / 10)
    classifier = {"iterations": 800, "batch_size": 25, "learning_rate": rate, "augmentation_ratio": float(generator)}
    config |= {"classifier": classifier}
    config |= {"compute": {"device": "cpu", "threads": trial % 2 + 1}}
    provenance = {
        "commit": "0123abc",
        "torch": "2.9.0",
        "ray": "2.50.0",
        "device": "cpu",
        "precision": "float32",
    }
    provenance |= {"host": "laptop", "finished_at": f"2026-01-02T03:{trial:02d}:00+00:00"}
    one: dict[str, Any] = {
        "signature": hashlib.sha1(f"{study}/{phase}/{dataset}/{size}/{method}/{trial}".encode()).hexdigest(),
        "study": study, "phase": phase, "dataset": dataset, "samples_per_class": size, "method": method,
        "seed": seed, "trial": trial, "status": status, "error": None,
        "validation_accuracy": accuracy if search else None, "test_accuracy": None if search else accuracy,
        "iterations": 1200 if generator else 800, "pflop": 0.02 if generator else 0.01,
        "pflop_unshared": 0.04 if generator else 0.01, "wall_seconds": 31.5 + trial,
        "confusion": None if search else confusion(accuracy), "config": config, "provenance": provenance,
        "networks": networks(generator), "curve": curve(search, generator, accuracy),
    }  # fmt: skip
    return one | changes


def networks(generator: bool) -> dict[str, dict[str, float]]:
    classifier = {"classifier": {"parameters": 107_060, "mflop": 1.25}}
    return classifier | ({"generator": {"parameters": 2_141_460, "mflop": 8.5}} if generator else {})


def confusion(accuracy: float) -> dict[str, Any]:
    """A hundred images of each of three classes, the first the easiest."""
    right = [round(100 * min(1, share * accuracy)) for share in (1.1, 1, 0.9)]
    counts = [[100 - right[0] if column else right[0] for column in (0, 1)] + [0]]
    counts += [[0, right[1], 100 - right[1]], [50 - right[2] // 2, 50 - right[2] + right[2] // 2, right[2]]]
    return {"classes": ["ape", "bee", "caterpillar"], "counts": counts}


def curve(search: bool, generator: bool, accuracy: float) -> list[dict[str, Any]]:
    points = []
    for iteration in range(40, 401, 40) if generator else ():
        losses = {"discriminator": 1.2 + 2 / iteration, "generator": 0.8, "feature_matching": 30 / iteration}
        diversity = {
            name: 0.8 + accuracy / 10 - 0.6 * np.exp(-iteration / spread) for name, spread in (("0", 300), ("1", 500))
        }
        point = {"stage": "generation", "iteration": iteration, "validation_accuracy": None, "losses": losses}
        points.append(point | {"diversity": diversity})
    for iteration in range(80, 801, 80):
        reached = accuracy * (1 - np.exp(-iteration / 150)) if search else None
        losses = {"classification": float(2.3 * np.exp(-iteration / 200))}
        point = {
            "stage": "classification",
            "iteration": iteration,
            "validation_accuracy": reached,
            "losses": losses,
        }
        points.append(point)
    return [point | {"images_per_second": 5000.0} for point in points]


def write_entry(directory: Path, one: Mapping[str, Any]) -> Path:
    path = directory / "ledger" / f"{one['signature']}.json"
    path.write_text(json.dumps(one))
    return path


def write_pictures(path: Path, channels: int = 1) -> None:
    random = np.random.default_rng(0)
    shape = (10, 6, 8, 8, channels)
    rows, columns = np.mgrid[0:8, 0:8]
    base = 120 + 120 * np.sin((rows * np.arange(1, 11)[:, None, None] + columns * 3) / 5)
    clean = np.broadcast_to(base[:, None, :, :, None], shape)
    noisy = [np.clip(clean + random.normal(0, spread, shape), 0, 255).astype(np.uint8) for spread in (10, 60)]
    names = np.array([str(k) for k in range(10)])
    looks = {"progress": noisy[1][:, 3:], "iterations": np.array([25, 50, 100])}
    np.savez(path, real=noisy[0], generated=noisy[1], classes=names, **looks)


def table(accuracies: dict[str, list[float | None]], *, size: int = 5, phase: str = "confirm") -> pd.DataFrame:
    """Results with one row per method and seed; None stands for a diverged trial."""
    rows = [
        dict.fromkeys(COLUMNS)
        | {"signature": f"{method}-{size}-{seed}", "study": "s", "phase": phase, "dataset": "digits"}
        | {"samples_per_class": size, "method": method, "seed": seed, "trial": seed}
        | {"validation_accuracy" if phase == "search" else "test_accuracy": value, "pflop": 0.5}
        | {"status": "diverged" if value is None else "completed"}
        for method, values in accuracies.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip
    return tidy(pd.DataFrame(rows))
