"""Reading results: the same table from ledger, CSV and Parquet; what is broken is named."""

import json
from csv import reader

import pandas as pd
import pytest
from synthetic import METHODS, entry, write_entry

import analysis
from analysis import ResultsError, load, load_curves, write_tables
from analysis.comparison.confirmed import confirmed
from analysis.data.columns import COLUMNS


def test_ledger_becomes_one_row_per_trial(make_study):
    results = load(make_study())
    assert len(results) == 2 * 4 * 16
    assert list(results.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert results["config.gan.iterations"].dropna().unique().tolist() == [400]
    assert results.loc[results["method"] == "c", "config.gan.iterations"].isna().all()
    assert results["config.network.maps"].unique().tolist() == ["[32, 64]"]
    assert results["provenance.commit"].unique().tolist() == ["0123abc"]
    assert results.attrs["damaged"] == {}


def test_rows_come_in_the_order_of_the_study(make_study):
    results = load(make_study(methods=("dagan_aug", "c"), levels={"dagan_aug": 0.7, "c": 0.6}))
    assert results["method"].drop_duplicates().tolist() == ["dagan_aug", "c"]
    assert results["samples_per_class"].is_monotonic_increasing
    first = results.iloc[:16]
    assert first["phase"].tolist() == ["search"] * 8 + ["confirm"] * 8
    assert first["trial"].tolist() == [*range(8), *range(8)]


def test_without_a_study_file_the_order_is_the_papers(make_study):
    directory = make_study(methods=METHODS[::-1])
    (directory / "study.yaml").unlink()
    assert load(directory)["method"].drop_duplicates().tolist() == list(METHODS)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_csv_and_parquet_equal_the_ledger(make_study, tmp_path, form):
    directory = make_study()
    odd = entry(trial=8, signature="0042", status="failed", test_accuracy=None, error='a, "b"\n; ü')
    odd["config"] |= {"flag": True, "text": "007", "mixed": 1}
    odd["provenance"] |= {"commit": "1e10", "build": "007"}
    write_entry(directory, odd)
    results = load(directory)
    written = dict(zip(("csv", "parquet"), write_tables(results, tmp_path / "out"), strict=True))
    again = load(written[form])
    pd.testing.assert_frame_equal(again, results, check_exact=True)
    kept = again[again["signature"] == "0042"].iloc[0]
    assert (kept["error"], kept["provenance.commit"]) == ('a, "b"\n; ü', "1e10")
    assert kept["provenance.build"] == "007"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"signature": "ab', "JSON"),
        ("[1, 2]", "object"),
        ('{"signature": "ab"}', "lacks study"),
        ("", "JSON"),
    ],
)
def test_damaged_files_are_skipped_and_named(make_study, content, reason):
    directory = make_study()
    (directory / "ledger" / "broken.json").write_text(content)
    (directory / "ledger" / ".half-written.json").write_text("{")
    results = load(directory)
    assert len(results) == 128
    assert list(results.attrs["damaged"]) == ["broken.json"]
    assert reason in results.attrs["damaged"]["broken.json"]


def test_binary_rubbish_counts_as_damaged(make_study):
    directory = make_study()
    (directory / "ledger" / "broken.json").write_bytes(b"\xff\xfe\x00rubbish")
    assert "broken.json" in load(directory).attrs["damaged"]


def test_a_copied_ledger_file_is_refused(make_study):
    directory = make_study()
    original = next(directory.glob("ledger/*.json"))
    (directory / "ledger" / "copy.json").write_text(original.read_text())
    with pytest.raises(ResultsError, match=r"1 rows repeat another.*Remove copied ledger files"):
        load(directory)


def test_missing_columns_are_all_named(tmp_path):
    pd.DataFrame({"method": ["c"]}).to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(ResultsError, match=r"signature, study, .*are missing"):
        load(tmp_path / "results.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_accuracy": 84.2}, "must lie in 0..1, but got 84.2. Divide percentages by 100"),
        ({"status": "done"}, "`status` must be one of completed, .*but got done"),
        ({"phase": "final"}, "`phase` must be one of search, confirm, but got final"),
        ({"phase": "search"}, "must be empty in search rows"),
        ({"seed": "seven"}, "`seed` must hold whole numbers"),
    ],
)
def test_values_out_of_range_are_refused(make_study, changes, message):
    directory = make_study()
    write_entry(directory, entry(trial=8, signature="odd") | changes)
    with pytest.raises(ResultsError, match=message):
        load(directory)


