"""Images of one set that nearly equal one of another: test images that are training images too, or generated copies.

Found by their pixels, without a trained network: the same picture saved anew, mirrored, shifted by a few pixels, cut
off a little at its edges, or brighter. The rule adapts to the images: two sevens of MNIST are far more alike than two
photographs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dagan.data.images import Pixels
from dagan.data.splits import Indices

SIDE = 32
"""Larger images are compared at this size, pixels."""
NEIGHBOURS = 4
"""Originals that each view of a candidate is compared with in detail."""
FREQUENCIES = 8
"""Of the spectrum: the lowest, in either direction."""
DETAIL = 5
"""Pixels per side of the neighbourhood whose mean is taken off."""
ZOOM = 28
"""A copy may be larger or smaller by one pixel in 28 at each edge."""
REACH = 10
"""A copy may be shifted by a tenth of the side, in either direction."""
CALIBRATION = 2000
"""Originals whose likeness to the other originals says what is usual."""
UNUSUAL = 7.0
"""A copy is so many times as far above the median, in Fisher's z, as the upper quartile of the originals."""
LEAST, MOST = 0.6, 0.995
"""Bounds of the similarity that makes a copy."""
BLOCK = 200
SMALL = 1e-6
"""Added where nothing is drawn: two empty images are equal, an empty one and another are not."""
Grey = Tensor
"""Grey images 0…255, bytes or numbers, of shape (images, side, side)."""


@dataclass(frozen=True)
class NearCopies:
    """Pairs that nearly coincide, in the order of the candidates; at most one for each candidate."""

    candidates: Indices
    originals: Indices
    """The original that each of these candidates is most like."""
    similarity: NDArray[np.float64]
    """Of each pair: correlation of the details, −1…1, best aligned; 1 for equal images."""
    threshold: float
    """The least similarity that makes a pair."""

    def __len__(self) -> int:
        return len(self.candidates)


def near_copies(originals: Pixels, candidates: Pixels) -> NearCopies:
    """Find the candidates that nearly equal an original; both of one size and number of channels.

    Each candidate, mirrored or not, larger, smaller or as it is, is compared with the originals of the most similar
    spectrum: the correlation of grey values less their local mean, best shifted. How alike images are that are no
    copies is seen from the originals themselves. The same on every call; a minute for 10,000 in 50,000 images of 32
    pixels on one core.
    """
    if not (len(originals) and len(candidates)):
        nothing = np.empty(0, dtype=np.int64)
        return NearCopies(nothing, nothing, np.empty(0), MOST)
    with one_thread():
        known = Originals.of(originals)
        threshold = usual_threshold(known)
        similarity, nearest = known.most_alike(grey(candidates))
    found = np.flatnonzero(similarity >= threshold)
    return NearCopies(found, nearest[found], similarity[found], threshold)


def copies_within(pixels: Pixels) -> NearCopies:
    """Find the images that nearly equal an earlier one of the same set, each with the image that it is most like."""
    if len(pixels) < 2:
        return near_copies(pixels[:0], pixels)
    with one_thread():
        known = Originals.of(pixels)
        threshold = usual_threshold(known)
        similarity, nearest = known.most_alike(known.grey, own=np.arange(len(pixels)))
    found = np.flatnonzero((similarity >= threshold) & (nearest < np.arange(len(pixels))))
    return NearCopies(found, nearest[found], similarity[found], threshold)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, as more of them change last bits, and with these which pairs are just alike enough."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Originals:
    """The images that others may be copies of, ready to be searched."""

    grey: Grey
    mean: Tensor
    scale: Tensor
    """Of each frequency's magnitude over all originals."""
    spectra: Tensor
    """By these, as unit vectors: shape (images, frequencies)."""

    @classmethod
    def of(cls, pixels: Pixels) -> "Originals":
        """Take the spectra of images."""
        known = grey(pixels)
        spectra = torch.cat([magnitudes(block) for block in known.split(BLOCK)])
        mean, scale = spectra.mean(dim=0), spectra.std(dim=0, correction=0).clamp_min(SMALL)
        return cls(known, mean, scale, F.normalize((spectra - mean) / scale))

    def most_alike(self, asked: Grey, own: Indices | None = None) -> tuple[NDArray[np.float64], Indices]:
        """Return the similarity of each image and the original that it is most like, and which that is.

        `own`: the originals that the images are, which do not count.
        """
        found = []
        for start in range(0, len(asked), BLOCK):
            block = asked[start : start + BLOCK]
            same = None if own is None else torch.from_numpy(own[start : start + BLOCK])
            alike, chosen = zip(*(self.compared(view, same) for view in views(block)), strict=True)
            best, place = torch.cat(alike, dim=1).max(dim=1)
            found.append((best, torch.cat(chosen, dim=1).gather(1, place[:, None])[:, 0]))
        similarity, nearest = (torch.cat(parts) for parts in zip(*found, strict=True))
        return similarity.double().numpy(), nearest.numpy()

    def compared(self, asked: Grey, same: Tensor | None) -> tuple[Tensor, Tensor]:
        """Compare images as they stand with a few originals each: similarities and indices, (images, originals)."""
        likeness = F.normalize((magnitudes(asked) - self.mean) / self.scale) @ self.spectra.T
        if same is not None:
            likeness[torch.arange(len(asked)), same] = -torch.inf
        chosen = likeness.topk(min(NEIGHBOURS, len(self.grey) - (same is not None)), dim=1).indices
        originals = details(self.grey[chosen].flatten(0, 1)).unflatten(0, chosen.shape)
        return aligned(details(asked), originals), chosen


