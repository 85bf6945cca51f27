"""The documents say what is: commands exist, links resolve, every verb is told of."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from analysis import compare, contributions
from analysis import load as load_results
from analysis.comparison.points import settings
from analysis.formatting import interval, p_value, percent, points
from analysis.statistics.intervals import t_interval
from dagan.methods import METHODS
from sweeps.cli.app import app
from sweeps.study.files import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "tests/benchmarks/README.md")
"""Those without a test of their own: the packages' are tested with the packages."""
VERBS = tuple(get_command(app).commands)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def anchors(file):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_resolve(name):
    document = ROOT / name
    links = re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
    assert links or name != "README.md"
    for link in (link for link in links if "://" not in link):
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_are_named_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    files = re.findall(r"\b((?:tests|dagan|sweeps|analysis)/[\w/.-]+\.(?:py|sh|yaml|md))\b", text)
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_commands_in_the_readme_are_commands():
    said = [line.split("#")[0] for block in blocks("bash") for line in block.splitlines()]
    said += re.findall(r"`(sweeps [^`]+)`", README)
    words = [shlex.split(part) for line in said for part in line.split("&&") if part.strip().startswith("sweeps")]
    assert len(words) > 5
    for word in words:
        verb = get_command(app).commands[word[1]]
        options = {name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {part for part in word if part.startswith("--")} <= options, word


def test_the_table_on_the_first_page_has_the_studys_rows():
    study = load("digits")
    first = README.split("```\nsweeps ──►")[0]
    for method in study.methods:
        assert re.search(rf"\| `{method}` \|", first)


def test_python_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, read = blocks("python")
    changes = (
        '"methods=[c, dagan]", "compare={dagan: [c]}", "samples_per_class=[5]", "search.budget.trials=1",'
        ' "search.seeds=1",'
        ' "search.early_stopping=null", "base.gan.iterations=2", "base.classifier.iterations=4",'
        ' "search.parameters={classifier.learning_rate: {values: [1e-3]}}", "confirm.seeds=3"'
    )
    assert '"confirm.seeds=3"' in run
    code = run.replace('"confirm.seeds=3"', changes)
    read = read.replace(', "dagan_aug": ["c_aug"]', "")
    exec(compile(code + read, "README.md", "exec"), {})


def test_readme_of_sweeps_has_every_verb():
    reference = (ROOT / "sweeps" / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"| `sweeps {verb}" not in reference] == []


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_in_the_changelog(method):
    assert f"`{method.removesuffix('_aug')}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


CHANGES = {
    "GAN of 200 epochs in place of 100": ("gan.epochs", "200"),
    "GAN of 400 epochs in place of 100": ("gan.epochs", "400"),
    "stage 2 of 400 epochs in place of 100": ("classifier.epochs", "400"),
    "half as many generated images as real ones (r = 0.5) in place of none": ("classifier.augmentation_ratio", "0.5"),
    "as many (r = 1) in place of none": ("classifier.augmentation_ratio", "1"),
    "strong feature matching (λ = 2.5) in place of weak (0.1)": ("gan.feature_matching_weight", "2.5"),
    "no generated images (r = 0) in place of as many as real ones": ("classifier.augmentation_ratio", "0"),
    "a fresh classifier in place of the GAN's discriminator": ("classifier.start", "fresh"),
    "loss `joint` in place of `pairwise`": ("gan.loss", "joint"),
    "no feature matching (λ = 0)": ("gan.feature_matching_weight", "0"),
    "classical augmentation in stage 1 too": ("augmentation.stage_1", "true"),
    "differentiable augmentation in stage 1": ("gan.differentiable_augmentation", "translation"),
    "no weight normalisation": ("network.weight_norm", "false"),
}
"""Rows of README's table of what matters: factor and level."""


def test_the_table_of_what_matters_is_that_of_the_kept_results():
    measured = {}
    for name in ("ablation", "sensitivity"):
        folder = ROOT / "sweeps/studies/results" / name
        factors = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))["factors"]
        table = contributions(load_results(folder), list(factors), {})
        for row in table[table["method"] == "dagan_aug"].to_dict("records"):
            said = f"{points(row['difference'])} ({interval(row['low'], row['high'])})"
            measured[f"`{name}`", row["factor"], row["level"]] = (said, p_value(row["q"]))
    _, after = README.split("| change | points | q | study |\n", 1)
    rows = [line.strip("| ").split(" | ") for line in after.split("\n\n")[0].splitlines()[1:]]
    assert [change for change, *_ in rows] == list(CHANGES)
    assert [(said, q) for _, said, q, _ in rows] == [measured[study, *CHANGES[change]] for change, *_, study in rows]


def test_what_longer_gans_gain_is_that_of_the_kept_results():
    results = load_results(ROOT / "sweeps/studies/results/sensitivity")
    results = results[results["method"] == "dagan_aug"]

    def gain(trials, before, after):
        by_seed = trials.groupby(["config.gan.epochs", "seed"])["test_accuracy"].mean()
        found = t_interval((by_seed[after] - by_seed[before]).to_numpy())
        return f"{points(found.mean)} ({interval(found.low, found.high)})"

    ratio = results["config.classifier.augmentation_ratio"]
    with_images, without = gain(results[ratio == 1], 100, 200), gain(results[ratio == 0], 100, 200)
    assert f"gains {with_images} with r = 1, and {without} with r = 0" in README
    assert f"from 200 to 400 the mean of all gains {gain(results, 200, 400)}" in README


def test_the_table_of_cifar10_is_that_of_the_kept_results():
    results = load_results(ROOT / "sweeps/studies/results/cifar50")
    compared = compare(results, {"dagan_aug": ["c_aug"]})
    measured = {tuple(settings(row["at"]).values()): row for row in compared.to_dict("records")}
    rows = re.findall(r"^\| (\d+) \| (\S+) \| (\S+) \| (\S+) \| (.+?) \| (\S+) \|$", README, re.MULTILINE)
    assert [row[0] for row in rows] == ["100", "200", "300", "500"]
    for epochs, plain, warm, generated, difference, p in rows:
        alone, full = measured[epochs, "0"], measured[epochs, "1"]
        assert [plain, warm, generated] == [
            percent(full["baseline_mean"]),
            percent(alone["method_mean"]),
            percent(full["method_mean"]),
        ]
        assert difference == f"{points(full['difference'])} ({interval(full['low'], full['high'])})"
        assert p == p_value(full["p_holm"])
        assert full["n"] == 12
    assert len(compared) == 8
    accuracies = results.groupby(["method", "config.classifier.epochs", "config.classifier.augmentation_ratio"])
    by_seed = {key: trials.set_index("seed")["test_accuracy"] for key, trials in accuracies}
    left = t_interval(by_seed["dagan_aug", 500, 1] - by_seed["c_aug", 200, 0])
    assert f"what is left is {points(left.mean)} ({interval(left.low, left.high)})" in README
    tflop = {key: round(1000 * trials["pflop_unshared"].mean(), 1) for key, trials in accuracies}
    assert f"({tflop['dagan_aug', 500, 1]:.0f} and {tflop['c_aug', 200, 0]:g} TFLOP a training)" in README
