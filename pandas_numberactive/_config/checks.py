"""One check for each option, of the settings and of a call: it returns the value to keep, or says
what to do.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pandas_numberactive._config.credentials import Address
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
    """A number of at least `low` (or more than it, where `above`), and at most `high`."""
    must = f"a {'whole ' if whole else ''}number {'above' if above else 'of at least'} {low:g}"
    must += f" and at most {high:g}" if high < math.inf else ""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise _wrong(name, must, value)
        value = (
            int(value) if isinstance(value, Integral) else float(value)
        )  # numpy's go into no store
        if (
            not (low < value if above else low <= value)
            or value > high
            or (whole and value != int(value))
        ):
            raise ConfigurationError(f"{name} must be {must}, not {value!r}.")
        return int(value) if whole else value

    return check


def _one_of(*words: object) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if value not in words:
            said = f", not {value!r}" if isinstance(value, (str, int)) else ""
            raise ConfigurationError(f"{name} must be one of {', '.join(map(repr, words))}{said}.")
        return value

    return check


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
            f'{name} is the name of a time zone, such as "Asia/Jakarta", not {text!r}.'
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
    ):
        raise ConfigurationError(
            f"{name} must be a path, sqlite:PATH, :memory: or a postgresql:// URL."
        )
    if url:
        return Address(text)
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


# Where a setting may stand in the environment.
VARIABLES: Mapping[str, str] = {
    "app_key": "NUMBERACTIVE_APP_KEY",
    "secret": "NUMBERACTIVE_SECRET",
    "environment": "NUMBERACTIVE_ENVIRONMENT",
    "base_url": "NUMBERACTIVE_BASE_URL",
    "store": "NUMBERACTIVE_STORE",
    "unit_price": "NUMBERACTIVE_UNIT_PRICE",
    "currency": "NUMBERACTIVE_CURRENCY",
    "timezone": "NUMBERACTIVE_TIMEZONE",
}

CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "environment": _environment,
    "base_url": _base_url,
    "app_key": _key,
    "secret": _key,
    "store": _store,
    "encoding": _one_of("json", "form"),
    "max_concurrency": _number(1, 1000, whole=True),
    "max_rate": _number(0, above=True),
    "unit_price": _number(0),
    "currency": _text,
    "timezone": _timezone,
    "confirm_above": _number(0),
    "handle_timeout": _number(0, above=True),
    "query_timeout": _number(0, above=True),
    "poll_for": _number(0),
    "lease": _number(1),
    "drain": _number(0),
    "max_digits": _number(9, 13, whole=True),
    "code_outcomes": _code_outcomes,
    "proxy": _proxy,
    "progress": _one_of("auto", True, False),
}


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options; None stays and means: as if nobody had said."""
    for name in options:
        if name not in CHECKS:
            near = near_misses(name, CHECKS)
            hint = f"Did you mean {near[0]}?" if near else f"The settings are: {', '.join(CHECKS)}."
            raise ConfigurationError(f"There is no setting {name!r}. {hint}")
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
