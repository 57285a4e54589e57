"""The result columns: their names, their dtypes, and their values from small codes."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive._phones.column import TEXT
from pandas_numberactive._phones.parse import REASONS
from pandas_numberactive._purchase.purchase import STATUSES, charge_codes, signal_codes
from pandas_numberactive._vendor.protocol import LEVELS, TELCO_TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive._run.run import Answers

TELCO_TYPE = pd.CategoricalDtype(list(TELCO_TYPES))
ACTIVE_LEVEL = pd.CategoricalDtype(list(LEVELS), ordered=True)
FREQUENCY_GRADE = pd.CategoricalDtype(list(LEVELS), ordered=True)
LOOKUP_STATUS = pd.CategoricalDtype(list(STATUSES))
SOURCE = pd.CategoricalDtype(["new", "stored"])

COLUMNS = ("telco_type", "active_level", "frequency_grade", "lookup_status", "looked_up_at")
DETAILS = ("charged", "request_id", "reason", "source", "national")
SIGNAL_DTYPES = {
    "telco_type": TELCO_TYPE,
    "active_level": ACTIVE_LEVEL,
    "frequency_grade": FREQUENCY_GRADE,
    "lookup_status": LOOKUP_STATUS,
}
_CATEGORIES = SIGNAL_DTYPES | {"source": SOURCE}
_SETTLED = [STATUSES.index(name) for name in ("answered", "no_data", "failed", "quarantined")]
_ANSWERED = STATUSES.index("answered")


def names(prefix: str, details: bool) -> list[str]:
    """Return the names that a call adds for one phone column."""
    return [prefix + name for name in COLUMNS + (DETAILS if details else ())]


def prefixes(phones: Sequence[Hashable], prefix: str | None) -> list[str]:
    """Return the prefix of the new columns for each phone column."""
    if prefix is None:
        return [f"{phone}_" for phone in phones]
    return [prefix] if len(phones) == 1 else [f"{prefix}{phone}_" for phone in phones]


def foreign(frame: pd.DataFrame, prefixes: Sequence[str], details: bool) -> list[str]:
    """Return the columns that a result would replace and that no call of ours has made."""
    known = ours(frame, prefixes)
    new = [name for prefix in prefixes for name in names(prefix, details)]
    return [name for name in new if name in frame.columns and name not in known]


def ours(frame: pd.DataFrame, prefixes: Sequence[str]) -> set[Hashable]:
    """Return the columns that an earlier call of ours made, known by name and dtype.

    The signals count only beside a status of our dtype, and the details only where all five are
    there. So a customer's own text column called phone_reason is kept.
    """
    found: set[Hashable] = set()
    for prefix in prefixes:
        if _is_ours(frame, prefix, "lookup_status"):
            found |= {prefix + end for end in COLUMNS if _is_ours(frame, prefix, end)}
            if all(_is_ours(frame, prefix, end) for end in DETAILS):
                found |= {prefix + end for end in DETAILS}
    return found


def _is_ours(frame: pd.DataFrame, prefix: str, end: str) -> bool:
    dtype = getattr(frame.get(prefix + end), "dtype", None)
    if dtype is None:  # no such column, or two of one name
        return False
    if end in _CATEGORIES:
        return bool(dtype == _CATEGORIES[end])
    if end == "looked_up_at":
        return isinstance(dtype, pd.DatetimeTZDtype)
    if end == "charged":
        return isinstance(dtype, pd.BooleanDtype)
    return isinstance(dtype, pd.StringDtype)


def stale(prefixes: Sequence[str], there: Collection[Hashable]) -> list[str]:
    """Return detail columns left by an earlier call.

    They describe another purchase, so they must be dropped.
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

    `place` holds for each row the position of its number in `numbers`, -1 for none. It works on
    arrays only, so that neither a duplicate index nor a repeated row can cost a value.
    """
    settled = np.where(np.isin(answers.status, _SETTLED), answers.bought_at, 0)
    looked_up_at = _dates(_take(settled, place, 0))  # the widest first, while nothing else is there
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
    out: dict[str, Any] = {  # small codes first, so that the rows move bytes
        prefix + "telco_type": _levels(telco, place, TELCO_TYPE),
        prefix + "active_level": _levels(level, place, ACTIVE_LEVEL),
        prefix + "frequency_grade": _levels(grade, place, FREQUENCY_GRADE),
        prefix + "lookup_status": pd.Categorical.from_codes(status, dtype=LOOKUP_STATUS),
        prefix + "looked_up_at": looked_up_at,
    }
    if details:
        out |= _details(prefix, place, reason, numbers, answers)
    return out


def _take(values: NDArray[Any], place: NDArray[Any], fill: int) -> NDArray[Any]:
    taken: NDArray[Any] = np.append(values, values.dtype.type(fill))[place]
    return taken


def _levels(
    code: NDArray[Any],
    place: NDArray[Any],
    dtype: pd.CategoricalDtype,
) -> pd.Categorical:
    return pd.Categorical.from_codes(_take((code - 1).astype(np.int8), place, -1), dtype=dtype)


def _dates(micros: NDArray[np.int64]) -> Any:
    micros[micros == 0] = np.iinfo(
        np.int64
    ).min  # in place, because the caller's array is used nowhere else
    return pd.array(micros.view("M8[us]"), dtype=pd.DatetimeTZDtype("us", "UTC"), copy=False)


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
