"""ImageNet's weights: the right file is read, from where it lies; every other one is refused, and none is run."""

import hashlib
import os
import pickle
from urllib.error import URLError

import pytest
import torch

from dagan.config import Config
from dagan.errors import InvalidInput
from dagan.nested import merged
from dagan.networks import imagenet_weights, layer_tables
from dagan.networks.build import discriminator
from dagan.training.training import Training

NAME = "vgg16-397923af.pth"


@pytest.fixture
def config(ten_classes, monkeypatch):
    """A function from settings to a config of a pretrained `vgg16` whose published form has few maps."""
    monkeypatch.setattr(layer_tables, "VGG_MAPS", ((2, 2), (4, 4), (4, 4, 4), (4, 4, 4), (4, 4, 4)))
    monkeypatch.setattr(layer_tables, "VGG_UNITS", (16, 16))

    def make(method="dagan", **changes):
        data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2}
        tiny = {"network": {"name": "vgg16"}, "classifier": {"iterations": 1, "batch_size": 4}}
        return Config.of(merged({"method": method, "data": data, **tiny}, changes))

    return make


@pytest.fixture
def state(config):
    """Weights in the layout of torchvision's file."""
    network = discriminator(config(network={"pretrained": False}), torch.Generator())
    random = torch.Generator().manual_seed(3)
    return {name: torch.randn(shape, generator=random) / 10 for name, shape in network.imagenet_shapes().items()}


@pytest.fixture
def publish(monkeypatch):
    """A function that makes a file the published one, whatever it holds."""

    def make(file):
        monkeypatch.setattr(imagenet_weights, "SHA256_PREFIX", hashlib.sha256(file.read_bytes()).hexdigest()[:8])
        return file

    return make


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A cache of torch that is empty, and no network."""

    def unreachable(*_):
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def refusal(config):
    with pytest.raises(InvalidInput) as caught:
        Training(config)
    [problem] = caught.value.problems
    assert problem.where == "network.weights"
    return problem.message


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("method", ["c", "dagan", "cgan", pytest.param("vanilla_gan", marks=pytest.mark.slow)])
def test_d_starts_from_the_file_that_is_given(config, state, publish, tmp_path, offline, method, legacy):
    file = tmp_path / "weights.pth"
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)  # torchvision's file has the older form
    gan = {} if method == "c" else {"gan": {"iterations": 1, "latent_size": 4}}
    training = Training(config(method, network={"weights": str(publish(file))}, **gan))
    network = (training.generation.discriminator if training.generation else training.classification.learner).network
    groups = 10 if method == "vanilla_gan" else 1
    for name, row in network.named_rows().items():
        given = state[f"{name}.weight"].repeat(groups, *[1] * (row.weight.dim() - 1))
        assert torch.equal(row.weight[:, : given.shape[1]], given), name
        assert torch.equal(row.bias, state[f"{name}.bias"].repeat(groups)), name
    for _ in training.run():
        pass
    assert training.result().status == "completed"


def test_without_a_path_the_file_comes_from_torchs_cache(config, state, publish, offline):
    offline.mkdir(parents=True)
    torch.save(state, offline / NAME)
    publish(offline / NAME)
    network = discriminator(config("c"), torch.Generator())
    assert torch.equal(network.hidden[0].weight, state["classifier.0.weight"])


def test_without_file_and_network_the_refusal_says_what_to_do(config, offline):
    message = refusal(config())
    assert f"`pretrained: true` needs {NAME}, which is not in {offline}" in message
    assert "no route to host" in message
    assert message.endswith("Put it there, give its path, or set `network.pretrained: false`.")


def test_a_file_that_is_missing_is_refused(config, tmp_path):
    message = refusal(config(network={"weights": str(tmp_path / "nothing.pth")}))
    assert f"{tmp_path / 'nothing.pth'} must be torchvision's {NAME}, but it cannot be opened" in message


def test_a_file_of_other_bytes_is_refused(config, state, tmp_path):
    file = tmp_path / NAME
    torch.save(state, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"its SHA-256 begins with {digest[:8]}, not with 397923af" in refusal(config(network={"weights": str(file)}))


@pytest.mark.parametrize("how", ["missing", "unknown", "another shape", "no tensor"])
def test_a_file_of_another_network_is_refused(config, state, publish, tmp_path, how):
    if how == "missing":
        del state["classifier.6.bias"]
    elif how == "unknown":
        state["features.1.weight"] = torch.zeros(2)
    else:
        state["classifier.6.bias"] = torch.zeros(7) if how == "another shape" else "words"
    file = tmp_path / NAME
    torch.save(state, file)
    expected = {
        "missing": "`classifier.6.bias` is missing, not (1000,)",
        "unknown": "`features.1.weight` is (2,), not known",
        "another shape": "`classifier.6.bias` is (7,), not (1000,)",
        "no tensor": "`classifier.6.bias` is (), not (1000,)",
    }[how]
    assert expected in refusal(config(network={"weights": str(publish(file))}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half an archive", b"\x80\x02K\x05."])
def test_a_file_that_holds_no_weights_is_refused(config, publish, tmp_path, content):
    file = tmp_path / NAME
    file.write_bytes(content)
    assert "must be torchvision's" in refusal(config(network={"weights": str(publish(file))}))


class Malicious:
    """Runs a command where a file with it is unpickled."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.mkdir, (str(self.witness),)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("form", ["archive", "pickle"])
def test_nothing_in_the_file_is_run(config, publish, tmp_path, published, form):
    file, witness = tmp_path / NAME, tmp_path / "was here"
    if form == "archive":
        torch.save({"features.0.weight": Malicious(witness)}, file)
    else:
        file.write_bytes(pickle.dumps(Malicious(witness), protocol=2))
    if published:
        publish(file)
    message = refusal(config(network={"weights": str(file)}))
    assert ("it cannot be read as weights alone" if published else "its SHA-256 begins with") in message
    assert not witness.exists()
    if form == "pickle":  # as it would be elsewhere
        pickle.loads(file.read_bytes())
        assert witness.exists()
