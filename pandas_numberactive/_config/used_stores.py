"""The stores that this process used, so that another one in their place is noticed.

A file that was removed with all that lay beside it leaves no trace, nor does a server that was
emptied. Both would be made anew, and everything bought again. So would what an older copy lacks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from pandas_numberactive._config.credentials import Address, masked_url
from pandas_numberactive.errors import StoreError


@dataclass(frozen=True, slots=True)
class Use:
    """A store as this process knows it."""

    store_id: str
    environment: str = ""
    request_id: str = ""  # of the newest purchase that this process made in it; empty before one


_used: dict[str, Use] = {}  # by place
_refused: set[str] = set()  # places whose store the user was told of


def place_of(location: str | os.PathLike[str]) -> str:
    """Return a store's place as it may be shown: a path, or a URL without a password."""
    if isinstance(location, Address):
        return masked_url(location) or ""
    return os.fspath(location).removeprefix("sqlite:")


def last_use(place: str) -> Use | None:
    """Return what is known of the store in a place."""
    return _used.get(place)


def note_use(place: str, use: Use) -> None:
    """Remember the store in a place."""
    _used[place] = use


def another_store(place: str) -> StoreError:
    """Return the error for a place in which another store is, or none."""
    _refused.add(place)
    return StoreError(
        f"The store {place} is not the one that this session used, or it lacks what was bought "
        "since: it was emptied or made anew, or another copy was put in its place. Put that store "
        "back. To go on with this one, which may buy everything again, call "
        "pna.configure(store=...) anew. Nothing was bought."
    )


def mean_this_one(location: str | os.PathLike[str]) -> None:
    """Take the store in a place as it is now, because the user names it again after the error."""
    place = place_of(location)
    if place in _refused:
        _refused.discard(place)
        _used.pop(place, None)


def forget_used() -> None:
    """Forget all of them. For tests."""
    _used.clear()
    _refused.clear()
