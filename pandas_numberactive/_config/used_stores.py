"""The stores that this process bought into, so that another one in their place is noticed.

A file that was removed with all that lay beside it leaves no trace, nor does a server that was
emptied. Both would be made anew, and everything bought again.
"""

from __future__ import annotations

from typing import NamedTuple

from pandas_numberactive.errors import StoreError


class Used(NamedTuple):
    """A store as it was when this process last looked."""

    store_id: str
    last_event: int  # of its ledger, which only grows


_used: dict[str, Used] = {}  # by place, without a password


def last_use(place: str) -> Used | None:
    """Return the store of a place as it was. Ask before it is read: another run may go on."""
    return _used.get(place)


def refuse_another(place: str, before: Used | None, now: Used) -> None:
    """Raise StoreError where another store, or an older copy, is in a place that was used."""
    if before is None or (before.store_id == now.store_id and before.last_event <= now.last_event):
        note_use(place, now)
        return
    what = "has lost purchases" if before.store_id == now.store_id else "is another one"
    raise StoreError(
        f"The store {place} {what} since this session bought into it: it was emptied or made anew, "
        "or another copy was put in its place. Put that store back. To go on with this one, which "
        "may buy everything again, call pna.configure(store=...) anew. Nothing was bought."
    )


def note_use(place: str, now: Used) -> None:
    """Remember the store of a place as it is now."""
    _used[place] = now


def forget_used() -> None:
    """Forget all of them, because the user has named the store again."""
    _used.clear()
