"""One loop of `network` in a process of its own, which runs once for each line on its input.

So both sides of a ratio live equally long, on the same core, and run in turn.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

NUMBERS_A_ROUND = 1_000_000


# In place of the C library's: every fsync takes so many microseconds longer.
SLOW_FSYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int slow(const char *name, int file) {
  usleep(atoi(getenv("BENCH_FSYNC_US")));
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
}
int fsync(int file) { return slow("fsync", file); }
int fdatasync(int file) { return slow("fdatasync", file); }
"""


@dataclass(frozen=True)
class Side:
    """A loop by its name in `network`, and for ours the store that it writes."""

    loop: str
    store: str = ""
    pinned: bool = False
    sqlite: str = ""  # a module to take in place of sqlite3
    fsync: float = 0.0  # seconds more for each fsync

    def environment(self, folder: str) -> dict[str, str]:
        """Return the variables of the side's process."""
        more = {"BENCH_STORE": self.store, "BENCH_SQLITE": self.sqlite}
        if self.fsync:
            more["LD_PRELOAD"] = slow_disk(folder)
            more["BENCH_FSYNC_US"] = str(round(self.fsync * 1e6))
        return {**os.environ, **more}


def slow_disk(folder: str) -> str:
    """Compile the library that makes each fsync slow. Return its path."""
    path = Path(folder) / "fsync.so"
    if not path.exists():
        command = ["cc", "-shared", "-fPIC", "-xc", "-", "-o", str(path), "-ldl"]
        subprocess.run(command, input=SLOW_FSYNC, text=True, check=True)
    return str(path)


@dataclass(frozen=True)
class Seen:
    """CPU and wall seconds of a run, and the numbers that it asked."""

    cpu: float
    wall: float
    count: int

    @property
    def cpu_each(self) -> float:
        """CPU microseconds a look-up."""
        return self.cpu / self.count * 1e6


class Running:
    """A side's process."""

    def __init__(self, side: Side, url: str, folder: str) -> None:
        pin = ["taskset", "-c", "1"] if side.pinned else []
        self._process = subprocess.Popen(
            [*pin, sys.executable, "-m", "tests.bench.sides", side.loop, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=side.environment(folder),
        )

    def run(self, count: int, round_: int, in_flight: int) -> Seen:
        """Look up so many numbers, that no other round has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count} {round_} {in_flight}\n")
        self._process.stdin.flush()
        return Seen(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(sides: Mapping[str, Side], url: str) -> Iterator[dict[str, Running]]:
    """Start a process for each side."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        started = {}
        for name, side in sides.items():
            started[name] = Running(side, url, folder)
            stack.callback(started[name].close)
        yield started


def in_turn(
    sides: Mapping[str, Side],
    url: str,
    *,
    count: int,
    rounds: int,
    in_flight: int,
    first: int = 0,
    counts: Mapping[str, int] | None = None,
) -> dict[str, list[Seen]]:
    """Run all sides in each round, the order turned from round to round. The first warms up.

    `first` is the first of the numbers' millions, for cells that share a store. `counts` are those
    of sides that look up fewer or more.
    """
    seen: dict[str, list[Seen]] = {name: [] for name in sides}
    with running(sides, url) as started:
        for round_ in range(rounds + 1):
            names = list(sides) if round_ % 2 else list(sides)[::-1]
            for name in names:
                whole = (counts or {}).get(name, count)
                some = whole if round_ else max(in_flight, min(whole, 5000) // 10)
                place = first + round_ * len(sides) + list(sides).index(name)
                one = started[name].run(some, place, in_flight)
                if round_:
                    seen[name].append(one)
    return seen


def main() -> None:
    """Serve the lines on the input: a count, a round, and how many in flight."""
    if other := os.environ.get("BENCH_SQLITE"):
        sys.modules["sqlite3"] = importlib.import_module(other)
    from tests.bench import network  # here: it imports this module, and sqlite3

    name, url = sys.argv[1:3]
    loop = network.LOOPS[name]
    for line in sys.stdin:
        count, round_, in_flight = map(int, line.split())
        numbers = np.arange(count) + 8_110_000_000 + round_ * NUMBERS_A_ROUND
        cpu = time.process_time()
        wall = time.perf_counter()
        done = loop(url, numbers, in_flight)
        assert done == count, (name, done)
        seen = Seen(time.process_time() - cpu, time.perf_counter() - wall, count)
        print(json.dumps(asdict(seen)), flush=True)


if __name__ == "__main__":
    main()
