"""Read one cell as one Indonesian mobile number in national form, or a reason.

Every rule here refuses rather than guesses. A careless cleaner turns a damaged cell into another
person's number, asks the vendor about that person, and pays for it. National form: 8, then
[1-35-9], 9 to 12 digits in all (libphonenumber, region ID).
"""

from __future__ import annotations

import decimal
import math
import numbers
import re
from collections.abc import Callable
from functools import partial

from pandas_numberactive._phones import groups
from pandas_numberactive._phones.groups import MIN_DIGITS
from pandas_numberactive._phones.text import plain
from pandas_numberactive._phones.words import (
    is_aside,
    is_blank,
    is_field,
    is_label,
    is_note,
    names_account,
    names_owner,
    without_label_digit,
    without_links,
)

REASONS: tuple[str, ...] = (
    "missing",
    "not_a_number",
    "bad_characters",
    "several_numbers",
    "precision_lost",
    "not_indonesian",
    "not_mobile",
    "too_short",
    "too_long",
)

_EXPLAIN = {
    "missing": "The cell is blank or a filler; fill it in where the number is known.",
    "not_a_number": "The cell is a truth value, a date, a decimal, or a negative or broken number; "
    "look it up at its source.",
    "bad_characters": "The cell holds letters, signs or gaps that no phone number has; clean it "
    "by hand.",
    "several_numbers": "The cell holds more than one number; put each in a cell or column of "
    "its own.",
    "precision_lost": "Digits are lost in a rounded float, grouped thousands or E-notation; export "
    "the column again as text.",
    "not_indonesian": "The number has another country's prefix; only +62 can be looked up, so "
    "leave it out.",
    "not_mobile": "The number does not begin with 8 and then 1-3 or 5-9; ask the customer for a "
    "mobile number.",
    "too_short": "The number has fewer than 9 digits behind 0 or 62; look up the missing ones at "
    "its source.",
    "too_long": "The number has more digits than the setting max_digits allows; look it up at its "
    "source.",
}

Parsed = tuple[str | None, str | None]

MAX_CELL = 200  # characters; a longer cell is no phone number
_CLEAN = re.compile(r"\+?(?:62|\d{3,4})(?:[ -]\d{3,4}){1,3}|\+?\d+", re.ASCII)
_ALONE = re.compile(r"[(\[]?\+?[\d .()\[\]-]+", re.ASCII)  # a number without words
_MARKS = re.compile(r"\D+", re.ASCII)
_A_DIGIT = re.compile(r"\d", re.ASCII)
E_NOTATION = re.compile(r"\+?((?!0\d)\d+)(?:[.,](\d*))?[eE]([+-]?)0*(\d{1,3})", re.ASCII)
# The words or, atau, dan, and: first their first letter, which few texts have.
_JOINERS = r"[oadOAD](?<!\w\w)(?i:(?<=o)r|(?<=a)tau|(?<=d)an|(?<=a)nd)\b"
_SEPARATORS = re.compile(rf"[/;|&,\t\n\r\\]|{_JOINERS}", re.ASCII)
# A plus behind a digit begins another number.
_WITH_PLUS = re.compile(rf"[/;|&,\t\n\r\\]|{_JOINERS}|(?<=[\d)\]]) *-? *(?=\+)", re.ASCII)
# Marks that hide digits, or ",-" behind an amount. One dash may stand for a number: 0811 / -
_MARK_RUN = re.compile(r"[/;|&,\\]{3}")
_LED_BY_MARKS = re.compile(r"[.,:/;|&\\] *[-.,:/;|&\\]|- *[-.,:]")
_ENDED_BY_MARKS = re.compile(r"[-.,:/;|&\\] *[.,:/;|&\\] *\Z|[-.,:] *-\Z")
_DOUBLED_PLUS = re.compile(r"(?<!\d)(?<!\d[ -])(?:\(\+62\)|\+62[ -]?|62)?\+{1,2} ?(?=62)", re.ASCII)
_PIECES = re.compile(r"\+?\d[\d .()-]*\d", re.ASCII)
# Area 628 may be a mobile number with its 62 twice.
_LANDLINE = re.compile(r"(?:0|62|0062)(?!628)[2-79]\d{7,10}", re.ASCII)
_LONE_ZERO = re.compile(r"[(\[]?0(?!\d)", re.ASCII)
_WITHIN = re.compile(r"\d\D+0\d{8}", re.ASCII)  # a landline behind other digits
_CARRIERS = ("00162", "00762", "00862")  # call abroad through a carrier of one's choice
SEVERAL: Parsed = (None, "several_numbers")
TWO_NUMBERS = 16  # digits: a landline and a mobile number have no fewer


