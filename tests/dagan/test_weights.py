"""Weights kept in a folder give the same predictions and images again, and nothing but weights is taken for them."""

import hashlib
import math
import pickle
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from dagan.compute.random_streams import Streams
from dagan.errors import InvalidInput
from dagan.training.training import Training
from dagan.weights import load, save


def random() -> torch.Generator:
    return Streams(5, torch.device("cpu")).fresh("test")


@pytest.fixture(scope="module")
def ended(make_config):
    """A function from a method and changes to its ended training."""

    def train(method, changes=None):
        training = Training(make_config(method, changes))
        for _ in training.run():
            pass
        return training

    return train


@pytest.fixture(scope="module")
def kept(ended, tmp_path_factory):
    """Weights of a tiny `dagan`; never changed, but copied."""
    folder = tmp_path_factory.mktemp("kept") / "weights"
    save(ended("dagan"), folder, {"test_accuracy": 0.5})
    return folder


@pytest.fixture
def copied(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "weights")


def refused(folder, **options) -> str:
    with pytest.raises(InvalidInput) as caught:
        load(folder, **options)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("dagan", {}),
        ("dagan_aug", {"gan.generator_average_decay": 0.9, "gan.latent": "normal"}),
        ("semi_gan", {"network.weight_norm": False}),
        ("cgan", {}),
        ("vanilla_gan", {}),
        ("dagan", {"classifier.start": "fresh", "compute.precision": "bfloat16"}),
        ("c", {}),
        ("c_aug", {"classifier.average_decay": 0.0}),
    ],
)
def test_predictions_and_images_are_the_same_to_the_bit(ended, tmp_path, method, changes):
    training = ended(method, changes)
    save(training, tmp_path / "weights")
    again = load(tmp_path / "weights")
    assert again.config == training.config
    assert again.config.signature == training.config.signature
    images = training.data.test.images
    assert torch.equal(again.classifier.predictions(images), training.trained.predictions(images))
    assert torch.equal(again.classifier.scores(images), training.trained.scores(images))
    assert again.classifier.classes == tuple("0123456789")
    if not training.generation:
        assert again.generator is None
        assert not (tmp_path / "weights/generator.safetensors").exists()
        return
    before, after = (one.sampled(7, random()) for one in (training.generation.trained, again.generator))
    assert torch.equal(before.images, after.images)
    assert torch.equal(before.images, training.generation.sampled(7, random()).images), "as stage 2 draws them"
    assert before.labels.tolist() == after.labels.tolist() == list(range(10)) * 7
    z = again.generator.latents(2, random())
    assert torch.equal(again.generator.in_every_class(z), training.generation.trained.in_every_class(z))


@pytest.mark.parametrize("method", ["dagan", "c"])
def test_dcgan64_keeps_what_it_knows_of_its_training_images(ended, tmp_path, method):
    """And each image is then judged by itself, to the bit as before, without any of them."""
    training = ended(method, {"network.name": "dcgan64"})
    save(training, tmp_path / "weights")
    statistics = training.trained.statistics()
    held = load_file(tmp_path / "weights/classifier.safetensors")
    names = {f"statistics.{index}.{name}" for index in range(6) for name in ("mean", "variance")}
    assert {name for name in held if name.startswith("statistics")} == names
    assert held.keys() - names == training.trained.network.state_dict().keys()
    for index, pair in enumerate(statistics):
        for name, value in zip(("mean", "variance"), pair, strict=True):
            assert torch.equal(held[f"statistics.{index}.{name}"], value)
    again = load(tmp_path / "weights")
    images, expected = training.data.test.images, training.trained.scores(training.data.test.images)
    assert torch.equal(again.classifier.scores(images), expected)
    assert torch.equal(again.classifier.predictions(images), training.trained.predictions(images))
    assert torch.allclose(again.classifier.scores(images[:1]), expected[:1], atol=1e-5)  # not by those beside it
    if method == "dagan":
        before, after = (one.sampled(7, random()) for one in (training.generation.trained, again.generator))
        assert torch.equal(before.images, after.images)
    path = tmp_path / "weights/classifier.safetensors"
    del held["statistics.3.mean"]
    save_file(held, path)
    enter_digest(tmp_path / "weights", path.name)
    assert "must fit the networks of its config, but does not" in refused(tmp_path / "weights")


@pytest.mark.parametrize("change", [lambda held: held.clear(), lambda held: held.popitem(), lambda held: cut(held)])
def test_weights_of_dcgan64_without_all_statistics_are_refused(ended, tmp_path, change):
    save(ended("c", {"network.name": "dcgan64"}), tmp_path / "weights")
    path = tmp_path / "weights/classifier.safetensors"
    tensors = load_file(path)
    held = {key: value for key, value in sorted(tensors.items()) if key.startswith("statistics")}
    weights = {key: value for key, value in tensors.items() if key not in held}
    change(held)
    save_file(weights | held, path)
    enter_digest(tmp_path / "weights", path.name)
    assert "classifier.safetensors must " in (message := refused(tmp_path / "weights"))
    assert "Copy the whole folder again, or train again." in message


