"""Planning, pure but for one read: what of these numbers is stored, open, held, or to be bought."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._config.credentials import masked_url
from pandas_numberactive._config.settings import RunSettings
from pandas_numberactive._display.html import bar, html_table, invalid_html, text_table
from pandas_numberactive._display.text import duration, money, numbers, utc
from pandas_numberactive._purchase.flow import RetryPolicy
from pandas_numberactive._purchase.purchase import (
    BUYS,
    SETTLED,
    LookupState,
    Todo,
    state_codes,
    todo,
)
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape, books_line
from pandas_numberactive._store.elsewhere import refuse_paid_elsewhere
from pandas_numberactive._store.rows import Asker
from pandas_numberactive._store.runs import RunRow, find_run
from pandas_numberactive._store.store import LookupStore, Stored
from pandas_numberactive.errors import ConfigurationError, ConfirmationRequiredError

if TYPE_CHECKING:
    from numpy.typing import NDArray


MOST_CHARGES = 10**15  # that a budget pays for, at whatever price
GUESSED_LATENCY = 0.25  # seconds a call, for the plan's likely time only
SIMULATED_LATENCY = 0.008  # of the simulator on this machine, its work and ours together


def cap_of(options: Options, settings: RunSettings) -> int | None:
    """Return the most charges of a run: `max_charges` or what `budget` pays for, the smaller."""
    stated = None if options.max_charges is None else int(options.max_charges)
    caps = [cap for cap in (stated, paid_by_budget(options, settings)) if cap is not None]
    return min(caps) if caps else None


def paid_by_budget(options: Options, settings: RunSettings) -> int | None:
    """Return how many charges `budget` pays for, or None without one."""
    if options.budget is None:
        return None
    if not settings.unit_price:
        raise ConfigurationError(
            "budget= needs a price: configure(unit_price=...), or use max_charges=."
        )
    return math.floor(min(options.budget / settings.unit_price + 1e-9, MOST_CHARGES))


def run_key(numbers: NDArray[np.int64], settings: RunSettings, options: Options) -> str:
    """Return the key of a run. The same environment, numbers, refresh and max_age are the same run.

    The cap is not part of it, so a call with a higher cap goes on with the run and counts its
    charges.
    """
    # Caps stood in place of the two blanks once. Runs of that time keep their keys.
    terms = (settings.environment, None, None, options.seconds, bool(options.refresh))
    digest = hashlib.sha256(repr(terms).encode())
    digest.update(np.sort(numbers).tobytes())
    return digest.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Sorted:
    """Boolean masks over the numbers, one for each thing to do."""

    stored: NDArray[np.bool_]
    outdated: NDArray[np.bool_]
    open: NDArray[np.bool_]
    held: NDArray[np.bool_]  # may have been charged
    asked_again: NDArray[np.bool_]  # of the held: their own requestId is asked
    failed: NDArray[np.bool_]
    to_buy: NDArray[np.bool_]

    @property
    def todo(self) -> NDArray[np.bool_]:
        """Numbers that a run must touch."""
        return self.to_buy | self.open | self.asked_again

    @property
    def over(self) -> bool:
        """Return True if nothing is left: no number is open, held, failed or to be bought."""
        return bool(self.stored.all())


# The rule for every state. Bit 16: an answer serves. Bit 32: a held requestId may be asked.
_TODO = {
    retry: np.array(
        [
            todo(code & 15, serves=bool(code & 16), askable=bool(code & 32), retry=retry)
            if code & 15 <= max(LookupState)
            else Todo.BUY
            for code in range(64)
        ],
        np.int8,
    )
    for retry in (False, True)
}


def sort_out(stored: Stored, since: int, retry_failed: bool) -> Sorted:
    """Say for each number what must be done with it."""
    settled = np.isin(state_codes(stored.packed), [int(s) for s in SETTLED])
    code = stored.newest.copy()
    code[settled & (stored.bought_at >= since)] |= 16
    code[stored.askable] |= 32
    todos = _TODO[bool(retry_failed)][code]
    held = stored.newest == LookupState.UNCERTAIN
    resumed = todos == Todo.RESUME
    return Sorted(
        stored=todos == Todo.SERVED,
        outdated=settled & (todos == Todo.BUY_AGAIN),
        open=resumed & ~held,
        held=(resumed & held) | (todos == Todo.HELD),
        asked_again=resumed & held,
        failed=(todos == Todo.FAILED)
        | ((stored.newest == LookupState.FAILED) & (todos == Todo.RETRY)),
        to_buy=np.isin(todos, [int(one) for one in BUYS]),
    )


def make_plan(
    stored: Stored,
    sorted_: Sorted,
    shape: Shape,
    settings: RunSettings,
    options: Options,
    earlier: RunRow | None = None,
) -> Plan:
    """Count the work of a run. `earlier` is the run that it continues.

    Raises ConfigurationError where a budget would count charges of two prices.
    """
    _refuse_two_prices(settings, options, earlier)
    bought = stored.bought_at[sorted_.stored]
    to_buy = int(sorted_.to_buy.sum())
    open_ = int(sorted_.open.sum())
    asked_again = int(sorted_.asked_again.sum())
    return Plan(
        environment=settings.environment,
        rows=shape.rows,
        missing=shape.missing,
        invalid=dict(shape.invalid),
        valid_rows=shape.valid_rows,
        distinct=len(stored.packed),
        stored=int(sorted_.stored.sum()),
        stored_oldest=utc(int(bought.min())) if len(bought) else None,
        stored_newest=utc(int(bought.max())) if len(bought) else None,
        outdated=int(sorted_.outdated.sum()),
        failed_before=int((sorted_.failed & sorted_.to_buy).sum()),
        open=open_,
        held=int(sorted_.held.sum()),
        asked_again=asked_again,
        to_buy=to_buy,
        run=earlier.run if earlier else None,
        run_charged=earlier.charged if earlier else 0,
        run_held=max(0, earlier.held - asked_again) if earlier else 0,
        unit_price=settings.unit_price,
        currency=settings.currency,
        seconds=_likely_seconds(to_buy + open_ + asked_again, settings),
        max_charges=cap_of(options, settings),
        warnings=shape.warnings,
        store=short_location(settings.store),
        examples=dict(shape.examples),
        price_in_books=price_in_books(settings, earlier),
    )


def _refuse_two_prices(settings: RunSettings, options: Options, earlier: RunRow | None) -> None:
    before = price_in_books(settings, earlier)
    if options.budget is None or not before:
        return
    raise ConfigurationError(
        f"This call goes on with a run that was begun at {before} a charge, and the price is "
        f"{settings.currency} {settings.unit_price:,g} now: a budget cannot count both. Use "
        "max_charges= in place of budget=, or set unit_price and currency back. Nothing was sent."
    )


def price_in_books(settings: RunSettings, earlier: RunRow | None) -> str:
    """Return the price of a run that was begun at another one than today's, or no text."""
    if earlier is None or not earlier.price or not settings.unit_price:
        return ""
    if (earlier.currency, earlier.price) == (settings.currency, settings.unit_price):
        return ""
    return f"{earlier.currency} {earlier.price:,g}"


