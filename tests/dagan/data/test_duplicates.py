"""Test images that nearly equal training images: dropped from the test where asked for, and nothing else changes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from trainings import bits, ran, weights

from dagan.config import Config, decisive
from dagan.data import duplicates as module
from dagan.data.duplicates import duplicates
from dagan.errors import InvalidInput
from dagan.stage_key import stage_key
from dagan.stages import STAGES
from dagan.training import dataset
from dagan.training.dataset import divided, training_data

CPU = torch.device("cpu")
COPIED = {"a/00.png": "a/03.png", "b/01.png": "a/07.png"}
"""Test images and the training images that they are, mirrored and brighter; the second is of another class."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dagan" / "duplicates"


def save(folder, images):
    for name, image in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)


@pytest.fixture(scope="session")
def copied(tmp_path_factory, photographs):
    """A folder with train and test, two classes of photographs, of which two are in both."""
    folder, pictures = tmp_path_factory.mktemp("copied"), photographs(36, side=16)
    train = {f"{label}/{index:02}.png": pictures[12 * (label == "b") + index] for label in "ab" for index in range(12)}
    test = {
        f"{label}/{index:02}.png": pictures[24 + 6 * (label == "b") + index] for label in "ab" for index in range(6)
    }
    test |= {name: train[original][:, ::-1] + 10 for name, original in COPIED.items()}
    save(folder / "train", train)
    save(folder / "test", test)
    return folder


def config_of(folder, *, method="c", seed=0, **data):
    own = {"folder": str(folder), "dataset": "mine", "image_size": 16, "samples_per_class": 2} | data
    short = {"network": {"name": "digits", "width": 0.25}, "classifier": {"iterations": 2, "batch_size": 4}}
    gan = {"gan": {"iterations": 2, "latent_size": 4}} if method == "dagan" else {}
    return Config.of({"method": method, "seed": seed, "data": own, **short, **gan})


def data_bits(config):
    found = training_data(config, CPU)
    return {part: bits(vars(getattr(found, part))) for part in ("train", "test")}


def test_drop_takes_the_copies_out_of_the_test_and_changes_nothing_else(copied):
    kept, dropped = (data_bits(config_of(copied, test_duplicates=choice)) for choice in ("keep", "drop"))
    assert kept["train"] == dropped["train"]
    images = [training_data(config_of(copied, test_duplicates=choice), CPU).test for choice in ("keep", "drop")]
    others = [index for index in range(12) if index not in (0, 7)]
    assert torch.equal(images[0].images[others], images[1].images)
    assert images[1].labels.tolist() == [0] * 5 + [1] * 5


def test_what_is_learnt_does_not_hang_on_it(copied):
    first, second = (config_of(copied, method="dagan", test_duplicates=choice) for choice in ("keep", "drop"))
    assert weights(ran(first)) == weights(ran(second))
    assert [stage_key(first, stage) for stage in STAGES] == [stage_key(second, stage) for stage in STAGES]
    assert first.signature != second.signature


def test_the_test_is_the_same_for_all_seeds_methods_and_sizes(copied):
    first = data_bits(config_of(copied, test_duplicates="drop"))
    other = data_bits(config_of(copied, method="c_aug", seed=5, samples_per_class=5, test_duplicates="drop"))
    assert first["test"] == other["test"]
    assert first["train"] != other["train"]


def test_a_search_neither_looks_nor_knows(copied, monkeypatch):
    monkeypatch.setattr(dataset, "tested", None)
    monkeypatch.setattr(dataset, "duplicates", None)
    kept, dropped = (config_of(copied, phase="search", test_duplicates=choice) for choice in ("keep", "drop"))
    assert kept.signature == dropped.signature
    assert training_data(dropped, CPU).test is None
    with pytest.raises(InvalidInput, match="test_duplicates"):
        config_of(copied, phase="search", test_duplicates="forget")


def test_keep_leaves_signatures_as_they_were_without_the_setting(copied):
    settings = [config_of(copied, test_duplicates=choice).model_dump(mode="json") for choice in ("keep", "drop")]
    assert ["test_duplicates" in decisive(each)["data"] for each in settings] == [False, True]


def test_images_that_were_set_aside_for_the_test_are_compared_with_the_others(tmp_path, photographs):
    """Each picture is there twice: where both are in the test, or both are not, there is nothing to find."""
    pictures = photographs(24, side=16)
    twice = {
        f"{label}/{index:02}.png": pictures[12 * (label == "b") + index // 2] for label in "ab" for index in range(24)
    }
    save(tmp_path / "twice", twice)
    source, parts = divided(config_of(tmp_path / "twice"))
    test = set(parts.test.tolist())
    expected = [place for place, index in enumerate(parts.test) if index ^ 1 not in test]
    assert 0 < len(expected) < len(parts.test)
    found = duplicates(config_of(tmp_path / "twice").facts, source, parts.test)
    assert found.candidates.tolist() == expected
    assert found.originals.tolist() == [parts.test[place] ^ 1 for place in expected]


def test_a_test_of_copies_alone_cannot_be_dropped(tmp_path, photographs):
    pictures = {
        f"{label}/{index}.png": one
        for label, few in zip("ab", np.split(photographs(20, side=16), 2), strict=True)
        for index, one in enumerate(few)
    }
    save(tmp_path / "train", pictures)
    save(tmp_path / "test", {"a/1.png": pictures["a/4.png"], "b/1.png": pictures["b/2.png"]})
    config = config_of(tmp_path, test_duplicates="drop")
    with pytest.raises(
        InvalidInput, match="cannot be drop for mine: all its 2 test images nearly equal training images"
    ):
        training_data(config, CPU)


def test_a_machine_looks_once_and_the_result_does_not_hang_on_that(copied, cache, monkeypatch):
    config = config_of(copied, test_duplicates="drop")
    first = data_bits(config)
    (path,) = cache.glob("*.json")
    with monkeypatch.context() as patched:
        patched.setattr(module, "near_copies", None)
        assert data_bits(config) == first
    for damaged in ("", "{", json.dumps({"candidates": [0]})):
        path.write_text(damaged)
        assert data_bits(config) == first
    assert json.loads(path.read_text())["candidates"] == [0, 7]


def test_a_cache_that_cannot_be_written_does_no_harm(copied, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(training_data(config_of(copied, test_duplicates="drop"), CPU).test) == 10


def test_what_was_found_for_other_images_does_not_count(copied, tmp_path, cache):
    """Folders go by their fingerprint, built-in data sets by their pixels."""
    training_data(config_of(copied, test_duplicates="drop"), CPU)
    training_data(config_of(copied, test_duplicates="drop", image_size=12), CPU)
    training_data(config_of(copied, test_duplicates="drop", dataset="another"), CPU)
    assert len(list(cache.glob("*.json"))) == 2
    for name in ("digits", "digits"):
        training_data(Config.of({"method": "c", "data": {"dataset": name, "test_duplicates": "drop"}}), CPU)
    assert len(list(cache.glob("*.json"))) == 3
