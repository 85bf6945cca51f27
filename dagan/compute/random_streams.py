"""Named random streams: one generator per purpose, all derived from the seed, none of them the global one.

A stream's numbers depend on nothing but seed and name, so that two methods with the same seed draw the same
weights, batches, augmentations and latents, and a difference between them is not chance.
"""

import hashlib

import torch
from torch import Tensor


class Streams:
    """Random generators by purpose, made when first asked for."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.seed, self.device = seed, device
        self._generators: dict[str, torch.Generator] = {}

    def __getitem__(self, purpose: str) -> torch.Generator:
        if purpose not in self._generators:
            self._generators[purpose] = self.fresh(purpose)
        return self._generators[purpose]

    def fresh(self, purpose: str) -> torch.Generator:
        """Return a generator at the beginning of a stream, apart from the one in use: for what is drawn once."""
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        generator = torch.Generator(self.device)
        generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        return generator

    def state(self) -> dict[str, Tensor]:
        """Return the state of every stream in use."""
        return {purpose: generator.get_state() for purpose, generator in self._generators.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state; streams that it does not name start anew. Whoever holds a generator keeps it."""
        for purpose, generator in self._generators.items():
            generator.set_state(self.fresh(purpose).get_state())
        for purpose, value in state.items():
            self[purpose].set_state(value.cpu())


class BatchOrder:
    """Which images make up each batch: one random permutation after another, cut into batches.

    A set smaller than a batch is gone through several times within it, so all images count alike.
    """

    def __init__(self, images: int, generator: torch.Generator) -> None:
        self.images, self.generator = images, generator
        self.waiting = torch.empty(0, dtype=torch.int64, device=generator.device)

    def next(self, size: int) -> Tensor:
        """Return the indices of the next batch, shape (size,)."""
        while len(self.waiting) < size:
            order = torch.randperm(self.images, generator=self.generator, device=self.generator.device)
            self.waiting = torch.cat([self.waiting, order])
        batch, self.waiting = self.waiting[:size], self.waiting[size:]
        return batch
