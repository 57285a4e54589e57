"""The record of one purchase: its states, its packing, its status for users."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pandas_numberactive._vendor.protocol import NO_ANSWER, Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Packed = TypeVar("Packed", int, NDArray[np.int8], NDArray[np.int32], NDArray[np.int64])


class LookupState(IntEnum):
    """The state of a look-up. Its numbers are on disk and never change."""

    RESERVED = 1  # money is reserved; handle may have been sent; no requestId on disk
    PENDING = 2  # its requestId is on disk; query may have been sent
    ANSWERED = 3
    NO_DATA = 4
    FAILED_CHARGED = 5
    QUARANTINED = 6
    FAILED = 7  # free; the next run may ask again
    UNCERTAIN = 8  # may have been charged; held
    RELEASED = 9  # given back, nothing was charged
    WRITTEN_OFF = 10  # released by hand; the next purchase is a new generation


SETTLED = frozenset(
    {LookupState.ANSWERED, LookupState.NO_DATA, LookupState.FAILED_CHARGED, LookupState.QUARANTINED}
)


OPEN = frozenset({LookupState.RESERVED, LookupState.PENDING, LookupState.UNCERTAIN})


class Todo(IntEnum):
    """The next step for a number. Its values are positions in a table, never on disk."""

    SERVED = 0  # a stored answer is new enough
    FAILED = 1  # free, and not to be retried
    HELD = 2  # may have been charged; only a person can settle it
    RESUME = 3  # a requestId or a reservation is open
    RETRY = 4  # buy under the same generation, in which nothing is open
    BUY = 5  # the first generation
    BUY_AGAIN = 6  # a new generation


BUYS = frozenset({Todo.RETRY, Todo.BUY, Todo.BUY_AGAIN})


def todo(state: int, *, serves: bool, askable: bool, retry: bool) -> Todo:
    """Return what is open for a number: the one rule of plan, run, claims and report.

    Parameters
    ----------
    state
        The LookupState of its newest generation; 0 where it has none.
    serves
        Whether any generation holds an answer that is new enough.
    askable
        Whether its newest requestId may still be asked.
    retry
        Whether a free failure is asked again.
    """
    if state == LookupState.PENDING or (state == LookupState.UNCERTAIN and askable):
        return Todo.RESUME  # whatever answer stands behind it, this one may be paid
    if serves:
        return Todo.SERVED
    if state == LookupState.FAILED and not retry:
        return Todo.FAILED
    return _UNSERVED.get(LookupState(state), Todo.BUY_AGAIN) if state else Todo.BUY


_UNSERVED = {
    LookupState.RESERVED: Todo.RESUME,
    LookupState.UNCERTAIN: Todo.HELD,
    LookupState.FAILED: Todo.RETRY,
    LookupState.RELEASED: Todo.RETRY,
}


class Purchase(NamedTuple):  # made anew at each step, where a dataclass takes three times as long
    """One purchase of one number: what is asked, where it stands, and what came of it."""

    environment: str
    number: int
    generation: int = 1
    state: LookupState = LookupState.RESERVED
    epoch: int = 0  # fencing: grows with each claim
    request_id: str | None = None
    opened_at: float | None = None  # seconds since 1970, UTC: when the requestId was received
    host: str | None = None  # where the requestId is valid
    key: str | None = None  # fingerprint of the app key that opened it
    answer: Answer = NO_ANSWER
    charged: bool | None = None  # None: unknown, counted as charged
    bought_at: float | None = None
    code: str | None = None
    msg: str = ""
    reason: str | None = None
    raw: bytes = b""

    def __repr__(self) -> str:
        return f"Purchase({self.environment}, {_masked(self.number)}, {self.state.name})"


def _masked(number: int) -> str:
    text = str(number)
    return f"{text[:4]}****{text[-3:]}"


def pack(
    state: LookupState,
    answer: Answer = NO_ANSWER,
    charged: bool | None = None,
    unknown: bool = False,
) -> int:
    """Pack state, signals, charge and the mark of unknown values into one small integer.

    A run over stored numbers needs no more.
    """
    charge = 2 if charged is None else int(charged)
    signals = answer.telco_type << 4 | answer.active_level << 6 | answer.frequency_grade << 8
    return int(state) | signals | charge << 10 | int(unknown) << 12


def unpack(packed: int) -> tuple[LookupState, Answer, bool | None, bool]:
    """Undo `pack`."""
    charge = charge_codes(packed)
    charged = None if charge == 2 else bool(charge)
    answer = Answer(*signal_codes(packed))
    return state_of(packed), answer, charged, bool(unlisted(packed))


STATE_SQL = "(packed & 15)"  # the state, in a statement of the store


def state_of(packed: int) -> LookupState:
    """Return the state in one packed integer."""
    return LookupState(packed & 15)


def state_codes(packed: Packed) -> Packed:
    """Return the states in packed integers as numbers, 0 for an unknown number."""
    return packed & 15


def signal_codes(packed: Packed) -> tuple[Packed, Packed, Packed]:
    """Return telco type, active level and frequency grade, each 0 if missing."""
    return packed >> 4 & 3, packed >> 6 & 3, packed >> 8 & 3


def charge_codes(packed: Packed) -> Packed:
    """Return 0 free, 1 charged, 2 unknown."""
    return packed >> 10 & 3


def unlisted(packed: Packed) -> Packed:
    """Return 1 where the answer held a value that the vendor does not list."""
    return packed >> 12 & 1


STATUSES = (
    "answered",
    "no_data",
    "failed",
    "uncertain",
    "quarantined",
    "pending",
    "invalid",
    "missing",
    "not_bought",
)


_STATUS_OF = {
    LookupState.ANSWERED: "answered",
    LookupState.NO_DATA: "no_data",
    LookupState.FAILED_CHARGED: "failed",
    LookupState.FAILED: "failed",
    LookupState.QUARANTINED: "quarantined",
    LookupState.UNCERTAIN: "uncertain",
    LookupState.PENDING: "pending",
}
