"""A strict reading of a phone cell: the number that a careful person reads, or None in any doubt.

Written apart from the package, in another way (tokens and lists, no pattern over the cell), so that
the two err independently: a number that the package reads and this reading refuses is a defect.
"""

from __future__ import annotations

import decimal
import unicodedata
from dataclasses import dataclass
from typing import Any

WORDS = set(
    """no nomor nomer nr num number hp handphone hape hand phone ph tel telp telpon telepon
    telephone
    tlp tlpn mobile mob ponsel cell cellular seluler selular wa whatsapp app whats sms smsto call
    callto chat telegram kontak contact cp person hub hubungi aktif active utama pribadi baru
    kantor rumah home work saya nasabah telkomsel indosat xl axis smartfren simpati halo
    only saja aja via bisa whatsap watsap wasap watsapp tele telefon telpn tlpn tlf cel
    celular selular cellphone contacts phones telfon ok ya yang yg dihubungi dapat hanya khusus
    bisnis business indonesia pelanggan debitur customer kartu as type value uri voice pref msg m t p h w a ybs sendiri
    konsumen pemohon""".split()
)
NUMBERS = ("no", "nomor", "nomer", "nr", "number", "num", "nmr")
ACCOUNTS = ("nasabah", "pelanggan", "debitur", "konsumen", "pemohon", "customer", "kartu")
FIELDS = ("type", "value", "uri", "voice", "pref", "msg")
KINDS = "tel type cell home work voice pref main other iphone waid value uri text msg sms".split()
KINDS += "mobile fax charset utf phone video".split()
OTHERS = (*NUMBERS, *ACCOUNTS, *FIELDS)  # and more words that name no telephone
OTHERS += tuple("app person via only saja aja bisa aktif active utama primary main baru".split())
OTHERS += tuple("pribadi personal kantor office rumah home work saya sendiri ybs sekarang".split())
OTHERS += tuple("ok ya yang yg dapat hanya khusus bisnis business indonesia".split())
TELEPHONES = "\u260e\u260f\u2706\U0001f4de\U0001f4f1\U0001f4f2\U0001f57f\U0001f581"
PICTURES = TELEPHONES + "\u2709\u2611\u2705\u2713\u2714\u27a1"
PICTURES += "\U0001f4ac\U0001f4e9\U0001f4e8\U0001f44d\U0001f44c\U0001f64f\U0001f60a"
PICTURES += "\U0001f642\U0001f3e0\U0001f3e1\U0001f3e2\U0001f4bc\U0001f4cd\U0001f449"
PICTURES += "\u2764\U0001f49a\U0001f919\U0001f197\U0001f464\U0001f4e7\U0001f4cc\U0001f514\U0001f933"
PICTURES += "\U0001f4f3\U0001f447"
PICTURES += "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
JOINERS = ("or", "and", "dan", "atau")
SEPARATORS = "/;|&,\t\n\r\\"
HIDES = ".,:/;|&\\-"  # two of them at an end hide digits
GAPS = ("", " ", "  ", "-", " -", "- ", " - ", ".", " .", ". ", " . ", "--")
SITES = ("wa.me/", "t.me/", "whatsapp.com/send", "whatsapp://send")
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
QUOTES = "\0 \t\r\n\v\f'\"`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e"


@dataclass(frozen=True)
class Phrase:
    """Digits in groups, with the marks before each group but the first."""

    plus: bool
    groups: list[str]
    gaps: list[str]
    opened: list[bool]  # a bracket stands before the group
    inside: list[bool]  # the bracket that holds the group holds the one before it, too

    @property
    def digits(self) -> str:
        """Return all digits in one."""
        return "".join(self.groups)

    @property
    def text(self) -> str:
        """Return the groups with their marks."""
        pairs = zip(self.gaps, self.groups, strict=True)
        return "".join(f"{gap or ' '}{one}" for gap, one in pairs).lstrip(" ")

    def cut(self, start: int, end: int | None) -> Phrase:
        """Return some of the groups. Behind the first, no gap and no plus stand before them."""
        part = slice(start, end)
        gaps = ["", *self.gaps[part][1:]]
        return Phrase(
            self.plus and not start, self.groups[part], gaps, self.opened[part], self.inside[part]
        )


