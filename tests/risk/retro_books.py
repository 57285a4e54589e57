"""Made-up portfolios with a known effect beside a score, as arrays and as frames."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive.risk._engine.banded import Banded
from pandas_numberactive.risk._engine.book.bands import Bands
from pandas_numberactive.risk._engine.book.population import Population
from pandas_numberactive.simulator.loanbook import loan_book, seen_too_late, with_answers

LEVELS = ("low", "medium", "high", "no data")
SHARES = (0.25, 0.3, 0.3, 0.15)
CORRELATION = 0.4  # of the signal with the score
NAME = "phone_active_level"


def portfolio(rng, n, odds_ratio=1.0, base=0.1, correlation=CORRELATION, spread=0.8):
    """Draw scores, levels and outcomes; a step down in level multiplies the odds."""
    score = rng.standard_normal(n)
    level = levels_of(rng, score, correlation)
    step = np.log(odds_ratio) * np.array([1.0, 0.0, -1.0, 0.0])
    odds = step[level] - spread * score
    bits = rng.random(n) < 1 / (1 + np.exp(-(odds + centre(odds, base))))
    return score, level, bits.astype(np.int8)


def levels_of(rng, score, correlation=CORRELATION):
    """Draw levels that follow a score."""
    hidden = correlation * score + np.sqrt(1 - correlation**2) * rng.standard_normal(len(score))
    own = np.cumsum(SHARES[:3]) / sum(SHARES[:3])
    points = [NormalDist().inv_cdf(at) for at in own[:-1]]
    level = np.searchsorted(points, hidden)
    return np.where(rng.random(len(score)) < SHARES[3], 3, level)


def cell_shares(odds_ratio=1.0, base=0.1, correlation=CORRELATION, spread=0.8, cut=10):
    """Return the shares of goods and of bads by band and level of endless such portfolios."""
    fine = 400 * cut
    normal = NormalDist()
    score = np.array([normal.inv_cdf((at + 0.5) / fine) for at in range(fine)])
    own = np.cumsum(SHARES[:3]) / sum(SHARES[:3])
    noise = NormalDist(0, np.sqrt(1 - correlation**2))
    below = np.array(
        [[noise.cdf(normal.inv_cdf(at) - correlation * one) for at in own[:-1]] for one in score]
    )
    edges = np.column_stack([np.zeros(fine), below, np.ones(fine)])
    level = np.column_stack([np.diff(edges) * (1 - SHARES[3]), np.full(fine, SHARES[3])]) / fine
    step = np.log(odds_ratio) * np.array([1.0, 0.0, -1.0, 0.0])
    odds = step - spread * score[:, None]
    rate = 1 / (1 + np.exp(-(odds + centre(odds, base, level))))
    shape = (cut, fine // cut, len(SHARES))
    return (level * (1 - rate)).reshape(shape).sum(1), (level * rate).reshape(shape).sum(1)


def centre(odds, base, share=None):
    """Find the intercept with which the mean rate is the base rate, by Newton's steps."""
    weight = np.full(odds.shape, 1 / odds.size) if share is None else share
    at = np.log(base / (1 - base))
    for _ in range(30):
        rate = 1 / (1 + np.exp(-(odds + at)))
        step = (base - (weight * rate).sum()) / (weight * rate * (1 - rate)).sum()
        at += step
        if abs(step) < 1e-13:
            break
    return at


def banded(score, level, bits, cut=10, cluster=None, weight=None):
    """Put arrays into the shape that the questions work on."""
    rows = Population(
        LEVELS,
        level.astype(np.int8),
        bits.astype(np.int8),
        weight,
        None,
        cluster,
        NAME,
        3,
        True,
        np.arange(len(level)),
    )
    points = np.quantile(score, np.arange(1, cut) / cut)
    codes = np.searchsorted(points, score, side="right").astype(np.int64)
    return Banded(rows, Bands(codes, tuple(str(at + 1) for at in range(cut)), cut))


def frame(score, level, bits, *, lag_days=0):
    """Put arrays into a frame as enrich makes it, bought `lag_days` after the decision."""
    n = len(level)
    applied = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n) % 500, unit="D")
    words = [None if one == 3 else LEVELS[one] for one in level]
    status = np.where(level == 3, "no_data", "answered")
    bought = applied + pd.to_timedelta(np.broadcast_to(lag_days, n), unit="D")
    return pd.DataFrame(
        {
            "defaulted": bits.astype(int),
            "score": score,
            "applied": applied.as_unit("us"),
            "product": np.where(np.arange(n) % 3, "micro", "pay later"),
            NAME: pd.Categorical(words, dtype=pna.ACTIVE_LEVEL),
            "phone_lookup_status": pd.Categorical(status, dtype=pna.LOOKUP_STATUS),
            "phone_looked_up_at": bought.as_unit("us").tz_localize("UTC"),
        }
    )


def drifting(rng, n, grows=6.0, moves=(0.1, 0.7)):
    """Make a book of a year in which bad odds and the share of "low" both grow, each alone.

    Among people of one month the level says nothing of the outcome.
    """
    month = rng.integers(0, 12, n)
    score = rng.standard_normal(n)
    low = rng.random(n) < moves[0] + (moves[1] - moves[0]) * month / 11
    level = np.where(low, 0, rng.integers(1, 3, n))
    odds = np.log(grows) * month / 11 - 0.8 * score
    bits = rng.random(n) < 1 / (1 + np.exp(-(odds + centre(odds, 0.12))))
    day = pd.Timestamp("2024-01-10") + pd.to_timedelta(30 * month, unit="D")
    bought = day.as_unit("us").tz_localize("UTC")
    loans = frame(score, level, bits)
    return loans.assign(applied=day.as_unit("us"), phone_looked_up_at=bought)


TERMS = {
    "target": "defaulted",
    "as_of": "application_date",
    "score": "score",
    "margin": 800_000,
    "loss": 6_000_000,
    "unit_price": 500,
    "segment": "product",
}
DECISIONS = {
    "null": {"NOT ENOUGH DATA", "DO NOT BUY"},
    "real": {"BUY"},
    "late": {"NOT ENOUGH DATA"},
    "small": {"NOT ENOUGH DATA"},
}


def four_books(n=10_000):
    """Make loan books of the simulator: without an effect, with one, all late, and too small."""
    real = with_answers(loan_book(n, seed=1))
    return {
        "null": of_others(real),
        "real": real,
        "late": seen_too_late(real, share=1.0),
        "small": real.head(300),
    }


def of_others(loans):
    """Give each loan the answer of another one, on its own day: they say nothing about it."""
    out = loans.copy()
    order = np.random.default_rng(5).permutation(len(out))
    for name in ("telco_type", "active_level", "frequency_grade", "lookup_status"):
        out[f"phone_{name}"] = loans[f"phone_{name}"].iloc[order].array
    asked = out["phone_lookup_status"].isin(["answered", "no_data"])
    days = out["application_date"].dt.tz_localize("UTC").dt.as_unit("us")
    return out.assign(phone_looked_up_at=days.where(asked))
