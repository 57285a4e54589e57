"""Fault by step: what happens when it strikes at claim, handle, saved, query or answered, and that it ends well.

Wire faults can strike where there is a wire (handle, query), store faults where the store is written (claim, saved,
answered); faults of processes and clocks can strike anywhere. Every cell that exists is here.
"""

from __future__ import annotations

import sqlite3
import warnings

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._purchase.flow import RetryPolicy
from pandas_numberactive._purchase.purchase import LookupState
from pandas_numberactive._store import claims, runs, saves, together
from pandas_numberactive._store.rows import ENVIRONMENTS, latest
from pandas_numberactive._vendor import client
from pandas_numberactive.errors import NumberActiveError
from pandas_numberactive.simulator import Faults, Simulator
from tests.money.world import Bounds, Choices, Variant, World, plain

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
PHONE = "8118899532"
GOOD = ("answered", "no_data")

# fault: (status after the first call when it strikes once, when it strikes ever again) at handle, then at query.
# "good": the same call recovers; a word: that status; "raises": the run stops and says why.
WIRE = {
    # One try while nothing was ever reached: an address that is wrong must not be asked for long.
    "connect_refused": (("failed", "failed"), ("good", "uncertain")),
    "drop_before": (("good", "failed"), ("good", "uncertain")),
    "drop_after": (("good", "failed"), ("good", "uncertain")),
    "hang": (("good", "failed"), ("good", "uncertain")),
    "http_500": (("good", "failed"), ("good", "uncertain")),
    "http_500_after": (("good", "failed"), ("good", "uncertain")),
    "html": (("good", "failed"), ("good", "uncertain")),
    "truncated": (("good", "failed"), ("good", "uncertain")),
    "huge": (("good", "failed"), ("good", "uncertain")),
    "gzip_bomb": (("good", "failed"), ("good", "uncertain")),
    "throttle": (("good", "failed"), ("good", "uncertain")),
    "code": (("failed", "failed"), ("uncertain", "uncertain")),
    "http_401": (("raises", "raises"), ("raises", "raises")),
    "redirect": (("raises", "raises"), ("raises", "raises")),
    "wrong_phone": (
        (None, None),  # handle's reply names no phone
        ("quarantined", "quarantined"),
    ),
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(RetryPolicy, "delay", lambda *_: 0.0)


def call(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pna.errors.IncompleteRunWarning)
        try:
            return frame.numberactive.enrich("phone")["phone_lookup_status"][0]
        except NumberActiveError:
            return "raises"


CASES = [
    (fault, step)
    for fault in WIRE
    for step in ("handle", "query")
    if None not in WIRE[fault][step == "query"]
]


@pytest.mark.parametrize(("fault", "step"), CASES)
@pytest.mark.parametrize("often", ["once", "always"])
def test_a_fault_of_the_wire(fault, step, often, place, monkeypatch):
    check_wire(fault, step, often, place, monkeypatch)


@pytest.mark.parametrize(("fault", "step"), CASES)
def test_a_fault_of_the_wire_by_the_session(fault, step, tmp_path, monkeypatch):
    """As behind a proxy, or with an aiohttp that lacks what the lane needs."""
    with pytest.MonkeyPatch.context() as way:
        way.setattr(client, "make_lane", lambda *_: None)
        check_wire(fault, step, "once", str(tmp_path / "s.sqlite3"), monkeypatch)


def check_wire(fault, step, often, place, monkeypatch):
    """Make a call that a fault hits, and one after it: the number is charged at most once."""
    expected = WIRE[fault][step == "query"][often == "always"]
    kind = "drop_before" if fault == "connect_refused" else fault
    faults = Faults(
        script={step: [kind] * (1 if often == "once" else 50)},
        redirect_to="http://127.0.0.1:9/x",
        retry_after=0,
        hang_for=9,
    )
    frame = pd.DataFrame({"phone": [PHONE]})
    patience = 0.2 if fault == "hang" else 10.0  # only there the time-out is what is looked at
    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            store=place,
            handle_timeout=patience,
            query_timeout=patience,
            **KEYS,
        )
        if fault == "connect_refused":
            refuse(monkeypatch, step, 1 if often == "once" else 50, vendor.base_url)
        first = call(frame)
        assert first in GOOD if expected == "good" else first == expected
        charged = vendor.ledger.total
        assert charged <= 1
        monkeypatch.undo()
        vendor.faults = Faults()
        last = call(frame)
        if expected == "quarantined":  # paid and unusable: only a person may decide to buy it again
            assert last == "quarantined"
            assert vendor.ledger.total == 1
        else:
            assert last in GOOD
            assert vendor.ledger.charged_phones() == {PHONE: 1}
        if step == "query":
            assert vendor.ledger.asked_phones() == {
                PHONE: 1
            }  # whatever happens at query: no new handle


def refuse(monkeypatch, step, times, base_url):
    """The next calls of a step to this vendor find nobody listening."""
    from pandas_numberactive._vendor.client import Client
    from pandas_numberactive._vendor.protocol import Reply

    real, left = getattr(Client, step), [times]

    async def refused(self, argument):
        if self.settings.base_url == base_url:  # a run of an earlier test may still end
            left[0] -= 1
            if left[0] >= 0:
                return Reply(sent=False)
        return await real(self, argument)

    monkeypatch.setattr(Client, step, refused)


