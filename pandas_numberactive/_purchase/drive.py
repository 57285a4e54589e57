"""Do what `lookup_flow` says: send, save, wait, halt.

Frames that wait on the network hold no whole number: the step that names it stays in an object.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from pandas_numberactive._purchase.flow import (
    Halt,
    Handle,
    LostHandle,
    Query,
    RetryPolicy,
    RetryQuota,
    Rules,
    Save,
    Step,
    Wait,
    lookup_flow,
)
from pandas_numberactive._purchase.purchase import Purchase
from pandas_numberactive._vendor.client import Client
from pandas_numberactive._vendor.limiter import nap
from pandas_numberactive._vendor.protocol import Reply
from pandas_numberactive._vendor.verdicts import OpenedFor, Verdict

log = logging.getLogger(__name__)


@dataclass(slots=True, repr=False)
class _Drive:
    """One look-up under way.

    It holds the step, which names the whole number, so that no stack frame holds it.
    """

    lookup: Purchase
    step: Step
    save: Callable[[Purchase], Awaitable[bool]]
    halt: Callable[[Verdict], None]
    stopping: Callable[[], bool]
    asked: str | None  # the requestId that was, or may have been, sent to query before


class Driver:
    """Take claimed look-ups to their ends through one client.

    Parameters
    ----------
    client
        An open session with the vendor.
    policy
        How often and how long to retry and to poll; by default `RetryPolicy` with the settings'
        `poll_for`.
    chance
        A number in [0, 1) for the jitter; injected in tests.
    reached
        Whether any call was ever sent: until then one try to connect is enough.
    handle_can_charge
        Whether this vendor was seen to answer at handle; asked when a reply is judged.
    opened_for
        The number for which a requestId was opened, or None: its replies may go astray.
    """

    def __init__(
        self,
        client: Client,
        *,
        policy: RetryPolicy | None = None,
        chance: Callable[[], float] = random.random,
        reached: Callable[[], bool] = lambda: True,
        handle_can_charge: Callable[[], bool] = lambda: False,
        opened_for: OpenedFor = lambda _: None,
    ) -> None:
        self._client = client
        settings = client.settings
        self._rules = Rules(
            clock=client.clock,
            monotonic=client.monotonic,
            chance=chance,
            quota=RetryQuota(),
            host=client.host,
            key=client.fingerprint,
            policy=policy or RetryPolicy(poll_for=settings.poll_for),
            handle_codes=settings.codes("handle"),
            query_codes=settings.codes("query"),
            simulated=settings.simulated,
            handle_can_charge=handle_can_charge,
            reached=reached,
            opened_for=opened_for,
        )

    async def drive(
        self,
        lookup: Purchase,
        *,
        save: Callable[[Purchase], Awaitable[bool]],
        halt: Callable[[Verdict], None],
        stopping: Callable[[], bool],
        lost: LostHandle | None = None,
    ) -> Purchase | None:
        """Take a claimed look-up as far as it goes.

        At most one answer is charged.

        Parameters
        ----------
        save
            Puts a look-up on disk; returns False where another worker owns it by now.
        halt
            Called when no other number may be asked, before it returns.
        stopping
            Once true, nothing more is sent and no wait goes on.
        lost
            The handle that another call may have sent for it without reading its reply.

        Returns
        -------
        Purchase or None
            As it was saved last; None where another worker has it.
        """
        flow = lookup_flow(lookup, self._rules_after(lost))
        try:
            work = _Drive(lookup, next(flow), save, halt, stopping, asked=lookup.request_id)
            while True:
                work.step = flow.send(await self._perform(work))
        except StopIteration as end:
            done: Purchase | None = end.value
            return done

    def _rules_after(self, lost: LostHandle | None) -> Rules:
        """Return the rules of a look-up: one object for all but those that lost a handle."""
        return replace(self._rules, lost=lost) if lost and lost.reason else self._rules

    def _perform(self, work: _Drive) -> Awaitable[Reply | bool | None]:
        step = work.step
        if isinstance(step, Save):
            return work.save(step.lookup)
        if isinstance(step, Wait):
            return nap(step.seconds, self._client.sleep, work.stopping)
        if isinstance(step, Halt):
            return self._halt(work, step.verdict)
        return self._send(work)

    async def _halt(self, work: _Drive, verdict: Verdict) -> None:
        work.halt(verdict)

    async def _send(self, work: _Drive) -> Reply | None:
        """Wait for a place and a turn, then send, unless the run is stopping by then."""
        if work.stopping():
            return None
        waited = not self._client.gate.enter_now()
        if waited:
            await self._client.gate.enter()
        try:
            if not self._client.pacer.free_now():
                waited = True
                await self._client.pacer.wait_turn(work.stopping)
            if waited and work.stopping():
                return None
            if isinstance(work.step, Handle) and work.step.must_hold():
                return None
            reply = await self._call(work.step)
        finally:
            self._client.gate.leave()
        if reply.sent:
            self._count(work, reply)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %r: %r", type(work.step).__name__.lower(), work.lookup, reply)
        return reply

    def _call(self, step: Step) -> Coroutine[Any, Any, Reply]:
        assert isinstance(step, (Handle, Query))
        if isinstance(step, Handle):
            return self._client.handle(step.number)
        return self._client.query(step.request_id)

    def _count(self, work: _Drive, reply: Reply) -> None:
        stats = self._client.stats
        if isinstance(work.step, Query):
            stats.queries += 1
            if work.asked == work.step.request_id:
                stats.requeries += 1
            work.asked = work.step.request_id
        else:
            stats.handles += 1
            if _is_lost(reply):
                stats.lost_handles += 1
        if _is_throttled(reply):
            stats.throttled += 1
            if self._client.pacer.throttled():
                self._client.gate.throttled()
        elif reply.status == 200:
            self._client.gate.succeeded()


def _is_lost(reply: Reply) -> bool:
    return reply.status is None or (reply.status == 200 and not reply.body)


def _is_throttled(reply: Reply) -> bool:
    """Return True where the vendor asks for fewer calls."""
    if reply.status is None or reply.status == 429:
        return reply.status == 429
    return reply.status >= 500 and reply.retry_after is not None