def strict(cell: object) -> str | None:
    """Return the national number that a careful person reads in the cell, or None."""
    if isinstance(cell, str):
        return _text(cell)
    if isinstance(cell, bool) or type(cell).__name__ == "bool":
        return None
    try:
        plain: Any = cell.item() if hasattr(cell, "item") else cell
        exact = decimal.Decimal(plain)
    except (TypeError, ValueError, decimal.InvalidOperation):
        return None
    if not exact.is_finite() or exact <= 0 or exact >= 10**16 or exact != int(exact):
        return None
    digits = str(int(exact))
    integer = not isinstance(cell, (float, decimal.Decimal)) and not hasattr(cell, "is_integer")
    integer = integer or hasattr(cell, "bit_count") or type(cell).__name__.startswith("int")
    integer = integer or (isinstance(cell, decimal.Decimal) and cell.as_tuple().exponent == 0)
    if not integer and len(digits.rstrip("0")) <= 6:
        return None
    if type(cell).__name__ in ("float16", "float32"):
        return None
    return national(digits, plus=False)


def national(digits: str, plus: bool) -> str | None:
    """Return the number behind its prefix, or None where it is no Indonesian mobile number."""
    rests = []
    if digits.startswith("62"):
        rests = [(digits[2:], 9), (digits[3:], 9) if digits[2:3] == "0" else ("", 9)]
        rests += [(digits[4:], 10)] if digits[2:4] == "62" else []
        rests += [(digits[5:], 10)] if digits[2:5] == "062" else []
    if not plus:
        rests += [(digits, 9)]
        rests += [(digits[1:], 9)] if digits[:1] == "0" else []
        rests += [(digits[3:], 10)] if digits[:3] == "062" else []
        rests += [(digits[4:], 10)] if digits[:4] == "0620" else []
        if digits[:4] == "0062":
            return national(digits[2:], plus=True)
        if digits[:5] in ("00162", "00762", "00862"):
            rests += [(digits[5:].removeprefix("0"), 10)]
    for rest, fewest in rests:
        if rest[:1] == "8" and rest[1:2] in tuple("12356789") and fewest <= len(rest) <= 12:
            return rest
    return None


def _text(cell: str) -> str | None:
    text = _characters(cell)
    if text.lower().startswith(("begin:vcard", "mecard:")):
        text = _card(text)
    text = _links(text)
    if text is None or _is_date(text) or _is_date_behind(text) or _is_amount(text):
        return None
    if _is_owned(text) or _is_signed(text):
        return None
    number = _printed(text)
    if number is not None:
        return number or None
    comma = text.find(",")
    if comma >= 0 and _is_tail(text, comma):
        text = text[:comma] + "".join(c for c in text[comma:] if c in ")]")
        if len("".join(c for c in text if c.isdigit()).strip("0")) <= 6:
            return None
    if any(run in text for run in ("///", "||", ";;;", "&&&", ",,,")) or _is_cut(text):
        return None
    found = [_part(part) for part in _parts(text)]
    read = {number for number in found if number}
    return read.pop() if len(read) == 1 and None not in found else None


def _is_amount(text: str) -> bool:
    """Return True for decimals without their 0, and for an amount in brackets: below zero."""
    bare = text.lstrip("(+[ ")
    if bare[:1] in (".", ",") and bare[1:2].isdigit():
        return True
    whole, mark, many = text.removeprefix("(").removesuffix(")").replace(",", ".").partition(".")
    if mark and whole.isdigit() and many.isdigit() and len(many) >= 9:
        return whole[0] != "0" and not ("," in text and whole[:2] == many[:2] == "62")
    pieces = text[1:-1].strip(" ").replace(",", ".").split(".")
    blanks = pieces[0].split(" ") if len(pieces) == 2 and pieces[0].count(" ") > 1 else []
    pieces[0] = pieces[0].replace(" ", "") if blanks else pieces[0]
    if f"{text[:1]}{text[-1:]}" != "()" or not all(piece.isdigit() for piece in pieces):
        return False
    first, *others = map(len, pieces)
    thousands = first < 4 and len(others) > 1 and set(others[:2]) | set(others[2:-1]) == {3}
    thousands = thousands or (blanks and all(len(group) == 3 for group in blanks[1:]))
    return thousands or (len(pieces) == 2 and not pieces[1].strip("0"))


