"""Layouts whose first digits decide: two numbers, digits behind a whole number, one dot.

Two equal numbers are one, two different ones are refused, an extension is known by the whole number
before it, and a dot begins no decimals behind 0811. Both parts are read at once, as integers.
`parse_phone` keeps the cells of which a part is none of these.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pandas_numberactive._phones.digits import (
    MOST,
    POWERS,
    PREFIXES,
    SLOW,
    is_rounded,
    lengths,
    read_digits,
)
from pandas_numberactive._phones.groups import (
    FEWEST_OF_LINE,
    MIN_DIGITS,
    count_digits,
    cut,
    has_group_behind,
    has_plus,
    splits,
    without_brackets,
)
from pandas_numberactive._phones.parse import REASONS, parse_phone, separated

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A reason, SLOW, or one of those below; the digits kept, or those of the first part; the pluses.
Rule = tuple[int, int, int]
READ = -1  # the digits
TWO = -2  # numbers
BEHIND = -3  # a whole number stand more digits
DOTTED = -4  # the digits, where those before the only dot are an area
LINE = -5  # the digits, where those before the gap are no landline
SLOWLY: Rule = (SLOW, 0, 0)
ENDLESS = 1000  # digits: no probe is too long
ZERO_RUNS = re.compile("0+")
_SEVERAL = REASONS.index("several_numbers")
_SECOND_PLUS = 2  # added to the first part's 1
_READ_ALL = 4  # added where no whole number stands before the last digits
_REFUSE = 8
_SECOND_END = 16  # times the digits from the first place where a whole number may end to the last
_OTHERWISE = {"not_mobile": _READ_ALL, "bad_characters": _REFUSE}
_BAD = REASONS.index("bad_characters")
_NOT_A_NUMBER = REASONS.index("not_a_number")
_PRECISION_LOST = REASONS.index("precision_lost")
# Before a dot, by length.
_AREAS = dict(enumerate(("62", "811", "0811", "62811", "620811", "0062811", "00620811"), 2))
_LINE = re.compile(r"0{7,8}(?:[)\]] ?-? ?|  ?| ?- ?)0{3,4}", re.ASCII)
_BEFORE_AREA = np.array([-1, -1, 0, 0, 0, 62, 620, 62, 620])  # by length, its three digits aside


def filled(layout: str, digits: str, tail: int = 0) -> str:
    """Return the layout with these digits in the places of its zeros, those of its tail aside."""
    form = layout.replace("%", "%%").replace("0", "%s")
    return form % tuple(digits[: layout.count("0") - tail] + "0" * tail)


def starts_of_a_second(text: str) -> list[int]:
    """Return the counts of digits before each group where a second number may begin."""
    before = list(accumulate(map(len, ZERO_RUNS.findall(text))))
    return [at for at in before if at >= MIN_DIGITS and before[-1] - at >= MIN_DIGITS]


def rule_of_two(layout: str, text: str) -> Rule:
    """Return the rule for a layout, and its plain text, in which two numbers have room."""
    if "." in text:  # it may begin decimals
        return SLOWLY
    starts = starts_of_a_second(text)
    parts = filled_parts(text)
    if not all(map(_is_plain, _halves_of(parts, starts[0]))):
        return SLOWLY
    if len(parts) == 1 and len(starts) == 1:
        return _proven(layout, starts[0], _has_plus(parts[0]), False)
    if len(parts) == 2 and count_digits(parts[0]) in starts:
        return _proven(layout, count_digits(parts[0]), *map(_has_plus, parts))
    return SLOWLY


def filled_parts(text: str) -> list[str]:
    """Return the parts of a layout's text, between separators, that hold digits."""
    return [part for part in separated(text) if "0" in part]


def _has_plus(part: str) -> bool:
    return has_plus(cut(part)[1])


