"""The functions behind the public names: one coroutine, three fronts (enrich, aenrich, start)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._bridge import keep_over_forks
from pandas_numberactive._config.readiness import require, warn_plain_http, within_open_files
from pandas_numberactive._config.settings import RunSettings, Settings, settings
from pandas_numberactive._display.public import public
from pandas_numberactive._pandas import frames
from pandas_numberactive._pandas import lookup_store as ledger
from pandas_numberactive._pandas.bar import Bar
from pandas_numberactive._pandas.ending import Notices, conclude, go
from pandas_numberactive._pandas.ending import last_run as last_run
from pandas_numberactive._pandas.job import Job
from pandas_numberactive._phones.column import national_text, normalize_column
from pandas_numberactive._phones.parse import REASONS
from pandas_numberactive._run.options import EnrichOptions, Options
from pandas_numberactive._run.plan import Plan
from pandas_numberactive._run.plan import plan as make_plan
from pandas_numberactive._run.report import Shape
from pandas_numberactive._run.run import Result, Run
from pandas_numberactive._run.run import stored as read_stored
from pandas_numberactive.errors import ConfigurationError, before_sending

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pandas_numberactive.simulator import Simulator

Columns = Hashable | Sequence[Hashable]
_simulators: list[Simulator] = []
_starting = keep_over_forks(threading.Lock())


def ready_settings(given: Settings) -> RunSettings:
    """Return settings that a run can start with.

    A simulator without an address is started in this process.
    """
    ready = within_open_files(require(given))
    warn_plain_http(ready)
    if not ready.simulated or ready.base_url:
        return ready
    with _starting:
        if not _simulators:
            # Imported here because only a run on the simulator needs it.
            from pandas_numberactive.simulator import Simulator

            started = Simulator()
            started.start()
            _simulators.append(started)
    return replace(ready, base_url=_simulators[0].base_url)


@dataclass(
    frozen=True,
    slots=True,
    repr=False,
)  # numbers would stand in tracebacks with locals
class _Call:
    """One call of `enrich` or a twin: its frame, its options and its run."""

    prepared: frames.Prepared
    run: Run
    settings: RunSettings

    @classmethod
    def of(cls, df: pd.DataFrame, column: Columns, given: Mapping[str, Any]) -> Self:
        """Check everything that can be checked before a call is made."""
        with before_sending():
            options = Options.of(given)
            ready = ready_settings(settings())
            prepared = frames.prepare(df, column, options, ready.max_digits)
        frames.warn_columns(prepared.shape)
        run = Run(prepared.numbers, prepared.shape, ready, options)
        return cls(prepared, run, ready)

    def end(self, result: Result, notices: Notices | None = None) -> pd.DataFrame:
        """Return the frame, or raise what ended the run."""
        prepared = self.prepared
        return conclude(
            result,
            partial(frames.attach, prepared),
            problems=frames.problems(prepared),
            errors=prepared.options.errors,
            notices=notices,
        )


def buy(run: Run, ready: RunSettings, progress: bool | Literal["auto"]) -> Result:
    """Do a run from this thread, with its bar. An interrupt stops it and keeps what is paid."""
    try:
        with Bar(run, progress, ready) as bar:
            return bridge.call(
                lambda: go(run),
                stop=run.stop,
                tick=bar.draw,
                drain=ready.drain,
            )
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(
            "What was paid is stored; the same call goes on where this ended, and pna.stored(df, "
            "...) gives the answers so far."
        )
        raise


@public(options=Options)
def enrich(df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]) -> pd.DataFrame:
    """Return a new frame with the signals of one or more phone columns, buying what is not stored.

    Each distinct valid number that is not in the store is charged once, however many rows hold it,
    and never again.

    Parameters
    ----------
    df
        The table, of any shape. It is not changed.
    column
        The phone column, or a list of them. Several share one bill, and a number is bought once.
    prefix
        The beginning of the new columns' names. By default the column's name and "_".
    details
        True adds charged (boolean), request_id, reason, source (new, stored) and national.
    overwrite
        True replaces the columns of an earlier call, its details included.
    max_charges, budget
        The most charges (a count), or the most money (in the settings' currency, needs unit_price),
        that this call may make. At the cap nothing raises: the rest is `not_bought`, with one
        IncompleteRunWarning. A cap holds for a day: once used up, it lets the same call buy nothing
        more, however that ended. A raised cap goes on and counts what was charged before. A lowered
        cap holds for open requestIds, too: those without room stay pending. With other numbers,
        even one row more, it is another call with a cap of its own.
    max_age, refresh
        Buy again what is older, or everything. Without them a stored answer serves at any age. An
        age is a Timedelta, timedelta or timedelta64, or text with its unit: "180D", "26W", "12h",
        "90min", "30s", or the words ("180 days"). A bare number is refused, and so are "6M" and
        "6m" (months or minutes?).
    retry_failed
        True asks again for what failed without charge in an earlier run.
    order, seed
        "rows" buys in the order of the rows, so a capped run buys the first ones. "random" makes a
        capped run a fair sample of the numbers, in an order that the seed fixes.
    errors
        "raise": an invalid cell raises before any call. A failed look-up raises at the end, and
        `.partial` of the error holds the frame.
    progress
        True, False, or "auto": a bar in terminals and notebooks, for runs that take a while.

    Returns
    -------
    pandas.DataFrame
        Same index, rows and order. New columns at the end: `<prefix>telco_type`, `active_level`,
        `frequency_grade`, `lookup_status` (categories) and `looked_up_at` (datetime64[us, UTC]).

    Raises
    ------
    ColumnNotFoundError, ConfigurationError
        Before anything is sent.
    ConfirmationRequiredError
        More than `confirm_above` numbers to buy in production, and no cap. Nothing is sent.
    VendorError, StoreError
        The run had to stop. Everything paid is stored, and `.partial` is the frame so far.

    Warns
    -----
    PhoneColumnWarning
        A column is numeric, or most of its cells are invalid. It comes before anything is bought.
    IncompleteRunWarning
        Some numbers are left pending, uncertain or not bought.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     out = pna.enrich(pd.DataFrame({"phone": ["0811 8899 532", "x"]}), "phone")
    >>> out["phone_lookup_status"].tolist()
    ['answered', 'invalid']
    """
    call = _Call.of(df, column, options)
    with call.run:
        result = buy(call.run, call.settings, call.prepared.options.progress)
        with result.ending:
            return call.end(result)


@public(options=Options)
def enrich_into(
    df: pd.DataFrame,
    column: Columns,
    keep: Callable[[pd.DataFrame], None],
    **options: Unpack[EnrichOptions],
) -> None:
    """Do `enrich` and pass its frame to `keep`. The run ends when that has returned.

    It is for callers whose result is a file. If the process dies before the file is complete, the
    same call goes on with the same run.
    """
    call = _Call.of(df, column, options)
    with call.run:
        result = buy(call.run, call.settings, call.prepared.options.progress)
        with result.ending:
            keep(call.end(result))


@public(options=Options)
async def aenrich(
    df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]
) -> pd.DataFrame:
    """Await `enrich`, in a notebook or any other event loop.

    Cancelling it, or the kernel's interrupt, stops the run and keeps what is paid. It charges what
    `enrich` would.

    Parameters
    ----------
    df, column
        As in `enrich`.
    **options
        As in `enrich`.

    Returns
    -------
    pandas.DataFrame
        The frame that `enrich` returns.

    Raises
    ------
    NumberActiveError
        As `enrich` does.

    Examples
    --------
    >>> import asyncio, pandas as pd, pandas_numberactive as pna
    >>> async def main():
    ...     return await pna.aenrich(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone")
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     asyncio.run(main())["phone_lookup_status"].tolist()
    ['answered']
    """
    call = _Call.of(frames.frozen(df), column, options)
    run = call.run
    drain = call.settings.drain
    with run:
        with Bar(run, call.prepared.options.progress, call.settings) as bar:
            future = bridge.submit(lambda: go(run))
            result = await bridge.wait(future, stop=run.stop, tick=bar.draw, drain=drain)
        async with result.ending:
            return call.end(result)


@public(options=Options)
def start(df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]) -> Job:
    """Start `enrich` in the background and return its Job at once.

    The job charges what `enrich` would. It goes on when the cell has returned.

    Parameters
    ----------
    df, column
        As in `enrich`.
    **options
        As in `enrich`.

    Returns
    -------
    Job
        `job.stop()` stops it, `job.result()` or `await job` gives the frame.

    Raises
    ------
    ColumnNotFoundError, ConfigurationError
        Before anything is sent. Later errors are raised by `job.result()`.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     job = pna.start(pd.DataFrame({"phone": ["0811 8899 532"]}), "phone")
    ...     out = job.result()
    >>> job.state, out["phone_lookup_status"].tolist()
    ('done', ['answered'])
    """
    call = _Call.of(frames.frozen(df), column, options)
    notices = Notices()

    @public
    async def work() -> pd.DataFrame:
        with call.run:
            result = await go(call.run)
            async with result.ending:
                return call.end(result, notices)

    return Job(call.run, bridge.submit(work), call.settings.drain, notices)


@public(options=Options)
def plan(df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]) -> Plan:
    """Return what `enrich` with the same options would do and cost.

    It reads the store. It sends and charges nothing.

    Parameters
    ----------
    df, column
        As in `enrich`.
    **options
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
    >>> book = pd.DataFrame({"phone": ["0811 8899 532", "+62 811 8899 532", "x"]})
    >>> with pna.override(environment="simulator", store=":memory:", unit_price=500):
    ...     plan = pna.plan(book, "phone")
    >>> plan.to_buy, plan.cost
    (1, 500)
    """
    checked = Options.of(options)
    ready = require(settings())
    prepared = frames.prepare(df, column, checked, ready.max_digits)
    return plan_of(prepared.numbers, prepared.shape, ready, checked)


@public
def stored(
    df: pd.DataFrame,
    column: Columns,
    *,
    prefix: str | None = None,
    details: bool = False,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Return a new frame with the answers that the store has. Buys and sends nothing.

    Parameters
    ----------
    df, column, prefix, details, overwrite
        As in `enrich`.

    Returns
    -------
    pandas.DataFrame
        As `enrich` returns it; what the store does not have is `not_bought`.

    Raises
    ------
    ColumnNotFoundError, ConfigurationError, StoreError
        Nothing is sent or charged.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     out = pna.stored(pd.DataFrame({"phone": ["0811 0000 001"]}), "phone")
    >>> out["phone_lookup_status"].tolist()
    ['not_bought']
    """
    options = Options(prefix=prefix, details=details, overwrite=overwrite)
    ready = require(settings())
    prepared = frames.prepare(df, column, options, ready.max_digits)
    frames.warn_columns(prepared.shape)
    answers = bridge.call(
        lambda: read_stored(prepared.numbers, ready.environment, ready.store),
        stop=lambda: None,
        drain=ready.drain,
    )
    return frames.attach(prepared, answers)


def plan_of(
    numbers: NDArray[np.int64],
    shape: Shape,
    ready: RunSettings,
    options: Options,
) -> Plan:
    """Return the plan for distinct numbers, wherever they were found."""
    return bridge.call(
        lambda: make_plan(numbers, shape, ready, options), stop=lambda: None, drain=1.0
    )


@public
def normalize(series: pd.Series[Any], *, max_digits: int | None = None) -> pd.DataFrame:
    """Return the national form of each phone cell, or the reason why it cannot be read.

    The rules are those of libphonenumber's region ID. A cell that a careless cleaner would turn
    into another person's number is refused. Nothing is sent or charged.

    Parameters
    ----------
    series
        The phone cells: text, numbers or a mix.
    max_digits
        The most digits of a national number. By default the setting of that name.

    Returns
    -------
    pandas.DataFrame
        Same index. `national` (str, missing where refused) and `reason` (category, missing where
        the cell is a number).

    Raises
    ------
    ConfigurationError
        `series` is no Series.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> cells = pd.Series(["+62 811-8899-532", "6.28119E+11"])
    >>> pna.normalize(cells)["reason"].tolist()
    [nan, 'precision_lost']
    """
    if not isinstance(series, pd.Series):
        raise ConfigurationError(
            f'normalize takes a Series, not a {type(series).__name__}: pass df["phone"], or '
            "pd.Series([...])."
        )
    limit = settings().max_digits if max_digits is None else max_digits
    done = normalize_column(series, max_digits=limit)
    return pd.DataFrame(
        {
            "national": national_text(done.number),
            "reason": pd.Categorical.from_codes(
                done.reason, dtype=pd.CategoricalDtype(list(REASONS))
            ),
        },
        index=series.index,
    )


@public
def history(
    since: object = None, *, mask: bool = True, environment: str | None = None
) -> pd.DataFrame:
    """Return the events of the store that the settings name, oldest first.

    Nothing is sent or charged.

    Parameters
    ----------
    since
        A date, or text that pandas reads as one, on the clock of the setting `timezone`. By default
        the whole history.
    mask
        False shows the numbers whole.
    environment
        "production", "sandbox" or "simulator". By default that of the settings. "all" shows every
        environment, in a column of its own.

    Returns
    -------
    pandas.DataFrame
        One row an event: at (datetime64[us, UTC]), kind (category: opened, bought, held, released,
        and more), number, generation, run, request_id, charged (boolean), code, reason.

    Raises
    ------
    ConfigurationError
        `since` is no date, there is no such environment, or no store is configured.
    StoreError
        The store cannot be read.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     answer = pna.lookup("0811 8899 532")
    ...     pna.history()["number"].iloc[0]
    '8118****532'
    """
    return _with_store(
        lambda store: store.history(
            since,
            mask=mask,
            environment=environment,
        )
    )


@public
def spend(by: ledger.By = "day", *, environment: str | None = None) -> pd.DataFrame:
    """Return the charges and their cost by day, run, environment or buyer.

    Nothing is sent or charged.

    Parameters
    ----------
    by
        "day" (of the setting `timezone`), "run", "environment" or "buyer": the user of JupyterHub
        or of the system, not the role in the database.
    environment
        "production", "sandbox" or "simulator". By default that of the settings. "all" shows every
        environment, in a column of its own.

    Returns
    -------
    pandas.DataFrame
        One row a group and currency: charged (charges), charge_unknown (those of them where the
        vendor did not say isFee), cost (in `currency`, missing without a unit price) and currency.

    Raises
    ------
    ConfigurationError
        `by` or the environment is unknown, or no store is configured.
    StoreError
        The store cannot be read.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:", unit_price=500):
    ...     answer = pna.lookup("0811 8899 532")
    ...     pna.spend("environment")["charged"].tolist()
    [1]
    """
    return _with_store(lambda store: store.spend(by, environment=environment))


def _with_store(read: Callable[[ledger.LookupStore], pd.DataFrame]) -> pd.DataFrame:
    with ledger.store_to_read() as store:
        return read(store)
