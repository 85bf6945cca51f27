"""One frozen value that decides a training: resolved, checked, signed."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dagan.config import EXECUTION_ONLY, Config, known_keys, signature_of
from dagan.defaults import reaches
from dagan.errors import InvalidInput
from dagan.methods import METHODS
from dagan.nested import flatten, merged, nest
from dagan.stage_key import stage_key
from dagan.stages import STAGES

EXECUTION_KEYS = {f"{section}.{key}" for section, keys in EXECUTION_ONLY.items() for key in keys}


def problems(choices):
    with pytest.raises(InvalidInput) as caught:
        Config.of(choices)
    return {problem.where: problem.message for problem in caught.value.problems}


def test_a_config_is_frozen():
    config = Config.of({})
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        config.data.samples_per_class = 3


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("sead", "seed"), ("gan.feature_matching_wait", "gan.feature_matching_weight"), ("compute.thread", "threads")],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(key, nearest):
    message = problems(nest({key: 1}))[key]
    assert f"unknown key `{key.split('.')[-1]}` (did you mean `{nearest.split('.')[-1]}`?)" in message


def test_an_unknown_method_and_data_set_are_refused_with_the_nearest():
    assert "unknown method `dagann` (did you mean `dagan`?)" in problems({"method": "dagann"})["method"]
    assert (
        "unknown data set `digit` (did you mean `digits`?)" in problems({"data": {"dataset": "digit"}})["data.dataset"]
    )


def test_all_problems_come_at_once():
    wrong = problems(
        {
            "method": "c",
            "data": {"dataset": "nmist", "samples_per_class": 0},
            "gan": {"loss": "joint"},
            "network": {"widht": 1.0},
            "classifier": {"learning_rate": "fast"},
            "augmentation": {"rotation": 5.0},
        }
    )
    assert set(wrong) == {
        "data.dataset",
        "data.samples_per_class",
        "gan.loss",
        "network.widht",
        "classifier.learning_rate",
        "augmentation.rotation",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", True),
        ("seed", "5"),
        ("seed", 1.0),
        ("seed", -1),
        ("data.samples_per_class", True),
        ("network.width", "1"),
        ("network.width", True),
        ("network.weight_norm", 1),
        ("gan.iterations", 0),
        ("gan.iterations", 10.5),
        ("gan.loss", "both"),
        ("gan.learning_rate", 0),
        ("classifier.batch_size", 1),
        ("classifier.beta1", 1.0),
        ("classifier.augmentation_ratio", None),
        ("classifier.learning_rate", float("nan")),
        ("gan.discriminator_steps", 0),
        ("gan.discriminator_steps", 11),
        ("gan.schedule", "stepwise"),
        ("gan.discriminator_optimiser", "rmsprop"),
        ("gan.generator_optimiser", None),
        ("gan.weight_decay", -0.1),
        ("gan.generator_average_decay", 1.0),
        ("gan.differentiable_augmentation", "cutout"),
        ("classifier.start", "cold"),
        ("classifier.schedule", "step"),
        ("classifier.optimiser", "adamw"),
        ("classifier.weight_decay", 1.5),
        ("classifier.generated", "both"),
        ("classifier.augmentation_schedule", "cosine"),
        ("classifier.confidence", 1.0),
        ("gan.feature_matching_weight", float("nan")),
        ("gan.feature_matching_weight", float("inf")),
        ("compute.device", 0),
        ("compute.threads", 0),
    ],
)
def test_wrong_types_and_ranges_are_refused(key, value):
    message = problems(nest({key: value}))[key]
    assert message.startswith("must be ")
    assert repr(value) in message


def test_images_drawn_once_cannot_become_fewer():
    drawn = {"generated": "offline", "augmentation_schedule": "linear"}
    for classifier in (drawn, drawn | {"start": "fresh"}):
        message = problems({"classifier": classifier})["classifier.augmentation_schedule"]
        assert message == "must be constant where images are generated offline, once for all of stage 2, but is linear."
    for key in drawn:
        assert Config.of({"classifier": {key: drawn[key]}})


@pytest.mark.parametrize("section", ["data", "network", "gan", "classifier", "augmentation", "compute"])
@pytest.mark.parametrize("value", [5, "much", [1], True])
def test_a_section_that_is_no_mapping_is_refused(section, value):
    assert section in problems({"method": "dagan_aug", section: value})


@pytest.mark.parametrize("choices", [{"method": ["c"]}, {"method": None}, {"data": {"folder": 5}}])
def test_values_of_no_use_are_refused_without_a_crash(choices):
    assert set(problems(choices)) == set(flatten(choices))


def test_a_whole_number_serves_where_a_number_is_asked_for():
    assert Config.of({"network": {"width": 1}}) == Config.of({"network": {"width": 1.0}})


EPOCHS = [
    # K·n/B batches make an epoch: 10 classes, B = 100.
    ("cifar10", 50, 200, 1000),
    ("cifar10", 1000, 200, 20_000),
    ("svhn", 80, 0.5, 4),
    ("digits", 1, 1, 1),  # a tenth of a batch
]


@pytest.mark.parametrize(("dataset", "n", "epochs", "iterations"), EPOCHS)
def test_epochs_say_iterations(dataset, n, epochs, iterations):
    data = {"dataset": dataset, "samples_per_class": n}
    said = Config.of({"data": data, "gan": {"epochs": epochs}, "classifier": {"epochs": epochs}})
    plain = Config.of({"data": data, "gan": {"iterations": iterations}, "classifier": {"iterations": iterations}})
    assert said.gan.iterations == said.classifier.iterations == iterations
    assert said.signature == plain.signature
    assert Config.of(said.model_dump(mode="json")) == said
    for stage in STAGES:
        assert stage_key(said, stage) == stage_key(plain, stage)


def test_an_epoch_is_of_the_images_that_are_trained_on():
    data = {"samples_per_class": 40, "phase": "search", "validation": "within"}
    config = Config.of({"data": data, "classifier": {"epochs": 10, "batch_size": 30}})
    assert config.classifier.iterations == 10 * 10 * 30 / 30  # a quarter of the 40 is held back


def test_epochs_and_iterations_that_differ_are_refused():
    choices = {"data": {"samples_per_class": 50}, "gan": {"epochs": 200, "iterations": 1001}}
    rule = "200 epochs are 1000 iterations, but `gan.iterations` is 1001. Remove one of the two."
    assert problems(choices)["gan.epochs"] == rule


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"dataset": "cifar10", "samples_per_class": 50}, 500),  # as many as are trained on
        ({"dataset": "cifar10", "samples_per_class": 1000}, 10_000),
        ({"dataset": "digits", "samples_per_class": 5}, 500),  # and 500 at the least
        ({"dataset": "cifar10", "samples_per_class": 50, "validation_images": 80}, 80),
        ({"dataset": "cifar10", "samples_per_class": 50, "validation": "within"}, None),
    ],
)
def test_validation_is_of_a_realistic_size_and_of_no_account_without_it(data, expected):
    config = Config.of({"data": data | {"phase": "search"}})
    assert config.data.validation_images == expected
    confirm = Config.of({"data": data | {"phase": "confirm"}})
    assert confirm.data.validation_images is None
    assert confirm.signature == Config.of({"data": data | {"phase": "confirm", "validation_images": None}}).signature


def test_fewer_validation_images_than_classes_are_refused():
    message = problems({"data": {"validation_images": 9, "phase": "search"}})["data.validation_images"]
    assert message == "must be >= 10, one of each class of digits, but is 9."


def test_a_folder_under_the_name_of_a_data_set_takes_its_defaults(ten_classes, write_images, tmp_path):
    built_in, folder = (
        Config.of({"method": "dagan_aug", "data": {"dataset": "cifar10", "samples_per_class": 2} | place})
        for place in ({}, {"folder": str(ten_classes)})
    )
    assert folder.augmentation == built_in.augmentation
    assert folder.augmentation.rotation == 20
    assert folder.augmentation.horizontal_flip
    data = {"dataset": "mnist", "folder": str(ten_classes), "samples_per_class": 2}
    grey = Config.of({"data": data})
    assert (grey.network.name, grey.facts.image_size, grey.facts.channels) == ("digits", 28, 1)
    assert Config.of({"data": data | {"image_size": 32}}).facts.image_size == 32
    # One's own images may go by any name: other classes are other images.
    two = write_images(tmp_path, {"cat": 8, "dog": 8})
    data = {"dataset": "cifar10", "folder": str(two), "samples_per_class": 1}
    own = Config.of({"method": "c_aug", "data": data})
    assert (own.augmentation.rotation, own.augmentation.horizontal_flip) == (10, False)


@pytest.mark.parametrize("off", [None, False, 0, 0.0, "none"])
def test_a_setting_that_is_off_leaves_the_signature_as_it_is(off):
    """So that a new setting, off unless it is asked for, does not make old results those of another training."""
    settings = Config.of({}).model_dump(mode="json")
    assert signature_of(settings | {"later": off}) == signature_of(settings)
    assert signature_of(merged(settings, {"gan.later": off})) == signature_of(settings)
    assert signature_of(merged(settings, {"gan.later": 1})) != signature_of(settings)


@pytest.mark.parametrize("method", METHODS)
def test_defaults_follow_the_method(method, least):
    config, row = Config.of(least(method)), METHODS[method]
    assert config.classifier.noise == (0.0 if method.endswith("_aug") else 0.2)
    assert config.gan is None or config.gan.noise == 0.2
    assert (config.augmentation is not None) == method.endswith("_aug")
    assert (config.gan is not None) == (row.adversary is not None) == ("gan" in method)
    assert config.classifier.augmentation_ratio == (0.0 if method in ("c", "c_aug") else 1.0)


@pytest.mark.parametrize(
    ("method", "key", "value"),
    [
        ("c", "gan.loss", "joint"),
        ("c", "gan.iterations", 5),
        ("c_aug", "classifier.augmentation_ratio", 0.5),
        ("c", "augmentation.rotation", 5.0),
        ("dagan", "augmentation.horizontal_flip", True),
        ("dagan", "data.generated", "made"),
        ("external", "classifier.start", "fresh"),
    ],
)
def test_a_setting_that_reaches_nothing_is_refused(method, key, value):
    assert not reaches(key, method)
    assert "reaches nothing" in problems(nest({"method": method, key: value}))[key]


EXTERNAL = {"external", "external_aug"}
GAN_METHODS = {method for method in METHODS if "gan" in method}
OF_GENERATED_IMAGES = {
    "classifier.generated",
    "classifier.augmentation_ratio",
    "classifier.augmentation_schedule",
    "classifier.confidence",
}


@pytest.mark.parametrize("key", known_keys())
def test_a_setting_reaches_the_methods_that_have_the_part(key):
    if key == "gan.loss":
        expected = {"dagan", "dagan_aug"}
    elif key.startswith("gan.feature_matching") or key == "classifier.start":
        expected = {"semi_gan", "semi_gan_aug", "dagan", "dagan_aug"}
    elif key in OF_GENERATED_IMAGES:
        expected = GAN_METHODS | EXTERNAL
    elif key.startswith("data.generated"):
        expected = EXTERNAL
    elif key.startswith("gan."):
        expected = GAN_METHODS
    elif key == "augmentation.stage_1":
        expected = {method for method in GAN_METHODS if method.endswith("_aug")}
    elif key.startswith("augmentation."):
        expected = {method for method in METHODS if method.endswith("_aug")}
    else:
        expected = {*METHODS}
    assert {method for method in METHODS if reaches(key, method)} == expected


@pytest.mark.parametrize("method", METHODS)
def test_what_reaches_nothing_is_none_and_cannot_be_set(method, other_values, least):
    """So that two configs of one training have one signature."""
    plain = Config.of(least(method))
    resolved = flatten(plain.model_dump())
    for key, value in other_values.items():
        if reaches(key, method):
            assert key in resolved
            continue
        assert resolved.get(key) is None or (key, resolved[key]) == ("classifier.augmentation_ratio", 0.0)
        assert "reaches nothing" in problems(merged(least(method), nest({key: value})))[key]
        ratio = key == "classifier.augmentation_ratio"  # a number for every method
        for nothing in ([] if ratio else [None]) + ([0.0] if isinstance(value, float) else []):
            same = Config.of(merged(least(method), nest({key: nothing})))
            assert same == plain, (key, nothing)


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_of_a_method_can_be_chosen_and_comes_back_from_a_dump(method, other_values, ten_classes):
    data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2}
    data |= {"generated": str(ten_classes)} if method in EXTERNAL else {}
    base = {"method": method, "data": data, "network": {"name": "digits"}}
    for key, value in other_values.items():
        if key != "method" and reaches(key, method):
            config = Config.of(merged(base, nest({key: value})))
            assert flatten(config.model_dump())[key] == value
            assert Config.of(config.model_dump(mode="json")) == config


def test_the_size_of_a_built_in_data_set_is_not_a_choice():
    assert Config.of({"data": {"image_size": 8, "channels": 1}}).data.image_size == 8  # as a stored config has it
    assert set(problems({"data": {"image_size": 64, "channels": 3}})) == {"data.image_size", "data.channels"}


@pytest.mark.parametrize(
    ("dataset", "size", "channels", "network", "flip"),
    [
        ("digits", 8, 1, "digits", False),
        ("mnist", 28, 1, "digits", False),
        ("fashion_mnist", 28, 1, "digits", True),
        ("cifar10", 32, 3, "conv32", True),
        ("svhn", 32, 3, "conv32", False),
        ("kdef", 64, 3, "conv32", True),
    ],
)
def test_defaults_follow_the_data_set(dataset, size, channels, network, flip):
    config = Config.of({"method": "c_aug", "data": {"dataset": dataset, "root": "nowhere"}})
    assert (config.data.image_size, config.data.channels) == (size, channels)
    assert config.network.name == network
    assert config.augmentation.horizontal_flip == flip
    assert (config.augmentation.brightness > 0) == (dataset == "kdef")


def test_the_size_of_kdef_is_a_choice_and_decides_the_config():
    plain, chosen = ({"dataset": "kdef"}, {"dataset": "kdef", "image_size": 48, "channels": 1})
    assert Config.of({"data": chosen}).facts.image_size == 48
    assert Config.of({"data": chosen}).data.channels == 1
    assert Config.of({"data": chosen}).signature != Config.of({"data": plain}).signature
    assert (
        "must be <= 22 for kdef"
        in problems({"data": {"dataset": "kdef", "samples_per_class": 23}})["data.samples_per_class"]
    )  # of 70 persons 23 are kept for the test; the smaller half of 47 is 23, one to validate


@pytest.mark.parametrize("method", METHODS)
def test_resolving_a_resolved_config_changes_nothing(method, least):
    config = Config.of(least(method) | {"seed": 3})
    again = Config.of(json.loads(json.dumps(config.model_dump(mode="json"))))
    assert again == config
    assert again.signature == config.signature
    assert pickle.loads(pickle.dumps(config)).signature == config.signature


def test_equal_values_have_equal_signatures_however_they_were_given():
    assert Config.of({}).signature == Config.of({"method": "dagan", "gan": {"iterations": 1000}}).signature


def test_the_signature_is_the_same_in_every_process_and_version():
    """A changed default or a changed hash breaks every stored snapshot and ledger: this must be meant."""
    assert len(Config.of({}).signature) == 16
    assert set(Config.of({}).signature) <= set("0123456789abcdef")


@pytest.fixture
def base(ten_classes):
    data = {"folder": str(ten_classes), "dataset": "pictures", "samples_per_class": 2}
    return {"method": "dagan_aug", "data": data, "network": {"name": "digits"}}


def test_the_signature_changes_with_every_setting_that_decides_a_result(base, other_values):
    elsewhere = {"data.fingerprint", "network.pretrained", "data.validation_images"}  # test_vgg.py, and of search alone
    elsewhere |= {"gan.epochs", "classifier.epochs"}  # say iterations
    elsewhere |= {"data.generated_fingerprint"}  # test_generated.py
    assert set(other_values) == set(known_keys()) - EXECUTION_KEYS - elsewhere
    signature = Config.of(base).signature
    signatures = {key: Config.of(merged(base, nest({key: value}))).signature for key, value in other_values.items()}
    of_rand_augment = {"augmentation.policy_operations", "augmentation.policy_magnitude"}
    assert {key for key, other in signatures.items() if other == signature} == of_rand_augment
    base = merged(base, {"augmentation.policy": "rand_augment"})
    signatures |= {key: Config.of(merged(base, {key: other_values[key]})).signature for key in of_rand_augment}
    assert Config.of(base).signature not in [signatures[key] for key in of_rand_augment]
    assert len(set(signatures.values())) == len(signatures)


def test_the_signature_does_not_change_with_how_and_where_a_training_runs(base, tmp_path, ten_classes):
    (tmp_path / "elsewhere").symlink_to(ten_classes)
    signature = Config.of(base).signature
    changes = {
        "compute.device": "cpu",
        "compute.threads": 2,
        "data.root": "elsewhere",
        "data.folder": str(tmp_path / "elsewhere"),
        "network.weights": "elsewhere",
    }
    assert set(changes) == EXECUTION_KEYS - {"data.generated"}  # test_generated.py
    for key, value in changes.items():
        assert Config.of(merged(base, nest({key: value}))).signature == signature, key


def test_a_folder_with_other_images_than_recorded_is_refused(base):
    assert "not the ones recorded" in problems(merged(base, {"data": {"fingerprint": "0" * 16}}))["data.fingerprint"]


def test_more_samples_than_a_class_can_give_are_refused_with_the_bound():
    # Of the 174 images of the smallest class 58 are set aside for the test; half of 116 is 58, one to validate.
    assert Config.of({"data": {"samples_per_class": 57}}).data.samples_per_class == 57
    message = problems({"data": {"samples_per_class": 58}})["data.samples_per_class"]
    assert "must be <= 57 for digits" in message
    assert "58" in message
    assert Config.of({"data": {"samples_per_class": 116, "validation": "within"}})
    within = problems({"data": {"samples_per_class": 117, "validation": "within"}})["data.samples_per_class"]
    assert "must be <= 116" in within


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda child: st.dictionaries(st.text("abc", min_size=1, max_size=3), child, min_size=1, max_size=3),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict))


@given(TREES)
def test_nest_undoes_flatten(tree):
    assert nest(flatten(tree)) == tree


@given(TREES)
def test_merging_a_tree_into_itself_or_into_nothing_gives_it_back(tree):
    assert merged(tree, tree) == merged({}, tree) == merged(tree, {}) == tree


def test_merged_changes_single_values_and_no_argument():
    base, change = {"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 5}, "c": {"z": 6}}
    assert merged(base, change) == {"a": {"x": 1, "y": 5}, "b": 3, "c": {"z": 6}}
    assert base == {"a": {"x": 1, "y": 2}, "b": 3}


def test_known_keys_are_those_of_a_resolved_config():
    assert set(known_keys()) == set(flatten(Config.of({"method": "dagan_aug"}).model_dump()))


def test_an_invalid_input_crosses_process_borders():
    with pytest.raises(InvalidInput) as caught:
        Config.of({"sead": 1, "method": "c"})
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.problems == caught.value.problems
    assert str(copy) == str(caught.value)
