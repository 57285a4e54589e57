"""The tables as a notebook shows them: escaped, in the theme's colours, readable without colour.

The frame and its picture have one orientation, and one way to write each kind of figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.arrays import BooleanArray

from pandas_numberactive._display.html import FAINT, INK, LINE, esc

if TYPE_CHECKING:
    from pandas_numberactive.risk._engine.book.population import Population

RISK_COLUMNS = [
    "n",
    "share",
    "bads",
    "bad_rate",
    "bad_rate_low",
    "bad_rate_high",
    "lift",
    "woe",
    "iv",
    "corrected",
]
CROSS_COLUMNS = ["n", "bads", "bad_rate", "bad_rate_low", "bad_rate_high", "small"]
STABILITY_COLUMNS = [
    "n",
    "share_before",
    "share",
    "psi",
    "corrected",
    "psi_chance",
    "psi_limit",
    "p_value",
    "p_holm",
    "reading",
]
LATE = "late"  # the last column of a risk table, where the date of the decision was given
TOTAL = "total"
LONGEST = 200  # lines of a picture; a longer table is shown as pandas shows it
LEFT_OUT = "left_out"
LATE_KEPT = "late_kept"
TESTS = "tests"
CONCLUSIONS = ("adds", "beats_chance")  # columns of yes or no, see `concluded`

_CELL = "padding:2px 10px 2px 0;text-align:right;background:none;white-space:nowrap"
_NAME = "padding:2px 10px 2px 0;text-align:left;background:none;white-space:nowrap"
_HEAD = ";vertical-align:bottom;white-space:normal;min-width:3em"
HATCHED = (
    f"repeating-linear-gradient(135deg,color-mix(in srgb, {LINE} 50%, transparent) 0 "
    "1px,transparent 1px 7px)"
)
BLUE = "#4477aa"  # different from ORANGE for every kind of colour vision, and in grey
ORANGE = "#cc6633"

# Explanations under a picture, for columns that do not speak for themselves.
NOTES = {
    "corrected": (True, "corrected: no goods or no bads, so 0.5 was added to both; or no rows."),
    "exact": (
        False,
        "exact False: rows were counted, as details=True was not given, or the vendor "
        "did not say if it charged.",
    ),
    "tested": (False, "tested False: fewer than two levels have rows."),
    "small": (True, "small: too few customers to read a rate."),
}


class Shown(pd.DataFrame):
    """A table that a notebook shows in the house style. Everything else is a DataFrame's."""

    @property
    def _constructor(self) -> type[Shown]:
        return Shown

    @property
    def left_out(self) -> dict[str, dict[str, int]]:
        """Return, for each signal, the rows that were not compared, by reason."""
        found: dict[str, dict[str, int]] = self.attrs.get(LEFT_OUT, {})
        return found

    @property
    def late_kept(self) -> dict[str, str]:
        """Return, for each signal that rests on late answers, how many there are, in words."""
        found: dict[str, str] = self.attrs.get(LATE_KEPT, {})
        return found

    @property
    def tests(self) -> pd.DataFrame:
        """Return the tests over all lines of each signal, empty where there are none."""
        return Shown(pd.DataFrame.from_dict(self.attrs.get(TESTS, {}), orient="index"))

    def _repr_html_(self) -> str | None:
        draw = picture_of(self)
        if draw is None:
            html: str | None = pd.DataFrame(self)._repr_html_()  # type: ignore[operator]
            return html
        return draw(self)


def note_left_out(
    table: Shown, found: Iterable[Population] | Mapping[str, Mapping[str, int]]
) -> Shown:
    """Store in the table how many rows each signal's population leaves out, and return it.

    Of populations the late answers that they keep are stored, too.
    """
    if not isinstance(found, Mapping):
        every = list(found)
        note_late(table, {one.signal: one.late_words() for one in every})
        found = {one.signal: one.left_out for one in every}
    table.attrs[LEFT_OUT] = {signal: dict(rows) for signal, rows in found.items() if rows}
    return table


