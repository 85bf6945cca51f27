"""The documents say what is: commands exist, links resolve, every verb is told of."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from dagan.methods import METHODS
from sweeps.cli.app import app
from sweeps.study.files import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS = tuple(get_command(app).commands)


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


def test_the_table_on_the_first_page_has_the_studys_rows():
    study = load("digits")
    first = README.split("```bash")[0]
    for method in study.methods:
        assert re.search(rf"\| `{method}` \|", first)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_among_the_words_and_in_the_changelog(method):
    words = README.split("## Words")[1].split("\n## ")[0]
    assert f"`{method}`" in words
    assert f"`{method.removesuffix('_aug')}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
