"""Counted operations: the formula against what PyTorch counts around real steps."""

import math
from functools import partial

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dagan.config import Config
from dagan.defaults import reaches
from dagan.methods import METHODS
from dagan.nested import merged, nest
from dagan.networks import build
from dagan.networks.flops import network_sizes, pflop, stage_1_batch
from dagan.networks.layer_tables import discriminator_layers, generator_layers
from dagan.training.training import Training

GANS = [method for method, row in METHODS.items() if row.adversary and not row.augmented]


def grouped_backward(gradient, inputs, weight, *settings, out_shape):
    """Operations of a convolution's backward pass: for each gradient that is taken, as many as forwards.

    PyTorch's own rule takes no notice of groups and counts each gradient of a weight `groups` times.
    """
    transposed, mask = settings[4], settings[7]
    area = math.prod((inputs if transposed else gradient)[2:])
    return 2 * inputs[0] * area * math.prod(weight) * (mask[0] + mask[1])


def counted(step, *, grouped):
    """What PyTorch counts, 1e15; of grouped convolutions with the rule above."""
    mapping = {torch.ops.aten.convolution_backward: grouped_backward} if grouped else {}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        step()
    return counter.get_total_flops() / 1e15


@pytest.fixture(params=["digits", "conv32"])
def make(request, ten_classes):
    """A function from method and settings to a narrow config of either network, its pattern at its usual size."""

    def config(method, changes):
        base = {"network.name": request.param, "network.width": 0.25, "classifier.batch_size": 16}
        if request.param == "conv32":
            base |= {"data.folder": str(ten_classes), "data.dataset": "pictures"}
        base |= {"data.samples_per_class": 2, "classifier.iterations": 4}
        chosen = {key: value for key, value in (base | changes).items() if reaches(key, method)}
        return Config.of(merged({"method": method}, nest(chosen)))

    return config


def untaken(config):
    """The two gradients that the formula counts and no step takes, per iteration of either stage, 1e15.

    Of the input of D's first layer where D learns from images that have no gradient, and of G's latents.
    """
    batch, gan = stage_1_batch(config), config.gan
    first_of_d = discriminator_layers(config, "generation")[0].multiply_adds
    first_of_g = generator_layers(config)[0].multiply_adds
    stage_1 = gan.discriminator_steps * 2 * batch * first_of_d + gan.generator_steps * batch * first_of_g
    return 2 * stage_1 / 1e15, 2 * discriminator_layers(config)[0].multiply_adds / 1e15


CHANGES = [
    {},
    {"gan.discriminator_steps": 2, "gan.generator_steps": 1, "gan.feature_matching_weight": 0.0},
    {"gan.generator_steps": 3, "classifier.augmentation_ratio": 0.5, "classifier.start": "fresh"},
    {"classifier.augmentation_ratio": 2.2, "gan.differentiable_augmentation": "color+translation+cutout"},
    {"classifier.augmentation_ratio": 0.0},
]


@pytest.mark.parametrize(
    "changes", [CHANGES[0], *(pytest.param(one, marks=pytest.mark.slow) for one in CHANGES[1:])], ids=str
)
@pytest.mark.parametrize("method", GANS)
def test_pflop_is_what_pytorch_counts_on_real_steps(make, method, changes):
    config = make(method, changes)
    training = Training(config)
    training.begin_classification()
    missing_1, missing_2 = untaken(config)
    one = pflop(config, stage="generation", iterations=1)
    grouped = method == "vanilla_gan"
    assert missing_1 < 0.15 * one
    assert one - missing_1 == pytest.approx(counted(lambda: training.generation.step(0), grouped=grouped), rel=1e-9)
    two = pflop(config, stage="classification", iterations=1)
    images = 16 + round(config.classifier.augmentation_ratio * 16)
    found = counted(lambda: training.classification.step(0), grouped=False)
    assert two - missing_2 * images == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("method", GANS)
def test_pflop_counts_images_made_once_and_a_falling_ratio(make, method):
    """Offline G works as stage 2 begins; with a falling ratio less and less."""
    for changes, images in (
        ({"classifier.generated": "offline", "classifier.augmentation_ratio": 1.5}, [40] * 4),
        ({"classifier.augmentation_schedule": "linear"}, [32, 28, 24, 20]),
    ):
        config = make(method, changes)
        training = Training(config)
        begun = counted(training.begin_classification, grouped=False)
        start = 0 if METHODS[method].continues else fitting(config)
        missing = untaken(config)[1]
        for iterations, drawn in enumerate(images, start=1):
            begun += counted(partial(training.classification.step, iterations - 1), grouped=False) + missing * drawn
            total = pflop(config, stage="classification", iterations=iterations)
            assert total == pytest.approx(begun - start, rel=1e-9)
        assert pflop(config, stage="classification", iterations=0) == 0


