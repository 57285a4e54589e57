"""The keywords that every risk question shares, with their defaults."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar

import pandas as pd

from pandas_numberactive._display.text import said
from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive.errors import RiskInputError, near_misses

P = ParamSpec("P")
R = TypeVar("R")

Late = Literal["warn", "drop", "keep"]


class Common(TypedDict, total=False):
    """The shared keywords, for type checkers."""

    as_of: str | None
    late: Late
    within: str | pd.Timedelta
    tz: str | None
    cluster: str | None
    weight: str | None
    counts: str | None
    bad: object
    mature: str | pd.Timedelta | None


@dataclass(frozen=True)
class Terms:
    """The shared keywords, checked.

    as_of: the column with the date of the decision. late: the treatment of answers bought after it.
    within: the grace after the decision. tz: the clock of dates without a time zone. cluster: the
    column that names the customer. weight: sampling weights. counts: rows of a frequency table.
    bad: the value of the target that is bad. mature: the age from which on an outcome is settled.
    """

    as_of: str | None = None
    late: Late = "warn"
    within: str | pd.Timedelta = "1D"
    tz: str | None = None
    cluster: str | None = "auto"
    weight: str | None = None
    counts: str | None = None
    bad: object = None
    mature: str | pd.Timedelta | None = None

    def __post_init__(self) -> None:
        if self.late not in ("warn", "drop", "keep"):
            raise RiskInputError('late must be "warn", "drop" or "keep".')
        if self.weight is not None and self.counts is not None:
            raise RiskInputError(
                "weight= is a sampling weight, counts= the rows of a frequency table: give one."
            )
        if self.mature is not None and self.as_of is None:
            raise RiskInputError("mature= needs as_of=, the column with the date of the decision.")
        self.grace()
        self.ripe()

    def grace(self) -> pd.Timedelta:
        """Return `within` as a length of time."""
        return length(self.within, "within")

    def ripe(self) -> pd.Timedelta | None:
        """Return `mature` as a length of time, None where it was left out."""
        return None if self.mature is None else length(self.mature, "mature")


def length(value: object, name: str) -> pd.Timedelta:
    """Return a length of time of 0 or more. Raise RiskInputError for anything else."""
    try:
        found = pd.Timedelta(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = pd.NaT  # type: ignore[assignment]
    if isinstance(value, (int, float)) or pd.isna(found) or found < pd.Timedelta(0):
        raise RiskInputError(
            f'{name} is a length of time, such as "1D" or "12h", not {said(value)}.'
        )
    return found


def takes_terms(function: Callable[P, R]) -> Callable[P, R]:
    """Show the shared keywords in help(), and answer a misspelled one with the nearest.

    An exception leaves without our frames, because their locals hold the table.
    """
    own = inspect.signature(function)
    kept = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    keyword = inspect.Parameter.KEYWORD_ONLY
    types = Common.__annotations__
    shared = [
        inspect.Parameter(
            one.name,
            keyword,
            default=one.default,
            annotation=types[one.name],
        )
        for one in fields(Terms)
    ]
    known = {one.name for one in [*kept, *shared]}

    @without_frames
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        refuse_unknown(function.__name__, kwargs, known)
        return function(*args, **kwargs)

    call.__dict__["__signature__"] = own.replace(parameters=[*kept, *shared])
    return call


def refuse_unknown(name: str, given: dict[str, Any], known: set[str]) -> None:
    """Raise TypeError for the first keyword that is not known, with the nearest known ones."""
    for word in given:
        if word not in known:
            near = near_misses(word, sorted(known))
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise TypeError(f"{name} has no keyword {hide_numbers(repr(word))}.{hint}")
