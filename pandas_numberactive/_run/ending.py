"""End a run in the store, by a transaction of its own, once the caller has its result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from types import TracebackType

from pandas_numberactive._store import runs, workers
from pandas_numberactive._store.store import LookupStore


class Ending:
    """The last step of a call. Build its frame inside `with` or `async with`.

    The run ends if the block ends without an error and nothing was left open. In every other case,
    a killed process included, it stays the same run for its day: the same call goes on with it and
    buys nothing twice.
    """

    def __init__(
        self, store: LookupStore | None = None, worker: int = 0, run: int = 0, *, over: bool = False
    ) -> None:
        self._store = store
        self._worker = worker
        self._run = run
        self._over = over

    def __enter__(self) -> Ending:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        postponed = _postponed.get()
        if kind is not None:
            self.abandon()
        elif postponed is None:
            self.finish()
        else:
            postponed.append(self)

    async def __aenter__(self) -> Ending:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self._leave_awaited(self._over)
        else:
            await self.leave_open()

    def finish(self) -> None:
        """End the run now. Call it outside an event loop."""
        self._leave(self._over)

    def abandon(self) -> None:
        """Leave the run as it is, to be gone on with by the same call."""
        with contextlib.suppress(Exception):  # what went wrong before says more
            self._leave(False)

    async def leave_open(self) -> None:
        """Do as `abandon`, on an event loop."""
        with contextlib.suppress(Exception):  # what went wrong before says more
            await self._leave_awaited(False)

    @property
    def _place(self) -> dict[str, int]:
        """The worker in the store, and its run."""
        return {"worker": self._worker, "run": self._run}

    async def _leave_awaited(self, finished: bool) -> None:
        store = self._store
        self._store = None
        if store is None:
            return
        try:
            await store.write(workers.leave, store.engine, **self._place, finished=finished)
            store.close()
            if finished and _is_cancelled():  # meanwhile: this task returns nothing
                store.reopen()
                store.do(runs.go_on, run=self._run)
        except (asyncio.CancelledError, KeyboardInterrupt):  # the result reaches nobody
            if finished:
                store.reopen()
                store.write(runs.go_on, run=self._run)  # queued behind the end
            raise
        finally:
            store.close()

    def _leave(self, finished: bool) -> None:
        store = self._store
        self._store = None
        if store is None:
            return
        try:
            store.do(workers.leave, store.engine, **self._place, finished=finished)
            store.close()
        except KeyboardInterrupt:  # the result reaches nobody
            if finished:
                store.reopen()
                store.do(runs.go_on, run=self._run)
            raise
        finally:
            store.close()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_postponed: ContextVar[list[Ending] | None] = ContextVar("numberactive_postponed", default=None)


@contextlib.contextmanager
def ends_with_block() -> Iterator[None]:
    """Postpone the end of each run begun in the block to the end of the block.

    It is for callers with more to do before the result is safe, such as writing its file.
    """
    endings: list[Ending] = []
    token = _postponed.set(endings)
    try:
        yield
    except BaseException:
        for ending in endings:
            ending.abandon()
        raise
    finally:
        _postponed.reset(token)
    for ending in endings:
        ending.finish()
