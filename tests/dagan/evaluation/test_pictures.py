"""Pictures: a row per class, a column per image."""

import numpy as np
import pytest
import torch
from trainings import ran

from dagan.evaluation.pictures import generated_grid, pixels, progress_grid, real_grid
from dagan.training.dataset import Labelled
from dagan.training.training import Training


@pytest.fixture(scope="module", params=["dagan", "vanilla_gan"])
def training(make_config, request):
    return Training(make_config(request.param))


def test_pixels_are_the_whole_numbers_nearest():
    values = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 1.2]).reshape(6, 1, 1, 1)
    shown = pixels(values)
    assert shown.dtype == np.uint8
    assert shown[:, 0, 0, 0].tolist() == [0, 64, 128, 191, 255, 255]  # (x + 1) · 127.5, rounded to even


@pytest.mark.parametrize("columns", [1, 8, 20])
def test_generated_images_stand_in_rows_of_their_classes(training, columns, monkeypatch):
    # A generator that paints the number of the class.
    def paint(labels, purpose):
        return Labelled((20 * labels / 127.5 - 1)[:, None, None, None].expand(-1, 1, 8, 8), labels)

    monkeypatch.setattr(training.generation, "draw", paint)
    grid = generated_grid(training, columns)
    assert grid.shape == (10, columns, 8, 8, 1)
    assert grid.dtype == np.uint8
    for label in range(10):
        assert (grid[label] == 20 * label).all()


def test_generated_images_are_fresh_ones(training):
    first, second = generated_grid(training, 3), generated_grid(training, 3)
    assert first.shape == (10, 3, 8, 8, 1)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
def test_looking_at_pictures_changes_nothing_in_the_training(make_config, method, monkeypatch):
    accuracies = []
    for looking in (False, True):
        monkeypatch.setattr("dagan.training.training.LOOKS", {1, 2} if looking else ())
        one = Training(make_config(method))
        for _ in one.run(every=2):
            if looking:
                generated_grid(one)
        accuracies.append((one.result().test_accuracy, one.trained.network.head.bias.tolist()))
    assert accuracies[0] == accuracies[1]


@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
def test_how_g_learned_is_seen_from_one_latent(make_config, method, monkeypatch):
    monkeypatch.setattr("dagan.training.training.LOOKS", {1, 3, 4})
    training = Training(make_config(method, {"gan.iterations": 4}))
    for progress in training.run(every=1):
        if (progress.stage, progress.iteration) in [("generation", 1), ("generation", 3), ("generation", 4)]:
            drawn = training.generation.sampled(1, training.streams.fresh("looks.latents")).images
            seen = progress_grid(training)
            assert abs(seen[progress.iteration][:, 0].astype(int) - pixels(drawn)).max() <= 1  # half precision
    assert list(seen) == [1, 3, 4]
    assert not np.array_equal(seen[1], seen[3])
    assert seen[4].shape == (10, 1, 8, 8, 1)
    assert np.array_equal(progress_grid(training)[4], seen[4]), "stage 2 leaves G as it is"


def test_a_state_of_an_earlier_version_is_gone_on_from(make_config):
    training = Training(make_config("dagan"))
    next(training.run(every=1))
    state = training.state()
    del state["generation"]["looks"]
    training.restore(state)
    assert list(progress_grid(training)) == [training.length("generation")]


def test_without_a_gan_of_its_own_nothing_was_learned_to_see(make_config):
    assert progress_grid(ran(make_config("c"))) == {}


def test_real_images_stand_in_rows_of_their_classes(training):
    train = training.data.train
    grid = real_grid(training.data.train, 10, 6)
    assert grid.shape == (10, 6, 8, 8, 1)
    for label in range(10):
        own = pixels(train.images[train.labels == label])
        assert len(own) == 4
        assert np.array_equal(grid[label, :4], own)
        assert np.array_equal(grid[label, 4:], own[:2])  # repeated where there are fewer
