"""A whole column: the same verdict as one cell at a time, for every dtype."""

from __future__ import annotations

import decimal
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pandas_numberactive as pna
from pandas_numberactive._pandas.api import normalize
from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive._phones.parse import REASONS, parse_phone
from pandas_numberactive.errors import ConfigurationError
from tests.phones.test_parse import READ, REFUSED, STRANGERS

CELLS = [*READ, *(cell for cells in REFUSED.values() for cell in cells)]
TEXTS = [cell for cell in CELLS if isinstance(cell, str)]


def assert_same(column, cells):
    done = normalize_column(column)
    assert len(done.number) == len(cells)
    for number, reason, cell in zip(done.number, done.reason, cells, strict=True):
        got = (str(number) if number else None, REASONS[reason] if reason >= 0 else None)
        assert got == parse_phone(cell), repr(cell)


def test_a_column_of_mixed_objects_is_read_cell_by_cell():
    assert_same(pd.Series(CELLS, dtype=object), CELLS)


@pytest.mark.parametrize(
    "dtype",
    ["str", "string[python]", "string[pyarrow]", "category", "large_string[pyarrow]", object],
)
def test_text_of_every_dtype(dtype):
    assert_same(pd.Series(TEXTS, dtype=object).astype(dtype), TEXTS)


@pytest.mark.parametrize(
    "dtype",
    [
        "int64",
        "Int64",
        "int64[pyarrow]",
        "uint64",
        "float64",
        "Float64",
        "double[pyarrow]",
        "float32",
    ],
)
def test_numbers_of_every_dtype(dtype):
    values = [
        8118899532,
        628118899532,
        6208118899532,
        62,
        0,
        8418899532,
        81188995,
        8118899532123,
        628119000000,
        8120000000,
    ]
    column = pd.Series(values, dtype="int64").astype(dtype)
    assert_same(
        column, column.to_numpy().tolist() if dtype != "float32" else list(column.to_numpy())
    )


def test_blanks_in_nullable_columns_are_missing():
    for column in (
        pd.Series([8118899532, None], dtype="Int64"),
        pd.Series([True, None], dtype="boolean"),
    ):
        assert REASONS[normalize_column(column).reason[1]] == "missing"


def test_dates_are_no_numbers():
    done = normalize_column(pd.Series(pd.to_datetime(["2026-01-01", None])))
    assert [REASONS[code] for code in done.reason] == ["not_a_number", "missing"]


@pytest.mark.parametrize("end", ["", ":", ";", " .", ")"])
def test_a_date_with_a_mark_behind_it_is_no_number(end):
    """Both paths leave out the marks behind a time, whichever they are."""
    cells = [f"08122024 40030{end}", f"08122024 1030{end}", f"8122024 103000{end}"]
    assert_same(pd.Series(cells), cells)
    assert [parse_phone(cell)[0] for cell in cells] == [None] * 3


SHAPES = st.sampled_from(
    [
        "{n}",
        "0{n}",
        "+62{n}",
        "62{n}",
        "+62 {a}-{b}",
        "(0{a}) {b}",
        "0{a}.{b}",
        "{n}.0",
        "0{a} {b}",
        "+62(0){n}",
        "0 {n}",
    ]
)
NUMBERS = st.from_regex(r"8[0-9]{6,13}", fullmatch=True)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(lambda s, n: s.format(n=n, a=n[:3], b=n[3:]), SHAPES, NUMBERS),
            st.text(alphabet="0123456789+-. ()/,E", max_size=18),
            st.text(max_size=12),
        ),
        max_size=30,
    )
)
def test_text_columns_agree_with_single_cells(cells):
    assert_same(pd.Series(cells, dtype=object), cells)


PIECES = st.sampled_from(
    [
        "8118899532",
        "811",
        "8899",
        "532",
        "0",
        "62",
        "+62",
        "+",
        "(",
        ")",
        " ",
        "-",
        ".",
        ",",
        ".0",
        ".00",
        "/",
        "E9",
        "e+09",
        "8",
        "2",
    ]
    + [
        "33",
        "811889953",
        " 33",
        "-33",
        "0062",
        "062",
        "HP: ",
        "wa.",
        "A",
        "x",
        "'",
        "\t",
        " - ",
        "[",
        "]",
        ";",
        "+65",
        "021",
        "8.1",
    ]
)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=40))
def test_texts_put_together_from_the_pieces_of_damaged_cells_agree_with_single_cells(cells):
    assert_same(pd.Series(cells, dtype=object), cells)