def note_late(table: Shown, words: Mapping[str, str]) -> Shown:
    """Store in the table how many late answers each signal rests on, and return it."""
    table.attrs[LATE_KEPT] = {signal: text for signal, text in words.items() if text}
    return table


def with_late(words: pd.Categorical, found: Iterable[Population]) -> pd.Categorical:
    """Return conclusions with the late answers on which they rest: "strong, but 3 of 9 ...".

    Each stands behind its own word in the order of the categories.
    """
    late = [one.late_words() for one in found]
    if not any(late):
        return words
    named = list(words.categories)
    out: list[object] = []
    for word, text in zip(words, late, strict=True):
        whole = f"{word}, but {text}" if text and isinstance(word, str) else word
        if isinstance(whole, str) and whole not in named:
            named.insert(named.index(word) + 1, whole)
        out.append(whole)
    return pd.Categorical(out, named, ordered=words.ordered)


def concluded(significant: Iterable[bool], found: Iterable[Population]) -> BooleanArray:
    """Return yes or no for each signal, missing where it rests on late answers.

    They may have seen the outcome, and then a yes is no finding. A missing one stops `if`.
    """
    late = np.array([one.late_kept > 0 for one in found])
    return BooleanArray(np.asarray(significant, dtype=bool), late)


def note_tests(table: Shown, tests: dict[str, dict[str, Any]]) -> Shown:
    """Store in the table the tests over all lines of each signal, and return it."""
    table.attrs[TESTS] = tests
    return table


def picture_of(table: pd.DataFrame) -> Callable[[pd.DataFrame], str] | None:
    """Return the function that draws this table, None where pandas' own picture serves."""
    columns = list(table.columns)
    if columns in (RISK_COLUMNS, [*RISK_COLUMNS, LATE]) and table.index.nlevels == 2:
        return risk_html
    if columns == CROSS_COLUMNS and table.index.nlevels == 2 and table.index.is_unique:
        return cross_html
    plain = not table.columns.empty and table.columns.nlevels == 1
    return summary_html if plain and 0 < len(table) <= LONGEST else None


# --- pieces


def _bar(share: float, colour: str, width: int = 90) -> str:
    length = 0 if math.isnan(share) else max(0.0, min(1.0, share)) * width
    return (
        f'<span style="display:inline-block;width:{width}px;text-align:left" '
        'aria-hidden="true"><span style="display:'
        f'inline-block;width:{length:.0f}px;height:9px;background:{colour}"></span></span>'
    )


def _range(low: float, rate: float, high: float, top: float, width: int = 120) -> str:
    """Return a point with its interval on a line from 0 to `top`."""
    if math.isnan(rate):
        return ""
    left, right, middle = (width * min(x / top, 1.0) for x in (low, high, rate))
    return (
        '<span aria-hidden="true" style="display:inline-block;position:relative;'
        f'width:{width}px;height:11px">'
        '<span style="position:absolute;top:5px;'
        f"left:{left:.0f}px;width:{max(right - left, 1):.0f}px;height:2px;"
        f'background:{ORANGE}"></span><span style="position:absolute;top:2px;'
        f"left:{max(middle - 4, 0):.0f}px;width:8px;"
        f'height:8px;border-radius:4px;background:{ORANGE}"></span></span>'
    )


def percent(rate: float) -> str:
    """Return a share as people read it."""
    return "" if math.isnan(rate) else f"{rate:.1%}"


def _table(head: str, body: str, notes: Iterable[str]) -> str:
    under = "".join(f'<div style="color:{FAINT}">{esc(note)}</div>' for note in notes)
    return (
        f'<div style="color:{INK};font-size:13px;overflow-x:auto"><table '
        'style="border:none;border-collapse:collapse;margin:4px 0;'
        'color:inherit;font-size:inherit">'
        '<thead><tr style="background:none;border-bottom:1px solid '
        f'{LINE}">{head}</tr></thead><tbody>{body}</tbody></table>{under}</div>'
    )


