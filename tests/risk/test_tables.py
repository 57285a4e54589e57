"""The risk tables: by hand, by properties, and for every kind of bad input."""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import ColumnNotFoundError, RiskInputError
from tests.risk.books import LEVEL, book, frames, grouped, weighted


def test_each_column_of_a_small_table_by_hand():
    frame = book(["low"] * 4 + ["high"] * 6, [1, 1, 1, 0] + [1, 0, 0, 0, 0, 0])
    table = risk.risk_table(frame, LEVEL, "bad", missing="drop").xs(LEVEL, level="signal")
    assert (
        list(table.columns)
        == "n share bads bad_rate bad_rate_low bad_rate_high lift woe iv corrected".split()
    )
    low = table.loc["low"]
    assert (low["n"], low["share"], low["bads"], low["bad_rate"]) == (4, 0.4, 3, 0.75)
    assert low["lift"] == pytest.approx(0.75 / 0.4)
    assert low["woe"] == pytest.approx(math.log((1 / 6) / (3 / 4)))
    assert low["iv"] == pytest.approx((1 / 6 - 3 / 4) * low["woe"])
    assert (round(low["bad_rate_low"], 4), round(low["bad_rate_high"], 4)) == (
        0.3006,
        0.9544,
    )  # Wilson, by hand
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
    assert n.to_dict() == {
        "low": 1,
        "medium": 0,
        "high": 1,
        "no data": 2,
        "not asked": 3,
        "failed": 2,
    }
    one = risk.risk_table(
        book(levels, [1, 0, 1, 0, 0, 1, 0, 1, 0], statuses), LEVEL, "bad", missing="one_level"
    )
    assert one.loc[(LEVEL, "missing"), "n"] == 7


@pytest.mark.parametrize(
    ("status", "row"),
    [(word, "no data") for word in ("answered", "no_data")]
    + [(word, "not asked") for word in ("invalid", "missing", "not_bought", None)]
    + [(word, "failed") for word in ("failed", "uncertain", "quarantined", "pending")],
)
def test_every_status_has_its_row(status, row):
    frame = book(["low", "low", None], [1, 0, 0], ["answered", "answered", status])
    n = risk.risk_table(frame, LEVEL, "bad")["n"].xs(LEVEL, level="signal")
    assert n[n > 0].to_dict() == {"low": 2, row: 1}


def test_a_zero_cell_is_corrected_and_flagged_and_nothing_is_infinite():
    frame = book(["low"] * 5 + ["high"] * 5, [1] * 5 + [0] * 4 + [1])
    table = risk.risk_table(frame, LEVEL, "bad", missing="drop").xs(LEVEL, level="signal")
    assert table["corrected"].tolist() == [True, True, False]
    assert risk.iv_table(frame, LEVEL, "bad", missing="drop").loc[LEVEL, "corrected"]
    assert table.loc["low", "woe"] == pytest.approx(math.log((0.5 / 4) / (5.5 / 6)))
    assert np.isfinite(table.loc[["low", "medium", "high"], ["woe", "iv"]]).all(axis=None)
    assert not table.loc[["high"]].isna().any(axis=None)
    other = risk.risk_table(frame.assign(bad=1 - frame["bad"]), LEVEL, "bad", missing="drop").loc[
        (LEVEL, "low")
    ]
    assert other["woe"] == pytest.approx(
        math.log((5.5 / 6) / (0.5 / 4))
    )  # 0.5 to both counts, none to the totals
    assert other["iv"] == pytest.approx((5.5 / 6 - 0.5 / 4) * other["woe"])


def test_a_hundred_levels_are_counted_and_one_more_is_refused():
    names = [f"L{i:03d}" for i in range(101)]
    frame = pd.DataFrame({"city": pd.Categorical(names[:100] * 2), "bad": [0] * 100 + [1] * 100})
    table = risk.risk_table(frame, "city", "bad")
    assert table["n"].tolist() == [2] * 100 + [0]
    assert table["bads"].tolist() == [1] * 100 + [0]
    with pytest.raises(RiskInputError, match="101 levels; group them"):
        risk.risk_table(
            pd.DataFrame({"city": pd.Categorical(names), "bad": [0, 1] + [0] * 99}), "city", "bad"
        )


