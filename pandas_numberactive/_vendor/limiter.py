"""Limit calls per second and calls in flight.

Both shrink when the vendor throttles and recover slowly.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

CUT = 0.7
RECOVER = 0.02  # of the full rate, per second without throttling
COOL_DOWN = 1.0  # seconds: replies to what was sent before a cut cut nothing more
FREE_AGAIN = 4.0  # times the rate at which throttling was first seen: then no limit holds any more
LATE = 0.01  # seconds after its turn: then a call waits for another
LEAST_RATE = 0.2  # calls per second

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[object]]


SLICE = 0.25  # seconds: how late a stop may be noticed


async def nap(seconds: float, sleep: Sleep, stopping: Callable[[], bool]) -> bool:
    """Sleep in slices. Return False as soon as `stopping` is true."""
    while not stopping():
        if seconds <= 0.0:
            return True
        await sleep(min(seconds, SLICE))
        seconds -= SLICE
    return False


class Pacer:
    """Space turns at least `1 / rate` seconds apart, so that the rate holds in every second.

    Without `max_rate` turns are free until the vendor throttles. Then the rate seen just before is
    cut by 0.7.
    """

    def __init__(
        self,
        max_rate: float | None,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._max = max_rate
        self._clock = clock
        self._sleep = sleep
        self._rate = max_rate
        self._base = max_rate  # the full rate that recovery aims at
        self._next = float("-inf")
        self._cut_at = float("-inf")
        self._grown_at = float("-inf")
        self._seen: deque[float] = deque(maxlen=2048)

    @property
    def rate(self) -> float | None:
        """Return the limit in calls per second, or None for no limit."""
        return self._rate

    def free_now(self) -> bool:
        """Return True, and count one call, if a call may be sent at once."""
        if self._rate is not None:
            return False
        self._seen.append(self._clock())
        return True

    async def wait_turn(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Return when the next call may be sent, or soon after `stopping` has become true."""
        if self.free_now():
            return
        now = self._clock()
        self._seen.append(now)
        self._recover(now)
        if self._rate is None:
            return
        while self._rate is not None:
            turn = max(now, self._next)
            self._next = turn + 1.0 / self._rate
            late = turn + max(1.0 / self._rate, LATE)
            if not await nap(turn - now, self._sleep, stopping) or (now := self._clock()) < late:
                return  # else the machine stood still: all who waited would be sent at once

    def throttled(self) -> bool:
        """Record a throttled call. Return True if that lowered the rate."""
        now = self._clock()
        if now - self._cut_at < COOL_DOWN:
            return False
        rate = self._rate if self._rate is not None else self._observed(now)
        if self._base is None:
            self._base = rate
        self._rate = max(LEAST_RATE, rate * CUT)
        self._cut_at = self._grown_at = now
        return True

    def _observed(self, now: float) -> float:
        """Return the number of calls sent in the last second."""
        return max(1.0, float(sum(now - seen <= 1.0 for seen in self._seen)))

    def _recover(self, now: float) -> None:
        assert self._rate is not None
        assert self._base is not None
        quiet = now - max(self._grown_at, self._cut_at + COOL_DOWN)
        if quiet <= 0:
            return
        self._grown_at = now
        self._rate += RECOVER * self._base * quiet
        if self._max is not None:
            self._rate = min(self._rate, self._max)
        elif self._rate >= FREE_AGAIN * self._base:
            self._rate = self._base = None


class Gate:
    """Allow at most `limit` calls at once.

    Throttling cuts that by 0.7, and enough successes give one place back.
    """

    def __init__(self, limit: int) -> None:
        self._most = limit
        self._limit = limit
        self._inside = 0
        self._won = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Places now."""
        return self._limit

    async def __aenter__(self) -> None:
        if not self.enter_now():
            await self.enter()

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def enter_now(self) -> bool:
        """Take a place if one is free and no call waits for it."""
        if self._inside >= self._limit or self._waiting:
            return False
        self._inside += 1
        return True

    async def enter(self) -> None:
        """Wait for a place. A cancelled waiter takes none."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to the call that waits longest."""
        self._inside -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._inside < self._limit:
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)

    def throttled(self) -> None:
        """Give places up."""
        self._limit = max(1, int(self._limit * CUT))
        self._won = 0

    def succeeded(self) -> None:
        """Count a success. As many as there are places earn one more place."""
        if self._limit == self._most:
            return
        self._won += 1
        if self._won >= self._limit:
            self._won = 0
            self._limit += 1
            self._admit()

    def resize(self, limit: int) -> None:
        """Set the number of places, from now on also the most there can be."""
        self._most = self._limit = max(1, limit)
        self._won = 0
        self._admit()
