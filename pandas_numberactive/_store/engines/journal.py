"""The store's writer thread: many small writes, one transaction, one fsync.

The future of a write resolves only after its transaction is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive.errors import NumberActiveError, StoreError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
TRIES = 5
FORK_SECONDS = 10.0  # for which a fork waits for work in progress


class Database(Protocol):
    """The statements' executor. `?` marks a parameter on every engine."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...


class Engine(Protocol):
    """One way to keep the journal: its transactions, its clock, and its living workers."""

    errors: tuple[type[Exception], ...]  # raised by a failing store
    far: bool  # a statement costs a round trip

    def passing(self, error: BaseException) -> bool:
        """Return True where nothing was written and the same work may be tried again."""

    def cause(self, error: BaseException) -> BaseException:
        """Return the error behind an error, such as a file that is gone."""

    def shared(self, error: BaseException) -> bool:
        """Return True where every write of a group would fail in the same way."""

    def advice(self, error: BaseException) -> str:
        """Return the way out of an error, in one sentence without its full stop."""

    def said(self, error: BaseException) -> str:
        """Return the error's own words, without any that quote a row."""

    def begin(self) -> Database:
        """Start a transaction as the only writer."""

    def begin_reading(self) -> Database:
        """Start a transaction that writes nothing, and waits for no writer on a far server."""

    def commit(self) -> None:
        """Put the transaction on disk (fsync)."""

    def rollback(self) -> None:
        """Undo the transaction."""

    def compact(self) -> None:
        """Remove what was deleted from the file itself."""

    def close(self) -> None:
        """Close the connection."""

    def before_fork(self) -> None:
        """Close what a child must not inherit. The next transaction opens it again."""

    def leave_to_parent(self) -> None:
        """Let go, in a forked child, of what belongs to its parent, and close nothing of it."""

    def reopen(self) -> None:
        """Open a connection of its own in a forked child."""

    def now(self) -> int:
        """Return the store's time in microseconds since 1970, UTC."""

    def hold(self, db: Database, token: str) -> str:
        """Show a worker alive until `release` or death. Return its token for others to check."""

    def release(self, db: Database) -> None:
        """Stop showing our workers alive."""

    def lives(self, db: Database, token: str) -> bool:
        """Return False where the worker's process is known to be gone."""

    def certain(self, db: Database, token: str) -> bool:
        """Return True where the worker's process is known to live."""

    def make_again(self, db: Database) -> None:
        """Make the tables again where a server has lost them all."""

    def check_rights(self, db: Database) -> None:
        """Raise StoreError where a run could not write all that it must."""

    def read_rows(
        self,
        db: Database,
        code: int,
        wanted: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Read all generations of sorted numbers, ordered: number, packed, bought_at."""


Work = Callable[[Database], T]


class Together:
    """Work that a far server can do for many of its kind in few round trips."""

    __slots__ = ()

    def __call__(self, db: Database) -> Any:
        """Do it by itself."""
        raise NotImplementedError

    def many(self, db: Database, steps: Sequence[Any]) -> list[Any]:
        """Do all of `steps`, this one among them. Return the result of each."""
        raise NotImplementedError


class Reading:
    """Work that only reads. Where the store is far, it goes without the writers' lock."""

    __slots__ = ("_work",)

    def __init__(self, work: Work[Any]) -> None:
        self._work = work

    def __call__(self, db: Database) -> Any:
        """Do it."""
        return self._work(db)


class _Awaited:
    """One result, which a thread waits for on a bare lock.

    An interrupt inside a Condition, which concurrent.futures waits on, can leave its lock held:
    the store's thread would then wait for ever to deliver, and everyone for the store.
    """

    def __init__(self) -> None:
        self._here = threading.Lock()
        self._here.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        """Return True once it is here."""
        return not self._here.locked()

    def set_result(self, result: Any) -> None:
        """Deliver a result."""
        self._result = result
        self._here.release()

    def set_exception(self, error: BaseException) -> None:
        """Deliver an error."""
        self._error = error
        self._here.release()

    def result(self) -> Any:
        """Wait for it, and return or raise it."""
        self._here.acquire()
        try:
            if self._error is not None:
                raise self._error
            return self._result
        finally:
            del self  # an error's frames would hold it, and it holds the error


class _Job(NamedTuple):
    """Work with the future that waits for it. A job without work compacts the store."""

    work: Work[Any] | None
    future: asyncio.Future[Any] | _Awaited
    loop: asyncio.AbstractEventLoop | None  # None: a thread waits for it

    @property
    def reads(self) -> bool:
        """True where the work only reads."""
        return isinstance(self.work, Reading)


_Done = tuple[Any, BaseException | None]  # a result, or the error in its place


class Journal:
    """Runs work on one connection in one thread, grouping what waits into one transaction."""

    def __init__(self, opened: Callable[[], Engine], *, most: int = 512) -> None:
        self._most = most
        self._closed = False
        self._renew_queue()
        self.at_work = threading.Lock()  # held while a driver runs, whose own locks no fork frees
        self._thread: threading.Thread | None = None
        self._forked_at_work = False
        with self.at_work:  # a fork waits for it: no child inherits a connection that nobody knows
            with _open.lock:
                _open.journals.add(self)
            self.engine = opened()
        self._start()

    def _renew_queue(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # None: the last one
        self._gate = threading.Lock()  # held to put: nothing comes after the last one
        self._next: _Job | None = None  # taken, and left for a group of its own

    def _start(self) -> None:
        self._at_end = threading.Lock()  # held by the thread until it has closed the connection
        self._at_end.acquire()
        self._thread = threading.Thread(
            target=self._serve,
            args=(self._at_end,),
            name="numberactive-store",
            daemon=True,
        )
        try:
            self._thread.start()
        except RuntimeError:  # too many threads
            self._thread = None
            raise

    def _wait_for_end(self) -> None:
        """Wait for the thread: an interrupted `Thread.join` calls a living one ended (CPython)."""
        if self._thread is not None:
            with self._at_end:
                pass

    def before_fork(self) -> None:
        """Close what a child must not inherit. The child refuses what cannot be closed."""
        with contextlib.suppress(Exception):
            self.engine.before_fork()

    def after_fork(self, *, at_work: bool) -> None:
        """Begin anew in a forked child: its thread, its lock and its queue are the parent's.

        What was `at_work` in the parent is refused here: its driver's locks may be held for ever.
        """
        self._renew_queue()
        self.at_work = threading.Lock()
        self._thread = None
        self._forked_at_work = at_work
        self.engine.leave_to_parent()

    def write(self, work: Work[T]) -> asyncio.Future[T]:
        """Queue work from a running loop. The future resolves after the fsync."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Job(work, future, loop))
        return future

    def do(self, work: Work[T]) -> T:
        """Run work from any other thread and wait for it."""
        awaited = _Awaited()
        self._put(_Job(work, awaited, None))
        result: T = awaited.result()
        return result

    def compact(self) -> None:
        """Rewrite the file without deleted rows. It waits its turn and blocks all other work."""
        awaited = _Awaited()
        self._put(_Job(None, awaited, None))
        awaited.result()

    def close(self) -> None:
        """Finish what is queued and close the connection."""
        with self._gate:
            self._closed = True
            self._jobs.put(None)
        self._wait_for_end()

    def reopen(self) -> None:
        """Take work again after `close`, whose interrupt may have come at any place."""
        if not self._closed:
            return
        self._jobs.put(None)
        self._wait_for_end()
        self._thread = None
        self._jobs = queue.SimpleQueue()  # without what would end the next thread
        self._closed = False

    def _put(self, job: _Job) -> None:
        with self._gate:
            if self._closed:
                raise StoreError("The store is closed; open it again.")
            if self._thread is None:
                self._reopen()
            self._jobs.put(job)

    def _reopen(self) -> None:
        if self._forked_at_work:
            raise StoreError(
                "The store was at work when this process was forked, so it cannot be used here. "
                'Open it after the fork, or start processes by "spawn". Nothing was bought.'
            )
        with self.at_work:
            self.engine.reopen()
        self._start()

    def _serve(self, at_end: threading.Lock) -> None:
        try:
            while group := self._take():
                with self.at_work:
                    self._run(group)
            with self.at_work:
                self.engine.close()
        finally:
            at_end.release()

    def _take(self) -> list[_Job]:
        """Wait for a job and return it with those behind it, or nothing after the last."""
        first = self._next or self._jobs.get()
        self._next = None
        if first is None:
            return []
        group = [first]
        while first.work is not None and len(group) < self._most and not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)  # for the next time
                break
            apart = self.engine.far and job.reads != first.reads  # a read takes no lock there
            if job.work is None or apart:
                self._next = job
                break
            group.append(job)
        return group

    def _run(self, group: list[_Job]) -> None:
        done = self._compact() if group[0].work is None else self._attempt(group)
        if done is None and len(group) > 1:  # one bad write must not cost the others theirs
            for job in group:
                self._run([job])
            return
        _deliver(group, done or [])

    def _compact(self) -> list[_Done]:
        try:
            self.engine.compact()
        except BaseException as raised:
            error = self.engine.cause(raised)
            self._undo(error)
            return [(None, self._as_ours(error))]
        return [(None, None)]

    def _attempt(self, group: list[_Job]) -> list[_Done] | None:
        """Do a group, and repeat it after a lost connection or another's lock.

        Return None if it must be split.
        """
        for left in reversed(range(TRIES)):
            begun = False
            try:
                database = self._begin(group)
                begun = True
                return self._in_transaction(database, group)
            except BaseException as raised:
                error = self.engine.cause(raised)
                self._undo(error)
                if left and begun and self.engine.passing(error):
                    continue
                if begun and len(group) > 1 and not self.engine.shared(error):
                    return None
                # Where nothing can begin, or no write could end, nobody waits twice.
                return [(None, self._as_ours(error)) for _ in group]
        return None

    def _begin(self, group: list[_Job]) -> Database:
        if all(job.reads for job in group):
            return self.engine.begin_reading()
        return self.engine.begin()

    def _in_transaction(self, database: Database, group: list[_Job]) -> list[_Done]:
        works = [job.work for job in group if job.work is not None]
        results: list[_Done] = [(result, None) for result in _results(database, works)]
        self.engine.commit()
        return results

    def _undo(self, error: BaseException) -> None:
        try:
            self.engine.rollback()
        except Exception as second:
            error.add_note(f"rollback failed too: {type(second).__name__}")

    def _as_ours(self, error: BaseException) -> BaseException:
        if isinstance(error, NumberActiveError) or not isinstance(error, self.engine.errors):
            return error
        said = hide_numbers(f"{type(error).__name__}: {self.engine.said(error)}")
        ours = StoreError(
            f"The store could not be read or written ({said}); nothing more was asked. "
            f"{self.engine.advice(error)}, and call again."
        )
        if isinstance(
            error, sqlite3.Error
        ):  # a driver's frames may hold a password, and its words a row
            ours.__cause__ = error
        return ours


def _results(database: Database, works: Sequence[Work[Any]]) -> list[Any]:
    together = [work for work in works if isinstance(work, Together)]
    if not together:
        return [work(database) for work in works]
    results = together[0].many(database, together)
    done = {id(work): result for work, result in zip(together, results, strict=True)}
    return [done[id(work)] if id(work) in done else work(database) for work in works]


class _Open:
    """The journals of this process. A fork holds the lock, so that none is added meanwhile."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.journals: weakref.WeakSet[Journal] = weakref.WeakSet()


class _Fork(threading.local):
    """The locks that this thread holds over its fork, and the journals that are still at work."""

    def __init__(self) -> None:
        self.held: list[threading.Lock] = []
        self.at_work: list[Journal] = []

    def hold(self, lock: threading.Lock, until: float) -> bool:
        """Take a lock for the time of the fork. Return False where it is not free in time."""
        free = lock.acquire(timeout=max(0.0, until - time.monotonic()))
        if free:
            self.held.append(lock)
        return free

    def end(self) -> None:
        """Give the locks back."""
        while self.held:
            self.held.pop().release()
        self.at_work.clear()


_open = _Open()
_fork = _Fork()


def _before_fork() -> None:
    """Let no thread be inside a driver, whose locks would stay held in the child for ever.

    Then close the files: SQLite takes no lock in a child that inherited an open connection.
    """
    until = time.monotonic() + FORK_SECONDS
    _fork.hold(_open.lock, until)
    at_rest: list[Journal] = []
    for journal in list(_open.journals):
        known = at_rest if _fork.hold(journal.at_work, until) else _fork.at_work
        known.append(journal)
    for journal in at_rest:  # now nobody in this process has the turn that a closing takes
        journal.before_fork()


def _after_fork_in_child() -> None:
    _open.lock = threading.Lock()
    _fork.held.clear()  # each is replaced
    for journal in list(_open.journals):
        with contextlib.suppress(Exception):  # one that fails must not leave the others as they are
            journal.after_fork(at_work=journal in _fork.at_work)
    _fork.at_work.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_fork.end, after_in_child=_after_fork_in_child
    )


def _deliver(group: list[_Job], done: list[_Done]) -> None:
    """Resolve the futures of a group, by one call into each loop.

    A call for each write would cost more than the write.
    """
    by_loop: dict[asyncio.AbstractEventLoop | None, list[tuple[_Job, _Done]]] = {}
    for job, outcome in zip(group, done, strict=True):
        by_loop.setdefault(job.loop, []).append((job, outcome))
    for loop, some in by_loop.items():
        if loop is None:
            _resolve(some)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(_resolution(some))


def _resolution(some: list[tuple[_Job, _Done]]) -> Callable[[], None]:
    """Return the call that resolves some futures. It is logged without its arguments.

    asyncio's debug mode logs slow calls with them, and results hold numbers.
    """

    def resolve() -> None:
        _resolve(some)

    return resolve


def _resolve(some: list[tuple[_Job, _Done]]) -> None:
    for job, (result, error) in some:
        if job.future.done():  # its task was cancelled; the write stands
            continue
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