def cut(held) -> None:
    """Make statistics those of fewer units."""
    for key, value in held.items():
        held[key] = value[:-1].clone()


def test_probabilities_are_probabilities_and_agree_with_the_predictions(kept):
    classifier = load(kept).classifier
    images = torch.rand(9, 1, 8, 8) * 2 - 1
    shares = classifier.probabilities(images)
    assert shares.shape == (9, 10)
    assert torch.allclose(shares.sum(dim=1), torch.ones(9))
    assert torch.equal(shares.argmax(dim=1), classifier.predictions(images))
    with pytest.raises(InvalidInput, match=r"must be of shape \(any number, 1, 8, 8\), but are of \(9, 3, 8, 8\)"):
        classifier.predictions(torch.zeros(9, 3, 8, 8))
    pixels = ((images + 1) * 127.5).numpy()
    with pytest.raises(InvalidInput, match=r"must be in \[−1, 1\], but reach from .* to 2\d\d"):
        classifier.predictions(pixels)
    with pytest.raises(InvalidInput, match=r"must be in \[−1, 1\]"):
        classifier.probabilities(images.index_fill(0, torch.tensor([4]), math.nan))
    assert torch.equal(classifier.predictions(pixels / 127.5 - 1), classifier.predictions(images))
    assert len(classifier.predictions(images[:0])) == 0


def test_the_average_of_g_is_kept_not_g_itself(ended, tmp_path):
    training = ended("dagan", {"gan.generator_average_decay": 0.9})
    save(training, tmp_path / "weights")
    held = load_file(tmp_path / "weights/generator.safetensors")
    learner = training.generation.generator
    assert all(torch.equal(held[key], value) for key, value in learner.average.state_dict().items())
    assert not torch.equal(held["linear.weight"], learner.network.state_dict()["linear.weight"])


def test_the_images_of_a_folder_need_not_be_there_any_more(ended, ten_classes, tmp_path):
    images = shutil.copytree(ten_classes, tmp_path / "images")
    changes = {"data.folder": str(images), "data.image_size": 16, "data.samples_per_class": 3}
    training = ended("dagan", changes)
    save(training, tmp_path / "weights")
    shutil.rmtree(images)
    again = load(tmp_path / "weights")
    assert again.classifier.classes == tuple(f"class {index}" for index in range(10))
    assert again.generator.sampled(3, random()).images.shape == (30, 3, 16, 16)


def test_after_stage_1_alone_there_is_g_alone(make_config, tmp_path):
    training = Training(make_config("dagan"))
    with pytest.raises(RuntimeError, match="none of its networks is finished"):
        save(training, tmp_path / "weights")
    next(training.run())
    save(training, tmp_path / "weights")
    again = load(tmp_path / "weights")
    assert again.classifier is None
    assert again.generator is not None


