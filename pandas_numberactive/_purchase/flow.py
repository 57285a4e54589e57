"""The money rules: one look-up from its claim to its answer, as a generator of steps.

`lookup_flow` yields the next step and is sent its outcome. It does no I/O, so one rule serves the
client, the model check and the simulated runs. Three lines carry the weight, each marked RULE
below.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from pandas_numberactive._config.checks import CodeOutcomes
from pandas_numberactive._purchase.purchase import SETTLED, LookupState, Purchase
from pandas_numberactive._vendor.protocol import Reply
from pandas_numberactive._vendor.verdicts import (
    CONNECT_ERROR,
    LOST_REPLY,
    UNREADABLE,
    WRONG_REQUEST_ID,
    OpenedFor,
    Outcome,
    Verdict,
    judge_handle,
    judge_query,
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of retries and polling, in counts and seconds."""

    handle_attempts: int = 4
    query_attempts: int = 6
    backoff: float = 0.5
    max_backoff: float = 20.0
    max_retry_after: float = 120.0
    polls: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 10.0)
    poll_for: float = 60.0
    max_age: float = 24 * 3600.0  # of a requestId

    def delay(self, attempt: int, asked: float | None, chance: float) -> float:
        """Full jitter, or what the vendor asked for, bounded."""
        if asked is not None:
            return min(max(asked, 0.0), self.max_retry_after) + self.backoff * chance
        ceiling: float = min(self.max_backoff, self.backoff * 2.0**attempt)
        return ceiling * chance

    def poll_delay(self, poll: int) -> float:
        """Return the seconds to wait before poll 0, 1, 2, ... of a pending answer."""
        return self.polls[min(poll, len(self.polls) - 1)]


class RetryQuota:
    """A quota of retries. Retries take tokens and successes give them back.

    So an outage fails fast (as in the AWS SDKs).
    """

    def __init__(self, tokens: float = 500.0) -> None:
        self._most = tokens
        self._tokens = tokens

    def take(self, outcome: Outcome) -> bool:
        """Take the price of one retry. Return False if the quota is empty."""
        price = 5.0 if outcome is Outcome.THROTTLED else 14.0
        if self._tokens < price:
            return False
        self._tokens -= price
        return True

    def give(self) -> None:
        """Give one token back for a success."""
        self._tokens = min(self._most, self._tokens + 1.0)


class Handle(NamedTuple):
    """Request to send handle for this number.

    The driver answers with a Reply, or None if nothing was sent.
    """

    number: int
    # Called just before sending. Other look-ups may have shown by then that handle can charge.
    must_hold: Callable[[], bool] = lambda: False

    def __repr__(self) -> str:
        return "Handle(***)"


class Query(NamedTuple):
    """Request to send query for this requestId.

    The driver answers with a Reply, or None if nothing was sent.
    """

    request_id: str


class Save(NamedTuple):
    """Request to store this look-up before going on.

    The driver answers True, or False if another worker owns it now.
    """

    lookup: Purchase


class Wait(NamedTuple):
    """Request to wait. The driver answers True, or False if the run is stopping."""

    seconds: float


class Halt(NamedTuple):
    """Stop the whole run: no other number may be asked."""

    verdict: Verdict


