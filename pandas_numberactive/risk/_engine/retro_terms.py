"""The terms of a retro test, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.html import html_table, text_table
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.checks import (
    amount,
    checked_folds,
    checked_seed,
    price_of,
    within,
)
from pandas_numberactive.risk._engine.book.inputs import names_of
from pandas_numberactive.risk._engine.book.terms import Common, Terms

PROTOCOL = 2  # of the rule: a change of it changes every fingerprint


@dataclass(frozen=True, kw_only=True, repr=False)
class RetroTerms:
    """The terms, validated when they are made, and frozen."""

    target: str
    as_of: str
    margin: float
    loss: float
    unit_price: float | None = None
    score: str | None = None
    bands: str | None = None
    cut: int = 10
    by: str | Sequence[str] = "all"
    smallest_odds_ratio: float = 1.3
    segment: str | None = None
    within: str = "1D"
    tz: str | None = None
    mature: str | None = None
    bad: Any = None
    cluster: str | None = "auto"
    weight: str | None = None
    counts: str | None = None
    power: float = 0.8
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        amount(self.margin, "margin")
        amount(self.loss, "loss")
        checked_folds(self.folds)
        checked_seed(self.seed)
        within("power", self.power, 0.5, 1)
        within("smallest_odds_ratio", self.smallest_odds_ratio, 1, math.inf)
        if self.score is not None and self.bands is not None:
            raise RiskInputError("score= is cut into bands, bands= are your own: give one.")
        price = price_of(self.unit_price)
        if price is None:
            raise RiskInputError(
                "Say what a look-up costs: unit_price=500, or pna.configure(unit_price=...)."
            )
        fixed = {"unit_price": price, "tz": self.tz or settings().timezone}
        if not isinstance(self.by, str):
            fixed["by"] = tuple(names_of(self.by))
        for name, value in fixed.items():
            object.__setattr__(self, name, value)
        Terms(**common_of(self))

    @property
    def price(self) -> float:
        """The price of a look-up, fixed when the terms were made."""
        assert self.unit_price is not None
        return float(self.unit_price)

    @property
    def fingerprint(self) -> str:
        """The first 12 digits of a SHA-256 over all terms and the version of the rule."""
        text = json.dumps([PROTOCOL, asdict(self)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def lines(self) -> list[tuple[str, str]]:
        """Return the terms as pairs of name and text.

        Returns
        -------
        list of tuple of str
            The terms that are set, as people read them.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> terms = pna.risk.RetroTest(
        ...     target="defaulted", as_of="day", margin=8e5, loss=6e6, unit_price=500
        ... )
        >>> terms.lines()[0]
        ('target', 'defaulted')
        """
        shown = [(name, value) for name, value in asdict(self).items() if value is not None]
        return [(name.replace("_", " "), _text(value)) for name, value in shown]

    def __repr__(self) -> str:
        return text_table(f"Retro test, terms {self.fingerprint}", self.lines())

    def _repr_html_(self) -> str:
        return html_table(f"Retro test, terms {self.fingerprint}", self.lines())


def common_of(terms: RetroTerms) -> Common:
    """Return the keywords that all questions share, with late rows kept."""
    return {
        "as_of": terms.as_of,
        "late": "keep",
        "within": terms.within,
        "tz": terms.tz,
        "cluster": terms.cluster,
        "weight": terms.weight,
        "counts": terms.counts,
        "bad": terms.bad,
        "mature": terms.mature,
    }


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.10g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
