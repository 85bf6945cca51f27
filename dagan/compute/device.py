"""What a training computes on: device, precision, memory format."""

import contextlib
from dataclasses import dataclass

import torch

from dagan.config import Config
from dagan.errors import refuse

MEMORY_FORMAT = torch.channels_last
"""Of images and weights. D's: 3 to 15 % faster steps than NCHW on one AVX-512 core, in float32 and in bfloat16.

G's: up to 5 % with `dcgan64` on two, as fast elsewhere, and the gradients of `transposed_convolution` need no copies.
"""


@dataclass(frozen=True)
class Machine:
    """The choices that `auto` stands for, made for the device at hand and recorded with the result."""

    device: torch.device
    precision: torch.dtype

    @property
    def name(self) -> str:
        """The device in words."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"{torch.backends.cpu.get_cpu_capability()} CPU"

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Run forward passes inside in the machine's precision; weights, averages and optimisers stay float32."""
        if self.precision is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)


def machine(config: Config) -> Machine:
    """Resolve a config's `compute` on this machine.

    Raises:
        InvalidInput: a device that is not there.
    """
    compute = config.compute
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu") if compute.device == "auto" else None
    try:
        device = device or torch.device(compute.device)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise refuse("compute.device", f"must be auto, cpu or cuda[:N], but is `{compute.device}`.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise refuse("compute.device", f"`{compute.device}` is not there: {torch.cuda.device_count()} CUDA devices.")
    precision = compute.precision
    if precision == "auto":
        # The small `digits` network gains nothing from half precision on a CPU.
        half = has_fast_bfloat16(device) and (device.type == "cuda" or config.network.name != "digits")
        precision = "bfloat16" if half else "float32"
    return Machine(device, {"bfloat16": torch.bfloat16, "float32": torch.float32}[precision])


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
