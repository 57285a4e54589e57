"""The shared ground of the risk questions: population, covariance, tests."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.errors import RiskInputError, RiskWarning
from pandas_numberactive.risk._engine.book.population import population, populations
from pandas_numberactive.risk._engine.stats import covariance, significance
from pandas_numberactive.risk._engine.stats.covariance import Rows
from tests.risk.books import LEVEL, book

STATUSES = ["answered", "answered", "no_data", "failed", "invalid", "not_bought"]


def random_rows(seed, n=300, *, weight=False, customers=0, counts=False):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, n).astype(np.int8)
    return Rows(
        ("a", "b", "c"),
        codes,
        (rng.random(n) < 0.2).astype(np.int8),
        rng.uniform(0.5, 9, n) if weight else None,
        rng.integers(1, 5, n).astype(float) if counts else None,
        rng.permutation(np.arange(n) % customers) if customers else None,
    )


def test_only_asked_rows_are_the_population():
    """No data was asked and paid for; a failure and a row never asked stand apart."""
    frame = book(["low", "high", None, None, None, None], [1, 0, 0, 1, 0, 1], STATUSES)
    found = population(frame, LEVEL, "bad")
    assert found.levels == ("low", "medium", "high", "no data")
    assert found.at.tolist() == [0, 1, 2]
    assert found.codes.tolist() == [0, 2, 3]
    assert found.left_out == {"not asked": 2, "failed": 1}
    assert found.apart.cells()[1].tolist() == [1, 1]


def test_without_a_status_rows_without_a_level_stand_apart():
    found = population(book(["low", "high", None], [1, 0, 0]), LEVEL, "bad")
    assert (found.levels, found.left_out) == (("low", "medium", "high"), {"missing": 1})


def test_customers_are_found_by_their_number():
    """Two spellings of one number are one customer, an unreadable one is nobody else's."""
    frame = book(["low", "high", "low", "low"], [1, 0, 0, 1])
    frame["phone"] = ["0811 8899 532", "+62 811-8899-532", "nobody", None]
    assert population(frame, LEVEL, "bad").cluster.tolist() == [0, 0, 1, 2]
    assert population(frame, LEVEL, "bad", cluster=None).cluster is None
    named = frame.assign(who=["a", "b", "c", "c"])
    assert population(named, LEVEL, "bad", cluster="who").cluster.tolist() == [0, 1, 2, 2]


def test_customers_of_one_loan_each_are_independent_rows():
    frame = book(["low", "high"], [1, 0]).assign(who=["a", "b"])
    assert population(frame, LEVEL, "bad", cluster="who").plain


def test_a_weight_and_a_count_exclude_each_other():
    frame = book(["low", "high"], [1, 0], w=[1, 2])
    with pytest.raises(RiskInputError, match="give one"):
        population(frame, LEVEL, "bad", weight="w", counts="w")
    with pytest.raises(RiskInputError, match="whole numbers"):
        population(frame.assign(w=0.5), LEVEL, "bad", counts="w")


def test_too_few_bads_are_refused_in_words():
    with pytest.raises(RiskInputError, match="Only 1 of the rows asked for .* are bad"):
        population(book(["low", "high", "low"], [1, 0, 0]), LEVEL, "bad", least=30)


def test_unsettled_outcomes_are_refused():
    frame = book(["low", "high"], [1, 0], ["answered"] * 2)
    frame["phone_looked_up_at"] = pd.Timestamp.now("UTC")
    frame["applied"] = pd.Timestamp.now("UTC")
    with pytest.raises(RiskInputError, match="2 rows were decided less than 90D ago"):
        population(frame, LEVEL, "bad", as_of="applied", mature="90D")
    assert len(population(frame, LEVEL, "bad", as_of="applied")) == 2
    with pytest.raises(RiskInputError, match="mature= needs as_of="):
        population(frame, LEVEL, "bad", mature="90D")


def test_a_reversed_target_is_pointed_out():
    frame = book(["low", "high"] * 100, ([1] * 9 + [0]) * 20)
    with pytest.warns(RiskWarning, match="90% of the rows are bad"):
        population(frame, LEVEL, "bad")
    assert population(frame, LEVEL, "bad", bad=1).bad.mean() == 0.9


