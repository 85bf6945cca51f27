"""Every setting reaches what comes out, and reaches what it is the setting of."""

import pytest
from trainings import ran, weights

from dagan.training import losses
from dagan.training.training import Training

SILENT = {
    "data.dataset": "needs files",
    "data.image_size": "fixed for digits",
    "data.channels": "fixed for digits",
    "data.fit": "fixed for digits, whose images are square",
    "data.validation_fraction": "of `validation: within` in search alone",
    "data.test_duplicates": "of the test alone",
    "augmentation.policy_operations": "of `policy: rand_augment` alone",
    "augmentation.policy_magnitude": "of `policy: rand_augment` alone",
}


def test_every_setting_changes_what_comes_out(make_config, other_values):
    """A setting that reached nothing would be searched in vain."""
    short = {"gan.iterations": 2, "classifier.iterations": 2}
    before = weights(ran(make_config("dagan_aug", short)))
    same = []
    for key, value in other_values.items():
        if key in SILENT:
            continue
        method = value if key == "method" else "dagan_aug"
        after = weights(ran(make_config(method, short | ({} if key == "method" else {key: value}))))
        # What is evaluated must move: the average of the classifier's weights.
        evaluated = [path for path in before if path.startswith("/classifier/average") and path in after]
        assert evaluated
        if all(before[path] == after[path] for path in evaluated):
            same.append(key)
    assert same == []


def test_the_validation_fraction_reaches_search_within(make_config):
    settings = {"data.phase": "search", "data.validation": "within"}
    sizes = [
        len(Training(make_config("c", settings | {"data.validation_fraction": fraction})).data.train)
        for fraction in (0.25, 0.5)
    ]
    assert sizes == [30, 20]


@pytest.mark.parametrize("key", ["augmentation.policy_operations", "augmentation.policy_magnitude"])
def test_operations_and_magnitude_are_those_of_rand_augment(make_config, other_values, key):
    def trained(policy, changes):
        settings = {"classifier.iterations": 1, "augmentation.policy": policy, **changes}
        return weights(ran(make_config("c_aug", settings)))

    assert trained("rand_augment", {}) != trained("rand_augment", {key: other_values[key]})
    assert trained("trivial_augment", {}) == trained("trivial_augment", {key: other_values[key]})


TABLES = {
    "gan.loss": [losses.DISCRIMINATOR_LOSSES, losses.GENERATOR_LOSSES, losses.CLASS_SCORES],
    "gan.feature_matching": [losses.FEATURE_MATCHING_LOSSES],
}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("gan.loss", "joint"),
        ("gan.loss", "pairwise"),
        ("gan.feature_matching", "batch"),
        ("gan.feature_matching", "class"),
    ],
)
def test_each_form_of_a_loss_is_used_throughout_and_no_other(make_config, monkeypatch, key, name):
    used = watched(monkeypatch, TABLES[key])
    ran(make_config("dagan", {key: name}))
    assert {form for form, _ in used} == {name}
    assert len({loss for _, loss in used}) == len(TABLES[key])


@pytest.mark.parametrize(
    ("method", "in_stage_1", "in_stage_2"),
    [
        ("c", None, "plain"),
        ("vanilla_gan", "binary", "plain"),
        ("cgan", "binary", "plain"),
        ("semi_gan", "extra", "extra"),
    ],
)
def test_each_rival_has_the_losses_of_its_head(make_config, monkeypatch, method, in_stage_1, in_stage_2):
    *stage_1, scores = TABLES["gan.loss"]
    used, scored = watched(monkeypatch, stage_1), watched(monkeypatch, [scores])
    ran(make_config(method))
    assert {form for form, _ in used} == ({in_stage_1} if in_stage_1 else set())
    assert {form for form, _ in scored} == {in_stage_2}


def watched(monkeypatch, tables):
    """A list that grows by (form, function) at each use of a loss in the tables."""
    used = []
    for table in tables:
        for form, loss in table.items():
            spy = lambda *a, form=form, loss=loss, **k: used.append((form, loss.__name__)) or loss(*a, **k)  # noqa: E731
            monkeypatch.setitem(table, form, spy)
    return used
