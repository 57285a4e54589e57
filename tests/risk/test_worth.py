"""What the money bought, and whether it was worth it."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import RiskInputError
from tests.risk.books import LEVEL, book


def test_coverage_counts_requests_where_it_can():
    statuses = ["answered", "answered", "no_data", "failed", "invalid", "not_bought"]
    frame = book([None] * 6, [0] * 6, statuses)
    row = risk.coverage(frame, unit_price=500).loc["phone_"]
    assert (
        row["rows"],
        row["asked"],
        row["answered"],
        row["no_data"],
        row["failed"],
        row["not_asked"],
    ) == (
        6,
        4,
        2,
        1,
        1,
        2,
    )
    assert (row["hit_rate"], row["no_data_rate"], row["failure_rate"]) == (0.5, 0.25, 0.25)
    assert (row["charged"], row["exact"], row["cost"], row["cost_per_answered"]) == (
        3,
        False,
        1500,
        750,
    )
    paid = pd.array([True, True, True, None, None, None], dtype="boolean")
    detailed = frame.assign(phone_charged=paid, phone_request_id=["a", "a", "b", None, None, None])
    row = risk.coverage(detailed, unit_price=500).loc["phone_"]
    # Two rows share a number: bought once; with the one without data each answered number cost 1000.
    assert (row["charged"], row["exact"], row["cost"], row["cost_per_answered"]) == (
        2,
        True,
        1000,
        1000,
    )
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
    for options, says in (
        ({}, "what an answer costs"),
        ({"unit_price": 1, "decline": "hgih"}, "There is no level"),
    ):
        with pytest.raises(RiskInputError, match=says):
            risk.value(frame, LEVEL, "bad", **options)


DETAILS = {
    "phone_charged": pd.array([True, True, None, False, None, None], dtype="boolean"),
    "phone_request_id": ["a", "a", None, "c", "d", None],
    "phone_national": ["8111", "8111", "8112", "8113", "8114", None],
}


def detailed():
    statuses = ["answered", "answered", "answered", "no_data", "pending", "invalid"]
    return book(["low", "low", "high", None, None, None], [1, 0, 0, 1, 0, 0], statuses, **DETAILS)


def test_a_charge_that_the_vendor_did_not_tell_counts_as_one():
    row = risk.coverage(detailed(), unit_price=500).loc["phone_"]
    # 8111 once; 8112 without isFee, as in budgets; 8113 was free; 8114 is still open.
    assert (row["charged"], row["exact"], row["cost"], row["cost_per_answered"]) == (
        2,
        False,
        1000,
        500,
    )


def test_value_and_coverage_show_the_same_bill():
    frame = detailed()
    row = risk.value(frame, LEVEL, "bad", unit_price=500).loc[LEVEL]
    bill = risk.coverage(frame, unit_price=500).loc["phone_"]
    assert row[["charged", "exact", "cost"]].tolist() == bill[["charged", "exact", "cost"]].tolist()
    plain = frame.drop(columns=list(DETAILS)).assign(bad=[1, 1, 0, 0, 0, 0])
    row = risk.value(plain, LEVEL, "bad", unit_price=500).loc[LEVEL]
    assert (row["charged"], row["exact"]) == (
        4,
        False,
    )  # answered and no data; pending is not paid yet
    weighted = risk.value(plain.assign(w=10.0), LEVEL, "bad", unit_price=500, weight="w").loc[LEVEL]
    assert (weighted["charged"], weighted["n"], weighted["cost"]) == (40, 20, 20_000)
    assert row["cost_per_extra_bad"] > 0
    assert weighted["cost_per_extra_bad"] == pytest.approx(row["cost_per_extra_bad"])


def test_coverage_after_a_trip_through_csv():
    frame = detailed()
    text = io.StringIO(frame.to_csv(index=False))
    raw = pd.read_csv(text, dtype={"phone_national": str})
    expected = risk.coverage(frame, unit_price=500)
    pd.testing.assert_frame_equal(risk.coverage(raw, unit_price=500), expected)
    pd.testing.assert_frame_equal(risk.coverage(pna.restore_dtypes(raw), unit_price=500), expected)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: risk.coverage(book(["low"], [1], ["answered"]), unit_price=-1),
            "0 or more, not -1",
        ),
        (
            lambda: risk.value(book(["low", "high"], [1, 0]), LEVEL, "bad", unit_price=math.nan),
            "0 or more, not nan",
        ),
        (
            lambda: risk.value(book(["low", "high"], [1, 0]), LEVEL, "bad", unit_price="500"),
            "not '500' .str",
        ),
        (
            lambda: risk.coverage(book(["low"], [1], ["answered"]), unit_price=True),
            "not True .bool",
        ),
        (
            lambda: risk.coverage(pd.DataFrame({"phone_lookup_status": ["answerd"]})),
            "'answerd', which is no status",
        ),
        (lambda: risk.coverage(book([], [], [])), "no rows"),
        (lambda: risk.coverage([1]), "A pandas DataFrame is needed"),
        (
            lambda: risk.value(book([None, None], [1, 0]), LEVEL, "bad", unit_price=1),
            "No row has a level",
        ),
    ],
)
def test_bad_input_is_told(call, says):
    with pytest.raises(RiskInputError, match=says):
        call()


def test_without_a_price_or_an_answer_the_costs_are_missing_and_the_row_says_why():
    row = risk.coverage(book([None, None], [0, 0], ["failed", "invalid"])).loc["phone_"]
    assert (row["asked"], row["answered"], row["failure_rate"]) == (1, 0, 1)
    assert math.isnan(row["cost"])
    assert math.isnan(row["cost_per_answered"])


def test_a_notebook_shows_whole_counts_and_p_values_that_can_be_read():
    n = 2_000
    frame = book(["low"] * n + ["high"] * n, [1] * n + [0] * n)
    html = risk.value(frame, LEVEL, "bad", unit_price=500)._repr_html_()
    for shown in (">2,000<", ">2,000,000<", ">&lt; 0.001<", ">low<", ">True<"):
        assert shown in html
    assert html.index("levels tried") < html.index("beats chance")
    assert html.count("<tr") == 2  # one line a signal, as in the frame
    trend = risk.trend(frame, LEVEL, "bad")
    assert trend._repr_html_().count("<tr") == 2
    assert ">&lt; 0.001<" in trend._repr_html_()
    assert trend["p_value"].item() < 1e-100  # the number itself is kept
    assert ">&lt; 0.001<" in trend.T._repr_html_()
    assert ">4,000<" in risk.iv_table(frame, LEVEL, "bad")._repr_html_()
    named = book(["low"], [1], ["answered"]).rename(
        columns={"phone_lookup_status": "<b>lookup_status"}
    )
    assert "&lt;b&gt;" in risk.coverage(named)._repr_html_()
    assert "<table" in trend.head(0)._repr_html_()