def test_one_signal_at_a_time_where_one_is_asked_for():
    frame = book(["low", "high"], [1, 0]).assign(
        phone_telco_type=pd.Categorical(["prepaid"] * 2, dtype=pna.TELCO_TYPE)
    )
    assert len(populations(frame, "all", "bad")) == 2
    with pytest.raises(RiskInputError, match="one signal at a time"):
        population(frame, "all", "bad")


@pytest.mark.parametrize("options", [{}, {"weight": True}, {"customers": 40}], ids=str)
def test_the_rates_covariance_is_its_definition(options):
    """Scores summed customer by customer, in a loop."""
    rows = random_rows(1, **options)
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    who = np.arange(len(rows)) if rows.cluster is None else rows.cluster
    rates, found = covariance.rates_covariance(rows)
    sums = {}
    for i, level in enumerate(rows.codes):
        mine = sums.setdefault(who[i], np.zeros(3))
        total = weight[rows.codes == level].sum()
        mine[level] += weight[i] * (rows.bad[i] - rates[level]) / total
    expected = sum(np.outer(one, one) for one in sums.values()) * len(sums) / (len(sums) - 1)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dense", [0, 1000])
@pytest.mark.parametrize("customers", [0, 40])
def test_squares_of_customers_are_their_definition(monkeypatch, dense, customers):
    """Whether the table of customers by level is made or not."""
    monkeypatch.setattr(covariance, "DENSE", dense)
    rows = random_rows(5, customers=customers)
    values = np.random.default_rng(6).normal(size=len(rows))
    wanted = (covariance.level_sums(rows, values) ** 2).sum(axis=0)
    assert covariance.level_squares(rows, values) == pytest.approx(wanted, rel=1e-12)


def test_counts_are_repeated_rows():
    rows = random_rows(2, counts=True)
    many = rows.take(np.repeat(np.arange(len(rows)), rows.counts.astype(int)))
    plain = Rows(many.levels, many.codes, many.bad)
    for one, other in zip(
        covariance.rates_covariance(rows), covariance.rates_covariance(plain), strict=True
    ):
        assert one == pytest.approx(other, rel=1e-12)
    assert significance.levels_test(rows).p == pytest.approx(significance.levels_test(plain).p)


def test_the_robust_tests_are_near_the_textbook_on_plain_rows():
    rows = random_rows(3, 20_000)
    once = Rows(rows.levels, rows.codes, rows.bad, np.ones(len(rows)))
    assert significance.levels_test(once).chi2 == pytest.approx(
        significance.levels_test(rows).chi2, rel=0.01, abs=0.01
    )
    assert significance.trend_test(once)[0] == pytest.approx(
        significance.trend_test(rows)[0], rel=0.01, abs=0.01
    )


def test_a_copied_book_tells_no_more_than_the_book():
    """Each loan eight times over, under one customer, is the same evidence as once."""
    rows = random_rows(4, 2_000)
    eight = rows.take(np.repeat(np.arange(2_000), 8))
    copied = Rows(eight.levels, eight.codes, eight.bad, cluster=np.repeat(np.arange(2_000), 8))
    assert significance.levels_test(copied).chi2 == pytest.approx(
        significance.levels_test(rows).chi2, rel=0.05
    )
    low, high = covariance.intervals(copied)
    assert low == pytest.approx(covariance.intervals(rows)[0], rel=0.01)
    assert high == pytest.approx(covariance.intervals(rows)[1], rel=0.01)


@pytest.mark.parametrize(
    ("n", "groups"),
    [
        ([500, 500, 500], [0, 1, 2]),
        ([600, 500, 2], [0, 1, 1]),
        ([500, 30, 30], [0, 1, 1]),
        ([500, 0, 500], [0, -1, 1]),
        ([10, 10, 10], [0, 0, 0]),
    ],
)
def test_levels_below_five_expected_bads_are_pooled(n, groups):
    bads = np.array(n) * 0.1
    assert significance.pool(np.array(n) - bads, bads).tolist() == groups


def test_holm_by_hand():
    corrected = significance.holm([0.01, math.nan, 0.04, 0.03])
    assert corrected[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(corrected[1])
