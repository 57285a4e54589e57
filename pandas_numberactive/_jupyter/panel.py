"""EnrichPanel: a whole table with the mouse: choose columns, see the plan, buy at most what the button names, stop."""

from __future__ import annotations

import asyncio
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from pandas_numberactive import api
from pandas_numberactive._core.markup import INK
from pandas_numberactive._core.phone import mask_cell, parse_phone
from pandas_numberactive._io import bridge
from pandas_numberactive._io.report import Plan, money
from pandas_numberactive._jupyter.style import esc, note, status
from pandas_numberactive._jupyter.views import REFRESH, error_card, plan_bar, progress_text
from pandas_numberactive.errors import NumberActiveError
from pandas_numberactive.job import Job

LOOKED_AT = 200  # cells of a column, to tell whether it may hold phones
EXAMPLES = 3


class EnrichPanel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A panel that plans and buys for the phone columns of a frame; nothing is bought before its button is pressed.

    The button names how many numbers it buys and what they cost, and buys at most that many (as `max_charges`).
    `result` is the enriched frame, None before; Stop keeps everything that is paid.

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
        likely, names = likely_columns(df)
        self._choice = ipywidgets.SelectMultiple(
            options=[(str(name), name) for name in names],
            value=likely[:1],
            rows=min(6, max(2, len(names))),
            description="Phone columns",
            style={"description_width": "initial"},
        )
        self._cap = ipywidgets.Text(
            description="At most",
            placeholder="no cap",
            style={"description_width": "initial"},
            layout={"width": "180px"},
        )
        self._look = ipywidgets.Button(description="Plan", tooltip="Free: reads the table and the store")
        self._place = ipywidgets.HBox([])
        self._picture = ipywidgets.HTML("")
        self._bar = ipywidgets.IntProgress(value=0, max=1, description="Progress", layout={"width": "420px"})
        self._bar.layout.display = "none"
        self._said = ipywidgets.HTML(status("Choose the phone columns, then Plan. Planning is free."))
        self._summary = ipywidgets.HTML(_examples(df, self.columns))
        self._choice.observe(self._on_choice, "value")
        self._cap.observe(self._on_choice, "value")
        self._look.on_click(lambda _: self._start_plan())
        top = ipywidgets.HBox([self._choice, ipywidgets.VBox([self._cap, self._look])])
        super().__init__([top, self._picture, self._place, self._bar, self._said, self._summary])

    @property
    def columns(self) -> tuple[Any, ...]:
        """The chosen phone columns."""
        return tuple(self._choice.value)

    def _on_choice(self, _: object) -> None:
        """What stands in the panel is no plan for this choice any more."""
        self._plan_asked += 1
        self._place.children = ()
        self._picture.value = ""
        self._summary.value = _examples(self._df, self.columns)

    def _cap_value(self) -> int | None:
        text = self._cap.value.strip().replace(",", "").replace(".", "")
        if not text:
            return None
        if not text.isdigit():
            raise NumberActiveError("The cap must be a whole number of purchases, or blank.")
        return int(text)

    def _start_plan(self) -> None:
        if self._job is not None and not self._job.done():
            return
        self._on_choice(None)
        if not self.columns:
            self._say("Choose at least one column.")
            return
        self._say("Planning ...")
        asked = self._plan_asked
        bridge.submit(lambda: self._plan(asked))

    async def _plan(self, asked: int) -> None:
        try:
            cap = self._cap_value()
            plan = await asyncio.to_thread(api.plan, self._df, list(self.columns), max_charges=cap)
        except Exception as error:
            self._summary.value = error_card(error)
            self._say("Nothing was sent.")
            return
        if asked == self._plan_asked:
            self._offer(plan)

    def _offer(self, plan: Plan) -> None:
        self._picture.value = plan_bar(plan) + "".join(note(text) for text in plan.warnings)
        count = plan.purchases
        if count:
            price = "" if plan.cost is None else f" for {money(plan.cost, plan.currency)}"
            label = f"Buy {count:,} numbers{price}"
        else:
            label = "Join the stored answers: free"
        button = ipywidgets.Button(description=label, button_style="primary", layout={"width": "auto"})
        button.on_click(lambda pressed: self._on_buy(pressed, count))
        self._place.children = (button,)
        self._say("Nothing has been bought yet.")

    def _on_buy(self, pressed: ipywidgets.Button, count: int) -> None:
        if (pressed,) != tuple(self._place.children) or (self._job is not None and not self._job.done()):
            return
        stop = ipywidgets.Button(description="Stop", tooltip="Begin nothing new; what is paid is kept")
        try:
            self._job = api.start(self._df, list(self.columns), overwrite=True, max_charges=count, progress=False)
        except Exception as error:
            self._place.children = ()
            self._summary.value = error_card(error)
            self._say("Nothing was sent.")
            return
        stop.on_click(self._on_stop)
        self._place.children = (stop,)
        self._look.disabled = True
        self._bar.value, self._bar.bar_style, self._bar.layout.display = 0, "", ""
        bridge.submit(self._follow)

    def _on_stop(self, pressed: ipywidgets.Button) -> None:
        pressed.disabled = True
        if self._job is not None:
            self._job.stop()
        self._say("Stopping: what was sent is waited for and kept.")

    async def _follow(self) -> None:
        job = self._job
        assert job is not None
        while not job.done():
            now = job.progress
            self._bar.max, self._bar.value = max(now.total, 1), now.done
            self._say(progress_text(now))
            await asyncio.sleep(REFRESH)
        self._place.children = ()
        self._look.disabled = False
        self._end(job)

    def _end(self, job: Job) -> None:
        error = job.error
        frame = job.result() if error is None else getattr(error, "partial", None)
        now = job.progress
        self._bar.max, self._bar.value = max(now.total, 1), now.done
        self._bar.bar_style = "success" if error is None else "danger"
        if frame is not None:
            self.result = frame
        report = api.last_run()
        parts = [error_card(error)] if error is not None else []
        if report is not None:
            parts.append(report._repr_html_())
        self._summary.value = "".join(parts)
        self._say(f"{'Done' if error is None else 'Ended early'}: {progress_text(now)}. The table is in panel.result.")

    def _say(self, text: str) -> None:
        self._said.value = status(text)


