"""Tables of the report: points with intervals drawn on one axis, small cells masked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from pandas_numberactive._display.html import esc
from pandas_numberactive._phones.mask import mask_label
from pandas_numberactive.risk._report.masking import masked_rows
from pandas_numberactive.risk._report.words import amount, p_text

COUNTS = ("n", "bads", "df")
_WIDTH = 100.0  # an interval's drawing is measured in per cent of its cell


def label(name: object) -> str:
    """Return a name without the digits of a phone number."""
    return mask_label(name, quoted=False)


def text_of(value: Any, name: str) -> str:
    """Return a figure as people read it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    number = float(value)
    if name in COUNTS:
        return f"{number:,.0f}"
    return _formatted(number, name)


_RATES = ("share", "bad_rate", "now", "alarm")
_MONEY = ("worth", "gain", "unit_price")


def _formatted(number: float, name: str) -> str:
    if name.startswith("p_"):
        return p_text(number).removeprefix("p ").removeprefix("= ")
    if name.startswith(_RATES):
        return f"{number:.1%}"
    if name.startswith(_MONEY):
        return amount(number)
    if name.startswith(("psi", "auc", "gini", "d_gini", "ks")):
        return f"{number:.3f}"
    return f"{number:,.2f}"


def framed(caption: str, inner: str, kind: str = "plain") -> str:
    """Return a table that scrolls on its own where the page is narrow."""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{esc(caption)}">'
        f'<table class="{kind}"><caption>{esc(caption)}</caption>{inner}</table></div>'
    )


class Forest:
    """A table of points with intervals, drawn on one axis."""

    def __init__(
        self,
        table: pd.DataFrame,
        value: str,
        *,
        reference: float | None = None,
        log: bool = False,
        zero: bool = False,
        text: Callable[[float], str],
        extra: Sequence[tuple[str, Callable[[dict[Any, Any]], str]]] = (),
    ) -> None:
        self.table = table
        self.rows = masked_rows(table)
        self.value = value
        self.reference = reference
        self.log = log
        self.text = text
        self.extra = extra
        self.low, self.high = self._range(zero)

    def _range(self, zero: bool) -> tuple[float, float]:
        ends = self._ends()
        if zero:
            ends.append(0.0)
        if not ends:
            return 0.0, 1.0
        spread = (max(ends) - min(ends)) or 1.0
        low = 0.0 if zero and min(ends) == 0 else min(ends) - 0.03 * spread
        return low, max(ends) + 0.03 * spread

    def _ends(self) -> list[float]:
        """Return the places of all that is drawn."""
        names = [self.value, f"{self.value}_low", f"{self.value}_high"]
        drawn = [row[name] for row in self.rows for name in names]
        known = [float(one) for one in drawn if one is not None]
        if self.reference is not None:
            known.append(self.reference)
        return [self._place(one) for one in known if math.isfinite(one) and self._usable(one)]

    def _usable(self, value: float) -> bool:
        return value > 0 or not self.log

    def _place(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _x(self, value: float) -> float:
        if not self._usable(value) or not math.isfinite(value):
            return 0.0 if value <= 0 else _WIDTH
        return (self._place(value) - self.low) / (self.high - self.low) * _WIDTH

    def _drawing(self, row: dict[Any, Any]) -> str:
        parts = []
        if self.reference is not None:
            x = self._x(self.reference)
            parts.append(f'<line class="ref" x1="{x:.1f}%" x2="{x:.1f}%" y1="0" y2="100%"/>')
        figures = [row[self.value], row[f"{self.value}_low"], row[f"{self.value}_high"]]
        if all(one is not None and math.isfinite(float(one)) for one in figures):
            x, low, high = (min(max(self._x(float(one)), 0.0), _WIDTH) for one in figures)
            parts.append(f'<line class="ci" x1="{low:.1f}%" x2="{high:.1f}%" y1="50%" y2="50%"/>')
            parts.append(f'<circle class="pt" cx="{x:.1f}%" cy="50%" r="4.5"/>')
        return f'<svg aria-hidden="true">{"".join(parts)}</svg>'

    def _words(self, row: dict[Any, Any]) -> str:
        figures = [row[self.value], row[f"{self.value}_low"], row[f"{self.value}_high"]]
        if any(one is None for one in figures):
            return "too few to show"
        if any(not math.isfinite(float(one)) for one in figures):
            return "cannot be estimated"
        value, low, high = (self.text(float(one)) for one in figures)
        return f"{value} ({low} to {high})"

    def html(self, caption: str, heading: str) -> str:
        """Return the table."""
        pairs = zip(self.table.index, self.rows, strict=True)
        rows = "".join(self._row(key, row) for key, row in pairs)
        name = esc(str(self.table.index.name or ""))
        more = "".join(f'<th scope="col">{esc(head)}</th>' for head, _ in self.extra)
        return framed(
            caption,
            f'<thead><tr><th scope="col">{name}</th><th scope="col">n</th>'
            f'<th scope="col" class="draw">{self._axis()}</th>'
            f'<th scope="col" class="figure">{esc(heading)}</th>{more}</tr></thead>'
            f"<tbody>{rows}</tbody>",
            "forest",
        )

    def _row(self, key: object, row: dict[Any, Any]) -> str:
        more = "".join(f"<td>{esc(text(row))}</td>" for _, text in self.extra)
        return (
            f'<tr><th scope="row">{esc(label(key))}</th><td>{esc(text_of(row["n"], "n"))}</td>'
            f'<td class="draw">{self._drawing(row)}</td><td class="figure">{esc(self._words(row))}'
            f"</td>{more}</tr>"
        )

    def _axis(self) -> str:
        """Return the ends of the axis as words."""
        ends = (math.exp(one) if self.log else one for one in (self.low, self.high))
        left, right = (self.text(one) for one in ends)
        return f'<span class="axis"><span>{esc(left)}</span><span>{esc(right)}</span></span>'
