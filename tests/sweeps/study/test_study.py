"""Study files: what is accepted, what is refused, and with which words."""

import contextlib
import copy
import operator

import pytest
from PIL import Image
from playing import TINY, tiny

from dagan.errors import InvalidInput
from sweeps.study.files import load, overridden, read_yaml, shipped
from sweeps.study.parse import study_of
from sweeps.study.space import Parameter


def refused(tree) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        study_of(tree)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_studies_are_valid(name):
    study = load(name)
    assert study.name == name
    assert study.question


def test_everything_wrong_is_said_at_once():
    tree = tiny(
        methods=["c", "dagann"],
        samples_per_class=[5, 600],
        compare={"dagan_aug": ["c"]},
        confirm={"seeds": [0, 1000]},
        report_every="often",
        search__budget={"trials": 0},
        search__windw=3,
    )
    tree["search"]["parameters"]["classifier.learning_rate"] = {"min": 0.1, "max": 2.0}
    tree["search"]["parameters"]["gan.iteration"] = {"values": [1]}
    problems = "\n".join(refused(tree))
    for part in (
        "methods: unknown method `dagann` (did you mean `dagan`?). Known: c, c_aug, vanilla_gan, cgan, semi_gan, dagan,"
        " dagan_aug, vanilla_gan_aug, cgan_aug, semi_gan_aug, external, external_aug.",
        "samples_per_class: must be <= 57 for digits, whose smallest class has 174 images, but is 600",
        "confirm.seeds: search and confirm seeds overlap: 0. Confirm seeds must be fresh.",
        "report_every: must be a valid integer, but is 'often'.",
        "search.budget.trials: must be greater than or equal to 1, but is 0.",
        "search.windw: unknown key `windw` (did you mean `window`?).",
        "search.parameters.classifier.learning_rate: must be less than or equal to 1, but is 2.0.",
        "search.parameters.gan.iteration: unknown setting `gan.iteration` (did you mean `gan.iterations`?).",
    ):
        assert part in problems


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": []}, "methods: must be"),
        ({"compare": {"cgan": ["c"]}}, "compare.cgan: `cgan` is not among the study's methods: c, dagan_aug."),
        ({"methods": ["c", "c"], "compare": {}}, "methods: `c` is listed twice."),
        ({"samples_per_class": [5, 5]}, "samples_per_class: `5` is listed twice."),
        ({"datasets": ["mnits"]}, "datasets: unknown data set `mnits` (did you mean `mnist`?)"),
        ({"name": "a/b"}, "name: must be"),
        ({"confirm__seeds": 0}, "confirm.seeds: must be greater than or equal to 1 or a list, but is 0."),
        ({"search__seeds": 2}, "search.budget.trials: must be a multiple of the 2 search seeds"),
        ({"base": {"network": {"widht": 1}}}, "base.network.widht: unknown key `widht` (did you mean `width`?)"),
        ({"base": {"seed": 3}}, "base.seed: is decided by the study's own keys. Remove it."),
        ({"base": {"classifier": {"iterations": 3}}}, "classifier.iterations: is fixed by `base` too."),
        (
            {"base": {"augmentation": {"rotation": 3}}, "methods": ["c"], "compare": {}},
            "augmentation.rotation: reaches",
        ),
        ({"methods": ["c"], "compare": {}}, "gan.iterations: reaches none of the methods c."),
        (
            {"confirm__quality": True, "methods": ["c"], "compare": {}},
            "confirm.quality: reaches nothing: none of c has generated images. Remove it.",
        ),
        ({"confirm__quality": True, "base__data": {"validation": "within"}}, "confirm.quality: needs a judge"),
    ],
)
def test_refusals(changes, message):
    assert any(message in problem for problem in refused(tiny(**changes)))


def test_one_mistake_is_one_problem():
    assert len(refused(tiny(samples_per_class=[5.5]))) == 1
    assert len(refused(tiny(datasets=[{"name": "digits", "validation": "within"}]))) == 1
    assert len(refused(tiny(search__early_stopping={"type": "hyperband"}))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"methods": ["c", "daganaug"], "compare": {"daganaug": ["c"]}},
        {"methods": ["c", "dagn_aug"], "compare": {"dagan_aug": ["c"]}},
        {"base": {"gan": {"lr": 1e-3}}},
    ],
)
def test_one_typing_error_is_one_problem_with_its_remedy(changes):
    (problem,) = refused(tiny(**changes))
    assert "did you mean `dagan_aug`?" in problem or "(did you mean `learning_rate`?)" in problem


