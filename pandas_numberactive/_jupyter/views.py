"""Pictures of results in a notebook: a plan, an enriched frame, and widgets beside live HTML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import (
    bar,
    block,
    html_table,
    note,
    table,
)
from pandas_numberactive._display.live import Live, in_kernel, in_voila, show_bundle, widget_bundle
from pandas_numberactive._display.text import words
from pandas_numberactive._phones.mask import mask_cell, mask_label
from pandas_numberactive._run.plan import Plan, plan_headline
from pandas_numberactive.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

PREVIEW_ROWS = 5
REOPENED = note("In a reopened notebook run this cell again: fields and buttons need the kernel.")
_SHOWN = ("lookup_status", "active_level", "frequency_grade", "telco_type")
_LEVELS = ("high", "medium", "low")


def plan_bar(plan: Plan) -> str:
    """Render a plan as its price and a picture."""
    return html_table(
        plan_headline(plan) if plan.distinct else "",
        [],
        picture=plan.picture(),
        warnings=plan.warnings,
    )


def frame_summary(frame: pd.DataFrame, prefixes: Iterable[str]) -> str:
    """Render the rows of an enriched frame by status and by activity, column by column."""
    out = []
    for prefix in prefixes:
        state = frame[f"{prefix}lookup_status"]
        active = frame[f"{prefix}active_level"]
        by_state = [(words(name), int((state == name).sum())) for name in state.cat.categories]
        by_level = [(name, int((active == name).sum())) for name in _LEVELS]
        by_level.append(("no level", int(active.isna().sum())))
        rows = f"{len(frame):,} rows"
        out.append(_column_block(f"{prefix}lookup_status", bar(by_state, f"lookup status: {rows}")))
        out.append(_column_block(f"{prefix}active_level", bar(by_level, f"active level: {rows}")))
    return "".join(out)


def _column_block(name: str, body: str) -> str:
    return block(mask_label(name, quoted=False), body)


def frame_preview(frame: pd.DataFrame, columns: Iterable[Any]) -> str:
    """Render the first rows of an enriched frame, phones masked as a notebook is saved."""
    chosen = list(columns)
    head = frame.head(PREVIEW_ROWS)
    added = [
        f"{name}_{what}" for name in chosen for what in _SHOWN if f"{name}_{what}" in frame.columns
    ]
    rows = []
    for at in range(len(head)):
        row = head.iloc[at]
        cells = [mask_cell(row[name]) for name in chosen]
        rows.append(
            [mask_label(head.index[at], quoted=False), *cells, *(_cell(row[x]) for x in added)]
        )
    caption = f"The first {len(rows)} of {len(frame):,} rows"
    names = [mask_label(name, quoted=False) for name in (*chosen, *added)]
    shown = table([["", *names], *rows], caption)
    return f'<div class="numberactive-preview">{shown}</div>'


def _cell(value: object) -> str:
    """Render a category, and nothing where it is missing."""
    return value if isinstance(value, str) else ""


def show_widget(widget: Any, text: str, *below: Live) -> None:
    """Display a widget with live HTML below it, or its text in a terminal."""
    if not in_kernel():
        print(text)
        return
    show_bundle(widget_bundle(widget, text))
    for live in below:
        if live.value != REOPENED or not in_voila():  # its page is no notebook
            live.show()


def still_holds(given: Settings) -> bool:
    """Return True if the settings are unchanged since the Buy button was made.

    Otherwise the price or the environment may differ.
    """
    try:
        return settings() == given
    except ConfigurationError:
        return False
