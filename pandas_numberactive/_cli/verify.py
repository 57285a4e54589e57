"""Check the assumptions about the vendor: one look-up, and the same query once more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import require
from pandas_numberactive._config.settings import RunSettings, Settings, settings
from pandas_numberactive._display.html import text_table
from pandas_numberactive._display.public import public
from pandas_numberactive._pandas.ending import conclude, go
from pandas_numberactive._phones.mask import mask
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive._purchase.purchase import SETTLED, STATUSES, LookupState, Purchase
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape
from pandas_numberactive._run.run import Run
from pandas_numberactive._store.runs import get_flag, handle_flag
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._vendor.client import Client
from pandas_numberactive._vendor.protocol import Message, Reply, names_other_phone, parse
from pandas_numberactive.errors import ConfigurationError, InvalidPhoneError

CONFIRMED = "confirmed"
REFUTED = "REFUTED"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, repr=False)
class Findings:
    """The findings of one look-up and its repetition, with a verdict for each assumption."""

    environment: str
    status: str
    charged: bool | None
    verdicts: tuple[tuple[str, str, str], ...]  # assumption, verdict, why

    @property
    def refuted(self) -> bool:
        """Return True if an assumption was seen to be wrong."""
        return any(verdict == REFUTED for _, verdict, _ in self.verdicts)

    def __repr__(self) -> str:
        lines = [(text, f"{verdict:<10} {why}") for text, verdict, why in self.verdicts]
        note = (
            f"status {self.status}, isFee {_fee(self.charged)}. Compare with the next invoice: "
            "LookupStore.reconcile()."
        )
        return text_table(f"Assumptions, checked against {self.environment}", lines, note)


@public
def verify(phone: object, *, max_charges: int | None = None) -> Findings:
    """Look one number up, ask the same requestId again, and judge each assumption.

    At most one number is bought. The charge of the repetition is one of the questions. In
    production `max_charges=1` must be given. Raises ConfigurationError where the number is stored
    already.
    """
    ready = require(settings())
    if ready.environment == "production" and max_charges != 1:
        raise ConfigurationError(
            "In production this buys one answer. Allow it with max_charges=1 (--max-charges 1). "
            "Nothing was sent."
        )
    national, reason = parse_phone(phone, max_digits=ready.max_digits)
    if national is None:
        raise InvalidPhoneError(
            f"This is no Indonesian mobile number ({reason}); nothing was sent."
        )
    options = Options(max_charges=1, details=True)
    run = Run(np.array([int(national)]), Shape(rows=1, valid_rows=1), ready, options)
    with run:
        result = bridge.call(lambda: go(run), stop=run.stop, drain=ready.drain)
        with result.ending:
            conclude(result, lambda answers: answers, warns=False)
    new = bool(result.answers.new[0])
    lookup = result.answers.lookups.get(int(national))
    if not new and lookup is not None and lookup.state in SETTLED:
        raise ConfigurationError(
            f"{mask(national)} is in the store already: verify with a number that is not."
        )
    reply = _repeated(lookup, new, ready)
    status = STATUSES[result.answers.status[0]]
    charged = lookup.charged if lookup is not None else None
    opened = lookup is not None and lookup.request_id is not None
    verdicts = _judge(ready, int(national), status, charged, result.report.handles, reply, opened)
    if lookup is not None:
        _add_stored(verdicts, lookup, ready)
    return Findings(ready.environment, status, charged, tuple(verdicts))


def _repeated(lookup: Purchase | None, new: bool, ready: RunSettings) -> Reply | None:
    """Query the same requestId again.

    Only one that this call settled or left pending: what is held may be another number's. One that
    was never queried, because handle gave the answer, may be charged by its first query.
    """
    if lookup is None or not lookup.request_id or lookup.opened_at is None:
        return None
    if not new and lookup.state is not LookupState.PENDING:
        return None
    request_id = lookup.request_id

    async def again() -> Reply:
        async with Client(ready) as client:
            return await client.query(request_id)

    return bridge.call(again, stop=lambda: None, drain=ready.drain)


def _add_stored(verdicts: list[tuple[str, str, str]], lookup: Purchase, ready: RunSettings) -> None:
    """Add what the repetition cannot show: a charge at handle, and the code of a failure."""
    if _sells_at_handle(lookup, ready):
        verdicts[1] = (verdicts[1][0], REFUTED, "handle gave an answer, or was charged")
    if lookup.code not in (None, "200", "201"):
        verdicts[4] = (verdicts[4][0], UNKNOWN, f"code {lookup.code}")


def _sells_at_handle(lookup: Purchase, ready: RunSettings) -> bool:
    """Return True if this store has seen the vendor answer or charge at handle."""
    mark = handle_flag(lookup.environment)
    with LookupStore.open(ready.store) as store:
        return store.do(lambda db: get_flag(db, mark))


def _judge(
    given: Settings,
    number: int,
    status: str,
    charged: bool | None,
    handles: int,
    reply: Reply | None,
    opened: bool,
) -> list[tuple[str, str, str]]:
    second = parse(reply.body, reply.keys) if reply is not None else Message()
    got = status != "not_bought"
    fee = f"isFee {_fee(charged)}"
    other = "none seen" if second.code in (200, 201, None) else f"code {second.code}"
    taken = CONFIRMED if opened else UNKNOWN
    bought = status in ("answered", "no_data")
    sent = f"POST with {given.encoding}"
    return [
        (f"1. {sent}", taken, "handle gave a requestId" if opened else status),
        ("2. handle is free, query charged once an id", *_charged_once(charged, second)),
        (
            "3. isFee says what is charged",
            CONFIRMED if charged is not None and bought else UNKNOWN,
            fee,
        ),
        ('4. "no data" is charged', *_no_data(status, charged)),
        ("5. other codes are failures", UNKNOWN, other),
        (
            "6. 201 at query means not ready",
            UNKNOWN,
            "pending" if status == "pending" else "not seen",
        ),
        ("7. an id is good for 24 h", UNKNOWN, "cannot be seen in one call"),
        (
            "8. a lost handle reply costs nothing",
            UNKNOWN,
            f"{handles} handle sent; see the invoice",
        ),
        ("9. the token's form", taken, "accepted" if opened else status),
        ("10. the number's form", *_number_form(second, number, got)),
    ]


def _charged_once(charged: bool | None, second: Message) -> tuple[str, str]:
    if second.is_fee is False and charged:
        return CONFIRMED, "the repetition says isFee 0"
    if second.is_fee:
        return UNKNOWN, "the repetition says isFee 1, too: look whether the invoice has it twice"
    return UNKNOWN, "the repetition had no usable reply"


def _no_data(status: str, charged: bool | None) -> tuple[str, str]:
    if status != "no_data":
        return UNKNOWN, "this number has data"
    verdict = {True: CONFIRMED, False: REFUTED, None: UNKNOWN}[charged]
    return verdict, f"isFee {_fee(charged)}"


def _number_form(second: Message, number: int, got: bool) -> tuple[str, str]:
    said = second.data.get("userPhone") if isinstance(second.data, dict) else None
    if not got or not said:
        return UNKNOWN, "no userPhone"
    return (
        (REFUTED, "userPhone is another number")
        if names_other_phone(second.data, number)
        else (CONFIRMED, "same")
    )


def _fee(charged: bool | None) -> str:
    return "missing" if charged is None else str(int(charged))
