"""Read text cells by their layout.

A layout is a cell with every digit written as 0. A column of phones has few different ones.
`parse_phone` judges each layout once, by probes. What it does with a cell depends on the layout, on
a decimal tail of zeros, and on the digits themselves. Those are read at once, as integers. A layout
that no probe settles is SLOW.
"""

from __future__ import annotations

import re
from functools import lru_cache
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
    FEWEST_BEFORE,
    bare_groups,
    count_digits,
    cut,
    date_behind,
    date_in,
    has_cents,
    has_pairs_of_one_mark,
    has_plus,
    has_single_marks,
    is_bare_decimal,
    is_cut_off,
    is_decimal,
    spare_of_thousands,
    with_glued_digits,
    without_any_brackets,
    without_tail,
    without_thousands,
)
from pandas_numberactive._phones.parse import REASONS, parse_phone
from pandas_numberactive._phones.parted import (
    ENDLESS,
    READ,
    SLOWLY,
    ZERO_RUNS,
    Rule,
    filled,
    filled_parts,
    may_be_line,
    may_end_before,
    read_parted,
    rule_of_behind,
    rule_of_dot,
    rule_of_line,
    rule_of_two,
    starts_of_a_second,
)
from pandas_numberactive._phones.text import plain
from pandas_numberactive._phones.words import (
    ADDRESS,
    CARD,
    FILLER,
    LINK,
    SPREADSHEET_ERROR,
    is_label,
    is_note,
    names_owner,
    without_label_digit,
)

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
_DATE = re.compile(r"0{1,4}[-./ ]0{1,2}[-./ ](?:00?|0{4}|0{8}|0{10})(?!0)", re.ASCII)
_GLUED_DATE = re.compile(r"(0{7,8})[ T,-]+00?[:. -]?00(?:[:. -]?00)?\Z", re.ASCII)
_BY_GROUPS = re.compile(
    r"[(\[ ]*(?:00?[^0+]+0{4}(?!0)"  # a document's number
    r"|00?[-./]00[-./]0{5}"  # an account's
    r"|00(?:\.0{1,3}){3}(?![.0])"  # an address
    r"|0{5,6} ?- ?0{5,6}(?!0))"  # two lines
    r"|[(\[] ?00? ?[)\]]|0 ?[(\[]",  # another country's number
    re.ASCII,
)
_LAYOUT_OF_TIME = "00?[:. -]?00(?:[:. -]?00)?"
_DATE_BEHIND = date_behind("00?", "00?", "0{4}", _LAYOUT_OF_TIME)
_LONG_DECIMAL = re.compile(r"\(?0+[.,]0{9,}\)?", re.ASCII)
_LABEL_DIGIT = r"[^\W\d_] ?[._#(-]?0(?!0)"
_DOUBLED_62 = r"(?<!0)00[) -]{0,2}\+"
_BY_DIGITS = re.compile(f"{_E_NOTATION}|{_LABEL_DIGIT}|{_DOUBLED_62}", re.I | re.ASCII)
_SECOND_PLUS = re.compile(r"0[^0]*\+|\+[^0]*\+")
_PRECISION_LOST = REASONS.index("precision_lost")
_LONGEST_PREFIX = 8  # digits: 00620 and three of the number
# Digits in front that have a rule of their own, and some that no number has.
_HEADS = ("8", "08", "628", "6208", "00628", "006208", "021", "9")


