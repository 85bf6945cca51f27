"""The losses of DAGAN and its rivals, one function per equation, numbered as in the DAGAN paper.

DAGAN's D has 2K outputs; l_i, i < K, speaks for "real and of class i" and l_{K+i} for "generated and of class i".
`joint` is the paper: one softmax over all 2K. `pairwise` is the authors' released code: stage 1 is a two-way softmax
over the pair (l_y, l_{K+y}) of the given label, and stage 2 scores class i by the sum l_i + l_{K+i}.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from dagan.shapes import ClassLogits, ClassShares, Features, Labels, Logits, Scalar


def joint_discriminator_loss(real: Logits, generated: Logits, labels: Labels) -> Scalar:
    """−E log p(y|x) − E log p(K+y|G(z,y)), a 2K-way cross-entropy. Eq. (3)."""
    return cross_entropy(real, labels) + cross_entropy(generated, labels + classes_of(generated))


def joint_generator_loss(generated: Logits, labels: Labels) -> Scalar:
    """−E log p(y|G(z,y)): the image should be taken for a real y. Eq. (4) without λ L_fm, with 2K or K+1 outputs."""
    return cross_entropy(generated, labels)


def joint_class_scores(logits: Logits) -> ClassLogits:
    """log(exp l_i + exp l_{K+i}): the softmax over these is p(i|x) + p(K+i|x). Prediction, eq. (7) and (8)."""
    real, generated = logits.chunk(2, dim=1)
    return torch.logaddexp(real, generated)


def pairwise_discriminator_loss(real: Logits, generated: Logits, labels: Labels) -> Scalar:
    """−E log σ(l_y − l_{K+y}) on real and −E log σ(l_{K+y} − l_y) on generated images. Released code for eq. (3)."""
    return softplus(-realness(real, labels)).mean() + softplus(realness(generated, labels)).mean()


def pairwise_generator_loss(generated: Logits, labels: Labels) -> Scalar:
    """−E log σ(l_y − l_{K+y}) on generated images. Released code for eq. (4) without λ L_fm."""
    return softplus(-realness(generated, labels)).mean()


def pairwise_class_scores(logits: Logits) -> ClassLogits:
    """l_i + l_{K+i}. Released code, stage 2 and prediction."""
    real, generated = logits.chunk(2, dim=1)
    return real + generated


def binary_discriminator_loss(real: Logits, generated: Logits, labels: Labels) -> Scalar:
    """−E log D(x) − E log(1 − D(G(z))), D = σ(l). Eq. (1), and eq. (2) where D is shown the label too."""
    return softplus(-real).mean() + softplus(generated).mean()


def binary_generator_loss(generated: Logits, labels: Labels) -> Scalar:
    """−E log D(G(z)), the form that does not saturate (Goodfellow et al. 2014, §3). Eq. (1) and (2)."""
    return softplus(-generated).mean()


def extra_discriminator_loss(real: Logits, generated: Logits, labels: Labels) -> Scalar:
    """−E log p(y|x) − E log p(K+1|G(z,y)), a K+1-way cross-entropy (Salimans et al. 2016, §5)."""
    last = torch.full_like(labels, generated.shape[1] - 1)
    return cross_entropy(real, labels) + cross_entropy(generated, last)


def extra_class_scores(logits: Logits) -> ClassLogits:
    """The first K of K+1 logits: their softmax is p(i|x, real)."""
    return logits[:, :-1]


def classification_losses(scores: ClassLogits, labels: Labels | ClassShares) -> Float[Tensor, " batch"]:
    """−log softmax(scores)_y of each image; of one whose label has shares in several classes, the mean by these.

    With `joint_class_scores` this is eq. (7) on real and eq. (8) on generated images, since the log-sum-exp over
    classes of log(exp l_i + exp l_{K+i}) is that over all 2K outputs.
    """
    return cross_entropy(scores, labels, reduction="none")


def smoothed(shares: ClassShares, smoothing: float) -> ClassShares:
    """(1 − ε) q(i) + ε/K: a share ε of each label goes to all K classes alike (Szegedy et al. 2016, §7)."""
    return (1 - smoothing) * shares + smoothing / shares.shape[1]


def batch_feature_matching_loss(real: Features, generated: Features, labels: Labels, *, norm: str = "l1") -> Scalar:
    """‖E f(x) − E f(G(z,y))‖ with one mean per batch, the labels of both being equal. Eq. (5)."""
    return distance(real.mean(dim=0) - generated.mean(dim=0), norm)


def class_feature_matching_loss(real: Features, generated: Features, labels: Labels, *, norm: str = "l1") -> Scalar:
    """‖E f(x|y) − E f(G(z,y)|y)‖ with one mean per class present, averaged over these classes. Eq. (5)."""
    same_class = (labels[:, None] == labels).to(real.dtype)
    count = same_class.sum(dim=1)
    means = same_class @ (real - generated) / count[:, None]
    # One row per image, each of weight 1/count, is one row per class without asking which classes are there.
    return (distance(means, norm) / count).sum() / (1 / count).sum()


def distance(difference: Float[Tensor, "*rows features"], norm: str) -> Float[Tensor, "*rows"]:
    """Return the mean absolute (l1) or root mean square (l2) over the features: λ does not depend on their number."""
    if norm == "l1":
        return difference.abs().mean(dim=-1)
    # The root of an exact zero has no gradient.
    return (difference.square().mean(dim=-1) + 1e-12).sqrt()


def realness(logits: Logits, labels: Labels) -> Float[Tensor, " batch"]:
    """l_y − l_{K+y}, the log-odds that an image of class y is real."""
    index = labels[:, None]
    return (logits.gather(1, index) - logits.gather(1, index + classes_of(logits)))[:, 0]


def classes_of(logits: Logits) -> int:
    """Return K, from 2K outputs."""
    return logits.shape[1] // 2


def plain_class_scores(logits: ClassLogits) -> ClassLogits:
    """The logits of a K-way head are its class scores."""
    return logits


DISCRIMINATOR_LOSSES: dict[str, Callable[..., Scalar]] = {
    "joint": joint_discriminator_loss,
    "pairwise": pairwise_discriminator_loss,
    "extra": extra_discriminator_loss,
    "binary": binary_discriminator_loss,
}
GENERATOR_LOSSES: dict[str, Callable[..., Scalar]] = {
    "joint": joint_generator_loss,
    "pairwise": pairwise_generator_loss,
    "extra": joint_generator_loss,
    "binary": binary_generator_loss,
}
CLASS_SCORES: dict[str, Callable[..., ClassLogits]] = {
    "joint": joint_class_scores,
    "pairwise": pairwise_class_scores,
    "extra": extra_class_scores,
    "plain": plain_class_scores,
}
FEATURE_MATCHING_LOSSES: dict[str, Callable[..., Scalar]] = {
    "batch": batch_feature_matching_loss,
    "class": class_feature_matching_loss,
}
