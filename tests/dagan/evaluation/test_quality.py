"""The numbers of one generator: bad ones rank below good ones, and what cannot be judged is refused."""

import json
from dataclasses import asdict, fields

import pytest
import torch

from dagan.errors import InvalidInput
from dagan.evaluation.image_metrics import cover
from dagan.evaluation.judge import judge_of
from dagan.evaluation.quality import Quality, class_covers, plain, quality
from dagan.training.dataset import Labelled, TrainingData, training_data
from dagan.training.training import Training

CPU = torch.device("cpu")
SETTINGS = {"network": {"width": 0.5}, "classifier": {"iterations": 150, "learning_rate": 3e-3}}
STUDENT = {"data.samples_per_class": 20, "classifier.iterations": 60, "classifier.learning_rate": 3e-3}


@pytest.fixture(scope="module")
def make_training(make_config):
    def make(method="dagan", **changes):
        return Training(make_config(method, STUDENT | changes))

    return make


@pytest.fixture(scope="module")
def judge(make_config):
    return judge_of(make_config("dagan"), settings=SETTINGS)


class Gallery:
    """A generator that shows given images of the class."""

    def __init__(self, images, change=lambda image, latents: image):
        self.images, self.change = images, change

    def __call__(self, network, latents, labels):
        shown = torch.empty(len(labels), *self.images.images.shape[1:])
        for label in labels.unique():
            own = self.images.images[self.images.labels == label]
            wanted = labels == label
            shown[wanted] = own[(latents[wanted, 0] * len(own)).long()]
        return self.change(shown, latents)


