"""Encode calls and decode replies. Their meaning is decided in `verdicts`.

Facts are from the vendor's page "Phone Number Active". The page "Assumptions" of the documentation
lists our decisions where the vendor's page says nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import quote_plus

from pandas_numberactive._config.credentials import Credentials
from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive._phones.text import plain

HANDLE_PATH = "/api/data/numberActive/handle"
QUERY_PATH = "/api/data/numberActive/query"
MAX_BODY = 64 * 1024
SIMULATOR_HEADER = "X-Numberactive-Simulator"
SIMULATOR_FIELD = "simulator"

TELCO_TYPES = ("prepaid", "postpaid")
LEVELS = ("low", "medium", "high")
SIGNALS = ("telcoType", "activeLevel", "frequencyGrade")
_NAMES = frozenset(SIGNALS)

StepName = Literal["handle", "query"]


def sign(params: Mapping[str, str], secret: str) -> str:
    """Return the vendor's token: md5 of the sorted `key=value` pairs and the secret, joined by `&`.

    Values are taken raw, as UTF-8 (vendor's page, "token description").

    >>> sign({"appKey": "test_key", "phone": "8118899532"}, "20200101")
    'a5bf37e07ec95a573e76caf7659c132e'
    """
    pairs = {key: value for key, value in params.items() if key != "token"} | {"secret": secret}
    text = "&".join(f"{key}={pairs[key]}" for key in sorted(pairs))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def signed(params: Mapping[str, str], secret: str) -> dict[str, str]:
    """Return the parameters with their token."""
    return {**params, "token": sign(params, secret)}


class Signer:
    """The bodies of one step's calls, signed: what all of them share is prepared once.

    Parameters
    ----------
    keys
        The app key and the secret.
    name
        The parameter that differs from call to call. It is sorted after `appKey` and before
        `secret`, so that the digest of what precedes its value can be copied.
    form
        Encode as a form. JSON otherwise.
    """

    __slots__ = ("_digest", "_encode", "_end", "_name", "_start", "_tail")

    def __init__(self, keys: Credentials, name: str, *, form: bool) -> None:
        if not "appKey" < name < "secret":
            raise ValueError(f"{name!r} is not sorted between appKey and secret.")
        self._name = name
        self._digest = hashlib.md5(f"appKey={keys.app_key}&{name}=".encode(), usedforsecurity=False)
        self._tail = f"&secret={keys.secret}".encode()
        self._encode: Callable[[str], str] = quote_plus if form else _quoted
        if form:
            self._start = f"appKey={quote_plus(keys.app_key)}&{name}="
            self._end = ("&token=", "")
        else:
            self._start = f'{{"appKey": {json.dumps(keys.app_key)}, "{name}": '
            self._end = (', "token": "', '"}')

    def __repr__(self) -> str:
        return f"Signer({self._name})"

    def body(self, value: str) -> bytes:
        """Return the body for one value, with its token as `sign` computes it."""
        digest = self._digest.copy()
        digest.update(value.encode() + self._tail)
        before, behind = self._end
        signed_value = f"{self._start}{self._encode(value)}{before}{digest.hexdigest()}{behind}"
        return signed_value.encode()


def _quoted(value: str) -> str:
    """Return a value as JSON. Most are digits or hexadecimal, which need no look at each letter."""
    return f'"{value}"' if value.isascii() and value.isalnum() else json.dumps(value)


class Reply(NamedTuple):
    """The raw reply to one call, not yet judged."""

    status: int | None = None  # None: no whole reply was read
    body: bytes = b""
    sent: bool = True  # False: the connection was never made, so the vendor saw nothing
    retry_after: float | None = None  # seconds
    marked: bool = False  # the simulator's header stood in it
    keys: Credentials | None = None  # what it was asked with, and may repeat

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and self[:-1] == other[:-1]  # whatever the keys

    def __repr__(self) -> str:
        return f"Reply(status={self.status}, bytes={len(self.body)}, sent={self.sent})"


class Message(NamedTuple):
    """The parsed body of a reply, with loose types normalised.

    Numbers in `data` keep their text.
    """

    code: int | str | None = None
    msg: str = ""
    data: Any = None
    request_id: str | None = None
    is_fee: bool | None = None
    fee_unread: bool = False  # isFee stood there, with a value that means neither 1 nor 0
    marked: bool = False
    said: str = ""  # the code as it came, for the user's own table only

    @property
    def charges_handle(self) -> bool:
        """Return True if a reply to handle may have cost money.

        Its isFee is rarely there. Any value but a clear 0 counts as a charge.
        """
        return self.is_fee is True or self.fee_unread

    def __repr__(self) -> str:
        return f"Message(code={self.code!r}, is_fee={self.is_fee})"


class _Number(str):
    """A JSON number as its own text, so that nothing is rounded."""

    __slots__ = ()


def parse(body: bytes, keys: Credentials | None = None) -> Message:
    """Parse a reply's body, tolerating the commas and types of the vendor's page.

    Never raises.

    Code and msg are for people to read: they show no phone, and not the keys, though the vendor may
    repeat them.
    """
    tree = _load(body.decode("utf-8", "replace").removeprefix("\ufeff"))
    if not isinstance(tree, dict):
        return Message()
    try:
        code, said, msg = _words(tree.get("code"), tree.get("msg"), keys)
    except TypeError:  # a list or an object, which no cache takes
        code, said, msg = _words.__wrapped__(tree.get("code"), tree.get("msg"), keys)
    fee = tree.get("isFee")
    is_fee = _is_fee(fee)
    fee_unread = is_fee is None and fee not in (None, "")
    marked = tree.get(SIMULATOR_FIELD) is True
    request_id = _request_id(tree.get("requestId"))
    return Message(code, msg, _data(tree), request_id, is_fee, fee_unread, marked, said)


# The fields of every reply, in which no answer is looked for but as an object.
_PLAIN = frozenset(("code", "msg", "data", "isFee", "requestId"))
_OBJECTS = (dict, list)


def _data(tree: dict[str, Any]) -> Any:
    """Return `data` or, where it is empty, what stands beside it and may be the answer.

    A paid answer under another key would be stored as one without data.
    """
    data = tree.get("data")
    if data:
        return data
    odd = [
        key
        for key, value in tree.items()
        if key not in _PLAIN or (value and type(value) in _OBJECTS)
    ]
    return (_misplaced(tree, odd) or data) if odd else data  # none in nearly every reply


def _misplaced(tree: dict[str, Any], odd: list[str]) -> dict[str, Any]:
    beside = {key: tree[key] for key in odd if _is_misplaced(key, tree[key])}
    if beside and "userPhone" in tree:
        beside["userPhone"] = tree["userPhone"]
    return beside


def _is_misplaced(key: str, value: Any) -> bool:
    return key in SIGNALS or _may_hold_answer(key, value)


# JSON within a text, or an encrypted answer: 64 characters are a digest yet.
_PACKED = re.compile(r"\s*(?:[{\[].*[}\]]|[A-Za-z0-9+/=_.\r\n-]{65,})\s*", re.S)
_NEVER_ANSWERS = ("code", "msg", "message", "requestid", "userphone", "token", "sign", "signature")


def _may_hold_answer(key: str, value: Any) -> bool:
    """Return True for an object, and for a text that may be JSON or encrypted."""
    if isinstance(value, (dict, list)):
        return bool(value)
    if not isinstance(value, str) or key.lower() in _NEVER_ANSWERS:
        return False
    return _PACKED.fullmatch(value) is not None


_DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_Number)


def _load(text: str) -> Any:
    if text[:1] == "{":  # nearly every body: no space around it, no comma amiss
        try:
            tree, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            end = -1
        if end == len(text):
            return tree
    for candidate in (text, None):
        try:
            return _DECODER.decode(_mend_commas(text) if candidate is None else candidate)
        except (ValueError, RecursionError):
            continue
    return None


# A string that never ends is one token, so that no text is read from each of its quotes again.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.?)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.S)


_OPENING = ("{", "[", ",", ":")
_CLOSING = ("}", "]")


def _mend_commas(text: str) -> str:
    """Drop commas before a closing bracket and add missing ones between values, outside strings."""
    out: list[str] = []
    for token in _TOKEN.findall(text):
        last = out[-1] if out else ""
        if token in _CLOSING and last == ",":
            out.pop()
        elif last and last not in _OPENING and token not in (*_CLOSING, ",", ":"):
            out.append(",")
        out.append(token)
    return "".join(out)


LEAST_HIDDEN = 24  # hexadecimal digits that may be a token or a requestId
_HEXADECIMAL = re.compile(rf"(?<![0-9A-Za-z])[0-9A-Fa-f]{{{LEAST_HIDDEN},}}(?![0-9A-Za-z])")


def _whole(value: Any) -> int | None:
    """`200`, `"200"` and `200.0` are 200."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)  # nearly every value; the pattern below says the same of it
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,15}(?:\.0{1,9})?\s*", value, re.ASCII):
        return int(value.strip().split(".")[0])
    return None