def test_by_is_a_short_name_a_full_name_several_or_all():
    frame = book(["low", "high"], [1, 0]).assign(
        phone_telco_type=pd.Categorical(["prepaid"] * 2, dtype=pna.TELCO_TYPE)
    )
    assert list(risk.iv_table(frame, "all", "bad").index) == [LEVEL, "phone_telco_type"]
    assert risk.risk_table(frame, "active_level", "bad").equals(
        risk.risk_table(frame, LEVEL, "bad")
    )
    assert risk.iv_table(frame, [LEVEL, "telco_type"], "bad").loc["phone_telco_type", "iv"] == 0
    once = risk.iv_table(frame, LEVEL, "bad")
    assert risk.iv_table(frame, [LEVEL, "active_level"], "bad").equals(
        once
    )  # named twice, counted once
    two = frame.assign(office_active_level=frame[LEVEL])
    with pytest.raises(
        RiskInputError, match="fits several columns: phone_active_level, office_active_level"
    ):
        risk.risk_table(two, "active_level", "bad")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("activity", "phone_active_level' or 'city'"),
        ("frequency", "phone_frequency_grade'"),
        ("telco", "phone_telco_type'"),
        ("level", "phone_active_level'"),
        ("citty", "city'"),
        ("phone_activity_level", "phone_active_level'"),
    ],
)
def test_a_near_miss_offers_the_signals_first(wrong, right):
    frame = book(["low", "high"], [1, 0], city=["a", "b"])
    for name, kind in (("frequency_grade", pna.FREQUENCY_GRADE), ("telco_type", pna.TELCO_TYPE)):
        frame[f"phone_{name}"] = pd.Categorical([None, None], dtype=kind)
    with pytest.raises(pna.errors.ColumnNotFoundError) as caught:
        risk.risk_table(frame, wrong, "bad")
    assert f"Did you mean '{right}" in str(caught.value)


TARGETS = {
    "int": [1, 0, 1],
    "float": [1.0, 0.0, 1.0],
    "bool": [True, False, True],
    "Int64": pd.array([1, 0, 1], "Int64"),
    "boolean": pd.array([True, False, True], "boolean"),
    "arrow": pd.array([1, 0, 1], "int64[pyarrow]"),
    "category of bools": pd.Categorical([True, False, True]),
}
TWO_VALUES = {
    "text": (["yes", "no", "yes"], "yes"),
    "category": (pd.Categorical(["yes", "no", "yes"], categories=["no", "yes", "never"]), "yes"),
    "ordered category": (pd.Categorical(["yes", "no", "yes"], ordered=True), "yes"),
    "object bools": (pd.Series([True, False, True], dtype=object), True),
    "the other way round": ([0, 1, 0], 0),
    "false is bad": ([False, True, False], False),
}


@pytest.mark.parametrize("kind", [*TARGETS, *TWO_VALUES])
def test_targets_of_every_kind(kind):
    values, bad = TWO_VALUES.get(kind, (TARGETS.get(kind), None))
    table = risk.risk_table(book(["low", "high", "low"], values), LEVEL, "bad", bad=bad)
    assert table["bads"].xs(LEVEL, level="signal")[["low", "high"]].tolist() == [2, 0]


