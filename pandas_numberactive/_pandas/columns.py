"""The result columns: their names, their dtypes, and how they are built from small codes by
position.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive._phones.mask import mask_label
from pandas_numberactive._phones.parse import REASONS
from pandas_numberactive._purchase.purchase import STATUSES, charge_codes, signal_codes
from pandas_numberactive._vendor.protocol import LEVELS, TELCO_TYPES
from pandas_numberactive.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive._run.run import Answers

TELCO_TYPE = pd.CategoricalDtype(list(TELCO_TYPES))
ACTIVE_LEVEL = pd.CategoricalDtype(list(LEVELS), ordered=True)
FREQUENCY_GRADE = pd.CategoricalDtype(list(LEVELS), ordered=True)
LOOKUP_STATUS = pd.CategoricalDtype(list(STATUSES))
SOURCE = pd.CategoricalDtype(["new", "stored"])
TEXT: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else "string"

COLUMNS = ("telco_type", "active_level", "frequency_grade", "lookup_status", "looked_up_at")
DETAILS = ("charged", "request_id", "reason", "source", "national")
_DTYPES = {
    "telco_type": TELCO_TYPE,
    "active_level": ACTIVE_LEVEL,
    "frequency_grade": FREQUENCY_GRADE,
    "lookup_status": LOOKUP_STATUS,
}
_SETTLED = [STATUSES.index(name) for name in ("answered", "no_data", "failed", "quarantined")]
_ANSWERED = STATUSES.index("answered")


def names(prefix: str, details: bool) -> list[str]:
    """The names that a call adds for one phone column."""
    return [prefix + name for name in COLUMNS + (DETAILS if details else ())]


def stale(prefixes: Sequence[str], there: Collection[Hashable]) -> list[str]:
    """An earlier call's details: beside the answers of this one they would name another purchase's
    requestId.
    """
    whole = [[prefix + name for name in DETAILS] for prefix in prefixes]
    return [name for names in whole if all(one in there for one in names) for name in names]


def build(
    prefix: str,
    place: NDArray[Any],
    reason: NDArray[np.int8],
    numbers: NDArray[np.int64],
    answers: Answers,
    details: bool,
) -> dict[str, Any]:
    """Build the columns for the rows of one phone column.

    `place` says for each row where its number stands in `numbers`, -1 for none. Arrays only, so
    that neither a duplicate index nor a repeated row can cost a value.
    """
    status = _take(answers.status, place, -1)
    blank = place < 0
    status[blank] = np.where(
        reason[blank] == REASONS.index("missing"),
        STATUSES.index("missing"),
        STATUSES.index("invalid"),
    )
    # Only an answer has signals: a quarantined one is about somebody else.
    shown = np.where(answers.status == _ANSWERED, answers.packed, 0)
    telco, level, grade = signal_codes(shown)
    bought = _take(np.where(np.isin(answers.status, _SETTLED), answers.bought_at, 0), place, 0)
    out: dict[str, Any] = {  # small codes first, so that the rows move bytes
        prefix + "telco_type": _levels(telco, place, TELCO_TYPE),
        prefix + "active_level": _levels(level, place, ACTIVE_LEVEL),
        prefix + "frequency_grade": _levels(grade, place, FREQUENCY_GRADE),
        prefix + "lookup_status": pd.Categorical.from_codes(status, dtype=LOOKUP_STATUS),
        prefix + "looked_up_at": _dates(bought),
    }
    if details:
        out |= _details(prefix, place, reason, numbers, answers)
    return out


def _take(values: NDArray[Any], place: NDArray[Any], fill: int) -> NDArray[Any]:
    taken: NDArray[Any] = np.append(values, values.dtype.type(fill))[place]
    return taken


def _levels(code: NDArray[Any], place: NDArray[Any], dtype: pd.CategoricalDtype) -> pd.Categorical:
    return pd.Categorical.from_codes(_take((code - 1).astype(np.int8), place, -1), dtype=dtype)


def _dates(micros: NDArray[np.int64]) -> Any:
    micros[micros == 0] = np.iinfo(np.int64).min  # in place: the caller's array is nobody else's
    return pd.DatetimeIndex(micros.view("M8[us]")).tz_localize("UTC").array


def _details(
    prefix: str,
    place: NDArray[Any],
    reason: NDArray[np.int8],
    numbers: NDArray[np.int64],
    answers: Answers,
) -> dict[str, Any]:
    from pandas_numberactive._phones.column import national_text

    request_ids, reasons = (
        np.array([*column, None], object) for column in answers.details(numbers)
    )
    settled = np.isin(answers.status, _SETTLED) & (answers.bought_at != 0)
    charge = np.where(settled, charge_codes(answers.packed), 2).astype(np.int8)
    charge = _take(charge, place, 2)
    source = _take(np.where(settled, np.where(answers.new, 0, 1), -1).astype(np.int8), place, -1)
    why = reasons[place]
    refused = reason >= 0
    why[refused] = np.array(REASONS, object)[reason[refused]]
    return {
        prefix + "charged": pd.arrays.BooleanArray(charge == 1, charge == 2),
        prefix + "request_id": _text(request_ids[place]),
        prefix + "reason": _text(why),
        prefix + "source": pd.Categorical.from_codes(source, dtype=SOURCE),
        prefix + "national": national_text(_take(numbers, place, 0)),
    }


def _text(values: NDArray[Any]) -> Any:
    return pd.array(values, dtype=TEXT)


def restore_dtypes(df: pd.DataFrame) -> pd.DataFrame:
    """Give the result columns their dtypes back after a trip through CSV or Excel; returns a new
    frame.

    Columns are known by the ends of their names (`..._telco_type`, `..._lookup_status`, ...).
    Nothing is charged. Raises ConfigurationError where such a column holds a value that no result
    has.

    >>> import pandas as pd
    >>> back = restore_dtypes(pd.DataFrame({"phone_active_level": ["high", None]}))
    >>> back["phone_active_level"].cat.ordered
    True
    """
    out = df.copy()
    statuses = [name for name in df.columns if str(name).endswith("lookup_status")]
    for status in statuses:
        prefix = str(status).removesuffix("lookup_status")
        for end in (*COLUMNS, *DETAILS):
            if prefix + end in df.columns:
                out[prefix + end] = _restored(df[prefix + end], end)
    for name in df.columns:
        for end in _DTYPES:
            if str(name).endswith(end) and not isinstance(out[name].dtype, pd.CategoricalDtype):
                out[name] = _restored(df[name], end)
    return out


def _restored(column: pd.Series[Any], end: str) -> Any:
    if end in _DTYPES:
        return _category(column, _DTYPES[end])
    if end == "source":
        return _category(column, SOURCE)
    if end == "looked_up_at":
        return pd.to_datetime(column, utc=True).dt.as_unit("us")
    if end == "charged":
        words = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
        return pd.array([words.get(str(v).strip().lower()) for v in column], dtype="boolean")
    return _text(_digits(column).where(column.notna(), None).to_numpy())


def _digits(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column's cells, without the ".0" that read_csv gives to digits beside a blank.

    Only where a float holds every digit: others would become a number that nobody has.
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
    unknown = sorted(
        {str(value) for value in values if value is not None and value not in set(dtype.categories)}
    )
    if unknown:
        raise ConfigurationError(
            f"Column {mask_label(column.name)} holds {', '.join(map(mask_label, unknown[:3]))}, "
            "which is none of "
            f"{', '.join(map(str, dtype.categories))}."
        )
    return pd.Categorical(values, dtype=dtype)
