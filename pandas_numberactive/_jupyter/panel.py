"""EnrichPanel: a whole table with the mouse: choose columns, see the plan, buy at most what the
button names, stop.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import WRAPS, error_card, note, status, table
from pandas_numberactive._display.text import money
from pandas_numberactive._jupyter.views import frame_summary, plan_bar, still_holds
from pandas_numberactive._pandas import api
from pandas_numberactive._pandas.job import Job, JobView
from pandas_numberactive._phones.mask import mask_cell
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive._run.plan import Plan
from pandas_numberactive.errors import ConfigurationError

LOOKED_AT = 200  # cells of a column, to tell whether it may hold phones
DRAWN = 10_000  # cells, spread over the column, among which these are found
EXAMPLES = 3
_READY = "Choose the phone columns, then Plan. Planning is free."
_CAP = re.compile(r"[0-9]+|[0-9]{1,3}(?:[., ][0-9]{3})+")


class EnrichPanel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A panel that plans and buys for the phone columns of a frame; nothing is bought before its
    button is pressed.

    The button names how many numbers it buys and what they cost, and buys at most that many (as
    `max_charges`). `result` is the enriched frame, None before; Stop keeps everything that is paid.
    Result columns that the frame has already are replaced, in `result` only.

    >>> import pandas as pd
    >>> panel = EnrichPanel(pd.DataFrame({"name": ["x"], "hp": ["0811 8899 532"]}))
    >>> panel.columns
    ('hp',)
    """

    result = traitlets.Any(None, allow_none=True)

    def __init__(self, df: pd.DataFrame) -> None:
        self._df = df
        self._job: Job | None = None
        self._plan_asked = 0
        likely, places = likely_columns(df)
        labelled: dict[str, Any] = {"style": {"description_width": "initial"}}
        self._choice = ipywidgets.SelectMultiple(
            options=[(str(df.columns[place]), place) for place in places],
            value=likely[:1],
            rows=min(6, max(2, len(places))),
            description="Phone columns",
            **labelled,
        )
        self._cap = ipywidgets.Text(
            description="Buy at most", placeholder="no cap", layout={"width": "200px"}, **labelled
        )
        self._look = ipywidgets.Button(
            description="Plan", tooltip="Free: reads the table and the store"
        )
        self._picture = ipywidgets.HTML("")
        self._place = ipywidgets.HBox([])  # where a Buy button stands, or none
        self._running = ipywidgets.VBox(
            []
        )  # the job's bar and its Stop: not under the mouse that pressed Buy
        self._said = ipywidgets.HTML(status(_READY))
        self._summary = ipywidgets.HTML(_examples(df, self._places))
        self._choice.observe(self._on_choice, "value")
        self._cap.observe(self._on_choice, "value")
        self._look.on_click(lambda _: self._start_plan())
        top = ipywidgets.HBox(
            [self._choice, ipywidgets.VBox([self._cap, self._look])], layout=WRAPS
        )
        super().__init__(
            [top, self._picture, self._place, self._running, self._said, self._summary]
        )

    @property
    def columns(self) -> tuple[Any, ...]:
        """The chosen phone columns."""
        return tuple(self._df.columns[place] for place in self._places)

    @property
    def _places(self) -> tuple[int, ...]:
        return tuple(self._choice.value)

    def __repr__(self) -> str:
        rows = f"{len(self._df):,} rows"
        return (
            f"EnrichPanel({list(self.columns)!r}, {rows}; a panel in Jupyter, elsewhere use "
            "df.numberactive.enrich)"
        )

    @property
    def _busy(self) -> bool:
        return self._job is not None and not self._job.done()

    def _on_choice(self, _: object) -> None:
        """What stands in the panel is no plan for this choice any more."""
        self._plan_asked += 1
        if self._busy:  # its bar and its Stop stay
            return
        self._place.children = self._running.children = ()
        self._picture.value = ""
        self._summary.value = _examples(self._df, self._places)
        self._say(_READY)

    def _start_plan(self) -> None:
        if self._busy:
            return
        self._on_choice(None)
        if not self._places:
            self._say("Choose at least one column.")
            return
        self._say("Planning ...")
        asked = self._plan_asked
        bridge.submit(lambda: self._plan(asked))

    async def _plan(self, asked: int) -> None:
        try:
            columns, given = list(self.columns), settings()
            options = {"overwrite": True, "max_charges": _cap_of(self._cap.value)}
            plan = await asyncio.to_thread(api.plan, self._df, columns, **options)
        except Exception as error:
            if asked == self._plan_asked:
                self._refuse(error)
            return
        if asked == self._plan_asked:
            self._offer(plan, columns, given)
            if (
                asked != self._plan_asked
            ):  # another thread changed the choice while the button was put there
                self._on_choice(None)

    def _refuse(self, error: Exception) -> None:
        self._place.children = ()
        self._summary.value = error_card(error)
        self._say("Nothing was sent.")

    def _offer(self, plan: Plan, columns: list[Any], given: Settings) -> None:
        """Put a fresh button there, bound to this plan, these columns and these settings."""
        self._picture.value = plan_bar(plan) + "".join(note(text) for text in plan.warnings)
        button = ipywidgets.Button(
            description=_label(plan), button_style="primary", layout={"width": "auto"}
        )
        button.on_click(lambda pressed: self._on_buy(pressed, plan.purchases, columns, given))
        self._say(f"Nothing has been bought yet. Environment: {plan.environment}.")
        self._place.children = (button,)

    def _on_buy(
        self, pressed: ipywidgets.Button, count: int, columns: list[Any], given: Settings
    ) -> None:
        if (pressed,) != tuple(self._place.children) or self._busy:
            return
        try:
            if not still_holds(given):
                raise ConfigurationError(
                    "The settings were changed since this plan was made: plan again."
                )
            self._job = api.start(
                self._df, columns, overwrite=True, max_charges=count, progress=False
            )
        except Exception as error:
            self._refuse(error)
            return
        self._enable(False)
        self._place.children = ()
        self._say("")
        view = self._job.view = JobView(self._job, lambda job: self._end(job, columns))
        self._running.children = (view.widget,)
        view.focus()

    def _enable(self, on: bool) -> None:
        for widget in (self._choice, self._cap, self._look):
            widget.disabled = not on

    def _end(self, job: Job, columns: list[Any]) -> None:
        """Show what a job that has ended leaves; called on the background loop."""
        frame = job.result() if job.error is None else getattr(job.error, "partial", None)
        parts = []
        if frame is not None:
            parts.append(frame_summary(frame, [f"{name}_" for name in columns]))
        if job.report is not None:
            parts.append(job.report._repr_html_())
        self._summary.value = "".join(parts)
        self._say("" if frame is None else "The table is in panel.result.")
        self._enable(True)
        if frame is not None:  # last: who waits for it finds the rest in its place
            self.result = frame

    def _say(self, text: str) -> None:
        self._said.value = status(text) if text else ""


