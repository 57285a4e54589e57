"""LookupForm looks up one number at a time. Check is free, and Buy is a second, separate step.

The page sends keystrokes and clicks apart, so a handler can read a shorter number than the one on
the screen: Enter overtakes the keys typed before it. Hence an offer stands only when there was
neither a change nor another Check for half a second, and Enter buys it only when it was shown for
half a second more and nothing was typed since. Python never moves the keyboard's focus: keys that
somebody types into another cell must not reach a button that costs money.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.checks import ENVIRONMENTS
from pandas_numberactive._config.readiness import require, store_location
from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import (
    AMBER,
    WRAPS,
    card,
    error_card,
    esc,
    note,
    status,
    table,
)
from pandas_numberactive._display.live import Live
from pandas_numberactive._display.text import money, said, when, words
from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._jupyter.views import REOPENED, show_widget, still_holds
from pandas_numberactive._pandas.columns import (
    ACTIVE_LEVEL,
    FREQUENCY_GRADE,
    LOOKUP_STATUS,
    SOURCE,
    TELCO_TYPE,
)
from pandas_numberactive._pandas.lookup import OPEN_STATUSES, Lookup, alookup, apeek, lookup_card
from pandas_numberactive._phones.column import TEXT
from pandas_numberactive._phones.mask import mask
from pandas_numberactive._phones.parse import explain, operator_of, parse_phone
from pandas_numberactive.errors import ConfigurationError, VendorError

STILL_SECONDS = 0.5  # without a change before an offer is made, and before Enter buys it
QUIET_SECONDS = 60.0  # without an action before numbers, offers and answers leave the page
TICK_SECONDS = 1.0  # between two updates of a line that counts the seconds
MAX_SHOWN = 10

_DTYPES: dict[str, Any] = {
    "phone": TEXT,
    "telco_type": TELCO_TYPE,
    "active_level": ACTIVE_LEVEL,
    "frequency_grade": FREQUENCY_GRADE,
    "lookup_status": LOOKUP_STATUS,
    "looked_up_at": "datetime64[us, UTC]",
    "charged": "boolean",
    "source": SOURCE,
    "environment": pd.CategoricalDtype(list(ENVIRONMENTS)),
}
_HISTORY = {name: name for name in _DTYPES} | {"phone": "masked", "lookup_status": "status"}
_READY = "Type a number, then Enter or Check. Checking is free."
_CHANGED = "The number was changed: check again. Checking is free."
_CLEARED = (
    "Cleared after a minute, so that a saved notebook keeps no number. form.history has the "
    "answers. Nothing more was charged."
)
_HOW_TO_BUY = "Press the button, or Enter once more in the field."
_PAID = {True: "charged", False: "free", None: "charge unknown"}

Buyer = Callable[..., Awaitable[Lookup]]
Peeker = Callable[[str], Awaitable[Lookup | None]]
Place = tuple[str | None, str, str]  # environment, store, number


@dataclass(
    frozen=True,
    slots=True,
    eq=False,
    repr=False,
)  # a number would stand in tracebacks with locals
class Offer:
    """One number, read from one text under one set of settings, as a Buy button offers it.

    Two offers are never equal, so that a button or an Enter can only take its own.
    """

    national: str
    text: str
    given: Settings
    again: bool = False  # buys a newer answer for a number that is stored
    counted: bool = False  # fetches the answer of a look-up that this form has begun and counted

    @property
    def place(self) -> Place:
        """The place in a store that this purchase would fill."""
        return (self.given.environment, store_location(self.given), self.national)

    @property
    def label(self) -> str:
        """The text of the button."""
        price = money(self.given.unit_price, self.given.currency)
        cost = "" if self.given.unit_price is None else f" for {price}"
        return f"Buy {self.national}{' again' if self.again else ''}{cost}"


class LookupForm(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A form for one-off look-ups, from core ipywidgets alone.

    Checking a number is free and shows what was read, its operator by prefix (a label only), and a
    stored answer at once. Buying is a second step: the button that names the number and the price,
    or Enter once more in the field. At most one answer is charged each time. A minute after the
    last action the form clears what it shows, because a notebook is saved.

    Parameters
    ----------
    max_charges
        The most answers this form may buy; no limit by default. A look-up that is pending or held
        counts, because it may be charged. Its answer is fetched without another count. One that
        failed without a charge does not count.

    Attributes
    ----------
    value
        The last `Lookup`.
    history
        A typed frame of this form's look-ups, phones masked.

    Examples
    --------
    >>> form = LookupForm(max_charges=20)
    >>> form.history.empty
    True
    """

    value = traitlets.Any(None, allow_none=True)

    @without_frames
    def __init__(
        self,
        *,
        max_charges: int | None = None,
        buy: Buyer = alookup,
        peek: Peeker = apeek,
        still: float = STILL_SECONDS,
        quiet: float = QUIET_SECONDS,
    ) -> None:
        self._max_charges = _checked_cap(max_charges)
        self._buy_one = buy
        self._peek = peek
        self._still = still
        self._quiet = quiet
        self._lock = threading.Lock()  # clicks and Enter come on different threads
        self._offer: Offer | None = None
        self._confirming: Offer | None = None  # Enter was pressed for it
        self._shown_at: float | None = None
        self._changed_at = self._asked_at = self._touched_at = 0.0
        self._asked = 0  # counts checks: only the newest may show its outcome
        self._answered = 0  # the newest check that has shown its outcome
        self._charges = 0  # answers that were bought here, or may be
        self._open: set[Place] = set()  # counted, without a final answer yet
        self._busy = False
        self._resting = False  # the clock of `quiet` runs
        self._handlers_loop: asyncio.AbstractEventLoop | None = None
        self._lookups: list[Lookup] = []
        super().__init__(self._make_children())
        if trouble := _trouble():
            self._shown.value = trouble

    def _make_children(self) -> list[ipywidgets.Widget]:
        self._field = ipywidgets.Text(
            description="Phone number",
            placeholder="0811 8899 532",
            style={"description_width": "initial"},
        )
        self._check = ipywidgets.Button(
            description="Check", tooltip="Free: nothing is sent to the vendor"
        )
        self._place = ipywidgets.HBox([])  # where a Buy button stands, or none
        self._said = ipywidgets.HTML(status(_READY))
        self._shown = ipywidgets.HTML("")
        self._past = Live()  # stays in a saved notebook
        self._field.observe(self._on_change, "value")
        self._field.on_msg(self._on_message)
        self._check.on_click(lambda _: self._start_check())
        row = ipywidgets.HBox([self._field, self._check, self._place], layout=WRAPS)
        return [row, self._said, self._shown]

    @property
    def history(self) -> pd.DataFrame:
        """The look-ups of this form, newest first, phones masked, typed as `enrich` does."""
        rows = [{name: getattr(x, at) for name, at in _HISTORY.items()} for x in self._lookups]
        frame = pd.DataFrame(rows, columns=list(_HISTORY))
        return frame.astype(_DTYPES)

    def __repr__(self) -> str:  # a widget's own would show the field
        if not hasattr(self, "_lookups"):  # a traceback may show one that was not made
            return "LookupForm(not made)"
        return (
            f"LookupForm({len(self._lookups)} look-ups; a form in Jupyter, elsewhere use "
            "pna.lookup)"
        )

    def _ipython_display_(self) -> None:
        """Show the form, and its history as HTML, which a saved file keeps."""
        show_widget(self, repr(self), self._past, Live(REOPENED))

    # --- messages of the page

    def _on_message(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("event") != "submit":
            return
        if not self._confirm():  # Enter in the field
            self._start_check()

    def _on_change(self, _: object) -> None:
        """Withdraw the offer and the words about the old text."""
        self._changed_at = time.monotonic()
        self._touch()
        armed = self._offer is not None
        self._disarm()
        if self._busy:
            return
        checking = self._answered != self._asked
        if checking:
            self._say("Checking ...")
        else:
            self._say(_CHANGED if armed else _READY)

    def _confirm(self) -> bool:
        """Take Enter as the purchase of an offer that was long enough on the screen."""
        offer = self._offer
        shown_at = self._shown_at
        if offer is None or offer.again or shown_at is None:
            return False
        if time.monotonic() - shown_at < self._still:
            return False
        if self._confirming is not offer:
            self._confirming = offer
            self._touch()
            bridge.submit(lambda: self._buy_when_still(offer))
        return True

    async def _buy_when_still(self, offer: Offer) -> None:
        """Buy the offer half a second after Enter, unless keys that Enter overtook come in."""
        pressed = time.monotonic()
        await self._stillness(lambda: max(self._changed_at, pressed))
        self._start_purchase(offer)

    # --- checking

    def _disarm(self) -> None:
        """Withdraw the offer, empty its button and close it.

        A saved notebook would keep the number: nbclient saves closed widgets as they last were.
        """
        with self._lock:
            self._offer = None
            self._shown_at = None
        gone = self._place.children
        self._place.children = ()
        for button in gone:
            button.description = ""
            button.close()

    def _start_check(self) -> None:
        if self._busy:
            return
        self._disarm()
        self._touch()
        self._asked += 1
        self._asked_at = time.monotonic()
        self._handlers_loop = _running_loop()
        self._shown.value = ""
        self._say("Checking ...")
        asked = self._asked
        bridge.submit(lambda: self._check_when_still(asked))

    async def _check_when_still(self, asked: int) -> None:
        """Read the field once it is still, and again after each change before the end."""
        try:
            while asked == self._asked:
                await self._stillness(lambda: self._changed_at)
                if await self._checked_once(asked, self._field.value):
                    return
        except Exception as error:  # nothing may vanish in a background task
            self._answered = asked
            self._fail(error)

    async def _checked_once(self, asked: int, text: str) -> bool:
        """Check one text. Return False where the field or the newest check is another by then."""
        show, offer = await self._read(text)
        if not self._is_current(asked, text):
            return False
        show()
        await self._stillness(lambda: max(self._changed_at, self._asked_at))  # late keys
        if not self._is_current(asked, text):
            return False
        self._answered = asked
        if offer is not None:
            self._place_button(offer)
            self._withdraw_unless_current(asked, text)
        return True

    def _is_current(self, asked: int, text: str) -> bool:
        return asked == self._asked and text == self._field.value

    async def _stillness(self, since: Callable[[], float]) -> None:
        while (left := self._still - (time.monotonic() - since())) > 0:
            await asyncio.sleep(left)

    async def _read(self, text: str) -> tuple[Callable[[], None], Offer | None]:
        """Return the way to show a check of this text, and the offer that it ends in."""
        given = settings()
        national, reason = parse_phone(text, max_digits=given.max_digits)
        if national is None:
            why = explain(reason or "").replace("The cell", "The field")
            return lambda: self._say(f"{why} Nothing was sent."), None
        if trouble := _trouble():
            return lambda: self._show("Nothing was sent.", trouble), None
        stored = await self._peek(national)
        if stored is not None and _is_final(stored):
            return lambda: self._show_stored(stored), self._again(stored, text, given)
        if stored is not None and (stuck := _unaskable(stored)):
            return lambda: self._say(f"{_named(national)} {stuck}", decided=True), None
        offer = self._within_cap(self._first(national, stored, text, given))
        told = _read_as(national, stored, given)
        todo = self._cap_reached() if offer is None else _HOW_TO_BUY
        return lambda: self._say(f"{told} {todo}", decided=True), offer

    def _again(self, stored: Lookup, text: str, given: Settings) -> Offer | None:
        """Return the offer of a newer answer, for the mouse alone."""
        if stored.status not in ("answered", "no_data"):
            return None
        return self._within_cap(Offer(stored.phone, text, given, again=True))

    def _first(self, national: str, stored: Lookup | None, text: str, given: Settings) -> Offer:
        """Return the offer of an answer that the store lacks."""
        offer = Offer(national, text, given)
        is_open = stored is not None and stored.status in OPEN_STATUSES
        return replace(offer, counted=is_open and offer.place in self._open)

    def _within_cap(self, offer: Offer) -> Offer | None:
        if self._max_charges is None or offer.counted:
            return offer
        return offer if self._charges < self._max_charges else None

    def _cap_reached(self) -> str:
        return (
            f"This form has bought {self._charges:,}, pending and held ones included: all that "
            "max_charges allows. Nothing was sent."
        )

    def _show_stored(self, stored: Lookup) -> None:
        since = f"{stored.masked}: in your store since {when(stored.looked_up_at)}: free."
        self._show(since, lookup_card(stored))
        self._keep(stored)

    def _place_button(self, offer: Offer) -> None:
        """Put a fresh button there, bound to this offer."""
        style = "" if offer.again else "primary"
        button = ipywidgets.Button(
            description=offer.label, button_style=style, layout={"width": "auto"}
        )
        button.on_click(lambda _: self._start_purchase(offer))
        with self._lock:
            self._offer = offer
        self._place.children = (button,)
        self._on_handlers_loop(lambda: self._mark_shown(offer))

    def _mark_shown(self, offer: Offer) -> None:
        """Start the half second after which Enter may buy."""
        if self._offer is offer:
            self._shown_at = time.monotonic()

    def _on_handlers_loop(self, call: Callable[[], None]) -> None:
        """Call on the loop that reads the page's messages.

        While a cell blocks that loop, an Enter waits in its queue, and was pressed before the offer
        could be seen. So the half second starts when the loop is free again.
        """
        loop = self._handlers_loop
        if loop is None or not loop.is_running():
            call()
        else:
            loop.call_soon_threadsafe(call)

    def _withdraw_unless_current(self, asked: int, text: str) -> None:
        """Withdraw the offer if another thread changed the field, or began a check, meanwhile."""
        if text != self._field.value:
            self._say(_CHANGED)
        if not self._is_current(asked, text):
            self._disarm()

    # --- buying

    def _start_purchase(self, offer: Offer) -> None:
        if not self._take(offer):
            return
        if not still_holds(offer.given):
            self._busy = False
            self._disarm()
            self._say("The settings were changed since: check again. Nothing was sent.")
            return
        self._count(offer)
        self._disarm()
        self._check.disabled = True
        self._field.value = ""  # for the next number: nothing is being typed just now
        bridge.submit(lambda: self._buy(offer))

    def _take(self, offer: Offer) -> bool:
        """Claim the offer for one purchase, if it stands and the field still reads as it."""
        with self._lock:
            if self._offer is not offer or self._busy or self._field.value != offer.text:
                return False
            self._offer = None
            self._busy = True
            return True

    async def _buy(self, offer: Offer) -> None:
        clock = asyncio.ensure_future(self._count_seconds(f"Asking for {mask(offer.national)}"))
        try:
            found = await self._ask(offer)
        except Exception as error:
            clock.cancel()
            self._settle_error(offer, error)
            self._fail(error)
            if not self._field.value:
                self._field.value = offer.text
                self._say(f"{_FAILED} The number is in the field again.")
        else:
            clock.cancel()
            self._settle(offer, found)
            self._answer(found)
        finally:
            clock.cancel()
            self._touch()
            self._busy = False
            self._check.disabled = False

    async def _ask(self, offer: Offer) -> Lookup:
        if offer.again:
            return await self._buy_one(offer.national, refresh=True)
        return await self._buy_one(offer.national)

    def _count(self, offer: Offer) -> None:
        """Count the purchase, but not a second time where it fetches what was counted."""
        if offer.counted:
            return
        self._charges += 1
        self._open.add(offer.place)

    def _settle(self, offer: Offer, found: Lookup) -> None:
        """Refund an answer that was free. A pending or held look-up may be charged, and counts."""
        if found.status in OPEN_STATUSES:
            return
        bought_elsewhere = found.source != "new" and not offer.counted
        if found.charged is False or bought_elsewhere:
            self._refund(offer)
        self._open.discard(offer.place)

    def _settle_error(self, offer: Offer, error: Exception) -> None:
        """Refund a purchase that raised, where nothing of it can have been charged."""
        nothing_sent = getattr(error, "charged", "maybe") == "no" and not offer.counted
        if nothing_sent or _ended_free(error):
            self._refund(offer)

    def _refund(self, offer: Offer) -> None:
        self._charges -= 1
        self._open.discard(offer.place)

    async def _count_seconds(self, text: str) -> None:
        self._say(f"{text} ...")
        begun = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._said.value = status(f"{text} ... {time.monotonic() - begun:.0f} s", live=False)

    def _answer(self, found: Lookup) -> None:
        """Show an answer, in the history alone where another number is being typed by now."""
        outcome = f"{found.masked}: {words(found.status)}."
        if self._field.value:
            self._say(f"{outcome} It is in the history below.")
        else:
            self._show(outcome, lookup_card(found))
        self._keep(found)

    def _keep(self, found: Lookup) -> None:
        same = (found.phone, found.environment)
        others = [old for old in self._lookups if (old.phone, old.environment) != same]
        self._lookups = [found, *others]
        self._past.value = _past(self._lookups[:MAX_SHOWN])
        self.value = found

    # --- what stands on the page

    def _say(self, text: str, *, decided: bool = False) -> None:
        self._said.value = status(text, decided=decided)

    def _show(self, text: str, picture: str) -> None:
        self._shown.value = picture
        self._say(text, decided=True)

    def _fail(self, error: BaseException) -> None:
        self._show(_FAILED, error_card(error))

    def _touch(self) -> None:
        """Put off the clearing of the form by a minute."""
        self._touched_at = time.monotonic()
        with self._lock:
            if self._resting:
                return
            self._resting = True
        bridge.submit(self._clear_when_quiet)

    async def _clear_when_quiet(self) -> None:
        while self._busy or time.monotonic() - self._touched_at < self._quiet:
            waited = time.monotonic() - self._touched_at
            await asyncio.sleep(max(self._quiet - waited, 0.01))
        with self._lock:
            self._resting = False
        self._clear()

    def _clear(self) -> None:
        """Remove the number, the offer and the answer: a saved notebook would keep them."""
        shown = bool(self._field.value or self._shown.value or self._place.children)
        self._disarm()
        self._field.value = ""
        self._shown.value = _trouble()
        if shown:
            self._say(_CLEARED)


_FAILED = "It did not work; nothing is lost."

# What an earlier, unfinished look-up of the number means for the price; {} environment, price.
_WAITING = {
    "pending": "Begun earlier in {}, not answered yet; its answer costs: {}.",
    "uncertain": "Held: it may have been charged in {}. Buy asks the same requestId again, at most "
    "for: {}.",
    "failed": "It failed before in {}, without charge. A look-up costs: {}.",
}


_SETTLE = "Ask the vendor, then settle it: pna.LookupStore().resolve."
_UNASKABLE = {
    "other_host": "Its requestId can be asked only at the host that gave it: set that base_url.",
    "other_app_key": "Its requestId can be asked only with the app key that it was begun with: "
    "set that key.",
    "clock_went_back": "It was begun later than the clock of this machine shows: set the clock.",
    "request_id_too_old": f"Its requestId is older than a day. {_SETTLE}",
    "request_id_collision": f"Its requestId was given to two numbers. {_SETTLE}",
    "handle_reply_lost": f"It has no requestId to ask. {_SETTLE}",
}


def _read_as(national: str, stored: Lookup | None, given: Settings) -> str:
    """Return the line that says how the field was read, and at what price it can be bought."""
    price = money(given.unit_price, given.currency)
    if given.unit_price is None:
        price = "price unknown: set unit_price"
    known = _WAITING.get(
        stored.status if stored else "", "Not in your store. A look-up in {} costs: {}."
    )
    return f"{_named(national)} {known.format(given.environment, price)}"


def _unaskable(stored: Lookup) -> str | None:
    """Return the line about an open look-up that cannot be asked with these settings, or None."""
    todo = _UNASKABLE.get(stored.reason or "")
    if stored.status not in OPEN_STATUSES or todo is None:
        return None
    return f"Held: it may have been charged in {stored.environment}. {todo} Nothing was sent."


def _named(national: str) -> str:
    return f"Read as {national}{_operator(national)}."


def _checked_cap(given: int | None) -> int | None:
    whole = isinstance(given, int) and not isinstance(given, bool)
    if given is None or (whole and given >= 0):
        return given
    raise ConfigurationError(
        f"max_charges must be a whole number of at least 0, not {said(given)}. Nothing was sent."
    )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_final(stored: Lookup) -> bool:
    """Return True where a plain look-up never asks again, as it does after a free failure."""
    return stored.status in ("answered", "no_data", "quarantined") or (
        stored.status == "failed" and stored.charged is not False
    )


def _ended_free(error: Exception) -> bool:
    """Return True where the run that raised has read its look-up back as free and at its end.

    One that could not be read back has neither code nor reason, and is as it stood before.
    """
    if not isinstance(error, VendorError) or not isinstance(error.partial, Lookup):
        return False
    found = error.partial
    over = found.status in ("failed", "not_bought") and bool(found.code or found.reason)
    may_be_charged = error.report is None or error.report.charged or found.charged is not False
    return over and not may_be_charged


def _past(lookups: list[Lookup]) -> str:
    """Render look-ups as a table without signals, because a notebook is saved."""
    places = {found.environment for found in lookups}
    head = ["phone", "lookup_status", "looked_up_at", "charged"]
    rows = [head + ["environment"] * (len(places) > 1)]
    for found in lookups:
        row = [
            found.masked,
            words(found.status),
            when(found.looked_up_at),
            "free: stored" if found.source == "stored" else _PAID[found.charged],
            found.environment,
        ]
        rows.append(row[: len(rows[0])])
    return table(rows, f"Looked up here ({', '.join(sorted(places))})")


def _operator(national: str) -> str:
    name = operator_of(national)
    return f" ({name}, by prefix)" if name else ""


def _trouble() -> str:
    """Return a card with the reason that keeps this form from buying, or an empty text."""
    try:
        given = settings()
        if given.environment != "simulator":
            require(given)
    except ConfigurationError as error:
        how = "The simulator's answers are made up, and free. Set it in a cell, then press Check."
        return card("Not set up yet", f"<div>{esc(error)}</div>{note(how)}", accent=AMBER)
    return ""
