"""The words around a number: labels and notes that change nothing, blank words, links."""

from __future__ import annotations

import re

from pandas_numberactive._phones.text import FLAG, name_of_picture

# Neutral words only. A word that is not listed may change whose number it is ("istri") or what it
# is worth ("salah"), so the cell is refused.
_NUMBERS = frozenset("nomor nomer nmr no nr num number".split())
_TELEPHONES = frozenset(
    "hp hape handphone hand phone phones ph telepon telefon telpon telfon telephone telp telpn tlp "
    "tlpn tlf tel mobile mobil mob ponsel cellphone cellular celular cell cel seluler selular "
    "selluler "
    # a way to call
    "whatsapp whatsap watsapp watsap wasap whats wa sms smsto call callto chat telegram kontak "
    "contact contacts cp hub hubungi dihubungi narahubung "
    # an operator
    "telkomsel tsel simpati halo as indosat xl axis smartfren".split()
)
_OWNERS = frozenset("nasabah pelanggan debitur konsumen pemohon customer kartu".split())
_CARD_WORDS = frozenset("type value uri voice pref msg".split())  # fields of a contact card
_WORDS = (
    _NUMBERS
    | _TELEPHONES
    | _OWNERS
    | _CARD_WORDS
    | frozenset(
        "app person via only saja aja bisa aktif active utama primary main pribadi personal baru "
        "kantor office rumah home work saya sendiri ybs sekarang ok ya yang yg dapat hanya khusus "
        "bisnis business indonesia".split()
    )
)
_ALPHANUMERIC = re.compile(r"[^\W_]")
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]+")
_SLASHED = re.compile(r"\b(?:w[./]a|h[./]p)\b", re.I)
_INITIAL = re.compile(r"\b[mtphw](?= ?[:.])")  # M: and T: on a business card
_NUMBERED = re.compile(r"([^\W\d_]) ?[._#(-]?[1-5](?:\)? ?[:=] ?|\) ?|\.? +(?=[(\[]?(?:\+62|0)))")
_LONE_DIGIT = re.compile(r"[1-5](?<!\d\d)(?!\d)")
_NO = "|".join(sorted(_NUMBERS))
_OWNER = "|".join(sorted(_OWNERS))
_GLUED = re.compile(rf"(?:{_NO})+(?:{_OWNER})|(?:{_OWNER})(?:{_NO})+")
_HEAD = re.compile(r"[-#.\u2022]?(?:[(\[]?w[)\]]?\.?[:=/#_&,-]?)*")
_NOTES = re.compile(r"[-./,:&_]?(?:[(\[]?w[)\]]?[./,&-]?)*[(\[]?w[)\]]?[.!]?")
_END = re.compile(r"[-.,;:!]?")

_NOT = "tidak|tdk|tak|ga|gak|nggak|ngga|enggak|engga|ndak|nda|gk|belum|blm|blum|tanpa"
_THERE = "ada|punya|diisi|terisi|tersedia|diketahui|tahu|tau|memiliki|mempunyai|tercantum|ada data"
_BLANK = re.compile(
    rf"|nan|none|null|nil|na|n a|nat|(?:data )?kosong|nihil|undefined|unknown|missing|empty|blank|"
    rf"tba|tbd|not (?:available|provided|applicable|given|found|set)|no (?:data|phone|number)|"
    rf"(?:{_NOT})(?: (?:{_THERE}))?"
)
_CROSSES = re.compile("xx+")
SPREADSHEET_ERROR = re.compile(r"#(?:N/A|[A-Z]+[?!]|DIV/0!)(?: .*)?|Err:\d+", re.I)
FILLER = re.compile(r"0+(?:[ -]0+)*(?:[.,]0{1,3})?", re.ASCII)

# The number of a chat link or address; text behind it may hold any other number.
LINK = re.compile(
    r"(?<![\w./])(?:https?://)?(?:www\.|api\.|web\.|chat\.)?"
    r"(?:(?:wa|t)\.me/|whatsapp(?:\.com|:/)/send/?\?(?:(?:(?!phone=)[^#\s])*&)?phone=)"
    r"(?:\+|%2b)?(?P<digits>\d+)/?(?:[?&#](?:(?!://|me/|phone=|@)[^\s;,|])*)?(?=[\s,;|)\]]|\Z)",
    re.I | re.ASCII,
)
ADDRESS = re.compile(
    r"(?<![\w.-])\+?(?P<digits>\d+)(?:\.\d\d?)?(?::\d{1,3})?@(?:c\.us|s\.whatsapp\.net)"
    r"(?=[\s,;|)\]]|\Z)",
    re.I | re.ASCII,
)
CARD = re.compile(r"\s*(?:BEGIN:VCARD|MECARD:)", re.I)
_CARD_FIELD = re.compile(r"(?:^|[\r\n;:.]) *TEL((?:;[^:\r\n]+)?):([^;\r\n]+)", re.I)
_FOLDED = re.compile(r"\r?\n[ \t]")  # one line goes on in the next
_KINDS = frozenset(  # of a telephone in a card
    "type cell home work voice pref main other iphone waid value uri text msg sms mobile fax tel "
    "charset utf phone video".split()
)
_OF_OTHERS = re.compile(r"[;=]X-|;ext=|(?:^|[\r\n;.])\s*NOTE[^:\r\n]*:[^;\r\n]", re.I)
_ANOTHER = re.compile(r"(?<!\d)(?:\+?62|0)8\d{7}", re.ASCII)  # number, in another field
_LABELS = re.compile(r"X-ABLabel:([^\r\n]*)", re.I)
_MORE = re.compile(r"(?<![^\W\d_])TELP?\d*\b|END:VCARD\s*\S", re.I)


