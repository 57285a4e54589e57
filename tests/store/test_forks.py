"""A forked child has a journal of its own, whatever its parent was doing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from pandas_numberactive._store.engines import files, sqlite
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import StoreError
from pandas_numberactive.simulator import Simulator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}

# Each child must end by itself: SIGALRM kills one that hangs.
OPENED = """
import os, signal, sys
import pandas as pd, pandas_numberactive as pna
base, store = sys.argv[1:]
pna.configure(environment="sandbox", base_url=base, app_key="made-up-key",
              secret="made-up-secret", store=store, progress=False)
book = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(4)]})
book.numberactive.enrich("phone")
with pna.LookupStore() as kept:
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(0 if len(kept) == 4 else 3)
    status = os.waitpid(pid, 0)[1]
    print(status, len(kept))
"""

BUYING = """
import os, signal, sys
import pandas as pd, pandas_numberactive as pna
base, store = sys.argv[1:]
pna.configure(environment="sandbox", base_url=base, app_key="made-up-key",
              secret="made-up-secret", store=store, progress=False)
book = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(400)]})
job = book.numberactive.start("phone")
children = []
while len(children) < 12:
    if job.progress.done > 25 * len(children):
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            out = book.head(5).numberactive.enrich("phone")
            done = out["phone_lookup_status"].isin(["answered", "no_data"]).all()
            os._exit(0 if done else 3)
        children.append(pid)
statuses = {os.waitpid(pid, 0)[1] for pid in children}
out = job.result(60)
print(statuses, out["phone_lookup_status"].isin(["answered", "no_data"]).all())
"""


def child(script: str, vendor: Simulator, store: str, *more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, vendor.base_url, store, *more],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_store_opened_before_a_fork_works_in_the_child(vendor, place):
    """The writer thread is not in the child, and the parent's connection must not be used there."""
    assert child(OPENED, vendor, place) == "0 4"
    assert vendor.ledger.total == 4


def test_a_fork_while_a_job_buys_hangs_no_child(place):
    """Twelve children read the same store meanwhile; each ends, and nothing is paid twice."""
    with Simulator(stand_in=True, latency=0.005, **KEYS) as vendor:
        assert child(BUYING, vendor, place) == "{0} True"
        assert vendor.ledger.total == 400
        assert vendor.ledger.double_charged() == []


OUTLIVES = """
import os, signal, sys
import pandas as pd, pandas_numberactive as pna
base, store = sys.argv[1:]
pna.configure(environment="sandbox", base_url=base, app_key="made-up-key",
              secret="made-up-secret", store=store, progress=False)
first, second = (
    pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(at, at + 100)]}) for at in (0, 100)
)
job = first.numberactive.start("phone")
ready, write = os.pipe()
while not job.progress.done:
    pass
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    other = second.numberactive.start("phone")
    while not (other.progress.done or other.done()):
        pass
    os.write(write, b"x")
    os._exit(0 if other.result(20) is not None else 3)
os.close(write)
os.read(ready, 1)  # the child has the store open
job.result(60)  # and the parent closes it
print(os.waitpid(pid, 0)[1])
"""

AGAIN = """
import sys
import pandas as pd, pandas_numberactive as pna
base, store = sys.argv[1:]
pna.configure(environment="sandbox", base_url=base, app_key="made-up-key",
              secret="made-up-secret", store=store, progress=False)
pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(200)]}).numberactive.enrich("phone")
print(pna.last_run().charged)
"""


def test_a_forked_child_outlives_its_parents_job(place):
    """The parent that closes the store must not take the child's log for one of nobody."""
    with Simulator(stand_in=True, latency=0.01, **KEYS) as vendor:
        assert child(OUTLIVES, vendor, place) == "0"
        assert child(AGAIN, vendor, place) == "0"
        assert vendor.ledger.double_charged() == []


KEPT_OPEN = """
import fcntl, os, signal, sys
import pandas_numberactive as pna
from pandas_numberactive._store.engines import sqlite
sqlite.FORK_SECONDS = 0.1
store = sys.argv[2]
def words():
    try:
        with pna.LookupStore(store) as other:
            return str(len(other))
    except pna.errors.StoreError as error:
        return str(error)
with pna.LookupStore(store) as kept:
    len(kept)
    paused = os.open(store + ".turn", os.O_RDWR)
    fcntl.flock(paused, fcntl.LOCK_EX)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        fcntl.flock(paused, fcntl.LOCK_UN)
        print("child", words(), flush=True)
        os._exit(0)
    print(os.waitpid(pid, 0)[1], len(kept), words())
"""