def _heads(names: Iterable[str], left: int) -> str:
    return "".join(
        f'<th scope="col" style="{(_NAME if at < left else _CELL) + _HEAD}">'
        f"{esc(name.replace('_', ' ') if at >= left else name)}</th>"
        for at, name in enumerate(names)
    )


def _row(cells: str) -> str:
    return f'<tr style="background:none">{cells}</tr>'


def notes_of(table: pd.DataFrame) -> list[str]:
    """Return the notes under a table's picture: columns explained, and the rows left out."""
    shown = [
        text
        for name, (when, text) in NOTES.items()
        if name in table.columns and (table[name] == when).any()
    ]
    for signal, test in table.attrs.get(TESTS, {}).items():
        texts = [f"{name.replace('_', ' ')} {figure(x, name)}" for name, x in test.items()]
        shown.append(f"{signal}: {', '.join(texts)}.")
    return shown + _rows_notes(table)


def _rows_notes(table: pd.DataFrame) -> list[str]:
    """Return the notes on rows: those that are late and those that are left out."""
    late = _late_notes(table.attrs.get(LATE_KEPT, {})) + _open_notes(table)
    return late + _left_out_notes(table.attrs.get(LEFT_OUT, {}))


def _late_notes(words: dict[str, str]) -> list[str]:
    if not words:
        return []
    each = "; ".join(f"{signal}: {text}" for signal, text in words.items())
    return [f"{each}. Bought after the decision, they may have seen the outcome."]


def _open_notes(table: pd.DataFrame) -> list[str]:
    """Return the note on conclusions that are missing because answers are late."""
    return [
        f"{name.replace('_', ' ')} is blank where late answers are kept: leave them out, or see "
        "lateness."
        for name in CONCLUSIONS
        if name in table.columns and table[name].isna().any()
    ]


def _left_out_notes(left_out: dict[str, dict[str, int]]) -> list[str]:
    texts = {
        signal: ", ".join(f"{n:,} {reason}" for reason, n in reasons.items())
        for signal, reasons in left_out.items()
    }
    if not texts:
        return []
    if len(set(texts.values())) == 1:
        return [f"Rows not compared: {next(iter(texts.values()))}."]
    each = "; ".join(f"{signal} {text}" for signal, text in texts.items())
    return [f"Rows not compared: {each}."]


# --- one picture a kind of table


def risk_html(table: pd.DataFrame) -> str:
    """Return a risk table with a bar for the share and a point with its interval for the rate."""
    highest = float(table["bad_rate_high"].where(table["n"] > 0).max())
    top = max(0.01, min(1.0, highest * 1.05))
    body = ""
    before = None
    for (signal, level), row in zip(table.index, table.to_dict("records"), strict=True):
        body += _risk_row("" if signal == before else str(signal), str(level), row, top)
        before = signal
    interval = f"95% interval, 0 to {top:.0%}"
    names = ["signal", "level", "n", "share", "bad rate", interval, "lift", "woe", "iv"]
    notes = notes_of(table)
    if table["woe"].isna().any():
        notes.insert(0, "Lines without woe stand apart: they are no level, and not tested.")
    return _table(_heads(names, 2), body, notes)


def _risk_row(signal: str, level: str, row: dict[Any, Any], top: float) -> str:
    faint = f";color:{FAINT}" if not row["n"] or math.isnan(row["woe"]) else ""
    mark = "*" if row["corrected"] else ""
    reach = _range(row["bad_rate_low"], row["bad_rate"], row["bad_rate_high"], top)
    figures = [
        f"{row['n']:,.0f}",
        f"{_bar(row['share'], BLUE)} {percent(row['share'])}",
        percent(row["bad_rate"]),
        reach,
        _fixed(row["lift"], ".2f"),
        _fixed(row["woe"], "+.3f") + mark,
        _fixed(row["iv"], ".4f"),
    ]
    cells = "".join(f'<td style="{_CELL}{faint}">{text}</td>' for text in figures)
    return _row(
        f'<td style="{_NAME}"><b>{esc(signal)}</b></td>'
        f'<td style="{_NAME}{faint}">{esc(level)}</td>{cells}'
    )


