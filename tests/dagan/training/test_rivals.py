"""The GANs of the rivals: one per class side by side, against as many trained alone; and one that is told the class."""

import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d, leaky_relu, linear, softplus
from trainings import in_stage_2

from dagan.training.dataset import Labelled
from dagan.training.training import Training

CLASSES = 10


class Alone:
    """The GAN of one class in PyTorch's own terms, from that class's slice of the weights of the networks in one."""

    def __init__(self, generation, label, optimiser):
        d, g = generation.discriminator.network, generation.generator.network
        self.layers = {"d": [*d.convolutions, d.head], "g": [g.linear, *g.upward]}
        self.size = g.size
        self.d = {name: own_slice(value, label) for name, value in d.named_parameters()}
        self.g = {name: own_slice(value, label) for name, value in g.named_parameters()}
        learning = [[value for value in part.values() if value.requires_grad] for part in (self.d, self.g)]
        self.of_d, self.of_g = (
            torch.optim.Adam(values, lr=generation.gan.learning_rate, betas=(0.5, 0.999))
            if optimiser == "adam"
            else torch.optim.SGD(values, lr=generation.gan.learning_rate, momentum=0.5)
            for values in learning
        )

    def weight(self, weights, name, axis):
        """A layer's weight; with weight normalisation scale · direction / length of each output map."""
        weight, scale = weights[f"{name}.weight"], weights.get(f"{name}.scale")
        if scale is None:
            return weight
        other = [index for index in range(weight.dim()) if index != axis]
        shape = [-1 if index == axis else 1 for index in range(weight.dim())]
        return scale.reshape(shape) * weight / weight.square().sum(dim=other, keepdim=True).sqrt()

    def judge(self, images):
        maps = images
        *convolutions, _ = self.layers["d"]
        for index, module in enumerate(convolutions):
            name, layer = f"convolutions.{index}", module.layer
            weight = self.weight(self.d, name, 0)
            maps = leaky_relu(conv2d(maps, weight, self.d[f"{name}.bias"], layer.stride, layer.padding), 0.2)
        return linear(maps.mean(dim=(2, 3)), self.weight(self.d, "head", 0), self.d["head.bias"])

    def make(self, latents):
        def normed(maps, index):
            return torch.relu(batch_norm(maps, None, None, None, self.g[f"norms.{index}.bias"], training=True))

        maps = normed(linear(latents, self.g["linear.weight"], self.g["linear.bias"]), 0)
        maps = maps.reshape(len(maps), -1, self.size, self.size)
        last = len(self.layers["g"]) - 2
        for index in range(last + 1):
            weight, bias = self.weight(self.g, f"upward.{index}", 1), self.g[f"upward.{index}.bias"]
            maps = conv_transpose2d(maps, weight, bias, 2, 2, 1)
            maps = torch.tanh(maps) if index == last else normed(maps, index + 1)
        return maps

    def step(self, real, latents):
        """Two steps of G and one of D, eq. (1)."""
        *first, last = latents
        for z in first:
            self.learn(self.of_g, softplus(-self.judge(self.make(z))).mean())
        made = self.make(last).detach()
        self.learn(self.of_d, softplus(-self.judge(real)).mean() + softplus(self.judge(made)).mean())

    def learn(self, optimiser, loss):
        self.of_d.zero_grad()
        self.of_g.zero_grad()
        loss.backward()
        optimiser.step()


def own_slice(value, label):
    """The slice of a parameter of networks side by side that is one network's own."""
    return value.detach().chunk(CLASSES)[label].clone().requires_grad_(value.requires_grad)


@pytest.mark.parametrize("weight_norm", [True, False])
@pytest.mark.parametrize(("optimiser", "rate"), [("sgd", 0.05), ("adam", 1e-3)])
@pytest.mark.parametrize("network", ["digits", "conv32"])
def test_grouped_networks_learn_what_each_learns_alone(make_config, monkeypatch, weight_norm, optimiser, rate, network):
    """In float64: batch norm on a few images makes much of float32's rounding, and Adam of any."""
    settings = {
        "network.name": network,
        "network.width": 0.125 if network == "digits" else 0.05,
        "network.weight_norm": weight_norm,
        "gan.noise": 0.0,
        "network.dropout": 0.0,
        "gan.learning_rate": rate,
        "gan.discriminator_optimiser": optimiser,
        "gan.generator_optimiser": optimiser,
        "classifier.batch_size": 40,
    }
    together = Training(make_config("vanilla_gan", settings)).generation
    together.discriminator.network.double()
    together.generator.network.double()
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    alone = [Alone(together, label, optimiser) for label in range(CLASSES)]
    start = [{name: value.detach().clone() for name, value in (one.d | one.g).items()} for one in alone]
    fed, following, original = {"real": [], "latents": []}, together.batches.next, together.latents

    def spied_batch():
        batch, real = following()
        fed["real"].append(batch.images.double())
        return Labelled(fed["real"][-1], batch.labels), real

    def spied_latents(count, random):
        fed["latents"].append(original(count, random).double())
        return fed["latents"][-1]

    monkeypatch.setattr(together.batches, "next", spied_batch)
    monkeypatch.setattr(together, "latents", spied_latents)
    for iteration in range(4):
        for given in fed.values():
            given.clear()
        together.step(iteration)
        for label, one in enumerate(alone):
            one.step(fed["real"][0][label::CLASSES], [z[label::CLASSES] for z in fed["latents"]])
    learnt = dict(together.discriminator.network.named_parameters())
    learnt |= dict(together.generator.network.named_parameters())
    for label, one in enumerate(alone):
        for name, expected in (one.d | one.g).items():
            found = own_slice(learnt[name], label)
            assert torch.allclose(found, expected, rtol=0, atol=1e-7), (label, name)
        moved = max((one.d[name] - start[label][name]).abs().max().item() for name in one.d)
        assert moved > 1e-4


