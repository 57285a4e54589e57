"""End a run in the store, by a transaction of its own, once the caller has its result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import TypedDict

from pandas_numberactive._store import runs, workers
from pandas_numberactive._store.store import LookupStore


class _Place(TypedDict):
    """Names the worker that leaves."""

    worker: int
    run: int


class Ending:
    """The last step of a call. Build its frame inside `with` or `async with`.

    The run ends if the block ends without an error and nothing was left open. In every other case,
    a killed process included, it stays the same run for a day after its last call: the same call
    goes on with it and buys nothing twice. Until its caller has returned, `abandon` takes the end
    back.
    """

    def __init__(
        self,
        store: LookupStore | None = None,
        worker: int = 0,
        run: int = 0,
        *,
        over: bool = False,
    ) -> None:
        self._store = store
        self._worker = worker
        self._run = run
        self._over = over
        self._ended = False  # the store may have been told that the run is over

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
            await self._finish_awaited()
        else:
            await self.leave_open()

    def finish(self) -> None:
        """End the run now. Call it outside an event loop."""
        store = self._store
        if store is None:
            return
        self._ended = self._over
        try:
            store.do(workers.leave, store.engine, **self._place, finished=self._over)
        except Exception:  # the store fails, and would fail once more
            self._store = None
            raise
        finally:
            store.close()

    def abandon(self) -> None:
        """Leave the run to be gone on with by the same call, and take its end back.

        The result reaches nobody: an error or an interrupt came before the caller had it.
        """
        store = self._store
        if store is None:
            return
        with contextlib.suppress(Exception):  # what went wrong before says more
            store.reopen()
            store.do(workers.leave, store.engine, **self._place, finished=False)
            if self._ended:
                store.do(runs.go_on, run=self._run)
        self._store = None
        store.close()

    async def leave_open(self) -> None:
        """Leave a run that has not ended, as `abandon` does, on an event loop."""
        store = self._store
        if store is None:
            return
        with contextlib.suppress(Exception):  # what went wrong before says more
            await store.write(workers.leave, store.engine, **self._place, finished=False)
        self._store = None
        store.close()

    async def _finish_awaited(self) -> None:
        store = self._store
        if store is None:
            return
        self._ended = self._over
        try:
            await store.write(workers.leave, store.engine, **self._place, finished=self._over)
        except Exception:  # the store fails, and would fail once more
            self._store = None
            raise
        finally:
            store.close()
        if _is_cancelled():  # meanwhile: this task returns nothing
            self.abandon()

    @property
    def _place(self) -> _Place:
        """The worker in the store, and its run."""
        return {"worker": self._worker, "run": self._run}


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
        for ending in endings:
            ending.finish()
    except BaseException:
        for ending in endings:
            ending.abandon()
        raise
    finally:
        _postponed.reset(token)
