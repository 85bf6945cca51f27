"""Stage 2: what it starts from, how many generated images there are, and how much each of them counts."""

import copy
import math

import pytest
import torch
from trainings import bits, in_stage_2, ran, stored

from dagan.defaults import reaches
from dagan.methods import METHODS
from dagan.training import batches, classification
from dagan.training.generation import Generation
from dagan.training.training import Training, train


@pytest.mark.parametrize("ratio", [0.0, 0.0625, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("method", ["dagan", "cgan", "vanilla_gan"])
def test_the_ratio_says_how_many_images_are_generated_and_how_much_they_count(make_config, monkeypatch, method, ratio):
    one = in_stage_2(make_config(method, {"classifier.augmentation_ratio": ratio})).classification
    drawn, shown, counted = [], [], []

    def paint(generation, network, latents, labels):
        drawn.append(labels)
        return torch.zeros(len(labels), 1, 8, 8)

    monkeypatch.setattr(Generation, "images_of", paint)
    monkeypatch.setattr(one.learner, "update", lambda loss, rate: counted.append(loss.item()))
    one.learner.network.register_forward_pre_hook(lambda module, inputs: shown.append(len(inputs[0])))
    terms = {name: value.item() for name, value in one.step(0).items()}
    # Whole batches of 16 are drawn, and cut, for batch norm works with the batch at hand; of whole turns, if separate.
    wanted = {0.0: 0, 0.0625: 16, 0.5: 16, 1.0: 16, 2.5: 48}[ratio]
    wanted = {0: 0, 16: 20, 48: 50}[wanted] if method == "vanilla_gan" else wanted
    assert sum(map(len, drawn)) == wanted
    assert shown == [16 + round(16 * ratio)]
    assert counted == [pytest.approx(terms["real"] + ratio * terms.get("generated", 0.0))]
    assert set(terms) == ({"real", "generated"} if wanted else {"real"})


def test_generated_images_have_the_classes_of_the_real_ones(make_config, monkeypatch):
    training, drawn = in_stage_2(make_config("dagan", {"classifier.augmentation_ratio": 1.5})), []
    original = training.generation.draw
    monkeypatch.setattr(training.generation, "draw", lambda y, *a, **k: drawn.append(y) or original(y, *a, **k))
    labels = copy.deepcopy(training.classification.batches).next()[0].labels
    _, together, real = training.classification.batch(0)
    assert drawn[0].tolist() == labels.tolist() * 2
    assert together.tolist() == labels.tolist() * 2 + labels.tolist()[:8]
    assert real.tolist() == [True] * 16 + [False] * 24


@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
def test_a_single_generated_image_is_enough(make_config, method):
    assert train(make_config(method, {"classifier.augmentation_ratio": 0.0625})).status == "completed"


def test_a_linear_ratio_falls_to_nothing(make_config):
    one = in_stage_2(make_config("dagan", {"classifier.augmentation_schedule": "linear"})).classification
    # 16 · (1 − i/6): 16, 13.3, 10.7, 8, 5.3, 2.7
    assert [int((~one.batch(iteration)[2]).sum()) for iteration in range(6)] == [16, 13, 11, 8, 5, 3]
    constant = in_stage_2(make_config("dagan")).classification
    assert [int((~constant.batch(iteration)[2]).sum()) for iteration in range(6)] == [16] * 6


# Two real images, then two generated ones: how sure the classifier is of each image's own class, 0 of ten.
SURE = [0.2, 0.5, 0.4, 0.05]


@pytest.mark.parametrize(
    ("confidence", "counting"),
    [(0.0, [0, 1, 2, 3]), (0.04, [0, 1, 2, 3]), (0.3, [0, 1, 2]), (0.45, [0, 1])],  # real images always count
)
def test_generated_images_of_which_the_classifier_is_less_sure_do_not_count(
    make_config, monkeypatch, confidence, counting
):
    settings = {"classifier.confidence": confidence, "classifier.batch_size": 2}
    one, losses = in_stage_2(make_config("cgan", settings)).classification, []
    logits = torch.tensor([[p] + [(1 - p) / 9] * 9 for p in SURE]).log()
    made = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), torch.tensor([True, True, False, False])
    monkeypatch.setattr(one, "batch", lambda iteration: made)
    monkeypatch.setattr(one, "judged", lambda images: (logits, None))
    monkeypatch.setattr(one.learner, "update", lambda loss, rate: losses.append(loss.item()))
    terms = one.step(0)
    assert losses == [pytest.approx(-sum(math.log(SURE[index]) for index in counting) / 2)]
    assert terms["real"].item() == pytest.approx(-(math.log(0.2) + math.log(0.5)) / 2)
    assert terms["generated"].item() == pytest.approx(-(math.log(0.4) + math.log(0.05)) / 2)


# Of images of class 0, of which the classifier is as sure; their partners are of class 1, of which it is less so.
ALSO_SURE = [0.6, 0.05, 0.3, 0.25]
KEPT = 0.75


@pytest.mark.parametrize(
    ("confidence", "counting"),
    [(0.0, [0, 1, 2, 3]), (0.25, [0, 1, 2, 3]), (0.4, [0, 1, 2]), (0.75, [0, 1])],  # 0.4 + 0.3 and 0.05 + 0.25
)
def test_the_loss_of_a_mixed_batch_by_hand(make_config, monkeypatch, confidence, counting):
    """A mixed image counts where the classes that are in it have the confidence together."""
    settings = {"classifier.confidence": confidence, "classifier.batch_size": 2, "classifier.mixup": 1.0}
    one, losses = in_stage_2(make_config("cgan", settings | {"classifier.label_smoothing": 0.1})).classification, []
    probabilities = torch.tensor([[p, q] + [(1 - p - q) / 8] * 8 for p, q in zip(SURE, ALSO_SURE, strict=True)])
    shares = torch.tensor([[KEPT, 1 - KEPT] + [0.0] * 8] * 4)
    made = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), torch.tensor([True, True, False, False])
    monkeypatch.setattr(one, "batch", lambda iteration: made)
    monkeypatch.setattr(classification, "mixed", lambda images, labels, *given: (images, shares))
    monkeypatch.setattr(one, "judged", lambda images: (probabilities.log(), None))
    monkeypatch.setattr(one.learner, "update", lambda loss, rate: losses.append(loss.item()))
    terms = one.step(0)
    targets = [0.9 * KEPT + 0.01, 0.9 * (1 - KEPT) + 0.01] + [0.01] * 8
    each = [-sum(t * math.log(p) for t, p in zip(targets, row, strict=True)) for row in probabilities.tolist()]
    assert losses == [pytest.approx(sum(each[index] for index in counting) / 2)]
    assert terms["real"].item() == pytest.approx((each[0] + each[1]) / 2)
    assert terms["generated"].item() == pytest.approx((each[2] + each[3]) / 2)


