"""The one population of the risk questions: rows that were asked, with their outcomes.

Rows never asked (blank or invalid phones, not bought) and failed look-ups are known for free, so
they are no level of the signal. They are counted apart and never tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.dates import late_rows, moments
from pandas_numberactive.risk._engine.book.inputs import (
    SIGNALS,
    Missing,
    Signal,
    column,
    outcomes,
    repeated,
    signal_columns,
    signals,
    weights,
)
from pandas_numberactive.risk._engine.book.terms import Common, Terms
from pandas_numberactive.risk._engine.stats.covariance import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

LATE = "late"
LEAST = 30  # bads, and goods, below which the retro test's questions refuse


@dataclass(frozen=True)
class Population(Rows):
    """The asked rows of one signal.

    `levels` are the signal's own and "no data", where a status column tells it: it was paid for.
    own: number of the signal's own levels, which stand first. at: positions of the rows in the
    frame, to fetch other columns with. apart: rows that are counted and never tested. left_out:
    rows of the frame that are not in the population, by reason.
    in_time: rows of the frame whose answers were not dropped as late, None for all.
    late: late rows of the frame, kept or dropped. late_kept: those among the asked rows.
    """

    signal: str = ""
    own: int = 0
    ordered: bool = False
    at: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    apart: Rows = field(
        default_factory=lambda: Rows((), np.zeros(0, np.int8), np.zeros(0, np.int8))
    )
    left_out: Mapping[str, int] = field(default_factory=dict)
    in_time: NDArray[np.bool_] | None = None
    late: int = 0
    late_kept: int = 0

    def late_words(self) -> str:
        """Return how many of the asked rows are late, in words. Empty where none is."""
        return late_words(self.late_kept, len(self))

    def of_own(self) -> Population:
        """Return the rows with a level of the signal's own, without "no data"."""
        if len(self.levels) == self.own:
            return self
        known = self.restricted(self.codes < self.own)
        return replace(known, levels=self.levels[: self.own])

    def merged(self) -> Rows:
        """Return the asked rows as one level, for a rate over all of them."""
        return Rows(
            ("all",), np.zeros(len(self), np.int8), self.bad, self.weight, self.counts, self.cluster
        )

    def expanded(self) -> Population:
        """Return one row for each loan of a frequency table, to be put into folds."""
        if self.counts is None:
            return self
        return replace(self.restricted(repeated(self.counts)), counts=None)

    def restricted(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Population:
        """Return some of the asked rows as a population, customers numbered anew."""
        some = self.take(chosen)
        return replace(
            self,
            codes=some.codes,
            bad=some.bad,
            weight=some.weight,
            counts=some.counts,
            cluster=some.cluster,
            at=self.at[chosen],
        )


def population(
    df: pd.DataFrame,
    by: str,
    target: str,
    *,
    missing: Missing = "own_levels",
    least: int = 0,
    **common: Unpack[Common],
) -> Population:
    """Return the asked rows of one signal. See `populations`."""
    found = populations(df, by, target, missing=missing, least=least, **common)
    if len(found) != 1:
        names = ", ".join(one.signal for one in found)
        raise RiskInputError(f"This takes one signal at a time; by names {len(found)}: {names}.")
    return found[0]


def populations(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    missing: Missing = "own_levels",
    least: int = 0,
    **common: Unpack[Common],
) -> list[Population]:
    """Return the asked rows of each signal, or refuse in words.

    Parameters
    ----------
    by, target
        As in `risk_table`.
    missing
        "own_levels": "no data" is a level; "one_level": rows without a level stand apart as
        "missing"; "drop": they are left out.
    least
        Fewest bads, and goods, among the asked rows; `LEAST` for the retro test's questions, which
        get a row for each loan of a frequency table.
    common
        The shared keywords, see `Terms`.
    """
    found = [one.population() for one in readings(df, by, target, missing=missing, **common)]
    for one in found:
        _refuse_one_class(one)
        _refuse_few(one, target, least)
    return [one.expanded() for one in found] if least else found


@dataclass(frozen=True)
class Reading:
    """All rows of one signal: tested levels first, then lines apart, -1 where left out."""

    signal: Signal
    whole: Rows
    in_time: NDArray[np.bool_] | None
    late: NDArray[np.bool_] | None = None  # kept or dropped; None without a date to compare

    def population(self) -> Population:
        """Return the asked rows."""
        return _population(self)

    def asked(self) -> NDArray[np.bool_]:
        """Return True for each row that is tested."""
        codes = self.whole.codes
        asked: NDArray[np.bool_] = (codes >= 0) & (codes < self.signal.tested)
        return asked

    def late_words(self) -> str:
        """Return how many of the asked rows are late, in words. Empty where none is."""
        if self.late is None:
            return ""
        asked = self.asked()
        return late_words(int((self.late & asked).sum()), int(asked.sum()))

    def late_by_level(self) -> NDArray[np.int64] | None:
        """Return the late rows of each level and line apart, None without a date to compare."""
        if self.late is None:
            return None
        mine = self.whole.codes[self.late & (self.whole.codes >= 0)]
        return np.bincount(mine, minlength=len(self.whole.levels)).astype(np.int64)

    def counted(self) -> Rows:
        """Return the rows that are in a level or on a line apart."""
        kept = self.whole.codes >= 0
        return self.whole if kept.all() else self.whole.take(kept)

    def left_out(self) -> dict[str, int]:
        """Return how many rows are not in the population, by reason."""
        rows = self.whole
        if rows.load is not None:
            rows = replace(rows, weight=None, counts=None)
        goods, bads = rows.cells()
        sizes = (goods + bads).astype(np.int64)
        lines = self.whole.levels[self.signal.tested :]
        unread = len(self.whole) - int(sizes.sum())
        return _left_out(lines, sizes[self.signal.tested :], unread)


def readings(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    missing: Missing = "own_levels",
    **common: Unpack[Common],
) -> list[Reading]:
    """Return all rows of each signal, for a table that shows the lines apart, too."""
    terms = Terms(**common)
    names = signal_columns(df, by)
    read = signals(df, names, missing)
    late = late_rows(df, names, terms)
    bits = outcomes(df, target, terms.bad)
    _refuse_unripe(df, terms)
    load = weights(df, terms.weight)
    counts = weights(df, terms.counts, "counts")
    by_prefix: dict[str, NDArray[np.int64] | None] = {}
    out = []
    for signal in read:
        behind = late.get(signal.name)
        dropped = behind if terms.late == "drop" else None
        group, lines = _groups(signal.codes, signal.levels, dropped)
        group = _weighing(group, load if counts is None else counts)
        prefix = _prefix(signal.name) or signal.name
        if prefix not in by_prefix:
            by_prefix[prefix] = customers(df, signal.name, terms.cluster)
        whole = Rows(tuple(lines), group, bits, load, counts, by_prefix[prefix])
        out.append(Reading(signal, whole, None if dropped is None else ~dropped, behind))
    return out


def _groups(
    codes: NDArray[np.int8], levels: tuple[str, ...], dropped: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int8], list[str]]:
    """Return a code a row into the tested levels, the lines apart, and "late" where it happened."""
    lines = list(levels)
    if dropped is None or not dropped.any():
        return codes, lines
    return np.where(dropped, len(lines), codes).astype(np.int8), [*lines, LATE]


