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
from pandas_numberactive._config.readiness import require, warn_plain_http
from pandas_numberactive._config.settings import RunSettings, Settings, settings
from pandas_numberactive._display.public import public
from pandas_numberactive._pandas import frames
from pandas_numberactive._pandas import lookup_store as ledger
from pandas_numberactive._pandas.bar import Bar
from pandas_numberactive._pandas.ending import Notices, conclude, go, left_open_unless_returned
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
from pandas_numberactive.errors import ConfigurationError

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
    ready = require(given)
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


@dataclass(frozen=True, slots=True, repr=False)  # numbers would stand in tracebacks with locals
class _Call:
    """One call of `enrich` or a twin: its frame, its options and its run."""

    prepared: frames.Prepared
    run: Run
    settings: RunSettings

    @classmethod
    def of(cls, df: pd.DataFrame, column: Columns, given: Mapping[str, Any]) -> Self:
        """Check everything that can be checked before a call is made."""
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
        with Bar(run, progress, ready) as bar, left_open_unless_returned(run):
            return bridge.call(lambda: go(run), stop=run.stop, tick=bar.draw, drain=ready.drain)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(
            "What was paid is stored; the same call goes on where this ended, and pna.stored(df, "
            "...) gives the answers so far."
        )
        raise


@public(options=Options)
def enrich(df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]) -> pd.DataFrame:
    """Return a new frame with the signals of one or more phone columns, buying what is not stored.

    Each distinct valid number that is not in the store is charged once, whatever the rows, and
    never again.

    Parameters
    ----------
    column
        The phone column, or a list of them: one dedupe, one bill over all.
    prefix
        Of the new columns; by default the column's name and "_".
    details
        Adds charged (boolean), request_id, reason, source (new, stored) and national.
    overwrite
        Replaces an earlier call's columns; its details, too, which would name another purchase.
    max_charges, budget
        The most charges (count), or money (in the settings' currency; needs unit_price), this call
        may make. At the cap nothing raises: the rest is `not_bought`, with one
        IncompleteRunWarning. A cap holds for a day: the same call under the same cap buys nothing
        more, however it ended; a raised cap goes on and counts what was charged before. Other
        numbers, one row more among them, are another call with a cap of its own.
    max_age, refresh
        Buy again what is older, or everything; without them a stored answer serves whatever its
        age. An age is a Timedelta, timedelta or timedelta64, or text with its unit: "180D", "26W",
        "12h", "90min", "30s", or the words ("180 days"). A bare number, and "6M" or "6m" (months or
        minutes?), are refused.
    retry_failed
        Ask again for what failed without charge in an earlier run.
    order, seed
        "rows" buys in the order of the rows: under a cap the first ones, which are no sample.
        "random" makes a capped pilot a fair sample of the numbers.
    errors
        "raise": an invalid cell raises before any call; a failed look-up raises at the end, with
        `.partial`.

    Returns
    -------
    pandas.DataFrame
        Same index, rows and order; new columns `<prefix>telco_type`, `active_level`,
        `frequency_grade`, `lookup_status` (categories) and `looked_up_at` (datetime64[us, UTC]) at
        the end.

    Raises
    ------
    ColumnNotFoundError, ConfigurationError
        Before anything is sent.
    ConfirmationRequiredError
        More than `confirm_above` numbers to buy in production, and no cap; nothing is sent.
    VendorError, StoreError
        The run had to stop; everything paid is stored, `.partial` is the frame so far.

    Warns with PhoneColumnWarning, before anything is bought, where a column is numeric or most of
    its cells invalid.

    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     out = pna.enrich(pd.DataFrame({"phone": ["0811 8899 532", "x"]}), "phone")
    >>> out["phone_lookup_status"].tolist()
    ['answered', 'invalid']
    """
    call = _Call.of(df, column, options)
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
    """Do `enrich` and hand its frame to `keep`. The run ends when that has returned.

    For a front whose result is a file: a process that dies before the file stands goes on with the
    same run.
    """
    call = _Call.of(df, column, options)
    result = buy(call.run, call.settings, call.prepared.options.progress)
    with result.ending:
        keep(call.end(result))


@public(options=Options)
async def aenrich(
    df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]
) -> pd.DataFrame:
    """Await `enrich`, in a notebook or any other event loop. Takes the same options.

    Cancelling it, or the kernel's interrupt, stops the run and keeps what is paid.
    """
    call = _Call.of(df, column, options)
    run = call.run
    drain = call.settings.drain
    with (
        Bar(run, call.prepared.options.progress, call.settings) as bar,
        left_open_unless_returned(run),
    ):
        future = bridge.submit(lambda: go(run))
        result = await bridge.wait(future, stop=run.stop, tick=bar.draw, drain=drain)
    async with result.ending:
        return call.end(result)


@public(options=Options)
def start(df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]) -> Job:
    """Start `enrich` in the background and return its Job at once. Takes the same options."""
    call = _Call.of(df, column, options)
    notices = Notices()

    @public
    async def work() -> pd.DataFrame:
        result = await go(call.run)
        async with result.ending:
            return call.end(result, notices)

    return Job(call.run, bridge.submit(work), call.settings.drain, notices)


@public(options=Options)
def plan(df: pd.DataFrame, column: Columns, **options: Unpack[EnrichOptions]) -> Plan:
    """Return what `enrich` with the same options would do and cost.

    Reads the store; sends and spends nothing.
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


def plan_of(numbers: NDArray[np.int64], shape: Shape, ready: RunSettings, options: Options) -> Plan:
    """Return the plan for distinct numbers, wherever they were found."""
    return bridge.call(
        lambda: make_plan(numbers, shape, ready, options), stop=lambda: None, drain=1.0
    )


@public
def normalize(series: pd.Series[Any], *, max_digits: int | None = None) -> pd.DataFrame:
    """Read a column of phone cells: what each is in national form, or why it is refused. Nothing is
    sent or charged.

    Returns a frame with the same index: `national` (str, missing where refused) and `reason`
    (category, missing where fine). Rules: libphonenumber's region ID, and refusing what a careless
    cleaner would turn into a stranger's number.

    >>> import pandas as pd
    >>> normalize(pd.Series(["+62 811-8899-532", "6.28119E+11"]))["reason"].tolist()
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
    """Return the ledger's events from `since` on (a date, UTC), numbers masked unless
    `mask=False`.

    Of the settings' environment; `environment="all"` shows every one, in a column.
    """
    return _with_store(lambda store: store.history(since, mask=mask, environment=environment))


@public
def spend(by: ledger.By = "day", *, environment: str | None = None) -> pd.DataFrame:
    """Return charges and cost by day (UTC), run, environment or buyer, straight from the ledger.

    Of the settings' environment; `environment="all"` shows every one, in a column.
    """
    return _with_store(lambda store: store.spend(by, environment=environment))


def _with_store(read: Callable[[ledger.LookupStore], pd.DataFrame]) -> pd.DataFrame:
    given = settings()
    if given.environment is None and given.store is None:
        raise ConfigurationError("Which store? Set an environment or a store: see configure().")
    with ledger.LookupStore() as store:
        return read(store)
