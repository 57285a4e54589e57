"""Run many look-ups: read what is stored, buy the rest, store everything, and report the cost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._config.settings import RunSettings, user
from pandas_numberactive._config.used_stores import Use, last_use, note_purchase, note_use
from pandas_numberactive._display.text import money, utc
from pandas_numberactive._purchase.purchase import (
    _STATUS_OF,
    OPEN,
    SETTLED,
    STATUSES,
    LookupState,
    Purchase,
    state_codes,
)
from pandas_numberactive._run.buyer import Buyer
from pandas_numberactive._run.ending import Ending
from pandas_numberactive._run.lease import Lease
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.plan import (
    Sorted,
    cap_of,
    confirm,
    earlier_run,
    look,
    make_plan,
    paid_by_budget,
    price_in_books,
    run_key,
)
from pandas_numberactive._run.plan import plan as plan
from pandas_numberactive._run.report import Progress, RunReport, Shape
from pandas_numberactive._run.stopping import lost_and_kept
from pandas_numberactive._run.tally import Tally
from pandas_numberactive._store import runs, workers
from pandas_numberactive._store.elsewhere import refuse_paid_elsewhere
from pandas_numberactive._store.runs import RunRow
from pandas_numberactive._store.store import LookupStore, Stored
from pandas_numberactive.errors import NumberActiveError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = SETTLED | OPEN  # what a store must not lose: paid, or perhaps paid
_NOT_BOUGHT = STATUSES.index("not_bought")
_STATUS_CODES = np.array(
    [
        STATUSES.index(_STATUS_OF.get(LookupState(i), "not_bought")) if 0 < i <= 10 else _NOT_BOUGHT
        for i in range(16)
    ],
    np.int8,
)


@dataclass(
    frozen=True,
    slots=True,
    repr=False,
)  # numbers would stand in tracebacks with locals
class Answers:
    """The store's answer for each number, in the order asked."""

    status: NDArray[np.int8]  # position in STATUSES
    packed: NDArray[np.int32]  # see _purchase.purchase.pack; 0 where nothing is known
    bought_at: NDArray[np.int64]  # microseconds since 1970, UTC; 0 where nothing was bought
    new: NDArray[np.bool_]  # bought by this call
    lookups: dict[int, Purchase] = field(default_factory=dict)  # with details only

    def count_into(self, report: RunReport, settled: NDArray[np.bool_]) -> None:
        """Count the statuses, and the answers that other calls have bought."""
        counts = np.bincount(self.status, minlength=len(STATUSES)).tolist()
        for status in ("failed", "uncertain", "quarantined", "pending", "not_bought"):
            setattr(report, status, counts[STATUSES.index(status)])
        old = settled & ~self.new & (self.status != _NOT_BOUGHT)
        ages = self.bought_at[old]
        report.stored = len(ages)
        if len(ages):
            report.stored_oldest = utc(int(ages.min()))
            report.stored_newest = utc(int(ages.max()))

    def details(self, numbers: NDArray[np.int64]) -> tuple[list[str | None], list[str | None]]:
        """Return the requestId and the reason of each number if the run asked for details."""
        rows = [self.lookups.get(number) for number in numbers.tolist()]
        return [row.request_id if row else None for row in rows], [
            row.reason if row else None for row in rows
        ]


@dataclass(frozen=True, slots=True)
class Result:
    """A run's answers and its report. The caller raises `error` if the run ended early."""

    answers: Answers
    report: RunReport
    error: NumberActiveError | None = None
    ending: Ending = field(default_factory=Ending)  # to be entered around what the caller builds


