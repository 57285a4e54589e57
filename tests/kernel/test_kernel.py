"""In a real ipykernel: the three fronts, Run All with queued cells, interrupts, and both nest-asyncio packages."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pandas_numberactive.simulator import Simulator
from tests.kernel.kernels import CELLS, KEYS, Kernel, interrupts, setup

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def kernel(tmp_path, monkeypatch) -> Iterator[Kernel]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    running = Kernel(str(tmp_path))
    yield running
    running.close()


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


@pytest.mark.parametrize("second", [False, True], ids=["one interrupt", "two interrupts"])
@pytest.mark.parametrize("cell", CELLS)
def test_interrupts_keep_what_was_paid_and_charge_no_more(tmp_path, monkeypatch, cell, second):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    seen = interrupts(str(tmp_path), 3, cell=cell, second=second, longest=0.6)
    assert seen.interrupted == 3


def test_an_interrupt_of_any_cell_stops_the_running_jobs(tmp_path, monkeypatch):
    """While a cell runs it is the brake that always works, whatever the page's Stop can do."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with Simulator(stand_in=True, latency=0.05, **KEYS) as vendor:
        kernel = Kernel(str(tmp_path))
        try:
            kernel.run(setup(vendor, 100_000, max_concurrency=4))
            kernel.run('job = df.numberactive.start("phone")')
            sent = kernel.send("import time; time.sleep(30)")
            until(lambda: vendor.ledger.total > 20)
            kernel.manager.interrupt_kernel()
            _, error = kernel.read(sent, 15)
            assert error in ("KeyboardInterrupt", "CancelledError")
            assert "True" in kernel.run("print(job.stopping)")
            until(lambda: "[]" in kernel.run("print(pna.jobs())"))
            after = vendor.ledger.total
            time.sleep(1.0)  # "nothing begins any more" has to be watched
            assert vendor.ledger.total == after
        finally:
            kernel.close()


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
