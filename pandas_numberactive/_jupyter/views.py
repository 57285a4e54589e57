"""Pictures of results: a look-up as a card, a plan as a bar, a job as a live bar with a Stop button."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pandas_numberactive._io import bridge
from pandas_numberactive._io.report import Plan, Progress, money
from pandas_numberactive._jupyter.style import card, esc, level, note, status, when
from pandas_numberactive.errors import NumberActiveError

if TYPE_CHECKING:
    import ipywidgets

    from pandas_numberactive.api import Lookup
    from pandas_numberactive.job import Job

REFRESH = 0.25  # seconds between two looks at a running job
_MARKED = "Made up by the simulator. "


def lookup_card(found: Lookup, *, shown: str | None = None) -> str:
    """A look-up's answer as HTML; `shown` is the phone as it may be shown, masked by default."""
    phone = shown or found.masked
    mark = _MARKED if found.environment == "simulator" else ""
    if found.status in ("answered", "no_data"):
        signals = (
            level("activity", found.active_level)
            + level("top-ups", found.frequency_grade)
            + level("type", found.telco_type)
        )
        paid = {True: "charged", False: "free", None: "charge unknown"}[found.charged]
        facts = f"{mark}{when(found.looked_up_at)}, {paid}, {found.source}, {found.environment}"
        return card(phone, f"{signals}{note(facts)}{note(f'requestId {found.request_id}')}")
    why = {
        "failed": "The look-up failed and was not charged; try again."
        if not found.charged
        else "The look-up failed, charged.",
        "uncertain": "It may have been charged, so it is held: the same requestId is asked again next time.",
        "quarantined": "The answer was about another number: kept, not used. Ask the vendor.",
        "pending": "The vendor has not answered yet; look again later, at no further charge.",
        "not_bought": "It was not bought.",
    }.get(found.status, found.status)
    said = f"code {found.code}: {found.msg}" if found.code else found.reason or ""
    return card(f"{phone}: {found.status}", f"<div>{esc(why)}</div>{note(mark + said)}", accent="#c62828")


def error_card(error: BaseException) -> str:
    """An error as a person reads it: what happened, and what to do; no traceback."""
    code = getattr(error, "code", None)
    title = type(error).__name__ if not isinstance(error, NumberActiveError) else "Nothing was looked up"
    body = f"<div>{esc(error)}</div>" + (note(f"code {code}: {getattr(error, 'msg', '')}") if code else "")
    return card(title, body, accent="#c62828")


def plan_bar(plan: Plan) -> str:
    """A plan as a picture, with its price."""
    return plan.picture() + note(f"cost at most {money(plan.cost, plan.currency)}")


def progress_text(now: Progress) -> str:
    """How a run is going, in a line."""
    left = "" if now.seconds_left is None or now.done >= now.total else f", about {now.seconds_left:.0f} s left"
    spent = "" if now.spent is None else f", spent {money(now.spent, now.currency)}"
    return (
        f"{now.done:,} of {now.total:,}: bought {now.bought:,}, stored {now.stored:,}, failed {now.failed:,}{spent}, "
        f"{now.rate:,.0f} a second{left}"
    )


class JobView:
    """The live view of one job; however often it is displayed, one task keeps it up to date."""

    def __init__(self, job: Job) -> None:
        import ipywidgets

        self._job = job
        total = max(job.progress.total, 1)
        self._bar = ipywidgets.IntProgress(value=0, max=total, description="Progress", layout={"width": "420px"})
        self._stop = ipywidgets.Button(description="Stop", tooltip="Begin nothing new; what is paid is kept")
        self._stop.on_click(self._on_stop)
        self._text = ipywidgets.HTML(status(""))
        self.widget: ipywidgets.VBox = ipywidgets.VBox([ipywidgets.HBox([self._bar, self._stop]), self._text])
        self._draw()
        bridge.submit(self._follow)

    def _on_stop(self, _: Any) -> None:
        self._stop.disabled = True
        self._job.stop()

    async def _follow(self) -> None:
        while not self._job.done():
            await asyncio.sleep(REFRESH)
            self._draw()
        self._draw()

    def _draw(self) -> None:
        now = self._job.progress
        self._bar.value = min(now.done, self._bar.max)
        text = progress_text(now)
        if self._job.done():
            self._stop.disabled = True
            error = self._job.error
            text = f"Done. {text}" if error is None else f"Ended: {error} {text}"
            self._bar.bar_style = "success" if error is None else "danger"
        self._text.value = status(text)


def job_view(job: Job) -> dict[str, Any]:
    """What Jupyter shows for a job."""
    view = job.view
    if view is None:
        view = job.view = JobView(job)
    bundle: dict[str, Any] = view.widget._repr_mimebundle_()
    return {**bundle, "text/plain": repr(job)}