def _weighing(group: NDArray[np.int8], load: NDArray[np.float64] | None) -> NDArray[np.int8]:
    """Return the codes without rows of weight zero, which stand for no customer."""
    if load is None or load.all():
        return group
    return np.where(load > 0, group, np.int8(-1)).astype(np.int8)


def late_words(late: int, answers: int) -> str:
    """Return how many answers are late, in words. Empty where none is."""
    if not late:
        return ""
    if late == answers:
        return f"all {answers:,} answers are late"
    return f"{late:,} of {answers:,} answers {'is' if late == 1 else 'are'} late"


def _population(read: Reading) -> Population:
    whole = read.whole
    signal = read.signal
    tested = signal.tested
    asked = np.flatnonzero(read.asked())
    others = np.flatnonzero(whole.codes >= tested)
    one = whole.take(asked)
    rest = whole.take(others)
    lines = whole.levels[tested:]
    apart = replace(rest, levels=lines, codes=rest.codes - np.int8(tested))
    return Population(
        whole.levels[:tested],
        one.codes,
        one.bad,
        one.weight,
        one.counts,
        one.cluster,
        signal.name,
        signal.own,
        signal.ordered,
        asked,
        apart,
        _left_out(
            lines,
            np.bincount(apart.codes, minlength=len(lines)),
            len(whole) - len(asked) - len(others),
        ),
        read.in_time,
        0 if read.late is None else int(read.late.sum()),
        0 if read.late is None else int(read.late[asked].sum()),
    )


