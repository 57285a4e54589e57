"""Run one background event loop for the process, so that blocking code can call async code.

asyncio is never patched, and the caller's own loop is never touched. A first interrupt (Ctrl-C, the
kernel's stop button) stops the work and waits for the calls already sent. A second one cancels.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
Work = Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]]
Tick = Callable[[], None]

SLICE = 0.1  # seconds between two looks at the clock, the interrupt flag and the progress bar
EXIT_WAIT = 2.0  # seconds that leaving the interpreter may take

# The class of the errors raised here. _config.settings makes it BridgeError, which is one of the
# package's errors: this module imports nothing of the package.
error_class: type[RuntimeError] = RuntimeError


class _Bridge:
    """The background thread and its event loop.

    There is one per process, and a new one after a fork.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid: int | None = None

    def running_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop, started if need be."""
        with self._lock:
            alive = (
                self._thread is not None and self._thread.is_alive() and self._pid == os.getpid()
            )
            if self.loop is None or not alive or self.loop.is_closed():
                self._start()
            assert self.loop is not None
            return self.loop

    def _start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = threading.Thread(
            target=_serve, args=(self.loop,), name="numberactive-bridge", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:  # too many threads, or Python is about to end
            self.loop.close()
            self._forget()
            raise error_class(
                f"The background thread cannot be started ({error}): close what uses many threads, "
                "or call before the program ends. Nothing was sent."
            ) from error

    def is_current_thread(self) -> bool:
        return self._thread is threading.current_thread() and self._pid == os.getpid()

    def after_fork(self) -> None:
        """Leave the parent's loop as it is.

        Closing the child's copy would unregister the parent's sockets.
        """
        _abandoned.append(self.loop)
        self._lock = threading.Lock()
        self._forget()

    def close(self) -> None:
        """Cancel what still runs and end the thread, in bounded time."""
        loop = self.loop
        thread = self._thread
        if loop is None or thread is None or self._pid != os.getpid() or not thread.is_alive():
            return
        loop.call_soon_threadsafe(lambda: loop.create_task(_cancel_all(loop)))
        thread.join(EXIT_WAIT)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task(loop)]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=EXIT_WAIT / 2)
    await loop.shutdown_asyncgens()
    loop.stop()


_abandoned: list[asyncio.AbstractEventLoop | None] = []
_bridge = _Bridge()
atexit.register(_bridge.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_bridge.after_fork)


def keep_over_forks(lock: threading.Lock) -> threading.Lock:
    """Return a module's lock, made free in a forked child even if the parent held it."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock


def submit(work: Work[T]) -> Future[T]:
    """Start a coroutine, or a function that makes one, on the background loop.

    It runs in a copy of the caller's context.
    """
    loop = _bridge.running_loop()
    coroutine = _begin(work) if callable(work) else work
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    except BaseException:
        # An interrupt may come when it runs already. `call` stops it then.
        if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            coroutine.close()
        raise


async def _begin(factory: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return await factory()


def call(work: Work[T], *, stop: Tick, tick: Tick | None = None, drain: float) -> T:
    """Run a coroutine on the background loop and block until it is done.

    Parameters
    ----------
    stop
        Called when this thread is interrupted: must make the coroutine start nothing new, and
        finish.
    tick
        Called about every 0.1 s in this thread, to draw progress; if it raises it is not called
        again.
    drain
        Seconds to wait for the coroutine after an interrupt, before the interrupt goes on to the
        caller.
    """
    if _bridge.is_current_thread():
        if not callable(work):
            work.close()
        raise error_class(
            "This blocking call was made on the background loop itself and would wait forever: "
            "await the async twin (aenrich, alookup) instead. Nothing was sent."
        )
    future: Future[T] | None = None
    try:
        future = submit(work)
        return join(future, stop=stop, tick=tick, drain=drain)
    except BaseException:
        if future is None or not future.done():  # interrupted before the wait began
            stop()
        raise


def join(
    future: Future[T],
    *,
    stop: Tick,
    tick: Tick | None = None,
    drain: float,
    timeout: float | None = None,
) -> T:
    """Block until submitted work is done.

    An interrupt stops the work and waits for the calls already sent, as in `call`. TimeoutError
    after `timeout` seconds leaves the work running.
    """
    draw = _Ticker(tick)
    try:
        _block(future, draw, timeout)
    except BaseException:
        if not future.done():
            stop()
            _drain(future, draw, drain)
        raise
    if not future.done():
        raise TimeoutError(f"Not done after {timeout:g} seconds. The work goes on.")
    return future.result()


def _drain(future: Future[Any], draw: _Ticker, seconds: float) -> None:
    try:
        _block(future, draw, seconds)
    except BaseException:
        future.cancel()
        raise


def _block(future: Future[Any], draw: _Ticker, seconds: float | None) -> None:
    """Wait in slices on a bare lock, because an interrupt inside a Condition can leave it held."""
    ended = threading.Lock()
    ended.acquire()
    future.add_done_callback(lambda _: ended.release())
    deadline = None if seconds is None else time.monotonic() + seconds
    while not ended.acquire(
        timeout=SLICE if deadline is None else min(SLICE, max(0.0, deadline - time.monotonic()))
    ):
        draw()
        if deadline is not None and time.monotonic() >= deadline:
            return


async def wait(
    future: Future[T],
    *,
    stop: Tick,
    tick: Tick | None = None,
    drain: float,
) -> T:
    """Await work that `submit` started, from any other loop.

    On cancellation, stop the work and wait for the calls already sent. A heartbeat lets the kernel
    interrupt it, because some kernels raise only between two callbacks of their loop.
    """
    wrapped = asyncio.wrap_future(future)
    wrapped.add_done_callback(
        lambda done: done.cancelled() or done.exception()
    )  # never "never retrieved"
    draw = _Ticker(tick)
    try:
        await _beat(wrapped, draw, None)
    except GeneratorExit:
        stop()
        raise
    except BaseException:
        if not wrapped.done():
            stop()
            await _drain_async(wrapped, future, draw, drain)
        raise
    return wrapped.result()


async def _drain_async(
    wrapped: asyncio.Future[Any], future: Future[Any], draw: _Ticker, seconds: float
) -> None:
    try:
        await _beat(wrapped, draw, seconds)
    except BaseException:
        future.cancel()
        raise


async def _beat(
    wrapped: asyncio.Future[Any],
    draw: _Ticker,
    seconds: float | None,
) -> None:
    deadline = None if seconds is None else time.monotonic() + seconds
    while not wrapped.done():
        await asyncio.wait([wrapped], timeout=SLICE)
        draw()
        if deadline is not None and time.monotonic() >= deadline:
            return


class _Ticker:
    """Call the progress function until it fails once.

    A broken progress bar must not break a run that costs money.
    """

    def __init__(self, tick: Tick | None) -> None:
        self._tick = tick

    def __call__(self) -> None:
        if self._tick is None:
            return
        try:
            self._tick()
        except Exception:
            self._tick = None
