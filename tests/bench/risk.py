"""5,000,000 rows: risk_table over three signals against one groupby-agg for each; `python -m tests.bench risk`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.simulator.loanbook import loan_book, seen_too_late, with_answers
from tests.bench.table import Row

ENDS = {
    "active_level": pna.ACTIVE_LEVEL,
    "frequency_grade": pna.FREQUENCY_GRADE,
    "telco_type": pna.TELCO_TYPE,
}


def _book(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {
        f"phone_{end}": pd.Categorical.from_codes(
            rng.integers(-1, len(kind.categories), rows), dtype=kind
        )
        for end, kind in ENDS.items()
    }
    status = pd.Categorical.from_codes(
        rng.integers(0, len(pna.LOOKUP_STATUS.categories), rows), dtype=pna.LOOKUP_STATUS
    )
    return pd.DataFrame(
        {**columns, "phone_lookup_status": status, "bad": (rng.random(rows) < 0.1).astype(np.int64)}
    )


def _baseline(book: pd.DataFrame) -> list[pd.DataFrame]:
    """What one writes: one groupby-agg a signal."""
    return [
        book.groupby(f"phone_{end}", observed=False)["bad"].agg(["size", "sum"]) for end in ENDS
    ]


def risk_tables(quick: bool) -> list[Row]:
    """(risk) wall time of both in turn, on changed data each round; the counts must be equal."""
    rows, rounds = (100_000, 1) if quick else (5_000_000, 5)
    ratios, ours_s, base_s = [], [], []
    for round_ in range(rounds + 1):
        book = _book(rows, round_)
        started = time.perf_counter()
        table = risk.risk_table(book, "all", "bad", late="keep")
        middle = time.perf_counter()
        plain = _baseline(book)
        ended = time.perf_counter()
        for end, counts in zip(ENDS, plain, strict=True):
            mine = table.xs(f"phone_{end}", level="signal").loc[counts.index.astype(str)]
            assert mine["n"].tolist() == counts["size"].tolist()
            assert mine["bads"].tolist() == counts["sum"].tolist()
        if round_:  # the first warms up
            ours_s.append(middle - started)
            base_s.append(ended - middle)
            ratios.append(ours_s[-1] / base_s[-1])
    times = {"ours": float(np.median(ours_s)), "baseline": float(np.median(base_s))}
    ratio, note = float(np.median(ratios)), f"{rows:,} rows, three signals"
    return [Row("risk_table", "ours / a groupby-agg a signal", ratio, note, at_most=1.5, **times)]


MILLION = 1_000_000
SECONDS = 3.0  # the most that a question may take on a million rows


def _loans(rows: int) -> pd.DataFrame:
    """A book with dates, a score, segments and 700,000 customers in a million loans."""
    rng = np.random.default_rng(1)
    day = np.datetime64("2025-01-01", "us") + rng.integers(0, 720, rows).astype("m8[D]")
    lag = pd.to_timedelta(rng.integers(0, 300, rows), unit="D")
    return _book(rows, 1).assign(
        day=day,
        phone_looked_up_at=(pd.Series(day) + lag).dt.tz_localize("UTC"),
        score=rng.normal(size=rows),
        city=rng.choice(list("ABCDEFGH"), rows),
        phone="0" + pd.Series(8_110_000_000 + rng.integers(0, rows * 7 // 10, rows)).astype(str),
    )


QUESTIONS: dict[str, Callable[[pd.DataFrame], object]] = {
    "risk_table": lambda df: risk.risk_table(df, "all", "bad", late="keep"),
    "iv_table": lambda df: risk.iv_table(df, "all", "bad", late="keep"),
    "trend": lambda df: risk.trend(df, "all", "bad", late="keep"),
    "cross_table": lambda df: risk.cross_table(
        df, "active_level", "frequency_grade", "bad", late="keep"
    ),
    "value": lambda df: risk.value(df, "all", "bad", unit_price=1, late="keep"),
    "stability": lambda df: risk.stability(df, "active_level", period="day", late="keep"),
    "by_period": lambda df: risk.by_period(df, "active_level", "bad", "day", late="keep"),
    "segments": lambda df: risk.segments(
        df, "active_level", "bad", "city", score="score", late="keep"
    ),
    "lateness": lambda df: risk.lateness(df, "active_level", "bad", as_of="day"),
    "coverage": lambda df: risk.coverage(df),
    "incremental": lambda df: risk.incremental(
        df, "active_level", "bad", score="score", late="keep"
    ),
    "swap_set": lambda df: risk.swap_set(df, "active_level", "bad", score="score", late="keep"),
    "break_even": lambda df: risk.break_even(
        df,
        "active_level",
        "bad",
        margin=800_000,
        loss=6_000_000,
        unit_price=500,
        score="score",
        late="keep",
    ),
    "sample_size": lambda df: risk.sample_size(0.1, (0.3, 0.4, 0.3), 1.3),
}


def questions(quick: bool) -> list[Row]:
    """(risk) processor seconds of each question on a million loans, customers found by phone."""
    loans = _loans(MILLION // 10 if quick else MILLION)
    out = []
    for name, ask in QUESTIONS.items():
        started = time.process_time()
        ask(loans)
        seconds = time.process_time() - started
        note = f"{len(loans):,} rows, at most {SECONDS:g} s"
        out.append(Row(name, "processor seconds", seconds, note, at_most=SECONDS))
    return out


MILLISECONDS = 50.0  # the most that a redraw of the panel may take on 20,000 rows


def redraws(quick: bool) -> list[Row]:
    """(risk) processor milliseconds from a choice in RiskPanel to its picture, by table."""
    panel = pna.RiskPanel(seen_too_late(with_answers(loan_book(20_000)), share=0.3))
    rounds = 5 if quick else 25
    choices = {
        "levels": (panel._late, ("keep", "drop")),
        "four segments": (panel._segment, ("product", "")),
        "eight segments": (panel._segment, ("city", "")),
    }
    out = []
    for name, (field, values) in choices.items():
        spent = [_choice(field, values) for _ in range(rounds)]
        note = f"20,000 rows, {name}, at most {MILLISECONDS:g} ms"
        middle = float(np.median(spent))
        out.append(Row(f"redraw {name}", "processor ms", middle, note, at_most=MILLISECONDS))
    return out


def _choice(field: Any, values: tuple[str, str]) -> float:
    """Choose the first value, which is measured, and then the second."""
    started = time.process_time()
    field.value = values[0]
    spent = 1000 * (time.process_time() - started)
    field.value = values[1]
    return spent
