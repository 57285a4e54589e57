"""A pool of connections on which nothing unread waits."""

from __future__ import annotations

import weakref
from typing import Any

import aiohttp

from pandas_numberactive._vendor.lane import has_unread, make_poll, sends_unasked


class CleanPool(aiohttp.TCPConnector):
    """Give a connection again only while nothing unread waits on it.

    Unread bytes would be taken for the reply to the next call. A peer that has sent some is not
    trusted again: from then on each call has a new connection.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._polls: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._trusts = True

    async def connect(self, *call: Any, **options: Any) -> Any:
        """Return a connection that is new, or clean."""
        while True:
            connection: Any = await super().connect(*call, **options)
            protocol = connection.protocol
            if protocol not in self._polls:
                self._polls[protocol] = make_poll(connection.transport)
                return connection
            if self._trusts and self._is_clean(protocol):
                return connection
            connection.close()

    def _is_clean(self, protocol: Any) -> bool:
        unread = protocol.should_close or has_unread(self._polls[protocol])
        if unread:
            asked = not protocol.should_close and not sends_unasked(protocol.transport)
            self._trusts = self._trusts and asked
        return not unread