def parse_phone(cell: object, *, max_digits: int = 12) -> Parsed:
    """Return (national number, None) or (None, reason).

    It never raises, whatever the cell is.

    >>> parse_phone("+62 811-8899-532")
    ('8118899532', None)
    >>> parse_phone(628119000000.0)
    (None, 'precision_lost')
    """
    try:
        if isinstance(cell, str):
            return _parse_text(str.__str__(cell), max_digits)
        if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
            return None, "missing"
        if isinstance(cell, bool) or type(cell).__name__ in ("bool_", "bool"):
            return None, "not_a_number"
        return _parse_number(cell, max_digits)
    except Exception:  # a cell may be any object, with any methods and arithmetic
        return None, "not_a_number"


def _parse_number(cell: object, max_digits: int) -> Parsed:
    if isinstance(cell, decimal.Decimal):
        return _parse_decimal(cell, max_digits)
    number = type(cell).__name__ != "timedelta64"  # which numpy counts as an integer
    if number and isinstance(cell, numbers.Integral):
        return _parse_integer(int(cell), max_digits)
    if number and isinstance(cell, numbers.Real):
        narrow = type(cell).__name__ in ("float16", "float32")
        return _parse_float(float(cell), narrow, max_digits)
    unequal: object = cell != cell  # NaN and NaT of any library
    return None, "missing" if bool(unequal) else "not_a_number"


def _parse_decimal(value: decimal.Decimal, max_digits: int) -> Parsed:
    """Read a whole decimal. One with decimals of zeros may have been rounded, as a float may."""
    if value.is_nan():
        return None, "missing"
    if not value.is_finite() or value < 0:
        return None, "not_a_number"
    if value.adjusted() >= 20:
        return None, "too_long"
    if value != int(value):
        return None, "not_a_number"
    digits = str(int(value))
    exponent = int(value.as_tuple().exponent)  # a number, as the value is finite
    if exponent > 0 or (exponent < 0 and is_rounded(digits)):
        return None, "precision_lost"
    return _national(digits, max_digits)


def _parse_integer(value: int, max_digits: int) -> Parsed:
    if value < 0:
        return None, "not_a_number"
    return _national(str(value), max_digits) if value < 10**20 else (None, "too_long")


def _parse_float(value: float, narrow: bool, max_digits: int) -> Parsed:
    if math.isnan(value):
        return None, "missing"
    if value < 0 or value != math.floor(value):  # infinity: floor raises, and is caught
        return None, "not_a_number"
    digits = str(int(value))
    if value >= 2**53 or (narrow and value >= 2**24) or is_rounded(digits):
        return None, "precision_lost"
    return _national(digits, max_digits)


def is_rounded(digits: str) -> bool:
    """Return True where only six significant digits or fewer are left.

    Excel shows and exports that many, so they are no evidence of the rest.
    """
    digits = digits.lstrip("0")
    return len(digits) > 6 and len(digits.rstrip("0")) <= 6