def _halves_of(parts: list[str], before: int) -> list[str]:
    """Return the two numbers of a layout with their marks, of which the first has so many digits.

    Parts stand apart already.
    """
    bodies = [cut(part)[1] for part in parts]
    if len(bodies) > 1:
        return bodies
    return next(
        [first, second] for first, second in splits(bodies[0]) if count_digits(first) == before
    )


def _is_plain(body: str) -> bool:
    """Return True where no rule about dates, documents or lines looks at a number's digits."""
    sizes = list(map(len, ZERO_RUNS.findall(body)))
    if has_plus(body) and sizes[0] == len("62"):
        del sizes[0]
    if len(sizes) < 2:
        return True
    return min(sizes) > 2 and max(sizes) < MIN_DIGITS and sizes[0] < FEWEST_OF_LINE - 1


def may_end_before(body: str, plus: bool) -> bool:
    """Return True where a whole number, behind a plus or not, may end before the last group."""
    least = _fewest(plus)
    return has_group_behind(body, lambda digits: len(digits) >= least)


def _fewest(plus: bool) -> int:
    """Return the fewest digits of a whole number: 62 stands behind a plus."""
    return MIN_DIGITS + (2 if plus else 0)


def _proven(layout: str, before: int, first_plus: bool, second_plus: bool) -> Rule:
    """Return the rule for two numbers where parse_phone follows it on probes, else SLOWLY."""
    behind = layout.count("0") - before
    if max(before, behind) >= 2 * MIN_DIGITS:  # a part of two numbers
        return SLOWLY
    for first, length in _prefixed(before, first_plus):
        for second, same in _prefixed(behind, second_plus):
            if length != same or not second:
                continue
            national = "8" + "1" * (length - 1)
            probes = [first + national + second + "8" + end * (length - 1) for end in "12"]
            found = [parse_phone(filled(layout, p), max_digits=ENDLESS) for p in probes]
            if found != [(national, None), (None, "several_numbers")]:
                return SLOWLY
            return TWO, before, int(first_plus) + (_SECOND_PLUS if second_plus else 0)
    return SLOWLY


def _prefixed(digits: int, plus: bool) -> list[tuple[str, int]]:
    """Return the prefixes of so many digits, each with the length of its national number."""
    known = [
        (prefix, digits - len(prefix))
        for prefix, _, _, after_plus in PREFIXES
        if after_plus or not plus
    ]
    return [(prefix, length) for prefix, length in known if length > MIN_DIGITS]


def rule_of_behind(layout: str, text: str, tail: int) -> Rule:
    """Return the rule for a layout with digits behind what may be a whole number.

    `text` is without the decimal tail of so many zeros, here and below.
    """
    parts = filled_parts(text)
    if len(parts) != 1 or layout.count("0") > MOST:
        return SLOWLY
    body = cut(parts[0])[1]
    plus = has_plus(body)
    ends = _ends(body, plus)
    if not ends or body.count(".") == 1:  # one dot may begin decimals
        return SLOWLY
    return _rule_of_ends(layout, ends, plus, tail)


def _rule_of_ends(layout: str, ends: list[int], plus: bool, tail: int) -> Rule:
    """Return the rule by two probes: a whole number before the last digits, and none."""
    heads = ("628", "629") if plus else ("8", "9")
    probes = [filled(layout, head + head[-1] * MOST, tail) for head in heads]
    whole, other = (parse_phone(probe, max_digits=ENDLESS)[1] for probe in probes)
    if whole != "several_numbers":
        return SLOWLY
    if whole == other:
        return _SEVERAL, 0, 0
    otherwise = _OTHERWISE.get(str(other), 0) if len(ends) <= 2 else 0
    return BEHIND, ends[0], int(plus) + otherwise + _SECOND_END * (ends[-1] - ends[0])


def _ends(body: str, plus: bool) -> list[int]:
    """Return the counts of digits that may be a whole number with others behind it."""
    ends: list[int] = []

    def collect(digits: str) -> bool:
        ends.append(len(digits))
        return False

    has_group_behind(body, collect)
    return sorted({end for end in ends if end >= _fewest(plus)})


