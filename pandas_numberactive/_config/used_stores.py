"""The stores that this process used, so that another one in their place is noticed.

A file that was removed with all that lay beside it leaves no trace, nor does a server that was
emptied. Both would be made anew, and everything bought again. So would what an older copy lacks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from pandas_numberactive._config.checks import CHECKS
from pandas_numberactive._config.credentials import masked_url
from pandas_numberactive.errors import StoreError


@dataclass(frozen=True, slots=True)
class Use:
    """A store as this process knows it."""

    store_id: str
    environment: str = ""
    request_id: str = ""  # of the newest purchase that this process made in it; empty before one
    opened_at: float = 0.0  # when, in seconds since 1970


_used: dict[str, Use] = {}  # by place
_refused: set[str] = set()  # places whose store the user was told of


def _place_of(location: str | os.PathLike[str]) -> str:
    """Return one name for all spellings of a store."""
    return str(CHECKS["store"]("store", location))


def last_use(location: str | os.PathLike[str]) -> Use | None:
    """Return what is known of the store in a place."""
    return _used.get(_place_of(location))


def note_use(location: str | os.PathLike[str], use: Use) -> None:
    """Remember the store in a place."""
    _used[_place_of(location)] = use


def note_purchase(location: str | os.PathLike[str], use: Use) -> None:
    """Remember a purchase, unless another run of this process has made a newer one."""
    known = last_use(location)
    if known is None or known.store_id != use.store_id or known.opened_at <= use.opened_at:
        note_use(location, use)


def another_store(location: str | os.PathLike[str]) -> StoreError:
    """Return the error for a place in which another store is, or none."""
    _refused.add(_place_of(location))
    return StoreError(
        f"The store {masked_url(os.fspath(location))} is not the one that this session used, or it "
        "lacks what was bought since: it was emptied or made anew, or another copy was put in its "
        "place. Put that store back. To go on with this one, which may buy everything again, call "
        "pna.configure(store=...) once more, after this error. Nothing was bought."
    )


def mean_this_one(location: str | os.PathLike[str]) -> None:
    """Take the store in a place as it is now, because the user names it again after the error."""
    place = _place_of(location)
    if place in _refused:
        _refused.discard(place)
        _used.pop(place, None)


def forget_used() -> None:
    """Forget all of them. For tests."""
    _used.clear()
    _refused.clear()
