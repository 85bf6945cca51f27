"""Named random streams: independent, derived from the seed, none of them the global one."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from dagan.compute.random_streams import BatchOrder, Streams
from dagan.training.training import train

CPU = torch.device("cpu")


def numbers(streams, purpose, count=4):
    return torch.rand(count, generator=streams[purpose]).tolist()


def test_a_stream_is_a_function_of_seed_and_purpose():
    assert numbers(Streams(3, CPU), "latents") == numbers(Streams(3, CPU), "latents")
    names = [(seed, purpose) for seed in range(20) for purpose in ("latents", "noise", "subset")]
    assert len({tuple(numbers(Streams(seed, CPU), purpose)) for seed, purpose in names}) == len(names)


def test_what_one_purpose_draws_does_not_move_another():
    alone, beside = Streams(0, CPU), Streams(0, CPU)
    numbers(beside, "noise", 1000)
    assert numbers(alone, "latents") == numbers(beside, "latents")


def test_a_stream_goes_on_where_it_stood():
    streams = Streams(0, CPU)
    first = numbers(streams, "latents")
    assert numbers(streams, "latents") != first


def test_restore_goes_on_from_the_state_and_starts_other_streams_anew():
    streams = Streams(0, CPU)
    numbers(streams, "latents")
    state, expected = streams.state(), numbers(streams, "latents")
    other = Streams(0, CPU)
    numbers(other, "noise")
    other.restore(state)
    assert numbers(other, "latents") == expected
    assert numbers(other, "noise") == numbers(Streams(0, CPU), "noise")


def test_a_state_does_not_follow_its_streams():
    streams = Streams(0, CPU)
    numbers(streams, "latents")
    state = streams.state()
    before = state["latents"].clone()
    numbers(streams, "latents")
    assert torch.equal(state["latents"], before)


def test_a_whole_training_leaves_the_global_generators_alone(make_config):
    config = make_config("dagan_aug")
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()
    train(config)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


@given(images=st.integers(1, 20), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_a_batch_order_counts_all_images_alike(images, sizes):
    order = BatchOrder(images, torch.Generator().manual_seed(0))
    batches = [order.next(size) for size in sizes]
    assert [len(batch) for batch in batches] == sizes
    seen = torch.bincount(torch.cat(batches), minlength=images)
    assert len(seen) == images
    assert seen.max() - seen.min() <= 1


def test_a_batch_order_is_shuffled_anew_each_time_round():
    order = BatchOrder(50, torch.Generator().manual_seed(0))
    rounds = [order.next(50).tolist() for _ in range(3)]
    assert len({tuple(one) for one in rounds}) == 3
    assert list(range(50)) not in rounds
