"""The progress of a blocking call: HTML in a notebook, tqdm in a terminal, nothing in a pipe."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pandas_numberactive._display.live import Live, in_kernel
from pandas_numberactive._run.report import Progress, progress_html, progress_line, verdict

if TYPE_CHECKING:
    from pandas_numberactive._config.settings import Settings
    from pandas_numberactive._run.run import Run

WIDTH = 80  # columns, where a terminal tells none


class _Face(Protocol):
    """A place where progress is drawn."""

    def draw(self, now: Progress) -> None:
        """Draw the present state."""

    def close(self, now: Progress, text: str) -> None:
        """Draw the end."""


class Bar:
    """Draws a run's progress from the waiting thread.

    It is made only when there is something to wait for. A bar that fails costs no answer.
    """

    def __init__(
        self,
        run: Run,
        wanted: bool | Literal["auto"],
        settings: Settings,
    ) -> None:
        shown = settings.progress if wanted == "auto" else wanted
        self._run = run
        self._on = bool(shown) and (in_kernel() or _in_terminal())
        self._face: _Face | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._face is None:
            return
        report = self._run.report
        text = "" if report is None else verdict(report)
        with contextlib.suppress(Exception):
            self._face.close(self._run.progress, text)

    def draw(self) -> None:
        """Draw the present state."""
        if not self._on:
            return
        now = self._run.progress
        if self._face is None:
            if not now.total or now.done >= now.total:
                return
            self._face = _Page() if in_kernel() else _Terminal(now)
        self._face.draw(now)


class _Page:
    """HTML in a notebook, which stays in the file."""

    def __init__(self) -> None:
        self._live = Live()
        self._shown = False

    def draw(self, now: Progress) -> None:
        self._put(now, progress_line(now))

    def close(self, now: Progress, text: str) -> None:
        self._put(now, text or progress_line(now))

    def _put(self, now: Progress, text: str) -> None:
        self._live.text = text
        self._live.value = progress_html(now, text)
        if not self._shown:
            self._shown = True
            self._live.show()


class _Terminal:
    """A bar of tqdm with one short line, the cost first."""

    def __init__(self, now: Progress) -> None:
        # Imported here because only a terminal needs it.
        from tqdm.std import tqdm

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size: dict[str, Any] = (
                {"dynamic_ncols": True} if _sized() else {"ncols": WIDTH, "nrows": 24}
            )
            self._bar = tqdm(
                total=now.total, initial=now.stored, bar_format="{desc} |{bar}|", **size
            )

    def draw(self, now: Progress) -> None:
        self._bar.n = now.done
        self._bar.set_description_str(progress_line(now), refresh=True)

    def close(self, now: Progress, text: str) -> None:
        self._bar.n = now.done
        self._bar.set_description_str(text or progress_line(now), refresh=True)
        self._bar.close()


def _sized() -> bool:
    """Return False in a terminal that tells no columns, where tqdm would draw nothing."""
    try:
        return min(os.get_terminal_size(sys.stderr.fileno())) > 0
    except (OSError, ValueError, AttributeError):  # no terminal
        return True


def _in_terminal() -> bool:
    return bool(getattr(sys.stderr, "isatty", lambda: False)())
