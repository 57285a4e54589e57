"""Kill a call at each BEGIN, COMMIT and send, and at each step up to the COMMIT that ends its run.

A test runs a few of the points; `python -m tests.money.points --store wal` runs them all.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive._pandas import api, frames
from pandas_numberactive._run import ending, run
from pandas_numberactive._store.engines.postgres import PostgresEngine
from pandas_numberactive._store.engines.sqlite import SQLiteEngine
from pandas_numberactive._testing import journal_mode
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


Point = tuple[str, int]  # a step with its side and phase, and how often it was passed


class Points:
    """Notes the points that a call passes, before and after each step, and dies at one of them.

    How many transactions the buying takes is a matter of timing, for writes go in groups. So a
    point has the name of its step, and those behind the last answer are counted by themselves.
    """

    def __init__(self, at: Point | None) -> None:
        self.at = at
        self.passed: list[Point] = []
        self._seen: Counter[str] = Counter()
        self._phase = "buying"

    def watch(self) -> None:
        """Put a point before and behind each step."""
        for owner, name in STEPS:
            setattr(owner, name, self._watched(getattr(owner, name), f"{owner.__name__}.{name}"))

    def _watched(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            if name == "Run._result":
                self._phase = "ending"
            self._pass(f"before {name}")
            done = real(*args, **options)
            self._pass(f"after {name}")
            return done

        return step

    def _pass(self, step: str) -> None:
        name = f"{self._phase}: {step}"
        self._seen[name] += 1
        self.passed.append((name, self._seen[name]))
        if self.passed[-1] == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def live(order: dict[str, Any]) -> list[Point]:
    """Make one call in this process, with its death at a point.

    Returns the points that it passed.
    """
    at = order["at"]
    points = Points((at[0], at[1]) if at else None)
    points.watch()
    pna.configure(**order["settings"])
    book(order["first"]).numberactive.enrich("phone", **order["options"])
    return points.passed


def main() -> None:
    """Fork a process for each order on stdin.

    Its points go to stdout, or null where it died.
    """
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(write, json.dumps(live(json.loads(line))).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(pid, 0)
        with os.fdopen(read) as said:
            print(said.read() or "null", flush=True)


class Caller:
    """Makes calls in processes of their own.

    `with Caller(vendor, store) as call: ...`
    """

    def __init__(self, vendor: Simulator, store: str) -> None:
        self.store = store
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

    def __call__(
        self, first: int, options: dict[str, Any], at: Point | None = None
    ) -> list[Point] | None:
        """Make a call and return its points, or None where it was killed at one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"first": first, "options": options, "at": at, "settings": self._settings}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        passed = json.loads(self._process.stdout.readline())
        return None if passed is None else [(name, count) for name, count in passed]


def points_of(call: Caller, options: dict[str, Any], first: int) -> list[Point]:
    """Return the points that an undisturbed call passes, in order."""
    if buys_again(options):
        call(first, {})
    passed = call(first, options)
    assert passed is not None
    return passed


def buys_again(options: dict[str, Any]) -> bool:
    """Return True for calls that buy what is stored."""
    return "refresh" in options or "max_age" in options


@dataclass(frozen=True)
class Seen:
    """The outcome of one experiment."""

    killed: bool
    wrong: list[str]


def experiment(
    call: Caller, vendor: Simulator, options: dict[str, Any], at: Point, first: int
) -> Seen:
    """Kill a call at a point, make it again, and compare with the vendor's ledger."""
    again = buys_again(options)
    if again:
        call(first, {})
    killed = call(first, options, at) is None
    over = killed and not _runs_open(call.store)
    call(first, options)
    charged = vendor.ledger.charged_phones()
    counts = [charged.get(cell[1:], 0) for cell in book(first)["phone"]]
    most = 3 if {"max_charges", "budget"} & set(options) else NUMBERS
    wanted = [2 if again else 1] * most + [0] * (NUMBERS - most)
    if not killed or sorted(counts) == sorted(wanted):
        return Seen(killed, [])
    # Killed behind the COMMIT that ends the run: nothing but the return stood out.
    if over and again and counts == [3] * NUMBERS:
        return Seen(killed, [])
    return Seen(killed, [f"{options} at {at}: {counts}"])


def _runs_open(store: str) -> bool:
    with pna.LookupStore(store) as opened:
        sql = "SELECT 1 FROM runs WHERE ended_at IS NULL"
        return bool(opened._store.do(lambda db: db.execute(sql).fetchall()))


def chosen(points: list[Point], few: int | None) -> list[Point]:
    """Return all points, or some: the last ones, and a few spread over the others."""
    if few is None:
        return points
    wanted = {*points[:: max(1, len(points) // few)], *points[-few:]}
    return [point for point in points if point in wanted]


@dataclass
class Totals:
    """Outcomes of many experiments.

    `missed` are the points that no try has reached.
    """

    kills: int = 0
    missed: list[Point] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


# For a point among the buying. How often a call passes it depends on how its saves fall into
# transactions, so each further try takes an earlier one.
TRIES = 5


def all_points(store: str, few: int | None = None, calls: tuple[str, ...] = tuple(CALLS)) -> Totals:
    """Run the experiments of some calls."""
    totals = Totals()
    first = itertools.count(0, NUMBERS)
    with Simulator(stand_in=True, **KEYS) as vendor, Caller(vendor, store) as call:
        for name in calls:
            for at in chosen(points_of(call, CALLS[name], next(first)), few):
                _try_point(call, vendor, CALLS[name], at, first, totals)
    return totals


def _try_point(
    call: Caller,
    vendor: Simulator,
    options: dict[str, Any],
    at: Point,
    first: Iterator[int],
    totals: Totals,
) -> None:
    step, times = at
    for _ in range(TRIES):
        seen = experiment(call, vendor, options, (step, times), next(first))
        totals.wrong += seen.wrong
        if seen.killed:
            totals.kills += 1
            return
        times = max(1, times * 3 // 4)
    totals.missed.append(at)


@contextmanager
def store_of(kind: str) -> Iterator[str]:
    """A new store: "wal" or "truncate" on a file, or "postgres" on a server of its own."""
    if kind == "postgres":
        from tests.pg import Server  # needs `pwd`, which Windows lacks

        with Server() as server:
            yield server.dsn
        return
    with tempfile.TemporaryDirectory() as folder:
        location = str(Path(folder) / "s.sqlite3")
        with journal_mode(kind):
            pna.LookupStore(location).close()
        yield location


def long_form() -> int:
    """Run every point of the calls that are named, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=("wal", "truncate", "postgres"), default="wal")
    parser.add_argument("--calls", nargs="+", choices=tuple(CALLS), default=tuple(CALLS))
    given = parser.parse_args()
    failed = False
    for name in given.calls:
        with store_of(given.store) as location:
            totals = all_points(location, calls=(name,))
        shown = f"{totals.kills} kills, {len(totals.missed)} points missed"
        print(f"{given.store} {name}: {shown}, {len(totals.wrong)} wrong", flush=True)
        for line in (*totals.missed, *totals.wrong):
            print(line, flush=True)
        failed |= bool(totals.wrong)
    return int(failed)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(long_form())
