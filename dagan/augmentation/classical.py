"""Classical augmentation of real images, by one change after another."""

from dagan.augmentation.affine import moved_and_lit
from dagan.augmentation.erasing import erased
from dagan.compute.random_streams import Streams
from dagan.settings import Augmentation
from dagan.shapes import Images
from dagan.stages import Stage


def augmented(images: Images, settings: Augmentation, streams: Streams, stage: Stage) -> Images:
    """Change each image by draws of its own: an affine map and light, then a policy, last a box that is erased.

    Each change has its own stream, and one that is off draws nothing.
    """
    images = moved_and_lit(images, settings, streams[f"{stage}.augmentation"])
    if settings.policy != "none":
        from dagan.augmentation.policies import changed_by_policy  # torchvision takes a second to load

        images = changed_by_policy(images, settings, streams[f"{stage}.policy"])
    if settings.erasing:
        images = erased(images, settings.erasing, streams[f"{stage}.erasing"])
    return images
