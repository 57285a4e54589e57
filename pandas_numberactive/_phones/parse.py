"""One cell becomes one Indonesian mobile number in national form, or a reason why it does not.

Every rule here refuses rather than guesses: a careless cleaner turns a damaged cell into some
stranger's number, asks the vendor about that person, and pays for it. National form: 8, then
[1-35-9], 9 to 12 digits in all (libphonenumber, region ID).
"""

from __future__ import annotations

import decimal
import math
import numbers
import re
import unicodedata

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
    "missing": "The cell is blank; fill it in where the number is known.",
    "not_a_number": "The cell is a truth value, a date, a negative or broken number; look it up at "
    "its source.",
    "bad_characters": "The cell holds letters or signs that no phone number has; clean it by hand.",
    "several_numbers": "The cell holds more than one number; put each in a cell or column of "
    "its own.",
    "precision_lost": "Digits are lost in a rounded float or E-notation; export the column again "
    "as text.",
    "not_indonesian": "The number has another country's prefix; only +62 can be looked up, so "
    "leave it out.",
    "not_mobile": "The number does not begin with 8 and then 1-3 or 5-9; ask the customer for a "
    "mobile number.",
    "too_short": "The number has fewer than 9 digits behind 0 or 62; look up the missing ones at "
    "its source.",
    "too_long": "The number has more digits than the setting max_digits; correct it or raise that "
    "setting.",
}

Parsed = tuple[str | None, str | None]

MIN_DIGITS = 9
MAX_CELL = 200  # characters; a longer cell is no phone number
_BLANK = frozenset(
    {"", "nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nat", "nil", "tidak ada"}
)
_LABEL = re.compile(
    r"(?:(?:nomor|no|hp|handphone|telepon|telpon|telp|tel|phone|mobile|ponsel|cell|whatsapp|wa)"
    r"\b[\s./]*)+[:=]?\s*",
    re.I,
)
_E_NOTATION = re.compile(r"\+?(\d+)(?:[.,](\d*))?[eE]([+-]?)0*(\d{1,3})", re.ASCII)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3}){2,}", re.ASCII)
_TAIL = re.compile(r" *(\. *|,)(\d+)\Z", re.ASCII)
_LONE_DIGIT = re.compile(r"\.\D*\d(?!\d)", re.ASCII)
_SEVERAL = re.compile(r"[/;|&,\t\n\r\\]|\b(?:or|atau|dan|and)\b", re.I)
# A count or an extension behind a number: "... (2)", "... - 33", "... 0". Glued on, it is a
# stranger's number.
_BEHIND = re.compile(r"[(\[]|(?<=\d{3})[ -]+\d\Z| -+ *\d\d\Z|-+ +\d\d\Z", re.ASCII)
# Two digits behind nine or more in one group: no way to part a number, if what stands before is one
# already.
PAIR_BEHIND = re.compile(r"(?<=\d{9})[ \-)\]]+\d\d(?!\d)", re.ASCII)
_FEWEST_BEFORE = 7  # digits: from here on a mark begins decimals
_CLUTTER = " /;|&,\t\n\r"
_IGNORED = str.maketrans("", "", " -.()[]")
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"


