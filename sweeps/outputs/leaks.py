"""Looks for near-copies of held-out images among a study's generated ones, once, before its first trial."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.findings.leaks import LEAKS, doubts_of
from dagan.config import Config, digest_of
from dagan.data.generated import generated_facts
from dagan.errors import in_one_line
from dagan.files import write_atomically
from dagan.methods import METHODS
from sweeps.records.run_folder import RunFolder
from sweeps.study.schema import Study

if TYPE_CHECKING:
    from rich.console import Console


def find_leaks(study: Study, folder: RunFolder, console: "Console") -> None:
    """Compare generated images with the test and validation images of their data set, and tell of near-copies.

    Test images are opened here and nowhere else before a confirm trial ends, and what comes out is a list of files in
    `leaks.json` of the run folder, which the report reads. What was compared already is not compared again.
    """
    methods = [name for name in study.methods if METHODS[name].external]
    path, found = folder.root / LEAKS, {}
    if not methods:
        if path.is_file():
            path.unlink()  # of an earlier version of the study
        return
    known = kept(path)
    for dataset in study.cell_datasets:
        measured, *searched = configs_of(study, dataset.name, methods[0])
        key = digest_of({"compared": [config.signature for config in (measured, *searched)]})
        if known.get(dataset.name, {}).get("key") != key:
            console.print(f"comparing the generated images of {dataset.name} with those held out …", markup=False)
            known[dataset.name] = {"key": key, **compared(measured, searched)}
        found[dataset.name] = known[dataset.name] | {"methods": methods}
        for sentence in doubts_of(dataset.name, found[dataset.name], study.smallest_difference):
            console.print(f"Warning: {sentence}", markup=False)
    folder.root.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found, indent=1, ensure_ascii=False))


def configs_of(study: Study, dataset: str, method: str) -> list[Config]:
    """One config that is measured on test images, then those whose validation images a search may look at."""
    cells = [cell for cell in study.cells if cell.dataset.name == dataset]
    seeds = study.search_seeds if study.search.budget else []
    searched = [study.config(cell, method, seed=seed, phase="search") for cell in cells for seed in seeds]
    return [study.config(cells[0], method, seed=study.confirm_seeds[0], phase="confirm"), *searched]


def compared(measured: Config, searched: list[Config]) -> dict[str, Any]:
    """What a comparison comes to; why there is none, where images cannot be read here, as on the head of a cluster."""
    from dagan.evaluation.leaks import leaks

    assert measured.data.generated is not None
    try:
        found = leaks(measured, searched)
    except Exception as error:  # trials on other machines may find what is missing on this one
        return {"error": in_one_line(error)}
    return {
        "images": sum(generated_facts(measured.data.generated, measured.facts).per_class),
        "leaks": {purpose: asdict(leak) for purpose, leak in found.items()},
    }


def kept(path: Path) -> dict[str, Any]:
    """What was compared before; nothing where there is no such file, or a damaged one."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: one for name, one in found.items() if "error" not in one} if isinstance(found, dict) else {}
