"""End a run: remember its report, raise its error or warn, and return the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from pandas_numberactive._run.run import warn_unknown
from pandas_numberactive.errors import IncompleteRunWarning, LookupFailedError, warn_caller

if TYPE_CHECKING:
    import pandas as pd

    from pandas_numberactive._run.report import RunReport
    from pandas_numberactive._run.run import Answers, Result, Run

T = TypeVar("T")
_latest: list[RunReport] = []


def last_run() -> RunReport | None:
    """Return the report of the last run in this process, with `.problems`.

    None before the first run.
    """
    return _latest[-1] if _latest else None


@contextmanager
def left_open_unless_returned(run: Run) -> Iterator[None]:
    """Leave a run to be gone on with where the block ends without handing its result on."""
    try:
        yield
    except BaseException:
        run.abandon()
        raise


async def go(run: Run) -> Result:
    """Do a run and make its report the one that `last_run` returns."""
    result = await run.go()
    _latest[:] = [result.report]
    return result


def conclude(
    result: Result,
    build: Callable[[Answers], T],
    *,
    problems: pd.DataFrame | None = None,
    errors: str = "coerce",
    warns: bool = True,
) -> T:
    """Build the result of a run and return it.

    An error that ended the run is raised with the report and with the result as `.partial`. With
    `errors="raise"` so is a failed look-up. Otherwise a warning counts the numbers that are left,
    unless `warns` is False.
    """
    report = result.report
    report.problems = problems
    built = build(result.answers)
    error = result.error
    if error is None:
        warn_unknown(result.answers)
        error = _failed(report) if errors == "raise" else None
    if error is not None:
        error.partial = built
        error.report = report
        raise error
    if warns:
        warn_incomplete(report)
    return built


def _failed(report: RunReport) -> LookupFailedError | None:
    """Return the error for `errors="raise"`, or None if no look-up failed."""
    if not report.failed:
        return None
    why = "; ".join(report.failures) or "in an earlier run"
    return LookupFailedError(
        f"{report.failed} look-ups failed ({why}); the other answers are stored, and in .partial "
        "of this error."
    )


def warn_incomplete(report: RunReport) -> None:
    """One warning where rows have no final outcome, with the counts."""
    held = report.uncertain + report.quarantined
    if report.complete and not held and not report.failures:
        return
    counts = ", ".join(
        f"{getattr(report, name):,} {name.replace('_', ' ')}"
        for name in ("not_bought", "pending", "failed", "uncertain", "quarantined")
        if getattr(report, name)
    )
    why = "; ".join([*report.failures][:3])
    advice = (
        " Calling again goes on where this ended." if not report.complete or report.failed else ""
    )
    if report.capped:
        advice = (
            f" This run ended at {report.stopped_by}: the same call buys nothing more today, "
            "a higher cap goes on with it."
        )
    if held:
        advice += " See pna.LookupStore().held() for what waits for a decision."
    text = f"{counts} of {report.distinct:,} numbers{f' ({why})' if why else ''}.{advice}"
    warn_caller(text, IncompleteRunWarning)
