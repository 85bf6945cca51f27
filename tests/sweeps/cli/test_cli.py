"""The command line: exit codes, one clear message, examples in the help."""

import json
import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from playing import TINY, plain, play, tiny
from typer.main import get_command

import sweeps as package
from sweeps.cli import running
from sweeps.cli.app import app
from sweeps.monitor.wandb_runs import point_values
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.study.files import shipped
from sweeps.study.parse import study_of

VERBS = tuple(get_command(app).commands)


def sweeps(*words, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sweeps", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=120
    )


def refused(*words, folder: Path) -> str:
    """What is said on stderr to something asked wrongly."""
    answer = sweeps(*words, folder=folder)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""
    return answer.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example(verb, typed):
    code, text, _ = typed(verb, "--help")
    assert code == 0
    assert f"Example: sweeps {verb}" in " ".join(text.split())


def test_the_help_page_has_every_verb_with_its_line(typed):
    code, text, _ = typed("--help")
    assert code == 0
    assert [verb for verb in VERBS if not re.search(rf"^│ {verb} +[A-Z]", text, re.MULTILINE)] == []


def test_list_and_show(tmp_path, typed, study_file):
    assert "digits: Does DAGAN" in typed("list")[1]
    assert "digits" in json.loads(typed("list", "--json")[1])
    text = sweeps("show", study_file(TINY), folder=tmp_path).stdout
    assert "In all 16 trials" in text
    assert "c: classifier.learning_rate sampled.\n" in text
    assert "classifier.iterations, KC, is read off each training, at 40, 80.\n" in text
    assert "smallest p that the exact test can give is 0.25" in text
    assert json.loads(typed("show", study_file(TINY), "--json")[1])["trials"] == 16
    assert list(tmp_path.iterdir()) == [tmp_path / "study.yaml"], "show touches nothing"


def test_a_mutated_study_is_refused_with_everything_at_once(tmp_path, study_file):
    tree = tiny(methods=["c", "dagann"], compare={}, samples_per_class=[600], confirm={"seeds": [0]}, wndow=3)
    message = refused("run", study_file(tree), folder=tmp_path)
    assert message.startswith("Error: ")
    for part in ("unknown method `dagann`", "must be <= 57", "seeds overlap: 0", "unknown key `wndow`"):
        assert part in message
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "digit"), "unknown study `digit` (did you mean `digits`?)"),
        (("run", "no.yaml"), "`no.yaml` must be a YAML file, but there is none."),
        (("run", "digits", "--set", "confirm.seeds"), "--set: must be key=value"),
        (("run", "digits", "--workers", "0"), "should be greater than or equal to 1"),
        (("status", "digits"), "has no finished trial"),
        (("report", "digits"), "has no finished trial"),
        (("export", "digits"), "has no finished trial"),
        (("train", "no.yaml"), "`no.yaml` must be a YAML file, but there is none."),
        (("run", "digits", "--executor", "inline", "--address", "h:1"), "--executor: must be ray with --address"),
        (("run", "digits", "--executor", "inline", "--workers", "2"), "--executor: must be ray with --address"),
        (("run", "digits", "--executor", "slurm"), "is not one of 'ray', 'inline'"),
        (("runn", "digits"), "No such command 'runn'"),
    ],
)
def test_asked_wrongly(words, message, typed):
    code, output, error = typed(*words)
    assert code == 2
    assert output == ""
    assert "Traceback" not in error
    assert message in " ".join(error.replace("│", " ").split())