def test_a_diverged_training_leaves_no_weights(make_config, tmp_path):
    training = Training(make_config("dagan", {"gan.learning_rate": 1.0}))
    next(training.run())
    training.history.error = "loss became nan"
    with pytest.raises(RuntimeError, match="the training is diverged"):
        save(training, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_what_was_measured_is_kept_and_the_file_is_a_config_file_too(kept):
    assert load(kept).recorded["test_accuracy"] == 0.5
    tree = yaml.safe_load((kept / "config.yaml").read_text())
    assert tree["recorded"]["signature"] == load(kept).config.signature
    assert tree["config"]["method"] == "dagan"


def test_a_folder_with_something_in_it_is_refused_and_left_alone(ended, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match=r"must be new or empty, but .* holds `mine.txt`"):
        save(ended("c"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_after_an_error_nothing_is_left_and_a_killed_save_is_no_obstacle(ended, tmp_path, monkeypatch):
    from dagan import weights

    training = ended("c")
    with monkeypatch.context() as patch:
        patch.setattr(weights, "digest", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            save(training, tmp_path / "weights")
    assert list(tmp_path.iterdir()) == []
    unfinished = tmp_path / "weights/.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "classifier.safetensors").write_text("half")
    assert "has no config.yaml" in refused(tmp_path / "weights")
    save(training, tmp_path / "weights")
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == ["classifier.safetensors", "config.yaml"]


class Malicious:
    """Unpickled, it would write a file."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return (open, (str(self.proof), "w"))


def enter_digest(folder, name) -> None:
    """Name a file in config.yaml as whoever plants one would."""
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    tree["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_code_in_a_file_is_never_run(copied, tmp_path, form):
    proof, planted = tmp_path / "proof", copied / "generator.safetensors"
    if form == "pickle":
        planted.write_bytes(pickle.dumps(Malicious(proof)))
    else:
        torch.save(Malicious(proof), planted)
    enter_digest(copied, planted.name)
    message = refused(copied)
    assert "generator.safetensors must be a safetensors file, but is not or is damaged" in message
    assert "Copy the whole folder again, or train again." in message
    assert not proof.exists()
    (copied / "config.yaml").write_text(f"!!python/object/apply:builtins.open ['{proof}', 'w']")
    assert "config.yaml cannot be read (could not determine a constructor" in refused(copied)
    assert not proof.exists()
    pickle.loads(pickle.dumps(Malicious(proof))).close()
    assert proof.exists(), "the planted code would have worked"


def test_damaged_and_mixed_files_are_refused(copied, ended, tmp_path):
    path = copied / "classifier.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert "must be a safetensors file, but is not or is damaged" in refused(copied)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "must be the file that config.yaml was written with, but is another" in refused(copied)
    save(ended("dagan", {"seed": 1}), tmp_path / "other")
    shutil.copy(tmp_path / "other/classifier.safetensors", path)
    assert "must be the file that config.yaml was written with" in refused(copied)
    path.unlink()
    assert "must be there, as config.yaml names it, but is not" in refused(copied)


def test_weights_of_another_shape_are_refused(copied):
    path = copied / "generator.safetensors"
    tensors = load_file(path)
    tensors["linear.bias"] = tensors["linear.bias"][:-1]
    save_file(tensors, path)
    enter_digest(copied, path.name)
    message = refused(copied)
    assert "must fit the networks of its config, but does not" in message
    assert "linear.bias" in message


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("config", "seed", 3, "must hold the config that was trained"),
        ("config", "method", 7, "must hold a config of this version, but: method: must be a valid string"),
        ("config", "sed", 1, "unknown key `sed` (did you mean"),
        ("facts", "classes", 3, "must hold a config and its data set's facts, but:"),
        ("files", None, None, "lacks one of config, recorded, facts, files"),
    ],
)
def test_a_changed_config_is_refused(copied, part, key, value, message):
    path = copied / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    if key:
        tree[part][key] = value
    else:
        del tree[part]
    path.write_text(yaml.safe_dump(tree))
    if key == "sed":
        message = "unknown key `sed`"
    assert message in refused(copied)


def test_a_device_that_is_not_there_is_refused(kept):
    assert "compute.device: must be auto, cpu or cuda[:N], but is `tpu`." in refused(kept, device="tpu")


def test_no_folder_of_weights(tmp_path):
    assert "must be a folder of weights, as `sweeps train CONFIG --save FOLDER` writes it" in refused(tmp_path)


def test_images_of_a_latent_do_not_hang_on_the_other_latents(kept):
    generator = load(kept).generator
    z = generator.latents(3, random())
    together, alone = generator.in_every_class(z), generator.in_every_class(z[1:2])
    assert together.shape == (3, 10, 1, 8, 8)
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("latent", ["uniform", "normal"])
def test_a_path_passes_its_points_and_stays_where_latents_are(make_config, latent):
    generator = Training(make_config("dagan", {"gan.latent": latent, "gan.latent_size": 400})).generation.trained
    points = generator.latents(3, random())
    path = generator.path(points, 4)
    assert path.shape == (9, 400)
    assert torch.equal(path[[0, 4, 8]], points)
    lengths = path.norm(dim=1) / points.norm(dim=1).mean()
    if latent == "normal":
        assert lengths.min() > 0.9, "on a straight line the middle would be a third shorter"
    else:
        assert torch.allclose(path[2], (points[0] + points[1]) / 2)


@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
def test_the_same_z_goes_to_every_class_and_each_class_to_its_own_network(ended, method, monkeypatch):
    training = ended(method)
    generator = training.generation.trained
    seen = []
    honest = generator.network.forward
    monkeypatch.setattr(generator.network, "forward", lambda z, y: seen.append((z, y)) or honest(z, y))
    z = generator.latents(2, random())
    generator.in_every_class(z)
    for one, (latents, labels) in zip(z, seen, strict=True):
        assert (latents[:10] == one).all()
        assert labels.tolist() == list(range(10)) * 16
        assert len({tuple(row) for row in latents[10:].tolist()}) == 150
    assert torch.equal(seen[0][0][10:], seen[1][0][10:]), "the same company for every z"


def test_more_images_begin_with_those_of_fewer(kept):
    generator = load(kept).generator
    few, many = generator.sampled(3, random()).images, generator.sampled(8, random()).images
    assert torch.equal(few, many[:30])
