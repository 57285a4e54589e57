"""How a notebook shows the tables: bars and a heat map, escaped, in the theme's colours, readable
without colour.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import pandas as pd

from pandas_numberactive._display.html import FAINT, INK, LINE, esc

_CELL = "padding:2px 10px 2px 0;text-align:right;background:none;white-space:nowrap"
_NAME = "padding:2px 10px 2px 0;text-align:left;background:none;white-space:nowrap"
HATCHED = (
    f"repeating-linear-gradient(135deg,color-mix(in srgb, {LINE} 50%, transparent) 0 "
    "1px,transparent 1px 7px)"
)
BLUE, ORANGE = "#4477aa", "#cc6633"  # told apart by every kind of colour vision, and in grey


def _bar(share: float, colour: str, width: int = 90) -> str:
    length = 0 if math.isnan(share) else max(0.0, min(1.0, share)) * width
    return (
        f'<span style="display:inline-block;width:{width}px;text-align:left" '
        'aria-hidden="true"><span style="display:'
        f'inline-block;width:{length:.0f}px;height:9px;background:{colour}"></span></span>'
    )


def _range(low: float, rate: float, high: float, top: float, width: int = 120) -> str:
    """A point with its interval on a line from 0 to `top`."""
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
    """A share as people read it."""
    return "" if math.isnan(rate) else f"{rate:.1%}"


def _table(head: str, body: str, note: str) -> str:
    return (
        f'<div style="color:{INK};font-size:13px"><table '
        'style="border:none;border-collapse:collapse;margin:4px 0;'
        'color:inherit;font-size:inherit">'
        '<thead><tr style="background:none;border-bottom:1px solid '
        f'{LINE}">{head}</tr></thead><tbody>{body}</tbody>'
        f'</table><div style="color:{FAINT}">{esc(note)}</div></div>'
    )


def _heads(names: list[str], left: int) -> str:
    return "".join(
        f'<th scope="col" style="{_NAME if at < left else _CELL}">{esc(name)}</th>'
        for at, name in enumerate(names)
    )


def risk_html(table: pd.DataFrame) -> str:
    """A risk table with a bar for the share and a point with its interval for the bad rate."""
    top = max(0.01, min(1.0, float(table["bad_rate_high"].where(table["n"] > 0).max()) * 1.05))
    body, before = "", None
    for (signal, level), row in zip(table.index, table.to_dict("records"), strict=True):
        shown, before = ("" if signal == before else str(signal)), signal
        mark = "*" if row["corrected"] else ""
        faint = f";color:{FAINT}" if not row["n"] else ""
        cells = [
            f'<td style="{_NAME}"><b>{esc(shown)}</b></td><td '
            f'style="{_NAME}{faint}">{esc(level)}</td>',
            f'<td style="{_CELL}{faint}">{row["n"]:,.0f}</td>',
            f'<td style="{_CELL}">{percent(row["share"])} {_bar(row["share"], BLUE)}</td>',
            f'<td style="{_CELL}">{percent(row["bad_rate"])}</td>',
            "<td "
            f'style="{_NAME}">'
            f"{_range(row['bad_rate_low'], row['bad_rate'], row['bad_rate_high'], top)}</td>",
            f'<td style="{_CELL}">{_number(row["lift"])}</td>',
            f'<td style="{_CELL}">{row["woe"]:+.3f}{mark}</td><td '
            f'style="{_CELL}">{row["iv"]:.4f}</td>',
        ]
        body += f'<tr style="background:none">{"".join(cells)}</tr>'
    names = [
        "signal",
        "level",
        "n",
        "share",
        "bad rate",
        f"95% interval, 0 to {top:.0%}",
        "lift",
        "woe",
        "iv",
    ]
    note = (
        "* no goods or no bads: 0.5 was added to both; or no rows at all."
        if table["corrected"].any()
        else ""
    )
    return _table(_heads(names, 2), body, note)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


class Summary(pd.DataFrame):
    """A frame that a notebook shows with whole counts and short p-values, on its side where it is
    wide.
    """

    @property
    def _constructor(self) -> type[Summary]:
        return Summary

    def _repr_html_(self) -> str | None:
        if (
            not 0 < len(self) <= 60
            or self.columns.empty
            or self.index.nlevels > 1
            or self.columns.nlevels > 1
        ):
            html: str | None = pd.DataFrame(self)._repr_html_()  # type: ignore[operator]
            return html
        return summary_html(self)


def summary_html(table: pd.DataFrame) -> str:
    """One line a signal, or one column, where there are more figures than fit a line."""
    rows, columns = [[str(name) for name in labels] for labels in (table.index, table.columns)]
    texts = [
        [_text(value, name, row) for row, value in zip(rows, table.iloc[:, at], strict=True)]
        for at, name in enumerate(columns)
    ]
    wide = len(columns) > 10 and len(rows) <= 6
    lines = (
        zip(columns, texts, strict=True)
        if wide
        else zip(rows, zip(*texts, strict=True), strict=True)
    )
    body = "".join(
        f'<tr style="background:none"><th scope="row" style="{_NAME}">{esc(name)}</th>'
        + "".join(f'<td style="{_CELL}">{esc(text)}</td>' for text in line)
        + "</tr>"
        for name, line in lines
    )
    return _table(_heads([str(table.index.name or ""), *(rows if wide else columns)], 1), body, "")


def _text(value: Any, *names: str) -> str:
    """A cell as people read it: counts whole, p-values no smaller than they can be believed."""
    if pd.isna(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        return f"{value:,}"
    number = float(value)
    if any(name.startswith("p_value") for name in names):
        return "< 0.001" if number < 0.001 else f"{number:.3f}"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def in_order(pairs: pd.Index[Any], at: int) -> list[Any]:
    """The levels down (0) or across (1); where pairs are missing, in the order of the
    fullest line.
    """
    lines: dict[Any, list[Any]] = {}
    for pair in pairs:
        lines.setdefault(pair[1 - at], []).append(pair[at])
    return list(
        dict.fromkeys(
            name for line in sorted(lines.values(), key=len, reverse=True) for name in line
        )
    )


def cross_html(table: pd.DataFrame) -> str:
    """A matrix of bad rates, the darker the worse; pairs with few customers hatched."""
    rows, columns = (in_order(table.index, at) for at in (0, 1))
    worst = float(table["bad_rate"].where(~table["small"]).max())
    shown = dict(zip(table.index, table.to_dict("records"), strict=True))
    body = ""
    for a in rows:
        cells = "".join(
            _heat(shown[a, b], worst) if (a, b) in shown else "<td></td>" for b in columns
        )
        body += (
            f'<tr style="background:none"><th scope="row" style="{_NAME}">{esc(a)}</th>{cells}</tr>'
        )
    note = (
        f"{table.index.names[0]} down, {table.index.names[1]} across. Hatched: too few "
        "customers to read a rate."
    )
    return _table(_heads(["", *map(str, columns)], 1), body, note)


def _heat(row: dict[Any, Any], worst: float) -> str:
    few = bool(row["small"])
    strength = 0.0 if few or not worst > 0 else float(row["bad_rate"]) / worst
    ground = HATCHED if few else f"color-mix(in srgb, {ORANGE} {70 * strength:.0f}%, transparent)"
    ink = f";color:{FAINT};font-style:italic" if few else ""
    text = f"{percent(float(row['bad_rate']))}<br><small>n {row['n']:,.0f}</small>"
    return f'<td style="padding:4px 14px;text-align:right;background:{ground}{ink}">{text}</td>'
