"""LookupForm: one number at a time. Check is free; Buy is a fresh button, bound to the number that
it names.

The page sends keystrokes and clicks apart, so a handler can read a shorter number than the one on
the screen: Enter overtakes the keys typed before it. Hence two steps, and hence a Buy button only
when there was neither a change nor another Check for half a second; so holding Enter down buys
nothing either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.checks import ENVIRONMENTS
from pandas_numberactive._config.readiness import require
from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import WRAPS, card, error_card, esc, note, status, table
from pandas_numberactive._display.text import money, when, words
from pandas_numberactive._jupyter.views import still_holds
from pandas_numberactive._pandas.columns import (
    ACTIVE_LEVEL,
    FREQUENCY_GRADE,
    LOOKUP_STATUS,
    SOURCE,
    TELCO_TYPE,
    TEXT,
)
from pandas_numberactive._pandas.lookup import Lookup, alookup, apeek, lookup_card
from pandas_numberactive._phones.parse import explain, operator_of, parse_phone
from pandas_numberactive.errors import ConfigurationError

STILL = 0.5  # seconds without a change before a Buy button may stand there
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
_READY = "Type a number, then Check. Checking is free."
_CHANGED = "The number was changed: check again. Checking is free."
_HEAD = ["phone", "status", "activity", "top-ups", "type"]

Buyer = Callable[[str], Awaitable[Lookup]]
Peeker = Callable[[str], Awaitable[Lookup | None]]
_Offer = tuple[
    str, str, Settings
]  # the number, the text in the field that it was read from, the price's settings


class LookupForm(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A form for one-off look-ups, from core ipywidgets alone.

    Checking a number is free and shows what was read, its operator by prefix (a label only), and a
    stored answer at once. Buying asks for a second, separate press on a button that names the
    number and the price; at most one answer is charged per press. `value` is the last `Lookup`,
    `history` a typed frame of this form's look-ups.

    >>> form = LookupForm()
    >>> form.history.empty
    True
    """

    value = traitlets.Any(None, allow_none=True)

    def __init__(self, *, buy: Buyer = alookup, peek: Peeker = apeek, still: float = STILL) -> None:
        self._buy_one, self._peek, self._still = buy, peek, still
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
        self._past = ipywidgets.HTML("")
        self._current: ipywidgets.Button | None = None
        self._changed_at = self._asked_at = self._armed_at = 0.0
        self._asked = 0  # counts checks: only the newest may show its outcome
        self._answered = 0  # the newest check that has shown its outcome
        self._busy = False
        self._lookups: list[Lookup] = []
        self._field.observe(self._on_change, "value")
        self._field.on_msg(self._on_message)
        self._check.on_click(lambda _: self._start_check())
        row = ipywidgets.HBox([self._field, self._check, self._place], layout=WRAPS)
        super().__init__([row, self._said, self._shown, self._past])
        if trouble := _trouble():
            self._shown.value = trouble

    @property
    def history(self) -> pd.DataFrame:
        """This form's look-ups, newest first, phones masked, typed like the columns of `enrich`."""
        rows = [{name: getattr(x, at) for name, at in _HISTORY.items()} for x in self._lookups]
        frame = pd.DataFrame(rows, columns=list(_HISTORY))
        return frame.astype(_DTYPES)

    def __repr__(self) -> str:  # a widget's own would show the field
        return (
            f"LookupForm({len(self._lookups)} look-ups; a form in Jupyter, elsewhere use "
            "pna.lookup)"
        )

    def _on_message(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("event") == "submit":  # Enter in the field
            self._start_check()

    def _on_change(self, _: object) -> None:
        """Any change disarms, and what was said was about another text; a check under way begins
        again.

        One that is over does so only where its button has just come, and taken the focus: those
        keys were typed before Enter. Later on, a button that comes by itself would be pressed while
        typing.
        """
        self._changed_at = time.monotonic()
        armed = self._current is not None
        late = armed and self._changed_at - self._armed_at < self._still
        self._disarm()
        if late:
            self._start_check()
        elif not self._busy:
            over = self._answered == self._asked
            self._say("Checking ..." if not over else _CHANGED if armed else _READY)

    def _disarm(self) -> None:
        """No Buy button stands there any more; closed, or a saved notebook would keep the number
        that it names.
        """
        gone, self._current = self._current, None
        self._place.children = ()
        if gone is not None:
            gone.close()

    def _start_check(self) -> None:
        if self._busy:
            return
        self._disarm()
        self._asked += 1
        self._asked_at = time.monotonic()
        self._shown.value = ""
        self._say("Checking ...")
        asked = self._asked
        bridge.submit(lambda: self._check_when_still(asked))

    async def _check_when_still(self, asked: int) -> None:
        """Read what stands in the field once it is still; again, where it was changed before the
        check is over.
        """
        try:
            while asked == self._asked:
                await self._stillness(lambda: self._changed_at)
                text = self._field.value
                show, offer = await self._read(text)
                if asked != self._asked or text != self._field.value:
                    continue
                show()
                await self._stillness(
                    lambda: max(self._changed_at, self._asked_at)
                )  # are there late keys?
                if asked == self._asked and text == self._field.value:
                    self._answered = asked
                    if offer is not None:
                        self._place_button(*offer)
                        self._unless_changed(asked, text)
                    return
        except Exception as error:  # nothing may vanish in a background task
            self._answered = asked
            self._fail(error)

    async def _stillness(self, since: Callable[[], float]) -> None:
        while (left := self._still - (time.monotonic() - since())) > 0:
            await asyncio.sleep(left)

    async def _read(self, text: str) -> tuple[Callable[[], None], _Offer | None]:
        """What a check of this text has to show, and what it has to offer."""
        given = settings()
        national, reason = parse_phone(text, max_digits=given.max_digits)
        if national is None:
            why = explain(reason or "").replace("The cell", "The field")
            return lambda: self._say(f"{why} Nothing was sent."), None
        if trouble := _trouble():
            return lambda: self._show("Nothing was sent.", trouble), None
        stored = await self._peek(national)
        label = f"{national}{_operator(national)}"
        if stored is not None and _is_final(stored):
            return lambda: self._show_stored(label, stored), None
        price = (
            "price unknown: set unit_price"
            if given.unit_price is None
            else money(given.unit_price, given.currency)
        )
        known = _WAITING.get(
            stored.status if stored else "", "Not in your store. A look-up in {} costs: {}."
        )
        said = f"Read as {label}. {known.format(given.environment, price)}"
        return lambda: self._say(said), (national, text, given)

    def _show(self, said: str, picture: str) -> None:
        self._shown.value = picture
        self._say(said)

    def _show_stored(self, label: str, stored: Lookup) -> None:
        since = f"{label}: in your store since {when(stored.looked_up_at)}: free."
        self._show(since, lookup_card(stored, shown=stored.phone))
        self._keep(stored)

    def _place_button(self, national: str, text: str, given: Settings) -> None:
        """Put a fresh button there, bound to this number, to this text in the field, and to these
        settings.
        """
        price = (
            "" if given.unit_price is None else f" for {money(given.unit_price, given.currency)}"
        )
        button = ipywidgets.Button(
            description=f"Buy {national}{price}", button_style="primary", layout={"width": "auto"}
        )
        button.on_click(lambda pressed: self._on_buy(pressed, national, text, given))
        self._armed_at = time.monotonic()
        self._current = button
        self._place.children = (button,)
        button.focus()

    def _unless_changed(self, asked: int, text: str) -> None:
        """Take back what was shown if another thread changed the field, or began a check, while it
        was put there.
        """
        if text != self._field.value:
            self._say(_CHANGED)
        if text != self._field.value or asked != self._asked:
            self._disarm()

    def _on_buy(
        self, pressed: ipywidgets.Button, national: str, text: str, given: Settings
    ) -> None:
        if pressed is not self._current or self._busy or self._field.value != text:
            return
        if not still_holds(given):
            self._disarm()
            self._field.focus()
            self._say("The settings were changed since: check again. Nothing was sent.")
            return
        self._busy = True
        self._disarm()
        self._check.disabled = True
        self._field.focus()
        self._say(f"Asking for {national} ...")
        bridge.submit(lambda: self._buy(national))

    async def _buy(self, national: str) -> None:
        try:
            found = await self._buy_one(national)
            self._show(f"{national}: {words(found.status)}.", lookup_card(found, shown=national))
            self._keep(found)
        except Exception as error:
            self._fail(error)
        finally:
            self._busy = False
            self._check.disabled = False

    def _keep(self, found: Lookup) -> None:
        same = (found.phone, found.environment)
        self._lookups = [
            found,
            *(old for old in self._lookups if (old.phone, old.environment) != same),
        ]
        self._past.value = _past(self._lookups[:MAX_SHOWN])
        self.value = found

    def _say(self, text: str) -> None:
        self._said.value = status(text)

    def _fail(self, error: BaseException) -> None:
        self._show("It did not work; nothing is lost.", error_card(error))


# What an earlier, unfinished look-up of the number means for the price; {} environment, price.
_WAITING = {
    "pending": "Begun earlier in {}, not answered yet; its answer costs: {}.",
    "uncertain": "Held: it may have been charged in {}. Buy asks the same requestId again, at most "
    "for: {}.",
    "failed": "It failed before in {}, without charge. A look-up costs: {}.",
}


def _is_final(stored: Lookup) -> bool:
    """Whether nobody asks for this number again; a failure that cost nothing is not final."""
    return stored.status in ("answered", "no_data", "quarantined") or (
        stored.status == "failed" and stored.charged is not False
    )


def _past(lookups: list[Lookup]) -> str:
    """Look-ups as a table, masked; a made-up one or the sandbox's never stands unmarked beside a
    real one.
    """
    places = {found.environment for found in lookups}
    rows = [_HEAD + ["environment"] * (len(places) > 1)]
    for found in lookups:
        signals = (found.active_level, found.frequency_grade, found.telco_type)
        row = [
            found.masked,
            words(found.status),
            *(word or "" for word in signals),
            found.environment,
        ]
        rows.append(row[: len(rows[0])])
    return table(rows, f"Looked up here ({', '.join(sorted(places))})")


def _operator(national: str) -> str:
    name = operator_of(national)
    return f" ({name}, by prefix)" if name else ""


def _trouble() -> str:
    """What keeps this form from buying, and how to mend it; empty where nothing does."""
    try:
        given = settings()
        if given.environment != "simulator":
            require(given)
    except ConfigurationError as error:
        how = "The simulator's answers are made up, and free. Set it in a cell, then press Check."
        return card("Not set up yet", f"<div>{esc(error)}</div>{note(how)}", accent="#b26a00")
    return ""
