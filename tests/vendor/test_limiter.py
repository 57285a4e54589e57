"""Pacing: the rate holds in every second, gives way when throttled, and comes back slowly."""

import asyncio

import pytest

from pandas_numberactive._vendor.limiter import Gate, Pacer


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 1000.0
        self.slept = 0

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept += 1
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


def turns(pacer, time, count):
    """The moments at which `count` callers, all there at once, get their turn."""

    async def main():
        moments = []

        async def caller():
            await pacer.wait_turn()
            moments.append(time.now)

        await asyncio.gather(*[caller() for _ in range(count)])
        return moments

    return asyncio.run(main())


def test_the_rate_holds_in_every_window_of_a_second():
    time = Time()
    moments = turns(Pacer(20, time.clock, time.sleep), time, 100)
    for start in moments:
        assert sum(start <= moment < start + 0.999 for moment in moments) <= 20
    assert moments[-1] - moments[0] == pytest.approx(99 / 20, abs=0.3)


def test_an_idle_time_saves_up_no_burst():
    time = Time()
    pacer = Pacer(10, time.clock, time.sleep)
    turns(pacer, time, 1)
    time.now += 100
    moments = turns(pacer, time, 11)
    assert moments[-1] - moments[0] >= 0.9


def test_without_a_limit_nobody_sleeps():
    time = Time()
    moments = turns(Pacer(None, time.clock, time.sleep), time, 1000)
    assert len(moments) == 1000
    assert time.slept == 0


def test_throttling_cuts_the_rate_once_for_all_that_was_in_flight():
    time = Time()
    pacer = Pacer(100, time.clock, time.sleep)
    assert [pacer.throttled() for _ in range(16)] == [True] + [False] * 15
    assert pacer.rate == pytest.approx(70)
    time.now += 1.0
    assert pacer.throttled()
    assert pacer.rate == pytest.approx(49)


def test_the_rate_recovers_slowly_and_never_above_the_setting():
    time = Time()
    pacer = Pacer(100, time.clock, time.sleep)
    pacer.throttled()
    time.now += 2.0
    turns(pacer, time, 1)
    assert pacer.rate == pytest.approx(72)
    time.now += 1000
    turns(pacer, time, 1)
    assert pacer.rate == 100


def test_without_a_setting_the_rate_seen_is_cut_and_freed_in_the_end():
    time = Time()
    pacer = Pacer(None, time.clock, time.sleep)
    turns(pacer, time, 50)
    pacer.throttled()
    assert pacer.rate == pytest.approx(35)
    time.now += 1000
    turns(pacer, time, 1)
    assert pacer.rate is None


def test_waiting_for_a_turn_ends_when_the_run_stops():
    time = Time()
    pacer = Pacer(0.01, time.clock, time.sleep)

    async def main():
        await pacer.wait_turn()
        await pacer.wait_turn(lambda: time.slept >= 3)

    asyncio.run(main())
    assert time.now < 1002


def most_at_once(gate, count, inside=None):
    async def main():
        now, most = 0, 0

        async def caller():
            nonlocal now, most
            async with gate:
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                if inside:
                    inside()
                now -= 1

        await asyncio.gather(*[caller() for _ in range(count)])
        return most

    return asyncio.run(main())


def test_a_gate_lets_so_many_in_and_no_more():
    assert most_at_once(Gate(4), 50) == 4


def test_a_throttled_gate_narrows_and_successes_widen_it_again():
    gate = Gate(10)
    gate.throttled()
    assert gate.limit == 7
    assert most_at_once(gate, 50) == 7
    for _ in range(7 + 8 + 9 + 50):
        gate.succeeded()
    assert gate.limit == 10
    for _ in range(50):
        gate.throttled()
    assert most_at_once(gate, 5) == 1


def test_a_gate_resized_while_callers_wait_lets_them_in():
    gate = Gate(1)
    assert most_at_once(gate, 20, inside=lambda: gate.resize(6)) == 6


def test_a_cancelled_waiter_takes_no_place_with_it():
    async def main():
        gate = Gate(1)
        await gate.__aenter__()
        waiters = [asyncio.create_task(gate.__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        await gate.__aexit__()
        waiters[1].cancel()  # its place is already given
        await asyncio.wait(waiters)
        return [task.cancelled() for task in waiters]

    assert asyncio.run(asyncio.wait_for(main(), 5)) == [True, True, False]
