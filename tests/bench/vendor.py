"""A vendor in a process of its own, so that its work is not counted as ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
SERVE = (
    "import sys; from pandas_numberactive.simulator import serve_forever; "
    "serve_forever(0, latency=float(sys.argv[1]), stand_in=True, app_key='made-up-key', secret='made-up-secret')"
)


@contextmanager
def vendor(latency: float = 0.0) -> Iterator[str]:
    """Start one; yields its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(latency)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
