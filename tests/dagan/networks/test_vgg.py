"""`vgg16`: torchvision's network layer by layer, its dropout, its start, and trainings with it."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import VGG16_Weights, vgg, vgg16
from torchvision.transforms.functional import normalize
from trainings import ran

from dagan.config import Config
from dagan.errors import InvalidInput
from dagan.methods import METHODS
from dagan.nested import merged
from dagan.networks import build as networks
from dagan.networks import imagenet_weights
from dagan.networks.build import discriminator, generator
from dagan.networks.flops import pflop
from dagan.networks.layer_tables import discriminator_layers, generator_layers
from dagan.networks.vgg import IMAGENET_MEAN, IMAGENET_STD, Vgg
from dagan.training.training import Training

WIDTH = 1 / 32


@pytest.fixture(scope="module")
def pictures(ten_classes):
    """A function from settings to a config of a `vgg16` of few maps on 32x32 pixels in colour, ten classes."""

    def make(method="dagan", **changes):
        data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2}
        data |= {"generated": str(ten_classes)} if METHODS[method].external else {}
        tiny = {"network": {"name": "vgg16", "width": WIDTH, "pretrained": False}, "classifier": {"iterations": 3}}
        tiny |= {"gan": {"iterations": 3, "latent_size": 8}} if METHODS[method].adversary else {}
        tiny["classifier"]["batch_size"] = 4
        return Config.of(merged({"method": method, "data": data, **tiny}, changes))

    return make


@pytest.fixture(scope="module")
def full(pictures):
    """A config of the whole network at the size of ImageNet's images."""
    return pictures("c", network={"width": 1.0}, data={"image_size": 224})


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def images_for(config, count=4):
    size, channels = config.facts.image_size, config.facts.channels
    return torch.rand(count, channels, size, size, generator=random(5)) * 2 - 1


def of_torchvision(network, outputs):
    """Torchvision's own VGG-16 with as many maps as a narrow one of ours."""
    maps = [value if value == "M" else round(value * WIDTH) for value in vgg.cfgs["D"]]
    theirs = vgg.VGG(vgg.make_layers(maps), num_classes=outputs)
    units = network.head.layer.inputs
    theirs.classifier[0] = torch.nn.Linear(49 * maps[-2], units)
    theirs.classifier[3] = torch.nn.Linear(units, units)
    theirs.classifier[6] = torch.nn.Linear(units, outputs)
    return theirs.eval()


def test_the_layers_are_those_of_vgg_16(full):
    layers = discriminator_layers(full)
    sizes = [224] * 2 + [112] * 2 + [56] * 3 + [28] * 3 + [14] * 3
    maps = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert [(one.kind, one.inputs, one.outputs, one.kernel, one.padding, one.size) for one in layers[:13]] == [
        ("conv", before, after, 3, 1, size) for before, after, size in zip(maps, maps[1:], sizes, strict=False)
    ]
    assert [index for index, one in enumerate(layers) if one.pooling] == [1, 3, 6, 9, 12]
    assert [index for index, one in enumerate(layers) if one.dropout] == [13, 14]
    assert [(one.kind, one.inputs, one.outputs) for one in layers[13:]] == [
        ("linear", 25088, 4096),
        ("linear", 4096, 4096),
        ("linear", 4096, 10),
    ]


def test_it_has_the_parameters_and_operations_that_torchvision_publishes(full):
    *body, head = discriminator_layers(full)
    layers = [*body, dataclasses.replace(head, outputs=1000)]
    with torch.device("meta"):
        network, theirs = Vgg(layers, dropout=0.5), vgg16()
        with FlopCounterMode(display=False) as counter:
            theirs(torch.empty(1, 3, 224, 224))
    assert sum(value.numel() for value in network.parameters()) == 138_357_544
    assert VGG16_Weights.IMAGENET1K_V1.meta["num_params"] == 138_357_544
    multiply_adds = sum(layer.multiply_adds for layer in layers)
    assert 2 * multiply_adds == counter.get_total_flops()
    assert round(multiply_adds / 1e9, 2) == VGG16_Weights.IMAGENET1K_V1.meta["_ops"] == 15.47
    shapes = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    assert network.imagenet_shapes() == shapes


