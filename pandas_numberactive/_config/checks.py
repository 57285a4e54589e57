"""Validate settings and call options.

Each check returns the cleaned value or raises ConfigurationError.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pandas_numberactive._config.credentials import Address
from pandas_numberactive._display.text import said
from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive.errors import ConfigurationError, near_misses

CodeOutcomes = Mapping[int | str, str]


BASE_URLS: Mapping[str, str] = {
    "production": "http://api.digiscore.id",
    "sandbox": "http://test-platform.ferrystatic.com/openrisk",
}


ENVIRONMENTS = ("production", "sandbox", "simulator")
_WORDS = {
    "handle": ("failed", "retry", "stop"),
    "query": ("failed", "retry", "stop", "pending", "no_data"),
}


def _wrong(name: str, must: str, value: object) -> ConfigurationError:
    """Tells the type alone: the value may be a secret."""
    return ConfigurationError(f"{name} must be {must}, not {type(value).__name__}.")


def _number(
    low: float, high: float = math.inf, whole: bool = False, above: bool = False
) -> Callable[[str, Any], float]:
    """Return a check for numbers of at least `low` (above it with `above`) and at most `high`."""
    must = f"a {'whole ' if whole else ''}number {'above' if above else 'of at least'} {low:g}"
    must += f" and at most {high:g}" if high < math.inf else ""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ConfigurationError(f"{name} must be {must}, not {said(value)}.")
        value = (
            int(value) if isinstance(value, Integral) else float(value)
        )  # numpy's go into no store
        if (
            not (low < value if above else low <= value)
            or value > high
            or (whole and value != int(value))
        ):
            raise ConfigurationError(f"{name} must be {must}, not {hide_numbers(repr(value))}.")
        return int(value) if whole else value

    return check


def _one_of(*words: object) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if value not in words:
            given = f", not {hide_numbers(repr(value))}" if isinstance(value, (str, int)) else ""
            raise ConfigurationError(
                f"{name} must be one of {', '.join(map(repr, words))}{given}.{_meant(value, words)}"
            )
        return value

    return check


def _meant(value: object, words: tuple[object, ...]) -> str:
    """Return a question after the nearest word, empty where none is near."""
    texts = [word for word in words if isinstance(word, str)]
    near = near_misses(value, texts) if isinstance(value, str) else []
    return f" Did you mean {near[0]!r}?" if near else ""


def _environment(name: str, value: Any) -> str:
    word = value.strip().lower() if isinstance(value, str) else value
    return str(_one_of(*ENVIRONMENTS)(name, {"formal": "production"}.get(word, word)))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, "text that is not blank", value)
    return value


def _timezone(name: str, value: Any) -> str:
    text = _text(name, value)
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(
            f'{name} is the name of a time zone, such as "Asia/Jakarta", not '
            f"{hide_numbers(repr(text))}."
        ) from None
    return text


def _key(name: str, value: Any) -> str:
    text = _text(name, value)
    if text != text.strip() or not text.isprintable():
        raise ConfigurationError(
            f"{name} begins or ends with a blank, or holds a line break: copy it again."
        )
    return text


def _base_url(name: str, value: Any) -> str:
    text = _text(name, value).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fit = False
    if not fit or parts.query or parts.fragment or "@" in parts.netloc or re.search(r"\s", text):
        raise ConfigurationError(
            f"{name} must be http:// or https://, a host and a path: no user, no query."
        )
    return text


def _proxy(name: str, value: Any) -> str:
    if not re.match(r"https?://[^\s/]+", _text(name, value)):
        raise ConfigurationError(f"{name} must look like http://host:port.")
    return str(value)


def _store(name: str, value: Any) -> str:
    text = value.__fspath__() if hasattr(value, "__fspath__") else value
    text = re.sub(r"^sqlite:(?://)?(?=.)", "", _text(name, text))
    url = re.match(r"postgres(?:ql)?://", text)
    # What libpq calls a connection string would become a file with a password for its name.
    if not url and (
        "://" in text
        or re.match(r"\s*(?:host|hostaddr|port|dbname|user|password|service)\s*=", text)
        or re.match(r"\s*postgres(?:ql)?:", text, re.I)  # a URL that lacks a slash
    ):
        raise ConfigurationError(
            f"{name} must be a path, sqlite:PATH, :memory: or a postgresql:// URL."
        )
    if url:
        return Address(text)
    if re.search(r":.*@", re.sub(r"^[A-Za-z]:(?=[/\\])", "", text), re.S):  # but for a drive
        raise ConfigurationError(
            f'{name} has ":" before "@", as an address with a password: write it as a '
            "postgresql:// URL, or choose another path. Nothing was opened."
        )
    # A notebook that changes its folder later goes on with the same file.
    return text if text == ":memory:" else os.path.abspath(os.path.expanduser(text))


def _code_outcomes(name: str, value: Any) -> dict[str, dict[int | str, str]]:
    """Accept `{code: word}` for both steps, or one such map per step."""
    if not isinstance(value, Mapping):
        raise _wrong(name, 'a mapping such as {11008: "stop"}', value)
    per_step = bool(value) and set(value) <= set(_WORDS)
    given = value if per_step else dict.fromkeys(_WORDS, value)
    out: dict[str, dict[int | str, str]] = {}
    for step, codes in given.items():
        allowed = _WORDS[step] if per_step else _WORDS["query"]
        out[step] = {
            _outcome_code(code): _one_of(*allowed)(f"{name}[{code!r}]", word)
            for code, word in codes.items()
        }
    return out


def _outcome_code(code: object) -> int | str:
    if (
        isinstance(code, bool)
        or not isinstance(code, (int, str))
        or str(code).strip() in ("", "200", "201")
    ):
        raise ConfigurationError("code_outcomes is for the vendor's codes other than 200 and 201.")
    text = str(code).strip()
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else text


def _progress(name: str, value: Any) -> Any:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    known = words.get(value.strip().lower(), value) if isinstance(value, str) else value
    return _one_of("auto", True, False)(name, known)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its check, its meaning, and how its environment variable is read."""

    name: str
    check: Callable[[str, Any], Any]
    meaning: str
    number: bool = False  # the variable's text is read as one
    scalar: bool = True  # else it has no variable

    @property
    def variable(self) -> str:
        """The environment variable of the setting."""
        return f"NUMBERACTIVE_{self.name.upper()}"


