"""From a frame to a run and back: which numbers to ask for, and where each answer belongs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from pandas_numberactive._display.text import said
from pandas_numberactive._pandas import columns
from pandas_numberactive._phones.column import MISSING, PANDAS_3, Normalized, normalize_column
from pandas_numberactive._phones.doubts import Doubts
from pandas_numberactive._phones.mask import mask_cell, mask_example, mask_label, safe_label
from pandas_numberactive._phones.parse import REASONS
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    InvalidPhoneError,
    PhoneColumnWarning,
    warn_caller,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive._run.run import Answers


Columns = Hashable | Sequence[Hashable]
T = TypeVar("T")
MAX_PROBLEMS = 1000


@dataclass(
    frozen=True,
    slots=True,
    repr=False,
)  # numbers would stand in tracebacks with locals
class Prepared:
    """A frame, read: its distinct numbers and where each row's number stands among them."""

    frame: pd.DataFrame
    options: Options
    names: list[Hashable]
    prefixes: list[str]
    reasons: list[NDArray[np.int8]]  # as in Normalized, a column each
    places: list[NDArray[Any]]  # int32 where that is enough; -1 for none
    numbers: NDArray[np.int64]
    tallies: list[Tally]  # a column each
    shape: Shape


def need_frame(given: object, takes: str) -> None:
    """Raise ConfigurationError for anything else than a pandas frame."""
    if not isinstance(given, pd.DataFrame):
        raise ConfigurationError(f"{takes}, not {said(given)}: {_way_to_a_frame(given)}.")


def _way_to_a_frame(given: object) -> str:
    """Return what to do with something that is no pandas frame."""
    if isinstance(given, pd.Series):
        return "use series.numberactive.enrich()"
    room = type(given).__module__.partition(".")[0]
    if room == "dask":
        return "import pandas_numberactive.dask, and use ddf.numberactive.enrich(...)"
    if hasattr(given, "to_pandas"):  # polars, pyarrow, cudf
        return (
            f"use pna.enrich(df.to_pandas(), ...), and bring the result back with {room}'s own "
            "function"
        )
    return "make it a pandas DataFrame"


def frozen(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as it is now, for a call during which the caller may change it.

    Rows that are sorted or set meanwhile would get the answers of other numbers.
    """
    return frame.copy(deep=not PANDAS_3) if isinstance(frame, pd.DataFrame) else frame


def prepare(
    frame: pd.DataFrame,
    column: Columns,
    options: Options,
    max_digits: int,
) -> Prepared:
    """Read the phone columns and check everything that can be checked before a call is made."""
    need_frame(frame, "This takes a frame and the name of its phone column")
    names = phone_columns(frame, column)
    prefixes = columns.prefixes(names, options.prefix)
    _check_output(frame, prefixes, options)
    cells = [normalize_column(frame[name], max_digits=max_digits) for name in names]
    reasons = [c.reason for c in cells]
    seen = [_tally(frame[name], read) for name, read in zip(names, cells, strict=True)]
    numbers, places = _distinct(cells)
    del cells
    shape = _shape(frame, names, reasons, seen)
    prepared = Prepared(frame, options, names, prefixes, reasons, places, numbers, seen, shape)
    if options.errors == "raise":
        refuse_invalid(prepared.shape, problems(prepared, most=5))
    return prepared


def _distinct(cells: list[Normalized]) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
    """Return the distinct numbers in the order of the rows, and where each row's stands among them.

    Several columns are read row by row, so that a cap buys each row's numbers together. Empties
    `cells`.
    """
    every = _by_row([c.number for c in cells])
    width = len(cells)
    cells.clear()
    codes, distinct = pd.factorize(every)
    del every
    numbers = np.asarray(distinct, np.int64)
    if len(codes) < np.iinfo(np.int32).max:
        codes = codes.astype(np.int32)
    none = np.flatnonzero(numbers == 0)
    if len(none):  # the mark for "no number" leaves the numbers, and the codes close up
        gone = int(none[0])
        blank = codes == gone
        codes[codes > gone] -= 1
        codes[blank] = -1
        numbers = np.delete(numbers, none)
    return numbers, [codes[at::width] for at in range(width)]


def _by_row(numbers: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return numbers[0] if len(numbers) == 1 else np.stack(numbers, axis=1).ravel()


def phone_columns(frame: pd.DataFrame, column: Columns) -> list[Hashable]:
    """Return the names asked for, each of which must be one column of the frame."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise ConfigurationError(
            "The frame has columns of several levels. Flatten them first, for example with "
            'df.columns = ["_".join(map(str, c)) for c in df.columns].'
        )
    if isinstance(column, (pd.Series, pd.DataFrame)):
        raise ConfigurationError(
            'Pass the column\'s name, not the column: df.numberactive.enrich("phone"); of a Series '
            "alone, use series.numberactive.enrich()."
        )
    wanted: list[Hashable] = (
        list(column) if isinstance(column, (list, tuple, pd.Index)) else [column]
    )
    if not wanted:
        raise ConfigurationError("Name at least one phone column.")
    for name in wanted:
        _check_name(frame, name)
        if wanted.count(name) > 1:
            raise ConfigurationError(f"You named {mask_label(name)} twice: name it once.")
    return wanted


