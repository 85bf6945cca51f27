"""Kept results: a few small files, from which the same report comes again, byte for byte, on any machine."""

import random
import shutil
from pathlib import Path

import pytest
from playing import play, tiny

from analysis import load, load_curves
from sweeps.outputs.kept_results import keep, report_of
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.study.parse import study_of

RESULTS = Path(__file__).parents[3] / "sweeps" / "studies" / "results"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A played study, its run folder, and the folder where it is kept."""
    base = tmp_path_factory.mktemp("kept")
    study = study_of(tiny(datasets=[{"name": "digits", "root": str(base)}]))
    folder = RunFolder(base / "results", study.name)
    play(study, folder.ledger, workers=2, rng=random.Random(0))
    folder.study.write_text(study.text)
    plan = Plan(study, Ledger(folder.ledger))
    return folder, base / "kept", keep(plan, folder, base / "kept")


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_lost_but_what_tells_of_one_machine(kept):
    folder, to, paths = kept
    assert [path.name for path in paths] == ["study.yaml", "ledger.parquet", "README.md"]
    before, after = load(folder.root), load(to)
    same = [name for name in before if name not in ("config.data.root", "provenance.host")]
    assert after[same].equals(before[same])
    assert load_curves(to).equals(load_curves(folder.root))
    assert set(after["config.data.root"]) == {folder.root.parent.parent.name}
    text = b"".join(contents(to).values())
    assert str(folder.root.parent.parent).encode() not in text
    assert (to / "ledger.parquet").stat().st_size < 40_000


def test_the_report_comes_again_byte_for_byte(kept):
    _, to, _ = kept
    before = contents(to)
    assert any(name.startswith("figures/") for name in before)
    for path in (to / "README.md", *(to / "figures").iterdir()):
        path.write_text("gone")
    lines = report_of(to)
    assert contents(to) == before
    assert lines


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in RESULTS.iterdir()))
def test_the_page_of_shipped_results_is_that_of_their_ledger(name, tmp_path):
    shutil.copytree(RESULTS / name, tmp_path / name)
    shutil.rmtree(tmp_path / name / "figures")
    (tmp_path / name / "README.md").unlink()
    report_of(tmp_path / name)
    assert contents(tmp_path / name) == contents(RESULTS / name)