# The one table of all settings: checks, variables, configure()'s docstring and .github/SETTINGS.md
# are made from it.
SETTINGS = (
    Setting(
        "environment",
        _environment,
        '"production" (charged), "sandbox" or "simulator" (made-up answers on this machine); none '
        'is assumed, and "formal" is another word for production',
    ),
    Setting(
        "base_url",
        _base_url,
        "http:// or https:// address of the API; by default the vendor's for the environment",
    ),
    Setting("app_key", _key, "the vendor's appKey; never shown whole"),
    Setting("secret", _key, "the secret that signs requests; never shown or sent"),
    Setting(
        "store",
        _store,
        "where the paid answers are kept: a path, or a postgresql:// URL; by default a file in "
        "your data folder",
    ),
    Setting("encoding", _one_of("json", "form"), 'how requests are sent: "json" or "form"'),
    Setting(
        "max_concurrency",
        _number(1, 1000, whole=True),
        "the most calls in flight at once (1 to 1,000)",
        number=True,
    ),
    Setting(
        "max_rate",
        _number(0, above=True),
        "the most calls in a second (a look-up makes two); none: no limit",
        number=True,
    ),
    Setting(
        "unit_price",
        _number(0, 1e15),
        "price of one charged answer, in currency; none: costs are unknown",
        number=True,
    ),
    Setting("currency", _text, "the currency of unit_price and of all amounts"),
    Setting(
        "timezone",
        _timezone,
        "the clock of dates without a time zone, of the days in spend(), and of times in Excel "
        "files; frames and CSV files hold UTC",
    ),
    Setting(
        "confirm_above",
        _number(0),
        "in production, buying more numbers than this needs a cap in the call",
        number=True,
    ),
    Setting(
        "handle_timeout",
        _number(0, above=True),
        "seconds to wait for the reply to handle, the first call of a look-up",
        number=True,
    ),
    Setting(
        "query_timeout",
        _number(0, above=True),
        "seconds to wait for the reply to query, the charged call",
        number=True,
    ),
    Setting(
        "poll_for",
        _number(0),
        "seconds to ask again for an answer that is not ready; after that it is pending",
        number=True,
    ),
    Setting(
        "lease",
        _number(1, 86400),
        "seconds after which other processes may take over the numbers of a process that died",
        number=True,
    ),
    Setting(
        "drain",
        _number(0),
        "seconds to wait for calls in flight after Stop or Ctrl-C",
        number=True,
    ),
    Setting(
        "max_digits",
        _number(9, 13, whole=True),
        "the longest national number that is read as a phone (9 to 13 digits)",
        number=True,
    ),
    Setting(
        "code_outcomes",
        _code_outcomes,
        'what the vendor\'s codes mean, such as {11008: "stop"}: failed, retry, stop; for query '
        "also pending and no_data",
        scalar=False,
    ),
    Setting("proxy", _proxy, "http://host:port of a proxy; the system's variables are not read"),
    Setting(
        "progress",
        _progress,
        '"auto" shows progress in a notebook or terminal; True and False; never in a pipe',
    ),
)
CHECKS: Mapping[str, Callable[[str, Any], Any]] = {one.name: one.check for one in SETTINGS}
VARIABLES: Mapping[str, str] = {one.name: one.variable for one in SETTINGS if one.scalar}
NUMBERS = frozenset(one.name for one in SETTINGS if one.number)


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the options. None means "not set" and is kept."""
    for name in options:
        if name not in CHECKS:
            near = near_misses(name, CHECKS)
            hint = f"Did you mean {near[0]}?" if near else f"The settings are: {', '.join(CHECKS)}."
            raise ConfigurationError(f"There is no setting {hide_numbers(repr(name))}. {hint}")
    done = {
        name: None if value is None else CHECKS[name](name, value)
        for name, value in options.items()
    }
    if done.get("environment") == "simulator" and done.get("base_url"):
        # Keys named together with a simulator are that simulator's; they never mix with the real
        # ones.
        for name in ("app_key", "secret"):
            if name in done:
                done[f"simulator_{name}"] = done.pop(name)
    return done


def _host(url: str) -> str:
    """Return the host of a URL in the one spelling that a resolver sees."""
    host = unquote(urlsplit(url).hostname or "")
    with contextlib.suppress(UnicodeError):
        host = host.encode("idna").decode()  # full-width letters and dots are ASCII ones
    return host.lower().rstrip(".")


def refuse_mixed(environment: str | None, base_url: str | None) -> None:
    """Raise ConfigurationError if the environment and the vendor's address contradict each other.

    The sandbox asks for no confirmation, so its name with the production host would buy without
    asking.
    """
    hosts = {name: _host(url) for name, url in BASE_URLS.items()}
    host = _host(base_url or "")
    other = {"sandbox": "production", "production": "sandbox"}.get(environment or "")
    if other and host == hosts[other]:
        raise ConfigurationError(
            f'environment="{environment}" and the {other} host {host} contradict each other: leave '
            f'base_url out, or set environment="{other}". Nothing was sent.'
        )
