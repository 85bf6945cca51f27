"""A collapse of the generator can be seen while it trains, and looking changes nothing."""

import pytest
import torch
from trainings import bits, outcome, ran, stored

from dagan.training.dataset import Labelled
from dagan.training.diversity import COLLAPSED, GENERATED, collapsed, diversity, drawn, generated_diversity, spread
from dagan.training.training import Training


def images(*values):
    """Images of 1x1 pixels."""
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1)


def labels(*values):
    return torch.tensor(values)


@pytest.fixture
def generation(make_config):
    return Training(make_config("dagan")).generation


@pytest.fixture
def real(make_config):
    return Training(make_config("dagan")).data.train


@pytest.fixture
def paint(generation, monkeypatch):
    """A function that lets G paint the number of the class and a little of the latent; the batches that it painted."""

    def let(strength):
        batches = []

        def painted(network, latents, labels):
            batches.append(labels.tolist())
            values = labels / 10 + strength * latents[:, 0]
            return values[:, None, None, None].expand(-1, 1, 8, 8)

        monkeypatch.setattr(generation, "images_of", painted)
        return batches

    return let


def test_spread_by_hand():
    assert float(spread(images(0, 1, 3))) == pytest.approx((1 + 3 + 2) / 3)
    squares = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    assert float(spread(squares)) == 2


def test_diversity_by_hand():
    generated = Labelled(images(0, 5, 1, 5), labels(0, 1, 0, 1))
    real = Labelled(images(0, 4, 1, 3), labels(0, 0, 1, 1))
    assert diversity(generated, real, ("cat", "dog")) == {"cat": 0.25, "dog": 0}


def test_classes_without_a_pair_are_left_out():
    generated = Labelled(images(0, 5, 1, 5), labels(0, 1, 0, 1))
    real = Labelled(images(0, 4, 1), labels(0, 0, 1))
    assert diversity(generated, real, ("cat", "dog", "cow")) == {"cat": 0.25}


def test_images_like_the_real_ones_have_diversity_one(generation, real):
    ratios = diversity(real, real, generation.config.facts.classes)
    assert list(ratios) == list("0123456789")
    assert list(ratios.values()) == pytest.approx([1] * 10)


def test_collapsed_classes_are_named():
    ratios = {"0": 0.9, "1": COLLAPSED, "2": 0.99 * COLLAPSED, "3": 0.0, "4": float("nan")}
    assert collapsed(ratios) == ["2", "3", "4"]
    assert collapsed({}) == []


def test_a_generator_that_ignores_its_latents_has_collapsed(generation, real, paint):
    paint(0.0)
    assert collapsed(generated_diversity(generation, real)) == list("0123456789")
    paint(1.0)
    assert collapsed(generated_diversity(generation, real)) == []


@pytest.mark.parametrize("method", ["dagan", "cgan", "vanilla_gan"])
def test_images_are_of_their_labels_and_drawn_as_stage_2_draws_them(make_config, monkeypatch, method):
    one = Training(make_config(method, {"gan.generator_average_decay": 0.9})).generation
    painters, batches = [], []

    def painted(network, latents, labels):
        painters.append(network)
        batches.append(torch.bincount(labels).tolist())
        return (labels / 10)[:, None, None, None].expand(-1, 1, 8, 8)

    monkeypatch.setattr(one, "images_of", painted)
    wanted = labels(*[3] * 5, 1, *[9] * 2)
    sample = drawn(one, wanted, "some purpose")
    assert torch.equal(sample.labels, wanted)
    assert torch.allclose(sample.images[:, 0, 0, 0], wanted / 10)
    assert batches == [[2] * 10] * 3  # 16 images per batch, 10 classes; five of class 3
    assert set(painters) == {one.generator.average}


def test_images_of_one_draw_are_all_different(generation, paint):
    paint(1.0)
    sample = drawn(generation, labels(*[3] * 40, *[4] * 7), "some purpose")
    assert len(set(sample.images[:, 0, 0, 0].tolist())) == 47