def test_the_batches_of_stage_1_hold_the_classes_in_turn(make_config):
    training = Training(make_config("vanilla_gan"))
    train, seen = training.data.train, []
    for _ in range(2):  # two batches of two of each class: all of the four, once
        batch, real = training.generation.batches.next()
        assert batch.labels.tolist() == [*range(10)] * 2
        assert real.all()
        for image, label in zip(batch.images, batch.labels, strict=True):
            (found,) = torch.nonzero((train.images == image).all(dim=(1, 2, 3)))
            assert train.labels[found] == label
            seen.append(found.item())
    assert sorted(seen) == list(range(40))


@pytest.mark.parametrize(("batch_size", "images"), [(2, 20), (16, 20), (26, 30), (40, 40)])
def test_each_gan_gets_its_share_of_a_batch_and_two_images_at_least(make_config, batch_size, images):
    training = Training(make_config("vanilla_gan", {"classifier.batch_size": batch_size}))
    assert len(training.generation.batches.next()[0]) == images


@pytest.mark.parametrize("count", [1, 16, 20, 33])
def test_drawn_images_come_from_all_classes_alike(make_config, count):
    drawn = Training(make_config("vanilla_gan")).generation.draw(torch.zeros(count, dtype=torch.int64), "pictures")
    turns = {1: 2, 16: 2, 20: 2, 33: 4}[count]
    assert drawn.labels.tolist() == [*range(10)] * turns
    assert len(drawn.images) == 10 * turns


@pytest.mark.parametrize("method", ["vanilla_gan", "dagan"])
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_no_class_is_cut_off_a_batch_more_than_another(make_config, monkeypatch, method, ratio):
    one = in_stage_2(make_config(method, {"classifier.augmentation_ratio": ratio})).classification
    monkeypatch.setattr(one.generated, "images_of", lambda network, z, labels: torch.zeros(len(labels), 1, 8, 8))
    labels = []
    for _ in range(200):
        _, batch, real = one.batch(0)
        labels.append(batch[~real])
    counts = torch.bincount(torch.cat(labels), minlength=10)
    expected = 200 * ratio * 16 / 10
    assert (counts - expected).abs().max() < 4.5 * (0.9 * expected) ** 0.5  # a cut at random varies less


def test_the_image_and_the_label_stay_together_in_a_cut(make_config, monkeypatch):
    one = in_stage_2(make_config("vanilla_gan", {"classifier.augmentation_ratio": 0.5})).classification
    paint = lambda network, z, labels: labels[:, None, None, None].float().expand(-1, 1, 8, 8)  # noqa: E731
    monkeypatch.setattr(one.generated, "images_of", paint)
    images, labels, real = one.batch(0)
    assert images[~real][:, 0, 0, 0].long().tolist() == labels[~real].tolist()


def test_the_generators_of_two_classes_are_two(make_config):
    """Equal latents give other images, and the latents of one class touch no image of another."""
    one = Training(make_config("vanilla_gan")).generation
    labels = torch.arange(10).repeat(2)
    latents = torch.rand(20, 8, generator=torch.Generator().manual_seed(0))
    before = one.generator.network(latents, labels)
    latents[3] += 1.0  # class 3
    after = one.generator.network(latents, labels)
    changed = (before - after).abs().amax(dim=(1, 2, 3)) > 1e-4
    assert changed.tolist() == [index % 10 == 3 for index in range(20)]  # both, by batch norm
    same = one.generator.network(
        torch.rand(2, 1, 8, generator=torch.Generator()).expand(-1, 10, -1).reshape(20, 8), labels
    )
    assert (same[0] - same[1]).abs().max() > 1e-3


def test_the_discriminator_of_cgan_is_told_the_label(make_config):
    training = Training(make_config("cgan"))
    d, images = training.generation.discriminator.network, training.data.train.images[:2]
    logits = [d(images, torch.full((2,), label))[0] for label in (3, 4)]
    assert (logits[0] - logits[1]).abs().min() > 1e-4
    seen = []
    d.convolutions[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    d(images, torch.tensor([3, 0]), torch.Generator().manual_seed(0))
    assert seen[0].shape == (2, 1 + 10, 8, 8)
    assert torch.equal(seen[0][:, :1], images)
    assert torch.equal(seen[0][:, 1:], torch.eye(10)[[3, 0]][:, :, None, None].expand(-1, -1, 8, 8))
