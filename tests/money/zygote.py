"""Forks warm workers on request, so that a thousand kills do not cost a thousand imports.

Reads lines "SEED" from stdin, prints each child's pid. A child enriches the numbers until all have their answer.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import time
import warnings

import numpy as np

import pandas_numberactive as pna
from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import require
from pandas_numberactive._run import buyer
from pandas_numberactive._run import run as batch
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape
from pandas_numberactive._store.engines import sqlite
from pandas_numberactive._vendor import client

LOADED = (buyer, client)  # before the fork, so that a child has nothing to import
NO_LANE = "TEST_NO_LANE"  # variables of a test: children call by the session
OTHER_SQLITE = "TEST_OTHER_SQLITE"  # and every other child takes this module for its SQLite
DONE = (0, 1)  # positions of answered and no_data in STATUSES


def live(terms: dict[str, object], seed: int) -> int:
    """One worker's life: call until everything has its answer, as an analyst would; what it is told goes to a file."""
    numbers = np.random.default_rng(seed).permutation(np.array(terms["numbers"], np.int64))
    shape = Shape(rows=len(numbers), valid_rows=len(numbers))
    options = Options(**terms["options"])  # type: ignore[arg-type]
    for _ in range(200):
        given = require(pna.settings(**terms["settings"]))  # type: ignore[arg-type]
        run = batch.Run(numbers, shape, given, options)
        try:
            result = bridge.call(run.go, stop=run.stop, drain=5.0)
        except pna.errors.NumberActiveError as error:
            with open(str(terms["errors"]), "a") as file:
                file.write(f"{type(error).__name__} {error}".replace("\n", " ")[:1000] + "\n")
            time.sleep(0.1)  # a person who calls again, while the store or its server comes back
            continue
        with result.ending:
            pass
        if terms["once"] or np.isin(result.answers.status, DONE).all():
            return 0
    return 1


def vary(seed: int) -> None:
    """Give a child the way to call and the SQLite that the test's variables name."""
    if os.environ.get(NO_LANE):
        client.make_lane = lambda *_: None  # type: ignore[assignment]
    name = os.environ.get(OTHER_SQLITE)
    if name and seed % 2:
        other = importlib.import_module(name)
        for module in list(sys.modules.values()):
            if module.__name__.startswith("pandas_numberactive") and hasattr(module, "sqlite3"):
                module.sqlite3 = other
        sqlite.SQLiteEngine.errors = (other.Error, OSError)


def main() -> None:
    """Serve forks until stdin closes."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    terms = json.loads(sys.stdin.readline())
    if terms["settings"]["store"].startswith("postgresql"):
        importlib.import_module("psycopg")  # three quarters of a short life, otherwise
    if os.environ.get(OTHER_SQLITE):
        importlib.import_module(os.environ[OTHER_SQLITE])
    gc.freeze()  # so that a child copies few pages
    for line in sys.stdin:
        seed = int(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = 1
            try:
                vary(seed)
                code = live(terms, seed)
            finally:
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
