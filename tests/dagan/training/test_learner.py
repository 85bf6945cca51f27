"""A network that learns: one step of each optimiser worked by hand, what decays, what is kept."""

import copy

import pytest
import torch
from trainings import bits, stored

from dagan.networks.layer_tables import Layer
from dagan.networks.layers import Weighted
from dagan.training.learner import Learner, scheduled


def learner(optimiser="adam", *, beta1=0.5, weight_decay=0.0, average_decay=0.0):
    """A linear layer of weights (1, 2) and (3, −4), biases (5, 6) and scales (7, 8)."""
    layer = Weighted(Layer("linear", 2, 2, 1, 1, 0, 1))
    layer.normalise(learns=True)
    with torch.no_grad():
        for parameter, values in (
            (layer.weight, [[1.0, 2.0], [3.0, -4.0]]),
            (layer.bias, [5.0, 6.0]),
            (layer.scale, [7.0, 8.0]),
        ):
            parameter.copy_(torch.tensor(values))
    return Learner(layer, optimiser=optimiser, beta1=beta1, weight_decay=weight_decay, average_decay=average_decay)


def slope(one, *, weight=0.0, bias=0.0, scale=0.0):
    """A loss whose gradient is the same for each value of a kind."""
    return weight * one.network.weight.sum() + bias * one.network.bias.sum() + scale * one.network.scale.sum()


def values(network):
    return [network.weight.flatten().tolist(), network.bias.tolist(), network.scale.tolist()]


def expect(network, weight, bias, scale):
    for found, expected in zip(values(network), (weight, bias, scale), strict=True):
        assert found == pytest.approx(expected, rel=1e-6)


def test_one_step_of_sgd_is_learning_rate_times_gradient():
    one = learner("sgd", beta1=0.0)
    one.update(slope(one, weight=2.0, bias=-3.0, scale=1.0), 0.1)
    expect(one.network, [0.8, 1.8, 2.8, -4.2], [5.3, 6.3], [6.9, 7.9])


def test_beta1_is_the_momentum_of_sgd():
    one = learner("sgd", beta1=0.5)
    for weight in (2.0, 4.0):
        one.update(slope(one, weight=weight), 0.1)
    # 0.1 · 2, then 0.1 · (0.5 · 2 + 4)
    expect(one.network, [1 - 0.7, 2 - 0.7, 3 - 0.7, -4 - 0.7], [5, 6], [7, 8])


def test_adam_with_its_beta1():
    one = learner("adam", beta1=0.5)
    one.update(slope(one, weight=2.0, bias=-3.0), 0.1)
    expect(one.network, [0.9, 1.9, 2.9, -4.1], [5.1, 6.1], [7, 8])  # the first step: the gradient's sign
    one.update(slope(one, weight=4.0), 0.1)
    # Means (0.5 · 0.5 · 2 + 0.5 · 4) / (1 − 0.25) of the gradient, (0.999 · 0.001 · 4 + 0.001 · 16) / (1 − 0.999²)
    # of its square.
    step = 0.1 * (2.5 / 0.75) / ((0.003996 + 0.016) / (1 - 0.998001)) ** 0.5
    assert one.network.weight.flatten().tolist() == pytest.approx([0.9 - step, 1.9 - step, 2.9 - step, -4.1 - step])


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_weight_decay_shrinks_weights_but_no_bias_and_no_scale(optimiser):
    one = learner(optimiser, weight_decay=0.5)
    one.update(slope(one), 0.2)
    expect(one.network, [0.9, 1.8, 2.7, -3.6], [5, 6], [7, 8])  # times 1 − 0.2 · 0.5


def test_without_weight_decay_nothing_shrinks():
    for optimiser in ("adam", "sgd"):
        one = learner(optimiser)
        one.update(slope(one), 0.2)
        expect(one.network, [1, 2, 3, -4], [5, 6], [7, 8])


def test_what_is_frozen_stays_and_no_other_network_learns():
    one, other = learner("sgd", beta1=0.0, weight_decay=0.5), learner("sgd", beta1=0.0)
    one.network.scale.requires_grad_(False)
    frozen = Learner(one.network, optimiser="sgd", beta1=0.0, weight_decay=0.0, average_decay=0.0)
    frozen.update(slope(one, weight=1.0, scale=1.0) * slope(other, weight=1.0), 0.1)
    assert one.network.scale.tolist() == [7, 8]
    assert one.network.weight.flatten().tolist() != [1, 2, 3, -4]
    expect(other.network, [1, 2, 3, -4], [5, 6], [7, 8])
    assert all(parameter.grad is None for parameter in other.network.parameters())


