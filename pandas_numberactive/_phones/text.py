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
        text = f"{listed['key']}: {listed['value']}" if listed["key"] else listed["value"]
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
    if "\u2100" <= character <= "\u214f":  # No, Tel and Fax in one character
        return unicodedata.normalize("NFKC", character)
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category in ("Zl", "Zp"):
        return "\n"
    # Direction marks and the like are pasted along from a contact card.
    invisible = category == "Cf" or "\ufe00" <= character <= "\ufe0f"
    return "" if invisible else character


def name_of_picture(character: str) -> str:
    """Return a neutral word for a pictograph that says nothing of a number, else the character.

    Others may stand for hidden digits, for another person, or for a number that is out of use.
    """
    if character in _TELEPHONES:
        return " hp "
    return " ok " if character in _PICTURES else character


FLAG = "\U0001f1ee\U0001f1e9"  # of Indonesia
_TELEPHONES = frozenset("\u260e\u260f\u2706\U0001f4de\U0001f4f1\U0001f4f2\U0001f57f\U0001f581")
_PICTURES = frozenset(
    "\u2709\U0001f4ac\U0001f4e9\U0001f4e8"  # messages
    "\u2611\u2705\u2713\u2714\U0001f44d\U0001f44c\U0001f64f\U0001f60a\U0001f642"  # in use
    "\U0001f3e0\U0001f3e1\U0001f3e2\U0001f4bc\U0001f4cd\u27a1\U0001f449"  # places, pointers
    "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"  # tones of skin
    "\u2764\U0001f49a\U0001f919\U0001f197\U0001f464\U0001f4e7\U0001f4cc\U0001f514"
    "\U0001f933\U0001f4f3\U0001f447"  # liked, pointed at
)
