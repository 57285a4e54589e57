"""Real interrupts at random moments: a short form of `python -m tests.money.interrupts`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="needs a timer of the system: run it on Linux or macOS"
)

STORM = """
import faulthandler, random, signal, sys
from pandas_numberactive._store.store import LookupStore

faulthandler.dump_traceback_later(60, exit=True)
chance = random.Random(1)
signal.signal(signal.SIGALRM, signal.default_int_handler)
store = LookupStore(sys.argv[1])
for _ in range(1500):
    store.reopen()
    store.count()  # starts its thread: an interrupt there is Python's own affair
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00001, 0.002))
        store.count()
        store.close()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        pass
store.reopen()
print(store.count())
store.close()
"""


def python(*arguments: str) -> str:
    """Run a process of its own, whose signals are its own."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_store_whose_caller_is_interrupted_hangs_nobody(tmp_path):
    """It came while the thread delivered, or while its end was waited for."""
    assert python("-c", STORM, str(tmp_path / "s.sqlite3")) == "0\n"


@pytest.mark.parametrize(("front", "count"), [("enrich", 40), ("aenrich", 20), ("lookup", 20)])
def test_an_interrupted_refresh_made_again_is_the_same(front, count):
    module = ["-m", "tests.money.interrupts"]
    seen = json.loads(python(*module, "--front", front, "--count", str(count)))
    assert (seen["bought twice"], seen["not bought again"]) == (0, 0), seen
    assert seen["interrupted"] > count / 2, seen
