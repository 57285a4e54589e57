"""Our own view of the lease.

Once it has expired, other processes may claim our numbers, so we must stop sending.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Lease:
    """A lower bound for the lease on disk, measured with our own clocks.

    Each expiry starts a new term: numbers claimed in an earlier term must be claimed again, even if
    the lease was renewed since. A machine that slept counts its sleep in one of the two clocks or
    in both.
    """

    def __init__(
        self, seconds: float, clocks: tuple[Clock, ...] = (time.monotonic, time.time)
    ) -> None:
        self._seconds = seconds
        self._clocks = clocks
        self._end(self.now())  # not begun
        self.term = 0

    def now(self) -> tuple[float, ...]:
        """Return the moment, to be read before the renewal is written."""
        return tuple(clock() for clock in self._clocks)

    def renewed(self, moment: tuple[float, ...]) -> None:
        """Record a renewal that is on disk and was begun at this moment.

        A late renewal ended the term.
        """
        if self._over(moment) or self._over(self.now()):
            self.term += 1
        self._end(tuple(at + self._seconds for at in moment))

    def _end(self, until: tuple[float, ...]) -> None:
        self._until = until
        self._ends = tuple(zip(self._clocks, until, strict=True))

    def holds(self, term: int) -> bool:
        """Return True while claims of this term are certainly ours."""
        if term != self.term:
            return False
        # Asked four times a look-up: all() takes five times as long.
        for clock, until in self._ends:  # noqa: SIM110
            if clock() >= until:
                return False
        return True

    def _over(self, moment: tuple[float, ...]) -> bool:
        return any(at >= until for at, until in zip(moment, self._until, strict=True))
