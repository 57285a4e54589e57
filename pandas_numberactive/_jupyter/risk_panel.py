"""RiskPanel: risk tables with the mouse, each with its call, and a count of those seen."""

from __future__ import annotations

import warnings
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from pandas_numberactive._display.html import WRAPS, error_card, status
from pandas_numberactive._display.live import Live
from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._jupyter.risk_choices import Candidates, columns_of
from pandas_numberactive._jupyter.risk_looks import Looks, Question, answer, remember_customers
from pandas_numberactive._jupyter.risk_pictures import picture
from pandas_numberactive._jupyter.views import REOPENED, show_widget
from pandas_numberactive._phones.mask import mask_label
from pandas_numberactive.risk._engine.book.dates import bought_column
from pandas_numberactive.risk._engine.book.inputs import need_frame

_NONE = ""  # of a field: ipywidgets 7 takes None for no choice at all
_LATE = (("leave out", "drop"), ("keep", "keep"))
_LABELLED: dict[str, Any] = {
    "style": {"description_width": "initial"},
    "layout": {"width": "300px"},
}
_CHOOSE = "Choose the outcome and the signal. Nothing here is sent or charged."
_UNDATED = (
    "No date of the decision is chosen: answers bought after it may have seen the outcome, and "
    "look predictive."
)
_OWN = "This signal has no date of purchase, so nothing says if it came too late."
_KEPT = "Late answers are kept: they may have seen the outcome, and look predictive."


class RiskPanel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """An explorer of risk tables: outcome, signal, date of the decision, late answers, segment.

    Charges nothing. Columns are found by what they hold. One is preselected only where its name
    leaves no doubt. Each new table counts as a look, because the more tables are seen the more
    look like a finding by chance. The picture shows no cell below 10 customers, as a notebook is
    saved; `table` has all.

    Parameters
    ----------
    df
        A table with outcomes and with the columns of `enrich`. It is read as it is now: make a new
        panel after a change.

    Attributes
    ----------
    table
        The frame on the page, of `pna.risk.risk_table`, or of `pna.risk.segments` where a segment
        is chosen. None before.
    code
        The line of code that makes the same table from `df`.
    looks
        A frame with a line for each test seen: the choice, p_value, and p_holm, corrected for all
        of them (Holm 1979).

    Raises
    ------
    RiskInputError
        Where this is no DataFrame with rows.

    Examples
    --------
    >>> from pandas_numberactive.simulator.loanbook import loan_book, with_answers
    >>> panel = RiskPanel(with_answers(loan_book(2_000)))
    >>> print(panel.code[:48])
    table = pna.risk.risk_table(df, 'phone_active_le
    >>> len(panel.looks)
    1
    """

    table = traitlets.Any(None, allow_none=True)

    @without_frames
    def __init__(self, df: pd.DataFrame) -> None:
        need_frame(df)
        self._rows = len(df)
        self._frame = df.copy(deep=False)
        self._looks = Looks()
        self._question: Question | None = None
        super().__init__(self._make_children(df))
        self._picture = Live()
        self._draw(None)

    def _make_children(self, df: pd.DataFrame) -> list[ipywidgets.Widget]:
        found = columns_of(df)
        self._outcome = _dropdown("Outcome", found.outcome, "choose")
        self._signal = _dropdown("Signal", found.signal, "choose")
        self._date = _dropdown("Date of the decision", found.date, "none")
        self._late = ipywidgets.Dropdown(
            options=_LATE, value="drop", description="Late answers", **_LABELLED
        )
        self._segment = _dropdown("Segment", found.segment, "none")
        self._said = ipywidgets.HTML(status(_CHOOSE))
        fields = [self._outcome, self._signal, self._date, self._late, self._segment]
        for field in fields:
            field.observe(self._draw, "value")
        return [ipywidgets.HBox(fields, layout=WRAPS), self._said]

    @property
    def code(self) -> str:
        """The line of code that makes the table on the page, empty before there is one."""
        return "" if self._question is None else self._question.call()

    @property
    def looks(self) -> pd.DataFrame:
        """The tests of all tables seen, with p_value and p_holm."""
        return self._looks.frame()

    def __repr__(self) -> str:  # a widget's own would show its fields
        if not hasattr(self, "_rows"):  # a traceback may show one that was not made
            return "RiskPanel(not made)"
        return (
            f"RiskPanel({self._rows:,} rows; a panel in Jupyter, elsewhere use "
            "pna.risk.risk_table and pna.risk.segments)"
        )

    def _ipython_display_(self) -> None:
        """Show the fields as widgets, and the table as HTML, which a saved file keeps."""
        show_widget(self, repr(self), self._picture, Live(REOPENED))

    def _draw(self, _: object) -> None:
        """Draw the table of the fields, or say what is missing."""
        question = self._chosen()
        self._late.disabled = question is None or question.date is None
        if question is None:
            self._show(None, "", _CHOOSE)
            return
        try:
            html = self._answered(question)
        except Exception as error:
            self._show(None, error_card(error), "There is no table for this choice.")
            return
        self._show(question, html, self._looks.told())

    def _chosen(self) -> Question | None:
        """Return the question of the fields, None where outcome or signal are open."""
        outcome = self._outcome.value
        signal = self._signal.value
        if _NONE in (outcome, signal):
            return None
        date = self._date.value if _is_dated(self._frame, signal) else _NONE
        return Question(
            outcome,
            signal,
            date or None,
            self._late.value if date else None,
            self._segment.value or None,
        )

    def _answered(self, question: Question) -> str:
        """Return the picture of a question's table, with what the function warns of."""
        remember_customers(self._frame, question.signal)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            found = answer(self._frame, question)
        self._looks.add(question, found)
        self.table = found.table
        notes = [*_notes(self._frame, question), *(str(one.message) for one in heard)]
        return picture(question, found, self._looks, notes)

    def _show(self, question: Question | None, html: str, told: str) -> None:
        self._question = question
        if question is None:
            self.table = None
        self._picture.value = html
        self._said.value = status(told, decided=question is not None)


def _dropdown(description: str, found: Candidates, none: str) -> ipywidgets.Dropdown:
    options = [(none, _NONE), *((mask_label(name, quoted=False), name) for name in found.names)]
    return ipywidgets.Dropdown(
        options=options, value=found.meant or _NONE, description=description, **_LABELLED
    )


def _is_dated(df: pd.DataFrame, signal: str) -> bool:
    return bought_column(signal) in df.columns


def _notes(df: pd.DataFrame, question: Question) -> list[str]:
    """Return what the reader must know of the dates."""
    if not _is_dated(df, question.signal):
        return [_OWN]
    if question.date is None:
        return [_UNDATED]
    return [_KEPT] if question.late == "keep" else []
