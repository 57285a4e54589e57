"""The functions behind the public names: one coroutine, three fronts (enrich, aenrich, start)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import require
from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._display.tracebacks import sealed
from pandas_numberactive._pandas import frames
from pandas_numberactive._pandas import lookup_store as ledger
from pandas_numberactive._pandas.bar import Bar
from pandas_numberactive._pandas.job import Job
from pandas_numberactive._phones.column import national_text, normalize_column
from pandas_numberactive._phones.parse import REASONS
from pandas_numberactive._run import run as batch
from pandas_numberactive._run.options import Options, names_its_options, shows_options
from pandas_numberactive._run.plan import Plan
from pandas_numberactive._run.report import RunReport, Shape
from pandas_numberactive.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive.simulator import Simulator


Columns = Hashable | Sequence[Hashable]


_latest: list[RunReport] = []


def last_run() -> RunReport | None:
    """Return the report of the last run in this process, with `.problems`; None before the
    first.
    """
    return _latest[-1] if _latest else None


def remember(report: RunReport) -> None:
    """Make it what `last_run` returns."""
    _latest[:] = [report]


_simulators: list[Simulator] = []
_starting = threading.Lock()


def ready_settings(given: Settings) -> Settings:
    """Settings that a run can start with; the simulator is started in the process where none is
    named.
    """
    ready = require(given)
    if not ready.simulated or ready.base_url is not None:
        return ready
    with _starting:
        if not _simulators:
            from pandas_numberactive.simulator import Simulator

            started = Simulator()
            started.start()
            _simulators.append(started)
    return settings(environment="simulator", base_url=_simulators[0].base_url, **_kept(ready))


def _kept(given: Settings) -> dict[str, Any]:
    """What the caller had set beside the environment and the address."""
    names = (
        "store encoding max_concurrency max_rate unit_price currency confirm_above handle_timeout "
        "query_timeout "
        "poll_for lease drain max_digits code_outcomes progress"
    )
    return {
        name: getattr(given, name) for name in names.split() if getattr(given, name) is not None
    }


def _prepared(
    df: pd.DataFrame, column: Columns, options: dict[str, Any]
) -> tuple[frames.Prepared, batch.Run, Settings]:
    request = frames.Request.of(column, options)
    run_options = request.options()
    ready = ready_settings(settings())
    prepared = frames.prepare(df, request, ready.max_digits)
    frames.warn_columns(prepared.shape)
    return prepared, batch.Run(prepared.numbers, prepared.shape, ready, run_options), ready


async def _go(run: batch.Run) -> batch.Result:
    result = await run.go()
    remember(result.report)
    return result


def buy(run: batch.Run, ready: Settings, progress: bool | Literal["auto"]) -> batch.Result:
    """Do a run from this thread, with its bar; an interrupt stops it and keeps what is paid."""
    try:
        with Bar(run, progress, ready) as bar:
            return bridge.call(lambda: _go(run), stop=run.stop, tick=bar.draw, drain=ready.drain)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note("What was paid is stored; the same call goes on where this ended.")
        raise


@sealed
@names_its_options
def enrich(
    df: pd.DataFrame,
    column: Columns,
    *,
    prefix: str | None = None,
    details: bool = False,
    overwrite: bool = False,
    max_charges: int | None = None,
    budget: float | None = None,
    max_age: str | timedelta | np.timedelta64 | None = None,
    refresh: bool = False,
    retry_failed: bool = True,
    order: Literal["rows", "random"] = "rows",
    seed: int = 0,
    errors: Literal["coerce", "raise"] = "coerce",
    progress: bool | Literal["auto"] = "auto",
) -> pd.DataFrame:
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
        IncompleteRunWarning. Interrupted or killed, it keeps its cap when it is called again; a run
        that has ended at its cap is over, and the next call may spend it again.
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
    said = dict(locals())
    prepared, run, ready = _prepared(said.pop("df"), said.pop("column"), said)
    return frames.finish(prepared, buy(run, ready, progress))


@sealed
@shows_options
async def aenrich(df: pd.DataFrame, column: Columns, **options: Any) -> pd.DataFrame:
    """Like `enrich`, to be awaited, in a notebook or any other event loop; takes the same options.

    Cancelling it, or the kernel's interrupt, stops the run and keeps what is paid.
    """
    prepared, run, ready = _prepared(df, column, options)
    with Bar(run, prepared.request.progress, ready) as bar:
        future = bridge.submit(lambda: _go(run))
        result = await bridge.wait(future, stop=run.stop, tick=bar.draw, drain=ready.drain)
    return frames.finish(prepared, result)


@sealed
@shows_options
def start(df: pd.DataFrame, column: Columns, **options: Any) -> Job:
    """Start `enrich` in the background and return its Job at once; takes the same options."""
    prepared, run, ready = _prepared(df, column, options)

    async def work() -> pd.DataFrame:
        return frames.finish(prepared, await _go(run))

    return Job(run, bridge.submit(sealed(work)), ready.drain)


@sealed
@shows_options
def plan(df: pd.DataFrame, column: Columns, **options: Any) -> Plan:
    """Return what `enrich` with the same options would do and cost; reads the store, sends and
    spends nothing.
    """
    request = frames.Request.of(column, options)
    run_options = request.options()
    ready = planning_settings()
    prepared = frames.prepare(df, request, ready.max_digits)
    return plan_of(prepared.numbers, prepared.shape, ready, run_options)


def planning_settings() -> Settings:
    """Settings that a plan can be made with: no simulator need run for it."""
    given = settings()
    return given if given.simulated else require(given)


def plan_of(numbers: NDArray[np.int64], shape: Shape, ready: Settings, options: Options) -> Plan:
    """The plan for distinct numbers, wherever they were found."""
    return bridge.call(
        lambda: batch.plan(numbers, shape, ready, options), stop=lambda: None, drain=1.0
    )


@sealed
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


@sealed
def history(since: object = None, *, mask: bool = True) -> pd.DataFrame:
    """Return the ledger's events from `since` on (a date, UTC), numbers masked unless
    `mask=False`.
    """
    return _with_store(lambda store: store.history(since, mask=mask))


@sealed
def spend(by: Literal["day", "run", "environment"] = "day") -> pd.DataFrame:
    """Return charges and cost by day (UTC), run or environment, straight from the ledger."""
    return _with_store(lambda store: store.spend(by))


def _with_store(read: Callable[[ledger.LookupStore], pd.DataFrame]) -> pd.DataFrame:
    given = settings()
    if given.environment is None and given.store is None:
        raise ConfigurationError("Which store? Set an environment or a store: see configure().")
    with ledger.LookupStore() as store:
        return read(store)
