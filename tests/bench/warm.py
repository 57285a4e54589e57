"""(b) a warm enrich against a merge, (g) a plan of ten million rows against factorize, (e) how both grow."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import pandas_numberactive as pna
from tests.bench import data
from tests.bench.table import Row

LEVELS = np.array([None, "low", "medium", "high"], object)
NEW = ["phone_active_level", "phone_frequency_grade", "phone_telco_type", "phone_lookup_status", "phone_looked_up_at"]


def _configured(path: Path) -> Any:
    return pna.override(
        environment="sandbox", base_url="http://127.0.0.1:9", app_key="k", secret="s", store=str(path), progress=False
    )


def _frames(rows: int, stored: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, Any]:
    """A book of `rows` over `stored` numbers, each in one shape; the answers by raw text, typed; the numbers."""
    national = data.numbers(stored, seed)
    cells = data.texts(national, 0.0, seed)
    packed = data.answers(national)
    place = np.random.default_rng(seed).permutation(np.resize(np.arange(stored), rows))
    book = pd.DataFrame({"loan": np.arange(rows), "phone": data.column(cells.take(place))})
    known = pd.DataFrame({"phone": data.column(cells), **_typed(packed, national)})
    return book, known, national


def _typed(packed: Any, national: Any) -> dict[str, Any]:
    no_data = (packed & 15) == 4
    return {
        "phone_active_level": pd.Categorical.from_codes((packed >> 6 & 3) - 1, dtype=pna.ACTIVE_LEVEL),
        "phone_frequency_grade": pd.Categorical.from_codes((packed >> 8 & 3) - 1, dtype=pna.FREQUENCY_GRADE),
        "phone_telco_type": pd.Categorical.from_codes((packed >> 4 & 3) - 1, dtype=pna.TELCO_TYPE),
        "phone_lookup_status": pd.Categorical.from_codes(no_data.astype(int), dtype=pna.LOOKUP_STATUS),
        "phone_looked_up_at": pd.to_datetime(data.BOUGHT + national % 10**9, unit="us", utc=True).as_unit("us"),
    }


def clean(cell: object) -> int:
    """What one writes: digits only, the country's code and zeros off."""
    digits = re.sub(r"\D", "", str(cell))
    return int(digits.removeprefix("62").removeprefix("0") or 0)


def _what_people_write(book: pd.DataFrame, path: Path) -> pd.DataFrame:
    """apply a cleaner, read_sql, merge."""
    with sqlite3.connect(path) as connection:
        known = pd.read_sql("SELECT number, packed, bought_at FROM lookups WHERE environment = 1", connection)
    left = book.assign(number=book["phone"].apply(clean))
    out = left.merge(known, on="number", how="left")
    out["phone_active_level"] = LEVELS[out["packed"].to_numpy() >> 6 & 3]
    out["phone_frequency_grade"] = LEVELS[out["packed"].to_numpy() >> 8 & 3]
    return out


def enrich(quick: bool) -> list[Row]:
    """(b) ours, from the store on disk, against the answers already in memory as a frame."""
    rows, stored, rounds = (200_000, 100_000, 2) if quick else (2_000_000, 1_000_000, 5)
    ours, merged, written = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(rounds + 1):
            book, known, national = _frames(rows, stored, round_)
            path = Path(folder) / f"{round_}.sqlite3"
            data.filled_store(path, national)
            with _configured(path):
                started = time.perf_counter()
                out = book.numberactive.enrich("phone")
                ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            expected = book.merge(known, on="phone", how="left")
            merged.append(time.perf_counter() - started)
            for name in NEW:
                pd.testing.assert_series_equal(out[name], expected[name])
            if round_ <= 2:
                started = time.perf_counter()
                people = _what_people_write(book, path)
                written.append((time.perf_counter() - started) / ours[-1])
                assert (people["phone_active_level"].isna() == out["phone_active_level"].isna()).all()
            path.unlink()
    ratios = np.array(ours[1:]) / np.array(merged[1:])
    note = f"{rows:,} rows, {stored:,} stored: {np.median(ours[1:]):.2f} s against {np.median(merged[1:]):.2f} s"
    return [
        Row("b. warm enrich", "ours / merge on the raw text", float(np.median(ratios)), f"{note}; target 1.5"),
        Row("b. warm enrich", "what people write / ours", float(np.median(written[1:])), "target 8"),
    ]


def plan(quick: bool) -> list[Row]:
    """(g) the plan of a column, a tenth of it distinct, against pd.factorize of that column."""
    rows, rounds = (1_000_000, 2) if quick else (10_000_000, 3)
    ratios, ours, base = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(rounds):
            book, _, national = _frames(rows, rows // 10, round_)
            path = Path(folder) / f"{round_}.sqlite3"
            data.filled_store(path, national[: len(national) // 2])
            with _configured(path):
                started = time.perf_counter()
                planned = book.numberactive.plan("phone")
                ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            _, distinct = pd.factorize(book["phone"])
            base.append(time.perf_counter() - started)
            assert (planned.distinct, planned.stored) == (len(distinct), len(national) // 2)
            ratios.append(ours[-1] / base[-1])
            path.unlink()
    note = (
        f"{rows:,} rows, {rows // 10:,} distinct, half stored: {np.median(ours):.2f} s against {np.median(base):.2f} s"
    )
    return [Row("g. plan", "ours / pd.factorize", float(np.median(ratios)), f"{note}; target 2")]
