"""dagan/README.md says what is: its Python runs, its links resolve, its tables are those of the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from dagan.config import Config, known_keys
from dagan.data.facts import BUILT_IN
from dagan.methods import METHODS
from dagan.nested import section_of
from dagan.settings import Network

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "dagan" / "README.md").read_text(encoding="utf-8")


def section(title):
    """The text below a heading of the second level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def python_blocks():
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_links_and_file_names_resolve():
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", README, re.MULTILINE)}
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 5
    for link in links:
        file, _, anchor = link.partition("#")
        assert (ROOT / "dagan" / file).exists(), link
        assert not anchor or file or anchor in anchors, link
    files = re.findall(r"`([a-z_/]+\.py)`", README)
    assert len(files) > 5
    assert [file for file in files if not any((ROOT / folder / file).is_file() for folder in ("dagan", "."))] == []


def test_every_room_is_told_of():
    told = section("Where things are")
    rooms = {path.name for path in (ROOT / "dagan").iterdir() if (path / "__init__.py").is_file()}
    files = {path.stem for path in (ROOT / "dagan").glob("[a-z]*.py")}
    assert {name for name in rooms if f"`{name}/`" not in told} == set()
    assert {name for name in files if f"`{name}`" not in told} == set()


@pytest.mark.slow
def test_python_in_the_readme_runs(tmp_path):
    training, events, judging = [block for block in python_blocks() if "Training(" in block or "judge_of" in block]
    few = '"gan": {"iterations": 10}, "classifier": {"iterations": 20}'
    quick = training.replace('"gan": {"iterations": 300}', few)
    assert quick != training
    quick += judging.replace("judge_of(", 'judge_of(settings={"classifier": {"iterations": 2}}, config=')
    quick += events.replace("[100]", "[5]")
    answer = subprocess.run([sys.executable, "-c", quick], cwd=tmp_path, capture_output=True, text=True, check=True)
    *_, accuracy, judgement = answer.stdout.splitlines()
    assert 0 < float(accuracy) < 1
    assert judgement.startswith("Quality(judge=")
    assert len([*(tmp_path / "results" / "judges").glob("*.safetensors")]) == 1
    assert torch.load(tmp_path / "state.pt", weights_only=True)["iterations"] == {"generation": 5, "classification": 0}


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Methods", [*METHODS]),
        ("Networks", Network.model_fields["name"].annotation.__args__),
        ("Data sets", [*BUILT_IN]),
    ],
)
def test_the_tables_have_a_row_for_each(title, names):
    first_cells = "".join(re.findall(r"^\| (`[^|]+) \|", section(title), re.MULTILINE))
    assert {name for name in names if f"`{name}`" not in first_cells} == set()


RESOLVED = {
    "network.name": "`digits` for digits, mnist and fashion_mnist, else `conv32`",
    "data.dataset": "digits; images for a folder without a name",
    "data.validation_images": "as many as are trained on, at least 500",
    "classifier.noise": "0.2; 0 for `_aug`",
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
SOURCES = (
    *("paper", "released code", "ours", "Dong & Zhou", "tutorials", "Zhao et al. 2020", "Szegedy et al. 2016"),
    *("Cubuk et al. 2020", "Müller & Hutter 2021", "Zhong et al. 2020", "Zhang et al. 2018", "Yun et al. 2019"),
)


def field_of(key):
    section, leaf = key.split(".")
    return section_of(Config.model_fields[section].annotation).model_fields[leaf]


def settings_table():
    rows = re.findall(r"^\| `([a-z_.0-9]+)` \| (.*)\|$", section("Settings"), re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return {key: [cell.strip() for cell in cells.split("|")] for key, cells in rows}


def test_every_setting_is_documented_with_default_source_and_meaning():
    own = {"method", "seed", "data.phase", "data.fingerprint", "data.generated_fingerprint"}
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
        assert (config.network.name, config.classifier.noise, ratio, augmentation) == expected


def pictures(folder):
    """A folder of two classes, eight images each."""
    for label in ("cat", "dog"):
        (folder / "pictures" / label).mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / "pictures" / label / f"{index}.png")
    return folder / "pictures"
