"""One-off look-ups: one number, one answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import (
    card,
    colour_of,
    esc,
    level,
    note,
)
from pandas_numberactive._display.text import said, utc, when, words
from pandas_numberactive._display.tracebacks import sealed
from pandas_numberactive._pandas import frames
from pandas_numberactive._pandas.api import ready_settings, remember
from pandas_numberactive._pandas.columns import ACTIVE_LEVEL, FREQUENCY_GRADE, TELCO_TYPE
from pandas_numberactive._phones.mask import mask
from pandas_numberactive._phones.parse import explain, parse_phone
from pandas_numberactive._purchase.purchase import STATUSES
from pandas_numberactive._run import run as batch
from pandas_numberactive._run.options import Options, names_its_options
from pandas_numberactive._run.report import Shape
from pandas_numberactive.errors import InvalidPhoneError


@dataclass(frozen=True, slots=True)
class Lookup:
    """One number's answer; the phone is masked when printed.

    `status` is one of the lookup_status categories, `source` "new" or "stored", `charged` None
    where the vendor did not say (counted as charged).
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


def _one(phone: object, options: Options) -> tuple[str, batch.Run, Settings]:
    given = settings()
    national = _national(phone, given)
    ready = ready_settings(given)
    return (
        national,
        batch.Run(np.array([int(national)]), Shape(rows=1, valid_rows=1), ready, options),
        ready,
    )


def _single_options(refresh: bool, max_age: Any) -> Options:
    request = frames.Request(refresh=refresh, max_age=max_age, details=True, max_charges=1)
    return request.options()


@sealed
@names_its_options
def lookup(
    phone: object, *, refresh: bool = False, max_age: str | timedelta | np.timedelta64 | None = None
) -> Lookup:
    """Look one number up; free where it is stored, else charged once.

    Raises InvalidPhoneError, before anything is sent, where `phone` is no Indonesian mobile number.

    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     pna.lookup("0811 8899 532").status
    'answered'
    """
    national, run, ready = _one(phone, _single_options(refresh, max_age))
    return _single(national, bridge.call(run.go, stop=run.stop, drain=ready.drain), ready)


@sealed
@names_its_options
async def alookup(
    phone: object, *, refresh: bool = False, max_age: str | timedelta | np.timedelta64 | None = None
) -> Lookup:
    """Like `lookup`, to be awaited."""
    national, run, ready = _one(phone, _single_options(refresh, max_age))
    result = await bridge.wait(bridge.submit(run.go), stop=run.stop, drain=ready.drain)
    return _single(national, result, ready)


@sealed
async def apeek(phone: object) -> Lookup | None:
    """Return what the store has of one number, or None; sends nothing, charges nothing."""
    given = settings()
    national = _national(phone, given)
    number = np.array([int(national)])
    result = await bridge.wait(
        bridge.submit(lambda: batch.stored(number, given)), stop=lambda: None, drain=given.drain
    )
    return _found(national, result, given.environment or "") if result.packed[0] else None


def _single(national: str, result: batch.Result, ready: Settings) -> Lookup:
    remember(result.report)
    if result.error is not None:
        result.error.report = result.report
        raise result.error
    batch.warn_unknown(result.answers)
    return _found(national, result.answers, ready.environment or "")


def _found(national: str, answers: batch.Answers, environment: str) -> Lookup:
    status, packed, bought = (
        STATUSES[answers.status[0]],
        int(answers.packed[0]),
        int(answers.bought_at[0]),
    )
    row = answers.lookups.get(int(national))
    shown = packed if status == "answered" else 0
    source = None if not bought else "new" if answers.new[0] else "stored"
    return Lookup(
        phone=national,
        status=status,
        telco_type=_word(shown >> 4 & 3, TELCO_TYPE),
        active_level=_word(shown >> 6 & 3, ACTIVE_LEVEL),
        frequency_grade=_word(shown >> 8 & 3, FREQUENCY_GRADE),
        looked_up_at=utc(bought) if bought else None,
        charged=row.charged if row else False,
        source=source,
        request_id=row.request_id if row else None,
        code=row.code if row else None,
        msg=row.msg if row else "",
        reason=row.reason if row else None,
        environment=environment,
    )


def _word(code: int, dtype: pd.CategoricalDtype) -> str | None:
    return str(dtype.categories[code - 1]) if code else None


_MARKED = "Made up by the simulator. "


_PAID = {True: "charged", False: "free", None: "charge unknown"}


_FAILED_FREE = "The look-up failed and was not charged; try again."


_FAILED_CHARGED = "The look-up failed and was charged: it is not asked again. Ask the vendor."


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
        facts += note(f"requestId {found.request_id}")
    if found.status in ("answered", "no_data"):
        names = ("active_level", "frequency_grade", "telco_type")
        signals = "".join(level(name, getattr(found, name)) for name in names)
        return card(found.masked, f"<div>{signals}</div>{facts}")
    why = _WHY.get(found.status, found.status)
    if found.status == "failed":
        why = _FAILED_FREE if found.charged is False else _FAILED_CHARGED
    said = f"code {found.code}: {found.msg}" if found.code else found.reason or ""
    body = f"<div>{esc(why)}</div>{note(said)}{facts}"
    return card(f"{found.masked}: {words(found.status)}", body, accent=colour_of(found.status))
