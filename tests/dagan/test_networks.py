"""The networks: Table 2 of the paper, sizes, the data-dependent start, counted operations."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dagan.architecture import discriminator_layers, generator_layers, pflop
from dagan.config import Config, merged
from dagan.networks import discriminator, generator
from dagan.streams import Streams
from dagan.training import Training


def parameters(network):
    """The number of weights, scales of weight norm left out: they add nothing to what a layer can be."""
    return sum(value.numel() for name, value in network.named_parameters() if "original0" not in name)


@pytest.fixture(scope="module")
def pictures(ten_classes):
    """A function from settings to a config of `conv32` on 32x32 pixels in colour, ten classes."""

    def make(**changes):
        data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2}
        return Config.of(merged({"data": data, "network": {"name": "conv32"}}, changes))

    return make


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def images_for(config, count=4):
    size, channels = config.facts.image_size, config.facts.channels
    return torch.rand(count, channels, size, size, generator=random(5)) * 2 - 1


def test_the_layers_of_conv32_are_those_of_table_2(pictures):
    rows = [
        (layer.kind, layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.size)
        for layer in discriminator_layers(pictures())
    ]
    assert rows == [
        ("conv", 3, 96, 3, 1, 32),
        ("conv", 96, 96, 3, 1, 32),
        ("conv", 96, 96, 3, 2, 16),
        ("conv", 96, 192, 3, 1, 16),
        ("conv", 192, 192, 3, 1, 16),
        ("conv", 192, 192, 3, 2, 8),
        ("conv", 192, 192, 3, 1, 6),  # unpadded
        ("conv", 192, 192, 1, 1, 6),
        ("conv", 192, 192, 1, 1, 6),
        ("linear", 192, 20, 1, 1, 1),
    ]
    dropped = [index for index, layer in enumerate(discriminator_layers(pictures())) if layer.dropout]
    assert dropped == [2, 5]
    rows = [
        (layer.kind, layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.size)
        for layer in generator_layers(pictures())
    ]
    assert rows == [
        ("linear", 100 + 10, 8192, 1, 1, 1),
        ("transposed", 512 + 10, 256, 5, 2, 8),
        ("transposed", 256 + 10, 128, 5, 2, 16),
        ("transposed", 128 + 10, 3, 5, 2, 32),
    ]


def test_the_size_of_conv32_is_that_of_the_paper(pictures):
    config = pictures()
    assert round(parameters(discriminator(config, random())) / 1e6, 2) == 1.41
    assert round(parameters(generator(config, random())) / 1e6, 1) == 5.1
    assert round(sum(layer.multiply_adds for layer in discriminator_layers(config)) / 1e6) == 272
    assert round(sum(layer.multiply_adds for layer in generator_layers(config)) / 1e6) == 111


@pytest.mark.parametrize("name", ["digits", "conv32"])
@pytest.mark.parametrize("size", [8, 12, 28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_of_every_size_fit_together(pictures, name, size, channels):
    config = pictures(data={"image_size": size, "channels": channels}, network={"name": name, "width": 0.1})
    d, g = discriminator(config, random()), generator(config, random())
    images = g(torch.rand(3, 100, generator=random()), torch.tensor([0, 4, 9]))
    logits, features = d(images)
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    assert (logits.shape, features.shape) == ((3, 20), (3, round(0.1 * (192 if name == "conv32" else 64))))


@pytest.mark.parametrize(("method", "outputs"), [("c", 10), ("c_aug", 10), ("dagan", 20), ("dagan_aug", 20)])
def test_the_head_has_as_many_outputs_as_the_method_says(make_config, method, outputs):
    config = make_config(method)
    assert discriminator(config, random())(images_for(config))[0].shape == (4, outputs)
    assert (generator(config, random()) is None) == (method in ("c", "c_aug"))


@pytest.mark.parametrize("width", [0.01, 0.5, 2.0])
def test_width_multiplies_every_number_of_maps(pictures, width):
    plain, scaled = discriminator_layers(pictures()), discriminator_layers(pictures(network={"width": width}))
    assert [layer.outputs for layer in scaled[:-1]] == [max(1, round(width * layer.outputs)) for layer in plain[:-1]]
    assert scaled[-1].outputs == 20
    assert generator_layers(pictures(network={"width": width}))[0].outputs == max(1, round(width * 512)) * 16


@pytest.mark.parametrize("normalised", [True, False])
def test_weights_come_from_the_generator_that_is_passed_in(make_config, normalised):
    config = make_config("dagan", {"network.weight_norm": normalised})
    for make in (discriminator, generator):
        one, same, other = make(config, random()), make(config, random()), make(config, random(1))
        values = dict(other.named_parameters())
        for (name, a), b in zip(one.named_parameters(), same.parameters(), strict=True):
            assert torch.equal(a, b), name
            if "bias" not in name and "norms" not in name:
                assert not torch.equal(a, values[name]), name


@pytest.mark.parametrize("normalised", [True, False])
def test_weights_start_with_standard_deviation_0_05_and_no_bias(pictures, normalised):
    config = pictures(network={"weight_norm": normalised, "width": 0.5})
    for network in (discriminator(config, random()), generator(config, random())):
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.Linear):
                assert layer.weight.std().item() == pytest.approx(0.05, rel=0.1)  # 960 weights and more
                assert not layer.bias.any()


def test_noise_and_dropout_need_a_generator(make_config):
    config = make_config("dagan")
    network, images = discriminator(config, random()), images_for(config)
    assert torch.equal(network(images)[0], network(images)[0])
    assert torch.equal(network.train()(images)[0], network.eval()(images)[0])
    assert torch.equal(network(images, random())[0], network(images, random())[0])
    assert not torch.equal(network(images, random())[0], network(images, random(1))[0])
    assert not torch.equal(network(images, random())[0], network(images)[0])


@pytest.mark.parametrize(("noise", "dropout"), [(0.2, 0.0), (0.0, 0.5), (0.0, 0.0)])
def test_each_of_noise_and_dropout_is_a_switch(make_config, noise, dropout):
    config = make_config("dagan", {"network.noise": noise, "network.dropout": dropout})
    network, images = discriminator(config, random()), images_for(config)
    assert torch.equal(network(images, random())[0], network(images)[0]) == (noise == dropout == 0)


def test_noise_has_the_standard_deviation_of_the_config(make_config):
    config = make_config("dagan", {"network.noise": 0.2, "network.dropout": 0.0})
    network, images, seen = discriminator(config, random()), images_for(config, 200), []
    network.convolutions[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(images, random())
    added = seen[0] - images
    assert added.std().item() == pytest.approx(0.2, rel=0.03)  # 12,800 pixels
    assert added.mean().item() == pytest.approx(0, abs=0.01)


def test_dropout_keeps_the_mean_and_drops_its_share(make_config):
    config = make_config("dagan", {"network.noise": 0.0, "network.dropout": 0.25})
    network, seen = discriminator(config, random()), []
    dropped = next(index for index, drop in enumerate(network.dropped) if drop)
    network.convolutions[dropped + 1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = images_for(config, 200)
    network(images)
    network(images, random())
    kept = seen[1] != 0
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.02)
    assert torch.allclose(seen[1][kept], seen[0][kept] / 0.75)


def test_the_scales_of_d_are_frozen_but_in_the_head(make_config):
    network = discriminator(make_config("dagan"), random())
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    scales = {name for name, _ in network.named_parameters() if name.endswith("original0")}
    assert frozen == scales - {"head.parametrizations.weight.original0"}
    assert len(frozen) == len(network.convolutions)


def test_the_start_gives_every_map_of_d_mean_zero_and_unit_variance(make_config):
    training = Training(make_config("dagan"))  # 40 images, all of them used
    outputs = []
    for layer in (*training.discriminator.convolutions, training.discriminator.head):
        layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    training.discriminator(training.data.train.images)
    *maps, logits = outputs
    for one in maps:
        assert torch.allclose(one.mean(dim=(0, 2, 3)), torch.zeros(one.shape[1]), atol=1e-4)
        assert torch.allclose(one.std(dim=(0, 2, 3), correction=0), torch.ones(one.shape[1]), atol=1e-3)
    assert torch.allclose(logits.mean(dim=0), torch.zeros(20), atol=1e-5)
    assert torch.allclose(logits.std(dim=0, correction=0), torch.full((20,), 0.1), atol=1e-4)


def test_the_start_gives_the_images_of_g_mean_zero_and_standard_deviation_a_tenth(make_config):
    config = make_config("dagan")
    training, outputs = Training(config), []
    training.generator.upward[-1].register_forward_hook(lambda module, inputs, output: outputs.append(output))
    latents = torch.rand(40, 8, generator=Streams(config.seed, torch.device("cpu"))["start.latents"])
    training.generator(latents, torch.arange(10).repeat(4))
    assert outputs[0].mean().item() == pytest.approx(0, abs=0.02)
    assert outputs[0].std().item() == pytest.approx(0.1, rel=0.1)  # the labels come in another order here


def test_the_label_changes_the_image_and_the_feature_is_the_input_of_the_head(make_config):
    config = make_config("dagan")
    d, g = discriminator(config, random()), generator(config, random())
    latents = torch.rand(2, 8, generator=random()).repeat(2, 1)
    images = g(latents, torch.tensor([0, 0, 1, 1]))
    assert not torch.allclose(images[:2], images[2:], atol=1e-4)
    logits, features = d(images)
    assert torch.equal(d.head(features), logits)


@pytest.mark.parametrize(("ratio", "steps", "weight"), [(1.0, 2, 0.5), (0.0, 1, 0.5), (0.5, 3, 0.0)])
@pytest.mark.parametrize("name", ["digits", "conv32"])
def test_pflop_is_what_pytorch_counts_on_real_steps(pictures, name, ratio, steps, weight):
    """The formula counts two gradients that no step takes: of D's input where D learns, and of G's latents."""
    config = pictures(
        data={"image_size": 32 if name == "conv32" else 8},
        network={"name": name, "width": 0.5},
        gan={"generator_steps": steps, "feature_matching_weight": weight},
        classifier={"batch_size": 16, "augmentation_ratio": ratio},
    )
    training = Training(config)
    first_of_d, first_of_g = discriminator_layers(config)[0].multiply_adds, generator_layers(config)[0].multiply_adds
    drawn = round(ratio * 16)
    for stage, step, untaken in (
        ("generation", training.generation_step, 2 * 16 * first_of_d + steps * 16 * first_of_g),
        ("classification", training.classification_step, (16 + drawn) * first_of_d),
    ):
        with FlopCounterMode(display=False) as counter:
            step()
        counted = pflop(config, stage=stage, iterations=1)
        assert 2 * untaken / 1e15 < 0.1 * counted
        assert counted - 2 * untaken / 1e15 == pytest.approx(counter.get_total_flops() / 1e15, rel=1e-9)


@pytest.mark.parametrize("method", ["c", "c_aug"])
def test_pflop_of_a_plain_classifier(make_config, method):
    config = make_config(method)
    assert pflop(config, stage="generation", iterations=10) == 0
    multiply_adds = sum(layer.multiply_adds for layer in discriminator_layers(config))
    # Forward, gradient of the weights, gradient of the input; a multiply-add counts as two.
    assert pflop(config, stage="classification", iterations=10) == pytest.approx(2 * 3 * multiply_adds * 16 * 10 / 1e15)