def test_a_store_open_over_a_fork_is_refused_in_the_child(vendor, tmp_path):
    """A paused writer has the turn, so the file cannot be closed before the fork."""
    if not files.takes_turns(tmp_path):
        pytest.skip("no turns are taken here")
    said, parent = child(KEPT_OPEN, vendor, str(tmp_path / "s.sqlite3")).splitlines()
    assert "was open when this process was forked" in said
    assert parent == "0 0 0"


BROKEN = """
import os, signal, sys
import pandas_numberactive as pna
from pandas_numberactive._store.engines.sqlite import SQLiteEngine
real = SQLiteEngine.leave_to_parent
def broken(self):
    real(self)
    raise OSError(9, "made up")
SQLiteEngine.leave_to_parent = broken
kept = [pna.LookupStore(sys.argv[2] + str(i)) for i in range(4)]
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    os._exit(sum(map(len, kept)))
print(os.waitpid(pid, 0)[1])
"""


def test_a_journal_that_fails_at_a_fork_hinders_no_other(vendor, tmp_path):
    """Each journal is begun anew in the child, whatever another one raises."""
    assert child(BROKEN, vendor, str(tmp_path / "s.sqlite3")) == "0"


IN_MEMORY = """
import os, signal, sys
import pandas_numberactive as pna
kept = pna.LookupStore(":memory:")
def words(ask):
    try:
        return str(ask())
    except pna.errors.StoreError as error:
        return str(error)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    print(words(lambda: len(kept)))
    print(words(lambda: pna.LookupStore(":memory:")), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(len(kept))
"""


def test_a_store_in_memory_is_not_begun_anew_in_a_child(vendor, place):
    """An empty one would buy again for each child of a pool."""
    kept, opened, parent = child(IN_MEMORY, vendor, place).splitlines()
    assert "belongs to the process" in kept
    assert "belongs to the process" in opened
    assert parent == "0"


def test_a_store_closed_for_a_fork_opens_again(tmp_path):
    """A compaction, which begins no transaction, opens it as well."""
    with LookupStore(tmp_path / "s.sqlite3") as store:
        for use in (store.compact, store.count):
            store.engine.before_fork()
            use()


def test_another_file_is_not_opened_after_a_fork(tmp_path, monkeypatch):
    """It took the name between the check and the opening."""
    path = tmp_path / "s.sqlite3"
    real = sqlite.connect

    def swap(*given):
        shutil.copy(path, tmp_path / "other")
        (tmp_path / "other").rename(path)
        return real(*given)

    with LookupStore(path) as store:
        store.engine.before_fork()
        monkeypatch.setattr(sqlite, "connect", swap)
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            store.count()


OPENING = """
import os, signal, sys, threading
import pandas_numberactive as pna
from pandas_numberactive._store.engines import journal, sqlite
store, case = sys.argv[2], sys.argv[3]
pna.LookupStore(store).close()
inside, go = threading.Event(), threading.Event()
real = sqlite._ready
def slow(*given):
    inside.set()
    go.wait(30)
    return real(*given)
def use():
    try:
        with pna.LookupStore(store) as other:
            return str(len(other))
    except pna.errors.StoreError as error:
        return str(error)
sqlite._ready = slow
opener = threading.Thread(target=use)
opener.start()
inside.wait()
sqlite._ready = real
sqlite.BUSY_SECONDS = 3.0
if case == "in time":
    os.register_at_fork(before=go.set)  # called first
else:
    journal.FORK_SECONDS = 0.1
end, until = os.pipe()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    os.close(until)
    if case == "outlived":
        os.read(end, 1)
    else:
        print(use(), flush=True)
    os._exit(0)
go.set()
opener.join()
if case == "outlived":
    print(use(), flush=True)
os.close(until)
os.waitpid(pid, 0)
"""


def opening(vendor, tmp_path, case):
    return child(OPENING, vendor, str(tmp_path / "s.sqlite3"), case)


def test_a_fork_waits_for_a_store_that_is_being_opened(vendor, tmp_path):
    """The child would inherit a connection that no journal knows."""
    assert opening(vendor, tmp_path, "in time") == "0"


def test_a_store_that_takes_long_to_open_is_refused(vendor, tmp_path):
    """The fork goes on after a while, and its child must not open the file without locks."""
    assert "was open when this process was forked" in opening(vendor, tmp_path, "too late")


def test_a_child_keeps_no_lock_of_an_opening(vendor, tmp_path):
    """The lock of the opening would last as long as the child, and nobody could open the store."""
    assert opening(vendor, tmp_path, "outlived") == "0"
