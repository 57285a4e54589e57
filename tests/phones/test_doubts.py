"""Warnings for a whole column: rounded numbers, and numbers of another country."""

from __future__ import annotations

import pandas as pd
import pytest

from pandas_numberactive._pandas.frames import prepare
from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive._phones.doubts import Doubts
from pandas_numberactive._run.options import Options

OURS = [f"0{number}" for number in range(81390004217, 81390004217 + 97 * 200, 97)]


def warnings_of(cells, dtype=object):
    frame = pd.DataFrame({"phone": pd.Series(cells, dtype=object).astype(dtype)})
    return " ".join(prepare(frame, "phone", Options(), max_digits=12).shape.warnings)


@pytest.mark.parametrize("dtype", ["int64", "Int64", "int64[pyarrow]"])
def test_numbers_that_end_in_zeros_warn_of_rounding(dtype):
    """A spreadsheet rounded them before they became integers: each is a stranger's number."""
    rounded = [8119000000 + 100_000 * at for at in range(5)] + [int(cell) for cell in OURS]
    assert "rounded" in warnings_of(rounded, dtype)


@pytest.mark.parametrize("way", ["upcast", "integers", "csv", "text", "among others"])
def test_numbers_of_a_float32_warn(way):
    """A frame was made smaller with float32: each number is a stranger's, and looks whole."""
    whole = pd.Series([int(cell) for cell in OURS])
    small = whole.astype("float32")
    printed = [f"{float(str(cell)):.1f}" for cell in small.to_numpy()]
    column = {
        "upcast": small.astype(float),
        "integers": small.astype("int64"),
        "csv": pd.Series(printed).astype(float),
        "text": pd.Series(printed),
        "among others": pd.concat([small[:100].astype(float), whole[100:].astype(float)]),
    }[way]
    assert "float32" in warnings_of(column.tolist(), column.dtype)


@pytest.mark.parametrize("dtype", ["float64", "int64", object])
def test_whole_numbers_do_not_warn_of_a_float32(dtype):
    cells = [int(cell) for cell in OURS]
    assert "float32" not in warnings_of(cells, dtype)
    assert "float32" not in warnings_of([8110000000, 8121212100, 8123456789], dtype)


def test_a_single_pretty_number_does_not_warn_of_rounding():
    """Numbers that end in zeros exist, about one in 100,000."""
    column = pd.Series([int(cell) for cell in (*OURS, "08120000000")])
    assert not Doubts.of(column, normalize_column(column)).are_rounded


def test_a_column_of_usual_numbers_does_not_warn():
    """A warning that comes always is read by nobody."""
    assert warnings_of(OURS) == ""


@pytest.mark.parametrize(
    "cell", ["886912345678", "819012345678", "85512345678", "6591234567", "8613812345678"]
)
@pytest.mark.parametrize("others", [[], OURS])
def test_a_foreign_number_without_plus_warns(cell, others):
    """The cell may be read as Indonesian or refused: the column is warned of in both cases."""
    assert "another country" in warnings_of([*others, cell])


def test_local_numbers_without_zero_do_not_warn():
    """An Indosat number without its 0 has the form of a Cambodian one."""
    assert warnings_of([cell[1:] for cell in OURS] + ["85512345678"]) == ""


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_foreign_numbers_are_seen_in_numeric_columns(dtype):
    """A float's decimals are no part of its number."""
    assert "another country" in warnings_of([886912345678, 8139000421], dtype)


def test_the_counts_of_parts_add_up_to_the_whole():
    """Partitions are counted one by one and warned of together."""
    cells = pd.Series([*OURS, "886912345678", "8119000000", "8129000000"])
    parts = [Doubts.of(part, normalize_column(part)) for part in (cells[:99], cells[99:])]
    assert Doubts.total(parts) == Doubts.of(cells, normalize_column(cells))


@pytest.mark.parametrize("form", ["{}", "{:,}", "{}0"])
def test_accounts_and_amounts_warn_of_the_wrong_column(form):
    """Half of the prefixes are no operator's, so other numbers are known by them."""
    others = [811_000_345 + 170_003 * at for at in range(500)]
    cells = [form.format(other) for other in others]
    assert "right column" in warnings_of(cells)
    assert "right column" not in warnings_of(OURS + cells[:20])


def test_an_empty_column_has_no_doubts():
    """Nothing was counted, so nothing is said."""
    column = pd.Series([], dtype=object)
    assert Doubts.of(column, normalize_column(column)).sentences("phone") == []


def test_a_warning_masks_no_more_than_a_label():
    """A column named by a number, as in a table without a header, is masked."""
    frame = pd.DataFrame({"08139000421": ["886912345678"]})
    shape = prepare(frame, "08139000421", Options(), max_digits=12).shape
    assert "9000421" not in " ".join(shape.warnings)
    assert len(shape.warnings) == 1