def test_wandb_online_needs_a_login(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "online needs a login" in refused("run", "digits", "--wandb", "online", folder=tmp_path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sweeps show di", {"digits"}),
        ("sweeps run ", set(shipped())),
        ("sweeps sim", {"simulate"}),
        ("sweeps show x", set()),
    ],
)
def test_the_shell_completes_verbs_and_studies(line, expected, typed, monkeypatch):
    words = line.split(" ")
    monkeypatch.setenv("_SWEEPS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    code, output, _ = typed()
    assert code == 0
    assert set(output.split()) == expected


def test_completion_is_installed_for_the_shell_that_asks(tmp_path):
    command = f"{shlex.quote(sys.executable)} -m sweeps --install-completion"
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(Path(package.__file__).parent.parent)}
    answer = subprocess.run(
        ["bash", "--norc", "-c", f"{command}; . ~/.bashrc; complete -p sweeps"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[-1] == "complete -o default -F _sweeps_completion sweeps"


def test_a_study_is_no_config_and_out_must_be_a_folder(tmp_path, study_file):
    study = study_file(TINY)
    assert f"is a study, not a config. Use: sweeps run {study}" in refused("train", study, folder=tmp_path)
    assert "--out: " in refused("run", study, "--out", study, folder=tmp_path)


def test_version(tmp_path):
    assert sweeps("--version", folder=tmp_path).stdout.strip() == "0.1.0"


def test_no_cluster_at_the_address(tmp_path, study_file):
    message = refused("run", study_file(TINY), "--address", "127.0.0.1:1", folder=tmp_path)
    assert "--address: no Ray cluster answers at 127.0.0.1:1" in message


def test_train_from_a_file_written_by_hand(tmp_path, typed):
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "method": "c",
                "network": {"width": 0.25},
                "data": {"samples_per_class": 5},
                "classifier": {"iterations": 20, "batch_size": 32},
            }
        )
    )
    code, text, said = typed("train", path)
    assert code == 0, said
    assert text.startswith("test accuracy 0.")
    assert "recorded" not in text
    record = json.loads(typed("train", path, "--set", "seed=3", "--json")[1])
    assert record["status"] == "completed"
    assert record["provenance"]["threads"] == 1
    code, _, error = typed("train", path, "--set", "classifier.itrations=3")
    assert code == 2
    assert "unknown key `itrations`" in error


def test_a_diverged_training_fails_with_its_reason(tmp_path, monkeypatch, typed):
    import torch

    from dagan.training import losses

    path = tmp_path / "config.yaml"
    path.write_text("method: c\nnetwork: {width: 0.25}\ndata: {samples_per_class: 5}\nclassifier: {iterations: 20}\n")
    honest = losses.classification_losses
    monkeypatch.setattr(losses, "classification_losses", lambda *args: honest(*args) * torch.nan)
    code, output, _ = typed("train", path)
    assert code == 1
    assert output == "diverged: loss became nan at stage 2, iteration 1 (real nan).\n"


@pytest.mark.parametrize("collapsed", [True, False])
def test_a_generator_that_collapsed_is_a_warning_of_train(tmp_path, monkeypatch, typed, collapsed):
    path = tmp_path / "config.yaml"
    path.write_text(
        "method: dagan\nnetwork: {width: 0.25}\ndata: {samples_per_class: 5}\n"
        "gan: {iterations: 2}\nclassifier: {iterations: 2, batch_size: 16}\n"
    )
    lowest = 0.04 if collapsed else 0.6
    monkeypatch.setattr("dagan.training.training.generated_diversity", lambda *looked_at: {"3": lowest, "8": 0.7})
    code, output, error = typed("train", path, "--json")
    assert code == 0
    warning = "the generator collapsed: diversity 0.04 in 3 (1: as real images)."
    assert (f"Warning: {warning}\n" in error) == ("Warning" in error) == collapsed
    assert f", lowest diversity {lowest:.2f}, " in error
    assert json.loads(output)["warning"] == (warning if collapsed else None)


def test_status_tells_of_warnings(tmp_path, monkeypatch, capsys):
    study = study_of(plain())
    plan = play(study, tmp_path / study.name / "ledger", workers=1, rng=random.Random(0))
    entry = plan.entries[0].model_copy(update={"warning": "the generator collapsed: diversity 0.04 in [3]."})
    plan.ledger.write(entry)
    place = RunFolder(tmp_path, study.name)
    monkeypatch.setattr(running, "replay", lambda *asked: (Plan(study, Ledger(place.ledger)), place))
    running.status(study.name)
    said = capsys.readouterr().out
    line = f"{entry.method}, seed {entry.seed}, {entry.phase} {entry.trial}: {entry.warning}\n"
    assert said.count("collapsed") == said.count(line) == 1


@pytest.mark.parametrize("diversity", [{"3": 0.04, "8": 0.7}, {}, None])
def test_the_lowest_diversity_is_a_metric_of_wandb(diversity):
    point = {"stage": "generation", "iteration": 5, "losses": {"generator": 0.5}, "images_per_second": 9.0}
    values = point_values(point | {"validation_accuracy": None, "diversity": diversity}, 0)
    assert values.pop("generation/lowest diversity", None) == (0.04 if diversity else None)
    assert values == {"generation/generator": 0.5, "iteration": 5, "images_per_second": 9.0}