class Layouts:
    """The layouts met so far in one column."""

    def __init__(self, max_digits: int) -> None:
        self._max_digits = max_digits
        self._known: dict[str, int] = {}
        self._rules = np.empty((0, 9), np.int32)

    def read(self, cells: Any) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Numbers and reasons of an Arrow large_string array without nulls."""
        offsets = np.frombuffer(cells.buffers()[1], np.int64)[
            cells.offset : cells.offset + len(cells) + 1
        ]
        text = memoryview(cells.buffers()[2] or b"")[offsets[0] : offsets[-1]].tobytes()
        encoded = _texts(offsets - offsets[0], text.translate(_ZEROS)).dictionary_encode()
        judged = self._judged(encoded.dictionary.to_pylist())
        place = encoded.indices.to_numpy()
        count = judged[:, 0].take(place)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(count, dtype=np.int64)])
        digits = _texts(ends, text.translate(None, _NO_DIGITS))
        number, reason = self._verdicts(
            judged[:, 1].take(place), judged[:, 3:].reshape(-1, 3), 2 * place, count, digits
        )
        if judged[:, 2].any():
            reason[_dates(judged[:, 2].take(place), count, digits)] = SLOW
            number[reason == SLOW] = 0
        return number, reason

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
        wanted = (tail > 0) | (rules[:, 0] == READ).take(row)
        every = bool(wanted.all())
        at: Any = slice(None) if every else np.flatnonzero(wanted)
        value = (digits if every else digits.filter(pa.array(wanted))).cast(pa.int64()).to_numpy()
        tailed = np.flatnonzero(tail[at])
        power = POWERS.take(tail[at][tailed])
        whole = value[tailed] // power
        odd = tailed[whole * power != value[tailed]]
        row[odd if every else at[odd]] += 1
        reason = rules[:, 0].astype(np.int8).take(row)
        reads = reason[at] == READ
        kept = np.where(reads, rules[:, 1].take(row[at]), count[at])
        dropped = count[at][tailed] > kept[tailed]  # the tail, or nothing
        tailed = tailed[dropped]
        whole = whole[dropped]
        value = value.copy()  # an Arrow array's own memory takes no writes
        value[tailed] = whole
        read, why = read_digits(
            value, kept, rules[:, 2].astype(bool).take(row[at]), self._max_digits
        )
        lost = tailed[is_rounded(whole, lengths(whole))]
        read[lost] = 0
        why[lost] = _PRECISION_LOST
        number[at] = np.where(reads, read, 0)
        reason[at] = np.where(reads, why, reason[at])
        self._read_parted(rules, row, tail, digits, number, reason)
        return number, reason

    def _read_parted(
        self,
        rules: NDArray[np.int32],
        row: NDArray[Any],
        tail: NDArray[np.int32],
        digits: Any,
        number: NDArray[np.int64],
        reason: NDArray[np.int8],
    ) -> None:
        """Read the cells with two numbers, or with digits behind one, into the two arrays."""
        import pyarrow as pa

        at = np.flatnonzero(reason < READ)
        if len(at):
            code, before, pluses = rules[row[at]].T
            zeros = np.where(row[at] % 2, 0, tail[at])  # the second rule counts every digit
            number[at], reason[at] = read_parted(
                code, before, zeros, pluses, digits.take(pa.array(at)), self._max_digits
            )

    def _judged(self, layouts: list[str]) -> NDArray[np.int32]:
        """Return a row of `_judge` for each layout, which is judged when it is met first."""
        if len(self._known) + len(layouts) > _FORGET:
            self._known.clear()
            self._rules = self._rules[:0]
        new = [layout for layout in layouts if layout not in self._known]
        if new:
            judged = np.array([_judge(layout) for layout in new], np.int32)
            self._rules = np.concatenate([self._rules, judged])
            for row, layout in enumerate(new, len(self._known)):
                self._known[layout] = row
        return self._rules.take([self._known[layout] for layout in layouts], axis=0)


def _texts(ends: NDArray[np.int64], text: bytes) -> Any:
    import pyarrow as pa

    if ends[-1] != len(text):  # else digits of one cell would be read as another's
        raise AssertionError("The digits counted are not the digits there.")
    return pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))


def _dates(heads: NDArray[np.int32], count: NDArray[np.int32], digits: Any) -> NDArray[np.intp]:
    """Return the places of cells whose first digits, so many, are a date such as 8122024."""
    import pyarrow as pa

    at = np.flatnonzero(heads)
    value = digits.take(pa.array(at)).cast(pa.int64()).to_numpy()
    day = value // POWERS.take(count[at] - heads[at])
    month = day // 10_000 % 100
    century = day // 100 % 100
    dated: NDArray[np.bool_] = (day // 10**6 == 8) & (month <= 31)  # or a day behind August
    places: NDArray[np.intp] = at[dated & ((century == 19) | (century == 20))]
    return places


@lru_cache(maxsize=4096)  # a plan, its purchase and its bill read the same column
def _judge(layout: str) -> tuple[int, ...]:
    """Return the counts of digits, of those in a decimal tail and in a date, and two rules.

    The first rule is for a tail that is all zeros, the second for any other.
    """
    count = layout.count("0")
    text = plain(layout)
    if len(layout) > _LONGEST or _has_other_digits(layout) or _is_read_by_digits(text):
        return (count, 0, 0, *SLOWLY, *SLOWLY)
    date = _GLUED_DATE.match(date_in(text))
    dated = len(date[1]) if date else 0
    text = without_label_digit(text)  # W/A is one word
    two = len(starts_of_a_second(text)) > 0
    odd = is_cut_off(*cut(text)[1:]) if two else _SECOND_PLUS.search(text) is not None
    if odd or (dated and count > MOST):
        return (count, 0, 0, *SLOWLY, *SLOWLY)
    if two:
        rule = rule_of_two(layout, text)
        return (count, 0, dated, *rule, *rule)
    tail, decimal, whole = _rules(layout, text, count)
    return (count, tail, dated, *decimal, *whole)


def _rules(layout: str, text: str, count: int) -> tuple[int, Rule, Rule]:
    """Return the digits of a decimal tail, and the two rules, of a layout of one number."""
    bare = without_tail(text)[0]
    tail = len(ZERO_RUNS.findall(text)[-1]) if bare != text else 0
    led = not all(map(_is_refused_by_marks, {text, bare})) and _is_led_by_digits(text, bare)
    rule_of = _rule_of_first if led else _probe
    decimal = rule_of(layout, bare, tail)
    whole = rule_of(layout, text, 0) if tail else decimal
    if whole[0] == READ and (spare := _spare(text)):
        tail = spare
        decimal = _PRECISION_LOST, 0, 0
    if _is_unlike_zeros(text, decimal):
        return 0, SLOWLY, SLOWLY
    if whole == decimal:
        return 0, whole, whole
    return (0, SLOWLY, SLOWLY) if count > MOST else (tail, decimal, whole)


def _is_unlike_zeros(text: str, rule: Rule) -> bool:
    """Return True where zeros alone are missing, and all other digits are refused."""
    return rule[0] in _BY_LAYOUT and FILLER.fullmatch(text) is not None


def _spare(text: str) -> int:
    """Return how many zeros at the end of a layout show that thousands were rounded."""
    parts = filled_parts(text)
    return spare_of_thousands(without_any_brackets(cut(parts[0])[1]) if len(parts) == 1 else text)


def _rule_of_first(layout: str, bare: str, tail: int) -> Rule:
    """Return the rule for a layout whose first digits decide, its tail of zeros left out."""
    for rule_of in (rule_of_line, rule_of_behind, rule_of_dot):
        rule = rule_of(layout, bare, tail)
        if rule != SLOWLY:
            return rule
    return _agreed(layout, tail)


def _has_other_digits(layout: str) -> bool:
    """Return True for digits of another script, or of Excel's escapes."""
    if "_x0" in layout or "_X0" in layout:
        return True
    return not layout.isascii() and any(c.isdecimal() and c != "0" for c in layout)