def _fixed(value: float, how: str) -> str:
    return "" if math.isnan(value) else format(value, how)


def summary_html(table: pd.DataFrame) -> str:
    """Return any table of figures, its lines and columns as in the frame."""
    names = [str(name) for name in table.columns]
    left = table.index.nlevels
    body = ""
    before: tuple[Any, ...] = ()
    for key, values in zip(table.index, table.itertuples(index=False, name=None), strict=True):
        labels = key if isinstance(key, tuple) else (key,)
        heads = "".join(
            f'<th scope="row" style="{_NAME}">{esc(text)}</th>'
            for text in _without_repeats(labels, before)
        )
        cells = "".join(
            f'<td style="{_CELL}">{esc(figure(value, name, str(labels[-1])))}</td>'
            for name, value in zip(names, values, strict=True)
        )
        body += _row(heads + cells)
        before = labels
    index = [str(name or "") for name in table.index.names]
    return _table(_heads([*index, *names], left), body, notes_of(table))


def _without_repeats(labels: tuple[Any, ...], before: tuple[Any, ...]) -> list[str]:
    """Return the labels of a line, blank where they repeat the line above."""
    out = []
    same = bool(before)
    for at, label in enumerate(labels):
        same = same and at < len(labels) - 1 and label == before[at]
        out.append("" if same else str(label))
    return out


def figure(value: Any, *names: str) -> str:
    """Return a cell as people read it: counts whole, shares in per cent, p-values short."""
    if pd.isna(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        return f"{value:,}"
    return _number(float(value), names)


def _number(number: float, names: tuple[str, ...]) -> str:
    if any(name.startswith(("p_value", "p_holm")) or name == "p" for name in names):
        return "< 0.001" if number < 0.001 else f"{number:.3f}"
    if any("rate" in name.split("_") or "share" in name.split("_") for name in names):
        return percent(number)
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def in_order(pairs: pd.Index[Any], at: int) -> list[Any]:
    """Return the levels down (0) or across (1), in the order of the fullest line."""
    lines: dict[Any, list[Any]] = {}
    for pair in pairs:
        lines.setdefault(pair[1 - at], []).append(pair[at])
    fullest = sorted(lines.values(), key=len, reverse=True)
    return list(dict.fromkeys(name for line in fullest for name in line))


def cross_html(table: pd.DataFrame) -> str:
    """Return a matrix of bad rates, the darker the worse. Pairs with few customers hatched."""
    rows, columns = (in_order(table.index, at) for at in (0, 1))
    worst = float(table["bad_rate"].where(~table["small"]).max())
    shown = dict(zip(table.index, table.to_dict("records"), strict=True))
    body = ""
    for a in rows:
        cells = "".join(
            _heat(shown[a, b], worst) if (a, b) in shown else "<td></td>" for b in columns
        )
        body += _row(f'<th scope="row" style="{_NAME}">{esc(a)}</th>{cells}')
    note = (
        f"{table.index.names[0]} down, {table.index.names[1]} across. Hatched: too few "
        "customers to read a rate."
    )
    return _table(
        _heads(["", *map(str, columns)], 1),
        body,
        [note, *_rows_notes(table)],
    )


def _heat(row: dict[Any, Any], worst: float) -> str:
    few = bool(row["small"])
    strength = 0.0 if few or not worst > 0 else float(row["bad_rate"]) / worst
    ground = HATCHED if few else f"color-mix(in srgb, {ORANGE} {70 * strength:.0f}%, transparent)"
    ink = f";color:{FAINT};font-style:italic" if few else ""
    text = f"{percent(float(row['bad_rate']))}<br><small>n {row['n']:,.0f}</small>"
    return f'<td style="padding:4px 14px;text-align:right;background:{ground}{ink}">{text}</td>'
