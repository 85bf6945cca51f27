"""The networks: Table 2 of the paper, sizes, the data-dependent start, counted operations."""

import pytest
import torch
from torch.nn.utils.parametrizations import weight_norm

from dagan.config import Config
from dagan.nested import merged
from dagan.networks.build import discriminator, generator
from dagan.networks.layer_tables import Layer, discriminator_layers, generator_layers
from dagan.networks.layers import Weighted
from dagan.training.training import Training


def parameters(network):
    """The number of weights, scales of weight norm left out: they add nothing to what a layer can be."""
    return sum(value.numel() for name, value in network.named_parameters() if not name.endswith("scale"))


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
            if "bias" not in name and "norms" not in name and "scale" not in name:
                assert not torch.equal(a, values[name]), name


@pytest.mark.parametrize("normalised", [True, False])
def test_weights_start_with_standard_deviation_0_05_and_no_bias(pictures, normalised):
    config = pictures(network={"weight_norm": normalised, "width": 0.5})
    for network in (discriminator(config, random()), generator(config, random())):
        for layer in network.modules():
            if isinstance(layer, Weighted):
                assert layer.weight.std().item() == pytest.approx(0.05, rel=0.1)  # 960 weights and more
                assert not layer.bias.any()


def test_dropout_needs_a_generator(make_config):
    config = make_config("dagan")
    network, images = discriminator(config, random()), images_for(config)
    assert torch.equal(network(images)[0], network(images)[0])
    assert torch.equal(network.train()(images)[0], network.eval()(images)[0])
    assert torch.equal(network(images, random=random())[0], network(images, random=random())[0])
    assert not torch.equal(network(images, random=random())[0], network(images, random=random(1))[0])
    assert not torch.equal(network(images, random=random())[0], network(images)[0])


@pytest.mark.parametrize("dropout", [0.5, 0.0])
def test_dropout_is_a_switch(make_config, dropout):
    config = make_config("dagan", {"network.dropout": dropout})
    network, images = discriminator(config, random()), images_for(config)
    assert torch.equal(network(images, random=random())[0], network(images)[0]) == (dropout == 0)


@pytest.mark.parametrize("method", ["dagan", "cgan"])
def test_the_noise_of_each_stage_has_the_standard_deviation_of_the_config(make_config, method):
    changes = {"gan.noise": 0.1, "classifier.noise": 0.2, "network.dropout": 0.0, "classifier.batch_size": 100}
    training = Training(make_config(method, changes))
    training.begin_classification()
    for stage, sigma in ((training.generation, 0.1), (training.classification, 0.2)):
        batch, seen = stage.batches.next()[0], []
        network = stage.discriminator.network if stage is training.generation else stage.learner.network
        hook = network.convolutions[0].register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        stage.judged(*([batch.images, batch.labels] if stage is training.generation else [batch.images]))
        hook.remove()
        added = seen[0][:, :1] - batch.images
        assert added.std().item() == pytest.approx(sigma, rel=0.05)  # 6,400 pixels
        assert added.mean().item() == pytest.approx(0, abs=0.01)
        assert set(seen[0][:, 1:].unique().tolist()) <= {0.0, 1.0}  # none on the label


def test_dropout_keeps_the_mean_and_drops_its_share(make_config):
    config = make_config("dagan", {"network.dropout": 0.25})
    network, seen = discriminator(config, random()), []
    dropped = next(index for index, layer in enumerate(network.convolutions) if layer.layer.dropout)
    network.convolutions[dropped + 1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = images_for(config, 200)
    network(images)
    network(images, random=random())
    kept = seen[1] != 0
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.02)
    assert torch.allclose(seen[1][kept], seen[0][kept] / 0.75)


def test_the_scales_of_d_are_frozen_but_in_the_head(make_config):
    network = discriminator(make_config("dagan"), random())
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    scales = {name for name, _ in network.named_parameters() if name.endswith("scale")}
    assert frozen == scales - {"head.scale"}
    assert len(frozen) == len(network.convolutions)


@pytest.mark.parametrize("method", ["c", "dagan", "semi_gan", "cgan", "vanilla_gan"])
def test_the_start_gives_every_map_of_d_mean_zero_and_unit_variance(make_config, method):
    training = Training(make_config(method))
    train = training.data.train  # 40 images, all of them used
    d, in_turn = (
        training.trained.network if method == "c" else training.generation.discriminator.network,
        torch.arange(40),
    )
    if method == "vanilla_gan":  # 4 images of each class, one of each in turn
        in_turn = in_turn.reshape(10, 4).T.flatten()
    outputs = []
    for layer in (*d.convolutions, d.head):
        # A copy: the non-linearity that follows works in place.
        layer.register_forward_hook(lambda module, inputs, output: outputs.append(output.clone()))
    d(train.images[in_turn], train.labels[in_turn])
    *maps, logits = outputs
    for one in maps:
        assert torch.allclose(one.mean(dim=(0, 2, 3)), torch.zeros(one.shape[1]), atol=1e-4)
        assert torch.allclose(one.std(dim=(0, 2, 3), correction=0), torch.ones(one.shape[1]), atol=1e-3)
    assert torch.allclose(logits.mean(dim=0), torch.zeros(logits.shape[1]), atol=1e-5)
    assert torch.allclose(logits.std(dim=0, correction=0), torch.full((logits.shape[1],), 0.1), atol=1e-4)