BAD_INPUT = [
    (book(["low", "high"], [1, 0]), {"target": "bda"}, ColumnNotFoundError, "Did you mean 'bad'"),
    (
        book(["low", "high"], [1, 0]),
        {"by": "phone_active_levle"},
        ColumnNotFoundError,
        "phone_active_level",
    ),
    (book(["low", "high"], [2, 0]), {}, RiskInputError, "must be 0 .good. and 1 .bad."),
    (book(["low", "high"], [0.5, 0]), {}, RiskInputError, "must be 0"),
    (book(["low", "high"], [257, 0]), {}, RiskInputError, "must be 0"),  # 1 in eight bits
    (book(["low", "high"], [np.inf, 0]), {}, RiskInputError, "must be 0"),
    (book(["low", "high"], [1e300, 0]), {}, RiskInputError, "must be 0"),
    (book(["low", "high"], [1, 0]), {"bad": [1]}, RiskInputError, "the one value"),
    (
        book(["low", "high"], pd.array([True, None], "boolean")),
        {},
        RiskInputError,
        "1 of 2 rows have no 'bad'",
    ),
    (book(["low", "high"], [1, 0]), {"by": []}, RiskInputError, "by is the name of a column"),
    (book(["low", "high"], [1, 0]), {"by": 3}, RiskInputError, "by is the name of a column"),
    (
        book(["low", "high"], [1, 0]).iloc[:, [0, 0, 1]],
        {},
        RiskInputError,
        "2 columns are called 'phone_active_level'",
    ),
    (
        book(["low", "high"], [1, 0]).iloc[:, [0, 1, 1]],
        {},
        RiskInputError,
        "2 columns are called 'bad'",
    ),
    (
        book(["low", "high"], [1, 0], w=pd.array([1, None], "Int64")),
        {"weight": "w"},
        RiskInputError,
        "finite",
    ),
    (book(["low", "high"], [1, 0], w=[1, np.nan]), {"weight": "w"}, RiskInputError, "finite"),
    (book(["low", "high"], [1, 0], w=[1, 0]), {"weight": "w"}, RiskInputError, "one class only"),
    (
        pd.DataFrame({"city": pd.Categorical(["missing", "x"]), "bad": [1, 0]}),
        {"by": "city"},
        RiskInputError,
        "'missing'",
    ),
    (
        pd.DataFrame({"city": pd.Categorical([1, "1"]), "bad": [1, 0]}),
        {"by": "city"},
        RiskInputError,
        "would read '1'",
    ),
    ([1, 0], {}, RiskInputError, "A pandas DataFrame is needed, not builtins.list"),
    (book(["low", "high"], [1, 1]), {}, RiskInputError, "All 2 rows are bad"),
    (book(["low", "high"], [0, 0]), {}, RiskInputError, "All 2 rows are good"),
    (book(["low", "high"], [1, None]), {}, RiskInputError, "1 of 2 rows have no 'bad'"),
    (book(["low", "high"], ["y", "n"]), {}, RiskInputError, "say which one is bad"),
    (book(["low", "high", "low"], list("yna")), {"bad": "y"}, RiskInputError, "has 3 values"),
    (book(["low", "high"], ["y", "n"]), {"bad": "x"}, RiskInputError, "No row of 'bad' is 'x'"),
    (book(["low", "high"], [1, 0], w=[1, -1]), {"weight": "w"}, RiskInputError, "not negative"),
    (book(["low", "high"], [1, 0], w=[1, np.inf]), {"weight": "w"}, RiskInputError, "finite"),
    (book(["low", "high"], [1, 0], w=[0, 0]), {"weight": "w"}, RiskInputError, "not all zero"),
    (
        book(["low", "high"], [1, 0], w=["a", "b"]),
        {"weight": "w"},
        RiskInputError,
        "must be numbers",
    ),
    (book([], []), {}, RiskInputError, "no rows"),
    (pd.DataFrame({"bad": [1, 0]}), {"by": "all"}, RiskInputError, "call enrich first"),
    (pd.DataFrame({LEVEL: ["low", "high"], "bad": [1, 0]}), {}, RiskInputError, "restore_dtypes"),
    (book([None, None], [1, 0]), {"missing": "drop"}, RiskInputError, "No row has a level"),
    (book(["low", "high"], [1, 0]), {"missing": "dorp"}, RiskInputError, "own_levels"),
]


@pytest.mark.parametrize(("frame", "options", "kind", "says"), BAD_INPUT, ids=range(len(BAD_INPUT)))
def test_bad_input_is_told_and_how_to_mend_it(frame, options, kind, says):
    given = {"by": LEVEL, "target": "bad", **options}
    with pytest.raises(kind, match=says):
        risk.risk_table(frame, given.pop("by"), given.pop("target"), **given)


@pytest.mark.parametrize(
    "call", [risk.risk_table, risk.iv_table, risk.trend, risk.value], ids=lambda f: f.__name__
)
@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"bad": [2, 0]}, "must be 0"),
        ({"bad": [1, 1]}, "All 2 rows are bad"),
        ({"bad": [1, None]}, "have no 'bad'"),
        ({"w": [1, -1]}, "not negative"),
        ({LEVEL: ["low", "high"]}, "restore_dtypes"),
    ],
    ids=str,
)
def test_every_function_refuses_the_same(call, column, says):
    frame = book(["low", "high"], [1, 0], w=[1, 1]).assign(**column)
    more = {"unit_price": 1} if call is risk.value else {}
    with pytest.raises(RiskInputError, match=says):
        call(frame, LEVEL, "bad", weight="w", **more)
    if call is risk.risk_table:
        grade = pd.Categorical(["low", "high"], dtype=pna.FREQUENCY_GRADE)
        with pytest.raises(RiskInputError, match=says):
            risk.cross_table(
                frame.assign(phone_frequency_grade=grade),
                LEVEL,
                "frequency_grade",
                "bad",
                weight="w",
            )


