"""The plain text of a cell: ASCII digits, one kind of dash and blank, no traces of an export."""

from __future__ import annotations

import re
import unicodedata

_EDGES = " \t\n\r\v\f\0'\"`"  # quotes and blanks around a cell
_CURLED = "\u00b4\u2018\u2019\u201a\u201c\u201d\u201e"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_DOTS = "\u00b7\u2027\u2219\u22c5\u30fb"
_FORMULA = re.compile(r"=\s*(?:T\((?P<quoted>.*)\)|(?P<plain>.*))", re.I | re.S)
_LISTED = re.compile(  # the only text of a list, a tuple or a mapping
    r"[\[({]\s*(?:(?P<a>['\"])(?P<key>\w+)(?P=a)\s*:\s*)?"
    r"(?P<b>['\"])(?P<value>[^'\"]*)(?P=b)\s*,?\s*[\])}]"
)
_ESCAPED = re.compile(r"_x00(?:0[9ad]|20)_", re.I)  # Excel's way to write a control character
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_MISREAD = {  # UTF-8 that was read as Windows-1252
    "\u00c2\u00a0": " ",
    "\u00c2 ": " ",
    "\u00e2\u20ac\u2018": "-",
    "\u00e2\u20ac\u201c": "-",
    "\u00e2\u20ac\u201d": "-",
    "\u00e2\u20ac\u2122": "'",
    "\u00e2\u20ac\u02dc": "'",
    "\u00e2\u20ac\u0153": '"',
    "\u00ef\u00bb\u00bf": "",
}


def plain(cell: str) -> str:
    """Return the cell with digits of any script as ASCII, without quotes and invisible marks."""
    if "_x00" in cell:  # Excel writes it in ASCII, so before any other character is read as such
        cell = _ESCAPED.sub("\n", cell)
    text = cell if cell.isascii() else _ascii_digits(cell)
    text = text.strip(_EDGES)
    if text[:1] == "=" and (formula := _FORMULA.fullmatch(text)):
        text = (formula["quoted"] or formula["plain"] or "").strip(_EDGES)
    if text[:1] in ("[", "(", "{") and (listed := _LISTED.fullmatch(text)):
        text = f"{listed['key'] or ''}: {listed['value']}".lstrip(": ")
    return text


def _ascii_digits(cell: str) -> str:
    if "\u00c2" in cell or "\u00e2" in cell or "\u00ef" in cell:
        for misread, meant in _MISREAD.items():
            cell = cell.replace(misread, meant)
    return _NOT_ASCII.sub(_plain_character, cell).strip(_EDGES + _CURLED)


def _plain_character(found: re.Match[str]) -> str:
    character = found[0]
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in _DASHES:
        return "-"
    if character in _DOTS:
        return "."
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return _by_category(character)


def _by_category(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category in ("Zl", "Zp"):
        return "\n"
    # Direction marks and the like are pasted along from a contact card.
    invisible = category == "Cf" or "\ufe00" <= character <= "\ufe0f"
    return "" if invisible else character


def is_picture(character: str) -> bool:
    """Return True for a pictograph such as a telephone.

    Squares, discs and stars may stand for hidden digits, a flag for another country.
    """
    if character in _MASKING or any(first <= character <= last for first, last in _MASKING_RANGES):
        return False
    skin = "\U0001f3fb" <= character <= "\U0001f3ff"
    return character >= "\u2100" and (skin or unicodedata.category(character) == "So")


FLAG = "\U0001f1ee\U0001f1e9"  # of Indonesia
_MASKING_RANGES = (
    ("\u2500", "\u25ff"),  # boxes, blocks, squares
    ("\u2610", "\u2613"),  # ballot boxes
    ("\u2720", "\u274b"),  # stars
    ("\u2800", "\u28ff"),  # braille
    ("\u3200", "\u33ff"),  # numbers and words in one character
    ("\ufffc", "\ufffd"),  # lost characters
    ("\U0001f100", "\U0001f1ff"),  # digits and letters, those of flags among them
    ("\U0001f51f", "\U0001f524"),  # a ten on a key, and more digits and letters
)
_MASKING = (
    "\u2605\u2606\u26aa\u26ab\u2716\u2717\u2718\u274c\u274e\u2753\u2754\u2b1b\u2b1c\u2b1d\u2b1e"
    "\u2b24\u2b50\u2b55\U0001f6ab\U0001f534\U0001f535\U0001f518\U0001f532\U0001f533"
    "\U0001f7e0\U0001f7e1\U0001f7e2\U0001f7e3\U0001f7e4\U0001f7e5\U0001f7e6\U0001f7e7\U0001f7e8"
    "\U0001f7e9\U0001f7ea\U0001f7eb\U0001f512\U0001f648"
    # no telephone, or none in use
    "\u2620\u26d4\U0001f44e\U0001f480\U0001f4e0\U0001f4f4\U0001f4f5\U0001f515\U0001f6d1"
)
