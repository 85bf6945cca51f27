"""What a training computes on: precision by what the machine can do, and the same bits in either."""

import ctypes
import platform
import subprocess
import sys

import pytest
import torch
from trainings import bits, outcome, ran, stored

from dagan.compute import device as compute
from dagan.compute.device import Machine, has_fast_bfloat16, machine
from dagan.compute.memory import keep_freed_memory
from dagan.config import Config
from dagan.nested import merged
from dagan.training.training import Training

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def pictures(ten_classes):
    """A function from settings to a narrow config of `conv32`."""

    def make(**changes):
        base = {
            "method": "dagan",
            "data": {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2, "image_size": 16},
            "network": {"name": "conv32", "width": 0.1},
            "gan": {"iterations": 3, "latent_size": 8},
            "classifier": {"iterations": 3, "batch_size": 16},
        }
        return Config.of(merged(base, changes))

    return make


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("network", ["digits", "conv32", "dcgan64", "vgg16"])
def test_auto_is_bfloat16_where_that_is_faster_but_for_digits_on_a_cpu(pictures, monkeypatch, fast, device, network):
    monkeypatch.setattr(compute, "has_fast_bfloat16", lambda asked: fast and asked.type == device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(device == "cuda"))
    of_network = {"name": network, "width": 1.0} | ({"pretrained": False} if network == "vgg16" else {})
    found = machine(pictures(network=of_network, data={"image_size": 32}))
    half = fast and (device == "cuda" or network != "digits")
    assert found == Machine(torch.device(device), torch.bfloat16 if half else torch.float32)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("network", ["digits", "conv32"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_precision_that_is_chosen_is_taken(pictures, monkeypatch, fast, network, precision):
    monkeypatch.setattr(compute, "has_fast_bfloat16", lambda device: fast)
    config = pictures(network={"name": network}, compute={"precision": precision, "device": "cpu"})
    assert machine(config) == Machine(CPU, getattr(torch, precision))


@pytest.mark.parametrize("avx512", [True, False])
@pytest.mark.parametrize("amx", [True, False])
@pytest.mark.parametrize("cuda", [True, False])
def test_what_is_asked_is_the_device_itself(monkeypatch, avx512, amx, cuda):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: cuda)
    assert has_fast_bfloat16(CPU) == (avx512 or amx)
    assert has_fast_bfloat16(GPU) == cuda


@pytest.mark.parametrize("precision", ["float32"])  # tests/dagan/test_laws.py has bfloat16
def test_conv32_gives_the_same_bits_for_the_same_seed_and_resumed(pictures, precision):
    config = pictures(compute={"precision": precision, "device": "cpu"})
    one, states = Training(config), []
    for _ in one.run(every=2):
        states.append(stored(one.state()))
    assert one.machine.precision is getattr(torch, precision)
    again, other = ran(config), ran(pictures(compute={"precision": precision, "device": "cpu"}, seed=1))
    last, expected = bits(one.state()), outcome(one)
    assert bits(again.state()) == last
    assert outcome(again) == expected
    assert bits(other.state()) != last
    for state in states:
        resumed = Training(config)
        resumed.restore(state)
        for _ in resumed.run(every=2):
            pass
        assert bits(resumed.state()) == last
        assert outcome(resumed) == expected


def test_bfloat16_is_that_of_forward_passes_alone(pictures):
    """Weights, averages, optimisers and images stay in float32, and the bits are others than float32's."""
    halves, whole = (ran(pictures(compute={"precision": name, "device": "cpu"})) for name in ("bfloat16", "float32"))
    state = bits({"generation": halves.generation.state(), "classification": halves.classification.state()})
    kinds = {value[0] for value in state.values() if isinstance(value, tuple)}
    assert kinds <= {torch.float32, torch.int64}
    assert halves.generation.draw(torch.arange(10).repeat(2), "pictures").images.dtype == torch.float32
    assert bits(halves.generation.state()) != bits(whole.generation.state())


class Library:
    """A C library that notes what `mallopt` is asked for."""

    def __init__(self):
        self.asked = []

    def mallopt(self, option, value):
        self.asked.append((option, value))
        return 1


@pytest.fixture
def anew():
    keep_freed_memory.cache_clear()
    yield
    keep_freed_memory.cache_clear()


def test_freed_memory_is_kept_by_one_call_each_of_mallopt(anew, monkeypatch, make_config):
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    for _ in range(3):
        Training(make_config("c", {"compute.device": "cpu"}))
    # M_ARENA_MAX, M_MMAP_MAX, M_TOP_PAD and M_TRIM_THRESHOLD of <malloc.h>.
    assert sorted(library.asked) == [(-8, 1), (-4, 0), (-2, 2**26), (-1, 2**31 - 1)]


FAULTS = """
import resource, sys, threading
import sweeps.run.worker, torch
torch.set_num_threads(1)

def faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for megabytes in (78, 40, 20):
        torch.empty(megabytes << 18).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin

seen = []
thread = threading.Thread(target=lambda: seen.extend(faults() for _ in range(30)))
thread.start()
thread.join()
print(seen[-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_a_trial_in_its_thread_gets_its_memory_back_without_new_pages():
    """Ray Tune runs a trial in a thread; 138 MB of new pages would be 35,000 faults."""
    answer = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(answer.stdout) < 1000


@pytest.mark.parametrize("missing", [OSError("no libc.so.6"), AttributeError("mallopt")])
def test_another_c_library_is_left_alone(anew, monkeypatch, missing):
    def absent(name):
        raise missing

    monkeypatch.setattr(ctypes, "CDLL", absent)
    keep_freed_memory()