def _is_signed(text: str) -> bool:
    """Return True for an amount with a minus before or behind it."""
    bare = text.lstrip("- ") if text[:1] == "-" else text[:-1] if text[-1:] == "-" else ""
    if not bare or not set(bare) <= set("0123456789.,") or not bare[0].isdigit():
        return False
    pieces = bare.replace(",", ".").split(".")
    sizes = [len(piece) for piece in pieces]
    tail = len(pieces) == 2 and sizes[0] > 6 and sizes[1] > 0 and not pieces[1].strip("0")
    return tail or (sizes[0] < 4 and len(sizes) > 2 and set(sizes[1:3]) == {3})


def _is_owned(text: str) -> bool:
    """Return True where an owner or a field is named before the first number, and no telephone."""
    start = next((at for at, c in enumerate(text) if c.isdigit()), len(text))
    words = "".join(c if c.isalpha() else " " for c in text[:start].lower()).split()
    pictured = any(c in TELEPHONES for c in text[:start])
    if pictured or any(word not in OTHERS for word in words):
        return False
    owned = bool(set(words) & set(ACCOUNTS))
    numbered = bool(set(words) & set(NUMBERS)) or "kartu" in words
    field = bool(set(words) & set(FIELDS))
    return field or (owned and (numbered or text[start : start + 1] == "8"))


def _is_date_behind(text: str) -> bool:
    """Return True for a date behind a time, a day, a day of a month or another date."""
    groups, gaps = _groups(text)
    if len(groups) < 4 or not all(mark and set(mark) <= set("-./ ,T:()[]") for mark in gaps):
        return False
    marks = [gap.replace(" ", "").strip("()[]") or " " for gap in gaps]
    last = marks[-1]
    if marks[-2] != last or last not in "-./ " or not _is_day(groups[-3:], last != " "):
        return False
    if "+" in text:
        return False
    if len(groups[-1]) == 4 and marks[-3] != last:
        return True
    before = groups[:-3]
    if {len(group) for group in groups} == {2} and len(set(marks)) == 1:
        return False
    sizes = [len(group) for group in before]
    if _is_clock("".join(group.zfill(2) for group in before)) and max(sizes) < 7:
        return set(sizes[1:]) <= {2}
    small = max(sizes[:2]) < 3 and all(1 <= int(group) <= 31 for group in before[:2])
    if len(before) == 3:
        year = sizes[2] == 2 or (sizes[2] == 4 and before[2][:2] in ("19", "20"))
        return (small and year) or _is_day(before, year_first=True)
    return small and len(before) < 3


def _is_clock(clock: str) -> bool:
    clock = clock.zfill(len(clock) + len(clock) % 2)
    return len(clock) in (4, 6) and clock[:2] < "24" and clock[2:3] < "6" and clock[4:] < "6"


def _groups(text: str) -> tuple[list[str], list[str]]:
    """Return the groups of digits of a text, and what stands between them."""
    groups: list[str] = []
    gaps: list[str] = []
    previous = ""
    for character in text:
        digit = "0" <= character <= "9"
        if digit and previous == "digit":
            groups[-1] += character
        elif digit:
            groups.append(character)
        elif groups and previous == "digit":
            gaps.append(character)
        elif groups:
            gaps[-1] += character
        previous = "digit" if digit else "mark"
    return groups, gaps[: max(0, len(groups) - 1)]


def _is_day(pieces: list[str], year_first: bool) -> bool:
    first = len(pieces[0]) == 4 and year_first
    year, month, day = pieces if first else pieces[::-1]
    short = max(len(month), len(day)) < 3
    if len(year) != 2 and not ("1900" <= year <= "2099" and len(year) == 4):
        return False
    low, high = sorted((int(month), int(day)))
    return short and 1 <= low <= 12 and high <= 31 and (not first or int(month) <= 12)


def _is_cut(text: str) -> bool:
    """Return True for two marks at an end, blanks aside: 0811 / - has a dash for a number."""
    bare = text.replace(" ", "")
    first = bare[:2]
    last = bare[-2:]
    if len(bare) < 4 or not _has_digit(bare):
        return False
    start = set(first) <= set(HIDES) and (first[0] != "-" or first[1] in "-.,:")
    return start or (set(last) <= set(HIDES) and (last[1] != "-" or last[0] in "-.,:"))


def _listed(text: str) -> str:
    """Return the only text of a printed list, tuple or mapping, behind its key."""
    if text[:1] not in tuple("[({") or text[-1:] not in tuple("])}"):
        return text
    for quote in "'\"":
        pieces = text[1:-1].strip(" ,\t\r\n").split(quote)
        if len(pieces) == 3 and not pieces[0] and not pieces[2].strip(" ,"):
            return pieces[1]
        if len(pieces) == 5 and pieces[2].strip() == ":" and not pieces[0] and not pieces[4]:
            return f"{pieces[1]}: {pieces[3]}"
    return text


