"""One script as a newcomer writes it: the same cell again, a raised cap, more rows, files and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.simulator import Simulator

KEYS = ["customer", "phone"]
HIGHEST = 60  # the highest cap that the script names
Trip = Callable[[pd.DataFrame, Path], pd.DataFrame]


def book(start: int, rows: int) -> pd.DataFrame:
    """Return customers with made-up numbers, one of them twice, a blank and a cell that is none."""
    phones = [f"0811-{start + i:04d}-{i:03d}" for i in range(rows - 3)]
    phones += [phones[0], "", "6.28119E+11"]
    return pd.DataFrame({"customer": [f"A-{start + i}" for i in range(rows)], "phone": phones})


def by_excel(out: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write an Excel file and read it back, typed."""
    pna.plain_dtypes(out).to_excel(folder / "out.xlsx", index=False)
    read = pd.read_excel(folder / "out.xlsx", dtype=dict.fromkeys(KEYS, str), keep_default_na=False)
    return pna.restore_dtypes(read)


def by_csv(out: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write a CSV file and read it back, typed."""
    pna.plain_dtypes(out).to_csv(folder / "out.csv", index=False)
    return pna.restore_dtypes(pd.read_csv(folder / "out.csv", dtype=str, keep_default_na=False))


def by_parquet(out: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write a Parquet file and read it back, which needs no help."""
    out.to_parquet(folder / "out.parquet")
    return pd.read_parquet(folder / "out.parquet")


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare dtypes and values. Excel keeps milliseconds of a time."""
    moment = "phone_looked_up_at"
    assert one[moment].dtype == other[moment].dtype
    assert one[moment].isna().equals(other[moment].isna())
    assert not ((one[moment] - other[moment]).abs() > pd.Timedelta("1ms")).any()
    pd.testing.assert_frame_equal(one.drop(columns=moment), other.drop(columns=moment))


@pytest.mark.filterwarnings("error")
def test_one_script_of_a_newcomer(
    as_production: Callable[..., Any], vendor: Simulator, tmp_path: Path
) -> None:
    """Nothing is charged twice, and never more in a day than the highest cap."""
    as_production()
    ledger = vendor.ledger
    df = book(0, 53)
    kept = df.copy()
    for _ in range(3):  # the README's cell, which assigns to its own frame
        df = df.numberactive.enrich("phone", max_charges=20)
        assert ledger.total == 20
    df = df.numberactive.enrich("phone", max_charges=35)
    assert ledger.total == 35
    df = df.numberactive.enrich("phone", max_charges=HIGHEST)
    assert ledger.total == 50
    pd.testing.assert_frame_equal(df[KEYS], kept)

    trips: tuple[Trip, ...] = (by_excel, by_csv, by_parquet)
    for trip in trips:
        back = trip(df, tmp_path)
        same(back, df)
        same(back.numberactive.enrich("phone", max_charges=HIGHEST), df)
    assert ledger.total == 50

    more = pd.concat([df, book(900, 13)])
    for _ in range(3):
        more = more.numberactive.enrich("phone", max_charges=HIGHEST)
    assert ledger.total == HIGHEST
    same(more.head(len(df)), df)
    for trip in trips:
        whole = more.reset_index(drop=True)
        same(trip(whole, tmp_path), whole)
    pd.testing.assert_frame_equal(more, more.numberactive.enrich("phone"))
    assert ledger.total == HIGHEST
    assert ledger.double_charged() == []
    assert int(pna.spend()["charged"].sum()) == HIGHEST
    assert pna.spend()["cost"].sum() == HIGHEST * 500
