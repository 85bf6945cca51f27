"""Points of a design: read off their labels, and compared between methods by hand."""

import numpy as np
import pandas as pd
import pytest
from synthetic import table

from analysis import ResultsError, compare, explore, means
from analysis.comparison.points import comparisons_of, points_of, settings, shortened
from analysis.data.tidy import tidy

KC, R = "classifier.iterations", "classifier.augmentation_ratio"
FIRST = {KC: 500, R: 0.0}
AUGMENTED = points_of(["", f"{KC}=500 {R}=1.0", f"{KC}=1500 {R}=0.0", f"{KC}=1500 {R}=1.0"], FIRST)
PLAIN = points_of(["", f"{KC}=1500"], FIRST)
GAIN = [0.03, 0.02, 0.04, 0.03, 0.02, 0.03, 0.05, 0.04]


def test_a_label_is_read_whatever_its_values_hold():
    read = settings("gan.loss=joint network.dropout=0.50 network.weight_norm=True data.note=a b=c")
    assert read == {"gan.loss": "joint", "network.dropout": "0.5", "network.weight_norm": "true", "data.note": "a b=c"}
    assert settings("") == {}


def test_in_a_grid_each_point_meets_the_one_that_shares_its_common_factors():
    assert comparisons_of(AUGMENTED, PLAIN) == [
        ("", "", f"{KC}=500 {R}=0"),
        (f"{KC}=500 {R}=1.0", "", f"{KC}=500 {R}=1"),
        (f"{KC}=1500 {R}=0.0", f"{KC}=1500", f"{KC}=1500 {R}=0"),
        (f"{KC}=1500 {R}=1.0", f"{KC}=1500", f"{KC}=1500 {R}=1"),
    ]
    turned = [(one, other) for other, one, _ in comparisons_of(PLAIN, AUGMENTED)]
    assert sorted(turned) == sorted((one, other) for one, other, _ in comparisons_of(AUGMENTED, PLAIN))


def test_in_one_factor_designs_the_base_stands_for_factors_that_a_method_lacks():
    one = points_of(["", "gan.loss=joint", "network.dropout=0.0"], {"gan.loss": "pairwise", "network.dropout": 0.25})
    other = points_of(["", "network.dropout=0.0", "augmentation.rotation=0"], {"network.dropout": 0.5})
    assert comparisons_of(one, other) == [
        ("", "", "reference"),
        ("", "augmentation.rotation=0", "augmentation.rotation=0"),
        ("gan.loss=joint", "", "gan.loss=joint"),
        ("network.dropout=0.0", "network.dropout=0.0", "network.dropout=0"),
    ]


def test_what_is_the_base_of_one_method_anyway_meets_its_base():
    noisy = points_of(["", "network.noise=0.0", "network.noise=0.1"], {"network.noise": 0.2})
    quiet = points_of(["", "network.noise=0.1"], {"network.noise": 0.0})
    assert ("network.noise=0.0", "", "network.noise=0") in comparisons_of(noisy, quiet)


def test_what_is_left_out_is_left_out_of_both():
    one = points_of(["", "gan.loss=base", "network.dropout=base"], {"gan.loss": "joint", "network.dropout": 0.0})
    other = points_of(["", "network.dropout=base"], {"network.dropout": 0.0})
    assert [pair[:2] for pair in comparisons_of(one, other)] == [
        ("", ""),
        ("gan.loss=base", ""),
        ("network.dropout=base", "network.dropout=base"),
    ]


def test_without_a_design_there_is_one_comparison_without_a_name():
    assert comparisons_of(points_of([""], {KC: 500}), points_of([""], {})) == [("", "", "")]


def test_sections_are_left_out_where_points_stay_clear():
    assert shortened([f"{KC}=500 {R}=0", "gan.iterations=5"]) == [f"{KC}=500 augmentation_ratio=0", "gan.iterations=5"]
    assert shortened([f"{KC}=500", ""]) == ["iterations=500", "reference"]


def measured(method, point, kc, accuracies):
    return table({method: accuracies}).assign(
        point=point, **{f"config.{KC}": kc, f"config.{R}": float("r" in point), "signature": f"{method}{point}"}
    )


