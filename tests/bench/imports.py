"""(f) `import pandas_numberactive` against `import pandas`, each in fresh processes, in turn."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

from tests.bench.table import Row


def _seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def imports(quick: bool) -> list[Row]:
    """The median of the ratios of pairs."""
    rounds = 7 if quick else 25
    pairs = [
        (_seconds("import pandas_numberactive"), _seconds("import pandas")) for _ in range(rounds)
    ][1:]
    ours, base = np.array(pairs).T
    ratio = float(np.median(ours / base))
    note = f"{rounds} pairs of processes"
    times = {"ours": float(np.median(ours)), "baseline": float(np.median(base))}
    return [Row("f. import", "ours / import pandas", ratio, note, at_most=1.10, **times)]