@pytest.mark.parametrize("trap", STRANGERS)
def test_a_damaged_cell_in_a_column_never_becomes_a_strangers_number(trap):
    cell, _ = STRANGERS[trap]
    assert_same(pd.Series([cell, "08118899532"], dtype=object), [cell, "08118899532"])


def test_max_digits_holds_for_columns():
    cells = ["8118899532123", "+628118899532123", "811889953212", "0811889953"]
    for limit in (9, 12, 13):
        got = normalize_column(pd.Series(cells), max_digits=limit)
        assert [str(n) if n else None for n in got.number] == [
            parse_phone(c, max_digits=limit)[0] for c in cells
        ]


@pytest.mark.parametrize("scale", [0, 2, 6])
def test_arrow_decimals_agree_with_single_cells(scale):
    """An amount is no phone number, and decimals of zeros may hide a rounding."""
    cells = [
        decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale))
        for text in ("8118899532", "8261886.07", "628119000000", "0", "-8118899532", "8120000000")
    ]
    array = pa.array([*cells, None], pa.decimal128(20, scale))
    assert_same(pd.Series(pd.array(array, dtype=pd.ArrowDtype(array.type))), [*cells, None])


@pytest.mark.parametrize("kind", ["list", "struct"])
def test_nested_arrow_columns_are_no_numbers(kind):
    nested = pa.list_(pa.string()) if kind == "list" else pa.struct([("phone", pa.string())])
    value = ["08118899532"] if kind == "list" else {"phone": "08118899532"}
    done = normalize_column(pd.Series(pd.array([value, None], dtype=pd.ArrowDtype(nested))))
    assert [REASONS[code] for code in done.reason] == ["not_a_number", "missing"]


@pytest.mark.parametrize("cells", [[8118899532, None], [8118899532.0, None]], ids=["int", "float"])
def test_arrow_dictionaries_of_numbers_agree_with_single_cells(cells):
    """A column of few values, as parquet keeps it, is read as any other."""
    array = pa.array(cells).dictionary_encode()
    assert_same(pd.Series(pd.array(array, dtype=pd.ArrowDtype(array.type))), cells)


@pytest.mark.parametrize("dtype", [object, pd.StringDtype("python")])
def test_half_a_surrogate_pair_costs_no_other_row_its_number(dtype):
    assert_same(pd.Series(["\ud800", "08118899532"], dtype=dtype), ["\ud800", "08118899532"])


def test_cells_that_arrow_hides_behind_a_null_shift_no_digits():
    hidden = pa.array(["08118899532", "0811", "08118899533"], pa.large_string())
    holes = pa.LargeStringArray.from_buffers(
        3, *hidden.buffers()[1:], pa.py_buffer(b"\x05")
    )  # the second is null
    column = pd.Series(pd.array(holes, dtype=pd.ArrowDtype(pa.large_string())))
    assert_same(column, ["08118899532", None, "08118899533"])


def test_very_long_cells_are_read_like_any_other():
    cells = [
        "8" * 40_000,
        "",
        "0" * 40_000 + ".0",
        "08118899532" + " " * 300,
        "+",
        "1,2",
        "x" * 61 + "0811",
    ]
    assert_same(pd.Series(cells), cells)


def filled(layout, rng, heavy):
    digits = "000" * heavy + "0123456789"
    return "".join(rng.choice(digits) if c.isascii() and c.isdigit() else c for c in layout)


@pytest.mark.parametrize("seed", range(4))
def test_the_verdict_on_a_layout_holds_for_all_its_digits(seed):
    rng = random.Random(seed)
    layouts = [
        *TEXTS,
        *(
            rng.choice(CLEAN + ODD).format(n="8118899532", a="811", b="8899", c="532")
            for _ in range(99)
        ),
    ]
    marks = [*"0862+-. ()/,[]E'\u00a0\u200b\u0663\uff10\u00b2", ".0", ",00", " - 5", "HP "]
    cells = []
    for layout in layouts * 3:
        at = rng.randrange(len(layout) + 1)
        layout = layout[:at] + rng.choice(marks) + layout[at + rng.randrange(2) :]
        cells += [layout, *(filled(layout, rng, heavy) for heavy in (0, 0, 1, 2, 9))]
    assert_same(pd.Series(cells, dtype=object), cells)


