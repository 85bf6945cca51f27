"""References of a study: measured once for each seed, after the test was opened, and shown beside the methods."""

import random

import pytest
from playing import plain, play

from analysis import load, means, write_report
from analysis.findings.references import REFERENCES, load_references
from sweeps.outputs import references as outputs
from sweeps.outputs.references import find_references
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.study.parse import study_of


def played(tmp_path, *, kill_after=None, **changes):
    """A plan whose trials have ended without any training, and its run folder."""
    study = study_of(plain(**changes))
    folder = RunFolder(tmp_path / "results", study.name)
    play(study, folder.ledger, workers=1, rng=random.Random(0), kill_after=kill_after)
    folder.study.write_text(study.text)
    return Plan(study, Ledger(folder.ledger)), folder


def test_each_confirm_seed_of_each_cell_is_measured_once(tmp_path, monkeypatch):
    plan, folder = played(tmp_path, samples_per_class=[3, 5])
    find_references(plan, folder)
    table = load_references(folder.root)
    seeds = {entry.seed for entry in plan.entries if entry.test_accuracy is not None}
    assert len(table) == 2 * len(seeds) * 3
    assert set(table["seed"]) == seeds
    means = table.groupby(["reference", "samples_per_class"])["test_accuracy"].mean()
    for reference in ("nearest neighbour", "logistic regression"):
        assert 0.6 < means[reference, 3] < means[reference, 5] < 0.95
    before = (folder.root / REFERENCES).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(outputs, "reached", None)
        find_references(plan, folder)
    assert (folder.root / REFERENCES).read_bytes() == before
    plan, folder = played(tmp_path, samples_per_class=[3, 5], confirm={"seeds": len(seeds) + 1})
    measured = []
    reached = outputs.reached
    monkeypatch.setattr(outputs, "reached", lambda data, seeds: measured.append(seeds) or reached(data, seeds))
    find_references(plan, folder)
    assert [len(seeds) for seeds in measured] == [1, 1], "the new seed alone"


def test_a_search_does_not_open_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "reached", None)
    plan, folder = played(tmp_path, kill_after=2)
    find_references(plan, folder)
    assert not (folder.root / REFERENCES).exists()


def test_a_built_in_data_set_that_is_not_there_is_not_downloaded(tmp_path):
    plan, folder = played(tmp_path, datasets=[{"name": "mnist", "root": str(tmp_path / "nothing")}])
    find_references(plan, folder)
    assert not (folder.root / REFERENCES).exists()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\0\0", "dataset,samples_per_class\ndigits,x\n"])
def test_a_damaged_file_counts_as_absent(tmp_path, content):
    plan, folder = played(tmp_path)
    (folder.root / REFERENCES).write_text(content)
    assert load_references(folder.root).empty
    find_references(plan, folder)
    assert len(load_references(folder.root)) > 0


def test_the_report_shows_them_and_names_who_falls_behind(tmp_path):
    plan, folder = played(tmp_path)
    assert "pixels" not in write_report(folder.root).markdown.read_text()
    find_references(plan, folder)
    report = write_report(folder.root)
    markdown = report.markdown.read_text()
    assert "| logistic regression | " in markdown
    assert "Last rows: what takes no network, on the pixels of the same images." in markdown
    best = load_references(folder.root).groupby("reference")["test_accuracy"].mean().max()
    behind = means(load(folder.root)).query("mean < @best")
    assert len(behind) > 0
    named = " and ".join(f"{row.method} ({100 * row.mean:.1f} %)" for row in behind.itertuples())
    rows = f"On digits with {behind['samples_per_class'].iloc[0]} per class {named}".replace("_", "\\_")
    assert f"{rows} {'is' if len(behind) == 1 else 'are'} below" in markdown
    assert f"on pixels ({100 * best:.1f} %), which takes no network" in markdown
    assert any("which takes no network" in line for line in report.lines)
