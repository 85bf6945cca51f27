"""Contributions of factors, from designs whose answer is known."""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import table

from analysis import ResultsError, contributions

BASE = {"gan.loss": "joint", "gan.ema": None, "classifier.ratio": 1.0}
OTHER = {"gan.loss": "pairwise", "gan.ema": 0.999, "classifier.ratio": 0.0}
EFFECTS = {"gan.loss": 0.01, "gan.ema": 0.03, "classifier.ratio": -0.02}


def trials(settings: list[dict[str, object]], seeds: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    shared = rng.normal(0.6, 0.05, seeds)
    parts = []
    for setting in settings:
        gain = sum(EFFECTS[name] for name, value in setting.items() if value != BASE[name])
        part = table({"dagan": list(shared + gain + rng.normal(0, 0.002, seeds))})
        parts.append(
            part.assign(
                **{f"config.{name}": pd.array([value] * seeds, dtype=object) for name, value in setting.items()}
            )
        )
    return pd.concat(parts, ignore_index=True)


ONE_FACTOR = [BASE, *(BASE | {name: OTHER[name]} for name in BASE)]
GRID = [dict(zip(BASE, levels, strict=True)) for levels in product(*zip(BASE.values(), OTHER.values(), strict=True))]


def test_one_factor_at_a_time():
    rows = contributions(trials(ONE_FACTOR), list(BASE)).set_index("factor")
    assert rows["difference"].to_dict() == pytest.approx(EFFECTS, abs=0.003)
    assert rows["contexts"].tolist() == [1, 1, 1]
    assert rows.loc["gan.ema", ["base", "level"]].tolist() == ["none", "0.999"]
    assert rows["verdict"].tolist() == ["better", "better", "worse"]
    assert rows["p"].tolist() == rows["q"].tolist() == pytest.approx([2 / 2**8] * 3)


def test_leave_one_out_has_another_base():
    full = [OTHER, *(OTHER | {name: BASE[name]} for name in BASE)]
    rows = contributions(trials(full), list(BASE)).set_index("factor")
    assert rows["difference"].to_dict() == pytest.approx({k: -v for k, v in EFFECTS.items()}, abs=0.003)
    assert rows.loc["gan.ema", "base"] == "0.999"


def test_a_grid_gives_main_effects_and_the_seed_stays_the_unit():
    results = trials(GRID)
    rows = contributions(results, list(BASE), BASE).set_index("factor")
    assert rows["difference"].to_dict() == pytest.approx(EFFECTS, abs=0.002)
    assert rows["contexts"].tolist() == [4, 4, 4]
    assert rows["n"].tolist() == [8, 8, 8]
    wide = results.pivot_table(index="seed", columns="config.gan.loss", values="test_accuracy")
    differences = wide["pairwise"] - wide["joint"]
    expected = stats.t.interval(0.95, 7, differences.mean(), stats.sem(differences))
    assert tuple(rows.loc["gan.loss", ["low", "high"]]) == pytest.approx(expected)


def test_a_grid_must_name_its_base():
    with pytest.raises(ResultsError, match=r"`gan.loss` must be told apart, but joint, pairwise are equally frequent"):
        contributions(trials(GRID), list(BASE))
    with pytest.raises(ResultsError, match=r"must be in the results: joint, pairwise; but is 'jiont'"):
        contributions(trials(GRID), list(BASE), BASE | {"gan.loss": "jiont"})
    with pytest.raises(ResultsError, match=r"`base` must name factors, but gan.los is none"):
        contributions(trials(GRID), list(BASE), {"gan.los": "joint"})


def test_a_missing_trial_does_not_pass_for_an_effect():
    results = trials(GRID)
    # The best setting of one seed diverged: only the contexts that all seeds have may count.
    results.loc[len(results) - 1, ["status", "test_accuracy"]] = ["diverged", math.nan]
    rows = contributions(results, list(BASE), BASE).set_index("factor")
    assert rows["contexts"].tolist() == [3, 3, 3]
    assert rows["n"].tolist() == [8, 8, 8]
    one = trials(ONE_FACTOR)
    one.loc[8, ["status", "test_accuracy"]] = ["diverged", math.nan]
    row = contributions(one, list(BASE)).set_index("factor").loc["gan.loss"]
    assert (row["n"], row["unpaired"]) == (7, 1)


def test_an_unnamed_setting_that_varies_is_refused():
    with pytest.raises(ResultsError, match=r"two trials of dagan \(digits, n=5, seed 0\) have the same factors"):
        contributions(trials(ONE_FACTOR), ["gan.loss", "gan.ema"])
    with pytest.raises(ResultsError, match=r"but gan.los is none\. Keys: gan.loss, gan.ema"):
        contributions(trials(ONE_FACTOR), ["gan.los"])


def test_one_seed_and_one_level():
    rows = contributions(trials(ONE_FACTOR, seeds=1), list(BASE))
    assert rows["note"].tolist() == ["no interval: one value"] * 3
    assert rows["verdict"].tolist() == ["too few seeds"] * 3
    assert contributions(trials([BASE]), list(BASE)).empty


def test_truth_values_are_written_as_in_the_studys_file():
    results = trials([BASE, BASE | {"gan.ema": 0.5}])
    results["config.gan.ema"] = (results["config.gan.ema"] != 0.5).astype("boolean")
    rows = contributions(results, ["gan.ema"], {"gan.ema": True})
    assert rows[["base", "level"]].values.tolist() == [["true", "false"]]