def _check_name(frame: pd.DataFrame, name: object) -> None:
    if not isinstance(name, Hashable):
        raise ConfigurationError(
            f"Name the phone column, or a list of them: {said(name)} is no column's name."
        )
    found = int((frame.columns == name).sum()) if name in frame.columns else 0
    if not found:
        raise ColumnNotFoundError(name, frame.columns)
    if found > 1:
        raise ConfigurationError(
            f"There are {found} columns {mask_label(name)}: rename all but one."
        )


def _check_output(frame: pd.DataFrame, prefixes: list[str], options: Options) -> None:
    """Raise where a result would replace a column that no call of ours has made."""
    if options.overwrite:
        return
    foreign = columns.foreign(frame, prefixes, options.details)
    if foreign:
        raise ConfigurationError(
            f"The frame has {', '.join(map(mask_label, foreign[:3]))} already, and not as enrich() "
            "makes it. After a file (CSV, Excel) use pna.restore_dtypes(df) first. Otherwise "
            "pass overwrite=True, or another prefix=. Nothing was sent."
        )


def _shape(
    frame: pd.DataFrame,
    names: list[Hashable],
    reasons: list[NDArray[np.int8]],
    seen: list[Tally],
) -> Shape:
    every = [np.bincount(reason[reason >= 0], minlength=len(REASONS)) for reason in reasons]
    counts = np.sum(every, axis=0).tolist()
    return Shape(
        rows=len(frame),
        missing=counts[MISSING],
        invalid={
            reason: count
            for reason, count in zip(REASONS, counts, strict=True)
            if reason != "missing"
        },
        valid_rows=sum(int((reason < 0).sum()) for reason in reasons),
        warnings=oddities(names, seen),
        examples=_examples(frame, names, reasons),
    )


def _examples(
    frame: pd.DataFrame, names: Sequence[Hashable], reasons: Sequence[NDArray[np.int8]]
) -> dict[str, str]:
    """Return the first cell that was refused for each reason, masked."""
    found: dict[str, str] = {}
    for name, reason in zip(names, reasons, strict=True):
        present = np.flatnonzero(np.bincount(reason[reason >= 0], minlength=len(REASONS)))
        for code in present.tolist():
            if code != MISSING:
                first = int(np.argmax(reason == code))
                found.setdefault(REASONS[code], mask_example(frame[name].iloc[first]))
    return found


class Tally(NamedTuple):
    """Counts of one phone column's cells, or of a part of it."""

    invalid: int
    filled: int
    numeric: str | None  # the warning for a numeric dtype
    doubts: Doubts

    @classmethod
    def total(cls, parts: Sequence[Tally]) -> Tally:
        """Return one phone column's tally from those of its parts."""
        warned = [one.numeric for one in parts if one.numeric]
        return cls(
            sum(one.invalid for one in parts),
            sum(one.filled for one in parts),
            warned[0] if warned else None,
            Doubts.total(one.doubts for one in parts),
        )


