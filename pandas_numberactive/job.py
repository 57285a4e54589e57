"""A run in the background: what `start` returns, in a notebook cell, a script, or awaited."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._display.text import duration, money
from pandas_numberactive._run.report import Progress

if TYPE_CHECKING:
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
        from pandas_numberactive._display.html import bar, html_table

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
            from pandas_numberactive._jupyter.views import job_view

            return job_view(self)
        except ImportError:
            return {"text/plain": repr(self)}
