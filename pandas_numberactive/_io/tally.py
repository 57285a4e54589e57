"""What has happened in a run so far, and when its answers say that going on is no use."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pandas_numberactive._config.settings import Settings
from pandas_numberactive._purchase.purchase import SETTLED, Lookup, LookupState
from pandas_numberactive._vendor.client import ClientStats
from pandas_numberactive._vendor.protocol import shown_code
from pandas_numberactive.errors import VendorError

PROBES = 5  # until the first good answer: a wrong key must not be asked 64 times
SAME_IN_A_ROW = 10
UNREACHABLE_IN_A_ROW = 20
BARREN_IN_A_ROW = 20  # bad answers of several kinds, beside those in flight
REMEMBERED = 2000  # bad answers, the latest: more than can be in flight


@dataclass(slots=True)
class Tally:
    """What has happened so far; written on the loop, read from any thread."""

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
    over: int = 0  # not begun, because the cap was reached
    stopped_by: str | None = None
    _wake: Callable[[], None] | None = None

    def stop(self, why: str) -> None:
        """Begin nothing new; from any thread."""
        self.stopped_by = self.stopped_by or why
        if self._wake is not None:
            with contextlib.suppress(RuntimeError):  # the loop has gone: so has the run
                self._wake()

    def wake_with(self, wake: Callable[[], None]) -> None:
        """What `stop` calls so that nobody sleeps through it."""
        self._wake = wake

    def count(self, lookup: Lookup) -> None:
        """Count a look-up that has come to its end in this run."""
        self.done += lookup.state is not LookupState.RELEASED  # given back: not done
        if lookup.state in SETTLED:
            self.mine.append(lookup.number)
            self.bought += lookup.state is not LookupState.FAILED_CHARGED
            self.charged += lookup.charged is not False
            self.charge_unknown += lookup.charged is None
            self.free += lookup.charged is False
        self.uncertain += lookup.state is LookupState.UNCERTAIN
        if lookup.state in (LookupState.FAILED, LookupState.FAILED_CHARGED):
            self.failed += 1
            self.failures[_why(lookup)] += 1


def _why(lookup: Lookup) -> str:
    return f"code {lookup.code}: {lookup.msg}" if lookup.code else lookup.reason or "failed"


class Streaks:
    """Stops a run whose answers say that going on is no use.

    "In a row" is by the order in which the look-ups began, not in which they ended: of many in
    flight at once the bad ones may all end first, or last, and ten of them together then say
    nothing. Where that many end beside all those in flight, and not one good answer among them,
    whatever is wrong with each, it is no accident either.
    """

    def __init__(self, settings: Settings) -> None:
        self._told = {
            shown_code(code) for step in ("handle", "query") for code in settings.codes(step)
        }
        self._begun = 0
        self._ended = 0
        self._bad: dict[int, str] = {}  # place in the order of beginning: what was wrong
        self._last: str | None = None
        self._alike = 0
        self._barren = 0  # bad answers, of whatever kind, since the last good one
        self.proven = False

    @property
    def kind(self) -> str | None:
        """What was wrong with the answer that ended last."""
        return self._last

    @property
    def suspicion(self) -> int:
        """How many alike bad answers came last, one after the other."""
        return self._alike

    def begin(self) -> int:
        """The place of a look-up that begins now."""
        self._begun += 1
        return self._begun

    def see(self, place: int, lookup: Lookup, in_flight: int = 0) -> VendorError | None:
        """Take note of an outcome, with so many still in flight; return the error that ends the
        run, if it must.
        """
        self._ended += 1
        self.proven = self.proven or lookup.state in (
            LookupState.ANSWERED,
            LookupState.NO_DATA,
            LookupState.PENDING,
        )
        kind = self._kind_of(lookup)
        self._alike = (
            self._alike + 1 if kind is not None and kind == self._last else int(kind is not None)
        )
        self._last = kind
        if kind is None:
            self._barren *= lookup.state not in (LookupState.ANSWERED, LookupState.NO_DATA)
            return None
        self._barren += 1
        self._bad[place] = kind
        if len(self._bad) > REMEMBERED:
            del self._bad[next(iter(self._bad))]
        return self._verdict(lookup, kind, self._row(place, kind), in_flight)

    def _row(self, place: int, kind: str) -> int:
        """How many in a row, this one among them, went wrong alike."""
        first = last = place
        while self._bad.get(first - 1) == kind:
            first -= 1
        while self._bad.get(last + 1) == kind:
            last += 1
        return last - first + 1

    def _kind_of(self, lookup: Lookup) -> str | None:
        if lookup.state in (LookupState.QUARANTINED, LookupState.UNCERTAIN) and not lookup.code:
            return "held"
        if lookup.state is LookupState.QUARANTINED:
            return "held"
        if lookup.state not in (
            LookupState.FAILED,
            LookupState.FAILED_CHARGED,
            LookupState.UNCERTAIN,
        ):
            return None
        if lookup.reason == "code":
            return None if lookup.code in self._told else f"code {lookup.code}"
        return "held" if lookup.state is LookupState.UNCERTAIN else "unreachable"

    def _verdict(self, lookup: Lookup, kind: str, row: int, in_flight: int) -> VendorError | None:
        most = UNREACHABLE_IN_A_ROW if kind == "unreachable" else SAME_IN_A_ROW
        first = self._ended == row == PROBES and kind not in ("held", "unreachable")
        if row >= most or first:
            return _stopped(f"The last {row} answers were all {_WORDS.get(kind, kind)}", lookup)
        if self._barren >= BARREN_IN_A_ROW + in_flight:
            return _stopped(f"There was no good answer among the last {self._barren}", lookup)
        return None


_WORDS = {
    "held": "uncertain or about another number",
    "unreachable": "failures to reach the vendor",
}


def _stopped(what: str, lookup: Lookup) -> VendorError:
    said = " ".join(
        part for part in (lookup.reason, lookup.code and f"code {lookup.code}", lookup.msg) if part
    )
    return VendorError(
        f"{what}, the last one: {said}. The run was stopped and everything paid is stored. Check "
        "the app key, the "
        "secret, the account and the line to the vendor, or tell what the code means with "
        "configure(code_outcomes={...}), and call again.",
        code=lookup.code,
        msg=lookup.msg,
    )
