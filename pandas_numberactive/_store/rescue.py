"""Emergency files for paid answers that the store refused, for example on a full disk.

The next run reads them back. One file an answer, 0600, in a folder of 0700 that is ours. A file is
read back only into the store it belongs to, and only if the number's open requestId is the answer's
own.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._vendor.protocol import Answer


class Rescue:
    """The emergency files of one store. `beside` is the store's file, or None."""

    def __init__(self, store_id: str, beside: Path | None) -> None:
        self.store_id = store_id
        self._folders: list[Path] = []
        if beside is not None:
            self._folders.append(beside.with_name(beside.name + ".rescue"))
        user = os.getuid() if hasattr(os, "getuid") else "user"
        with contextlib.suppress(OSError):  # no temporary folder can be written
            self._folders.append(Path(tempfile.gettempdir()) / f"numberactive-rescue-{user}")

    def keep(self, lookup: Purchase) -> Path | None:
        """Write a paid answer to an emergency file with fsync.

        Return None if no folder takes it.
        """
        text = json.dumps({"store": self.store_id, "lookup": _plain(lookup)}).encode()
        for folder in self._folders:
            with contextlib.suppress(OSError):
                return self._write(folder, text)
        return None

    def _write(self, folder: Path, text: bytes) -> Path:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder):
            raise PermissionError(folder.name)
        path = folder / f"{self.store_id[:8]}-{secrets.token_hex(8)}.json"
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    def waiting(self) -> Iterator[tuple[Path, Purchase]]:
        """Return the answers of this store that wait in emergency files."""
        for folder in self._folders:
            if not (folder.is_dir() and _is_ours(folder)):
                continue
            for path in sorted(folder.glob(f"{self.store_id[:8]}-*.json")):
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    content = json.loads(path.read_bytes())
                    if content["store"] == self.store_id:
                        yield path, _lookup(content["lookup"])


def _is_ours(folder: Path) -> bool:
    """Return True if only this user can write to the folder.

    A folder of others could hold a forged answer.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)


def _plain(lookup: Purchase) -> dict[str, Any]:
    return lookup._asdict() | {
        "state": int(lookup.state),
        "answer": lookup.answer._asdict(),
        "raw": base64.b64encode(lookup.raw).decode(),
    }


def _lookup(plain: dict[str, Any]) -> Purchase:
    return Purchase(
        **plain
        | {
            "state": LookupState(plain["state"]),
            "answer": Answer(**plain["answer"]),
            "raw": base64.b64decode(plain["raw"]),
        }
    )