def _is_read_by_digits(text: str) -> bool:
    """Return True where two cells of one layout may be judged by different rules."""
    if _BY_DIGITS.search(text) or SPREADSHEET_ERROR.fullmatch(text) or _LONG_DECIMAL.match(text):
        return True
    if _has_link(text) or names_owner(cut(text)[0]) or _may_be_date(date_in(text)):
        return True
    if any(map(_is_part_read_by_digits, filled_parts(text))):
        return True
    filler = FILLER.fullmatch(text)
    return filler is not None and count_digits(re.split("[.,]", text)[0]) < FEWEST_BEFORE


def _may_be_date(text: str) -> bool:
    """Return True where digits, as `date_in` gives them, may be a date."""
    if _DATE.match(text):
        return True
    return _DATE_BEHIND.match(text) is not None and not has_pairs_of_one_mark(text)


def _is_part_read_by_digits(part: str) -> bool:
    """Return True for what may be a document's number, a customer's or another country's."""
    head, body, _ = cut(part)
    grouped = any(map(_BY_GROUPS.match, (body, bare_groups(body), with_glued_digits(body))))
    return grouped or names_owner(head) or (body.count(".") > 1 and has_cents(body))


def _has_link(text: str) -> bool:
    """Return True for a contact card, a chat address or a chat link."""
    if CARD.match(text) or ("@" in text and ADDRESS.search(text)):
        return True
    if "/" not in text and "=" not in text:
        return False
    return LINK.search(text.replace("%0", "%2")) is not None


