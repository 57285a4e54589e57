"""Askings of a small world, noted without a look at the store.

An asking is one wish to buy: a call and the same call made again until its frame stands and
nothing of it is open. The vendor's charges are compared with the askings, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


class ViolationError(AssertionError):
    """A money rule was broken."""


@dataclass(frozen=True)
class Call:
    """One call as an analyst writes it.

    The cap is no part of what makes two calls the same.
    """

    numbers: tuple[int, ...]
    refresh: bool = False
    max_age: float | None = None  # seconds
    cap: int | None = None

    @property
    def key(self) -> str:
        """Return what is equal for the same call."""
        return f"{self.numbers} {self.refresh} {self.max_age}"


@dataclass(eq=False)
class Caller:
    """One process that makes a call."""

    call: Call
    lease_until: float = 0.0
    dead: bool = False
    spent: set[str] = field(default_factory=set)  # known as charged when it began, and by it

    def spends(self, request_id: str) -> None:
        """Compare a charge with the cap of this very call."""
        self.spent.add(request_id)
        if self.call.cap is not None and len(self.spent) > self.call.cap:
            raise ViolationError(f"{len(self.spent)} charges in a call under a cap: {self.call}")

    def gone(self, now: float) -> bool:
        """Return True where it is dead, or has slept past its lease."""
        return self.dead or now > self.lease_until


@dataclass(eq=False)
class Asking:
    """One wish: when it began, the highest cap named for it, and what it was charged."""

    call: Call
    started: float
    caps: list[int | None] = field(default_factory=list)
    charged: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)  # of the charged: those whose answer is stored
    places: list[Caller] = field(default_factory=list)  # calls that have not handed back

    @property
    def most(self) -> float:
        """Return the highest cap named, infinity without one."""
        return max(float("inf") if cap is None else cap for cap in self.caps)


@dataclass(frozen=True)
class Look:
    """What a call sees before it begins: since when it counts as asked, and what it may be charged.

    Where the same call is open already it shares that one's answers, also if that one ends meanwhile.
    """

    since: float
    may: dict[int, int]


class Asked:
    """All that was asked of one world, and what each number may be charged at most."""

    def __init__(self) -> None:
        self.open: dict[str, Asking] = {}
        self.all: list[Asking] = []
        self.running: list[Caller] = []
        self.allowed: Counter[int] = Counter()  # charges, since the number was last forgotten
        self.charges: Counter[int] = Counter()  # the same, as they came
        self.last_charge: dict[int, float] = {}
        self.unwanted: set[int] = set()  # forgotten, and not asked since

    def look(self, call: Call, now: float) -> Look:
        """Return what this call sees now."""
        asking = self.open.get(call.key)
        since = now if asking is None else asking.started
        return Look(since, {number: self._may(number, call, now) for number in call.numbers})

    def _may(self, number: int, call: Call, now: float) -> int:
        charged = self.charges[number]
        if call.refresh:
            return charged + 1
        if call.max_age is not None and self.last_charge.get(number, 0) < now - call.max_age:
            return charged + 1
        return 1

    def begins(self, caller: Caller, look: Look) -> Asking:
        """Go on with the asking of this call that is open, or begin one."""
        call = caller.call
        self.running.append(caller)
        asking = self.open.get(call.key)
        if asking is None:
            asking = Asking(call, look.since)
            self.open[call.key] = asking
            self.all.append(asking)
            for number in call.numbers:
                self.allowed[number] = max(self.allowed[number], look.may[number])
        for number in call.numbers:  # it may have been forgotten since
            self.allowed[number] = max(self.allowed[number], 1)
        self.unwanted.difference_update(call.numbers)
        asking.caps.append(call.cap)
        caller.spent = set(asking.known)
        return asking

    def joins(self, asking: Asking, caller: Caller, now: float) -> None:
        """Take the place of a call that died, which this one is, made again, or a new place.

        The one that died first, as far as its lease shows: what has left gave its lease up.
        """
        gone = [place for place in asking.places if place.gone(now)]
        if gone:
            asking.places.remove(min(gone, key=lambda place: place.lease_until))
        asking.places.append(caller)

    def hands_back(self, asking: Asking, caller: Caller, complete: bool) -> None:
        """Note a result: the asking is over once no call of it is still to hand back its own."""
        self.running.remove(caller)
        if not complete:
            caller.dead = True  # to be made again
            caller.lease_until = 0.0
            return
        if caller in asking.places:
            asking.places.remove(caller)
        if not asking.places and self.open.get(asking.call.key) is asking:
            del self.open[asking.call.key]

    def charge(
        self,
        request_id: str,
        number: int,
        askings: Sequence[Asking],
        caller: Caller,
        now: float,
    ) -> None:
        """Compare a charge with what was asked.

        `askings` are the one that opened the requestId and the one that queried it, by `caller`.
        """
        self.charges[number] += 1
        self.last_charge[number] = now
        if not any(number in asking.call.numbers for asking in askings):
            raise ViolationError(f"{request_id} was charged for {number}, which nobody asked")
        if self.charges[number] > self.allowed[number]:
            raise ViolationError(
                f"{number} was charged {self.charges[number]} times, asked {self.allowed[number]}"
            )
        for asking in askings:
            asking.charged.add(request_id)
            if len(asking.charged) > asking.most:
                raise ViolationError(
                    f"{len(asking.charged)} charges under a cap of {asking.most}: {asking.call}"
                )
        caller.spends(request_id)

    def stored(self, request_id: str | None) -> None:
        """Note that an answer is stored: calls that begin from now on must count it."""
        for asking in self.all:
            if request_id in asking.charged:
                asking.known.add(str(request_id))

    def forgets(self, number: int) -> None:
        """Begin anew for a number: a call that is open or still runs may buy it once more."""
        self.charges[number] = 0
        self.last_charge.pop(number, None)
        calls = [asking.call for asking in self.open.values()]
        calls += [caller.call for caller in self.running if not caller.dead]
        wanted = any(number in call.numbers for call in calls)
        self.allowed[number] = int(wanted)
        if not wanted:
            self.unwanted.add(number)

    def check(self, last: Sequence[Call], served_at: Callable[[int], float | None]) -> None:
        """Compare the store's answers with what the last calls asked.

        Whoever set no cap has an answer, bought after their asking began where they refresh.
        `served_at` is None for a number without an answer.
        """
        keys = {call.key for call in last}
        for asking in self.all:
            if asking.most == float("inf") and asking.call.key in keys:
                for number in set(asking.call.numbers) - self.unwanted:
                    self._check_served(asking, number, served_at(number))
        for number in self.unwanted:
            if served_at(number) is not None:
                raise ViolationError(f"{number} was forgotten, and is there again")

    def _check_served(self, asking: Asking, number: int, at: float | None) -> None:
        call = asking.call
        since = asking.started if call.refresh else 0.0
        if call.max_age is not None:
            since = max(since, asking.started - call.max_age)
        if at is None or at < since - 1e-3:
            raise ViolationError(f"{number} has no answer of {call}: {at}, asked {since}")
