"""iv_table's separation, by_period, segments and lateness."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine import strata
from pandas_numberactive.risk._engine.book.population import population
from pandas_numberactive.risk._engine.stats import ranking
from pandas_numberactive.risk._engine.stats.covariance import Rows
from tests.risk.books import LEVEL, book, grouped


@pytest.fixture
def loans():
    """3,000 loans of which low ones default most, in three months and two cities."""
    rng = np.random.default_rng(11)
    codes = rng.integers(0, 3, 3000)
    rate = np.array([0.3, 0.15, 0.08])[codes]
    days = pd.Timestamp("2026-01-10") + pd.to_timedelta(30 * rng.integers(0, 3, 3000), unit="D")
    return pd.DataFrame(
        {
            LEVEL: pd.Categorical.from_codes(codes, dtype=pna.ACTIVE_LEVEL),
            "bad": (rng.random(3000) < rate).astype(int),
            "day": days,
            "city": rng.choice(["Jakarta", "Medan"], 3000, p=[0.7, 0.3]),
            "score": rng.normal(size=3000),
        }
    )


def test_the_area_is_its_definition():
    """Each pair of a bad and a good: who stands in the earlier level? Ties count half."""
    frame = book(["low", "low", "medium", "high", "high"], [1, 0, 1, 1, 0])
    row = risk.iv_table(frame, LEVEL, "bad").loc[LEVEL]
    code = frame[LEVEL].cat.codes.to_numpy()
    pairs = [
        1.0 if code[b] < code[g] else 0.5 * (code[b] == code[g]) for b in (0, 2, 3) for g in (1, 4)
    ]
    assert row["auc"] == pytest.approx(np.mean(pairs))
    assert row["gini"] == pytest.approx(2 * row["auc"] - 1)
    assert row["gini_low"] == pytest.approx(2 * row["auc_low"] - 1)


def test_delongs_variance_is_its_definition():
    """The variances of the placement values, pair by pair."""
    rng = np.random.default_rng(2)
    codes, bad = rng.integers(0, 4, 200), (rng.random(200) < 0.3).astype(np.int8)
    rows = Rows(tuple("abcd"), codes.astype(np.int8), bad)
    b, g = codes[bad == 1], codes[bad == 0]
    wins = (b[:, None] < g[None, :]) + 0.5 * (b[:, None] == g[None, :])
    area = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / len(b) + wins.mean(axis=0).var(ddof=1) / len(g)
    half = 1.959963984540054 * math.sqrt(variance) / (area * (1 - area))
    low = 1 / (1 + math.exp(-(math.log(area / (1 - area)) - half)))
    found = ranking.auc(rows)
    assert (found.value, found.low) == pytest.approx((area, low), rel=1e-12)


def test_the_area_of_a_copied_book_is_no_surer():
    rng = np.random.default_rng(5)
    rows = Rows(
        tuple("abc"),
        rng.integers(0, 3, 400).astype(np.int8),
        (rng.random(400) < 0.2).astype("int8"),
    )
    four = rows.take(np.repeat(np.arange(400), 4))
    copied = Rows(four.levels, four.codes, four.bad, cluster=np.repeat(np.arange(400), 4))
    one, other = ranking.auc(rows), ranking.auc(copied)
    assert other.value == pytest.approx(one.value)
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=2e-3)


def test_levels_without_an_order_have_no_area():
    frame = grouped(
        "x", [("a", 500, 60), ("b", 500, 20), ("c", 500, 90)], pd.CategoricalDtype(["a", "b", "c"])
    )
    row = risk.iv_table(frame, "x", "bad", counts="w").loc["x"]
    assert row[["auc", "gini", "gini_low"]].isna().all()
    assert row["ks"] == pytest.approx(150 / 170 - 1000 / 1500)  # a and c against b
    assert row["ks_low"] < row["ks"] < row["ks_high"]


def test_each_month_has_its_rates_and_its_odds_ratio(loans):
    table = risk.by_period(loans, LEVEL, "bad", "day")
    months = list(table.index.unique("period"))
    assert months == [
        pd.Period("2026-01", "M"),
        pd.Period("2026-02", "M"),
        pd.Period("2026-03", "M"),
    ]
    here = loans[loans["day"].dt.month == 2]
    alone = risk.risk_table(here, LEVEL, "bad", missing="drop").loc[LEVEL]
    lines = table.loc[(LEVEL, months[1])]
    assert lines.loc["low", "bad_rate_low"] == pytest.approx(alone.loc["low", "bad_rate_low"])
    assert lines.loc["total", "n"] == len(here)
    assert lines.loc["total", "odds_ratio"] > 1.5
    assert table.drop("total", level="level")["odds_ratio"].isna().all()


def test_an_effect_that_stops_is_not_homogeneous(loans):
    """From February on the levels say nothing: outcomes are shuffled."""
    late = (loans["day"].dt.month > 1).to_numpy()
    broken = loans.copy()
    broken.loc[late, "bad"] = np.random.default_rng(1).permutation(loans.loc[late, "bad"])
    tests = risk.by_period(broken, LEVEL, "bad", "day").tests.loc[LEVEL]
    assert tests["p_value"] < 0.001
    assert risk.by_period(loans, LEVEL, "bad", "day").tests.loc[LEVEL, "p_value"] > 0.05
    html = risk.by_period(broken, LEVEL, "bad", "day")._repr_html_()
    assert "p value &lt; 0.001" in html


def test_an_odds_ratio_of_two_levels_is_that_of_the_table():
    """(30 * 190) / (10 * 170), with Woolf's variance."""
    frame = grouped("x", [("a", 170, 30), ("b", 190, 10)])
    found = risk.segments(frame.assign(city="all"), "x", "bad", "city", counts="w")
    row = found.loc[("x", "all")]
    assert row["odds_ratio"] == pytest.approx(30 * 190 / (10 * 170))
    spread = math.sqrt(1 / 30 + 1 / 190 + 1 / 10 + 1 / 170)
    assert row["odds_ratio_low"] == pytest.approx(
        30 * 190 / (10 * 170) * math.exp(-1.959963984540054 * spread)
    )


