"""DataFrame.numberactive and Series.numberactive: thin delegates to the functions of the
package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack

import pandas as pd

from pandas_numberactive._display.public import public
from pandas_numberactive._run.options import EnrichOptions, Options
from pandas_numberactive.errors import ConfigurationError

if TYPE_CHECKING:
    from pandas_numberactive._pandas.job import Job
    from pandas_numberactive._run.plan import Plan

Columns = Hashable | Sequence[Hashable]
P = ParamSpec("P")
T = TypeVar("T")


class FrameAccessor:
    """Buy and look at phone-number signals for the columns of a frame. Options are those of
    `pna.enrich`.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        rows = len(self._frame)
        return f"<numberactive of {rows:,} rows: enrich, aenrich, start, plan, normalize>"

    @public(options=Options)
    def enrich(self, column: Columns, **options: Unpack[EnrichOptions]) -> pd.DataFrame:
        """Buy what is not stored and return a new frame with the signals of phone columns.

        Each distinct valid number that is not in the store is charged once. `column` is the name
        of the phone column, or a list of names. The options, the columns of the result and the
        errors are those of `pna.enrich`.
        """
        from pandas_numberactive._pandas import api

        return api.enrich(self._frame, column, **options)

    @public(options=Options)
    def aenrich(
        self, column: Columns, **options: Unpack[EnrichOptions]
    ) -> Coroutine[Any, Any, pd.DataFrame]:
        """Await `enrich`. The options and the result are those of `pna.aenrich`."""
        from pandas_numberactive._pandas import api

        return api.aenrich(self._frame, column, **options)

    @public(options=Options)
    def start(self, column: Columns, **options: Unpack[EnrichOptions]) -> Job:
        """Start `enrich` in the background and return its Job, as `pna.start` does."""
        from pandas_numberactive._pandas import api

        return api.start(self._frame, column, **options)

    @public(options=Options)
    def plan(self, column: Columns, **options: Unpack[EnrichOptions]) -> Plan:
        """Return what `enrich` would do and cost, as `pna.plan` does. Spends nothing."""
        from pandas_numberactive._pandas import api

        return api.plan(self._frame, column, **options)

    def normalize(self, column: Hashable) -> pd.DataFrame:
        """Read one column of phone cells as `pna.normalize` does. Nothing is sent."""
        from pandas_numberactive._pandas import api
        from pandas_numberactive._pandas.frames import phone_columns

        return api.normalize(self._frame[phone_columns(self._frame, [column])[0]])


def _alone(method: Callable[P, T]) -> Callable[P, T]:
    """Raise a helpful error if a column name is passed to a Series method."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if len(args) > 1 or "column" in kwargs:
            raise ConfigurationError(
                "A Series is one column and needs no column's name: "
                f"series.numberactive.{method.__name__}(), and "
                "options by their names. Nothing was sent."
            )
        return method(*args, **kwargs)

    return call


class SeriesAccessor:
    """The same for one column on its own. An unnamed Series counts as "phone"."""

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series = series

    def __repr__(self) -> str:
        return f"<numberactive of {len(self._series):,} cells: enrich, plan, normalize>"

    @public(options=Options)
    @_alone
    def enrich(self, **options: Unpack[EnrichOptions]) -> pd.DataFrame:
        """Buy what is not stored. Returns the result columns alone, on the same index. See
        `pna.enrich`.
        """
        from pandas_numberactive._pandas import api

        name = "phone" if self._series.name is None else self._series.name
        return api.enrich(self._series.to_frame(name), [name], **options).iloc[:, 1:]

    @public(options=Options)
    @_alone
    def plan(self, **options: Unpack[EnrichOptions]) -> Plan:
        """Return what `enrich` would do and cost, as `pna.plan` does. Spends nothing."""
        from pandas_numberactive._pandas import api

        name = "phone" if self._series.name is None else self._series.name
        return api.plan(self._series.to_frame(name), [name], **options)

    @public
    @_alone
    def normalize(self) -> pd.DataFrame:
        """Read the phone cells as `pna.normalize` does. Nothing is sent."""
        from pandas_numberactive._pandas import api

        return api.normalize(self._series)


def register() -> None:
    """Register both accessors. A second import or reload registers nothing twice, and warns of
    nothing.
    """
    for kind, accessor, decorate in (
        (pd.DataFrame, FrameAccessor, pd.api.extensions.register_dataframe_accessor),
        (pd.Series, SeriesAccessor, pd.api.extensions.register_series_accessor),
    ):
        if not hasattr(kind, "numberactive"):
            decorate("numberactive")(accessor)
