"""Read a whole column of cells as `parse_phone` reads each cell.

Text is read by its layouts, numbers by arithmetic, whole arrays at once. The rest goes to
`parse_phone`, each value once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive._phones.digits import SLOW, is_rounded, lengths, read_digits
from pandas_numberactive._phones.layouts import BLOCK, Layouts
from pandas_numberactive._phones.parse import REASONS, parse_phone

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3
TEXT: Any = "str" if PANDAS_3 else "string"
CHUNK = 1_000_000  # cells: bounds the extra memory
MISSING = REASONS.index("missing")
NOT_A_NUMBER = REASONS.index("not_a_number")
PRECISION_LOST = REASONS.index("precision_lost")
_REASON_CODES = {reason: code for code, reason in enumerate(REASONS)}
_ARROW_TEXT = ("string[pyarrow]", "large_string[pyarrow]", "string_view[pyarrow]")


@dataclass(
    frozen=True,
    slots=True,
    repr=False,
)  # numbers would stand in tracebacks with locals
class Normalized:
    """One number or one reason for each cell."""

    number: NDArray[np.int64]  # national number, 0 where there is none
    reason: NDArray[np.int8]  # position in REASONS, -1 where there is a number


def normalize_column(column: pd.Series[Any], *, max_digits: int = 12) -> Normalized:
    """Read every cell of a column of any dtype.

    It never raises on a cell. `max_digits` is the longest national number taken. Both arrays of
    the result are as long as the column.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _categories(column, max_digits)
    whole = Normalized(np.zeros(len(column), np.int64), np.zeros(len(column), np.int8))
    for start in range(0, len(column), CHUNK):
        part = _normalize_chunk(column.iloc[start : start + CHUNK], max_digits)
        whole.number[start : start + CHUNK] = part.number
        whole.reason[start : start + CHUNK] = part.reason
    return whole


def _normalize_chunk(column: pd.Series[Any], max_digits: int) -> Normalized:
    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return _constant(column, NOT_A_NUMBER)
    if pd.api.types.is_integer_dtype(dtype):
        return _nullable(column, np.int64, _integers, max_digits)
    if pd.api.types.is_float_dtype(dtype):
        held = str(getattr(dtype, "subtype", dtype)).lower()  # of a sparse column, what it holds
        narrow = held.startswith(("float16", "float32", "halffloat", "float["))
        if narrow:  # parse_phone must see that these have 24 bits only
            return _narrow_floats(column, max_digits)
        return _nullable(column, np.float64, _floats, max_digits)
    if _holds_text(dtype):
        return _strings(column, max_digits)
    if str(dtype).startswith("dictionary<"):  # as what it holds
        return _normalize_chunk(_decoded(column), max_digits)
    if pd.api.types.is_object_dtype(dtype):
        return _objects(column.to_numpy(dtype=object), max_digits)
    if "decimal" in str(dtype):
        return _each(column.astype(object).to_numpy(), max_digits)
    return _constant(column, NOT_A_NUMBER)


