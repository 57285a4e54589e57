"""Dates of decision and of purchase, as moments in UTC that can be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive._config.settings import settings
from pandas_numberactive.errors import LookAheadWarning, RiskInputError, warn_caller
from pandas_numberactive.risk._engine.book.inputs import SIGNALS, column, need_frame, status_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive.risk._engine.book.terms import Terms

DAY = np.timedelta64(1, "D")
TICK = np.timedelta64(1, "us")
_warned: list[bool] = []


@dataclass(frozen=True)
class Moments:
    """A date column: moments in UTC, and as its own clock shows them. Both M8[us], NaT if missing.

    `dated`: rows at midnight of their own clock, which are days without a time.
    """

    utc: NDArray[np.datetime64]
    local: NDArray[np.datetime64]

    @property
    def dated(self) -> NDArray[np.bool_]:
        days: NDArray[np.bool_] = self.local == self.local.astype("M8[D]")
        return days


def moments(df: pd.DataFrame, name: str, tz: str | None = None) -> Moments:
    """Read a date column: datetimes, Arrow dates, days as periods, or Python's own dates.

    Dates without a time zone are read on the clock of `tz`, by default the setting `timezone`.
    """
    dates = _as_datetimes(column(df, name), name)
    if dates.dt.tz is None:
        local = dates.to_numpy(dtype="M8[us]")
        dates = _localized(dates, tz or settings().timezone)
    else:
        local = dates.dt.tz_localize(None).to_numpy(dtype="M8[us]")
    utc = dates.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="M8[us]")
    return Moments(utc, local)


def _localized(dates: pd.Series[Any], tz: str) -> pd.Series[Any]:
    try:
        first_of_two = np.ones(len(dates), bool)
        out: pd.Series[Any] = dates.dt.tz_localize(
            tz, ambiguous=first_of_two, nonexistent="shift_forward"
        )
        return out
    except (KeyError, ValueError, TypeError) as error:  # pytz and zoneinfo differ
        raise RiskInputError(
            f'tz is the name of a time zone, such as "Asia/Jakarta", not {tz!r}.'
        ) from error


def _as_datetimes(dates: pd.Series[Any], name: str) -> pd.Series[Any]:
    kind: Any = dates.dtype
    if isinstance(kind, pd.ArrowDtype) and kind.kind == "M":
        return _of_arrow(dates)
    if pd.api.types.is_datetime64_any_dtype(kind):
        return dates
    if isinstance(kind, pd.PeriodDtype):
        return _of_periods(dates, name)
    if pd.api.types.is_object_dtype(kind) and pd.api.types.infer_dtype(dates, skipna=True) in (
        "date",
        "datetime",
    ):
        return pd.to_datetime(dates)
    raise RiskInputError(f"Column {name!r} is {kind}, not a date: {_advice(dates, name)}")


def _of_arrow(dates: pd.Series[Any]) -> pd.Series[Any]:
    zone = getattr(dates.dtype.pyarrow_dtype, "tz", None)  # type: ignore[union-attr]
    plain: Any = "datetime64[us]" if zone is None else pd.DatetimeTZDtype("us", zone)
    return dates.astype(plain)


def _of_periods(dates: pd.Series[Any], name: str) -> pd.Series[Any]:
    starts: pd.Series[Any] = dates.dt.start_time
    longest = (dates.dt.end_time - starts).max()
    if longest > pd.Timedelta("1D"):
        raise RiskInputError(
            f"Column {name!r} is {dates.dtype}, longer than a day: df[{name!r}].dt.end_time takes "
            "the last day of each, or use the day of the decision."
        )
    return starts


_LAYOUTS = (
    (r"\d{4}-\d{2}-\d{2}", "ISO8601"),
    (r"\d{8}$", "%Y%m%d"),
    (r"\d{1,2}/\d{1,2}/\d{4}$", "%d/%m/%Y"),
    (r"\d{1,2}-\d{1,2}-\d{4}$", "%d-%m-%Y"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}$", "%d.%m.%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}$", "%d/%m/%Y %H:%M"),
)


def _advice(dates: pd.Series[Any], name: str) -> str:
    """Return the line that makes a date of the column, with the layout of its first cell."""
    cells = dates.dropna()
    whole = pd.api.types.is_numeric_dtype(dates.dtype)
    first = "" if not len(cells) else str(int(cells.iloc[0]) if whole else cells.iloc[0]).strip()
    layout = next((how for shape, how in _LAYOUTS if re.match(shape, first)), None)
    text = f"df[{name!r}]"
    if whole:
        text += '.astype("Int64").astype("string")'
    if layout is None:
        return f'pd.to_datetime({text}, format="...") with its layout makes it one.'
    note = " (day before month: check that yours is so)" if layout.startswith("%d") else ""
    return f'pd.to_datetime({text}, format="{layout}") makes it one{note}.'


def bought_column(signal: str) -> str | None:
    """Return the column with the moment a signal was bought, None for a column of your own."""
    for end in SIGNALS:
        if signal.endswith(end):
            return signal.removesuffix(end) + "looked_up_at"
    return None


def late_rows(
    df: pd.DataFrame,
    signals: list[str],
    terms: Terms,
) -> dict[str, NDArray[np.bool_]]:
    """Return, for each signal, the rows whose answers were bought after the decision.

    Warns or refuses as `late` says. Empty without `as_of`.
    """
    if terms.as_of is None:
        if terms.late == "warn":
            _warn_unchecked(df, signals)
        return {}
    limit = deadline(df, terms)
    late: dict[str, NDArray[np.bool_]] = {}
    for signal in signals:
        late[signal] = _late(df, signal, limit, terms)
    _judge(df, late, terms)
    return late


def dated_late_rows(
    df: pd.DataFrame,
    signals: list[str],
    terms: Terms,
) -> dict[str, NDArray[np.bool_]]:
    """Return the late rows of each signal without a warning. Refuse rows without a date."""
    limit = deadline(df, terms)
    strict = replace(terms, late="warn")
    return {signal: _late(df, signal, limit, strict) for signal in signals}


def deadline(df: pd.DataFrame, terms: Terms) -> NDArray[np.datetime64]:
    """Return the last moment, in UTC, at which an answer was in time.

    That is `within` after the decision. A date without a time counts until its end at least.
    """
    decided = _decided(df, terms)
    grace = terms.grace().to_timedelta64().astype("m8[us]")
    of_days = max(grace, DAY) - TICK
    limit: NDArray[np.datetime64] = decided.utc + np.where(decided.dated, of_days, grace)
    return limit


def lag_days(df: pd.DataFrame, signal: str, terms: Terms) -> NDArray[np.float64]:
    """Return the days from the decision to the look-up of each row, NaN where one is missing.

    A date without a time is taken at its end, so that a look-up on its day has no lag.
    """
    when = bought_column(signal)
    if when is None or when not in df.columns:
        raise RiskInputError(
            f"The day of the look-up is needed, enrich's ..._looked_up_at beside {signal!r}."
        )
    decided = _decided(df, terms)
    start = decided.utc + np.where(decided.dated, DAY - TICK, np.timedelta64(0, "us"))
    lag = moments(df, when, "UTC").utc - start
    days: NDArray[np.float64] = lag / np.timedelta64(1, "D")
    return days


def _decided(df: pd.DataFrame, terms: Terms) -> Moments:
    """Return the moments of the decision."""
    if terms.as_of is None:
        raise RiskInputError("Name the date of the decision: as_of=, a date column.")
    return moments(df, terms.as_of, terms.tz)


def period_codes(
    df: pd.DataFrame, period: str, freq: str, tz: str | None
) -> tuple[NDArray[np.int64], tuple[Any, ...]]:
    """Return the period of each row as a code, and the periods in order of time.

    Periods are those of the column's own clock.
    """
    need_frame(df)
    dates = moments(df, period, tz).local
    gaps = int(np.isnat(dates).sum())
    if gaps:
        raise RiskInputError(f"{gaps:,} rows have no {period!r}: leave them out, and report that.")
    days = dates.astype("M8[D]").astype(np.int64)
    first = int(days.min())
    of_day = _in_periods(np.arange(first, int(days.max()) + 1).astype("M8[D]"), freq)
    place = of_day.asi8 - of_day.asi8.min()
    used, codes = np.unique(place[days - first], return_inverse=True)
    names = of_day.drop_duplicates()
    return codes.astype(np.int64), tuple(names[np.isin(names.asi8 - of_day.asi8.min(), used)])


def _in_periods(days: NDArray[np.datetime64], freq: str) -> pd.PeriodIndex:
    try:
        return pd.DatetimeIndex(days).to_period(freq)
    except (TypeError, ValueError) as error:
        raise RiskInputError(
            f'freq is the length of a period: "M", "Q", "W", "D" or "Y", not {freq!r}.'
        ) from error


def _late(
    df: pd.DataFrame, signal: str, limit: NDArray[np.datetime64], terms: Terms
) -> NDArray[np.bool_]:
    when = bought_column(signal)
    if when is None or when not in df.columns:
        raise RiskInputError(
            "as_of needs enrich's ..._looked_up_at column beside the signals. It is not in the "
            f"table for {signal!r}."
        )
    bought = moments(df, when, "UTC").utc
    answered = _answered(df, signal)
    if terms.late != "keep":
        _refuse_undated(answered & np.isnat(bought), when)
        _refuse_undated((answered | ~np.isnat(bought)) & np.isnat(limit), str(terms.as_of))
    too_late: NDArray[np.bool_] = bought > limit
    return too_late


def _answered(df: pd.DataFrame, signal: str) -> NDArray[np.bool_]:
    if signal not in df.columns:  # coverage needs no signal
        known = np.zeros(len(df), bool)
    else:
        known = column(df, signal).notna().to_numpy()
    status = status_column(df, signal)
    if status is None:
        return known
    return known | column(df, status).isin(["answered", "no_data"]).to_numpy()


def _refuse_undated(rows: NDArray[np.bool_], name: str) -> None:
    count = int(rows.sum())
    if count:
        raise RiskInputError(
            f"{count:,} rows hold an answer but no {name!r}, so it is unknown if it came too "
            "late: fill the dates in, or leave those rows out, and report that."
        )


def _warn_unchecked(df: pd.DataFrame, signals: list[str]) -> None:
    dated = any(bought_column(signal) in df.columns for signal in signals)
    if dated and not _warned:
        _warned.append(True)
        warn_caller(
            "No as_of was given: answers bought after a loan was granted may have seen its "
            'outcome. Name the date of the decision, as_of="application_date". (Shown once. '
            'late="keep" silences it.)',
            LookAheadWarning,
        )


def _judge(df: pd.DataFrame, late: dict[str, NDArray[np.bool_]], terms: Terms) -> None:
    any_late = np.logical_or.reduce(list(late.values()))
    count = int(any_late.sum())
    if count and terms.late == "warn":
        warn_caller(
            f"{count:,} of {len(df):,} rows ({count / len(df):.1%}) hold answers bought after "
            f"{terms.as_of!r}: such a signal saw the outcome and looks predictive. "
            'late="drop" leaves them out, late="keep" keeps them silently.',
            LookAheadWarning,
        )
    if not count or terms.late != "drop":
        return
    for signal, rows in late.items():
        answered = _answered(df, signal)
        if rows.any() and not (answered & ~rows).any():
            raise RiskInputError(
                f"All {int(rows.sum()):,} answers of {signal!r} were bought after "
                f"{terms.as_of!r}, so no answered row is left: buy the signal on the day of the "
                "decision, or allow more time with within=."
            )