def noise(images, latents):
    return (images + torch.randn(images.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)


@pytest.fixture(scope="module")
def qualities(make_training, judge):
    """By name: unseen real images, the training images, noisy ones, one image per class, labels that are wrong."""
    training = make_training()
    unseen = training_data(judge.config, CPU).train
    first = torch.tensor([int((unseen.labels == label).nonzero()[0]) for label in range(10)])
    generators = {
        "real": Gallery(unseen),
        "copies": Gallery(training.data.train),
        "noisy": Gallery(unseen, noise),
        "collapsed": Gallery(Labelled(unseen.images[first], unseen.labels[first])),
        "mislabelled": Gallery(Labelled(unseen.images, (unseen.labels + 1) % 10)),
    }
    answers = {}
    for name, training.generation.images_of in generators.items():
        answers[name] = quality(training, judge, gan_train_per_class=40)
    return answers


def mean(values):
    return sum(values.values()) / len(values)


def test_the_judge_is_worth_listening_to(qualities):
    assert {one.judge_accuracy for one in qualities.values()} == {qualities["real"].judge_accuracy}
    assert qualities["real"].judge_accuracy > 0.9


def test_real_is_better_than_noisy_is_better_than_collapsed(qualities):
    real, noisy, collapsed = (qualities[name] for name in ("real", "noisy", "collapsed"))
    for metric in (lambda one: one.kernel_distance.mean, lambda one: one.frechet_distance):
        assert metric(real) < metric(noisy)
        assert metric(real) < metric(collapsed)
    assert real.frechet_distance < 2 * real.frechet_floor < noisy.frechet_distance
    assert mean(real.density) > 1.5 * mean(noisy.density)
    assert mean(real.coverage) > mean(noisy.coverage)
    assert mean(real.coverage) > 5 * mean(collapsed.coverage)
    assert real.gan_test > noisy.gan_test
    assert real.gan_train > collapsed.gan_train
    assert max(collapsed.diversity.values()) == 0
    assert min(real.diversity.values()) > 0.5


def test_each_class_is_covered_by_its_own_images():
    real = torch.tensor([[0.0], [1.0], [50.0], [3.0], [9.0]])
    generated = torch.tensor([[0.5], [9.0], [50.0], [0.5], [0.5]])
    covers = class_covers(real, generated, torch.tensor([0, 0, 1, 0, 2]), ("a", "b", "c"))
    assert covers == {"a": cover(real[[0, 1, 3]], generated[[0, 1, 3]])}  # b and c have one image each
    assert covers["a"] != cover(generated[[0, 1, 3]], real[[0, 1, 3]])


def test_wrong_labels_show_in_gan_test_and_gan_train_alone(qualities):
    real, wrong = qualities["real"], qualities["mislabelled"]
    assert wrong.gan_test < 0.1 < 0.9 < real.gan_test
    assert wrong.gan_train < 0.2 < 0.7 < real.gan_train
    assert wrong.frechet_distance < 2 * real.frechet_floor


def test_copies_of_training_images_are_seen(qualities):
    real, copies = qualities["real"], qualities["copies"]
    for one, other in ((real.memorisation, copies.memorisation), (real.pixel_memorisation, copies.pixel_memorisation)):
        assert one.ratio == pytest.approx(1, abs=0.2)
        assert one.nearer < 0.1
        assert other.ratio < 1e-3
        assert other.nearer == 1


def test_every_field_can_be_written_as_json_and_is_documented(qualities):
    import inspect

    tree = json.loads(json.dumps(asdict(qualities["real"]), allow_nan=False))
    assert set(tree) == {field.name for field in fields(Quality)}
    assert tree["kernel_distance"]["subset_size"] == tree["images"] // 2 == tree["frechet_images"]
    assert set(tree["density"]) == set(tree["coverage"]) == set(tree["diversity"]) == set("0123456789")
    lines = inspect.getsource(Quality).splitlines()
    for field in fields(Quality):
        index = next(index for index, line in enumerate(lines) if line.startswith(f"    {field.name}:"))
        assert lines[index + 1].startswith('    """'), field.name


def test_the_same_numbers_every_time(make_training, judge):
    training = make_training()
    for _ in training.run():
        pass
    before = {name: state.clone() for name, state in training.streams.state().items()}
    first, second = (quality(training, judge, gan_train_per_class=4) for _ in range(2))
    assert first == second
    after = training.streams.state()
    assert all(torch.equal(after[name], state) for name, state in before.items())
    few = quality(training, judge, most_images=50, gan_train_per_class=4)
    assert few.images == 50
    assert few == quality(training, judge, most_images=50, gan_train_per_class=4)


def test_the_student_of_gan_train_is_c_on_generated_images_alone(make_training, judge, monkeypatch):
    from dagan.evaluation import quality as module

    seen = []

    class Watched(Training):
        def __init__(self, config, data=None):
            super().__init__(config, data)
            seen.append(self)

    training = make_training("dagan_aug", **{"gan.noise": 0.1, "seed": 3})
    monkeypatch.setattr(module, "Training", Watched)
    module.gan_train(training, training.data.test, 6)
    (student,) = seen
    assert student.config == plain(training.config)
    assert (student.config.method, student.config.seed) == ("c", 3)
    assert student.config.network == training.config.network
    assert student.config.classifier.iterations == training.config.classifier.iterations
    assert torch.bincount(student.data.train.labels).tolist() == [6] * 10
    real = {image.numpy().tobytes() for image in training.data.train.images}
    assert not real & {image.numpy().tobytes() for image in student.data.train.images}
    assert student.data.test is training.data.test


def test_a_training_can_be_given_its_images(make_config):
    config = make_config("c")
    given = training_data(make_config("c", {"seed": 5}), CPU)
    training = Training(config, TrainingData(given.test, None, given.train))
    assert len(training.data.train) == len(given.test)
    batches = training.classification.batches
    assert batches.images is given.test
    assert torch.equal(torch.sort(batches.order.next(len(given.test))).values, torch.arange(len(given.test)))


@pytest.mark.parametrize(
    ("method", "changes", "rule"),
    [
        ("c", {}, "method: must have generated images, but `c` has none"),
        ("dagan", {"data.phase": "search"}, "data.phase: must be confirm, but is search"),
        ("dagan", {"data.validation": "within"}, "data.validation: must be held_out, but is within"),
    ],
)
def test_what_cannot_be_judged_is_refused(make_training, judge, method, changes, rule):
    with pytest.raises(InvalidInput, match=rule):
        quality(make_training(method, **changes), judge)


def test_the_judge_of_other_images_is_refused(make_training, judge, ten_classes):
    other = make_training(**{"data.folder": str(ten_classes), "data.dataset": "ten", "data.samples_per_class": 2})
    with pytest.raises(InvalidInput, match=r"judge: must be of the images of ten, but is of other ones \(digits\)"):
        quality(other, judge)


def test_a_generator_that_diverged_is_refused(make_training, judge):
    training = make_training()
    training.generation.images_of = Gallery(training.data.train, lambda images, latents: images * float("nan"))
    with pytest.raises(InvalidInput, match="must draw finite images"):
        quality(training, judge)


def test_a_folder_of_a_few_images_is_judged(make_training, ten_classes):
    training = make_training(
        **{"data.folder": str(ten_classes), "data.dataset": "ten", "data.samples_per_class": 2, "network.width": 0.1}
    )
    judge = judge_of(training.config, settings={"network": {"width": 0.1}, "classifier": {"iterations": 2}})
    one = quality(training, judge, gan_train_per_class=2)
    assert one.images == 40
    json.dumps(asdict(one), allow_nan=False)