@pytest.mark.parametrize("name", ["nothing", "file.txt", "empty"])
def test_what_is_no_study_is_refused(tmp_path, name):
    (tmp_path / "file.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError):
        load(tmp_path / name)


def test_a_study_file_that_is_not_yaml_is_named(make_study):
    directory = make_study()
    (directory / "study.yaml").write_text("name: [")
    with pytest.raises(ResultsError, match=r"study\.yaml must be YAML"):
        load(directory)


def test_curves_are_long(make_study):
    curves = load_curves(make_study())
    one = curves[(curves["method"] == "dagan") & (curves["phase"] == "search") & (curves["trial"] == 1)]
    one = one[one["samples_per_class"] == 5]
    assert one["stage"].value_counts().to_dict() == {"generation": 10, "classification": 10}
    generation = one[one["stage"] == "generation"]
    assert generation["iteration"].tolist() == list(range(40, 401, 40))
    assert generation["loss.feature_matching"].iloc[0] == 30 / 40
    assert generation["validation_accuracy"].isna().all()


def test_studies_merge_into_one_table(make_study, tmp_path):
    first, second = make_study(sizes=(5,)), make_study(name="other", dataset="mnist", methods=("dagan", "semi_gan"),
                                                        levels={"dagan": 0.6, "semi_gan": 0.5}, sizes=(5,))  # fmt: skip
    both = load(first, second)
    assert both["study"].value_counts().to_dict() == {"digits": 64, "other": 32}
    assert both.attrs["methods"] == [*METHODS, "semi_gan"]
    assert both["config.gan.iterations"].dtype == load(first)["config.gan.iterations"].dtype
    csv, _ = write_tables(load(second), tmp_path)
    mixed = load(first, csv, csv)
    assert mixed.attrs["repeated"] == 32
    pd.testing.assert_frame_equal(
        mixed.drop(columns="config.gan.iterations"), both.drop(columns="config.gan.iterations")
    )


def test_damaged_files_of_several_studies_are_told_apart(make_study):
    first, second = make_study(sizes=(5,)), make_study(name="other", dataset="mnist", sizes=(5,))
    (second / "ledger" / "broken.json").write_text("{")
    assert list(load(first, second).attrs["damaged"]) == ["other/broken.json"]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "''=1", "plain", "'quoted", "5-3"]


def test_no_text_of_the_csv_is_a_formula_and_each_comes_back(make_study, tmp_path):
    directory = make_study(sizes=(5,))
    for place, text in enumerate(FORMULAS):
        one = entry(trial=20 + place, signature=f"odd{place}", status="failed", test_accuracy=None, error=text)
        one["config"] |= {"note": text}
        write_entry(directory, one)
    results = load(directory)
    csv, _ = write_tables(results, tmp_path)
    cells = [cell for row in reader(csv.read_text().splitlines(keepends=True)) for cell in row]
    assert not [cell for cell in cells if cell.lstrip()[:1] in "=+@" and cell]
    assert {"'-1", "'=1+1", "plain"} <= {*cells}
    pd.testing.assert_frame_equal(load(csv), results, check_exact=True)


def test_a_later_choice_replaces_the_earlier_one(make_study):
    directory = make_study(seeds=3)
    newer = []
    for trial in range(2):  # the bigger budget found another learning rate; its third seed is not there yet
        one = entry(trial=trial, signature=f"new{trial}", test_accuracy=0.9)
        one["trial"] += 3
        one["config"] = json.loads(json.dumps(one["config"]))
        one["config"]["classifier"]["learning_rate"] = 0.5
        one["provenance"] |= {"finished_at": "2027-01-01T00:00:00+00:00"}
        newer.append(one["signature"])
        write_entry(directory, one)
    results = load(directory)
    kept = confirmed(results)
    of_c = kept[(kept["method"] == "c") & (kept["samples_per_class"] == 5)]
    assert of_c["signature"].tolist() == newer  # the old third seed belongs to the old choice
    assert len(kept) == 2 * 4 * 3 - 1
    with pytest.raises(ResultsError, match=r"confirmed once per dataset, size and method.*seed 1000"):
        confirmed(results.drop(columns="provenance.finished_at"))


def test_two_studies_of_one_cell_are_no_common_evidence(make_study):
    first, second = make_study(sizes=(5,), seeds=2), make_study(name="other", sizes=(5,), seeds=2)
    both = load(first, second)
    with pytest.raises(ResultsError, match=r"digits and other both confirmed digits n=5 c seed 1000.*Keep one"):
        confirmed(both)
    assert len(confirmed(both[both["study"] == "other"])) == 8
    shared = both[both["study"] == "digits"]
    shared = pd.concat([shared, shared.assign(study="copy")], ignore_index=True)  # the same trainings, told of twice
    assert len(confirmed(shared)) == 8


def test_of_one_choice_confirmed_twice_the_newer_trial_counts(make_study):
    directory = make_study(sizes=(5,), seeds=2)
    for name, year in (("newest", 2028), ("older", 2027)):
        again = entry(trial=0, signature=name, test_accuracy=0.9)
        again["trial"] = year  # another number, the same configuration and seed
        again["provenance"] |= {"finished_at": f"{year}-01-01T00:00:00+00:00"}
        write_entry(directory, again)
    kept = confirmed(load(directory))
    assert len(kept) == 4 * 2
    assert "newest" in kept["signature"].tolist()
    assert "older" not in kept["signature"].tolist()


def test_every_public_name_is_there():
    for name in analysis.__all__:
        assert getattr(analysis, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = analysis.nothing
