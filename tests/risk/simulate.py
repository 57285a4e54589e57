"""Made-up books by the thousand: how often noise passes for a finding, and intervals miss.

`python -m tests.risk.simulate` runs 2,000 books a cell and writes tests/risk/simulations.md.
`python -m tests.risk.simulate 200 null weights` runs fewer books of the cells named.
The tests run the same cells with fewer books.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive import risk

OUT = Path(__file__).with_name("simulations.md")
LEVEL, GRADE, TYPE = "phone_active_level", "phone_frequency_grade", "phone_telco_type"
KINDS = {LEVEL: pna.ACTIVE_LEVEL, GRADE: pna.FREQUENCY_GRADE, TYPE: pna.TELCO_TYPE}
MIX = [0.3, 0.4, 0.3]

# One cell: a book drawn from the generator, and what was found in it, true or false by name.
Cell = Callable[[np.random.Generator], dict[str, bool]]
CELLS: dict[str, tuple[Cell, dict[str, tuple[float, float]]]] = {}


def cell(**bounds: tuple[float, float]) -> Callable[[Cell], Cell]:
    """Register a cell with the rates, in per cent, between which each finding must lie."""

    def register(function: Cell) -> Cell:
        CELLS[function.__name__] = (function, bounds)
        return function

    return register


def run(name: str, books: int, seed: int = 0) -> dict[str, float]:
    """Return the share of `books` in which each finding of a cell was made."""
    function, _ = CELLS[name]
    found = [function(np.random.default_rng([seed, book])) for book in range(books)]
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}


def draw(
    rng: np.random.Generator,
    n: int,
    *,
    base: float = 0.08,
    odds_ratio: float = 1.0,
    never_asked: float = 0.0,
    their_rate: float = 0.0,
    loans: int = 1,
    mix: list[float] | None = None,
    signals: int = 1,
) -> pd.DataFrame:
    """Return a book whose first signal has `odds_ratio` a level.

    never_asked: share of rows without a phone, which default at `their_rate`. loans: loans a
    customer, of whom some are bad at everything (the log-odds differ by customer, spread 2.5).
    """
    people = n // loans
    shared = np.repeat(rng.normal(0, 2.5, people), loans) if loans > 1 else np.zeros(n)
    codes = {}
    for name in list(KINDS)[:signals]:
        levels = len(KINDS[name].categories)
        p = mix if mix is not None and levels == 3 else (MIX if levels == 3 else [0.8, 0.2])
        codes[name] = np.repeat(rng.choice(levels, people, p=p), loans)
    n = people * loans
    centred = 1 - codes[LEVEL]
    log_odds = np.log(base / (1 - base)) + shared + np.log(odds_ratio) * centred
    rate = 1 / (1 + np.exp(-log_odds))
    asked = rng.random(n) >= never_asked
    bad = rng.random(n) < np.where(asked, rate, their_rate)
    status = pd.Categorical.from_codes(np.where(asked, 0, 5), dtype=STATUS)
    columns = {
        name: pd.Categorical.from_codes(np.where(asked, one, -1), dtype=KINDS[name])
        for name, one in codes.items()
    }
    columns |= {"phone_lookup_status": status, "bad": bad.astype(np.int64)}
    if loans > 1:
        columns["phone_national"] = np.repeat(8_110_000_000 + np.arange(people), loans)
    return pd.DataFrame(columns)


STATUS = pd.CategoricalDtype(["answered", "no_data", "failed", "uncertain", "pending", "invalid"])


def judged(df: pd.DataFrame, by: str = "all", **terms: object) -> dict[str, bool]:
    """Return if any signal is read as significant, or beats chance in `value`."""
    table = risk.iv_table(df, by, "bad", late="keep", **terms)
    worth = risk.value(df, by, "bad", unit_price=500, late="keep", **terms)
    return {
        "told": bool((table["reading"] != "not significant").any()),
        "beats_chance": bool(worth["beats_chance"].any()),
    }


FALSE = (3.5, 6.5)  # 5 +/- 1.5 per cent
AT_MOST = (0.0, 6.5)
COVERED = (93.5, 96.5)


@cell(told=AT_MOST, beats_chance=AT_MOST)
def null(rng):
    """Three null signals, n 3,000."""
    return judged(draw(rng, 3000, signals=3))


@cell(told=AT_MOST, beats_chance=AT_MOST)
def never_asked_at_3(rng):
    """Three null signals, 12% never asked, of whom 3% default against 8%."""
    return judged(draw(rng, 3000, signals=3, never_asked=0.12, their_rate=0.03))


@cell(told=AT_MOST, beats_chance=AT_MOST)
def never_asked_at_20(rng):
    """Three null signals, 12% never asked, of whom 20% default against 8%."""
    return judged(draw(rng, 3000, signals=3, never_asked=0.12, their_rate=0.2))


@cell(told=AT_MOST, beats_chance=AT_MOST)
def tiny_level(rng):
    """A null signal of which one level holds about two rows in 3,000."""
    return judged(draw(rng, 3000, mix=[0.0007, 0.5, 0.4993]))


@cell(told=FALSE, beats_chance=AT_MOST, trend=FALSE)
def four_loans_a_number(rng):
    """A null signal, 4 loans a number that default together."""
    df = draw(rng, 4000, loans=4)
    trend = risk.trend(df, LEVEL, "bad", late="keep")["p_value"].item() < 0.05
    return judged(df) | {"trend": trend}


@cell(told=FALSE, covered=COVERED)
def weight_ten_on_a_tenth(rng):
    """A null signal in a sample of one in ten, each of weight 10."""
    df = draw(rng, 3000).assign(w=10.0)
    table = risk.risk_table(df, LEVEL, "bad", late="keep", weight="w")
    low = table.loc[(LEVEL, "medium")]
    covered = bool(low["bad_rate_low"] <= 0.08 <= low["bad_rate_high"])
    return {"told": judged(df, weight="w")["told"], "covered": covered}


@cell(told=FALSE, covered=COVERED)
def all_bads_a_tenth_of_the_goods(rng):
    """A null signal, n 20,000, of which all bads and one in ten goods are kept, weighted."""
    df = draw(rng, 20_000)
    kept = (df["bad"] == 1) | (rng.random(len(df)) < 0.1)
    df = df[kept].assign(w=lambda d: np.where(d["bad"] == 1, 1.0, 10.0))
    row = risk.risk_table(df, LEVEL, "bad", late="keep", weight="w").loc[(LEVEL, "medium")]
    covered = bool(row["bad_rate_low"] <= 0.08 <= row["bad_rate_high"])
    return {"told": judged(df, weight="w")["told"], "covered": covered}


@cell(covered=COVERED, covered_by_customer=COVERED)
def intervals(rng):
    """The 95% interval of a level's bad rate: independent loans, and 4 loans a number."""
    plain = risk.risk_table(draw(rng, 2000), LEVEL, "bad", late="keep").loc[(LEVEL, "low")]
    df = draw(rng, 4000, loans=4)
    many = risk.risk_table(df, LEVEL, "bad", late="keep").loc[(LEVEL, "low")]
    return {
        "covered": bool(plain["bad_rate_low"] <= 0.08 <= plain["bad_rate_high"]),
        "covered_by_customer": bool(many["bad_rate_low"] <= SHARED_RATE <= many["bad_rate_high"]),
    }


