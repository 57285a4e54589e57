"""Masks for numbers in cells, in labels and in texts of somebody else."""

from __future__ import annotations

import re

from pandas_numberactive._phones.groups import MIN_DIGITS


def mask(national: str | int) -> str:
    """Hide the middle of a number: at most seven digits are shown.

    >>> mask("8118899532")
    '8118****532'
    """
    text = str(national)
    return f"{text[:4]}****{text[-3:]}" if len(text) >= 9 else "****"


def mask_within(text: str, national: str | int) -> str:
    """Hide the middle of a number wherever it stands in a text, as in an id that is made of it.

    >>> mask_within("20261128-628118899532-7", 8118899532)
    '20261128-628118****532-7'
    """
    return text.replace(str(national), mask(national))


def mask_cell(cell: object) -> str:
    """Render a raw cell for a list of problems, in 40 characters at most.

    Of its digits only the first four show.

    >>> mask_cell("0811-8899-532 / 33")
    '0811-****-*** / **'
    """
    try:
        text = str.__str__(cell if isinstance(cell, str) else str(cell))
    except Exception:  # a cell may be any object; an int may be too long for str
        text = f"<{type(cell).__name__}>"
    seen = 0
    out = []
    for character in text[:40]:
        seen += character.isnumeric()
        hidden = "*" if character.isnumeric() and seen > 4 else character
        out.append(hidden if character.isprintable() else " ")
    return "".join(out) if len(text) <= 40 else "".join(out[:37]) + "..."


def mask_example(cell: object) -> str:
    """Render a raw cell so that its owner can find it: of its digits only the last three show.

    >>> mask_example("0811-8899-53 / 33")
    '****-****-*3 / 33'
    """
    text = str(cell)[:60]
    digits = [at for at, character in enumerate(text) if character.isnumeric()]
    shown = set(digits[-3:]) if len(digits) > 6 else set()
    out = []
    for at, character in enumerate(text):
        hidden = "*" if at in digits and at not in shown else character
        out.append(hidden if character.isprintable() else " ")
    return "".join(out)[-40:]


# What a text is told by, and may keep: dates, with a time or without, and the addresses of
# machines.
_YEAR = r"(?:19|20)\d\d"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"


_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


_DATE = (
    rf"{_YEAR}(?P<a>[-/.]?){_MONTH}(?P=a){_DAY}(?:[ "
    rf"T]\d\d:\d\d)?|{_DAY}(?P<b>[-/.]){_MONTH}(?P=b){_YEAR}"
)


_HOST = rf"{_BYTE}(?:\.{_BYTE}){{3}}(?!\.)"


_GROUPED = (
    "[ \u00a0\u00b7+\\-.()/_\u2010-\u2015\u2212]{0,3}"  # as people part the digits of a phone
)


_PHONE_LIKE = re.compile(
    rf"(?<!\d)(?P<kept>(?:{_DATE}|{_HOST})(?!\d))|\d(?:(?:{_GROUPED}|,)\d){{6,}}"
)


def hide_numbers(text: str) -> str:
    """Replace everything in a foreign text that may be a phone by ***.

    Dates, short codes and IP addresses stay.

    >>> hide_numbers("2026-11-25: code 11008, no data for +62 811-8899-532")
    '2026-11-25: code 11008, no data for +***'
    """
    return _PHONE_LIKE.sub(lambda found: found["kept"] or "***", text)


_MOBILE_LIKE = re.compile(rf"8(?:{_GROUPED}\d){{8}}")  # nine digits, the fewest that a mobile has


def hide_numbers_in_id(text: str) -> str:
    """Replace everything in an id that may be a mobile number by ***, and keep any other id.

    A hexadecimal id has long runs of digits by chance, and an invoice is compared by it.

    >>> hide_numbers_in_id("20261128-628118899532-7"), hide_numbers_in_id("3c-1234567-9f")
    ('20261128-***', '3c-1234567-9f')
    """
    return hide_numbers(text) if _MOBILE_LIKE.search(text) else text


def mask_label(label: object, *, quoted: bool = True) -> str:
    """Render the label of a row or a column, masked where it may be a phone.

    A table without a header has phones as labels.

    >>> print(mask_label("08118899532"), mask_label("balance_2026-11-25"), mask_label(1234567))
    '0811*******' 'balance_2026-11-25' 1234567
    """
    plain = label.item() if type(label).__module__ == "numpy" and hasattr(label, "item") else label
    try:
        text = str(plain)
        if isinstance(plain, int):  # a position has as many digits as the table needs
            return mask_cell(text) if len(text) >= MIN_DIGITS else text
        shown = text if hide_numbers(text) == text else mask_cell(text)
        return repr(shown) if quoted and isinstance(plain, str) else shown
    except Exception:  # a label may be any object
        return f"<{type(label).__name__}>"


def safe_label(label: object) -> object:
    """Return the label of a row or a column itself, or its masked text where it may be a phone.

    >>> safe_label("08118899532"), safe_label("phone"), safe_label(7)
    ('0811*******', 'phone', 7)
    """
    shown = mask_label(label, quoted=False)
    return label if shown == str(label) else shown
