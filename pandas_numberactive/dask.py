"""The same accessor on Dask (extra `dask`): import this module, then `ddf.numberactive.enrich`.

Workers find the distinct numbers and, later, join the answers. Only this process plans, asks and
pays. The workers receive a sorted table of numbers and small codes: no secret, no settings, no
store, no socket.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive._config.readiness import require
from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.public import public
from pandas_numberactive._pandas import api, frames
from pandas_numberactive._pandas.ending import conclude
from pandas_numberactive._pandas.frames import MAX_PROBLEMS, Columns, Tally
from pandas_numberactive._purchase.purchase import STATUSES, Purchase
from pandas_numberactive._run.options import EnrichOptions, Options
from pandas_numberactive._run.plan import Plan
from pandas_numberactive._run.report import Shape
from pandas_numberactive._run.run import Answers, Run
from pandas_numberactive.errors import missing_extra

try:
    import dask.dataframe as dd
    from dask.base import compute, tokenize
    from dask.dataframe.extensions import register_dataframe_accessor
    from dask.delayed import delayed
except ImportError as error:
    raise missing_extra("dask", "dask") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

_compute: Any = compute  # Dask is typed in part only
_register: Any = register_dataframe_accessor

PIECE = 400_000  # numbers: 8 MB, below what Dask calls a large graph
WITH_TEXTS = 4  # how many times that a number takes with its requestId and reason
FAN_IN = 8  # partitions' findings that one task merges
_NOT_BOUGHT = STATUSES.index("not_bought")


class FrameAccessor:
    """Buy and look at phone-number signals for the columns of a Dask frame.

    Examples
    --------
    >>> import pandas as pd, dask.dataframe as dd, pandas_numberactive.dask
    >>> ddf = dd.from_pandas(pd.DataFrame({"phone": ["0811 8899 532"]}), npartitions=1)
    >>> ddf.numberactive.plan  # doctest: +ELLIPSIS
    <bound method FrameAccessor.plan of ...>
    """

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    @public(options=Options)
    def enrich(self, column: Columns, **options: Unpack[EnrichOptions]) -> Any:
        """Buy what is not stored now, and return a lazy frame, as `enrich` of this module does.

        Each distinct valid number that is not in the store is charged once.

        Parameters
        ----------
        column
            The phone column, or a list of them.
        **options
            As in `pna.enrich`: caps, prefix, details, max_age and more.

        Returns
        -------
        dask.dataframe.DataFrame
            Same partitions, divisions, index and rows, with the new columns of `pna.enrich`.

        Raises
        ------
        NumberActiveError
            As `pna.enrich` does. Its `.partial` is lazy.

        Examples
        --------
        >>> import pandas as pd, dask.dataframe as dd
        >>> import pandas_numberactive as pna, pandas_numberactive.dask
        >>> ddf = dd.from_pandas(pd.DataFrame({"phone": ["0811 8899 532"]}), npartitions=1)
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     out = ddf.numberactive.enrich("phone")
        >>> out.compute()["phone_lookup_status"].tolist()
        ['answered']
        """
        return enrich(self._frame, column, **options)

    @public(options=Options)
    def plan(self, column: Columns, **options: Unpack[EnrichOptions]) -> Plan:
        """Return what `enrich` would do and cost. Nothing is charged.

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
        >>> import pandas as pd, dask.dataframe as dd
        >>> import pandas_numberactive as pna, pandas_numberactive.dask
        >>> ddf = dd.from_pandas(pd.DataFrame({"phone": ["0811 8899 532"]}), npartitions=1)
        >>> with pna.override(environment="simulator", store=":memory:"):
        ...     ddf.numberactive.plan("phone").to_buy
        1
        """
        return plan(self._frame, column, **options)


if not hasattr(dd.DataFrame, "numberactive"):  # a reload registers nothing twice
    _register("numberactive")(FrameAccessor)


@public(options=Options)
def enrich(ddf: Any, column: Columns, **options: Unpack[EnrichOptions]) -> Any:
    """Buy the signals of a Dask frame's phone columns now, and return a lazy frame that joins them.

    It charges what `pna.enrich` would for the same rows: each distinct valid number that is not
    stored, once. The frame is read once here to find the numbers, and again whenever the result is
    computed. The workers need this package installed, and no settings.

    Parameters
    ----------
    ddf
        The Dask frame.
    column
        The phone column, or a list of them.
    **options
        As in `pna.enrich`.

    Returns
    -------
    dask.dataframe.DataFrame
        Same partitions, divisions, index and rows, with the columns and dtypes of `pna.enrich`. The
        answers are in the graph (20 bytes a distinct number), so computing, persisting or losing it
        with a worker charges nothing. After a restart of the cluster call `enrich` again without
        `refresh` and `max_age`: every answer is stored, and with either of them numbers are bought
        again.

    Raises
    ------
    NumberActiveError
        As `pna.enrich` does. Its `.partial` is lazy.

    Examples
    --------
    >>> import pandas as pd, dask.dataframe as dd
    >>> import pandas_numberactive as pna, pandas_numberactive.dask
    >>> ddf = dd.from_pandas(pd.DataFrame({"phone": ["0811 8899 532", "x"]}), npartitions=2)
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     out = ddf.numberactive.enrich("phone")
    >>> out.compute()["phone_lookup_status"].tolist()
    ['answered', 'invalid']
    """
    checked = Options.of(options)
    ready = api.ready_settings(settings())
    seen = _distinct(ddf, column, checked, ready.max_digits)
    if checked.errors == "raise":
        frames.refuse_invalid(seen.shape, seen.problems.head(5))
    frames.warn_columns(seen.shape)

    def build(answers: Answers) -> Any:
        pieces = _pieces(seen.numbers, answers, checked.details)
        return _join(ddf, column, checked, ready.max_digits, pieces)

    run = Run(seen.numbers, seen.shape, ready, checked)
    with run:
        result = api.buy(run, ready, checked.progress)
        with result.ending:
            return conclude(result, build, problems=seen.problems, errors=checked.errors)


@public(options=Options)
def plan(ddf: Any, column: Columns, **options: Unpack[EnrichOptions]) -> Plan:
    """Return what `enrich` with the same options would do and cost.

    It reads the phone columns on the workers and the store here. It sends and charges nothing.

    Parameters
    ----------
    ddf
        The Dask frame.
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
    >>> import pandas as pd, dask.dataframe as dd
    >>> import pandas_numberactive as pna, pandas_numberactive.dask
    >>> ddf = dd.from_pandas(pd.DataFrame({"phone": ["0811 8899 532"]}), npartitions=1)
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     pandas_numberactive.dask.plan(ddf, "phone").to_buy
    1
    """
    checked = Options.of(options)
    ready = require(settings())
    seen = _distinct(ddf, column, checked, ready.max_digits)
    return api.plan_of(seen.numbers, seen.shape, ready, checked)


# Finding the numbers: on the workers, merged as a tree.


@dataclass(
    frozen=True,
    slots=True,
    repr=False,
)  # numbers would stand in tracebacks with locals
class _Seen:
    """The findings of some partitions."""

    shape: Shape
    numbers: NDArray[np.int64]  # distinct, in the order of the rows
    problems: pd.DataFrame  # cells masked
    tallies: list[Tally]  # of each phone column


def _distinct(ddf: Any, column: Columns, options: Options, max_digits: int) -> _Seen:
    # Raises here what can be known before reading.
    known = frames.prepare(ddf._meta, column, options, max_digits)
    look = delayed(partial(_look, names=known.names, max_digits=max_digits))
    level = [look(part) for part in ddf[known.names].to_delayed()]
    while len(level) > 1:
        level = [delayed(_merge)(level[at : at + FAN_IN]) for at in range(0, len(level), FAN_IN)]
    seen: _Seen = _compute(level[0])[0]
    return replace(
        seen, shape=replace(seen.shape, warnings=frames.oddities(known.names, seen.tallies))
    )


def _look(part: pd.DataFrame, *, names: list[Hashable], max_digits: int) -> _Seen:
    """Find one partition's numbers. Runs on a worker."""
    prepared = frames.prepare(part, names, Options(), max_digits)
    return _Seen(
        prepared.shape,
        prepared.numbers,
        frames.problems(prepared),
        prepared.tallies,
    )


