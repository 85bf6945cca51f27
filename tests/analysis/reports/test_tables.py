"""The tables of a paper: published numbers beside ours, and no text that escapes from its cell."""

import csv
import re
import shutil
import subprocess

import pandas as pd
import pytest

from analysis import load, means, published, table
from analysis.comparison.differences import compare
from analysis.comparison.published import beside
from analysis.reports.accuracy_table import accuracy_tables, grid
from analysis.reports.report import write_report
from analysis.reports.table_formats import FORMS, Cell, Grid, escape_latex, to_csv, to_html, to_latex, to_markdown

FAMILY = {"dagan_aug": ["c_aug"]}


@pytest.mark.parametrize(
    ("dataset", "size", "method", "percent"),
    [
        ("cifar10", 50, "c", 37.2),
        ("cifar10", 200, "dagan_aug", 61.8),
        ("cifar10", 1000, "semi_gan", 74.2),
        ("svhn", 80, "dagan", 68.2),
        ("svhn", 500, "c", 89.7),
        ("kdef", None, "dagan", 85.7),
    ],
)
def test_published_numbers_are_those_of_the_papers(dataset, size, method, percent):
    rows = published()
    here = rows[(rows["dataset"] == dataset) & (rows["method"] == method)]
    here = here[here["samples_per_class"].isna() if size is None else here["samples_per_class"] == size]
    assert here["accuracy"].tolist() == [percent]


def test_the_published_tables_are_whole():
    rows = published()
    assert rows.groupby("table").size().to_dict() == {
        "Table 3": 5 * 6,
        "Table 4": 5 * 3,
        "Table 5": 4,
        "test accuracy by epoch": 5 * 2,
    }
    assert rows["source"].notna().all()
    digits = rows[rows["dataset"] == "mnist"].pivot(index="epoch", columns="method", values="accuracy")
    assert digits["c"].tolist() == [10, 10, 20, 61, 83]
    assert digits["vanilla_gan"].tolist() == [22, 39, 85, 96, 96]


def test_published_numbers_stand_beside_ours():
    cells = [("mnist", 30, "vanilla_gan"), ("kdef", 40, "c"), ("cifar10", 60, "c"), ("cifar10", 50, "cgan")]
    ours = pd.DataFrame(cells, columns=["dataset", "samples_per_class", "method"])
    told = beside(ours)
    assert told["published"].tolist()[:2] == pytest.approx([0.96, 0.829])  # the last epoch; KDEF at whatever size
    assert told["published"].isna().tolist() == [False, False, True, True]
    assert told["source"].tolist()[2:] == ["", ""]


@pytest.fixture
def cifar(make_study):
    return load(make_study(dataset="cifar10", sizes=(50, 200), trials=1))


def test_the_table_has_mean_interval_published_and_bold_only_where_allowed(cifar):
    text = table(cifar, FAMILY)
    row = next(line for line in text.splitlines() if line.startswith("| dagan\\_aug"))
    ours = means(cifar).set_index(["samples_per_class", "method"]).loc[(50, "dagan_aug")]
    half = 100 * (ours["high"] - ours["mean"])
    assert f"**{100 * ours['mean']:.1f} ± {half:.1f} (published 45.5)**" in row
    assert text.count("**") == 4  # the winner, at both sizes
    assert "**" not in table(cifar)  # nothing compared, nothing bold
    assert "Zhang & Wu 2019, Table 3" in text.replace("&amp;", "&")


def test_latex_is_a_booktabs_table(cifar):
    text = table(cifar, FAMILY, form="tex")
    for word in (
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\begin{tabular}{lrrrr}",
        r"$\pm$",
        r"\textbf{",
        r"dagan\_aug",
    ):
        assert word in text
    assert {line.count("&") - line.count(r"\&") for line in text.splitlines() if line.endswith(r"\\")} == {4}