@pytest.mark.parametrize(
    ("samples", "changes"),
    [
        (10, {"classifier.batch_size": 115, "classifier.augmentation_ratio": 0.1}),  # 126.5 images per batch
        (7, {"classifier.batch_size": 16, "classifier.augmentation_ratio": 0.5}),
        (8, {"data.validation": "within", "data.phase": "search", "classifier.augmentation_ratio": 1.0}),
    ],
)
def test_pflop_counts_the_images_of_offline_batches_to_the_last(make_config, samples, changes):
    """Where images are held back within the n, too; and of each class there are r times the real ones."""
    base = {"classifier.generated": "offline", "data.samples_per_class": samples}
    config = make_config("dagan", base | changes)
    training = Training(config)
    begun = counted(training.begin_classification, grouped=False)
    batches, train = training.classification.batches, training.data.train
    own = len(train) // 10
    assert len(batches.images) == 10 * (own + round(config.classifier.augmentation_ratio * own))
    assert pflop(config, stage="classification", iterations=1) == pytest.approx(
        begun
        + counted(partial(training.classification.step, 0), grouped=False)
        + untaken(config)[1] * len(training.classification.batch(0)[0]),
        rel=1e-9,
    )


def fitting(config):
    """Operations of the data-dependent start of a fresh classifier, which the formula leaves out, 1e15."""
    images = len(config.facts.classes) * config.data.samples_per_class
    return 2 * images * sum(layer.multiply_adds for layer in discriminator_layers(config)) / 1e15


@pytest.mark.parametrize("method", METHODS)
def test_classical_augmentation_costs_no_operations(make_config, method):
    plain, augmented = make_config(method.removesuffix("_aug")), make_config(method.removesuffix("_aug") + "_aug")
    for stage in ("generation", "classification"):
        costs = [pflop(config, stage=stage, iterations=10) for config in (plain, augmented)]
        assert costs[0] == costs[1]


@pytest.mark.parametrize(("generated", "ratio"), [("online", 0.5), ("offline", 0.5), ("offline", 1.5)])
def test_to_draw_from_a_folder_costs_nothing_and_to_train_on_it_does(make_config, generated, ratio):
    settings = {"classifier.generated": generated, "classifier.augmentation_ratio": ratio}
    config = make_config("external", settings)
    training = Training(config)
    missing = 2 * discriminator_layers(config)[0].multiply_adds / 1e15 * round(16 * (1 + ratio))
    found = counted(lambda: training.classification.step(0), grouped=False)
    assert pflop(config, stage="classification", iterations=1) == pytest.approx(found + missing, rel=1e-9)


@pytest.mark.parametrize("method", ["c", "c_aug"])
def test_pflop_of_a_plain_classifier(make_config, method):
    config = make_config(method)
    assert pflop(config, stage="generation", iterations=10) == 0
    multiply_adds = sum(layer.multiply_adds for layer in discriminator_layers(config))
    # Forward, gradient of the weights, gradient of the input; a multiply-add counts as two.
    assert pflop(config, stage="classification", iterations=10) == pytest.approx(2 * 3 * multiply_adds * 16 * 10 / 1e15)


@pytest.mark.parametrize("method", ["c", "dagan", "vanilla_gan"])
def test_networks_have_as_many_parameters_as_counted(make, method):
    config = make(method, {"network.weight_norm": False})
    random = torch.Generator().manual_seed(0)
    d, g = build.discriminator(config, random, "classification"), build.generator(config, random)
    sizes = network_sizes(config)
    assert sizes["classifier"]["parameters"] == sum(parameter.numel() for parameter in d.parameters())
    images = torch.zeros(2, config.facts.channels, config.facts.image_size, config.facts.image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        d(images, None, random)
    assert sizes["classifier"]["mflop"] == counter.get_total_flops() / 2 / 1e6
    if g is None:
        assert list(sizes) == ["classifier"]
    else:  # beside them G learns what normalises it
        learnt = sum(parameter.numel() for parameter in g.parameters())
        assert 0.9 * learnt < sizes["generator"]["parameters"] <= learnt