@pytest.mark.parametrize("generated", ["online", "offline"])
def test_the_mixed_images_are_those_that_are_judged(make_config, monkeypatch, generated):
    settings = {"classifier.cutmix": 1.0, "classifier.mixup": 0.5, "classifier.generated": generated}
    one, seen = in_stage_2(make_config("dagan", settings)).classification, []
    mix, judge = classification.mixed, one.judged

    def spied_mix(images, shares, real, *given):
        assert torch.equal(shares.sum(dim=1), torch.ones(32))
        seen.extend([real, mix(images, shares, real, *given)])
        return seen[-1]

    monkeypatch.setattr(classification, "mixed", spied_mix)
    monkeypatch.setattr(one, "judged", lambda images: seen.append(images) or judge(images))
    terms = one.step(0)
    real, (mixed, _), judged = seen
    assert 0 < int(real.sum()) < 32
    assert torch.equal(judged, mixed)
    assert set(terms) == {"real", "generated"}


RIVALS = {
    "classifier.label_smoothing": 0.1,
    "classifier.mixup": 0.4,
    "classifier.cutmix": 1.0,
    "augmentation.policy": "trivial_augment",
    "augmentation.erasing": 1.0,
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_with_each_rival_of_a_gan(make_config, method):
    found = {}
    for key, value in RIVALS.items() | {("", None)}:
        if not key or reaches(key, method):
            one = in_stage_2(make_config(method, {key: value} if key else {})).classification
            terms = [one.step(iteration) for iteration in range(2)]
            assert all(math.isfinite(value) for value in terms[1].values())
            found[key] = terms[1]["real"].item()
    assert len({*found.values()}) == len(found) == (6 if method.endswith("_aug") else 4)


def test_what_is_off_draws_from_no_stream(make_config):
    drawn = {}
    for changes in ({}, {"classifier.label_smoothing": 0.1}, {"classifier.cutmix": 1.0}, RIVALS):
        training = in_stage_2(make_config("dagan_aug", changes))
        training.steps.step(0)
        drawn[*changes] = {*training.streams.state()}
    plain, smoothed, cut, everything = drawn.values()
    assert (
        plain == smoothed == {name for name in plain if not name.endswith(("policy", "erasing", "mixing", "partners"))}
    )
    assert cut - plain == {"classification.mixing", "classification.partners"}
    assert everything - cut == {"classification.policy", "classification.erasing"}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25]), ("cosine", [1, 0.853553, 0.5, 0.146447])],
)
@pytest.mark.parametrize("method", ["c", "dagan"])
def test_the_classifier_learns_at_the_rate_of_stage_2(make_config, monkeypatch, method, schedule, expected):
    settings = {"classifier.iterations": 4, "classifier.schedule": schedule, "classifier.learning_rate": 1e-3}
    settings |= {"gan.learning_rate": 0.5, "gan.schedule": "linear"} if method == "dagan" else {}
    one, rates = in_stage_2(make_config(method, settings)).classification, []
    monkeypatch.setattr(one.learner, "update", lambda loss, rate: rates.append(rate))
    for iteration in range(4):
        one.step(iteration)
    assert rates == pytest.approx([1e-3 * share for share in expected], rel=1e-5)


