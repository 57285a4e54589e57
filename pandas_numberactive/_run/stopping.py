"""Decide when a run stops early, and build the errors that say so."""

from __future__ import annotations

import re

from pandas_numberactive._config.settings import RunSettings, Settings, from_variable
from pandas_numberactive._purchase.purchase import SETTLED, LookupState, Purchase
from pandas_numberactive._vendor.client import Reach, Trouble
from pandas_numberactive._vendor.protocol import names_phone, parse, shown_code
from pandas_numberactive._vendor.verdicts import (
    CONNECT_ERROR,
    NO_USER_PHONE,
    SIMULATOR_ANSWER,
    UNKNOWN_VALUE,
    Verdict,
)
from pandas_numberactive.errors import (
    AuthenticationError,
    NumberActiveError,
    StoreError,
    VendorError,
)

PROBES = 5  # until the first good answer: a wrong key must not be asked 64 times
SAME_IN_A_ROW = 10
UNREACHABLE_IN_A_ROW = 20
NAMELESS_IN_A_ROW = 3
USELESS_IN_A_ROW = 10  # paid, and of no use for whatever reason
BARREN_IN_A_ROW = 20  # bad answers of several kinds, beside those in flight
REMEMBERED = 2000  # bad answers, the latest: more than can be in flight

HELD = "held"
UNREACHABLE = "unreachable"
UNUSABLE = "unusable"  # paid, and no signal in it can be used
NAMELESS = "nameless"  # an answer that does not say about which number it is
CHARGED = "charged"  # a code that the user has explained as a failure, and that was paid
SILENT = "silent"  # no data, and no number named: neither good nor bad
USELESS = "useless"  # paid, and bad in one of these ways

_GOOD = (LookupState.ANSWERED, LookupState.NO_DATA)
_LIMITS = {UNREACHABLE: UNREACHABLE_IN_A_ROW, NAMELESS: NAMELESS_IN_A_ROW}


class Streaks:
    """Stop a run that cannot succeed.

    Failures count as "in a row" by the order in which the look-ups started, because slow failures
    finish together. If twenty more than are in flight fail without one success, stop as well.
    """

    def __init__(self, settings: Settings) -> None:
        self._explained = {
            shown_code(code) for step in ("handle", "query") for code in settings.codes(step)
        }
        self.expected = PROBES  # look-ups that this run may begin
        self._settings = settings
        self.reach = Reach()  # of the run's client
        self._begun = 0
        self._ended = 0
        self._bad: dict[int, str] = {}  # place in the order of beginning: what was wrong
        self._useless: dict[int, str] = {}  # in the same order: paid, and bad
        self._last: str | None = None
        self._same = 0
        self._barren = 0  # bad answers, of whatever kind, since the last good one
        self.proven = False

    @property
    def kind(self) -> str | None:
        """The kind of problem in the answer that ended last."""
        return self._last

    @property
    def suspicion(self) -> int:
        """The number of bad answers of one kind that came last in a row."""
        return self._same

    def begin(self) -> int:
        """Return the place of a look-up that begins now."""
        self._begun += 1
        return self._begun

    def see(self, place: int, lookup: Purchase, in_flight: int = 0) -> VendorError | None:
        """Count an outcome, with the number of calls still in flight.

        Returns the error that ends the run, or None.
        """
        self._ended += 1
        kind = self._kind_of(lookup)
        if kind == SILENT:
            self.proven = True
            _remember(self._bad, place, kind)
            return None
        self._same = self._same + 1 if kind == self._last else 1
        self._last = kind
        if kind is None:
            self._note_good(lookup)
            return None
        self._barren += 1
        _remember(self._bad, place, kind)
        if _is_paid(lookup):
            _remember(self._useless, place, USELESS)
        return self._verdict(place, lookup, in_flight)

    def _note_good(self, lookup: Purchase) -> None:
        self._same = 0
        if lookup.state in _GOOD:
            self._barren = 0
        if lookup.state in _GOOD or lookup.state is LookupState.PENDING:
            self.proven = True

    def _kind_of(self, lookup: Purchase) -> str | None:
        state = lookup.state
        if state in _GOOD:
            return _kind_of_answer(lookup)
        if state is LookupState.QUARANTINED:
            return HELD
        if state not in (LookupState.FAILED, LookupState.FAILED_CHARGED, LookupState.UNCERTAIN):
            return None
        if lookup.reason == "code":
            return self._kind_of_code(lookup)
        return HELD if state is LookupState.UNCERTAIN else UNREACHABLE

    def _kind_of_code(self, lookup: Purchase) -> str | None:
        if lookup.code not in self._explained:
            return f"code {lookup.code}"
        return CHARGED if _is_paid(lookup) else None

    def _verdict(self, place: int, lookup: Purchase, in_flight: int) -> VendorError | None:
        kind = self._bad[place]
        row = _row(self._bad, place)
        if _is_auth(lookup) and self._ended == row == min(PROBES, self.expected):
            return _unaccepted(self._settings.base_url or "The vendor", lookup)
        first = self._ended == row == PROBES and kind.startswith("code ")
        if row >= _LIMITS.get(kind, SAME_IN_A_ROW) or first:
            what = _WORDS.get(kind, f"were answered with {kind}")
            return _stopped(f"The last {row} look-ups {what}", lookup, self._hint(lookup, kind))
        useless = _row(self._useless, place)
        if useless >= USELESS_IN_A_ROW:
            what = f"The last {useless} paid look-ups brought nothing that can be used"
            return _stopped(what, lookup, _HINTS[USELESS])
        if self._barren >= BARREN_IN_A_ROW + in_flight:
            what = f"There was no good answer among the last {self._barren}"
            return _stopped(what, lookup, _MIXED)
        return None

    def _hint(self, lookup: Purchase, kind: str) -> str:
        """Return what to do about a row of equal failures."""
        trouble = self.reach.trouble
        if lookup.reason == CONNECT_ERROR and trouble is not None:
            return f"{_trouble_text(trouble, self._settings)} Then call again."
        if lookup.state is LookupState.QUARANTINED:
            return _HINTS[NAMELESS]
        return _HINTS.get(kind, _HINT)


