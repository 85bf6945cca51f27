"""The files of a report: self-contained, the same bytes again, deaf to injected markup."""

import re
import zlib
from base64 import b64encode
from hashlib import sha256
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from pages import broken_tables, read
from synthetic import METHODS, entry, write_entry, write_pictures

from analysis import load, write_report
from analysis.findings.pictures import alike, load_pictures
from analysis.plots.pictures import grid, png
from analysis.reports.table_formats import escape_markdown

words_alone = pytest.mark.usefixtures("without_figures")


def test_the_page_needs_nothing_else(usual):
    page, _ = read(usual)
    source = "".join(f"{tag} {attributes}" for tag, attributes in page.elements)
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]  # one, inline
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                local = ("#", "data:image/png;base64,", "results.", "report.md", "tables/", "figures/")
                assert str(value).startswith(local), (tag, name, value)
            assert not name.startswith("on")
    assert "@import" not in source


def test_ids_are_unique_and_references_resolve(usual):
    source = usual.html.read_text()
    ids = re.findall(r'\bid="([^"]*)"', source)
    assert len(ids) == len(set(ids))
    references = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', source)
    assert references
    assert {first or second for first, second in references} <= set(ids)


def test_figure_files_of_the_markdown_twin_exist(usual):
    linked = re.findall(r"\]\((figures/[^)]*)\)", usual.markdown.read_text())
    assert linked
    shown = {usual.markdown.parent / link for link in linked if link != "figures/"}
    copies = {path for path in usual.figures if path.with_suffix(".svg") in usual.figures} - shown
    assert shown | copies == set(usual.figures)
    assert {path.with_suffix(".png") for path in shown if path.suffix == ".svg"} == copies
    assert all(path.stat().st_size for path in usual.figures)


def test_tables_of_the_markdown_twin_hold_together(usual):
    assert broken_tables(usual.markdown.read_text()) == []


def test_tables_beside_the_report_are_the_results(usual):
    pd.testing.assert_frame_equal(load(usual.csv), load(usual.parquet), check_exact=True)
    assert list(pd.read_csv(usual.csv, nrows=1).columns) == list(pd.read_parquet(usual.parquet).columns)
    assert len(load(usual.csv)) == 2 * len(METHODS) * 16


def test_the_same_study_gives_the_same_bytes(make_study, tmp_path):
    directory = make_study(sizes=(5,), methods=("dagan",), compare={}, trials=1, seeds=2, pictures=True)
    first, second = (write_report(directory, output=tmp_path / name) for name in ("one", "two"))
    assert first.html.read_bytes() == second.html.read_bytes()
    assert first.markdown.read_bytes() == second.markdown.read_bytes()
    assert first.parquet.read_bytes() == second.parquet.read_bytes()
    assert [path.read_bytes() for path in first.figures] == [path.read_bytes() for path in second.figures]


EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]></style><b>$x_1$ {{ 7 * 7 }} {% raw %}",
    "a|b [c](http://evil.example) `d` **e** --> \n# heading",
]


@pytest.mark.parametrize(
    "text", [*EVIL[:1], *(pytest.param(text, marks=pytest.mark.slow) for text in EVIL[1:-1]), EVIL[-1]]
)
def test_text_from_users_injects_nothing(make_study, usual, without_png, text):
    directory = make_study(
        question=text,
        dataset=text,
        methods=("c", text),
        levels={"c": 0.6, text: 0.7},
        compare={text: ["c"]},
        sizes=(5,),
        seeds=3,
        trials=3,
    )
    study = (directory / "study.yaml").read_text()
    (directory / "study.yaml").write_text(study.replace("name: digits", "name: " + repr(text)))
    one = entry(trial=9, signature="evil", status="failed", test_accuracy=None, error=text)
    one["provenance"] |= {"host": text}
    one["config"] |= {text: text}
    one["curve"][0]["losses"] = {text: 1.0}
    write_entry(directory, one)
    (directory / "ledger" / "<b>x.json").write_text("{")
    page, markdown = read(write_report(directory))
    allowed = {tag for tag, _ in read(usual)[0].elements}
    assert {tag for tag, _ in page.elements} <= allowed
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert all(not v or "evil" not in v for _, a in page.elements for k, v in a.items() if k in ("href", "src"))
    assert " ".join(text.split()) in " ".join(page.text.split())
    assert "{{ 7 * 7 }}" in page.text or "7 * 7" not in text
    assert "<script" not in markdown
    assert "<img" not in markdown
    assert not re.search(r"(?<!\\)\]\((?!figures/|results\.|tables/)", markdown)
    assert "\n# heading" not in markdown
    tables = [table for table in re.split(r"\n(?!\|)", markdown) if "\n|" in table]
    rows = [[line for line in table.splitlines() if line.startswith("|")] for table in tables]
    assert sum(escape_markdown(text) in row for table in rows for row in table) > 5
    for table in rows:
        assert len({re.sub(r"\\.", "", row).count("|") for row in table}) == 1, "a text has left its cell"