def _parse_text(cell: str, max_digits: int) -> Parsed:
    if len(cell) > MAX_CELL and len(cell := cell.strip()) > MAX_CELL:
        return None, "bad_characters"
    text = plain(cell)
    if _CLEAN.fullmatch(text):  # as most cells are: the rules below change nothing
        digits = _MARKS.sub("", text)
        return (_international if text[0] == "+" else _national)(digits, max_digits)
    if is_blank(text):
        return None, "missing"
    if notation := E_NOTATION.fullmatch(text):
        return _parse_e_notation(notation, max_digits)
    text = without_links(text).strip()
    if groups.is_date(text) or groups.is_amount(text):
        return None, "not_a_number"
    return _parse_parts(text, max_digits)


def _parse_e_notation(found: re.Match[str], max_digits: int) -> Parsed:
    whole, _, sign, power = found.groups()
    fraction = found[2] or ""
    exponent = int(power)
    if sign == "-" and exponent:
        return None, "not_a_number"
    if len(fraction) < exponent:
        return None, "precision_lost"
    if fraction[exponent:].strip("0"):
        return None, "not_a_number"
    digits = (whole + fraction[:exponent]).lstrip("0")
    if is_rounded(digits):
        return None, "precision_lost"
    return (_international if found[0].startswith("+") else _national)(digits, max_digits)


def _parse_parts(text: str, max_digits: int) -> Parsed:
    """Read the one mobile number of a text."""
    if _ALONE.fullmatch(text):
        return _parse_part(*groups.without_tail(text), max_digits)
    unlabelled = without_label_digit(text)
    head, body, _ = groups.cut(unlabelled)
    if _has_mark_run(text) or _is_no_telephones(head, body):
        return None, _unreadable(text, max_digits)
    if unlabelled != text and groups.is_date(unlabelled):
        return None, "not_a_number"
    text, had_tail = groups.without_tail(unlabelled)
    if not had_tail and groups.is_round_amount(text):
        return None, "precision_lost"
    text = groups.without_thousands(text)
    if groups.is_comma_decimal(text):
        return None, "not_a_number"
    return _parse_separated(text, had_tail, max_digits)


def _is_no_telephones(head: str, body: str) -> bool:
    """Return True where the words before the first number, whatever parts them, say so."""
    if not head:  # as in most texts
        return False
    return is_field(head) or names_account(head) or _is_owners(head, body)


def _is_owners(head: str, body: str) -> bool:
    """Return True for digits without their 0 behind a customer, who may have such a number."""
    return bool(head) and groups.digits_of(body).startswith("8") and names_owner(head)


def _has_mark_run(text: str) -> bool:
    if _MARK_RUN.search(text) or _LED_BY_MARKS.match(text):
        return True
    return not text[-1:].isalnum() and _ENDED_BY_MARKS.search(text) is not None


def separated(text: str) -> list[str]:
    """Return the parts of a text that stand between separators."""
    return (_WITH_PLUS if "+" in text else _SEPARATORS).split(text)


def _parse_separated(text: str, had_tail: bool, max_digits: int) -> Parsed:
    """Read the one mobile number among parts that stand between separators."""
    if "+" in text:
        text = _DOUBLED_PLUS.sub("+", text, count=1)
    parts = separated(text)
    filled = list(filter(_A_DIGIT.search, parts))
    if len(filled) == len(parts) == 1:  # as most texts are
        return _parse_part(text, had_tail, max_digits)
    if len(filled) > 1 and min(map(groups.count_digits, filled)) < MIN_DIGITS:
        return None, "several_numbers"
    known = all(map(is_aside, set(parts).difference(filled)))
    if len(filled) > 1 and known:
        tails = [*[False] * (len(filled) - 1), had_tail]  # a tail stands at the end of the text
        parsed = map(partial(_parse_beside, max_digits=max_digits), filled, tails)
        return _one_of(list(parsed), filled)
    if len(filled) == 1 and known:
        return _parse_part(filled[0], had_tail, max_digits)
    return None, "several_numbers" if len(filled) > 1 else "bad_characters"


