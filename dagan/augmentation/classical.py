"""Classical augmentation of real images, by one change after another."""

from dagan.augmentation.affine import moved_and_lit
from dagan.compute.random_streams import Streams
from dagan.settings import Augmentation
from dagan.shapes import Images
from dagan.stages import Stage


def augmented(images: Images, settings: Augmentation, streams: Streams, stage: Stage) -> Images:
    """Change each image by draws of its own."""
    return moved_and_lit(images, settings, streams[f"{stage}.augmentation"])