def _cap_of(text: str) -> int | None:
    """The cap as it was typed, thousands grouped or not; None where there is none."""
    text = text.strip()
    if text and not _CAP.fullmatch(text):
        raise ConfigurationError("The cap must be a whole number of purchases, or blank.")
    return int(re.sub(r"[., ]", "", text)) if text else None


def _label(plan: Plan) -> str:
    """What a press on the button does, and what it costs at most."""
    count = plan.purchases
    if not count:
        return "Join the stored answers: free"
    price = "" if plan.cost is None else f" for {money(plan.cost, plan.currency)}"
    return f"Buy {count:,} number{'' if count == 1 else 's'}{price}"


def likely_columns(df: pd.DataFrame) -> tuple[tuple[int, ...], list[int]]:
    """The places of the columns that seem to hold phones, and of all columns with those first."""
    limit = _max_digits()
    share = [_readable(df.iloc[:, place], limit) for place in range(df.shape[1])]
    likely = tuple(
        sorted((place for place, s in enumerate(share) if s > 0.4), key=lambda place: -share[place])
    )
    return likely, [*likely, *(place for place in range(len(share)) if place not in likely)]


def _readable(column: pd.Series[Any], limit: int) -> float:
    """The share of some filled cells that are Indonesian mobile numbers."""
    cells = _filled(column, LOOKED_AT)
    read = sum(parse_phone(cell, max_digits=limit)[0] is not None for cell in cells)
    return read / len(cells) if cells else 0.0


def _filled(column: pd.Series[Any], most: int) -> list[Any]:
    """The first filled cells, of cells spread over the column: ten million rows must not be read
    for a glance.
    """
    drawn = column.iloc[:: max(1, len(column) // DRAWN)]
    return drawn.dropna().head(most).tolist()


def _max_digits() -> int:
    try:
        return settings().max_digits
    except ConfigurationError:  # told when planning
        return Settings().max_digits


def _examples(df: pd.DataFrame, places: tuple[int, ...]) -> str:
    """How a few cells of the chosen columns are read; masked, because a notebook is saved."""
    rows, limit = [], _max_digits()
    for place in places:
        for cell in _filled(df.iloc[:, place], EXAMPLES):
            national, reason = parse_phone(cell, max_digits=limit)
            read = mask_cell(national) if national else f"refused: {reason}"
            rows.append((df.columns[place], mask_cell(cell), read))
    if rows:
        return table([("column", "cell", "read as"), *rows])
    return note(
        "There is nothing in this column." if places else "No column looks like phones; choose one."
    )