def _one_of(parsed: list[Parsed], parts: list[str]) -> Parsed:
    """Return the only mobile number: written more than once, or beside landlines."""
    nationals = {national for national, _ in parsed if national}
    if len(nationals) == 1 and all(map(_is_whole, parsed, parts)):
        return nationals.pop(), None
    return None, "several_numbers"


def _is_whole(parsed: Parsed, part: str) -> bool:
    """Return True for a mobile number or a landline."""
    national, reason = parsed
    return national is not None or (reason == "not_mobile" and _is_landline(part))


def _is_landline(part: str) -> bool:
    whole = _LANDLINE.fullmatch(_MARKS.sub("", part)) is not None
    return whole and _WITHIN.search(part) is None


def _parse_part(part: str, had_tail: bool, max_digits: int, may_split: bool = True) -> Parsed:
    """Read one number with its label and notes. A half of two is not split again."""
    head, body, tail = groups.cut(part)
    if not (is_label(head) and is_note(tail)) or _is_owners(head, body):
        return None, _unreadable(part, max_digits)
    digits = groups.digits_of(body)
    plus = groups.has_plus(body)
    read = partial(_international if plus else _national, max_digits=max_digits)
    if len(digits) + plus < len(body) and (
        marked := _parse_marks(body, tail, had_tail, read, max_digits, may_split)
    ):
        return marked
    bare = groups.without_any_brackets(body)
    if is_rounded(digits) if had_tail else groups.is_round_amount(bare):
        return None, "precision_lost"
    return read(digits)


def _parse_marks(
    body: str,
    tail: str,
    had_tail: bool,
    read: Callable[[str], Parsed],
    max_digits: int,
    may_split: bool,
) -> Parsed | None:
    """Return the verdict on marks among and behind the digits. None means one whole number."""
    if not groups.has_single_marks(body):
        grouped: Parsed | None = (None, _unreadable(body, max_digits))
    else:
        two = _parse_two(body, had_tail, max_digits) if may_split else None
        grouped = two or _parse_groups(body, read)
    if groups.is_cut_off(body, tail) and (grouped is None or grouped[0]):
        return None, "bad_characters"
    return grouped


def _parse_groups(body: str, read: Callable[[str], Parsed]) -> Parsed | None:
    """Return the verdict on marks among the digits. None means that they part one number."""
    if groups.is_decimal(body):
        return None, "not_a_number"
    if groups.is_tax_number(body) or groups.is_document_number(body) or groups.is_elsewhere(body):
        return None, "bad_characters"
    if groups.is_line(body) or groups.has_bracket_behind(body) or groups.has_next_line(body):
        return None, "several_numbers"
    if groups.has_group_behind(body, lambda digits: read(digits)[0] is not None):
        return None, "several_numbers"
    return None if groups.has_pairs(body) else (None, "bad_characters")


def _parse_two(body: str, had_tail: bool, max_digits: int) -> Parsed | None:
    """Read two whole numbers, one behind the other. None means that there are not two.

    Each is read as it would be alone. A decimal tail stood at the end. Where the second may begin
    in two places, or either may be two itself, nobody can say which is meant.
    """
    if groups.count_digits(body) < TWO_NUMBERS or not groups.has_pairs(body):
        return None
    found = set()
    for first, second in groups.splits(body):
        if _may_be_two(first, second):
            parsed = [
                _parse_beside(*groups.without_tail(first), max_digits, may_split=False),
                _parse_beside(second, had_tail, max_digits, may_split=False),
            ]
            whole = list(map(_is_whole, parsed, (first, second)))
            if all(whole) or (any(whole) and SEVERAL in parsed):
                found.add(_one_of(parsed, [first, second]))
    return SEVERAL if len(found) > 1 else next(iter(found), None)


