"""Validate the options of one call."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from pandas_numberactive._config.checks import _one_of
from pandas_numberactive._display.public import refuse_unknown
from pandas_numberactive._display.text import said
from pandas_numberactive.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np

MOST_CAP = 2**63 - 1  # charges that a store can write down as a cap
_FLAGS = ("details", "overwrite", "refresh", "retry_failed")


class EnrichOptions(TypedDict, total=False):
    """The keyword options of `enrich`, `aenrich`, `start` and `plan`, for type checkers.

    The same names and types as in `Options`, which has the defaults.
    """

    prefix: str | None
    details: bool
    overwrite: bool
    max_charges: float | None
    budget: float | None
    max_age: str | timedelta | np.timedelta64 | None
    refresh: bool
    retry_failed: bool
    order: Literal["rows", "random"]
    seed: int
    errors: Literal["coerce", "raise"]
    progress: bool | Literal["auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one call, validated when they are made."""

    prefix: str | None = None
    details: bool = False
    overwrite: bool = False
    max_charges: float | None = None
    budget: float | None = None
    max_age: str | timedelta | np.timedelta64 | None = None
    refresh: bool = False
    retry_failed: bool = True
    order: Literal["rows", "random"] = "rows"
    seed: int = 0
    errors: Literal["coerce", "raise"] = "coerce"
    progress: bool | Literal["auto"] = "auto"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Validate the options of a call. A misspelled one is answered with the likely one."""
        refuse_unknown(options, inspect.signature(cls).parameters)
        return cls(**options)

    def __post_init__(self) -> None:
        for name in _FLAGS:
            _check(is_flag(getattr(self, name)), name, "True or False", getattr(self, name))
        auto = isinstance(self.progress, str) and self.progress == "auto"
        _check(auto or is_flag(self.progress), "progress", 'True, False or "auto"', self.progress)
        _check(self.prefix is None or isinstance(self.prefix, str), "prefix", "text", self.prefix)
        whole = isinstance(self.seed, Integral) and not isinstance(self.seed, bool)
        must = "a whole number of at least 0"
        _check(whole and self.seed >= 0, "seed", must, self.seed)
        cap = self.max_charges
        above = isinstance(cap, Real) and _exact(cap) > MOST_CAP
        _check(not above, "max_charges", f"at most {MOST_CAP:,}", cap)
        _check(_is_count(cap), "max_charges", must, cap)
        _check(_is_amount(self.budget), "budget", "an amount of at least 0", self.budget)
        _one_of("rows", "random")("order", self.order)
        _one_of("coerce", "raise")("errors", self.errors)
        if self.max_age is not None:
            seconds_of("max_age", self.max_age)

    @property
    def seconds(self) -> float | None:
        """`max_age` in seconds."""
        return None if self.max_age is None else seconds_of("max_age", self.max_age)

    def since(self, started_at: int) -> int:
        """Return the moment (µs) before which an answer is bought again."""
        if self.refresh:
            return started_at
        return 0 if self.seconds is None else max(0, started_at - round(self.seconds * 1e6))


def _check(fits: bool, name: str, must: str, value: object) -> None:
    if not fits:
        raise ConfigurationError(f"{name} must be {must}, not {said(value)}.")


def _exact(value: Real) -> float:
    """Return Python's own number. A whole one may be larger than any float."""
    return int(value) if isinstance(value, Integral) else float(value)


def _is_count(value: object) -> bool:
    """Return True for None and for whole numbers of at least 0, such as 1000 and 1e3."""
    return _is_amount(value) and (not isinstance(value, Real) or float(value).is_integer())


def _is_amount(value: object) -> bool:
    """Return True for None and for finite numbers of at least 0."""
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return 0 <= _exact(value) <= sys.float_info.max


def is_flag(value: object) -> bool:
    """Return True for True and False, numpy's included. 1, "no" and pd.NA are neither."""
    kind = type(value)
    return isinstance(value, bool) or (kind.__module__, kind.__name__) in _NUMPY_FLAGS


_NUMPY_FLAGS = [("numpy", "bool"), ("numpy", "bool_")]
_SECONDS_OF = {
    "s sec second seconds": 1,
    "min minute minutes": 60,
    "h H hour hours": 3600,
    "d D day days": 86400,
    "w W week weeks": 7 * 86400,
}
_SECONDS = {word: seconds for words, seconds in _SECONDS_OF.items() for word in words.split()}
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)")


def seconds_of(name: str, value: object) -> float:
    """Return a length of time in seconds.

    It may be a timedelta of Python, pandas or numpy, or text with its unit: s, min, h, D or W, or
    their words. A bare number means nanoseconds to pandas, and "6M" or "6m" months to some and
    minutes to others, so both are refused.

    >>> seconds_of("max_age", "180D") == seconds_of("max_age", "180 days") == 180 * 86400
    True
    """
    seconds = _seconds_of_text(value) if isinstance(value, str) else _seconds_of_delta(value)
    if seconds is None or seconds < 0:
        raise ConfigurationError(
            f'{name} must be a length of time with its unit, such as "180D", "26W" or "12h", or a '
            f"Timedelta; not {said(value)}."
        )
    return seconds


def _seconds_of_delta(value: object) -> float | None:
    scalar = getattr(value, "ndim", 1) == 0
    kind = getattr(getattr(value, "dtype", None), "str", "") if scalar else ""
    if kind[1:].startswith("m8[") and not kind.endswith(("M]", "Y]")):
        value = value.astype("m8[us]").item()  # type: ignore[attr-defined]  # numpy's timedelta64
    return value.total_seconds() if isinstance(value, timedelta) else None


def _seconds_of_text(text: str) -> float | None:
    if not re.fullmatch(rf"\s*(?:{_TIME.pattern}\s*)+", text):
        return None
    parts = _TIME.findall(text)
    if not all(unit in _SECONDS for _, unit in parts):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
