"""DataFrame.numberactive and Series.numberactive, which call the functions of the package."""

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
    """Buy and look at phone-number signals for the columns of a frame.

    Each method passes its options to the function of `pna` with the same name.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> pd.DataFrame({"phone": ["0811 8899 532"]}).numberactive
    <numberactive of 1 rows: enrich, aenrich, start, plan, normalize>
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        rows = len(self._frame)
        return f"<numberactive of {rows:,} rows: enrich, aenrich, start, plan, normalize>"

    @public(options=Options)
    def enrich(self, column: Columns, **options: Unpack[EnrichOptions]) -> pd.DataFrame:
        """Return a new frame with the signals of phone columns, buying what is not stored.

        Each distinct valid number that is not in the store is charged once.

        Parameters
        ----------
        column
            The phone column, or a list of them.
        **options
            As in `pna.enrich`: caps, prefix, details, max_age and more.

        Returns
        -------
        pandas.DataFrame
            Same index, rows and order, with the new columns of `pna.enrich` at the end.

        Raises
        ------
        NumberActiveError
            As `pna.enrich` does.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> df = pd.DataFrame({"phone": ["0811 8899 532", "x"]})
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     df.numberactive.enrich("phone")["phone_lookup_status"].tolist()
        ['answered', 'invalid']
        """
        from pandas_numberactive._pandas import api

        return api.enrich(self._frame, column, **options)

    @public(options=Options)
    def aenrich(
        self, column: Columns, **options: Unpack[EnrichOptions]
    ) -> Coroutine[Any, Any, pd.DataFrame]:
        """Await `enrich`, in a notebook or any other event loop.

        Parameters
        ----------
        column, **options
            As in `enrich`.

        Returns
        -------
        pandas.DataFrame
            The frame that `enrich` returns, and charged the same.

        Raises
        ------
        NumberActiveError
            As `pna.enrich` does.

        Examples
        --------
        >>> import asyncio, pandas as pd, pandas_numberactive as pna
        >>> async def main():
        ...     df = pd.DataFrame({"phone": ["0811 8899 532"]})
        ...     return await df.numberactive.aenrich("phone")
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     asyncio.run(main())["phone_lookup_status"].tolist()
        ['answered']
        """
        from pandas_numberactive._pandas import api

        return api.aenrich(self._frame, column, **options)

    @public(options=Options)
    def start(self, column: Columns, **options: Unpack[EnrichOptions]) -> Job:
        """Start `enrich` in the background and return its Job, as `pna.start` does.

        Parameters
        ----------
        column, **options
            As in `enrich`.

        Returns
        -------
        Job
            `job.stop()` stops it, `job.result()` or `await job` gives the frame.

        Raises
        ------
        ColumnNotFoundError, ConfigurationError
            Before anything is sent.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> df = pd.DataFrame({"phone": ["0811 8899 532"]})
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     df.numberactive.start("phone").result()["phone_lookup_status"].tolist()
        ['answered']
        """
        from pandas_numberactive._pandas import api

        return api.start(self._frame, column, **options)

    @public(options=Options)
    def plan(self, column: Columns, **options: Unpack[EnrichOptions]) -> Plan:
        """Return what `enrich` would do and cost, as `pna.plan` does. Nothing is charged.

        Parameters
        ----------
        column, **options
            As in `enrich`.

        Returns
        -------
        Plan
            Counts of cells and numbers, the highest possible cost, and a guess of the time.

        Raises
        ------
        ColumnNotFoundError, ConfigurationError, StoreError
            Nothing is sent or charged.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> df = pd.DataFrame({"phone": ["0811 8899 532"]})
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     df.numberactive.plan("phone").to_buy
        1
        """
        from pandas_numberactive._pandas import api

        return api.plan(self._frame, column, **options)

    def normalize(self, column: Hashable) -> pd.DataFrame:
        """Return the national form of each cell of one column, as `pna.normalize` does.

        Nothing is sent or charged.

        Parameters
        ----------
        column
            The phone column.

        Returns
        -------
        pandas.DataFrame
            Same index, with `national` (str) and `reason` (category).

        Raises
        ------
        ColumnNotFoundError
            The frame has no such column.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> df = pd.DataFrame({"phone": ["0811 8899 532"]})
        >>> df.numberactive.normalize("phone")["national"].tolist()
        ['8118899532']
        """
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
    """Buy and look at phone-number signals for one column. An unnamed Series counts as "phone".

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> pd.Series(["0811 8899 532"]).numberactive
    <numberactive of 1 cells: enrich, plan, normalize>
    """

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series = series

    def __repr__(self) -> str:
        return f"<numberactive of {len(self._series):,} cells: enrich, plan, normalize>"

    @public(options=Options)
    @_alone
    def enrich(self, **options: Unpack[EnrichOptions]) -> pd.DataFrame:
        """Return the signals of the column in a frame of their own, buying what is not stored.

        Each distinct valid number that is not in the store is charged once.

        Parameters
        ----------
        **options
            As in `pna.enrich`: caps, prefix, details, max_age and more.

        Returns
        -------
        pandas.DataFrame
            The new columns of `pna.enrich` alone, on the index of the Series.

        Raises
        ------
        NumberActiveError
            As `pna.enrich` does.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     out = pd.Series(["0811 8899 532"]).numberactive.enrich()
        >>> out["phone_lookup_status"].tolist()
        ['answered']
        """
        from pandas_numberactive._pandas import api

        name = "phone" if self._series.name is None else self._series.name
        return api.enrich(self._series.to_frame(name), [name], **options).iloc[:, 1:]

    @public(options=Options)
    @_alone
    def plan(self, **options: Unpack[EnrichOptions]) -> Plan:
        """Return what `enrich` would do and cost, as `pna.plan` does. Nothing is charged.

        Parameters
        ----------
        **options
            As in `enrich`.

        Returns
        -------
        Plan
            Counts of cells and numbers, the highest possible cost, and a guess of the time.

        Raises
        ------
        ConfigurationError, StoreError
            Nothing is sent or charged.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     pd.Series(["0811 8899 532"]).numberactive.plan().to_buy
        1
        """
        from pandas_numberactive._pandas import api

        name = "phone" if self._series.name is None else self._series.name
        return api.plan(self._series.to_frame(name), [name], **options)

    @public
    @_alone
    def normalize(self) -> pd.DataFrame:
        """Return the national form of each cell, as `pna.normalize` does.

        Nothing is sent or charged.

        Returns
        -------
        pandas.DataFrame
            Same index, with `national` (str) and `reason` (category).

        Raises
        ------
        ConfigurationError
            A column's name was passed. A Series needs none.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> pd.Series(["0811 8899 532"]).numberactive.normalize()["national"].tolist()
        ['8118899532']
        """
        from pandas_numberactive._pandas import api

        return api.normalize(self._series)


def register() -> None:
    """Register both accessors, once. A second import or a reload does nothing."""
    for kind, accessor, decorate in (
        (pd.DataFrame, FrameAccessor, pd.api.extensions.register_dataframe_accessor),
        (pd.Series, SeriesAccessor, pd.api.extensions.register_series_accessor),
    ):
        if not hasattr(kind, "numberactive"):
            decorate("numberactive")(accessor)
