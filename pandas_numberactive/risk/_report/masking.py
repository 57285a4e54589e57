"""Masked tables: small cells are hidden, and so many others that no total gives them away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.float64]
    Mask = NDArray[np.bool_]

LEAST_CELL = 10  # customers; a smaller cell is not shown
FEW = f"< {LEAST_CELL}"
HIDDEN = "hidden"  # a larger cell, from which a total would give a small one away
PARTS = "parts"  # of a table's attrs: a number by line, where lines share a total; 0 by default
NO_CELL = -1  # the number of a line that is no cell of customers, such as a difference
_REVEALS = ("bad_rate", "lift", "woe", "iv")  # give the bads away beside n


def masked(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without small cells, and without what reveals them."""
    return pd.DataFrame(masked_rows(table), table.index, table.columns, dtype=object)


def masked_rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the lines of a masked table by the names of its columns.

    A cell of fewer than ten customers is hidden, and so are the bads of a line with fewer than ten
    bads or goods. Totals are on the page, too. So the next larger cell goes with a hidden one,
    until two are hidden with ten customers between them.
    """
    # Faster than to_dict, which makes a Series a column.
    lines = [dict(zip(table.columns, line, strict=True)) for line in table.to_numpy(dtype=object)]
    known = [{name: None if pd.isna(x) else x for name, x in line.items()} for line in lines]
    if "n" not in table.columns:
        return known
    shared = table.attrs.get(PARTS, {})
    parts = np.array([shared.get(key, 0) for key in table.index])
    n = _counts(known, "n")
    cell = parts != NO_CELL
    lost = _hidden(cell & (n < LEAST_CELL), [n], parts)
    bads = _counts(known, "bads")
    few = lost | (cell & ((bads < LEAST_CELL) | (n - bads < LEAST_CELL)))
    secret = _hidden(few, [bads, n - bads], parts)
    return [_masked(*one) for one in zip(known, lost, secret, strict=True)]


def _counts(lines: list[dict[Any, Any]], name: str) -> Counts:
    """Return a column of counts, NaN where a line has none."""
    return np.array([line.get(name) for line in lines], dtype=float)


def _hidden(small: Mask, counts: list[Counts], parts: NDArray[Any]) -> Mask:
    """Return the lines to hide: the small ones, and those that cover them.

    `counts` are those of which a hidden line must not give its own away.
    """
    out = small.copy()
    least = np.minimum.reduce(counts)
    filled = np.add.reduce(counts) > 0
    for at in np.argsort(least, kind="stable"):
        mine = parts == parts[at]
        if filled[at] and not _covered(out & filled & mine, counts):
            out[at] = True
    return out


def _covered(hidden: Mask, counts: list[Counts]) -> bool:
    """Return True where no single hidden line can be told from the total of all."""
    if not hidden.any():
        return True
    enough = all(one[hidden].sum() >= LEAST_CELL for one in counts)
    return bool(hidden.sum() >= 2) and enough


def _masked(row: dict[Any, Any], lost: bool, secret: bool) -> dict[Any, Any]:
    """Return a line without its cells (`lost`), or without its bads (`secret`)."""
    if lost:
        return dict.fromkeys(row) | {"n": FEW if row["n"] < LEAST_CELL else HIDDEN}
    if not secret:
        return row
    revealing = [name for name in row if name.startswith(_REVEALS)]
    small = min(row["bads"], row["n"] - row["bads"]) < LEAST_CELL
    return row | dict.fromkeys(revealing) | {"bads": FEW if small else HIDDEN}
