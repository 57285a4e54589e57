"""Pilot: a purchase in random batches that stops itself when the question is answered."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._pandas.api import enrich
from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.banded import Banded
from pandas_numberactive.risk._engine.book.bands import bands_of
from pandas_numberactive.risk._engine.book.dates import deadline
from pandas_numberactive.risk._engine.book.inputs import SIGNALS, column, need_frame, outcomes
from pandas_numberactive.risk._engine.book.population import Population, population
from pandas_numberactive.risk._engine.book.terms import Terms
from pandas_numberactive.risk._engine.stats.sequential import bounds, conditional_power
from pandas_numberactive.risk._engine.views import Shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

HOPELESS_BELOW = 0.1  # conditional power at which a signal is given up
MOST_LOOKS = 20


class Verdict(StrEnum):
    """The answer of a pilot, and of each of its looks."""

    SIGNIFICANT = "significant"
    HOPELESS = "hopeless"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Look:
    """One look at one signal: the statistic, its bound, and the power that is left."""

    look: int
    signal: str
    bought: int
    n: int
    bads: int
    z: float
    bound: float
    conditional_power: float
    verdict: Verdict


class Pilot:
    """A purchase in random batches that stops when the signal is significant, or hopeless.

    Parameters
    ----------
    df, column
        The table, and its phone column.
    target
        The outcome, as in `risk_table`. Rows without one are not bought.
    max_charges
        The most look-ups that the whole pilot may charge.
    looks
        Number of equal batches, 1 to 20. After each the trend over the signal's levels is tested
        within bands of the score, at O'Brien and Fleming's bounds (1979). All looks together find
        a signal where there is none in 5 of 100 pilots.
    by
        Signals without the prefix. Several are tested at a part of 5% each (Bonferroni).
        A look at rows that are all good, all bad or without a score decides nothing.
    smallest_odds_ratio
        The effect, a step from one level to the next, that is worth finding. The pilot gives up
        where the power to find it falls below a tenth.
    score, cut, bad, cluster, seed
        As in `incremental`; the seed is that of the order of purchase.
    as_of, within, tz, late
        The date of the decision. Answers bought now for older decisions are late: the pilot refuses
        to buy them unless late="keep".
    prefix, progress
        As in `enrich`.

    Notes
    -----
    Buying goes through `enrich`, number by number in an order fixed by the seed. Each number is
    charged once at most, so a pilot that was killed goes on when it is made and run again with the
    same table, seed and cap: what is stored costs nothing. Late answers may have seen the outcome,
    so "significant" then means that a study with fresh answers is worth its price. "hopeless" is
    final, as a late answer knows no less than a fresh one.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> from pandas_numberactive.simulator.loanbook import loan_book
    >>> pilot = pna.risk.Pilot(
    ...     loan_book(1_500), "phone", target="defaulted", max_charges=1_000, score="score"
    ... )
    >>> with pna.override(environment="simulator", store=":memory:", progress=False):
    ...     loans = pilot.run()
    >>> str(pilot.verdict)
    'significant'
    """

    @without_frames
    def __init__(
        self,
        df: pd.DataFrame,
        column: Hashable,
        *,
        target: str,
        max_charges: int,
        looks: int = 5,
        by: str | tuple[str, ...] = "active_level",
        smallest_odds_ratio: float = 1.3,
        score: str | None = None,
        cut: int = 10,
        as_of: str | None = None,
        within: str = "1D",
        tz: str | None = None,
        late: Literal["refuse", "keep"] = "refuse",
        bad: object = None,
        cluster: str | None = "auto",
        seed: int = 0,
        prefix: str | None = None,
        progress: bool | Literal["auto"] = "auto",
    ) -> None:
        need_frame(df)
        self.column = column
        self.target = target
        self.looks = _whole("looks", looks, 1, MOST_LOOKS)
        self.max_charges = _whole("max_charges", max_charges, looks, None)
        self.signals = (by,) if isinstance(by, str) else tuple(by)
        self.smallest_odds_ratio = _effect(smallest_odds_ratio)
        self.score = score
        self.cut = cut
        self.bad = bad
        self.cluster = cluster
        self.prefix = f"{column}_" if prefix is None else prefix
        self.progress = progress
        self.history: list[Look] = []
        if as_of is not None and late != "keep":
            _refuse_late(df, Terms(as_of=as_of, within=within, tz=tz))
        self._df = df
        self._number = numbers_of(df, column)
        self._batch = _batches(self, df, seed)
        self._bits = _outcomes_to_buy(self)

    @property
    def verdict(self) -> Verdict | None:
        """The answer: significant, hopeless or undecided, None before the first look."""
        if not self.history:
            return None
        last = [one.verdict for one in self.history if one.look == self.history[-1].look]
        if Verdict.SIGNIFICANT in last:
            return Verdict.SIGNIFICANT
        return Verdict.HOPELESS if set(last) == {Verdict.HOPELESS} else Verdict.UNDECIDED

    @property
    def table(self) -> Shown:
        """A line a look and signal: bought, n, bads, z, bound, conditional power, verdict."""
        columns = list(Look.__dataclass_fields__)
        lines = [[getattr(one, name) for name in columns] for one in self.history]
        frame = pd.DataFrame(lines, columns=columns)
        frame["verdict"] = frame["verdict"].astype(str)
        return Shown(frame.set_index(["look", "signal"]))

    @without_frames
    def run(self) -> pd.DataFrame:
        """Buy batch by batch until a look stops the pilot, and return the rows bought.

        It charges at most `max_charges` look-ups. A number that the store has is free.

        Returns
        -------
        pandas.DataFrame
            The rows of the table that were bought, with the columns that `enrich` adds. `verdict`
            and `table` of the pilot then hold its answer.

        Raises
        ------
        NumberActiveError
            The errors of `enrich`. Everything paid is stored: run the pilot again.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> from pandas_numberactive.simulator.loanbook import loan_book
        >>> book = loan_book(200)
        >>> pilot = pna.risk.Pilot(book, "phone", target="defaulted", max_charges=20, looks=2)
        >>> with pna.override(environment="simulator", store=":memory:", progress=False):
        ...     rows = pilot.run()
        >>> pilot.table.index.names
        FrozenList(['look', 'signal'])
        """
        self.history = []
        bought: list[pd.DataFrame] = []
        for look in range(1, self.looks + 1):
            bought.append(self._buy(look))
            frame = pd.concat(bought).sort_index()
            self._judge(frame, look)
            if self.verdict is not Verdict.UNDECIDED:
                break
        positions = np.flatnonzero((self._batch > 0) & (self._batch <= look))
        frame.index = self._df.index[positions]
        return frame

    def _buy(self, look: int) -> pd.DataFrame:
        """Buy one batch, whose rows are numbered by their place in the table."""
        places = np.flatnonzero(self._batch == look)
        batch = self._df.iloc[places].copy()
        batch.index = pd.Index(places)
        return enrich(
            batch,
            self.column,
            prefix=self.prefix,
            max_charges=max(1, self._numbers(look)),
            progress=self.progress,
        )

    def _numbers(self, look: int) -> int:
        return int(np.unique(self._number[self._batch == look]).size)

    def _judge(self, frame: pd.DataFrame, look: int) -> None:
        self.history += [self._look(frame, self.prefix + name, look) for name in self.signals]

    def _look(self, frame: pd.DataFrame, signal: str, look: int) -> Look:
        own = frame.index[frame[signal].notna()]
        bads = int(self._bits[own].sum())
        score, variance = self._trend(frame, signal) if self._testable(own, bads) else (0.0, 0.0)
        alpha = 0.05 / len(self.signals)
        bound = bounds(self.looks, alpha)[look - 1]
        z = 0.0
        left = math.nan  # without a spread there is nothing to give up yet
        if variance > 0:
            z = score / math.sqrt(variance)
            drift = math.log(self.smallest_odds_ratio) * math.sqrt(variance * self.looks / look)
            left = conditional_power(z, look, self.looks, math.copysign(drift, z), alpha)
        bought = sum(self._numbers(one) for one in range(1, look + 1))
        verdict = _verdict(z, bound, left)
        return Look(look, signal, bought, len(own), bads, z, bound, left, verdict)

    def _testable(self, own: pd.Index[int], bads: int) -> bool:
        """Return True where rows with a level are of both classes, and one has a score."""
        scored = self.score is None or bool(self._df[self.score].iloc[own].notna().any())
        return 0 < bads < len(own) and scored

    def _trend(self, frame: pd.DataFrame, signal: str) -> tuple[float, float]:
        """Return the score of the trend over the signal's levels, and its variance."""
        rows = population(
            frame,
            signal,
            self.target,
            missing="drop",
            late="keep",
            bad=self.bad,
            cluster=self.cluster,
        )
        return Banded(rows, bands_of(frame, rows, self.score, None, self.cut)).trend()


