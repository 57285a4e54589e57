"""What chance alone does: noise passes for a finding no oftener than the tests say, and the tests are right."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.risk._engine.stats import formulas, tails
from pandas_numberactive.risk._engine.stats.covariance import Rows
from pandas_numberactive.risk._engine.stats.formulas import caught_by_chance
from pandas_numberactive.risk._engine.stats.significance import levels_test
from tests.risk.books import LEVEL, book, grouped


def noise(seed):
    """A book of 600 rows, 10% bad, whose signal says nothing."""
    rng = np.random.default_rng(seed)
    levels = pd.Categorical.from_codes(
        rng.choice([-1, 0, 1, 2], 600, p=[0.1, 0.3, 0.3, 0.3]), dtype=pna.ACTIVE_LEVEL
    )
    return pd.DataFrame({LEVEL: levels, "bad": rng.permutation([1] * 60 + [0] * 540)})


def test_noise_seldom_passes_for_a_finding():
    worth = pd.concat(
        [risk.value(noise(seed), LEVEL, "bad", unit_price=500) for seed in range(200)]
    )
    assert (
        worth["extra_bads"] > 0
    ).sum() > 180  # the worst level of noise catches more than chance, nearly always
    assert worth["beats_chance"].sum() <= 16  # one in 20, and two standard errors
    read = pd.concat([risk.iv_table(noise(seed), LEVEL, "bad") for seed in range(200)])["reading"]
    assert (
        184 <= (read == "not significant").sum() <= 199
    )  # 190 expected, give or take 2 standard errors
    assert list(read.cat.categories) == [
        "not significant",
        "not predictive",
        "weak",
        "medium",
        "strong",
    ]


def test_a_difference_in_as_small_a_book_is_seen():
    frame = book(
        ["low"] * 200 + ["medium"] * 200 + ["high"] * 200,
        ([1] * 40 + [0] * 160) + ([1] * 10 + [0] * 190) * 2,
    )
    row = risk.value(frame, LEVEL, "bad", unit_price=500).loc[LEVEL]
    assert (row["declined"], row["beats_chance"]) == ("low", True)
    assert risk.iv_table(frame, LEVEL, "bad").loc[LEVEL, "reading"] == "strong"


def test_the_p_value_pays_for_having_chosen_the_worst_of_several():
    frame = book(["low"] * 4 + ["high"] * 6, [1, 1, 1, 0] + [1, 0, 0, 0, 0, 0])
    once = (math.comb(4, 3) * math.comb(6, 1) + math.comb(4, 4)) / math.comb(
        10, 4
    )  # 3 or 4 of the 4 bads in low
    chosen = risk.value(frame, LEVEL, "bad", unit_price=1).loc[LEVEL]
    assert (chosen["levels_tried"], chosen["p_value_corrected"]) == (
        2,
        pytest.approx(2 * once),
    )  # medium has no rows
    named = risk.value(frame, LEVEL, "bad", unit_price=1, decline="low").loc[LEVEL]
    assert (named["levels_tried"], named["p_value_corrected"]) == (1, pytest.approx(once))
    assert (
        risk.value(frame, LEVEL, "bad", unit_price=1, decline="high").loc[
            LEVEL, "p_value_corrected"
        ]
        <= 1
    )


def test_fishers_tea():
    assert caught_by_chance(3, 1, 1, 3) == pytest.approx(
        17 / 70
    )  # Fisher, The Design of Experiments (1935)
    assert caught_by_chance(4, 0, 0, 4) == pytest.approx(1 / 70)


@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.integers(0, 300)] * 4))
def test_the_exact_test_is_the_sum_that_defines_it(cells):
    bads, goods, other_bads, _ = cells
    n, bad, total = bads + goods, bads + other_bads, sum(cells)
    ways = sum(
        math.comb(bad, x) * math.comb(total - bad, n - x) for x in range(bads, min(n, bad) + 1)
    )
    assert caught_by_chance(*cells) == pytest.approx(
        ways / math.comb(total, n), rel=1e-9, abs=1e-300
    )


def test_a_book_beyond_counting_takes_the_normal_curve(monkeypatch):
    cells = (8_010_000, 72_000_000, 8_000_000, 72_000_000)
    quick = caught_by_chance(*cells)
    monkeypatch.setattr(formulas, "MANY", 1e12)
    assert quick == pytest.approx(caught_by_chance(*cells), rel=0.01)
    assert caught_by_chance(5e15, 4e16, 5e15, 4e16) == pytest.approx(0.5, abs=0.01)
    assert caught_by_chance(0.1, 0.2, 0.1, 0.3) == 1.0  # weights that are shares prove nothing


@pytest.mark.parametrize(
    ("x", "df"),
    [
        (3.841, 1),
        (5.991, 2),
        (7.815, 3),
        (9.488, 4),
        (11.070, 5),
        (18.307, 10),
        (67.505, 50),
        (124.342, 100),
    ],
)
def test_the_printed_table_of_chi_square(x, df):
    assert tails.chi_square_tail(x, df) == pytest.approx(0.05, abs=5e-5)


def rows(*cells):
    """Rows of a frequency table from (goods, bads) of each level."""
    counts = np.array([size for cell in cells for size in cell], float)
    codes = np.repeat(np.arange(len(cells)), 2).astype(np.int8)
    bad = np.tile([0, 1], len(cells)).astype(np.int8)
    some = counts > 0
    names = tuple(map(str, range(len(cells))))
    return Rows(names, codes[some], bad[some], counts=counts[some])


def test_chi_square_by_hand_and_where_there_is_nothing_to_compare():
    by_hand = math.erfc(math.sqrt(200 * 1000**2 / (100 * 100 * 90 * 110) / 2))
    assert levels_test(rows((50, 40), (50, 60), (0, 0))).p == pytest.approx(by_hand)
    assert math.isnan(levels_test(rows((50, 40))).p)
    assert levels_test(rows((1e7, 9), (9, 1e7))).p == 0.0  # no overflow
    lonely = risk.iv_table(book(["low"] * 4, [1, 0, 0, 0]), LEVEL, "bad").loc[LEVEL]
    assert (math.isnan(lonely["p_value"]), lonely["reading"]) == (True, "not significant")


@pytest.mark.parametrize("bads", [40, 45])
def test_the_same_information_value_is_read_in_a_larger_book_only(bads):
    small = grouped("x", [("a", 50, bads), ("b", 50, 100 - bads)])
    one, many = (
        risk.iv_table(f, "x", "bad", counts="w").loc["x"]
        for f in (small, small.assign(w=small["w"] * 10))
    )
    assert one["iv"] == pytest.approx(many["iv"])
    assert (one["reading"], many["reading"]) == (
        "not significant",
        "weak" if bads == 40 else "not predictive",
    )
    assert many["p_value"] < 0.05 < one["p_value"]
