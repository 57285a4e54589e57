"""The simulator's side of the truth: what it says about a number, and what it has charged."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import IO, Any

_LEVELS = ("high", "medium", "low", "NA")


def answer_for(national: str, seed: int = 0) -> dict[str, Any]:
    """Return what the simulator says about a number, always: the vendor's data field, made up from
    a hash.

    About 8 in 100 numbers have no data, as on the vendor's page; the rest spread over all levels.

    >>> answer_for("8118899532") == answer_for("8118899532")
    True
    """
    digest = hashlib.sha256(f"{seed}:{national}".encode()).digest()
    if digest[0] < 21:
        telco = 0
        active = "NA"
        frequency = "NA"
    else:
        telco = 2 if digest[1] < 51 else 1
        active = _LEVELS[min(digest[2] // 80, 3)]
        near = _LEVELS.index(active) if active != "NA" else digest[3] % 3
        frequency = _LEVELS[min(digest[4] // 80, 3)] if digest[3] < 128 else _LEVELS[near]
        telco = 0 if digest[5] < 6 else telco
    return {
        "userPhone": f"62{national}",
        "telcoType": telco,
        "activeLevel": active,
        "frequencyGrade": frequency,
    }


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge: a requestId is charged once, however often it is queried."""

    request_id: str
    phone: str
    at: float


class Ledger:
    """The vendor's own books, apart from the library's: what was asked and what was charged. Reads
    are copies.
    """

    def __init__(self, path: str | None = None) -> None:
        self._lock = threading.Lock()
        self._charges: dict[str, Charge] = {}
        self._asked: list[str] = []
        self.handles = self.queries = self.requeries = 0
        self._file: IO[str] | None = open(path, "a", buffering=1) if path else None  # noqa: SIM115

    def asked(self, phone: str) -> None:
        """Note that handle was sent for a number."""
        with self._lock:
            self._asked.append(phone)
            self.handles += 1

    def charge(self, request_id: str, phone: str) -> None:
        """Charge a requestId, once."""
        with self._lock:
            if request_id in self._charges:
                self.requeries += 1
                return
            self._charges[request_id] = Charge(request_id, phone, time.time())
            if self._file is not None:
                self._file.write(json.dumps({"requestId": request_id, "phone": phone}) + "\n")

    def charges(self) -> list[Charge]:
        """All charges, oldest first."""
        with self._lock:
            return list(self._charges.values())

    def charged_phones(self) -> Counter[str]:
        """Return the number of charges of each phone."""
        return Counter(charge.phone for charge in self.charges())

    def asked_phones(self) -> Counter[str]:
        """Return the number of handle calls of each phone, charged or not."""
        with self._lock:
            return Counter(self._asked)

    def double_charged(self) -> list[str]:
        """Numbers that were charged on more than one requestId."""
        return [phone for phone, times in self.charged_phones().items() if times > 1]

    @property
    def total(self) -> int:
        """Return the number of charges."""
        return len(self.charges())

    def to_dict(self) -> dict[str, Any]:
        """The books as plain values."""
        charges = [{"requestId": c.request_id, "phone": c.phone} for c in self.charges()]
        return {
            "handles": self.handles,
            "queries": self.queries,
            "requeries": self.requeries,
            "charges": charges,
        }

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
