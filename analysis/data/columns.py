"""The one list of columns: what the ledger holds of a trial, each field with its kind and its meaning."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "count", "number", "nested", "internal"]


@dataclass(frozen=True)
class Column:
    """One field of a ledger entry.

    `text`, `count` (a whole number) and `number` are columns of results; `nested` fields become columns of their own
    (`config.gan.iterations`) or, as curves, a table of their own; `internal` is the driver's and no column.
    """

    name: str
    kind: Kind
    meaning: str
    nullable: bool = False
    required: bool = True
    """Whether every entry has it; what is not required may be missing in ledgers and tables of earlier versions."""
    summary: bool = False
    """Whether it says how the trial ended: Weights & Biases keeps it in the summary of a run."""


LEDGER = (
    Column("signature", "text", "Hash of all settings that shape the numbers; the name of the file in the ledger."),
    Column("study", "text", "Name of the study that ran the trial."),
    Column("phase", "text", "`search` (chosen on validation images) or `confirm` (measured on test images)."),
    Column("dataset", "text", "Name of the data set."),
    Column("samples_per_class", "count", "Training images per class."),
    Column("method", "text", "Name of the method, as `dagan_aug`."),
    Column("point", "text", "Factors that a design changed, as `gan.loss=joint`; empty for its base.", required=False),
    Column("seed", "count", "Seed of subset, initial weights, batch order, augmentation and latents."),
    Column("trial", "count", "Number of the suggestion in a search, of the repetition in a confirmation."),
    Column("search", "internal", "Hash of all that a search's suggestions depend on; empty elsewhere.", required=False),
    Column(
        "status", "text", "`completed`, `stopped` (early), `diverged`, `oom` (out of memory) or `failed`.", summary=True
    ),
    Column("validation_accuracy", "number", "Share of validation images, 0 to 1.", nullable=True, summary=True),
    Column("test_accuracy", "number", "Share of test images, 0 to 1; empty in search.", nullable=True, summary=True),
    Column("iterations", "count", "Training iterations of both stages.", summary=True),
    Column("pflop", "number", "Counted operations done for the trial, 10^15; shared work counts once.", summary=True),
    Column("pflop_unshared", "number", "Counted operations, had the trial been trained alone, 10^15.", summary=True),
    Column("wall_seconds", "number", "Seconds that these operations took, evaluation not counted.", summary=True),
    Column(
        "networks",
        "nested",
        "Parameters of classifier and generator, and operations per image, 10^6: `networks.classifier.parameters`.",
        required=False,
    ),
    Column("config", "nested", "Every setting, resolved: `config.*`."),
    Column("provenance", "nested", "Versions, machine, commit and times: `provenance.*`."),
    Column("error", "text", "First line of what went wrong.", nullable=True, required=False, summary=True),
    Column(
        "warning",
        "text",
        "What to know of a trial that went on, as a collapse.",
        nullable=True,
        required=False,
        summary=True,
    ),
    Column(
        "quality",
        "nested",
        "Measures of generated images, where a study asks: `quality.*`.",
        required=False,
    ),
    Column(
        "readings",
        "nested",
        "Validation accuracy at each KC that was read off the training: `readings.KC`.",
        required=False,
    ),
    Column(
        "confusion",
        "nested",
        "What test images were taken for, of at most 100 classes: the table of `load_confusions`.",
        nullable=True,
        required=False,
    ),
    Column("curve", "nested", "Learning curve, point by point: the table of `load_curves`.", required=False),
)


def of_kind(*kinds: Kind) -> tuple[str, ...]:
    """Names of the ledger's fields of these kinds, in order."""
    return tuple(column.name for column in LEDGER if column.kind in kinds)


COLUMNS = of_kind("text", "count", "number")
OPTIONAL = tuple(column.name for column in LEDGER if not column.required)
SUMMARY = tuple(column.name for column in LEDGER if column.summary)
STATUSES = ("completed", "stopped", "diverged", "oom", "failed")
PHASES = ("search", "confirm")
CELL = ["dataset", "samples_per_class"]
CELL_METHOD = [*CELL, "method"]
IDENTITY = ("phase", *CELL_METHOD, "point", "trial", "seed")
TRIAL = ("study", "signature", *IDENTITY)  # what no two rows share
