"""A run in the background: what `start` returns, in a notebook cell, a script, or awaited."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._bridge import keep_over_forks
from pandas_numberactive._display.html import error_card
from pandas_numberactive._display.live import Live, StopRow, in_kernel
from pandas_numberactive._run.report import (
    Ending,
    Progress,
    brief_html,
    ending_of,
    progress_html,
    progress_line,
    verdict,
)

if TYPE_CHECKING:
    from pandas_numberactive._pandas.ending import Notices
    from pandas_numberactive._run.report import RunReport
    from pandas_numberactive._run.run import Run

REFRESH_SECONDS = 0.5  # between two looks at a running job


class Job:
    """A purchase in the background, as `start` returns it.

    The job goes on when its cell has returned. If its process dies, the same call goes on with the
    run. In a notebook it shows its progress and a Stop button.

    Attributes
    ----------
    state : str
        "running", "stopping", "done", "stopped" or "ended with an error".
    progress : Progress
        A snapshot of the run.
    report : RunReport or None
        The bill, None before the end.
    error : BaseException or None
        The error that ended the job.
    stopping : bool
        True once the job begins nothing new.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     job = pna.start(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone")
    ...     out = job.result()
    >>> job.report.charged
    1
    """

    def __init__(
        self, run: Run, future: Future[pd.DataFrame], drain: float, notices: Notices
    ) -> None:
        self._run = run
        self._future = future
        self._drain = drain
        self._notices = notices
        self.view: JobView | None = None  # made when the job is first shown
        _remember_job(self)

    @property
    def error(self) -> BaseException | None:
        """Return the error that ended the job, or None. A second interrupt gives CancelledError."""
        if not self._future.done():
            return None
        return CancelledError() if self._future.cancelled() else self._future.exception()

    @property
    def progress(self) -> Progress:
        """A snapshot: total, done, bought, stored, failed, spent, seconds left."""
        return self._run.progress

    @property
    def report(self) -> RunReport | None:
        """Return the bill of this job as `pna.last_run()` gives it, or None before the end."""
        return self._run.report if self.done() else None

    @property
    def stopping(self) -> bool:
        """Return True once the job begins nothing new, because it was stopped or has ended."""
        return self._run.stopping

    def stop(self) -> None:
        """Stop the job: begin nothing new, and return at once.

        Calls that are already sent are finished, and their answers stored. They may charge.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> for job in pna.jobs():
        ...     job.stop()
        """
        self._run.stop()

    def done(self) -> bool:
        """Return True once the job has ended, well or not.

        Returns
        -------
        bool
            True after the last answer is stored.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> [job.done() for job in pna.jobs()]
        []
        """
        return self._future.done()

    def result(self, timeout: float | None = None) -> pd.DataFrame:
        """Wait for the end of the job and return its frame.

        An interrupt while it waits stops the job, keeps what is paid, and is raised.

        Parameters
        ----------
        timeout
            The longest time to wait, in seconds. By default there is no limit.

        Returns
        -------
        pandas.DataFrame
            The frame that `enrich` would have returned.

        Raises
        ------
        TimeoutError
            The job still runs. It goes on.
        NumberActiveError
            The error that `enrich` would have raised.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     job = pna.start(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone")
        ...     out = job.result(timeout=60)
        >>> out.shape
        (1, 6)
        """
        try:
            frame = bridge.join(
                self._future,
                stop=self.stop,
                drain=self._drain,
                timeout=timeout,
            )
        finally:
            self._draw()
        self._notices.give(frame, self.report)
        return frame

    def __await__(self) -> Generator[Any, Any, pd.DataFrame]:
        return self._wait().__await__()

    async def _wait(self) -> pd.DataFrame:
        try:
            frame = await bridge.wait(self._future, stop=self.stop, drain=self._drain)
        finally:
            self._draw()
        self._notices.give(frame, self.report)
        return frame

    def _draw(self) -> None:
        """Draw the end before the caller goes on: nbconvert keeps what stands at the last cell."""
        if self.view is not None:
            with contextlib.suppress(Exception):  # a drawing must never cost an answer
                self.view.draw()

    @property
    def state(self) -> str:
        """running, stopping, done, stopped, or ended with an error (see `error`)."""
        if not self.done():
            return "stopping" if self.stopping else "running"
        if self.error is not None:
            return "ended with an error"
        report = self.report
        return "done" if report is None or ending_of(report) is Ending.COMPLETE else "stopped"

    def __repr__(self) -> str:
        line = progress_line(self.progress) if self.report is None else verdict(self.report)
        return f"Job ({self.state}): {line}"

    def _repr_html_(self) -> str:
        """Render where it stands now, for a page that is not live."""
        return job_html(self)

    def _ipython_display_(self) -> None:
        """Show a live view in a notebook, and the text in a terminal."""
        if not in_kernel():
            print(repr(self))
            return
        if self.view is None:
            self.view = JobView(self)
        self.view.show()


# --- the jobs of this process

_running: list[Job] = []
_running_lock = keep_over_forks(threading.Lock())


def jobs() -> list[Job]:
    """Return the jobs of this process that still run, oldest first.

    A job goes on when its cell has returned, its page is closed, or its variable is gone. An
    interrupt of the kernel stops all of them. Nothing is charged by this call.

    Returns
    -------
    list of Job
        Each can be stopped with `stop()`, which keeps what is paid.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> for job in pna.jobs():
    ...     job.stop()
    """
    with _running_lock:
        return [job for job in _running if not job.done()]


def _remember_job(job: Job) -> None:
    with _running_lock:
        _running[:] = [old for old in _running if not old.done()] + [job]
    _watch_interrupts()


_watched: list[Any] = []  # the IPython shells that tell us of interrupted cells


def _watch_interrupts() -> None:
    """Ask IPython, where it runs, to tell us of cells that were interrupted."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None and shell not in _watched:
        _watched.append(shell)
        shell.events.register("post_run_cell", _after_cell)


def _after_cell(result: Any) -> None:
    """Stop the running jobs when their user interrupts a cell: a busy kernel hears no button."""
    error = getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        for job in jobs():
            job.stop()


# --- the live view


def ending(job: Job) -> str:
    """Render how a job ended in one line."""
    if job.report is None:
        return f"{job.state.capitalize()}: {progress_line(job.progress)}."
    return f"{verdict(job.report)}."


def outcome_of(job: Job) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the frame of a job that has ended, as far as it got, and its warnings as texts."""
    frame = getattr(job.error, "partial", None) if job.error else job._future.result()
    return frame, job._notices.take()


def job_html(job: Job) -> str:
    """Render a job: its progress while it runs, then its bill."""
    error = "" if job.error is None else error_card(job.error)
    if job.report is not None:
        return brief_html(job.report, ending(job)) + error
    state = ending(job) if job.done() else f"Job ({job.state})"
    return progress_html(job.progress, progress_line(job.progress), state) + error


class JobView:
    """The live view of one job: HTML that stays in the notebook, and a Stop button while it runs.

    However often it is displayed, one task keeps it up to date.

    Parameters
    ----------
    job
        The job.
    face
        The place of the HTML; one of its own by default.
    ended
        Called once, after the last drawing, on the background loop.
    """

    def __init__(
        self, job: Job, face: Live | None = None, ended: Callable[[Job], None] | None = None
    ) -> None:
        self._job = job
        self._ended = ended
        self._drawing = threading.RLock()
        self.face = Live() if face is None else face
        self.stop = _stop_row(job)
        self.draw()
        bridge.submit(self._follow)

    def show(self) -> None:
        """Display the HTML, and the Stop button while there is something to stop."""
        self.draw()
        self.face.show()
        if self.stop is not None and not self._job.done():
            self.stop.show()

    async def _follow(self) -> None:
        while not self._job.done():
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(Exception):
                self.draw()
        with contextlib.suppress(Exception):
            self.draw()
        if self._ended is not None:
            self._ended(self._job)

    def draw(self) -> None:
        """Draw the present state, and at the end take Stop away."""
        with self._drawing:  # else an older drawing could come last
            over = self._job.done()
            self.face.text = repr(self._job)
            self.face.value = job_html(self._job)
            if self.stop is not None and over:
                self.stop.remove()
            elif self.stop is not None:
                self.stop.draw(stopping=self._job.stopping)


def _stop_row(job: Job) -> StopRow | None:
    try:
        return StopRow(job.stop)
    except ImportError:  # without ipywidgets the kernel's interrupt is the brake
        return None
