"""In a real ipykernel: the three fronts, Run All with queued cells, interrupts, and both nest-asyncio packages."""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from pandas_numberactive.simulator import Simulator

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


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
                return "".join(printed), error
        raise AssertionError("the cell did not end")

    def run(self, code: str) -> str:
        printed, error = self.read(self.send(code))
        assert error is None, f"{error}: {printed}"
        return printed

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path, monkeypatch) -> Iterator[Kernel]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    running = Kernel(str(tmp_path))
    yield running
    running.close()


def setup(vendor: Simulator, numbers: int = 200, **options: Any) -> str:
    extra = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"""
import pandas as pd, pandas_numberactive as pna
pna.configure(environment="production", base_url={vendor.base_url!r}, app_key="made-up-key", secret="made-up-secret",
              store="store.sqlite3", progress=False, confirm_above=10**6{extra})
df = pd.DataFrame({{"phone": [f"0811{{i:07d}}" for i in range({numbers})]}})
"""


APPLY = {
    "plain": "",
    "nest_asyncio": "import nest_asyncio; nest_asyncio.apply()",
    "nest_asyncio2": "import nest_asyncio2; nest_asyncio2.apply()",
}


@pytest.mark.parametrize("patched", APPLY)
def test_all_fronts_work_and_run_all_runs_every_queued_cell(kernel, vendor, patched):
    cells = [
        APPLY[patched],
        setup(vendor),
        'a = df.numberactive.enrich("phone"); print("enriched", len(a))',
        'b = await df.numberactive.aenrich("phone"); print("awaited", b.equals(a))',
        'job = df.numberactive.start("phone"); print("started")',
        'print("job", job.result().equals(a), (await job).equals(a))',
        'print("one", pna.lookup("08110000000").source)',
        'print("last", pna.last_run().bought)',
    ]
    sent = [kernel.send(code) for code in cells]  # all queued at once, as Run All does
    printed = [kernel.read(message_id) for message_id in sent]
    assert [error for _, error in printed] == [None] * len(cells)
    assert "enriched 200" in printed[2][0]
    assert "awaited True" in printed[3][0]
    assert "job True True" in printed[5][0]
    assert "one stored" in printed[6][0]
    assert "last 0" in printed[7][0]
    assert vendor.ledger.total == 200
    assert vendor.ledger.double_charged() == []


@pytest.mark.parametrize("patched", ["nest_asyncio", "nest_asyncio2"])
def test_run_until_complete_works_where_nesting_was_applied(kernel, vendor, patched):
    kernel.run(APPLY[patched] + setup(vendor, 50))
    code = 'import asyncio; out = asyncio.get_event_loop().run_until_complete(df.numberactive.aenrich("phone")); print(len(out))'
    assert "50" in kernel.run(code)
    assert vendor.ledger.total == 50


@pytest.mark.parametrize("cell", ['df.numberactive.enrich("phone")', 'await df.numberactive.aenrich("phone")'])
def test_an_interrupt_keeps_what_was_paid_and_charges_no_more(kernel, cell, tmp_path):
    rng = random.Random(len(cell))
    with Simulator(stand_in=True, app_key="made-up-key", secret="made-up-secret", latency=0.02) as vendor:
        kernel.run(setup(vendor, 3000))
        for _ in range(3):
            before = vendor.ledger.total
            message_id = kernel.send(cell)
            while vendor.ledger.total < before + rng.randrange(5, 150):
                time.sleep(0.005)  # the vendor's ledger is the clock here
            kernel.manager.interrupt_kernel()
            _, error = kernel.read(message_id, 10)
            assert error in ("KeyboardInterrupt", "CancelledError")
            after = vendor.ledger.total
            stored = kernel.run("print(pna.spend('environment')['charged'].sum())")
            assert int(stored) == after
            assert vendor.ledger.total == after
        kernel.run(cell.replace("df.", "df[:200]."))
        assert vendor.ledger.double_charged() == []
