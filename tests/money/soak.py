"""The long form, in rounds: kills of real processes, and simulated worlds.

    python -m tests.money.soak --store wal --kills 10000 --out kills.jsonl
    python -m tests.money.soak --worlds 1000000 --out worlds.jsonl

Each round is one line of the file; those that stand there are skipped, so that a run that was
stopped goes on. `--rounds` ends after so many. The last words are the sums of all rounds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pandas_numberactive._config.used_stores import forget_used
from tests.money.killloop import kill_loop
from tests.money.points import store_of
from tests.money.world import Variant, simulate_all

KILLS = 250  # a round, on a store of its own
WORLDS = 10_000  # a round
FAULTS = ("twice", "lost", "wrong", "conflicts")


def quiet(_: int) -> None:
    """Break nothing else between two kills."""


def kills(store: str, number: int) -> dict[str, Any]:
    """Kill workers on a new store.

    A server is crashed ten times as well.
    """
    forget_used()  # a new server may have the last one's place
    with ExitStack() as stack:
        between = quiet
        if store == "postgres":
            from tests.money.test_postgres import crashes  # needs `pwd`, which Windows lacks
            from tests.pg import Server

            server = stack.enter_context(Server())
            location = server.dsn
            between = crashes(server, KILLS // 10)
        else:
            location = stack.enter_context(store_of(store))
        seen = kill_loop(location, KILLS, numbers=3 * KILLS, seed=number, between=between)
    return asdict(seen)


def worlds(number: int) -> dict[str, Any]:
    """Run simulated worlds.

    A violation ends the round and names its seed.
    """
    started = time.monotonic()
    simulate_all(range(number * WORLDS, (number + 1) * WORLDS), Variant())
    return {"worlds": WORLDS, "seconds": time.monotonic() - started}


def lines(out: Path) -> list[dict[str, Any]]:
    """Read the rounds that are done."""
    if not out.exists():
        return []
    return [json.loads(line) for line in out.read_text().splitlines()]


def rounds(out: Path, most: int, limit: int, work: Callable[[int], dict[str, Any]]) -> None:
    """Do the rounds that are not in the file, at most `limit` of them."""
    done = {line["round"] for line in lines(out)}
    for number in [one for one in range(most) if one not in done][:limit]:
        line = {"round": number, "date": str(datetime.date.today()), **work(number)}
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")


def summary(out: Path) -> dict[str, float]:
    """Sum the rounds up."""
    sums: dict[str, float] = {"rounds": 0}
    for line in lines(out):
        sums["rounds"] += 1
        for name, value in line.items():
            if name not in ("round", "date", "processes"):
                sums[name] = sums.get(name, 0) + value
    return sums


def main() -> int:
    """Run the rounds that are left, and print the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=("wal", "truncate", "postgres"), default="wal")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--worlds", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=sys.maxsize)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.kills:
        count = -(-given.kills // KILLS)
        rounds(given.out, count, given.rounds, lambda number: kills(given.store, number))
    if given.worlds:
        rounds(given.out, -(-given.worlds // WORLDS), given.rounds, worlds)
    sums = summary(given.out)
    for name, value in sums.items():
        print(f"{name:<18}{value:>14,.0f}")
    return int(any(sums.get(name, 0) for name in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
