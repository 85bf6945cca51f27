"""MixUp and CutMix: what is mixed with what, in which shares, images and labels alike."""

import pytest
import torch
from scipy.stats import beta as beta_distribution
from scipy.stats import ks_2samp, kstest
from torchvision.transforms import v2

from dagan.augmentation import mixing
from dagan.augmentation.mixing import cutmix_share, mixed, mixup_share, own_share, partners
from dagan.compute.random_streams import Streams
from dagan.settings import Classifier

CPU = torch.device("cpu")
REAL = torch.tensor([True, True, False, True, False, True, False])


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def settings(**changes):
    return Classifier(noise=0.0, augmentation_ratio=1.0, **changes)


def flat(count, size=4):
    """Images whose one value is their number."""
    return torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(-1, 2, size, size)


def test_partners_are_a_permutation_within_the_real_and_within_the_generated():
    seen = [partners(REAL, generator) for generator in [random()] for _ in range(300)]
    for partner in seen:
        assert sorted(partner.tolist()) == [*range(7)]
        assert torch.equal(REAL[partner], REAL)
    for image, of_its_kind in ((0, {0, 1, 3, 5}), (2, {2, 4, 6})):
        assert {partner[image].item() for partner in seen} == of_its_kind
    assert len({tuple(partner.tolist()) for partner in seen}) > 100  # of 4! · 3!


@pytest.mark.parametrize("kinds", [torch.ones(5, dtype=torch.bool), torch.zeros(5, dtype=torch.bool), REAL[:1]])
def test_a_batch_of_one_kind_is_permuted_whole(kinds):
    assert sorted(partners(kinds, random()).tolist()) == [*range(len(kinds))]


def test_images_and_labels_are_mixed_by_hand(monkeypatch):
    """Four images of one value each: of the real ones 0 with 3, of the generated 1 with 2; a quarter is the other's."""
    real = torch.tensor([True, False, False, True])
    own = torch.ones(4, 4)
    own[:2, :2] = 0.0
    monkeypatch.setattr(mixing, "own_share", lambda *given: own)
    monkeypatch.setattr(mixing, "partners", lambda *given: torch.tensor([3, 2, 1, 0]))
    images, shares = mixed(flat(4), torch.eye(3)[[0, 1, 1, 2]], real, settings(cutmix=1.0), Streams(0, CPU))
    assert images[:, 0, 0, 0].tolist() == [3, 2, 1, 0]
    assert images[:, 1, 3, 3].tolist() == [0, 1, 2, 3]
    assert images[:, 0].mean(dim=(1, 2)).tolist() == [0.75, 1.25, 1.75, 2.25]
    assert shares.tolist() == [[0.75, 0, 0.25], [0, 1, 0], [0, 1, 0], [0.25, 0, 0.75]]


@pytest.mark.parametrize("changes", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_the_label_is_mixed_as_the_image_is(changes):
    """Image i is of class i: what is in it of each class is what its label says."""
    images = torch.eye(7)[:, :, None, None].expand(-1, -1, 8, 8)
    streams, seen = Streams(0, CPU), []
    for _ in range(20):
        result, shares = mixed(images, torch.eye(7), REAL, settings(**changes), streams)
        assert torch.allclose(result.mean(dim=(2, 3)), shares, atol=1e-6)
        assert torch.allclose(shares.sum(dim=1), torch.ones(7))
        assert (shares[REAL][:, ~REAL] == 0).all()
        assert (shares[~REAL][:, REAL] == 0).all()
        whole = ((result == 0) | (result == 1)).all()
        seen.append("cutmix" if whole else "mixup")
    assert {*seen} == {*changes}


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0])
def test_mixup_keeps_a_share_by_beta(alpha):
    generator = random()
    maps = [mixup_share(2, alpha, generator) for _ in range(2000)]
    assert all((one == one[0, 0]).all() for one in maps)
    assert kstest([one[0, 0].item() for one in maps], beta_distribution(alpha, alpha).cdf).pvalue > 1e-3


def test_a_box_by_cutmix_has_the_area_that_lambda_leaves_and_its_middle_anywhere(monkeypatch):
    monkeypatch.setattr(mixing, "beta", lambda *given: torch.tensor(0.75))  # half of 8 pixels both ways
    generator = random()
    found = [cutmix_share(8, 1.0, generator) for _ in range(400)]
    middles = set()
    for one in found:
        gone = one == 0
        rows, columns = gone.any(dim=1), gone.any(dim=0)
        assert torch.equal(gone, rows[:, None] & columns)
        extents = [torch.nonzero(line)[:, 0].tolist() for line in (rows, columns)]
        for line in extents:
            assert line == [*range(line[0], line[-1] + 1)]
            assert len(line) == 4 or 0 in line or 7 in line  # cut by the edge alone
            assert len(line) >= 2
        middles.add(tuple(line[-1] - 1 if 0 in line else line[0] + 2 for line in extents))
    assert middles == {(y, x) for y in range(8) for x in range(8)}


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_boxes_are_those_of_torchvision(alpha):
    torch.manual_seed(0)
    one_and_zero, labels = torch.tensor([1.0, 0.0])[:, None, None, None].expand(-1, 1, 32, 32), torch.tensor([0, 1])
    theirs = [v2.CutMix(alpha=alpha, num_classes=2)(one_and_zero, labels)[0][0, 0] for _ in range(1000)]
    generator = random()
    found = [torch.stack(maps) == 0 for maps in (theirs, [cutmix_share(32, alpha, generator) for _ in range(2000)])]
    for of in (lambda gone: gone.sum(dim=(1, 2)), lambda gone: gone.any(dim=1).sum(dim=1), lambda gone: gone[:, 0, 0]):
        assert ks_2samp(*map(of, found)).pvalue > 1e-3


def test_with_both_one_of_the_two_is_drawn():
    generator = random()
    maps = [own_share(8, settings(mixup=1.0, cutmix=1.0), generator) for _ in range(400)]
    boxes = sum(bool(((one == 0) | (one == 1)).all()) for one in maps)
    assert 140 < boxes < 260


def test_other_methods_mix_in_the_same_shares(monkeypatch):
    """The map of a batch does not hang on how many images are generated."""
    seen = []
    original = mixing.own_share
    monkeypatch.setattr(mixing, "own_share", lambda *given: seen.append(original(*given)) or seen[-1])
    for real in (REAL, torch.ones(16, dtype=torch.bool)):
        streams = Streams(0, CPU)
        for _ in range(3):
            mixed(flat(len(real)), torch.eye(len(real)), real, settings(mixup=1.0, cutmix=1.0), streams)
    assert len(seen) == 6
    assert all(torch.equal(*pair) for pair in zip(seen[:3], seen[3:], strict=True))