class Run:
    """One call of `enrich`. `go` is the coroutine, and any thread may call `stop` at any time.

    Enter the run around all that the caller does, up to its `return`: where the block ends without
    handing the result on, the run is left to be gone on with.

    `numbers` are distinct national numbers. Each of them that is not stored can be charged, once.
    """

    def __init__(
        self, numbers: NDArray[np.int64], shape: Shape, settings: RunSettings, options: Options
    ) -> None:
        self._numbers = numbers
        self._shape = shape
        self._settings = settings
        self._options = options
        self._cap = cap_of(options, settings)
        self._at_budget = self._cap is not None and self._cap == paid_by_budget(options, settings)
        self._tally = Tally()
        self._stored = 0
        self._todo = 0
        self._began = time.monotonic()
        self._ended: float | None = None
        self.report: RunReport | None = None  # once the run has come to its end
        self._over = False  # nothing is left: the run may end
        self._ending = Ending()
        self._abandoned = False  # perhaps before there is a result
        self._worker = workers.new_worker()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abandon()

    def stop(self) -> None:
        """Begin nothing new. Calls already sent are drained and kept."""
        self._tally.stop("stop")

    @property
    def stopping(self) -> bool:
        """Return True once the run begins nothing new."""
        return self._tally.stopped_by is not None

    @property
    def progress(self) -> Progress:
        """A snapshot, from any thread."""
        tally = self._tally
        seconds = max((self._ended or time.monotonic()) - self._began, 1e-9)
        left = min(self._todo, self._todo if self._cap is None else self._cap) - tally.done
        price = self._settings.unit_price
        return Progress(
            total=len(self._numbers),
            done=self._stored + tally.done,
            bought=tally.bought,
            stored=self._stored + tally.elsewhere,
            failed=tally.failed,
            uncertain=tally.uncertain,
            spent=None if price is None else price * tally.charged,
            currency=self._settings.currency,
            rate=tally.done / seconds,
            seconds_left=left * seconds / tally.done if tally.done else None,
        )

    async def go(self) -> Result:
        """Buy the missing answers and return all of them.

        It raises only before the first call. Build the frame inside the result's `ending`: the run
        is not over before that is left.
        """
        self._began = time.monotonic()
        store = await LookupStore.open_used(self._settings.store)
        try:
            result = await self._go(store)
        except BaseException:
            store.close()
            raise
        finally:
            self._ended = time.monotonic()
        self._ending = result.ending
        if self._abandoned:  # its caller has gone, and would never leave the run
            await self._ending.leave_open()
        return result

    def abandon(self) -> None:
        """Leave the run to the next call, because its result was not returned."""
        self._abandoned = True
        workers.give_up(self._worker)
        self._ending.abandon()

    async def _go(self, store: LookupStore) -> Result:
        self._rescue = await store.recover()
        if last_use(self._settings.store) is None:
            note_use(self._settings.store, Use(self._rescue.store_id))
        await refuse_paid_elsewhere(store, self._settings.environment)
        key = run_key(self._numbers, self._settings, self._options)
        earlier = await earlier_run(store, key)
        began_at = earlier.started_at if earlier else store.now()
        known, sorted_ = await self._read(store, self._options.since(began_at))
        plan = make_plan(known, sorted_, self._shape, self._settings, self._options, earlier)
        confirm(plan, self._settings)
        self._stored = int(sorted_.stored.sum())
        self._todo = int(sorted_.todo.sum())
        if not self._todo and earlier is None:
            result = await self._result(store, known, sorted_, None, None)
            store.close()
            return result
        if self._abandoned:  # nobody waits, and nothing was begun
            raise asyncio.CancelledError
        # Where nothing is left to buy, the run that is not over is ended.
        run, buyer = await self._begin(store, key, began_at)
        try:
            try:
                error = await buyer.buy(self._in_order(sorted_))
            finally:
                self._note_purchases(buyer)
            error = await self._keep_again(store, buyer, run, key) or error
            result = await self._read_back(store, known, sorted_, run, error)
        except BaseException:
            await buyer.leave()
            raise
        ending = Ending(store, self._worker, run.run, over=self._over)
        return replace(result, ending=ending)

    async def _keep_again(
        self, store: LookupStore, buyer: Buyer, run: RunRow, key: str
    ) -> NumberActiveError | None:
        """Write again what the store has lost of this call, and return the error that says so."""
        terms = self._terms(store, key, run.started_at)
        saved = list(buyer.saved.values())
        try:
            await store.make_again(self._rescue.store_id)
            known = await store.fetch(runs.is_known, self._worker)
            again = await store.write(runs.begin_again, run=run.run, **terms)
            now_in = run.run if again is None else again.run
            count = await store.keep_again(
                self._settings.environment, saved, now_in, every=not known
            )
        except Exception:  # a store that fails here failed louder before, or fails below
            return None
        if known and again is None and not count:
            return None
        note_use(self._settings.store, Use(self._rescue.store_id))  # as the call found it
        return lost_and_kept(count, sum(lookup.state in KEPT for lookup in saved))

    def _note_purchases(self, buyer: Buyer) -> None:
        """Remember the newest purchase of this call, however the call ends."""
        newest = buyer.newest
        if newest is not None:
            use = Use(
                self._rescue.store_id,
                newest.environment,
                str(newest.request_id),
                newest.opened_at or 0.0,
            )
            note_purchase(self._settings.store, use)

    async def _read_back(
        self,
        store: LookupStore,
        known: Stored,
        sorted_: Sorted,
        run: RunRow,
        error: NumberActiveError | None,
    ) -> Result:
        try:
            known, sorted_ = await self._read(store, self._options.since(run.started_at))
        except Exception:
            if error is None:
                raise
            return await self._result(None, known, sorted_, run, error)  # the error says more
        self._over = sorted_.over and error is None
        result = await self._result(store, known, sorted_, run, error)
        if error is None:
            await self._count_all_calls(store, known, sorted_, run, result.report)
        return result

    async def _count_all_calls(
        self, store: LookupStore, known: Stored, sorted_: Sorted, run: RunRow, report: RunReport
    ) -> None:
        """Count the charges of the whole run, and what the same call would go on with."""
        charged = await store.write(runs.charged, run.run)
        held = 0 if self._cap is None else await store.write(runs.held, run.run)
        so_far = RunRow(run.run, run.started_at, True, charged, held)
        again = make_plan(known, sorted_, self._shape, self._settings, self._options, so_far)
        report.run_charged = charged
        report.goes_on_with = again.purchases

    async def _read(self, store: LookupStore, since: int) -> tuple[Stored, Sorted]:
        return await look(store, self._numbers, self._settings, self._options, since)

    def _in_order(self, sorted_: Sorted) -> list[int]:
        todo = self._numbers[sorted_.todo]
        if self._options.order == "random":
            # Sorted first: the sample must not depend on the order of the rows.
            todo = np.random.default_rng(self._options.seed).permutation(np.sort(todo))
        numbers: list[int] = todo.tolist()
        return numbers

    async def _begin(self, store: LookupStore, key: str, began_at: int) -> tuple[RunRow, Buyer]:
        """Begin the run, or go on with it, as one of its workers."""
        lease = Lease(self._settings.lease)
        moment = lease.now()
        run = await store.write(
            workers.begin,
            store.engine,
            self._worker,
            lease=self._settings.lease,
            **self._terms(store, key, began_at),
        )
        lease.renewed(moment)
        buyer = Buyer(
            store,
            self._settings,
            run,
            self._worker,
            lease,
            self._tally,
            cap=self._cap,
            options=self._options,
            rescue=self._rescue,
        )
        return run, buyer

    def _terms(self, store: LookupStore, key: str, began_at: int) -> dict[str, Any]:
        """Return the terms on which the run is begun."""
        return {
            "key": key,
            "environment": self._settings.environment,
            "now": store.now(),
            "cap": self._cap,
            "price": self._settings.unit_price,
            "currency": self._settings.currency,
            "started_at": began_at,
            "buyer": user(),
        }

    async def _result(
        self,
        store: LookupStore | None,
        known: Stored,
        sorted_: Sorted,
        run: RunRow | None,
        error: NumberActiveError | None,
    ) -> Result:
        since = self._since(store, run)
        new = np.isin(self._numbers, np.array(self._tally.mine, np.int64))
        answers = _answers(known, new)
        settled = _settled(known)
        if since and run:
            answers.status[settled & (known.bought_at < since)] = _NOT_BOUGHT
        try:
            answers.lookups.update(await self._details(store, since))
        except Exception:
            if error is None:
                raise
        report = self._report(answers, settled, run)
        _count_open(report, answers, settled, sorted_)
        report.run_charged = report.charged
        report.stopped_by = str(error).splitlines()[0] if error else report.stopped_by
        self.report = report
        return Result(answers, report, error)

    def _since(self, store: LookupStore | None, run: RunRow | None) -> int:
        """Return the oldest time at which an answer still serves this call."""
        if run:
            return self._options.since(run.started_at)
        return self._options.since(store.now()) if store else 0

    async def _details(self, store: LookupStore | None, since: int) -> dict[int, Purchase]:
        if store is None or not self._options.details:
            return {}
        environment = self._settings.environment
        numbers = self._numbers.tolist()
        return await store.details(environment, numbers, since=since)

    def _limit(self) -> str:
        """Return the limit of this run in words."""
        if self._at_budget:
            return f"the budget of {money(self._options.budget, self._settings.currency)}"
        return f"the cap of {self._cap:,} charges"

    def _report(
        self, answers: Answers, settled: NDArray[np.bool_], run: RunRow | None
    ) -> RunReport:
        """Return the bill: counts of the frame, of the store's answers, and of this call."""
        report = RunReport(
            environment=self._settings.environment,
            started_at=utc(round(time.time() * 1e6)),
            wall_seconds=time.monotonic() - self._began,
            distinct=len(self._numbers),
            unit_price=self._settings.unit_price,
            currency=self._settings.currency,
        )
        if run:
            report.run = run.run
            report.started_at = utc(run.started_at)
            report.resumed = run.resumed
            report.price_in_books = price_in_books(self._settings, run)
        self._shape.count_into(report)
        self._tally.count_into(report)
        answers.count_into(report, settled)
        if self._tally.over and report.stopped_by is None:
            report.stopped_by = self._limit()
            report.capped = True
            report.at_budget = self._at_budget
        return report


async def stored(numbers: NDArray[np.int64], environment: str, location: str) -> Answers:
    """Return the stored answers for these numbers, with details. Sends nothing."""
    store = await LookupStore.open_used(location)
    try:
        known = await store.read(environment, numbers)
        lookups = await store.details(environment, numbers.tolist())
    finally:
        store.close()
    answers = _answers(known, np.zeros(len(numbers), bool))
    answers.lookups.update(lookups)
    return answers


def _answers(known: Stored, new: NDArray[np.bool_]) -> Answers:
    """Return what the store holds, a bought answer's time beside it."""
    bought_at = np.where(_settled(known), known.bought_at, 0)
    return Answers(_STATUS_CODES[state_codes(known.packed)], known.packed, bought_at, new)


def _count_open(
    report: RunReport, answers: Answers, settled: NDArray[np.bool_], sorted_: Sorted
) -> None:
    """Count the numbers without a final outcome, also where an older answer serves meanwhile."""
    left = ~sorted_.stored
    report.open = int(left.sum()) - report.not_bought
    report.behind = int((left & settled & (answers.status != _NOT_BOUGHT)).sum())


def _settled(known: Stored) -> NDArray[np.bool_]:
    return np.isin(state_codes(known.packed), [int(state) for state in SETTLED])