def _merge(seen: list[_Seen]) -> _Seen:
    """Several partitions as one, their order kept. Runs on a worker."""
    filled = [one.problems for one in seen if len(one.problems)]
    bad = filled or [seen[0].problems]  # an empty one has no dtypes
    return _Seen(
        _whole([one.shape for one in seen]),
        pd.unique(np.concatenate([one.numbers for one in seen])),
        pd.concat(bad, ignore_index=True).head(MAX_PROBLEMS),
        [Tally.total(parts) for parts in zip(*(one.tallies for one in seen), strict=True)],
    )


def _whole(shapes: list[Shape]) -> Shape:
    invalid: Counter[str] = Counter()
    examples: dict[str, str] = {}  # the first of each reason, as on a frame
    for shape in shapes:
        invalid.update(shape.invalid)
        examples = {**shape.examples, **examples}
    return Shape(
        rows=sum(shape.rows for shape in shapes),
        missing=sum(shape.missing for shape in shapes),
        invalid=dict(invalid),
        valid_rows=sum(shape.valid_rows for shape in shapes),
        examples=examples,
    )


# Joining the answers: lazy, on the workers.


class _Piece:
    """A range of the answers, sorted by number. No dataclass, for Dask would take it apart."""

    __slots__ = ("bought_at", "codes", "numbers", "texts")

    def __init__(
        self,
        numbers: NDArray[np.int64],
        codes: NDArray[np.int32],
        bought_at: NDArray[np.int64],
        texts: NDArray[Any] | None,
    ) -> None:
        self.numbers = numbers
        self.codes = codes  # see _code
        self.bought_at = bought_at
        self.texts = texts  # requestId and reason, with details only