def test_a_slice_of_a_column_is_read_from_its_own_rows():
    column = pd.Series(["x", None, *TEXTS, ""], dtype="str")
    assert_same(column.iloc[1:-1], [None, *TEXTS])


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(-(2**62), 2**62),
            st.integers(80000000, 8999999999999),
            st.integers(62 * 10**8, 63 * 10**12),
        ),
        max_size=30,
    )
)
def test_integer_columns_agree_with_single_cells(values):
    assert_same(pd.Series(values, dtype="int64"), values)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(),
            st.integers(80000000, 899999999999).map(float),
            st.integers(62 * 10**8, 63 * 10**12).map(float),
        ),
        max_size=30,
    )
)
def test_float_columns_agree_with_single_cells(values):
    assert_same(pd.Series(values, dtype="float64"), values)


CLEAN = [
    "{n}",
    "0{n}",
    "62{n}",
    "+62{n}",
    "+62 {a}-{b}-{c}",
    "0{a}-{b}-{c}",
    "0{a} {b} {c}",
    "(0{a}) {b}{c}",
    "+62 (0){a}-{b}{c}",
]
ODD = [
    "0{a}.{b}.{c}",
    "{n}.0",
    "0{n} / 0{n}",
    "",
    "x{n}",
    "{n}.5",
    "HP: 0{n}",
    "{a}.{b}{c}E9",
    "nan",
    "0062{n}",
    "+65 {b}{c}",
    "0{a}CALLME",
]
ODD += [
    "021{b}",
    "062{n}",
    "{n} 2.0",
    "0{n} (2)",
    "[{n}.0]",
    "{n}0000",
    "84{b}{c}",
    "0{a} {b} {c} ",
    "+{n}",
    "{n}\t3",
    "0{a}-{b}-{c} - 33",
    "0{n} 33",
    "{n}--33",
]


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_many_cells_agree_with_single_cells(count):
    rng = random.Random(7)
    heads = [f"8{second}{third}" for second in "12356789" for third in range(10)]
    cells = []
    for _ in range(count):
        a, rest = rng.choice(heads), str(rng.randrange(10**6, 10**9))
        shape = rng.choice(CLEAN if rng.random() < 0.7 else ODD)
        cells.append(shape.format(n=a + rest, a=a, b=rest[:4], c=rest[4:]))
    assert_same(pd.Series(cells), cells)


def test_the_public_frame_has_the_index_and_says_why():
    out = normalize(pd.Series(["+62 811-8899-532", "6.28119E+11", None], index=[3, 3, 1]))
    assert out.index.tolist() == [3, 3, 1]
    assert out["national"].tolist()[0] == "8118899532"
    assert out["national"].isna().tolist() == [False, True, True]
    assert out["reason"].astype(object).where(out["reason"].notna(), "").tolist() == [
        "",
        "precision_lost",
        "missing",
    ]
    assert np.array_equal(out["reason"].cat.categories, REASONS)


@pytest.mark.parametrize(
    "given", [pd.DataFrame({"phone": ["08118899532"]}), ["08118899532"], "08118899532", None]
)
def test_what_is_no_series_is_told_how_to_become_one(given):
    with pytest.raises(ConfigurationError, match="takes a Series, not a ") as caught:
        pna.normalize(given)
    assert 'df["phone"]' in str(caught.value)
    assert "8899532" not in str(caught.value)


def test_a_sparse_column_of_24_bits_is_no_phone():
    """A float32 holds no ten digits, in whatever column it stands."""
    column = pd.Series(pd.arrays.SparseArray(np.array([8118899532, np.nan], "float32")))
    assert normalize_column(column).number.tolist() == [0, 0]
    wide = pd.Series(pd.arrays.SparseArray([8118899532.0, np.nan]))
    assert normalize_column(wide).number.tolist() == [8118899532, 0]


def test_a_dictionary_of_24_bits_is_no_phone():
    """It was read as a float64 in which a program has put them: one of 498 was right."""
    pa = pytest.importorskip("pyarrow")
    narrow = pa.array([8118899532.0, None, 8118899532.0], pa.float32()).dictionary_encode()
    wide = pa.array([8118899532.0, None, 8118899532.0]).dictionary_encode()
    for values, number in ((narrow, 0), (wide, 8118899532)):
        column = pd.Series(pd.arrays.ArrowExtensionArray(values))
        assert normalize_column(column).number.tolist() == [number, 0, number]


def test_a_length_of_time_is_no_phone():
    cells = np.empty(1, object)
    cells[0] = np.timedelta64(8118899532, "ns")
    assert parse_phone(cells[0]) == (None, "not_a_number")
    assert normalize_column(pd.Series(cells)).number.tolist() == [0]
