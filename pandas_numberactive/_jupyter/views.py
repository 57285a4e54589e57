"""Pictures of results: a look-up as a card, a plan and a frame as bars, a job as a live bar with a
Stop button.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.html import (
    INK,
    RED,
    WRAPS,
    bar,
    card,
    error_card,
    esc,
    level,
    note,
    status,
)
from pandas_numberactive._display.text import duration, money, when, words
from pandas_numberactive._run.plan import Plan
from pandas_numberactive._run.report import Progress
from pandas_numberactive.errors import ConfigurationError

if TYPE_CHECKING:
    import ipywidgets
    import pandas as pd

    from pandas_numberactive.job import Job
    from pandas_numberactive.single import Lookup

REFRESH = 0.25  # seconds between two looks at a running job
_MARKED = "Made up by the simulator. "
_PAID = {True: "charged", False: "free", None: "charge unknown"}
_FAILED_FREE = "The look-up failed and was not charged; try again."
_FAILED_CHARGED = "The look-up failed and was charged: it is not asked again. Ask the vendor."
_WHY = {
    "uncertain": "It may have been charged, so it is held: its requestId is asked again for a day, "
    "then you decide, "
    "see pna.LookupStore().held().",
    "quarantined": "The answer was about another number: kept, not used. Ask the vendor.",
    "pending": "The vendor has not answered yet; look again later: the same requestId is asked, "
    "and charged once.",
    "not_bought": "It was not bought.",
}
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


def lookup_card(found: Lookup, *, shown: str | None = None) -> str:
    """A look-up's answer as HTML; `shown` is the phone as it may be shown, masked by default."""
    phone = shown or found.masked
    mark = _MARKED if found.environment == "simulator" else ""
    known = (when(found.looked_up_at), _PAID[found.charged], found.source, found.environment)
    facts = note(mark + ", ".join(word for word in known if word))
    if found.request_id:
        facts += note(f"requestId {found.request_id}")
    if found.status in ("answered", "no_data"):
        signals = (
            level("activity", found.active_level)
            + level("top-ups", found.frequency_grade)
            + level("type", found.telco_type)
        )
        return card(phone, f"<div>{signals}</div>{facts}")
    why = _WHY.get(found.status, found.status)
    if found.status == "failed":
        why = _FAILED_FREE if found.charged is False else _FAILED_CHARGED
    said = f"code {found.code}: {found.msg}" if found.code else found.reason or ""
    return card(
        f"{phone}: {words(found.status)}", f"<div>{esc(why)}</div>{note(said)}{facts}", accent=RED
    )


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


def progress_text(now: Progress, *, ended: bool = False) -> str:
    """How a run is going, in a line."""
    left = "" if ended or now.seconds_left is None else f", about {duration(now.seconds_left)} left"
    spent = "" if now.spent is None else f", spent {money(now.spent, now.currency)}"
    held = f", held {now.uncertain:,}" if now.uncertain else ""
    rate = f"{now.rate:,.0f}" if now.rate >= 10 else f"{now.rate:.1f}"
    return (
        f"{now.done:,} of {now.total:,}: bought {now.bought:,}, stored {now.stored:,}, failed "
        f"{now.failed:,}{held}"
        f"{spent}, {rate} a second{left}"
    )


def still_holds(given: Settings) -> bool:
    """Whether the settings are those that a Buy button was made with: others may mean real money,
    or another price.
    """
    try:
        return settings() == given
    except ConfigurationError:
        return False


class JobView:
    """The live view of one job; however often it is displayed, one task keeps it up to date.

    `ended` is called once, after the last drawing.
    """

    def __init__(self, job: Job, ended: Callable[[Job], None] | None = None) -> None:
        import ipywidgets

        self._job, self._ended = job, ended
        total = max(job.progress.total, 1)
        look: dict[str, Any] = {
            "style": {"description_width": "initial"},
            "layout": {"width": "420px"},
        }
        self._bar = ipywidgets.IntProgress(value=0, max=total, description="Progress", **look)
        self._stop = ipywidgets.Button(
            description="Stop", tooltip="Begin nothing new; what is paid is kept"
        )
        self._stop.on_click(self._on_stop)
        self._text = ipywidgets.HTML(status(""))
        row = ipywidgets.HBox([self._bar, self._stop], layout=WRAPS)
        self.widget: ipywidgets.VBox = ipywidgets.VBox([row, self._text])
        self._draw()
        bridge.submit(self._follow)

    def focus(self) -> None:
        """Put the keyboard on Stop."""
        self._stop.focus()

    def _on_stop(self, _: Any) -> None:
        self._job.stop()
        self._draw()

    async def _follow(self) -> None:
        while not self._job.done():
            await asyncio.sleep(REFRESH)
            self._draw()
        self._draw()
        if self._ended is not None:
            self._ended(self._job)

    def _draw(self) -> None:
        job, over = self._job, self._job.done()
        now = job.progress
        self._bar.value = min(now.done, self._bar.max)
        self._stop.disabled = over or job.stopping
        if over:
            self._bar.bar_style = {"done": "success", "stopped": "warning"}.get(job.state, "danger")
            self._text.value = status(ending(job)) + (
                "" if job.error is None else error_card(job.error)
            )
        else:
            stopping = "Stopping, what was sent is waited for and kept. " if job.stopping else ""
            self._text.value = status(stopping + progress_text(now), live=bool(stopping))
            if job.done():  # meanwhile, and drawn by the other thread perhaps before this
                self._draw()


def ending(job: Job) -> str:
    """How a job ended, in a line."""
    names = ("quarantined", "pending", "not_bought")
    left = "".join(
        f", {words(name)} {count:,}" for name in names if (count := getattr(job.report, name, 0))
    )
    return f"{job.state.capitalize()}: {progress_text(job.progress, ended=True)}{left}."


def job_view(job: Job) -> dict[str, Any]:
    """What Jupyter shows for a job."""
    view = job.view
    if view is None:
        view = job.view = JobView(job)
    bundle: dict[str, Any] = view.widget._repr_mimebundle_()
    return {**bundle, "text/plain": repr(job)}
