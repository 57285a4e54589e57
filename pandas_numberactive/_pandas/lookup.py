"""One-off look-ups: one number, one answer."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import require, store_location
from pandas_numberactive._config.settings import RunSettings, Settings, settings
from pandas_numberactive._display.html import (
    card,
    colour_of,
    esc,
    level,
    note,
)
from pandas_numberactive._display.public import public
from pandas_numberactive._display.text import said, utc, when, words
from pandas_numberactive._pandas.api import ready_settings
from pandas_numberactive._pandas.columns import ACTIVE_LEVEL, FREQUENCY_GRADE, TELCO_TYPE
from pandas_numberactive._pandas.ending import conclude, go
from pandas_numberactive._phones.mask import mask, mask_within
from pandas_numberactive._phones.parse import explain, parse_phone
from pandas_numberactive._purchase.flow import HANDLE_LOST, RetryPolicy, unsafe_to_resume
from pandas_numberactive._purchase.purchase import STATUSES, Purchase, signal_codes
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape
from pandas_numberactive._run.run import Answers, Result, Run, stored
from pandas_numberactive.errors import InvalidPhoneError, before_sending


@dataclass(frozen=True, slots=True)
class Lookup:
    """The answer about one number, as `lookup` returns it. The phone is masked when printed.

    Attributes
    ----------
    phone : str
        The national number, whole.
    status : str
        One of the categories of `pna.LOOKUP_STATUS`.
    telco_type, active_level, frequency_grade : str or None
        The signals, None where the vendor has no value.
    looked_up_at : datetime or None
        The moment of the purchase, UTC.
    charged : bool or None
        None: the vendor did not say (it counts as charged).
    source : str or None
        "new" or "stored".
    request_id, code, msg : str or None
        The vendor's id, code and message.
    reason : str or None
        Our reason for a status without an answer.
    environment : str
        "production", "sandbox" or "simulator".

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     answer = pna.lookup("0811 8899 532")
    >>> answer.masked, answer.source, answer.charged
    ('8118****532', 'new', True)
    """

    phone: str = field(repr=False)
    status: str
    telco_type: str | None
    active_level: str | None
    frequency_grade: str | None
    looked_up_at: datetime | None
    charged: bool | None
    source: str | None
    request_id: str | None
    code: str | None
    msg: str
    reason: str | None
    environment: str

    @property
    def masked(self) -> str:
        """The phone as it may be shown."""
        return mask(self.phone)

    def __repr__(self) -> str:
        signals = ", ".join(
            f"{name}={getattr(self, name)}"
            for name in ("telco_type", "active_level", "frequency_grade")
        )
        # What the vendor said, its text masked as it was read, or our own reason: else a wrong key
        # looks like bad luck.
        told = [
            self.code and f"code {self.code}",
            self.msg and repr(self.msg),
            not self.code and self.reason,
        ]
        why = (
            ""
            if self.status in ("answered", "no_data")
            else "".join(f", {text}" for text in told if text)
        )
        source = self.source or "not bought"
        return f"Lookup({self.masked}, {self.status}{why}, {signals}, {source}, {self.environment})"

    def _repr_html_(self) -> str:

        return lookup_card(self)


def _national(phone: object, given: Settings) -> str:
    if isinstance(phone, Iterable) and not isinstance(phone, (str, bytes)):
        raise InvalidPhoneError(
            f"lookup takes one number, not {said(phone)}: for many use "
            "series.numberactive.enrich(), or enrich of a "
            "frame. Nothing was sent."
        )
    national, reason = parse_phone(phone, max_digits=given.max_digits)
    if national is None:
        raise InvalidPhoneError(f"{explain(reason or '')} Nothing was sent.")
    return national


@dataclass(
    frozen=True,
    slots=True,
    repr=False,
)  # a number would stand in tracebacks with locals
class _Call:
    """One look-up: the number and its run."""

    national: str
    run: Run
    settings: RunSettings

    @classmethod
    def of(cls, phone: object, options: Options) -> Self:
        """Check everything that can be checked before a call is made."""
        given = settings()
        national = _national(phone, given)
        with before_sending():
            ready = ready_settings(given)
        shape = Shape(rows=1, valid_rows=1)
        return cls(national, Run(np.array([int(national)]), shape, ready, options), ready)

    def end(self, result: Result) -> Lookup:
        """Return the answer, or raise what ended the run."""

        def build(answers: Answers) -> Lookup:
            return _found(self.national, answers, self.settings.environment)

        return conclude(result, build, warns=False)


@public(foreign=Options)
def lookup(
    phone: object, *, refresh: bool = False, max_age: str | timedelta | np.timedelta64 | None = None
) -> Lookup:
    """Look one number up.

    An answer in the store is free. Any other is charged once.

    Parameters
    ----------
    phone
        One Indonesian mobile number, in any of the usual ways to write it.
    refresh
        True buys a new answer even if one is stored.
    max_age
        Buys again what is older, such as "180D". As in `enrich`.

    Returns
    -------
    Lookup
        The status, the signals, the date and the charge. The number is masked when it is printed.

    Raises
    ------
    InvalidPhoneError
        `phone` is no Indonesian mobile number. Nothing is sent.
    ConfigurationError
        A setting is missing or wrong. Nothing is sent.
    VendorError, StoreError
        The look-up had to stop. What was paid is stored.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     pna.lookup("0811 8899 532").status
    'answered'
    """
    call = _Call.of(phone, _options(refresh, max_age))
    run = call.run
    drain = call.settings.drain
    with run:
        result = bridge.call(lambda: go(run), stop=run.stop, drain=drain)
        with result.ending:
            return call.end(result)


@public(foreign=Options)
async def alookup(
    phone: object, *, refresh: bool = False, max_age: str | timedelta | np.timedelta64 | None = None
) -> Lookup:
    """Await `lookup`, in a notebook or any other event loop.

    Parameters
    ----------
    phone, refresh, max_age
        As in `lookup`.

    Returns
    -------
    Lookup
        As `lookup` returns it, and charged the same.

    Raises
    ------
    NumberActiveError
        As `lookup` does.

    Examples
    --------
    >>> import asyncio, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     asyncio.run(pna.alookup("0811 8899 532")).status
    'answered'
    """
    call = _Call.of(phone, _options(refresh, max_age))
    run = call.run
    drain = call.settings.drain
    with run:
        result = await bridge.wait(
            bridge.submit(lambda: go(run)),
            stop=run.stop,
            drain=drain,
        )
        async with result.ending:
            return call.end(result)


def _options(refresh: bool, max_age: str | timedelta | np.timedelta64 | None) -> Options:
    # No cap: it would count what the number cost earlier today, a release by hand among it.
    return Options(refresh=refresh, max_age=max_age, details=True)


@public
async def apeek(phone: object) -> Lookup | None:
    """Return what the store has of one number, or None. Sends nothing, charges nothing.

    The `reason` of a pending or held look-up forbids asking it with these settings. None allows it.
    """
    given = settings()
    national = _national(phone, given)
    environment = given.environment or ""
    number = np.array([int(national)])
    reading = bridge.submit(lambda: stored(number, environment, store_location(given)))
    found = await bridge.wait(reading, stop=lambda: None, drain=given.drain)
    if not found.packed[0]:
        return None
    kept = _found(national, found, environment)
    row = found.lookups.get(int(national))
    if row is None or kept.status not in OPEN_STATUSES:
        return kept
    return replace(kept, reason=_unaskable(row, given))


def _unaskable(row: Purchase, given: Settings) -> str | None:
    """Return the reason that forbids asking an open look-up with these settings, or None."""
    if row.request_id is None:
        return HANDLE_LOST
    if given.environment == "simulator":  # may have no address before it is started
        return None
    ready = require(given)
    return unsafe_to_resume(
        row,
        now=time.time(),
        host=ready.host,
        key=ready.credentials.fingerprint,
        max_age=RetryPolicy().max_age,
    )


def _found(national: str, answers: Answers, environment: str) -> Lookup:
    status = STATUSES[answers.status[0]]
    packed = int(answers.packed[0])
    bought = int(answers.bought_at[0])
    row = answers.lookups.get(int(national))
    telco, level, grade = signal_codes(packed if status == "answered" else 0)
    source = "new" if answers.new[0] else "stored"
    return Lookup(
        phone=national,
        status=status,
        telco_type=_word(telco, TELCO_TYPE),
        active_level=_word(level, ACTIVE_LEVEL),
        frequency_grade=_word(grade, FREQUENCY_GRADE),
        looked_up_at=utc(bought) if bought else None,
        charged=row.charged if row else False,
        source=source if bought else None,
        request_id=row.request_id if row else None,
        code=row.code if row else None,
        msg=row.msg if row else "",
        reason=row.reason if row else None,
        environment=environment,
    )


def _word(code: int, dtype: pd.CategoricalDtype) -> str | None:
    return str(dtype.categories[code - 1]) if code else None


OPEN_STATUSES = ("pending", "uncertain")  # may have been charged, and have no final answer
_MARKED = "Made up by the simulator. "


_PAID = {True: "charged", False: "free", None: "charge unknown"}


_FAILED_FREE = "The look-up failed and was not charged; try again."


_FAILED_CHARGED = (
    "The look-up failed and was charged, or may have been: it is not asked again. Ask the vendor."
)


_WHY = {
    "uncertain": "It may have been charged, so it is held: its requestId is asked again for a day, "
    "then you decide, "
    "see pna.LookupStore().held().",
    "quarantined": "The answer was about another number: kept, not used. Ask the vendor.",
    "pending": "The vendor has not answered yet; look again later: the same requestId is asked, "
    "and charged once.",
    "not_bought": "It was not bought.",
}


def lookup_card(found: Lookup) -> str:
    """Render a look-up's answer as HTML, the phone masked because a notebook is saved."""
    mark = _MARKED if found.environment == "simulator" else ""
    known = (when(found.looked_up_at), _PAID[found.charged], found.source, found.environment)
    facts = note(mark + ", ".join(word for word in known if word))
    if found.request_id:
        facts += note(f"requestId {mask_within(found.request_id, found.phone)}")
    if found.status in ("answered", "no_data"):
        names = ("active_level", "frequency_grade", "telco_type")
        signals = "".join(level(name, getattr(found, name)) for name in names)
        return card(found.masked, f"<div>{signals}</div>{facts}")
    body = f"<div>{esc(_why(found))}</div>{note(_told(found))}{facts}"
    return card(f"{found.masked}: {words(found.status)}", body, accent=colour_of(found.status))


def _why(found: Lookup) -> str:
    """Return what a status without an answer means, and what to do."""
    if found.status != "failed":
        return _WHY.get(found.status, found.status)
    return _FAILED_FREE if found.charged is False else _FAILED_CHARGED


def _told(found: Lookup) -> str:
    """Return the vendor's words, or our own reason."""
    return f"code {found.code}: {found.msg}" if found.code else found.reason or ""
