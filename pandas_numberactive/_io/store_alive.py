"""Whether the process that holds a claim still lives: each worker keeps a file locked for as long
as it does.

The kernel drops the lock when a process dies, however it dies, so a restart need not wait for a
lease to end. A lock is only ever a reason to take over early; safety is the epochs' business.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any


class Liveness:
    """Locked files beside the store; without file locks (Windows, memory) only leases count."""

    def __init__(self, store: Path | None) -> None:
        self._folder = None if store is None else store.with_name(store.name + ".workers")
        self._held: dict[str, int] = {}

    def hold(self, token: str) -> None:
        """Show this worker alive until `release`, `close` or death."""
        fcntl = _fcntl()
        if self._folder is None or fcntl is None:
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._folder / token, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._held[token] = file

    def lives(self, token: str) -> bool:
        """Whether a worker's process may be alive; True where that cannot be told."""
        fcntl = _fcntl()
        if self._folder is None or fcntl is None or token in self._held:
            return True
        try:
            file = os.open(self._folder / token, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            return False
        finally:
            os.close(file)

    def release(self) -> None:
        """Stop holding; the files go with it."""
        for token, file in self._held.items():
            with contextlib.suppress(OSError):
                os.unlink(str(self._folder) + os.sep + token)
            os.close(file)
        self._held.clear()

    close = release


def _fcntl() -> Any:
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl
