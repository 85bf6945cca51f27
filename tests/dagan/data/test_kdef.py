"""KDEF: names by position, persons on one side of every split, from a small tree of its layout."""

import numpy as np
import pytest
import torch
from PIL import Image

from dagan.config import Config
from dagan.data.facts import facts
from dagan.data.kdef import EXPRESSIONS, check_portraits, portraits
from dagan.errors import InvalidInput, warn_once
from dagan.training.dataset import training_data

PEOPLE = [f"{gender}{number:02d}" for gender in "FM" for number in range(1, 10)]
CODES = {
    "AF": "afraid",
    "AN": "angry",
    "DI": "disgusted",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprised",
}


def shade(person, code):
    """What tells person and expression in an image: even shades, far enough apart for JPEG."""
    return 12 + 13 * PEOPLE.index(person), 20 + 30 * EXPRESSIONS.index(code)


def photograph(path, red=0, green=0, blue=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (28, 38), (red, green, blue)).save(path, quality=95)


def write_kdef(place):
    """18 persons, both sessions, straight and half left; M09 has no happy image; two names that say nothing."""
    for session in "AB":
        for person in PEOPLE:
            for code in EXPRESSIONS:
                for angle in ("S", "HL"):
                    if (person, code, session) == ("M09", "HA", "A"):
                        continue
                    # Only what the paper uses has its colours: anything else is blue.
                    colour = (*shade(person, code), 0) if session + angle == "AS" else (0, 0, 255)
                    photograph(place / f"{session}{person}" / f"{session}{person}{code}{angle}.JPG", *colour)
    photograph(place / "AF03" / "AF03V.JPG", 0, 0, 255)
    photograph(place / "AM01" / "AM01H.JPG", 0, 0, 255)
    (place / "AF01" / "Thumbs.db").write_text("x")
    (place / "README").write_text("x")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    write_kdef(root / "KDEF_and_AKDEF" / "KDEF")
    return root


def data_of(root, **data):
    choices = {"dataset": "kdef", "root": str(root), "samples_per_class": 3, "image_size": 16} | data
    return training_data(Config.of({"method": "c", "data": choices}), torch.device("cpu"))


def shades(part):
    """(person, expression) of each image of a part, read off its colour."""
    pixels = ((part.images[:, :, 4:12, 4:12].mean(dim=(2, 3)) + 1) * 127.5).numpy()
    assert (pixels[:, 2] < 40).all()  # no image of session B, and none from the side
    people = np.rint((pixels[:, 0] - 12) / 13).astype(int)
    expressions = np.rint((pixels[:, 1] - 20) / 30).astype(int)
    return [PEOPLE[index] for index in people], expressions.tolist()


def test_the_classes_are_the_expressions_in_full_words_in_the_order_of_their_codes():
    assert facts("kdef").classes == tuple(CODES[code] for code in EXPRESSIONS)
    assert facts("kdef").per_class == (70,) * 7


def test_the_frontal_images_of_session_a_are_read_with_their_expressions(root):
    for phase in ("search", "confirm"):
        data = data_of(root, phase=phase)
        for part in filter(None, (data.train, data.validation, data.test)):
            people, expressions = shades(part)
            assert expressions == part.labels.tolist()
            assert "M09" not in people
            assert len(part) == 7 * len(set(people))


def test_a_person_lies_on_one_side_of_every_split(root):
    tuning, final, test = set(), set(), set()
    for seed in range(8):
        for phase in ("search", "confirm"):
            choices = {"dataset": "kdef", "root": str(root), "samples_per_class": 3, "image_size": 16, "phase": phase}
            data = training_data(Config.of({"method": "c", "seed": seed, "data": choices}), torch.device("cpu"))
            subset = set(shades(data.train)[0])
            assert len(subset) == 3
            if phase == "search":
                held = set(shades(data.validation)[0])
                assert held
                assert not held & subset
                tuning |= subset | held
            else:
                final |= subset
                test |= set(shades(data.test)[0])
    assert not tuning & final
    assert not test & (tuning | final)
    assert len(test) == 17 // 3


def test_what_is_left_out_is_told_of_once(root, caplog):
    warn_once.cache_clear()
    data_of(root)
    data_of(root)
    assert sum("AF03/AF03V.JPG, AM01/AM01H.JPG (in " in message for message in caplog.messages) == 1
    assert sum("left out for want of an image of every class: M09." in message for message in caplog.messages) == 1
    assert "Thumbs.db" not in caplog.text


@pytest.mark.parametrize("inner", ["KDEF_and_AKDEF/KDEF", "KDEF", "."])
def test_the_folder_is_found_as_packed_and_less_deep(tmp_path, inner):
    write_kdef(tmp_path / inner)
    found = portraits(tmp_path)
    assert len(found.labels) == 18 * 7 - 1
    assert found.folder.place == tmp_path / inner


def test_names_are_read_by_position_and_a_person_by_gender_and_identity(tmp_path):
    for person in ("F01", "M01", "F35"):
        for code in EXPRESSIONS:
            photograph(tmp_path / f"A{person}" / f"A{person}{code}S.JPG")
    for odd in (
        "AF01AFX.JPG",
        "AF01AF.JPG",
        "AF01XXS.JPG",
        "AF02AFS.JPG",
        "AF01AFSS.JPG",
        "ANS.JPG",
        "notes.JPG",
        "._AF01AFS.JPG",
    ):
        photograph(tmp_path / "AF01" / odd)
    photograph(tmp_path / "AF36" / "AF36AFS.JPG")  # there is no 36th person
    found = portraits(tmp_path)
    assert sorted(set(found.persons.tolist())) == ["F01", "F35", "M01"]
    assert len(found.labels) == 21
    assert list(found.folder.sizes)[:2] == ["AF01/AF01AFS.JPG", "AF01/AF01ANS.JPG"]


def test_size_and_channels_are_a_choice(root):
    assert data_of(root).train.images.shape == (21, 3, 16, 16)
    assert data_of(root, channels=1, image_size=8).train.images.shape == (21, 1, 8, 8)


def test_more_persons_than_there_are_are_refused_and_told_why(root):
    with pytest.raises(InvalidInput) as caught:
        data_of(root, samples_per_class=6)
    first, second = map(str, caught.value.problems)
    assert "must be <= 5 for kdef, but is 6" in first  # 17 persons, 5 for the test; half of 12, one to validate
    assert "must hold kdef as published, 490 training images, but holds 125 (18, 18, 18, 17, 18" in second


def test_a_root_without_kdef_is_refused_with_the_remedy(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InvalidInput, match="must hold KDEF_and_AKDEF/KDEF/AF01 and so on, but does not") as caught:
            portraits(place)
        assert "It cannot be downloaded" in str(caught.value)
    photograph(tmp_path / "KDEF" / "AF01" / "AF01AFS.JPG")
    with pytest.raises(InvalidInput, match="of at least 3 persons"):
        portraits(tmp_path)


def test_a_damaged_photograph_is_named(tmp_path):
    write_kdef(tmp_path)
    check_portraits(tmp_path)
    file = tmp_path / "AF05" / "AF05NES.JPG"
    file.write_bytes(file.read_bytes()[:200])
    (tmp_path / "AF04" / "AF04NEHL.JPG").write_text("not used, so not looked at")
    with pytest.raises(InvalidInput) as caught:
        check_portraits(tmp_path)
    assert len(caught.value.problems) == 1
    assert f"data.folder: {file} " in str(caught.value)
