"""Stage 1: how often which network learns, at which rate, from what; and the images that G draws."""

import pytest
import torch
from trainings import bits, in_stage_2, ran

from dagan.training import generation, losses
from dagan.training.generation import Generation
from dagan.training.training import Training


@pytest.fixture
def steps(make_config, monkeypatch):
    """A function from method and settings to what happens in an iteration of stage 1, in its order."""

    def record(changes, method="dagan", iterations=1):
        one = Training(make_config(method, changes)).generation
        events = []

        def spy(learner, name):
            update = learner.update
            monkeypatch.setattr(learner, "update", lambda loss, rate: events.append((name, rate)) or update(loss, rate))

        spy(one.discriminator, "D")
        spy(one.generator, "G")
        following = one.batches.next
        monkeypatch.setattr(one.batches, "next", lambda: events.append(("batch", None)) or following())
        for iteration in range(iterations):
            one.step(iteration)
        return events

    return record


@pytest.mark.parametrize(("of_d", "of_g"), [(1, 2), (3, 1), (2, 4)])
@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
def test_steps_of_d_each_have_a_batch_of_their_own_and_steps_of_g_none(steps, method, of_d, of_g):
    events = steps({"gan.discriminator_steps": of_d, "gan.generator_steps": of_g}, method)
    assert [name for name, _ in events] == ["batch"] + ["G"] * of_g + ["D"] + ["batch", "D"] * (of_d - 1)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25]), ("cosine", [1, 0.853553, 0.5, 0.146447])],
)
def test_both_networks_learn_at_the_rate_affects_stage_1(steps, schedule, expected):
    changes = {"gan.iterations": 4, "gan.schedule": schedule, "gan.learning_rate": 1e-3}
    events = steps(changes | {"classifier.learning_rate": 0.5, "classifier.schedule": "linear"}, iterations=4)
    for name, count in (("D", 1), ("G", 2)):
        rates = [rate for who, rate in events if who == name]
        assert rates == pytest.approx([1e-3 * share for share in expected for _ in range(count)], rel=1e-5)


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_each_network_has_the_optimiser_that_is_chosen(make_config, network):
    settings = {f"gan.{network}_optimiser": "sgd", "gan.weight_decay": 0.25, "gan.beta1": 0.75}
    one = Training(make_config("dagan", settings)).generation
    kinds = {name: type(getattr(one, name).optimiser) for name in ("discriminator", "generator")}
    other = "generator" if network == "discriminator" else "discriminator"
    assert kinds == {network: torch.optim.SGD, other: torch.optim.AdamW}
    for name in kinds:
        groups = getattr(one, name).optimiser.param_groups
        assert [group["weight_decay"] for group in groups] == [0.25, 0.0]
        assert {group.get("momentum") or group["betas"][0] for group in groups} == {0.75}


def test_the_optimiser_moves_nothing_of_the_other_network_s_first_step(make_config):
    def after(learns, changes):
        one = Training(make_config("dagan", changes)).generation
        still = one.generator if learns == "discriminator" else one.discriminator
        still.update = lambda loss, rate: None
        one.step(0)
        return bits(getattr(one, learns).network.state_dict())

    for learns, other in (("discriminator", "generator"), ("generator", "discriminator")):
        assert after(learns, {}) == after(learns, {f"gan.{other}_optimiser": "sgd"})
        assert after(learns, {}) != after(learns, {f"gan.{learns}_optimiser": "sgd"})


def test_sgd_takes_the_gradient_of_the_loss(make_config, monkeypatch):
    """Weights after a step = weights − learning rate · gradient, in a real step of D."""
    settings = {"gan.discriminator_optimiser": "sgd", "gan.beta1": 0.0, "gan.learning_rate": 0.01}
    one = Training(make_config("dagan", settings)).generation
    learner, found = one.discriminator, {}
    update = learner.update

    def spy(loss, rate):
        found["gradients"] = torch.autograd.grad(loss, learner.learning, retain_graph=True)
        found["before"] = [parameter.detach().clone() for parameter in learner.learning]
        update(loss, rate)

    monkeypatch.setattr(learner, "update", spy)
    one.step(0)
    for parameter, before, gradient in zip(learner.learning, found["before"], found["gradients"], strict=True):
        assert gradient.any()
        assert torch.allclose(parameter, before - 0.01 * gradient, atol=1e-7)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_without_feature_matching_no_features_are_matched(make_config, monkeypatch, weight):
    matched, learned = [], []
    table, original = losses.FEATURE_MATCHING_LOSSES, losses.FEATURE_MATCHING_LOSSES["batch"]
    monkeypatch.setitem(table, "batch", lambda *a, **k: matched.append(original(*a, **k)) or matched[-1])
    one = Training(make_config("dagan", {"gan.feature_matching_weight": weight})).generation
    update = one.generator.update
    monkeypatch.setattr(one.generator, "update", lambda loss, rate: learned.append(loss.item()) or update(loss, rate))
    terms = one.step(0)
    assert len(matched) == (2 if weight else 0)  # once for each G step
    assert list(terms) == ["generator"] + (["feature matching"] if weight else []) + ["discriminator"]
    expected = terms["generator"] + weight * terms.get("feature matching", torch.tensor(0.0))
    assert learned[-1] == pytest.approx(expected.item())


