"""Sentences that were wrong in ordinary books, each with the book that showed it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import RiskInputError
from tests.risk.books import LEVEL, book, grouped


def noise(n, seed=0, **more):
    rng = np.random.default_rng(seed)
    levels = pd.Categorical.from_codes(rng.integers(0, 3, n), dtype=pna.ACTIVE_LEVEL)
    bad = (rng.random(n) < 0.08).astype(int)
    status = pd.Categorical(["answered"] * n, dtype=pna.LOOKUP_STATUS)
    return pd.DataFrame({LEVEL: levels, "phone_lookup_status": status, "bad": bad, **more})


def with_never_asked(n, rate, seed=0):
    """Noise, of which 11% were never asked and default at `rate`."""
    frame = noise(n, seed)
    rng = np.random.default_rng([seed, 1])
    out = rng.random(n) < 0.11
    frame.loc[out, LEVEL] = None
    frame["phone_lookup_status"] = pd.Categorical(
        np.where(out, "invalid", "answered"), dtype=pna.LOOKUP_STATUS
    )
    frame.loc[out, "bad"] = (rng.random(out.sum()) < rate).astype(int)
    return frame


def test_rows_never_asked_are_no_finding():
    """A blank phone is known for free: that such rows default more is not the signal's doing."""
    frame = with_never_asked(20_000, 0.2)
    row = risk.iv_table(frame, LEVEL, "bad").loc[LEVEL]
    assert row["reading"] == "not significant"
    assert row["n"] == (frame["phone_lookup_status"] == "answered").sum()
    line = risk.risk_table(frame, LEVEL, "bad").loc[(LEVEL, "not asked")]
    assert line["bad_rate"] == pytest.approx(0.2, abs=0.02)  # it is shown, and not tested
    assert line[["lift", "woe", "iv"]].isna().all()


def test_rows_never_asked_are_no_part_of_chance():
    """Where they default less, the worst level of noise does not beat chance."""
    row = risk.value(with_never_asked(20_000, 0.03), LEVEL, "bad", unit_price=500).loc[LEVEL]
    assert not row["beats_chance"]


def test_a_sampling_weight_is_no_number_of_customers():
    """One in ten, weighted ten: the interval is that of the rows drawn."""
    frame = noise(2000, w=10.0)
    weighted = risk.risk_table(frame, LEVEL, "bad", weight="w")
    plain = risk.risk_table(frame, LEVEL, "bad")
    bounds = ["bad_rate_low", "bad_rate_high"]
    np.testing.assert_allclose(weighted[bounds], plain[bounds], rtol=2e-3)
    assert weighted["n"].sum() == 20_000
    one = risk.iv_table(frame, LEVEL, "bad", weight="w")["p_value"].item()
    assert one == pytest.approx(risk.iv_table(frame, LEVEL, "bad")["p_value"].item(), abs=0.02)


def test_counts_are_customers():
    frame = grouped("x", [("a", 900, 100), ("b", 950, 50)])
    repeated = frame.loc[frame.index.repeat(frame["w"])]
    for call in (risk.risk_table, risk.iv_table, risk.trend):
        pd.testing.assert_frame_equal(
            pd.DataFrame(call(frame, "x", "bad", counts="w")),
            pd.DataFrame(call(repeated, "x", "bad")),
        )


@pytest.mark.parametrize("few", [1, 2])
def test_a_level_of_two_rows_is_not_the_worst(few):
    """Two rows, both bad, are no reason to decline; medium with 30% of 1,000 is."""
    levels = ["low"] * few + ["medium"] * 1000 + ["high"] * 3000
    bads = [1] * few + [1] * 300 + [0] * 700 + [1] * 150 + [0] * 2850
    row = risk.value(book(levels, bads), LEVEL, "bad", unit_price=500).loc[LEVEL]
    assert (row["declined"], row["beats_chance"], row["levels_tried"]) == ("medium", True, 2)


def test_several_levels_may_be_declined():
    frame = book(["low", "medium", "high"] * 40, [1, 0, 0] * 40)
    row = risk.value(frame, LEVEL, "bad", unit_price=500, decline=["low", "medium"]).loc[LEVEL]
    assert (row["declined"], row["n"], row["bads_caught"]) == ("low, medium", 80, 40)
    with pytest.raises(RiskInputError, match="no level 'lwo'"):
        risk.value(frame, LEVEL, "bad", unit_price=500, decline=["lwo"])


def test_loans_of_one_person_are_one_customer():
    """Each loan eight times over, one number: as significant as once, not eight times more."""
    once = noise(1500, seed=3)
    eight = once.loc[once.index.repeat(8)].assign(
        phone=lambda df: "0811" + (df.index + 8_000_000).astype(str)
    )
    p = [risk.iv_table(df, LEVEL, "bad")["p_value"].item() for df in (once, eight)]
    assert p[1] == pytest.approx(p[0], abs=0.02)
    alone = risk.iv_table(eight, LEVEL, "bad", cluster=None)["p_value"].item()
    assert alone < p[0] / 5
    z = [risk.trend(df, LEVEL, "bad")["z"].item() for df in (once, eight)]
    assert z[1] == pytest.approx(z[0], rel=0.06)