def is_blank(text: str) -> bool:
    """Return True for a cell without a value: marks alone, zeros, a word for "none"."""
    if _DIGIT.search(text):
        return (FILLER.fullmatch(text) or SPREADSHEET_ERROR.fullmatch(text)) is not None
    if not _ALPHANUMERIC.search(text) or text in (r"\N", r"\n"):
        return True
    if SPREADSHEET_ERROR.fullmatch(text):
        return True
    words = _LETTERS.findall(text.lower())
    said = [word for word in words if word not in _WORDS]
    phrases = (" ".join(words), " ".join(said))
    return any(map(_BLANK.fullmatch, phrases)) or _CROSSES.fullmatch("".join(words)) is not None


def without_links(text: str) -> str:
    """Return the text with each chat link, chat address and contact card as its numbers."""
    if ":" in text and CARD.match(text):
        text = _card_numbers(text)
    if "@" in text:
        text = ADDRESS.sub(_dialled, text)
    return LINK.sub(_dialled, text) if "/" in text or "=" in text else text


def _card_numbers(card: str) -> str:
    """Return the telephone numbers of a contact card.

    Return the card where they may be another person's, or have more digits behind them.
    """
    card = _FOLDED.sub("", card)
    if _OF_OTHERS.search(card) or not all(map(is_aside, _LABELS.findall(card))):
        return card
    rest = _CARD_FIELD.sub("", card)
    fields = _CARD_FIELD.findall(card)
    kinds = _LETTERS.findall(" ".join(kind for kind, _ in fields).lower())
    if _MORE.search(rest) or _ANOTHER.search(rest) or not _KINDS.issuperset(kinds):
        return card
    return ";".join(number for kind, number in fields if "FAX" not in kind.upper())


def _dialled(link: re.Match[str]) -> str:
    """Return a link's digits as dialled, in a part of their own.

    They begin with the country's prefix, or with 0.
    """
    digits = link["digits"]
    return f";{digits};" if digits.startswith("0") else f";+{digits};"


def without_label_digit(text: str) -> str:
    """Return the text with the digit of a label such as "HP 1:" removed, and W/A as one word."""
    if "/" in text or "." in text:
        text = _SLASHED.sub("wa", text)
    return _NUMBERED.sub(r"\1: ", text, count=1) if _LONE_DIGIT.search(text) else text


def is_label(head: str) -> bool:
    """Return True where only neutral words and single marks stand before a number."""
    if not head or head == " ":
        return True
    return _HEAD.fullmatch(_skeleton(_spelled(head))) is not None


def names_owner(head: str) -> bool:
    """Return True where a customer is named before a number, and no telephone: it may be theirs."""
    words = _words(head)
    return not _OWNERS.isdisjoint(words) and _TELEPHONES.isdisjoint(words)


def names_account(text: str) -> bool:
    """Return True for a customer's number or card, where no telephone is named.

    "No. pelanggan" is an account's, "No. HP pelanggan" a telephone's.
    """
    return _is_account(_words(text))


def _is_account(words: list[str]) -> bool:
    if not _TELEPHONES.isdisjoint(words):
        return False
    numbered = not _NUMBERS.isdisjoint(words) and not _OWNERS.isdisjoint(words)
    return numbered or "kartu" in words or any(map(_GLUED.fullmatch, words))


def is_field(text: str) -> bool:
    """Return True for the words of a contact card's field, such as VALUE, without its TEL."""
    words = _words(text)
    return not _CARD_WORDS.isdisjoint(words) and _TELEPHONES.isdisjoint(words)


def _words(text: str) -> list[str]:
    """Return the words of a text, "nohp", a telephone's sign and its initial as "hp"."""
    return _words_of(_spelled(text))


def _words_of(spelled: str) -> list[str]:
    return [
        bare if (bare := word.removeprefix("nomor").removeprefix("no")) in _TELEPHONES else word
        for word in _LETTERS.findall(spelled)
    ]


def _spelled(head: str) -> str:
    """Return the text before a number in small letters, with M: and pictures as words."""
    head = head.lower()
    if ":" in head or "." in head:
        head = _INITIAL.sub("hp", head)
    return _with_pictures(head)


def _with_pictures(text: str) -> str:
    """Return a text with each picture as a word."""
    if not text.isascii():
        text = "".join(map(name_of_picture, text.replace(FLAG, " ok ")))
    return text


def is_note(tail: str) -> bool:
    """Return True where only neutral words or one single mark stand behind a number."""
    if not tail:
        return True
    skeleton = _skeleton(_with_pictures(tail.lower()))
    return (_END.fullmatch(skeleton) or _NOTES.fullmatch(skeleton)) is not None


def is_aside(part: str) -> bool:
    """Return True where a part of a cell holds only neutral words and single marks."""
    return is_label(part) or is_note(part)


def _skeleton(text: str) -> str:
    """Return neutral words as "w", unknown words as "?", without blanks."""
    if _is_account(_words_of(text)):
        return "?"
    return _LETTERS.sub(_kind, text).replace(" ", "")


def _kind(word: re.Match[str]) -> str:
    known = word[0] in _WORDS or word[0].removeprefix("nomor").removeprefix("no") in _WORDS
    return "w" if known else "?"
