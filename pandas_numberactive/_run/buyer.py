"""Buy the numbers of a run: claim them in chunks, keep look-ups in flight, and stop in time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

from pandas_numberactive._config.settings import RunSettings
from pandas_numberactive._purchase.drive import Driver
from pandas_numberactive._purchase.flow import (
    LostHandle,
    RetryPolicy,
    shows_handle_can_charge,
)
from pandas_numberactive._purchase.purchase import OPEN, SETTLED, LookupState, Purchase
from pandas_numberactive._run.lease import Lease
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.stopping import (
    PROBES,
    Streaks,
    as_ours,
    collision,
    stopped_by_vendor,
    unreached,
)
from pandas_numberactive._run.tally import Tally
from pandas_numberactive._store import claims, runs, saves, workers
from pandas_numberactive._store.claims import Work, claim_size
from pandas_numberactive._store.rescue import Rescue
from pandas_numberactive._store.rows import MAX_KEPT_BODY
from pandas_numberactive._store.runs import RunRow, Spending
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._vendor.client import Client, Reach
from pandas_numberactive._vendor.verdicts import Verdict
from pandas_numberactive.errors import NumberActiveError, VendorError

BUSY_POLL = 0.2  # seconds between looks at what another process has claimed
REQUEST_IDS_REMEMBERED = 10_000  # more than are open at once; a stray reply comes soon


class Buyer:
    """Claim, drive and count look-ups.

    `buy` returns the error that ended the run early, or None.
    """

    def __init__(
        self,
        store: LookupStore,
        settings: RunSettings,
        run: RunRow,
        worker: int,
        lease: Lease,
        tally: Tally,
        *,
        cap: int | None,
        options: Options,
        rescue: Rescue,
    ) -> None:
        self._rescue = rescue
        self._store = store
        self._settings = settings
        self._run = run
        self._tally = tally
        self._cap = cap
        self._options = options
        self._policy = RetryPolicy(poll_for=settings.poll_for)
        self._streaks = Streaks(settings)
        self._queue: asyncio.Queue[tuple[Purchase, LostHandle, int] | None] = asyncio.Queue(
            settings.max_concurrency
        )
        self._busy: list[int] = []
        self._over: list[int] = []  # numbers that the cap had no room for
        self._freed = 0  # look-ups that ended free since a claim found the cap reached
        self._in_flight = 0
        self._waiting = 0  # claimed, not begun
        self._unclaimed = 0
        self._todo = 0
        self._reach = Reach()
        self._spent = 0
        self._changed = asyncio.Event()
        self._error: NumberActiveError | None = None
        self._emergencies: dict[str, None] = {}  # notes on answers that the store did not take
        self._handle_can_charge = False
        self._opened = False  # a requestId of this run is on disk
        self._opened_for: dict[str, int] = {}  # numbers by requestId, the latest
        self._asking: set[int] = set()  # numbers that may be queried, until they end
        self._places: dict[int, int] = {}  # of the look-ups in flight, as `Streaks` counts them
        self._lease = lease
        self._worker = worker  # our number in the store
        self._reserved: set[int] = set()  # numbers whose money this call has reserved or spent
        self.saved: dict[int, Purchase] = {}  # by number, as the store has taken them last
        self.newest: Purchase | None = None  # with a requestId that the store has taken

    async def buy(self, todo: list[int]) -> NumberActiveError | None:
        """Take every number as far as it goes. The worker stays registered until it leaves."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._changed.set)

        self._tally.wake_with(wake)
        self._streaks.expected = len(todo)
        if todo:
            await self._all(todo)
        error = self._error
        if error is not None:
            for note in self._emergencies:  # added to the error that ended the run
                error.add_note(note)
        return error

    async def _renew(self) -> None:
        await self._store.write(
            workers.renew,
            self._store.engine,
            worker=self._worker,
            run=self._run.run,
            lease=self._settings.lease,
        )

    async def leave(self) -> None:
        """Give up the lease. The call returned no result and is to be made again."""
        with contextlib.suppress(Exception):  # a store that fails here failed louder before
            await self._store.write(
                workers.leave,
                self._store.engine,
                worker=self._worker,
                run=self._run.run,
                finished=False,
            )

    async def _all(self, todo: list[int]) -> None:
        heart = asyncio.create_task(self._beat())
        try:
            async with Client(self._settings, clock=self._clock) as client:
                self._tally.client = client.stats
                self._reach = client.reach
                self._streaks.reach = client.reach
                driver = Driver(
                    client,
                    policy=self._policy,
                    reached=lambda: client.reach.reached,
                    handle_can_charge=lambda: self._handle_can_charge,
                    opened_for=self._opened_for.get,
                )
                # The client's gate holds the calls in flight to max_concurrency; the rest wait for
                # the disk meanwhile.
                count = min(-(-3 * self._settings.max_concurrency // 2), len(todo))
                await _together(
                    [self._feed(todo, count), *(self._work(driver) for _ in range(count))]
                )
        finally:
            heart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heart

    def _clock(self) -> float:
        """Return the store's clock, or the run's start if that is later.

        So no answer of the run is older than the run.
        """
        return max(self._store.now(), self._run.started_at) / 1e6

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            try:
                moment = self._lease.now()
                await self._renew()
                self._lease.renewed(moment)
            except Exception as error:
                self._halt(as_ours(error))

    @property
    def _stopping(self) -> bool:
        return self._tally.stopped_by is not None

    def _halt(self, error: NumberActiveError) -> None:
        if self._error is None and not self._stopping:
            self._error = error
        self._tally.stop("error")
        self._changed.set()

    async def _feed(self, todo: list[int], workers: int) -> None:
        """Claim numbers ahead in chunks, one transaction each.

        At the end, give the places of free failures to numbers that the cap had no room for, and
        wait for the numbers that other processes have claimed.
        """
        terms = self._terms()
        self._unclaimed = self._todo = len(todo)
        try:
            while not self._stopping:
                if self._unclaimed:
                    position = len(todo) - self._unclaimed
                    numbers = todo[position : position + self._claim_size]
                    self._unclaimed -= len(numbers)
                elif self._in_flight or self._waiting:
                    await self._next_change()
                    continue
                elif self._has_room:
                    numbers = self._over[: self._freed]
                    del self._over[: self._freed]
                elif self._busy:
                    await self._pause(BUSY_POLL)
                    numbers = self._busy
                    self._busy = []
                else:
                    break
                await self._claim(terms, numbers)
        except Exception as error:
            self._halt(as_ours(error))
        finally:
            for _ in range(workers):
                await self._queue.put(None)

    @property
    def _has_room(self) -> bool:
        """Return True if look-ups that ended free may have left room under the cap."""
        return bool(self._freed and self._over)

    @property
    def _claim_size(self) -> int:
        least = max(self._settings.max_concurrency, 32)
        # If handle can charge, a crash leaves its claims held. Claim as few at once as possible.
        return least if self._handle_can_charge else claim_size(least, self._spent, self._unclaimed)

    def _terms(self) -> Work:
        settings = self._settings
        return Work(
            environment=settings.environment,
            run=self._run.run,
            worker=self._worker,
            cap=self._cap,
            since=self._options.since(self._run.started_at),
            called_at=self._store.now(),
            retry_failed=self._options.retry_failed,
            host=settings.host,
            key=settings.credentials.fingerprint,
            max_id_age=round(self._policy.max_age * 1e6),
            alive=self._store.alive,
            spending=Spending(self._run.run),
        )

    async def _claim(self, terms: Work, numbers: list[int]) -> None:
        while not self._stopping and not self._lease.holds(self._lease.term):
            await self._pause(
                BUSY_POLL
            )  # until the beat has renewed it: what is claimed now would be given back
        if self._stopping:
            return
        term = self._lease.term
        if terms.spending is not None:
            terms.spending.least = self._run.charged + len(self._reserved)
        got = await self._store.write(claims.claim, terms, numbers)
        self._busy += got.busy
        self._spent = got.spent
        self._handle_can_charge |= got.handle_can_charge
        self._tally.done += len(got.settled)
        self._tally.elsewhere += len(got.settled)
        self._over += got.over
        self._tally.over = len(self._over)
        self._freed = 0 if got.over else max(0, self._freed - len(got.mine))
        self._waiting += len(got.mine)
        self._reserved.update(lookup.number for lookup, _ in got.mine)
        for lookup, lost in got.mine:
            if self._queue.full():
                await self._queue.put((lookup, lost, term))
            else:  # nearly always: no coroutine for it
                self._queue.put_nowait((lookup, lost, term))

    async def _work(self, driver: Driver) -> None:
        while (item := await self._queue.get()) is not None:
            if not self._streaks.proven:
                await self._permit()
            self._waiting -= 1
            self._in_flight += 1
            lookup, lost, term = item
            if self._streaks.proven or not self._handles_are_free:
                self._places[lookup.number] = self._streaks.begin()
            try:
                done = await self._drive(driver, lookup, lost, term)
                self._ended(lookup, self._still_mine(lookup, done, term))
            except Exception as error:
                self._halt(as_ours(error))
            finally:
                self._in_flight -= 1
                self._asking.discard(lookup.number)
                self._places.pop(lookup.number, None)
                self._changed.set()

    async def _permit(self) -> None:
        """Wait for a place in flight.

        Until the first good answer, keep at most five look-ups in flight, and one less for each
        identical failure in a row. Handles go before it once a requestId that cost nothing is on
        disk: they are free, and their queries wait for `_may_query`.
        """
        while not (self._streaks.proven or self._stopping or self._handles_are_free):
            if self._has_place(self._in_flight):
                return
            await self._next_change()

    async def _may_query(self, number: int) -> None:
        """Wait until the requestId of a number may be queried, under the same rule of five."""
        while not (self._streaks.proven or self._stopping or self._has_place(len(self._asking))):
            await self._next_change()
        self._note_query(number)

    def _note_query(self, number: int) -> None:
        """Note that a number's requestId is asked from now on."""
        self._asking.add(number)
        if number not in self._places:  # its handle went ahead of the first answer
            self._places[number] = self._streaks.begin()

    def _has_place(self, taken: int) -> bool:
        return not taken or taken + self._streaks.suspicion < PROBES

    @property
    def _handles_are_free(self) -> bool:
        return self._opened and not self._handle_can_charge

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def _drive(
        self, driver: Driver, lookup: Purchase, lost: LostHandle, term: int
    ) -> Purchase | None:
        if lookup.request_id is not None:
            self.saved[lookup.number] = lookup
            self._note_request_id(lookup)
            await self._may_query(lookup.number)
        done = await driver.drive(
            lookup,
            save=self._save,
            halt=self._halted,
            # A process that slept past its lease asks nothing on its old claims.
            stopping=lambda: self._stopping or not self._lease.holds(term),
            lost=lost,
        )
        if done is not None and done.state in OPEN:
            await self._store.write(saves.unclaim, done, worker=self._worker)
        return done

    def _still_mine(
        self,
        claimed: Purchase,
        done: Purchase | None,
        term: int,
    ) -> Purchase | None:
        """Return the look-up under a valid claim.

        After an expired lease it must be claimed again.
        """
        cut_short = done is not None and (
            done == claimed or done.state in (LookupState.RELEASED, LookupState.PENDING)
        )
        return None if cut_short and not self._stopping and not self._lease.holds(term) else done

    async def _save(self, lookup: Purchase) -> bool:
        self._note_cost(lookup)
        try:
            saved = await self._store.write(
                saves.save,
                lookup,
                worker=self._worker,
                run=self._run.run,
                now=self._store.now(),
            )
        except Exception as error:  # of whatever kind: a paid answer must not go with it
            self._keep_unsaved(lookup, as_ours(error))
            return False
        self._note_saved(lookup, saved)
        if saved == "kept":
            self._note_request_id(lookup)
        if saved == "fenced":
            await self._check_known()
        if saved == "collision":
            self._halt(collision(lookup.state))
            return lookup.state in SETTLED  # such an answer is kept
        # One that is being asked has its place.
        if lookup.state is LookupState.PENDING and lookup.number not in self._asking:
            if saved == "kept" and self._opened and self._streaks.proven:
                self._note_query(lookup.number)  # nearly always: nothing to wait for
            else:
                await self._after_opened(lookup.number, saved)
        return saved == "kept"

    def _note_saved(self, lookup: Purchase, saved: saves.Saved) -> None:
        if lookup.state in SETTLED or saved == "kept":
            self.saved[lookup.number] = _as_stored(lookup)
        if saved == "kept" and lookup.request_id:
            self.newest = lookup

    def _note_request_id(self, lookup: Purchase) -> None:
        """Note whose requestId it is, to know its replies where they reach another number."""
        if lookup.request_id is None:
            return
        self._opened_for[lookup.request_id] = lookup.number
        if len(self._opened_for) > REQUEST_IDS_REMEMBERED:
            del self._opened_for[next(iter(self._opened_for))]

    async def _check_known(self) -> None:
        """Stop where a claim was lost because the store does not know this worker any more."""
        if self._stopping:
            return
        try:
            await self._store.fetch(runs.refuse_unknown, self._worker)
        except Exception as error:
            self._halt(as_ours(error))

    def _note_cost(self, lookup: Purchase) -> None:
        """Note what a step may cost, before it is stored."""
        if shows_handle_can_charge(lookup):
            self._handle_can_charge = True  # the store marks it for good, with the answer
        if not _may_cost(lookup):
            self._reserved.discard(lookup.number)

    def _keep_unsaved(self, lookup: Purchase, error: NumberActiveError) -> None:
        """Stop on a store that fails, and keep an answer that is paid."""
        if lookup.state in SETTLED or shows_handle_can_charge(lookup):
            self._write_emergency(lookup)
            # Also after Stop: the frame lacks an answer that is paid.
            self._error = self._error or error
        self._halt(error)

    async def _after_opened(self, number: int, saved: saves.Saved) -> None:
        """Let the handles of others go, and wait until this number may be queried."""
        if saved == "fenced":
            self._tally.orphaned += 1
        if saved != "kept":
            return
        if not self._opened:
            self._opened = True
            self._changed.set()
        await self._may_query(number)

    def _write_emergency(self, lookup: Purchase) -> None:
        """Write a paid answer that the store refused to an emergency file."""
        path = self._rescue.keep(lookup)
        if path is not None:
            where = (
                f"The paid answer waits in {path.parent}; the next run on this store reads it back."
            )
        elif lookup.state in SETTLED and lookup.opened_at is not None:
            where = (
                "A paid answer could not be kept anywhere; its requestId is in the store and "
                "is asked again."
            )
        else:
            where = (
                "A paid answer could not be kept anywhere: make space before you call again, "
                "which may pay again."
            )
        self._emergencies[where] = None

    def _ended(self, claimed: Purchase, done: Purchase | None) -> None:
        if done is None:  # another worker has it, or may have: its answer is waited for
            self._busy.append(claimed.number)
            self._reserved.discard(claimed.number)
            return
        self._tally.count(done, claimed)
        if not _may_cost(done):
            self._freed += 1
        if done.state is LookupState.RELEASED:
            return
        place = self._places.get(claimed.number) or self._streaks.begin()
        error = self._unreached() or self._streaks.see(place, done, self._beside(claimed.number))
        if error is not None and self._worth_a_halt:
            self._halt(error)

    def _beside(self, number: int) -> int:
        """Return how many look-ups may still end as badly as this one.

        Before the first good answer those of an answer are the queried ones.
        """
        queried = not self._streaks.proven and number in self._asking
        return len(self._asking) if queried else self._in_flight

    @property
    def _unqueried(self) -> int:
        """Return how many look-ups wait for the first good answer with an open requestId."""
        return 0 if self._streaks.proven else self._in_flight - len(self._asking)

    def _unreached(self) -> VendorError | None:
        """Return the error of a run that cannot connect, after three tries or all that it has."""
        reach = self._reach
        if reach.reached or reach.trouble is None or reach.unsent < min(3, self._todo):
            return None
        return unreached(reach.trouble, self._settings)

    @property
    def _worth_a_halt(self) -> bool:
        """Return True if stopping now would save calls.

        Failing look-ups finish last, so failures at the very end are no reason to stop.
        """
        return bool(
            self._streaks.kind != "held"
            or self._unclaimed
            or self._waiting
            or self._unqueried
            or self._busy
            or self._has_room
        )

    def _halted(self, verdict: Verdict) -> None:
        self._halt(stopped_by_vendor(verdict, self._settings))


def _may_cost(lookup: Purchase) -> bool:
    """Return True if the cap counts this purchase, as charged or as possibly charged."""
    if lookup.state in SETTLED:
        return lookup.charged is not False
    return lookup.state in OPEN


def _as_stored(lookup: Purchase) -> Purchase:
    """Cut the body of a reply as the store does, or a run would hold them all."""
    if len(lookup.raw) <= MAX_KEPT_BODY:
        return lookup
    return lookup._replace(raw=lookup.raw[:MAX_KEPT_BODY])


async def _together(work: list[Awaitable[None]]) -> None:
    """Run all. On cancellation, cancel all and wait for their ends."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
