"""Validate the options of one call."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from numbers import Integral
from typing import Any, Literal, ParamSpec, TypeVar, cast

from pandas_numberactive._config.checks import _one_of
from pandas_numberactive._display.text import said
from pandas_numberactive.errors import ConfigurationError, near_misses

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller of one run asked for; `max_age` in seconds, `budget` in the settings'
    currency.
    """

    max_charges: int | None = None
    budget: float | None = None
    max_age: float | None = None
    refresh: bool = False
    retry_failed: bool = True
    order: str = "rows"
    seed: int = 0
    details: bool = False

    def since(self, started_at: int) -> int:
        """The moment (µs) before which an answer is bought again."""
        if self.refresh:
            return started_at
        return 0 if self.max_age is None else max(0, started_at - round(self.max_age * 1e6))
