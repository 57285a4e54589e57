"""Count the events of a run."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pandas_numberactive._purchase.purchase import SETTLED, LookupState, Purchase
from pandas_numberactive._run.report import RunReport
from pandas_numberactive._vendor.client import ClientStats


@dataclass(slots=True)
class Tally:
    """The counts of a run so far, written on the loop and read from any thread."""

    done: int = 0
    bought: int = 0
    failed: int = 0
    uncertain: int = 0
    charged: int = 0
    charge_unknown: int = 0
    free: int = 0
    orphaned: int = 0
    mine: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    client: ClientStats = field(default_factory=ClientStats)
    elsewhere: int = 0  # settled by another run while this one went
    over: int = 0  # not begun, because the cap was reached
    stopped_by: str | None = None
    _wake: Callable[[], None] | None = None

    def stop(self, why: str) -> None:
        """Begin nothing new. Callable from any thread."""
        self.stopped_by = self.stopped_by or why
        if self._wake is not None:
            with contextlib.suppress(RuntimeError):  # the loop has gone: so has the run
                self._wake()

    def wake_with(self, wake: Callable[[], None]) -> None:
        """Set the callback with which `stop` wakes the sleepers."""
        self._wake = wake

    def count(self, lookup: Purchase, claimed: Purchase | None = None) -> None:
        """Count a look-up that has come to its end in this run, `claimed` as it stood before."""
        if lookup.state is not LookupState.RELEASED:
            self.done += 1
        if lookup.state in SETTLED:
            self.mine.append(lookup.number)
        self._charge(lookup, claimed)
        if lookup.state is LookupState.UNCERTAIN:
            self.uncertain += 1
        elif lookup.state in (LookupState.FAILED, LookupState.FAILED_CHARGED):
            self.failed += 1
            self.failures[_why(lookup)] += 1
        elif lookup.state in SETTLED:
            self.bought += 1

    def count_into(self, report: RunReport) -> None:
        """Write the counts of this call into its bill."""
        report.bought = self.bought
        report.charged = self.charged
        report.charge_unknown = self.charge_unknown
        report.free = self.free
        report.handles = self.client.handles
        report.queries = self.client.queries
        report.requeried = self.client.requeries
        report.orphaned_handles = self.client.lost_handles + self.orphaned
        report.failures = dict(self.failures)
        report.stopped_by = self.stopped_by

    def _charge(self, lookup: Purchase, claimed: Purchase | None) -> None:
        """Count a charge once: one made at handle in the call that opened the requestId."""
        if claimed is not None and claimed.charged:
            return
        if lookup.state not in SETTLED and not lookup.charged:
            return
        if lookup.charged is False:
            self.free += 1
            return
        self.charged += 1
        if lookup.charged is None:
            self.charge_unknown += 1


def _why(lookup: Purchase) -> str:
    return f"code {lookup.code}: {lookup.msg}" if lookup.code else lookup.reason or "failed"
