"""Simulations of the retro test: python -m tests.risk.simulate_retro [portfolios] [section].

Prints the table that is committed as simulations_retro.md. The short forms stand in
test_simulated_retro.py.
"""

from __future__ import annotations

import datetime
import math
import os
import sys
from dataclasses import dataclass

import numpy as np

from pandas_numberactive.risk import RetroTest, incremental, sample_size
from pandas_numberactive.risk._engine import added, lag, payoff, ratios
from pandas_numberactive.risk._engine.lag import Lag
from pandas_numberactive.risk._engine.payoff import Stakes, paid_out
from pandas_numberactive.risk._engine.stats.cells import (
    RANKED,
    band_rates,
    both_rates,
    curve,
    gini,
    ginis,
    with_levels,
)
from pandas_numberactive.risk._engine.stats.logistic import fit_many, rates
from pandas_numberactive.risk._engine.stats.sequential import bounds, conditional_power
from pandas_numberactive.risk._engine.stats.significance import holm
from pandas_numberactive.risk._engine.stats.tails import normal_tail
from pandas_numberactive.risk._engine.strata import worst_level
from pandas_numberactive.risk._report.evidence import gather
from pandas_numberactive.risk._report.rule import Decision, Finding, decide
from pandas_numberactive.risk._retro.pilot import HOPELESS_BELOW
from pandas_numberactive.risk.prices import Worth
from tests.risk.retro_books import (
    NAME,
    SHARES,
    TERMS,
    banded,
    cell_shares,
    drifting,
    frame,
    levels_of,
    portfolio,
)

STAKES = Stakes(800_000, 6_000_000)
CHANCE = 0.05


def rngs(count, seed):
    """One stream a portfolio, so that a cell can be run again alone."""
    return (np.random.default_rng([seed, at]) for at in range(count))


@dataclass(frozen=True)
class Line:
    """A line of the table: a cell, a figure in it, its target, and what was seen."""

    cell: str
    figure: str
    target: str
    seen: str

    def __str__(self):
        return f"| {self.cell} | {self.figure} | {self.target} | {self.seen} |"


def share(hits):
    return f"{100 * np.mean(hits):.1f}%"


# --- false positives and power of the test


def false_positives(count, how):
    return np.mean([_null(rng, how).association().p < CHANCE for rng in rngs(count, 1)])


def same_everywhere(count, how):
    """Return how often one odds ratio looks different by band, by month, and in one segment."""
    hits = []
    for rng in rngs(count, 11):
        one = _null(rng, how)
        people = one.customers
        month = rng.integers(0, 12, people.max() + 1)[people]
        level = worst_level(one.rows)
        part = ratios.parts(one, month % 3, ("a", "b", "c"), level)[0]
        months = ratios.homogeneous(one, month, 12, level)
        hits.append([test.p < CHANCE for test in (one.homogeneity(level), months, part.test)])
    return np.mean(hits, axis=0)


def piled(count, n=3_000):
    """Return how often a signal that follows a score of 6% ones and 94% zeros adds to it."""
    hits = []
    for rng in rngs(count, 12):
        score = (rng.random(n) < 0.06).astype(float)
        level = np.clip(rng.choice(3, n, p=[0.3, 0.4, 0.3]) - score * rng.integers(0, 2, n), 0, 2)
        bits = rng.random(n) < np.where(score > 0, 0.4, 0.06)
        loans = frame(score, level.astype(int), bits)
        found = incremental(loans, NAME, "defaulted", score="score", late="keep")
        hits.append(bool(found["adds"].item()))
    return np.mean(hits)


