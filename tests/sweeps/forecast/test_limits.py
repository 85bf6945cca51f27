"""What `show` says beforehand of lengths and searches, by hand."""

import pytest
from playing import tiny

from sweeps.forecast.estimate.limits import SearchSize, StageLength, limit_lines, search_sizes, stage_lengths
from sweeps.study.files import load
from sweeps.study.parse import study_of


def found(study):
    return {(one.samples_per_class, one.kind): (one.shortest, one.longest, one.short) for one in stage_lengths(study)}


def test_lengths_in_epochs_by_hand():
    # An epoch of 10 classes with 5 or 20 images of each is 50 or 200 images, in batches of 32.
    lengths = found(study_of(tiny(samples_per_class=[5, 20])))
    assert lengths == {
        (5, "plain classifiers"): (40 * 32 / 50, 80 * 32 / 50, True),
        (5, "stage 1"): (20 * 32 / 50, 40 * 32 / 50, True),
        (5, "stage 2"): (40 * 32 / 50, 80 * 32 / 50, True),
        (20, "plain classifiers"): (40 * 32 / 200, 80 * 32 / 200, True),
        (20, "stage 1"): (20 * 32 / 200, 40 * 32 / 200, True),
        (20, "stage 2"): (40 * 32 / 200, 80 * 32 / 200, True),
    }


def test_lengths_given_in_epochs_and_by_a_design():
    lengths = found(load("cifar10"))
    assert lengths[50, "stage 1"] == lengths[1000, "stage 1"] == (100, 400, False)
    grid = {"design": "grid", "factors": {"classifier.epochs": [100, 240], "gan.epochs": [99]}}
    tree = tiny(search={}, compare={}) | grid
    lengths = found(study_of(tree))
    assert lengths[5, "stage 2"][2], "240 of 500"
    assert lengths[5, "stage 1"][:2] == pytest.approx((99, 99), abs=0.5)


def test_searches_of_few_suggestions():
    study = study_of(tiny(search__budget={"trials": 40}, search__seeds=2))
    # KC is read off; KG has two values, λ and the rate ranges.
    assert search_sizes(study) == [SearchSize("c", 20, 1, 10), SearchSize("dagan_aug", 20, 3, 30)]
    assert search_sizes(study_of(tiny(search__budget={"pflop": 1.0}))) == []
    assert search_sizes(study_of(tiny(search={}))) == []


def test_what_is_said_of_them():
    lengths = [
        StageLength("pets", size, kind, shortest, longest, paper)
        for size, longest in ((5, 80.0), (20, 120.0))
        for kind, shortest, paper in (("plain classifiers", 20.0, 600), ("stage 1", 80.0, 200))
    ]
    sizes = [SearchSize("c", 12, 1, 10), SearchSize("dagan", 12, 3, 30), SearchSize("dagan_aug", 12, 3, 30)]
    assert list(limit_lines(lengths, sizes)) == [
        "Lengths in epochs of the real images, the shortest to the longest, beside the paper's:",
        "  pets, 5 per class: stage 1 80 (paper: 200), plain classifiers 20 to 80 (paper: 600)",
        "  pets, 20 per class: stage 1 80 to 120 (paper: 200), plain classifiers 20 to 120 (paper: 600)",
        "Short, less than half of the paper's: plain classifiers and stage 1 with 5 per class."
        " The answer will hold for such trainings.",
        "Few suggestions: 12 to search 3 settings of dagan and dagan_aug; 10 for each setting are advised.",
    ]
    alike = [StageLength("pets", size, "stage 1", 200.0, 200.4, 200) for size in (5, 20)]
    assert list(limit_lines(alike, sizes[:1]))[1:] == ["  pets, 5 and 20 per class: stage 1 200 (paper: 200)"]