def test_the_effect_within_score_bands_is_less_than_without(loans):
    """The score knows the outcome well: what is left to the signal is what it adds."""
    known = loans.assign(score=-loans["bad"] + loans[LEVEL].cat.codes * 2.0)
    plain = risk.segments(known, LEVEL, "bad", "city")
    within = risk.segments(known, LEVEL, "bad", "city", score="score", cut=3)
    assert within["odds_ratio"].iloc[0] != pytest.approx(plain["odds_ratio"].iloc[0], rel=0.01)
    assert within["n"].equals(plain["n"])


def test_whose_approval_changes_is_a_ratio_to_the_largest_segment(loans):
    loans = loans.copy()
    jakarta = (loans["city"] == "Jakarta").to_numpy()
    loans.loc[~jakarta, LEVEL] = np.where(np.arange((~jakarta).sum()) % 2, "low", "high")
    table = risk.segments(loans, LEVEL, "bad", "city").loc[LEVEL]
    share = (loans.loc[jakarta, LEVEL] == "low").mean()
    assert table.loc["Jakarta", ["approved", "approved_ratio"]].tolist() == pytest.approx(
        [1 - share, 1.0]
    )
    assert table.loc["Medan", "approved_ratio"] == pytest.approx(0.5 / (1 - share), abs=0.01)


def test_small_segments_have_no_odds_ratio(loans):
    loans = loans.assign(city=["Jakarta"] * 2990 + ["Ende"] * 9 + [None])
    table = risk.segments(loans, LEVEL, "bad", "city").loc[LEVEL]
    assert table.loc[["Ende", "missing"], "odds_ratio"].isna().all()
    assert table["n"].to_dict() == {"Ende": 9, "Jakarta": 2990, "missing": 1}
    with pytest.raises(RiskInputError, match="at most 50 segments"):
        risk.segments(loans.assign(city=range(3000)), LEVEL, "bad", "city")