Step = Handle | Query | Save | Wait | Halt
Flow = Generator[Step, Reply | bool | None, Purchase | None]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything else a flow needs: clocks, retry policy, host and app key."""

    clock: Callable[[], float]  # seconds since 1970
    monotonic: Callable[[], float]  # seconds since any moment, whatever the clock is set to
    chance: Callable[[], float]  # uniform in [0, 1)
    quota: RetryQuota
    host: str
    key: str
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    handle_codes: CodeOutcomes | None = None
    query_codes: CodeOutcomes | None = None
    simulated: bool = False
    handle_can_charge: Callable[[], bool] = lambda: False  # see `shows_handle_can_charge`
    reached: Callable[[], bool] = lambda: True  # was any call of this run sent?
    lost: LostHandle = field(default_factory=lambda: LostHandle())  # by an earlier call
    opened_for: OpenedFor = lambda _: None  # in this run


@dataclass(frozen=True, slots=True)
class LostHandle:
    """A call of handle whose reply was lost, although the vendor may have acted on it.

    Once this vendor has answered or charged at handle, such a look-up is held, and handle is never
    sent again, because it may be paid. `reason` is None where no handle was lost. It is stored with
    the look-up, so that the rule holds across codes, waits, stops, crashes and runs.
    """

    reason: str | None = None

    @classmethod
    def read(cls, state: LookupState, reason: str | None) -> LostHandle:
        """Return what a look-up on disk, without a requestId, says of its last handle."""
        if state is LookupState.RESERVED:  # its earlier owner may have sent one
            return cls(LOST_REPLY)
        known = reason in (LOST_REPLY, UNREADABLE, WRONG_REQUEST_ID) or (reason or "").startswith(
            "http_5"
        )
        return cls(reason if known and state is LookupState.FAILED else None)

    def after(self, verdict: Verdict, reply: Reply) -> LostHandle:
        """Return what is lost after one more reply that is to be retried."""
        status = reply.status or 0
        # Of a 502 or 504 the outcome is unknown, also where Retry-After stands beside it. A 503
        # with Retry-After is a refusal.
        refused = status == 503 and verdict.outcome is Outcome.THROTTLED
        gateway = status >= 500 and verdict.outcome in _RETRIED and not refused
        lost = gateway or verdict.outcome is Outcome.AMBIGUOUS
        return LostHandle(verdict.reason) if lost else self

    def must_hold(self, rules: Rules) -> bool:
        """Return True if the look-up must be held from now on.

        Called before and after each handle.
        """
        return self.reason is not None and rules.handle_can_charge()


def shows_handle_can_charge(lookup: Purchase) -> bool:
    """Return True if this step proves that the vendor answers or charges at handle."""
    if lookup.state is LookupState.PENDING:
        return lookup.charged is True and lookup.reason != CHARGED_AT_QUERY
    return lookup.state in SETTLED and lookup.opened_at is None


HANDLE_LOST = "handle_reply_lost"
CHARGED_AT_QUERY = "charged_at_query"  # the vendor has said isFee 1, and no answer came yet
_RETRIED = (Outcome.RETRY, Outcome.THROTTLED, Outcome.AMBIGUOUS)  # a set would hash an enum
_LEFT_OPEN = (*_RETRIED, Outcome.PENDING, Outcome.STOP)

_STATES = {
    Outcome.ANSWERED: LookupState.ANSWERED,
    Outcome.NO_DATA: LookupState.NO_DATA,
    Outcome.QUARANTINED: LookupState.QUARANTINED,
    Outcome.UNCERTAIN: LookupState.UNCERTAIN,
}


def lookup_flow(lookup: Purchase, rules: Rules) -> Flow:
    """Take one claimed look-up as far as it goes.

    Return it, or None if another worker has it.

    The caller holds the claim (money reserved, on disk) before it starts this.
    """
    if lookup.request_id is None:
        if lookup.state is LookupState.UNCERTAIN:
            return lookup
        opened = yield from _ask_handle(lookup, rules)
        if opened is None or opened.state is not LookupState.PENDING:
            return opened
        lookup = opened
    elif why := unsafe_to_resume(
        lookup, now=rules.clock(), host=rules.host, key=rules.key, max_age=rules.policy.max_age
    ):
        # RULE 3: an id that is too old, or of another key or host, may be a new order there.
        return (yield from _hold(lookup, why))
    return (yield from _ask_query(lookup, rules))


def unsafe_to_resume(
    lookup: Purchase, *, now: float, host: str, key: str, max_age: float
) -> str | None:
    """Return the reason that forbids asking an open requestId, or None.

    `now` is in seconds since 1970, `max_age` in seconds.
    """
    age = now - (lookup.opened_at if lookup.opened_at is not None else float("inf"))
    if not 0 <= age < max_age:
        return "request_id_too_old" if age >= 0 else "clock_went_back"
    if lookup.host != host:
        return "other_host"
    if lookup.key != key:
        return "other_app_key"
    return "request_id_collision" if lookup.reason == "request_id_collision" else None


def _ask_handle(lookup: Purchase, rules: Rules) -> Flow:
    """Ask for a requestId. Return the look-up as PENDING once the id is on disk."""
    lost = rules.lost
    attempt = 0
    while True:
        if lost.must_hold(rules):
            return (yield from _hold(lookup, HANDLE_LOST))
        reply = yield Handle(lookup.number, partial(lost.must_hold, rules))
        if not isinstance(reply, Reply):
            return (yield from _give_back(lookup, "stopped", lost, rules))
        verdict = judge_handle(
            reply,
            lookup.number,
            codes=rules.handle_codes,
            simulated=rules.simulated,
            opened_for=rules.opened_for,
        )
        if verdict.outcome not in _RETRIED:
            return (yield from _after_handle(lookup, verdict, reply, lost, rules))
        lost = lost.after(verdict, reply)
        attempt += 1
        if not _may_retry(verdict, attempt, rules.policy.handle_attempts, rules):
            return (yield from _fail(lookup, verdict, reply, lost, rules))
        if not (yield _backoff(verdict, attempt, rules)):
            return (yield from _give_back(lookup, "stopped", lost, rules))


def _may_retry(verdict: Verdict, attempt: int, most: int, rules: Rules) -> bool:
    """Return True if one more try is worth it.

    Until any call of the run was sent, each look-up gets one try.
    """
    if verdict.reason == CONNECT_ERROR and not rules.reached():
        return False
    return attempt < most and rules.quota.take(verdict.outcome)


def _after_handle(
    lookup: Purchase, verdict: Verdict, reply: Reply, lost: LostHandle, rules: Rules
) -> Flow:
    """Write down the reply that ends the first step."""
    if verdict.outcome is Outcome.PENDING:
        return (yield from _open(lookup, verdict, rules))
    if verdict.outcome is Outcome.STOP:
        yield Halt(verdict)
    if verdict.outcome is Outcome.STOP and verdict.charged is False:
        return (yield from _give_back(lookup, verdict.reason or "stopped", lost, rules))
    if verdict.outcome is Outcome.FAILED and verdict.charged is False:
        return (yield from _fail(lookup, verdict, reply, lost, rules))
    return (yield from _settle(lookup, verdict, reply, rules))


def _fail(
    lookup: Purchase,
    verdict: Verdict,
    reply: Reply,
    lost: LostHandle,
    rules: Rules,
) -> Flow:
    """Store a free failure. An earlier lost handle stays on disk as its reason."""
    if lost.must_hold(rules):
        return (yield from _hold(lookup, HANDLE_LOST))
    failed = verdict._replace(outcome=Outcome.FAILED, reason=lost.reason or verdict.reason)
    return (yield from _settle(lookup, failed, reply, rules))


def _give_back(lookup: Purchase, reason: str, lost: LostHandle, rules: Rules) -> Flow:
    """Release the reservation if handle was never sent.

    If it may have been sent, keep the reservation so that the next run sees it.
    """
    if lost.must_hold(rules):
        return (yield from _hold(lookup, HANDLE_LOST))
    return lookup if lost.reason else (yield from _release(lookup, reason))


def _open(lookup: Purchase, verdict: Verdict, rules: Rules) -> Flow:
    opened = lookup._replace(
        state=LookupState.PENDING,
        request_id=verdict.request_id,
        charged=verdict.charged or None,  # True only where handle itself was charged
        opened_at=rules.clock(),
        host=rules.host,
        key=rules.key,
        reason=None,
    )
    # RULE 1: no query before its requestId is on disk under our claim.
    saved = yield Save(opened)
    return opened if saved else None


def _ask_query(lookup: Purchase, rules: Rules) -> Flow:
    """Ask the same requestId until it answers, or leave it for the next run."""
    attempt = polls = 0
    first_poll = rules.monotonic()
    while True:
        # RULE 2: whatever happens from here on, no new handle: this id may have been charged.
        reply = yield Query(lookup.request_id or "")
        if not isinstance(reply, Reply):
            return lookup
        verdict = judge_query(
            reply,
            lookup.number,
            codes=rules.query_codes,
            simulated=rules.simulated,
            opened_for=rules.opened_for,
        )
        noted = yield from _note_charge(lookup, verdict)
        if noted is None:
            return None
        lookup = noted
        if verdict.outcome is Outcome.PENDING:
            wait = Wait(rules.policy.poll_delay(polls))
            polls += 1
            if rules.monotonic() - first_poll + wait.seconds > rules.policy.poll_for:
                return lookup
        elif verdict.outcome in _RETRIED:
            attempt += 1
            if not _may_retry(verdict, attempt, rules.policy.query_attempts, rules):
                return (yield from _unanswered(lookup, verdict, rules))
            wait = _backoff(verdict, attempt, rules)
        else:
            return (yield from _after_query(lookup, verdict, reply, rules))
        if not (yield wait):
            return lookup


def _note_charge(lookup: Purchase, verdict: Verdict) -> Flow:
    """Store the charge of a requestId that is still open, before anything else happens.

    A later isFee 0 does not undo it, after a stop or a crash neither.
    """
    if lookup.charged or not verdict.charged or verdict.outcome not in _LEFT_OPEN:
        return lookup
    paid = lookup._replace(state=LookupState.PENDING, charged=True, reason=CHARGED_AT_QUERY)
    return paid if (yield Save(paid)) else None


def _after_query(lookup: Purchase, verdict: Verdict, reply: Reply, rules: Rules) -> Flow:
    """Write down the reply that ends the second step."""
    if verdict.outcome is Outcome.STOP:
        yield Halt(verdict)
        return lookup
    return (yield from _settle(lookup, verdict, reply, rules))


def _unanswered(lookup: Purchase, verdict: Verdict, rules: Rules) -> Flow:
    """Hold a look-up that may have been charged. A query that was never sent leaves it pending."""
    if verdict.reason == CONNECT_ERROR and not rules.reached():
        return lookup
    asked = lookup._replace(code=verdict.code, msg=verdict.msg)
    return (yield from _hold(asked, verdict.reason))


def _backoff(verdict: Verdict, attempt: int, rules: Rules) -> Wait:
    return Wait(rules.policy.delay(attempt - 1, verdict.retry_after, rules.chance()))


def _settle(lookup: Purchase, verdict: Verdict, reply: Reply, rules: Rules) -> Flow:
    """Store the outcome and its charge. A charge that was seen before is kept."""
    state = _STATES.get(verdict.outcome, LookupState.FAILED)
    charged = True if lookup.charged else verdict.charged
    if state is LookupState.FAILED and charged is not False:
        state = LookupState.FAILED_CHARGED
    if state in (LookupState.ANSWERED, LookupState.NO_DATA):
        rules.quota.give()
    done = lookup._replace(
        state=state,
        request_id=lookup.request_id or verdict.request_id,
        answer=verdict.answer,
        charged=charged,
        bought_at=rules.clock(),
        code=verdict.code,
        msg=verdict.msg,
        reason=verdict.reason,
        raw=reply.body,
    )
    return done if (yield Save(done)) else None


def _hold(lookup: Purchase, reason: str | None) -> Flow:
    charged = True if lookup.charged else None
    held = lookup._replace(state=LookupState.UNCERTAIN, charged=charged, reason=reason)
    if held == lookup:
        return lookup
    return held if (yield Save(held)) else None


def _release(lookup: Purchase, reason: str) -> Flow:
    """Give the reservation back: handle was not sent, or is free by assumption."""
    released = lookup._replace(state=LookupState.RELEASED, charged=False, reason=reason)
    return released if (yield Save(released)) else None
