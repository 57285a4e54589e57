"""Interrupts at any moment of a refresh: the same call again goes on with it, and nothing hangs.

A timer sends a real SIGINT. The vendor's ledger judges: what was asked once is charged once, and
the refresh after that is another one. Moments after our code has returned are left out, because
asyncio.run drops the result of a call that an interrupt finds there.

    python -m tests.money.interrupts --front enrich --count 1000
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import random
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive.simulator import Simulator

NUMBERS = {"enrich": 3, "aenrich": 3, "lookup": 1}  # of each front
HANGS = 60.0  # seconds after which a call is called hanging


class Calls:
    """The refreshes of one book of made-up numbers, and whether the last one came back."""

    def __init__(self, front: str) -> None:
        self.numbers = NUMBERS[front]
        self.book = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(self.numbers)]})
        self.returned = False
        self._front = front

    def __call__(self) -> None:
        """Call once."""
        getattr(self, f"_{self._front}")()
        self.returned = True

    def _enrich(self) -> None:
        pna.enrich(self.book, "phone", refresh=True, progress=False)

    def _aenrich(self) -> None:
        async def work() -> None:
            await pna.aenrich(self.book, "phone", refresh=True, progress=False)
            self.returned = True

        asyncio.run(work())  # it turns an interrupt into a cancellation

    def _lookup(self) -> None:
        pna.lookup(self.book["phone"][0], refresh=True)


def interrupted(call: Callable[[], None], seconds: float) -> bool:
    """Call and interrupt it after so many seconds. Return True where the interrupt came out."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        call()
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    except KeyboardInterrupt:
        return True
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    return False


def run(front: str, count: int, seed: int) -> Counter[str]:
    """Interrupt so many calls at random moments, most of them near the end of the call."""
    chance = random.Random(seed)
    seen: Counter[str] = Counter()
    keys = {"app_key": "made-up-key", "secret": "made-up-secret"}
    with Simulator(stand_in=True, **keys) as vendor, tempfile.TemporaryDirectory() as folder:
        took = 0.0
        for at in range(-1, count):
            faulthandler.dump_traceback_later(HANGS, exit=True)
            store = str(Path(folder, f"{at}.sqlite3"))
            pna.configure(environment="production", base_url=vendor.base_url, store=store, **keys)
            call = Calls(front)
            before = vendor.ledger.total
            if at < 0:  # nothing is interrupted: it shows how long a call takes
                call()
                began = time.monotonic()
                call()
                took = time.monotonic() - began
                continue
            out = interrupted(call, took * chance.betavariate(4, 1.2))
            late = out and call.returned
            if out and not late:
                call()
            spent = vendor.ledger.total - before
            begun = time.monotonic()
            call()
            lasted = time.monotonic() - begun
            took = min(lasted, 0.8 * took + 0.2 * lasted)
            again = vendor.ledger.total - before - spent
            seen[_kind(out, late)] += 1
            seen["bought twice"] += int(spent > call.numbers)
            seen["not bought again"] += int(again < call.numbers and not late)
            faulthandler.cancel_dump_traceback_later()
    return seen


def _kind(out: bool, late: bool) -> str:
    if not out:
        return "returned"
    return "too late" if late else "interrupted"


def main() -> None:
    """Do as many as asked and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--front", default="enrich", choices=("enrich", "aenrich", "lookup"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps({"front": given.front, **run(given.front, given.count, given.seed)}))


if __name__ == "__main__":
    main()
