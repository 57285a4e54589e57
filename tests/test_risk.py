"""The risk tables: by hand, from published tables, by properties, and for every kind of bad input."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import ColumnNotFoundError, LookAheadWarning, RiskInputError
from pandas_numberactive.risk import late as late_module

LEVEL = "phone_active_level"


def book(levels, bads, statuses=None, **more):
    frame = pd.DataFrame({LEVEL: pd.Categorical(levels, dtype=pna.ACTIVE_LEVEL), "bad": bads, **more})
    if statuses is not None:
        frame["phone_lookup_status"] = pd.Categorical(statuses, dtype=pna.LOOKUP_STATUS)
    return frame


def grouped(name, rows, dtype=None):
    """A frame from (level, goods, bads), weighted: one row a cell."""
    levels = [level for level, _, _ in rows for _ in (0, 1)]
    kind = dtype or pd.CategoricalDtype([level for level, _, _ in rows], ordered=True)
    sizes = [size for _, goods, bads in rows for size in (goods, bads)]
    return pd.DataFrame({name: pd.Categorical(levels, dtype=kind), "bad": [0, 1] * len(rows), "w": sizes})


# Siddiqi, Credit Risk Scorecards (2006), the example of weight of evidence by age: goods, bads, WoE x 100.
SIDDIQI_AGE = [
    ("missing", 860, 140, -42.719),
    ("18-22", 3040, 960, -108.980),
    ("23-26", 4920, 1080, -72.613),
    ("27-29", 8100, 900, -4.526),
    ("30-35", 9500, 500, 70.196),
    ("35-44", 6800, 200, 128.388),
    ("44+", 2940, 60, 164.934),
]
SIDDIQI_IV = 0.668

# The same book's system stability report: actual %, expected %, index, of the nine score ranges that we could check
# against a second copy; their parts stand on their own, so the total is not compared.
SIDDIQI_STABILITY = [
    ("0-169", 7, 8, 0.0013),
    ("170-179", 8, 10, 0.0045),
    ("180-189", 7, 9, 0.0050),
    ("190-199", 9, 13, 0.0147),
    ("210-219", 11, 10, 0.0010),
    ("220-229", 10, 9, 0.0011),
    ("230-239", 12, 10, 0.0036),
    ("240-249", 11, 11, 0.0000),
    ("250+", 14, 9, 0.0221),
]


def test_a_published_table_of_weight_of_evidence_to_its_printed_digits():
    frame = grouped("age", [(level, goods, bads) for level, goods, bads, _ in SIDDIQI_AGE])
    table = risk.risk_table(frame, "age", "bad", weight="w", missing="drop").xs("age", level="signal")
    assert [round(100 * woe, 3) for woe in table["woe"]] == [woe for *_, woe in SIDDIQI_AGE]
    total = risk.iv_table(frame, "age", "bad", weight="w", missing="drop")
    assert round(total.loc["age", "iv"], 3) == SIDDIQI_IV
    assert total.loc["age", "reading"] == "strong"


def test_a_published_stability_report_to_its_printed_digits():
    names = [name for name, *_ in SIDDIQI_STABILITY] + ["the rest"]
    kind = pd.CategoricalDtype(names)
    shares = [(actual, expected) for _, actual, expected, _ in SIDDIQI_STABILITY]
    shares.append(tuple(100 - sum(side) for side in zip(*shares, strict=True)))
    now, before = (
        pd.DataFrame({"score": pd.Categorical(names, dtype=kind), "w": [share[side] for share in shares]})
        for side in (0, 1)
    )
    table = risk.stability(now, before, "score", weight="w", missing="drop").xs("score", level="signal")
    assert [round(table.loc[name, "psi"], 4) for name, *_ in SIDDIQI_STABILITY] == [
        psi for *_, psi in SIDDIQI_STABILITY
    ]


def test_each_column_of_a_small_table_by_hand():
    frame = book(["low"] * 4 + ["high"] * 6, [1, 1, 1, 0] + [1, 0, 0, 0, 0, 0])
    table = risk.risk_table(frame, LEVEL, "bad", missing="drop").xs(LEVEL, level="signal")
    assert list(table.columns) == "n share bads bad_rate bad_rate_low bad_rate_high lift woe iv corrected".split()
    low = table.loc["low"]
    assert (low["n"], low["share"], low["bads"], low["bad_rate"]) == (4, 0.4, 3, 0.75)
    assert low["lift"] == pytest.approx(0.75 / 0.4)
    assert low["woe"] == pytest.approx(math.log((1 / 6) / (3 / 4)))
    assert low["iv"] == pytest.approx((1 / 6 - 3 / 4) * low["woe"])
    assert (round(low["bad_rate_low"], 4), round(low["bad_rate_high"], 4)) == (0.3006, 0.9544)  # Wilson, by hand
    empty = table.loc["medium"]
    assert (empty["n"], empty["share"], empty["woe"], empty["iv"]) == (0, 0, 0, 0)
    assert empty["corrected"]
    assert math.isnan(empty["bad_rate"])


def test_rows_without_a_level_are_told_apart_by_their_status():
    statuses = [
        "answered",
        "answered",
        "no_data",
        "answered",
        "failed",
        "uncertain",
        "invalid",
        "not_bought",
        "missing",
    ]
    levels = ["low", "high", None, None, None, None, None, None, None]
    table = risk.risk_table(book(levels, [1, 0, 1, 0, 0, 1, 0, 1, 0], statuses), LEVEL, "bad")
    n = table["n"].xs(LEVEL, level="signal")
    assert list(n.index) == ["low", "medium", "high", "no data", "not asked", "failed"]
    assert n.to_dict() == {"low": 1, "medium": 0, "high": 1, "no data": 2, "not asked": 3, "failed": 2}
    one = risk.risk_table(book(levels, [1, 0, 1, 0, 0, 1, 0, 1, 0], statuses), LEVEL, "bad", missing="one_level")
    assert one.loc[(LEVEL, "missing"), "n"] == 7


def test_a_zero_cell_is_corrected_and_flagged_and_nothing_is_infinite():
    frame = book(["low"] * 5 + ["high"] * 5, [1] * 5 + [0] * 4 + [1])
    table = risk.risk_table(frame, LEVEL, "bad", missing="drop").xs(LEVEL, level="signal")
    assert table["corrected"].tolist() == [True, True, False]
    assert table.loc["low", "woe"] == pytest.approx(math.log((0.5 / 4) / (5.5 / 6)))
    assert np.isfinite(table[["woe", "iv"]]).all(axis=None)
    assert not table.loc[~table["corrected"]].isna().any(axis=None)


def test_a_hundred_levels_are_counted_and_one_more_is_refused():
    names = [f"L{i:03d}" for i in range(101)]
    frame = pd.DataFrame({"city": pd.Categorical(names[:100] * 2), "bad": [0] * 100 + [1] * 100})
    table = risk.risk_table(frame, "city", "bad")
    assert table["n"].tolist() == [2] * 100 + [0] * 3
    assert table["bads"].tolist() == [1] * 100 + [0] * 3
    with pytest.raises(RiskInputError, match="101 levels; group them"):
        risk.risk_table(pd.DataFrame({"city": pd.Categorical(names), "bad": [0, 1] + [0] * 99}), "city", "bad")


def test_by_is_a_short_name_a_full_name_several_or_all():
    frame = book(["low", "high"], [1, 0]).assign(phone_telco_type=pd.Categorical(["prepaid"] * 2, dtype=pna.TELCO_TYPE))
    assert list(risk.iv_table(frame, "all", "bad").index) == [LEVEL, "phone_telco_type"]
    assert risk.risk_table(frame, "active_level", "bad").equals(risk.risk_table(frame, LEVEL, "bad"))
    assert risk.iv_table(frame, [LEVEL, "telco_type"], "bad").loc["phone_telco_type", "iv"] == 0
    two = frame.assign(office_active_level=frame[LEVEL])
    with pytest.raises(RiskInputError, match="fits several columns: phone_active_level, office_active_level"):
        risk.risk_table(two, "active_level", "bad")


@pytest.mark.parametrize("values", [[True, False], ["yes", "no"], [1.0, 0.0]])
def test_targets_of_every_kind(values):
    bad = {"bad": "yes"} if values[0] == "yes" else {}
    table = risk.risk_table(book(["low", "high"], values), LEVEL, "bad", **bad)
    assert table.loc[(LEVEL, "low"), "bads"] == 1


BAD_INPUT = [
    (book(["low", "high"], [1, 0]), {"target": "bda"}, ColumnNotFoundError, "Did you mean 'bad'"),
    (book(["low", "high"], [1, 0]), {"by": "phone_active_levle"}, ColumnNotFoundError, "phone_active_level"),
    (book(["low", "high"], [2, 0]), {}, RiskInputError, "must be 0 .good. and 1 .bad."),
    (book(["low", "high"], [0.5, 0]), {}, RiskInputError, "must be 0"),
    (book(["low", "high"], [257, 0]), {}, RiskInputError, "must be 0"),  # 1 in eight bits
    (book(["low", "high"], [1, 1]), {}, RiskInputError, "All 2 rows are bad"),
    (book(["low", "high"], [0, 0]), {}, RiskInputError, "All 2 rows are good"),
    (book(["low", "high"], [1, None]), {}, RiskInputError, "1 of 2 rows have no 'bad'"),
    (book(["low", "high"], ["y", "n"]), {}, RiskInputError, "say which one is bad"),
    (book(["low", "high", "low"], list("yna")), {"bad": "y"}, RiskInputError, "has 3 values"),
    (book(["low", "high"], ["y", "n"]), {"bad": "x"}, RiskInputError, "No row of 'bad' is 'x'"),
    (book(["low", "high"], [1, 0], w=[1, -1]), {"weight": "w"}, RiskInputError, "not negative"),
    (book(["low", "high"], [1, 0], w=[1, np.inf]), {"weight": "w"}, RiskInputError, "finite"),
    (book(["low", "high"], [1, 0], w=[0, 0]), {"weight": "w"}, RiskInputError, "not all zero"),
    (book(["low", "high"], [1, 0], w=["a", "b"]), {"weight": "w"}, RiskInputError, "must be numbers"),
    (book([], []), {}, RiskInputError, "no rows"),
    (pd.DataFrame({"bad": [1, 0]}), {"by": "all"}, RiskInputError, "call enrich first"),
    (pd.DataFrame({LEVEL: ["low", "high"], "bad": [1, 0]}), {}, RiskInputError, "restore_dtypes"),
    (book([None, None], [1, 0]), {"missing": "drop"}, RiskInputError, "one class only"),
    (book(["low", "high"], [1, 0]), {"missing": "dorp"}, RiskInputError, "own_levels"),
]


@pytest.mark.parametrize(("frame", "options", "kind", "says"), BAD_INPUT, ids=range(len(BAD_INPUT)))
def test_bad_input_is_told_and_how_to_mend_it(frame, options, kind, says):
    given = {"by": LEVEL, "target": "bad", **options}
    with pytest.raises(kind, match=says):
        risk.risk_table(frame, given.pop("by"), given.pop("target"), **given)


frames = st.lists(
    st.tuples(st.sampled_from(["low", "medium", "high", None]), st.integers(0, 1), st.integers(1, 9)),
    min_size=2,
    max_size=60,
).filter(lambda rows: {bad for _, bad, _ in rows} == {0, 1})


def weighted(rows):
    frame = book([level for level, *_ in rows], [bad for _, bad, _ in rows])
    return frame.assign(w=[float(weight) for *_, weight in rows])


@settings(max_examples=150, deadline=None)
@given(rows=frames, seed=st.integers(0, 9))
def test_properties(rows, seed):
    frame = weighted(rows)
    table = risk.risk_table(frame, LEVEL, "bad", weight="w")
    mixed = risk.risk_table(frame.sample(frac=1, random_state=seed), LEVEL, "bad", weight="w")
    split = frame.loc[frame.index.repeat(2)].assign(w=lambda f: f["w"] / 2)
    for other in (mixed, risk.risk_table(split, LEVEL, "bad", weight="w")):
        pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(other), rtol=1e-12)
    repeated = frame.loc[frame.index.repeat(frame["w"].astype(int))]
    plain = risk.risk_table(repeated, LEVEL, "bad")
    pd.testing.assert_frame_equal(
        pd.DataFrame(table), pd.DataFrame(plain).astype({"n": float, "bads": float}), rtol=1e-12
    )
    assert (table["iv"] >= 0).all()
    assert table["share"].sum() == pytest.approx(1)
    assert table["bads"].sum() == frame.loc[frame["bad"] == 1, "w"].sum()
    some = table[table["n"] > 0]
    assert ((some["bad_rate_low"] <= some["bad_rate"]) & (some["bad_rate"] <= some["bad_rate_high"])).all()
    assert np.isfinite(table[["share", "woe", "iv"]]).all(axis=None)
    assert not table.loc[~table["corrected"]].isna().any(axis=None)


@given(bads=st.lists(st.integers(0, 1), min_size=2).filter(lambda b: len(set(b)) == 2))
@settings(max_examples=50, deadline=None)
def test_a_constant_signal_has_no_information(bads):
    assert risk.iv_table(book(["low"] * len(bads), bads), LEVEL, "bad").loc[LEVEL, "iv"] == 0


@settings(max_examples=80, deadline=None)
@given(rows=frames)
def test_stability_properties(rows):
    frame = weighted(rows)
    same = risk.stability(frame, frame, LEVEL, weight="w")
    assert (same["psi"] == 0).all()
    moved = risk.stability(frame, frame.iloc[: max(1, len(frame) // 2)], LEVEL, weight="w")
    assert (moved["psi"] >= 0).all()
    assert np.isfinite(moved).all(axis=None)
    levels = moved.drop("total", level="level")
    assert levels["psi"].sum() == pytest.approx(moved.loc[(LEVEL, "total"), "psi"])


def test_stability_by_period_takes_the_first_as_its_baseline():
    dates = pd.to_datetime(["2026-01-05"] * 4 + ["2026-02-10"] * 4)
    frame = book(["low", "low", "high", "high", "low", "high", "high", "high"], [0] * 8).assign(day=dates)
    table = risk.stability(frame, None, LEVEL, period="day", missing="drop")
    total = table["psi"].xs("total", level="level").xs(LEVEL, level="signal")
    assert total.loc[pd.Period("2026-01", "M")] == 0
    assert total.loc[pd.Period("2026-02", "M")] == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(0.75 / 0.5))
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


def test_trend_says_direction_and_refuses_what_has_no_order():
    frame = book(["low"] * 4 + ["medium"] * 4 + ["high"] * 4, [1, 1, 1, 0] + [1, 1, 0, 0] + [1, 0, 0, 0])
    row = risk.trend(frame, LEVEL, "bad").loc[LEVEL]
    assert (row["direction"], row["tested"], row["n"]) == ("falling", True, 12)
    assert row["z"] == pytest.approx(-math.sqrt(2))  # (sum of t(b - n b/N))^2 / var = 2^2 / 2
    assert row["p_value"] == pytest.approx(0.157299, abs=1e-6)
    lonely = risk.trend(book(["low", "low"], [1, 0]), LEVEL, "bad").loc[LEVEL]
    assert (lonely["tested"], lonely["direction"]) == (False, "flat")
    unordered = frame.assign(kind=pd.Categorical(["x"] * 12))
    with pytest.raises(RiskInputError, match="no order"):
        risk.trend(unordered, "kind", "bad")


def test_cross_table_counts_every_pair_and_flags_the_small():
    frame = book(["low", "low", "high", "high"], [1, 0, 0, 0]).assign(
        phone_frequency_grade=pd.Categorical(["low", "high", "high", None], dtype=pna.FREQUENCY_GRADE)
    )
    table = risk.cross_table(frame, "active_level", "frequency_grade", "bad", small=2)
    assert (len(table), table["n"].sum(), table["bads"].sum()) == (9, 3, 1)
    assert table["small"].all()
    own = risk.cross_table(frame, "active_level", "frequency_grade", "bad", missing="own_levels")
    assert own["n"].sum() == 4
    with pytest.raises(RiskInputError, match="crossed with itself"):
        risk.cross_table(frame, "active_level", LEVEL, "bad")


def dated(bought, applied):
    stamps = pd.to_datetime(bought, utc=True, format="ISO8601")
    return book(["low", "high", "low"], [1, 0, 0]).assign(phone_looked_up_at=stamps, applied=pd.to_datetime(applied))


def test_answers_bought_after_the_decision_are_told_dropped_or_kept():
    frame = dated(["2026-05-01 23:59", "2026-05-02 00:00", "2026-04-01"], ["2026-05-01"] * 3)
    with pytest.warns(LookAheadWarning, match=r"1 of 3 rows \(33.3%\)"):
        assert risk.risk_table(frame, LEVEL, "bad", as_of="applied")["n"].sum() == 3
    assert risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="drop")["n"].sum() == 2
    assert risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="keep")["n"].sum() == 3
    with pytest.raises(RiskInputError, match="not a date"):
        risk.risk_table(frame.assign(applied="2026-05-01"), LEVEL, "bad", as_of="applied")
    with pytest.raises(RiskInputError, match="looked_up_at"):
        risk.risk_table(frame.drop(columns="phone_looked_up_at"), LEVEL, "bad", as_of="applied")
    with pytest.raises(RiskInputError, match="nothing is left"):
        risk.risk_table(frame.assign(applied=pd.Timestamp("2020-01-01")), LEVEL, "bad", as_of="applied", late="drop")


def test_without_a_date_the_first_result_says_so_once(monkeypatch):
    monkeypatch.setattr(late_module, "_told", [])
    frame = dated(["2026-05-01"] * 3, ["2026-05-01"] * 3)
    with pytest.warns(LookAheadWarning, match="No as_of was given"):
        risk.risk_table(frame, LEVEL, "bad")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        risk.risk_table(frame, LEVEL, "bad")


def test_a_time_of_day_is_compared_to_the_moment():
    frame = dated(["2026-05-01 12:00", "2026-05-01 12:00", "2026-04-01"], ["2026-05-01 11:00"] * 3)
    with pytest.warns(LookAheadWarning, match="2 of 3 rows"):
        risk.risk_table(frame, LEVEL, "bad", as_of="applied")


def test_coverage_counts_requests_where_it_can():
    statuses = ["answered", "answered", "no_data", "failed", "invalid", "not_bought"]
    frame = book([None] * 6, [0] * 6, statuses)
    row = risk.coverage(frame, unit_price=500).loc["phone_"]
    assert (row["rows"], row["asked"], row["answered"], row["no_data"], row["failed"], row["not_asked"]) == (
        6,
        4,
        2,
        1,
        1,
        2,
    )
    assert (row["hit_rate"], row["no_data_rate"], row["failure_rate"]) == (0.5, 0.25, 0.25)
    assert (row["charged"], row["exact"], row["cost"], row["cost_per_answered"]) == (3, False, 1500, 750)
    paid = pd.array([True, True, True, None, None, None], dtype="boolean")
    detailed = frame.assign(phone_charged=paid, phone_request_id=["a", "a", "b", None, None, None])
    row = risk.coverage(detailed, unit_price=500).loc["phone_"]
    assert (row["charged"], row["exact"], row["cost"]) == (2, True, 1000)  # two rows share a number: bought once
    with pytest.raises(RiskInputError, match="call enrich first"):
        risk.coverage(frame[["bad"]])


def test_value_is_what_the_worst_level_catches_beyond_chance():
    frame = book(["low"] * 4 + ["high"] * 6, [1, 1, 1, 0] + [1, 0, 0, 0, 0, 0])
    row = risk.value(frame, LEVEL, "bad", unit_price=100).loc[LEVEL]
    assert (row["declined"], row["bads_caught"], row["goods_lost"]) == ("low", 3, 1)
    assert row["bads_by_chance"] == pytest.approx(1.6)
    assert row["cost_per_extra_bad"] == pytest.approx(1000 / 1.4)
    other = risk.value(frame, LEVEL, "bad", unit_price=100, decline="high").loc[LEVEL]
    assert not other["beats_chance"]
    assert math.isnan(other["cost_per_extra_bad"])
    for options, says in (({}, "what an answer costs"), ({"unit_price": 1, "decline": "hgih"}, "There is no level")):
        with pytest.raises(RiskInputError, match=says):
            risk.value(frame, LEVEL, "bad", **options)


def test_the_pictures_of_tables_are_escaped_and_fall_back_on_a_slice():
    frame = book(["low", "high"], [1, 0]).assign(phone_telco_type=pd.Categorical(["<b>", "x"]))
    html = risk.risk_table(frame, "phone_telco_type", "bad")._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>&lt;" not in html
    part = risk.risk_table(frame, LEVEL, "bad")[["n", "woe"]]
    assert "<table" in part._repr_html_()
    assert "n 1" in risk.cross_table(frame, LEVEL, "phone_telco_type", "bad")._repr_html_()


def test_the_made_up_book_shows_the_link_that_it_was_given(tmp_path):
    from pandas_numberactive.loanbook import ACTIVITY, loan_book, seen_too_late

    store = f"{tmp_path}/s.db"  # the one in memory is the whole process's
    pna.configure(environment="simulator", store=store, confirm_above=10**6, max_concurrency=64, progress=False)
    enriched = loan_book(4000, seed=5).numberactive.enrich("phone")
    table = risk.risk_table(enriched, LEVEL, "defaulted", missing="drop", late="keep").xs(LEVEL, level="signal")
    found = -(table.loc["low", "woe"] - table.loc["high", "woe"])
    assert found == pytest.approx(ACTIVITY["low"] - ACTIVITY["high"] + 0.35, abs=0.45)  # 0.35: top-ups go along with it
    trap = seen_too_late(enriched, seed=5)
    honest = risk.iv_table(trap, LEVEL, "defaulted", as_of="application_date", late="drop").loc[LEVEL, "iv"]
    fooled = risk.iv_table(trap, LEVEL, "defaulted", late="keep").loc[LEVEL, "iv"]
    assert fooled > 1.3 * honest
    on_time = trap["phone_looked_up_at"].dt.tz_localize(None) <= trap["application_date"]
    assert trap.loc[on_time, "defaulted"].mean() == pytest.approx(trap["defaulted"].mean(), abs=0.02)