def test_the_page_allows_its_one_script_and_no_other(usual):
    page, _ = read(usual)
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    script = re.search(r"<script>(.*?)</script>", usual.html.read_text(), re.DOTALL).group(1)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_points_say_which_trial_they_are(usual):
    source = usual.html.read_text()
    titles = re.findall(r'<circle class="point"[^>]*><title>([^<]*)</title></circle>', source)
    assert any(re.fullmatch(r"c, 5 per class, seed 1003: \d+\.\d %", title) for title in titles)
    assert any(title.startswith("dagan_aug, suggestion 5: ") for title in titles)
    assert any("n = 8" in title for title in titles)  # a paired difference


def test_markdown_escapes():
    assert escape_markdown("a_b *c* <d> [e](f) `g` |\nh") == r"a\_b \*c\* &lt;d&gt; \[e\](f) \`g\` \| h"
    assert "://" not in escape_markdown("https://example.org")


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_keep_their_pixels(tmp_path, channels):
    write_pictures(tmp_path / "a.npz", channels)
    pictures = load_pictures(tmp_path / "a.npz", classes=3, columns=4)
    assert pictures.classes == ("0", "1", "2")
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(pictures.real[2, 3, ..., :channels], arrays["real"][2, 3])
    canvas = grid(pictures)
    np.testing.assert_array_equal(canvas[9:17, 9:17, :3], pictures.real[1, 1])
    assert set(np.unique(canvas[..., 3])) == {0, 255}
    assert pictures.iterations == (25, 50, 100)
    np.testing.assert_array_equal(canvas[9:17, -8:, :3], pictures.progress[1, 2])
    assert png(canvas, least=100).startswith(b"\x89PNG")


def test_classes_whose_generated_images_hardly_differ_are_named(make_study):
    directory = make_study(sizes=(5,), methods=("dagan",), compare={}, trials=1, seeds=1, pictures=True)
    (path,) = directory.glob("pictures/*.npz")
    assert alike(load_pictures(path)) == ()
    with np.load(path) as arrays:
        changed = {name: arrays[name] for name in arrays}
    changed["generated"][[2, 7, 8]] = changed["generated"][[2, 7, 8], :1]
    changed["real"][8] = changed["real"][8, :1]  # one real image, shown again and again: nothing to compare with
    np.savez(path, **changed)
    assert alike(load_pictures(path)) == ("2", "7")
    page, markdown = read(write_report(directory))
    for text in (page.text, markdown):
        assert "Generated images that hardly differ: 2, 7." in text


def test_pictures_of_earlier_versions_show_no_progress(tmp_path):
    write_pictures(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        np.savez(tmp_path / "b.npz", **{name: arrays[name] for name in ("real", "generated", "classes")})
    earlier = load_pictures(tmp_path / "b.npz", columns=4)
    assert (earlier.iterations, earlier.progress.shape[:2]) == ((), (10, 0))
    assert grid(earlier).shape == (10 * 9 - 1, 2 * (4 * 9 - 1) + 3, 4)


def spoilt(content):
    """A compressed file whose first array begins with what no compression writes."""
    with np.load(BytesIO(content)) as arrays:
        file = BytesIO()
        np.savez_compressed(file, **arrays)
    data = bytearray(file.getvalue())
    name, extra = (int.from_bytes(data[at : at + 2], "little") for at in (26, 28))  # of the first file in a zip
    data[30 + name + extra] = 0xFF
    with pytest.raises(zlib.error), np.load(BytesIO(bytes(data))) as arrays:
        dict(arrays)
    return bytes(data)


def other_sizes(content):
    """A file whose images of how G learned are of another height."""
    with np.load(BytesIO(content)) as arrays:
        file = BytesIO()
        np.savez(file, **dict(arrays) | {"progress": arrays["progress"][:, :, 1:]})
    return file.getvalue()


@pytest.mark.parametrize(
    "change", [lambda content: b"", lambda content: b"PK\x03\x04rubbish", spoilt, other_sizes, lambda content: None]
)
@words_alone
def test_damaged_pictures_are_left_out(make_study, change):
    directory = make_study(sizes=(5,), seeds=1, pictures=True)
    damaged = list(directory.glob("pictures/*.npz"))
    assert damaged
    for path in damaged:
        content = change(path.read_bytes())
        path.unlink() if content is None else path.write_bytes(content)
    page, _ = read(write_report(directory))
    assert "Generated images" not in page.text
