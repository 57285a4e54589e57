"""What a book of 10^6 to 10^9 rows costs and how long it takes, on paper; and how well the paper knows runs made here.

`python -m tests.bench.scale` measures the coefficients on small runs, prints the table of predictions, and compares
them with warm runs of 10^5, 10^6 and 10^7 rows (Parquet to a count, Dask with threads) and with two small purchases.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import dask.dataframe as dd
import numpy as np

import pandas_numberactive as pna
import pandas_numberactive.dask
from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import require
from pandas_numberactive._run import run as batch
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape
from tests.bench.vendor import KEYS, vendor
from tests.money.dask_soak import FIRST, fill_store, write_book

PART = 156_250  # rows a partition: 64 of them are ten million
CALLS = 2  # a look-up


@dataclass(frozen=True)
class Machine:
    """Seconds of one core, measured; a row's work is spread over the cores, a number's is not."""

    cores: int
    row: float  # read, normalise twice, factorise, join
    number: float  # find in the store, sort, hand to the workers
    look_up: float  # two calls, signed, parsed, journalled
    fixed: float = 0.3  # a run's own time


@dataclass(frozen=True)
class Case:
    """A purchase: `latency` of a call in seconds, `rate` the vendor's calls a second in all, None where unlimited."""

    rows: int
    distinct: int
    stored: float  # share of the distinct numbers
    latency: float = 0.25
    rate: float | None = None
    in_flight: int = 16  # of one driver
    drivers: int = 1  # that share one store
    price: float = 500.0
    journal: float = 4_000.0  # durable look-ups a second of the store

    @property
    def to_buy(self) -> int:
        """Numbers that are not stored."""
        return round(self.distinct * (1 - self.stored))

    @property
    def cost(self) -> float:
        """All of them answered and charged."""
        return self.to_buy * self.price


@dataclass(frozen=True)
class Time:
    """Seconds by what they are spent on."""

    rows: float
    numbers: float
    buying: float
    limit: str  # what buying waits for

    @property
    def total(self) -> float:
        """All of it."""
        return self.rows + self.numbers + self.buying


def predict(case: Case, machine: Machine) -> Time:
    """The slowest of the four limits sets the pace of buying; the rest adds up."""
    per_look_up = {
        "the vendor's rate": CALLS / case.rate if case.rate else 0.0,
        "latency": CALLS * case.latency / (case.in_flight * case.drivers),
        "the driver's core": machine.look_up / case.drivers,
        "the store's disk": 1 / case.journal,
    }
    limit = max(per_look_up, key=lambda name: per_look_up[name])
    return Time(
        machine.fixed + case.rows * machine.row / machine.cores,
        case.distinct * machine.number,
        case.to_buy * per_look_up[limit],
        limit if case.to_buy else "",
    )


# Runs made here.