def test_one_row_in_a_level_does_not_make_a_finding():
    """Pearson's test on a level of one bad row gave p 0.003; pooled it is no accident."""
    levels = ["low"] * 1500 + ["high"] * 1500 + ["medium"]
    bads = ([1] * 120 + [0] * 1380) * 2 + [1]
    assert risk.iv_table(book(levels, bads), LEVEL, "bad")["p_value"].item() > 0.5


def test_an_information_value_is_shown_less_its_chance_part():
    frame = grouped("x", [("a", 500, 60), ("b", 500, 50), ("c", 500, 55)])
    row = risk.iv_table(frame, "x", "bad", counts="w").loc["x"]
    chance = 2 * (1 / 1500 + 1 / 165)
    assert row["iv_less_chance"] == pytest.approx(max(0, row["iv"] - chance))


def test_the_index_of_a_small_month_has_a_chance_line():
    """The mean (k - 1)(1/n + 1/m), and the 95% point of chi-square with k - 1 degrees."""
    now, before = book(["low", "high"] * 50, [0] * 100), book(["low", "high"] * 100, [0] * 200)
    row = risk.stability(now, LEVEL, baseline=before).loc[(LEVEL, "total")]
    unit = 1 / 100 + 1 / 200
    assert row["psi_chance"] == pytest.approx(unit)
    assert row["psi_limit"] == pytest.approx(3.841459 * unit, rel=1e-6)
    assert row["reading"] == "stable"


def test_a_month_too_small_to_tell_says_so():
    now = book(["low"] * 14 + ["high"] * 16, [0] * 30)
    table = risk.stability(now, LEVEL, baseline=book(["low", "high"] * 15, [0] * 30))
    assert table.loc[(LEVEL, "total"), "reading"] == "too few to tell"
    moved = book(["low"] * 900 + ["high"] * 100, [0] * 1000)
    table = risk.stability(moved, LEVEL, baseline=book(["low", "high"] * 500, [0] * 1000))
    assert table.loc[(LEVEL, "total"), "reading"] == "moved"


def test_three_signals_are_corrected_for():
    frame = noise(3000, seed=5)
    for name, kind in (("frequency_grade", pna.FREQUENCY_GRADE), ("telco_type", pna.TELCO_TYPE)):
        levels = np.random.default_rng(6).integers(0, len(kind.categories), 3000)
        frame[f"phone_{name}"] = pd.Categorical.from_codes(levels, dtype=kind)
    table = risk.iv_table(frame, "all", "bad")
    ordered = table.sort_values("p_value")
    expected = np.maximum.accumulate(ordered["p_value"].to_numpy() * [3, 2, 1]).clip(max=1)
    assert ordered["p_holm"].to_numpy() == pytest.approx(expected)


def test_the_order_of_stability_is_that_of_the_others():
    frame = book(["low", "high"], [0, 0], day=pd.to_datetime(["2026-01-01", "2026-02-01"]))
    new = risk.stability(frame, LEVEL, period="day")
    for old in (
        risk.stability(frame, None, LEVEL, period="day"),
        risk.stability(frame, baseline=None, by=LEVEL, period="day"),
    ):
        pd.testing.assert_frame_equal(pd.DataFrame(new), pd.DataFrame(old))
    both = (risk.stability(frame, frame, LEVEL), risk.stability(frame, LEVEL, baseline=frame))
    pd.testing.assert_frame_equal(*map(pd.DataFrame, both))


def test_a_dask_frame_is_named_and_so_is_the_way_out():
    class DataFrame:
        __module__ = "dask.dataframe"

        def compute(self):
            """As Dask has it."""

    with pytest.raises(RiskInputError, match=r"not dask.dataframe.*DataFrame: call .compute\(\)"):
        risk.iv_table(DataFrame(), LEVEL, "bad")


def test_a_column_of_your_own_has_no_line_that_was_paid_for():
    frame = pd.DataFrame({"city": pd.Categorical(["a", "b", None]), "bad": [1, 0, 0]})
    table = risk.risk_table(frame, "city", "bad")
    assert list(table.index.get_level_values("level")) == ["a", "b", "missing"]


def test_the_picture_has_the_orientation_and_the_figures_of_the_frame():
    frame = book(["low", "high"] * 50, [1, 0, 0, 0] * 25, ["answered"] * 100)
    for table in (
        risk.value(frame, LEVEL, "bad", unit_price=500),
        risk.coverage(frame, unit_price=500),
    ):
        html = table._repr_html_()
        assert html.count("<tr") == 1 + len(table)
        for name in table.columns:
            assert f">{name.replace('_', ' ')}<" in html
    shown = risk.trend(frame, LEVEL, "bad")._repr_html_()
    assert ">50.0%<" in shown
    assert "exact False: rows were counted" in risk.coverage(frame)._repr_html_()


def test_a_misspelled_keyword_is_answered_with_the_nearest():
    frame = book(["low", "high"], [1, 0])
    with pytest.raises(TypeError, match="no keyword 'as_off'. Did you mean as_of"):
        risk.trend(frame, LEVEL, "bad", as_off="day")
