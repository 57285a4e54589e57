"""A run in the background: what `start` returns, in a notebook cell, a script, or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._display.html import (
    WRAPS,
    bar,
    error_card,
    status,
)
from pandas_numberactive._display.text import duration, money, words
from pandas_numberactive._run.report import Progress

if TYPE_CHECKING:
    import ipywidgets

    from pandas_numberactive._run.report import RunReport
    from pandas_numberactive._run.run import Run


class Job:
    """A purchase under way: `progress`, `stop()`, `result()`, `await job`.

    `stop()` begins nothing new and keeps everything paid. `result()` returns the frame, and raises
    what `enrich` would have raised; `report` is then its bill. The job goes on when its cell has
    returned; a dead process goes on at the next call.
    """

    def __init__(self, run: Run, future: Future[pd.DataFrame], drain: float) -> None:
        self._run = run
        self._future = future
        self._drain = drain
        self.view: Any = None  # the live view, made when the job is first shown

    @property
    def error(self) -> BaseException | None:
        """What ended the job, if it has ended by an error; CancelledError after a second
        interrupt.
        """
        if not self._future.done():
            return None
        return CancelledError() if self._future.cancelled() else self._future.exception()

    @property
    def progress(self) -> Progress:
        """A snapshot: total, done, bought, stored, failed, spent, seconds left."""
        return self._run.progress

    @property
    def report(self) -> RunReport | None:
        """The bill of this job, as `pna.last_run()` gives it; None before the end."""
        return self._run.report if self.done() else None

    @property
    def stopping(self) -> bool:
        """Whether the job begins nothing new any more: it was stopped, or something ended it."""
        return self._run.stopping

    def stop(self) -> None:
        """Begin nothing new; what was sent is drained and stored. Returns at once."""
        self._run.stop()

    def done(self) -> bool:
        """Whether the job has come to its end."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> pd.DataFrame:
        """Wait for the frame, at most `timeout` seconds (TimeoutError, and the job goes on).

        An interrupt while waiting stops the job, keeps what is paid, and is raised.
        """
        return bridge.join(self._future, stop=self.stop, drain=self._drain, timeout=timeout)

    def __await__(self) -> Generator[Any, Any, pd.DataFrame]:
        return bridge.wait(self._future, stop=self.stop, drain=self._drain).__await__()

    @property
    def state(self) -> str:
        """running, stopping, done, stopped, or ended with an error (see `error`)."""
        if not self.done():
            return "stopping" if self.stopping else "running"
        return (
            "ended with an error"
            if self.error is not None
            else "stopped"
            if self.stopping
            else "done"
        )

    def __repr__(self) -> str:
        now = self.progress
        left = (
            ""
            if now.seconds_left is None or self.done()
            else f", about {duration(now.seconds_left)} left"
        )
        return (
            f"Job ({self.state}): {now.done:,} of {now.total:,} numbers; bought {now.bought:,}, "
            f"stored {now.stored:,}, "
            f"failed {now.failed:,}, spent {money(now.spent, now.currency)}{left}"
        )

    def _repr_html_(self) -> str:
        """Where it stands now, for a page without widgets."""
        from pandas_numberactive._display.html import html_table

        now = self.progress
        held = now.done - now.bought - now.stored - now.failed
        parts = [
            ("bought", now.bought, "#1565c0"),
            ("stored", now.stored, "#2e7d32"),
            ("failed", now.failed, "#c62828"),
            ("other", held, "#00838f"),
            ("to do", now.total - now.done, "#9e9e9e"),
        ]
        spent = [("spent", money(now.spent, now.currency))]
        return html_table(
            f"Job ({self.state})", spent, picture=bar(parts, f"{now.total:,} distinct numbers")
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """A live bar with Stop where ipywidgets is installed, else the text."""
        try:
            return job_view(self)
        except ImportError:
            return {"text/plain": repr(self)}


REFRESH = 0.25  # seconds between two looks at a running job
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # made here: ipywidgets 7 has no bundle


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
    shown = {"version_major": 2, "version_minor": 0, "model_id": view.widget.model_id}
    return {"text/plain": repr(job), WIDGET_VIEW: shown}
