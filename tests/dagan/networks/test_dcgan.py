"""`dcgan64`: layers, its optimisers, and batch norm that evaluates each image by itself."""

from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from trainings import ran

from dagan.config import Config
from dagan.errors import InvalidInput
from dagan.methods import METHODS
from dagan.nested import merged
from dagan.networks.build import discriminator, generator
from dagan.networks.flops import pflop
from dagan.networks.layer_tables import discriminator_layers, generator_layers
from dagan.training.training import Training


@pytest.fixture(scope="module")
def pictures(ten_classes):
    """A function from settings to a config of `dcgan64` on 64x64 pixels in colour, ten classes."""

    def make(method="dagan", **changes):
        data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2, "image_size": 64}
        data |= {"generated": str(ten_classes)} if METHODS[method].external else {}
        return Config.of(merged({"method": method, "data": data, "network": {"name": "dcgan64"}}, changes))

    return make


@pytest.fixture
def tiny(make_config):
    """A function from a method and settings to a config that trains on 8x8 digits in a fraction of a second."""
    return lambda method, **changes: make_config(method, {"network.name": "dcgan64", **changes})


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(layers):
    return [(layer.kind, layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.size) for layer in layers]


def test_the_layers_are_those_of_the_tutorials(pictures):
    assert rows(generator_layers(pictures())) == [
        ("linear", 100 + 10, 512 * 4 * 4, 1, 1, 1),
        ("transposed", 512, 256, 4, 2, 8),
        ("transposed", 256, 128, 4, 2, 16),
        ("transposed", 128, 64, 4, 2, 32),
        ("transposed", 64, 3, 4, 2, 64),
    ]
    units = [3 * 64 * 64, 1024, 512, 256, 128, 64, 32, 20]
    assert rows(discriminator_layers(pictures())) == [
        ("linear", before, after, 1, 1, 1) for before, after in pairwise(units)
    ]
    told = discriminator_layers(pictures("cgan"), "generation")
    assert (told[0].inputs, told[-1].outputs) == (3 * 64 * 64 + 10, 1)
    assert generator_layers(pictures("vanilla_gan"))[0].inputs == 100


def test_the_number_of_parameters_is_that_of_the_layers(pictures):
    config = pictures()
    units = [3 * 64 * 64, 1024, 512, 256, 128, 64, 32]
    norms = 2 * sum(units[1:])
    hidden = sum((before + 1) * after for before, after in pairwise(units))
    assert sum(p.numel() for p in discriminator(config, random()).parameters()) == hidden + norms + 33 * 20
    maps = [512, 256, 128, 64, 3]
    upward = sum((16 * before + 1) * after for before, after in pairwise(maps))
    norms = 2 * (512 * 16 + 256 + 128 + 64)
    assert sum(p.numel() for p in generator(config, random()).parameters()) == 111 * 512 * 16 + upward + norms


@pytest.mark.parametrize("method", METHODS)
def test_networks_of_every_method_fit_together(pictures, method):
    config = pictures(method, network={"width": 0.1}, data={"image_size": 16, "channels": 1})
    labels = torch.arange(10).repeat(2)
    classifier = discriminator(config, random())
    images = torch.rand(20, 1, 16, 16, generator=random())
    if config.gan:
        images = generator(config, random())(torch.rand(20, 100, generator=random()), labels)
        logits, features = discriminator(config, random(), "generation")(images, labels)
        outputs = {"binary": 1, "conditional": 1, "extra": 11, "doubled": 20}[config.row.adversary]
        assert (logits.shape, features.shape) == ((20, outputs), (20, 3))
    assert images.shape == (20, 1, 16, 16)
    assert images.abs().max() <= 1
    outputs = {"extra": 11, "doubled": 20}.get(config.row.adversary, 10)
    assert classifier(images)[0].shape == (20, outputs)


