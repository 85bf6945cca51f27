"""The documents say what is: commands exist, links resolve, every verb is told of."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command

from dagan.config import Config, known_keys
from dagan.methods import METHODS
from dagan.nested import section_of
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


RESOLVED = {
    "network.name": "`digits` for digits, mnist and fashion_mnist, else `conv32`",
    "network.noise": "0.2; 0 for `_aug`",
    "network.dropout": "0.5; 0 for `dcgan64`",
    "network.weight_norm": "True; False for `dcgan64` and `vgg16`",
    "network.pretrained": "True for `vgg16`",
    "gan.generator_learning_rate": "0.05 for `dcgan64`, by SGD",
    "gan.generator_optimiser": "adam; sgd for `dcgan64`",
    "classifier.augmentation_ratio": "1",
    "data.image_size": "32; 64 for kdef",
    "augmentation.rotation": "15 for digits and mnist, 5 for fashion_mnist, 20 for cifar10, else 10",
    "augmentation.shift": "0.05 for svhn and kdef, else 0.1",
    "augmentation.horizontal_flip": "True for cifar10, fashion_mnist and kdef, else False",
    "augmentation.brightness": "0.1 for kdef, else 0",
}
"""Defaults that hang on the method or the data set."""
SOURCES = ("paper", "released code", "ours", "Dong & Zhou", "Zhao et al. 2020", "tutorials")


def field_of(key):
    section, leaf = key.split(".")
    return section_of(Config.model_fields[section].annotation).model_fields[leaf]


def settings_table():
    rows = re.findall(r"^\| `([a-z_.0-9]+)` \| (.*)\|$", README.split("## Settings")[1], re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return {key: [cell.strip() for cell in cells.split("|")] for key, cells in rows}


def test_every_setting_is_documented_with_default_source_and_meaning():
    own = {"method", "seed", "data.phase", "data.fingerprint"}
    table = settings_table()
    assert table.keys() == {*known_keys()} - own
    for key, (default, source, meaning) in table.items():
        field = field_of(key)
        plain = "" if field.default is None else str(field.default)
        assert default == RESOLVED.get(key, plain), key
        assert meaning == field.description, key
        assert {part.strip().split(": ")[-1] for part in re.split("[;,]", source)} <= {*SOURCES}, key


def test_defaults_that_hang_on_method_or_data_set_are_as_documented(tmp_path):
    for method, data, expected in (
        ("dagan", {}, ("digits", 0.2, 1, None)),
        ("dagan_aug", {}, ("digits", 0.0, 1, (15, 0.1))),
        ("c_aug", {"dataset": "mnist"}, ("digits", 0.0, 0, (15, 0.1))),
        ("semi_gan_aug", {"dataset": "pictures", "folder": str(pictures(tmp_path))}, ("conv32", 0.0, 1, (10, 0.1))),
    ):
        config = Config.of({"method": method, "data": data | {"samples_per_class": 1}})
        augmentation = config.augmentation and (config.augmentation.rotation, config.augmentation.shift)
        ratio = config.classifier.augmentation_ratio
        assert (config.network.name, config.network.noise, ratio, augmentation) == expected


def pictures(folder):
    """A folder of two classes, eight images each."""
    for label in ("cat", "dog"):
        (folder / "pictures" / label).mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / "pictures" / label / f"{index}.png")
    return folder / "pictures"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_among_the_words_and_in_the_changelog(method):
    words = README.split("## Words")[1].split("## Settings")[0]
    assert f"`{method}`" in words
    assert f"`{method.removesuffix('_aug')}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
