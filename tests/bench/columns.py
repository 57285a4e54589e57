"""(a) A column of 1,000,000 messy phones: ours, the one-cell function, phonenumbers, in turn, on changed data."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from pandas_numberactive._core.phone import REASONS, parse_phone
from pandas_numberactive._pandas.normalize import normalize_column
from tests.bench import data
from tests.bench.table import Row

SLICE = 40_000  # cells for the slow ones: their time a cell does not depend on how many there are


def normalise(quick: bool) -> list[Row]:
    """Ours over the whole column against the time a cell of the others; verdicts equal on every cell compared."""
    count, rounds = (200_000, 2) if quick else (1_000_000, 5)
    ours, one_cell, theirs = [], [], []
    for round_ in range(rounds + 1):
        column = data.column(data.texts(data.numbers(count, round_), 0.1, round_))
        started = time.perf_counter()
        done = normalize_column(column)
        whole = (time.perf_counter() - started) / count
        cells = column.iloc[:: count // SLICE].tolist()
        started = time.perf_counter()
        parsed = [parse_phone(cell) for cell in cells]
        each = (time.perf_counter() - started) / len(cells)
        _same(parsed, done.number[:: count // SLICE], done.reason[:: count // SLICE])
        if round_:  # the first warms up
            ours.append(whole)
            one_cell.append(each / whole)
            theirs.append(_phonenumbers(cells[::4]) / whole)
    note = f"{np.median(ours) * 1e6:.3f} us a cell, {count:,} cells, 10% odd"
    rows = [Row("a. normalise", "one-cell function / ours", float(np.median(one_cell)), f"{note}; target 25")]
    if not np.isnan(theirs).any():
        rows.append(Row("a. normalise", "phonenumbers / ours", float(np.median(theirs)), f"{note}; target 100"))
    return rows


def _same(parsed: list[tuple[str | None, str | None]], number: object, reason: object) -> None:
    expected = [(int(n) if n else 0, -1 if why is None else REASONS.index(why)) for n, why in parsed]
    assert pd.DataFrame(expected).equals(pd.DataFrame(np.column_stack([number, reason])))  # type: ignore[arg-type]


def _phonenumbers(cells: list[str]) -> float:
    """Seconds a cell of parse, validity and national format; NaN where phonenumbers is not installed."""
    try:
        import phonenumbers
    except ImportError:
        return float("nan")
    started = time.perf_counter()
    for cell in cells:
        try:
            number = phonenumbers.parse(cell, "ID")
            if phonenumbers.is_valid_number(number):
                str(number.national_number)
        except phonenumbers.NumberParseException:
            pass
    return (time.perf_counter() - started) / len(cells)
