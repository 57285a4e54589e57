"""End a run: remember its report, raise its error or warn, and return the result."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from pandas_numberactive._display.text import money, numbers
from pandas_numberactive._purchase.purchase import unlisted
from pandas_numberactive._run.report import Ending, ending_of, verdict
from pandas_numberactive.errors import (
    IncompleteRunWarning,
    LookupFailedError,
    UnknownValueWarning,
    users_place,
)

if TYPE_CHECKING:
    import pandas as pd

    from pandas_numberactive._run.report import RunReport
    from pandas_numberactive._run.run import Answers, Result, Run

log = logging.getLogger("pandas_numberactive")
T = TypeVar("T")
_CLOCKS_DIFFER = timedelta(hours=1)
_latest: list[RunReport] = []


def last_run() -> RunReport | None:
    """Return the bill of the last run in this process.

    Returns
    -------
    RunReport or None
        Its `problems` is a frame of the cells that were not asked. None before the first run.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:", unit_price=500):
    ...     out = pna.enrich(pd.DataFrame({"phone": ["0811 8899 532", "x"]}), "phone")
    >>> bill = pna.last_run()
    >>> bill.charged, bill.cost, bill.problems["reason"].tolist()
    (1, 500, ['bad_characters'])
    """
    return _latest[-1] if _latest else None


async def go(run: Run) -> Result:
    """Do a run and make its report the one that `last_run` returns."""
    result = await run.go()
    report = result.report
    _latest[:] = [report]
    log.info(
        "run %s (%s): %s; %d charged, cost %s, %.1f s",
        report.run or "-",
        report.environment,
        verdict(report),
        report.charged,
        money(report.cost, report.currency),
        report.wall_seconds,
    )
    return result


class Notices:
    """The warnings of one call, which point at the user's line that made it.

    A job's run ends on another thread. A warning there would name asyncio, and one that the user
    has made an error would replace the frame. So they are kept, and given in the user's thread.
    """

    def __init__(self) -> None:
        self._place = users_place()
        self._kept: list[tuple[str, type[Warning]]] = []

    def add(self, text: str, category: type[Warning]) -> None:
        """Keep a warning."""
        self._kept.append((text, category))

    def take(self) -> list[str]:
        """Return the texts of the warnings, for a page that shows them itself."""
        texts = [text for text, _ in self._kept]
        self._kept = []
        return texts

    def give(self, partial: object, report: RunReport | None) -> None:
        """Give each warning once.

        A warning that the user has made an error is raised with the result and the report.
        """
        kept = self._kept
        self._kept = []
        try:
            for text, category in kept:
                self._place.warn(text, category)
        except Warning as warning:
            warning.partial = partial  # type: ignore[attr-defined]
            warning.report = report  # type: ignore[attr-defined]
            raise


def conclude(
    result: Result,
    build: Callable[[Answers], T],
    *,
    problems: pd.DataFrame | None = None,
    errors: str = "coerce",
    warns: bool = True,
    notices: Notices | None = None,
) -> T:
    """Build the result of a run and return it.

    An error that ended the run is raised with the report and with the result as `.partial`. With
    `errors="raise"` so is a failed look-up. Otherwise a warning counts the numbers that are left
    without the user's wish, unless `warns` is False. With `notices` the warnings are kept there.
    """
    report = result.report
    report.problems = problems
    built = build(result.answers)
    error = result.error
    if error is None and errors == "raise":
        error = _failed(report)
    if error is not None:
        error.partial = built
        error.report = report
        raise error
    told = Notices() if notices is None else notices
    _note_unlisted(result.answers, told)
    _note_ahead(report, told)
    if warns:
        _note_left(report, told)
    if notices is None:
        told.give(built, report)
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


def _note_unlisted(answers: Answers, notices: Notices) -> None:
    """Warn about answer values that the vendor's page does not list."""
    unknown = int(((unlisted(answers.packed) == 1) & answers.new).sum())
    if unknown:
        notices.add(
            f"{unknown} answers held a value that the vendor's page does not list; it is missing "
            "in the result, the raw answer is kept. Please tell the maintainers.",
            UnknownValueWarning,
        )


def _note_ahead(report: RunReport, notices: Notices) -> None:
    """Warn about stored answers of a later date than today's, which no refresh buys again."""
    newest = report.stored_newest
    if newest is not None and newest > datetime.now(UTC) + _CLOCKS_DIFFER:
        notices.add(
            f"Stored answers are dated up to {newest:%Y-%m-%d %H:%M} UTC, which is later than "
            "now: this machine's clock is wrong, or that of the one that bought them was. Until "
            "then refresh and max_age take them for new and buy nothing. Nothing is lost.",
            IncompleteRunWarning,
        )


def _note_left(report: RunReport, notices: Notices) -> None:
    """Warn once if numbers have no final outcome and the user did not ask for that.

    A cap or Stop asks for numbers that are not bought. Stop also asks for unfinished ones, and
    retry_failed=False for failed ones.
    """
    held = report.uncertain + report.quarantined
    ending = ending_of(report)
    unmet = [held, len(report.failures)]
    if ending is not Ending.STOPPED:
        unmet += [report.pending, report.behind]
    if not ending.meant:
        unmet.append(report.goes_on_with)
    if not any(unmet):
        return
    names = ("not_bought", "pending", "failed", "uncertain", "quarantined")
    told = [(getattr(report, name), name.replace("_", " ")) for name in names]
    told.append((report.behind, "open behind an older answer"))
    counts = ", ".join(f"{count:,} {what}" for count, what in told if count)
    why = "; ".join([*report.failures][:3])
    shown = f" ({why})" if why else ""
    text = f"{counts} of {report.distinct:,} numbers{shown}.{_advice(report, held)}"
    notices.add(text, IncompleteRunWarning)


def _advice(report: RunReport, held: int) -> str:
    """Return what to do about numbers without a final outcome."""
    advice = ""
    if report.capped and not report.complete:
        advice = f" This run ended at {report.stopped_by}: {_under_the_cap(report)}."
    elif report.goes_on_with:
        advice = " Calling again goes on where this ended."
    elif report.failed and report.complete:  # the same refresh would buy the whole book again
        advice = " What failed was charged, and is final: ask the vendor."
    if held:
        advice += " See pna.LookupStore().held() for what waits for a decision."
    return advice


def _under_the_cap(report: RunReport) -> str:
    """Return what the same call and a higher cap would do."""
    if report.goes_on_with:
        more = ", a higher cap with more" if report.goes_on_with < report.left else ""
        return f"the same call goes on with {numbers(report.goes_on_with)}{more}"
    nothing = "" if report.open else "the same call buys nothing more today, "
    return f"{nothing}a higher cap goes on with it"