def test_a_missing_key_is_named():
    tree = {key: value for key, value in TINY.items() if key != "confirm"}
    assert refused(tree) == ["confirm: is needed, but missing."]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compare": {"c": ["c"]}}, "compare.c: a method cannot be its own baseline."),
        ({"compare": {"dagan_aug": ["c", "c"]}}, "compare.dagan_aug: `c` is listed twice."),
        ({"compare": {"dagan_aug": ["c"], "c": ["dagan_aug"]}}, "the same test would count twice"),
        ({"search__early_stopping": {"type": "hyperband", "min_iter": 80}}, "min_iter: must be < 80"),
        ({"base": {"classifier": None}}, "base.classifier: must hold keys and values, but is None."),
        ({"base": {"netwrk": {}}}, "base.netwrk: unknown setting `netwrk` (did you mean `network`?)"),
        ({"base": {"network": {"width": {}}}}, "base.network.width: must be a single value"),
        ({"datasets": ["my pets"]}, "datasets.0: must be a name of letters, digits"),
        ({"name": ".."}, "name: must be"),
        ({"datasets": [{"name": "digits", "image_sise": 8}]}, "unknown key `image_sise` (did you mean `image_size`?)"),
        ({"samples_per_class": 5}, "samples_per_class: must be a list, but is 5."),
        ({"resources": {"silence": 0}}, "resources.silence: must be greater than or equal to 1"),
        ({"resources": {"gpu": -1}}, "resources.gpu: must be greater than or equal to 0"),
    ],
)
def test_what_could_only_go_wrong_later_is_refused_now(changes, message):
    assert any(message in problem for problem in refused(tiny(**changes)))


def everywhere(tree, path=()):
    """Every path in a tree."""
    yield path
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from everywhere(value, (*path, key))


def accepted(tree, change):
    """The paths, joined by slashes, of which a study without, or with another value, is a study."""
    found = set()
    for path in filter(None, everywhere(tree)):
        changed = copy.deepcopy(tree)
        branch = changed
        for part in path[:-1]:
            branch = branch[part]
        change(branch, path[-1])
        with contextlib.suppress(InvalidInput):
            study_of(changed)
            found.add("/".join(map(str, path)))
    return found


