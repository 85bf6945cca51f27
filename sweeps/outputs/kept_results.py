"""Keeps the results of a study in a few small files, from which its report is made again: `sweeps keep`."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from analysis.findings.cards import CARDS
from analysis.findings.leaks import LEAKS
from analysis.findings.references import REFERENCES
from dagan.files import write_atomically
from dagan.nested import flatten, nest
from sweeps.outputs.duplicates import find_duplicates
from sweeps.outputs.references import find_references
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Entry
from sweeps.records.run_folder import RunFolder
from sweeps.run.controller import pictures_of

PAGE = "README.md"
"""The report: what a browser of a repository shows of a folder."""
OF_ONE_MACHINE = ("data.folder", "data.root", "data.generated", "network.weights")
"""Settings that say where files lie: kept without the folders above."""


def keep(plan: Plan, folder: RunFolder, to: Path) -> list[Path]:
    """Write study file, ledger, what was found of copies, the pictures of the report, and the report; return the paths.

    What tells of one machine is left out: where files lie, its name.
    """
    from analysis.data.ledger import write_compact

    to.mkdir(parents=True, exist_ok=True)
    study = plan.study.resolved | {"datasets": [without_places(one) for one in plan.study.resolved["datasets"]]}
    write_atomically(to / "study.yaml", yaml_of(study))
    entries = {entry.signature: entry for entry in plan.entries}
    ledger = write_compact((portable(entry) for entry in entries.values()), to)
    (to / "pictures").mkdir(exist_ok=True)
    for branch in plan.branches:
        firsts = [trial for trial in branch.confirm if (folder.pictures / pictures_of(trial)).is_file()][:1]
        for trial in firsts if not branch.point else []:
            shutil.copy(folder.pictures / pictures_of(trial), to / "pictures")
    if (folder.root / LEAKS).is_file():
        shutil.copy(folder.root / LEAKS, to)
    find_duplicates(plan, folder)
    find_references(plan, folder)
    if (folder.root / REFERENCES).is_file():
        shutil.copy(folder.root / REFERENCES, to)
    for found in (folder.duplicates, folder.root / CARDS):
        if found.is_dir():
            shutil.copytree(found, to / found.name, dirs_exist_ok=True)
    report_of(to)
    return [to / "study.yaml", ledger, to / PAGE]


def report_of(folder: Path) -> tuple[str, ...]:
    """Write the report of kept results into their folder: the page as Markdown, and its figures; return its answer.

    Equal results give equal bytes.
    """
    from analysis import write_report

    with TemporaryDirectory() as temporary:
        found = write_report(folder, output=temporary)
        page = found.markdown.read_text(encoding="utf-8")
        shutil.rmtree(folder / "figures", ignore_errors=True)
        (folder / "figures").mkdir()
        for figure in found.figures:
            if f"(figures/{figure.name})" in page:
                shutil.copy(figure, folder / "figures")
        write_atomically(folder / PAGE, page)
    return found.lines


def yaml_of(tree: Mapping[str, Any]) -> str:
    """Write a mapping as YAML, its keys in their order."""
    import yaml

    return yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True)


def portable(entry: Entry) -> dict[str, Any]:
    """Return an entry in JSON types without what tells of one machine."""
    plain: dict[str, Any] = json.loads(entry.model_dump_json())
    config = flatten(plain["config"])
    places = {key: Path(config[key]).name for key in OF_ONE_MACHINE if config.get(key)}
    provenance = {key: value for key, value in plain["provenance"].items() if key != "host"}
    return plain | {"config": nest(config | places), "provenance": provenance}


def without_places(dataset: Any) -> Any:
    """Return a data set of a resolved study with the names of its folders alone."""
    if not isinstance(dataset, dict):
        return dataset
    kept = {key: Path(value).name if key in ("folder", "generated") else value for key, value in dataset.items()}
    kept.pop("root", None)
    return kept