def _remember(seen: dict[int, str], place: int, kind: str) -> None:
    """Note the kind of a look-up by its place, and forget the oldest of too many."""
    seen[place] = kind
    if len(seen) > REMEMBERED:
        del seen[next(iter(seen))]


def _row(seen: dict[int, str], place: int) -> int:
    """Return the length of the row of one kind around a place, 0 where nothing is noted."""
    kind = seen.get(place)
    if kind is None:
        return 0
    length = 1
    for step in (-1, 1):
        at = place + step
        while (other := seen.get(at)) == kind or (other == SILENT and kind == NAMELESS):
            if other == kind:
                length += 1
            at += step
    return length


def _is_paid(lookup: Purchase) -> bool:
    """Return True if a look-up was charged. In a final one, an unknown charge counts."""
    if lookup.charged is None:
        return lookup.state in SETTLED
    return lookup.charged


def _kind_of_answer(lookup: Purchase) -> str | None:
    """Return what is wrong with an answer: nothing, mostly."""
    if lookup.state is LookupState.NO_DATA:
        return None if names_phone(parse(lookup.raw).data) else SILENT
    if lookup.reason == NO_USER_PHONE:
        return NAMELESS
    answer = lookup.answer
    levels = answer.active_level or answer.frequency_grade
    return UNUSABLE if lookup.reason == UNKNOWN_VALUE and not levels else None


_WORDS = {
    HELD: "ended without a reply, or with one about another number",
    UNREACHABLE: "got no answer from the vendor",
    UNUSABLE: "got answers in which no level can be read",
    NAMELESS: "got answers that do not say about which number they are",
    CHARGED: "failed with a code that code_outcomes explains, and were charged",
}


def _stopped(what: str, lookup: Purchase, hint: str) -> VendorError:
    reason = None if lookup.reason == "code" else lookup.reason
    parts = (reason, lookup.code and f"code {lookup.code}", lookup.msg)
    said = " ".join(part for part in parts if part)
    kind: type[VendorError] = VendorError
    if _is_auth(lookup):
        kind = AuthenticationError
        hint = _AUTH_HINT
    return kind(
        f"{what}, the last one: {said}. {hint} The run was stopped, and everything paid is stored.",
        code=lookup.code,
        msg=lookup.msg,
    )


def _is_auth(lookup: Purchase) -> bool:
    """Return True for a refusal whose text is about the keys or the account."""
    return lookup.reason == "code" and bool(_AUTH.search(lookup.msg))


def _unaccepted(vendor: str, lookup: Purchase) -> AuthenticationError:
    """Return the error for keys that are refused from the first answer on."""
    return AuthenticationError(
        f"{vendor} does not accept the keys: code {lookup.code} {lookup.msg}. {_AUTH_HINT} The run "
        "was stopped, and everything paid is stored.",
        code=lookup.code,
        msg=lookup.msg,
    )


