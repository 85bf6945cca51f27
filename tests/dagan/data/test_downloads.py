"""MNIST, Fashion-MNIST, CIFAR-10 and SVHN, from small files of their layouts."""

import gzip
import os
import pickle
import struct
import threading

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets as published

from dagan.config import Config
from dagan.data.downloads import LAYOUTS, downloaded
from dagan.data.facts import facts
from dagan.data.unpickling import unpickled
from dagan.errors import InvalidInput
from dagan.training.dataset import training_data

CPU = torch.device("cpu")
TRAIN, TEST = 12, 3
"""Images per class in the files made here."""


def write_idx(path, values):
    """The idx layout: two zeros, 8 for unsigned bytes, the number of axes, their lengths, the values."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(folder, *, suffix=""):
    random = np.random.default_rng(0)
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        labels = random.permutation(np.repeat(np.arange(10), count))
        pixels = random.integers(0, 256, (len(labels), 28, 28))
        pixels[:, 0, 0] = labels  # so that an image tells its class
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", labels)


class Python2(pickle._Pickler):
    """Writes bytes as Python 2 wrote its text, which is how the batches of CIFAR-10 were made."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_bytes(self, value):
        self.write(b"T" + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def python2_pickle(value, file):
    Python2(file, protocol=2).dump(value)


def write_cifar(folder, *, dump=pickle.dump):
    random = np.random.default_rng(0)
    counts = zip(LAYOUTS["cifar10"].train, (2, 2, 2, 3, 3), strict=True)
    for name, count in (*counts, ("test_batch", TEST)):
        labels = random.permutation(np.repeat(np.arange(10), count))
        data = random.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        data[:, 0] = labels  # the first red pixel tells the class,
        data[:, 1024 + 1] = labels + 50  # the second green one of the first row,
        data[:, 2048 + 32] = labels + 100  # and the first blue one of the second row
        batch = {b"batch_label": name.encode(), b"labels": labels.tolist(), b"data": data}
        with (folder / name).open("wb") as file:
            dump(batch | {b"filenames": [b"cat_s_000001.png"] * len(labels)}, file)


def write_svhn(folder):
    random = np.random.default_rng(0)
    for part, count in (("train", TRAIN), ("test", TEST)):
        labels = random.permutation(np.repeat(np.arange(1, 11), count))
        pixels = random.integers(0, 256, (32, 32, 3, len(labels)), dtype=np.uint8)
        pixels[0, 0, 0] = labels % 10
        pixels[0, 1, 1] = labels % 10 + 50
        pixels[1, 0, 2] = labels % 10 + 100
        savemat(folder / f"{part}_32x32.mat", {"X": pixels, "y": labels[:, None].astype(np.uint8)}, do_compression=True)


WRITERS = {"mnist": write_mnist, "fashion_mnist": write_mnist, "cifar10": write_cifar, "svhn": write_svhn}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    nowhere = "http://127.0.0.1:9/"
    for one in (published.MNIST, published.FashionMNIST):
        monkeypatch.setattr(one, "mirrors", [nowhere])
    monkeypatch.setattr(published.CIFAR10, "url", nowhere)
    parts = {part: (nowhere, *rest) for part, (_, *rest) in published.SVHN.split_list.items()}
    monkeypatch.setattr(published.SVHN, "split_list", parts)


@pytest.fixture(params=sorted(WRITERS))
def written(request, tmp_path):
    """The name and root of a data set with twelve training and three test images per class."""
    folder = tmp_path / LAYOUTS[request.param].folder
    folder.mkdir(parents=True, exist_ok=True)
    WRITERS[request.param](folder)
    return request.param, tmp_path


def data_of(name, root, **data):
    choices = {"dataset": name, "root": str(root), "samples_per_class": 4} | data
    return training_data(Config.of({"method": "c", "data": choices}), CPU)


def refusal(name, root, **data):
    with pytest.raises(InvalidInput) as caught:
        data_of(name, root, **data)
    return str(caught.value)


def bytes_of(images):
    return ((images + 1) * 127.5).round().long()


def test_every_layout_has_facts_and_its_own_names():
    assert set(LAYOUTS) == set(WRITERS)
    for name in LAYOUTS:
        assert facts(name).has_test
        assert len(set(facts(name).classes)) == len(facts(name).per_class) == 10
    assert sum(facts("svhn").per_class) == 73257
    assert sum(facts("cifar10").per_class) == 50000
    assert sum(facts("mnist").per_class) == sum(facts("fashion_mnist").per_class) == 60000


def test_a_data_set_is_read_from_its_files(written):
    name, root = written
    data, known = data_of(name, root), facts(name)
    shape = (known.channels, known.image_size, known.image_size)
    assert data.train.images.shape == (40, *shape)
    assert data.test.images.shape == (30, *shape)
    for part in (data.train, data.test):
        assert torch.bincount(part.labels).tolist() == [len(part) // 10] * 10
        pixels = bytes_of(part.images)
        assert torch.equal(pixels[:, 0, 0, 0], part.labels)
        if known.channels == 3:  # channels and axes are where they belong
            assert torch.equal(pixels[:, 1, 0, 1], part.labels + 50)
            assert torch.equal(pixels[:, 2, 1, 0], part.labels + 100)


def test_search_needs_no_test_files_and_confirm_says_that_they_are_missing(written):
    name, root = written
    for file in LAYOUTS[name].test:
        (root / LAYOUTS[name].folder / file).unlink()
    data = data_of(name, root, phase="search")
    assert data.test is None
    assert len(data.validation) == 20
    message = refusal(name, root, phase="confirm")
    assert f"data.root: {root / LAYOUTS[name].folder} must hold {LAYOUTS[name].title}, but does not (" in message
    assert message.endswith(LAYOUTS[name].remedy)
    assert "\n" not in message


def test_more_samples_than_the_files_hold_are_refused_and_told_why(written):
    name, root = written
    first, second = refusal(name, root, samples_per_class=6).splitlines()
    assert f"must be <= 5 for {name}, but is 6" in first
    assert (
        f"must hold {name} as published, {sum(facts(name).per_class):,} training images, but holds 120 (12," in second
    )


def test_files_that_are_not_those_published_are_told_of(written, caplog):
    name, root = written
    data_of(name, root)
    assert f"data.root: {root} must hold {name} as published" in caplog.text
    assert f"results would not be those of {name}" in caplog.text


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("length", [0, 3, 6, 40, 300])
def test_a_damaged_file_is_refused(written, which, length):
    name, root = written
    file = root / LAYOUTS[name].folder / LAYOUTS[name].train[which]
    if length == 300 and file.stat().st_size < 300:  # MNIST's labels
        length = 100
    file.write_bytes(file.read_bytes()[:length])
    message = refusal(name, root)
    assert f"must hold {LAYOUTS[name].title}, but does not (" in message
    assert "()" not in message


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_compressed_files_are_read_where_they_lie(tmp_path, name):
    for form, suffix in (("plain", ""), ("packed", ".gz")):
        (tmp_path / form / LAYOUTS[name].folder).mkdir(parents=True)
        write_mnist(tmp_path / form / LAYOUTS[name].folder, suffix=suffix)
    plain, packed = (data_of(name, tmp_path / form) for form in ("plain", "packed"))
    assert torch.equal(plain.train.images, packed.train.images)
    assert torch.equal(plain.test.labels, packed.test.labels)
    file = tmp_path / "packed" / LAYOUTS[name].folder / "train-images-idx3-ubyte.gz"
    downloaded.cache_clear()
    file.write_bytes(file.read_bytes()[:-20])
    assert f"must hold {LAYOUTS[name].title}, but does not (" in refusal(name, tmp_path / "packed")


def test_an_idx_file_of_another_length_is_refused_with_both(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    write_mnist(folder)
    with (folder / "train-labels-idx1-ubyte").open("ab") as file:
        file.write(b"more")
    message = refusal("mnist", tmp_path, phase="search")
    assert "train-labels-idx1-ubyte should hold 120 bytes of values, but holds 124" in message


def test_a_class_that_is_missing_is_refused(tmp_path):
    pixels, labels = np.zeros((27, 28, 28)), np.repeat(np.arange(9), 3)
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    write_idx(tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte", pixels)
    write_idx(tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte", labels)
    assert "27 images with 27 labels of 9 classes" in refusal("mnist", tmp_path, samples_per_class=1, phase="search")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_files_in_a_folder_that_cannot_be_written_are_read(written):
    name, root = written
    root.chmod(0o500)
    assert len(data_of(name, root).train) == 40
    root.chmod(0o700)


def test_files_are_read_where_no_lock_can_be_made(written):
    name, root = written
    (root / f".{name}.lock").mkdir()
    assert len(data_of(name, root).train) == 40


def test_trials_that_come_all_at_once_download_once(written, monkeypatch):
    name, root = written
    folder, files, came = root / LAYOUTS[name].folder, LAYOUTS[name].train, []
    contents = {file: (folder / file).read_bytes() for file in files}
    for file in files:
        (folder / file).unlink()

    def download(*_, **__):
        came.append(1)
        for file, content in contents.items():  # slowly: a second trial would find half of it
            (folder / file).write_bytes(content[: len(content) // 2])
            threading.Event().wait(0.05)
            (folder / file).write_bytes(content)

    classes = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10", "svhn": "SVHN"}
    monkeypatch.setattr(published, classes[name], download)
    found = []
    trials = [
        threading.Thread(target=lambda: found.append(downloaded.__wrapped__(name, root, train=True))) for _ in range(4)
    ]
    for trial in trials:
        trial.start()
    for trial in trials:
        trial.join()
    assert len(came) == 1
    assert [len(classes) for _, classes in found] == [120] * 4


# Pickles


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_batches_of_every_protocol_are_read(tmp_path, protocol):
    (tmp_path / "cifar-10-batches-py").mkdir()
    write_cifar(tmp_path / "cifar-10-batches-py", dump=lambda value, file: pickle.dump(value, file, protocol=protocol))
    assert len(data_of("cifar10", tmp_path).train) == 40


def test_batches_as_python_2_wrote_them_are_read(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    write_cifar(folder, dump=python2_pickle)
    for file in folder.iterdir():
        content = file.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        assert b"cnumpy.core.multiarray\n" in content
        assert b"_codecs" not in content
        file.write_bytes(content)
    pixels, labels = downloaded("cifar10", tmp_path, train=True)
    assert pixels.shape == (120, 32, 32, 3)
    assert np.array_equal(pixels[:, 0, 0, 0], labels)


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, call, *words):
        self.call, self.words = call, words

    def __reduce__(self):
        return self.call, self.words


def attacks(marker):
    import builtins
    import codecs
    import subprocess

    return {
        "system": Attack(os.system, f"touch {marker}"),
        "eval": Attack(builtins.eval, f"open({str(marker)!r}, 'w')"),
        "subprocess": Attack(subprocess.call, ["touch", str(marker)]),
        "getattr": Attack(builtins.getattr, "text", "upper"),
        "codec": Attack(codecs.encode, "text", "rot13"),
        "load": Attack(np.load, str(marker), None, True),
        "inside": {b"data": [Attack(os.mkdir, str(marker))]},
    }


@pytest.mark.parametrize("kind", ["system", "eval", "subprocess", "getattr", "codec", "load", "inside"])
def test_a_pickle_that_asks_for_more_than_arrays_is_refused_and_runs_nothing(tmp_path, kind):
    folder, marker = tmp_path / "cifar-10-batches-py", tmp_path / "it ran"
    folder.mkdir()
    write_cifar(folder)
    (folder / "data_batch_3").write_bytes(pickle.dumps(attacks(marker)[kind]))
    message = refusal("cifar10", tmp_path)
    assert "must hold CIFAR-10, but does not (" in message
    assert "which no data set needs" in message or "'rot13' are not read" in message
    assert not marker.exists()


def test_arrays_and_containers_come_back_as_they_were():
    value = {b"a": np.arange(6).reshape(2, 3), "b": [1, 2.5, None, True, (b"x", "y")], "c": np.float32([1])}
    for protocol in range(6):
        again = unpickled(pickle.dumps(value, protocol=protocol))
        assert np.array_equal(again[b"a"], value[b"a"])
        assert again["b"] == value["b"]
