"""Best configs as YAML files, one per method of a cell; each trains again to the same number."""

import math
from pathlib import Path
from typing import Any

import yaml

from dagan.errors import refuse
from dagan.files import write_atomically
from sweeps.planning.branch import Branch
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Entry
from sweeps.records.run_folder import RunFolder

HEADS = ("# The best config for ", "# The config for ")
HEADER = """\
# {what} for {method} on {cell}{how}.
# Train it again: sweeps train {file}
# Keep the trained classifier and generator too: sweeps train {file} --save weights
"""


def export(plan: Plan, folder: RunFolder) -> list[Path]:
    """Write `best/<dataset>-n<n>-<method>.yaml` for every method of a cell with a completed confirm trial.

    Files of an earlier version of the study, that ask for what it no longer does, are removed.

    Raises:
        InvalidInput: no confirm trial has completed.
    """
    files = []
    for branch in plan.branches:
        entries = sorted((e for e in branch.of_phase("confirm") if e.status == "completed"), key=lambda e: e.trial)
        if entries:
            cell = branch.cell
            point = f"-point-{plan.group(branch.confirm[0]).branches.index(branch)}" if branch.point else ""
            path = folder.best / f"{cell.dataset.name}-n{cell.samples_per_class}-{branch.method}{point}.yaml"
            folder.best.mkdir(parents=True, exist_ok=True)
            searched = plan.study.search.budget is not None
            head = HEADER.format(
                what="The best config" if searched else "The config",
                how=(f" with {branch.point}" if branch.point else "")
                + (", by mean validation accuracy over the search" if searched else ""),
                method=branch.method,
                cell=cell,
                file=path.name,
            )
            body = yaml.safe_dump(document(plan, branch, entries), sort_keys=False, allow_unicode=True)
            write_atomically(path, head + body)
            files.append(path)
    if not files:
        raise refuse(plan.study.name, "has no completed confirm trial yet, so there is nothing to export.")
    for path in set(folder.best.glob("*.yaml")) - set(files):
        if path.read_text(encoding="utf-8").startswith(HEADS):
            path.unlink()
    return files


def document(plan: Plan, branch: Branch, entries: list[Entry]) -> dict[str, Any]:
    """Content of an exported file: the config with its first confirm seed, its accuracy, and their provenance.

    The seed is the first one, not the best: choosing by test accuracy would be choosing on the test.
    """
    first = entries[0]
    best = branch.search.best
    assert best is not None
    accuracies = [entry.test_accuracy for entry in entries if entry.test_accuracy is not None]
    return {
        "config": first.config,
        "recorded": {
            "signature": first.signature,
            "test_accuracy": first.test_accuracy,
            "mean_test_accuracy": math.fsum(accuracies) / len(accuracies),
            "confirm_seeds": [entry.seed for entry in entries],
            "validation_accuracy": best.score,
            "suggestion": best.number,
            "study": plan.study.name,
            "study_hash": plan.study.hash,
            "provenance": first.provenance,
        },
    }


def read_config(tree: dict[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a config file into its settings and the record of its training, which is empty if written by hand."""
    if "config" not in tree:
        return tree, {}
    config, recorded = tree["config"], tree.get("recorded") or {}
    if not isinstance(config, dict) or not isinstance(recorded, dict):
        raise refuse(where, "`config` and `recorded` must hold keys and values.")
    return config, recorded
