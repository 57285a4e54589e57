"""Many look-ups at once where few files may be open: macOS gives a process 256."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import json, resource, sys, warnings
import pandas as pd
import pandas_numberactive as pna

given = json.load(sys.stdin)
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
pna.configure(environment="sandbox", progress=False, **given)
book = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(600)]})
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    out = book.numberactive.enrich("phone")
    book.numberactive.enrich("phone")
answered = out["phone_lookup_status"].isin(["answered", "no_data"])
print(json.dumps([int(answered.sum()), [str(one.message) for one in seen]]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit there")
def test_few_open_files_lower_the_number_in_flight(vendor, tmp_path):
    """All are bought, and one warning says how many are in flight (B14)."""
    vendor.latency = 0.1
    given = {
        "base_url": vendor.base_url,
        "store": str(tmp_path / "store.sqlite3"),
        "max_concurrency": 400,
        "app_key": "made-up-key",
        "secret": "made-up-secret",
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answered, messages = json.loads(done.stdout)
    assert answered == vendor.ledger.total == 600
    assert len(messages) == 1
    assert "max_concurrency=400 is more than" in messages[0]