@pytest.mark.parametrize("size", [32, 48, 64])
def test_it_computes_what_torchvision_computes(pictures, size):
    config = pictures("c", data={"image_size": size})
    network, images = discriminator(config, random()), images_for(config)
    theirs = of_torchvision(network, 10)
    state = theirs.state_dict()
    network.adopt(state, random())
    network.head.weight.data.copy_(state["classifier.6.weight"])
    network.head.bias.data.copy_(state["classifier.6.bias"])
    logits, features = network(images)
    expected = theirs(normalize((images + 1) / 2, IMAGENET_MEAN, IMAGENET_STD))
    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-5)
    assert features.shape == (4, 128)
    assert (features >= 0).all()


def test_grey_images_are_repeated_to_three_channels(pictures):
    config = pictures("c", data={"channels": 1})
    network, grey = discriminator(config, random()), images_for(config)
    assert torch.equal(network(grey)[0], network(grey.repeat(1, 3, 1, 1))[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_of_every_method_fit_together(pictures, method, channels):
    config = pictures(method, data={"channels": channels})
    images, labels = images_for(config, 20), torch.arange(10).repeat(2)
    if config.gan:
        images = generator(config, random())(torch.rand(20, 8, generator=random()), labels)
        logits, features = discriminator(config, random(), "generation")(images, labels)
        outputs = {"binary": 1, "conditional": 1, "extra": 11, "doubled": 20}[config.row.adversary]
        assert (logits.shape, features.shape) == ((20, outputs), (20, 128))
    assert images.shape == (20, channels, 32, 32)
    outputs = {"extra": 11, "doubled": 20}.get(config.row.adversary, 10)
    assert discriminator(config, random())(images)[0].shape == (20, outputs)


def test_g_is_that_of_conv32_deepened_to_the_image_size(pictures):
    rows = [(one.kind, one.outputs, one.kernel) for one in generator_layers(pictures(data={"image_size": 64}))]
    assert rows == [
        ("linear", 16 * 16, 1),
        ("transposed", 8, 5),
        ("transposed", 4, 5),
        ("transposed", 2, 5),
        ("transposed", 3, 5),
    ]


def test_dropout_draws_from_the_generator_that_is_passed_in_alone(pictures):
    config = pictures("c")
    network, images = discriminator(config, random()), images_for(config)
    state = torch.get_rng_state()
    one, same, other = (network.train()(images, random=random(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(network(images)[0], network.eval()(images)[0])


def test_dropout_follows_both_hidden_layers_with_the_rate_of_the_config(pictures):
    config = pictures("c", network={"dropout": 0.25})
    network, images, seen = discriminator(config, random()), images_for(config, 100), []
    for layer in (network.hidden[1], network.head):
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(images)
    network(images, random=random())
    alive = seen[0] != 0
    assert (seen[2][alive] != 0).float().mean().item() == pytest.approx(0.75, abs=0.02)
    kept = alive & (seen[2] != 0)
    assert torch.allclose(seen[2][kept], seen[0][kept] / 0.75, rtol=1e-4)
    share = [(one != 0).float().mean().item() for one in (seen[1], seen[3])]
    assert share[1] < 0.9 * share[0]


def test_fresh_weights_keep_the_signal_through_all_layers(pictures):
    network = discriminator(pictures("c", network={"width": 0.25}), random())
    images, seen = torch.randn(4, 3, 32, 32, generator=random()), []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(images)
    assert 0.1 < seen[0].square().mean().sqrt().item() < 10  # from N(0, 0.05²) it would be 1e-4
    for row in network.named_rows().values():
        std = (2 / row.weight[0].numel()) ** 0.5
        assert row.weight.std().item() == pytest.approx(std, rel=0.1)
        assert not row.bias.any()
    assert network.head.weight.std().item() == pytest.approx(0.05, rel=0.1)


def test_adopted_weights_are_new_only_in_the_head_and_the_filters_of_labels(pictures):
    plain = discriminator(pictures("c"), random())
    state = of_torchvision(plain, 1000).state_dict()
    told = discriminator(pictures("cgan"), random(), "generation")
    told.adopt(state, random(1))
    for name, row in told.named_rows().items():
        assert torch.equal(row.weight[:, :3] if name == "features.0" else row.weight, state[f"{name}.weight"])
        assert torch.equal(row.bias, state[f"{name}.bias"])
    labels = told.convolutions[0].weight[:, 3:]
    assert labels.shape[1] == 10
    for new in (labels, told.head.weight):
        assert new.std().item() == pytest.approx(0.05, rel=0.25)
    assert not told.head.bias.any()

    separate = discriminator(pictures("vanilla_gan"), random(), "generation")
    separate.adopt(state, random(1))
    image = images_for(pictures("c"), 1).repeat(10, 1, 1, 1)
    logits, features = separate(image)
    assert torch.allclose(features, features[:1].expand(10, -1), atol=1e-5)
    assert len(set(logits[:, 0].tolist())) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"image_size": 28}}, "network.name: vgg16 needs images of 32 pixels or more, not 28."),
        (
            {"network": {"pretrained": True}},
            "network.width: must be 1 with ImageNet's weights, but is 0.03125. Or set `network.pretrained: false`.",
        ),
        ({"network": {"weight_norm": True}}, "network.weight_norm: must be false for vgg16: it would undo the start."),
        ({"network": {"name": "conv32"}}, "network.pretrained: reaches nothing in conv32. Remove it."),
    ],
)
def test_what_does_not_fit_is_refused(pictures, changes, message):
    with pytest.raises(InvalidInput) as caught:
        pictures(**changes)
    assert str(caught.value) == message


