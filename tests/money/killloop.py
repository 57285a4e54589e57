"""Real processes on one store, killed at random moments, against a vendor that loses replies; then the ledgers are compared."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive.simulator import Faults, Simulator

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
CONFLICT = re.compile("deadlock|serializ|duplicate key|prepared statement", re.I)
MOST_CALLS = 6  # to the vendor between two kills
FAULTS = {"drop_before": 0.03, "drop_after": 0.03, "http_500_after": 0.02, "truncated": 0.02}


@dataclass
class Outcome:
    """What was seen; `twice`, `lost`, `wrong` and `conflicts` must be 0.

    A kill counts where the process was alive; `charged_meanwhile` was charged before the last one. `store_errors` are
    what users were told of the store while it was away; `conflicts` are deadlocks and the like, which nobody may be
    told of.
    """

    kills: int
    numbers: int
    processes: int
    seconds: float
    charged: int
    charged_meanwhile: int
    twice: int
    lost: int
    wrong: int
    handles: int
    queries: int
    orphaned_handles: int
    resumed_queries: int
    store_errors: int
    other_errors: int
    conflicts: int

    def table(self) -> str:
        """The outcome, a line a figure."""
        return "\n".join(f"{name:<18}{value:>12,.1f}" for name, value in asdict(self).items())


@dataclass(frozen=True)
class Loop:
    """What happened until one worker was left alone to finish."""

    kills: int
    processes: int
    charged: int
    seconds: float


class Zygote:
    """The process that forks workers."""

    def __init__(self, terms: dict[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name) / "errors"
        terms = {**terms, "errors": str(self._errors)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.money.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._send(json.dumps(terms))

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def fork(self, seed: int) -> int:
        """Start a worker; returns its pid."""
        self._send(str(seed))
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    @property
    def told(self) -> list[str]:
        """The errors that the users of this stage have seen, a line each."""
        return self._errors.read_text().splitlines() if self._errors.exists() else []

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._folder.cleanup()


def is_alive(pid: int) -> bool:
    """Whether a process that we started still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_stopped(pid: int) -> bool:
    """Whether SIGSTOP has reached every thread, which takes a moment: until then one may still take a lock."""
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    try:
        return all(stat.read_text().rsplit(")", 1)[1].split()[0] == "T" for stat in threads)
    except OSError:  # one has just ended
        return False