def test_rows_of_weight_zero_do_not_count():
    frame = book(
        ["low", "low", "high", "high", "medium"], [1, 0, 1, 0, 1], w=[2.0, 3.0, 4.0, 5.0, 0.0]
    )
    table = risk.risk_table(frame, LEVEL, "bad", weight="w")
    pd.testing.assert_frame_equal(
        pd.DataFrame(table), pd.DataFrame(risk.risk_table(frame.iloc[:4], LEVEL, "bad", weight="w"))
    )
    assert table.loc[(LEVEL, "medium"), "corrected"]  # as a level without rows: it says so


def test_a_signal_without_any_level_is_one_row_of_no_information():
    table = risk.risk_table(book([None] * 3, [1, 0, 0], ["no_data"] * 3), LEVEL, "bad")
    assert table.loc[(LEVEL, "no data"), ["n", "woe", "iv", "corrected"]].tolist() == [
        3,
        0,
        0,
        False,
    ]
    assert table["corrected"].xs(LEVEL, level="signal")[["low", "medium", "high"]].all()


def test_a_book_after_a_trip_through_csv_gives_the_same_table():
    frame = book(
        ["low", "high", None, None], [1, 0, 1, 0], ["answered", "answered", "no_data", "failed"]
    )
    raw = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    table = risk.risk_table(pna.restore_dtypes(raw), LEVEL, "bad")
    pd.testing.assert_frame_equal(
        pd.DataFrame(table), pd.DataFrame(risk.risk_table(frame, LEVEL, "bad"))
    )
    with pytest.raises(RiskInputError, match="is no status of enrich's"):
        risk.risk_table(raw.astype({LEVEL: "category"}), LEVEL, "bad")


@pytest.mark.parametrize(
    ("bads", "reading"),
    [(45, "not predictive"), (40, "weak"), (30, "medium"), (25, "medium"), (20, "strong")],
)
def test_the_reading_of_an_information_value(bads, reading):
    frame = grouped(
        "x", [("a", 500, 10 * bads), ("b", 500, 1000 - 10 * bads)]
    )  # enough to be told from chance
    row = risk.iv_table(frame, "x", "bad", counts="w").loc["x"]
    share = bads / 100
    assert row["iv"] == pytest.approx((0.5 - share) * math.log((1 - share) / share))
    assert (row["reading"], row["levels"], row["n"]) == (reading, 2, 2000)


@settings(max_examples=150, deadline=None)
@given(rows=frames, seed=st.integers(0, 9))
def test_properties(rows, seed):
    frame = weighted(rows)
    table = risk.risk_table(frame, LEVEL, "bad", weight="w", bad=1)
    mixed = risk.risk_table(
        frame.sample(frac=1, random_state=seed), LEVEL, "bad", weight="w", bad=1
    )
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(mixed), rtol=1e-12)
    split = frame.loc[frame.index.repeat(2)].assign(w=lambda f: f["w"] / 2)
    points = ["n", "share", "bads", "bad_rate", "lift", "woe", "iv", "corrected"]
    halves = risk.risk_table(split, LEVEL, "bad", weight="w", bad=1)  # its index has duplicates
    pd.testing.assert_frame_equal(
        pd.DataFrame(table)[points], pd.DataFrame(halves)[points], rtol=1e-12
    )
    repeated = frame.loc[frame.index.repeat(frame["w"].astype(int))]
    plain = risk.risk_table(repeated, LEVEL, "bad", bad=1)
    counted = risk.risk_table(frame, LEVEL, "bad", counts="w", bad=1)
    pd.testing.assert_frame_equal(pd.DataFrame(counted), pd.DataFrame(plain), rtol=1e-12)
    table = table[table["woe"].notna()]
    assert (table["iv"] >= 0).all()
    assert table["share"].sum() == pytest.approx(1)
    assert table["bads"].sum() == frame.loc[frame["bad"] == 1, "w"].sum()
    some = table[table["n"] > 0]
    assert (
        (some["bad_rate_low"] <= some["bad_rate"]) & (some["bad_rate"] <= some["bad_rate_high"])
    ).all()
    assert np.isfinite(table[["share", "woe", "iv"]]).all(axis=None)