def test_each_of_several_gans_side_by_side_has_its_own_weights_and_statistics(pictures):
    d = discriminator(pictures("vanilla_gan", network={"width": 0.1}), random(), "generation")
    images = torch.rand(40, 3, 64, 64, generator=random())
    other = images.clone()
    other[3::10] = 0.5 * other[3::10] ** 2  # those of class 3 alone
    before, after = d(images)[0], d(other)[0]
    same = (before == after).all(dim=1).reshape(4, 10).all(dim=0)
    assert same.tolist() == [index != 3 for index in range(10)]


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_sizes_that_double_from_4_fit(pictures, size):
    config = pictures(data={"image_size": size}, network={"width": 0.05})
    images = generator(config, random())(torch.rand(3, 100, generator=random()), torch.tensor([0, 4, 9]))
    assert images.shape == (3, 3, size, size)
    assert discriminator(config, random())(images)[0].shape == (3, 20)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"image_size": 48}}, r"network.name: dcgan64 needs images of 8, 16, 32, 64, … pixels, not 48."),
        ({"network": {"weight_norm": True}}, "network.weight_norm: must be false for dcgan64: its D has batch norm."),
        ({"network": {"dropout": 0.5}}, "network.dropout: must be 0 for dcgan64, but is 0.5."),
        ({"network": {"pretrained": False}}, "network.pretrained: reaches nothing in dcgan64. Remove it."),
    ],
)
def test_what_it_does_not_have_is_refused(pictures, changes, message):
    with pytest.raises(InvalidInput) as caught:
        pictures(**changes)
    assert str(caught.value) == message


def test_g_learns_by_sgd_and_d_by_adam_unless_said_otherwise(pictures):
    assert (pictures().gan.generator_optimiser, pictures().gan.discriminator_optimiser) == ("sgd", "adam")
    assert pictures(gan={"generator_optimiser": "adam"}).gan.generator_optimiser == "adam"
    assert pictures(network={"name": "conv32"}).gan.generator_optimiser == "adam"
    assert pictures("c").gan is None


def test_d_judges_its_own_images_each_by_itself_as_a_batch_of_them_all_is_judged(tiny):
    training = ran(tiny("dagan"))
    d, images = training.trained.network, training.data.train.images
    logits, features = d(images)
    statistics = d.statistics(images)
    alone = [d.evaluated(image[None], statistics) for image in images[:5]]
    assert torch.allclose(torch.cat([one for one, _ in alone]), logits[:5], atol=1e-4)
    assert torch.allclose(torch.cat([one for _, one in alone]), features[:5], atol=1e-4)
    assert not torch.allclose(d(images[:5])[0], logits[:5], atol=1e-2)  # by the five alone


def test_statistics_are_those_of_every_unit_and_the_same_at_once_or_in_parts(tiny, monkeypatch):
    training = ran(tiny("dagan"))
    d, images = training.trained.network, training.data.train.images
    whole, inputs = d.statistics(images), []
    for norm in d.norms:
        norm.register_forward_pre_hook(lambda _, given: inputs.append(given[0].clone()))
    d(images)
    assert len(whole) == len(inputs) == 6
    monkeypatch.setattr("dagan.networks.dcgan.CHUNK", 7)
    for (mean, variance), in_parts, units in zip(whole, d.statistics(images), inputs, strict=True):
        assert torch.allclose(mean, units.mean(dim=0), atol=1e-5)
        assert torch.allclose(variance, units.var(dim=0, correction=0), rtol=1e-4, atol=1e-6)
        assert torch.allclose(mean, in_parts[0], atol=1e-5)
        assert torch.allclose(variance, in_parts[1], rtol=1e-4, atol=1e-6)


def test_predictions_hang_on_the_training_images_and_not_on_each_other(tiny, monkeypatch):
    training = ran(tiny("dagan"))
    images = training.data.test.images[:60]
    together = training.trained.predictions(images)
    assert torch.equal(together, torch.cat([training.trained.predictions(image[None]) for image in images]))
    seen, original = [], type(training.trained.network).statistics
    monkeypatch.setattr(
        type(training.trained.network), "statistics", lambda d, x: seen.append((d, x)) or original(d, x)
    )
    training.trained.predictions(images)
    [(network, learned)] = seen
    assert network is training.classification.learner.average  # the weights that evaluate
    generated = training.generation.sampled(4, training.streams.fresh("statistics.latents")).images
    assert torch.equal(learned, torch.cat([training.data.train.images, generated]))