def test_repeat_customers_widen_the_odds_ratio(loans):
    four = loans.loc[loans.index.repeat(4)].assign(who=lambda df: df.index)
    once = risk.segments(loans, LEVEL, "bad", "city")
    again = risk.segments(four, LEVEL, "bad", "city", cluster="who")
    for name in ("odds_ratio", "odds_ratio_low", "odds_ratio_high"):
        assert again[name].to_numpy() == pytest.approx(once[name].to_numpy(), rel=0.03)


def dated_by_lag(loans, lags):
    bought = (loans["day"] + pd.to_timedelta(lags, unit="D")).dt.tz_localize("UTC")
    return loans.assign(phone_looked_up_at=bought.dt.as_unit("us"))


def test_lags_are_counted_from_the_end_of_the_day(loans):
    """0 and 7 days are fresh, an answer before the decision, too."""
    lags = np.resize([-20, 0, 7, 29, 59, 89, 179, 400], len(loans))
    table = risk.lateness(dated_by_lag(loans, lags), LEVEL, "bad", as_of="day", tz="UTC")
    assert table["n"].tolist() == [1125, 375, 375, 375, 375, 375]


def test_a_signal_that_grows_with_the_lag_is_told(loans):
    lags = np.where(np.arange(len(loans)) % 2, 300, 0)
    frame = dated_by_lag(loans, lags)
    assert risk.lateness(frame, LEVEL, "bad", as_of="day").tests["verdict"].item() == "clean"
    gone = (lags > 0) & (frame["bad"] == 1) & (np.random.default_rng(3).random(3000) < 0.6)
    frame.loc[gone, LEVEL] = "low"
    tests = risk.lateness(frame, LEVEL, "bad", as_of="day").tests.loc[LEVEL]
    assert tests["verdict"] == "grows with the lag: use the fresh rows"
    assert tests["growth_low"] > 1


def test_a_signal_that_fades_with_the_lag_is_told(loans):
    lags = np.where(np.arange(len(loans)) % 2, 300, 0)
    frame = dated_by_lag(loans, lags)
    late = lags > 0
    frame.loc[late, "bad"] = np.random.default_rng(1).permutation(frame.loc[late, "bad"])
    frame.loc[late & (frame[LEVEL] == "low") & (np.arange(3000) % 3 == 1), "bad"] = 0
    tests = risk.lateness(frame, LEVEL, "bad", as_of="day").tests.loc[LEVEL]
    assert tests["growth"] < 1
    assert tests["verdict"].endswith("use the fresh rows")


def test_levels_count_by_their_bad_rates():
    """The highest stands 1 above the mean of the others, and a level of few rows says nothing."""
    levels = ["low"] * 100 + ["medium"] * 100 + ["high"] * 2
    found = population(book(levels, [1, 0, 0, 0] * 50 + [1, 1]), LEVEL, "bad")
    plain = found.restricted(found.codes < 2)
    assert strata.by_bad_rate(plain).tolist()[:2] == pytest.approx([0.0, 0.0])
    found = population(book(levels, [1, 0] * 50 + [1, 0, 0, 0] * 25 + [1, 1]), LEVEL, "bad")
    numbers = strata.by_bad_rate(found)
    n = np.array([0.0, 100, 2])
    assert numbers[0] == 1
    assert n @ numbers[:3] / n.sum() == pytest.approx(0.0)
    assert numbers[1] < numbers[2] < 1


def test_a_small_late_book_is_not_called_clean(loans):
    """These rows would not have shown a doubling either."""
    frame = dated_by_lag(loans, np.where(np.arange(len(loans)) % 2, 300, 0)).iloc[::3]
    tests = risk.lateness(frame, LEVEL, "bad", as_of="day").tests
    assert tests["verdict"].item() == "too few fresh rows: cannot tell"
    fresh = risk.lateness(dated_by_lag(loans, np.zeros(3000)), LEVEL, "bad", as_of="day").tests
    assert fresh["verdict"].item() == "clean"


def test_an_answer_without_its_day_is_refused(loans):
    """It would stand among those of 180 days and more."""
    frame = dated_by_lag(loans, np.where(np.arange(len(loans)) % 2, 300, 0))
    frame.loc[:4, "phone_looked_up_at"] = pd.NaT
    with pytest.raises(RiskInputError, match="5 rows hold an answer but no"):
        risk.lateness(frame, LEVEL, "bad", as_of="day")


