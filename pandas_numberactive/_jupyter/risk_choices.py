"""The columns of a frame by their part in a risk question, found by content and by name.

A column is offered for what it holds. It is preselected only where its name says the same and no
other column could be meant: a wrong outcome or date gives a wrong answer that looks right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pandas_numberactive._jupyter.choosing import CELLS_DRAWN, filled, names_others, words_of
from pandas_numberactive._pandas.columns import COLUMNS, DETAILS
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.dates import bought_column, moments
from pandas_numberactive.risk._engine.book.inputs import SIGNALS

MOST_LEVELS = 50  # of a segment or a category: beyond, they are names or numbers of people
_FIRST = SIGNALS[0]  # the signal that is preselected

_BAD = frozenset(
    "default defaulted bad npl delinquent delinquency macet gagal wanprestasi menunggak nunggak "
    "chargeoff".split()
)
_BESIDE_BAD = frozenset(
    "is has ever flag loan loans kredit pinjaman bayar payment status target outcome label y dpd "
    "day days hari at in within mob month months bulan first".split()
)
_DECISION = frozenset(
    "application applied apply decision decided submission submitted pengajuan keputusan".split()
)
_BESIDE_DECISION = frozenset(
    "date day at on time ts timestamp datetime tanggal tgl loan kredit pinjaman utc".split()
)
_OURS = tuple(f"_{name}" for name in (*COLUMNS, *DETAILS))


@dataclass(frozen=True, slots=True)
class Candidates:
    """The columns that can take one part, in the order of the frame, and the one that is meant."""

    names: tuple[str, ...]
    meant: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a frame by their part."""

    outcome: Candidates
    signal: Candidates
    date: Candidates
    segment: Candidates


def columns_of(df: pd.DataFrame) -> Columns:
    """Find the columns that can take each part. Names that are no text or stand twice are not."""
    names = _usable(df)
    own = [name for name in names if not _is_ours(name)]
    dates = [name for name in own if _is_date(df, name)]
    groups = [name for name in own if name not in dates and _is_segment(df[name])]
    return Columns(
        _outcomes(df, own),
        _signals(df, names),
        Candidates(tuple(dates), _meant(dates, _DECISION, _BESIDE_DECISION)),
        Candidates(tuple(groups)),
    )


def _outcomes(df: pd.DataFrame, own: list[str]) -> Candidates:
    found = [name for name in own if _is_outcome(df[name])]
    return Candidates(tuple(found), _meant(found, _BAD, _BESIDE_BAD))


def _signals(df: pd.DataFrame, names: list[str]) -> Candidates:
    """Return the signals of enrich, and then categories of the reader's own."""
    categories = [name for name in names if _is_category(df[name])]
    bought = [name for name in categories if bought_column(name) is not None]
    others = [name for name in categories if name not in bought and not _is_ours(name)]
    return Candidates((*bought, *others), _meant_signal(bought))


def _usable(df: pd.DataFrame) -> list[str]:
    once = df.columns[~df.columns.duplicated(keep=False)]
    return [name for name in once if isinstance(name, str)]


def _is_ours(name: str) -> bool:
    return f"_{name}".endswith(_OURS)


def _meant(
    names: Iterable[str],
    says: frozenset[str],
    beside: frozenset[str],
) -> str | None:
    """Return the only column that is named so, in words that leave no other meaning."""
    found = [name for name in names if _named(name, says, beside)]
    return found[0] if len(found) == 1 else None


def _named(name: str, says: frozenset[str], beside: frozenset[str]) -> bool:
    words = words_of(name)
    return bool(words & says) and words <= says | beside


def _meant_signal(signals: list[str]) -> str | None:
    """Return the activity level of the customer's own phone, or None where there are several."""
    found = [name for name in signals if name.endswith(_FIRST) and not names_others(name)]
    return found[0] if len(found) == 1 else None


def _is_outcome(column: pd.Series[Any]) -> bool:
    """Return True for a column of 0 and 1 or of bools that holds both. Gaps are none of them."""
    kind = column.dtype
    if not (pd.api.types.is_bool_dtype(kind) or pd.api.types.is_numeric_dtype(kind)):
        return False
    if isinstance(kind, pd.CategoricalDtype):
        return False
    known = column.dropna()
    if not known.iloc[:CELLS_DRAWN].isin([0, 1]).all():
        return False
    values: set[Any] = set(known.unique().tolist())
    return values == {0, 1}


def _is_date(df: pd.DataFrame, name: str) -> bool:
    first = df[name].dropna().head(1)
    if first.empty:
        return False
    try:
        moments(first.to_frame(), name)
    except RiskInputError:
        return False
    return True


def _is_category(column: pd.Series[Any]) -> bool:
    kind = column.dtype
    return isinstance(kind, pd.CategoricalDtype) and 2 <= len(kind.categories) <= MOST_LEVELS


def _is_segment(column: pd.Series[Any]) -> bool:
    """Return True for texts, categories, bools or whole numbers of a few values that repeat."""
    if not _has_few_values(column.dtype):
        return False
    cells = filled(column, CELLS_DRAWN)
    try:
        values = len(set(cells))
    except TypeError:  # lists and other cells without a hash
        return False
    return 2 <= values <= min(MOST_LEVELS, len(cells) // 2)


def _has_few_values(kind: Any) -> bool:
    if isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(kind):
        return True
    if pd.api.types.is_integer_dtype(kind):
        return True
    return pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)
