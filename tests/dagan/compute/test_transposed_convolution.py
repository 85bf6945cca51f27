"""The transposed convolution whose gradients are products of matrices, against PyTorch's own."""

import pytest
import torch
from torch.nn.functional import conv_transpose2d

from dagan.compute.transposed_convolution import ByMatrices, transposed_convolution
from dagan.config import Config
from dagan.networks.build import generator

KERNELS = {"conv32": (5, 2, 2), "dcgan64": (4, 2, 1), "stride 3": (5, 3, 1)}
"""Kernel, stride and padding."""


def drawn(kernel, size, dtype):
    """Inputs, weight and bias that take gradients, numbers of maps all different."""
    random = torch.Generator().manual_seed(0)
    shapes = ((3, 4, *size), (4, 6, kernel, kernel), (6,))
    return [torch.randn(shape, generator=random, dtype=dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 5)], ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_it_and_its_gradients_are_pytorchs_own(kernel, size, memory_format):
    kernel, stride, padding = kernel
    inputs, weight, bias = values = drawn(kernel, size, torch.float64)
    laid = inputs.to(memory_format=memory_format), weight.to(memory_format=memory_format)
    outputs = ByMatrices.apply(*laid, bias, stride, padding)
    expected = conv_transpose2d(inputs, weight, bias, stride, padding, stride + 2 * padding - kernel)
    assert outputs.shape == (3, 6, size[0] * stride, size[1] * stride)
    assert torch.allclose(outputs, expected, rtol=0, atol=1e-10)
    towards = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = torch.autograd.grad(outputs, values, towards)
    for gradient, other in zip(gradients, torch.autograd.grad(expected, values, towards), strict=True):
        assert other.abs().max() > 1
        assert torch.allclose(gradient, other, rtol=0, atol=1e-10)


def test_in_bfloat16_it_is_as_close_to_the_truth_as_pytorchs_own():
    inputs, weight, bias = values = drawn(5, (4, 4), torch.float32)
    settings = {"stride": 2, "padding": 2}
    exact = conv_transpose2d(*(value.double() for value in values), **settings, output_padding=1)
    truth = torch.autograd.grad(exact.square().sum(), values)
    for own in (transposed_convolution, lambda *all_, **same: conv_transpose2d(*all_, **same, output_padding=1)):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = own(inputs.bfloat16(), weight, bias, **settings)
        for gradient, true in zip(torch.autograd.grad(outputs.square().sum(), values), truth, strict=True):
            assert gradient.dtype is torch.float32
            assert (gradient - true).norm() < 0.01 * true.norm()


OWN, TORCHS = "ByMatricesBackward", "ConvolutionBackward0"


@pytest.mark.parametrize(
    ("method", "precision", "wanted"),
    [
        ("dagan", torch.bfloat16, [OWN, OWN, TORCHS]),  # from 4x4 and 8x8, but not from 16x16 pixels
        ("dagan", torch.float32, [TORCHS] * 3),
        ("vanilla_gan", torch.bfloat16, [TORCHS] * 3),
    ],
)
def test_small_layers_in_bfloat16_go_by_matrices_and_no_others(ten_classes, method, precision, wanted):
    data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2}
    config = Config.of({"method": method, "data": data, "network": {"name": "conv32", "width": 0.1}})
    network, found = generator(config, torch.Generator().manual_seed(0)), []
    for layer in network.upward:
        layer.register_forward_hook(lambda module, inputs, output: found.append(output.grad_fn.name()))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
        network(torch.rand(20, 100), torch.arange(10).repeat(2))
    assert found == wanted