def _may_be_two(first: str, second: str) -> bool:
    """Return False where the second begins without a prefix, or its digits may be the first one's.

    As decimals, or a lone 0 that touches it.
    """
    begins = groups.digits_of(second).startswith(("0", "62"))
    decimals = first.endswith(".") and not first.lstrip("([ ").startswith(("0", "+"))
    touches = _LONE_ZERO.match(second) is not None
    return begins and not (decimals or touches) and groups.count_digits(first) >= MIN_DIGITS


def _parse_beside(part: str, had_tail: bool, max_digits: int, may_split: bool = True) -> Parsed:
    """Read a number with another one beside it, which may be a date or an amount."""
    if groups.is_date(part) or groups.is_amount(part.strip(" ")):
        return None, "not_a_number"
    return _parse_part(part, had_tail, max_digits, may_split)


def _unreadable(text: str, max_digits: int) -> str:
    """Return the reason for a text that has more than digits and single marks."""
    if groups.count_digits(text) < 2 * MIN_DIGITS:
        return "bad_characters"
    found = [_MARKS.sub("", piece) for piece in _PIECES.findall(text)]
    whole = [digits for digits in found if _national(digits, max_digits)[0]]
    return "several_numbers" if len(whole) > 1 else "bad_characters"


def _national(digits: str, max_digits: int) -> Parsed:
    """Read digits as they stand: with 00, 62, 062 or 0 in front, or none."""
    if not digits.strip("0"):
        return None, "missing"
    if digits.startswith("00"):
        return _abroad(digits, max_digits)
    if digits.startswith("62"):
        return _international(digits, max_digits)
    if digits.startswith("062"):
        # 0628 is an area code, too: only a full mobile number behind it makes this +62.
        rest = digits[3:].removeprefix("0")
        return _mobile(rest, max_digits) if len(rest) >= 10 else (None, "not_mobile")
    return _mobile(digits.removeprefix("0"), max_digits)


def _abroad(digits: str, max_digits: int) -> Parsed:
    """Read digits behind 00, or behind a carrier's 001, 007 or 008."""
    rest = digits[5:].removeprefix("0")
    # 0086 is China, too: only a full mobile number behind it makes this +62.
    if digits.startswith(_CARRIERS) and rest.startswith("8") and len(rest) >= 10:
        return _mobile(rest, max_digits)
    return _international(digits[2:], max_digits)


def _international(digits: str, max_digits: int) -> Parsed:
    if not digits.startswith("62"):
        return None, "not_indonesian"
    national = digits[2:].removeprefix("0")
    if national.startswith("62") and len(national) >= 12:  # 62 twice; 0628 is an area code, too
        national = national[2:]
    return _mobile(national, max_digits)


def _mobile(national: str, max_digits: int) -> Parsed:
    if len(national) < 2:
        return None, "too_short" if national in ("", "8") else "not_mobile"
    if national[0] != "8" or national[1] not in "12356789":
        return None, "not_mobile"
    if len(national) < MIN_DIGITS:
        return None, "too_short"
    return (None, "too_long") if len(national) > max_digits else (national, None)


def explain(reason: str) -> str:
    """Return one sentence that says what a reason means and what to do."""
    return _EXPLAIN.get(reason, reason)


_OPERATORS = {
    "Telkomsel": ("811", "812", "813", "821", "822", "823", "851", "852", "853"),
    "Indosat": ("814", "815", "816", "855", "856", "857", "858"),
    "XL": ("817", "818", "819", "859", "877", "878"),
    "Axis": ("831", "832", "833", "838"),
    "Tri": ("895", "896", "897", "898", "899"),
    "Smartfren": ("881", "882", "883", "884", "885", "886", "887", "888", "889"),
}
_BY_PREFIX = {prefix: name for name, prefixes in _OPERATORS.items() for prefix in prefixes}


def operator_of(national: str) -> str | None:
    """Return the operator that a prefix was given to, as a label only: brands merge and move.

    >>> operator_of("8118899532")
    'Telkomsel'
    """
    return _BY_PREFIX.get(national[:3])
