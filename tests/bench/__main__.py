"""`python -m tests.bench [--quick] [names]` prints one table of ratios."""

from __future__ import annotations

import argparse
import datetime
import platform
from collections.abc import Callable

import pandas as pd

from tests.bench import columns, growth, imports, network, risk, warm
from tests.bench.table import HEAD, Row

BENCHES: dict[str, Callable[[bool], list[Row]]] = {
    "normalise": columns.normalise,
    "enrich": warm.enrich,
    "cpu": network.cpu,
    "latency": network.latency,
    "import": imports.imports,
    "plan": warm.plan,
    "growth": growth.growth,
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
    given = parser.parse_args()
    print(f"{datetime.date.today()}, Python {platform.python_version()}, pandas {pd.__version__}\n")
    print(HEAD, flush=True)
    for name in given.names or BENCHES:
        for row in BENCHES[name](given.quick):
            print((row.without_target() if given.quick else row).line(), flush=True)


if __name__ == "__main__":
    main()