def _tally(column: pd.Series[Any], read: Normalized) -> Tally:
    """Count a phone column's cells. A column without a filled cell has no dtype to warn of."""
    filled = int((read.reason != MISSING).sum())
    invalid = filled - int((read.reason < 0).sum())
    numeric = numeric_warning(column) if filled else None
    return Tally(invalid, filled, numeric, Doubts.of(column, read))


def oddities(names: Sequence[Hashable], seen: Sequence[Tally]) -> tuple[str, ...]:
    """Return the warnings for phone columns that look wrong."""
    warned = [one.numeric for one in seen if one.numeric]
    for name, one in zip(names, seen, strict=True):
        if 2 * one.invalid > one.filled:
            warned.append(
                f"{one.invalid:,} of {one.filled:,} filled cells of column {mask_label(name)} are "
                "no Indonesian mobile numbers: is it the right column? pna.normalize() shows how "
                "each cell is read."
            )
        warned += one.doubts.sentences(mask_label(name))
    return tuple(warned)


def warn_columns(shape: Shape) -> None:
    """Warn of what is odd about the phone columns, before anything is bought."""
    for text in shape.warnings:
        warn_caller(text, PhoneColumnWarning)


def refuse_invalid(shape: Shape, bad: pd.DataFrame) -> None:
    """Raise where `bad`, as `problems` makes it, holds a cell."""
    if len(bad):
        shown = "; ".join(
            f"row {mask_label(row, quoted=False)}: {cell!r} ({reason})"
            for row, _, cell, reason in bad.itertuples(index=False)
        )
        raise InvalidPhoneError(
            f"{sum(shape.invalid.values())} cells are no Indonesian mobile number, so nothing was "
            "sent: "
            f'{shown}. Clean them, or use errors="coerce".'
        )


def problems(prepared: Prepared, most: int = MAX_PROBLEMS) -> pd.DataFrame:
    """Return the first cells that were refused: index label, column, masked cell, reason.

    A column's name is masked where it may be a phone. The row is found by its label, which stays.
    """
    rows: list[tuple[Any, object, str, str]] = []
    for name, reason in zip(prepared.names, prepared.reasons, strict=True):
        at = np.flatnonzero((reason >= 0) & (reason != MISSING))[: most - len(rows)]
        column = prepared.frame[name]
        index = prepared.frame.index
        shown = safe_label(name)
        rows += [(index[i], shown, mask_cell(column.iloc[i]), REASONS[reason[i]]) for i in at]
    return pd.DataFrame(rows, columns=["row", "column", "cell", "reason"])


def attach(prepared: Prepared, answers: Answers) -> pd.DataFrame:
    """Return the frame with its new columns at the end: same index, same rows, same order."""
    new: dict[str, Any] = {}
    for prefix, place, reason in zip(
        prepared.prefixes, prepared.places, prepared.reasons, strict=True
    ):
        new |= columns.build(
            prefix, place, reason, prepared.numbers, answers, prepared.options.details
        )
    there = prepared.frame.columns
    gone = columns.ours(prepared.frame, prepared.prefixes)
    if prepared.options.overwrite:
        gone = gone | set(columns.stale(prepared.prefixes, there))
    kept = prepared.frame.drop(columns=[name for name in there if name in new or name in gone])
    added = pd.DataFrame(new, index=kept.index, copy=False)  # nobody else has these arrays
    out = pd.concat([kept, added], axis=1) if len(kept.columns) else added
    out.attrs = dict(prepared.frame.attrs)
    return out


def numeric_warning(column: pd.Series[Any]) -> str | None:
    """Return the warning for a numeric phone column, which has lost its zeros."""
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        return None
    lost = (
        ", and rounded cells are refused as precision_lost"
        if pd.api.types.is_float_dtype(column.dtype)
        else ""
    )
    name = mask_label(column.name)
    return (
        f"Column {name} is {column.dtype}, so its leading zeros are lost{lost}. Read it as text, "
        f"with pd.read_csv(..., dtype={{{name}: str}})."
    )
