"""Which image serves which purpose: sealed test, disjoint halves, balanced classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagan.data import splits
from dagan.data.splits import capacity, split
from dagan.errors import InvalidInput, warn_once

COUNTS = (30, 41, 33)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(3), COUNTS))
SEEDS = range(30)


def parts(phase="search", seed=0, *, has_test=False, n=6, labels=LABELS, **settings):
    return split(labels, dataset="some", has_test=has_test, samples_per_class=n, seed=seed, phase=phase, **settings)


def as_sets(one):
    return set(one.subset.tolist()), set(one.validation.tolist()), set(one.test.tolist())


@pytest.mark.parametrize("phase", ["search", "confirm"])
@pytest.mark.parametrize("validation", ["held_out", "within"])
@pytest.mark.parametrize("has_test", [False, True])
def test_subset_validation_and_test_are_disjoint(phase, validation, has_test):
    for seed in SEEDS:
        one = parts(phase, seed, validation=validation, has_test=has_test)
        subset, held, test = as_sets(one)
        assert len(subset | held | test) == len(one.subset) + len(one.validation) + len(one.test)


def test_tuning_and_final_images_are_disjoint_whatever_the_seeds():
    tuning, final, test = set(), set(), set()
    for seed in SEEDS:
        subset, held, _ = as_sets(parts("search", seed))
        tuning |= subset | held
        subset, _, sealed = as_sets(parts("confirm", seed))
        final |= subset
        test |= sealed
    assert not tuning & final
    assert not test & (tuning | final)


def test_search_has_no_test_and_confirm_no_validation():
    for validation in ("held_out", "within"):
        assert len(parts("search", validation=validation).test) == 0
        assert len(parts("confirm", validation=validation).validation) == 0


def test_the_test_is_a_third_of_each_class_and_the_same_for_every_seed_and_size():
    one = parts("confirm")
    assert np.bincount(LABELS[one.test]).tolist() == [10, 13, 11]
    for seed in SEEDS:
        assert np.array_equal(parts("confirm", seed, n=3).test, one.test)
        assert np.array_equal(parts("confirm", seed, validation="within").test, one.test)


def test_a_data_set_with_a_test_of_its_own_gives_up_no_training_images():
    assert len(parts("confirm", has_test=True).test) == 0
    assert capacity(COUNTS, has_test=True, validation="within") == 30


@pytest.mark.parametrize("phase", ["search", "confirm"])
def test_every_class_gives_as_many(phase):
    assert np.bincount(LABELS[parts(phase).subset]).tolist() == [6, 6, 6]


def test_validation_is_the_rest_of_the_tuning_half():
    # Pools of 20, 28 and 22 images, halves of 10, 14 and 11, less 6 to train on.
    assert np.bincount(LABELS[parts("search").validation]).tolist() == [4, 8, 5]


def test_so_many_validation_images_are_as_many_of_each_class_and_the_first_of_all():
    everything, some = parts("search"), parts("search", validation_images=17)
    assert np.bincount(LABELS[some.validation]).tolist() == [4, 5, 5]  # 17 // 3 of each class, where there are
    assert set(some.validation.tolist()) < set(everything.validation.tolist())
    assert np.array_equal(some.subset, everything.subset)


def test_within_holds_back_a_share_of_the_subset_and_draws_the_same_images():
    search, confirm = parts("search", validation="within", n=8), parts("confirm", validation="within", n=8)
    assert np.bincount(LABELS[search.validation]).tolist() == [2, 2, 2]  # a quarter of 8
    assert np.bincount(LABELS[search.subset]).tolist() == [6, 6, 6]
    assert as_sets(search)[0] | as_sets(search)[1] == as_sets(confirm)[0]


@given(n=st.integers(2, 20), fraction=st.floats(0.001, 0.999))
def test_within_leaves_images_to_train_on_and_to_validate(n, fraction):
    one = parts("search", validation="within", validation_fraction=fraction, n=n)
    assert min(np.bincount(LABELS[one.subset], minlength=3)) >= 1
    assert min(np.bincount(LABELS[one.validation], minlength=3)) >= 1


@pytest.mark.parametrize("validation", ["held_out", "within"])
@pytest.mark.parametrize("phase", ["search", "confirm"])
def test_the_seed_and_nothing_else_moves_the_subset(phase, validation):
    subsets = [tuple(parts(phase, seed, validation=validation).subset) for seed in SEEDS]
    assert subsets == [tuple(parts(phase, seed, validation=validation).subset) for seed in SEEDS]
    assert len(set(subsets)) == len(subsets)


def test_a_larger_subset_holds_the_smaller():
    assert as_sets(parts(n=3))[0] < as_sets(parts(n=6))[0]


def test_a_known_split():
    """Fixed once: another hash or another key would move images between halves under a study's feet."""
    labels = np.repeat(np.arange(2), 12)
    one = parts("confirm", n=3, labels=labels)
    assert one.subset.tolist() == [8, 5, 7, 15, 14, 16]
    assert one.test.tolist() == [11, 3, 6, 2, 20, 21, 12, 19]


