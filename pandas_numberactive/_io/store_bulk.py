"""Bulk reads: what a SQLite store holds of a million numbers, without a Python object for
each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive._io.store_journal import Database
from pandas_numberactive._purchase.purchase import SETTLED
from pandas_numberactive.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 50_000  # numbers a statement: bounds the extra memory, and the length of a statement
FEW = 500
# stored rows in the range for each wanted one, up to which reading the whole range is faster than
# seeking
DENSE = 8
_SETTLED_CODES = np.array(sorted(SETTLED))
_TEXTS = (
    "group_concat(number), group_concat(bought_at), group_concat(generation << 32 | packed), "
    "count(*)"
)


def read_rows(db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """All generations of sorted numbers, ordered: columns number, packed, bought_at."""
    parts = [
        _part(db, code, some) for some in np.array_split(wanted, max(1, -(-len(wanted) // AT_ONCE)))
    ]
    return np.concatenate(parts)


def _part(db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    low, high = int(wanted[0]), int(wanted[-1])
    where = f"environment = {int(code)} AND number BETWEEN {low} AND {high}"
    if len(wanted) <= FEW or _crowded(db, where, len(wanted)):
        where = f"environment = {int(code)} AND number IN ({','.join(map(str, wanted.tolist()))})"
        return _read(db, where)
    rows = _read(db, where)
    if np.array_equal(rows[:, 0], wanted):  # a book that was bought before
        return rows
    place = np.minimum(np.searchsorted(wanted, rows[:, 0]), len(wanted) - 1)
    asked: NDArray[np.bool_] = wanted[place] == rows[:, 0]
    return rows if asked.all() else np.compress(asked, rows, axis=0)


def _crowded(db: Database, where: str, wanted: int) -> bool:
    """Whether a range holds so many rows beside the wanted ones that seeking each is faster."""
    most = DENSE * wanted
    (found,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM lookups WHERE {where} LIMIT {most})"
    ).fetchone()
    return bool(found == most)


def _read(db: Database, where: str) -> NDArray[np.int64]:
    """Each column as one text of integers: a fifth of the time that a tuple for each row takes."""
    *texts, count = db.execute(f"SELECT {_TEXTS} FROM lookups WHERE {where}").fetchone()
    if not count:
        return np.zeros((0, 3), np.int64)
    number, bought, last = (np.fromstring(text, np.int64, sep=",") for text in texts)
    if not len(number) == len(bought) == len(last) == count:
        raise StoreError("The store holds a number or a time that is no integer.")
    if not (
        number[1:] > number[:-1]
    ).all():  # several generations, or an order that nobody promised
        order = np.lexsort([last, number])
        number, bought, last = number[order], bought[order], last[order]
    return np.column_stack([number, last & 0xFFFF_FFFF, bought])


def in_order(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers sorted, and where each stood: argsort, in two thirds of the time where both fit into
    63 bits.
    """
    bits = len(numbers).bit_length()
    if len(numbers) == 0 or int(numbers.max()) >= 1 << 63 - bits or int(numbers.min()) < 0:
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order
    keys = numbers << bits
    keys |= np.arange(len(numbers))
    keys.sort()
    return keys >> bits, keys & (1 << bits) - 1


def newest(
    rows: NDArray[np.int64], since: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """From rows ordered by number and generation: one a number, the newest good answer, else the
    newest row.
    """
    number, packed, bought = rows[:, 0], rows[:, 1], rows[:, 2]
    if (number[1:] > number[:-1]).all():  # one row a number: nothing to choose
        return number, packed.astype(np.int32), bought
    last = (
        np.flatnonzero(np.append(number[1:] != number[:-1], True))
        if len(number)
        else np.zeros(0, np.int64)
    )
    serves = np.isin(packed & 15, _SETTLED_CODES) & (bought >= since)
    newest_good = np.maximum.accumulate(np.where(serves, np.arange(len(number)), -1))[last]
    first = np.append(0, last[:-1] + 1) if len(last) else last
    pick = np.where(newest_good >= first, newest_good, last)
    return number[last], packed[pick].astype(np.int32), bought[pick]
