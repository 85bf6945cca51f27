"""The reference of sweeps is true: its keys, grammar, designs, commands, output, rooms and the tests that it names."""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from dagan.errors import InvalidInput
from dagan.settings import Section
from sweeps.cli.app import app
from sweeps.study.files import load, overridden, read_yaml, shipped
from sweeps.study.parse import study_of
from sweeps.study.schema import Budget, Confirm, Dataset, EarlyStopping, Resources, Search, Study
from sweeps.study.space import Distribution, Parameter

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "sweeps" / "README.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[Section]] = {
    "": Study,
    "datasets.": Dataset,
    "search.": Search,
    "search.budget.": Budget,
    "search.early_stopping.": EarlyStopping,
    "confirm.": Confirm,
    "resources.": Resources,
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def section(title):
    """The text under a heading, to the next of its kind."""
    return re.split(r"^### ", README.split(f"### {title}\n")[1], flags=re.MULTILINE)[0]


def rows(title):
    """The cells of the table under a heading."""
    lines = re.findall(r"^\| (`.*) \|$", section(title), re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def commands():
    """The words of every `sweeps` command in the text."""
    lines = [line.split("  #")[0] for block in blocks("bash") for line in block.splitlines()]
    lines += re.findall(r"`(sweeps [^`]+)`", README)
    found = [words for line in lines if (words := shlex.split(line))[0] == "sweeps"]
    return [words for words in found if not words[1].startswith("-")]


def test_every_key_of_a_study_is_documented_with_its_default():
    fields = {f"{where}{key}": field for where, model in SECTIONS.items() for key, field in model.model_fields.items()}
    documented = {cells[0].strip("`"): cells[1] for cells in rows("Keys")}
    assert documented.keys() == fields.keys()
    for key, field in fields.items():
        empty = field.default in (None, "", {}) or isinstance(field.default, Section)
        default = "needed" if field.is_required() else "" if empty else str(field.default)
        assert documented[key].lower() == default.lower(), key


def test_the_grammar_is_as_documented():
    found = {
        cells[1].strip("`"): read_yaml(f"x: {cells[0].strip('`')}", "README.md")["x"]
        for cells in rows("The search grammar")
    }
    assert found.keys() == {*get_args(Distribution)}
    assert {kind: Parameter(**form).kind for kind, form in found.items()} == {kind: kind for kind in found}
    assert set().union(*found.values()) == {*Parameter.model_fields}


def test_the_studies_of_the_readme_are_some(tmp_path):
    tree, other = (tree for block in blocks("yaml") if "name" in (tree := read_yaml(block, "README.md")))
    assert [set(entry) for entry in tree["datasets"]] == [{"name", "folder", "image_size"}]
    study = study_of(tree | {"datasets": ["mnist"]})
    assert study.search.parameters["classifier.learning_rate"].kind == "log_uniform_values"
    assert [set(entry) for entry in other["datasets"]] == [{"name", "folder", "generated"}]
    for place in ("pets", "made"):
        for index in range(2 * 64):
            file = tmp_path / place / ("cat", "dog")[index % 2] / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
    shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path / "made")
    (tmp_path / "studies").mkdir()
    assert study_of(other, folder=tmp_path / "studies").cell_datasets[0].generated == tmp_path / "made.zip"


def test_the_designs_of_the_readme_have_so_many_points():
    trees = {tree["design"]: tree for block in blocks("yaml") if "design" in (tree := read_yaml(block, "README.md"))}
    common = {"name": "x", "datasets": ["digits"], "samples_per_class": [5]}
    studies = {design: study_of(tree | common) for design, tree in trees.items()}
    points = {design: len(study.points(study.cells[0], "dagan")) for design, study in studies.items()}
    assert points == {"grid": 3 * 2, "one_factor": 1 + 1 + 2, "leave_one_out": 1 + 2}


def test_links_resolve():
    links = re.findall(r"\]\(([^)]+)\)", README)
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    }
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        assert "://" in link or (ROOT / "sweeps" / file).exists(), link
        assert file or anchor in anchors, link


def test_commands_exist_with_their_options_and_studies():
    verbs = get_command(app).commands
    assert len(commands()) > 10
    for words in commands():
        verb = verbs[words[1]]
        options = {name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, words
        if verb.name in ("show", "simulate", "run", "status", "report", "export"):
            assert len(words) == 2 or words[2] in {*shipped(), "STUDY", "pets.yaml"}, words


def test_overrides_of_the_readme_are_accepted():
    asked = [words for words in commands() if "--set" in words]
    assert len(asked) >= 4
    for words in asked:
        changes = [value for option, value in itertools.pairwise(words) if option == "--set"]
        assert load(words[2], changes).hash != load(words[2]).hash
    with pytest.raises(InvalidInput):
        study_of(overridden(read_yaml(shipped()["digits"], "digits"), ["base.network.breadth=0.25"]))


def test_output_of_the_readme_is_printed(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-m", "sweeps", "show", "sensitivity"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    printed = [line.rstrip() for line in answer.stdout.splitlines()]
    (output,) = blocks("text")
    assert [line for line in output.splitlines() if line.rstrip() not in printed] == []
    columns = {name for cells in rows("What would it do, and cost?") for name in re.findall(r"`([^`]+)`", cells[0])}
    assert {*re.split(r"  +", output.splitlines()[0])} == columns | {"data set", "n", "method"}


def test_tests_that_prove_the_rules_of_evidence_exist():
    named = re.findall(r"`(tests/[a-z_/.]+\.py)`", README)
    assert len(named) >= 8
    assert [file for file in named if not (ROOT / file).is_file()] == []


def test_every_room_is_told_of():
    told = README.split("\n## Where things are\n")[1]
    rooms = {path.name for path in (ROOT / "sweeps").iterdir() if (path / "__init__.py").is_file()}
    assert {room for room in rooms if f"`{room}/`" not in told} == set()