@given(bads=st.lists(st.integers(0, 1), min_size=2).filter(lambda b: len(set(b)) == 2))
@settings(max_examples=50, deadline=None)
def test_a_constant_signal_has_no_information(bads):
    frame = book(["low"] * len(bads), bads)
    assert risk.iv_table(frame, LEVEL, "bad", bad=1).loc[LEVEL, "iv"] == 0


def test_the_pictures_of_tables_are_escaped_and_fall_back_on_a_slice():
    frame = book(["low", "high"], [1, 0]).assign(phone_telco_type=pd.Categorical(["<b>", "x"]))
    html = risk.risk_table(frame, "phone_telco_type", "bad")._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>&lt;" not in html
    part = risk.risk_table(frame, LEVEL, "bad")[["n", "woe"]]
    assert "<table" in part._repr_html_()
    pairs = risk.cross_table(frame, LEVEL, "phone_telco_type", "bad", small=1)
    assert "n 1" in pairs._repr_html_()
    assert (
        pairs._repr_html_().count("font-style:italic") == pairs["small"].sum()
    )  # hatched, not to be read
    assert pairs._repr_html_().count("repeating-linear-gradient") == pairs["small"].sum()
    assert (
        pairs[~pairs["small"]]._repr_html_().count("<td></td>") == 2
    )  # what the user filtered away stays blank
    assert "<table" in pd.concat([pairs, pairs])._repr_html_()


def test_a_risk_table_shows_bars_and_intervals_to_scale():
    frame = book(["low"] * 30 + ["high"] * 70, [1] * 10 + [0] * 20 + [1] * 7 + [0] * 63)
    html = risk.risk_table(frame, LEVEL, "bad")._repr_html_()
    bars = [int(width) for width in re.findall(r"width:(\d+)px;height:9px", html)]
    assert bars == [27, 0, 63, 0]  # the shares of 90 px
    assert re.findall(r"</span></span> ([\d.]+%)</td>", html) == ["30.0%", "0.0%", "70.0%", "0.0%"]
    assert html.count("border-radius:4px") == 2  # a point only where there is a rate
    assert "0.5 was added to both" in html


def test_the_made_up_book_shows_the_link_that_it_was_given(tmp_path):
    from pandas_numberactive.simulator.loanbook import ACTIVITY, loan_book, seen_too_late

    store = f"{tmp_path}/s.db"  # the one in memory is the whole process's
    pna.configure(
        environment="simulator",
        store=store,
        confirm_above=10**6,
        max_concurrency=64,
        progress=False,
    )
    enriched = loan_book(4000, seed=5).numberactive.enrich("phone")
    table = risk.risk_table(enriched, LEVEL, "defaulted", missing="drop", late="keep").xs(
        LEVEL, level="signal"
    )
    found = -(table.loc["low", "woe"] - table.loc["high", "woe"])
    assert found == pytest.approx(
        ACTIVITY["low"] - ACTIVITY["high"] + 0.35, abs=0.45
    )  # 0.35: top-ups go along with it
    worth = risk.value(
        enriched, ["active_level", "frequency_grade"], "defaulted", unit_price=500, late="keep"
    )
    assert (worth["declined"].tolist(), worth["beats_chance"].tolist()) == (
        ["low", "low"],
        [True, True],
    )
    assert (risk.iv_table(enriched, LEVEL, "defaulted", late="keep")["reading"] >= "medium").all()
    trap = seen_too_late(enriched, seed=5)
    honest = risk.iv_table(trap, LEVEL, "defaulted", as_of="application_date", late="drop").loc[
        LEVEL, "iv"
    ]
    fooled = risk.iv_table(trap, LEVEL, "defaulted", late="keep").loc[LEVEL, "iv"]
    assert fooled > 1.3 * honest
    on_time = trap["phone_looked_up_at"].dt.tz_localize(None) <= trap["application_date"]
    assert trap.loc[on_time, "defaulted"].mean() == pytest.approx(
        trap["defaulted"].mean(), abs=0.02
    )


@pytest.mark.parametrize("name", ["active_level", "phone_active_level"])
def test_a_table_that_was_not_enriched_is_told_to_be(name):
    frame = pd.DataFrame({"phone": ["08118899532", "08123456789"], "bad": [0, 1]})
    for call in (risk.risk_table, risk.iv_table):
        with pytest.raises(ColumnNotFoundError, match="Run enrich first"):
            call(frame, name, "bad")
    with pytest.raises(ColumnNotFoundError) as caught:
        risk.risk_table(frame, "branch", "bad")
    assert "enrich" not in str(caught.value)
