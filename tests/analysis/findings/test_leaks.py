"""What a report says of copies among generated images."""

import json

import pytest

from analysis import write_report
from analysis.findings.leaks import doubts
from analysis.reports import report as publication
from analysis.reports.figures import Figures


def leak(copied=0, *, of=1000, files=None):
    files = [f"cat/{index}.png" for index in range(copied if files is None else files)]
    return {"images": of, "copied": copied, "files": files}


def said(tmp_path, smallest_difference=0.5, **found):
    found = {"methods": ["external"], "images": 2000} | found
    (tmp_path / "leaks.json").write_text(json.dumps({"pets": found}))
    return doubts(tmp_path, smallest_difference)


def test_copies_are_counted_named_and_weighed(tmp_path):
    leaks = {"test": leak(40, files=41), "validation": leak(1, of=500)}
    assert said(tmp_path, leaks=leaks, methods=["external", "external_aug"]) == (
        "In doubt: among the 2,000 generated images of pets are 41 near-copies of 40 of the 1,000 test images and"
        " 1 near-copy of 1 of the 500 validation images (cat/0.png, cat/1.png, cat/2.png and 38 more); those found"
        " can give away 4.0 points of the test accuracy of external and external_aug. Remove them, and run again.",
    )


@pytest.mark.parametrize(("copied", "smallest", "doubtful"), [(5, 0.5, True), (4, 0.5, False), (1, 0.0, True)])
def test_what_is_less_than_the_smallest_difference_is_told_and_no_doubt(tmp_path, copied, smallest, doubtful):
    (sentence,) = said(tmp_path, smallest, leaks={"test": leak(copied)})
    assert sentence.startswith("In doubt: among" if doubtful else "Among")


def test_copies_of_validation_images_alone_can_decide_the_choice(tmp_path):
    (sentence,) = said(tmp_path, leaks={"test": leak(), "validation": leak(9)})
    assert sentence.startswith(
        "In doubt: among the 2,000 generated images of pets are 9 near-copies of 9 of the 1,000 val"
    )
    assert sentence.endswith("; those found may decide what is chosen for external. Remove them, and run again.")


def test_without_copies_there_is_nothing_to_say_and_without_a_comparison_there_is(tmp_path):
    assert said(tmp_path, leaks={"test": leak()}) == ()
    (sentence,) = said(tmp_path, error="no such server")
    assert sentence == "In doubt: nobody knows whether generated images of pets copy its test images (no such server)."
    for content in ("", "{"):
        (tmp_path / "leaks.json").write_text(content)
        assert doubts(tmp_path, 0.5) == ()
    (tmp_path / "leaks.json").unlink()
    assert doubts(tmp_path, 0.5) == ()


def test_doubts_are_the_first_thing_that_a_report_says(make_study, monkeypatch):
    monkeypatch.setattr(publication, "draw", lambda evidence: Figures())
    directory = make_study()
    (sentence,) = said(directory, leaks={"test": leak(40, files=40)})
    found = write_report(directory)
    assert found.lines[0] == sentence
    assert found.lines[1] in ("Yes.", "Yes, in part.")
    page, markdown = found.html.read_text(encoding="utf-8"), found.markdown.read_text(encoding="utf-8")
    assert page.index('<p class="answer doubt">In doubt: among') < page.index('<p class="answer">')
    assert "<b>cat</b>" not in page
    assert markdown.index("**In doubt: among") < markdown.index("Study ")