def _left_out(lines: tuple[str, ...], sizes: NDArray[Any], unread: int) -> dict[str, int]:
    left_out = {line: int(n) for line, n in zip(lines, sizes, strict=True) if n}
    if unread:
        left_out["without a level"] = unread
    return left_out


def _prefix(signal: str) -> str | None:
    """Return what stands before enrich's own name, None for a column of your own."""
    end = next((one for one in SIGNALS if signal.endswith(one)), None)
    return None if end is None else signal.removesuffix(end)


def customers(
    df: pd.DataFrame,
    signal: str,
    cluster: str | None,
) -> NDArray[np.int64] | None:
    """Return a number for the customer of each row. None where each row is its own.

    "auto" takes the phone number behind the signal: enrich's `..._national`, else the phone column
    itself, read as enrich reads it. Rows without a number are customers of their own.
    """
    if cluster is None:
        return None
    if cluster == "auto":
        return _by_number(df, signal)
    codes, _ = pd.factorize(column(df, cluster))
    return _alone(codes.astype(np.int64))


def _by_number(df: pd.DataFrame, signal: str) -> NDArray[np.int64] | None:
    prefix = _prefix(signal)
    if prefix is None:
        return None
    if prefix + "national" in df.columns:
        codes, _ = pd.factorize(column(df, prefix + "national"))
        return _alone(codes.astype(np.int64))
    phone = prefix.removesuffix("_")
    if not phone or phone not in df.columns:
        return None
    numbers = normalize_column(column(df, phone)).number
    codes, _ = pd.factorize(numbers)
    return _alone(np.where(numbers == 0, -1, codes).astype(np.int64))


def _alone(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the codes with a number of its own for each row without one."""
    unknown = codes < 0
    if not unknown.any():
        return codes
    first = int(codes.max(initial=-1)) + 1
    out = codes.copy()
    out[unknown] = first + np.arange(int(unknown.sum()))
    return out


def _refuse_unripe(df: pd.DataFrame, terms: Terms) -> None:
    ripe = terms.ripe()
    if ripe is None:
        return
    assert terms.as_of is not None
    decided = moments(df, terms.as_of, terms.tz).utc
    newest = (pd.Timestamp.now("UTC") - ripe).tz_localize(None)
    young = int((decided > newest.to_datetime64()).sum())
    if young:
        day = (newest - pd.Timedelta("1D")).date()
        raise RiskInputError(
            f"{young:,} rows were decided less than {terms.mature} ago, so their outcome is not "
            f'settled: keep those up to {day}, df[df[{terms.as_of!r}] <= "{day}"], and report that.'
        )


def _refuse_one_class(found: Population) -> None:
    goods, bads = found.cells()
    refuse_one_class(found.signal, float(goods.sum()), float(bads.sum()))


def refuse_one_class(signal: str, goods: float, bads: float) -> None:
    """Raise RiskInputError where no asked row has a level, or all are good, or all bad."""
    if not goods + bads:
        raise RiskInputError(f"No row has a level of {signal!r}: nothing to compare.")
    if not goods or not bads:
        raise RiskInputError(
            f"The rows with a level of {signal!r} are of one class only: nothing to compare."
        )


def _refuse_few(found: Population, target: str, least: int) -> None:
    n = np.bincount(found.bad, found.counts, 2)
    if min(n) < least:
        word, few = ("bad", n[1]) if n[1] < n[0] else ("good", n[0])
        raise RiskInputError(
            f"Only {few:,.0f} of the rows asked for {found.signal!r} are {word} in {target!r}; "
            f"at least {least} are needed. Add loans; nothing was charged."
        )


def values_at(df: pd.DataFrame, name: str, found: Population) -> pd.Series[Any]:
    """Return another column of the asked rows, for instance the score."""
    return column(df, name).iloc[found.at]
