"""A real ipykernel to send cells to, and a loop that interrupts it at random moments.

`python -m tests.kernel.kernels --times 50` runs the long form and prints what was seen.
"""

from __future__ import annotations

import argparse
import queue
import random
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from jupyter_client.manager import KernelManager

from pandas_numberactive.simulator import Simulator

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
CELLS = ('df.numberactive.enrich("phone")', 'await df.numberactive.aenrich("phone")')


class Kernel:
    """A kernel, and what its cells printed."""

    def __init__(self, folder: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=folder)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def send(self, code: str) -> str:
        return self.client.execute(code)

    def read(self, message_id: str, timeout: float = 60) -> tuple[str, str | None]:
        """What a cell printed, and the name of the error that ended it."""
        printed, error = [], None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                message: dict[str, Any] = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                printed.append(content["text"])
            elif message["msg_type"] == "error":
                error = content["ename"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(printed), error or self._replied(message_id)
        raise AssertionError("the cell did not end")

    def _replied(self, message_id: str) -> str | None:
        """The error in the reply: an interrupt while IPython prints the traceback of another leaves it only there."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                reply: dict[str, Any] = self.client.get_shell_msg(timeout=1)
            except queue.Empty:
                continue
            if reply["parent_header"].get("msg_id") == message_id:
                name: str | None = reply["content"].get("ename")
                return name
        raise AssertionError("the cell had no reply")

    def run(self, code: str) -> str:
        printed, error = self.read(self.send(code))
        assert error is None, f"{error}: {printed}"
        return printed

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def setup(vendor: Simulator, numbers: int = 200, **options: Any) -> str:
    extra = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"""
import pandas as pd, pandas_numberactive as pna
pna.configure(environment="production", base_url={vendor.base_url!r}, app_key="made-up-key", secret="made-up-secret",
              store="store.sqlite3", progress=False, confirm_above=10**6{extra})
df = pd.DataFrame({{"phone": [f"0811{{i:07d}}" for i in range({numbers})]}})
"""


@dataclass
class Seen:
    """What the interrupts did; times in seconds."""

    interrupted: int
    slowest: float
    charged: int


def interrupts(
    folder: str,
    times: int,
    *,
    cell: str = CELLS[0],
    second: bool = False,
    longest: float = 2.0,
    seed: int = 0,
) -> Seen:
    """Interrupt a cell `times` times, 20 ms to `longest` seconds after its first charge, and check the ledgers."""
    rng = random.Random(seed)
    interrupted, slowest = 0, 0.0
    with Simulator(stand_in=True, latency=0.05, **KEYS) as vendor:
        kernel = Kernel(folder)
        try:
            kernel.run(setup(vendor, 100_000))
            for _ in range(times):
                before = vendor.ledger.total
                message_id = kernel.send(cell)
                while vendor.ledger.total == before:
                    time.sleep(0.005)
                time.sleep(
                    rng.uniform(0.02, longest)
                )  # the moment of the interrupt is what is drawn
                started = time.monotonic()
                kernel.manager.interrupt_kernel()
                if second:
                    time.sleep(rng.uniform(0.0, 0.03))
                    kernel.manager.interrupt_kernel()
                printed, error = kernel.read(message_id, 15)
                slowest = max(slowest, time.monotonic() - started)
                assert error in ("KeyboardInterrupt", "CancelledError"), (error, printed)
                interrupted += 1
                _compare(kernel, vendor, second)
            assert slowest < 2.0 + 0.05
            charged = vendor.ledger.total
            kernel.run(cell.replace("df.", f"df[:{charged + 20}]."))
            assert vendor.ledger.double_charged() == []
            return Seen(interrupted, slowest, vendor.ledger.total)
        finally:
            kernel.close()


def _compare(kernel: Kernel, vendor: Simulator, second: bool) -> None:
    """The next cell runs; what was charged is stored; nothing is charged in the second after."""
    after = vendor.ledger.total
    stored = int(kernel.run("print(int(pna.spend('environment')['charged'].sum()))"))
    if second:  # replies under way were given up: their requestIds are on disk, and are asked again
        return
    assert stored == after
    time.sleep(1.0)  # "no charge in the second after" has to be watched for a second
    assert vendor.ledger.total == after


def main() -> None:
    """Run the long form."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    for second in (False, True):
        for cell in CELLS:
            with tempfile.TemporaryDirectory() as folder:
                print(
                    cell,
                    "twice" if second else "once",
                    interrupts(folder, times // 2, cell=cell, second=second),
                    flush=True,
                )


if __name__ == "__main__":
    main()
