"""Whole reports: complete, and honest on partial studies."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from pages import read
from synthetic import METHODS, entry, write_entry

from analysis import ResultsError, load, report, write_report
from analysis.methods import meanings
from analysis.reports.answer import lead
from analysis.reports.evidence import gather
from analysis.reports.figures import LEGIBLE, draw, legible_methods
from analysis.reports.tables import choices

words_alone = pytest.mark.usefixtures("without_figures")


def test_report_of_a_whole_study(usual):
    page, markdown = read(usual)
    assert usual.html.parent.name == "report"
    for text in (page.text, markdown.replace("\\", "")):
        assert "dagan_aug is better than c_aug" in text
        assert "Does DAGAN augmentation beat tuned baselines" in text
        assert "sweeps run digits" in text
        assert "0123abc" in text
        assert "gan.feature_matching_weight" in text
    for numbers in ("107,060 | 1.25 | – | –", "107,060 | 1.25 | 2,141,460 | 8.5"):
        assert markdown.count(numbers) == 2, "of two methods each"
    drawn = sum(tag == "svg" for tag, _ in page.elements)
    assert drawn == 1 + 1 + 4 + 1 + 2 + 2 + 2 + 2 + 4  # in the order of the page
    assert sum(tag == "img" for tag, _ in page.elements) == 2 * 2 * 10 * 3
    assert any("better" in line for line in usual.lines)


@words_alone
def test_warnings_of_a_collapse_are_counted(make_study):
    directory = make_study(sizes=(5,), trials=2)
    for trial in (8, 9):
        warning = f"images collapsed: <b> {trial}"
        write_entry(directory, entry(method="dagan", trial=trial, signature=f"w{trial}", warning=warning))
    page, markdown = read(write_report(directory))
    assert page.text.count("with a warning") == 1, "whatever else it says, a kind of warning is told once"
    assert "2 trials with a warning (dagan): images collapsed: <b> 8 The others likewise." in page.text
    assert "2 trials with a warning (dagan): images collapsed: &lt;b&gt; 8" in markdown


@words_alone
def test_finished_trials_that_the_study_does_not_ask_for_are_counted(make_study):
    directory = make_study()
    known = set(load(directory)["signature"])
    for asked, said in ((known, False), (known - set(sorted(known)[:2]), True)):
        page, markdown = read(write_report(directory, points=dict.fromkeys(asked, "")))
        words = "2 finished trials of the ledger left out: of other settings or an earlier choice"
        assert (words in markdown) == (words in page.text) == said


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
    directory = make_study(sizes=(5,), trials=12)  # of which nine are not stopped
    study = yaml.safe_load((directory / "study.yaml").read_text())
    study["search"]["early_stopping"] = {"type": "hyperband", "min_iter": 80, "eta": 4}
    (directory / "study.yaml").write_text(yaml.safe_dump(study))
    page, markdown = read(write_report(directory))
    assert "Was early stopping justified?" in page.text
    assert "| digits, 5 | c | 80 | 1.00 |" in markdown, "made-up curves never cross"
    assert gather(directory).rungs["iteration"].unique().tolist() == [80, 320], "at the rungs, not at every report"
    for path in list(directory.glob("ledger/*.json")):
        if (one := json.loads(path.read_text()))["phase"] == "search" and one["trial"] > 4:
            path.unlink()
    page, markdown = read(write_report(directory))
    assert "at most 3 search trials that could have been stopped ran to the end: too few to say." in page.text
    assert "Kendall" not in page.text + markdown


NAMES = tuple(f"variant_{k:02d}" for k in range(40))


@pytest.fixture
def many_methods(make_study):
    levels = {name: 0.5 + 0.001 * k for k, name in enumerate(NAMES)}
    return make_study(methods=NAMES, levels=levels, compare={NAMES[7]: [NAMES[3]]}, sizes=(5,), trials=1, seeds=2)


@words_alone
def test_many_methods_stay_legible(many_methods):
    page, _ = read(write_report(many_methods))
    assert "Figures show 10 of the 40 methods" in page.text
    assert all(name in page.text for name in NAMES)
    assert any("tall" in str(a.get("class")) for _, a in page.elements)


def test_figures_show_the_compared_methods_then_the_best(many_methods, without_png):
    evidence = gather(many_methods)
    shown = legible_methods(evidence)
    assert len(shown) == LEGIBLE
    assert {NAMES[3], NAMES[7], NAMES[39], NAMES[32]} <= set(shown)
    drawn = {figure.name.split("-")[0]: figure.svg for figure in draw(evidence)}
    assert {name for name in NAMES if name in drawn["accuracy"]} == set(shown)


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
    assert report.lines[:2] == (
        "Not to be said: too few seeds.",
        "The 2 declared comparisons cannot be decided, too few seeds; 1 looks worse.",
    )
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


def test_import_is_cheap_and_keeps_out_what_belongs_elsewhere():
    code = (
        "import sys, analysis; assert 'pandas' not in sys.modules, 'import analysis must be cheap';"
        "analysis.write_report;"
        "heavy = {'torch', 'ray', 'optuna', 'wandb', 'dagan', 'sweeps'} & set(sys.modules);"
        "assert not heavy, heavy; assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_methods_are_explained_where_they_first_appear(usual):
    page, markdown = read(usual)
    for text in (page.text, markdown.replace("\\", "")):
        assert text.count("c: a plain classifier; dagan: the discriminator of a GAN") == 1
        assert text.count("…_aug: the same with classical augmentation") == 1
        assert text.index("c: a plain classifier") < text.index("Declared comparisons")
    assert meanings(["mine", "mine_aug"]) == ""
    assert meanings(["c", "external"]).endswith("from generated images of your own too.")


LEADS = [
    (["better", "better"], False, "Yes."),
    (["better", "no difference shown"], False, "Yes, in part."),
    (["better", "worse"], False, "It depends."),
    (["better", "worse"], True, "It depends."),
    (["worse", "no difference shown"], False, "No."),
    (["worse", "no difference shown"], True, "Not at these lengths."),
    (["no difference shown", "looks better, not shown"], False, "Not shown."),
    (["no difference shown"], True, "Not at these lengths."),
    (["better, but smaller than 0.5 points"] * 2, False, "No: what there is, is too small."),
    (["too few seeds", "looks better, too few seeds"], True, "Not to be said: too few seeds."),
]


@pytest.mark.parametrize(("verdicts", "is_short", "expected"), LEADS)
def test_the_answer_begins_with_the_answer(verdicts, is_short, expected):
    assert lead(pd.Series(verdicts), is_short=is_short) == expected


@words_alone
def test_the_next_step_is_a_command_to_copy(make_study):
    levels = dict.fromkeys(METHODS, 0.65)
    directory = make_study(levels=levels, compare={"dagan_aug": ["c"]}, sizes=(5,))
    report = write_report(directory, command="sweeps run my_digits")
    needed = gather(directory).comparisons["seeds_needed"].max()
    assert 8 < needed <= 100
    page, markdown = read(report)
    step = f"sweeps run my_digits --set confirm.seeds={needed:.0f}"
    assert f"Next: {step} would most likely decide what is open" in page.text
    assert f"Next: {step} would" in markdown.replace("\\", "")
    assert report.lines[-1] == f"Next, to decide what is open: {step}"
    clear = write_report(make_study(name="clear", levels=levels | {"dagan_aug": 0.9}, compare={"dagan_aug": ["c"]}))
    assert "Next:" not in read(clear)[0].text
    assert read(clear)[0].text.count("Yes.") == 1
