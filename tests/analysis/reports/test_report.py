"""Whole reports: self-contained, complete, honest on partial studies, deaf to injected markup."""

import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic import METHODS, entry, write_entry, write_pictures

from analysis import ResultsError, load, plots, report, write_report
from analysis.data.pictures import load_pictures
from analysis.plots.pictures import grid, png
from analysis.reports import report as publication
from analysis.reports.evidence import gather
from analysis.reports.figures import LEGIBLE, Figures, draw, legible_methods
from analysis.reports.table_formats import escape_markdown
from analysis.reports.tables import choices, design_tables

words_alone = pytest.mark.usefixtures("without_figures")


@pytest.fixture
def without_figures(monkeypatch):
    """Figures take most of a report's time; the tests of its words do without."""
    monkeypatch.setattr(publication, "draw", lambda evidence: Figures())


@pytest.fixture
def without_png(monkeypatch):
    """The tests of pages look at the SVG alone."""
    monkeypatch.setattr(plots, "png", lambda figure: b"")


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
    assert sum(tag == "svg" for tag, _ in page.elements) == 1 + 1 + 1 + 2 + 2 + 2 + 2 + 4  # in the order of the page
    assert sum(tag == "img" for tag, _ in page.elements) == 2 * 2 * 10 * 2
    assert any("better" in line for line in usual.lines)


def test_the_page_needs_nothing_else(usual):
    page, _ = read(usual)
    source = "".join(f"{tag} {attributes}" for tag, attributes in page.elements)
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]  # one, inline
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                local = ("#", "data:image/png;base64,", "results.", "report.md", "tables/", "figures/")
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
    shown = {usual.markdown.parent / link for link in linked if link != "figures/"}
    copies = {path for path in usual.figures if path.with_suffix(".svg") in usual.figures} - shown
    assert shown | copies == set(usual.figures)
    assert {path.with_suffix(".png") for path in shown if path.suffix == ".svg"} == copies
    assert all(path.stat().st_size for path in usual.figures)


def test_tables_beside_the_report_are_the_results(usual):
    pd.testing.assert_frame_equal(load(usual.csv), load(usual.parquet), check_exact=True)
    assert list(pd.read_csv(usual.csv, nrows=1).columns) == list(pd.read_parquet(usual.parquet).columns)
    assert len(load(usual.csv)) == 2 * len(METHODS) * 16