def rule_of_dot(layout: str, text: str, tail: int) -> Rule:
    """Return the rule for a layout with one dot, behind what may be an area."""
    count = layout.count("0")
    body = cut(text)[1]
    plus = has_plus(body)
    before = count_digits(body.partition(".")[0])
    area = _AREAS.get(before)
    if area is None or body.count(".") != 1 or count > MOST or may_end_before(body, plus):
        return SLOWLY
    digits = (area + ("8" if before == 2 else "") + "1" * count)[: count - tail]
    national, why = parse_phone(filled(layout, digits, tail), max_digits=ENDLESS)
    if why == "bad_characters":
        other = parse_phone(filled(layout, "9" * count, tail), max_digits=ENDLESS)
        return (DOTTED, before, _REFUSE) if other == (None, "not_a_number") else SLOWLY
    is_read = national == digits[digits.index("8") :] or why == "too_short"
    return (DOTTED, before, int(plus)) if is_read else SLOWLY


def may_be_line(body: str) -> bool:
    """Return True for the layout of a landline without its area and with an extension."""
    return _LINE.fullmatch(without_brackets(body)) is not None


def rule_of_line(layout: str, text: str, tail: int) -> Rule:
    """Return the rule for a layout of what may be a landline with an extension."""
    if not may_be_line(cut(text)[1]) or "." in text:
        return SLOWLY
    line, other = (
        parse_phone(filled(layout, head + "1" * MOST, tail), max_digits=ENDLESS)[1]
        for head in ("8", "081")
    )
    if line != "several_numbers" or other not in (None, "too_short"):
        return SLOWLY
    return LINE, len(ZERO_RUNS.findall(text)[0]), 0


