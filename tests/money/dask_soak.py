"""The long form on Dask: `python -m tests.money.dask_soak --rows 10000000` buys, kills a worker half-way, and compares.

Then the same rows again with everything stored, against a Dask merge with the same answers. Prints a table; exit code 1
where a number was bought twice, a cell differs, or looking again cost a call.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
import psutil
from distributed import Client, LocalCluster

import pandas_numberactive as pna
import pandas_numberactive.dask
from pandas_numberactive._purchase.purchase import LookupState, pack
from pandas_numberactive._store.copy import _LOOKUP, _insert
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._vendor.protocol import Answer
from pandas_numberactive.simulator import Simulator
from tests.bench.vendor import KEYS

FIRST = 8_110_000_000
MADE = [
    pack(LookupState.ANSWERED, Answer(1 + i % 2, 1 + i % 3, 1 + i // 3 % 3), True)
    for i in range(18)
]


def part(at: int, rows: int, distinct: int, spellings: int) -> pd.DataFrame:
    """One partition: ids, an amount, phones as people write them, some of them no numbers."""
    rng = np.random.default_rng(at)
    number = FIRST + rng.integers(0, distinct, rows)
    text = pd.Series(number).astype(str)
    phone = np.where(rng.random(rows) * spellings < 1, "0" + text, "+62 " + text).astype(object)
    phone[rng.random(rows) < 0.01] = "unknown"
    return pd.DataFrame(
        {"id": np.arange(at * rows, (at + 1) * rows), "amount": rng.random(rows), "phone": phone}
    )


def write_book(folder: Path, rows: int, partitions: int, distinct: int, spellings: int = 2) -> None:
    """The book as Parquet, one file a partition."""
    folder.mkdir()
    for at in range(partitions):
        part(at, rows // partitions, distinct, spellings).to_parquet(
            folder / f"part.{at:05d}.parquet", index=False
        )


def fill_store(location: str, distinct: int) -> None:
    """As if every number had been bought long ago."""
    with LookupStore(location) as store:
        for start in range(0, distinct, 20_000):
            rows = [
                (
                    2,
                    FIRST + i,
                    1,
                    MADE[i % 18],
                    1_790_000_000_000_000 + i,
                    f"{i:032x}",
                    1,
                    "h",
                    "k",
                    None,
                    1,
                    None,
                    1,
                )
                + ("200", "OK", None)
                for i in range(start, min(start + 20_000, distinct))
            ]
            store.do(partial(_insert, table="lookups", columns=_LOOKUP, rows=rows))


class Memory:
    """The highest resident memory of this process and of the workers, sampled."""

    def __init__(self) -> None:
        self.driver = self.worker = 0.0
        self._on = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._on.wait(0.1):
            self.driver = max(self.driver, me.memory_info().rss / 1e6)
            for child in me.children(recursive=True):
                try:
                    if "spawn_main" in " ".join(child.cmdline()):
                        self.worker = max(self.worker, child.memory_info().rss / 1e6)
                except psutil.Error:  # it has gone
                    continue


def kill_half_way(client: Client, out: Path, files: int) -> threading.Thread:
    """Kill one worker when half of the files are written."""
    pid = next(iter(client.run(os.getpid).values()))

    def watch() -> None:
        while len(list(out.glob("*.parquet"))) < files // 2:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def configure(url: str, store: Path) -> None:
    pna.configure(
        environment="production",
        base_url=url,
        store=str(store),
        unit_price=500.0,
        confirm_above=10**9,
        max_concurrency=64,
        progress=False,
        **KEYS,
    )


def compare(got: pd.DataFrame, want: pd.DataFrame) -> None:
    """Equal to the cell and the dtype; as whole arrays, for pandas' own assertion would make objects of ten million dates."""
    assert got.dtypes.equals(want.dtypes)
    assert got.index.equals(want.index)
    assert got.columns.equals(want.columns)
    for name in want:
        assert np.array_equal(_plain(got[name]), _plain(want[name])), f"{name} differs"


