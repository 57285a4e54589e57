"""The stores that this process bought into, so that another one in their place is noticed.

A file that was removed with all that lay beside it leaves no trace, nor does a server that was
emptied. Both would be made anew, and everything bought again.
"""

from __future__ import annotations

from pandas_numberactive.errors import StoreError

_used: dict[
    str, tuple[str, int]
] = {}  # by place without a password: the store's id, its last event


def refuse_another(place: str, store_id: str, last_event: int) -> None:
    """Raise StoreError where another store, or an older copy, is in a place that was used here."""
    known_id, known_event = _used.get(place, (store_id, 0))
    if known_id == store_id and known_event <= last_event:
        note_used(place, store_id, last_event)
        return
    what = "has lost purchases" if known_id == store_id else "is another one"
    raise StoreError(
        f"The store {place} {what} since this session bought into it: it was emptied or made anew, "
        "or another copy was put in its place. Put that store back. To go on with this one, which "
        "may buy everything again, call pna.configure(store=...) anew. Nothing was bought."
    )


def note_used(place: str, store_id: str, last_event: int) -> None:
    """Remember the store of a place as it is now."""
    _used[place] = (store_id, last_event)


def forget_used() -> None:
    """Forget all of them, because the user has named the store again."""
    _used.clear()
