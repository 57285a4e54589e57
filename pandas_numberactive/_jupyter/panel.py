"""EnrichPanel: a whole table with the mouse, bought by a button that names number and price."""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import (
    WRAPS,
    code_block,
    error_card,
    note,
    status,
    table,
    warned,
)
from pandas_numberactive._display.live import Live
from pandas_numberactive._display.text import money
from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._jupyter.choosing import choose, filled, max_digits, offered_labels
from pandas_numberactive._jupyter.views import (
    REOPENED,
    frame_preview,
    frame_summary,
    plan_bar,
    show_widget,
    still_holds,
)
from pandas_numberactive._pandas import api
from pandas_numberactive._pandas.formats import (
    for_excel,
    why_unwritten,
    without_formulas,
    write_excel,
)
from pandas_numberactive._pandas.frames import need_frame
from pandas_numberactive._pandas.job import Job, JobView, outcome_of
from pandas_numberactive._phones.mask import mask_cell, mask_label, safe_label
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive._run.plan import Plan, cap_for
from pandas_numberactive.errors import ConfigurationError

EXAMPLES = 3
_FREE = "Planning is free."
_READY = f"Choose the phone columns, then Plan. {_FREE}"
_COUNT = re.compile(r"[0-9]+|[0-9]{1,3}(?:[., ][0-9]{3})+")
_ORDERS = (("rows, first ones first", "rows"), ("random, a fair sample", "random"))
_LABELLED: dict[str, Any] = {"style": {"description_width": "initial"}}
_NARROW: dict[str, Any] = {**_LABELLED, "layout": {"width": "250px"}}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One purchase as the panel's fields describe it."""

    columns: tuple[Any, ...]
    max_charges: int | None = None
    budget: int | None = None
    max_age: str | None = None
    order: str = "rows"

    def options(self) -> dict[str, Any]:
        """Return the options of `enrich` that differ from its defaults."""
        given = {
            "max_charges": self.max_charges,
            "budget": self.budget,
            "max_age": self.max_age,
            "order": None if self.order == "rows" else self.order,
        }
        return {name: value for name, value in given.items() if value is not None}

    def call(self) -> str:
        """Return the line of code that does the same, a name masked where it may be a phone."""
        names = [safe_label(name) for name in self.columns]
        column = names[0] if len(names) == 1 else names
        options = "".join(f", {name}={value!r}" for name, value in self.options().items())
        return f"df.numberactive.enrich({column!r}{options})"


