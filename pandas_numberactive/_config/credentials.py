"""The app key and the secret, which nothing prints, and how addresses are shown."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Any
from urllib.parse import unquote


class Credentials:
    """The app key and the secret. Printed as `***`, and refuse to be pickled."""

    __slots__ = ("_app_key", "_secret")

    def __init__(self, app_key: str, secret: str) -> None:
        self._app_key = app_key
        self._secret = secret

    @property
    def app_key(self) -> str:
        """The vendor's appKey."""
        return self._app_key

    @property
    def secret(self) -> str:
        """The secret used to sign requests. It is never sent."""
        return self._secret

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell app keys apart and give none away."""
        return hashlib.sha256(self._app_key.encode()).hexdigest()[:16]

    def hidden(self, text: str) -> str:
        """Return the text with *** in place of either key, in capitals or not."""
        for key in (self._secret, self._app_key):
            if key.lower() in text.lower():
                whole = (
                    re.escape(key) if len(key) >= 6 else rf"\b{re.escape(key)}\b"
                )  # a short one is in words, too
                text = re.sub(whole, "***", text, flags=re.I)
        return text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return (self._app_key, self._secret) == (other._app_key, other._secret)

    def __hash__(self) -> int:
        return hash((self._app_key, self._secret))

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __copy__(self) -> Credentials:
        return self

    def __deepcopy__(self, memo: object) -> Credentials:
        return self

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(
            "Credentials are never pickled: configure each process from its environment variables."
        )


def masked_key(key: str) -> str:
    return f"{key[:2]}***" if len(key) > 6 else "***"


_ONE_HOST = r"(?:\[[^\]@]*\]|[^][/?#:@,%\s]*)(?::\d*)?"
# An address in which each colon stands before a port or within a host's brackets.
_WITHOUT_PASSWORD = re.compile(
    rf"(?:[^/?#:@]*@)?{_ONE_HOST}(?:,{_ONE_HOST})*(?:[/#][^:@?]*)?(?:\?[^@]*)?"
)


def masked_url(url: str | None) -> str | None:
    """Mask what follows a URL's user and is no port, and any password among its parameters.

    A password that should have been percent-encoded may hold anything, so all up to the last @ is
    masked. Where the @ is missing or encoded, all to the end is.

    >>> masked_url("postgresql://me:pa/ss@host/db?sslpassword=x")
    'postgresql://me:***@host/db?sslpassword=***'
    >>> masked_url("postgresql://me:pass%40host/db"), masked_url("postgresql://me@host:5432/db")
    ('postgresql://me:***', 'postgresql://me@host:5432/db')
    """
    if url is None:
        return None
    scheme, mark, rest = url.partition("://")
    shown = f"{scheme}{mark}{_masked_password(rest)}"
    return re.sub(r"([?&])([^=&]*)=[^&]*", _masked_parameter, shown)


def _masked_password(rest: str) -> str:
    """Mask a URL's password, given without its scheme."""
    if ":" not in rest or _WITHOUT_PASSWORD.fullmatch(rest):
        return rest
    user, _, password = rest.partition(":")
    _, at, host = password.rpartition("@")
    return f"{user}:***@{_masked_password(host)}" if at else f"{user}:***"


def _masked_parameter(found: re.Match[str]) -> str:
    if _names_a_password(found[2]):
        return f"{found[1]}{found[2]}=***"
    first, mark, rest = found[0].partition(";")  # some part parameters so, which libpq does not
    return f"{first};***" if _names_a_password(rest) else f"{first}{mark}{rest}"


def _names_a_password(text: str) -> bool:
    return re.search(r"pass|pwd", unquote(text), re.I) is not None


class Address(str):
    """A store's URL that never shows its password.

    The password is missing in tracebacks with locals and in pickles, too.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(masked_url(str(self)))

    def __copy__(self) -> Address:
        return self

    def __deepcopy__(self, memo: object) -> Address:
        return self

    def __reduce_ex__(self, protocol: object) -> Any:
        if masked_url(str(self)) != str(self):
            raise TypeError(
                "A store's password is never pickled: configure each process from "
                "NUMBERACTIVE_STORE."
            )
        return Address, (str(self),)


def is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
