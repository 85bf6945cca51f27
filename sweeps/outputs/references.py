"""Measures what takes no network on the images of a study, for its report."""

from contextlib import suppress

import pandas as pd

from analysis.findings.references import COLUMNS, REFERENCES, load_references
from dagan.config import Config, digest_of
from dagan.errors import InvalidInput, refuse
from dagan.files import write_atomically
from sweeps.planning.plan import Plan
from sweeps.records.run_folder import RunFolder

MOST_SEEDS = 20
"""Seeds of a cell that are measured; more would hardly move the mean."""


def find_references(plan: Plan, folder: RunFolder) -> None:
    """Keep for each cell what references reach on the images of its confirm seeds; what is known is not measured again.

    Only once confirm trials have opened the test. A data set that cannot be read here is passed over, as reports are
    made on other machines too; what is known of it already stays.
    """
    known, found = load_references(folder.root), []
    for cell in plan.study.cells:
        here = (cell.dataset.name, cell.samples_per_class)
        tested = [
            entry
            for entry in plan.entries
            if (entry.dataset, entry.samples_per_class) == here and entry.test_accuracy is not None
        ]
        if not tested:
            continue
        data = {key: value for key, value in tested[0].config["data"].items() if not key.startswith("generated")}
        images = digest_of({key: value for key, value in data.items() if key not in ("folder", "root")})
        measured = known[known["images"] == images]
        seeds = sorted({entry.seed for entry in tested})[:MOST_SEEDS]
        found.append(measured[measured["seed"].isin(seeds)])
        lacking = sorted(set(seeds) - set(measured["seed"]))
        if lacking:
            with suppress(InvalidInput, OSError):  # a report without this is still a report
                found.append(reached(data, lacking).assign(dataset=here[0], samples_per_class=here[1], images=images))
    table = pd.concat([known.head(0), *found])[list(COLUMNS)]
    if len(table) != len(known) or set(table["images"]) != set(known["images"]):
        write_atomically(folder.root / REFERENCES, table.to_csv(index=False))


def reached(data: dict[str, object], seeds: list[int]) -> pd.DataFrame:
    """Measure the references on the images of these seeds.

    Raises:
        InvalidInput: the images are not here, or cannot be read.
    """
    from dagan.evaluation.references import references
    from dagan.training.dataset import at_hand

    config = Config.of({"method": "c", "data": data})
    if not at_hand(config, test=True):
        raise refuse("data.root", f"{config.data.root} must hold {config.facts.name} here, but does not.")
    rows = [(seed, name, value) for seed, found in references(config, seeds) for name, value in found.items()]
    return pd.DataFrame(rows, columns=["seed", "reference", "test_accuracy"])