@pytest.mark.parametrize("of_d", [1, 3])
def test_g_matches_the_features_of_d_s_own_pass_over_the_first_batch(make_config, monkeypatch, of_d):
    """Once looked at, for D's step and for all of G's, whose gradient goes through the generated images alone."""
    one, given, real, passes = Training(make_config("dagan", {"gan.discriminator_steps": of_d})).generation, [], [], []
    judged, matching = one.judged, one.generator_losses

    def spied_pass(images, labels):
        passes.append((images, judged(images, labels)))
        return passes[-1][1]

    monkeypatch.setattr(one, "judged", spied_pass)
    monkeypatch.setattr(one, "generator_losses", lambda y, f: given.append((y, f)) or matching(y, f))
    following = one.batches.next
    monkeypatch.setattr(one.batches, "next", lambda: real.append(following()) or real[-1])
    one.step(0)
    images, (_, features) = passes[0]
    assert torch.equal(images, real[0][0].images)
    assert features.requires_grad
    assert len(given) == 2
    for labels, matched in given:
        assert torch.equal(labels, real[0][0].labels)
        assert torch.equal(matched, features)
        assert not matched.requires_grad
    # Real images; then what G drew in its two steps; then for each step of D generated and, from the second on, real.
    assert len(passes) == 1 + 2 + 2 * of_d - 1
    assert len(real) == of_d
    for index, (batch, _) in enumerate(real[1:]):
        assert torch.equal(passes[4 + 2 * index][0], batch.images)


def test_g_learns_from_d_as_it_was_before_its_step_and_d_from_g_as_it_is_after_its_own(make_config, monkeypatch):
    one, seen = Training(make_config("dagan")).generation, []
    judged = one.judged
    versions = lambda: (bits(one.discriminator.network.state_dict()), bits(one.generator.network.state_dict()))  # noqa: E731
    monkeypatch.setattr(one, "judged", lambda x, y: seen.append(versions()) or judged(x, y))
    before = versions()
    one.step(0)
    after = versions()
    assert [d for d, _ in seen] == [before[0]] * 4
    assert [g for _, g in seen][:2] == [before[1]] * 2
    assert [g for _, g in seen][3] == after[1] != seen[2][1] != before[1]
    assert after[0] != before[0]


@pytest.mark.parametrize("method", ["cgan", "vanilla_gan"])
def test_binary_rivals_match_no_features(make_config, method):
    assert list(Training(make_config(method)).generation.step(0)) == ["generator", "discriminator"]


@pytest.mark.parametrize("method", ["dagan", "cgan", "vanilla_gan"])
@pytest.mark.parametrize("policy", ["none", "translation", "color+translation+cutout"])
def test_d_sees_every_image_through_the_augmentation_and_g_learns_through_it(make_config, monkeypatch, method, policy):
    seen, original = [], generation.differentiably_augmented

    def spy(images, name, random):
        changed = original(images, name, random)
        seen.append((name, len(images), images.requires_grad, changed.requires_grad))
        return changed

    monkeypatch.setattr(generation, "differentiably_augmented", spy)
    training = Training(make_config(method, {"gan.differentiable_augmentation": policy}))
    one = training.generation
    size = 16 if method != "vanilla_gan" else 20
    shown = []
    one.discriminator.network.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    one.step(0)
    # Real images, then those of two G steps, then generated ones for D: always in batches of their own.
    without, g_step = (policy, size, False, False), (policy, size, True, True)
    assert seen == ([] if policy == "none" else [without, g_step, g_step, without])
    assert [len(images) for images in shown] == [size] * 4
    training.begin_classification()
    training.classification.step(0)
    assert len(seen) == (0 if policy == "none" else 4)  # stage 2 has none of it