def _characters(cell: str) -> str:
    """Return the cell in ASCII digits, without quotes, formula and what cannot be seen."""
    misreadings = {"\u00c2\u00a0": " ", "\u00c2 ": " ", "\u00e2\u20ac\u201c": "-"}
    misreadings |= {"\u00e2\u20ac\u02dc": "", "\u00e2\u20ac\u0153": "", "\u00ef\u00bb\u00bf": ""}
    for misread, meant in misreadings.items():
        cell = cell.replace(misread, meant)
    for code in ("09", "0A", "0D", "0a", "0d", "20"):
        cell = cell.replace(f"_x00{code}_", "\n")
    out = ""
    for character in cell:
        kind = unicodedata.category(character)
        if kind == "Nd":
            out += str(unicodedata.decimal(character))
        elif character in DASHES:
            out += "-"
        elif character in "\u00b7\u2027\u2219\u22c5\u30fb":
            out += "."
        elif kind == "Zs":
            out += " "
        elif kind != "Cf" and not "\ufe00" <= character <= "\ufe0f":
            plain = character < "\uff01" and not "\u2100" <= character <= "\u214f"
            out += character if plain else unicodedata.normalize("NFKC", character)
    text = out.strip(QUOTES)
    if text[:1] == "=":
        text = text[1:].strip()
        if text[:2] in ("T(", "t(") and text[-1:] == ")":
            text = text[2:-1]
    return _listed(text.strip(QUOTES))


def _card(text: str) -> str:
    """Return the values of the TEL fields of a contact card."""
    for fold in ("\r\n ", "\r\n\t", "\n ", "\n\t"):
        text = text.replace(fold, "")
    if any(c.isalnum() for c in text.upper().partition("END:VCARD")[2]):
        return ""
    if any(one in text.upper() for one in (";EXT=", ";X-", "=X-")):
        return ""
    for line in text.replace("\r", "\n").split("\n"):
        name, _, value = line.strip().partition(":")
        if name.upper().split(";")[0].rpartition(".")[2] == "NOTE" and value.strip():
            return ""
    for field in text.replace(";", "\n").replace("\r", "\n").split("\n"):
        name, _, value = field.strip().partition(":")
        if name.upper().startswith("NOTE") and value.strip():
            return ""
        if name.upper().endswith("X-ABLABEL") and not _is_aside(value):
            return ""
    values = []
    faxes = 0
    at = text.upper().find("TEL")
    while at >= 0:
        kind, _, value = text[at:].partition(":")
        words = "".join(c if c.isalpha() else " " for c in kind.lower()).split()
        field = text[at + 3 : at + 4] in tuple(";:")
        if field and not set(words) <= set(KINDS):
            return ""
        end = min((value.find(mark) for mark in ";\r\n" if mark in value), default=len(value))
        values += [] if "FAX" in kind.upper() else [value[:end]]
        faxes += "FAX" in kind.upper()
        at = text.upper().find("TEL", at + len(kind) + 1 + end)
    others = sum(_is_mobile(group) for group in _groups(text)[0]) - len(values) - faxes
    return ";".join(values) if others <= text.lower().count("waid=") else ""


def _is_mobile(group: str) -> bool:
    return group.startswith(("628", "08")) and len(group) > 9


def _links(text: str) -> str | None:
    """Return the text with the number of a chat link or address in its place."""
    for domain in ("@c.us", "@s.whatsapp.net"):
        at = text.lower().find(domain)
        if at >= 0:
            name = text[:at].rpartition(" ")[2].partition(":")[0].partition(".")[0].lstrip("+/;,:")
            text = name if name.startswith("0") else f"+{name}"
    lower = text.lower()
    if any(site in lower for site in SITES):
        if lower.count("phone=") > 1:
            return None
        start = lower.find("phone=") + 6 if "phone=" in lower else lower.find("me/") + 3
        rest = text[start:].removeprefix("+").removeprefix("%2B").removeprefix("%2b")
        length = next((at for at, c in enumerate(rest) if not "0" <= c <= "9"), len(rest))
        if rest[length : length + 1] == "/" and rest[length + 1 : length + 2] not in "?&#":
            return None
        places = [
            lower.find(word) for word in ("http", "www.", "api.", "wa.me", "whatsapp", "t.me")
        ]
        before = text[: min(at for at in places if at >= 0)]
        return before + (rest[:length] if rest.startswith("0") else f"+{rest[:length]}")
    return text


