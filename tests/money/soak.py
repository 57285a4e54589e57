"""The long form: `python -m tests.money.soak --kills 1000 --runs 100000` prints a table and fails on any violation."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.money.killloop import kill_loop
from tests.money.test_postgres import crashes
from tests.money.world import Variant, simulate_all
from tests.pg import Server


def main() -> int:
    """Run the simulated runs and the kill loop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument(
        "--numbers", type=int, default=0, help="by default 8 a kill, at least 3,000"
    )
    parser.add_argument("--runs", type=int, default=0, help="simulated runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--postgres",
        action="store_true",
        help="on a PostgreSQL server of its own, crashed 10 times",
    )
    given = parser.parse_args()
    if given.runs:
        started = time.monotonic()
        simulate_all(range(given.runs), Variant())
        print(
            f"simulated runs    {given.runs:>12,}  0 violations, {time.monotonic() - started:.0f} s"
        )
    if not given.kills:
        return 0
    numbers = given.numbers or max(3000, 8 * given.kills)
    if given.postgres:
        with Server() as server:
            seen = kill_loop(
                server.dsn,
                given.kills,
                numbers=numbers,
                seed=given.seed,
                between=crashes(server, max(1, given.kills // 10)),
            )
    else:
        with tempfile.TemporaryDirectory() as folder:
            seen = kill_loop(
                str(Path(folder) / "soak.sqlite3"), given.kills, numbers=numbers, seed=given.seed
            )
    print(seen.table())
    return int(bool(seen.twice or seen.lost or seen.wrong or seen.conflicts))


if __name__ == "__main__":
    sys.exit(main())