def test_the_same_study_gives_the_same_bytes(make_study, tmp_path):
    directory = make_study(sizes=(5,), methods=("dagan",), compare={}, trials=1, seeds=2, pictures=True)
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
def test_text_from_users_injects_nothing(make_study, usual, without_png, text):
    directory = make_study(
        question=text,
        dataset=text,
        methods=("c", text),
        levels={"c": 0.6, text: 0.7},
        compare={text: ["c"]},
        sizes=(5,),
        seeds=3,
        trials=3,
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
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert all(not v or "evil" not in v for _, a in page.elements for k, v in a.items() if k in ("href", "src"))
    assert " ".join(text.split()) in " ".join(page.text.split())
    assert "{{ 7 * 7 }}" in page.text or "7 * 7" not in text
    assert "<script" not in markdown
    assert "<img" not in markdown
    assert not re.search(r"(?<!\\)\]\((?!figures/|results\.|tables/)", markdown)
    assert "\n# heading" not in markdown
    tables = [table for table in re.split(r"\n(?!\|)", markdown) if "\n|" in table]
    rows = [[line for line in table.splitlines() if line.startswith("|")] for table in tables]
    assert sum(escape_markdown(text) in row for table in rows for row in table) > 5
    for table in rows:
        assert len({re.sub(r"\\.", "", row).count("|") for row in table}) == 1, "a text has left its cell"


def test_the_page_allows_its_one_script_and_no_other(usual):
    page, _ = read(usual)
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    script = re.search(r"<script>(.*?)</script>", usual.html.read_text(), re.DOTALL).group(1)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_points_say_which_trial_they_are(usual):
    source = usual.html.read_text()
    titles = re.findall(r'<circle class="point"[^>]*><title>([^<]*)</title></circle>', source)
    assert any(re.fullmatch(r"c, 5 per class, seed 1003: \d+\.\d %", title) for title in titles)
    assert any(title.startswith("dagan_aug, suggestion 5: ") for title in titles)
    assert any("n = 8" in title for title in titles)  # a paired difference


@words_alone
def test_warnings_of_a_collapse_are_counted(make_study):
    directory = make_study(sizes=(5,), trials=2)
    for trial in (8, 9):
        write_entry(
            directory, entry(method="dagan", trial=trial, signature=f"w{trial}", warning="images collapsed <b>")
        )
    page, markdown = read(write_report(directory))
    assert "2 trials with a warning (dagan, confirm): images collapsed <b>" in page.text
    assert "2 trials with a warning (dagan, confirm): images collapsed &lt;b&gt;" in markdown


@words_alone
def test_finished_trials_that_the_study_does_not_ask_for_are_counted(make_study):
    directory = make_study()
    known = set(load(directory)["signature"])
    for asked, said in ((known, False), (known - set(sorted(known)[:2]), True)):
        page, markdown = read(write_report(directory, points=dict.fromkeys(asked, "")))
        words = "2 finished trials of the ledger left out: of other settings or an earlier choice"
        assert (words in markdown) == (words in page.text) == said


def test_trials_are_at_the_points_that_they_are_in_the_study_as_it_is_now(make_study):
    directory = make_study(sizes=(5,), trials=1, methods=("c",), compare={})
    signatures = set(load(directory)["signature"])
    assert gather(directory).means["n"].tolist() == [8]
    moved = dict.fromkeys(signatures, "classifier.iterations=800")
    assert gather(directory, points=moved).means["n"].tolist() == []


@words_alone
def test_a_report_of_merged_tables(make_study, tmp_path):
    first = make_study(sizes=(5,), trials=2)
    second = make_study(name="other", dataset="mnist", sizes=(20,), trials=2)
    written = report([first, second], tmp_path / "out", question="Both?", compare={"dagan_aug": ["c_aug"]})
    page, markdown = read(written)
    assert "digits and other" in page.text
    assert re.search(r"dagan_aug is better than c_aug \(.* points\) at every size", page.text)
    assert "run again" not in page.text + markdown
    again = report(load(written.parquet), tmp_path / "again", question="Both?", compare={"dagan_aug": ["c_aug"]})
    assert again.lines == written.lines


def test_an_ablation_shows_what_each_factor_contributes(make_study, without_png):
    directory = make_study(methods=("dagan",), compare={}, sizes=(5,), trials=1, seeds=0)
    for year, (level, gain) in enumerate((("joint", -0.05), ("pairwise", 0.0))):
        for seed in range(8):
            one = entry(method="dagan", trial=seed, signature=f"{level}{seed}")
            one["config"]["gan"] |= {"loss": level}
            one["test_accuracy"] += gain + 0.001 * (seed % 3) * (level == "joint")
            one["provenance"] |= {"finished_at": f"202{year}-01-01T00:00:00+00:00"}
            write_entry(directory, one)
    study = directory / "study.yaml"
    text = study.read_text() + "factors: {gan.loss: [pairwise, joint]}\n"
    study.write_text(text)
    assert gather(directory).remarks[0].startswith("no ablation: the base level of `gan.loss` must be told apart")
    study.write_text(text + "base: {gan: {loss: pairwise}}\n")
    written = write_report(directory)
    page, _ = read(written)
    assert gather(directory).ablation[["factor", "level", "n"]].values.tolist() == [["gan.loss", "joint", 8]]
    assert "What each factor contributes" in page.text
    assert "gan.loss: joint" in page.text
    assert "pairwise → joint" in page.text
    assert "1 of 1 change of one setting stands out." in page.text
    assert re.search(r"dagan, in points against its base: gan.loss = joint \(−\d\.\d\)", page.text)
    assert "nothing to compare" not in page.text
    assert (written.html.parent / "tables" / "ablation.csv").is_file()


@words_alone
def test_an_ablation_in_which_nothing_stands_out_says_how_much_would_have(make_study):
    directory = make_study(methods=("dagan",), compare={}, sizes=(5,), trials=1, seeds=0)
    for level in ("pairwise", "joint"):
        for seed in range(8):
            one = entry(method="dagan", trial=seed, signature=f"{level}{seed}")
            one |= {"point": "" if level == "pairwise" else "gan.loss=joint"}
            one["config"]["gan"] |= {"loss": level}
            one["test_accuracy"] += (0.02 * (seed % 2) - 0.009) * (level == "joint")
            write_entry(directory, one)
    study = directory / "study.yaml"
    study.write_text(study.read_text() + "factors: {gan.loss: [joint]}\n")
    page, markdown = read(write_report(directory))
    assert "None of 1 change of one setting stands out; a typical 95 % interval is ± 0.9 points." in page.text
    assert "Of the base configurations alone" in page.text
    assert "| dagan | gan.loss | pairwise → joint |" in markdown


LENGTHS = {
    "": (400, 0.0, 0.0, -0.05),
    "classifier.iterations=400 classifier.augmentation_ratio=1.0": (400, 1.0, 0.0, 0.0),
    "classifier.iterations=800 classifier.augmentation_ratio=0.0": (800, 0.0, 0.02, 0.0),
    "classifier.iterations=800 classifier.augmentation_ratio=1.0": (800, 1.0, 0.02, 0.06),
}


def write_lengths(directory, seeds=9):
    """Trials of a grid of KC and r: `dagan_aug` is worse at its first point, better at its last."""
    for point, (kc, ratio, level, gain) in LENGTHS.items():
        plain = "" if kc == 400 else f"classifier.iterations={kc}"
        for method, label, more in (("c_aug", plain, 0.0), ("dagan_aug", point, gain)):
            for seed in range(seeds):
                one = entry(method=method, trial=seed, signature=f"{method}{label}{seed}", point=label)
                one["config"]["classifier"] |= {"iterations": kc, "augmentation_ratio": ratio * (method != "c_aug")}
                swing = 0.002 * (seed % 3) if more else 0.01 * (-1) ** seed if method == "dagan_aug" else 0.0
                one["test_accuracy"] = 0.6 + level + more + swing
                write_entry(directory, one)
    study = directory / "study.yaml"
    factors = "{classifier.iterations: [400, 800], classifier.augmentation_ratio: [0.0, 1.0]}"
    study.write_text(study.read_text() + f"design: grid\nfactors: {factors}\n")


def test_methods_are_compared_at_each_point_of_a_design(make_study, without_png):
    directory = make_study(methods=("c_aug", "dagan_aug"), compare={"dagan_aug": ["c_aug"]}, sizes=(5,), trials=0)
    for path in (directory / "ledger").iterdir():
        path.unlink()
    write_lengths(directory)
    written = write_report(directory)
    page, markdown = read(written)
    for text in (page.text, markdown.replace("\\", "")):
        assert re.search(
            r"dagan_aug is better than c_aug \(\+6\.2 points\) at classifier\.iterations = 800 and "
            r"classifier\.augmentation_ratio = 1\.",
            text,
        )
        assert "No difference could be shown between dagan_aug and c_aug at 2 of 4 points of the design" in text
        assert "dagan_aug − c_aug: digits, 5 per class" in text
    assert "| 800 | 1 | 68.2" in markdown
    assert "point" not in page.text.split("Declared comparisons")[1].split("points")[0], "a column for each factor"
    assert "iterations 800, augmentation_ratio 1" in written.html.read_text()
    tables = written.html.parent / "tables"
    for ending in ("csv", "md", "tex", "html"):
        assert "68.2" in (tables / f"comparison-1-dagan-aug-c-aug-digits-5-per-class.{ending}").read_text()
    assert len(pd.read_csv(tables / "comparisons.csv")) == 4
    assert any("at classifier.iterations=400 classifier.augmentation_ratio=0: −4." in line for line in written.lines)


def test_points_without_common_factors_are_named_in_one_column(make_study):
    directory = make_study(methods=("c_aug", "dagan_aug"), compare={"dagan_aug": ["c_aug"]}, sizes=(5,), trials=1)
    for seed in range(8):
        one = entry(method="dagan_aug", trial=seed, signature=f"joint{seed}", point="gan.loss=joint")
        write_entry(directory, one)
    for seed in range(8):
        for method in ("c_aug", "dagan_aug"):
            one = entry(method=method, trial=seed, signature=f"{method}wide{seed}", point="network.width=2.0")
            write_entry(directory, one)
    (table,) = design_tables(gather(directory))
    assert table.heads == ("point",)
    assert [levels for levels, _ in table.rows] == [("reference",), ("gan.loss=joint",), ("network.width=2",)]


@words_alone
def test_judged_images_are_shown_and_correlated_with_the_gain(make_study, usual):
    page, markdown = read(usual)
    assert "Quality of the generated images" not in page.text + markdown
    directory = make_study(sizes=(5,))
    for method in ("dagan", "dagan_aug"):
        for trial in range(8):
            one = entry(method=method, trial=trial, level=0.63)
            rising = {"kid": 1 - one["test_accuracy"], "gan_test": 0.5 + 0.01 * trial}
            write_entry(directory, one | {"quality": rising})
    page, markdown = read(write_report(directory))
    for text in (page.text, markdown):
        assert "Quality of the generated images" in text
        assert "KID ↓" in text
        assert "coverage" not in text.split("Quality of the generated images")[1].split("GAN-test ↑")[0]
        assert "0.535 ± 0.020" in text
    evidence = gather(directory)
    assert set(evidence.gains["method"]) == {"dagan", "dagan_aug"}
    assert evidence.gains["n"].tolist() == [8] * 6
    kid = evidence.gains.set_index(["method", "baseline", "measure"])["spearman"]["dagan", "c", "kid"]
    assert -1 <= kid < 0, "who is better has the smaller distance"


@words_alone
def test_after_early_stopping_it_says_whether_that_was_justified(make_study, usual):
    assert "Was early stopping justified?" not in read(usual)[0].text
    directory = make_study(sizes=(5,))
    study = yaml.safe_load((directory / "study.yaml").read_text())
    study["search"]["early_stopping"] = {"type": "hyperband", "min_iter": 80, "eta": 4}
    (directory / "study.yaml").write_text(yaml.safe_dump(study))
    page, markdown = read(write_report(directory))
    assert "Was early stopping justified?" in page.text
    assert "| digits, 5 | c | 80 | 1.00 |" in markdown, "made-up curves never cross"
    assert gather(directory).rungs["iteration"].unique().tolist() == [80, 320], "at the rungs, not at every report"


NAMES = tuple(f"variant_{k:03d}" for k in range(150))


@pytest.fixture
def hundreds(make_study):
    levels = {name: 0.5 + 0.001 * k for k, name in enumerate(NAMES)}
    return make_study(methods=NAMES, levels=levels, compare={NAMES[7]: [NAMES[3]]}, sizes=(5,), trials=1, seeds=2)


@words_alone
def test_hundreds_of_methods_stay_legible(hundreds):
    page, _ = read(write_report(hundreds))
    assert "Figures show 10 of the 150 methods" in page.text
    assert all(name in page.text for name in NAMES)
    assert any("tall" in str(a.get("class")) for _, a in page.elements)


def test_figures_show_the_compared_methods_then_the_best(hundreds, without_png):
    evidence = gather(hundreds)
    shown = legible_methods(evidence)
    assert len(shown) == LEGIBLE
    assert {NAMES[3], NAMES[7], NAMES[149], NAMES[142]} <= set(shown)
    drawn = {figure.name.split("-")[0]: figure.svg for figure in draw(evidence)}
    assert {name for name in NAMES if name in drawn["accuracy"]} == set(shown)


def test_markdown_escapes():
    assert escape_markdown("a_b *c* <d> [e](f) `g` |\nh") == r"a\_b \*c\* &lt;d&gt; \[e\](f) \`g\` \| h"
    assert "://" not in escape_markdown("https://example.org")


@words_alone
def test_dagan_need_not_win(make_study):
    levels = {"c": 0.70, "c_aug": 0.75, "dagan": 0.60, "dagan_aug": 0.66}
    report = write_report(make_study(levels=levels, trials=2))
    page, _ = read(report)
    assert "dagan_aug is worse than c_aug" in page.text
    assert "The mean is highest for c_aug throughout" in page.text


@words_alone
def test_no_difference_is_said_with_the_seeds_it_would_take(make_study):
    levels = dict.fromkeys(METHODS, 0.65)
    directory = make_study(levels=levels, compare={"dagan_aug": ["c"]}, sizes=(5,))
    page, _ = read(write_report(directory))
    assert "No difference could be shown between dagan_aug and c; n =" in page.text
    assert re.search(r"n = \d+ seeds would be needed for 0.5 points, there are 8", page.text)
    tables = gather(directory).accuracy
    assert not any(entry.best for table in tables for _, entries in table.rows for entry in entries)


def test_best_is_marked_only_where_the_evidence_allows(make_study):
    marked = {
        method: [entry.best for entry in entries]
        for table in gather(make_study()).accuracy
        for method, entries in table.rows
    }
    assert marked == {"c": [False] * 2, "c_aug": [False] * 2, "dagan": [False] * 2, "dagan_aug": [True] * 2}


@words_alone
def test_a_large_difference_that_lacks_seeds_does_not_read_like_none(make_study):
    levels = dict.fromkeys(METHODS, 0.65) | {"dagan": 0.35}
    directory = make_study(levels=levels, compare={"dagan": ["c"], "dagan_aug": ["c_aug"]}, sizes=(5,), seeds=5)
    report = write_report(directory)
    page, markdown = read(report)
    said = (
        r"dagan looks worse than c \(−\d+\.\d points\), but n = 5 seeds are too few to show it after correction; "
        r"about 7 would be needed\. Too few seeds \(n = 5\) to show any difference between dagan_aug and c_aug"
    )
    assert re.search(said, page.text)
    assert report.lines[0] == "The 2 declared comparisons cannot be decided, too few seeds; 1 looks worse."
    assert re.search(r"\| looks worse, too few seeds \| 0\.12 \| 5 \| 0 \| 7 \| \d+ \|", markdown)


@words_alone
def test_a_study_that_is_still_searching(make_study):
    report = write_report(make_study(seeds=0, sizes=(5,)))
    page, _ = read(report)
    assert "The question is open" in page.text
    assert "too high to be evidence" in page.text
    assert "the best configurations so far" in page.text
    assert report.lines[0].startswith("The question is open")


@words_alone
def test_a_single_seed(make_study):
    page, _ = read(write_report(make_study(seeds=1, sizes=(5,))))
    assert "There is a single seed, so no interval and no test in any of the 3 declared comparisons" in page.text
    assert page.text.count("no interval") >= 4 + 3  # every mean, every difference
    assert "± nan" not in page.text


@words_alone
def test_one_method_without_generator_and_without_comparisons(make_study):
    page, markdown = read(write_report(make_study(methods=("c",), compare={}, sizes=(5,))))
    assert "There is one method, so nothing to compare" in page.text
    assert "Generated images" not in page.text + markdown
    assert "Declared comparisons" not in page.text + markdown


@words_alone
def test_no_declared_comparison(make_study):
    page, _ = read(write_report(make_study(compare={}, sizes=(5,))))
    assert "declares no comparisons" in page.text


@words_alone
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
    said = "Trials to confirm, so not in the means: 1 diverged, 1 ran out of memory, 1 failed and 2 missing."
    assert said in page.text
    assert any(said in line for line in report.lines)
    for words in (
        "1 diverged",
        "1 out of memory",
        "1 failed",
        "2 missing",
        "1 damaged file",
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


@words_alone
def test_many_cells_are_counted_instead_of_told(make_study):
    page, _ = read(write_report(make_study(sizes=(5, 10, 20), trials=2, seeds=10)))
    said = (
        r"dagan_aug is better than c_aug \(\+\S+ to \+\S+ points\) and dagan \(\+\S+ to \+\S+ points\) at every size\."
    )
    assert re.search(said, page.text)


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
@words_alone
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
