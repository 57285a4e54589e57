"""(f) `import pandas_numberactive` against `import pandas`, each in fresh processes, in turn."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.bench import data
from tests.bench.table import Row, spread


def _seconds(code: str, *arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    return time.perf_counter() - started


def imports(quick: bool) -> list[Row]:
    """The median of the ratios of pairs."""
    rounds = 3 if quick else 15
    pairs = [
        (_seconds("import pandas_numberactive"), _seconds("import pandas")) for _ in range(rounds)
    ][1:]
    ours, base = np.array(pairs).T
    ratio = float(np.median(ours / base))
    note = f"{rounds} pairs of processes"
    times = {"ours": float(np.median(ours)), "baseline": float(np.median(base))}
    return [Row("f. import", "ours / import pandas", ratio, note, at_most=1.10, **times)]


# A fresh process: the package, a warm frame of one stored number, and that number alone.
COLD = """
import sys, pandas as pd, pandas_numberactive as pna
pna.configure(environment="sandbox", base_url="http://127.0.0.1:9", app_key="k", secret="s",
              store=sys.argv[1], progress=False)
df = pd.DataFrame({"phone": ["08110000007"]})
assert df.numberactive.enrich("phone")["phone_lookup_status"][0] == "answered"
assert pna.lookup("08110000007").status == "answered"
"""


def cold(quick: bool) -> list[Row]:
    """(f) a first enrich and one stored look-up in a fresh process, against `import pandas`."""
    rounds = 2 if quick else 9
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite3"
        data.filled_store(path, np.array([8_110_000_007]))
        pairs = [(_seconds(COLD, str(path)), _seconds("import pandas")) for _ in range(rounds + 1)][
            1:
        ]
    ours, base = np.array(pairs).T
    row = Row("f. cold start", "a first enrich and look-up / import pandas", 0, f"{rounds} pairs")
    times = replace(row, ours=float(np.median(ours)), baseline=float(np.median(base)))
    return [spread(times, {"ours": ours, "base": base})]