@pytest.mark.parametrize("method", ["dagan", "semi_gan"])
def test_a_warm_start_goes_on_with_d_its_average_and_adams_state(make_config, method):
    settings = {"classifier.weight_decay": 0.25, "gan.weight_decay": 0.125}
    settings |= {"classifier.beta1": 0.75, "gan.beta1": 0.25}
    training = Training(make_config(method, settings))
    next(training.run(every=100))
    learner = training.generation.discriminator
    before = stored(learner.state())
    training.begin_classification()
    assert training.classification.learner is learner
    after = learner.state()
    for state, decay, beta1 in ((before, 0.125, 0.25), (after, 0.25, 0.75)):
        assert [group.pop("weight_decay") for group in state["optimiser"]["param_groups"]] == [decay, 0.0]
        assert [group.pop("betas") for group in state["optimiser"]["param_groups"]] == [(beta1, 0.999)] * 2
    assert bits(after) == bits(before)
    assert all(entry["step"] == 5 for entry in after["optimiser"]["state"].values())


@pytest.mark.parametrize(("before", "after"), [("adam", "sgd"), ("sgd", "adam")])
def test_a_warm_start_with_another_optimiser_keeps_weights_but_no_state(make_config, before, after):
    settings = {"gan.discriminator_optimiser": before, "classifier.optimiser": after}
    training = Training(make_config("dagan", settings))
    next(training.run(every=100))
    weights = bits(stored(training.generation.discriminator.network.state_dict()))
    training.begin_classification()
    learner = training.classification.learner
    assert bits(learner.network.state_dict()) == weights
    assert learner.kind == after
    assert learner.state()["optimiser"]["state"] == {}


@pytest.mark.parametrize("method", ["dagan", "semi_gan"])
def test_a_fresh_start_is_the_plain_classifier_whatever_stage_1_was(make_config, method):
    training = Training(make_config(method, {"classifier.start": "fresh", "classifier.optimiser": "sgd"}))
    next(training.run(every=100))
    training.begin_classification()
    plain = Training(make_config("c", {"classifier.optimiser": "sgd"}))
    learner = training.classification.learner
    assert bits(learner.state()) == bits(plain.classification.learner.state())
    assert learner.network is not training.generation.discriminator.network


@pytest.mark.parametrize("method", ["c", "dagan", "cgan"])
def test_without_an_average_the_network_itself_is_evaluated(make_config, method):
    training = in_stage_2(make_config(method, {"classifier.average_decay": 0.0}))
    assert training.trained.network is training.classification.learner.network
    assert in_stage_2(make_config(method)).trained.network is not training.classification.learner.network


@pytest.mark.parametrize("method", ["dagan", "dagan_aug", "vanilla_gan", "cgan_aug"])
def test_offline_images_are_drawn_once_and_join_the_training_images(make_config, monkeypatch, method):
    settings = {"classifier.generated": "offline", "classifier.augmentation_ratio": 1.5}
    training, drawn = Training(make_config(method, settings)), []
    next(training.run(every=100))
    original = training.generation.images_of
    monkeypatch.setattr(training.generation, "images_of", lambda *a: drawn.append(len(a[2])) or original(*a))
    training.begin_classification()
    assert drawn == [20] * 3  # 6 of each class, in batches of 2 of each
    one, train = training.classification, training.data.train
    assert len(one.batches.images) == 40 * (1 + 1.5)
    assert torch.equal(one.batches.images.images[:40], train.images)
    assert torch.equal(one.batches.images.labels[:40], train.labels)
    assert torch.bincount(one.batches.images.labels[40:]).tolist() == [6] * 10
    for iteration in range(6):
        assert len(one.batch(iteration)[0]) == 40  # 16 · (4 + 6) / 4
        one.step(iteration)
    assert drawn == [20] * 3