def _code(answers: Answers) -> NDArray[np.int32]:
    """Answer, status and whether it is new in one integer."""
    return (
        answers.packed | answers.status.astype(np.int32) << 16 | answers.new.astype(np.int32) << 24
    )


def _pieces(numbers: NDArray[np.int64], answers: Answers, details: bool) -> list[Any]:
    """Return the answers in pieces where the workers are.

    They are in this process, or kept by the cluster, which can make them again.
    """
    order = np.argsort(numbers)
    codes = _code(answers)
    texts = np.array(answers.details(numbers), object).T if details else None
    size = PIECE // WITH_TEXTS if details else PIECE
    pieces = []
    for start in range(0, len(order), size):
        at = order[start : start + size]
        piece = _Piece(
            numbers[at], codes[at], answers.bought_at[at], None if texts is None else texts[at]
        )
        name = f"numberactive-{tokenize(piece.numbers, piece.codes, piece.bought_at, piece.texts)}"
        pieces.append(delayed(piece, name=name, traverse=False).persist())
    return pieces


def _join(
    ddf: Any,
    column: Columns,
    options: Options,
    max_digits: int,
    pieces: list[Any],
) -> Any:
    names = frames.phone_columns(ddf._meta, column)
    lean = Options(
        prefix=options.prefix,
        details=options.details,
        overwrite=options.overwrite,
    )
    work = partial(_attach, names=names, options=lean, max_digits=max_digits)
    # Who then looks at one new column reads the phones alone; an older Dask reads every column.
    known = inspect.signature(dd.map_partitions).parameters
    reads = {"required_columns": names} if "required_columns" in known else {}
    return ddf.map_partitions(work, *pieces, meta=work(ddf._meta), **reads)


def _attach(
    part: pd.DataFrame,
    *pieces: _Piece,
    names: list[Hashable],
    options: Options,
    max_digits: int,
) -> pd.DataFrame:
    """Return one partition with its new columns. Runs on a worker."""
    prepared = frames.prepare(part, names, options, max_digits)
    return frames.attach(prepared, _answers(prepared.numbers, pieces))


def _answers(numbers: NDArray[np.int64], pieces: Sequence[_Piece]) -> Answers:
    """Return the answers for distinct numbers. One that no piece holds was not bought."""
    codes = np.full(len(numbers), _NOT_BOUGHT << 16, np.int32)
    bought_at = np.zeros(len(numbers), np.int64)
    lookups: dict[int, Purchase] = {}
    order = np.argsort(numbers)
    wanted = numbers[order]
    for piece in pieces:
        low, high = np.searchsorted(wanted, [piece.numbers[0], piece.numbers[-1] + 1])
        place = np.searchsorted(piece.numbers, wanted[low:high])
        hit = piece.numbers[place] == wanted[low:high]
        place = place[hit]
        target = order[low:high][hit]
        codes[target] = piece.codes[place]
        bought_at[target] = piece.bought_at[place]
        if piece.texts is not None:
            for number, (request_id, reason) in zip(
                numbers[target].tolist(), piece.texts[place], strict=True
            ):
                lookups[number] = Purchase(
                    "",
                    number,
                    request_id=request_id,
                    reason=reason,
                )
    status = (codes >> 16 & 0xFF).astype(np.int8)
    new = (codes >> 24).astype(bool)
    return Answers(status, codes & 0xFFFF, bought_at, new, lookups)
