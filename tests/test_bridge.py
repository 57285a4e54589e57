"""The bridge: interrupts stop, drain and go on; broken progress bars, forks and patched loops change nothing."""

import asyncio
import contextlib
import contextvars
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest

from pandas_numberactive import _bridge as bridge
from pandas_numberactive.errors import BridgeError


class Work:
    """Work that goes on until it is told to stop, then needs a little longer, as a call in flight does."""

    def __init__(self, lasts=0.0):
        self.stopping = threading.Event()
        self.started = threading.Event()
        self.finished = threading.Event()
        self.cancelled = threading.Event()
        self.lasts = lasts

    async def run(self):
        self.started.set()
        try:
            while not self.stopping.is_set():
                await asyncio.sleep(0.01)
            await asyncio.sleep(self.lasts)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.finished.set()
        return "done"


def interrupt_at(*ticks):
    """A tick that raises KeyboardInterrupt at these of its calls."""
    calls = iter(range(1000))

    def tick():
        if next(calls) in ticks:
            raise KeyboardInterrupt

    return tick


async def value(result):
    await asyncio.sleep(0)
    return result


def test_a_call_returns_what_the_coroutine_returns():
    assert bridge.call(value(5), stop=pytest.fail, drain=1) == 5
    assert bridge.call(lambda: value(6), stop=pytest.fail, drain=1) == 6


def test_a_call_works_inside_a_running_loop():
    async def cell():
        return bridge.call(value(5), stop=pytest.fail, drain=1)

    assert asyncio.run(cell()) == 5


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError("late")])
def test_the_coroutines_own_error_comes_through_and_stops_nothing(error):
    async def fail():
        raise error

    with pytest.raises(type(error), match=str(error)):
        bridge.call(fail(), stop=pytest.fail, drain=1)


def test_all_calls_share_one_thread():
    async def name():
        return threading.current_thread()

    threads = {bridge.call(name(), stop=pytest.fail, drain=1) for _ in range(3)}
    assert len(threads) == 1
    assert next(iter(threads)).daemon


def test_the_callers_context_is_seen():
    variable = contextvars.ContextVar("variable", default="outside")

    async def look():
        return variable.get()

    token = variable.set("inside")
    assert bridge.call(look(), stop=pytest.fail, drain=1) == "inside"
    variable.reset(token)


def test_an_interrupt_stops_and_drains_then_goes_on():
    work = Work(lasts=0.3)
    with pytest.raises(KeyboardInterrupt):
        bridge.call(work.run(), stop=work.stopping.set, tick=interrupt_at(0), drain=10)
    assert work.finished.is_set()
    assert not work.cancelled.is_set()