@pytest.mark.parametrize(
    ("settings", "generated"),
    [
        ({"classifier.augmentation_ratio": 0.5}, 20),
        ({"classifier.augmentation_ratio": 0.0}, 0),
        ({"classifier.generated": "offline"}, 40),
        ({"data.phase": "search", "data.validation": "within", "classifier.augmentation_ratio": 2.0}, 50),  # 3 are left
        ({"classifier.augmentation_schedule": "linear"}, 10),  # r is 1/6 in the last of six iterations: 3 of 16
    ],
)
def test_statistics_are_of_real_and_generated_images_in_the_shares_of_the_batches(
    tiny, monkeypatch, settings, generated
):
    training, seen = ran(tiny("dagan", **settings)), []
    original = type(training.trained.network).statistics
    monkeypatch.setattr(
        type(training.trained.network), "statistics", lambda d, x: seen.append(len(x)) or original(d, x)
    )
    training.trained.predictions((training.data.test or training.data.validation).images)
    assert seen == [40 + generated]


def test_no_state_holds_statistics(tiny):
    training = ran(tiny("dagan"))
    for network in (training.trained.network, training.generation.generator.network):
        assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}


def test_real_and_generated_images_are_batches_of_their_own_in_stage_1(tiny, monkeypatch):
    one = Training(tiny("dagan", **{"gan.noise": 0.0, "gan.discriminator_steps": 2})).generation
    shown, made, real = [], [], []
    draw, following = one.draw, one.batches.next
    monkeypatch.setattr(one, "draw", lambda *a, **k: made.append(draw(*a, **k)) or made[-1])
    monkeypatch.setattr(one.batches, "next", lambda: real.append(following()) or real[-1])
    one.discriminator.network.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    one.step(0)
    (first, _), (second, _) = real
    g_1, g_2, d_1, d_2 = made
    expected = [first, g_1, g_2, d_1, second, d_2]
    assert len(shown) == len(expected)
    for found, batch in zip(shown, expected, strict=True):
        assert torch.equal(found, batch.images)


def test_pflop_is_what_pytorch_counts_on_real_steps(pictures):
    """The formula counts two gradients that no step takes: of D's input where D learns, and of G's latents."""
    config = pictures(
        data={"image_size": 16}, network={"width": 0.5}, classifier={"batch_size": 16, "augmentation_ratio": 0.5}
    )
    training = Training(config)
    training.begin_classification()
    first_of_d, first_of_g = discriminator_layers(config)[0].multiply_adds, generator_layers(config)[0].multiply_adds
    for stage, step, untaken in (
        ("generation", training.generation.step, 2 * 16 * first_of_d + 2 * 16 * first_of_g),
        ("classification", training.classification.step, 24 * first_of_d),
    ):
        with FlopCounterMode(display=False) as counter:
            step(0)
        counted = pflop(config, stage=stage, iterations=1) - 2 * untaken / 1e15
        assert counted == pytest.approx(counter.get_total_flops() / 1e15, rel=1e-9)


def test_it_trains_in_bfloat16(tiny):
    assert ran(tiny("dagan", **{"compute.precision": "bfloat16"})).result().status == "completed"


@pytest.mark.parametrize("method", ["c", "dagan"])
def test_it_learns(tiny, method):
    settings = {"classifier.iterations": 150, "network.width": 1.0, "classifier.learning_rate": 3e-3}
    assert ran(tiny(method, **settings)).result().test_accuracy > 0.3  # chance: 0.1


@pytest.mark.parametrize(("choice", "moves"), [({}, True), ({"gan.generator_learning_rate": 3e-4}, False)])
def test_g_learns_at_the_rate_that_it_has_by_itself(make_config, choice, moves):
    """At Adam's rate SGD leaves G where it began; its own default does not."""
    settings = {"network.name": "dcgan64", "network.width": 0.125, "network.dropout": 0.0, "gan.iterations": 60}
    training = Training(make_config("dagan", settings | choice))
    before = training.generation.sampled(4, training.streams.fresh("look")).images
    for progress in training.run(every=60):
        if progress.stage == "generation":
            break
    after = training.generation.sampled(4, training.streams.fresh("look")).images
    assert (float((after - before).abs().mean()) > 0.05) == moves