def end(pid: int) -> bool:
    """Kill a process that we started; False where it had ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def stage(
    store: str,
    numbers: int,
    *,
    latency: float = 0.01,
    faults: Faults | None = None,
    seed: int = 0,
    once: bool = False,
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[tuple[Simulator, Zygote, list[int]]]:
    """A vendor and a zygote for one store."""
    wanted = [8_110_000_000 + i for i in range(numbers)]
    faults = faults or Faults(handle=FAULTS, query=FAULTS, seed=seed)
    with Simulator(stand_in=True, latency=latency, faults=faults, **KEYS) as vendor:
        terms = {
            "numbers": wanted,
            "once": once,
            "options": options or {},
            "settings": {
                "environment": "sandbox",
                "base_url": vendor.base_url,
                "store": store,
                "handle_timeout": 3.0,
                "query_timeout": 3.0,
                "max_concurrency": 4,
                **KEYS,
                **settings,
            },
        }
        zygote = Zygote(terms)
        try:
            yield vendor, zygote, wanted
        finally:
            zygote.close()


def kill_loop(
    store: str,
    kills: int,
    *,
    numbers: int,
    processes: int = 3,
    seed: int = 0,
    between: Callable[[int], None] = lambda _: None,
    **settings: Any,
) -> Outcome:
    """Kill `kills` workers at random moments, let one finish, and compare the vendor's ledger with the store.

    Moments are drawn in calls to the vendor, so that kills are as dense on a slow machine. `between` is called with
    the number of kills so far, to break other things meanwhile.
    """
    rng = random.Random(seed)
    started = time.monotonic()
    with stage(store, numbers, seed=seed, **settings) as (vendor, zygote, wanted):
        done = 0
        alive = [zygote.fork(rng.randrange(10**6)) for _ in range(processes)]
        while done < kills and vendor.ledger.total < numbers:
            _wait_for_calls(vendor, rng.randrange(MOST_CALLS))
            # The moment of death is what is drawn here; nothing is waited for.
            time.sleep(rng.uniform(0, 0.01))
            at = rng.randrange(processes)
            if end(alive[at]):
                done += 1
                between(done)
            alive[at] = zygote.fork(rng.randrange(10**6))
        meanwhile = vendor.ledger.total
        for pid in alive[1:]:
            end(pid)
        _wait_for(alive[0], vendor)
        end(alive[0])
        return _outcome(
            vendor,
            store,
            wanted,
            Loop(done, processes, meanwhile, time.monotonic() - started),
            settings,
            zygote.told,
        )


def _wait_for_calls(vendor: Simulator, more: int) -> None:
    """Wait for so many more calls to the vendor, for a second at most: workers may be waiting, too."""
    wanted = len(vendor.calls) + more
    deadline = time.monotonic() + 1
    while len(vendor.calls) < wanted and time.monotonic() < deadline:
        time.sleep(0.001)


def _wait_for(pid: int, vendor: Simulator) -> None:
    """Wait until a worker has ended, or has asked nothing for 600 s: a busy machine is slow."""
    asked = -1
    deadline = 0.0
    while is_alive(pid) and (asked != len(vendor.calls) or time.monotonic() < deadline):
        if asked != len(vendor.calls):
            asked = len(vendor.calls)
            deadline = time.monotonic() + 600
        time.sleep(0.02)


def _outcome(
    vendor: Simulator,
    store: str,
    wanted: list[int],
    loop: Loop,
    settings: dict[str, Any],
    told: list[str],
) -> Outcome:
    frame = pd.DataFrame({"phone": [str(number) for number in wanted]})
    before = vendor.ledger.total
    with pna.override(
        environment="sandbox",
        base_url=vendor.base_url,
        store=store,
        progress=False,
        **KEYS,
        **settings,
    ):
        out = frame.numberactive.enrich("phone")
        with pna.LookupStore() as books:
            events = books.history()["kind"].value_counts()
    assert vendor.ledger.total == before, "the run was not complete"
    wrong = sum(not _agrees(vendor, row) for row in out.itertuples(index=False))
    answered = out["phone_lookup_status"].isin(["answered", "no_data"])
    charged = vendor.ledger.charged_phones()
    return Outcome(
        kills=loop.kills,
        numbers=len(wanted),
        processes=loop.processes,
        seconds=loop.seconds,
        charged=vendor.ledger.total,
        charged_meanwhile=loop.charged,
        twice=sum(times > 1 for times in charged.values()),
        lost=int((~answered).sum()),
        wrong=wrong,
        handles=vendor.ledger.handles,
        queries=vendor.ledger.queries,
        orphaned_handles=int(events.get("orphaned", 0)),
        resumed_queries=vendor.ledger.requeries,
        store_errors=sum(line.startswith("StoreError") for line in told),
        other_errors=sum(not line.startswith("StoreError") for line in told),
        conflicts=sum(bool(CONFLICT.search(line)) for line in told),
    )


def _agrees(vendor: Simulator, row: Any) -> bool:
    said = vendor.answer(row.phone)
    telco = {0: None, 1: "prepaid", 2: "postpaid"}[said["telcoType"]]
    levels = [
        None if said[name] == "NA" else said[name] for name in ("activeLevel", "frequencyGrade")
    ]
    have = [row.phone_telco_type, row.phone_active_level, row.phone_frequency_grade]
    return [None if pd.isna(value) else value for value in have] == [telco, *levels]
