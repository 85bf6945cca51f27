"""Generated images of one's own, from `sweeps sample --to` to the report and the best config."""

import pytest
import yaml
from playing import numbers

from sweeps.api import run_study
from sweeps.records.ledger import Ledger
from sweeps.study.files import load

GENERATOR = {
    "method": "dagan",
    "data": {"samples_per_class": 5},
    "network": {"width": 0.25},
    "gan": {"iterations": 8, "latent_size": 8},
    "classifier": {"batch_size": 32},
}
STUDY = {
    "name": "mine",
    "datasets": [{"name": "digits", "generated": "made"}],
    "samples_per_class": [5],
    "methods": ["c", "external"],
    "compare": {"external": ["c"]},
    "base": {"network": {"width": 0.25}, "classifier": {"batch_size": 32, "iterations": 20}},
    "search": {"parameters": {"classifier.augmentation_ratio": {"values": [0.5, 1.0]}}, "budget": {"trials": 2}},
    "confirm": {"seeds": 2},
    "report_every": 10,
}


@pytest.fixture
def study(tmp_path, typed):
    """The file of a study whose generated images `sweeps sample` has made."""
    (tmp_path / "generator.yaml").write_text(yaml.safe_dump(GENERATOR))
    code, _, said = typed("sample", "generator.yaml", "--to", "made", "--per-class", 6)
    assert code == 0, said
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return path


def test_a_study_of_sampled_images_runs_and_its_best_config_trains_again(study, tmp_path, typed, monkeypatch):
    from sweeps.outputs.best_configs import export
    from sweeps.records.run_folder import RunFolder

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    plan = run_study(load(str(study)), out=tmp_path / "results", wandb="off")
    entries = Ledger(tmp_path / "results/mine/ledger").entries.values()
    assert {(entry.method, entry.phase, entry.status) for entry in entries} == {
        ("c", "search", "completed"),
        ("c", "confirm", "completed"),
        ("external", "search", "completed"),
        ("external", "confirm", "completed"),
    }
    external = [entry for entry in entries if entry.method == "external"]
    assert {entry.config["data"]["generated"] for entry in external} == {str(tmp_path / "made")}
    assert len(list((tmp_path / "results/mine/pictures").glob("*.npz"))) == 2
    files = export(plan, RunFolder(tmp_path / "results", "mine"))
    assert "identical" in typed("train", files[1])[1]


def test_another_folder_is_another_training_and_the_same_one_elsewhere_is_not(study, tmp_path):
    run_study(load(str(study)), out=tmp_path / "results", wandb="off")
    before = numbers(tmp_path / "results/mine/ledger")
    (tmp_path / "made").rename(tmp_path / "moved")
    moved = load(str(study), ["datasets=[{name: digits, generated: moved}]"])
    assert run_study(moved, out=tmp_path / "results", wandb="off").finished
    assert numbers(tmp_path / "results/mine/ledger") == before
    (tmp_path / "moved/0/0.png").rename(tmp_path / "moved/0/other.png")
    other = load(str(study), ["datasets=[{name: digits, generated: moved}]"])
    assert run_study(other, out=tmp_path / "results", wandb="off").finished
    new = {
        signature: one
        for signature, one in numbers(tmp_path / "results/mine/ledger").items()
        if signature not in before
    }
    assert [one[:2] for one in new.values()].count(("confirm", "external")) == 2
    assert {one[1] for one in new.values()} == {"external"}


def test_a_bad_generated_image_is_named_before_anything_runs(study, tmp_path, typed):
    (tmp_path / "made/3/notes.png").write_text("no image")
    code, _, said = typed("run", study)
    assert code == 2
    assert "data.generated: " in said
    assert "made/3/notes.png is not an image. Mend or remove it." in said
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_generated_images_are_judged_and_shown_in_the_report(study, tmp_path, typed, monkeypatch):
    monkeypatch.setattr("sweeps.run.worker.JUDGES", tmp_path / "judges")
    code, _, said = typed("run", study, "--executor", "inline", "--wandb", "off", "--set", "confirm.quality=true")
    assert code == 0, said
    page = (tmp_path / "results/mine/report/report.md").read_text()
    assert "GAN-train" in page
    assert list((tmp_path / "results/mine/report/figures").glob("pictures-external-*.png"))
