"""Whole reports: self-contained, complete, honest on partial studies, deaf to injected markup."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from analysis import ResultsError, load, write_report
from analysis.evidence import gather
from analysis.pictures import grid, load_pictures, png
from analysis.report import escape_markdown
from analysis.tables import accuracy_tables, choices

from .conftest import METHODS, entry, write_entry, write_pictures, write_study

VOID = {"meta", "img", "wbr", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """The elements and the text of a page; fails on tags that do not match."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The report of the usual study, written once for all tests that only read it."""
    return write_report(write_study(tmp_path_factory.mktemp("results") / "digits", pictures=True))


def read(report) -> tuple[Page, str]:
    return Page(report.html.read_text()), report.markdown.read_text()


def test_report_of_a_whole_study(usual):
    page, markdown = read(usual)
    assert usual.html.parent.name == "report"
    for text in (page.text, markdown.replace("\\", "")):
        assert "dagan_aug is better than c_aug" in text
        assert "Does DAGAN augmentation beat tuned baselines" in text
        assert "sweeps run digits" in text
        assert "0123abc" in text
        assert "gan.feature_matching_weight" in text
    assert sum(tag == "svg" for tag, _ in page.elements) == 2 + 2 + 2 + 4
    assert sum(tag == "img" for tag, _ in page.elements) == 2 * 2 * 10 * 2
    assert any("better" in line for line in usual.lines)


def test_the_page_needs_nothing_else(usual):
    page, _ = read(usual)
    source = "".join(f"{tag} {attributes}" for tag, attributes in page.elements)
    assert "script" not in {tag for tag, _ in page.elements}
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                local = ("#", "data:image/png;base64,", "results.", "report.md")
                assert str(value).startswith(local), (tag, name, value)
            assert not name.startswith("on")
    assert "@import" not in source


def test_ids_are_unique_and_references_resolve(usual):
    source = usual.html.read_text()
    ids = re.findall(r'\bid="([^"]*)"', source)
    assert len(ids) == len(set(ids))
    references = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', source)
    assert references
    assert {first or second for first, second in references} <= set(ids)


def test_figure_files_of_the_markdown_twin_exist(usual):
    linked = re.findall(r"\]\((figures/[^)]*)\)", usual.markdown.read_text())
    assert linked
    assert {usual.markdown.parent / link for link in linked} == set(usual.figures)
    assert all(path.is_file() for path in usual.figures)


def test_tables_beside_the_report_are_the_results(usual):
    pd.testing.assert_frame_equal(load(usual.csv), load(usual.parquet), check_exact=True)
    assert list(pd.read_csv(usual.csv, nrows=1).columns) == list(pd.read_parquet(usual.parquet).columns)
    assert len(load(usual.csv)) == 2 * len(METHODS) * 16


def test_the_same_study_gives_the_same_bytes(make_study, tmp_path):
    directory = make_study(sizes=(5,), methods=("c", "dagan"), pictures=True)
    first, second = (write_report(directory, output=tmp_path / name) for name in ("one", "two"))
    assert first.html.read_bytes() == second.html.read_bytes()
    assert first.markdown.read_bytes() == second.markdown.read_bytes()
    assert first.parquet.read_bytes() == second.parquet.read_bytes()
    assert [path.read_bytes() for path in first.figures] == [path.read_bytes() for path in second.figures]


EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]></style><b>$x_1$ {{ 7 * 7 }} {% raw %}",
    "a|b [c](http://evil.example) `d` **e** --> \n# heading",
]


@pytest.mark.parametrize("text", EVIL)
def test_text_from_users_injects_nothing(make_study, usual, text):
    directory = make_study(
        question=text,
        dataset=text,
        methods=("c", text),
        levels={"c": 0.6, text: 0.7},
        compare={text: ["c"]},
        sizes=(5,),
    )
    study = (directory / "study.yaml").read_text()
    (directory / "study.yaml").write_text(study.replace("name: digits", "name: " + repr(text)))
    one = entry(trial=9, signature="evil", status="failed", test_accuracy=None, error=text)
    one["provenance"] |= {"host": text}
    one["config"] |= {text: text}
    one["curve"][0]["losses"] = {text: 1.0}
    write_entry(directory, one)
    (directory / "ledger" / "<b>x.json").write_text("{")
    page, markdown = read(write_report(directory))
    allowed = {tag for tag, _ in read(usual)[0].elements}
    assert {tag for tag, _ in page.elements} <= allowed
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert all(not v or "evil" not in v for _, a in page.elements for k, v in a.items() if k in ("href", "src"))
    assert " ".join(text.split()) in " ".join(page.text.split())
    assert "{{ 7 * 7 }}" in page.text or "7 * 7" not in text
    assert "<script" not in markdown
    assert "<img" not in markdown
    assert not re.search(r"(?<!\\)\]\((?!figures/|results\.)", markdown)
    assert "\n# heading" not in markdown
    widths = [re.sub(r"\\.", "", row).count("|") for row in markdown.splitlines() if row.startswith("| evil")]
    assert len(set(widths)) <= 1


def test_markdown_escapes():
    assert escape_markdown("a_b *c* <d> [e](f) `g` |\nh") == r"a\_b \*c\* &lt;d&gt; \[e\](f) \`g\` \| h"
    assert "://" not in escape_markdown("https://example.org")


def test_dagan_need_not_win(make_study):
    levels = {"c": 0.70, "c_aug": 0.75, "dagan": 0.60, "dagan_aug": 0.66}
    report = write_report(make_study(levels=levels, trials=2))
    page, _ = read(report)
    assert "dagan_aug is worse than c_aug" in page.text
    assert "The mean is highest for c_aug throughout" in page.text


