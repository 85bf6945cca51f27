"""The page of examples says what is: its blocks run, one after the other."""

import re
from pathlib import Path

from synthetic import write_study

import analysis

PAGE = (Path(analysis.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    write_study(tmp_path / "results" / "digits", trials=2, seeds=8)
    write_study(tmp_path / "results" / "mnist", name="mnist", dataset="mnist", trials=2, seeds=2)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    said = capsys.readouterr().out
    assert "| dagan\\_aug | **" in said
    assert "Of the 4 declared comparisons" in said
    assert (tmp_path / "forest.svg").read_text().startswith("<?xml")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "report" / "index.html").is_file()


def test_every_source_of_the_page_is_told_of_in_load():
    sources = re.findall(r"^\| `([^|]+)` \|", PAGE.split("### Columns")[0], re.MULTILINE)
    assert len(sources) == 4
    for word in ("study directory", "offline W&B runs", "wandb:ENTITY/PROJECT", ".csv", ".parquet"):
        assert word in analysis.load.__doc__


def test_the_page_tells_of_every_room():
    folder = Path(analysis.__file__).parent
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)) == rooms
    alone = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert alone <= set(re.findall(r"`(\w+)`", PAGE.split("## Where things go")[1]))


def test_the_page_tells_of_every_public_name():
    assert [name for name in analysis.__all__ if not re.search(rf"\b{name}\b", PAGE)] == []


def test_links_of_the_page_resolve():
    folder = Path(analysis.__file__).parent
    titles = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", PAGE, re.M)}
    for path, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", PAGE)):
        assert (folder / path).exists()
        assert not anchor or anchor in titles
