"""trend, cross_table and stability, by hand and by their properties."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import ColumnNotFoundError, RiskInputError
from tests.risk.books import LEVEL, book, frames, weighted


@settings(max_examples=80, deadline=None)
@given(rows=frames)
def test_stability_properties(rows):
    frame = weighted(rows)
    same = risk.stability(frame, frame, LEVEL, weight="w")
    assert (same["psi"] == 0).all()
    moved = risk.stability(frame, frame.iloc[: max(1, len(frame) // 2)], LEVEL, weight="w")
    assert (moved["psi"] >= 0).all()
    assert np.isfinite(moved[["n", "share_before", "share", "psi"]]).all(axis=None)
    levels = moved.drop("total", level="level")
    assert levels["psi"].sum() == pytest.approx(moved.loc[(LEVEL, "total"), "psi"])


def test_stability_by_period_takes_the_first_as_its_baseline():
    dates = pd.to_datetime(["2026-01-05"] * 4 + ["2026-02-10"] * 4)
    frame = book(["low", "low", "high", "high", "low", "high", "high", "high"], [0] * 8).assign(
        day=dates
    )
    table = risk.stability(frame, None, LEVEL, period="day", missing="drop")
    total = table["psi"].xs("total", level="level").xs(LEVEL, level="signal")
    assert total.loc[pd.Period("2026-01", "M")] == 0
    assert total.loc[pd.Period("2026-02", "M")] == pytest.approx(
        0.25 * math.log(2) + 0.25 * math.log(0.75 / 0.5)
    )
    for options, says in (
        ({"period": None}, "baseline=another table"),
        ({"period": "bad"}, "not a date"),
        ({"period": "dya"}, "day"),
    ):
        with pytest.raises((RiskInputError, ColumnNotFoundError), match=says):
            risk.stability(frame, None, LEVEL, **options)
    with pytest.raises(RiskInputError, match="baseline has no column"):
        risk.stability(frame, frame[["bad"]], LEVEL)
    other = frame.assign(**{LEVEL: pd.Categorical(["x"] * 8)})
    with pytest.raises(RiskInputError, match="levels of 'phone_active_level' differ"):
        risk.stability(frame, other, LEVEL)


def test_a_level_that_came_or_went_is_corrected_and_flagged():
    before, now = book(["low"] * 3 + ["medium"], [0] * 4), book(["low"] * 2 + ["high"] * 2, [0] * 4)
    table = risk.stability(now, before, LEVEL, missing="drop").xs(LEVEL, level="signal")
    came, went = (2.5 / 4 - 0.5 / 4) * math.log(5), (0.5 / 4 - 1.5 / 4) * math.log(1 / 3)
    assert table.loc[["high", "medium"], "psi"].tolist() == pytest.approx([came, went])
    assert table["corrected"].to_dict() == {
        "low": False,
        "medium": True,
        "high": True,
        "total": True,
    }
    assert table.loc["total", "psi"] == pytest.approx(came + went - 0.25 * math.log(2 / 3))
    assert not risk.stability(now, now, LEVEL).loc[
        (LEVEL, "total"), "corrected"
    ]  # empty in both: nothing to correct


def test_trend_says_direction_and_refuses_what_has_no_order():
    frame = book(
        ["low"] * 4 + ["medium"] * 4 + ["high"] * 4, [1, 1, 1, 0] + [1, 1, 0, 0] + [1, 0, 0, 0]
    )
    row = risk.trend(frame, LEVEL, "bad").loc[LEVEL]
    assert (row["direction"], row["tested"], row["n"]) == ("falling", True, 12)
    assert row["z"] == pytest.approx(-math.sqrt(2))  # (sum of t(b - n b/N))^2 / var = 2^2 / 2
    assert row["p_value"] == pytest.approx(0.157299, abs=1e-6)
    lonely = risk.trend(book(["low", "low"], [1, 0]), LEVEL, "bad").loc[LEVEL]
    assert (lonely["tested"], lonely["levels"]) == (False, 1)
    assert lonely[["direction", "z", "p_value"]].isna().all()  # one level goes nowhere
    unordered = frame.assign(kind=pd.Categorical(["x"] * 12))
    with pytest.raises(RiskInputError, match="no order"):
        risk.trend(unordered, "kind", "bad")


def test_cross_table_counts_every_pair_and_flags_the_small():
    statuses = ["answered"] * 4
    frame = book(["low", "low", "high", "high"], [1, 0, 0, 0], statuses).assign(
        phone_frequency_grade=pd.Categorical(
            ["low", "high", "high", None], dtype=pna.FREQUENCY_GRADE
        )
    )
    table = risk.cross_table(frame, "active_level", "frequency_grade", "bad", small=2)
    assert (len(table), table["n"].sum(), table["bads"].sum()) == (9, 3, 1)
    assert table["small"].all()
    own = risk.cross_table(frame, "active_level", "frequency_grade", "bad", missing="own_levels")
    assert own["n"].sum() == 4
    with pytest.raises(RiskInputError, match="crossed with itself"):
        risk.cross_table(frame, "active_level", LEVEL, "bad")


@pytest.mark.parametrize(
    ("bads", "direction"),
    [
        ([1, 0, 0, 0, 0, 0], "falling"),
        ([0, 0, 0, 0, 1, 0], "rising"),
        ([1, 0, 1, 0, 1, 0], "flat"),
        ([0, 0, 1, 0, 0, 0], "mixed"),
    ],
)
def test_trend_names_the_direction(bads, direction):
    frame = book(["low", "low", "medium", "medium", "high", "high"], bads)
    assert risk.trend(frame, LEVEL, "bad").loc[LEVEL, "direction"] == direction


def test_a_flat_trend_stays_flat_in_fractions_of_weights():
    frame = book(["low"] * 4 + ["high"] * 2, [1, 0, 0, 0, 1, 0], w=[0.3, 0.1, 0.1, 0.1, 0.5, 0.5])
    assert risk.trend(frame, LEVEL, "bad", weight="w").loc[LEVEL, "direction"] == "flat"


def test_a_trend_needs_an_ordered_signal():
    frame = pd.DataFrame(
        {
            "phone_telco_type": pd.Categorical(["prepaid", "postpaid"], dtype=pna.TELCO_TYPE),
            "bad": [0, 1],
        }
    )
    with pytest.raises(RiskInputError, match="No signal here has ordered levels"):
        risk.trend(frame, "all", "bad")


@settings(max_examples=60, deadline=None)
@given(rows=frames, seed=st.integers(0, 9))
def test_order_and_split_weights_change_nothing(rows, seed):
    """Halves of a row are two customers, so that only estimates stay, no intervals and tests."""
    frame = weighted(rows)
    frame["phone_frequency_grade"] = (
        frame[LEVEL].shift(fill_value="low").astype(pna.FREQUENCY_GRADE)
    )
    known = frame["phone_frequency_grade"].notna()
    assume(frame.loc[known, "bad"].nunique() == 2)  # cross_table refuses one class
    split = frame.loc[frame.index.repeat(2)].assign(w=lambda f: f["w"] / 2)
    mixed = frame.sample(frac=1, random_state=seed)
    mixed.index //= 2  # labels out of order, and each twice
    calls = {
        "rate_at_low": lambda df: risk.trend(df, LEVEL, "bad", weight="w"),
        "bad_rate": lambda df: risk.cross_table(df, LEVEL, "frequency_grade", "bad", weight="w"),
        "psi": lambda df: risk.stability(df, frame.iloc[:1], LEVEL, weight="w"),
        "charged": lambda df: risk.value(df, LEVEL, "bad", weight="w", unit_price=1),
    }
    for point, call in calls.items():
        expected = pd.DataFrame(call(frame))
        shown = pd.DataFrame(call(mixed))
        pd.testing.assert_frame_equal(shown, expected, rtol=1e-12, atol=1e-12)
        assert call(split)[point].to_numpy() == pytest.approx(
            expected[point].to_numpy(), rel=1e-12, nan_ok=True
        )


def test_signals_of_many_levels_cross_cell_by_cell():
    names = [f"L{i:02}" for i in range(20)]
    pairs = pd.MultiIndex.from_product([names, names]).to_frame(index=False)
    frame = pd.DataFrame(
        {"a": pd.Categorical(pairs[0]), "b": pd.Categorical(pairs[1]), "bad": [0, 1] * 200}
    )
    table = risk.cross_table(frame, "a", "b", "bad")
    assert table["n"].tolist() == [1] * 400  # 400 codes, more than eight bits hold
    assert table["bads"].tolist() == [0, 1] * 200


def test_an_empty_pair_is_small_whatever_small_means():
    frame = book(
        ["low", "high"],
        [1, 0],
        phone_telco_type=pd.Categorical(["prepaid"] * 2, dtype=pna.TELCO_TYPE),
    )
    table = risk.cross_table(frame, LEVEL, "telco_type", "bad", small=0)
    assert table["small"].tolist() == table["bad_rate"].isna().tolist()
    assert table["small"].sum() == 4


def test_a_month_is_one_of_the_columns_own_clock():
    days = pd.to_datetime(["2026-01-31 23:30", "2026-02-01 00:30"]).tz_localize(
        "Asia/Jakarta"
    )  # both January in UTC
    table = risk.stability(book(["low", "low"], [0, 0], day=days), None, LEVEL, period="day")
    assert list(table.index.unique("period")) == [
        pd.Period("2026-01", "M"),
        pd.Period("2026-02", "M"),
    ]


def test_a_baseline_without_status_is_not_compared_to_one_with():
    frame = book(["low", None], [0, 0], ["answered", "failed"])
    plain = frame.drop(columns="phone_lookup_status")
    with pytest.raises(RiskInputError, match="no status column beside"):
        risk.stability(frame, plain, LEVEL)
    assert (risk.stability(frame, plain, LEVEL, missing="one_level")["psi"] == 0).all()
    with pytest.raises(RiskInputError, match="A pandas DataFrame is needed"):
        risk.stability(frame, [1], LEVEL)
    with pytest.raises(RiskInputError, match="rows have no 'day'"):
        risk.stability(
            frame.assign(day=pd.to_datetime(["2026-01-01", None])), None, LEVEL, period="day"
        )
    sums = pd.DataFrame({"city": pd.Categorical(["total", "x"])})
    with pytest.raises(RiskInputError, match="what the sum is called"):
        risk.stability(sums, sums, "city")