def _decoded(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of Arrow's dictionaries as one of what they hold."""
    dtype: Any = column.dtype
    held: Any = pd.ArrowDtype(dtype.pyarrow_dtype.value_type)
    return column.astype(held)


def _holds_text(dtype: Any) -> bool:
    if isinstance(dtype, pd.StringDtype):
        return True
    return str(dtype) in _ARROW_TEXT or "<values=string" in str(dtype)


def _constant(column: pd.Series[Any], code: int) -> Normalized:
    reason = np.where(column.isna().to_numpy(bool), MISSING, code).astype(np.int8)
    return Normalized(np.zeros(len(column), np.int64), reason)


def _categories(column: pd.Series[Any], max_digits: int) -> Normalized:
    """Read each category once."""
    known = normalize_column(pd.Series(column.cat.categories), max_digits=max_digits)
    codes = column.cat.codes.to_numpy()
    number = np.append(known.number, 0)[codes]
    return Normalized(number, np.append(known.reason, np.int8(MISSING))[codes])


def _nullable(
    column: pd.Series[Any],
    kind: type[np.int64] | type[np.float64],
    read: Callable[[NDArray[Any], int], Normalized],
    max_digits: int,
) -> Normalized:
    blank = column.isna().to_numpy(bool)
    if str(column.dtype).lower().startswith(("uint64", "uint64[pyarrow]")):
        return _each(column.astype(object).to_numpy(), max_digits)
    values = np.zeros(len(column), kind)
    values[~blank] = (
        column[~blank].to_numpy(dtype=kind) if blank.any() else column.to_numpy(dtype=kind)
    )
    return _without(blank, read(values, max_digits))


def _without(blank: NDArray[np.bool_], done: Normalized) -> Normalized:
    done.number[blank] = 0
    done.reason[blank] = MISSING
    return done


def _integers(values: NDArray[np.int64], max_digits: int) -> Normalized:
    number, reason = read_digits(values, lengths(values), np.zeros(len(values), bool), max_digits)
    return _finish(number, reason, values, max_digits)


def _floats(values: NDArray[np.float64], max_digits: int) -> Normalized:
    with np.errstate(invalid="ignore"):
        whole = (values >= 1e8) & (values < 1e15) & (values == np.floor(values))
        integers = np.where(whole, values, 0).astype(np.int64)
    digits = lengths(integers)
    number, reason = read_digits(integers, digits, np.zeros(len(values), bool), max_digits)
    rounded = is_rounded(integers, digits)
    number[rounded] = 0
    reason[rounded] = PRECISION_LOST
    return _finish(number, reason, values, max_digits)


def _narrow_floats(column: pd.Series[Any], max_digits: int) -> Normalized:
    blank = column.isna().to_numpy(bool)
    values = np.zeros(len(column), np.float32)
    values[~blank] = column[~blank].to_numpy(dtype=np.float32)
    number = np.zeros(len(values), np.int64)
    done = _finish(number, np.full(len(values), SLOW, np.int8), values, max_digits)
    return _without(blank, done)


def _finish(
    number: NDArray[np.int64], reason: NDArray[np.int8], cells: NDArray[Any], max_digits: int
) -> Normalized:
    """Give what is left to parse_phone, each distinct value once."""
    left = np.flatnonzero(reason == SLOW)
    if len(left):
        distinct, place = np.unique(cells[left], return_inverse=True)
        slow = _each(distinct, max_digits)
        number[left] = slow.number[place]
        reason[left] = slow.reason[place]
    return Normalized(number, reason)


def _each(cells: Iterable[Any], max_digits: int) -> Normalized:
    """One cell after the other."""
    parsed = [parse_phone(cell, max_digits=max_digits) for cell in cells]
    number = np.array([int(national) if national else 0 for national, _ in parsed], np.int64)
    reason = np.array([-1 if why is None else _REASON_CODES[why] for _, why in parsed], np.int8)
    return Normalized(number, reason)


def _objects(cells: NDArray[Any], max_digits: int) -> Normalized:
    """Read a column of Python objects: text, ints and floats at once, others one by one."""
    if pd.api.types.infer_dtype(cells, skipna=False) == "string":
        return _objects_of(str, cells, max_digits)
    number = np.zeros(len(cells), np.int64)
    reason = np.full(len(cells), MISSING, np.int8)
    groups: dict[type, list[int]] = {}
    for position, kind in enumerate(map(type, cells)):
        groups.setdefault(kind, []).append(position)
    groups.pop(type(None), None)
    for kind, positions in groups.items():
        at = np.array(positions)
        done = _objects_of(kind, cells[at], max_digits)
        number[at] = done.number
        reason[at] = done.reason
    return Normalized(number, reason)


def _objects_of(kind: type, cells: NDArray[Any], max_digits: int) -> Normalized:
    try:
        if kind is str:
            return _strings(pd.Series(cells, dtype=object), max_digits)
        if kind is int:
            return _integers(cells.astype(np.int64), max_digits)
        if kind is float:
            return _nullable(pd.Series(cells.astype(np.float64)), np.float64, _floats, max_digits)
    except OverflowError:  # a huge int
        return _each(cells, max_digits)
    return _each(cells, max_digits)


def _strings(column: pd.Series[Any], max_digits: int) -> Normalized:
    import pyarrow as pa

    try:
        cells = pa.array(column, from_pandas=True)
        if isinstance(cells, pa.ChunkedArray):
            cells = cells.combine_chunks()
        cells = cells.cast(pa.large_string())
    except (
        pa.ArrowException,
        UnicodeError,
        NotImplementedError,
    ):  # half a surrogate pair; not text after all
        return _each(column.tolist(), max_digits)
    number = np.zeros(len(cells), np.int64)
    reason = np.full(len(cells), MISSING, np.int8)
    there: Any = (
        np.flatnonzero(cells.is_valid().to_numpy(zero_copy_only=False))
        if cells.null_count
        else slice(None)
    )
    number[there], reason[there] = _texts(
        cells.drop_null() if cells.null_count else cells, max_digits
    )
    left = np.flatnonzero(reason == SLOW)
    if len(left):
        encoded = cells.take(pa.array(left)).dictionary_encode()
        slow = _each(encoded.dictionary.to_pylist(), max_digits)
        place = encoded.indices.to_numpy()
        number[left] = slow.number[place]
        reason[left] = slow.reason[place]
    return Normalized(number, reason)


def _texts(cells: Any, max_digits: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return numbers and reasons of an Arrow array without nulls.

    The reason is SLOW where parse_phone must look.
    """
    number = np.zeros(len(cells), np.int64)
    reason = np.zeros(len(cells), np.int8)
    layouts = Layouts(max_digits)
    for start in range(0, len(cells), BLOCK):
        block = slice(start, start + BLOCK)
        number[block], reason[block] = layouts.read(cells.slice(start, BLOCK))
    return number, reason


def national_text(number: NDArray[np.int64]) -> Any:
    """Return numbers as text, missing where 0.

    The dtype is `str` on pandas 3, `string` before.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.cast(pa.array(number, mask=number == 0), pa.string())
    return pd.array(text.to_pandas().array, dtype=TEXT)