def serves(counts, has_test, validation, n):
    """Whether n images per class can be drawn in both phases, with one image per class at least to validate."""
    labels = np.repeat(np.arange(len(counts)), counts)
    for phase in ("search", "confirm"):
        one = parts(phase, has_test=has_test, validation=validation, n=n, labels=labels)
        held = np.bincount(labels[one.validation], minlength=len(counts))
        drawn = np.bincount(labels[one.subset], minlength=len(counts))
        whole = drawn + held if validation == "within" else drawn
        if min(whole) < n or (phase == "search" and min(held) < 1):
            return False
    return True


@given(
    counts=st.lists(st.integers(6, 25), min_size=2, max_size=4),
    has_test=st.booleans(),
    validation=st.sampled_from(["held_out", "within"]),
)
def test_capacity_is_the_most_that_both_phases_can_draw(counts, has_test, validation):
    n = capacity(counts, has_test=has_test, validation=validation)
    assert serves(counts, has_test, validation, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "capacity", lambda *args, **settings: 10**6)  # let it try
        assert not serves(counts, has_test, validation, n + 1)


def test_more_than_the_capacity_is_refused_with_the_bound():
    with pytest.raises(InvalidInput, match="must be <= 9 for some, but is 10"):  # half of 20, less one to validate
        parts(n=10)


# By groups: ten persons, three classes, one image each, but two persons who lack one

PERSONS = np.array([f"F{number:02d}" for number in range(1, 13) for _ in range(3)])[:-1]
CLASSES = np.array([label for _ in range(12) for label in range(3)])[:-1]
PERSONS, CLASSES = (np.delete(values, 4) for values in (PERSONS, CLASSES))  # F02 and F12 lack a class


def by_person(phase="search", seed=0, *, n=2, labels=CLASSES, groups=PERSONS, **settings):
    one = parts(phase, seed, n=n, labels=labels, groups=groups, **settings)
    return one, tuple(set(groups[indices].tolist()) for indices in (one.subset, one.validation, one.test))


@pytest.mark.parametrize("validation", ["held_out", "within"])
def test_a_person_lies_on_one_side_of_every_split(validation):
    tuning, final, sealed = set(), set(), set()
    for seed in SEEDS:
        for phase in ("search", "confirm"):
            one, (subset, held, test) = by_person(phase, seed, validation=validation)
            assert not subset & held
            assert not test & (subset | held)
            assert len(subset) == (1 if validation == "within" and phase == "search" else 2)
            assert np.bincount(CLASSES[one.subset]).tolist() == [len(subset)] * 3
            sealed |= test
            tuning, final = (tuning | subset | held, final) if phase == "search" else (tuning, final | subset)
    assert len(sealed) == 3
    assert not sealed & (tuning | final)
    assert bool(tuning & final) == (validation == "within")


def test_persons_without_an_image_of_every_class_are_left_out_with_a_notice(caplog):
    everyone = set()
    for phase in ("search", "confirm"):
        for seed in SEEDS:
            everyone |= set().union(*by_person(phase, seed)[1])
    assert everyone == set(PERSONS.tolist()) - {"F02", "F12"}
    warn_once.cache_clear()
    for _ in range(3):
        by_person()
    assert caplog.messages == ["some: left out for want of an image of every class: F02, F12."]


def test_all_images_of_a_person_go_the_same_way_and_one_of_each_class_is_trained_on():
    groups, labels = np.repeat(PERSONS, 2), np.repeat(CLASSES, 2)
    one, (subset, held, _) = by_person(groups=groups, labels=labels)
    assert len(one.subset) == 2 * 3
    assert len(one.validation) == len(held) * 3 * 2
    confirm, (_, _, test) = by_person("confirm", groups=groups, labels=labels)
    assert len(confirm.test) == len(test) * 3 * 2
    assert (len(subset), len(held), len(test)) == (2, 1, 3)


def test_who_is_where_hangs_on_names_not_on_the_order_of_files():
    order = np.random.default_rng(1).permutation(len(PERSONS))
    for phase in ("search", "confirm"):
        assert by_person(phase)[1] == by_person(phase, labels=CLASSES[order], groups=PERSONS[order])[1]


@given(
    count=st.integers(6, 30),
    has_test=st.booleans(),
    validation=st.sampled_from(["held_out", "within"]),
    phase=st.sampled_from(["search", "confirm"]),
)
def test_the_capacity_of_groups_is_what_they_can_serve(count, has_test, validation, phase):
    groups, labels = np.repeat([f"M{number}" for number in range(count)], 2), np.tile([0, 1], count)
    room = capacity([count] * 2, has_test=has_test, validation=validation)
    given_ = {"has_test": has_test, "validation": validation, "groups": groups, "labels": labels}
    _, (subset, held, _) = by_person(phase, n=room, **given_)
    assert len(subset | held if validation == "within" else subset) == room
    assert (len(held) > 0) == (phase == "search")
    with pytest.raises(InvalidInput, match=f"must be <= {room} for some, but is {room + 1}"):
        by_person(phase, n=room + 1, **given_)


def test_a_known_split_by_person():
    groups, labels = np.repeat([f"F{number:02d}" for number in range(1, 13)], 2), np.tile([0, 1], 12)
    _, (subset, _, test) = by_person("confirm", groups=groups, labels=labels)
    assert sorted(subset) == ["F04", "F05"]
    assert sorted(test) == ["F07", "F09", "F10", "F11"]
