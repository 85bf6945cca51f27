"""A study advised for a folder of images: what it gives up first, that it fits its time, and that it can be run."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image

from dagan.data.card import card_of
from dagan.data.facts import facts
from sweeps.forecast.estimate.limits import stage_lengths
from sweeps.forecast.simulate.step_times import USUAL
from sweeps.start.choice import FILLED, Timer, choose
from sweeps.start.folder import advise, dataset_of, near_copies_in
from sweeps.start.outline import (
    CLASSIFIER_ITERATIONS,
    GAN_ITERATIONS,
    MOST_SEEDS,
    SEARCHES,
    networks,
    outlines,
    sizes,
)
from sweeps.study.files import load
from sweeps.study.parse import study_of


def images(place, counts, *, side=32, colour=True, seed=0):
    """A folder of noise, so many images of each class."""
    random = np.random.default_rng(seed)
    for label, count in counts.items():
        (place / label).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(0, 256, (side, side, 3) if colour else (side, side), dtype=np.uint8)
            Image.fromarray(pixels).save(place / label / f"{index}.png")
    return place


@pytest.fixture
def pets(tmp_path):
    for seed, (part, count) in enumerate({"train": 60, "val": 10, "test": 20}.items()):
        images(tmp_path / "pets" / part, {"cats": count, "dogs": count}, seed=seed)
    return facts("pets", folder=tmp_path / "pets")


def work(outline):
    """Seconds that grow with everything that an outline may have more of."""
    trainings = 2 * outline.rates * (outline.ratios if outline.gan else 1) + outline.seeds
    length = outline.kc[-1] + (outline.kg if outline.gan else 0)
    return trainings * length * outline.width**2 * (3 if outline.gan else 1) / 100


def every(known, *, gan=True):
    return [outline for group in outlines(known, networks(known, gpu=False), gan=gan) for outline in group]


def test_the_best_outline_that_fits_is_chosen_and_the_rest_of_the_time_goes_into_seeds(pets):
    for limit in (1e9, 300.0, 100.0, 30.0, 5.0):
        choice = choose(pets, work, limit, gpu=False)
        assert choice.fits
        assert choice.seconds == work(choice.outline) <= FILLED * limit
        fitting = [one for one in every(pets) if work(one) <= FILLED * limit]
        if choice.outline.gan:
            assert choice.with_gan is None
            assert replace(choice.outline, seeds=fitting[0].seeds) == fitting[0], "images first, then width, search"
        else:
            assert not fitting
            assert choice.with_gan == min(map(work, every(pets)))
        if choice.outline.seeds < MOST_SEEDS:
            assert work(replace(choice.outline, seeds=choice.outline.seeds + 1)) > FILLED * limit
    assert not choose(pets, work, 5.0, gpu=False).outline.gan
    assert choose(pets, work, 1e9, gpu=False).outline.samples_per_class == 60
    rich = choose(pets, work, 1e9, gpu=False).outline
    assert (rich.rates, rich.ratios, rich.seeds) == (*SEARCHES[0], MOST_SEEDS)


def test_where_nothing_fits_the_least_is_given_and_said_to_be_too_much(pets):
    choice = choose(pets, work, 0.001, gpu=False)
    assert not choice.fits
    assert choice.outline == every(pets, gan=False)[-1]


def test_no_time_makes_a_study_too_short_to_answer(pets):
    for outline in every(pets):
        assert outline.kg >= GAN_ITERATIONS
        assert outline.kc[-1] >= CLASSIFIER_ITERATIONS
        epochs = 2 * outline.samples_per_class / 100
        assert outline.kg >= 200 * epochs
        assert outline.kc[-1] >= 500 * epochs
        assert list(outline.kc) == sorted(set(outline.kc))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((30, 40), [20, 10, 5]),
        ((600, 700), [200, 100, 50, 20, 10, 5]),
        ((12, 12), [8, 5]),
        ((150, 150), [100, 50, 20, 10, 5]),
    ],
)
def test_as_many_images_as_there_are_come_first(tmp_path, counts, expected):
    place = images(tmp_path / "pets", dict(zip(("a", "b"), counts, strict=True)), side=8)
    assert sizes(facts("pets", folder=place)) == expected


def test_the_study_is_valid_and_no_stage_of_it_is_short(tmp_path, pets):
    folder = str(tmp_path / "pets")
    for outline in every(pets)[::5] + every(pets, gan=False)[::5]:
        study = study_of(outline.tree({"name": "pets", "folder": folder}, "pets", {}))
        assert not [length for length in stage_lengths(study) if length.short]
        assert study.search.budget.trials == 2 * np.prod(
            [len(one.values) for key, one in study.search.parameters.items() if key != "classifier.iterations"]
        )


def test_a_wide_network_that_cannot_fit_is_not_measured(pets, tmp_path, monkeypatch):
    measured = []
    folder = str(tmp_path / "pets")
    timer = Timer(
        lambda outline: study_of(outline.tree({"name": "pets", "folder": folder}, "pets", {})),
        slots=2,
        limit=60.0,
        narrowest=("conv32", 0.125),
        tell=measured.append,
    )
    monkeypatch.setattr("sweeps.start.choice.probe", lambda trials, slots: [sample])
    sample = replace(USUAL, generation_step=5e5, classification_step=5e5)  # 2 GFLOP/s
    wide, narrow = (next(one for one in every(pets) if one.width == width) for width in (0.5, 0.125))
    assert timer.seconds(wide) > timer.seconds(narrow) > 60
    assert measured == ["measuring conv32 × 0.125 …"]
    sample = replace(USUAL, generation_step=1.0, classification_step=1.0)  # a million times as fast
    timer.known.clear()
    timer.limit = 1e6
    timer.seconds(wide)
    assert measured[-1] == "measuring conv32 × 0.5 …"


def test_the_file_says_why_and_reads_back_as_the_study(tmp_path):
    images(tmp_path / "own images", {"cats": 30, "dogs": 40})
    said = []
    advice = advise(
        tmp_path / "own images",
        name="pets",
        minutes=600,
        beside=tmp_path,
        command="sweeps init 'own images' --gpu",
        gflops=5000,
        tell=said.append,
    )
    (tmp_path / "pets.yaml").write_text(advice.text)
    study = load(str(tmp_path / "pets.yaml"))
    assert study.methods == ["c", "c_aug", "dagan_aug"]
    assert study.compare == {"c_aug": ["c"], "dagan_aug": ["c_aug"]}
    assert study.samples_per_class == [20]
    assert study.cells[0].dataset.folder == tmp_path / "own images"
    assert study.base["data"] == {"validation": "within"}
    assert "# sweeps init 'own images' --gpu --minutes 600 wrote this." in advice.text
    assert "# all that can be trained on; a quarter of them validates while searching" in advice.text
    assert any("2 classes, 70 training images" in line for line in said)
    assert "base:\n  network: {name: conv32, width: 1.0}" in advice.text
    assert yaml.safe_load(advice.text)["datasets"][0]["folder"] == "own images"
    decided = advice.lines[0]
    for word in (
        "c, c_aug, dagan_aug with 20 of 30 images per class at 32 pixels",
        f"{study.confirm.seeds} confirm seeds",
    ):
        assert word in decided
    assert f"Foretold: about {advice.choice.seconds / 60:.0f} min of the 600 min, at an assumed 5,000" in advice.text
    assert study.base["augmentation"] == {"horizontal_flip": False}


@pytest.mark.parametrize(
    ("side", "colour", "size", "channels", "network"),
    [
        (9, False, 8, 1, "digits"),
        (28, False, 28, 1, "digits"),
        (30, True, 28, 3, "conv32"),
        (100, True, 64, 3, "conv32"),
    ],
)
def test_images_are_read_as_they_are_as_far_as_there_is_time(tmp_path, side, colour, size, channels, network):
    images(tmp_path / "pets", {"a": 12, "b": 12}, side=side, colour=colour)
    dataset = dataset_of(card_of(tmp_path / "pets"), "pets", gpu=True)
    assert (dataset["image_size"], dataset["channels"]) == (size, channels)
    assert "fit" not in dataset
    known = facts("pets", folder=tmp_path / "pets", image_size=size, channels=channels)
    assert {name for name, _ in networks(known, gpu=True)} == {network}
    assert dataset_of(card_of(tmp_path / "pets"), "pets", gpu=False)["image_size"] == min(size, 32)


def test_long_images_are_padded(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (40, 20), (index, 0, 90)).save(tmp_path / "pets" / label / f"{index}.png")
    assert dataset_of(card_of(tmp_path / "pets"), "pets", gpu=True)["fit"] == "pad"


@pytest.mark.parametrize("measuring", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_init_measures_and_writes_once(tmp_path, typed, monkeypatch, measuring):
    if not measuring:
        sample = replace(USUAL, generation_step=1e3, classification_step=1e3)  # 1000 GFLOP/s
        monkeypatch.setattr("sweeps.start.choice.probe", lambda trials, slots: [sample])
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "my pets", {"cats": 12, "dogs": 15}, side=8, colour=False)
    code, out, said = typed("init", "my pets", "--minutes", "1000")
    assert code == 0, said
    assert "measuring digits × 0.5 …" in said
    assert "Study: my-pets.yaml. Next: sweeps run my-pets.yaml" in out
    study = load("my-pets.yaml")
    assert study.name == "my-pets"
    assert list(itertools.chain(study.methods)) == ["c", "c_aug", "dagan_aug"]
    before = (tmp_path / "my-pets.yaml").read_bytes()
    code, _, said = typed("init", "my pets")
    assert code == 2
    assert "must be a new file, but is there" in said
    assert (tmp_path / "my-pets.yaml").read_bytes() == before
    code, _, said = typed("init", "nowhere")
    assert code == 2
    assert "nowhere must be a folder with one sub-folder per class" in said


def test_near_copies_across_classes_and_parts_are_named(tmp_path):
    images(tmp_path / "pets" / "train", {"a": 20, "b": 20})
    images(tmp_path / "pets" / "test", {"a": 3, "b": 3}, seed=1)

    def mirrored(source, target):
        image = Image.open(tmp_path / "pets" / source).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image.save(tmp_path / "pets" / target)

    def said():
        return "\n".join(near_copies_in(tmp_path / "pets"))

    assert said() == ""
    mirrored("train/a/3.png", "train/b/near.png")
    mirrored("train/a/4.png", "train/a/near.png")
    mirrored("train/b/5.png", "test/b/near.png")
    found = said()
    assert "Nearly the same image in two classes: train/b/near.png and train/a/3.png." in found
    assert "Nearly the same image twice in a class: 1 of 42 training images." in found
    assert "Test images that nearly equal training images: test/b/near.png is train/b/5.png." in found
