"""A process that is paused while it holds the turn to write: others wait for a bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._testing import patience
from tests.money.killloop import is_stopped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see it stopped")
CHILD = """
import os, signal, sys
from pathlib import Path
from pandas_numberactive._store.engines import files

turn = files.Turn(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
turn.take(60.0)
print("taken", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def book(count):
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(count)]})  # made up


@pytest.fixture
def paused(tmp_path):
    """A process that takes the turn when it is told so, and is paused inside it."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "store.sqlite3")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout.readline() == "ready\n"

    def pause():
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "taken\n"
        while not is_stopped(process.pid):
            pass
        return process.pid

    yield pause
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def ready(as_production):
    as_production(progress=False, max_concurrency=4)
    pna.LookupStore().close()


def test_a_paused_writer_is_named_and_nothing_is_asked(ready, paused, vendor):
    pid = paused()
    began = time.monotonic()
    with patience(0.3), pytest.raises(pna.errors.StoreError, match=f"Process {pid} has held"):
        book(3).numberactive.enrich("phone")
    assert time.monotonic() - began < 30
    assert vendor.calls == []


def test_a_writer_paused_in_mid_run_loses_no_paid_answer(ready, paused, vendor):
    """Paid answers wait in the emergency file, and the same call buys nothing twice."""
    vendor.latency = 0.02
    with patience(0.3):
        job = book(200).numberactive.start("phone")
        while vendor.ledger.total < 20:
            assert not job.done()
        pid = paused()
        with pytest.raises(pna.errors.StoreError, match=f"kill -CONT {pid}") as caught:
            job.result()
    assert any("waits in" in note for note in caught.value.__notes__)
    os.kill(pid, signal.SIGKILL)
    assert vendor.ledger.total < 200
    out = book(200).numberactive.enrich("phone")
    assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert set(vendor.ledger.charged_phones().values()) == {1}
    assert vendor.ledger.total == 200


OPENS = """
import os, signal, sys
from pathlib import Path
from pandas_numberactive._store.engines import files

files.make_private(Path(sys.argv[1]))
with files.creation_lock(Path(sys.argv[1]), 60.0):
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture(params=["new", "old"])
def opening(request, tmp_path, as_production):
    """A process that is paused while it makes or opens the store."""
    as_production(progress=False)
    if request.param == "old":
        pna.LookupStore().close()
    process = subprocess.Popen(
        [sys.executable, "-c", OPENS, str(tmp_path / "store.sqlite3")],
        cwd=Path(__file__).parents[2],
    )
    while not is_stopped(process.pid):
        assert process.poll() is None
    yield process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_process_paused_while_it_opens_a_store_is_named(opening, vendor):
    """It is not waited for, and the store is made or opened once it has ended."""
    named = f"Process {opening} has been opening the store 'store.sqlite3'"
    with patience(0.1), pytest.raises(pna.errors.StoreError, match=named) as caught:
        book(3).numberactive.enrich("phone")
    assert f"kill -CONT {opening}" in str(caught.value)
    assert "Nothing was bought" in str(caught.value)
    os.kill(opening, signal.SIGKILL)
    assert (
        book(3)
        .numberactive.enrich("phone")["phone_lookup_status"]
        .isin(["answered", "no_data"])
        .all()
    )
    assert vendor.ledger.total == 3