def _printed(text: str) -> str | None:
    """Return the number that a program printed (8,118,899,532 or 8.1E9), "" if digits are lost."""
    lower = text.lower()
    if lower.count("e") == 1 and set(lower) <= set("0123456789.,e+"):
        mantissa, _, power = lower.replace(",", ".").partition("e")
        if mantissa.lstrip("+")[:1] == "0":
            return ""
        try:
            value = decimal.Decimal(f"{mantissa}e{power}")
        except decimal.InvalidOperation:
            return ""
        shown = len(mantissa.partition(".")[2])
        if shown < int(power) or value != int(value) or value >= 10**18:
            return ""
        digits = str(int(value))
        kept = len(digits.rstrip("0")) > 6
        return (national(digits, plus=lower.startswith("+")) if kept else "") or ""
    whole, _, cents = text.partition(".")
    thousands = whole.split(",")
    if len(thousands) > 2 and all(len(group) == 3 and group.isdigit() for group in thousands[1:]):
        digits = "".join(thousands)
        if 0 < len(thousands[0]) <= 3 and digits.isdigit() and not cents.strip("0"):
            lost = set(digits[6:]) <= {"0"} or (bool(cents) and len(digits.rstrip("0")) <= 6)
            return "" if lost else national(digits, plus=False) or ""
    return None


def _is_date(text: str) -> bool:
    """Return True where the first three groups may be a day, a month and a year."""
    groups = [""]
    gaps: list[str] = []
    marks: list[str] = []
    end = max((at for at, c in enumerate(text) if "0" <= c <= "9"), default=-1) + 1
    for character in text[:end]:
        if "0" <= character <= "9":
            groups[-1] += character
        elif groups[-1]:
            gaps.append(character)
            marks.append(character)
            groups.append("")
        elif marks and marks[-1] == " ":  # before the mark of the same gap
            marks[-1] = character
    if len(groups) >= 3 and gaps[0] == gaps[1] and gaps[0] in "-./ " and all(groups[:3]):
        day, month = (int(group) for group in groups[:2])
        small = len(groups[0]) <= 2 and len(groups[1]) <= 2 and 1 <= day <= 31 and 1 <= month <= 31
        time = groups[2][4:]
        glued = len(time) in (0, 4, 6) and time[:2] < "24" and time[2:3] < "6"
        if small and len(groups[2]) >= 4 and glued and 1900 <= int(groups[2][:4]) <= 2099:
            return True
        behind = [group for group in groups[3:] if group]
        pairs = {len(group) for group in groups if group} == {2} and len(set(marks)) == 1
        pairs = (pairs and len(groups) != 5) or (month > 12 and len(set(marks)) == 1)
        if (
            small
            and min(day, month) <= 12
            and len(groups[2]) == 2
            and not pairs
            and marks[0] == marks[1]
        ):
            clock = "".join(behind)
            return len(clock) in (0, 4, 6) and clock[:2] < "24" and clock[2:3] < "6"
    head = groups[0]
    if len(head) not in (7, 8) or len(groups) != 2 or len(groups[1]) != 4:
        return False
    day = "01" <= head[:-6].zfill(2) <= "31" and "01" <= head[-6:-4] <= (
        "31" if int(head[:-6] or 0) == 8 else "12"
    )
    time = groups[1] < "2400" and groups[1][2:] < "60"
    return day and time and "1900" <= head[-4:] <= "2099"


def _parts(text: str) -> list[str]:
    """Return the parts that a person reads one after the other, those without digits checked."""
    out = [""]
    word = ""
    lower = text.replace("W/A", "WA").replace("w/a", "wa").replace("H/P", "HP").replace("h/p", "hp")
    for at, character in enumerate(lower + " "):
        word = word + character.lower() if character.isalpha() else ""
        nxt = lower[at + 1 : at + 2]
        if character in SEPARATORS:
            out.append("")
        elif character == "+" and sum(map(str.isdigit, out[-1])) > 1 and not _is_twice(out[-1]):
            out[-1] = out[-1].rstrip(" ").removesuffix("-")
            out.append("+")
        else:
            out[-1] += character
        if word in JOINERS and not nxt.isalpha() and not nxt.isdigit():
            out[-1] = out[-1][: -len(word)]
            out.append("")
    return out


