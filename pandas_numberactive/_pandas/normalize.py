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
_ARROW_TEXT = ("string[pyarrow]", "large_string[pyarrow]", "string_view[pyarrow]")
_POWERS = 10 ** np.arange(19, dtype=np.int64)

# What the byte-wise reader takes, parse_phone reads as the digits behind the prefix; tests hold the two together.
_BLOCK = 1 << 15  # cells: its temporaries stay in the cache
_LONGEST = 31  # bytes: counts of five bits each in one integer
_DIGIT, _DOT, _BRACKET, _PLUS, _BLANK, _OTHER = (1 << 5 * place for place in range(6))
_WEIGHT = np.full(256, _OTHER, np.uint32)
_WEIGHT[np.frombuffer(b"0123456789", np.uint8)] = _DIGIT
_WEIGHT[np.frombuffer(b" -", np.uint8)] = _BLANK
_WEIGHT[np.frombuffer(b".", np.uint8)] = _DOT
_WEIGHT[np.frombuffer(b"()", np.uint8)] = _BRACKET
_WEIGHT[np.frombuffer(b"+", np.uint8)] = _PLUS
_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_MARKED = r"^(?:(?:\+?62[ -]?)?\([0-9]{1,4}\)[0-9 -]+|(?:\+?62\.?|0)?8[0-9]{0,3}\.[0-9]{3,4}\.[0-9]{3,5})$"
_REFUSED = (  # shapes of plain ASCII that parse_phone refuses whatever the digits are
    (r"^(?:[+]?[0-9][0-9 ()-]*[A-Za-z]+[A-Za-z ()]*|[A-Za-z][0-9]+)$", "bad_characters"),
    (r"^[0-9][0-9 -]*[/;|&][ -]*[0-9][0-9 -]*$", "several_numbers"),
    (r"^[0-9]{9,}\.[0-9]*[1-9][0-9]*$", "not_a_number"),
    (r"^[0-9](?:[.,][0-9]{0,7})?[eE][+]?0?(?:9|1[0-9])$", "precision_lost"),
    (r"^[+](?:[0-57-9]|6[013-9])[0-9]*(?:[ -][0-9]{3,})*$", "not_indonesian"),
    (r"^0?[1-579][0-9]+(?:[ -][0-9]{3,})*$", "not_mobile"),
)
_LABELLED = r"^(?i:hp|wa|tel|telp|no)\b\.?[:=]? *"
_TRIMMED = " \t\n\r\v\f'\"`"

# What may stand before the 8: how many digits, how many must follow, whether a + may stand in front of it.
_PREFIXES = (
    ("", 9, False), ("0", 9, False), ("62", 9, True), ("620", 9, True),
    ("062", 10, False), ("0620", 10, False), ("0062", 9, False),
)  # fmt: skip
_STRIP = np.array([len(prefix) for prefix, _, _ in _PREFIXES] + [0])
_FEWEST = np.array([fewest for _, fewest, _ in _PREFIXES] + [99])  # the last row: no prefix that is known here
_AFTER_PLUS = np.array([plus for _, _, plus in _PREFIXES] + [False])


def _prefix_table() -> NDArray[np.uint8]:
    """Which of _PREFIXES the first six digits of a number begin with."""
    table = np.full(1_000_000, len(_PREFIXES), np.uint8)
    for row, (prefix, _, _) in enumerate(_PREFIXES):
        for second in "12356789":
            start, free = int(prefix + "8" + second), 10 ** (4 - len(prefix))
            table[start * free : (start + 1) * free] = row
    return table


_BY_SIX_DIGITS = _prefix_table()


@dataclass(frozen=True, slots=True, repr=False)  # numbers would stand in tracebacks with locals
class Normalized:
    """One number or one reason for each cell."""

    number: NDArray[np.int64]  # national number, 0 where there is none
    reason: NDArray[np.int8]  # position in REASONS, -1 where there is a number


