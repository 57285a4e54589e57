"""A forked child has a journal of its own, whatever its parent was doing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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


def child(script: str, vendor: Simulator, store: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, vendor.base_url, store],
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