@lru_cache(maxsize=64)  # nearly all replies of a run say the same
def _words(code: Any, msg: Any, keys: Credentials | None) -> tuple[int | str | None, str, str]:
    return _code(code, keys), _said(code), _text(msg, keys)[:200]


def _said(code: Any) -> str:
    return code.strip()[:100] if isinstance(code, str) else ""


def shown_code(code: int | str) -> str:
    """Return a code as it is shown and stored, without what may be a phone."""
    return str(_code(str(code), None))


def _code(value: Any, keys: Credentials | None) -> int | str | None:
    whole = _whole(value)
    if whole is not None and abs(whole) < 10**8:  # nine digits may be a phone
        return whole
    return _text(value, keys)[:40] or None


def _text(value: Any, keys: Credentials | None) -> str:
    """Printable text: what a store of any kind takes, and anybody may see."""
    text = value if isinstance(value, str) else ""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    text = keys.hidden(text) if keys and text else text
    if text.isalpha() and len(text) < LEAST_HIDDEN:  # "success": the patterns would find nothing
        return text
    return hide_numbers(_HEXADECIMAL.sub("***", text)).strip()


def _request_id(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip() or len(value) > 256:
        return None
    return str(value) if value.isprintable() and "\ufffd" not in value else None


def _is_fee(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    known = _TRUTHS.get(value.strip().lower())
    if known is not None:
        return known
    whole = _whole(value)
    return bool(whole) if whole in (0, 1) else None


_TRUE = ("1", "true", "yes", "y")
_FALSE = ("0", "false", "no", "n")
_TRUTHS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)


class Answer(NamedTuple):
    """The three signals as small codes.

    0 is missing, else 1 + the position in TELCO_TYPES or LEVELS.
    """

    telco_type: int = 0
    active_level: int = 0
    frequency_grade: int = 0

    def __bool__(self) -> bool:
        return bool(self.telco_type or self.active_level or self.frequency_grade)


NO_ANSWER = Answer()


def read_answer(data: Any) -> tuple[Answer, bool]:
    """Return the answer in `data`, and True if a value of it is not on the vendor's page."""
    if not data:
        return Answer(), False
    if not isinstance(data, dict) or _NAMES.isdisjoint(data):
        return Answer(), True
    telco = _telco(data.get("telcoType"))
    active = _level(data.get("activeLevel"))
    frequency = _level(data.get("frequencyGrade"))
    unknown = None in (telco, active, frequency) or _is_renamed(data)
    return Answer(telco or 0, active or 0, frequency or 0), unknown


def _is_renamed(data: dict[str, Any]) -> bool:
    """Return True if a signal is missing and seems to stand under another name."""
    if data.keys() >= _NAMES:  # as in nearly every answer
        return False
    missing = {name.lower() for name in SIGNALS if name not in data}
    others = [(key, value) for key, value in data.items() if key not in SIGNALS]
    return any(_stands_for(missing, key, value) for key, value in others)


def _stands_for(missing: set[str], key: str, value: Any) -> bool:
    """Return True if an unknown field may be, or hold, one of the missing signals."""
    if re.sub(r"[^a-z]", "", key.lower()) in missing and _level(value) != 0:
        return True
    if isinstance(value, str) and value.strip().lower() in LEVELS:
        return True
    return _may_hold_answer(key, value)


_NA = {"": 0, "na": 0}
_TELCO_CODES = {"1": 1, "2": 2, "0": 0, **_NA}
_LEVEL_CODES = {**{level: code for code, level in enumerate(LEVELS, 1)}, **_NA}


def _telco(value: Any) -> int | None:
    if value is None:
        return 0
    if not isinstance(value, str):
        return None
    code = _TELCO_CODES.get(value.strip().lower())
    if code is not None:
        return code
    whole = _whole(value)
    return whole if whole in (0, 1, 2) else None


def _level(value: Any) -> int | None:
    if value is None:
        return 0
    return _LEVEL_CODES.get(value.strip().lower()) if isinstance(value, str) else None


def names_phone(data: Any) -> bool:
    """Return True if the answer names a phone number."""
    phone = data.get("userPhone") if isinstance(data, dict) else None
    return isinstance(phone, str) and bool(phone.strip())


# Discs, crosses, blocks, and rows of dots or dashes hide digits as stars do.
_MARKS = re.compile("[\u2022\u00d7\u2217\u2500-\u25ff\u2605\u2606_?~%$^!]|\u2026|[.]{3,}|-{3,}")


def names_other_phone(data: Any, number: int) -> bool:
    """Return True if the answer names another number than the one asked."""
    said = data.get("userPhone") if isinstance(data, dict) else None
    if said == f"62{number}":
        return False
    if not isinstance(said, str) or not said.strip():
        return False
    ours = _forms(number)
    marked = _MARKS.sub("**", re.sub(r"\.0+$", "", plain(said)))
    text = re.sub(r"[^0-9*xX#]", "", marked)
    digits = re.sub(r"\D", "", text)
    if digits == text or digits in ours:
        return digits not in ours
    return not any(re.fullmatch(_mask_pattern(text), own) for own in ours)


def names_whole_phone(data: Any, number: int) -> bool:
    """Return True if the answer names the number asked, unmasked."""
    said = data.get("userPhone") if isinstance(data, dict) else None
    return isinstance(said, str) and re.sub(r"\D", "", plain(said)) in _forms(number)


def _forms(number: int) -> list[str]:
    """Return the digits by which a number may be written."""
    return [f"{prefix}{number}" for prefix in ("", "0", "62", "0062", "620")]


def _mask_pattern(text: str) -> str:
    """Return the numbers that a masked one may be, as a regular expression.

    A run of marks hides any count of digits, for a mask often has a fixed number of stars. A single
    mark hides one. The digits that are shown must be ours.
    """
    return re.sub(r"\D+", lambda marks: r"\d*" if len(marks[0]) > 1 else r"\d", text)
