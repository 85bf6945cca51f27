"""DAGAN on conv32 as a competent user writes it in plain PyTorch: the rival of `engine.py`.

Eager float32, NCHW, a DataLoader over the images in memory, torch's own modules throughout (weight_norm, Dropout,
BatchNorm, Adam with its fused step, AveragedModel). The mathematics is that of `dagan` with its defaults:
pairwise loss, feature matching by batch, one D and two G steps, r = 1. Nothing here imports `dagan`.
"""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot, softplus
from torch.nn.utils.parametrizations import weight_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset


class GaussianNoise(nn.Module):
    """Adds N(0, σ²) while training."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, images: Tensor) -> Tensor:
        return images + self.sigma * torch.randn_like(images) if self.training else images


class Discriminator(nn.Module):
    """Table 2, right half."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            GaussianNoise(0.2),
            *conv(3, 96),
            *conv(96, 96),
            *conv(96, 96, stride=2),
            nn.Dropout(0.5),
            *conv(96, 192),
            *conv(192, 192),
            *conv(192, 192, stride=2),
            nn.Dropout(0.5),
            *conv(192, 192, padding=0),
            *conv(192, 192, kernel=1, padding=0),
            *conv(192, 192, kernel=1, padding=0),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = weight_norm(nn.Linear(192, 2 * classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return self.head(features), features


def conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, padding: int = 1) -> list[nn.Module]:
    """A weight-normalised convolution with its scale frozen, and its non-linearity."""
    layer = weight_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding))
    layer.parametrizations.weight.original0.requires_grad_(False)
    return [layer, nn.LeakyReLU(0.2, inplace=True)]


class Generator(nn.Module):
    """Table 2, left half."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.linear = nn.Sequential(nn.Linear(100 + classes, 8192), norm(nn.BatchNorm1d, 8192), nn.ReLU(inplace=True))
        self.first = nn.Sequential(up(512 + classes, 256), norm(nn.BatchNorm2d, 256), nn.ReLU(inplace=True))
        self.second = nn.Sequential(up(256 + classes, 128), norm(nn.BatchNorm2d, 128), nn.ReLU(inplace=True))
        self.last = nn.Sequential(weight_norm(up(128 + classes, 3), dim=1), nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        label = one_hot(labels, self.classes).float()
        maps = self.linear(torch.cat([latents, label], dim=1)).view(-1, 512, 4, 4)
        for layer in (self.first, self.second, self.last):
            planes = label[:, :, None, None].expand(-1, -1, *maps.shape[2:])
            maps = layer(torch.cat([maps, planes], dim=1))
        return maps


def up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """A doubling."""
    return nn.ConvTranspose2d(inputs, outputs, 5, 2, 2, output_padding=1)


def norm(kind: type[nn.Module], size: int) -> nn.Module:
    """Batch norm by the batch at hand, with a shift but no scale."""
    layer = kind(size, track_running_stats=False)
    layer.weight.requires_grad_(False)
    return layer


class PlainTraining:
    """The two loops, one iteration at a time."""

    def __init__(self, images: Tensor, labels: Tensor, *, classes: int, batch: int, device: torch.device) -> None:
        self.device = device
        loader = DataLoader(TensorDataset(images, labels), batch_size=batch, shuffle=True, drop_last=True)
        self.batches: Iterator[list[Tensor]] = itertools.chain.from_iterable(iter(loader) for _ in itertools.count())
        self.d, self.g = Discriminator(classes).to(device), Generator(classes).to(device)
        for module in itertools.chain(self.d.modules(), self.g.modules()):
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                normalised = getattr(module, "parametrizations", None)
                nn.init.normal_(normalised.weight.original1 if normalised else module.weight, 0, 0.05)
                nn.init.zeros_(module.bias)
        self.average = AveragedModel(self.d, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        self.d_optimiser, self.g_optimiser = (
            torch.optim.Adam(
                [p for p in network.parameters() if p.requires_grad], lr=3e-4, betas=(0.5, 0.999), fused=True
            )
            for network in (self.d, self.g)
        )

    def next_batch(self) -> list[Tensor]:
        """Images and labels on the device."""
        return [tensor.to(self.device) for tensor in next(self.batches)]

    def latents(self, labels: Tensor) -> Tensor:
        """z, uniform on [0, 1)."""
        return torch.rand(len(labels), 100, device=self.device)

    def generation_step(self) -> None:
        """One D step and two G steps."""
        real, labels = self.next_batch()
        with torch.no_grad():
            fake = self.g(self.latents(labels), labels)
        logits, _ = self.d(torch.cat([real, fake]))
        on_real, on_fake = logits.chunk(2)
        loss = softplus(-realness(on_real, labels)).mean() + softplus(realness(on_fake, labels)).mean()
        self.d_optimiser.zero_grad()
        loss.backward()
        self.d_optimiser.step()
        self.average.update_parameters(self.d)

        self.d.requires_grad_(False)
        with torch.no_grad():
            _, real_features = self.d(real)
        for _ in range(2):
            logits, features = self.d(self.g(self.latents(labels), labels))
            matching = (real_features.mean(dim=0) - features.mean(dim=0)).abs().mean()
            loss = softplus(-realness(logits, labels)).mean() + 0.5 * matching
            self.g_optimiser.zero_grad()
            loss.backward()
            self.g_optimiser.step()
        for name, parameter in self.d.named_parameters():
            parameter.requires_grad_("body" not in name or "original0" not in name)

    def classification_step(self) -> None:
        """One step of D on real and freshly generated images."""
        real, labels = self.next_batch()
        with torch.no_grad():
            fake = self.g(self.latents(labels), labels)
        logits, _ = self.d(torch.cat([real, fake]))
        on_real, on_fake = sum(logits.chunk(2, dim=1)).chunk(2)
        loss = cross_entropy(on_real, labels) + cross_entropy(on_fake, labels)
        self.d_optimiser.zero_grad()
        loss.backward()
        self.d_optimiser.step()
        self.average.update_parameters(self.d)


def realness(logits: Tensor, labels: Tensor) -> Tensor:
    """l_y − l_{K+y}."""
    index = labels[:, None]
    return (logits.gather(1, index) - logits.gather(1, index + logits.shape[1] // 2))[:, 0]