def _shared_rate() -> float:
    """Return the bad rate at which customers of spread 2.5 around 8% default, by quadrature."""
    z, w = np.polynomial.hermite_e.hermegauss(80)
    rate = 1 / (1 + np.exp(-(np.log(0.08 / 0.92) + 2.5 * z)))
    return float((w * rate).sum() / w.sum())


SHARED_RATE = _shared_rate()


@cell(alarm=(0.0, 6.5))
def one_year_without_drift(rng):
    """12 months of 100 applications, the same mix: any month read "look" or "moved"."""
    df = draw(rng, 1200).assign(
        day=np.repeat(np.datetime64("2025-01-01", "us") + 31 * np.arange(12).astype("m8[D]"), 100)
    )
    table = risk.stability(df, LEVEL, period="day", late="keep")
    return {"alarm": bool(table["reading"].isin(["look", "moved"]).any())}


@cell(told=(90.0, 100.0))
def power_at_odds_ratio_2(rng):
    """A signal of odds ratio 2 from low to high (1.41 a level), n 4,000."""
    df = draw(rng, 4000, odds_ratio=2**0.5, signals=3)
    table = risk.iv_table(df, "all", "bad", late="keep")
    return {"told": bool(table.loc[LEVEL, "reading"] != "not significant")}


@cell(auc=COVERED, auc_by_customer=COVERED, ks=(90.0, 100.0))
def separation(rng):
    """The 95% intervals of AUC and KS, odds ratio 2 a level: independent, and 4 loans a number."""
    plain = risk.iv_table(draw(rng, 2000, odds_ratio=2), LEVEL, "bad", late="keep").loc[LEVEL]
    df = draw(rng, 4000, odds_ratio=2, loans=4)
    many = risk.iv_table(df, LEVEL, "bad", late="keep").loc[LEVEL]
    return {
        "auc": bool(plain["auc_low"] <= TRUE_AUC <= plain["auc_high"]),
        "auc_by_customer": bool(many["auc_low"] <= TRUE_AUC_SHARED <= many["auc_high"]),
        "ks": bool(plain["ks_low"] <= TRUE_KS <= plain["ks_high"]),
    }


