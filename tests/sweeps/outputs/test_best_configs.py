"""Best configs: those of the study as it is now."""

import random

from playing import plain, play

from sweeps.outputs.best_configs import export
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.study.parse import study_of


def exported(tmp_path, **changes):
    study = study_of(plain(**changes))
    folder = RunFolder(tmp_path / "results", study.name)
    play(study, folder.ledger, workers=1, rng=random.Random(0))
    return folder, export(Plan(study, Ledger(folder.ledger)), folder)


def test_what_the_study_no_longer_has_is_removed_and_nothing_else(tmp_path):
    folder, before = exported(tmp_path, samples_per_class=[3, 5])
    mine = folder.best / "mine.yaml"
    mine.write_text("config: {method: c}\n")
    _, after = exported(tmp_path, samples_per_class=[5])
    assert set(after) < set(before)
    assert set(folder.best.iterdir()) == {*after, mine}