def _null(rng, how, n=5_000):
    if how == "repeat":
        people = portfolio(rng, n // 4)
        score, level = (np.repeat(one, 4) for one in people[:2])
        ill = np.repeat(rng.random(n // 4) < 0.25, 4)
        bits = (rng.random(n) < np.where(ill, 0.3, 0.033)).astype(np.int8)
        return banded(score, level, bits, cluster=np.repeat(np.arange(n // 4), 4))
    score, level, bits = portfolio(rng, n)
    if how == "weights":
        weight = np.where(rng.random(n) < 0.1, 10.0, 1.0)
        return banded(score, level, bits, weight=weight)
    return banded(score, level, bits)


def power_against_formula(count, odds_ratio, test):
    """Return the power seen with the size that the formula gives, for 80%."""
    plan = sample_size(0.1, SHARES_OF_THREE, odds_ratio, test=test)
    hits = []
    for rng in rngs(count, 2):
        score, level, bits = portfolio(
            rng, int(plan.answered / 0.85), odds_ratio, correlation=0.0, spread=0.0
        )
        own = level < 3
        one = banded(score[own], level[own], bits[own], cut=2)
        if test == "trend":
            top, variance = one.trend()
            hits.append(normal_tail(top / math.sqrt(variance)) < CHANCE)
        else:
            hits.append(one.association().p < CHANCE)
    return np.mean(hits)


SHARES_OF_THREE = (0.25 / 0.85, 0.3 / 0.85, 0.3 / 0.85)


# --- gain in Gini


def true_gain(odds_ratio, scored=RANKED):
    """Return the gain in Gini of endless rows, by quadrature."""
    goods, bads = cell_shares(odds_ratio, cut=scored or 10)
    alone, both = ginis(goods[None], bads[None], scored)
    return float(both[0] - alone[0])


def gains(count, n, odds_ratio, scored=RANKED):
    """Return d_gini's bias and its standard error, its coverage, and that where significant.

    The ranking of endless rows has a gain of known mean in each portfolio. Its own error there is
    taken off the estimate's, so that fewer portfolios show a bias.
    """
    truth = true_gain(odds_ratio, scored)
    shares = cell_shares(odds_ratio, cut=scored or 10)
    gaps, held, where = [], [], []
    for rng in rngs(count, 3):
        rows = portfolio(rng, n, odds_ratio)
        one = banded(*rows, cut=scored or 10)
        test = banded(*rows).association()
        found = added.gain(one.tested(), test, 1.0, 0, scored, 200)
        gaps.append(found.value - ranked_gain(one.cells(), shares, scored))
        held.append(found.low <= truth <= found.high)
        if test.p < CHANCE:
            where.append(held[-1])
    error = np.std(gaps) / math.sqrt(count)
    return np.mean(gaps), error, np.mean(held), np.mean(where or [np.nan])


def ranked_gain(cells, shares, scored):
    """Return the gain in Gini on some cells, ranked as endless rows rank them."""
    goods, bads = (one[None] for one in shares)
    bands = curve(len(shares[0]), scored)
    x = with_levels(bands, len(SHARES))
    alone = _rates_of(bands, goods.sum(2), bads.sum(2))
    both = _rates_of(x, goods.reshape(1, -1), bads.reshape(1, -1))
    good, bad = cells.goods[None], cells.bads[None]
    plain = gini(alone, good.sum(2), bad.sum(2))
    return float((gini(both, good.reshape(1, -1), bad.reshape(1, -1)) - plain)[0])


def _rates_of(x, goods, bads):
    return rates(x, fit_many(x, bads, goods + bads))


def odds_ratio_coverage(count, n, odds_ratio):
    """Return how often the interval of one level's odds ratio holds the truth."""
    rng = np.random.default_rng(98)
    big = banded(*portfolio(rng, 2_000_000, odds_ratio))
    truth = big.odds_ratio(0).value
    held = []
    for rng in rngs(count, 4):
        found = banded(*portfolio(rng, n, odds_ratio)).odds_ratio(0)
        held.append(found.low <= truth <= found.high)
    return np.mean(held)


# --- swap set


def avoided_on_null(count, folds):
    """Return the bads that a swap avoids on noise, cross-fitted or (0 folds) in sample."""
    out = []
    for rng in rngs(count, 5):
        score, _, bits = portfolio(rng, 2_000)
        one = banded(score, levels_of(rng, rng.standard_normal(2_000)), bits)
        table = one.table(max(folds, 2), 0)
        goods, bads = payoff.training(table)
        if not folds:
            cells = one.cells()
            goods = np.broadcast_to(cells.goods, goods.shape)
            bads = np.broadcast_to(cells.bads, bads.shape)
        at = (table.fold, table.band, table.level)
        old = question_best(band_rates(goods, bads)[at], -score, table)
        new = question_best(both_rates(goods, bads)[at], -score, table)
        out.append(bits[old & ~new].sum() - bits[new & ~old].sum())
    return np.mean(out), np.std(out) / math.sqrt(len(out))


def question_best(rate, score, table):
    from pandas_numberactive.risk.swaps import _best

    return _best(rate, score, table, 0.7)


# --- the decision


@dataclass(frozen=True)
class Setting:
    n: int
    base: float
    odds_ratio: float
    price: float

    def __str__(self):
        return f"n {self.n:,}, base {self.base:.0%}, OR {self.odds_ratio}, price {self.price:,.0f}"


SETTINGS = [
    Setting(n, base, odds_ratio, price)
    for n in (2_000, 10_000)
    for base in (0.03, 0.1)
    for odds_ratio in (1.0, 1.5)
    for price in (500, 20_000)
]
REAL = Setting(10_000, 0.1, 2.0, 500)


def true_worth(setting):
    """Return the worth of a look-up to a lender who knows the rates."""
    rng = np.random.default_rng(97)
    cells = banded(*portfolio(rng, 2_000_000, setting.odds_ratio, setting.base)).cells()
    rate = cells.bads / cells.n
    if setting.odds_ratio == 1.0:
        return 0.0
    profit = STAKES.profit(rate)
    informed = (cells.n * np.maximum(profit, 0)).sum()
    blind = np.maximum((cells.n * profit).sum(axis=1), 0).sum()
    return float((informed - blind) / cells.n.sum())


def decision_of(rng, setting, signals=1):
    """Return the decision on one portfolio; further signals are noise."""
    score, level, bits = portfolio(rng, setting.n, setting.odds_ratio, setting.base)
    several = [level, *(levels_of(rng, score) for _ in range(signals - 1))]
    findings, p_values = [], []
    for one in (banded(score, each, bits) for each in several):
        worth = Worth(
            one, paid_out(one.table(5, 0), STAKES, setting.price), STAKES, setting.price, 0
        )
        p_values.append(one.association().p)
        findings.append(worth.total())
    corrected = holm(p_values)
    return decide(
        [Finding("s", *one, p) for one, p in zip(findings, corrected, strict=True)],
        setting.price,
        signals,
    )


def bought_by_time(count, n=10_000):
    """Return how often a level that moves with the bad rate, by time alone, is bought, and adds."""
    terms = RetroTest(**(TERMS | {"as_of": "applied", "by": NAME, "segment": None}))
    made = []
    for rng in rngs(count, 13):
        one = gather(terms, drifting(rng, n))[0]
        made.append([one.finding().buys(terms.price), one.line["adds"], one.line["p_value"] < 0.05])
    return np.mean(made, axis=0)


def decisions(count, setting, signals=1):
    made = [decision_of(rng, setting, signals) for rng in rngs(count, 6)]
    return {one: np.mean([each is one for each in made]) for one in Decision}


def naive(count, n):
    """Return how often the plain rule buys noise: the in-sample worth is above the price."""
    hits = []
    for rng in rngs(count, 7):
        score, _, bits = portfolio(rng, n)
        cells = banded(score, levels_of(rng, rng.standard_normal(n)), bits).cells()
        profit = STAKES.profit(cells.bads / np.maximum(cells.n, 1))
        informed = (cells.n * np.maximum(profit, 0)).sum()
        blind = np.maximum((cells.n * profit).sum(axis=1), 0).sum()
        hits.append((informed - blind) / n > 500)
    return np.mean(hits)


# --- lag


def lag_alarms(count, late_ratio, n=5_000):
    """Return how often the lag test alarms at an odds ratio of 1.5, shown as another when late."""
    hits = []
    for rng in rngs(count, 8):
        days = np.where(rng.random(n) < 0.5, 0.0, rng.uniform(30, 400, n))
        late = days > 1
        level = rng.integers(0, 3, n)
        ratio = np.where(late, late_ratio, 1.5)
        odds = -2.2 + np.log(ratio) * (level == 0)
        bits = rng.random(n) < 1 / (1 + np.exp(-odds))
        rows = banded(days, level, bits).rows
        hits.append(lag.lateness_of(rows, days, late).reading in (Lag.GROWS, Lag.SHRINKS))
    return np.mean(hits)


# --- pilot


def pilots(count, odds_ratio, n=10_000, looks=5, smallest=1.3, peek=False):
    """Return how often a pilot finds the signal, and the share of look-ups that it saves."""
    found, saved = [], []
    limits = [1.96] * looks if peek else bounds(looks)
    for rng in rngs(count, 9):
        score, level, bits = portfolio(rng, n, odds_ratio)
        own = level < 3
        batch = rng.permutation(n) * looks // n
        for look in range(1, looks + 1):
            at = own & (batch < look)
            top, variance = banded(score[at], level[at], bits[at]).trend()
            z = top / math.sqrt(variance)
            drift = math.copysign(math.log(smallest) * math.sqrt(variance * looks / look), z)
            hopeless = conditional_power(z, look, looks, drift) < HOPELESS_BELOW
            if abs(z) >= limits[look - 1] or (hopeless and not peek):
                break
        found.append(abs(z) >= limits[look - 1])
        saved.append(1 - look / looks)
    return np.mean(found), np.mean(saved)


# --- the table


def lines_of_test(count):
    """The test of incremental: false positives, and the power that sample_size promises."""
    for how, words in (
        ("plain", "null, signal follows the score (0.4), n 5,000"),
        ("repeat", "null, 4 loans a number, n 5,000"),
        ("weights", "null, weight 10 on a tenth, n 5,000"),
    ):
        seen = share(false_positives(count, how))
        yield Line(words, "incremental: false positives", "5 +/- 1.5%", seen)
        bands, months, part = (share(one) for one in same_everywhere(count, how))
        figure = "same odds ratio: by band, by month; no effect in a segment: false positives"
        yield Line(words, figure, "5 +/- 1.5%", f"{bands}, {months}, {part}")
    words = "null, signal follows a score of 94% zeros and 6% ones, n 3,000"
    yield Line(words, "incremental: false positives", "5 +/- 1.5%", share(piled(count)))
    for odds_ratio, test in ((1.3, "trend"), (1.5, "trend"), (1.3, "levels")):
        seen = share(power_against_formula(count, odds_ratio, test))
        yield Line(f"size for OR {odds_ratio}, {test}", "power", "80 +/- 3%", seen)


def gain_lines(count):
    """The gain in Gini: bias and coverage."""
    for n in (2_000, 10_000):
        for odds_ratio in (1.0, 1.3, 2.0):
            bias, error, held, where = gains(count, n, odds_ratio)
            cell = f"n {n:,}, OR {odds_ratio}"
            both = f"{share(held)}, {share(where)}"
            yield Line(cell, "d_gini: bias", "below 0.0005", f"{bias:+.5f} +/- {2 * error:.5f}")
            yield Line(cell, "d_gini: coverage, where significant", "93% or more", both)
    for odds_ratio in (1.0, 1.3, 2.0):
        bias, error, held, where = gains(count, 2_000, odds_ratio, 0)
        seen = f"{bias:+.5f} +/- {2 * error:.5f}; {share(held)}, {share(where)}"
        cell = f"n 2,000, OR {odds_ratio}, bands of your own"
        yield Line(cell, "d_gini: bias; coverage, where significant", "none", seen)


def table_lines(count):
    """The odds ratio's interval, and the swap set."""
    for odds_ratio in (1.0, 2.0):
        seen = share(odds_ratio_coverage(count, 5_000, odds_ratio))
        yield Line(f"n 5,000, OR {odds_ratio}", "odds ratio: coverage", "95 +/- 1.5%", seen)
    for folds, words in ((5, "cross-fitted"), (0, "in sample")):
        mean, error = avoided_on_null(count, folds)
        seen = f"{mean:+.2f} +/- {2 * error:.2f}"
        yield Line(f"noise, n 2,000, {words}", "swap set: bads avoided", "at most 0", seen)


def look_lines(count):
    """The lag test, and the pilot."""
    for ratio, target in ((1.5, "5 +/- 1.5%"), (3.0, "95% or more")):
        seen = share(lag_alarms(count, ratio))
        yield Line(f"OR 1.5, late {ratio}, n 5,000", "lag test: alarms", target, seen)
    for odds_ratio in (1.0, 1.3, 1.4, 1.8):
        found, saved = pilots(count, odds_ratio)
        target = "at most 5.5%" if odds_ratio == 1 else "41 to 80% saved at OR 1.4 to 1.8"
        both = f"{share(found)}, {share(saved)}"
        yield Line(f"OR {odds_ratio}, 5 looks, 10,000", "pilot: significant, saved", target, both)
    found, _ = pilots(count, 1.0, peek=True)
    yield Line("OR 1, 5 looks at 1.96", "peeking: significant", "(14% expected)", share(found))


def decision_lines(count):
    """The three-valued rule."""
    for setting in SETTINGS:
        worth = true_worth(setting)
        made = decisions(count, setting)
        false = Decision.DO_NOT_BUY if worth > setting.price else Decision.BUY
        seen = f"BUY {share(made[Decision.BUY])}, DO NOT {share(made[Decision.DO_NOT_BUY])}"
        yield Line(
            f"{setting}; true worth {worth:,.0f}",
            f"false {false}",
            "at most 2.5%",
            f"{share(made[false])} ({seen})",
        )
    bought, adds, apart = (share(one) for one in bought_by_time(count))
    yield Line(
        "bad odds and a level that grow over a year, each alone, n 10,000",
        "false BUY",
        "at most 2.5%",
        f"{bought} (adds {adds}, {apart} without the test within months)",
    )
    made = decisions(count, Setting(5_000, 0.1, 1.0, 500), signals=3)
    yield Line(
        "three null signals, n 5,000", "false BUY", "at most 2.5%", share(made[Decision.BUY])
    )
    yield Line(
        str(REAL), "right BUY", "(86% in the design)", share(decisions(count, REAL)[Decision.BUY])
    )
    yield Line(
        "noise, n 2,000, plain rule", "false BUY", "(93% in the design)", share(naive(count, 2_000))
    )


SECTIONS = {
    "test": lines_of_test,
    "decision": decision_lines,
    "look": look_lines,
    "table": table_lines,
    "gain": gain_lines,
}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    sections = sys.argv[2:] or list(SECTIONS)
    day = datetime.date.today()
    print("# Simulations of the retro test\n")
    print(f"`python -m tests.risk.simulate_retro {count}`, {day}, {count:,} portfolios a cell.\n")
    print("| cell | figure | target | seen |\n|---|---|---|---|", flush=True)
    for name in sections:
        for line in SECTIONS[name](count):
            print(line, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
