"""stability: the shift of the mix of levels, against a baseline or from period to period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.dates import late_rows, period_codes
from pandas_numberactive.risk._engine.book.inputs import (
    Missing,
    Signal,
    need_frame,
    signal_columns,
    signals,
    status_column,
    weights,
)
from pandas_numberactive.risk._engine.book.population import customers
from pandas_numberactive.risk._engine.book.terms import Late, Terms
from pandas_numberactive.risk._engine.stats.covariance import bessel
from pandas_numberactive.risk._engine.stats.formulas import stability_index
from pandas_numberactive.risk._engine.stats.significance import CHANCE, holm
from pandas_numberactive.risk._engine.stats.tails import chi_square_point, chi_square_tail
from pandas_numberactive.risk._engine.views import STABILITY_COLUMNS, TOTAL, Shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TOO_FEW = "too few to tell"
BANDS = ((0.0, "stable"), (0.1, "look"), (0.25, "moved"))  # the usual rule of thumb
READINGS = pd.CategoricalDtype([TOO_FEW, "stable", "look", "moved"], ordered=True)


@without_frames
def stability(
    df: pd.DataFrame,
    by: str | Sequence[str] | pd.DataFrame | None,
    *legacy: Any,
    baseline: pd.DataFrame | None = None,
    period: str | None = None,
    freq: str = "M",
    weight: str | None = None,
    counts: str | None = None,
    missing: Missing = "own_levels",
    as_of: str | None = None,
    late: Late = "warn",
    within: str | pd.Timedelta = "1D",
    tz: str | None = None,
    cluster: str | None = "auto",
) -> Shown:
    """Return the population stability index of each signal, by level and in total. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    by
        As in `risk_table`. The order `stability(df, baseline, by)` of earlier versions works, too.
    baseline
        The table to compare with. None takes the first period of `df`, then `period` is needed.
    period, freq
        A date column, to compare each period (month "M", quarter "Q", week "W", on the column's own
        clock) on its own.
    weight, counts, missing, as_of, late, within, tz, cluster
        As in `risk_table`. The baseline needs the columns, too. Only rows that were asked are
        compared.

    Returns
    -------
    pandas.DataFrame
        Indexed by (period,) signal and level, each signal ending in the level "total". n;
        share_before; share; psi = sum of (share - share_before) ln(share / share_before);
        corrected: 0.5 was added to a level's two counts, as one of them is zero. On the lines
        "total" also psi_chance, the mean (k - 1) (1/n + 1/m) that the index has without any shift;
        psi_limit, its 95% point; p_value; p_holm, corrected for the number of signals and periods;
        and reading. Not significant: "stable", or "too few to tell" where psi_limit is 0.1 and
        more. Significant: by psi less psi_chance, below 0.1 "stable", to 0.25 "look", above
        "moved".

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        Where the baseline lacks a signal or a level, or the period is no date.

    Notes
    -----
    The limit is that of a chi-square test (Yurdakul and Naranjo 2020). Weights and repeat customers
    lower the effective n and m.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> levels = pd.Categorical(["low", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": levels})
    >>> table = pna.risk.stability(book, "active_level", baseline=book)
    >>> table.loc[("active_level", "total"), "psi"].item()
    0.0
    """
    if legacy:  # stability(df, baseline, by)
        baseline = cast("pd.DataFrame | None", by)
        by = legacy[0]
    names = signal_columns(df, cast("str | Sequence[str]", by))
    if baseline is None and period is None:
        raise RiskInputError(
            "Say with what to compare: baseline=another table, or period=a date column."
        )
    terms = Terms(as_of, late, within, tz, cluster, weight, counts)
    now = _mixes(df, names, missing, terms, period, freq)
    if baseline is None:
        before = [mix.only(0) for mix in now]
    else:
        _comparable(df, baseline, names, missing)
        before = _mixes(baseline, names, missing, terms)
    own = baseline is None
    parts = [_compared(mix, other, own) for mix, other in zip(now, before, strict=True)]
    return _finished(parts, period is not None, weight is not None)


@dataclass(frozen=True)
class Mix:
    """The customers of each period and level of one signal, (periods, k), and effective sizes."""

    signal: str
    levels: tuple[str, ...]
    periods: tuple[Any, ...]
    sizes: Floats
    effective: Floats

    def only(self, at: int) -> Mix:
        """Return one period as a mix of its own."""
        here = slice(at, at + 1)
        return Mix(
            self.signal, self.levels, self.periods[here], self.sizes[here], self.effective[here]
        )


def _mixes(
    df: pd.DataFrame,
    names: list[str],
    missing: Missing,
    terms: Terms,
    period: str | None = None,
    freq: str = "M",
) -> list[Mix]:
    when: NDArray[np.int64] = np.zeros(len(df), np.int64)
    periods: tuple[Any, ...] = (None,)
    if period is not None:
        when, periods = period_codes(df, period, freq, terms.tz)
    late = late_rows(df, names, terms)
    load = weights(df, terms.weight)
    counts = weights(df, terms.counts, "counts")
    out = []
    for signal in signals(df, names, missing):
        asked = (signal.codes >= 0) & (signal.codes < signal.tested)
        if terms.late == "drop" and signal.name in late:
            asked &= ~late[signal.name]
        if not asked.any():
            raise RiskInputError(
                f"No row has a level of {signal.name!r}, so there are no shares to compare."
            )
        who = customers(df, signal.name, terms.cluster)
        out.append(_mix(signal, asked, when, periods, load, counts, who))
    return out


def _mix(
    signal: Signal,
    asked: NDArray[np.bool_],
    when: NDArray[np.int64],
    periods: tuple[Any, ...],
    load: Floats | None,
    counts: Floats | None,
    who: NDArray[np.int64] | None,
) -> Mix:
    width = signal.tested
    shape = (len(periods), width)
    cell = when[asked] * width + signal.codes[asked]
    each = counts if load is None else load
    mine = None if each is None else each[asked]
    sizes = np.bincount(cell, mine, shape[0] * width).astype(float).reshape(shape)
    if load is None and who is None:
        effective = sizes.sum(axis=1)
    else:
        people = np.arange(len(when)) if who is None else who
        square = None if counts is None else counts[asked]
        effective = _effective(cell, people[asked], mine, sizes, square if who is None else None)
    return Mix(signal.name, signal.levels[:width], periods, sizes, effective)


def _effective(
    cell: NDArray[np.int64],
    who: NDArray[np.int64],
    load: Floats | None,
    sizes: Floats,
    counts: Floats | None,
) -> Floats:
    """Return the number of independent customers with the same spread of shares, by period.

    (k - 1) over the mean design effect of the shares (Rao and Scott 1981), at most the rows.
    """
    periods, width = sizes.shape
    top = int(who.max(initial=0)) + 1
    when = cell // width
    pairs, person = np.unique(when * top + who, return_inverse=True)
    loads = np.bincount(person * width + cell % width, load, len(pairs) * width)
    sums = loads.reshape(-1, width)
    period = pairs // top
    total = sizes.sum(axis=1)
    share = np.divide(
        sizes,
        total[:, None],
        out=np.zeros(sizes.shape),
        where=total[:, None] > 0,
    )
    scores = (sums - sums.sum(axis=1)[:, None] * share[period]) ** 2
    people = np.bincount(period, minlength=periods)
    variance = np.column_stack([np.bincount(period, one, periods) for one in scores.T])
    variance *= np.array([bessel(float(n)) for n in people])[:, None]
    spread = np.divide(
        variance,
        share,
        out=np.zeros(sizes.shape),
        where=share > 0,
    ).sum(axis=1)
    df = (share > 0).sum(axis=1) - 1.0
    rows = np.bincount(when, counts, periods).astype(float)
    effective = np.divide(df * total**2, spread, out=rows.copy(), where=spread > 0)
    out: Floats = np.minimum(effective, rows)
    return out


def _comparable(
    df: pd.DataFrame, baseline: pd.DataFrame, names: list[str], missing: Missing
) -> None:
    need_frame(baseline)
    for name in names:
        if name not in baseline.columns:
            raise RiskInputError(f"The baseline has no column {name!r}.")
        has = [status_column(frame, name) is not None for frame in (df, baseline)]
        if missing == "own_levels" and has[0] != has[1]:
            raise RiskInputError(
                f"One of the two tables has no status column beside {name!r} to tell its rows "
                'without a level apart: bring the column along, or use missing="one_level".'
            )


def _compared(now: Mix, before: Mix, own: bool) -> pd.DataFrame:
    """Return the lines of one signal. `own`: the baseline is the first period of the same table."""
    if now.levels != before.levels:
        raise RiskInputError(
            f"The levels of {now.signal!r} differ: {before.levels} before, {now.levels} now."
        )
    if TOTAL in now.levels:
        raise RiskInputError(
            f"{now.signal!r} has a level {TOTAL!r}, which is what the sum is called: rename it."
        )
    if not before.sizes[0].sum():
        raise RiskInputError(
            f"No row of the baseline has a level of {now.signal!r}, so there are no shares to "
            "compare."
        )
    filled = np.flatnonzero(now.sizes.sum(axis=1) > 0)  # others have no shares
    blocks = [_block(now, before, int(at), own and at == 0) for at in filled]
    columns = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
    index = pd.MultiIndex.from_product(
        [[now.periods[at] for at in filled], [now.signal], [*now.levels, TOTAL]],
        names=["period", "signal", "level"],
    )
    return pd.DataFrame(columns, index=index)


def _block(now: Mix, before: Mix, at: int, itself: bool) -> dict[str, NDArray[Any]]:
    """Return the columns of one period, its levels and then the line "total"."""
    expected = before.sizes[0]
    actual = now.sizes[at]
    psi, corrected = stability_index(expected, actual)
    seen = actual + expected > 0
    total = float(psi.sum())
    figures = UNTESTED
    if not itself:
        figures = _chance(total, int(seen.sum()) - 1, now.effective[at], before.effective[0])
    blank = np.full(len(psi), np.nan)
    return {
        "n": np.append(actual, actual.sum()),
        "share_before": np.append(expected / expected.sum(), 1.0),
        "share": np.append(actual / actual.sum(), 1.0),
        "psi": np.append(psi, total),
        "corrected": np.append(corrected, bool((corrected & seen).any())),
        "psi_chance": np.append(blank, figures[0]),
        "psi_limit": np.append(blank, figures[1]),
        "p_value": np.append(blank, figures[2]),
    }


UNTESTED = (np.nan, np.nan, np.nan)


def _chance(psi: float, df: int, n: float, m: float) -> tuple[float, float, float]:
    """Return the index's mean without drift, its 95% point, and the p-value of `psi`."""
    if df < 1 or not n or not m:
        return UNTESTED
    unit = 1 / n + 1 / m
    return df * unit, _point(df) * unit, chi_square_tail(psi / unit, df)


@cache
def _point(df: int) -> float:
    return chi_square_point(0.95, df)


def _finished(parts: list[pd.DataFrame], with_periods: bool, weighted: bool) -> Shown:
    out = pd.concat(parts)
    if with_periods:
        out = out.sort_index(level="period", sort_remaining=False, kind="stable")
    else:
        out = out.droplevel("period")
    out["p_holm"] = holm(out["p_value"])
    out["reading"] = _readings(out)
    out = out[STABILITY_COLUMNS]
    return Shown(out if weighted else out.astype({"n": "int64"}))


def _readings(lines: pd.DataFrame) -> pd.Categorical:
    """Return the reading of each line "total", missing on the others and on the baseline itself."""
    beyond = (lines["psi"] - lines["psi_chance"]).to_numpy()
    bands = np.searchsorted([0.1, 0.25], np.nan_to_num(beyond), side="right") + 1
    few = (lines["psi_limit"] >= BANDS[1][0]).to_numpy()
    quiet = np.where(few, 0, 1)
    codes = np.where((lines["p_holm"] < CHANCE).to_numpy(), bands, quiet)
    return pd.Categorical.from_codes(
        np.where(lines["p_value"].isna().to_numpy(), -1, codes), dtype=READINGS
    )