def designed(gains, base=0.5):
    """A grid of KC and r for `dagan_aug` and of KC for `c_aug`; gains by point of `dagan_aug`."""
    level = {500: base, 1500: base + 0.1}
    noise = np.linspace(-0.02, 0.02, 8)
    rows = [measured("c_aug", "" if kc == 500 else f"{KC}={kc}", kc, list(level[kc] + noise)) for kc in level]
    rows += [
        measured("dagan_aug", point, kc, list(level[kc] + noise + np.array(gain)))
        for (point, kc), gain in gains.items()
    ]
    found = pd.concat(rows, ignore_index=True)
    found["signature"] += found["seed"].astype(str)
    return tidy(found)


GRID = {
    ("", 500): np.multiply(GAIN, -1),
    (f"{KC}=500 {R}=1.0", 500): np.multiply(GAIN, [1, -1] * 4),
    (f"{KC}=1500 {R}=0.0", 1500): np.multiply(GAIN, [1, -1] * 4),
    (f"{KC}=1500 {R}=1.0", 1500): GAIN,
}


def test_methods_are_compared_at_each_point_as_one_family():
    rows = compare(designed(GRID), {"dagan_aug": ["c_aug"]}).set_index("at")
    assert list(rows.index) == [f"{KC}={kc} {R}={r}" for kc in (500, 1500) for r in (0, 1)]
    assert rows["baseline_point"].tolist() == ["", "", f"{KC}=1500", f"{KC}=1500"]
    assert rows["n"].tolist() == [8] * 4
    assert rows["difference"].tolist() == pytest.approx([np.mean(gain) for gain in GRID.values()])
    assert rows["baseline_mean"].tolist() == pytest.approx([0.5, 0.5, 0.6, 0.6])
    assert (rows["method_mean"] - rows["baseline_mean"]).tolist() == pytest.approx(rows["difference"].tolist())
    assert rows["p_holm"].iloc[3] == pytest.approx(4 * 2 / 2**8)
    assert rows["verdict"].tolist() == ["worse", "no difference shown", "no difference shown", "better"]


def test_planned_points_count_before_anything_is_measured_there():
    results = designed({key: GRID[key] for key in list(GRID)[:2]})
    results = results[results["point"] != f"{KC}=1500"]
    planned = pd.DataFrame(
        [("digits", 5, "dagan_aug", point, f"{KC}=500 {R}=0.0") for point, _ in GRID]
        + [("digits", 5, "c_aug", point, f"{KC}=500") for point in ("", f"{KC}=1500")],
        columns=["dataset", "samples_per_class", "method", "point", "reference"],
    )
    assert len(compare(results, {"dagan_aug": ["c_aug"]})) == 2
    rows = compare(results, {"dagan_aug": ["c_aug"]}, planned=planned)
    assert rows["n"].tolist() == [8, 8, 0, 0]
    assert rows["p_holm"].iloc[0] == pytest.approx(4 * 2 / 2**8)
    without = compare(results[results["point"] != ""], {"dagan_aug": ["c_aug"]}, planned=planned)
    assert without[["point", "baseline_point"]].values.tolist() == rows[["point", "baseline_point"]].values.tolist()


def test_only_the_reference_is_in_means_and_explored():
    results = designed(GRID)
    assert means(results)["mean"].tolist() == pytest.approx([0.5, 0.5 - np.mean(GAIN)])
    (row,) = explore(results).to_dict("records")
    assert row["difference"] == pytest.approx(-np.mean(GAIN))


def test_at_each_point_the_latest_choice_counts():
    results = designed(GRID)
    earlier = results[results["point"] == f"{KC}=1500"].assign(signature=lambda rows: "old" + rows["signature"])
    earlier["test_accuracy"] -= 0.3
    earlier["config.classifier.learning_rate"] = 0.1
    with pytest.raises(ResultsError, match="more than once"):
        compare(pd.concat([results, earlier]), {"dagan_aug": ["c_aug"]})
    both = tidy(pd.concat([results.assign(when="2"), earlier.assign(when="1")], ignore_index=True))
    both = both.rename(columns={"when": "provenance.finished_at"})
    rows = compare(both, {"dagan_aug": ["c_aug"]})
    assert rows["baseline_mean"].tolist() == pytest.approx([0.5, 0.5, 0.6, 0.6])
