"""The progress bar: tqdm in a terminal or a notebook; whatever happens to it, the run goes on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal

from pandas_numberactive._display.text import money

if TYPE_CHECKING:
    from pandas_numberactive._config.settings import Settings
    from pandas_numberactive._run.run import Run


class Bar:
    """Draws a run's progress from the waiting thread; made only when there is something to wait
    for.
    """

    def __init__(self, run: Run, wanted: bool | Literal["auto"], settings: Settings) -> None:
        shown = settings.progress if wanted == "auto" else wanted
        self._run = run
        self._on = _interactive() if shown == "auto" else bool(shown)
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            try:
                self.draw()
                self._bar.close()
            except Exception:  # a bar must never cost an answer
                self._bar = None

    def draw(self) -> None:
        """Draw the present state."""
        if not self._on:
            return
        now = self._run.progress
        if self._bar is None:
            if now.done >= now.total:
                return
            self._bar = _new_bar(now.total)
        self._bar.n = now.done
        spent = "" if now.spent is None else f", spent {money(now.spent, now.currency)}"
        self._bar.set_postfix_str(
            f"bought {now.bought:,}, stored {now.stored:,}, failed {now.failed:,}{spent}",
            refresh=True,
        )


def _new_bar(total: int) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # tqdm warns where ipywidgets is missing, and falls back by itself
        from tqdm.auto import tqdm

        known = {"dynamic_ncols": True} if _sized() else {"ncols": 80, "nrows": 24}
        return tqdm(total=total, unit=" numbers", **known)


def _sized() -> bool:
    """False in a terminal that says it has no columns, as some do in containers: there tqdm would
    draw nothing.
    """
    try:
        return min(os.get_terminal_size(sys.stderr.fileno())) > 0
    except (OSError, ValueError, AttributeError):  # no terminal: a notebook, a file
        return True


def _interactive() -> bool:
    if "ipykernel" in sys.modules:
        return True
    return bool(getattr(sys.stderr, "isatty", lambda: False)())