def _is_tail(text: str, at: int) -> bool:
    """Return True for a comma before a decimal tail of zeros, the only comma of the text."""
    behind = text[at + 1 :].strip(" -)];.,")
    digits = sum(c.isdigit() for c in text[:at])
    return (
        text[at] == ","
        and text[: at + 1].count(",") == 1
        and digits >= 7
        and (behind != "" and set(behind) == {"0"})
    )


def _is_twice(before: str) -> bool:
    """Return True where only a first +62 is before a plus, behind a label's digit perhaps."""
    groups = "".join(c if c.isdigit() else " " for c in before).split()
    labelled = any(map(str.isalpha, before)) and len(groups[0]) == 1
    return groups == ["62"] or (labelled and groups[1:] == ["62"])


def _part(part: str) -> str | None:
    """Return the number of a part, "" where it says nothing, None where it is in doubt."""
    start = next((at for at, c in enumerate(part) if c.isdigit() or c == "+"), None)
    if start is None:
        return "" if _is_aside(part) else None
    end = max(at for at, c in enumerate(part) if c.isdigit()) + 1 if _has_digit(part) else 0
    if not end:
        return None
    while start and part[start - 1] in "([ ":
        start -= 1
    while end < len(part) and part[end] in " )]":
        end += 1
    head = part[:start]
    tail = part[end:]
    label_digit = _label_digit(part)
    if label_digit:
        return _part("hp: " + part[label_digit:])
    if not (_is_aside(head) and _is_aside(tail)):
        return None
    number = part[start:end].strip(" ")
    phrase = _phrase(number)
    lone = number.replace("[", "(").replace("]", ")").replace(" (", "(").replace(" )", ")")
    if lone.replace("( ", "(").startswith(("(08)", "(8)", "8(")):
        return None  # Australia, Russia
    if _is_date(number):
        return None
    if phrase is None or _is_cut_off(phrase, number, tail) or _is_round_amount(phrase):
        return None
    owner = "".join(c if c.isalpha() else " " for c in head.lower()).split()
    pictured = any(c in TELEPHONES for c in head)
    if owner and not pictured and set(owner) <= set(ACCOUNTS) and number.strip("([ ")[0] == "8":
        return None
    return _judged(phrase)


def _is_round_amount(phrase: Phrase) -> bool:
    """Return True for thousands between dots of which six digits stand before zeros."""
    first, *others = map(len, phrase.groups)
    gaps = {gap.strip() for gap in phrase.gaps[1:]}
    blanks = first == 1 and gaps == {""} and len(others) == 3
    thousands = first <= 3 and len(others) > 1 and set(others) == {3} and (gaps == {"."} or blanks)
    plain = not (phrase.plus or any(phrase.opened[1:]))
    return thousands and plain and set(phrase.digits[6:]) == {"0"}


def _is_cut_off(phrase: Phrase, number: str, tail: str) -> bool:
    """Return True for a short last group before a mark that parts groups, or half a bracket."""
    if len(phrase.groups) < 2 or len(phrase.groups[-1]) > 2 or _zero_tail(phrase):
        return False
    brackets = sum(number.count(one) for one in "()[]")
    return brackets == 1 or (tail[:1] in ("-", ".") and tail[0] in number)


def _is_account(text: str) -> bool:
    """Return True for the name of a customer's number: no telephone is in it."""
    if any(c in TELEPHONES for c in text):
        return False
    words = "".join(c if c.isalpha() else " " for c in text.lower()).split()
    others = set(words) - set(ACCOUNTS)
    return words == ["kartu"] or (bool(others) and others <= set(NUMBERS) and others != set(words))


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _label_digit(part: str) -> int:
    """Return the place behind the digit of a label such as "HP 1:", 0 where there is none."""
    at = next(at for at, c in enumerate(part) if c.isdigit() or c == "+")
    alone = part[at : at + 1] in tuple("12345") and not part[at + 1 : at + 2].isdigit()
    if not alone or not any(c.isalpha() for c in part[:at]) or not _is_aside(part[:at]):
        return 0
    rest = part[at + 1 :].lstrip(" ")
    if rest[:1] in (":", "=", ")"):
        return len(part) - len(rest) + 1
    sure = rest.lstrip(". ([").startswith(("0", "+62"))
    return len(part) - len(rest.lstrip(". ")) if sure else 0