def test_the_average_follows_with_the_decay_that_its_docstring_says():
    one = learner("sgd", beta1=0.0, average_decay=0.25)
    expected = 5.0
    for index in range(1, 8):
        one.update(slope(one, bias=1.0), 0.1)
        decay = min(0.25, (1 + index) / (10 + index))  # 2/11, 3/12 = 0.25, 0.25, …
        expected = decay * expected + (1 - decay) * (5 - 0.1 * index)
        assert one.average.bias[0].item() == pytest.approx(expected)
    assert one.network.bias[0].item() == pytest.approx(4.3)
    assert not any(parameter.requires_grad for parameter in one.average.parameters())


def test_an_average_of_decay_zero_is_the_network_itself():
    one = learner()
    assert one.average is one.network
    assert one.state()["average"] == {}


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_going_on_by_the_same_optimiser_keeps_its_state_and_takes_the_new_settings(optimiser):
    one, other = learner(optimiser, weight_decay=0.3), learner(optimiser, weight_decay=0.3)
    for learns in (one, other):
        learns.update(slope(learns, weight=2.0), 0.1)
    one.go_on(optimiser, beta1=0.5, weight_decay=0.3)
    for learns in (one, other):
        learns.update(slope(learns, weight=-1.0), 0.1)
    assert values(one.network) == values(other.network)
    one.go_on(optimiser, beta1=0.25, weight_decay=0.0)
    assert [group["weight_decay"] for group in one.optimiser.param_groups] == [0.0, 0.0]
    for learns in (one, other):
        learns.update(slope(learns, weight=-1.0), 0.1)
    assert values(one.network) != values(other.network)


def test_going_on_with_another_beta1_by_hand():
    one = learner("sgd", beta1=0.5)
    one.update(slope(one, weight=2.0), 0.1)
    one.go_on("sgd", beta1=0.25, weight_decay=0.0)
    one.update(slope(one, weight=4.0), 0.1)
    # 0.1 · 2, then 0.1 · (0.25 · 2 + 4)
    expect(one.network, [1 - 0.65, 2 - 0.65, 3 - 0.65, -4 - 0.65], [5, 6], [7, 8])
    adam = learner("adam", beta1=0.5)
    adam.go_on("adam", beta1=0.75, weight_decay=0.0)
    assert [group["betas"] for group in adam.optimiser.param_groups] == [(0.75, 0.999)] * 2


@pytest.mark.parametrize(("before", "after"), [("adam", "sgd"), ("sgd", "adam")])
def test_going_on_by_another_optimiser_begins_anew(before, after):
    one = learner(before)
    one.update(slope(one, weight=2.0, bias=1.0, scale=1.0), 0.1)
    one.go_on(after, beta1=0.25, weight_decay=0.5)
    fresh = Learner(copy.deepcopy(one.network), optimiser=after, beta1=0.25, weight_decay=0.5, average_decay=0.0)
    for learns in (one, fresh):
        for weight in (-3.0, 2.0):
            learns.update(slope(learns, weight=weight), 0.1)
    assert one.kind == after
    assert values(one.network) == values(fresh.network)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize("other", ["adam", "sgd"])
def test_a_restored_learner_goes_on_bit_for_bit_whatever_it_was(kind, other):
    one = learner("adam", weight_decay=0.1, average_decay=0.9)
    one.update(slope(one, weight=2.0), 0.1)
    one.go_on(kind, beta1=0.75, weight_decay=0.2)
    one.update(slope(one, weight=1.0, scale=2.0), 0.1)
    state, resumed = stored(one.state()), learner(other, weight_decay=0.7, average_decay=0.9)
    resumed.update(slope(resumed, weight=5.0), 0.3)
    resumed.restore(state)
    for learns in (one, resumed):
        for _ in range(3):
            learns.update(slope(learns, weight=1.0, bias=1.0), 0.1)
    assert bits(resumed.state()) == bits(one.state())


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.2, 0.2, 0.2, 0.2]),
        ("linear", [0.2, 0.15, 0.1, 0.05]),
        ("cosine", [0.2, 0.1 + 0.1 * 2**-0.5, 0.1, 0.1 - 0.1 * 2**-0.5]),
    ],
)
def test_the_learning_rate_of_each_of_four_iterations(schedule, expected):
    assert [scheduled(0.2, schedule, iteration, 4) for iteration in range(4)] == pytest.approx(expected)