def test_what_a_training_took_stands_beside_its_accuracy(cifar):
    """Of the trials that were measured, as if each had been trained alone: 0.04 and 0.01 PFLOP."""
    of_one = cifar["phase"] == "confirm"
    cifar.loc[of_one & (cifar["method"] == "dagan_aug") & (cifar["samples_per_class"] == 200), "pflop_unshared"] = 0.123
    head, *lines = table(cifar, {"dagan_aug": ["c_aug", "dagan"], "dagan": ["c"]}, form="csv").splitlines()
    assert head == "images per class,50,cost at 50,200,cost at 200"
    costs = {line.split(",")[0]: line.split(",")[2::2] for line in lines}
    assert costs["c"] == costs["c_aug"] == ["10 TFLOP"] * 2
    assert costs["dagan"] == ["40 TFLOP (4.0 × c)"] * 2
    assert costs["dagan_aug"] == ["40 TFLOP (4.0 × c_aug)", "123 TFLOP (12 × c_aug)"]
    unknown = table(cifar.assign(pflop_unshared=float("nan")), FAMILY, form="csv")
    assert unknown.splitlines()[0] == "images per class,50,200"


def test_an_unknown_form_is_refused(cifar):
    with pytest.raises(ValueError, match="must be one of html, md, tex, csv, but got docx"):
        table(cifar, form="docx")


def test_the_table_files_of_a_report_say_the_same(make_study):
    directory = make_study(dataset="cifar10", sizes=(50,), trials=1)
    written = write_report(directory)
    names = {path.name for path in written.tables}
    assert names == {*(f"accuracy-1-cifar10.{form}" for form in FORMS), "means.csv", "comparisons.csv"}
    text = (written.html.parent / "tables" / "accuracy-1-cifar10.csv").read_text()
    rows = list(csv.reader(text.splitlines(keepends=True)))
    results = load(directory)
    expected = grid(accuracy_tables(results, means(results), compare(results, FAMILY))[0])
    assert rows[0] == list(expected.columns)
    assert [row[0] for row in rows[1:]] == [row[0].text for row in expected.rows]
    assert "<small>40 TFLOP (4.0 × c_aug)</small>" in written.html.read_text()
    assert r"; 40 TFLOP (4.0 × c\_aug) |" in (written.html.parent / "report.md").read_text()


EVIL = [
    r"\input{/etc/passwd}",
    r"$x_1^2$ & 100% #1 ~{}",
    r"a \\ b \end{tabular}",
    "*[3pt] ?`!`",
    "line\nbreak\ttab\x00\x1b[31m",
    "<b>\"quoted\"</b> '|' | pipe",
    "=HYPERLINK(1)",
    "@SUM(A1)",
]
COMMANDS = {"textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"}
COMMANDS |= {"textasciigrave"}


@pytest.mark.parametrize("text", EVIL)
def test_latex_prints_every_text_as_it_is(text):
    escaped = escape_latex(text)
    # What remains after every escape known to be harmless is taken away must hold nothing special.
    left = re.sub(r"\\[&%$#_{}]", "", escaped)
    found = re.findall(r"\\([a-z]+)\{\}", left)
    assert set(found) <= COMMANDS
    left = re.sub(r"\\[a-z]+\{\}|\{[][*]\}|\{\\char34\}|\$-\$", "", left)
    assert not re.search(r"[\\{}$&#^_%~<>|\"`\n\t\x00\x1b]|[][*]", left)
    assert escape_latex("λ = 0.5 ± 0.1, −1") == r"$\lambda$ = 0.5 $\pm$ 0.1, $-$1"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_takes_every_text(tmp_path):
    tables = "".join(
        to_latex(Grid(text, ("name", text), ((Cell(text), Cell(text, strong=True)),), text)) for text in EVIL
    )
    lines = (r"\documentclass{article}\usepackage{booktabs}\begin{document}", tables, r"\end{document}")
    (tmp_path / "t.tex").write_text("\n".join(lines))
    compile_it = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "t.tex"]
    said = subprocess.run(compile_it, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stdout[-2000:]


@pytest.mark.parametrize("text", EVIL)
def test_no_form_lets_a_text_out_of_its_cell(text):
    one = Grid(text, ("name", text), ((Cell(text), Cell(text, strong=True)), (Cell("c"), Cell("1"))), text)
    assert len(re.findall("<t[hd][ >]", to_html(one))) == 2 + 4
    assert "<b>" not in to_html(one)
    pipes = [re.sub(r"\\.", "", line).count("|") for line in to_markdown(one).splitlines() if line.startswith("|")]
    assert pipes == [3, 3, 3, 3]
    cells = list(csv.reader(to_csv(one).splitlines(keepends=True)))
    assert [len(row) for row in cells] == [2, 2, 2]
    assert not [cell for row in cells for cell in row if cell[:1] in ("=", "+", "-", "@")]
    assert to_latex(one).count(r"\end{tabular}") == 1