def _truth(spread: float) -> tuple[float, float]:
    """Return the AUC and KS of the generator at odds ratio 2, by quadrature over customers."""
    z, w = np.polynomial.hermite_e.hermegauss(80)
    log_odds = np.log(0.08 / 0.92) + np.log(2) * np.array([1, 0, -1])[:, None] + spread * z
    rate = (1 / (1 + np.exp(-log_odds))) @ w / w.sum()
    bad = rate * MIX / (rate @ MIX)
    good = (1 - rate) * MIX / ((1 - rate) @ MIX)
    later = 1 - np.cumsum(good) + good / 2
    return float(bad @ later), float(np.abs(np.cumsum(bad) - np.cumsum(good)).max())


TRUE_AUC, TRUE_KS = _truth(0.0)
TRUE_AUC_SHARED, _ = _truth(2.5)


def lagged(rng, n, shown, groups=(0, 1, 2, 3, 4, 5)):
    """A signal of odds ratio 1.5 a level, shown as `shown` in answers half a year late.

    Lags are spread evenly over the groups, and the effect over them grows in step.
    """
    group = rng.choice(groups, n)
    codes = rng.choice(3, n, p=MIX)
    effect = np.log(1.5) + (np.log(shown) - np.log(1.5)) * group / 5
    rate = 1 / (1 + np.exp(-(np.log(0.08 / 0.92) + effect * (1 - codes))))
    bad = (rng.random(n) < rate).astype(int)
    middle = np.array([0, 20, 45, 75, 130, 300])[group]
    day = pd.Timestamp("2025-01-01")
    return pd.DataFrame(
        {
            LEVEL: pd.Categorical.from_codes(codes, dtype=pna.ACTIVE_LEVEL),
            "bad": bad,
            "applied": day,
            "phone_looked_up_at": (day + pd.to_timedelta(middle, unit="D")).tz_localize("UTC"),
        }
    )


def _alarm(df, words=("grows", "shrinks")):
    table = risk.lateness(df, LEVEL, "bad", as_of="applied")
    return table.tests["verdict"].item().startswith(words)


@cell(alarm=FALSE)
def late_and_clean(rng):
    """An effect that is the same at all lags, n 5,000."""
    return {"alarm": _alarm(lagged(rng, 5000, 1.5))}


@cell(alarm=(95.0, 100.0))
def late_and_leaking(rng):
    """An odds ratio of 1.5 shown as 3 in the half that is half a year late, n 5,000."""
    return {"alarm": _alarm(lagged(rng, 5000, 3.0, (0, 5)), ("grows",))}


@cell(alarm=(90.0, 100.0))
def late_and_leaking_by_and_by(rng):
    """An odds ratio of 1.5 that grows to 3 in step over six lags, n 5,000."""
    return {"alarm": _alarm(lagged(rng, 5000, 3.0), ("grows",))}


@cell(periods=FALSE, segments=FALSE)
def the_same_everywhere(rng):
    """An odds ratio of 1.5 a level in six months and four segments, n 6,000: not homogeneous."""
    df = draw(rng, 6000, odds_ratio=1.5)
    df["day"] = np.datetime64("2025-01-15", "us") + 30 * rng.integers(0, 6, 6000).astype("m8[D]")
    df["city"] = rng.choice(list("ABCD"), 6000)
    months = risk.by_period(df, LEVEL, "bad", "day", late="keep").tests["p_value"].item()
    cities = risk.segments(df, LEVEL, "bad", "city", late="keep").tests["p_value"].item()
    return {"periods": months < 0.05, "segments": cities < 0.05}


def main(arguments: list[str]) -> None:
    """Run the cells named, or all, and write the table after each cell of a full run."""
    books = int(arguments[0]) if arguments else 2000
    names = arguments[1:] or list(CELLS)
    lines: list[str] = []
    started = time.time()
    for name in names:
        lines += _lines(name, run(name, books))
        print("\n".join(lines[-len(CELLS[name][1]) :]), flush=True)
        if not arguments:
            _write(lines, books, time.time() - started)


def _lines(name: str, found: dict[str, float]) -> list[str]:
    function, bounds = CELLS[name]
    out = []
    for key, (low, high) in bounds.items():
        seen = 100 * found[key]
        verdict = "yes" if low <= seen <= high else "NO"
        wanted = f"{low:g} to {high:g}%"
        out.append(f"| {name} | {function.__doc__} | {key} | {seen:.1f}% | {wanted} | {verdict} |")
    return out


def _write(lines: list[str], books: int, seconds: float) -> None:
    head = [
        "# Simulations of the risk questions",
        "",
        f"`python -m tests.risk.simulate`, {books:,} books a cell, {seconds / 60:.0f} minutes, "
        f"{datetime.now(UTC):%Y-%m-%d}, pandas {pd.__version__}, numpy {np.__version__}. "
        "Everything is made up.",
        "",
        "| cell | books | finding | share of books | wanted | holds |",
        "|---|---|---|---|---|---|",
    ]
    OUT.write_text("\n".join([*head, *lines]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