def _verdict(z: float, bound: float, left: float) -> Verdict:
    if abs(z) >= bound:
        return Verdict.SIGNIFICANT
    return Verdict.HOPELESS if left < HOPELESS_BELOW else Verdict.UNDECIDED


def _whole(name: str, value: int, least: int, most: int | None) -> int:
    usable = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not usable or (most is not None and value > most):
        end = "" if most is None else f" to {most}"
        raise RiskInputError(
            f"{name} is a whole number, {least}{end or ' or more'}, not {value!r}."
        )
    return value


def _effect(odds_ratio: float) -> float:
    if not (isinstance(odds_ratio, (int, float)) and math.isfinite(odds_ratio) and odds_ratio > 1):
        raise RiskInputError(f"smallest_odds_ratio is a number above 1, not {odds_ratio!r}.")
    return float(odds_ratio)


def _outcomes_to_buy(pilot: Pilot) -> NDArray[np.int8]:
    """Return the outcome of each row to buy as 0 and 1, 0 elsewhere.

    What no look could test is refused here, as nothing was bought yet.
    """
    df = pilot._df
    for name in pilot.signals:
        if name not in SIGNALS:
            raise RiskInputError(f"by is one of {', '.join(SIGNALS)}, not {name!r}.")
    if pilot.cluster not in (None, "auto"):
        column(df, str(pilot.cluster))
    places = np.flatnonzero(pilot._batch > 0)
    found = outcomes(df.iloc[places], pilot.target, pilot.bad)
    to_buy = Population((), np.zeros(len(places), np.int8), found, at=places)
    bands_of(df, to_buy, pilot.score, None, pilot.cut)
    bits = np.zeros(len(df), np.int8)
    bits[places] = found
    return bits


