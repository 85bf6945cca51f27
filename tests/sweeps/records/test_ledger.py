"""The ledger: whole files or none, damaged ones set aside, one driver at a time."""

import random

import pytest
from playing import numbers, plain, play, played_entry

from dagan.errors import InvalidInput
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.study.parse import study_of


@pytest.fixture
def study():
    return study_of(plain())


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b'{"signature": "else"}'])
def test_a_damaged_file_is_named_set_aside_and_its_work_done_again(study, tmp_path, damage):
    play(study, tmp_path, workers=2, rng=random.Random(0))
    whole = numbers(tmp_path)
    victim = sorted(tmp_path.glob("*.json"))[3]
    victim.write_bytes(damage)
    assert Ledger(tmp_path).damaged == [victim], "who only looks leaves it"
    ledger = Ledger(tmp_path, writing=True)
    assert [path.stem for path in ledger.damaged] == [victim.stem]
    assert victim.with_suffix(".damaged").read_bytes() == damage
    plan = Plan(study, ledger)
    assert not plan.finished
    play(study, tmp_path, workers=2, rng=random.Random(1))
    assert numbers(tmp_path) == whole


def test_an_entry_under_another_name_is_damage(study, tmp_path):
    play(study, tmp_path, workers=2, rng=random.Random(0))
    first, second, *_ = sorted(tmp_path.glob("*.json"))
    second.write_bytes(first.read_bytes())
    assert [path.stem for path in Ledger(tmp_path).damaged] == [second.stem]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_crash_while_writing_leaves_no_entry(study, tmp_path, monkeypatch, step):
    plan = Plan(study, Ledger(tmp_path))
    trial = plan.next()

    def crash(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(step, crash)
    with pytest.raises(OSError, match="No space left"):
        plan.record(trial, played_entry(plan, trial))
    assert Ledger(tmp_path).entries == {}
    assert list(tmp_path.glob("*.json")) == []


def test_a_second_driver_is_refused(tmp_path):
    place = RunFolder(tmp_path, "study")
    with (
        place.driving(),
        pytest.raises(InvalidInput, match="is being run by another driver"),
        RunFolder(tmp_path, "study").driving(),
    ):
        pass
    with place.driving():
        pass
