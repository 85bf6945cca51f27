"""Random erasing: which boxes become grey, and that they are those of torchvision's RandomErasing."""

import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms.v2 import RandomErasing

from dagan.augmentation.erasing import erased


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def boxes(images):
    """(top, left, height, width) of the box that is 0 in each image; (0, 0, 0, 0) where there is none."""
    found = []
    for gone in (images == 0).all(dim=1):
        rows, columns = gone.any(dim=1), gone.any(dim=0)
        assert torch.equal(gone, rows[:, None] & columns)  # one box, and whole
        where = [torch.nonzero(line)[:, 0].tolist() or [0] for line in (rows, columns)]
        found.append([*(line[0] for line in where), int(rows.sum()), int(columns.sum())])
    return torch.tensor(found)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_box_is_set_to_grey_and_nothing_else(channels):
    images = torch.rand(200, channels, 32, 32, generator=random(1)) + 0.5
    result = erased(images, 1.0, random())
    gone = (result == 0).all(dim=1, keepdim=True)
    assert torch.equal(result, images.masked_fill(gone, 0.0))
    assert (boxes(result)[:, 2:] > 0).all()


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.25, 210, 290), (1.0, 1000, 1000)])
def test_the_share_is_that_of_images_with_a_box(share, least, most):
    result = erased(torch.ones(1000, 1, 32, 32), share, random())
    assert least <= int((result == 0).any(dim=(1, 2, 3)).sum()) <= most  # 250 ± 3 standard deviations


def test_boxes_are_those_of_torchvision(monkeypatch):
    torch.manual_seed(0)
    theirs = boxes(torch.stack([RandomErasing(p=1.0)(torch.ones(1, 32, 32)) for _ in range(1500)]))
    ours = boxes(erased(torch.ones(6000, 1, 32, 32), 1.0, random()))
    for index, name in enumerate(("top", "left", "height", "width")):
        assert ks_2samp(ours[:, index], theirs[:, index]).pvalue > 1e-3, name
    for of in (lambda box: box[:, 2] * box[:, 3], lambda box: box[:, 2] / box[:, 3]):
        assert ks_2samp(of(ours), of(theirs)).pvalue > 1e-3


@pytest.mark.parametrize("size", [8, 32])
def test_a_box_is_smaller_than_the_image_and_lies_within_it(size):
    found = boxes(erased(torch.ones(4000, 1, size, size), 1.0, random()))
    ends = found[:, :2] + found[:, 2:]
    assert (found[:, 2:] < size).all()
    assert ends.amax(dim=0).tolist() == [size, size]
    assert found[:, :2].amin(dim=0).tolist() == [0, 0]


def test_the_same_state_gives_the_same_boxes():
    images = torch.ones(50, 1, 8, 8)
    assert torch.equal(erased(images, 0.5, random(1)), erased(images, 0.5, random(1)))
    assert not torch.equal(erased(images, 0.5, random(1)), erased(images, 0.5, random(2)))
