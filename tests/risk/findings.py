"""Noise that passes for a finding, in books that broke the former tables.

`python -m tests.risk.findings [books] [finding ...]` prints a Markdown table. The script runs on the present tree
and on those before the retro test, with their `pandas_numberactive` on PYTHONPATH. It needs numpy,
pandas and that package alone, so it also runs as `python tests/risk/findings.py`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive import risk

LEVEL = "phone_active_level"
GRADE = "phone_frequency_grade"
TYPE = "phone_telco_type"
KINDS = {LEVEL: pna.ACTIVE_LEVEL, GRADE: pna.FREQUENCY_GRADE, TYPE: pna.TELCO_TYPE}
NOISE = ("not significant", "not told from chance")  # the reading now, and before
BASE = 0.08
FALSE = "5 +/- 1.5%"

# A draw of noise, or of a known effect, with the conclusions that were found in it.
Look = Callable[[np.random.Generator], dict[str, bool]]


@dataclass(frozen=True)
class Finding:
    """One line of section 1 of the design: a book, and the wanted share of each conclusion."""

    name: str
    book: str
    look: Look
    wanted: dict[str, str]


def book(rng, n, *, signals=3, asked=1.0, others=0.0, loans=1, ratio=1.0, low=None, failed=0):
    """Draw loans with signals, the first with an odds ratio `ratio` from low to high.

    asked: the share of rows with a phone; the rest default at the rate `others`. loans: loans a
    customer, of whom some default on most. low: the rows of the first signal's lowest level.
    failed: rows whose look-up failed.
    """
    people = n // loans
    codes = {}
    for name in list(KINDS)[:signals]:
        levels = len(KINDS[name].categories)
        codes[name] = np.repeat(rng.choice(levels, people), loans)
    if low is not None:
        codes[LEVEL] = np.where(np.arange(n) < low, 0, rng.integers(1, 3, n))
    own = np.repeat(rng.normal(0, 2.5, people), loans) if loans > 1 else np.zeros(n)
    odds = np.log(BASE / (1 - BASE)) + own + np.log(ratio) / 2 * (1 - codes[LEVEL])
    known = rng.random(n) < asked
    rate = np.where(known, 1 / (1 + np.exp(-odds)), others)
    answered = known & (np.arange(n) >= failed)
    columns = {
        name: pd.Categorical.from_codes(np.where(answered, one, -1), dtype=KINDS[name])
        for name, one in codes.items()
    }
    status = np.select([answered, known], ["answered", "failed"], "invalid")
    columns["phone_lookup_status"] = pd.Categorical(status, dtype=pna.LOOKUP_STATUS)
    columns["bad"] = (rng.random(n) < rate).astype(np.int64)
    if loans > 1:
        columns["phone_national"] = np.repeat(8_110_000_000 + np.arange(people), loans)
    return pd.DataFrame(columns)


def judged(df, by="all", **terms):
    """Return the conclusions: a signal reads as significant, one beats chance in `value`."""
    table = risk.iv_table(df, by, "bad", late="keep", **terms)
    worth = risk.value(df, by, "bad", unit_price=500, late="keep", **terms)
    read = ~table["reading"].astype(str).isin(NOISE)
    return {"told": bool(read.any()), "beats_chance": bool(worth["beats_chance"].any())}


def held(df, **terms):
    """Return the fact that the interval of a level's bad rate holds the true one."""
    row = risk.risk_table(df, LEVEL, "bad", late="keep", **terms).loc[(LEVEL, "medium")]
    return {"covered": bool(row["bad_rate_low"] <= BASE <= row["bad_rate_high"])}


def never_asked(n, others):
    """Return a look at noise of which 11% were never asked."""
    return lambda rng: judged(book(rng, n, asked=0.89, others=others))


def small_cell(**rows):
    """Return a look at noise in 3,000 rows of which a cell holds one or two."""
    return lambda rng: judged(book(rng, 3_000, signals=1, **rows))


def tenth_of_all(rng):
    """A sample of one in ten, each row of weight 10."""
    df = book(rng, 3_000, signals=1).assign(w=10.0)
    return {"told": judged(df, weight="w")["told"]} | held(df, weight="w")


def tenth_of_goods(rng):
    """All bads and one in ten goods, weighted."""
    df = book(rng, 20_000, signals=1)
    df = df[(df["bad"] == 1) | (rng.random(len(df)) < 0.1)]
    df = df.assign(w=np.where(df["bad"] == 1, 1.0, 10.0))
    return {"told": judged(df, weight="w")["told"]} | held(df, weight="w")


def many_loans(rng):
    """Eight loans a number that default together."""
    df = book(rng, 4_000, signals=1, loans=8)
    trend = risk.trend(df, LEVEL, "bad", late="keep")["p_value"].item() < 0.05
    return judged(df) | {"trend": bool(trend)}


def real_effect(rng):
    """An odds ratio of 2 from low to high in one of three signals."""
    table = risk.iv_table(book(rng, 4_000, ratio=2.0), "all", "bad", late="keep")
    return {"told": str(table.loc[LEVEL, "reading"]) not in NOISE}


BOTH = {"told": FALSE, "beats_chance": "at most 6.5%"}
FINDINGS = [
    Finding("A1", "never asked 20% bad, n 20,000", never_asked(20_000, 0.2), BOTH),
    Finding("A1", "never asked 3% bad, n 3,000", never_asked(3_000, 0.03), BOTH),
    Finding("A1", "never asked 3% bad, n 20,000", never_asked(20_000, 0.03), BOTH),
    Finding("A4", "one in ten, weight 10", tenth_of_all, {"told": FALSE, "covered": "95 +/- 1.5%"}),
    Finding(
        "A4",
        "all bads, a tenth of the goods",
        tenth_of_goods,
        {"told": FALSE, "covered": "95 +/- 1.5%"},
    ),
    Finding("A6", "8 loans a number", many_loans, BOTH | {"trend": FALSE}),
    Finding("A7", "one failed row, one signal", small_cell(failed=1), BOTH),
    Finding("A7", "two failed rows, one signal", small_cell(failed=2), BOTH),
    Finding("A7", "a level of one row, one signal", small_cell(low=1), BOTH),
    Finding("A7", "a level of two rows, one signal", small_cell(low=2), BOTH),
    Finding("B3", "three signals, n 3,000", lambda rng: judged(book(rng, 3_000)), BOTH),
    Finding("power", "odds ratio 2, n 4,000", real_effect, {"told": "90% or more"}),
]


def lines(books: int, names: list[str]) -> Iterator[str]:
    """Return the lines of the table, each as soon as its books are drawn."""
    for at, finding in enumerate(FINDINGS):
        if finding.name not in names:
            continue
        seen = [finding.look(np.random.default_rng([at, one])) for one in range(books)]
        for key, wanted in finding.wanted.items():
            share = 100 * np.mean([one[key] for one in seen])
            yield f"| {finding.name} | {finding.book} | {key} | {wanted} | {share:.1f}% |"


def main() -> None:
    """Print the table for the number of books on the command line, 500 by default."""
    warnings.simplefilter("ignore")  # the former tree warns of a book without as_of, each time
    books = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    names = sys.argv[2:] or [finding.name for finding in FINDINGS]
    print(f"{books:,} books a line.\n\n| finding | book | conclusion | wanted | seen |")
    print("|---|---|---|---|---|", flush=True)
    for line in lines(books, names):
        print(line, flush=True)


if __name__ == "__main__":
    main()
