"""The losses by worked arithmetic; logits are logs of whole numbers, so that (1, 2, 3, 4) says 0.1, 0.2, 0.3, 0.4."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import tensor

from dagan.training import losses

# K = 2: real 0, real 1, generated 0, generated 1. Both rows of a batch are of classes 1 and 0, in this order.
REAL = tensor([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]).log()
GENERATED = tensor([[1.0, 1.0, 1.0, 1.0], [5.0, 1.0, 3.0, 1.0]]).log()
LABELS = tensor([1, 0])


def minus_mean_log(*probabilities):
    return -sum(map(math.log, probabilities)) / len(probabilities)


def test_joint_discriminator_loss_by_hand():
    expected = minus_mean_log(0.2, 0.4) + minus_mean_log(1 / 4, 3 / 10)
    assert losses.joint_discriminator_loss(REAL, GENERATED, LABELS).item() == pytest.approx(expected)


def test_joint_generator_loss_by_hand():
    assert losses.joint_generator_loss(GENERATED, LABELS).item() == pytest.approx(minus_mean_log(1 / 4, 5 / 10))


def test_pairwise_discriminator_loss_by_hand():
    expected = minus_mean_log(2 / (2 + 4), 4 / (4 + 2)) + minus_mean_log(1 / 2, 3 / (5 + 3))
    assert losses.pairwise_discriminator_loss(REAL, GENERATED, LABELS).item() == pytest.approx(expected)


def test_pairwise_generator_loss_by_hand():
    expected = minus_mean_log(1 / 2, 5 / (5 + 3))
    assert losses.pairwise_generator_loss(GENERATED, LABELS).item() == pytest.approx(expected)


def test_joint_class_scores_by_hand():
    scores = losses.joint_class_scores(REAL)
    assert scores.exp().tolist() == [pytest.approx([1 + 3, 2 + 4]), pytest.approx([4 + 2, 3 + 1])]


def test_pairwise_class_scores_by_hand():
    scores = losses.pairwise_class_scores(REAL)
    assert scores.exp().tolist() == [pytest.approx([1 * 3, 2 * 4]), pytest.approx([4 * 2, 3 * 1])]


def test_plain_class_scores_are_the_logits():
    assert torch.equal(losses.plain_class_scores(REAL), REAL)


def test_joint_classification_loss_by_hand():
    scores = losses.joint_class_scores(REAL)
    expected = minus_mean_log(0.2 + 0.4, 0.4 + 0.2)  # p(y|x) + p(K+y|x), eq. (7)
    assert losses.classification_losses(scores, LABELS).mean().item() == pytest.approx(expected)


def test_pairwise_classification_loss_by_hand():
    scores = losses.pairwise_class_scores(REAL)
    expected = minus_mean_log(8 / (3 + 8), 8 / (8 + 3))
    assert losses.classification_losses(scores, LABELS).mean().item() == pytest.approx(expected)


def test_classification_losses_are_one_per_image():
    scores = tensor([[1.0, 3.0, 4.0], [5.0, 2.0, 1.0], [1.0, 1.0, 2.0]]).log()
    each = losses.classification_losses(scores, tensor([1, 0, 1]))
    assert each.tolist() == pytest.approx([-math.log(3 / 8), -math.log(5 / 8), -math.log(1 / 4)])


# Odds of real to generated: 3 : 1 and 1 : 1 of real images, 1 : 4 and 2 : 1 of generated ones.
REAL_ODDS, GENERATED_ODDS = tensor([[3.0], [1.0]]).log(), tensor([[1 / 4], [2.0]]).log()


def test_binary_discriminator_loss_by_hand():
    expected = minus_mean_log(3 / 4, 1 / 2) + minus_mean_log(4 / 5, 1 / 3)
    assert losses.binary_discriminator_loss(REAL_ODDS, GENERATED_ODDS, LABELS).item() == pytest.approx(expected)


def test_binary_generator_loss_by_hand():
    expected = minus_mean_log(1 / 5, 2 / 3)  # −log D, not log(1 − D)
    assert losses.binary_generator_loss(GENERATED_ODDS, LABELS).item() == pytest.approx(expected)


# K = 2 and "generated" last.
EXTRA_REAL = tensor([[1.0, 2.0, 3.0], [4.0, 1.0, 1.0]]).log()
EXTRA_GENERATED = tensor([[1.0, 5.0, 2.0], [1.0, 1.0, 8.0]]).log()


def test_extra_discriminator_loss_by_hand():
    expected = minus_mean_log(2 / 6, 4 / 6) + minus_mean_log(2 / 8, 8 / 10)
    assert losses.extra_discriminator_loss(EXTRA_REAL, EXTRA_GENERATED, LABELS).item() == pytest.approx(expected)


def test_extra_generator_loss_by_hand():
    loss = losses.GENERATOR_LOSSES["extra"](EXTRA_GENERATED, LABELS)
    assert loss.item() == pytest.approx(minus_mean_log(5 / 8, 1 / 10))


def test_extra_class_scores_leave_out_generated():
    scores = losses.extra_class_scores(EXTRA_REAL)
    assert scores.exp().tolist() == [pytest.approx([1, 2]), pytest.approx([4, 1])]
    assert losses.classification_losses(scores, LABELS).tolist() == pytest.approx([-math.log(2 / 3), -math.log(4 / 5)])


def test_smoothed_labels_by_hand():
    """A fifth of each label goes to the four classes alike."""
    shares = tensor([[0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.5]])
    expected = [[0.05, 0.85, 0.05, 0.05], [0.45, 0.05, 0.05, 0.45]]
    assert losses.smoothed(shares, 0.2).tolist() == [pytest.approx(row) for row in expected]


@pytest.mark.parametrize(
    ("scores_of", "probabilities"),
    [
        (losses.joint_class_scores, [(0.4, 0.6), (0.6, 0.4)]),  # 1 + 3 and 2 + 4 of 10
        (losses.pairwise_class_scores, [(3 / 11, 8 / 11), (8 / 11, 3 / 11)]),  # 1 · 3 and 2 · 4
        (lambda logits: losses.plain_class_scores(logits[:, 2:]), [(3 / 7, 4 / 7), (2 / 3, 1 / 3)]),
    ],
)
def test_the_loss_of_mixed_and_smoothed_labels_by_hand(scores_of, probabilities):
    """Three quarters of class 1 and one of class 0, smoothed by a fifth: 0.7 and 0.3; then all of class 0: 0.9, 0.1."""
    shares = losses.smoothed(tensor([[0.25, 0.75], [1.0, 0.0]]), 0.2)
    (a, b), (c, d) = probabilities
    expected = [-0.3 * math.log(a) - 0.7 * math.log(b), -0.9 * math.log(c) - 0.1 * math.log(d)]
    assert losses.classification_losses(scores_of(REAL), shares).tolist() == pytest.approx(expected)


def test_a_label_of_one_class_is_that_class_to_the_bit():
    scores = torch.randn(500, 10, generator=torch.Generator().manual_seed(0)).mul(5).requires_grad_()
    labels = torch.arange(500) % 10
    shares = losses.smoothed(torch.eye(10)[labels], 0.0)
    one, other = (losses.classification_losses(scores, target) for target in (labels, shares))
    assert torch.equal(one, other)
    gradients = [torch.autograd.grad(each.sum() / 16, scores)[0] for each in (one, other)]
    assert torch.equal(*gradients)


@given(st.lists(st.floats(-30, 30), min_size=6, max_size=6))
def test_the_softmax_of_joint_class_scores_is_real_plus_generated(logits):
    shares = [math.exp(logit - max(logits)) for logit in logits]
    expected = [(shares[index] + shares[3 + index]) / sum(shares) for index in range(3)]
    scores = losses.joint_class_scores(tensor([logits], dtype=torch.float64))
    assert scores.softmax(dim=1)[0].tolist() == pytest.approx(expected)


@given(st.lists(st.floats(-30, 30), min_size=6, max_size=6), st.integers(0, 2))
def test_a_shift_of_all_logits_changes_no_loss(logits, label):
    one, moved, labels = tensor([logits]).double(), tensor([logits]).double() + 7, tensor([label])
    for name in ("joint", "pairwise", "extra"):
        for loss in (
            lambda x, name=name: losses.DISCRIMINATOR_LOSSES[name](x, x, labels),
            lambda x, name=name: losses.GENERATOR_LOSSES[name](x, labels),
            lambda x, name=name: losses.classification_losses(losses.CLASS_SCORES[name](x), labels).sum(),
        ):
            assert loss(moved).item() == pytest.approx(loss(one).item(), abs=1e-9)


SURE = tensor([[-1e4, 0.0, 1e4, 0.0]])  # all but certain: generated, of class 0


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda x, y: losses.joint_discriminator_loss(x, x, y), 2e4),  # −log p(0) = 2e4 on real, −log p(K+0) = 0
        (lambda x, y: losses.pairwise_discriminator_loss(x, x, y), 2e4),
        (losses.joint_generator_loss, 2e4),
        (losses.pairwise_generator_loss, 2e4),
        (lambda x, y: losses.classification_losses(losses.joint_class_scores(x), y).sum(), 0.0),
        (lambda x, y: losses.classification_losses(losses.joint_class_scores(x), 1 - y).sum(), 1e4 - math.log(2)),
        (lambda x, y: losses.classification_losses(losses.pairwise_class_scores(x), y).sum(), math.log(2)),
        # Of 1e4 on output 3 of 4: p(K+1) = 0, p(class 2) = 1. The first output says −1e4.
        (lambda x, y: losses.extra_discriminator_loss(x, x, y), 2e4 + 1e4),
        (lambda x, y: losses.classification_losses(losses.extra_class_scores(x), y).sum(), 2e4),
        (lambda x, y: losses.classification_losses(losses.extra_class_scores(x), y + 2).sum(), 0.0),
        (lambda x, y: losses.binary_discriminator_loss(x[:, :1], x[:, 2:3], y), 2e4),  # real −1e4, generated 1e4
        (lambda x, y: losses.binary_discriminator_loss(x[:, 2:3], x[:, :1], y), 0.0),
        (lambda x, y: losses.binary_generator_loss(x[:, :1], y), 1e4),
        (lambda x, y: losses.binary_generator_loss(x[:, 2:3], y), 0.0),
    ],
)
def test_losses_of_huge_logits_are_right_and_have_gradients(loss, expected):
    logits = SURE.clone().requires_grad_()
    value = loss(logits, tensor([0]))
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-6)
    assert logits.grad.isfinite().all()


# Classes 0, 0, 2; class 1 is absent. Differences: (2, 0) and (4, −2) of class 0, mean (3, −1); (−1, 1) of class 2.
REAL_FEATURES = tensor([[2.0, 1.0], [5.0, 0.0], [0.0, 4.0]])
GENERATED_FEATURES = tensor([[0.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
CLASSES = tensor([0, 0, 2])


@pytest.mark.parametrize(
    ("kind", "norm", "expected"),
    [
        ("batch", "l1", (5 / 3 + 1 / 3) / 2),  # mean of all: (5/3, −1/3)
        ("batch", "l2", math.sqrt((25 / 9 + 1 / 9) / 2)),
        ("class", "l1", ((3 + 1) / 2 + (1 + 1) / 2) / 2),
        ("class", "l2", (math.sqrt((9 + 1) / 2) + math.sqrt((1 + 1) / 2)) / 2),
    ],
)
def test_feature_matching_loss_by_hand(kind, norm, expected):
    loss = losses.FEATURE_MATCHING_LOSSES[kind](REAL_FEATURES, GENERATED_FEATURES, CLASSES, norm=norm)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["batch", "class"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_feature_matching_of_equal_features_is_zero_with_a_gradient(kind, norm):
    features = REAL_FEATURES.clone().requires_grad_()
    loss = losses.FEATURE_MATCHING_LOSSES[kind](REAL_FEATURES, features, CLASSES, norm=norm)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=2e-6)
    assert features.grad.isfinite().all()


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: losses.joint_discriminator_loss(REAL, GENERATED, LABELS[:, None]),
        lambda: losses.joint_discriminator_loss(REAL, GENERATED[:1], LABELS),
        lambda: losses.joint_generator_loss(GENERATED, LABELS.float()),
        lambda: losses.pairwise_discriminator_loss(REAL, GENERATED, LABELS[:1]),
        lambda: losses.pairwise_generator_loss(GENERATED, LABELS[:, None]),
        lambda: losses.joint_class_scores(REAL[0]),
        lambda: losses.pairwise_class_scores(REAL[:, :, None]),
        lambda: losses.classification_losses(REAL, LABELS[:, None]),
        lambda: losses.classification_losses(REAL, LABELS[:1]),
        lambda: losses.classification_losses(REAL, REAL[:, :2]),
        lambda: losses.binary_discriminator_loss(REAL_ODDS, GENERATED_ODDS[:, 0], LABELS),
        lambda: losses.binary_discriminator_loss(REAL_ODDS, GENERATED_ODDS[:1], LABELS),
        lambda: losses.binary_generator_loss(GENERATED_ODDS[:, 0], LABELS),
        lambda: losses.extra_discriminator_loss(EXTRA_REAL, EXTRA_GENERATED, LABELS[:, None]),
        lambda: losses.extra_class_scores(EXTRA_REAL[0]),
        lambda: losses.batch_feature_matching_loss(REAL_FEATURES, GENERATED_FEATURES[:, :1], CLASSES),
        lambda: losses.class_feature_matching_loss(REAL_FEATURES, GENERATED_FEATURES, CLASSES[:, None]),
    ],
)
def test_wrong_shapes_are_refused(mistake):
    with pytest.raises(TypeCheckError):
        mistake()
