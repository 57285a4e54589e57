"""Text cells, read by their layout: with every digit written as 0, a column of phones has few
different ones.

`parse_phone` judges each layout once, by probes. What it does with a cell depends on the layout, on
whether a decimal tail is all zeros, and on the digits themselves; those are read at once, as
integers. What no probe settles is SLOW.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._phones.digits import MOST, POWERS, SLOW, read_digits
from pandas_numberactive._phones.parse import PAIR_BEHIND, REASONS, _plain, parse_phone

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 15  # cells: the temporaries stay in the cache
_LONGEST = 60  # characters of a layout
_FORGET = 100_000  # layouts: free text has as many as cells
_ZEROS = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_E_NOTATION = re.compile(
    r"\d[.,]?\d*e[+-]?\d", re.I | re.ASCII
)  # its meaning is in the digits, as a PAIR_BEHIND's
_BY_LAYOUT = {
    REASONS.index(why) for why in ("missing", "not_a_number", "bad_characters", "several_numbers")
}
_ENDLESS = 1000  # digits: no probe is too long

Rule = tuple[
    int, int, int
]  # a reason, SLOW, or -1 to read the digits; how many of them; whether a + stands before
_SLOWLY: Rule = (SLOW, 0, 0)


class Layouts:
    """The layouts met so far; lives for one column."""

    def __init__(self, max_digits: int) -> None:
        self._max_digits = max_digits
        self._known: dict[str, tuple[int, ...]] = {}

    def read(self, cells: Any) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Numbers and reasons of an Arrow large_string array without nulls."""
        offsets = np.frombuffer(cells.buffers()[1], np.int64)[
            cells.offset : cells.offset + len(cells) + 1
        ]
        text = memoryview(cells.buffers()[2] or b"")[offsets[0] : offsets[-1]].tobytes()
        encoded = _texts(offsets - offsets[0], text.translate(_ZEROS)).dictionary_encode()
        judged = np.array(
            [self._judged(layout) for layout in encoded.dictionary.to_pylist()], np.int32
        )
        place = encoded.indices.to_numpy()
        count = judged[:, 0].take(place)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(count, dtype=np.int64)])
        digits = _texts(ends, text.translate(None, _NO_DIGITS))
        return self._verdicts(
            judged[:, 1].take(place), judged[:, 2:].reshape(-1, 3), 2 * place, count, digits
        )

    def _verdicts(
        self,
        tail: NDArray[np.int32],
        rules: NDArray[np.int32],
        row: NDArray[Any],
        count: NDArray[np.int32],
        digits: Any,
    ) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Follow each cell's rule, the second of its two where its tail is not zeros."""
        import pyarrow as pa

        number = np.zeros(len(row), np.int64)
        wanted = (tail > 0) | (rules[:, 0] == -1).take(row)
        at: Any = slice(None) if wanted.all() else np.flatnonzero(wanted)
        value = (
            (digits if wanted.all() else digits.filter(pa.array(wanted)))
            .cast(pa.int64())
            .to_numpy()
        )
        if tail.any():
            row[at] += value % POWERS.take(tail[at]) != 0
        reason = rules[:, 0].astype(np.int8).take(row)
        kept = rules[:, 1].take(row[at])
        if tail.any():
            value = value // POWERS.take(count[at] - kept)
        read, why = read_digits(
            value, kept, rules[:, 2].astype(bool).take(row[at]), self._max_digits
        )
        reads = reason[at] == -1
        number[at] = np.where(reads, read, 0)
        reason[at] = np.where(reads, why, reason[at])
        return number, reason

    def _judged(self, layout: str) -> tuple[int, ...]:
        known = self._known.get(layout)
        if known is None:
            if len(self._known) >= _FORGET:
                self._known.clear()
            known = self._known[layout] = _judge(layout)
        return known


def _texts(ends: NDArray[np.int64], text: bytes) -> Any:
    import pyarrow as pa

    if ends[-1] != len(text):  # else digits of one cell would be read as another's
        raise AssertionError("The digits counted are not the digits there.")
    return pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))


def _judge(layout: str) -> tuple[int, ...]:
    """How many digits, how many of them in a decimal tail, the rule where that is all zeros, the
    rule where not.
    """
    count = layout.count("0")
    if len(layout) > _LONGEST:
        return (count, 0, *_SLOWLY, *_SLOWLY)
    plain = _plain(layout)
    if (
        _E_NOTATION.search(plain)
        or PAIR_BEHIND.search(plain)
        or any(c.isdecimal() and c != "0" for c in layout)
    ):
        return (count, 0, *_SLOWLY, *_SLOWLY)
    marked = "." in plain or "," in plain  # else every digit counts
    runs = re.findall("0+", plain) if marked else []
    tail = len(runs[-1]) if len(runs) > 1 else 0  # digits with none before them are no tail
    whole, decimal = _probe(layout, count, 0, marked), _probe(layout, count, tail, marked)
    if whole == decimal:
        return (count, 0, *whole, *whole)
    if count > MOST:
        return (count, 0, *_SLOWLY, *_SLOWLY)
    return (count, tail, *decimal, *whole)


def _probe(layout: str, count: int, zeros: int, marked: bool) -> Rule:
    """What parse_phone does with a layout that ends in so many zeros: a reason, or how many digits
    it reads.
    """
    ones = "1" * count
    for head, plus in (("8", 0), ("628", 1)):
        digits = (head + ones)[: count - zeros] + "0" * zeros
        rest = iter(digits)
        national, why = parse_phone(
            "".join(next(rest) if c == "0" else c for c in layout), max_digits=_ENDLESS
        )
        if national is not None:
            kept = len(national) + 2 * plus
            read = count <= MOST and digits[:kept] == "62" * plus + national
            return (-1, kept, plus) if read else _SLOWLY
        if why == "too_short" and not marked and 0 < count <= MOST:
            return -1, count, plus
        if why != "not_indonesian":
            code = REASONS.index(str(why))
            return (code, 0, 0) if code in _BY_LAYOUT else _SLOWLY
    return _SLOWLY
