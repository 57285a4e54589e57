"""LookupForm: one number at a time. Check is free; Buy is a fresh button, bound to the number that it names.

The page sends keystrokes and clicks apart, so a handler can read a shorter number than the one on the screen. Hence
two steps, and hence a Buy button only when the field has been still for half a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from pandas_numberactive._core.markup import INK
from pandas_numberactive._core.phone import explain, operator_of, parse_phone
from pandas_numberactive._io import bridge
from pandas_numberactive._io.report import money
from pandas_numberactive._jupyter.style import card, esc, note, status, when
from pandas_numberactive._jupyter.views import error_card, lookup_card
from pandas_numberactive._pandas.columns import ACTIVE_LEVEL, FREQUENCY_GRADE, LOOKUP_STATUS, TELCO_TYPE
from pandas_numberactive.api import Lookup, alookup, apeek
from pandas_numberactive.errors import ConfigurationError
from pandas_numberactive.settings import Settings, require, settings

STILL = 0.5  # seconds without a change before a Buy button may stand there
MAX_SHOWN = 10

_HISTORY = {
    "phone": "masked",
    "telco_type": "telco_type",
    "active_level": "active_level",
    "frequency_grade": "frequency_grade",
    "lookup_status": "status",
    "looked_up_at": "looked_up_at",
    "charged": "charged",
    "source": "source",
}
_HEAD = ["phone", "status", "activity", "top-ups", "type"]

Buyer = Callable[[str], Awaitable[Lookup]]
Peeker = Callable[[str], Awaitable[Lookup | None]]


class LookupForm(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A form for one-off look-ups, from core ipywidgets alone.

    Checking a number is free and shows what was read, its operator by prefix (a label only), and a stored answer at
    once. Buying asks for a second, separate press on a button that names the number and the price; at most one
    answer is charged per press. `value` is the last `Lookup`, `history` a typed frame of this form's look-ups.

    >>> form = LookupForm()
    >>> form.history.empty
    True
    """

    value = traitlets.Any(None, allow_none=True)

    def __init__(self, *, buy: Buyer = alookup, peek: Peeker = apeek, still: float = STILL) -> None:
        self._buy_one, self._peek, self._still = buy, peek, still
        self._field = ipywidgets.Text(
            description="Phone number", placeholder="0811 8899 532", style={"description_width": "initial"}
        )
        self._check = ipywidgets.Button(description="Check", tooltip="Free: nothing is sent to the vendor")
        self._place = ipywidgets.HBox([])  # where a Buy button stands, or none
        self._said = ipywidgets.HTML(status("Type a number, then Check. Checking is free."))
        self._shown = ipywidgets.HTML("")
        self._past = ipywidgets.HTML("")
        self._current: ipywidgets.Button | None = None
        self._changed_at = 0.0
        self._asked = 0  # counts checks: only the newest may show its outcome
        self._busy = False
        self._lookups: list[Lookup] = []
        self._field.observe(self._on_change, "value")
        self._field.on_msg(self._on_message)
        self._check.on_click(lambda _: self._start_check())
        row = ipywidgets.HBox([self._field, self._check, self._place])
        super().__init__([row, self._said, self._shown, self._past])
        if trouble := _trouble():
            self._shown.value = trouble

    @property
    def history(self) -> pd.DataFrame:
        """This form's look-ups, newest first, phones masked, typed like the columns of `enrich`."""
        rows = [{name: getattr(x, at) for name, at in _HISTORY.items()} for x in self._lookups]
        frame = pd.DataFrame(rows, columns=list(_HISTORY))
        return frame.astype(
            {
                "telco_type": TELCO_TYPE,
                "active_level": ACTIVE_LEVEL,
                "frequency_grade": FREQUENCY_GRADE,
                "lookup_status": LOOKUP_STATUS,
                "looked_up_at": "datetime64[us, UTC]",
                "charged": "boolean",
            }
        )

    def _on_message(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("event") == "submit":  # Enter in the field
            self._start_check()

    def _on_change(self, _: object) -> None:
        """Any change disarms; a check under way begins again when the field is still."""
        self._changed_at = time.monotonic()
        self._disarm()

    def _disarm(self) -> None:
        """No Buy button stands there any more; closed, or a saved notebook would keep the number that it names."""
        gone, self._current = self._current, None
        self._place.children = ()
        if gone is not None:
            gone.close()

    def _start_check(self) -> None:
        if self._busy:
            return
        self._disarm()
        self._asked += 1
        self._shown.value = ""
        bridge.submit(lambda: self._check_when_still(self._asked))

    async def _check_when_still(self, asked: int) -> None:
        try:
            while (left := self._still - (time.monotonic() - self._changed_at)) > 0:
                await asyncio.sleep(left)
            text = self._field.value
            if asked == self._asked and not self._busy:
                await self._show(asked, text)
        except Exception as error:  # nothing may vanish in a background task
            self._fail(error)

    async def _show(self, asked: int, text: str) -> None:
        given = settings()
        national, reason = parse_phone(text, max_digits=given.max_digits)
        if national is None:
            self._say(f"{explain(reason or '')} Nothing was sent.")
            return
        if trouble := _trouble():
            self._shown.value = trouble
            self._say("Nothing was sent.")
            return
        stored = await self._peek(national)
        if asked != self._asked or text != self._field.value:
            return
        label = f"{national}{_operator(national)}"
        if stored is not None and stored.status in ("answered", "no_data"):
            self._shown.value = lookup_card(stored, shown=national)
            self._say(f"{label}: in your store since {when(stored.looked_up_at)}: free.")
            self._keep(stored)
            return
        price = "price unknown: set unit_price" if given.unit_price is None else money(given.unit_price, given.currency)
        self._say(f"Read as {label}. Not in your store. A look-up costs: {price}.")
        self._arm(national, text, given)

    def _arm(self, national: str, text: str, given: Settings) -> None:
        """Put a fresh button there, bound to this number and to this text in the field."""
        price = "" if given.unit_price is None else f" for {money(given.unit_price, given.currency)}"
        button = ipywidgets.Button(
            description=f"Buy {national}{price}", button_style="primary", layout={"width": "auto"}
        )
        button.on_click(lambda pressed: self._on_buy(pressed, national, text))
        self._current = button
        self._place.children = (button,)
        button.focus()

    def _on_buy(self, pressed: ipywidgets.Button, national: str, text: str) -> None:
        if pressed is not self._current or self._busy or self._field.value != text:
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
            self._shown.value = lookup_card(found, shown=national)
            self._say(f"{national}: {found.status.replace('_', ' ')}.")
            self._keep(found)
        except Exception as error:
            self._fail(error)
        finally:
            self._busy = False
            self._check.disabled = False

    def _keep(self, found: Lookup) -> None:
        self._lookups = [found, *(old for old in self._lookups if old.phone != found.phone)]
        self.value = found
        self._past.value = _table([_HEAD, *([*_words(x)] for x in self._lookups[:MAX_SHOWN])])

    def _say(self, text: str) -> None:
        self._said.value = status(text)

    def _fail(self, error: BaseException) -> None:
        self._shown.value = error_card(error)
        self._say("It did not work; nothing is lost.")


def _words(found: Lookup) -> list[str]:
    signals = (found.active_level, found.frequency_grade, found.telco_type)
    return [found.masked, found.status, *(word or "" for word in signals)]


def _table(rows: list[list[str]]) -> str:
    """Rows of text as a small table, the first of them its head."""
    head = "".join(f'<th scope="col" style="text-align:left;padding:1px 0">{esc(name)}</th>' for name in rows[0])
    body = "".join(
        '<tr style="background:none">'
        + "".join(f'<td style="padding:1px 0">{esc(cell)}</td>' for cell in row)
        + "</tr>"
        for row in rows[1:]
    )
    return (
        f'<table style="color:{INK};border-spacing:14px 2px;line-height:1.5">'
        f'<caption style="text-align:left">Looked up here</caption>'
        f'<thead><tr style="background:none">{head}</tr></thead><tbody>{body}</tbody></table>'
    )


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
        how = 'pna.configure(environment="simulator") tries everything with made-up answers.'
        return card("Not set up yet", f"<div>{esc(error)}</div>{note(how)}", accent="#b26a00")
    return ""