def test_no_difference_is_said_with_the_seeds_it_would_take(make_study):
    levels = dict.fromkeys(METHODS, 0.65)
    directory = make_study(levels=levels, compare={"dagan_aug": ["c"]}, sizes=(5,))
    page, _ = read(write_report(directory))
    assert "No difference between dagan_aug and c could be shown" in page.text
    assert re.search(r"about \d+ seeds would be needed to find 0.5 points", page.text)
    tables = accuracy_tables(gather(directory))
    assert not any(entry.best for table in tables for _, entries in table.rows for entry in entries)


def test_best_is_marked_only_where_the_evidence_allows(make_study):
    marked = {
        method: [entry.best for entry in entries]
        for table in accuracy_tables(gather(make_study()))
        for method, entries in table.rows
    }
    assert marked == {"c": [False] * 2, "c_aug": [False] * 2, "dagan": [False] * 2, "dagan_aug": [True] * 2}


def test_a_study_that_is_still_searching(make_study):
    report = write_report(make_study(seeds=0, sizes=(5,)))
    page, _ = read(report)
    assert "The question is open" in page.text
    assert "too high to be evidence" in page.text
    assert "Best configurations so far" in page.text
    assert report.lines[0].startswith("The question is open")


def test_a_single_seed(make_study):
    page, _ = read(write_report(make_study(seeds=1, sizes=(5,))))
    assert "has a single seed, so no interval and no test" in page.text
    assert page.text.count("no interval") >= 4 + 3  # every mean, every difference
    assert "± nan" not in page.text


def test_one_method_without_generator_and_without_comparisons(make_study):
    page, markdown = read(write_report(make_study(methods=("c",), compare={}, sizes=(5,))))
    assert "There is one method, so nothing to compare" in page.text
    assert "Generated images" not in page.text + markdown
    assert "Declared comparisons" not in page.text + markdown


def test_no_declared_comparison(make_study):
    page, _ = read(write_report(make_study(compare={}, sizes=(5,))))
    assert "declares no comparisons" in page.text


def test_nothing_disappears(make_study):
    directory = make_study(sizes=(5,))
    for trial, status in enumerate(("diverged", "oom", "failed"), start=8):
        lost = entry(trial=trial, signature=status, status=status, test_accuracy=None, error=f"it was {status}")
        write_entry(directory, lost)
    (directory / "ledger" / "broken.json").write_text("{")
    planned = pd.DataFrame(
        [{"phase": "confirm", "dataset": "digits", "samples_per_class": 5, "method": "c", "trials": 13}]
    )
    report = write_report(directory, planned=planned)
    page, _ = read(report)
    said = "the means: 1 trial diverged, 1 trial ran out of memory, 1 trial failed and 2 trials in the plan"
    assert said in page.text
    assert any(said in line for line in report.lines)
    for words in (
        "1 diverged",
        "1 out of memory",
        "1 failed",
        "2 missing",
        "1 damaged ledger file",
        "it was oom",
    ):
        assert words in " ".join(page.text.split())


def test_an_empty_ledger_is_an_error_with_a_remedy(make_study):
    with pytest.raises(ResultsError, match="Run the study first"):
        write_report(make_study(seeds=0, trials=0))


def test_choices_leave_out_luck_and_machine(make_study):
    chosen = choices(gather(make_study()))
    assert chosen.columns[:2] == ("gan.iterations", "gan.feature_matching_weight")
    assert not {"seed", "data.subset_seed", "compute.threads", "method"} & set(chosen.columns)
    values = {(size, method): row for _, size, method, row in chosen.rows}
    assert values[5, "c"][:2] == ("–", "–")
    assert values[5, "dagan"][:2] == ("400", "1.55")


def test_many_cells_are_counted_instead_of_told(make_study):
    page, _ = read(write_report(make_study(sizes=(5, 10, 20), trials=2, seeds=10)))
    assert "dagan_aug against c_aug: better in 3 of 3 cells" in page.text
    assert "with 5, 10 and 20 per class" in page.text


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_keep_their_pixels(tmp_path, channels):
    write_pictures(tmp_path / "a.npz", channels)
    pictures = load_pictures(tmp_path / "a.npz", classes=3, columns=4)
    assert pictures.classes == ("0", "1", "2")
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(pictures.real[2, 3, ..., :channels], arrays["real"][2, 3])
    canvas = grid(pictures)
    np.testing.assert_array_equal(canvas[9:17, 9:17, :3], pictures.real[1, 1])
    assert set(np.unique(canvas[..., 3])) == {0, 255}
    assert png(canvas, least=100).startswith(b"\x89PNG")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04rubbish", None])
def test_damaged_pictures_are_left_out(make_study, content):
    directory = make_study(sizes=(5,), seeds=1, pictures=True)
    damaged = list(directory.glob("pictures/*.npz"))
    assert damaged
    for path in damaged:
        path.unlink() if content is None else path.write_bytes(content)
    page, _ = read(write_report(directory))
    assert "Generated images" not in page.text


def test_import_is_cheap_and_keeps_out_what_belongs_elsewhere():
    code = (
        "import sys, analysis; assert 'pandas' not in sys.modules, 'import analysis must be cheap';"
        "analysis.write_report;"
        "heavy = {'torch', 'ray', 'optuna', 'wandb', 'dagan', 'sweeps'} & set(sys.modules);"
        "assert not heavy, heavy; assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
