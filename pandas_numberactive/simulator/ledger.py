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
    """Return the simulator's fixed answer about a number, made up from a hash of it.

    About 8 in 100 numbers have no data, as on the vendor's page. The others spread over all levels.

    Parameters
    ----------
    national
        The national number, such as "8118899532".
    seed
        Another seed gives other answers.

    Returns
    -------
    dict
        The vendor's data field: userPhone, telcoType, activeLevel, frequencyGrade.

    Examples
    --------
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
    """One charge. A requestId is charged once, however often it is queried.

    Attributes
    ----------
    request_id, phone : str
        The requestId and the national number.
    at : float
        Seconds since 1970.

    Examples
    --------
    >>> Charge("made-up-1", "8118899532", 0.0).phone
    '8118899532'
    """

    request_id: str
    phone: str
    at: float


class Ledger:
    """The simulator's own record of what it was asked and what it charged. Reads are copies.

    Parameters
    ----------
    path
        A file to which each charge is written at once, a JSON object a line. By default none.

    Attributes
    ----------
    handles, queries, requeries : int
        Calls of handle, calls of query, and queries of a requestId that was charged before.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.charge("made-up-1", "8118899532")
    >>> ledger.total
    1
    """

    def __init__(self, path: str | None = None) -> None:
        self._lock = threading.Lock()
        self._charges: dict[str, Charge] = {}
        self._asked: list[str] = []
        self.handles = self.queries = self.requeries = 0
        self._file: IO[str] | None = open(path, "a", buffering=1) if path else None  # noqa: SIM115

    def asked(self, phone: str) -> None:
        """Record that handle was called for a number.

        Parameters
        ----------
        phone
            The national number.

        Examples
        --------
        >>> ledger = Ledger()
        >>> ledger.asked("8118899532")
        >>> ledger.handles
        1
        """
        with self._lock:
            self._asked.append(phone)
            self.handles += 1

    def charge(self, request_id: str, phone: str) -> None:
        """Charge a requestId, once.

        Parameters
        ----------
        request_id
            The requestId.
        phone
            The national number.

        Examples
        --------
        >>> ledger = Ledger()
        >>> ledger.charge("made-up-1", "8118899532")
        >>> ledger.charge("made-up-1", "8118899532")
        >>> ledger.total, ledger.requeries
        (1, 1)
        """
        with self._lock:
            if request_id in self._charges:
                self.requeries += 1
                return
            self._charges[request_id] = Charge(request_id, phone, time.time())
            if self._file is not None:
                self._file.write(json.dumps({"requestId": request_id, "phone": phone}) + "\n")

    def charges(self) -> list[Charge]:
        """Return all charges, oldest first.

        Returns
        -------
        list of Charge
            A copy.

        Examples
        --------
        >>> Ledger().charges()
        []
        """
        with self._lock:
            return list(self._charges.values())

    def charged_phones(self) -> Counter[str]:
        """Return the number of charges of each phone.

        Returns
        -------
        collections.Counter
            Charges by national number.

        Examples
        --------
        >>> Ledger().charged_phones()
        Counter()
        """
        return Counter(charge.phone for charge in self.charges())

    def asked_phones(self) -> Counter[str]:
        """Return the number of handle calls of each phone, charged or not.

        Returns
        -------
        collections.Counter
            Calls by national number.

        Examples
        --------
        >>> Ledger().asked_phones()
        Counter()
        """
        with self._lock:
            return Counter(self._asked)

    def double_charged(self) -> list[str]:
        """Return the numbers that were charged on more than one requestId.

        Returns
        -------
        list of str
            National numbers.

        Examples
        --------
        >>> ledger = Ledger()
        >>> for request_id in ("made-up-1", "made-up-2"):
        ...     ledger.charge(request_id, "8118899532")
        >>> ledger.double_charged()
        ['8118899532']
        """
        return [phone for phone, times in self.charged_phones().items() if times > 1]

    @property
    def total(self) -> int:
        """Return the number of charges."""
        return len(self.charges())

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values.

        Returns
        -------
        dict
            handles, queries, requeries and charges.

        Examples
        --------
        >>> Ledger().to_dict()["charges"]
        []
        """
        charges = [{"requestId": c.request_id, "phone": c.phone} for c in self.charges()]
        return {
            "handles": self.handles,
            "queries": self.queries,
            "requeries": self.requeries,
            "charges": charges,
        }

    def close(self) -> None:
        """Close the file, if there is one.

        Examples
        --------
        >>> Ledger().close()
        """
        if self._file is not None:
            self._file.close()
            self._file = None
