"""The documents say what is: commands exist, links resolve, every verb is told of."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dagan.config import known_keys
from sweeps.study import Study
from sweeps.study_file import load, read_yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS = ("list", "show", "run", "status", "report", "export", "train")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_links_resolve():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb):
    assert f"| `sweeps {verb}" in README


def test_commands_in_the_readme_are_commands():
    said = [line.split("#")[0] for block in blocks("bash") for line in block.splitlines()]
    said += re.findall(r"`(sweeps [^`]+)`", README)
    words = [shlex.split(part) for line in said for part in line.split("&&") if part.strip().startswith("sweeps")]
    assert len(words) > 10
    assert {word[1] for word in words if not word[1].startswith("-")} <= set(VERBS)


def test_the_readmes_study_file_is_valid(tmp_path):
    tree = next(tree for block in blocks("yaml") if "name" in (tree := read_yaml(block, "README.md")))
    assert [set(entry) for entry in tree["datasets"]] == [{"name", "folder", "image_size"}]
    tree["datasets"] = ["mnist"]
    study = Study.of(tree)
    assert study.search.parameters["classifier.learning_rate"].kind == "log_uniform_values"


def test_python_in_the_readme_runs(tmp_path):
    first = next(block for block in blocks("python") if "Training" in block)
    assert 'load("digits")' not in first
    tiny = '"gan": {"iterations": 20}, "classifier": {"iterations": 20}'
    quick = first.replace('"gan": {"iterations": 300}', tiny)
    assert quick != first
    answer = subprocess.run([sys.executable, "-c", quick], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 0 < float(answer.stdout.splitlines()[-1]) < 1


def test_the_images_of_the_readmes_training_are_judged(tmp_path):
    training = next(block for block in blocks("python") if "Training" in block)
    judging = next(block for block in blocks("python") if "judge_of" in block)
    quick = training.replace('"gan": {"iterations": 300}', '"gan": {"iterations": 2}, "classifier": {"iterations": 2}')
    quick += judging.replace("judge_of(", 'judge_of(settings={"classifier": {"iterations": 2}}, config=')
    answer = subprocess.run([sys.executable, "-c", quick], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1].startswith("Quality(judge=")
    assert len([*(tmp_path / "results" / "judges").glob("*.safetensors")]) == 1


def test_the_table_on_the_first_page_has_the_studys_rows():
    study = load("digits")
    first = README.split("```bash")[0]
    for method in study.methods:
        assert re.search(rf"\| `{method}` \|", first)


def test_every_setting_is_documented():
    own = {"method", "seed", "data.phase", "data.fingerprint"}
    assert (
        set(re.findall(r"^\| `([a-z_.0-9]+)` \|", README.split("## Settings")[1], re.MULTILINE))
        == {*known_keys()} - own
    )
