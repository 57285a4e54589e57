"""The picture of a risk panel: one table with its intervals, small cells left out, and its call.

It stays in the saved notebook, so it holds no cell below `LEAST_CELL` customers and no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import astuple, fields
from typing import Any

import pandas as pd

from pandas_numberactive._display.html import code_block, folded, note, table
from pandas_numberactive._jupyter.risk_looks import (
    LEVELS_DIFFER,
    SEGMENTS_DIFFER,
    Answer,
    Look,
    Looks,
    Question,
)
from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive.risk._engine.views import percent
from pandas_numberactive.risk._report.forest import Forest, label
from pandas_numberactive.risk._report.masking import LEAST_CELL
from pandas_numberactive.risk._report.style import IN_JUPYTER, JUPYTER_STYLE
from pandas_numberactive.risk._report.words import p_text

MOST_LOOKS = 20  # of the list; panel.looks has all
_CLAIMS = {
    LEVELS_DIFFER: "all levels have the same bad rate",
    SEGMENTS_DIFFER: "the effect is the same in all segments",
}
Text = Callable[[dict[Any, Any]], str]


def picture(
    question: Question,
    found: Answer,
    looks: Looks,
    cautions: Iterable[str],
) -> str:
    """Return the picture of a table that was counted among the looks, cautions above it."""
    every = looks.all()
    look = next(one for one in every if one.question == question)
    shown = _large(found.table)
    forest = _levels if question.segment is None else _segments
    parts = [note(hide_numbers(text)) for text in cautions]
    parts.append(forest(question, shown, look) if len(shown) else "")
    parts += [note(text) for text in _notes(found, shown, look)]
    body = "".join(parts)
    return (
        f'<div class="{IN_JUPYTER}"><style>{JUPYTER_STYLE}</style>{body}'
        f"{code_block('The same in code', hide_numbers(question.call()))}{_seen(every)}</div>"
    )


def _large(found: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of enough customers, without the signal, which is the same in all."""
    lines = pd.DataFrame(found).droplevel(0)
    return lines[lines["n"] >= LEAST_CELL]


def _levels(question: Question, shown: pd.DataFrame, _: Look) -> str:
    asked = shown[shown["woe"].notna()]
    n = float(asked["n"].sum())
    overall = float(asked["bads"].sum()) / n if n else math.nan
    forest = Forest(
        shown,
        "bad_rate",
        reference=overall,
        zero=True,
        text=percent,
        extra=[
            ("share", _column("share", percent)),
            ("lift", _column("lift", "{:.2f}".format)),
            ("woe", _column("woe", "{:+.3f}".format)),
            ("iv", _column("iv", "{:.4f}".format)),
        ],
    )
    return forest.html(
        f"Bad rate of {label(question.outcome)} by {label(question.signal)}; the dashed line is "
        f"{percent(overall)}, that of all who were asked",
        "bad rate, 95% interval",
    )


def _segments(question: Question, shown: pd.DataFrame, look: Look) -> str:
    lines = shown.assign(
        p_looks=[look.corrected.get(str(name), math.nan) for name in shown.index]
    ).rename_axis(label(question.segment))
    forest = Forest(
        lines,
        "odds_ratio",
        reference=1.0,
        log=True,
        text=lambda ratio: f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}",
        extra=[
            ("bad rate", _column("bad_rate", percent)),
            ("approved", _column("approved", percent)),
            ("p", _column("p_value", _p)),
            ("p, all looks", _column("p_looks", _p)),
        ],
    )
    return forest.html(
        f"Odds ratio of {label(question.outcome)} for {label(question.signal)}, by "
        f"{label(question.segment)}; the dashed line is no effect",
        "odds ratio, 95% interval",
    )


def _p(value: float) -> str:
    return p_text(value).removeprefix("p ").removeprefix("= ")


def _column(name: str, how: Callable[[float], str]) -> Text:
    def text(row: dict[Any, Any]) -> str:
        value = row[name]
        return "" if value is None or math.isnan(value) else how(float(value))

    return text


def _notes(found: Answer, shown: pd.DataFrame, look: Look) -> list[str]:
    out = [_tested(look)]
    small = int((found.table["n"] > 0).sum()) - len(shown)
    if small:
        lines = "1 line" if small == 1 else f"{small} lines"
        out.append(f"{lines} of fewer than {LEAST_CELL} customers: not shown.")
    if "woe" in shown and shown["woe"].isna().any():
        out.append("Lines without woe stand apart: they are no level, and not tested.")
    elif "woe" not in shown:
        out += _left_out(found)
    return out


def _left_out(found: Answer) -> list[str]:
    rows = [
        f"{n:,} {reason}" if n >= LEAST_CELL else f"fewer than {LEAST_CELL} {reason}"
        for reasons in found.table.left_out.values()
        for reason, n in reasons.items()
    ]
    return [f"Rows not compared: {', '.join(rows)}."] if rows else []


def _tested(look: Look) -> str:
    for test, claim in _CLAIMS.items():
        if test in look.p_values:
            return (
                f"Test that {claim}: {p_text(look.p_values[test])}; after Holm's correction for "
                f"all looks {p_text(look.corrected[test])}."
            )
    return "Too few customers to test."


def _seen(looks: list[Look]) -> str:
    """Return the looks, the newest first, folded."""
    head = [field.name for field in fields(Question)]
    rows = [
        (
            *(label(part) if isinstance(part, str) else "" for part in astuple(look.question)),
            _smallest(look.p_values),
            _smallest(look.corrected),
        )
        for look in looks[: -MOST_LOOKS - 1 : -1]
    ]
    return folded("Tables seen", table([(*head, "smallest p", "after Holm"), *rows]))


def _smallest(p_values: dict[str, float]) -> str:
    return _p(min(p_values.values())) if p_values else "not tested"