def short_location(location: str) -> str:
    """Return a store's location as people name it, so that a wrong store is seen."""
    if "://" in location:
        return masked_url(location) or ""
    home = str(Path.home())
    return f"~{location.removeprefix(home)}" if location.startswith(home + os.sep) else location


def _likely_seconds(numbers: int, settings: RunSettings) -> float | None:
    """Guess how long a run takes. A number takes two calls, one after the other."""
    if not numbers:
        return None
    calls = 2 * numbers
    latency = SIMULATED_LATENCY if settings.simulated else GUESSED_LATENCY
    at_rate = calls / settings.max_rate if settings.max_rate else 0.0
    rounds = math.ceil(numbers / settings.max_concurrency)
    return max(at_rate, 2 * rounds * latency)


def confirm(plan: Plan, settings: RunSettings) -> None:
    """Refuse a big purchase in production without a cap. Spends nothing."""
    if (
        settings.environment != "production"
        or plan.max_charges is not None
        or plan.to_buy <= settings.confirm_above
    ):
        return
    raise ConfirmationRequiredError(
        f"This would buy {plan.to_buy:,} numbers, more than "
        f"confirm_above={settings.confirm_above:,}. "
        f"Nothing was bought. If that is meant, add max_charges={cap_for(plan)} to the "
        f"call.\n{plan!r}",
        plan,
    )