def parse_phone(cell: object, *, max_digits: int = 12) -> Parsed:
    """Return (national number, None) or (None, reason); never raises, whatever the cell is.

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
        if not cell.is_finite():
            return None, "missing" if cell.is_nan() else "not_a_number"
        return _parse_text(str(cell), max_digits) if cell >= 0 else (None, "not_a_number")
    if isinstance(cell, numbers.Integral):
        return _parse_integer(int(cell), max_digits)
    if isinstance(cell, numbers.Real):
        narrow = type(cell).__name__ in ("float16", "float32")
        return _parse_float(float(cell), narrow, max_digits)
    unequal: object = cell != cell  # NaN and NaT of any library
    return None, "missing" if bool(unequal) else "not_a_number"


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
    if value >= 2**53 or (narrow and value >= 2**24) or _is_rounded(digits):
        return None, "precision_lost"
    return _national(digits, max_digits)


def _is_rounded(digits: str) -> bool:
    """Excel shows and exports six significant digits: no more than that is no evidence of
    the rest.
    """
    return len(digits) > 6 and len(digits.rstrip("0")) <= 6


def _parse_text(cell: str, max_digits: int) -> Parsed:
    if len(cell) > MAX_CELL and len(cell := cell.strip()) > MAX_CELL:
        return None, "bad_characters"
    text = _plain(cell)
    lower = text.lower()
    if lower in _BLANK or not text.strip(" -.?_'\""):
        return None, "missing"
    if text[:1] == "-" and text[1:2].isdigit():
        return None, "not_a_number"
    label = _LABEL.match(text) if text[0].isalpha() else None
    if label and label.end() < len(text):
        text = text[label.end() :]
    notation = _E_NOTATION.fullmatch(text) if "e" in lower else None
    if notation:
        return _parse_e_notation(notation, max_digits)
    return _parse_digits(text, max_digits)


def _plain(cell: str) -> str:
    """Digits of any script as ASCII, every dash as "-", blanks (not tabs) as " ", no invisible
    marks or quotes.
    """
    if cell.isascii():
        return cell.strip(" \t\n\r\v\f'\"`")
    return "".join(map(_plain_character, cell)).strip(" \t\n\r\v\f'\"`\u2018\u2019\u201c\u201d")


def _plain_character(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in _DASHES:
        return "-"
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category == "Cf":  # direction marks and the like, pasted along from a contact card
        return ""
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return character


def _parse_e_notation(found: re.Match[str], max_digits: int) -> Parsed:
    whole, fraction, sign, exponent = found[1], found[2] or "", found[3], int(found[4])
    if sign == "-" and exponent:
        return None, "not_a_number"
    if len(fraction) < exponent:
        return None, "precision_lost"
    if fraction[exponent:].strip("0"):
        return None, "not_a_number"
    digits = (whole + fraction[:exponent]).lstrip("0")
    if _is_rounded(digits):
        return None, "precision_lost"
    return (_international if found[0].startswith("+") else _national)(digits, max_digits)


def _parse_digits(text: str, max_digits: int) -> Parsed:
    if "." in text or "," in text:
        whole = _without_decimals(text.rstrip(_CLUTTER + "-.()[]"))
        if whole is None:
            return None, "not_a_number"
        text = whole.replace(",", "") if _THOUSANDS.fullmatch(whole) else whole
    if (
        _SEVERAL.search(text)
        and sum(any(map(str.isdigit, part)) for part in _SEVERAL.split(text)) > 1
    ):
        return None, "several_numbers"
    text = text.strip(_CLUTTER)
    digits = text.translate(_IGNORED)
    plus = digits.startswith("+")
    digits = digits[1:] if plus else digits
    if "+" in digits and text.count("+") > 1:
        return None, "several_numbers"
    if not (digits.isascii() and digits.isdigit()):
        return None, "bad_characters"
    read = _international if plus else _national
    if len(digits) + plus < len(text):
        pair = PAIR_BEHIND.search(text)
        if _number_behind(text) or (
            pair and read(digits[: _digits_in(text[: pair.start()])], max_digits)[0]
        ):
            return None, "several_numbers"
    return read(digits, max_digits)


def _number_behind(text: str) -> bool:
    """Whether something of its own stands behind what may be a whole number."""
    return _BEHIND.search(text) is not None and any(
        _digits_in(text[: found.start()]) >= MIN_DIGITS for found in _BEHIND.finditer(text)
    )


def _without_decimals(text: str) -> str | None:
    """Drop a decimal tail of zeros, which glued on would make a stranger's number; None where
    decimals remain.
    """
    tail = _TAIL.search(text)
    before = _digits_in(text[: tail.start()]) if tail else 0
    if tail and before >= _FEWEST_BEFORE:
        alone = text.count(tail[1][0]) == 1  # a mark that groups digits comes more than once
        if alone and not tail[2].strip("0"):
            return text[: tail.start()]
        if len(tail[2]) < 3 or (alone and before >= MIN_DIGITS):
            return None
    lone = any(
        _digits_in(text[: found.start()]) >= _FEWEST_BEFORE for found in _LONE_DIGIT.finditer(text)
    )
    return None if lone else text


def _digits_in(text: str) -> int:
    return sum(map(str.isdigit, text))


def _national(digits: str, max_digits: int) -> Parsed:
    """Digits as they stand: with 00, 62, 062 or 0 in front, or none."""
    if digits.startswith("00"):
        return _international(digits[2:], max_digits)
    if digits.startswith("62"):
        return _international(digits, max_digits)
    if digits.startswith("062"):
        # 0628 is an area code, too: only a full mobile number behind it makes this +62.
        rest = digits[3:].removeprefix("0")
        return _mobile(rest, max_digits) if len(rest) >= 10 else (None, "not_mobile")
    return _mobile(digits.removeprefix("0"), max_digits)


def _international(digits: str, max_digits: int) -> Parsed:
    if not digits.startswith("62"):
        return None, "not_indonesian"
    return _mobile(digits[2:].removeprefix("0"), max_digits)


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
