"""`python -m tests.bench [--quick] [names]` prints one table of ratios, in Markdown."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import aiohttp
import pandas as pd

from tests.bench import columns, growth, imports, network, risk, servers, warm
from tests.bench.table import HEAD, Row

BENCHES: dict[str, Callable[[bool], Iterable[Row]]] = {
    "cpu": network.cpu,
    "latency": network.latency,
    "postgres": servers.postgres,
    "purchases": growth.purchases,
    "growth": growth.growth,
    "enrich": warm.enrich,
    "plan": warm.plan,
    "cold": imports.cold,
    "import": imports.imports,
    "normalise": columns.normalise,
    "risk": risk.risk_tables,
    "questions": risk.questions,
    "redraws": risk.redraws,
}
SECONDS = 240  # on a machine that does nothing else


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=", ".join(BENCHES))
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, for which the targets are not meant"
    )
    parser.add_argument("--save", type=Path, help="write the results to this file")
    parser.add_argument("--compare", type=Path, help="show the change since a saved file")
    parser.add_argument("--table", type=Path, help="write the table to this file, too")
    parser.add_argument(
        "--seconds", type=int, default=SECONDS, help="that the cells of one name may take"
    )
    given = parser.parse_args()
    before = _saved(given.compare)
    rows: list[Row] = []
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)
        if given.table:
            given.table.write_text("\n".join(lines) + "\n")

    say(f"{_machine()}\n\n{HEAD}")
    for name in given.names or BENCHES:
        for row in _bounded(name, given.quick, given.seconds):
            shown = row.without_target() if given.quick else row
            rows.append(shown)
            say(shown.line() + shown.against(before.get(shown.name)))
            if given.save:
                given.save.write_text(json.dumps([row.saved() for row in rows], indent=1))
    print(f"\nThe bench took {(time.perf_counter() - STARTED) / 60:.0f} minutes.")


STARTED = time.perf_counter()


def _machine() -> str:
    """Return when, by which command, on which versions and how busy a machine this is measured."""
    command = " ".join(["python -m tests.bench", *_short(sys.argv[1:])])
    versions = (
        f"Python {platform.python_version()}, pandas {pd.__version__}, aiohttp "
        f"{aiohttp.__version__}, SQLite {sqlite3.sqlite_version}"
    )
    busy = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
    commit = ["git", "describe", "--always", "--dirty"]
    at = subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip()
    return f"{datetime.date.today()}, `{command}` at {at or 'no commit'}: {versions}; {busy}."


def _short(arguments: list[str]) -> list[str]:
    """Return the arguments with the names of files for their paths."""
    return [Path(one).name if "/" in one else one for one in arguments]


def _bounded(name: str, quick: bool, seconds: int) -> Iterator[Row]:
    """Yield the rows of one name, and one that says so where they fail or take too long."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(seconds)
    try:
        yield from BENCHES[name](quick)
    except Exception as error:
        yield Row(name, f"not measured: {type(error).__name__}: {error}"[:200], float("nan"))
    finally:
        signal.alarm(0)


def _too_long(*_: object) -> None:
    raise TimeoutError("it took too long, see --seconds")


def _saved(path: Path | None) -> dict[str, float]:
    """Return the ratios of a saved result by what was compared."""
    if path is None:
        return {}
    rows = [Row(**saved) for saved in json.loads(path.read_text())]
    return {row.name: row.ratio for row in rows}


if __name__ == "__main__":
    main()