def _refuse_late(df: pd.DataFrame, terms: Terms) -> None:
    now = pd.Timestamp.now("UTC").tz_localize(None).to_datetime64()
    late = deadline(df, terms) < now
    if late.any():
        raise RiskInputError(
            f"{int(late.sum()):,} of {len(df):,} applications were decided more than "
            f"{terms.within} ago, so answers bought now are late and cannot decide a purchase. "
            "Nothing was charged. Look up new applications on their day, or give late='keep' to "
            "learn if the signal is hopeless."
        )


def numbers_of(df: pd.DataFrame, name: Any) -> Ints:
    """Return the national number of each row, 0 where it has none."""
    return normalize_column(column(df, name), max_digits=settings().max_digits).number


def _batches(pilot: Pilot, df: pd.DataFrame, seed: int) -> Ints:
    """Return the batch of each row, 1 to `looks`, or 0 where it is not bought.

    Distinct numbers are shuffled, the first `max_charges` of them taken, and cut into equal parts.
    """
    numbers = pilot._number
    known = (numbers != 0) & column(df, pilot.target).notna().to_numpy()
    distinct = np.unique(numbers[known])
    order = np.random.default_rng(seed).permutation(len(distinct))
    size = min(pilot.max_charges, len(distinct))
    if size < pilot.looks:
        raise RiskInputError(
            f"Only {size:,} readable numbers have an outcome: too few for {pilot.looks} looks. "
            "Nothing was charged."
        )
    rank = order[np.searchsorted(distinct, numbers[known])]
    batch = np.zeros(len(df), np.int64)
    batch[known] = np.where(rank < size, rank * pilot.looks // size + 1, 0)
    return batch
