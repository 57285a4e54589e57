"""A run in the background: what `start` returns, in a notebook cell, a script, or awaited."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pandas as pd

from pandas_numberactive._io import bridge
from pandas_numberactive._io.report import Progress, money

if TYPE_CHECKING:
    from pandas_numberactive._io.batch import Run


class Job:
    """A purchase under way: `progress`, `stop()`, `result()`, `await job`.

    `stop()` begins nothing new and keeps everything paid. `result()` returns the frame, and raises what `enrich`
    would have raised. The job goes on when its cell has returned; a dead process goes on at the next call.
    """

    def __init__(self, run: Run, future: Future[pd.DataFrame], drain: float) -> None:
        self._run = run
        self._future = future
        self._drain = drain
        self.view: Any = None  # the live view, made when the job is first shown

    @property
    def error(self) -> BaseException | None:
        """What ended the job, if it has ended by an error."""
        if not self._future.done() or self._future.cancelled():
            return None
        return self._future.exception()

    @property
    def progress(self) -> Progress:
        """A snapshot: total, done, bought, stored, failed, spent, seconds left."""
        return self._run.progress

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

    def __repr__(self) -> str:
        state = "done" if self.done() else "stopping" if self._run.stopping else "running"
        now = self.progress
        left = "" if now.seconds_left is None or self.done() else f", about {now.seconds_left:.0f} s left"
        return (
            f"Job ({state}): {now.done:,} of {now.total:,} numbers; bought {now.bought:,}, stored {now.stored:,}, "
            f"failed {now.failed:,}, spent {money(now.spent, now.currency)}{left}"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """A live bar with Stop where ipywidgets is installed, else the text."""
        try:
            from pandas_numberactive._jupyter.views import job_view

            return job_view(self)
        except ImportError:
            return {"text/plain": repr(self)}