def usual_threshold(known: Originals) -> float:
    """Return the similarity that is out of the ordinary between different images such as the originals."""
    if len(known.grey) < 2:
        return MOST
    some = np.linspace(0, len(known.grey) - 1, min(CALIBRATION, len(known.grey))).astype(np.int64)
    similarity, _ = known.most_alike(known.grey[some], own=some)
    median, upper = np.quantile(np.arctanh(similarity.clip(-MOST, MOST)), [0.5, 0.75])
    return float(np.tanh(median + UNUSUAL * (upper - median)).clip(LEAST, MOST))


def grey(pixels: Pixels) -> Grey:
    """Turn images grey, and those larger than `SIDE` pixels to that size."""
    parts = []
    for start in range(0, len(pixels), BLOCK):
        part = torch.from_numpy(np.ascontiguousarray(pixels[start : start + BLOCK])).float().mean(dim=3)
        part = resized(part, SIDE) if part.shape[-1] > SIDE else part
        parts.append(part.round().to(torch.uint8))
    return torch.cat(parts)


def views(images: Grey) -> Iterator[Grey]:
    """Yield the images as they may have been before a copy was made of them: mirrored or not, larger, smaller."""
    side = images.shape[-1]
    edge = side // ZOOM
    for seen in (images, images.flip(-1)):
        yield seen
        if edge:
            yield resized(seen, side + 2 * edge)[:, edge:-edge, edge:-edge]
            yield F.pad(resized(seen, side - 2 * edge)[:, None], (edge,) * 4, mode="replicate")[:, 0]


def resized(images: Grey, side: int) -> Grey:
    """Scale square images."""
    return F.interpolate(images[:, None].float(), size=(side, side), mode="bilinear", antialias=True)[:, 0]


def magnitudes(images: Grey) -> Tensor:
    """Return the magnitudes of an image's low frequencies, which a shift leaves as they are; (images, frequencies).

    Of the image faded out towards its border, its mean taken off and its contrast divided out.
    """
    values = images.float() / 255
    values = values - values.mean(dim=(1, 2), keepdim=True)
    values = values / values.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(SMALL)
    side = values.shape[-1]
    window = torch.hann_window(side + 2, periodic=False)[1:-1]
    spectrum = torch.fft.rfft2(values * window[:, None] * window).abs().sqrt()
    most = min(FREQUENCIES, side // 2 - 1)
    low = torch.cat([spectrum[:, : most + 1], spectrum[:, -most:]], dim=1)
    return low[:, :, : most + 1].flatten(1)


def details(images: Grey) -> Tensor:
    """Take from each pixel the mean around it: brightness goes, and what is drawn stays."""
    values = images.float() / 255
    around = F.pad(values[:, None], (DETAIL // 2,) * 4, mode="replicate")
    return values - F.avg_pool2d(around, DETAIL, stride=1)[:, 0]


def aligned(images: Tensor, originals: Tensor) -> Tensor:
    """Correlate each image with its originals where they overlap, at the best of all small shifts.

    Shapes (images, side, side) and (images, originals, side, side) give (images, originals).
    """
    side = images.shape[-1]
    reach = max(1, side // REACH)

    def shifted(values: Tensor) -> Tensor:
        padded = F.pad(values, (reach,) * 4)
        return padded.unfold(1, side, 1).unfold(2, side, 1).flatten(3).flatten(1, 2)

    moved, flat = shifted(images), originals.flatten(2)
    overlap = shifted(torch.ones(1, side, side))[0]
    products = moved @ flat.transpose(1, 2)
    energy = moved.square().sum(dim=2, keepdim=True), (flat.square() @ overlap.T).transpose(1, 2)
    return ((products + SMALL) / ((energy[0] + SMALL) * (energy[1] + SMALL)).sqrt()).amax(dim=1)
