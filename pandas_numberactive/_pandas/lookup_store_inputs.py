"""Validate the arguments of LookupStore's methods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, cast

import numpy as np
import pandas as pd

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.text import said
from pandas_numberactive._pandas.formats import is_date
from pandas_numberactive._pandas.reconcile import id_text
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive._store import ledger
from pandas_numberactive._store.rows import ENVIRONMENTS
from pandas_numberactive._vendor.protocol import LEVELS, TELCO_TYPES, Answer
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    InvalidPhoneError,
    near_misses,
)


def _micros(moment: object, zone: str = "UTC") -> int:
    stamp = pd.Timestamp(cast("Any", moment))
    stamp = stamp.tz_localize(zone) if stamp.tzinfo is None else stamp
    return int(stamp.as_unit("ns").value) // 1000


def need_frame(given: object, name: str) -> None:
    """Refuse what is no DataFrame."""
    if not isinstance(given, pd.DataFrame):
        raise ConfigurationError(
            f"{name} takes a pandas DataFrame, not {said(given)}; nothing was changed."
        )


def since_micros(moment: object) -> int:
    """Return a date on the clock of the setting `timezone` in microseconds since 1970, UTC.

    A number is refused.
    """
    try:
        if not isinstance(moment, (str, date, np.datetime64)) or pd.isna(pd.Timestamp(moment)):
            raise ValueError  # a number is nanoseconds to pandas
        return _micros(moment, settings().timezone)
    except (ValueError, TypeError):  # pandas' own errors of dates are ValueErrors
        raise ConfigurationError(
            f'since must be a date such as "2026-01-31", not {said(moment)}.'
        ) from None


def one_national(phone: object) -> int:
    """One valid number."""
    if isinstance(phone, Iterable) and not isinstance(phone, (str, bytes)):
        raise InvalidPhoneError(f"This takes one number, not {said(phone)}; nothing was changed.")
    national, reason = parse_phone(phone, max_digits=settings().max_digits)
    if national is None:
        raise InvalidPhoneError(
            f"This is no Indonesian mobile number ({reason}); nothing was changed."
        )
    return int(national)


def all_nationals(phones: object) -> list[int]:
    """Return every number of some cells without the blanks. One bad cell refuses all."""
    _refuse_table(phones)
    cells = (
        [phones]
        if isinstance(phones, (str, bytes)) or not isinstance(phones, Iterable)
        else list(phones)
    )
    limit = settings().max_digits
    read = [parse_phone(cell, max_digits=limit) for cell in cells]
    bad = [
        (at, reason)
        for at, (number, reason) in enumerate(read)
        if number is None and reason != "missing"
    ]
    if bad:
        at, reason = bad[0]
        raise InvalidPhoneError(
            f"{len(bad):,} of {len(cells):,} cells are no Indonesian mobile numbers, the first at "
            f"position {at} "
            f"({reason}); nothing was changed."
        )
    return [int(number) for number, _ in read if number is not None]


def _refuse_table(phones: object) -> None:
    """Refuse a table, whose iteration gives the names of its columns in place of the cells."""
    if isinstance(phones, Mapping) or getattr(phones, "ndim", 1) > 1:
        raise ConfigurationError(
            f"Give one column of phones, such as df['phone'], not {said(phones)}; "
            "nothing was changed."
        )


def named_environment(given: str | None) -> str:
    """Return the environment that is named, or configured."""
    name = given or settings().environment
    if name not in ENVIRONMENTS:
        raise ConfigurationError(
            'Which environment? Say environment="production", "sandbox" or "simulator".'
        )
    return name


EVERY = "all"
_DAY = 24 * 3600 * 1_000_000  # microseconds


def shows_all(environment: str | None) -> bool:
    """Return True if every environment is shown, as asked for or because none is configured."""
    return environment == EVERY or (environment is None and settings().environment is None)


def within(environment: str | None) -> str | None:
    """Return the environment to which the ledger is limited, None for all."""
    return None if shows_all(environment) else named_environment(environment)


SIGNALS = {
    "telco_type": "telcoType",
    "active_level": "activeLevel",
    "frequency_grade": "frequencyGrade",
}
_NAMES = SIGNALS | {"request_id": "requestId", "charged": "isFee"}


def our_names(answers: pd.DataFrame) -> pd.DataFrame:
    """Return answers under our names, the vendor's own taken where ours are missing.

    Raises ColumnNotFoundError where no signal is found: all would be paid answers without data.
    """
    theirs = {
        vendor: ours
        for ours, vendor in _NAMES.items()
        if ours not in answers.columns and vendor in answers.columns
    }
    renamed = answers.rename(columns=theirs)
    if not any(name in renamed.columns for name in SIGNALS):
        columns = [str(name) for name in answers.columns]
        near = [miss for name in _every_name() for miss in near_misses(name, columns)]
        raise ColumnNotFoundError("telco_type", answers.columns, first=near)
    _refuse_near(renamed)
    return renamed


def _refuse_near(answers: pd.DataFrame) -> None:
    """Refuse a signal under a name like ours, which would be stored as one without data."""
    for ours, vendor in SIGNALS.items():
        wanted = _letters(vendor)
        near = [str(name) for name in answers.columns if wanted in _letters(name)]
        if near and ours not in answers.columns:
            advice = "Rename it, or drop the column. Nothing was imported."
            raise ColumnNotFoundError(ours, answers.columns, first=near, advice=advice)


def _letters(name: object) -> str:
    return re.sub(r"[^a-z]", "", str(name).lower())


def _every_name() -> list[str]:
    return [name for pair in SIGNALS.items() for name in pair]


def worded_answer(
    telco_type: object,
    active_level: object,
    frequency_grade: object,
) -> Answer:
    """Return the small codes of an answer given in words."""
    return Answer(
        _code("telco_type", telco_type, TELCO_TYPES),
        _code("active_level", active_level, LEVELS),
        _code("frequency_grade", frequency_grade, LEVELS),
    )


def _code(name: str, value: object, words: tuple[str, ...]) -> int:
    """Return the small code of one of our words or, for telco_type, of the vendor's 0, 1, 2.

    "NA" and missing are 0.
    """
    if value is None or value is pd.NA or value != value:
        return 0
    text = str(value).strip().lower().removesuffix(".0")
    if text in ("", "na", "0"):
        return 0
    if name == "telco_type" and text in ("1", "2"):
        return int(text)
    if text not in words:
        raise ConfigurationError(f"{name} must be one of {', '.join(words)} or missing.")
    return 1 + words.index(text)


def bought_micros(moment: object, now: int) -> int:
    """Return microseconds since 1970, or 0 for anything that is no date between that and `now`.

    A time without a zone is on the clock of the setting `timezone`. A day's difference between two
    clocks is no future, and counts as now: a later date would hide what a refresh buys.
    """
    try:
        bought = _micros(moment, settings().timezone) if is_date(moment) else 0
        return min(bought, now) if 0 < bought <= now + _DAY else 0
    except (ValueError, TypeError):  # pandas' own errors of dates are ValueErrors
        return 0


def imported_row(number: int, bought_at: int, row: dict[str, Any]) -> ledger.Imported:
    """Return an answer bought elsewhere in the form that the store takes."""
    answer = worded_answer(
        row.get("telco_type"), row.get("active_level"), row.get("frequency_grade")
    )
    request_id = row.get("request_id")
    given = request_id is not None and not pd.isna(request_id)
    charged = row.get("charged")
    return ledger.Imported(
        number,
        answer,
        bought_at,
        (id_text(request_id, "request_id") or None) if given else None,
        _charged(charged),
    )


def _charged(value: Any) -> bool | None:
    """Read our True and False or the vendor's isFee 1 and 0, also as text."""
    if value is None or pd.isna(value):
        return None
    text = str(value).strip().lower().removesuffix(".0")
    if text not in _CHARGES:
        raise ConfigurationError(
            "charged (or isFee) must be True, False, 1, 0 or missing. Nothing was imported."
        )
    return _CHARGES[text]


_CHARGES = {"true": True, "1": True, "false": False, "0": False, "": None}
