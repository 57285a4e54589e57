"""Read text cells by their layout.

A layout is a cell with every digit written as 0. A column of phones has few different ones.
`parse_phone` judges each layout once, by probes. What it does with a cell depends on the layout, on
a decimal tail of zeros, and on the digits themselves. Those are read at once, as integers. A layout
that no probe settles is SLOW.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._phones.digits import (
    MOST,
    POWERS,
    SLOW,
    is_rounded,
    lengths,
    read_digits,
)
from pandas_numberactive._phones.groups import (
    BARE_DECIMAL,
    FEWEST_BEFORE,
    MIN_DIGITS,
    count_digits,
    cut,
    has_group_behind,
    without_tail,
)
from pandas_numberactive._phones.parse import REASONS, TWO_NUMBERS, parse_phone
from pandas_numberactive._phones.text import plain
from pandas_numberactive._phones.words import ADDRESS, CARD, FILLER, LINK

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 15  # cells: the temporaries stay in the cache
_LONGEST = 60  # characters of a layout
_FORGET = 100_000  # layouts: free text has as many as cells
_ZEROS = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_BY_LAYOUT = {
    REASONS.index(why) for why in ("missing", "not_a_number", "bad_characters", "several_numbers")
}
# Shapes whose meaning is in the digits themselves; each digit is written as 0.
_E_NOTATION = r"0[.,]?0*e[+-]?0"
_DATE = (
    r"\A0{1,4}([-./ ])0{1,2}\1(?:00?|0000)(?!0)"
    r"|\A0{7,8}[ T,-]+00?[:. -]?00(?:[:. -]?00)?[ .,;)\]-]*\Z"
)
_SECOND_PLUS = r"0[^0]*\+|\+[^0]*\+"
_LABEL_DIGIT = r"[^\W\d_][ .-]?0(?!0)"
_BY_DIGITS = re.compile("|".join((_E_NOTATION, _DATE, _SECOND_PLUS, _LABEL_DIGIT)), re.I | re.ASCII)
_PRECISION_LOST = REASONS.index("precision_lost")
_ENDLESS = 1000  # digits: no probe is too long

Rule = tuple[
    int, int, int
]  # a reason, SLOW, or -1 to read the digits; how many of them; whether a + stands before
_SLOWLY: Rule = (SLOW, 0, 0)


class Layouts:
    """The layouts met so far in one column."""

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
        kept_digits = digits if wanted.all() else digits.filter(pa.array(wanted))
        value = kept_digits.cast(pa.int64()).to_numpy()
        if tail.any():
            power = POWERS.take(tail[at])
            whole = value // power
            row[at] += (whole * power != value).astype(row.dtype)
        reason = rules[:, 0].astype(np.int8).take(row)
        kept = rules[:, 1].take(row[at])
        if tail.any():
            dropped = count[at] > kept  # the tail, or nothing
            value = np.where(dropped, whole, value)
        read, why = read_digits(
            value, kept, rules[:, 2].astype(bool).take(row[at]), self._max_digits
        )
        if tail.any():
            lost = np.flatnonzero(dropped & (value // 10 * 10 == value))  # as % 10, faster
            lost = lost[is_rounded(value[lost], lengths(value[lost]))]
            read[lost] = 0
            why[lost] = _PRECISION_LOST
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
    """Return the number of digits, how many of them are a decimal tail, and two rules.

    The first rule is for a tail that is all zeros, the second for any other.
    """
    count = layout.count("0")
    text = plain(layout)
    if len(layout) > _LONGEST or _has_other_digits(layout) or _is_read_by_digits(text, count):
        return (count, 0, *_SLOWLY, *_SLOWLY)
    marked = "." in text or "," in text  # else every digit counts
    runs = re.findall("0+", text) if marked else []
    tail = len(runs[-1]) if len(runs) > 1 else 0  # digits with none before them are no tail
    whole = _probe(layout, count, 0, marked)
    decimal = _probe(layout, count, tail, marked)
    if whole == decimal:
        return (count, 0, *whole, *whole)
    if count > MOST:
        return (count, 0, *_SLOWLY, *_SLOWLY)
    return (count, tail, *decimal, *whole)


def _has_other_digits(layout: str) -> bool:
    """Return True for digits of another script, or of Excel's escapes."""
    return "_x0" in layout.lower() or any(c.isdecimal() and c != "0" for c in layout)


def _is_read_by_digits(text: str, count: int) -> bool:
    """Return True where two cells of one layout may be judged by different rules."""
    if count >= TWO_NUMBERS and not text.isdecimal():
        return True
    if _BY_DIGITS.search(text) or CARD.match(text) or ADDRESS.search(text) or LINK.search(text):
        return True
    if FILLER.fullmatch(text) and count_digits(re.split("[.,]", text)[0]) < FEWEST_BEFORE:
        return True
    if _has_prefix_before_dot(cut(text)[1]):
        return True
    return has_group_behind(without_tail(text)[0], lambda digits: len(digits) >= MIN_DIGITS)


def _has_prefix_before_dot(body: str) -> bool:
    """Return True for one dot behind a possible prefix: 0811 is one, 8118 is not."""
    if body.count(".") != 1:
        return False
    return count_digits(body.partition(".")[0]) == 4 or not BARE_DECIMAL.fullmatch(body)


def _probe(layout: str, count: int, zeros: int, marked: bool) -> Rule:
    """Return the rule for a layout that ends in so many zeros, as parse_phone reads it."""
    for head in ("8", "628"):
        digits = (head + "1" * count)[: count - zeros] + "0" * zeros
        rest = iter(digits)
        cell = "".join(next(rest) if c == "0" else c for c in layout)
        national, why = parse_phone(cell, max_digits=_ENDLESS)
        plus = int(head == "628")
        if national is not None:
            return _reading("62" * plus + national, digits, zeros, plus)
        if why == "too_short" and not marked and 0 < count <= MOST:
            return -1, count, plus
        if why != "not_indonesian":
            return _by_layout(str(why))
    return _SLOWLY


def _reading(read: str, digits: str, zeros: int, plus: int) -> Rule:
    """Return the rule to read the digits, all of them or all but the tail."""
    if len(digits) > MOST or not digits.startswith(read):
        return _SLOWLY
    kept = len(read)
    return (-1, kept, plus) if len(digits) - kept in (0, zeros) else _SLOWLY


def _by_layout(reason: str) -> Rule:
    """Return the rule of a reason that all cells of a layout share."""
    code = REASONS.index(reason)
    return (code, 0, 0) if code in _BY_LAYOUT else _SLOWLY