def read_parted(
    codes: NDArray[np.int32],
    before: NDArray[np.int32],
    tail: NDArray[np.int32],
    pluses: NDArray[np.int32],
    digits: Any,
    max_digits: int,
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return numbers and reasons of cells with a rule for their parts, SLOW where it does not hold.

    `digits` is an Arrow array of the cells' digits, `before` how many belong to the first part,
    `tail` how many of the last are decimals of zeros.
    """
    number = np.zeros(len(codes), np.int64)
    reason = np.full(len(codes), SLOW, np.int8)
    count, value = _halves(digits, before)
    count -= tail
    value[:, 1] //= POWERS.take(tail)
    for code, read in _READERS.items():
        at = np.flatnonzero(codes == code)
        if len(at):
            number[at], reason[at] = read(
                _Parts(
                    value[at], before[at], count[at] - before[at], tail[at], pluses[at], max_digits
                )
            )
    return number, reason


class _Parts(NamedTuple):
    """The two parts of cells as integers, their lengths, and the pluses before them."""

    value: NDArray[np.int64]
    before: NDArray[np.int32]
    behind: NDArray[np.int64]
    tail: NDArray[np.int32]
    pluses: NDArray[np.int32]
    max_digits: int

    def first(self) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Return the numbers and reasons of the first parts."""
        return read_digits(self.value[:, 0], self.before, self.pluses % 2 > 0, self.max_digits)

    def whole(self) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Return the numbers and reasons of both parts as one."""
        value = self.value[:, 0] * POWERS.take(self.behind) + self.value[:, 1]
        count = self.before + self.behind
        number, reason = read_digits(value, count, self.pluses % 2 > 0, self.max_digits)
        lost = (self.tail > 0) & is_rounded(value, lengths(value))
        refused = self.pluses & _REFUSE > 0
        reason = np.where(refused, _BAD, np.where(lost, _PRECISION_LOST, reason)).astype(np.int8)
        return np.where(refused | lost, 0, number), reason

    def longer(self) -> _Parts:
        """Return the parts cut at the second end."""
        more = self.pluses // _SECOND_END
        behind = self.behind - more
        value, rest = np.divmod(self.value[:, 1], POWERS.take(behind))
        value += self.value[:, 0] * POWERS.take(more)
        both = np.stack([value, rest], axis=1)
        return self._replace(value=both, before=self.before + more, behind=behind)

    def at(self, places: NDArray[np.intp]) -> _Parts:
        """Return the parts of the cells at these places."""
        return _Parts(
            self.value[places],
            self.before[places],
            self.behind[places],
            self.tail[places],
            self.pluses[places],
            self.max_digits,
        )


def _read_two(parts: _Parts) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    first, no_first = parts.first()
    plus = parts.pluses >= _SECOND_PLUS
    second, no_second = read_digits(parts.value[:, 1], parts.behind, plus, parts.max_digits)
    bare = lengths(second) == parts.behind  # such digits go on from the first part
    slow = (no_first != READ) | (no_second != READ) | bare
    reason = np.where(slow, SLOW, np.where(first == second, READ, _SEVERAL)).astype(np.int8)
    return np.where(reason == READ, first, 0), reason


def _read_behind(parts: _Parts) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    number, why = parts.first()
    reason = np.where(why == READ, _SEVERAL, SLOW).astype(np.int8)
    number[:] = 0
    other = np.flatnonzero(
        (why != READ) & (why != SLOW) & (parts.pluses & (_READ_ALL | _REFUSE) > 0)
    )
    if len(other):
        number[other], reason[other] = _read_otherwise(parts.at(other))
    return number, reason


def _read_otherwise(parts: _Parts) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Read cells whose first digits are no whole number: up to the second end, then all."""
    number, reason = parts.whole()
    further = np.flatnonzero(parts.pluses >= _SECOND_END)
    if len(further):
        longer = parts.at(further).longer()
        _, why = longer.first()
        whole = (why == READ) | (why == SLOW)
        number[further[whole]] = 0
        reason[further[whole]] = np.where(why[whole] == READ, _SEVERAL, SLOW)
    return number, reason


def _read_dotted(parts: _Parts) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    number, reason = parts.whole()
    head = parts.value[:, 0]
    decimal = np.where((head == 62) | (head == 620), SLOW, _NOT_A_NUMBER)  # 0062 is a prefix, too
    reason = np.where(_is_area(head, parts.before), reason, decimal).astype(np.int8)
    return np.where(reason == READ, number, 0), reason


def _read_line(parts: _Parts) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    number, reason = parts.whole()
    line = parts.value[:, 0] // POWERS.take(parts.before - 1) == 8
    return np.where(line, 0, number), np.where(line, _SEVERAL, reason).astype(np.int8)


_READERS = {TWO: _read_two, BEHIND: _read_behind, DOTTED: _read_dotted, LINE: _read_line}


def _is_area(value: NDArray[np.int64], digits: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return True where a dot behind these digits begins no decimals: 0811, 62 811 or 62."""
    above = value // 1000
    area: NDArray[np.bool_] = (value % 1000 // 100 == 8) & (
        above == _BEFORE_AREA.take(digits, mode="clip")
    )
    return np.where(digits == 2, value == 62, area)


def _halves(digits: Any, before: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many digits each cell has, and the two integers that they are cut into."""
    import pyarrow as pa

    ends = np.frombuffer(digits.buffers()[1], np.int64)[digits.offset :][: len(digits) + 1]
    cuts = np.empty(2 * len(digits) + 1, np.int64)
    cuts[::2] = ends
    cuts[1::2] = ends[:-1] + before
    halves = pa.LargeStringArray.from_buffers(
        len(cuts) - 1, pa.py_buffer(cuts), digits.buffers()[2]
    )
    # An Arrow array's own memory takes no writes.
    return np.diff(ends), halves.cast(pa.int64()).to_numpy().copy().reshape(-1, 2)
