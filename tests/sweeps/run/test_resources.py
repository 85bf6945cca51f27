"""How many trials share a device."""

import os
import tempfile
from pathlib import Path

import pytest
from playing import tiny

from dagan.config import Config
from dagan.errors import InvalidInput
from sweeps.forecast.estimate.draft import drafts
from sweeps.run.trial_resources import described
from sweeps.run.tune.memory import Memory, heaviest, train_briefly
from sweeps.run.tune.resources import choose_resources, fitting_on_each, gpu_parts, slots_on
from sweeps.study.parse import study_of


@pytest.mark.parametrize(
    ("share", "nodes", "trials"),
    [
        ({"CPU": 1.0, "GPU": 0.0}, [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}], 6),
        ({"CPU": 1.0, "GPU": 0.25}, [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 3.0, "GPU": 1.0}, {"CPU": 9.0}], 8 + 3),
        ({"CPU": 1.0, "GPU": 0.1}, [{"CPU": 16.0, "GPU": 1.0}], 10),
        ({"CPU": 1.0, "GPU": 1 / 3}, [{"CPU": 16.0, "GPU": 2.0}], 6),
        ({"CPU": 1.0, "GPU": 0.3}, [{"CPU": 16.0, "GPU": 1.0}], 3),
        ({"CPU": 3.0, "GPU": 0.0}, [{"CPU": 2.0}], 0),
    ],
)
def test_slots(share, nodes, trials):
    assert slots_on(nodes, share) == trials


@pytest.mark.parametrize(
    ("cpu", "gpu", "words"),
    [
        (1.0, 0.0, "1 core"),
        (4.0, 1 / 3, "4 cores and 1/3 of a GPU"),
        (1.0, 0.3, "1 core and 3/10 of a GPU"),
        (1.0, 1.0, "1 core and 1 GPU"),
        (2.0, 2.0, "2 cores and 2 GPUs"),
    ],
)
def test_a_share_described(cpu, gpu, words):
    assert described({"CPU": cpu, "GPU": gpu}) == words


@pytest.fixture(scope="module")
def nodes():
    """The ids of the nodes with GPUs, faked, in a real cluster: one without, one with two, one with one."""
    import ray
    from ray.cluster_utils import Cluster

    flags = {"object_store_memory": 100_000_000, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="sw-") as folder:
        patch.setenv("RAY_TMPDIR", folder)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, **flags})
        try:
            found = [cluster.add_node(num_cpus=16, num_gpus=gpus, **flags).node_id for gpus in (2, 1)]
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
            yield found
        finally:
            ray.shutdown()
            cluster.shutdown()


def measuring(answers):
    """A measurement with these answers, by node; it must run alone on a GPU, and be told of every method."""
    methods = set(study_of(tiny()).methods)

    def measure(configs):
        import ray

        assert len(os.environ["CUDA_VISIBLE_DEVICES"]) == 1
        assert {config["method"] for config in configs} == methods
        assert Path(configs[0]["data"]["root"]).is_absolute()
        answer = answers[ray.get_runtime_context().get_node_id()]
        if answer is None:
            raise RuntimeError("CUDA error: out of memory")
        return answer

    return measure


@pytest.mark.parametrize(
    ("first", "second", "trials"),
    [
        (Memory(30, 100), Memory(30, 100), 3),
        (Memory(30, 100), Memory(30, 300), 3),
        (Memory(30, 300), Memory(30, 65), 1),
        (Memory(30, 100), Memory(45, 100), 2),
        (Memory(1, 100), Memory(1, 300), 90),
        (Memory(120, 100), Memory(30, 100), 1),
    ],
    ids=str,
)
def test_the_smallest_gpu_decides_how_many_trials_fit(first, second, trials):
    assert fitting_on_each([first, second]) == trials


@pytest.mark.parametrize(("at_once", "parts"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (99, 8)])
def test_no_gpu_is_divided_while_another_would_be_idle(at_once, parts):
    assert gpu_parts(at_once, 3, lambda: 90) == parts