def _is_aside(text: str) -> bool:
    """Return True for neutral words, pictures and single marks."""
    word = ""
    marks = ""
    text = text.replace("\U0001f1ee\U0001f1e9", " ")
    if _is_account(text):
        return False
    for character in text.lower() + " ":
        if character.isalpha():
            word += character
            continue
        known = word in WORDS or word.removeprefix("nomor").removeprefix("no") in WORDS
        if word and not known:
            return False
        closing = bool(word) and character in ")]"
        if word:
            marks = ""
            word = ""
        if character == " " or closing:
            continue
        if character in PICTURES:
            marks = ""
            continue
        if character not in ".:=-#()[]!,;_/&\u2022":
            return False
        marks += character
        if (len(marks) == 3 and character not in "([") or marks in (
            "..",
            "--",
            "()",
            "[]",
            "__",
            "-.",
            "!!",
        ):
            return False
    return True


def _phrase(text: str) -> Phrase | None:
    """Return groups and gaps, or None where the marks are not those that part a number."""
    plain = (
        text.replace("+62+", "+")
        .replace("++", "+")
        .replace("+62 +", "+")
        .replace("+62-+", "+")
        .replace("(+62)+", "+")
        .replace("62+", "+")
    )
    plus = "+" in plain[:3]
    if plain.count("+") > 1 or (not plus and "+" in plain):
        return None
    plain = plain.replace("+ ", "").replace("+", "").replace("(0)", "0").replace("[0]", "0")
    plain = plain.replace(" )", ")").replace(" ]", "]").replace("( ", "(").replace("[ ", "[")
    depth = 0
    groups = [""]
    gaps = [""]
    opened = [False]
    inside = [False]
    for character in plain:
        if "0" <= character <= "9":
            inside[-1] = inside[-1] if groups[-1] else depth > opened[-1]
            groups[-1] += character
            continue
        if groups[-1]:
            groups.append("")
            gaps.append("")
            opened.append(False)
            inside.append(False)
        if character in "([":
            depth += 1
            opened[-1] = True
        elif character in ")]":
            depth -= 1
        else:
            gaps[-1] += character
        if character in "()[]" and groups[-1] == "" and opened[-1] and character in ")]":
            return None
        if abs(depth) > 1:
            return None
    if not groups[-1]:
        del groups[-1], gaps[-1], opened[-1], inside[-1]
    if any(gap not in GAPS for gap in gaps[1:]) or gaps.count("--") == 1:
        return None
    whole = inside if depth == 0 else [False] * len(groups)  # half a bracket holds nothing
    return Phrase(plus, groups, gaps, opened, whole)


def _judged(phrase: Phrase) -> str | None:
    """Return the number of a phrase, "" for a landline, None in doubt."""
    tail = _zero_tail(phrase)
    if tail:
        kept = phrase.cut(0, -1)
        lost = len(kept.digits.lstrip("0").rstrip("0")) <= 6
        return None if lost else _judged(kept)
    if len(phrase.digits) >= 16 and (two := _two(phrase)) is not None:
        return two or None
    if _is_decimal(phrase) or _is_behind(phrase) or _is_of_a_line(phrase):
        return None
    number = national(phrase.digits, phrase.plus)
    return "" if number is None and _landline(phrase.digits, phrase.plus) else number


def _zero_tail(phrase: Phrase) -> bool:
    dots = [gap for gap in phrase.gaps if "." in gap]
    behind = len(phrase.groups) > 1 and not phrase.groups[-1].strip("0")
    before = sum(map(len, phrase.groups[:-1]))
    return behind and before >= 7 and len(dots) == 1 and "." in phrase.gaps[-1]


def _landline(digits: str, plus: bool) -> bool:
    rest = digits[1:] if digits[:1] == "0" else ""
    if digits.startswith("62"):
        rest = digits[2:]
    if digits.startswith("0062"):
        rest = digits[4:]
    twice = rest[:3] == "628"  # the 62 of a mobile number
    return rest[:1] in tuple("2345679") and 8 <= len(rest) <= 11 and not twice