def _plain(column: pd.Series) -> np.ndarray:
    """The codes of a categorical (the dtypes, and so the categories, are compared before), a date's integers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy()
    return column.to_numpy() if column.dtype.kind in "if" else column.astype("int64").to_numpy()


def cold(client: Client, folder: Path, partitions: int) -> int:
    """Buy everything, kill a worker while the result is written, look again, compare with pandas."""
    with Memory() as memory:
        with Simulator(stand_in=True, **KEYS) as vendor:
            configure(vendor.base_url, folder / "cold.sqlite3")
            started = time.monotonic()
            lazy = dd.read_parquet(folder / "in").numberactive.enrich("phone")
            bought = time.monotonic() - started
            total, twice = vendor.ledger.total, len(vendor.ledger.double_charged())
        # The vendor is gone: whatever asks now fails.
        (folder / "out").mkdir()
        killer = kill_half_way(client, folder / "out", partitions)
        started = time.monotonic()
        lazy.to_parquet(folder / "out")
        joined = time.monotonic() - started
        killer.join(5)
        rows, head = len(lazy), lazy.head(5)
        second = lazy["phone_lookup_status"].value_counts().compute()
    report = pna.last_run()
    assert report is not None
    print(
        f"| distinct valid numbers; charged by the vendor's ledger; twice | {report.distinct:,}; {total:,}; {twice} |"
    )
    print(
        f"| found and bought; joined and written, a worker killed half-way | {bought:.0f} s; {joined:.0f} s |"
    )
    print(
        f"| peak memory: driver (the simulator in it); largest worker | {memory.driver:,.0f} MB; {memory.worker:,.0f} MB |"
    )
    want = pd.read_parquet(folder / "in").numberactive.enrich("phone")
    plain = ["id", "amount", *(name for name in want if str(name).startswith("phone_"))]
    compare(lazy[plain].compute().reset_index(drop=True), want[plain])
    written = pd.read_parquet(folder / "out", columns=plain).sort_values("id", ignore_index=True)
    compare(written.astype(want[plain].dtypes), want[plain])
    assert (rows, len(head)) == (len(want), 5)
    assert second.to_dict() == want["phone_lookup_status"].value_counts().to_dict()
    print(
        f"| head, len, a second compute, and pandas on the same {rows:,} rows | equal, 0 further charges |",
        flush=True,
    )
    return int(total != report.distinct or twice > 0 or killer.is_alive())


def warm(folder: Path, distinct: int, rounds: int) -> None:
    """Everything stored: enrich against a merge with the same answers, Parquet to Parquet."""
    fill_store(str(folder / "warm.sqlite3"), distinct)
    configure("http://127.0.0.1:9", folder / "warm.sqlite3")
    numbers = pd.Series(np.arange(FIRST, FIRST + distinct)).astype(str)
    answers = pd.DataFrame(
        {"phone": "0" + numbers}
    )  # a merge needs one spelling, so this book has one
    once = answers.head(1).assign(phone="0" + str(FIRST)).numberactive.enrich("phone").iloc[:, 1:]
    codes = np.arange(distinct) % 18
    for name in once:
        answers[name] = (
            once[name].iloc[np.zeros(len(answers), int)].array
            if name == "phone_looked_up_at"
            else (
                pd.Categorical.from_codes(
                    (codes % len(once[name].cat.categories)).astype(np.int8), dtype=once[name].dtype
                )
            )
        )
    answers.to_parquet(folder / "answers.parquet", index=False, row_group_size=200_000)
    times: dict[str, list[float]] = {"enrich": [], "merge": []}
    for at in range(rounds):
        for name in ("enrich", "merge") if at % 2 else ("merge", "enrich"):
            ddf, out = dd.read_parquet(folder / "in"), folder / f"{name}{at}"
            started = time.monotonic()
            if name == "enrich":
                ddf.numberactive.enrich("phone").to_parquet(out)
            else:
                table = dd.read_parquet(folder / "answers.parquet", split_row_groups=True)
                ddf.merge(table, on="phone", how="left").to_parquet(out)
            times[name].append(time.monotonic() - started)
    best = {name: min(seconds) for name, seconds in times.items()}
    print(
        f"| warm, {distinct:,} answers: enrich; merge; ratio | {best['enrich']:.1f} s; {best['merge']:.1f} s; "
        f"{best['enrich'] / best['merge']:.2f} |",
        flush=True,
    )


def main() -> int:
    """Run both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--partitions", type=int, default=64)
    parser.add_argument("--distinct", type=int, default=20_000, help="bought from the simulator")
    parser.add_argument(
        "--stored", type=int, default=1_000_000, help="distinct numbers of the warm run"
    )
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        with (
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
            ) as cluster,
            Client(cluster) as client,
        ):
            print(
                f"| {given.rows:,} rows, {given.partitions} partitions, 2 workers | |\n|---|---|",
                flush=True,
            )
            for folder, distinct in (
                (base / "cold", given.distinct),
                (base / "warm", given.stored),
            ):
                if not distinct:
                    continue
                folder.mkdir()
                write_book(
                    folder / "in",
                    given.rows,
                    given.partitions,
                    distinct,
                    2 if folder.name == "cold" else 1,
                )
                if folder.name == "cold":
                    failed = cold(client, folder, given.partitions)
                else:
                    with Memory() as memory:
                        warm(folder, distinct, given.rounds)
                    print(
                        f"| peak memory then: driver; largest worker | {memory.driver:,.0f} MB; {memory.worker:,.0f} MB |"
                    )
    return failed


if __name__ == "__main__":
    sys.exit(main())