def test_without_fresh_rows_nobody_can_tell(loans):
    frame = dated_by_lag(loans, np.full(3000, 200))
    tests = risk.lateness(frame, LEVEL, "bad", as_of="day").tests
    assert tests["verdict"].item() == "no fresh rows: cannot tell"
    with pytest.raises(RiskInputError, match="date of the decision"):
        risk.lateness(frame, LEVEL, "bad")


KINDS = {
    "independent": {},
    "repeat customers": {"cluster": "who"},
    "weights": {"weight": "w"},
    "counts": {"counts": "w"},
    "both": {"cluster": "who", "weight": "w"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_fitted_at_once_are_those_fitted_alone(loans, kind):
    """Each part has a model of its own, one band and its sandwich, as with bands."""
    frame = loans.assign(
        who=lambda df: np.where(df["city"] == "Jakarta", df.index, -1 - df.index // 3),
        w=lambda df: np.where(df["bad"] == 1, 1.0, 3.0),
    )
    found = population(frame, LEVEL, "bad", missing="drop", **KINDS[kind])
    parts = frame["city"].astype("category").cat.codes.to_numpy()[found.at].astype(np.int64)
    parts[:3] = parts.max() + 1  # too few to estimate
    count = int(parts.max()) + 1
    of = strata.feature(found)
    at_once = strata.effects(found, parts, count, of)
    alone = strata.effects(found, parts, count, of, np.zeros(len(found), np.int64))
    assert [one.log_odds for one in at_once] == pytest.approx(
        [one.log_odds for one in alone], rel=1e-8, nan_ok=True
    )
    assert [one.variance for one in at_once] == pytest.approx(
        [one.variance for one in alone], rel=1e-8, nan_ok=True
    )
    assert math.isnan(at_once[-1].log_odds)
    assert not math.isnan(at_once[0].log_odds)


def test_a_part_with_one_level_has_no_effect():
    frame = book(["low"] * 40, [1, 0] * 20, city="x")
    found = risk.segments(frame, LEVEL, "bad", "city")
    assert found["odds_ratio"].isna().all()
    assert math.isnan(strata.homogeneity([strata.NO_EFFECT]).p)


def test_weights_change_the_odds_ratio_as_repeated_rows_do(loans):
    weighted = loans.assign(w=np.where(loans["bad"] == 1, 1.0, 3.0))
    many = loans.loc[loans.index.repeat(weighted["w"].astype(int))]
    one = risk.segments(weighted, LEVEL, "bad", "city", weight="w")["odds_ratio"]
    other = risk.segments(many, LEVEL, "bad", "city")["odds_ratio"]
    assert one.to_numpy() == pytest.approx(other.to_numpy(), rel=1e-6)


def test_an_interval_without_end_is_infinite():
    """A part whose odds ratio is nearly free of bounds has an end beyond the doubles."""
    effect = strata.Effect(2.0, 1e6)
    odds, low, high = effect.odds_ratio
    assert (odds, low, high) == (pytest.approx(math.exp(2)), 0.0, math.inf)


def test_a_table_without_rows_has_no_periods(loans):
    with pytest.raises(RiskInputError, match="has no rows"):
        risk.by_period(loans.head(0), LEVEL, "bad", "day")


@pytest.mark.parametrize("freq", ["X", "MS", 5])
def test_a_period_of_no_length_is_refused(loans, freq):
    with pytest.raises(RiskInputError, match="freq is the length of a period"):
        risk.by_period(loans, LEVEL, "bad", "day", freq=freq)


@pytest.mark.parametrize("wrong", [["bad"], {}])
def test_a_column_is_named_by_its_name(loans, wrong):
    with pytest.raises(RiskInputError, match="named by its name"):
        risk.iv_table(loans, LEVEL, wrong)


def test_a_level_that_is_a_number_is_no_level(loans):
    with pytest.raises(RiskInputError, match="no level '5'"):
        risk.value(loans, LEVEL, "bad", unit_price=500, decline=5)