def normalize_column(column: pd.Series[Any], *, max_digits: int = 12) -> Normalized:
    """Read every cell of a column of any dtype; never raises on a cell.

    `max_digits` is the longest national number taken. Both arrays of the result are as long as the column.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _categories(column, max_digits)
    whole = Normalized(np.zeros(len(column), np.int64), np.zeros(len(column), np.int8))
    for start in range(0, len(column), CHUNK):
        part = _normalize_chunk(column.iloc[start : start + CHUNK], max_digits)
        whole.number[start : start + CHUNK], whole.reason[start : start + CHUNK] = part.number, part.reason
    return whole


def _normalize_chunk(column: pd.Series[Any], max_digits: int) -> Normalized:
    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return _constant(column, NOT_A_NUMBER)
    if pd.api.types.is_integer_dtype(dtype):
        return _nullable(column, np.int64, _integers, max_digits)
    if pd.api.types.is_float_dtype(dtype):
        narrow = str(dtype).lower().startswith(("float16", "float32", "halffloat", "float["))
        if narrow:  # parse_phone must see that these have 24 bits only
            return _narrow_floats(column, max_digits)
        return _nullable(column, np.float64, _floats, max_digits)
    if isinstance(dtype, pd.StringDtype) or str(dtype) in _ARROW_TEXT or "<values=string" in str(dtype):
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
    return _finish(_read_digits(values, _count_digits(values), False, max_digits), values, max_digits)


def _floats(values: NDArray[np.float64], max_digits: int) -> Normalized:
    with np.errstate(invalid="ignore"):
        whole = (values >= 1e8) & (values < 1e15) & (values == np.floor(values))
        integers = np.where(whole, values, 0).astype(np.int64)
    digits = _count_digits(integers)
    rounded = integers % _POWERS[np.maximum(digits - 6, 0)] == 0  # six significant digits or fewer
    number = np.where(rounded, 0, _read_digits(integers, digits, False, max_digits))
    return _finish(number, values, max_digits)


def _count_digits(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(_POWERS, values, side="right")


def _narrow_floats(column: pd.Series[Any], max_digits: int) -> Normalized:
    blank = column.isna().to_numpy(bool)
    values = np.zeros(len(column), np.float32)
    values[~blank] = column[~blank].to_numpy(dtype=np.float32)
    done = _finish(np.zeros(len(values), np.int64), values, max_digits)
    done.number[blank], done.reason[blank] = 0, MISSING
    return done


def _read_digits(
    value: NDArray[np.int64], digits: NDArray[Any], plus: NDArray[np.bool_] | bool, max_digits: int
) -> NDArray[np.int64]:
    """The national number in that many digits, zeros in front included; 0 where parse_phone must look."""
    fits = (digits >= 9) & (digits <= 18)
    digits = np.where(fits, digits, 9)
    value = np.where(fits, value, 0)
    row = _BY_SIX_DIGITS[value // _POWERS[digits - 6]]
    length = digits - _STRIP[row]
    fits &= (length >= _FEWEST[row]) & (length <= max_digits) & (_AFTER_PLUS[row] | ~np.asarray(plus))
    return np.where(fits, value % _POWERS[length], 0)


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
    """A column of Python objects: each type on its own, text, ints and floats at once."""
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
    except OverflowError:  # a huge int
        return _each(cells, max_digits)
    return _each(cells, max_digits)


def _strings(column: pd.Series[Any], max_digits: int) -> Normalized:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        cells = pa.array(column, from_pandas=True)
        if isinstance(cells, pa.ChunkedArray):
            cells = cells.combine_chunks()
        cells = cells.cast(pa.large_string())
    except (pa.ArrowException, UnicodeError, NotImplementedError):  # half a surrogate pair; not text after all
        return _each(column.tolist(), max_digits)
    blocks = [_clean(cells.slice(start, _BLOCK), max_digits) for start in range(0, len(cells), _BLOCK)]
    number = np.concatenate([np.zeros(0, np.int64), *blocks])
    reason = np.full(len(cells), -1, np.int8)
    left = np.flatnonzero(number == 0)
    if len(left):
        encoded = pc.dictionary_encode(cells.take(pa.array(left)))
        odd = _odd(encoded.dictionary, max_digits)
        place = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        number[left] = np.append(odd.number, 0)[place]
        reason[left] = np.append(odd.reason, np.int8(MISSING))[place]
    return Normalized(number, reason)


def _clean(cells: Any, max_digits: int) -> NDArray[np.int64]:
    """The numbers in the clean shapes of an Arrow large_string array, read byte-wise; 0 where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    number = np.zeros(len(cells), np.int64)
    offsets = np.frombuffer(cells.buffers()[1], np.int64)[cells.offset : cells.offset + len(cells) + 1]
    at = np.flatnonzero((np.diff(offsets) >= 9) & (np.diff(offsets) <= _LONGEST) & _valid(cells))
    if not len(at):
        return number
    if len(at) < len(cells):
        cells = cells.take(pa.array(at))
        offsets = np.frombuffer(cells.buffers()[1], np.int64)[: len(cells) + 1]
    text = np.frombuffer(cells.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    first, last = offsets[:-1] - offsets[0], offsets[1:] - offsets[0] - 1
    weight = _WEIGHT.take(text, mode="clip")
    count = np.add.reduceat(weight, first)
    plus = text[first] == ord("+")
    digits = (count & 31).astype(np.int64)
    tail = ((count // _DOT) & 31 == 1) & (text[last] == ord("0")) & (text[last - 1] == ord("."))
    tail &= (count & (31 * _BLANK + 31 * _BRACKET)) == 0  # else another number may stand before the point
    good = (digits >= 9) & (digits <= 18) & (count < _OTHER) & ((count // _PLUS) & 31 == plus)
    good &= (text[first] != ord(" ")) & (text[first] != ord("-")) & (weight[last] == _DIGIT)
    good &= (weight[last - 1] == _DIGIT) & ((weight[last - 2] == _DIGIT) | (weight[last - 3] == _DIGIT)) | tail
    good &= count < _OTHER  # | tail let them in again
    marked = np.flatnonzero(good & ((count & (31 * _DOT + 31 * _BRACKET)) > 0) & ~tail)
    if len(marked):
        good[marked] = pc.match_substring_regex(cells.take(pa.array(marked)), _MARKED).to_numpy(zero_copy_only=False)
    ends = np.concatenate([[0], np.cumsum(digits)])
    only_digits = pa.LargeStringArray.from_buffers(
        len(digits), pa.py_buffer(ends), pa.py_buffer(text.tobytes().translate(None, _NO_DIGITS))
    )
    value = pc.cast(only_digits.filter(pa.array(good)), pa.int64()).to_numpy(zero_copy_only=False)
    zero = tail[good]
    value, digits = np.where(zero, value // 10, value), digits[good] - zero
    number[at[good]] = _read_digits(value, digits, plus[good], max_digits)
    return number


def _valid(cells: Any) -> NDArray[np.bool_]:
    return np.asarray(cells.is_valid().to_numpy(zero_copy_only=False), bool)


def _odd(cells: Any, max_digits: int) -> Normalized:
    """Distinct cells of any shape: trimmed and read at once, refused at once, or read one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(pc.ascii_trim(cells, characters=_TRIMMED), _LABELLED, "", max_replacements=1)
    number = _clean(plain, max_digits)
    reason = np.where(number > 0, -1, len(REASONS)).astype(np.int8)
    for pattern, why in _REFUSED:
        hit = pc.match_substring_regex(cells, pattern).to_numpy(zero_copy_only=False)
        reason[hit] = _REASON_CODES[why]
    left = np.flatnonzero(reason == len(REASONS))
    slow = _each(cells.take(pa.array(left)).to_pylist(), max_digits)
    number[left], reason[left] = slow.number, slow.reason
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
