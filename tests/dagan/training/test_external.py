"""`external`: which images of the folder a training sees, when, and how they are drawn."""

import pytest
import torch
from trainings import bits, in_stage_2

from dagan import weights
from dagan.data.loading import generated_images
from dagan.evaluation.judge import judge_of
from dagan.evaluation.pictures import generated_grid
from dagan.evaluation.quality import quality
from dagan.training.dataset import scaled
from dagan.training.training import Training


def rows(images):
    """Images as bytes, to be found again."""
    return [image.numpy().tobytes() for image in images]


@pytest.fixture
def folder(make_config):
    """The folder of the tiny configs: its images by class, as a training sees them."""
    config = make_config("external")
    pixels = generated_images(config.facts, config.data.generated)
    counts = Training(config).generated.counts.tolist()
    return [rows(part) for part in scaled(torch.from_numpy(pixels)).split(counts)]


def test_online_as_many_images_of_the_folder_join_as_are_asked_for_and_of_the_classes_of_the_real_ones(
    make_config, folder
):
    for ratio, number in ((0.5, 8), (1.0, 16), (2.2, 35)):
        training = in_stage_2(make_config("external", {"classifier.augmentation_ratio": ratio}))
        images, labels, real = training.classification.batch(0)
        assert (len(images), int(real.sum())) == (16 + number, 16)
        assert labels[16:].tolist() == labels[:16].repeat(3)[:number].tolist()
        assert all(image in folder[label] for image, label in zip(rows(images[16:]), labels[16:].tolist(), strict=True))


def test_every_image_of_a_class_is_drawn_as_often_as_another_whatever_its_class_holds(make_config, folder):
    training = Training(make_config("external"))
    wanted = torch.arange(10).repeat(4000)
    drawn = training.generated.draw(wanted, "test")
    assert torch.equal(drawn.labels, wanted)
    found = rows(drawn.images)
    for own in folder:
        shares = torch.tensor([found.count(image) for image in own]) / 4000
        assert (shares * len(own) - 1).abs().max() < 0.25  # five standard deviations at 11 images


def test_to_draw_for_one_purpose_moves_nothing_for_another(make_config):
    one, two = (Training(make_config("external")).generated for _ in range(2))
    labels = torch.arange(10)
    two.draw(labels, "pictures")
    assert torch.equal(one.draw(labels, "classification").images, two.draw(labels, "classification").images)
    assert not torch.equal(one.draw(labels, "classification").images, one.draw(labels, "pictures").images)


def test_offline_so_many_of_each_class_join_once_and_none_twice(make_config, folder):
    images = {}
    for ratio in (0.5, 2.0):
        config = make_config(
            "external_aug", {"classifier.generated": "offline", "classifier.augmentation_ratio": ratio}
        )
        training = in_stage_2(config)
        union, real = training.classification.batches.images, len(training.data.train)
        assert torch.equal(union.images[:real], training.data.train.images)
        images[ratio] = rows(union.images[real:])
        per_class = round(ratio * 4)
        assert torch.bincount(union.labels[real:]).tolist() == [per_class] * 10
        assert len({*images[ratio]}) == 10 * per_class
        assert all(
            image in folder[label] for image, label in zip(images[ratio], union.labels[real:].tolist(), strict=True)
        )
    assert images[2.0][:20] == images[0.5]  # of more the first are those of fewer
    # Classical augmentation is of the real images alone.
    batch, is_real = training.classification.batches.next()
    assert not {*rows(batch.images[~is_real])} - {*images[2.0]}
    assert {*rows(batch.images[is_real])} - {*rows(training.data.train.images)}


def test_another_seed_draws_others_and_the_same_seed_the_same(make_config):
    offline = make_config("external", {"classifier.generated": "offline"})
    first, again, other = (
        in_stage_2(one).classification.batches.images for one in (offline, offline, offline.with_seed(1))
    )
    assert torch.equal(first.images[40:], again.images[40:])
    assert not torch.equal(first.images[40:], other.images[40:])


def test_the_weights_that_are_kept_are_those_of_a_classifier_alone(make_config, tmp_path):
    training = Training(make_config("external"))
    for _ in training.run():
        pass
    weights.save(training, tmp_path / "kept")
    kept = weights.load(tmp_path / "kept")
    assert kept.generator is None
    assert bits(kept.classifier.network.state_dict()) == bits(training.trained.network.state_dict())


def test_a_folder_is_looked_at_and_judged_as_a_generator_is(make_config, folder):
    """Beside as many real images of each class as it has; the student of GAN-train learns from no more."""
    training = Training(make_config("external", {"data.samples_per_class": 20}))
    grid = generated_grid(training, columns=4)
    assert grid.shape == (10, 4, 8, 8, 1)
    small = {"network": {"width": 0.25}, "classifier": {"iterations": 60, "learning_rate": 3e-3}}
    found = quality(training, judge_of(training.config, settings=small))
    assert found.images == 10 * min(map(len, folder))
    assert found.judge_accuracy > 0.5
    assert found.gan_test > 0.5  # real digits, with noise on them