def likely_columns(df: pd.DataFrame) -> tuple[tuple[Any, ...], list[Any]]:
    """The columns that seem to hold phones, and all columns with those first."""
    share = {name: _readable(df[name]) for name in df.columns if not isinstance(df[name], pd.DataFrame)}
    likely = tuple(sorted((n for n, s in share.items() if s > 0.4), key=lambda n: -share[n]))
    return likely, [*likely, *(name for name in share if name not in likely)]


def _readable(column: pd.Series[Any]) -> float:
    """The share of the first filled cells that are Indonesian mobile numbers."""
    cells = column.dropna().head(LOOKED_AT).tolist()
    read = sum(parse_phone(cell)[0] is not None for cell in cells)
    return read / len(cells) if cells else 0.0


def _examples(df: pd.DataFrame, names: tuple[Any, ...]) -> str:
    """How a few cells of the chosen columns are read; masked, because a notebook is saved."""
    rows = []
    for name in names:
        for cell in df[name].dropna().head(EXAMPLES):
            national, reason = parse_phone(cell)
            read = mask_cell(national) if national else f"refused: {reason}"
            cells = "".join(f'<td style="padding:1px 0">{esc(text)}</td>' for text in (name, mask_cell(cell), read))
            rows.append(f'<tr style="background:none">{cells}</tr>')
    if not rows:
        return note("No column looks like phones; choose one.")
    head = "".join(
        f'<th scope="col" style="text-align:left;padding:1px 0">{text}</th>' for text in ("column", "cell", "read as")
    )
    return (
        f'<table style="color:{INK};border-spacing:14px 2px;line-height:1.5">'
        f'<thead><tr style="background:none">{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