def test_pretrained_is_the_default_of_vgg16_alone_and_part_of_the_signature(ten_classes, pictures):
    data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2}
    default = Config.of({"data": data, "network": {"name": "vgg16"}})
    fresh = Config.of({"data": data, "network": {"name": "vgg16", "pretrained": False}})
    assert (default.network.pretrained, fresh.network.pretrained) == (True, False)
    assert default.signature != fresh.signature
    assert Config.of(default.model_dump()) == default
    elsewhere = Config.of({"data": data, "network": {"name": "vgg16", "pretrained": None, "weights": "somewhere"}})
    assert elsewhere.signature == default.signature
    assert Config.of({"data": data}).network.pretrained is None


def test_it_trains_in_bfloat16(pictures):
    assert ran(pictures(compute={"precision": "bfloat16"})).result().status == "completed"


def test_pflop_is_what_pytorch_counts_on_real_steps(pictures):
    """The formula counts two gradients that no step takes: of D's input where D learns, and of G's latents."""
    config = pictures(network={"width": 0.1}, classifier={"augmentation_ratio": 0.5})
    training = Training(config)
    training.begin_classification()
    first_of_d, first_of_g = discriminator_layers(config)[0].multiply_adds, generator_layers(config)[0].multiply_adds
    for stage, step, untaken in (
        ("generation", training.generation.step, 2 * 4 * first_of_d + 2 * 4 * first_of_g),
        ("classification", training.classification.step, 6 * first_of_d),
    ):
        with FlopCounterMode(display=False) as counter:
            step(0)
        counted = pflop(config, stage=stage, iterations=1) - 2 * untaken / 1e15
        assert counted == pytest.approx(counter.get_total_flops() / 1e15, rel=1e-9)


def test_networks_whose_weights_come_from_a_file_do_not_look_for_imagenets(pictures, monkeypatch):
    config = pictures(network={"name": "vgg16", "pretrained": False, "width": 1 / 32})
    pretrained = config.model_copy(update={"network": config.network.model_copy(update={"pretrained": True})})
    monkeypatch.setattr(imagenet_weights, "imagenet_weights", lambda *args: pytest.fail("it was looked for"))
    made = networks.discriminator(networks.unstarted(pretrained), torch.Generator().manual_seed(0))
    alike = networks.discriminator(config, torch.Generator().manual_seed(0))
    assert {k: v.shape for k, v in made.state_dict().items()} == {k: v.shape for k, v in alike.state_dict().items()}
