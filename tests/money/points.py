"""Kill a call at each BEGIN, COMMIT and send, and at each step up to the COMMIT that ends its run.

A test runs a few of the points; `python -m tests.money.points` runs them all.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive._pandas import api, frames
from pandas_numberactive._run import ending, run
from pandas_numberactive._store.engines.postgres import PostgresEngine
from pandas_numberactive._store.engines.sqlite import SQLiteEngine
from pandas_numberactive._vendor import client
from pandas_numberactive.simulator import Simulator

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
NUMBERS = 4
CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "refresh": {"refresh": True},
    "max_age": {"max_age": "0s"},
    "cap": {"max_charges": 3},
    "budget": {"budget": 1500.0},
}
STEPS = (
    (SQLiteEngine, "begin"),
    (SQLiteEngine, "commit"),
    (PostgresEngine, "begin"),
    (PostgresEngine, "commit"),
    (client.Client, "_post"),
    (run.Run, "_result"),
    (api, "buy"),
    (frames, "attach"),
    (ending.Ending, "__enter__"),
    (ending.Ending, "__exit__"),
)


def book(first: int) -> pd.DataFrame:
    """Numbers of one experiment, made up."""
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(first, first + NUMBERS)]})


class Points:
    """Counts the points that a call passes, before and after each step, and dies at one of them."""

    def __init__(self, at: int) -> None:
        self.at, self.passed = at, 0

    def watch(self) -> None:
        """Put a point before and behind each step."""
        for owner, name in STEPS:
            setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            self._pass()
            done = real(*args, **options)
            self._pass()
            return done

        return step

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def live(order: dict[str, Any]) -> int:
    """One process's life: a call, with its death at a point; returns how many it passed."""
    points = Points(order["at"])
    points.watch()
    pna.configure(**order["settings"])
    book(order["first"]).numberactive.enrich("phone", **order["options"])
    return points.passed


def main() -> None:
    """Fork a process for each order on stdin; answer with its points, or -1 where it was killed."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(write, str(live(json.loads(line))).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(pid, 0)
        with os.fdopen(read) as said:
            print(said.read() or "-1", flush=True)


class Caller:
    """Makes calls in processes of their own; `with Caller(vendor, store) as call: ...`."""

    def __init__(self, vendor: Simulator, store: str) -> None:
        self.store, self.kills = store, 0
        self._settings = {
            "environment": "sandbox",
            "base_url": vendor.base_url,
            "store": store,
            "unit_price": 500.0,
            "progress": False,
            **KEYS,
        }

    def __enter__(self) -> Caller:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.money.points import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def __call__(self, first: int, options: dict[str, Any], at: int = 0) -> int:
        """Make a call; return the points that it passed, or -1 where it was killed at one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"first": first, "options": options, "at": at, "settings": self._settings}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def points_of(call: Caller, options: dict[str, Any], first: int) -> int:
    """Return how many points an undisturbed call passes."""
    if "refresh" in options or "max_age" in options:
        call(first, {})
    return call(first, options)


def experiment(
    call: Caller, vendor: Simulator, options: dict[str, Any], at: int, first: int
) -> list[str]:
    """Kill a call at a point and make it again; return what is wrong with the vendor's ledger."""
    again = "refresh" in options or "max_age" in options
    if again:
        call(first, {})
    killed = call(first, options, at) == -1
    over = killed and not _runs_open(call.store)
    call(first, options)
    charged = vendor.ledger.charged_phones()
    counts = [charged.get(cell[1:], 0) for cell in book(first)["phone"]]
    most = 3 if {"max_charges", "budget"} & set(options) else NUMBERS
    wanted = [2 if again else 1] * most + [0] * (NUMBERS - most)
    call.kills += killed
    if not killed or sorted(counts) == sorted(wanted):
        return []
    # Killed behind the COMMIT that ends the run: nothing but the return stood out.
    if over and again and counts == [3] * NUMBERS:
        return []
    return [f"{options} at {at}: {counts}"]


def _runs_open(store: str) -> bool:
    with pna.LookupStore(store) as opened:
        sql = "SELECT 1 FROM runs WHERE ended_at IS NULL"
        return bool(opened._store.do(lambda db: db.execute(sql).fetchall()))


def chosen(points: int, few: int | None) -> list[int]:
    """Return all points, or some: the last ones, and a few spread over the others."""
    every = list(range(1, points + 1))
    if few is None:
        return every
    return sorted({*every[:: max(1, points // few)], *every[-few:]})


def all_points(store: str, few: int | None = None, calls: tuple[str, ...] = tuple(CALLS)) -> Any:
    """Run the experiments of some calls; return the kills, and what was wrong."""
    wrong: list[str] = []
    first = 0
    with Simulator(stand_in=True, **KEYS) as vendor, Caller(vendor, store) as call:
        for name in calls:
            options = CALLS[name]
            points = points_of(call, options, first)
            for at in chosen(points, few):
                first += NUMBERS
                wrong += experiment(call, vendor, options, at, first)
            first += NUMBERS
        return call.kills, wrong


if __name__ == "__main__":
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        print(all_points(str(Path(folder) / "s.sqlite3")))