def test_an_interrupt_before_the_wait_has_begun_stops_the_work(monkeypatch):
    work = Work()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(bridge, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bridge.call(work.run, stop=work.stopping.set, drain=1)
    assert work.finished.wait(5)


def test_an_interrupt_while_work_is_submitted_stops_it(monkeypatch):
    """It runs already, but its future reached nobody."""
    work = Work()
    real = asyncio.run_coroutine_threadsafe

    def interrupted(coroutine, loop):
        real(coroutine, loop)
        assert work.started.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bridge.call(work.run, stop=work.stopping.set, drain=1)
    assert work.finished.wait(5)


def test_a_wait_with_a_time_out_leaves_the_work_going_and_an_interrupt_in_it_stops_and_drains_it():
    work = Work(lasts=0.05)
    future = bridge.submit(work.run)
    with pytest.raises(TimeoutError, match="goes on"):
        bridge.join(future, stop=work.stopping.set, drain=5, timeout=0)
    assert not work.stopping.is_set()
    with pytest.raises(KeyboardInterrupt):
        bridge.join(future, stop=work.stopping.set, tick=interrupt_at(0), drain=5, timeout=60)
    assert work.finished.is_set()
    assert bridge.join(future, stop=pytest.fail, drain=1, timeout=0) == "done"


def test_draining_is_bounded():
    work = Work(lasts=60)
    with pytest.raises(KeyboardInterrupt):
        bridge.call(work.run(), stop=work.stopping.set, tick=interrupt_at(0), drain=0.2)
    assert not work.finished.is_set()


def test_a_second_interrupt_cancels_at_once():
    work = Work(lasts=60)
    with pytest.raises(KeyboardInterrupt):
        bridge.call(work.run(), stop=work.stopping.set, tick=interrupt_at(0, 2), drain=60)
    assert work.cancelled.wait(5)


def test_an_error_while_draining_gives_way_to_the_interrupt():
    stopped = threading.Event()

    async def run():
        while not stopped.is_set():
            await asyncio.sleep(0.01)
        raise ValueError("in the end")

    with pytest.raises(KeyboardInterrupt):
        bridge.call(run(), stop=stopped.set, tick=interrupt_at(0), drain=10)


def test_a_broken_progress_bar_is_dropped_and_breaks_nothing():
    calls = []

    def tick():
        calls.append(1)
        raise RuntimeError("no display")

    async def run():
        await asyncio.sleep(0.35)
        return "done"

    assert bridge.call(run(), stop=pytest.fail, tick=tick, drain=1) == "done"
    assert calls == [1]


def test_a_blocking_call_on_the_loops_own_thread_is_refused():
    async def inside():
        return bridge.call(value(5), stop=pytest.fail, drain=1)

    with pytest.raises(BridgeError, match="await the async twin"):
        bridge.call(inside(), stop=pytest.fail, drain=1)


def test_a_thread_that_cannot_start_is_an_error_of_ours(monkeypatch):
    """Python raises a bare RuntimeError at a limit of threads, and once it is about to end."""

    def full(_: object) -> None:
        raise RuntimeError("can't start new thread")

    bridge_of_its_own = bridge._Bridge()
    monkeypatch.setattr("threading.Thread.start", full)
    with pytest.raises(BridgeError, match="can't start new thread.*Nothing was sent"):
        bridge_of_its_own.running_loop()
    monkeypatch.undo()
    assert bridge_of_its_own.running_loop() is bridge_of_its_own.loop  # the next call works
    bridge_of_its_own.close()


def test_awaiting_returns_the_result_and_keeps_the_callers_loop_free():
    async def cell():
        ticks = []
        beats = []

        async def beat():
            while True:
                beats.append(1)
                await asyncio.sleep(0.01)

        other = asyncio.create_task(beat())
        future = bridge.submit(asyncio.sleep(0.35, "done"))
        result = await bridge.wait(future, stop=pytest.fail, tick=lambda: ticks.append(1), drain=1)
        other.cancel()
        return result, len(ticks), len(beats)

    result, ticks, beats = asyncio.run(cell())
    assert result == "done"
    assert ticks >= 3
    assert beats > 10


def cancelled_cell(work, drain, cancels):
    async def main():
        async def cell():
            return await bridge.wait(bridge.submit(work.run()), stop=work.stopping.set, drain=drain)

        task = asyncio.create_task(cell())
        await asyncio.to_thread(work.started.wait, 5)
        for _ in range(cancels):
            task.cancel()
            await asyncio.sleep(0.05)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    return asyncio.run(main())


def test_a_cancelled_await_stops_and_drains_then_is_cancelled():
    work = Work(lasts=0.3)
    assert cancelled_cell(work, 10, cancels=1)
    assert work.finished.is_set()


def test_a_second_cancel_does_not_wait():
    work = Work(lasts=60)
    assert cancelled_cell(work, 60, cancels=2)
    assert work.cancelled.wait(5)


def test_an_await_returns_the_works_own_error():
    async def fail():
        raise ValueError("bad")

    async def cell():
        await bridge.wait(bridge.submit(fail()), stop=pytest.fail, drain=1)

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(cell())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_after_a_fork_the_child_has_a_loop_of_its_own_and_the_parents_goes_on():
    assert bridge.call(value(1), stop=pytest.fail, drain=1) == 1
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 and later: fork beside threads
        child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            code = bridge.call(value(7), stop=lambda: None, drain=1)
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert bridge.call(value(2), stop=pytest.fail, drain=1) == 2


def in_a_new_process(code):
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


PATCHED = """
    import asyncio, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    import {patch}
    from pandas_numberactive import _bridge as bridge

    async def work(result):
        async with asyncio.timeout(5):
            await asyncio.gather(*[asyncio.sleep(0.05) for _ in range(5)])
        return result

    def call(result):
        return bridge.call(work(result), stop=lambda: None, drain=1)

    async def twin(result):
        return await bridge.wait(bridge.submit(work(result)), stop=lambda: None, drain=1)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    {before}
    {patch}.apply(loop)
    out = [call(1), loop.run_until_complete(twin(2))]

    async def cell():
        out.append(call(3))
        out.append(asyncio.get_event_loop().run_until_complete(twin(4)))
        out.append(await twin(5))

    loop.run_until_complete(cell())
    {after}
    loop.close()
    print(out)
"""


@pytest.mark.parametrize("patch", ["nest_asyncio", "nest_asyncio2"])
@pytest.mark.parametrize("running", [False, True])
def test_it_works_where_nested_loops_were_patched_in(patch, running):
    pytest.importorskip(patch)
    if patch == "nest_asyncio" and sys.version_info >= (3, 14):
        pytest.skip("nest_asyncio 1.6.0 is archived and breaks asyncio itself on Python 3.14")
    before = after = ""
    if running:  # patched while our loop is at work
        before, after = "job = bridge.submit(work(0))", "out.append(job.result(5))"
    expected = "[1, 2, 3, 4, 5, 0]" if running else "[1, 2, 3, 4, 5]"
    assert in_a_new_process(PATCHED.format(patch=patch, before=before, after=after)) == expected


def test_leaving_the_interpreter_with_work_under_way_is_quiet_and_quick():
    said = in_a_new_process(
        """
        import asyncio
        from pandas_numberactive import _bridge as bridge

        async def forever():
            try:
                await asyncio.sleep(3600)
            finally:
                print("cancelled", flush=True)

        bridge.submit(forever())
        bridge.call(asyncio.sleep(0.05), stop=lambda: None, drain=1)
        """
    )
    assert said == "cancelled"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to oneself")
def test_a_real_interrupt_is_felt_within_a_slice():
    said = in_a_new_process(
        """
        import asyncio, os, signal, time
        from pandas_numberactive import _bridge as bridge
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
        stopped, kept = [], []

        async def run():
            asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGINT)
            while not stopped:
                await asyncio.sleep(0.01)
            kept.append("answer")

        try:
            bridge.call(run(), stop=lambda: stopped.append(1), drain=5)
        except KeyboardInterrupt:
            print("interrupted", kept)
        """
    )
    assert said == "interrupted ['answer']"
