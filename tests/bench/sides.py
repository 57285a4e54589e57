"""One loop of `network` in a process of its own, which runs once for each line on its input.

So both sides of a ratio live equally long, on the same core, and run in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

import numpy as np

NUMBERS_A_ROUND = 1_000_000


@dataclass(frozen=True)
class Side:
    """A loop by its name in `network`, and the store that it writes, for ours."""

    loop: str
    store: str = ""
    pinned: bool = False


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

    def __init__(self, side: Side, url: str) -> None:
        pin = ["taskset", "-c", "1"] if side.pinned else []
        self._process = subprocess.Popen(
            [*pin, sys.executable, "-m", "tests.bench.sides", side.loop, url, side.store],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
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
        self._process.communicate()


@contextmanager
def running(sides: Mapping[str, Side], url: str) -> Iterator[dict[str, Running]]:
    """Start a process for each side."""
    with ExitStack() as stack:
        started = {}
        for name, side in sides.items():
            started[name] = Running(side, url)
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
) -> dict[str, list[Seen]]:
    """Run all sides in each round, the order turned from round to round. The first warms up.

    `first` is the first of the numbers' millions, for cells that share a store.
    """
    seen: dict[str, list[Seen]] = {name: [] for name in sides}
    with running(sides, url) as started:
        for round_ in range(rounds + 1):
            names = list(sides) if round_ % 2 else list(sides)[::-1]
            some = count if round_ else max(in_flight, count // 10)
            for name in names:
                place = first + round_ * len(sides) + list(sides).index(name)
                one = started[name].run(some, place, in_flight)
                if round_:
                    seen[name].append(one)
    return seen


def main() -> None:
    """Serve the lines on the input: a count, a round, and how many in flight."""
    from tests.bench import network  # here: it imports this module

    name, url, store = sys.argv[1:4]
    loop = network.LOOPS[name]
    if store:
        os.environ["BENCH_STORE"] = store
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
