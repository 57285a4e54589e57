"""`python -m tests.bench [--quick] [names]` prints one table of ratios."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tests.bench import columns, growth, imports, network, risk, servers, warm
from tests.bench.table import HEAD, Row

BENCHES: dict[str, Callable[[bool], list[Row]]] = {
    "normalise": columns.normalise,
    "enrich": warm.enrich,
    "cpu": network.cpu,
    "latency": network.latency,
    "postgres": servers.postgres,
    "cold": imports.cold,
    "import": imports.imports,
    "plan": warm.plan,
    "growth": growth.growth,
    "purchases": growth.purchases,
    "risk": risk.risk_tables,
    "questions": risk.questions,
    "redraws": risk.redraws,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=", ".join(BENCHES))
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, for which the targets are not meant"
    )
    parser.add_argument("--save", type=Path, help="write the results to this file")
    parser.add_argument("--compare", type=Path, help="show the change since a saved file")
    given = parser.parse_args()
    before = _saved(given.compare)
    rows: list[Row] = []
    print(f"{datetime.date.today()}, Python {platform.python_version()}, pandas {pd.__version__}\n")
    print(HEAD, flush=True)
    for name in given.names or BENCHES:
        for row in BENCHES[name](given.quick):
            shown = row.without_target() if given.quick else row
            rows.append(shown)
            print(shown.line() + shown.against(before.get(shown.what)), flush=True)
    if given.save:
        given.save.write_text(json.dumps([row.saved() for row in rows], indent=1))


def _saved(path: Path | None) -> dict[str, float]:
    """Return the ratios of a saved result by what was compared."""
    if path is None:
        return {}
    return {row["what"]: row["ratio"] for row in json.loads(path.read_text())}


if __name__ == "__main__":
    main()