def warm(rows: int, distinct: int, folder: Path) -> float:
    """Seconds of a run with every number stored."""
    here = folder / f"{rows}-{distinct}"
    if not here.exists():
        here.mkdir()
        write_book(here / "in", rows, max(1, rows // PART), distinct)
        fill_store(str(here / "store.sqlite3"), distinct)
    started = time.monotonic()
    with pna.override(
        environment="production",
        base_url="http://127.0.0.1:9",
        store=str(here / "store.sqlite3"),
        progress=False,
        **KEYS,
    ):
        out = dd.read_parquet(here / "in").numberactive.enrich("phone")
        counts = out["phone_lookup_status"].value_counts().compute()
    seconds = time.monotonic() - started
    assert counts["answered"] + counts["missing"] == counts.sum()
    return seconds


def buy(count: int, latency: float, in_flight: int, rate: float | None, folder: Path) -> float:
    """Seconds of buying numbers nobody has."""
    with vendor(latency) as url, tempfile.TemporaryDirectory(dir=folder) as name:
        given = require(
            pna.settings(
                environment="sandbox",
                base_url=url,
                store=str(Path(name) / "s.sqlite3"),
                max_concurrency=in_flight,
                max_rate=rate,
                **KEYS,
            )
        )
        run = batch.Run(
            FIRST + np.arange(count), Shape(rows=count, valid_rows=count), given, Options()
        )
        started = time.monotonic()
        result = bridge.call(run.go, stop=run.stop, drain=10.0)
        seconds = time.monotonic() - started
    assert int((result.answers.status < 2).sum()) == count
    return seconds


def measure(folder: Path) -> Machine:
    """The coefficients, from runs ten times smaller than what they are to predict."""
    cores = os.cpu_count() or 1
    few, many = warm(4 * PART, 10_000, folder), warm(4 * PART, 200_000, folder)
    small = warm(PART, 10_000, folder)
    row = max(few - small, 1e-6) / (3 * PART)
    number = max(many - few, 1e-6) / 190_000
    look_up = buy(2_000, 0.0, 64, None, folder) / 2_000
    return Machine(
        cores, row * cores, number, look_up, max(small - row * PART - number * 10_000, 0.05)
    )


def _clock(seconds: float) -> str:
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def table(machine: Machine) -> list[str]:
    """The predictions: 10^6 to 10^9 rows, a distinct number for every second row."""
    lines = [
        "| rows | stored | calls a second | drivers | to buy | cost, IDR at 500 | rows and numbers | buying | limited by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for rows in (10**6, 10**7, 10**8, 10**9):
        base = Case(rows, rows // 2, 0.0)
        most = replace(base, stored=0.9)
        many = replace(most, in_flight=64)
        cases = [
            base,
            most,
            replace(base, stored=0.99),
            many,
            replace(many, drivers=8),
            replace(many, rate=200.0),
        ]
        cases += [replace(many, drivers=8, rate=200.0), replace(base, stored=1.0)]
        lines += [_line(case, predict(case, machine)) for case in cases]
    return lines


def _line(case: Case, seconds: Time) -> str:
    rate = "unlimited" if case.rate is None else f"{case.rate:,.0f}"
    return (
        f"| {case.rows:,} | {case.stored:.0%} | {rate} | {case.drivers} x {case.in_flight} | {case.to_buy:,} | "
        f"{case.cost:,.0f} | {_clock(seconds.rows + seconds.numbers)} | {_clock(seconds.buying)} | {seconds.limit} |"
    )


def compare(machine: Machine, rows: list[int], folder: Path) -> list[str]:
    """Predicted and measured, side by side."""
    lines = ["| run | predicted | measured | measured / predicted |", "|---|---|---|---|"]
    for count in rows:
        case = Case(count, min(count // 5, 1_000_000), 1.0)
        lines.append(
            _against(
                f"{count:,} rows, {case.distinct:,} numbers, all stored",
                predict(case, machine).total,
                warm(count, case.distinct, folder),
            )
        )
    for case, what in (
        (
            Case(2_000, 2_000, 0.0, latency=0.1, in_flight=64),
            "2,000 bought, 100 ms a call, 64 in flight",
        ),
        (
            Case(1_000, 1_000, 0.0, latency=0.01, in_flight=64, rate=200.0),
            "1,000 bought, 200 calls a second",
        ),
    ):
        seen = buy(case.to_buy, case.latency, case.in_flight, case.rate, folder)
        lines.append(_against(what, predict(case, machine).buying, seen))
    return lines


def _against(what: str, predicted: float, measured: float) -> str:
    return f"| {what} | {predicted:.1f} s | {measured:.1f} s | {measured / predicted:.2f} |"


def main() -> None:
    """Measure, predict, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        machine = measure(Path(name))
        print(
            f"Measured here, {machine.cores} cores: a row {machine.row * 1e6:.2f} us, a number {machine.number * 1e6:.2f} us, "
            f"a look-up {machine.look_up * 1e3:.2f} ms, a run {machine.fixed:.2f} s.\n"
        )
        print("\n".join(table(machine)), "\n", flush=True)
        print("\n".join(compare(machine, given.rows, Path(name))))


if __name__ == "__main__":
    main()
