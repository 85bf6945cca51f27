"""Reports of designs: what each factor contributes, methods compared at each point."""

import re

import pandas as pd
import pytest
from pages import broken_tables, read
from synthetic import entry, write_entry

from analysis import load, write_report
from analysis.reports.evidence import gather
from analysis.reports.tables import design_tables

words_alone = pytest.mark.usefixtures("without_figures")


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
    assert broken_tables(markdown) == []
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


def test_trials_are_at_the_points_that_they_are_in_the_study_as_it_is_now(make_study):
    directory = make_study(sizes=(5,), trials=1, methods=("c",), compare={})
    signatures = set(load(directory)["signature"])
    assert gather(directory).means["n"].tolist() == [8]
    moved = dict.fromkeys(signatures, "classifier.iterations=800")
    assert gather(directory, points=moved).means["n"].tolist() == []