def test_every_look_sees_the_same_latents(generation, real):
    wanted = labels(*range(10)).repeat(3)
    first, second = drawn(generation, wanted, "look"), drawn(generation, wanted, "look")
    assert torch.equal(first.images, second.images)
    assert not torch.equal(first.images, drawn(generation, wanted, "other look").images)
    assert generated_diversity(generation, real) == generated_diversity(generation, real)


def test_images_are_the_beginning_of_their_stream(generation):
    """Whatever the order of the labels, the first of a class is the first that `sampled` draws of it, and so on."""
    pool = generation.sampled(3, generation.streams.fresh("look.latents"))
    wanted = labels(7, 2, 7, 7, 0)
    found = drawn(generation, wanted, "look").images
    assert torch.equal(found, pool.images[[7, 2, 17, 27, 0]])


def test_looking_changes_nothing_in_the_training(make_config):
    outcomes = []
    for looking in (False, True):
        one = Training(make_config("dagan"))
        for _ in one.run(every=2):
            if looking:
                assert len(generated_diversity(one.generation, one.data.train)) == 10
        outcomes.append((bits(one.state()), outcome(one)))
    assert outcomes[0] == outcomes[1]


def test_looking_is_cheap(generation, real, paint):
    batches = paint(0.0)
    generated_diversity(generation, real)
    assert sum(map(len, batches)) <= 10 * GENERATED + generation.config.classifier.batch_size


def test_a_training_tells_the_diversity_of_each_class_in_stage_1(make_config):
    one = Training(make_config("dagan"))
    for progress in one.run(every=2):
        if progress.stage == "generation":
            assert progress.diversity == generated_diversity(one.generation, one.data.train)
            assert list(progress.diversity) == list("0123456789")
        else:
            assert progress.diversity is None
    assert [row["diversity"] for row in one.result().curve] == [progress.diversity for progress in one.curve]
    assert ran(make_config("c")).curve[-1].diversity is None


COLLAPSING = {"gan.iterations": 60, "gan.latent_size": 1, "network.width": 0.5, "gan.learning_rate": 3e-3}
"""G is left one number to make an image from."""


def test_a_collapse_is_a_warning_that_names_the_classes_and_the_number(make_config):
    one = ran(make_config("dagan", COLLAPSING), every=30)
    [last] = [progress.diversity for progress in one.curve if progress.iteration == 60]
    classes = [name for name, ratio in last.items() if ratio < COLLAPSED]
    assert classes
    expected = (
        f"the generator collapsed: diversity {min(last.values()):.2f} in {', '.join(classes)} (1: as real images)."
    )
    result = one.result()
    assert (result.status, result.error) == ("completed", None)
    assert result.warning == one.warning == expected


@pytest.mark.parametrize("method", ["c", "dagan"])
def test_a_healthy_training_has_no_warning(make_config, method):
    healthy = {"gan.latent_size": 100, "gan.iterations": 60, "network.width": 0.5, "gan.learning_rate": 3e-3}
    assert ran(make_config(method, healthy if method == "dagan" else {}), every=30).result().warning is None


@pytest.mark.parametrize(("before", "last", "warned"), [(1.0, 0.01, True), (0.01, 1.0, False)])
def test_a_collapse_counts_as_it_was_at_the_last_look(make_config, monkeypatch, before, last, warned):
    """Early in stage 1 a low value is no collapse yet; and a resumed training has its warning from the state."""
    config, looks = make_config("dagan"), iter([before, before, last])
    monkeypatch.setattr("dagan.training.training.generated_diversity", lambda *a: {"3": next(looks), "8": 0.9})
    one = ran(config)
    found = one.warning
    assert (found is not None) == warned
    if warned:
        assert found == "the generator collapsed: diversity 0.01 in 3 (1: as real images)."
    resumed = Training(config)
    resumed.restore(stored(one.state()))
    assert resumed.warning == found
