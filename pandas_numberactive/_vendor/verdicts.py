"""Judge each reply by the outcome table, read from the top."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from pandas_numberactive._config.checks import CodeOutcomes
from pandas_numberactive._vendor.protocol import (
    NO_ANSWER,
    SIGNALS,
    Answer,
    Message,
    Reply,
    names_other_phone,
    names_phone,
    names_whole_phone,
    parse,
    read_answer,
)


class Outcome(Enum):
    """The consequence of a reply for its look-up."""

    STOP = "stop"  # no further call in this run
    RETRY = "retry"  # the vendor did not take the call
    THROTTLED = "throttled"
    AMBIGUOUS = "ambiguous"  # the vendor may have acted
    PENDING = "pending"
    ANSWERED = "answered"
    NO_DATA = "no_data"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    UNCERTAIN = "uncertain"


class Verdict(NamedTuple):
    """A reply, judged: the outcome and what must be written down of it."""

    outcome: Outcome
    answer: Answer = NO_ANSWER
    request_id: str | None = None
    charged: bool | None = False  # None: unknown, counted as charged
    code: str | None = None
    msg: str = ""
    reason: str | None = None
    retry_after: float | None = None


LOST_REPLY = "lost_reply"
UNREADABLE = "unreadable_reply"
CONNECT_ERROR = "connect_error"
UNKNOWN_VALUE = "unknown_value"
NO_USER_PHONE = "no_user_phone"
WRONG_REQUEST_ID = "wrong_request_id"
SIMULATOR_ANSWER = "simulator_answer"
OpenedFor = Callable[[str], int | None]  # the number for which a requestId was opened, if known
_STOP_STATUS = {401, 403, 404, 405, 415}


_RETRY_STATUS = {408, 425, 429}
_WITHOUT_ANSWER = {
    Outcome.STOP,
    Outcome.RETRY,
    Outcome.THROTTLED,
    Outcome.AMBIGUOUS,
    Outcome.FAILED,
}


def judge_handle(
    reply: Reply,
    number: int,
    *,
    codes: CodeOutcomes | None = None,
    simulated: bool = False,
    opened_for: OpenedFor = lambda _: None,
) -> Verdict:
    """Judge a reply to handle by the outcome table, read from the top.

    isFee 1 is a charge under every code and status, as is a value that is not clearly 0. Signals
    without isFee may be one. Such a reply is final, and never asked for again.

    A reply to another number is lost. But where it only opens a requestId, the vendor may have
    given one to two numbers, which the store sees.
    """
    message = parse(reply.body, reply.keys)
    verdict = _judge_first_step(reply, message, number, codes, simulated)
    opens = verdict.outcome is Outcome.PENDING and not verdict.charged
    if (
        verdict.outcome is not Outcome.STOP
        and not opens
        and _is_astray(message, number, opened_for)
    ):
        return _verdict(message, Outcome.AMBIGUOUS, reason=WRONG_REQUEST_ID)
    charge = _charge_at_handle(message)
    if charge is False or verdict.outcome not in _WITHOUT_ANSWER:
        return verdict
    if verdict.reason == SIMULATOR_ANSWER:  # its charges are made up
        return verdict
    paid = verdict._replace(charged=charge, request_id=message.request_id)
    if verdict.outcome is Outcome.STOP:
        return paid
    return paid._replace(outcome=Outcome.FAILED, reason=verdict.reason or "code")


def _charge_at_handle(message: Message) -> bool | None:
    """Return the charge of a reply to handle that has no good code. None is a possible one."""
    if message.charges_handle:
        return True
    return None if message.is_fee is None and _has_signals(message.data) else False


def _judge_first_step(
    reply: Reply, message: Message, number: int, codes: CodeOutcomes | None, simulated: bool
) -> Verdict:
    """Judge a reply to handle as if it were free unless it sells something."""
    early = _judge_transport(reply, message, simulated)
    if early:
        return early
    if message.code is None:
        outcome = Outcome.AMBIGUOUS if reply.status == 200 else Outcome.FAILED
        return _verdict(message, outcome, reason=UNREADABLE)
    if message.code in (200, 201) and (sold := _judge_sale(message, number)):
        return sold
    told = _told(message, codes)
    if told in (Outcome.STOP, Outcome.RETRY):
        return _verdict(message, told)
    return _verdict(message, Outcome.FAILED, reason="code")


def judge_query(
    reply: Reply,
    number: int,
    *,
    codes: CodeOutcomes | None = None,
    simulated: bool = False,
    opened_for: OpenedFor = lambda _: None,
) -> Verdict:
    """Judge a reply to query by the outcome table, read from the top.

    isFee 1 is a charge of the requestId under every code and status, also where the same requestId
    is asked again. A reply to another number is lost.
    """
    message = parse(reply.body, reply.keys)
    verdict = _judge_second_step(reply, message, number, codes, simulated)
    if verdict.outcome is not Outcome.STOP and _is_astray(message, number, opened_for):
        return _verdict(message, Outcome.AMBIGUOUS, reason=WRONG_REQUEST_ID)
    if not message.is_fee or verdict.charged is not False:
        return verdict
    if verdict.reason == SIMULATOR_ANSWER:  # its charges are made up
        return verdict
    return verdict._replace(charged=True)


def _is_astray(message: Message, number: int, opened_for: OpenedFor) -> bool:
    """Return True for a reply with the requestId of another number that does not name this one."""
    if message.request_id is None:
        return False
    holder = opened_for(message.request_id)
    return holder not in (None, number) and not names_whole_phone(message.data, number)


def _judge_second_step(
    reply: Reply, message: Message, number: int, codes: CodeOutcomes | None, simulated: bool
) -> Verdict:
    """Judge a reply to query as if it were free unless it ends the look-up."""
    early = _judge_transport(reply, message, simulated)
    if early:
        return early
    if message.code is None:
        return _verdict(message, Outcome.AMBIGUOUS, reason=UNREADABLE)
    if names_other_phone(message.data, number):
        return _verdict(
            message,
            Outcome.QUARANTINED,
            charged=message.is_fee,
            reason="wrong_phone",
        )
    if message.code == 200:
        return _judge_own(message)
    told = Outcome.PENDING if message.code == 201 else _told(message, codes)
    if told in (Outcome.STOP, Outcome.RETRY, Outcome.PENDING):
        return _verdict(message, told)
    if told is Outcome.NO_DATA:
        return _verdict(message, told, charged=message.is_fee)
    if message.is_fee is None:
        return _verdict(message, Outcome.UNCERTAIN, charged=None, reason="code")
    return _verdict(message, Outcome.FAILED, charged=message.is_fee, reason="code")


def _verdict(
    message: Message,
    outcome: Outcome,
    *,
    answer: Answer = NO_ANSWER,
    request_id: str | None = None,
    charged: bool | None = False,
    reason: str | None = None,
    retry_after: float | None = None,
) -> Verdict:
    code = None if message.code is None else str(message.code)
    return Verdict(outcome, answer, request_id, charged, code, message.msg, reason, retry_after)


def _judge_transport(reply: Reply, message: Message, simulated: bool) -> Verdict | None:
    """Judge what handle and query have in common: transport errors and HTTP status."""
    if reply.status is None:
        if reply.sent:
            return Verdict(Outcome.AMBIGUOUS, reason=LOST_REPLY)
        return Verdict(Outcome.RETRY, reason=CONNECT_ERROR)
    outcome = _outcome_of_status(reply.status, reply.retry_after)
    if outcome is not None:
        reason = f"http_{reply.status}"
        after = None if outcome is Outcome.STOP else reply.retry_after
        return _verdict(message, outcome, reason=reason, retry_after=after)
    if (reply.marked or message.marked) and not simulated:
        return _verdict(message, Outcome.STOP, reason=SIMULATOR_ANSWER)
    return None


def _outcome_of_status(status: int, retry_after: float | None) -> Outcome | None:
    """Return the outcome that an HTTP status alone decides."""
    if status in _STOP_STATUS or 300 <= status < 400:
        return Outcome.STOP
    if status not in _RETRY_STATUS and status < 500:
        return None
    if status == 429 or retry_after is not None:
        return Outcome.THROTTLED
    return Outcome.RETRY


def _judge_sale(message: Message, number: int) -> Verdict | None:
    """Read what a good reply to handle gives: an answer, a requestId, or neither (None)."""
    if _has_signals(message.data):
        return _judge_data(message, number)._replace(request_id=message.request_id)
    paid = message.charges_handle
    if message.request_id:  # whatever skeleton of NAs stands beside it
        return _verdict(
            message,
            Outcome.PENDING,
            request_id=message.request_id,
            charged=paid,
        )
    return _judge_data(message, number) if paid and message.data else None


def _has_signals(data: Any) -> bool:
    """Return True if `data` holds a value other than NA and 0 in one of the three signals."""
    if not isinstance(data, dict) or not any(name in data for name in SIGNALS):
        return False
    answer, unknown = read_answer(data)
    return bool(answer) or unknown


def _judge_data(message: Message, number: int) -> Verdict:
    if names_other_phone(message.data, number):
        return _verdict(
            message,
            Outcome.QUARANTINED,
            charged=message.is_fee,
            reason="wrong_phone",
        )
    return _judge_own(message)


def _judge_own(message: Message) -> Verdict:
    """Read an answer that names no other number than the one asked."""
    answer, unknown = read_answer(message.data)
    outcome = Outcome.ANSWERED if answer or unknown else Outcome.NO_DATA
    reason = UNKNOWN_VALUE if unknown else None
    if answer and not names_phone(message.data):
        reason = NO_USER_PHONE
    return _verdict(message, outcome, answer=answer, charged=message.is_fee, reason=reason)


def _told(message: Message, codes: CodeOutcomes | None) -> Outcome | None:
    """Return the outcome that the user's `code_outcomes` gives this code, or None."""
    if not codes or message.code is None:
        return None
    known: list[int | str] = [message.code, str(message.code), message.said]
    known += [int(message.said)] if message.said.isdecimal() else []
    word = next((codes[code] for code in known if code in codes), None)
    return Outcome(word) if word else None
