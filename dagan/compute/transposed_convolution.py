"""The transposed convolution of G, with gradients by products of matrices where those are faster.

Where: on a CPU in bfloat16 with small inputs. In full-width conv32, batch 100, on 2 AVX-512 cores, the gradients of
4x4 → 8x8 pixels take oneDNN 49 ms and those of 8x8 → 16x16 41 ms, at 440 and 530 GFLOP/s; by matrices 32 and 35 ms.
With larger inputs oneDNN is the faster one, and in float32 too.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv_transpose2d, pad

LARGEST = 8
"""Height and width of the largest inputs for which matrices are faster."""


def transposed_convolution(
    inputs: Tensor, weight: Tensor, bias: Tensor, *, stride: int, padding: int, groups: int = 1
) -> Tensor:
    """Apply the transposed convolution that multiplies height and width by the stride."""
    if groups == 1 and inputs.is_cpu and inputs.dtype is torch.bfloat16 and inputs.shape[-1] <= LARGEST:
        # As autocast would do, but inside of the function, where its gradients know nothing of it.
        weight, bias = weight.to(inputs.dtype), bias.to(inputs.dtype)
        outputs: Tensor = ByMatrices.apply(inputs, weight, bias, stride, padding)
        return outputs
    return conv_transpose2d(inputs, weight, bias, stride, padding, outside(weight, stride, padding), groups)


def outside(weight: Tensor, stride: int, padding: int) -> int:
    """Return the rows and columns that no window ends with, so that height and width are multiplied by the stride."""
    return stride + 2 * padding - weight.shape[-1]


class ByMatrices(torch.autograd.Function):
    """A transposed convolution without groups whose gradients are products of matrices.

    It multiplies each input pixel with the whole weight and adds the product to the pixel's window of the outputs. So
    the gradient of a pixel is that of its window times the weight, and the gradient of the weight is the sum over all
    pixels of pixel times window. As many multiplications as a convolution's own gradients have.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        """Compute it by oneDNN, which no product of matrices and sum over windows beats."""
        ctx.save_for_backward(inputs, weight)
        ctx.stride, ctx.padding = stride, padding
        return conv_transpose2d(inputs, weight, bias, stride, padding, outside(weight, stride, padding))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Return the gradients of inputs, weight and bias."""
        inputs, weight = (maps_last(tensor) for tensor in ctx.saved_tensors)
        windows = windows_of(maps_last(gradient), weight.shape[1], ctx.stride, ctx.padding)
        pixels, taps = inputs.flatten(0, 2), weight.flatten(1)
        of_inputs, of_weight = (windows @ taps.T).reshape(inputs.shape), (pixels.T @ windows).reshape(weight.shape)
        return maps_second(of_inputs), maps_second(of_weight), gradient.sum(dim=(0, 2, 3)), None, None


def windows_of(outputs: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Return the window of each input pixel in the outputs, their maps last, as one row per pixel."""
    behind = kernel - stride - padding  # the last window begins a stride before the end of the outputs
    padded = pad(outputs, (0, 0, padding, behind, padding, behind))
    windows = padded.unfold(1, kernel, stride).unfold(2, kernel, stride)
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)


def maps_last(tensor: Tensor) -> Tensor:
    """Return axes (0, maps, height, width) as (0, height, width, maps): in channels last memory nothing moves."""
    return tensor.permute(0, 2, 3, 1)


def maps_second(tensor: Tensor) -> Tensor:
    """Undo `maps_last`."""
    return tensor.permute(0, 3, 1, 2)
