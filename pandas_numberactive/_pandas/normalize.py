"""A whole column of cells becomes numbers and reasons, with the same verdict as `parse_phone` on every cell.

The clean shapes are taken at once by Arrow and NumPy; whatever they do not take goes to `parse_phone`, once a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive._core.phone import REASONS, parse_phone

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 1_000_000  # cells: bounds the extra memory
MISSING = REASONS.index("missing")
NOT_A_NUMBER = REASONS.index("not_a_number")
_REASON_CODES = {reason: code for code, reason in enumerate(REASONS)}
_POWERS = 10 ** np.arange(19, dtype=np.int64)

# What these two match, parse_phone reads as the digits behind the prefix; tests hold both to that.
_CLEAN = r"^(?:\+?62[ ()-]{0,3}0?[ ()-]{0,3}|\(?0[ -]?)?8[1-35-9](?:[ ()-]{0,3}\d){7,10}$"
_DOTTED = r"^0?8[1-35-9]\d{0,2}\.\d{3,4}\.\d{3,4}$"


@dataclass(frozen=True, slots=True, repr=False)  # numbers would stand in tracebacks with locals
class Normalized:
    """One number or one reason for each cell."""

    number: NDArray[np.int64]  # national number, 0 where there is none
    reason: NDArray[np.int8]  # position in REASONS, -1 where there is a number


def normalize_column(column: pd.Series[Any], *, max_digits: int = 12) -> Normalized:
    """Read every cell of a column of any dtype; never raises on a cell."""
    parts = [_normalize_chunk(column.iloc[start : start + CHUNK], max_digits) for start in range(0, len(column), CHUNK)]
    if not parts:
        return Normalized(np.zeros(0, np.int64), np.zeros(0, np.int8))
    return Normalized(np.concatenate([p.number for p in parts]), np.concatenate([p.reason for p in parts]))


def _normalize_chunk(column: pd.Series[Any], max_digits: int) -> Normalized:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(column, max_digits)
    if pd.api.types.is_bool_dtype(dtype):
        return _constant(column, NOT_A_NUMBER)
    if pd.api.types.is_integer_dtype(dtype):
        return _nullable(column, np.int64, _integers, max_digits)
    if pd.api.types.is_float_dtype(dtype):
        narrow = str(dtype).lower().startswith(("float16", "float32", "halffloat", "float["))
        if narrow:  # parse_phone must see that these have 24 bits only
            return _narrow_floats(column, max_digits)
        return _nullable(column, np.float64, _floats, max_digits)
    if isinstance(dtype, pd.StringDtype) or "string" in str(dtype):
        return _strings(column, max_digits)
    if pd.api.types.is_object_dtype(dtype):
        return _objects(column.to_numpy(), max_digits)
    if "decimal" in str(dtype):
        return _each(column.astype(object).to_numpy(), max_digits)
    return _constant(column, NOT_A_NUMBER)


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
    values[~blank] = column[~blank].to_numpy(dtype=kind) if blank.any() else column.to_numpy(dtype=kind)
    done = read(values, max_digits)
    done.number[blank], done.reason[blank] = 0, MISSING
    return done


def _integers(values: NDArray[np.int64], max_digits: int) -> Normalized:
    number = _strip_prefix(values, max_digits)
    return _finish(number, values, max_digits)


def _floats(values: NDArray[np.float64], max_digits: int) -> Normalized:
    with np.errstate(invalid="ignore"):
        whole = (values >= 1e8) & (values < 1e15) & (values == np.floor(values))
        integers = np.where(whole, values, 0).astype(np.int64)
    digits = np.searchsorted(_POWERS, integers, side="right")
    rounded = integers % _POWERS[np.maximum(digits - 6, 0)] == 0  # six significant digits or fewer
    number = np.where(whole & ~rounded, _strip_prefix(integers, max_digits), 0)
    return _finish(number, values, max_digits)


def _narrow_floats(column: pd.Series[Any], max_digits: int) -> Normalized:
    blank = column.isna().to_numpy(bool)
    values = np.zeros(len(column), np.float32)
    values[~blank] = column[~blank].to_numpy(dtype=np.float32)
    done = _finish(np.zeros(len(values), np.int64), values, max_digits)
    done.number[blank], done.reason[blank] = 0, MISSING
    return done


def _strip_prefix(values: NDArray[np.int64], max_digits: int) -> NDArray[np.int64]:
    """The national number in clean integers (8..., 62 8...); 0 where parse_phone must look."""
    digits = np.searchsorted(_POWERS, values, side="right")
    behind = _POWERS[np.clip(digits - 2, 0, 18)]
    prefixed = (digits > 10) & (values // behind == 62)
    national = np.where(prefixed, values - 62 * behind, values)
    length = np.where(prefixed, digits - 2, digits)
    first_two = national // _POWERS[np.clip(length - 2, 0, 18)]
    fits = (first_two >= 81) & (first_two <= 89) & (first_two != 84)
    return np.where(fits & (length >= 9) & (length <= max_digits), national, 0)


def _finish(number: NDArray[np.int64], cells: NDArray[Any], max_digits: int) -> Normalized:
    """Give what is left to parse_phone, each distinct value once."""
    reason = np.full(len(number), -1, np.int8)
    left = np.flatnonzero(number == 0)
    if len(left):
        distinct, place = np.unique(cells[left], return_inverse=True)
        slow = _each(distinct, max_digits)
        number[left], reason[left] = slow.number[place], slow.reason[place]
    return Normalized(number, reason)


def _each(cells: Iterable[Any], max_digits: int) -> Normalized:
    """One cell after the other."""
    parsed = [parse_phone(cell, max_digits=max_digits) for cell in cells]
    number = np.array([int(national) if national else 0 for national, _ in parsed], np.int64)
    reason = np.array([-1 if why is None else _REASON_CODES[why] for _, why in parsed], np.int8)
    return Normalized(number, reason)


def _objects(cells: NDArray[Any], max_digits: int) -> Normalized:
    """A column of Python objects: text at once, exact ints and floats at once, the rest one by one."""
    number = np.zeros(len(cells), np.int64)
    reason = np.full(len(cells), MISSING, np.int8)
    kinds = [type(cell) for cell in cells]
    groups: dict[type, list[int]] = {}
    for position, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(position)
    for kind, positions in groups.items():
        at = np.array(positions)
        done = _objects_of(kind, cells[at], max_digits)
        number[at], reason[at] = done.number, done.reason
    return Normalized(number, reason)


def _objects_of(kind: type, cells: NDArray[Any], max_digits: int) -> Normalized:
    try:
        if kind is str:
            return _strings(pd.Series(cells, dtype=object), max_digits)
        if kind is int:
            return _integers(cells.astype(np.int64), max_digits)
        if kind is float:
            return _nullable(pd.Series(cells.astype(np.float64)), np.float64, _floats, max_digits)
    except (OverflowError, UnicodeError):  # a huge int, half a surrogate pair
        return _each(cells, max_digits)
    return _each(cells, max_digits)


def _strings(column: pd.Series[Any], max_digits: int) -> Normalized:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        cells = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return _each(column.tolist(), max_digits)
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    if pa.types.is_null(cells.type):
        return _constant(column, MISSING)
    cells = cells.cast(pa.large_string())
    number = np.zeros(len(cells), np.int64)
    for pattern in (_CLEAN, _DOTTED):
        hit = pc.fill_null(pc.match_substring_regex(cells, pattern), False).to_numpy(zero_copy_only=False)
        at = np.flatnonzero(hit & (number == 0))
        if len(at):
            taken = cells if len(at) == len(cells) else cells.take(pa.array(at))
            digits = pc.replace_substring_regex(taken, r"[ ().+-]+", "")
            number[at] = _strip_prefix(pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False), max_digits)
    reason = np.full(len(cells), -1, np.int8)
    left = np.flatnonzero(number == 0)
    if len(left):
        encoded = pc.dictionary_encode(cells.take(pa.array(left)))
        slow = _each(encoded.dictionary.to_pylist(), max_digits)
        place = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        number[left] = np.append(slow.number, 0)[place]
        reason[left] = np.append(slow.reason, np.int8(MISSING))[place]
    return Normalized(number, reason)


def normalize(series: pd.Series[Any], *, max_digits: int | None = None) -> pd.DataFrame:
    """Read a column of phone cells: what each is in national form, or why it is refused. Nothing is sent or charged.

    Returns a frame with the same index: `national` (str, missing where refused) and `reason` (category, missing
    where fine). Rules: libphonenumber's region ID, and refusing what a careless cleaner would turn into a
    stranger's number.

    >>> import pandas as pd
    >>> normalize(pd.Series(["+62 811-8899-532", "6.28119E+11"]))["reason"].tolist()
    [nan, 'precision_lost']
    """
    from pandas_numberactive.settings import settings

    limit = settings().max_digits if max_digits is None else max_digits
    done = normalize_column(series, max_digits=limit)
    return pd.DataFrame(
        {
            "national": national_text(done.number),
            "reason": pd.Categorical.from_codes(done.reason, dtype=pd.CategoricalDtype(list(REASONS))),
        },
        index=series.index,
    )


def national_text(number: NDArray[np.int64]) -> Any:
    """Numbers as text, missing where 0; `str` on pandas 3, `string` before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.cast(pa.array(number, mask=number == 0), pa.string())
    dtype: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else "string"
    return pd.array(text.to_pandas().array, dtype=dtype)


def numeric_warning(column: pd.Series[Any]) -> str | None:
    """What to tell about a phone column that is numeric: the zeros, and perhaps digits, are gone."""
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        return None
    lost = ", and rounded cells are refused as precision_lost" if pd.api.types.is_float_dtype(column.dtype) else ""
    return (
        f"Column {column.name!r} is {column.dtype}: leading zeros are lost{lost}. Read it as text: "
        "read_csv(..., dtype=str)."
    )
