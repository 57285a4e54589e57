"""The servers' stores that this process bought into, so that an emptied one is noticed.

A file has traces beside it that show what it held. A server has none, and makes its tables anew.
"""

from __future__ import annotations

from pandas_numberactive.errors import StoreError

_used: dict[str, str] = {}  # the id of the store, by its place without a password


def refuse_another(place: str, store_id: str) -> None:
    """Remember the store of a place. Raise StoreError where another one stood there before."""
    if _used.setdefault(place, store_id) == store_id:
        return
    raise StoreError(
        f"The store {place} is not the one that this session bought into: its server was emptied, "
        "or another copy was put in its place. Put that store back. To go on with this one, which "
        "may buy everything again, call pna.configure(store=...) anew. Nothing was bought."
    )


def forget_used() -> None:
    """Forget all of them, because the user has named the store again."""
    _used.clear()
