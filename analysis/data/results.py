"""Read studies into tidy results, one row per trial, and write them as CSV and Parquet."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.data import entries
from analysis.data.columns import TRIAL
from analysis.data.csv_guard import guarded, unguarded
from analysis.data.ledger import COMPACT, compact_entries, ledger_entries
from analysis.data.study import load_study
from analysis.data.tidy import in_order, tidy
from analysis.data.wandb_offline import offline_entries, run_files
from analysis.data.wandb_online import SCHEME, online_entries, project_runs
from analysis.errors import ResultsError

Source = str | Path


def load(source: Source, *more: Source) -> pd.DataFrame:
    """Read the results of one or several studies; every kind of source gives the same table.

    A source is a study directory with a ledger (a folder, or `ledger.parquet`), a folder of offline W&B runs,
    `wandb:ENTITY/PROJECT`, a `.csv` or a `.parquet` file. Columns: those of `COLUMNS` (accuracies in 0..1), then
    `networks.*`, `config.*`, `provenance.*`, `quality.*` and `readings.*`. Rows come in the order dataset, samples per
    class, method (the studies' order, else the paper's), phase, trial, seed.

    `attrs["damaged"]` names each file or run that cannot be read, or has not ended, with the reason;
    `attrs["methods"]` is the studies' order; `attrs["compare"]` lists the pairs of method and baseline that they
    declare; `attrs["repeated"]` counts the rows left out because an earlier source has the same trial.

    Raises:
        ResultsError: A column is missing, a row is there twice in one source, or a value is out of its range.
    """
    read = [_read(one) for one in (source, *more)]
    tables = [tidy(found.table) for found in read]
    # A study and its W&B runs, or a table and a later one of the same study, have trials in common.
    merged = tables[0] if len(tables) == 1 else tidy(_merged(tables))
    declared = list(dict.fromkeys(method for found in read for method in found.methods))
    by = ["dataset", "samples_per_class", "method", "phase", "trial", "seed", "study", "signature"]
    results = in_order(merged, by, declared)
    several = len(read) > 1
    damaged = {
        f"{found.name}/{file}" if several else file: why for found in read for file, why in found.damaged.items()
    }
    repeated = sum(map(len, tables)) - len(merged)
    family = [(method, name) for found in read for method, names in found.compare.items() for name in names]
    results.attrs |= {"damaged": damaged, "methods": declared, "compare": family, "repeated": repeated}
    return results


def load_curves(source: Source, *, signatures: Collection[str] | None = None) -> pd.DataFrame:
    """Read the learning curves of a study directory or of W&B runs, one row per trial and point.

    With `signatures` only those of these trials. Columns: signature, phase, dataset, samples_per_class, method,
    seed, trial, stage (`generation` or `classification`), iteration, validation_accuracy (0..1 or missing),
    images_per_second, diversity (of the generated images, mean over classes, or missing), classes (their number) and
    one `loss.<term>` per loss. A CSV or a Parquet file holds none.
    """
    found = () if _is_table(source) else _entries(source, {}, signatures=signatures, with_curves=True)
    return entries.curves(
        entry for entry in found if entry.get("curve") and (signatures is None or entry["signature"] in signatures)
    )


def load_confusions(source: Source, *, signatures: Collection[str] | None = None) -> pd.DataFrame:
    """Read what test images were taken for from a study directory, one row per trial, class and predicted class.

    With `signatures` only those of these trials. Columns: signature, dataset, samples_per_class, method, point, seed,
    label, predicted (names of classes), images. Weights & Biases, a CSV or a Parquet file hold none.
    """
    # The runs of a project would all be asked for nothing.
    without = str(source).startswith(SCHEME) or _is_table(source)
    found = () if without else _entries(source, {}, signatures=signatures)
    return entries.confusions(entry for entry in found if signatures is None or entry["signature"] in signatures)


def write_tables(results: pd.DataFrame, directory: Source) -> tuple[Path, Path]:
    """Write `results.csv` and `results.parquet`, the same columns in both, and return their paths.

    In the CSV a text that a spreadsheet would take for a formula begins with an apostrophe; `load` takes it away.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    csv, parquet = directory / "results.csv", directory / "results.parquet"
    guarded(results).to_csv(csv, index=False)
    results.to_parquet(parquet, index=False)
    return csv, parquet


@dataclass
class _Found:
    """One source as it was read."""

    name: str
    table: pd.DataFrame
    methods: Sequence[str] = ()
    compare: Mapping[str, Sequence[str]] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def _read(source: Source) -> _Found:
    damaged: dict[str, str] = {}
    if not _is_table(source):
        # One after the other into rows: the curves of a hundred thousand trials would fill the memory.
        table = entries.table(_entries(source, damaged))
        if str(source).startswith(SCHEME):
            return _Found(Path(source).name, table, damaged=damaged)
        study = load_study(_study_folder(Path(source)))
        return _Found(Path(source).name, table, study.methods, study.compare, damaged)
    path = Path(source)
    if path.suffix == ".parquet":
        return _Found(path.name, pd.read_parquet(path))
    return _Found(path.name, unguarded(pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])))


def _is_table(source: Source) -> bool:
    """Whether the source is a table; otherwise it holds entries.

    Raises:
        ResultsError: It is neither.
    """
    path = Path(source)
    if str(source).startswith(SCHEME) or path.is_dir():
        return False
    if not path.exists():
        raise ResultsError(f"{path} must exist, but nothing is there. Run the study first, or name its directory.")
    if path.suffix not in (".csv", ".parquet"):
        raise ResultsError(
            "results must be a study directory, a folder of W&B runs, wandb:ENTITY/PROJECT, a .csv or a .parquet "
            f"file, but got {path.name}."
        )
    return True


def _entries(
    source: Source,
    damaged: dict[str, str],
    *,
    signatures: Collection[str] | None = None,
    with_curves: bool = False,
) -> Iterator[dict[str, Any]]:
    if str(source).startswith(SCHEME):
        runs = project_runs(str(source).removeprefix(SCHEME))
        chosen = (run for run in runs if signatures is None or run.id in signatures)
        return online_entries(chosen, damaged, with_curves=with_curves)
    folder = Path(source)
    if (folder / "ledger").is_dir():
        return ledger_entries(folder / "ledger", damaged, signatures)
    if (folder / COMPACT).is_file():
        return compact_entries(folder / COMPACT, damaged, signatures)
    if files := run_files(folder):
        return offline_entries(files, damaged)
    raise ResultsError(
        f"{folder} must be a study directory with ledger/, or hold offline W&B runs, but has neither. "
        "Name results/<study>, after a first run."
    )


def _study_folder(folder: Path) -> Path:
    """Folder of `study.yaml`: that of the ledger, or the one above the folder of W&B runs."""
    return folder.parent if not (folder / "study.yaml").is_file() and folder.name == "wandb" else folder


def _merged(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    # Columns that a table lacks would become objects; `tidy` infers what is inferred again, from all values.
    stacked = pd.concat([table.astype(object) for table in tables], ignore_index=True)
    return stacked[~stacked.duplicated(list(TRIAL))].reset_index(drop=True)