class EnrichPanel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A panel that plans and buys for the phone columns of a frame.

    Nothing is bought before its button is pressed. The button names how many numbers it buys and
    what they cost, and buys at most that many (as `max_charges`). Stop keeps everything that is
    paid. Result columns that the frame has already are replaced, in `result` only.

    Parameters
    ----------
    df
        The table.

    Attributes
    ----------
    columns
        The chosen phone columns.
    result
        The enriched frame, None before.

    Raises
    ------
    ConfigurationError
        Where this is no DataFrame.

    Examples
    --------
    >>> import pandas as pd
    >>> panel = EnrichPanel(pd.DataFrame({"name": ["x"], "hp": ["0811 8899 532"]}))
    >>> panel.columns
    ('hp',)
    """

    result = traitlets.Any(None, allow_none=True)

    @without_frames
    def __init__(self, df: pd.DataFrame) -> None:
        need_frame(df, "EnrichPanel takes a frame")
        self._df = df
        self._lock = threading.RLock()  # clicks and edits come on different threads
        self._job: Job | None = None
        self._starting = False  # a button was taken, and there is no job yet
        self._plan_asked = 0
        super().__init__(self._make_children())
        self._picture = Live()  # the plan, then the progress
        self._summary = Live(_examples(df, self._places))  # examples, errors, the bill

    def _make_children(self) -> list[ipywidgets.Widget]:
        found = choose(self._df)
        labels = offered_labels(self._df.columns)
        self._choice = ipywidgets.SelectMultiple(
            options=[(labels[place], place) for place in found.places],
            value=found.preselected,
            rows=min(6, max(2, len(found.places))),
            description="Phone columns",
            **_LABELLED,
        )
        self._cap = ipywidgets.Text(description="Buy at most", placeholder="no cap", **_NARROW)
        self._budget = ipywidgets.Text(
            description="Spend at most", placeholder="no budget", **_NARROW
        )
        self._age = ipywidgets.Text(
            description="Buy again if older than", placeholder="180 days", **_NARROW
        )
        self._order = ipywidgets.Dropdown(options=_ORDERS, description="Order", **_NARROW)
        self._look = ipywidgets.Button(
            description="Plan", tooltip="Free: reads the table and the store"
        )
        # Where a Buy button stands, or none. It keeps its height: else Stop would move under the
        # mouse that pressed Buy, and a slow double click would press it.
        self._place = ipywidgets.HBox([], layout={**WRAPS, "min_height": "36px"})
        self._running = ipywidgets.VBox([])  # Stop
        self._said = ipywidgets.HTML(status(f"{found.told} {_FREE}" if found.told else _READY))
        self._saving = ipywidgets.HBox([], layout=WRAPS)
        self._inputs = (self._choice, self._cap, self._budget, self._age, self._order)
        for widget in self._inputs:
            widget.observe(self._on_choice, "value")
        self._look.on_click(lambda _: self._start_plan())
        fields = ipywidgets.VBox([*self._inputs[1:], self._look])
        top = ipywidgets.HBox([self._choice, fields], layout=WRAPS)
        return [top, self._place, self._running, self._said, self._saving]

    @property
    def columns(self) -> tuple[Any, ...]:
        """The chosen phone columns."""
        return tuple(self._df.columns[place] for place in self._places)

    @property
    def _places(self) -> tuple[int, ...]:
        return tuple(self._choice.value)

    def __repr__(self) -> str:
        if not hasattr(self, "_choice"):  # a traceback may show one that was not made
            return "EnrichPanel(not made)"
        rows = f"{len(self._df):,} rows"
        names = [safe_label(name) for name in self.columns]
        return (
            f"EnrichPanel({names!r}, {rows}; a panel in Jupyter, elsewhere use "
            "df.numberactive.enrich)"
        )

    def _ipython_display_(self) -> None:
        """Show the inputs as widgets, and what they lead to as HTML, which a saved file keeps."""
        show_widget(self, repr(self), self._picture, self._summary, Live(REOPENED))

    @property
    def _busy(self) -> bool:
        return self._starting or (self._job is not None and not self._job.done())

    # --- planning

    def _on_choice(self, _: object) -> None:
        self._withdraw()

    def _withdraw(self) -> bool:
        """Withdraw the plan of another choice. Return False during a purchase, which goes on."""
        with self._lock:
            self._plan_asked += 1
            if self._busy:  # its bar and its Stop stay
                return False
            self._place.children = ()
            self._running.children = ()
            self._saving.children = ()
        self._picture.value = ""
        self._summary.value = _examples(self._df, self._places)
        self._say(_READY)
        return True

    def _start_plan(self) -> None:
        if not self._withdraw():
            return
        if not self._places:
            self._say("Choose at least one column.")
            return
        self._say("Planning ...")
        asked = self._plan_asked
        bridge.submit(lambda: self._plan(asked))

    def _wanted(self) -> Wanted:
        return Wanted(
            self.columns,
            max_charges=_count_of(self._cap.value, "cap", "purchases"),
            budget=_count_of(self._budget.value, "budget", "money"),
            max_age=_age_of(self._age.value),
            order=self._order.value,
        )

    async def _plan(self, asked: int) -> None:
        try:
            given = settings()
            wanted = self._wanted()
            cells, plan = await asyncio.to_thread(self._planned, wanted)
        except Exception as error:
            if asked == self._plan_asked:
                self._refuse(error)
            return
        if asked == self._plan_asked:
            self._offer(plan, wanted, given, cells)
            if asked != self._plan_asked:  # another thread changed the choice meanwhile
                self._withdraw()

    def _planned(self, wanted: Wanted) -> tuple[pd.DataFrame, Plan]:
        """Return the cells that are planned, which the user may change later, and their plan."""
        columns = list(wanted.columns)
        cells = self._df[columns].copy()
        return cells, api.plan(self._df, columns, overwrite=True, **wanted.options())

    def _refuse(self, error: Exception) -> None:
        self._place.children = ()
        self._summary.value = error_card(error)
        self._say("Nothing was sent.")

    def _offer(self, plan: Plan, wanted: Wanted, given: Settings, cells: pd.DataFrame) -> None:
        """Put a fresh button there, bound to this plan, these fields, settings and cells."""
        self._picture.value = plan_bar(plan)
        if not plan.distinct and plan.rows > plan.missing:
            self._say(
                "No cell of this choice is a mobile number: choose another column.", decided=True
            )
            return
        style = "primary" if plan.purchases else ""
        button = ipywidgets.Button(
            description=_label(plan), button_style=style, layout={"width": "auto"}
        )
        bound = replace(wanted, max_charges=cap_for(plan))
        button.on_click(lambda pressed: self._on_buy(pressed, bound, given, cells))
        self._say(f"Nothing has been bought yet. Environment: {plan.environment}.", decided=True)
        self._place.children = (button,)

    # --- buying

    def _on_buy(
        self, pressed: ipywidgets.Button, wanted: Wanted, given: Settings, cells: pd.DataFrame
    ) -> None:
        if not self._take(pressed):
            return
        try:
            if not still_holds(given):
                raise _changed_since("settings were")
            if not _still_reads(self._df, wanted, cells):
                raise _changed_since("table was")
            self._job = api.start(
                self._df, list(wanted.columns), overwrite=True, progress=False, **wanted.options()
            )
        except Exception as error:
            self._refuse(error)
            return
        finally:
            self._starting = False
        self._enable(False)
        self._summary.value = ""
        self._say("")
        view = JobView(self._job, self._picture, lambda job: self._end(job, wanted))
        self._job.view = view
        if view.stop is not None:
            self._running.children = (view.stop.widget,)

    def _take(self, pressed: ipywidgets.Button) -> bool:
        """Claim the button for one purchase: one press can arrive on several threads."""
        with self._lock:
            if (pressed,) != tuple(self._place.children) or self._busy:
                return False
            self._starting = True
            self._place.children = ()
            return True

    def _enable(self, on: bool) -> None:
        for widget in (*self._inputs, self._look):
            widget.disabled = not on

    def _end(self, job: Job, wanted: Wanted) -> None:
        """Show the result of a job that has ended. Called on the background loop."""
        frame, warnings = outcome_of(job)
        parts = [warned(warnings)]
        if frame is not None:
            prefixes = [f"{name}_" for name in wanted.columns]
            parts.append(frame_summary(frame, prefixes))
            parts.append(frame_preview(frame, wanted.columns))
            parts.append(code_block("The same in code", f"out = {wanted.call()}"))
        self._summary.value = "".join(parts)
        self._running.children = ()
        self._enable(True)
        if frame is not None:
            self._saving.children = self._make_saving(frame)
            self.result = frame
            self._say("The table is in panel.result.", decided=True)

    # --- saving

    def _make_saving(self, frame: pd.DataFrame) -> tuple[ipywidgets.Widget, ...]:
        name = ipywidgets.Text(value="enriched", description="Save as", **_NARROW)
        buttons = []
        for kind in ("csv", "xlsx"):
            button = ipywidgets.Button(
                description=f"Save .{kind}", tooltip="Into the notebook's folder"
            )
            button.on_click(lambda _, kind=kind: self._save(frame, name.value, kind))
            buttons.append(button)
        return (name, *buttons)

    def _save(self, frame: pd.DataFrame, name: str, kind: str) -> None:
        try:
            path = _write_whole(frame, name, kind)
        except Exception as error:
            self._say(f"Not saved: {why_unwritten(error)}.")
            return
        self._say(f"Saved {len(frame):,} rows as {path}.", decided=True)

    def _say(self, text: str, *, decided: bool = False) -> None:
        self._said.value = status(text, decided=decided) if text else ""


def _changed_since(what: str) -> ConfigurationError:
    return ConfigurationError(f"The {what} changed since this plan was made: plan again.")


def _still_reads(df: pd.DataFrame, wanted: Wanted, cells: pd.DataFrame) -> bool:
    """Return True if the phone columns hold the planned cells, so that no other is bought."""
    columns = list(wanted.columns)
    return all(name in df.columns for name in columns) and cells.equals(df[columns])


def _free_path(name: str, kind: str) -> Path:
    """Return a path in the notebook's folder that no file has yet."""
    stem = Path(name.strip() or "enriched").name.removesuffix(f".{kind}")
    path = Path(f"{stem}.{kind}")
    at = 2
    while path.exists():
        path = Path(f"{stem}-{at}.{kind}")
        at += 1
    return path


