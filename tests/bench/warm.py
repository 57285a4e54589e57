"""(b) a warm enrich against a merge, (g) a plan of ten million rows against factorize, (e) how both grow."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import pandas_numberactive as pna
from tests.bench import data
from tests.bench.table import Row

TYPES = {
    "phone_active_level": pna.ACTIVE_LEVEL,
    "phone_frequency_grade": pna.FREQUENCY_GRADE,
    "phone_telco_type": pna.TELCO_TYPE,
    "phone_lookup_status": pna.LOOKUP_STATUS,
}
NEW = [*TYPES, "phone_looked_up_at"]


def _configured(path: Path) -> Any:
    return pna.override(
        environment="sandbox",
        base_url="http://127.0.0.1:9",
        app_key="k",
        secret="s",
        store=str(path),
        progress=False,
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
        "phone_active_level": pd.Categorical.from_codes(
            (packed >> 6 & 3) - 1, dtype=pna.ACTIVE_LEVEL
        ),
        "phone_frequency_grade": pd.Categorical.from_codes(
            (packed >> 8 & 3) - 1, dtype=pna.FREQUENCY_GRADE
        ),
        "phone_telco_type": pd.Categorical.from_codes((packed >> 4 & 3) - 1, dtype=pna.TELCO_TYPE),
        "phone_lookup_status": pd.Categorical.from_codes(
            no_data.astype(int), dtype=pna.LOOKUP_STATUS
        ),
        "phone_looked_up_at": pd.to_datetime(data.bought_at(national), unit="us", utc=True).as_unit(
            "us"
        ),
    }


def clean(cell: object) -> str:
    """What one writes: digits only, the country's code and zeros off."""
    digits = re.sub(r"\D", "", str(cell))
    return digits.removeprefix("62").removeprefix("0")


def _kept_by_people(path: Path, known: pd.DataFrame, national: Any) -> None:
    """What one keeps: the answers by clean number, as DataFrame.to_sql writes them."""
    with sqlite3.connect(path) as connection:
        known.assign(phone=national.astype(str)).to_sql("answers", connection, index=False)


def _what_people_write(book: pd.DataFrame, path: Path) -> pd.DataFrame:
    """apply a cleaner, read_sql, merge, give the columns their types."""
    with sqlite3.connect(path) as connection:
        known = pd.read_sql("SELECT * FROM answers", connection, parse_dates=["phone_looked_up_at"])
    left = book.assign(number=book["phone"].apply(clean))
    out = left.merge(known.rename(columns={"phone": "number"}), on="number", how="left")
    return out.astype(TYPES)


def enrich(quick: bool) -> list[Row]:
    """(b) ours, from the store on disk, against the answers already in memory as a frame, and against people's way."""
    rows, stored, rounds = (50_000, 20_000, 1) if quick else (2_000_000, 1_000_000, 3)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(rounds + 1):
            book, known, national = _frames(rows, stored, seed)
            path, own = Path(folder) / f"{seed}.sqlite3", Path(folder) / f"{seed}.own"
            data.filled_store(path, national)
            _kept_by_people(own, known, national)
            with _configured(path):
                ours, out = _timed(lambda book=book: book.numberactive.enrich("phone"))
            merged, expected = _timed(
                lambda book=book, known=known: book.merge(known, on="phone", how="left")
            )
            written, people = _timed(lambda book=book, own=own: _what_people_write(book, own))
            for name in NEW:
                _assert_same(out[name], expected[name])
                _assert_same(people[name], expected[name])
            times.append((ours, merged, written))
            path.unlink()
            own.unlink()
    ours, merged, written = np.median(times[1:], axis=0)  # the first warms up
    merge_ratio, written_ratio = np.median([(m[0] / m[1], m[2] / m[0]) for m in times[1:]], axis=0)
    note = f"{rows:,} rows, {stored:,} stored"
    return [
        Row(
            "b. warm enrich",
            "ours / merge on the raw text",
            merge_ratio,
            note,
            ours,
            merged,
            at_most=0.6,
        ),
        Row(
            "b. warm enrich",
            "apply, read_sql, merge / ours",
            written_ratio,
            note,
            ours,
            written,
            at_least=8,
        ),
    ]


def _assert_same(got: pd.Series[Any], want: pd.Series[Any]) -> None:
    """As pandas' own assertion, but whole arrays at once: that one takes a minute for a million categories."""
    assert got.dtype == want.dtype
    assert got.index.equals(want.index)
    categories = isinstance(got.dtype, pd.CategoricalDtype)
    assert np.array_equal(
        *(one.cat.codes if categories else one.astype("int64") for one in (got, want))
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def plan(quick: bool) -> list[Row]:
    """(g) the plan of a column, a tenth of it distinct, against pd.factorize of that column."""
    rows, rounds = (100_000, 1) if quick else (10_000_000, 2)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(rounds + 1):
            book, _, national = _frames(rows, rows // 10, seed)
            path = Path(folder) / f"{seed}.sqlite3"
            data.filled_store(path, national[: len(national) // 2])
            with _configured(path):
                ours, planned = _timed(lambda book=book: book.numberactive.plan("phone"))
            base, (_, distinct) = _timed(lambda book=book: pd.factorize(book["phone"]))
            assert (planned.distinct, planned.stored) == (len(distinct), len(national) // 2)
            times.append((ours, base))
            path.unlink()
    ours, base = np.median(times[1:], axis=0)  # the first warms up
    ratio = float(np.median([mine / theirs for mine, theirs in times[1:]]))
    note = f"{rows:,} rows, {rows // 10:,} distinct, half of them stored"
    return [Row("g. plan", "ours / pd.factorize", ratio, note, ours, base, at_most=2)]