def _has_prefix_before_dot(body: str) -> bool:
    """Return True for one dot behind a possible prefix: 0811 is one, 8118 is not."""
    if body.count(".") != 1:
        return False
    before = count_digits(body.partition(".")[0])
    return before == 4 or (before <= _LONGEST_PREFIX and not is_bare_decimal(body))


def _is_led_by_digits(text: str, bare: str) -> bool:
    """Return True where the first digits decide: before a dot, or before the last groups."""
    body = cut(text)[1]
    digits = cut(bare)[1]
    if may_be_line(digits) or _has_prefix_before_dot(body):
        return True
    return may_end_before(digits, has_plus(body))


def _agreed(layout: str, tail: int) -> Rule:
    """Return the rule of the reason that parse_phone gives for every head, or SLOWLY."""
    reasons = set()
    for head in _HEADS:
        probe = filled(layout, head + "1" * len(layout), tail)
        reasons.add(parse_phone(probe, max_digits=ENDLESS)[1])
        if len(reasons) > 1:
            return SLOWLY
    reason = reasons.pop()
    return SLOWLY if reason is None else _by_layout(reason)


def _is_refused_by_marks(text: str) -> bool:
    """Return True for words, marks or parts that let no number be read, whatever its digits.

    Parts are too few digits for two numbers here. Commas between thousands part none.
    """
    parts = filled_parts(text)
    if len(parts) > 1:
        return without_thousands(text) == text
    head, body, tail = cut(parts[0]) if parts else ("", "", "")
    if not (is_label(head) and is_note(tail) and has_single_marks(body)):
        return True
    return body.count(".") > 1 and is_decimal(body)


def _probe(layout: str, bare: str, tail: int) -> Rule:
    """Return the rule for a layout by one probe, its tail of zeros left out."""
    marked = tail > 0 or "." in bare or "," in bare  # else every digit counts
    plus = has_plus(cut(bare)[1])
    count = layout.count("0")
    digits = (("628" if plus else "8") + "1" * count)[: count - tail] + "0" * tail
    national, why = parse_phone(filled(layout, digits), max_digits=ENDLESS)
    if national is not None:
        return _reading("62" * plus + national, digits, tail, int(plus))
    if why == "too_short" and not marked and 0 < count <= MOST:
        return -1, count, int(plus)
    return _by_layout(str(why))


def _reading(read: str, digits: str, zeros: int, plus: int) -> Rule:
    """Return the rule to read the digits, all of them or all but the tail."""
    if len(digits) > MOST or not digits.startswith(read):
        return SLOWLY
    kept = len(read)
    return (-1, kept, plus) if len(digits) - kept in (0, zeros) else SLOWLY


def _by_layout(reason: str) -> Rule:
    """Return the rule of a reason that all cells of a layout share."""
    code = REASONS.index(reason)
    return (code, 0, 0) if code in _BY_LAYOUT else SLOWLY