@pytest.mark.parametrize("policy", ["translation", "translation+cutout", "color+translation+cutout"])
def test_the_augmentation_changes_what_d_sees_and_draws_from_a_stream_of_its_own(make_config, policy):
    plain = Training(make_config("dagan", {"gan.noise": 0.0})).generation
    other = Training(make_config("dagan", {"gan.differentiable_augmentation": policy, "gan.noise": 0.0})).generation
    first, second = plain.batches.next()[0], other.batches.next()[0]
    assert torch.equal(first.images, second.images)
    shown = []
    for one in (plain, other):
        one.discriminator.network.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
        one.judged(first.images, first.labels)
    assert torch.equal(shown[0], first.images)
    assert not torch.allclose(shown[1], first.images, atol=0.1)
    drawn = [one.draw(first.labels, "generation").images for one in (plain, other)]
    assert torch.equal(*drawn)
    noise = [torch.rand(3, generator=one.streams["generation.noise"]) for one in (plain, other)]
    assert torch.equal(*noise)


@pytest.mark.parametrize("method", ["dagan", "vanilla_gan"])
def test_stage_2_draws_from_the_average_of_g_while_stage_1_trains_g(make_config, monkeypatch, method):
    changes = {"gan.generator_average_decay": 0.9, "classifier.iterations": 2}
    training, drawn, original = Training(make_config(method, changes)), [], Generation.images_of
    step, learning = Generation.step, []

    def spy(one, network, latents, labels):
        drawn.append((bool(learning), network))
        return original(one, network, latents, labels)

    def spied_step(one, iteration):
        learning.append(iteration)
        terms = step(one, iteration)
        learning.clear()
        return terms

    monkeypatch.setattr(Generation, "images_of", spy)
    monkeypatch.setattr(Generation, "step", spied_step)
    for _ in training.run():
        pass
    g = training.generation.generator
    assert g.average is not g.network
    assert [network for in_a_step, network in drawn if in_a_step] == [g.network] * 3 * 5
    assert {network for in_a_step, network in drawn if not in_a_step} == {g.average}  # looks at stage 1, and stage 2
    assert [in_a_step for in_a_step, _ in drawn][-2:] == [False, False]
    drawn.clear()
    training.generation.draw(torch.arange(10).repeat(2), "pictures")
    training.generation.sampled(2, torch.Generator())
    assert {network for _, network in drawn} == {g.average}
    # And nothing in stage 1 is another for it.
    plain = ran(make_config(method, {"classifier.iterations": 2})).generation
    assert bits(plain.generator.network.state_dict()) == bits(g.network.state_dict())
    assert plain.generator.average is plain.generator.network


def test_the_average_of_g_is_that_of_its_docstring(make_config):
    one = Training(make_config("dagan", {"gan.generator_average_decay": 0.25, "gan.generator_steps": 1})).generation
    expected = one.generator.network.linear.bias.detach().clone()
    for index in range(5):
        one.step(index)
        decay = min(0.25, (2 + index) / (11 + index))
        expected = decay * expected + (1 - decay) * one.generator.network.linear.bias.detach()
    assert expected.any()
    assert torch.allclose(one.generator.average.linear.bias, expected, atol=1e-7)


@pytest.mark.parametrize("method", ["dagan", "cgan", "semi_gan", "vanilla_gan"])
@pytest.mark.parametrize("per_class", [1, 2, 5])
def test_sampled_images_are_as_many_of_each_class_each_by_its_generator(make_config, monkeypatch, method, per_class):
    one = Training(make_config(method)).generation
    sizes = []

    def paint(network, latents, labels):
        sizes.append(len(labels))
        return labels[:, None, None, None].float().expand(-1, 1, 8, 8)

    monkeypatch.setattr(one, "images_of", paint)
    made = one.sampled(per_class, torch.Generator())
    assert torch.bincount(made.labels, minlength=10).tolist() == [per_class] * 10
    assert torch.equal(made.images[:, 0, 0, 0].long(), made.labels)
    assert set(sizes) == {20}  # whole batches, like those of stage 1


def test_stage_2_leaves_the_generator_as_it_is(make_config):
    training, generators = Training(make_config("dagan")), []
    for _ in training.run(every=1):
        generators.append(bits(training.generation.generator.network.state_dict()))
    assert generators[3] != generators[4]  # the last step of stage 1 of five
    assert all(one == generators[4] for one in generators[5:])


@pytest.mark.parametrize(("latent", "low", "mean", "spread"), [("uniform", 0, 0.5, 12**-0.5), ("normal", -9, 0, 1)])
def test_latents_are_of_their_distribution_and_length(make_config, latent, low, mean, spread):
    one = in_stage_2(make_config("dagan", {"gan.latent": latent})).generation
    z = one.latents(5000, torch.Generator().manual_seed(0))  # 40,000 numbers
    assert z.shape == (5000, 8)
    assert z.min() >= low
    assert z.mean().item() == pytest.approx(mean, abs=0.02)
    assert z.std().item() == pytest.approx(spread, rel=0.02)
