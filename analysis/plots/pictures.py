"""Images beside those that they are compared with as PNG data, for a page or a file."""

import base64
import io

import numpy as np
from matplotlib.image import imsave

from analysis.findings.pictures import Pictures, Pixels


def strip(images: Pixels, *, gap: int = 1) -> Pixels:
    """Join images of (columns, height, width, 3) side by side, RGBA, with transparent gaps of `gap` pixels."""
    columns, height, width, _ = images.shape
    canvas = np.zeros((height, columns * (width + gap) - gap, 4), dtype=np.uint8)
    for column, image in enumerate(images):
        start = column * (width + gap)
        canvas[:, start : start + width, :3] = image
        canvas[:, start : start + width, 3] = 255
    return canvas


def grid(pictures: Pictures) -> Pixels:
    """Lay out one row per class, real images left, generated ones right of them, then how G came there, RGBA."""
    rows = []
    shown = [part for part in (pictures.real, pictures.generated, pictures.progress) if part.shape[1]]
    for images in zip(*shown, strict=True):
        height, width = images[0].shape[1:3]
        between = np.zeros((height, max(3, width // 4), 4), dtype=np.uint8)
        row = np.concatenate([part for one in images for part in (between, strip(one))][1:], axis=1)
        rows += [row, np.zeros((1, *row.shape[1:]), dtype=np.uint8)]
    return np.concatenate(rows[:-1], axis=0)


def above(upper: Pixels, lower: Pixels) -> Pixels:
    """Lay out one row of images above another, RGBA."""
    rows = strip(upper, gap=2), strip(lower, gap=2)
    return np.concatenate([rows[0], np.zeros((1, *rows[0].shape[1:]), dtype=np.uint8), rows[1]], axis=0)


def png(pixels: Pixels, *, least: int = 0) -> bytes:
    """Encode an RGBA array as PNG, enlarged by a whole factor (sharp pixels) until it is `least` pixels high."""
    factor = max(1, -(-least // pixels.shape[0]))
    target = io.BytesIO()
    enlarged = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    imsave(target, enlarged, format="png", metadata={"Software": ""})
    return target.getvalue()


def data_uri(content: bytes) -> str:
    """Turn PNG bytes into a `data:` address, which needs no second file."""
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
