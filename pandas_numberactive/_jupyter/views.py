"""Pictures of results: a look-up as a card, a plan and a frame as bars, a job as a live bar with a
Stop button.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import (
    INK,
    RED,
    bar,
    esc,
    note,
)
from pandas_numberactive._display.text import money, words
from pandas_numberactive._run.plan import Plan
from pandas_numberactive.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd


_STATUS_COLOURS = {
    "answered": "#2e7d32",
    "no_data": "#81c784",
    "failed": RED,
    "uncertain": "#00838f",
    "quarantined": "#6a1b9a",
    "pending": "#1565c0",
    "invalid": "#ef6c00",
    "missing": "#bdbdbd",
    "not_bought": "#757575",
}
_LEVEL_COLOURS = {"high": "#2e7d32", "medium": "#f9a825", "low": RED}


def plan_bar(plan: Plan) -> str:
    """A plan as a picture, with its price."""
    return plan.picture() + note(f"cost at most {money(plan.cost, plan.currency)}")


def frame_summary(frame: pd.DataFrame, prefixes: Iterable[str]) -> str:
    """What an enriched frame holds now: for each phone column its rows by status, and by
    activity.
    """
    out = []
    for prefix in prefixes:
        state, active = frame[f"{prefix}lookup_status"], frame[f"{prefix}active_level"]
        by_state = [
            (words(name), int((state == name).sum()), colour)
            for name, colour in _STATUS_COLOURS.items()
        ]
        by_level = [
            (name, int((active == name).sum()), colour) for name, colour in _LEVEL_COLOURS.items()
        ]
        by_level.append(("no level", int(active.isna().sum()), "#bdbdbd"))
        for title, parts in (
            (f"{prefix}lookup_status", by_state),
            (f"{prefix}active_level", by_level),
        ):
            out.append(
                f'<div style="margin-top:8px">{esc(title)}</div>'
                f"{bar(parts, f'{title}: {len(frame):,} rows')}"
            )
    return (
        f'<div style="color:{INK};font-size:13px;line-height:1.4;margin-bottom:12px">'
        f"{''.join(out)}</div>"
    )


def still_holds(given: Settings) -> bool:
    """Whether the settings are those that a Buy button was made with: others may mean real money,
    or another price.
    """
    try:
        return settings() == given
    except ConfigurationError:
        return False
