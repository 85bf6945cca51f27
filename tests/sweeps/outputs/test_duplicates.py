"""What a report tells of test images that nearly equal training images, and when somebody looks for them."""

import random
import shutil

import numpy as np
import pytest
from PIL import Image
from playing import plain, play

from analysis.findings.pictures import load_duplicates, read_duplicates
from analysis.reports import report
from analysis.reports.figures import Figures
from dagan.config import Config
from sweeps.outputs import duplicates as outputs
from sweeps.outputs.duplicates import SHOWN, SIDE, find_duplicates
from sweeps.outputs.kept_results import keep, report_of
from sweeps.outputs.report import summarise
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.study.parse import study_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pets(tmp_path):
    """A folder of noise with train and test; three test images are mirrored training images."""
    rng = np.random.default_rng(0)
    images = {
        f"{part}/{label}/{index}.png": rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        for part, count in (("train", 24), ("test", 4))
        for label in ("cat", "dog")
        for index in range(count)
    }
    images |= {f"test/cat/{index}.png": images[f"train/dog/{index + 5}.png"][:, ::-1] for index in range(3)}
    images["test/cat/1.png"] = (images["test/cat/1.png"] * 0.9 + rng.integers(0, 25, (8, 8, 3))).astype(np.uint8)
    for name, image in images.items():
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "pets" / name)
    return tmp_path / "pets"


def played(tmp_path, folder, *, kill_after=None, **base):
    """A plan whose trials have ended without any training, and its run folder."""
    tree = plain(datasets=[{"name": "pets", "folder": str(folder), "image_size": 8}], samples_per_class=[2])
    study = study_of(tree | {"base": tree["base"] | base})
    run = RunFolder(tmp_path / "results", study.name)
    play(study, run.ledger, workers=1, rng=random.Random(0), kill_after=kill_after)
    run.study.write_text(study.text)
    return Plan(study, Ledger(run.ledger)), run


def test_pairs_are_counted_and_shown(tmp_path, pets):
    plan, folder = played(tmp_path, pets)
    find_duplicates(plan, folder)
    (found,) = load_duplicates(folder.root)
    assert (found.dataset, found.test_images, found.training_images, found.copies) == ("pets", 8, 48, 3)
    assert found.test.shape == (3, 8, 8, 3)
    same = [np.array_equal(test[:, ::-1], training) for test, training in zip(found.test, found.training, strict=True)]
    assert same == [True, True, False], "from the most alike to the least"


def test_where_a_third_is_set_aside_the_others_are_the_training_images(tmp_path):
    (tmp_path / "digits.npz").write_bytes(outputs.found(Config.of({"method": "c"}), "these"))
    found = read_duplicates(tmp_path / "digits.npz")
    assert (found.test_images, found.training_images, found.images) == (596, 1201, "these")


def test_a_search_does_not_open_the_test(tmp_path, pets, monkeypatch):
    monkeypatch.setattr(outputs, "found", None)
    plan, folder = played(tmp_path, pets, kill_after=2)
    find_duplicates(plan, folder)
    assert not folder.duplicates.exists()


def test_what_is_known_stays_and_other_images_are_looked_at_anew(tmp_path, pets, monkeypatch):
    plan, folder = played(tmp_path, pets)
    find_duplicates(plan, folder)
    path = folder.duplicates / "pets.npz"
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(outputs, "found", None)
        find_duplicates(plan, folder)
    assert path.read_bytes() == before
    path.write_bytes(before[:200])
    assert read_duplicates(path) is None
    find_duplicates(plan, folder)
    assert path.read_bytes() == before
    (pets / "test" / "cat" / "0.png").unlink()
    plan, folder = played(tmp_path, pets)
    find_duplicates(plan, folder)
    assert read_duplicates(path).copies == 2


@pytest.mark.parametrize("gone", ["all", "changed", "damaged"])
def test_images_that_cannot_be_read_here_are_passed_over(tmp_path, pets, gone):
    plan, folder = played(tmp_path, pets)
    if gone == "all":
        pets.rename(tmp_path / "elsewhere")
    elif gone == "changed":
        (pets / "test" / "dog" / "1.png").unlink()
    else:
        file = pets / "test" / "dog" / "1.png"
        file.write_bytes(b"-" * file.stat().st_size)
    find_duplicates(plan, folder)
    assert load_duplicates(folder.root) == ()


def test_a_built_in_data_set_that_is_not_there_is_not_downloaded(tmp_path, monkeypatch):
    study = study_of(plain(datasets=[{"name": "mnist", "root": str(tmp_path / "nothing")}]))
    folder = RunFolder(tmp_path / "results", study.name)
    play(study, folder.ledger, workers=1, rng=random.Random(0))
    find_duplicates(Plan(study, Ledger(folder.ledger)), folder)
    assert not folder.duplicates.exists()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_the_report_tells_what_became_of_them(tmp_path, pets, monkeypatch, choice):
    monkeypatch.setattr(report, "draw", lambda evidence: Figures())
    other = {"keep": "drop", "drop": "keep"}[choice]
    played(tmp_path, pets, data={"test_duplicates": other})  # its trials stay in the ledger
    plan, folder = played(tmp_path, pets, **{"data": {"test_duplicates": other}, "data.test_duplicates": choice})
    written = summarise(plan, folder)
    page, markdown = written.html.read_text(), written.markdown.read_text()
    expected = "3 of the 8 test images of pets (37.5 %) nearly equal one of the 48 training images; "
    expected += "dropped: the test is the other 5 images." if choice == "drop" else "kept in the test"
    assert expected in page
    assert expected in markdown
    assert (folder.report / "figures" / "duplicates-pets.png").is_file()
    assert "figures/duplicates-pets.png" in markdown
    keep(plan, folder, tmp_path / "kept")
    before = (tmp_path / "kept" / "README.md").read_bytes()
    pets.rename(tmp_path / "elsewhere")
    report_of(tmp_path / "kept")
    assert (tmp_path / "kept" / "README.md").read_bytes() == before
    assert expected.encode() in before
    assert (tmp_path / "kept" / "figures" / "duplicates-pets.png").is_file()


def test_few_pairs_and_small_pictures_are_kept(tmp_path):
    rng, pets = np.random.default_rng(0), tmp_path / "pets"
    for label in ("cat", "dog"):
        (pets / "train" / label).mkdir(parents=True)
        for index in range(9):
            rough = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            rough.resize((128, 128)).save(pets / "train" / label / f"{index}.png")
    shutil.copytree(pets / "train", pets / "test")
    data = {"dataset": "pets", "folder": str(pets), "image_size": 128, "samples_per_class": 1}
    (tmp_path / "pets.npz").write_bytes(outputs.found(Config.of({"method": "c", "data": data}), "these"))
    kept = read_duplicates(tmp_path / "pets.npz")
    assert kept.copies == 18
    assert kept.test.shape == (SHOWN, SIDE, SIDE, 3)
    assert np.array_equal(kept.test, kept.training)