def test_g_starts_plain_as_in_the_released_code(make_config):
    last = Training(make_config("dagan")).generation.generator.network.upward[-1]
    assert last.scale.eq(1).all()
    assert last.scale.requires_grad
    assert last.bias.eq(0).all()


@pytest.mark.parametrize("name", ["digits", "dcgan64", "vgg16"])
def test_the_head_computes_in_float32_whatever_the_precision_around_it(pictures, name):
    network = {"name": name, "width": 0.25} | ({"pretrained": False} if name == "vgg16" else {})
    d, dtypes = discriminator(pictures(network=network), random()), {}
    d.head.register_forward_hook(lambda _, inputs, output: dtypes.update(head=(inputs[0].dtype, output.dtype)))
    body = next(layer for layer in d.modules() if isinstance(layer, Weighted) and layer is not d.head)
    body.register_forward_hook(lambda _, inputs, output: dtypes.update(body=output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        d(torch.randn(4, 3, 32, 32, generator=random()))
    assert dtypes == {"body": torch.bfloat16, "head": (torch.float32, torch.float32)}


def test_the_label_changes_the_image_and_the_feature_is_the_input_of_the_head(make_config):
    config = make_config("dagan")
    d, g = discriminator(config, random()), generator(config, random())
    latents = torch.rand(2, 8, generator=random()).repeat(2, 1)
    images = g(latents, torch.tensor([0, 0, 1, 1]))
    assert not torch.allclose(images[:2], images[2:], atol=1e-4)
    logits, features = d(images)
    assert torch.equal(d.head(features), logits)


LAYERS = [
    Layer("conv", 3, 5, 3, 2, 1, 4),
    Layer("conv", 4, 6, 3, 1, 0, 6),
    Layer("transposed", 5, 3, 5, 2, 2, 16),
    Layer("linear", 7, 4, 1, 1, 0, 1),
]


def inputs_of(layer, groups=1):
    """A batch of six, of size 8 where it has a size."""
    return torch.randn(6, groups * layer.inputs, *([] if layer.kind == "linear" else [8, 8]), generator=random(3))


def filled(layer, groups=1):
    """A layer with weights, biases and, for weight normalisation, scales of every kind."""
    module = Weighted(layer, groups)
    module.normalise(learns=True)
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.normal_(generator=random(index))
    return module


def torchs_own(layer):
    """PyTorch's layer of the same row, and the axis of its weight along which the output maps lie."""
    kind = {"conv": torch.nn.Conv2d, "transposed": torch.nn.ConvTranspose2d}.get(layer.kind)
    if kind is None:
        return torch.nn.Linear(layer.inputs, layer.outputs), 0
    outside = {"output_padding": 1} if layer.kind == "transposed" else {}
    made = kind(layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding, **outside)
    return made, int(layer.kind == "transposed")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer.kind}-{layer.stride}")
@pytest.mark.parametrize("normalised", [True, False])
def test_a_layer_and_its_gradients_are_those_of_torchs_own_weight_norm(layer, normalised):
    module, (own, axis) = filled(layer), torchs_own(layer)
    if normalised:
        weight_norm(own, dim=axis)
        values = {"bias": module.bias, "parametrizations.weight.original1": module.weight}
        scale = [1] * module.weight.dim()
        scale[axis] = -1
        values["parametrizations.weight.original0"] = module.scale.reshape(scale)
    else:
        module.scale = None
        values = {"bias": module.bias, "weight": module.weight}
    own.load_state_dict({name: value.detach().clone() for name, value in values.items()})
    inputs = inputs_of(layer)
    outputs, expected = module(inputs), own(inputs)
    assert outputs.shape[1:] == (layer.outputs, *([] if layer.kind == "linear" else [layer.size] * 2))
    assert torch.allclose(outputs, expected, atol=1e-5)
    outputs.square().sum().backward()
    expected.square().sum().backward()
    gradients = dict(own.named_parameters())
    for name, value in (("weight", module.weight), ("bias", module.bias), ("scale", module.scale)):
        if value is not None:
            theirs = {"weight": "parametrizations.weight.original1", "scale": "parametrizations.weight.original0"}
            other = gradients[theirs[name] if normalised and name in theirs else name].grad
            assert torch.allclose(value.grad, other.reshape(value.shape), rtol=1e-4, atol=1e-3), name


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer.kind}-{layer.stride}")
@pytest.mark.parametrize("normalised", [True, False])
def test_layers_side_by_side_are_as_many_separate_layers(layer, normalised):
    together, inputs = filled(layer, groups=3), inputs_of(layer, groups=3)
    if not normalised:
        together.scale = None
    outputs = together(inputs).chunk(3, dim=1)
    for index, (own, output) in enumerate(zip(inputs.chunk(3, dim=1), outputs, strict=True)):
        alone = Weighted(layer)
        alone.normalise(learns=True)
        with torch.no_grad():
            for name, parameter in alone.named_parameters():
                parameter.copy_(dict(filled(layer, groups=3).named_parameters())[name].chunk(3)[index])
        if not normalised:
            alone.scale = None
        assert torch.allclose(alone(own), output, atol=1e-5)