def test_offline_images_are_the_same_after_a_resume_and_do_not_follow_g(make_config):
    config = make_config("dagan", {"classifier.generated": "offline"})
    training = Training(config)
    states = [stored(training.state()) for _ in training.run(every=1)]
    expected = training.classification.batches.images
    for state in (states[4], states[5], states[-1]):  # the end of stage 1, then stage 2
        resumed = Training(config)
        resumed.restore(state)
        run = resumed.run(every=1)
        next(run, None)
        assert torch.equal(resumed.classification.batches.images.images, expected.images)
        for _ in run:
            pass
        assert bits(resumed.state()) == bits(training.state())
    other = ran(make_config("dagan", {"classifier.generated": "offline", "gan.iterations": 4}))
    assert not torch.equal(other.classification.batches.images.images, expected.images)


def test_only_real_images_are_classically_augmented(make_config, monkeypatch):
    monkeypatch.setattr(batches, "augmented", lambda images, *settings: images + 10)
    for generated in ("offline", "online"):
        one = in_stage_2(make_config("dagan_aug", {"classifier.generated": generated})).classification
        found = [one.batch(iteration) for iteration in range(4)]
        images = torch.cat([part for part, _, _ in found])
        real = torch.cat([part for _, _, part in found])
        changed = images.amin(dim=(1, 2, 3)) > 5
        assert torch.equal(changed, real)
        assert 0 < int(real.sum()) < len(real)


def test_offline_batches_count_real_and_generated_images_alike(make_config):
    one = in_stage_2(make_config("dagan", {"classifier.generated": "offline"})).classification
    seen = torch.cat([one.batch(iteration)[2] for iteration in range(5)])  # 160 images, twice round
    assert len(seen) == 160
    assert int(seen.sum()) == 80  # 16 in each batch of 32, on average


@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
@pytest.mark.parametrize(("ratio", "size"), [(0.0, 16), (0.25, 20), (0.75, 28), (1.0, 32), (1.4, 40), (2.5, 56)])
def test_offline_batches_grow_so_that_b_of_their_images_are_real(make_config, method, ratio, size):
    """Like batches into which images are drawn online, whatever B; here of 4 + round(4·r) images of each class."""
    settings = {"classifier.generated": "offline", "classifier.augmentation_ratio": ratio}
    one = in_stage_2(make_config(method, settings)).classification
    union = len(one.batches.images)
    found = [one.batch(iteration)[2] for iteration in range(union)]
    assert {len(real) for real in found} == {size}
    assert int(torch.cat(found).sum()) == 40 * size  # each image as often as any other
    assert 40 * size / union == pytest.approx(16)
    odd = make_config(method, settings | {"classifier.batch_size": 5})
    assert in_stage_2(odd).classification.batches.size == round(5 * union / 40)


def test_the_loss_of_an_offline_batch_is_its_sum_by_the_number_of_real_images(make_config, monkeypatch):
    one, losses = in_stage_2(make_config("dagan", {"classifier.generated": "offline"})).classification, []
    each = torch.arange(1.0, 33.0)
    monkeypatch.setattr(classification.losses, "classification_losses", lambda scores, labels: each)
    monkeypatch.setattr(one.learner, "update", lambda loss, rate: losses.append(loss.item()))
    one.step(0)
    assert losses == [33.0]  # 528 / 16, as online


def test_an_infinite_loss_of_one_kind_of_image_is_told_of_that_kind(make_config, monkeypatch):
    one = in_stage_2(make_config("dagan")).classification
    each = torch.tensor([1.0, 3.0] * 8 + [torch.inf] * 16)
    monkeypatch.setattr(classification.losses, "classification_losses", lambda scores, labels: each)
    monkeypatch.setattr(one.learner, "update", lambda loss, rate: None)
    assert {name: value.item() for name, value in one.step(0).items()} == {"real": 2.0, "generated": math.inf}
