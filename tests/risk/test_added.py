"""incremental: the signal's own contribution beside the score."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pandas_numberactive import risk
from pandas_numberactive.errors import RiskInputError
from tests.risk.retro_books import NAME, frame, portfolio

KEEP = {"late": "keep", "cluster": None}


@pytest.fixture
def real():
    """A signal that adds an odds ratio of 2 a step."""
    return frame(*portfolio(np.random.default_rng(1), 4_000, 2.0))


@pytest.fixture
def follower():
    """A signal that follows the score, and has no effect of its own."""
    return frame(*portfolio(np.random.default_rng(2), 5_000, 1.0, correlation=0.6))


def test_a_real_signal_adds(real):
    """Its odds ratio and its gain in Gini have intervals above nothing."""
    line = risk.incremental(real, NAME, "defaulted", score="score", **KEEP).iloc[0]
    assert line["adds"]
    assert line["level"] == "low"
    assert line["odds_ratio_low"] > 1.5
    assert 0 < line["d_gini_low"] <= line["d_gini"] <= line["d_gini_high"]


def test_a_follower_of_the_score_adds_nothing(follower):
    """It separates good from bad on its own; given the score nothing is left (A8)."""
    assert risk.iv_table(follower, NAME, "defaulted", **KEEP)["p_value"].item() < 1e-6
    line = risk.incremental(follower, NAME, "defaulted", score="score", **KEEP).iloc[0]
    assert not line["adds"]
    assert line["d_gini_low"] == 0


def test_both_methods_agree(real):
    """The conditional test and the likelihood ratio are near on large rows."""
    one, other = (
        risk.incremental(real, NAME, "defaulted", score="score", method=method, **KEEP).iloc[0]
        for method in ("cmh", "lr")
    )
    assert one["df"] == other["df"] == 3
    assert one["chi2"] == pytest.approx(other["chi2"], rel=0.15)


def test_repeat_customers_widen_the_interval(real):
    """Each loan four times, under one number, proves no more than once."""
    four = real.loc[real.index.repeat(4)].reset_index(drop=True)
    four["person"] = np.repeat(np.arange(len(real)), 4)
    keep = {"score": "score", "late": "keep"}
    once = risk.incremental(real, NAME, "defaulted", cluster=None, **keep).iloc[0]
    again = risk.incremental(four, NAME, "defaulted", cluster="person", **keep).iloc[0]
    assert again["chi2"] == pytest.approx(once["chi2"], rel=0.15)
    assert again["odds_ratio_low"] == pytest.approx(once["odds_ratio_low"], rel=0.03)


def test_own_bands_and_a_cut_score_agree(real):
    """Bands of your own give the same figures as the same bands cut from the score."""
    points = np.quantile(real["score"], np.arange(1, 10) / 10)
    real["grade"] = np.searchsorted(points, real["score"], side="right")
    cut = risk.incremental(real, NAME, "defaulted", score="score", **KEEP).iloc[0]
    own = risk.incremental(real, NAME, "defaulted", bands="grade", **KEEP).iloc[0]
    assert own["chi2"] == pytest.approx(cut["chi2"], rel=1e-12)


def test_rows_without_a_score_are_a_band(real):
    """They stay in the population."""
    real.loc[:99, "score"] = np.nan
    line = risk.incremental(real, NAME, "defaulted", score="score", **KEEP).iloc[0]
    assert line["n"] == len(real)


def test_without_a_score_it_refuses(real):
    """There is nothing to compare with."""
    with pytest.raises(RiskInputError, match="compared with"):
        risk.incremental(real, NAME, "defaulted", **KEEP)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"score": "score", "bands": "product"}, "give one"),
        ({"score": "product"}, "not a number"),
        ({"score": "score", "cut": 1}, "2 to 50"),
        ({"score": "score", "method": "wald"}, "cmh"),
    ],
)
def test_a_wrong_option_is_refused_in_words(real, options, words):
    """The message says how to mend it."""
    with pytest.raises(RiskInputError, match=words):
        risk.incremental(real, NAME, "defaulted", **KEEP, **options)


def test_lr_refuses_dependent_rows(real):
    """Its formula takes rows as independent."""
    real["w"] = 2.0
    with pytest.raises(RiskInputError, match="independent"):
        risk.incremental(real, NAME, "defaulted", score="score", weight="w", method="lr", **KEEP)


def test_fewer_than_thirty_bads_are_refused(real):
    """No figure comes out of a handful."""
    few = real[real["defaulted"] == 0].head(300)
    few = few.assign(defaulted=np.r_[np.ones(10, int), np.zeros(290, int)])
    with pytest.raises(RiskInputError, match="at least 30"):
        risk.incremental(few, NAME, "defaulted", score="score", **KEEP)


def test_a_million_rows_take_seconds():
    """Counts of cells are all that the formulas need."""
    rows = frame(*portfolio(np.random.default_rng(3), 1_000_000, 1.2))
    started = time.process_time()
    risk.incremental(rows, NAME, "defaulted", score="score", **KEEP)
    risk.swap_set(rows, NAME, "defaulted", score="score", **KEEP)
    assert time.process_time() - started < 6  # 3 s each