def _two(phrase: Phrase) -> str | None:
    """Return the one mobile number of two that stand behind each other, "" in doubt."""
    found = []
    for at in range(1, len(phrase.groups)):
        first, second = phrase.cut(0, at), phrase.cut(at, None)
        if second.digits[:1] not in ("0", "6") or any(map(_is_round_amount, (first, second))):
            continue
        if phrase.groups[at] == "0" and " " not in phrase.gaps[at] and not phrase.opened[at]:
            continue
        if phrase.inside[at] and not (phrase.opened[0] and all(phrase.inside[1:])):
            continue
        whole = [half.cut(0, -1) if _zero_tail(half) else half for half in (first, second)]
        if any(_is_date(half.text) for half in whole):
            continue
        judged = [_judged(first), _judged(second)]
        if None not in judged:
            read = {number for number in judged if number}
            found.append(read.pop() if len(read) == 1 else "")
        elif judged != [None, None] and any(
            len(half.digits) < 16 and _is_behind(half) for half in (first, second)
        ):
            found.append("")
    return found[0] if len(set(found)) == 1 else "" if found else None


def _is_decimal(phrase: Phrase) -> bool:
    dotted = ["." in gap for gap in phrase.gaps]
    if sum(dotted) == 1:
        before = "".join(phrase.groups[: dotted.index(True)])
        bare = not phrase.plus and len(phrase.groups) == 2 and before[:2] != "08"
        local = before.removeprefix("00").removeprefix("62").removeprefix("0")
        area = len(local) == 3 and local[0] == "8"
        return bare or not (area or (local == "" and before != ""))
    if sum(dotted) > 1:
        runs: list[int] = []
        run = 0
        for group, dot in zip(phrase.groups, dotted, strict=True):
            if dot:
                runs.append(run)
                run = 0
            run += len(group)
        runs.append(run)
        eight = phrase.groups[0][0] == "8" and not phrase.plus
        if eight and runs[0] < 3 and set(runs[1:-1]) == {3} and runs[-1] == 2:
            return True
        return min(runs) < 2 and not (runs[0] == 1 and set(runs[1:]) == {3})
    return False


def _is_behind(phrase: Phrase) -> bool:
    """Return True for a count, an extension or a second number behind a whole number."""
    for at in range(1, len(phrase.groups)):
        before = "".join(phrase.groups[:at])
        rest = phrase.groups[at:]
        if phrase.opened[at] and len(before) >= 6:
            return True
        if national(before, phrase.plus) is None:
            continue
        marks = [gap.translate({ord(one): None for one in "()[]"}) for gap in phrase.gaps]
        if at > 1 and marks[at] not in marks[1:at] and sum("." in gap for gap in phrase.gaps) != 1:
            return True
        longer_before = len(phrase.groups[at - 1]) > 2
        if len(phrase.groups[at - 1]) >= 9 or (longer_before and max(map(len, rest)) <= 2):
            return True
    return False


def _is_of_a_line(phrase: Phrase) -> bool:
    """Return True for a landline with one or two digits behind.

    And for a taxpayer's number, and for one that a month and a year begin.
    """
    sizes = [len(group) for group in phrase.groups]
    if phrase.plus:
        return False
    if phrase.groups[0] in ("8", "08") and len(sizes) > 1 and sizes[1] == 4:
        return phrase.groups[1][:2] in ("19", "20")
    if sizes[:5] == [2, 3, 3, 1, 3] or _is_foreign(phrase, sizes) or _are_lines(phrase, sizes):
        return True
    first, gaps = phrase.groups[0], set(phrase.gaps[1:])
    if first in ("8", "08") and sizes[1:2] == [2] and len(sizes) == 3 and gaps <= set("-./"):
        return sizes[2] > 4
    return sizes[0] in (7, 8) and len(sizes) > 1 and max(sizes[1:]) < 3


def _is_foreign(phrase: Phrase, sizes: list[int]) -> bool:
    """Return True for 82.165.99.210."""
    first = phrase.groups[0]
    octets = len(sizes) == 4 and set(phrase.gaps[1:]) == {"."} and sizes[0] == 2 and max(sizes) < 4
    plain = all(group == str(int(group)) for group in phrase.groups)
    return octets and plain and first[0] == "8" and max(map(int, phrase.groups)) < 256


def _are_lines(phrase: Phrase, sizes: list[int]) -> bool:
    """Return True for a landline with an extension, or two of them: 8312345-101."""
    if len(sizes) != 2 or phrase.groups[0][0] != "8" or phrase.gaps[1].strip() not in ("", "-"):
        return False
    two = set(sizes) <= {5, 6} and phrase.groups[1][0] == "8" and "-" in phrase.gaps[1]
    return two or (sizes[0] in (7, 8) and sizes[1] in (3, 4))