_HINT = (
    "Check the account, or set the meaning of the code with configure(code_outcomes={...}), and "
    "call again."
)
_MIXED = (
    "Check the network, base_url and the account, or set the meaning of the codes with "
    "configure(code_outcomes={...}), and call again."
)
_NO_REPLY = (
    "Check the network and base_url, and ask the vendor whether the service runs. Then call again."
)
_AUTH_HINT = (
    "Check the app key (NUMBERACTIVE_APP_KEY) and the secret (NUMBERACTIVE_SECRET), and ask the "
    "vendor whether the account may use this product."
)
_HINTS = {
    HELD: _NO_REPLY,
    UNREACHABLE: _NO_REPLY,
    UNUSABLE: "Ask the vendor what changed, and upgrade this package: LookupStore().reread() then "
    "judges the stored answers again, which costs nothing.",
    NAMELESS: "They may belong to other numbers. Ask the vendor before you call again.",
    CHARGED: 'Ask the vendor why, or set the code to "no_data" if it means that, and call again.',
    USELESS: "Ask the vendor what changed before you call again. A code that means that there is "
    "no data is set with configure(code_outcomes={...}).",
}


def stopped_by_vendor(verdict: Verdict, settings: RunSettings) -> VendorError:
    """Return the error for a reply after which no other number may be asked."""
    said = " ".join(
        part
        for part in (verdict.reason, verdict.code and f"code {verdict.code}", verdict.msg)
        if part
    )
    kind: type[VendorError]
    if verdict.reason in ("http_401", "http_403"):
        kind = AuthenticationError
        hint = f"{_AUTH_HINT} Ask, too, whether this machine's address is allowed."
    elif verdict.reason == SIMULATOR_ANSWER:
        kind = VendorError
        hint = "A simulator answered in place of the vendor; check base_url."
    else:
        kind = VendorError
        hint = "Check base_url, encoding and proxy."
    message = (
        f"The reply of {settings.base_url} stopped the run: {said}. {hint} Everything paid is "
        "stored."
    )
    return kind(message, code=verdict.code, msg=verdict.msg)


def lost_and_kept(count: int, kept: int) -> StoreError:
    """Return the error of a store that was put back to an older state under a run."""
    lost = f"{count:,} of the {kept:,} look-ups of this call" if count else "the run of this call"
    return StoreError(
        f"The store has lost {lost}: it was replaced by an older copy. What was lost was written "
        "again, and the next call buys the rest. Of these numbers, those that another call bought "
        "after the copy came are paid twice. What others bought since the copy was made may be "
        "missing: compare the invoice with LookupStore.reconcile()."
    )


_TROUBLE = {
    Trouble.UNKNOWN_HOST: "The name in {url} is not known to this network. Check base_url, and the "
    "VPN that the name may need.",
    Trouble.REFUSED: "{url} refused the connection. Check the port in base_url, and that the "
    "service runs.",
    Trouble.TIME_OUT: "{url} did not answer within 4 seconds. Check the VPN and the firewall.",
    Trouble.CERTIFICATE: "The certificate of {url} is not trusted: it is self-signed, or its "
    "authority is unknown. Add that authority with the variable SSL_CERT_FILE.",
    Trouble.PROXY: "The proxy did not connect to {url}. Check proxy=.",
    Trouble.NETWORK: "{url} could not be reached. Check base_url and the network.",
}


def unreached(trouble: Trouble, settings: RunSettings) -> VendorError:
    """Return the error of a run that could make no connection."""
    return VendorError(f"{_trouble_text(trouble, settings)} Nothing was sent or charged.")


def _trouble_text(trouble: Trouble, settings: Settings) -> str:
    """Return the cause, the address and what to do."""
    text = _TROUBLE[trouble].format(url=settings.base_url)
    names = [name for name in ("HTTP_PROXY", "HTTPS_PROXY") if _variable(name)]
    if names and settings.proxy is None:
        verb = "is" if len(names) == 1 else "are"
        text += f" {' and '.join(names)} {verb} set here, but not used: pass configure(proxy=...)."
    return text


def _variable(name: str) -> str:
    return from_variable(name) or from_variable(name.lower())


_AUTH = re.compile(
    r"app ?key|token|\bsign\b|signature|secret|auth|credential|permission", re.IGNORECASE
)


def collision(state: LookupState) -> VendorError:
    """Two numbers have one requestId, seen as a look-up came to this state."""
    what = "Neither was queried, both are held as uncertain"
    if state in SETTLED:
        what = "The later one was answered at handle, which may be charged: it is quarantined"
    return VendorError(
        f"The vendor gave one requestId to two numbers. {what}; ask the vendor before you go on."
    )


def as_ours(error: Exception) -> NumberActiveError:
    """Convert the error that ended the run to one of ours.

    An unexpected error is kept as its cause.
    """
    if isinstance(error, NumberActiveError):
        return error
    unexpected = NumberActiveError(
        f"The run ended on an unexpected {type(error).__name__}. Everything paid is stored. Please "
        "report it."
    )
    unexpected.__cause__ = error
    return unexpected
