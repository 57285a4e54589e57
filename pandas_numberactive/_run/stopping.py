"""Decide when a run stops early, and build the errors that say so."""

from __future__ import annotations

from pandas_numberactive._config.settings import Settings
from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._vendor.protocol import shown_code
from pandas_numberactive._vendor.verdicts import Verdict
from pandas_numberactive.errors import (
    AuthenticationError,
    NumberActiveError,
    StoreError,
    VendorError,
)

PROBES = 5  # until the first good answer: a wrong key must not be asked 64 times


SAME_IN_A_ROW = 10


UNREACHABLE_IN_A_ROW = 20


BARREN_IN_A_ROW = 20  # bad answers of several kinds, beside those in flight


REMEMBERED = 2000  # bad answers, the latest: more than can be in flight


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

    def see(self, place: int, lookup: Purchase, in_flight: int = 0) -> VendorError | None:
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

    def _kind_of(self, lookup: Purchase) -> str | None:
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

    def _verdict(self, lookup: Purchase, kind: str, row: int, in_flight: int) -> VendorError | None:
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


def _stopped(what: str, lookup: Purchase) -> VendorError:
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


def stopped_by_vendor(verdict: Verdict) -> VendorError:
    """The vendor said something after which no other number may be asked."""
    said = " ".join(
        part
        for part in (verdict.reason, verdict.code and f"code {verdict.code}", verdict.msg)
        if part
    )
    kind: type[VendorError]
    if verdict.reason in ("http_401", "http_403"):
        kind, hint = (
            AuthenticationError,
            "Check the app key, the secret, and whether this address is allowed.",
        )
    elif verdict.reason == "simulator_answer":
        kind, hint = VendorError, "A simulator answered in place of the vendor; check base_url."
    else:
        kind, hint = VendorError, "Check base_url, encoding and proxy."
    message = f"The vendor's reply stopped the run: {said}. {hint} Everything paid is stored."
    return kind(message, code=verdict.code, msg=verdict.msg)


def lost_and_kept(count: int, bought: int) -> StoreError:
    """Return the error of a store that was put back to an older state under a run."""
    return StoreError(
        f"The store had forgotten {count:,} of the {bought:,} answers that this call bought: it "
        "was put back to an older copy meanwhile. They were written again, and nothing was paid "
        "twice. What others bought since that copy may be missing: compare the invoice with "
        "LookupStore.reconcile()."
    )


def collision() -> VendorError:
    """Two numbers of this run have one requestId."""
    return VendorError(
        "The vendor gave one requestId to two numbers. Neither was queried, both are held as "
        "uncertain; "
        "ask the vendor before you go on."
    )


def as_ours(error: Exception) -> NumberActiveError:
    """What ended the run, as one of our errors; anything unforeseen keeps its cause."""
    if isinstance(error, NumberActiveError):
        return error
    unforeseen = NumberActiveError(
        f"The run ended on an unforeseen {type(error).__name__}; everything paid is kept. Please "
        "report it."
    )
    unforeseen.__cause__ = error
    return unforeseen
