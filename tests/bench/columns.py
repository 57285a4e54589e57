"""(a) A column of 1,000,000 messy phones: ours, the one-cell function, phonenumbers, in turn, on changed data."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive._phones.parse import REASONS, parse_phone
from tests.bench import data
from tests.bench.table import Row

FEW = 10_000  # cells for phonenumbers: its time a cell does not depend on how many there are
NONE = "phonenumbers / ours: not measured, pip install phonenumbers"


def normalise(quick: bool) -> list[Row]:
    """Ours against the others over the same cells; the verdicts are equal on every cell."""
    count, rounds = (50_000, 1) if quick else (1_000_000, 2)
    listed = _compare(lambda seed: data.texts(data.numbers(count, seed), 0.1, seed), rounds, True)
    random = _compare(
        lambda seed: data.bent(data.texts(data.numbers(count, seed), 0.0, seed), 0.1, seed),
        rounds,
        False,
    )
    note = f"{count:,} cells, 10% odd"
    ours, one_cell, theirs = np.median(listed, axis=0)
    rows = [
        Row(
            "a. normalise",
            "one-cell function / ours",
            one_cell / ours,
            note,
            ours,
            one_cell,
            at_least=25,
        )
    ]
    rows.append(
        Row("a. normalise", NONE, float("nan"))
        if np.isnan(theirs)
        else Row(
            "a. normalise", "phonenumbers / ours", theirs / ours, note, ours, theirs, at_least=100
        )
    )
    ours, one_cell, _ = np.median(random, axis=0)
    note = f"{count:,} cells, 10% in 500 odd shapes"
    return [
        *rows,
        Row(
            "a. normalise",
            "one-cell function / ours, shapes put together at random",
            one_cell / ours,
            note,
            ours,
            one_cell,
            at_least=25,
        ),
    ]


def _compare(
    make: Callable[[int], Any], rounds: int, with_theirs: bool
) -> list[tuple[float, float, float]]:
    """Seconds a column of ours, of the one-cell function and of phonenumbers, in each round."""
    times = []
    for seed in range(rounds + 1):
        column = data.column(make(seed))
        started = time.perf_counter()
        done = normalize_column(column)
        ours = time.perf_counter() - started
        cells = column.tolist()
        started = time.perf_counter()
        parsed = [parse_phone(cell) for cell in cells]
        one_cell = time.perf_counter() - started
        expected = [
            (int(number or 0), -1 if why is None else REASONS.index(why)) for number, why in parsed
        ]
        assert pd.DataFrame(expected).equals(
            pd.DataFrame({0: done.number, 1: done.reason.astype(np.int64)})
        )
        few = cells[:: len(cells) // FEW] if with_theirs else []
        times.append((ours, one_cell, _phonenumbers(few) * len(cells)))
    return times[1:]  # the first warms up


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
    return (time.perf_counter() - started) / max(1, len(cells))
