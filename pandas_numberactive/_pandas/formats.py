"""Take the result columns through files that keep no dtypes: CSV, Excel, databases."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.public import public
from pandas_numberactive._pandas.columns import COLUMNS, DETAILS, SIGNAL_DTYPES, SOURCE
from pandas_numberactive._phones.column import TEXT
from pandas_numberactive._phones.mask import hide_numbers, mask_label
from pandas_numberactive.errors import ConfigurationError

_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_CLOCK = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
_ZONE = r"Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?"
_HARMLESS = re.compile(r"[+-]?[0-9][0-9 ().,/-]*")  # phones and numbers, which no sheet executes
_ISO = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:{_CLOCK}(?: ?(?:{_ZONE}))?)?")


@public
def plain_dtypes(df: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the result columns as text and naive local times.

    Excel, SQLite and many other formats know no categories and no time zones: `to_excel` raises on
    a column with a zone. `restore_dtypes` is the inverse. Nothing is sent or charged.

    Parameters
    ----------
    df
        A frame that `enrich` made, of any shape; other columns stay as they are.

    Returns
    -------
    pandas.DataFrame
        A new frame. Categories and details are text, `..._looked_up_at` is datetime64[us] on the
        clock of the setting `timezone`, `..._charged` stays a nullable boolean. Excel keeps
        milliseconds of a time.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     out = pna.enrich(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone")
    >>> plain = pna.plain_dtypes(out)
    >>> plain["phone_looked_up_at"].dt.tz is None
    True
    >>> pna.restore_dtypes(plain).equals(out)
    True
    """
    zone = settings().timezone
    out = df.copy()
    for name, end in _result_columns(df):
        column = df[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            out[name] = column.astype(TEXT)
        elif end == "looked_up_at" and isinstance(column.dtype, pd.DatetimeTZDtype):
            out[name] = column.dt.tz_convert(zone).dt.tz_localize(None)
    return out


def for_excel(df: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as Excel takes it: `plain_dtypes`, and no zone in any other column."""
    zone = settings().timezone
    out = plain_dtypes(df)
    for name in out.select_dtypes("datetimetz"):
        out[name] = out[name].dt.tz_convert(zone).dt.tz_localize(None)
    return out


@public
def restore_dtypes(df: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the dtypes of the result columns restored.

    For a frame that went through CSV or Excel. Columns are known by the ends of their names
    (`..._telco_type`, `..._lookup_status`, ...). Times without a zone are read on the clock of the
    setting `timezone`. Nothing is sent or charged.

    Parameters
    ----------
    df
        The frame as it was read, of any shape; other columns stay as they are.

    Returns
    -------
    pandas.DataFrame
        A new frame with the dtypes that `enrich` gives.

    Raises
    ------
    ConfigurationError
        Such a column holds a value that no result has, or a date that is not ISO or not real.

    Examples
    --------
    >>> import pandas as pd
    >>> back = restore_dtypes(pd.DataFrame({"phone_active_level": ["high", None]}))
    >>> back["phone_active_level"].cat.ordered
    True
    """
    out = df.copy()
    for name, end in _result_columns(df):
        out[name] = _restored(df[name], end)
    return out


def _result_columns(df: pd.DataFrame) -> Iterator[tuple[Any, str]]:
    """Yield the result columns with the ends of their names.

    All ten beside a lookup_status column; else the signals and the status alone.
    """
    prefixes = [
        str(n).removesuffix("lookup_status") for n in df if str(n).endswith("lookup_status")
    ]
    whole = {prefix + end: end for prefix in prefixes for end in (*COLUMNS, *DETAILS)}
    for name in df.columns:
        ends = [whole[str(name)]] if str(name) in whole else []
        ends += [end for end in SIGNAL_DTYPES if str(name).endswith(end)]
        if ends:
            yield name, ends[0]


def _restored(column: pd.Series[Any], end: str) -> Any:
    """Return one result column, typed. An empty text is a missing value, as a CSV writes it."""
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        column = column.mask(column == "")
    if end in SIGNAL_DTYPES:
        return _category(column, SIGNAL_DTYPES[end])
    if end == "source":
        return _category(column, SOURCE)
    if end == "looked_up_at":
        return _moments(column)
    if end == "charged":
        truths = [_TRUTHS.get(str(value).strip().lower()) for value in column]
        return pd.array(truths, dtype="boolean")
    return pd.array(_digits(column).where(column.notna(), None).to_numpy(), dtype=TEXT)


def _moments(column: pd.Series[Any]) -> Any:
    """Return moments in UTC. A time without a zone is on the clock of the setting `timezone`."""
    zone = settings().timezone
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.DatetimeIndex(column)
        if moments.tz is None:
            moments = _zoned(moments, zone)
        return moments.tz_convert("UTC").as_unit("us").array
    cells = [None if _blank(value) else _moment(value, column.name, zone) for value in column]
    return pd.Series(cells, dtype="datetime64[us, UTC]").array


def _zoned(moments: Any, zone: str) -> Any:
    """Give local times their zone. An hour that occurs twice is taken as the later one."""
    return moments.tz_localize(
        zone,
        ambiguous=_ambiguous(moments),
        nonexistent="shift_forward",
    )


def _ambiguous(moments: Any) -> Any:
    return False if isinstance(moments, pd.Timestamp) else np.zeros(len(moments), bool)


def _blank(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or value != value or value == ""


def is_date(value: object) -> bool:
    """Return True for a date, and for text in the ISO form.

    The order of 05/06/2026 is anybody's guess, and a number may be days, seconds or nanoseconds.
    """
    if isinstance(value, str):
        return _ISO.fullmatch(value.strip()) is not None
    return isinstance(value, dt.date | np.datetime64)


def _moment(value: object, name: object, zone: str) -> pd.Timestamp:
    """Return one cell as a moment, or raise ConfigurationError for what is no ISO date."""
    text = value.strip() if isinstance(value, str) else value
    try:
        if not is_date(text):
            raise ValueError
        moment = pd.Timestamp(text)  # type: ignore[arg-type]
    except ValueError:
        raise ConfigurationError(
            f"Column {mask_label(name)} holds {mask_label(value)}, which is no date such as "
            "2026-01-31 or 2026-01-31 17:05:00+07:00. Read that column as text or as dates again."
        ) from None
    if moment.tzinfo is None:
        moment = _zoned(moment, zone)
    return moment.tz_convert("UTC")


def _digits(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column's cells without the ".0" that read_csv gives to digits beside a blank.

    It does so only where a float holds every digit. Others would become another number.
    """
    cells = column.astype(object)
    if getattr(column.dtype, "itemsize", 8) < 8:
        return cells
    digits = [
        str(int(v)) if isinstance(v, float) and v.is_integer() and abs(v) < 2**53 else v
        for v in cells
    ]
    return pd.Series(digits, index=column.index, dtype=object)


def _category(column: pd.Series[Any], dtype: pd.CategoricalDtype) -> pd.Categorical:
    values = column.astype(object).where(column.notna(), None)
    known = set(dtype.categories)
    unknown = sorted({str(value) for value in values if value is not None and value not in known})
    if unknown:
        raise ConfigurationError(
            f"Column {mask_label(column.name)} holds {', '.join(map(mask_label, unknown[:3]))}, "
            f"which is none of {', '.join(map(str, dtype.categories))}."
        )
    return pd.Categorical(values, dtype=dtype)


def without_formulas(df: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before cells that a spreadsheet would execute, names and labels too."""
    out = df.rename(columns=inert)
    for place in range(df.shape[1]):
        cells = df.iloc[:, place].tolist()
        if any(inert(cell) is not cell for cell in cells):
            out.isetitem(place, [inert(cell) for cell in cells])
    if df.index.nlevels == 1 and not isinstance(df.index, pd.RangeIndex):
        labels = [inert(label) for label in df.index]
        out.index = pd.Index(labels, name=inert(df.index.name))
    return out


def inert(cell: Any) -> Any:
    """Return a cell that no spreadsheet executes."""
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    return cell if _HARMLESS.fullmatch(cell) else f"'{cell}"


def write_excel(df: pd.DataFrame, path: Path, *, index: bool) -> None:
    """Write every text as text: openpyxl takes one that begins with = for a formula."""
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        df.to_excel(writer, index=index)
        for sheet in writer.book.worksheets:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.data_type == "f":
                        cell.data_type = "s"


def why_unwritten(error: Exception) -> str:
    """Return the reason why a table was not written, without the cell that a writer quotes."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error).__name__ == "IllegalCharacterError":
        return "a cell holds a control character, which Excel refuses: choose a .csv"
    return hide_numbers(f"{type(error).__name__}: {error}")[:200]
