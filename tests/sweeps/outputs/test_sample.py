"""`sweeps train --save` and `sweeps sample`: weights, pictures, and a folder of images that trains again."""

import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from analysis.plots.image_sheet import Panel, sheet
from dagan.data.card import card_of
from sweeps.cli import app as cli
from sweeps.outputs.cards import card_lines, generated_warning

PICTURES = ["classes.png", "interpolation.png", "same-latents.png"]


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


def sweeps(*words, folder: Path) -> Answer:
    """The command in a folder, in this process: two dozen interpreters that load torch would take minutes."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["sweeps", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    return Answer(int(end.value.code or 0), out.getvalue(), err.getvalue())


def done(*words, folder: Path) -> Answer:
    answer = sweeps(*words, folder=folder)
    assert answer.returncode == 0, answer.stderr
    return answer


def config(method: str = "dagan", **data) -> str:
    gan = {} if method in ("c", "external") else {"gan": {"iterations": 8, "latent_size": 8}}
    return yaml.safe_dump(
        {
            "method": method,
            "network": {"width": 0.25},
            "data": {"samples_per_class": 5, **data},
            "classifier": {"iterations": 8, "batch_size": 32},
            **gan,
        }
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with weights, kept by `sweeps train`, and its answer."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "config.yaml").write_text(config())
    return folder, done("train", "config.yaml", "--save", "weights", folder=folder)


def test_train_keeps_weights_that_give_the_printed_accuracy(kept):
    from dagan.training.dataset import training_data
    from dagan.weights import load

    folder, answer = kept
    assert "Weights kept: weights" in answer.stderr
    weights = load(folder / "weights")
    test = training_data(weights.config, torch.device("cpu")).test
    right = (weights.classifier.predictions(test.images) == test.labels).sum().item()
    assert answer.stdout == f"test accuracy {right / len(test)!r}\n"
    assert weights.recorded["test_accuracy"] == right / len(test)
    assert weights.recorded["provenance"]["torch"]


def test_the_config_beside_the_weights_trains_again_to_its_number(kept):
    folder, answer = kept
    again = done("train", "weights/config.yaml", folder=folder)
    assert again.stdout.startswith(answer.stdout.strip())
    assert "identical" in again.stdout


def test_a_used_folder_is_refused_before_anything_is_trained(kept):
    folder, _ = kept
    answer = sweeps("train", "config.yaml", "--save", "weights", folder=folder)
    assert answer.returncode == 2
    assert "--save: must be new or empty, but `weights` holds `classifier.safetensors`" in answer.stderr
    assert "generation" not in answer.stderr


def test_pictures_of_weights_are_the_same_each_time_and_others_for_another_seed(kept):
    folder, _ = kept
    answer = done("sample", "weights", folder=folder)
    assert answer.stdout.splitlines() == [f"weights/samples/{name}" for name in PICTURES]
    assert answer.stderr == ""
    done("sample", "weights", "--out", "again", folder=folder)
    facts = json.loads(done("sample", "weights", "--out", "other", "--seed", 1, "--json", folder=folder).stdout)
    assert facts["files"] == [f"other/{name}" for name in PICTURES]
    assert facts["seed"] == 1
    for name in PICTURES:
        first = (folder / "weights/samples" / name).read_bytes()
        assert first == (folder / "again" / name).read_bytes()
        assert first != (folder / "other" / name).read_bytes()
        with Image.open(folder / "again" / name) as image:
            assert min(image.size) > 400


def test_a_config_is_trained_as_far_as_its_generator_and_kept_if_wanted(kept, tmp_path):
    folder, _ = kept
    (tmp_path / "config.yaml").write_text(config())
    answer = done("sample", "config.yaml", folder=tmp_path)
    assert answer.stdout.splitlines() == [f"samples/{name}" for name in PICTURES]
    assert "Training the generator first (stage 1, 8 iterations)." in answer.stderr
    assert "generation 8/8" in answer.stderr
    assert "classification" not in answer.stderr
    kept_now = done("sample", "config.yaml", "--save", "weights", "--columns", 3, folder=tmp_path)
    assert "Generator kept: weights" in kept_now.stderr
    done("sample", folder / "weights", "--out", "whole", folder=tmp_path)
    done("sample", "weights", "--out", "part", folder=tmp_path)
    for name in PICTURES:  # trained twice, kept and not: the same generator
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "part" / name).read_bytes()
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "samples" / name).read_bytes()


def test_without_the_data_set_there_are_generated_images_and_one_notice(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a cat", "собака", "x" * 60):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(17):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    (tmp_path / "config.yaml").write_text(config(folder="images", image_size=16))
    done("sample", "config.yaml", "--save", "weights", folder=tmp_path)
    shutil.move(tmp_path / "images", tmp_path / "moved")
    answer = done("sample", "weights", "--out", "alone", folder=tmp_path)
    assert answer.stderr.count("\n") == 1
    assert "No real images beside the generated ones: data.folder: " in answer.stderr
    with (
        Image.open(tmp_path / "weights/samples/classes.png") as both,
        Image.open(tmp_path / "alone/classes.png") as one,
    ):
        assert both.width > one.width
    (tmp_path / "moved/a cat/0.png").unlink()
    shutil.move(tmp_path / "moved", tmp_path / "images")
    assert "has changed since the training" in done("sample", "weights", folder=tmp_path).stderr


@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
def test_a_folder_of_images_is_complete_the_same_each_time_and_trains(tmp_path, method):
    (tmp_path / "config.yaml").write_text(config(method))
    done("sample", "config.yaml", "--save", "weights", "--to", "first", "--per-class", 12, folder=tmp_path)
    answer = done("sample", "weights", "--to", "made", "--per-class", 12, folder=tmp_path)
    assert answer.stdout == "made\n"
    manifest = json.loads((tmp_path / "made/manifest.json").read_text())
    files = sorted(path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*.png"))
    assert files == [entry["file"] for entry in manifest["images"]]
    assert files[:2] == ["0/00.png", "0/01.png"]
    assert len(files) == 120
    for name in files:
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()
    assert manifest["latent_seed"] == 0
    assert (
        manifest["signature"] == yaml.safe_load((tmp_path / "weights/config.yaml").read_text())["recorded"]["signature"]
    )
    assert {"commit", "torch", "dagan-sweeps"} <= set(manifest["provenance"])
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [*map(str, range(10)), "manifest.json"]
    alone, beside = (yaml.safe_load(line.split("data: ")[1]) for line in answer.stderr.splitlines())
    made = str(tmp_path / "made")  # a config with these lines may lie anywhere
    assert beside == {"generated": made}
    settings = alone
    assert settings == {"folder": made, "image_size": 8, "channels": 1}
    (tmp_path / "again.yaml").write_text(config("c", **settings | {"samples_per_class": 3}))
    trained = done("train", "again.yaml", folder=tmp_path)
    assert trained.stdout.startswith("test accuracy ")
    rule = f"These images are generated ({method} on digits, latent seed 0): an accuracy on them says nothing of real"
    rule += " images."
    assert f"Warning: {rule}" in trained.stderr
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path, "made")
    for place in ("made", "zipped.zip"):
        assert card_lines(card_of(tmp_path / place))[0] == rule
    (tmp_path / "made/manifest.json").write_text("[]")
    assert generated_warning(tmp_path / "made") == []
    (tmp_path / "beside.yaml").write_text(config("external", **beside))
    assert done("train", "beside.yaml", folder=tmp_path).stdout.startswith("test accuracy ")


def test_a_folders_images_are_those_of_their_class_and_latent(kept):
    from dagan.evaluation.pictures import pixels
    from dagan.weights import load
    from sweeps.outputs.sample import stream, write_folder

    generator = load(kept[0] / "weights").generator
    write_folder(generator, kept[0] / "images", 11, 4)
    drawn = generator.sampled(11, stream(4, "folder"))
    manifest = json.loads((kept[0] / "images/manifest.json").read_text())
    assert {entry["latent"] for entry in manifest["images"]} == set(range(110))
    for entry in manifest["images"]:
        assert int(drawn.labels[entry["latent"]]) == int(entry["class"])
        with Image.open(kept[0] / "images" / entry["file"]) as image:
            assert image.mode == "L"
            assert np.array_equal(np.asarray(image), pixels(drawn.images)[entry["latent"], ..., 0])


def test_class_names_that_lead_elsewhere_are_refused(kept, tmp_path):
    weights = shutil.copytree(kept[0] / "weights", tmp_path / "weights")
    tree = yaml.safe_load((weights / "config.yaml").read_text())
    tree["facts"]["classes"][3] = "../elsewhere"
    (weights / "config.yaml").write_text(yaml.safe_dump(tree))
    answer = sweeps("sample", "weights", "--to", "made", folder=tmp_path)
    assert answer.returncode == 2
    assert "must be names that a folder can have, with no `/`, but one is `../elsewhere`" in answer.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights"]


def test_asked_wrongly(kept, tmp_path):
    weights = kept[0] / "weights"
    (tmp_path / "plain.yaml").write_text(config("c"))
    done("train", "plain.yaml", "--save", "plain", folder=tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    for words, message in (
        (("plain.yaml",), "method: must have a generator, but `c` has none. Methods with one: vanilla_gan, cgan, "),
        (("plain",), "method: must have a generator, but `c` has none."),
        (("nothing.yaml",), "`nothing.yaml` must be a YAML file, but there is none."),
        (("full",), "must be a folder of weights, as `sweeps train CONFIG --save FOLDER` writes it"),
        ((weights, "--to", "full"), "--to: must be new or empty, but `full` holds `mine.txt`"),
        ((weights, "--per-class", "3"), "--per-class: is for an image folder"),
        ((weights, "--set", "seed=1"), "--set: must be left out for weights"),
        ((weights, "--save", "copy"), "--save: must be left out for weights"),
        ((weights, "--seed", "-1"), "should be greater than or equal to 0"),
    ):
        answer = sweeps("sample", *words, folder=tmp_path)
        assert answer.returncode == 2, answer.stderr
        assert message in " ".join(answer.stderr.replace("│", " ").split())
        assert answer.stdout == ""
        assert "Traceback" not in answer.stderr


def test_interpolation_ends_at_the_latents_that_it_names(kept, monkeypatch):
    from dagan.weights import load
    from sweeps.outputs import sample

    generator = load(kept[0] / "weights").generator
    drawn = {}
    monkeypatch.setattr(sample, "sheet", lambda panels, **words: drawn.update(panels=panels, **words) or b"")
    sample.interpolation_sheet(generator, sample.Wanted(seed=2, latents=3, steps=4))
    (panel,) = drawn["panels"]
    assert drawn["rows"] == ["z₁", "", "", "", "z₂", "", "", "", "z₃"]
    assert panel.columns == generator.classes
    points = generator.latents(3, sample.stream(2, "interpolation"))
    assert np.array_equal(panel.images[[0, 4, 8]], sample.in_rows(generator.in_every_class(points, 2)))
    sample.same_latents_sheet(generator, sample.Wanted(seed=2, columns=5))
    (panel,) = drawn["panels"]
    assert panel.images.shape == (10, 5, 8, 8, 1)
    latents = generator.latents(5, sample.stream(2, "same_latents"))
    assert np.array_equal(panel.images[:, 3], sample.in_rows(generator.in_every_class(latents[3:4], 2))[0])


def test_a_diverged_training_gives_no_pictures(tmp_path, monkeypatch, capsys):
    from dagan.training import losses

    (tmp_path / "config.yaml").write_text(config())
    honest = losses.GENERATOR_LOSSES["pairwise"]
    monkeypatch.setitem(losses.GENERATOR_LOSSES, "pairwise", lambda *args: honest(*args) * torch.nan)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweeps", "sample", "config.yaml"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "Error: diverged: loss became nan at stage 1, iteration 1" in capsys.readouterr().err
    assert not (tmp_path / "samples").exists()


def test_a_sheet_shows_every_image_enlarged_in_its_place():
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4, 1)
    content = sheet([Panel(images, columns=("a", "b", "a name that is wider"))], rows=["r", "s"], title="t", note="n")
    shown = np.asarray(Image.open(io.BytesIO(content)))
    bottom, right = np.argwhere(shown.min(axis=2) < 255).max(axis=0)
    across = 56 + 3
    for row in range(2):
        for column in range(3):
            top, left = bottom - 55 - across * (1 - row), right - 55 - across * (2 - column)
            cell = shown[top : top + 56, left : left + 56, 0]
            assert np.array_equal(cell, images[row, column, ..., 0].repeat(14, axis=0).repeat(14, axis=1))


def test_pictures_open_no_test_image_and_download_nothing(kept, monkeypatch):
    from dagan.config import Config
    from dagan.training import dataset
    from dagan.weights import load
    from sweeps.outputs.sample import real_images

    folder, _ = kept
    config, read, honest = load(folder / "weights").config, [], dataset.part_of
    monkeypatch.setattr(
        dataset, "part_of", lambda source, index, device: read.extend(index) or honest(source, index, device)
    )
    assert real_images(config, 2) is not None
    assert len(read) == config.data.samples_per_class * len(config.facts.classes)
    absent = Config.of({"data": {"dataset": "svhn", "root": str(folder / "nowhere"), "samples_per_class": 2}})
    assert real_images(absent, 2) is None
    assert not (folder / "nowhere").exists()
