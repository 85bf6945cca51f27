"""What a report says of test images that nearly equal training images."""

import numpy as np
import pytest

from analysis import write_report
from analysis.findings.pictures import load_duplicates
from analysis.reports import report as publication
from analysis.reports.figures import Figures


def write(directory, name="digits", copies=3, *, channels=1, **changes):
    pixels = np.zeros((min(copies, 2), 8, 8, channels), dtype=np.uint8)
    arrays = {"images": np.array("a" * 16), "test": pixels, "training": pixels}
    arrays |= {
        key: np.array(value) for key, value in (("test_images", 400), ("training_images", 1201), ("copies", copies))
    }
    (directory / "duplicates").mkdir(exist_ok=True)
    np.savez(directory / "duplicates" / f"{name}.npz", **arrays | changes)


@pytest.mark.parametrize(
    ("copies", "dropped", "expected"),
    [
        (0, False, "None of the 400 test images of digits nearly equals one of the 1,201 training images."),
        (
            1,
            False,
            "1 of the 400 test images of digits (0.2 %) nearly equals one of the 1,201 training images; kept in the"
            " test, out of which `data.test_duplicates: drop` takes it.",
        ),
        (
            399,
            True,
            "399 of the 400 test images of digits (99.8 %) nearly equal one of the 1,201 training images; dropped: the"
            " test is the other 1 image.",
        ),
    ],
)
def test_what_became_of_them_is_said(tmp_path, copies, dropped, expected):
    write(tmp_path, copies=copies)
    (found,) = load_duplicates(tmp_path)
    assert found.sentence(dropped=dropped) == expected


def test_what_is_damaged_counts_as_absent(tmp_path):
    assert load_duplicates(tmp_path) == ()
    write(tmp_path, "whole", channels=3)
    write(tmp_path, "flat", test=np.zeros((8, 8), dtype=np.uint8))
    write(tmp_path, "float", training=np.zeros((2, 8, 8, 3)))
    write(tmp_path, "words", copies=2, test_images=np.array("many"))
    (tmp_path / "duplicates" / "cut.npz").write_bytes((tmp_path / "duplicates" / "whole.npz").read_bytes()[:99])
    assert [one.dataset for one in load_duplicates(tmp_path)] == ["whole"]


def test_a_report_tells_of_its_own_data_sets(make_study, monkeypatch):
    monkeypatch.setattr(publication, "draw", lambda evidence: Figures())
    directory = make_study()
    before = write_report(directory)
    assert "nearly equal" not in before.html.read_text() + before.markdown.read_text()
    write(directory)
    write(directory, "other")
    found = write_report(directory)
    page, markdown = found.html.read_text(), found.markdown.read_text()
    for text in (page, markdown):
        assert text.count("3 of the 400 test images of digits (0.8 %) nearly equal") == 1
        assert "other" not in text[text.index("3 of the 400") :][:300]
    (picture,) = (path for path in found.figures if path.name.startswith("duplicates"))
    assert picture.name == "duplicates-digits.png"
    assert f"figures/{picture.name}" in markdown
    write(directory, copies=0)
    assert not any(path.name.startswith("duplicates") for path in write_report(directory).figures)
