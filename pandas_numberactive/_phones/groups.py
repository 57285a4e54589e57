"""The groups of one number's digits, and its look-alikes: dates, decimals and masks."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

MIN_DIGITS = 9  # of a national number
_FEWEST_OF_SMALL_LINE = 6  # a small town's, its area behind it in brackets: 812345 (0721)
FEWEST_OF_LINE = 7  # digits of a landline, its area left out: Jakarta's have eight, too
FEWEST_BEFORE = 7  # digits: from here on a mark begins decimals

# One mark between two groups, or two blanks, or two dashes; more than that hides digits.
_GAP = r"(?: ?[)\]])?(?:  ?| ?[-.] ?|--)?(?:[(\[] ?)?"
_BODY = re.compile(rf"(?:[(\[] ?)?(?:\+ ?)?(?:[(\[] ?)?\d++(?:{_GAP}\d++)*+(?: ?[)\]])?", re.ASCII)
_OPENING = re.compile(r"[(\[]")
_NO_BRACKETS = re.compile(r"[^()\[\]]+")
_SIDE_BY_SIDE = re.compile(r"(?:\(\)|\[\])*")
_COMMA_DECIMAL = re.compile(r"(\d+),(\d+)", re.ASCII)
_BEFORE_ONE_DOT = re.compile(r"0?8\d\d|(?:00)?620?(?:8\d\d)?", re.ASCII)
_TAX_NUMBER = [2, 3, 3, 1, 3]  # digits of its groups, those of a branch left out
# An amount, its decimals behind as many digits as FEWEST_BEFORE.
_MONEY = r"(?:\d{1,3}(?:[.,]\d{3}){2,}(?:[.,]\d+)*|\d{7,}[.,]0+)"
_IN_BRACKETS = rf"\( *(?:{_MONEY}|\d(?:(?:  ?| ?- ?)?\d){{6,}}(?:\. ?| ?,)0+) *\)"
# Digits behind a mark that are as many as a number's, where none begins with 0 or 62.
_LONG_DECIMAL = r"\(?(?!0|62\d+,62)\d+[.,]\d{9,}\)?\Z"
# An amount below zero in an account, and decimals without their 0.
_NOT_WHOLE = re.compile(
    rf"-\d|{_LONG_DECIMAL}"
    rf"|[(\[+ ]*[.,]\d|{_IN_BRACKETS} *[-.,;]?\Z|- *{_MONEY} *[.,;]?\Z|{_MONEY}-\Z",
    re.ASCII,
)
_ADDRESS = re.compile(r"[(\[ ]*8\d(?:\.(?:0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])){3}[)\] ]*", re.ASCII)
_EXTENSION = re.compile(r"8\d{6,7}(?:[)\]] ?-? ?|  ?| ?- ?)\d{3,4}", re.ASCII)
_RANGE = re.compile(r"8\d{4,5}-8\d{4,5}", re.ASCII)
_SERIAL = re.compile(r"0?8[-./]\d\d[-./]\d{5,}", re.ASCII)
# An area of Australia, a number of Russia.
_FOREIGN = re.compile(r"[(\[] ?0?8 ?[)\]]|8 ?[(\[]", re.ASCII)
_TAIL = re.compile(r"(?<=\d)(?:\. ?| ?,)0+(?= *[)\]]? *[-.,;]? *\Z)", re.ASCII)
_SIGNIFICANT = 6  # digits that Excel shows and exports
_AMOUNT = re.compile(
    r"\d{1,3}(?: ?\. ?\d{3}){2,}|\d{1,3}(?:,\d{3}){2,}|\d(?:  ?\d{3}){3}", re.ASCII
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3}){2,}", re.ASCII)
_CUT = re.compile(
    r"(?P<head>[^\d+]*?)(?P<body>[(\[ ]*[\d+](?:.*\d)?(?: *[)\]])?)(?P<tail>.*)", re.S | re.ASCII
)
_DIGITS = re.compile(r"\d+", re.ASCII)

_D = r"(?:0?[1-9]|[12]\d|3[01])"
_M = r"(?:0?[1-9]|1[0-2])"
_Y = r"(?:19|20)\d\d"
_HOUR = r"(?:[01]?\d|2[0-3])"
_SIXTY = r"[0-5]\d"
_COMPACT = rf"(?:[01]\d|2[0-3]){_SIXTY}(?:\d\d)?"
_TIME = rf"{_HOUR}[:. -]?{_SIXTY}(?:[:. -]?\d\d)?"


def _day_and_month(day: str, month: str, mark: str) -> str:
    """Return the pattern of both in either order, with a mark of that name between them."""
    return rf"(?={day}[-./ ]{month}(?!\d)|{month}[-./ ]{day}(?!\d))\d\d?(?P<{mark}>[-./ ])\d\d?"


_LED_BY_YEAR = re.compile(rf"[(\[ ]*0?8\D+{_Y}(?!\d)", re.ASCII)
# Its year has two digits.
_SHORT_DATE = re.compile(rf"{_day_and_month(_D, _M, 'mark')}(?P=mark)\d\d(?!\d)", re.ASCII)
_CLOCK = re.compile(_COMPACT, re.ASCII)
_PAIRS = re.compile(r"(?:[-./ ]\d\d)+", re.ASCII)
_BARE = str.maketrans("", "", "()[] ")
_NO_HALVES = str.maketrans("", "", "()[]")
_BLANKED = str.maketrans("()[]", "    ")
_GLUED_BRACKETS = re.compile(r"[(\[](\d)[)\]](?=\d)", re.ASCII)  # [0]8
_GAPS = re.compile(r" +(?=[-./])|(?<=[-./]) +| (?= )|(?<=-)-")
_MAY_BE_DATE = re.compile(
    r"\d{1,4}[-./ ()\[\]]+\d\d?[-./ ()\[\]]+\d|\d{7,8}[ T,()\[\]-]+\d", re.ASCII
)
_DATE = re.compile(
    rf"(?:{_D}[-./ ]{_M}|{_M}[-./ ]{_D})[-./ ]{_Y}(?:{_COMPACT})?(?!\d)"
    rf"|{_Y}(?P<c>[-./ ]){_M}(?P=c){_D}(?!\d)"
    rf"|{_D}(?P<d>[-./ ]){_M}(?P=d)\d\d"
    rf"(?:[ T,]+{_TIME}|(?P=d){_HOUR}[:./ -]{_SIXTY}(?:\d\d)?)?\Z"
    rf"|{_D}(?P<e>[-./]){_M}(?P=e)\d\d(?P=e)\d\d\d\D"
    rf"|0?8(?:0[1-9]|[12]\d|3[01]){_Y}[ T,-]+{_TIME}\Z",
    re.ASCII,
)
_PAIRS_OF_ONE_MARK = re.compile(r"\d\d(?:([-./ ])\d\d(?:\1\d\d)*)?", re.ASCII)


def date_behind(day: str, month: str, year: str, time: str) -> re.Pattern[str]:
    """Return the pattern of a time, a day, a day of a month or a date, and a date behind it.

    A date whose year has four digits may stand behind any others, where another mark parts them.
    """
    first = (
        rf"(?:{time}|{day}(?:[-./ ]{day}(?:[-./ ](?:{year}|\d\d))?)?|{year}[-./]{month}[-./]{day})"
    )
    date = (
        rf"(?:{_day_and_month(day, month, 'a')}(?P=a)(?:{year}|\d\d)"
        rf"|{year}(?P<c>[-./]){month}(?P=c){day})"
    )
    other = (
        rf"[^+]*\d(?P<gap>[-./ T,]+)(?!\d\d?(?P=gap)){_day_and_month(day, month, 'b')}(?P=b){year}"
    )
    return re.compile(rf"(?:{first}[-./ T,]+{date}|{other})\Z", re.ASCII)


_DATE_BEHIND = date_behind(_D, _M, _Y, _TIME)


def is_date(text: str) -> bool:
    """Return True for a date in digits, with a time or without."""
    bare = date_in(text)
    if not bare:  # as in most cells
        return False
    if _DATE.match(bare) or _is_short_date(bare):
        return True
    return _DATE_BEHIND.match(bare) is not None and not has_pairs_of_one_mark(bare)


def date_in(text: str) -> str:
    """Return what may be a date: from the first digit to the last, without brackets and gaps."""
    if _MAY_BE_DATE.search(text) is None:
        return ""
    return _GAPS.sub("", with_glued_digits(cut(text)[1]).translate(_BLANKED)).strip(" ")


def with_glued_digits(body: str) -> str:
    """Return [0]8 as 08: a digit in brackets that touches the next one."""
    return _GLUED_BRACKETS.sub(r"\1", body)


def has_pairs_of_one_mark(text: str) -> bool:
    """Return True for pairs of digits with one mark between them all, as numbers are written."""
    return _PAIRS_OF_ONE_MARK.fullmatch(text) is not None


def _is_short_date(text: str) -> bool:
    """Return True for a date whose digits behind it make a time, whatever marks stand in there.

    Pairs of digits with one mark between them all are a number.
    """
    date = _SHORT_DATE.match(text)
    if date is None:
        return False
    rest = text[date.end() :]
    marks = set(_DIGITS.sub("", rest))
    if marks == {date["mark"]} and _PAIRS.fullmatch(rest):
        return False
    return _CLOCK.fullmatch("".join(_DIGITS.findall(rest))) is not None


def is_amount(text: str) -> bool:
    """Return True for an amount below zero, in brackets perhaps, and for .812 or ,812."""
    return _NOT_WHOLE.match(text) is not None


def without_tail(text: str) -> tuple[str, bool]:
    """Return the text without a decimal tail of zeros, and True if it had one.

    With the zeros it would be another person's number. A mark that groups digits comes more than
    once, so the tail's mark must be the only one of its kind.
    """
    tail = _TAIL.search(text) if "." in text or "," in text else None
    if tail is None or count_digits(text[: tail.start()]) < FEWEST_BEFORE:
        return text, False
    mark = tail[0].lstrip()[0]
    if text[: tail.end()].count(mark) > 1:
        return text, False
    return text[: tail.start()] + text[tail.end() :], True


def is_round_amount(text: str) -> bool:
    """Return True for thousands of which six significant digits or fewer are left: 8.500.000.000.

    Nobody groups a telephone number like this: a program did it, and may have rounded.
    """
    return (spare := spare_of_thousands(text)) > 0 and not digits_of(text)[-spare:].strip("0")


def spare_of_thousands(text: str) -> int:
    """Return how many digits stand behind the first six of an amount, 0 where it is none."""
    return count_digits(text) - _SIGNIFICANT if _AMOUNT.fullmatch(text) else 0


def without_brackets(body: str) -> str:
    """Return a number with its marks, as `cut` gives it, without brackets around it."""
    return body.strip("()[] ")


def without_any_brackets(body: str) -> str:
    """Return a number with its marks, with a blank for the brackets within and none around it."""
    return " ".join(body.translate(_BLANKED).split())


def without_thousands(text: str) -> str:
    """Return 8,118,899,532 without its commas, and any other text as it is."""
    return text.replace(",", "") if "," in text and _THOUSANDS.fullmatch(text) else text


def cut(part: str) -> tuple[str, str, str]:
    """Return the text before a number, the number with its marks, and the text behind it."""
    found = _CUT.match(part)
    if found is None:
        return part, "", ""
    return found["head"], found["body"].strip(" "), found["tail"]


def has_plus(body: str) -> bool:
    """Return True where a number with its marks, as `cut` gives it, begins with a plus."""
    return "+" in body[:3]


def is_comma_decimal(text: str) -> bool:
    """Return True for digits with one comma, where they are too few for two numbers."""
    found = _COMMA_DECIMAL.fullmatch(text) if "," in text else None
    return found is not None and min(map(len, found.groups())) < MIN_DIGITS


def has_single_marks(body: str) -> bool:
    """Return True where one mark at a time parts the digits: a run of marks hides some."""
    return _BODY.fullmatch(body) is not None


def has_pairs(body: str) -> bool:
    """Return True where every bracket and every double dash has its other half.

    Two dashes alone may hide two digits. A bracket without a half may stand at an end. No bracket
    stands in another.
    """
    if body.count("--") == 1:
        return False
    brackets = _brackets_of(body)
    if len(brackets) == 1:
        return brackets in (body[0], body[-1])
    return _SIDE_BY_SIDE.fullmatch(brackets) is not None


def _brackets_of(body: str) -> str:
    return _NO_BRACKETS.sub("", body)


def has_bracket_behind(body: str) -> bool:
    """Return True for a count, an extension or an area in brackets behind a number.

    A landline has fewer digits than a mobile number.
    """
    return any(
        count_digits(body[: found.start()]) >= _FEWEST_OF_SMALL_LINE
        for found in _OPENING.finditer(body)
    )


def is_cut_off(body: str, tail: str) -> bool:
    """Return True where digits are missing behind the last mark: 0812-3456-78-.

    Or behind a bracket without its other half, as in (0812-3456-78.
    """
    groups = _DIGITS.findall(body)
    if len(groups) == 1 or len(groups[-1]) > 2:
        return False
    mark = tail.lstrip(" ")[:1]
    halved = len(_brackets_of(body)) == 1
    return halved or (mark in ("-", ".") and mark in body)


def is_tax_number(body: str) -> bool:
    """Return True for a taxpayer's number: 08.120.003.4-567.000."""
    sizes = [len(group) for group in _DIGITS.findall(body)]
    return sizes[:5] == _TAX_NUMBER and "+" not in body


def is_document_number(body: str) -> bool:
    """Return True for a month and a year before a serial number: 08-2024-00123.

    A year behind a lone 08 is the group of no mobile number, nor are two digits before five: an
    account's.
    """
    led = _LED_BY_YEAR.match(with_glued_digits(body)) is not None
    return led or _SERIAL.fullmatch(bare_groups(body)) is not None


def bare_groups(body: str) -> str:
    """Return a number's groups without brackets and blanks."""
    return body.translate(_BARE)


def is_elsewhere(body: str) -> bool:
    """Return True for another country's way to write a number: (08) 8234 5678, 8 (916) 123-45-67.

    And for the address of a computer.
    """
    return _FOREIGN.match(body) is not None or _ADDRESS.fullmatch(body) is not None


def is_line(body: str) -> bool:
    """Return True for a landline without its area and with an extension, or for several lines."""
    return (
        _EXTENSION.fullmatch(without_brackets(body)) is not None
        or _RANGE.fullmatch(bare_groups(body)) is not None
    )


def has_next_line(body: str) -> bool:
    """Return True for a landline of a large city with an extension, or with its next lines.

    8312345-46 are two lines. A mobile number has no one or two digits behind its first seven.
    """
    first, *others = map(len, _DIGITS.findall(body))
    line = first in (FEWEST_OF_LINE, FEWEST_OF_LINE + 1) and "+" not in body
    return line and bool(others) and max(others) <= 2


def has_group_behind(body: str, is_whole: Callable[[str], bool]) -> bool:
    """Return True for an extension, a count or a second number behind a whole number.

    People write a number in one group, or in groups of three and more, or in pairs, and with the
    same marks: so nothing belongs to a group that is whole, a last pair does not belong to longer
    groups that are, and none behind another mark does. A lone dot stands behind an area.
    """
    groups = _DIGITS.findall(body)
    others = _are_behind_another_mark(body)
    for at, group in enumerate(groups[:-1], 1):
        if (others[at] or len(group) >= MIN_DIGITS) and is_whole("".join(groups[:at])):
            return True
    longer = len(groups)
    while longer and len(groups[longer - 1]) <= 2:
        longer -= 1
    return 0 < longer < len(groups) and is_whole("".join(groups[:longer]))


def _are_behind_another_mark(body: str) -> list[bool]:
    """Return for each group whether the mark before it is none of those between those before."""
    gaps = [gap.translate(_NO_HALVES) for gap in _DIGITS.split(body)]
    if body.count(".") == 1:
        return [False] * len(gaps)
    return [at > 1 and gap not in gaps[1:at] for at, gap in enumerate(gaps)]


def is_decimal(body: str) -> bool:
    """Return True where a dot begins decimals, or ends a group as no phone number is written."""
    dots = body.count(".")
    if not dots:
        return False
    if dots == 1:
        before = body.partition(".")[0]
        prefix = "".join(_DIGITS.findall(before))
        if is_bare_decimal(body) and not prefix.startswith("08"):
            return True
        return _BEFORE_ONE_DOT.fullmatch(prefix) is None
    if has_cents(body) and digits_of(body).startswith("8"):
        return True
    sizes = _between_dots(body)
    return min(sizes) < 2 and not (sizes[0] == 1 and set(sizes[1:]) == {3})


def has_cents(body: str) -> bool:
    """Return True where dots part thousands and two more digits, as no number with its 0 does."""
    first, *others, last = _between_dots(body)
    return "+" not in body and first < 3 and set(others) == {3} and last == 2


def _between_dots(body: str) -> list[int]:
    return [count_digits(group) for group in body.split(".")]


def is_bare_decimal(body: str) -> bool:
    """Return True where a dot parts all digits in two, without a plus."""
    return "+" not in body and len(_DIGITS.findall(body)) == 2


def count_digits(text: str) -> int:
    """Return the number of digits in a text."""
    return len(digits_of(text))


def digits_of(text: str) -> str:
    """Return the digits of a text."""
    return "".join(_DIGITS.findall(text))


def splits(body: str) -> list[tuple[str, str]]:
    """Return the text before and behind each gap, where a second number may begin.

    A bracket that opens there belongs to the second. A dash parts them, and belongs to neither.
    """
    out = []
    for before, behind in pairwise(_DIGITS.finditer(body)):
        gap = body[before.end() : behind.start()]
        at = before.end() + len(gap.rstrip("([ "))
        alone = gap.lstrip(")]").startswith(" ") and gap.rstrip("([").endswith(" ")
        marks = " -." if alone else " -"  # a dot that touches a number is its own
        out.append((body[:at].rstrip(marks), body[at:]))
    return out
