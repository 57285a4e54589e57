"""The short way to POST: aiohttp's connections and parser without its request machinery.

A call of ours needs no redirects, cookies, streams, traces or compression, and `session.post`
spends two thirds of its time on them. The aiohttp names used here have no underscore but are
undocumented. So `make_lane` returns None where an aiohttp lacks one of them, and the client takes
`session.post`.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

if TYPE_CHECKING:
    from yarl import URL

MOST_STALE = 64  # pooled connections with unread bytes that are closed in a row before giving up
SWITCHING = 101
_NEW = object()  # in place of a poll: a connection without a call so far

LOST = (aiohttp.ClientError, OSError, asyncio.TimeoutError, HttpProcessingError)


class Call(NamedTuple):
    """A signed request. It prints no value, because tracebacks show the locals that hold it."""

    url: URL
    body: bytes
    content_type: str
    total: float  # seconds

    def __repr__(self) -> str:
        return f"Call({self.url.path}, ***)"


class RawReply(NamedTuple):
    """A reply as it came: `body` is None where it is longer than the bound or was cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    def __repr__(self) -> str:
        return f"RawReply({self.status}, ***)"


class UnsentError(Exception):
    """No byte of the call was sent."""


class Lane:
    """Post calls to one host over an aiohttp connector."""

    def __init__(
        self, connector: aiohttp.BaseConnector, template: Any, timeout: aiohttp.ClientTimeout
    ) -> None:
        self._connector = connector
        self._template = template  # an aiohttp.ClientRequest, read by the connector only
        self._timeout = timeout
        self._heads: dict[URL, bytes] = {}
        self._loop = asyncio.get_running_loop()
        # Of the protocols that had a call before, each with what looks for unread bytes.
        self._polls: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self.reuses = True  # until a reply is lost on a connection that had a call before

    def add(self, url: URL, headers: Mapping[str, str]) -> None:
        """Prepare the head of the calls to `url`, up to the value of Content-Length."""
        lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append("Content-Length: ")
        self._heads[url] = "\r\n".join(lines).encode("ascii")

    async def post(self, call: Call, most: int) -> RawReply:
        """Send one call and read its reply, at most `most` bytes of body.

        Raises
        ------
        UnsentError
            The connection could not be made. Nothing was sent.
        aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError
            The call may have been received, and its reply is lost.
        """
        try:
            connection = await self._connector.connect(self._template, [], self._timeout)
            if not self._is_clean(connection.protocol):
                connection.close()
                connection = await self._connect_again()
        except LOST as error:
            raise UnsentError from error
        protocol: Any = connection.protocol
        reused = protocol in self._polls
        if not reused:
            self._polls[protocol] = make_poll(protocol.transport)
        whole = False
        try:
            reply = await self._exchange(connection, call, most)
            whole = reply.body is not None
            return reply
        finally:
            # Some fronts close a connection behind its reply, or at its second use.
            self.reuses = self.reuses and (whole or not reused)
            connection.close()  # does nothing after a release

    async def _connect_again(self) -> Any:
        """Take a connection on which nothing waits to be read.

        The first try needed no time-out of ours: the connector has one where it makes a connection.
        """
        async with asyncio.timeout(self._timeout.connect):
            for _ in range(MOST_STALE):
                connection = await self._connector.connect(self._template, [], self._timeout)
                if self._is_clean(connection.protocol):
                    return connection
                connection.close()
        raise aiohttp.ClientConnectionError("no clean connection")

    def _is_clean(self, protocol: Any) -> bool:
        if protocol is None or not protocol.is_connected():
            return False
        if protocol.should_close:  # a peer that sends unrequested bytes does it again
            self.reuses = False
            return False
        poll = self._polls.get(protocol, _NEW)
        if poll is _NEW:
            return True
        if self.reuses and has_unread(poll):
            self.reuses = not sends_unasked(protocol.transport)
            return False
        return self.reuses

    async def _exchange(self, connection: Any, call: Call, most: int) -> RawReply:
        protocol = connection.protocol
        transport = protocol.transport
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        timer = self._loop.call_at(self._loop.time() + call.total, transport.abort)
        try:
            transport.write(b"%b%d\r\n\r\n%b" % (self._heads[call.url], len(call.body), call.body))
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != SWITCHING:
                message, content = await protocol.read()
            if content.is_eof():  # nearly always: the reply came in one piece
                body = at_once(content, most)
            else:
                body = await bounded(content, most)
        finally:
            expired = self._loop.time() >= timer.when()
            timer.cancel()
        if expired:  # the abort ends a body without a length, which then looks whole
            raise TimeoutError
        if body is not None and self.reuses:
            connection.release()
        return RawReply(message.code, message.headers, body)


def make_poll(transport: asyncio.Transport) -> Any:
    """Return what looks for unread bytes in a socket, or None on Windows, which reads ahead."""
    make = getattr(select, "poll", None)
    if make is None:
        return None
    poll = make()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return poll


def has_unread(poll: Any) -> bool:
    """Return True where something waits in the socket: bytes, or the end of the connection.

    A loop that was busy has not read them yet, and would take them for the reply to the next call.
    """
    return poll is not None and bool(poll.poll(0))


def sends_unasked(transport: asyncio.Transport) -> bool:
    """Return True for bytes of HTTP that nobody asked for. TLS has records of its own."""
    if transport.get_extra_info("ssl_object") is not None:
        return False
    copy = os.dup(transport.get_extra_info("socket").fileno())
    with socket.socket(fileno=copy) as peeked:
        try:
            return bool(peeked.recv(1, socket.MSG_PEEK))
        except OSError:  # the peer has reset it
            return False


def at_once(content: Any, most: int) -> bytes | None:
    """Return a body that is there to its end, or None where it is longer than `most` or is cut."""
    try:
        body: bytes = content.read_nowait()
    except LOST:
        return None
    return body if len(body) <= most else None


async def bounded(content: Any, most: int) -> bytes | None:
    """Read a body to its end, or return None once it is longer than `most` or is cut."""
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := await content.readany():
            size += len(chunk)
            if size > most:
                return None
            chunks.append(chunk)
    except LOST:
        return None
    return b"".join(chunks)


def make_lane(
    session: aiohttp.ClientSession, url: URL, timeout: aiohttp.ClientTimeout
) -> Lane | None:
    """Return a lane to the host of `url`, or None where this aiohttp lacks what it needs."""
    try:
        connector = session.connector
        assert connector is not None
        template = aiohttp.ClientRequest(
            "POST", url, loop=asyncio.get_running_loop(), session=session
        )
        assert template.connection_key is not None
        return Lane(connector, template, timeout)
    except Exception:  # whatever an unknown aiohttp says, session.post is there
        return None
