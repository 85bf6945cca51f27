"""Who trains what trials have in common, who waits, what is kept: worked examples, and random grids played through."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import Player, Unwritten

from sweeps.planning.budget import FlopBudget
from sweeps.planning.plan import Plan
from sweeps.planning.sharing import Sharing
from sweeps.records.snapshot_store import SnapshotKey
from sweeps.study.parse import study_of


def grid(*, methods=("dagan",), weights=(0.5,), kg=(20,), kc=(20,), ratios=(0.5,), seeds=1, schedule="constant"):
    """A study of every combination."""
    factors = {
        "gan.feature_matching_weight": weights,
        "gan.iterations": kg,
        "classifier.iterations": kc,
        "classifier.augmentation_ratio": ratios,
    }
    return study_of(
        {
            "name": "grid",
            "datasets": ["digits"],
            "samples_per_class": [5],
            "methods": list(methods),
            "base": {"network": {"width": 0.25}, "gan": {"schedule": schedule}},
            "design": "grid",
            "factors": {key: list(values) for key, values in factors.items()},
            "confirm": {"seeds": seeds},
        }
    )


def planned(study, **options):
    """A plan of the study, and its trials in the order of their ranks."""
    plan = Plan(study, Unwritten(), sharing=Sharing(**options))
    return plan, [trial for branch in plan.branches for trial in branch.confirm]


def state(trial, stage, iteration):
    """Where a trial comes by."""
    return SnapshotKey(trial.stage_ends[stage].stage_key, iteration)


def test_trials_with_nothing_in_common_wait_for_nobody():
    plan, trials = planned(grid(weights=(0.1, 0.5), methods=("dagan", "c"), seeds=2))
    assert len(trials) == 2 * 2 + 2
    assert len({plan.sharing.family(trial) for trial in trials}) == 6
    for trial in trials:
        assert not plan.sharing.blocked(trial)
        assert plan.start(trial).snapshots == ()


def test_stage_1_is_trained_by_the_first_and_the_others_wait_for_its_end():
    plan, (first, second, third) = planned(grid(ratios=(0.0, 0.5, 1.0)))
    sharing = plan.sharing
    assert [sharing.blocked(trial) for trial in (first, second, third)] == [False, True, True]
    assert sharing.start(first).checkpoints == ((20,), ())
    assert sharing.blocked(second)
    assert sharing.written(first, state(first, 0, 20), 1) == []
    assert not sharing.blocked(second)
    assert not sharing.blocked(third)
    start = sharing.start(second)
    assert start.snapshots == (state(first, 0, 20),)
    assert start.checkpoints == ((), ()), "what exists is not to be left again"


def test_kc_is_read_off_one_training():
    plan, (short, long) = planned(grid(kc=(20, 50)))
    sharing = plan.sharing
    assert sharing.start(short).checkpoints == ((20,), (20,))
    sharing.written(short, state(short, 0, 20), 1)
    assert sharing.blocked(long), "the first is on its way to iteration 20 of stage 2, too"
    sharing.written(short, state(short, 1, 20), 1)
    assert not sharing.blocked(long)
    assert sharing.start(long).snapshots == (state(short, 1, 20), state(short, 0, 20)), "the furthest first"


def test_a_longer_stage_1_leaves_a_snapshot_where_a_shorter_one_ends():
    plan, (short, long) = planned(grid(kg=(20, 50)))
    sharing = plan.sharing
    # As after a restart with a new plan: the longer one runs already.
    start = sharing.start(long)
    assert start.checkpoints == ((20,), ())
    assert sharing.blocked(short), "what runs counts, whatever its rank"
    sharing.written(long, state(long, 0, 20), 1)
    assert not sharing.blocked(short)
    assert sharing.start(short).snapshots == (state(short, 0, 20),)


def test_nobody_starts_beyond_its_own_end():
    plan, (short, long) = planned(grid(kg=(20, 50)))
    plan.sharing.written(long, state(long, 0, 50), 1)
    assert plan.start(short).snapshots == ()
    assert plan.start(long).snapshots == (state(long, 0, 50),)


def test_a_schedule_over_kg_leaves_nothing_to_share():
    plan, trials = planned(grid(kg=(20, 50), schedule="linear"))
    assert not any(plan.sharing.blocked(trial) for trial in trials)


def test_when_the_first_ends_before_its_checkpoint_the_next_takes_its_place():
    plan, (first, second, third) = planned(grid(ratios=(0.0, 0.5, 1.0)))
    sharing = plan.sharing
    sharing.start(first)
    assert sharing.end(first) == []
    assert [sharing.blocked(trial) for trial in (second, third)] == [False, True]
    assert sharing.start(second).checkpoints == ((20,), ())


def test_a_trial_that_starts_again_promises_again():
    plan, (first, second) = planned(grid(ratios=(0.0, 0.5)))
    sharing = plan.sharing
    sharing.start(first)
    sharing.written(first, state(first, 0, 10), 1)  # for a crash
    again = sharing.start(first)
    assert again.snapshots == (state(first, 0, 10),)
    assert again.checkpoints == ((20,), ())
    assert sharing.blocked(second)


def test_what_nobody_needs_is_garbage():
    plan, (first, second) = planned(grid(kc=(20, 50)))
    sharing = plan.sharing
    sharing.start(first)
    for key in (state(first, 0, 20), state(first, 1, 20)):
        sharing.written(first, key, 1)
    assert sharing.end(first) == [state(first, 0, 20)], "the second goes on from the later one"
    sharing.start(second)
    assert sharing.end(second) == [state(first, 1, 20)]
    assert sharing.bytes == 0
    assert not sharing.families


def test_what_is_reserved_is_a_checkpoint_and_kept():
    plan, (first,) = planned(grid())
    sharing = plan.sharing
    end = state(first, 0, 20)
    assert sharing.reserve({end}) == []
    assert sharing.start(first).checkpoints == ((20,), ())
    sharing.written(first, end, 1)
    assert sharing.end(first) == []
    assert sharing.reserve({end, SnapshotKey("other", 20)}) == []
    assert sharing.reserve(set()) == [end], "what is there, and nobody needs"
    assert sharing.bytes == 0


def test_what_is_reserved_no_more_stays_while_a_trial_needs_it():
    plan, (first, second) = planned(grid(ratios=(0.0, 0.5)))
    sharing, end = plan.sharing, state(plan.branches[0].confirm[0], 0, 20)
    sharing.reserve({end})
    sharing.start(first)
    sharing.written(first, end, 1)
    sharing.end(first)
    assert sharing.reserve(set()) == []
    sharing.start(second)
    assert sharing.end(second) == [end]


def test_where_room_is_limited_that_goes_which_is_needed_last():
    plan, trials = planned(grid(weights=(0.1, 0.5, 0.9), ratios=(0.0, 0.5)), limit=20)
    sharing, firsts = plan.sharing, trials[::2]
    keys = [state(trial, 0, 20) for trial in firsts]
    behind = state(firsts[2], 0, 10)
    sharing.start(firsts[2])
    assert [sharing.written(firsts[2], key, 10) for key in (behind, keys[2])] == [[], []]
    assert sharing.written(firsts[0], keys[0], 10) == [behind], "it lies behind all who could use it"
    assert sharing.written(firsts[1], keys[1], 10) == [keys[1]], "of a trial that runs nothing goes before others'"
    assert sharing.bytes == 20
    sharing.end(firsts[2])
    assert sharing.written(firsts[1], keys[1], 10) == [keys[2]], "the last in the plan is needed last"


def test_unshared_each_is_on_its_own():
    plan, trials = planned(grid(ratios=(0.0, 0.5), kc=(20, 50)), shared=False)
    sharing = plan.sharing
    assert not any(sharing.blocked(trial) for trial in trials)
    first = trials[0]
    assert sharing.start(first).checkpoints == ((),)
    own = SnapshotKey(first.signature, 30)
    sharing.written(first, own, 1)
    assert sharing.start(first).snapshots == (own,), "after a crash"
    assert all(sharing.start(trial).snapshots == () for trial in trials[1:])
    assert sharing.end(first) == [own]


def some(*values):
    """One or more of the values, in any order."""
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


grids = st.fixed_dictionaries(
    {
        "methods": some("c", "c_aug", "dagan_aug", "semi_gan").map(lambda names: [*names, "dagan"]),
        "weights": some(0.0, 0.5),
        "kg": some(10, 20, 40),
        "kc": some(20, 40, 60),
        "ratios": some(0.0, 0.5, 1.0),
        "seeds": st.integers(1, 2),
        "schedule": st.sampled_from(["constant", "constant", "linear"]),
    }
)
lucks = st.integers(0, 2**32).map(random.Random)


@settings(max_examples=40, deadline=None)
@given(choices=grids, workers=st.integers(1, 9), rng=lucks)
def test_without_accidents_nothing_is_trained_twice(choices, workers, rng):
    plan, trials = planned(grid(**choices))
    player = Player(plan, rng, workers=workers).play()
    assert set(player.trained.values()) == {1}
    assert player.work == pytest.approx(FlopBudget().estimate(trials))
    assert not player.kept, "what nobody needs any more is removed"
    assert plan.sharing.bytes == 0


@settings(max_examples=40, deadline=None)
@given(
    choices=grids,
    workers=st.integers(1, 9),
    rng=lucks,
    accidents=st.floats(0.0, 0.4),
    limit=st.sampled_from([0, 5, 20, float("inf")]),
)
def test_whatever_happens_every_trial_ends(choices, workers, rng, accidents, limit):
    plan, trials = planned(grid(**choices), limit=limit)
    player = Player(plan, rng, workers=workers, accidents=accidents).play()
    assert len(plan.entries) == len(trials) == plan.planned
    assert not player.kept
    assert not plan.sharing.families


@settings(max_examples=15, deadline=None)
@given(choices=grids, workers=st.integers(1, 9), rng=lucks)
def test_unshared_each_does_all_its_work(choices, workers, rng):
    plan, trials = planned(grid(**choices), shared=False)
    player = Player(plan, rng, workers=workers).play()
    assert player.work == pytest.approx(sum(FlopBudget().charge(trial) for trial in trials))
