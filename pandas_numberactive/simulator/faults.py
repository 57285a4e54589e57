"""Choose the simulator's faulty replies."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

KINDS = tuple(
    "ok drop_before drop_after http_500 http_502 http_503 http_500_after html truncated "
    "trailing_commas loose_types "
    "hang pending throttle throttle_no_header code code_free code_charged redirect wrong_phone "
    "masked_phone "
    "same_request_id no_request_id huge gzip_bomb unknown_value empty_data null_data no_is_fee "
    "handle_200_data "
    "http_401 http_403 http_404 missing_commas".split()
)


class Faults:
    """The faulty replies of a simulator.

    Parameters
    ----------
    handle, query
        The rate of each kind of fault at that step, such as {"drop_after": 0.1}.
    script
        The kinds of the next replies, in order, by step or by number.
    seed
        Fixes the random choice.
    retry_after
        Seconds that a throttled reply asks for.
    code
        The vendor's code of the faults that have one.
    redirect_to
        The address of the fault "redirect".
    hang_for
        Seconds of the fault "hang".

    Raises
    ------
    ValueError
        There is no such kind. `pna.simulator.KINDS` has them all.

    Examples
    --------
    >>> faults = Faults(query={"drop_after": 0.1}, seed=1)
    >>> faults = Faults(script={"handle": ["throttle", "ok"], "8118899532": ["drop_before"]})
    """

    def __init__(
        self,
        *,
        handle: Mapping[str, float] | None = None,
        query: Mapping[str, float] | None = None,
        script: Mapping[str, Iterable[str]] | None = None,
        seed: int = 0,
        retry_after: float = 1.0,
        code: int = 11008,
        redirect_to: str = "",
        hang_for: float = 3600.0,
    ) -> None:
        self._rates = {"handle": dict(handle or {}), "query": dict(query or {})}
        self._script = {key: deque(kinds) for key, kinds in (script or {}).items()}
        known = set(KINDS)
        used = {
            *self._rates["handle"],
            *self._rates["query"],
            *(k for kinds in self._script.values() for k in kinds),
        }
        if used - known:
            raise ValueError(
                f"There is no fault {sorted(used - known)[0]!r}; the faults are: "
                f"{', '.join(KINDS)}."
            )
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.retry_after = retry_after
        self.code = code
        self.redirect_to = redirect_to
        self.hang_for = hang_for

    def next(self, step: str, phone: str) -> str:
        """Return the kind of the next reply.

        Parameters
        ----------
        step
            "handle" or "query".
        phone
            The national number.

        Returns
        -------
        str
            "ok" or a kind of fault.

        Examples
        --------
        >>> faults = Faults(script={"handle": ["throttle"]})
        >>> faults.next("handle", "8118899532"), faults.next("handle", "8118899532")
        ('throttle', 'ok')
        """
        with self._lock:
            for key in (f"{step}:{phone}", phone, step):
                if self._script.get(key):
                    return self._script[key].popleft()
            rates = self._rates[step]
            point = self._random.random() if rates else 1.0
            for kind, rate in rates.items():
                if point < rate:
                    return kind
                point -= rate
            return "ok"


def coded(kind: str, body: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a reply's body with the fault applied.

    `number` is the code of the faults that have one.
    """
    code = {"code": number, "msg": "simulated error", "data": None}
    changes: dict[str, dict[str, Any]] = {
        "code": code,
        "code_free": code | {"isFee": 0},
        "code_charged": code | {"isFee": 1},
        "empty_data": {"data": {}},
        "null_data": {"data": None},
    }
    body = {**body, **changes.get(kind, {})}
    if kind in ("code", "no_is_fee"):
        body.pop("isFee", None)
    data = body.get("data")
    if data:
        other = {"wrong_phone": "628110000001", "masked_phone": "62811****532"}.get(
            kind, data["userPhone"]
        )
        body["data"] = {**data, "userPhone": other}
        if kind == "unknown_value":
            body["data"]["activeLevel"] = "very_high"
    return body


def garbled(kind: str, text: str) -> str:
    """Return the text of a reply with the fault applied."""
    if kind == "trailing_commas":
        return text.replace("}", ",}")
    if kind == "missing_commas":
        return text.replace(', "', ' "')
    if kind == "truncated":
        return text[: len(text) // 2]
    return text + " " * 200_000 if kind == "huge" else text