async def plan(
    numbers: NDArray[np.int64], shape: Shape, settings: RunSettings, options: Options
) -> Plan:
    """Plan a run over distinct numbers. It reads the store, sends and spends nothing."""
    store = await LookupStore.open_used(settings.store)
    try:
        await refuse_paid_elsewhere(store, settings.environment)
        earlier = await earlier_run(store, run_key(numbers, settings, options))
        since = options.since(earlier.started_at if earlier else store.now())
        known, sorted_ = await look(store, numbers, settings, options, since)
    finally:
        store.close()
    return make_plan(known, sorted_, shape, settings, options, earlier)


async def earlier_run(store: LookupStore, key: str) -> RunRow | None:
    """Return the run that a call goes on with, where one of its key is not over."""
    return await store.fetch(find_run, key=key, now=store.now(), lives=store.lives)


async def look(
    store: LookupStore,
    numbers: NDArray[np.int64],
    settings: RunSettings,
    options: Options,
    since: int,
) -> tuple[Stored, Sorted]:
    """Read what the store has of the numbers, and sort out what is open."""
    day = round(RetryPolicy().max_age * 1e6)
    asker = Asker(settings.host, settings.credentials.fingerprint, day)
    known = await store.read(settings.environment, numbers, since=since, asker=asker)
    return known, sort_out(known, since, options.retry_failed)


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """A forecast of `enrich` with its cost. Making it charges nothing.

    Attributes
    ----------
    rows, missing, valid_rows : int
        Cells in all, blank cells, and cells with a readable number.
    invalid : Mapping
        Cells that cannot be read, by reason.
    distinct, stored, outdated, failed_before, open, held, asked_again, to_buy : int
        Distinct numbers, and what a run would do with them.
    max_charges, run, run_charged, run_held : int or None
        The cap, the run that the call goes on with, and what that run has been charged, and what
        it may have been charged besides.
    unit_price, currency : float or None, str
        The price of a charge.
    price_in_books : str
        The price of the run that the call goes on with, where it was begun at another one.
    seconds : float or None
        A guess of the time: 0.25 s a call, less on the simulator.
    store : str
        The place of the store, a password masked.
    warnings : tuple of str
        Oddities of the phone columns.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:", unit_price=500):
    ...     plan = pna.plan(pd.DataFrame({"phone": ["0811 8899 532", "x"]}), "phone")
    >>> plan.rows, plan.to_buy, plan.cost
    (2, 1, 500)
    """

    environment: str
    rows: int
    missing: int
    invalid: Mapping[str, int]
    valid_rows: int
    distinct: int
    stored: int
    stored_oldest: datetime | None
    stored_newest: datetime | None
    outdated: int
    failed_before: int
    open: int
    held: int
    to_buy: int
    unit_price: float | None
    currency: str
    seconds: float | None
    max_charges: int | None = None
    warnings: tuple[str, ...] = ()
    store: str = ""  # where it looked; a password masked
    asked_again: int = 0  # of the held: their own requestId is asked, which may charge
    run: int | None = None  # the run that the call goes on with
    run_charged: int = 0  # what that run has been charged
    run_held: int = 0  # what it holds, perhaps charged, and asks no more: its cap counts that, too
    examples: Mapping[str, str] = field(default_factory=dict)  # reason: a masked cell
    price_in_books: str = ""  # of the run that the call goes on with, where it is another one

    @property
    def duplicates(self) -> int:
        """Cells that repeat a number of another cell."""
        return self.valid_rows - self.distinct

    @property
    def purchases(self) -> int:
        """Numbers that would be bought or finished, within what the cap has left."""
        wanted = self.to_buy + self.open + self.asked_again
        if self.max_charges is None:
            return wanted
        return min(wanted, self._room(self.max_charges))

    def _room(self, cap: int) -> int:
        """Return how many charges a cap has left for the run."""
        return max(0, cap - self.run_charged - self.run_held)

    @property
    def cost(self) -> float | None:
        """The highest possible cost in `currency`, None without a unit price."""
        return None if self.unit_price is None else self.purchases * self.unit_price

    def lines(self) -> list[tuple[str, str]]:
        """Return the plan as pairs of label and text.

        Returns
        -------
        list of tuple of str
            The lines, in the order in which they are printed.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     pna.plan(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone").lines()[0]
        ('rows', '1')
        """
        out = [("rows", f"{self.rows:,}"), ("blank", f"{self.missing:,}")]
        out += [
            (f"invalid: {reason}", f"{count:,}") for reason, count in self.invalid.items() if count
        ]
        out += [
            ("distinct numbers", f"{self.distinct:,} ({self.duplicates:,} repeats)"),
            ("stored, free", self._ages()),
        ]
        if self.outdated:
            out.append(("stored, bought again", f"{self.outdated:,} (as max_age or refresh asks)"))
        if self.held:
            out.append(("held (uncertain)", f"{self.held:,} ({self.asked_again:,} asked again)"))
        if self.failed_before:
            out.append(("failed earlier, free", f"{self.failed_before:,} (asked again)"))
        if self.run is not None:
            out.append((f"goes on with run {self.run}", f"{self._run_charged()} charged"))
        out += [
            ("to buy", self._wanted() + self._allowed()),
            ("cost at most", money(self.cost, self.currency)),
        ]
        out += books_line(self.price_in_books)
        if self.seconds is not None:
            out.append(("likely time", f"about {duration(self.seconds)}"))
        return out + [("store", self.store)] * bool(self.store)

    def _wanted(self) -> str:
        """Return the numbers that the bill will count as wanted: new and begun ones."""
        begun = self.open + self.asked_again
        earlier = f" ({begun:,} begun earlier)" if begun else ""
        return f"{self.to_buy + begun:,}{earlier}"

    def _allowed(self) -> str:
        """Return what the cap has left, empty without a cap."""
        if self.max_charges is None:
            return ""
        if not self.run_charged and not self.run_held:
            return f", at most {self.max_charges:,} charges"
        left = self._room(self.max_charges)
        held = f", {self.run_held:,} held" if self.run_held else ""
        return f", at most {left:,} more charges ({self._run_charged()} charged{held})"

    def _run_charged(self) -> str:
        of = "" if self.max_charges is None else f" of {self.max_charges:,}"
        return f"{self.run_charged:,}{of}"

    def _ages(self) -> str:
        if not self.stored or self.stored_oldest is None or self.stored_newest is None:
            return f"{self.stored:,}"
        return (
            f"{self.stored:,} (bought {self.stored_oldest:%Y-%m-%d} to "
            f"{self.stored_newest:%Y-%m-%d})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all counts as plain values.

        Returns
        -------
        dict
            The attributes by name, with duplicates, purchases and cost.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     pna.plan(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone").to_dict()["to_buy"]
        1
        """
        return asdict(self) | {
            "duplicates": self.duplicates,
            "purchases": self.purchases,
            "cost": self.cost,
        }

    def picture(self) -> str:
        """Render the rows as a bar: blank, invalid, repeats, stored, to buy.

        Returns
        -------
        str
            HTML, as it stands above the plan in a notebook.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     plan = pna.plan(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone")
        >>> "to buy" in plan.picture()
        True
        """
        parts = [
            ("blank", self.missing),
            ("invalid", sum(self.invalid.values())),
            ("repeats", self.duplicates),
            ("stored", self.stored),
            ("begun or held", self.open + self.held),
            ("to buy", self.to_buy),
        ]
        return bar(parts, f"{self.rows:,} rows")

    def __repr__(self) -> str:
        return text_table(f"Plan ({self.environment})", self.lines(), "; ".join(self.warnings))

    def _repr_html_(self) -> str:
        lines = [line for line in self.lines() if not line[0].startswith("invalid: ")]
        return html_table(
            plan_headline(self),
            lines,
            picture=self.picture(),
            warnings=self.warnings,
            under=f"Plan ({self.environment}): nothing is bought yet.",
            below=invalid_html(self.invalid, self.examples),
        )


def cap_for(plan: Plan) -> int:
    """Return the cap that buys the plan: it counts what the same run was charged before."""
    return plan.run_charged + plan.run_held + plan.purchases


def plan_headline(plan: Plan) -> str:
    """Return the price first: it is what a reader looks for."""
    if not plan.purchases:
        return "Nothing to buy: free"
    return f"{money(plan.cost, plan.currency)} for {numbers(plan.purchases)}"