def _write_whole(frame: pd.DataFrame, name: str, kind: str) -> Path:
    """Write a frame under a free name, which the file gets only once it is whole."""
    part = Path(f".{secrets.token_hex(8)}.part.{kind}")
    try:
        _write(frame, part)
        return part.replace(_free_path(name, kind))
    finally:
        part.unlink(missing_ok=True)


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame so that `restore_dtypes` reads it back."""
    keep_index = not isinstance(frame.index, pd.RangeIndex)
    if path.suffix == ".csv":
        without_formulas(frame).to_csv(path, index=keep_index)
        return
    write_excel(for_excel(frame), path, index=keep_index)


def _count_of(text: str, field: str, unit: str) -> int | None:
    """Return a count as it was typed, thousands grouped or not, or None for a blank field."""
    text = text.strip()
    if text and not _COUNT.fullmatch(text):
        raise ConfigurationError(
            f"The {field} must be a whole number of {unit}, or blank. Nothing was sent."
        )
    return int(re.sub(r"[., ]", "", text)) if text else None


def _age_of(text: str) -> str | None:
    """Return an age as `max_age` takes it. A bare number means days."""
    text = text.strip()
    return f"{text} days" if text.isdecimal() else text or None


def _label(plan: Plan) -> str:
    """Return the label of the button, with the most that a press can cost."""
    count = plan.purchases
    if not count:
        return "Join the stored answers: free"
    price = "" if plan.cost is None else f" for {money(plan.cost, plan.currency)}"
    return f"Buy {count:,} number{'' if count == 1 else 's'}{price}"


def _examples(df: pd.DataFrame, places: tuple[int, ...]) -> str:
    """Render how a few cells of the chosen or likely columns are read, masked for the file."""
    rows = []
    limit = max_digits()
    for place in places or choose(df).likely:
        for cell in filled(df.iloc[:, place], EXAMPLES):
            national, reason = parse_phone(cell, max_digits=limit)
            read = mask_cell(national) if national else f"refused: {reason}"
            rows.append((mask_label(df.columns[place], quoted=False), mask_cell(cell), read))
    if rows:
        return table([("column", "cell", "read as"), *rows])
    return note("There is nothing in this column.") if places else ""