PARAMETERS = "search/parameters"
WEIGHT, KG, KC, RATE = (
    f"{PARAMETERS}/{key}"
    for key in ("gan.feature_matching_weight", "gan.iterations", "classifier.iterations", "classifier.learning_rate")
)
LISTED = {f"{key}/values/{index}" for key in (KG, KC) for index in (0, 1)}
ODD = [
    (None, {f"{WEIGHT}/distribution", f"{RATE}/distribution", "search/early_stopping"}),
    (True, set()),
    (-1, set()),
    (0, {"search/seeds/0"}),
    (1.5, {"base/network/width", f"{WEIGHT}/min", f"{WEIGHT}/max"}),
    # Iterations and batches have no upper bound: what a machine can do is not the study's to say.
    (10**30, {"base/classifier/batch_size", f"{WEIGHT}/max", "search/window", "report_every"} | LISTED),
    (float("inf"), set()),
    ("", {"question"}),
    ("odd", {"name", "question"}),
    ([], {"compare/dagan_aug"}),
    ([None], set()),
    ([[1]], set()),
    ({}, {"compare", "base", "base/network", "base/gan", "base/classifier", "search", PARAMETERS}),
    ({"odd": 1}, set()),
    ({"name": 5}, set()),
]
"""Odd values, and the places in a study where each makes sense."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("odd", "expected"),
    [pytest.param(*one, marks=[pytest.mark.slow] * (place % 3 > 0)) for place, one in enumerate(ODD)],
    ids=lambda value: "" if isinstance(value, set) else repr(value),
)
def test_an_odd_value_is_accepted_only_where_it_makes_sense(odd, expected):
    tree = tiny(datasets=["digits", {"name": "mnist"}], search__seeds=[0], confirm__seeds=[7, 8])
    assert accepted(tree, lambda branch, key: operator.setitem(branch, key, odd)) == expected


NEEDED = {
    "name",
    *("datasets", "datasets/0", "samples_per_class", "samples_per_class/0"),
    *("methods", "methods/0", "methods/1"),  # both are compared
    *(f"{key}/{bound}" for key in (WEIGHT, RATE) for bound in ("min", "max")),
    *(f"{key}/values" for key in (KG, KC)),
    *("search/budget", "search/budget/trials", "search/early_stopping/min_iter"),
    *("confirm", "confirm/seeds"),
}


def test_a_missing_key_is_refused_only_where_it_is_needed():
    everything = {"/".join(map(str, path)) for path in everywhere(TINY) if path}
    assert everything - accepted(TINY, operator.delitem) == NEEDED


def test_built_in_data_sets_are_planned_without_their_files(tmp_path):
    built_in = ["digits", "mnist", "fashion_mnist", "cifar10", "svhn"]
    faces = {"name": "kdef", "root": "faces", "image_size": 32, "channels": 1}
    study = study_of(tiny(datasets=[*built_in, faces]), folder=tmp_path)
    configs = {cell.dataset.name: study.config(cell, "c", seed=0, phase="search") for cell in study.cells}
    assert [config.data.image_size for config in configs.values()] == [8, 28, 28, 32, 32, 32]
    assert configs["kdef"].data.root == tmp_path / "faces"
    assert configs["kdef"].data.channels == 1
    sized = refused(tiny(datasets=[{"name": "svhn", "image_size": 64}]))
    assert sized == ["datasets: `image_size` is 32 for svhn and cannot be chosen. Remove it."]
    assert refused(tiny(datasets=[{"name": "kdef", "channels": 2}])) == [
        "datasets.0.channels: must be 1 or 3, but is 2."
    ]


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({}, "one of `values`"),
        ({"values": []}, "at least one value"),
        ({"values": [1], "min": 0, "max": 1}, "one of `values`"),
        ({"min": 1}, "both `min` and `max`"),
        ({"min": 2, "max": 1}, "min < max"),
        ({"min": 0.0, "max": 1.0, "distribution": "log_uniform_values"}, "min > 0"),
        ({"min": 0.0, "max": 1.0, "distribution": "q_uniform"}, "a step `q`"),
        ({"min": 0.1, "max": 1.0, "q": 0}, "q: must be greater than 0"),
        ({"min": 0.1, "max": 1.0, "q": 0.1}, "without a step `q` with uniform"),
        ({"min": 0.1, "max": 1.0, "q": 0.1, "distribution": "log_uniform_values"}, "without a step `q`"),
        ({"min": 1, "max": 10, "q": 0.5}, "in whole numbers with int_uniform"),
        ({"value": 1, "distribution": "uniform"}, "`min` and `max` with uniform"),
        ({"min": 0.0, "max": 1.0, "distribution": "normal"}, "distribution"),
    ],
)
def test_bad_parameters(parameter, message):
    tree = tiny()
    tree["search"]["parameters"]["classifier.learning_rate"] = parameter
    assert any(message in problem for problem in refused(tree))


def test_the_grammar_is_that_of_wandb_sweeps():
    assert Parameter(min=1, max=3).kind == "int_uniform"
    assert Parameter(min=1.0, max=3.0).kind == "uniform"
    assert Parameter(values=["a", "b"]).kind == "categorical"
    assert Parameter(value=3).kind == "constant"


def test_methods_search_only_what_they_have():
    study = study_of(tiny())
    assert set(study.space("c")) == {"classifier.iterations", "classifier.learning_rate"}
    assert set(study.space("dagan_aug")) == set(study.search.parameters)


def test_seeds_given_as_a_number_are_fresh_ones():
    study = study_of(tiny())
    assert study.search_seeds == [0]
    assert study.confirm_seeds == [1000, 1001, 1002]


def test_overrides_reach_dotted_settings():
    changed = overridden(
        TINY, ["search.parameters.gan.iterations={values: [7]}", "base.network.width=0.5", "confirm.seeds=4"]
    )
    study = study_of(changed)
    assert study.search.parameters["gan.iterations"].values == [7]
    assert study.config(study.cells[0], "c", seed=0, phase="search").network.width == 0.5
    assert len(study.confirm_seeds) == 4


def test_a_length_in_one_unit_takes_the_place_of_the_same_in_the_other():
    tree = {"base": {"gan": {"epochs": 200, "noise": 0.1}, "classifier.iterations": 5}}
    changed = overridden(tree, ["base.gan.iterations=40", "base.classifier.epochs=2", "base.network.width=1"])
    assert changed["base"] == {"gan": {"noise": 0.1}, "gan.iterations": 40, "classifier.epochs": 2, "network.width": 1}
    searched = {"search": {"parameters": {"classifier.iterations": {"values": [5]}}}}
    changed = overridden(searched, ["search.parameters.classifier.epochs={values: [2]}"])
    assert changed["search"]["parameters"] == {"classifier.epochs": {"values": [2]}}


def test_null_takes_a_key_away_nested_or_dotted():
    tree = {
        "base": {"gan": {"epochs": 200, "noise": 0.1}, "classifier.iterations": 5},
        "search": {"parameters": {"gan.noise": {"min": 0.0, "max": 1.0}}, "seeds": 2},
    }
    taken = ["base.gan.noise=null", "base.classifier.iterations=null", "search.parameters.gan.noise=null"]
    changed = overridden(tree, [*taken, "search.seeds=null", "confirm.seeds=null"])
    assert changed == {"base": {"gan": {"epochs": 200}}, "search": {"parameters": {}}, "confirm": {}}


def test_a_folder_or_zip_of_images_is_no_study(tmp_path):
    for place in (tmp_path / "pets", tmp_path / "pets.zip"):
        place.mkdir() if not place.suffix else place.write_bytes(b"")
        with pytest.raises(InvalidInput, match=r"must be a study, but .* Images become a study by `sweeps init`"):
            load(str(place))


def test_overrides_are_strict():
    with pytest.raises(InvalidInput, match=r"--set: must be key=value, but is `confirm.seeds`\."):
        overridden(TINY, ["confirm.seeds"])
    with pytest.raises(InvalidInput, match="unknown key `sseds`"):
        study_of(overridden(TINY, ["confirm.sseds=4"]))
    with pytest.raises(InvalidInput, match="`name` is 'tiny', not a section"):
        overridden(TINY, ["name.x=4"])


def test_yaml_as_people_mean_it():
    assert read_yaml("a: 1e-4\nb: 2E3\nc: 1e5x", "f") == {"a": 1e-4, "b": 2000.0, "c": "1e5x"}
    with pytest.raises(InvalidInput, match="key `a` is given twice"):
        read_yaml("a: 1\na: 2", "f")
    with pytest.raises(InvalidInput, match="is not valid YAML"):
        read_yaml("a: [1", "f")
    with pytest.raises(InvalidInput, match="must hold keys and values, but holds list"):
        read_yaml("[1]", "f")


def test_the_resolved_study_reads_back_as_itself():
    study = study_of(tiny())
    again = study_of(read_yaml(study.text, "f"))
    assert again.hash == study.hash
    assert study_of(tiny(confirm__seeds=4)).hash != study.hash


def test_what_is_no_text_and_no_tree_is_refused(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(InvalidInput, match="must be a YAML file in UTF-8"):
        load(str(path))
    with pytest.raises(InvalidInput, match="must not hold itself"):
        read_yaml("a: &a [*a]", "f")
    assert read_yaml("a: {2026-11-20: 2026-11-20}", "f") == {"a": {"2026-11-20": "2026-11-20"}}


def test_whole_numbers_stay_whole_on_a_logarithmic_scale():
    from sweeps.planning.sampler import distribution

    parameter = Parameter(min=10, max=1000, distribution="log_uniform_values")
    found = distribution("gan.iterations", parameter)
    assert (type(found).__name__, found.log, found.low, found.high) == ("IntDistribution", True, 10, 1000)
    assert type(distribution("gan.learning_rate", parameter)).__name__ == "FloatDistribution"


def test_no_gpu_asked_for_is_none_taken():
    study = study_of(tiny(resources={"gpu": 0}))
    assert study.config(study.cells[0], "c", seed=0, phase="search").compute.device == "cpu"


def test_the_file_of_weights_is_found_from_the_studys_folder(tmp_path):
    tree = tiny(base={"network": {"weights": "here/vgg16.pth", "width": 0.5}})
    study = study_of(tree, folder=tmp_path)
    assert study.base["network"] == {"weights": str(tmp_path / "here/vgg16.pth"), "width": 0.5}
    assert tree["base"]["network"]["weights"] == "here/vgg16.pth"


@pytest.fixture
def made(tmp_path):
    """A folder of generated digits, three of each class."""
    for label in range(10):
        (tmp_path / "made" / str(label)).mkdir(parents=True)
        for index in range(3):
            Image.new("L", (8, 8), 20 * label + index).save(tmp_path / "made" / str(label) / f"{index}.png")
    return tmp_path / "made"


def external(**changes):
    """The tiny study with a method that takes generated images from a folder."""
    common = {"methods": ["c", "external", "dagan_aug"], "compare": {"external": ["c"]}}
    return tiny(**(common | {"datasets": [{"name": "digits", "generated": "made"}]} | changes))


def test_generated_images_are_found_from_the_studys_folder_and_go_to_the_methods_that_have_them(made):
    study = study_of(external(), folder=made.parent)
    (cell,) = study.cells
    generated = {method: study.config(cell, method, seed=0, phase="search").data.generated for method in study.methods}
    assert generated == {"c": None, "external": made, "dagan_aug": None}
    without = study_of(tiny())
    for method in ("c", "dagan_aug"):
        here, there = (one.config(one.cells[0], method, seed=0, phase="search") for one in (study, without))
        assert here.signature == there.signature
    assert study_of(read_yaml(study.text, "f")).hash == study.hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"datasets": ["digits"]},
            "datasets: `generated` of digits is needed by method `external`, but missing. Give a folder, or a zip of"
            " one, with one sub-folder of generated images per class.",
        ),
        (
            {"methods": ["c", "dagan_aug"], "compare": {}},
            "datasets: `generated` of digits reaches none of the methods c, dagan_aug. Remove it, or add `external` or"
            " `external_aug`.",
        ),
        (
            {"base": {"classifier": {"generated": "offline"}}},
            "datasets: `generated` {made} must hold >= 5 images of each class, round(1 · 5) drawn offline, but of `0`"
            " it holds 3.",
        ),
        (
            {"datasets": [{"name": "fashion_mnist", "generated": "made"}]},
            "datasets: `generated` {made} has an unknown class `0`. Known: t-shirt, trouser, pullover, dress, coat,"
            " sandal, shirt, sneaker, bag, ankle boot. Those are the classes of fashion_mnist.",
        ),
    ],
)
def test_generated_images_that_do_not_fit_are_refused(made, changes, message):
    with pytest.raises(InvalidInput) as caught:
        study_of(external(**changes), folder=made.parent)
    assert message.format(made=made) in [str(problem) for problem in caught.value.problems]


def test_too_large_a_ratio_of_a_search_is_refused_too(made):
    tree = external(base={"classifier": {"generated": "offline"}})
    ratio = {"min": 0.0, "max": 0.5}
    tree["search"]["parameters"] = {"classifier.augmentation_ratio": ratio}
    assert study_of(tree, folder=made.parent)
    ratio["max"] = 0.8
    with pytest.raises(InvalidInput, match=r"must hold >= 4 images of each class, round\(0\.8 · 5\) drawn offline"):
        study_of(tree, folder=made.parent)


def test_nodes_are_asked_for_generated_images_too(made):
    from sweeps.run.tune.preflight import paths_by_key

    assert paths_by_key(study_of(external(), folder=made.parent))["datasets"] == [str(made)]


def test_to_drop_copies_from_the_test_starts_no_search_anew():
    """A study that has searched, and then wants them out of the test, does its confirm trials again and no more."""
    before, after = (study_of(tiny(base__data={"test_duplicates": choice})) for choice in ("keep", "drop"))
    configs = [
        [study.config(study.cells[0], "c", seed=0, phase=phase).signature for phase in ("search", "confirm")]
        for study in (study_of(tiny()), before, after)
    ]
    assert configs[0] == configs[1]
    assert [configs[0][place] == configs[2][place] for place in (0, 1)] == [True, False]
    with pytest.raises(InvalidInput, match="test_duplicates"):
        study_of(tiny(base__data={"test_duplicates": "forget"}))


def test_a_judge_needs_images_that_no_subset_has(tmp_path):
    for part in ("train", "val", "test"):
        for label in ("cats", "dogs"):
            (tmp_path / part / label).mkdir(parents=True)
            for index in range(30):
                Image.new("L", (8, 8), index).save(tmp_path / part / label / f"{index}.png")
    folder = {"name": "pets", "folder": str(tmp_path), "channels": 1, "image_size": 8, "fit": "pad"}
    judged = tiny(datasets=[folder], confirm__quality=True)
    (problem,) = refused(judged)
    assert "confirm.quality: needs a judge, and with `data.validation: own` no images are left for it." in problem
    study = study_of(tiny(datasets=[folder], confirm__quality=True, base__data={"validation": "held_out"}))
    config = study.config(study.cells[0], "c", seed=0, phase="search")
    assert (config.data.validation, config.data.fit) == ("held_out", "pad")
