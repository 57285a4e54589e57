"""Checks of amounts, prices and folds."""

from __future__ import annotations

import math
from numbers import Real

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.text import said
from pandas_numberactive.errors import RiskInputError


def price_of(unit_price: float | None) -> float | None:
    price = settings().unit_price if unit_price is None else unit_price
    if price is None:
        return None
    if (
        isinstance(price, bool)
        or not isinstance(price, Real)
        or not (math.isfinite(price) and price >= 0)
    ):
        raise RiskInputError(
            f"unit_price is what an answer costs, a number of 0 or more, not {said(price)}."
        )
    return float(price)


def amount(value: float, name: str) -> float:
    """Return an amount of money above 0, validated."""
    usable = isinstance(value, Real) and not isinstance(value, bool)
    if not usable or not (math.isfinite(value) and value > 0):
        raise RiskInputError(f"{name} is an amount of money above 0, not {value!r}.")
    return float(value)


def within(
    name: str,
    value: float,
    low: float,
    high: float,
    *,
    closed: bool = False,
) -> None:
    """Raise RiskInputError for a number out of its range, the upper end of which may be in it."""
    usable = isinstance(value, Real) and not isinstance(value, bool)
    if not usable or not (low < value < high or (closed and value == high)):
        end = "at most" if closed else "below"
        raise RiskInputError(f"{name} is a number above {low} and {end} {high}, not {value!r}.")


def checked_seed(seed: int) -> None:
    """Raise RiskInputError for a seed that starts no stream of random numbers."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise RiskInputError(f"seed is a whole number, 0 or more, not {seed!r}.")


def checked_folds(folds: int) -> int:
    """Return the number of folds, validated."""
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= 20:
        raise RiskInputError(f"folds is a whole number, 2 to 20, not {folds!r}.")
    return folds