def test_what_divides_no_gpu_is_not_measured():
    assert gpu_parts(2, 3, lambda: pytest.fail("it was measured")) == 1


@pytest.mark.slow
def test_auto_gives_a_trial_what_it_needs_of_the_smallest_gpu(nodes):
    answers = dict(zip(nodes, (Memory(30, 100), Memory(45, 100)), strict=True))
    shares = choose_resources(study_of(tiny()), 100, measuring(answers))
    assert shares.usual == {"CPU": 1.0, "GPU": 1 / 2}
    assert shares.larger == {"CPU": 1.0, "GPU": 1.0}


@pytest.mark.parametrize("first", [None, Memory(30, 100)])
def test_where_one_gpu_does_not_say_each_trial_gets_a_whole_one_and_the_user_is_told(nodes, first, capfd):
    answers = dict(zip(nodes, (first, None), strict=True))
    assert choose_resources(study_of(tiny()), 100, measuring(answers)).usual == {"CPU": 1.0, "GPU": 1.0}
    assert (
        "it cannot be measured (RuntimeError: CUDA error: out of memory): one trial per GPU" in capfd.readouterr().err
    )


def test_the_gpus_of_all_nodes_count(nodes):
    answers = dict.fromkeys(nodes, Memory(1, 100))
    assert choose_resources(study_of(tiny()), 4, measuring(answers)).usual["GPU"] == 1 / 2


def test_what_a_study_says_is_not_measured(nodes, tmp_path):
    def measure(_configs):
        (tmp_path / "measured").touch()
        return Memory(1, 8)

    for gpu in (0.5, 0):
        shares = choose_resources(study_of(tiny(resources={"gpu": gpu})), 100, measure)
        assert shares.usual == {"CPU": 1.0, "GPU": gpu}
    assert not (tmp_path / "measured").exists()
    assert choose_resources(study_of(tiny()), 100, measure).usual["GPU"] == 1 / 7
    assert (tmp_path / "measured").exists()


def test_a_node_without_room_is_named(nodes):
    with pytest.raises(
        InvalidInput, match=r"resources: one trial takes \{'CPU': 64.0, 'GPU': 0.125\}, but no node has that"
    ):
        choose_resources(study_of(tiny(resources={"cpu": 64})), 100)


def test_the_heaviest_configs_have_the_most_operations_of_each_stage():
    study = study_of(
        tiny(
            methods=["c", "dagan"],
            compare={},
            base={},
            search__parameters={
                "classifier.batch_size": {"values": [8, 16, 40]},
                "classifier.augmentation_ratio": {"values": [0.0, 2.0]},
            },
            search__budget={"trials": 40},
        )
    )
    found = heaviest(trial for one in drafts(study) for trial in one.trials)
    assert {config.method for config in found} == {"c", "dagan"}
    assert {config.classifier.batch_size for config in found} == {40}
    assert max(config.classifier.augmentation_ratio for config in found if config.gan) == 2.0
    assert "confirm" in {config.data.phase for config in found}, "of equals the one with test images"


@pytest.mark.parametrize("method", ["c", "dagan", "vanilla_gan"])
def test_a_look_takes_both_stages_and_a_look_at_validation_images(method, monkeypatch):
    from dagan.training.training import Training

    ran = []
    original = Training.run

    def run(self, *, every):
        for progress in original(self, every=every):
            ran.append((progress.stage, progress.iteration, progress.total))
            yield progress

    monkeypatch.setattr(Training, "run", run)
    looked, see = [], Training.accuracy

    def accuracy(self, images):
        if images is not self.data.validation:
            looked.append(images)
        return see(self, images)

    monkeypatch.setattr(Training, "accuracy", accuracy)
    train_briefly(Config.of({"method": method, "data": {"phase": "search", "samples_per_class": 5}}))
    stages = [("classification", 2000)]
    assert ran == [(stage, 2, total) for stage, total in ([("generation", 1000)] * (method != "c")) + stages]
    assert looked == [None], "a search config has no test images"
    train_briefly(Config.of({"method": method, "data": {"phase": "confirm", "samples_per_class": 5}}))
    assert looked[-1] is not None
