"""One check for each option, of the settings and of a call: it returns the value to keep, or says
what to do.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pandas_numberactive._core.credentials import Address
from pandas_numberactive._display.text import said
from pandas_numberactive.errors import ConfigurationError, near_misses

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
T = TypeVar("T")
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
    return Address(text) if url else text


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


# --- what one call is told


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The options of `enrich` and its twins, checked before anything else is done; `seconds` is
    max_age as a number.
    """

    prefix: str | None = None
    details: bool = False
    overwrite: bool = False
    max_charges: int | None = None
    budget: float | None = None
    max_age: str | timedelta | None = None  # a pandas Timedelta is one; numpy's timedelta64 will do
    refresh: bool = False
    retry_failed: bool = True
    order: Literal["rows", "random"] = "rows"
    seed: int = 0
    errors: Literal["coerce", "raise"] = "coerce"
    progress: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        for name in ("details", "overwrite", "refresh", "retry_failed", "progress"):
            value = getattr(self, name)
            if not (
                is_flag(value)
                or (name == "progress" and isinstance(value, str) and value == "auto")
            ):
                must = 'True, False or "auto"' if name == "progress" else "True or False"
                raise ConfigurationError(f"{name} must be {must}, not {said(value)}.")
        if self.prefix is not None and not isinstance(self.prefix, str):
            raise ConfigurationError(f"prefix must be text, not {said(self.prefix)}.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, Integral) or self.seed < 0:
            raise ConfigurationError(
                f"seed must be a whole number of at least 0, not {said(self.seed)}."
            )
        _one_of("rows", "random")("order", self.order)
        _one_of("coerce", "raise")("errors", self.errors)

    @property
    def seconds(self) -> float | None:
        """`max_age` in seconds."""
        return None if self.max_age is None else seconds_of("max_age", self.max_age)


def is_flag(value: object) -> bool:
    """Whether a value is True or False, numpy's included; 1, "no" and pd.NA are neither."""
    return isinstance(value, bool) or (
        type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")
    )


_UNITS = {
    "s sec second seconds": 1,
    "min minute minutes": 60,
    "h H hour hours": 3600,
    "d D day days": 86400,
}
_UNITS["w W week weeks"] = 7 * 86400
_SECONDS = {word: seconds for words, seconds in _UNITS.items() for word in words.split()}
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)")


def seconds_of(name: str, value: object) -> float:
    """A length of time in seconds: a timedelta of Python, pandas or numpy, or text such as "180D"
    or "1.5 days".

    Text needs its unit: s, min, h, D or W, or their words. A bare number means nanoseconds to
    pandas, and "6M" or "6m" months to some and minutes to others, so both are refused.

    >>> seconds_of("max_age", "180D") == seconds_of("max_age", "180 days") == 180 * 86400
    True
    """
    kind = (
        getattr(getattr(value, "dtype", None), "str", "") if getattr(value, "ndim", 1) == 0 else ""
    )
    if kind[1:].startswith("m8[") and not kind.endswith(
        ("M]", "Y]")
    ):  # numpy's, with a unit of one length
        value = value.astype("m8[us]").item()  # type: ignore[attr-defined]
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        if seconds >= 0:
            return seconds
    elif isinstance(value, str) and re.fullmatch(rf"\s*(?:{_TIME.pattern}\s*)+", value):
        parts = _TIME.findall(value)
        if all(unit in _SECONDS for _, unit in parts):
            return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    raise ConfigurationError(
        f'{name} must be a length of time with its unit, such as "180D", "26W" or "12h", or a '
        "Timedelta; "
        f"not {said(value)}."
    )


def refuse_unknown(options: Iterable[str], own: Iterable[str] | None = None, of: str = "") -> None:
    """Raise where a call names an option that `enrich` and its twins do not have; the message names
    the likely one.

    `own` are the options of a function that takes other ones, `of` is its name.
    """
    every = inspect.signature(CallOptions).parameters
    known = list(every if own is None else own)
    for name in options:
        if name not in known:
            near = (
                [] if name in every else near_misses(name, known)
            )  # one of enrich's is not misspelled
            hint = f"Did you mean {near[0]!r}?" if near else f"The options are: {', '.join(known)}."
            raise ConfigurationError(f"There is no option {name!r}{of and f' of {of}'}. {hint}")


def names_its_options(function: Callable[P, T]) -> Callable[P, T]:
    """Have a misspelled option of a function with the whole signature answered as `refuse_unknown`
    does.
    """
    parameters = inspect.signature(function).parameters
    own = [name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY]
    of = "" if {*own} == {*inspect.signature(CallOptions).parameters} else function.__name__

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        refuse_unknown((name for name in kwargs if name not in parameters), own, of)
        return function(*args, **kwargs)

    async def wait(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await cast("Any", call(*args, **kwargs))

    return (
        cast("Callable[P, T]", functools.wraps(function)(wait))
        if inspect.iscoroutinefunction(function)
        else call
    )


def shows_options(function: F) -> F:
    """Have help() and `?` show the options that stand behind a function's `**options`."""
    own = inspect.signature(function)
    kept = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    options = inspect.signature(CallOptions).parameters.values()
    function.__dict__["__signature__"] = own.replace(parameters=[*kept, *options])
    return function