CALL = plain(1)
STEPS = ["claim", "handle", "saved", "query", "answered"]


@pytest.fixture(params=range(5), ids=STEPS)
def halfway(request, database):
    """A world in which a worker has just done this step, and the worker."""
    world = World(
        Choices(), Variant(), Bounds(0, 0, 0), workers=0, each_step=True, database=database
    )
    worker = world.worker(CALL)
    for _ in range(request.param + 1):
        next(worker)
    yield world, worker, STEPS[request.param]
    world.db.close()


def row_of(world):
    return latest(world.db, ENVIRONMENTS["sandbox"], world.numbers[0])


def test_sigkill(halfway):
    world, worker, _ = halfway
    worker.close()
    world.dead.add(world.joined[0])
    world.finish()


def test_pause_past_the_lease_while_another_finishes(halfway):
    world, worker, _ = halfway
    world.time += 61
    for _ in world.worker(CALL):
        world.time += 0.01
    for _ in worker:
        world.time += 0.01
    world.finish()


def test_a_late_duplicate_reply(halfway):
    """The paused worker's own answer arrives after the other's: it is logged, and changes nothing."""
    world, worker, step = halfway
    world.time += 61
    for _ in world.worker(CALL):
        world.time += 0.01
    before = row_of(world)
    for _ in worker:
        world.time += 0.01
    assert row_of(world) == before
    if step == "query":
        assert world.db.execute("SELECT count(*) FROM events WHERE kind = 'late'").fetchone() == (
            1,
        )
    world.finish()


def test_ctrl_c_once(halfway):
    world, worker, step = halfway
    world.stopping = True
    for _ in worker:
        world.time += 0.01
    states = {
        "claim": LookupState.RELEASED,
        "handle": LookupState.PENDING,
        "saved": LookupState.PENDING,
    }
    assert row_of(world).state is states.get(step, LookupState.ANSWERED)
    assert row_of(world).worker is None
    world.finish()


def test_ctrl_c_twice(halfway):
    world, worker, _ = halfway
    worker.close()  # cancelled: nothing more is done but leaving
    (run,) = world.db.execute("SELECT run FROM runs").fetchone()
    runs.leave(world.db, worker=world.joined[0], run=run, now=world.now(), finished=False)
    world.finish()


def test_a_second_process_on_the_same_number(halfway):
    world, worker, _ = halfway
    other = world.worker(CALL)
    for _ in range(3):
        next(other, None)
    for _ in worker:
        world.time += 0.01
    for _ in other:
        world.time += 0.01
    world.finish()


@pytest.mark.parametrize("jump", [2 * 86400, -2 * 86400], ids=["forward", "back"])
def test_the_clock_jumps_while_the_worker_goes_on(halfway, jump):
    world, worker, _ = halfway
    world.time += jump
    for _ in worker:
        world.time += 0.01
    world.finish()


@pytest.mark.parametrize("jump", [2 * 86400, -2 * 86400], ids=["forward", "back"])
def test_the_clock_jumps_and_the_worker_dies(halfway, jump):
    """An id that is too old, or of the future, is held: no call goes out for it."""
    world, worker, step = halfway
    worker.close()
    world.dead.add(world.joined[0])
    world.time += jump
    queried, handles = dict(world.vendor.queried), len(world.vendor.ids)
    for _ in world.worker(CALL):
        world.time += 0.01
    if step in ("saved", "query"):
        assert row_of(world).state is LookupState.UNCERTAIN
        assert world.vendor.queried == queried
        assert len(world.vendor.ids) == handles
    else:
        assert row_of(world).state is LookupState.ANSWERED
        world._check_end([CALL])


# What it is called: how SQLite says it, and the class of PostgreSQL's error.
TROUBLE = {
    "disk full": ("database or disk is full", "DiskFull"),
    "read-only": ("attempt to write a readonly database", "ReadOnlySqlTransaction"),
    "locked": ("database is locked", "LockNotAvailable"),
}


def _fails_at(step, save, fails):
    """Return a server's save of many that fails where it would write what the step writes."""

    def save_or_fail(db, opened, settled):
        if (step == "saved" and opened) or (step == "answered" and settled):
            fails()
        return save(db, opened, settled)

    return save_or_fail


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("step", ["claim", "saved", "answered"])
def test_a_store_that_fails(trouble, step, place, monkeypatch):
    home, name = {
        "claim": (claims, "claim"),
        "saved": (saves, "_save_opened"),
        "answered": (saves, "_save_settled"),
    }[step]
    frame = pd.DataFrame({"phone": [PHONE]})
    message, kind = TROUBLE[trouble]

    def fails(*_):
        if not place.startswith("postgresql"):
            raise sqlite3.OperationalError(message)
        import psycopg

        raise getattr(psycopg.errors, kind)(message)

    with Simulator(stand_in=True, **KEYS) as vendor:
        pna.configure(environment="production", base_url=vendor.base_url, store=place, **KEYS)
        monkeypatch.setattr(home, name, fails)
        monkeypatch.setattr(together, "_save", _fails_at(step, together._save, fails))
        assert call(frame) == "raises"
        calls = {"claim": 0, "saved": 1, "answered": 2}[step]
        assert len(vendor.calls) == calls
        monkeypatch.undo()
        assert call(frame) in GOOD
        assert vendor.ledger.charged_phones() == {PHONE: 1}
