"""Score bands: the strata within which a signal is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.population import Population, values_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WHOLE = "all"
NO_SCORE = "no score"
SUMS = ("all", "chosen")  # the lines of break_even over several bands
MOST = 50  # bands: beyond, most cells are empty


@dataclass(frozen=True)
class Bands:
    """A band for each asked row, and the bands' names in the order of the score.

    `scored`: the number of leading bands that are cut from a score, 0 for bands of your own.
    """

    codes: Ints
    names: tuple[str, ...]
    scored: int = 0

    def __len__(self) -> int:
        return len(self.names)


def bands_of(
    df: pd.DataFrame, found: Population, score: str | None, bands: str | None, cut: int
) -> Bands:
    """Return the bands of the asked rows: `cut` equal parts of a score, or a column's own."""
    if score is not None and bands is not None:
        raise RiskInputError("score= is cut into bands, bands= are your own: give one.")
    if score is not None:
        return _cut(scores_at(df, score, found), cut)
    if bands is not None:
        return _given(values_at(df, bands, found), bands)
    return Bands(np.zeros(len(found), np.int64), (WHOLE,))


def scores_at(df: pd.DataFrame, name: str, found: Population) -> Floats:
    """Return a numeric score of the asked rows, NaN where it is missing."""
    values = values_at(df, name, found)
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        raise RiskInputError(
            f"score={name!r} is {values.dtype}, not a number. If it is a grade, give it as bands=."
        )
    scores = values.to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(scores).any():
        raise RiskInputError(f"score={name!r} holds infinite numbers: leave those rows out.")
    if np.isnan(scores).all():
        raise RiskInputError(f"No row asked has a {name!r}: nothing to compare the signal with.")
    return scores


def _cut(scores: Floats, cut: int) -> Bands:
    if isinstance(cut, bool) or not isinstance(cut, int) or not 2 <= cut <= MOST:
        raise RiskInputError(f"cut is the number of score bands, 2 to {MOST}, not {cut!r}.")
    known = ~np.isnan(scores)
    codes = np.searchsorted(_points(scores[known], cut), scores, side="right").astype(np.int64)
    used, codes[known] = np.unique(codes[known], return_inverse=True)
    names = [_span(scores[known][codes[known] == at], at + 1) for at in range(len(used))]
    if not known.all():
        codes[~known] = len(names)
        names.append(NO_SCORE)
    return Bands(codes, tuple(names), len(used))


def _points(scores: Floats, cut: int) -> Floats:
    """Return the lower ends of the bands. A score of a tenth of the rows is a band of its own.

    Scores of a scorecard pile up, often at the lowest. Without a cut above the pile, the rows
    beyond it would be in its band, and a signal would seem to add what the score knows.
    """
    quantiles = np.quantile(scores, np.arange(cut) / cut)
    piled = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    points: Floats = np.unique(np.concatenate([quantiles[1:], np.nextafter(piled, np.inf)]))
    return points


def _span(scores: Floats, number: int) -> str:
    return f"{number}: {scores.min():.4g} to {scores.max():.4g}"


def _given(values: pd.Series[Any], name: str) -> Bands:
    known = values.astype("category").cat.remove_unused_categories()
    names = [str(one) for one in known.cat.categories]
    codes = known.cat.codes.to_numpy().astype(np.int64)
    if len(names) > MOST:
        raise RiskInputError(
            f"bands={name!r} has {len(names)} values; at most {MOST}. Give a score as score=."
        )
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names.append(NO_SCORE)
    _refuse_twice(name, names)
    return Bands(codes, tuple(names))


def _refuse_twice(name: str, names: list[str]) -> None:
    """Raise RiskInputError where two bands, or a band and a sum of bands, have one name."""
    lines = [*names, *SUMS]
    twice = [one for one in names if lines.count(one) > 1]
    if twice:
        raise RiskInputError(
            f"bands={name!r} would make two lines that read {twice[0]!r}: rename that value."
        )


def riskiness(scores: Floats, bits: Floats) -> Floats:
    """Return the score turned so that higher is riskier, missing scores in the middle.

    The direction is read off the rows: scores of bads against those of goods.
    """
    known = ~np.isnan(scores)
    centred = scores[known] - scores[known].mean()
    sign = -1.0 if float(centred @ bits[known]) < 0 else 1.0
    turned = np.where(known, sign * scores, np.nan)
    return np.where(known, turned, np.nanmedian(turned))
