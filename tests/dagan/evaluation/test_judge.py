"""The judge knows no image that it judges, repeats, and is kept whole or not at all."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dagan.config import Config
from dagan.data.splits import split
from dagan.errors import InvalidInput
from dagan.evaluation import judge as judge_module
from dagan.evaluation.judge import MOST_IMAGES, judge_config, judge_of
from dagan.training.classification import Classification
from dagan.training.dataset import training_data
from dagan.training.training import Training

CPU = torch.device("cpu")
QUICK = {"network": {"width": 0.25}, "classifier": {"iterations": 8}}


def images_of(config):
    return {image.numpy().tobytes() for image in training_data(config, CPU).train.images}


@pytest.fixture(scope="module")
def config(make_config):
    return make_config("dagan", {"data.samples_per_class": 20})


@pytest.fixture
def trainings(monkeypatch):
    """The configs of all judges that are trained."""
    seen = []

    def counted(config):
        seen.append(config)
        return Training(config)

    monkeypatch.setattr(judge_module, "Training", counted)
    return seen


def test_the_judge_sees_the_tuning_half_and_nothing_else(config):
    own = judge_config(config)
    counts, room = config.facts.per_class, min(config.facts.per_class)
    assert own.method == "c_aug"
    assert own.data.phase == "search"
    assert own.data.samples_per_class == (room - room // 3) // 2 - 1  # all that every class has, but one
    # Indices, as two images of 8x8 pixels may be the same: all of one phase against all of the other, any seed.
    labels = np.repeat(np.arange(10), counts)
    settings = {"dataset": "digits", "has_test": False, "validation": "held_out"}
    judged = [split(labels, samples_per_class=20, seed=seed, phase="confirm", **settings) for seed in range(30)]
    known = split(labels, samples_per_class=own.data.samples_per_class, seed=own.seed, phase="search", **settings)
    for one in judged:
        assert not {*known.subset, *known.validation} & {*one.subset, *one.test}
    data = training_data(own, CPU)
    assert data.test is None
    assert len(data.train) == len(known.subset)


def test_the_images_of_judge_and_generator_are_different_ones(ten_classes, make_config):
    given = make_config("dagan", {"data.folder": str(ten_classes), "data.dataset": "ten", "data.samples_per_class": 2})
    assert images_of(given)
    assert not images_of(given) & images_of(judge_config(given))


def test_one_judge_for_all_configs_of_a_data_set(make_config, config):
    others = [
        make_config("dagan_aug", {"seed": 7, "data.samples_per_class": 3}),
        make_config("c", {"network.width": 2.0, "classifier.iterations": 9}),
        make_config("dagan", {"data.phase": "search", "compute.threads": 2, "compute.precision": "bfloat16"}),
    ]
    assert {judge_config(one).signature for one in others} == {judge_config(config).signature}
    assert judge_config(config, QUICK).signature != judge_config(config).signature
    assert judge_config(others[2]).compute.threads == 2
    assert judge_config(others[2]).compute.precision == "float32"


def test_a_large_data_set_is_not_taken_whole():
    mnist = Config.of({"method": "dagan", "data": {"dataset": "mnist"}})
    assert judge_config(mnist).data.samples_per_class * 10 == MOST_IMAGES


def test_no_judge_without_a_tuning_half(make_config):
    with pytest.raises(InvalidInput, match=r"(?s)data.validation: must be held_out .* but is within.*Use held_out"):
        judge_config(make_config("dagan", {"data.validation": "within"}))


def test_settings_that_are_wrong_are_refused(config):
    with pytest.raises(InvalidInput, match="iterationz"):
        judge_of(config, settings={"classifier": {"iterationz": 3}})


def test_a_judge_that_diverges_is_refused_with_the_reason(config, tmp_path, monkeypatch):
    monkeypatch.setattr(Classification, "step", lambda self, iteration: {"real": torch.tensor(float("nan"))})
    with pytest.raises(InvalidInput, match=r"judge: must not diverge, but loss became nan at stage 2, iteration 1 "):
        judge_of(config, folder=tmp_path, settings=QUICK)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_the_judges_features_have_mean_square_one_on_its_own_images(config):
    judge = judge_of(config, settings=QUICK)
    train = training_data(judge.config, CPU).train
    labels, features = judge(train.images)
    assert labels.shape == (len(train),)
    assert float(features.square().mean()) == pytest.approx(1, rel=1e-5)


def test_equal_judges_equal_bits_kept_or_not(config, tmp_path, trainings):
    images = training_data(config, CPU).train.images
    fresh, again = judge_of(config, settings=QUICK), judge_of(config, folder=tmp_path / "new", settings=QUICK)
    kept = judge_of(config, folder=tmp_path / "new", settings=QUICK)
    assert len(trainings) == 2
    for one in (again, kept):
        for own, other in zip(fresh(images), one(images), strict=True):
            assert torch.equal(own, other)
    assert not any(parameter.requires_grad for parameter in kept.network.parameters())
    other = judge_of(config, folder=tmp_path / "new", settings={**QUICK, "seed": 1})
    assert not torch.equal(other(images)[1], fresh(images)[1])
    assert len(trainings) == 3


def test_what_is_kept_says_what_it_is(config, tmp_path):
    judge = judge_of(config, folder=tmp_path, settings=QUICK)
    files = {path.suffix: path for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert set(files) == {".safetensors", ".json"}
    record = json.loads(files[".json"].read_text())
    assert record["signature"] == judge.config.signature
    assert record["sha256"] == hashlib.sha256(files[".safetensors"].read_bytes()).hexdigest()
    assert "root" not in record["config"]["data"]
    assert Config.of({**record["config"]}).signature == judge.config.signature


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "other"])
def test_a_damaged_judge_is_trained_again(config, tmp_path, trainings, suffix, damage):
    judge_of(config, folder=tmp_path, settings=QUICK)
    path = next(path for path in tmp_path.iterdir() if path.suffix == suffix)
    whole = path.read_bytes()
    contents = {"cut": whole[:-9], "changed": whole[:40] + b"7" + whole[41:], "other": b"[1]"}
    path.unlink() if damage == "gone" else path.write_bytes(contents[damage])
    judge_of(config, folder=tmp_path, settings=QUICK)
    assert len(trainings) == 2
    assert path.read_bytes() == whole


def test_who_comes_at_once_trains_one_judge(config, tmp_path, trainings):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: judge_of(config, folder=tmp_path, settings=QUICK), range(3)))
    assert len(trainings) == 1


def test_a_judge_that_could_not_judge_an_image_by_itself_is_refused(config):
    with pytest.raises(InvalidInput, match="judge: must judge each image by itself, but D of dcgan64 has batch norm"):
        judge_config(config, {"network": {"name": "dcgan64"}})
