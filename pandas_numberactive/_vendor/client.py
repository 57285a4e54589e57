"""The only module that opens sockets: it sends handle and query.

It knows nothing of pandas. Frames that wait on the network hold no secret, token or whole number,
so that a traceback with its locals gives nothing away.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from pandas_numberactive._config.settings import RunSettings
from pandas_numberactive._vendor.limiter import Gate, Pacer, Sleep
from pandas_numberactive._vendor.protocol import (
    HANDLE_PATH,
    MAX_BODY,
    QUERY_PATH,
    SIMULATOR_HEADER,
    Reply,
    signed,
)
from pandas_numberactive.errors import ConfigurationError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0  # seconds
# Below the idle time-outs that servers use (5 s and up): a call on a connection just dropped may be
# lost or charged.
KEEP_ALIVE = 4.0  # seconds

_UNSENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
)
_LOST = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(slots=True)
class ClientStats:
    """What was sent, so that an invoice can be checked against it."""

    handles: int = 0
    queries: int = 0
    requeries: int = (
        0  # of the queries: those for a requestId that was, or may have been, asked before
    )
    lost_handles: int = 0  # sent, and no readable reply: a requestId may be open that nobody knows
    throttled: int = 0


class Client:
    """One session with the vendor: `async with Client(settings) as client: ...`.

    Parameters
    ----------
    clock, sleep, monotonic
        Injected in tests: seconds since 1970, a sleep, and seconds since any moment.
    """

    def __init__(
        self,
        settings: RunSettings,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not settings.base_url:
            raise ConfigurationError(
                "A client needs an environment, a base_url and credentials: see configure()."
            )
        self.settings = settings
        self._credentials = settings.credentials
        self.host = settings.host
        self.sleep = sleep
        self.clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._handle_url = URL(settings.base_url + HANDLE_PATH)
        self._query_url = URL(settings.base_url + QUERY_PATH)
        self._handle_timeout = _timeout(settings.handle_timeout)
        self._query_timeout = _timeout(settings.query_timeout)
        self._form = settings.encoding == "form"
        self.pacer = Pacer(settings.max_rate, monotonic, sleep)
        self.gate = Gate(settings.max_concurrency)
        self.stats = ClientStats()

    @property
    def fingerprint(self) -> str:
        """The app key's fingerprint, as it is stored beside an open requestId."""
        return self._credentials.fingerprint

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.settings.max_concurrency,
                keepalive_timeout=KEEP_ALIVE,
                ttl_dns_cache=300,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Accept": _JSON,
                "Accept-Encoding": "identity",
                "User-Agent": "pandas-numberactive",
            },
            auto_decompress=False,  # aiohttp unpacks a whole chunk before it can be bounded
            trust_env=False,
            proxy=self.settings.proxy,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # Not `async def`: a frame that waits would hold the number.
    def handle(self, number: int) -> Coroutine[Any, Any, Reply]:
        """Ask for a requestId; assumed free of charge. Network trouble becomes a Reply, never an
        exception.
        """
        return self._post(
            self._handle_url, self._payload("phone", str(number)), self._handle_timeout
        )

    def query(self, request_id: str) -> Coroutine[Any, Any, Reply]:
        """Ask for the answer; the vendor charges here. Network trouble becomes a Reply, never an
        exception.
        """
        return self._post(
            self._query_url, self._payload("requestId", request_id), self._query_timeout
        )

    def _payload(self, name: str, value: str) -> aiohttp.BytesPayload:
        """Seal the signed parameters in an object that does not print them."""
        keys = self._credentials
        params = signed({"appKey": keys.app_key, name: value}, keys.secret)
        if self._form:
            return aiohttp.BytesPayload(urlencode(params).encode(), content_type=_FORM)
        return aiohttp.BytesPayload(json.dumps(params).encode(), content_type=_JSON)

    async def _post(
        self, url: URL, payload: aiohttp.BytesPayload, timeout: aiohttp.ClientTimeout
    ) -> Reply:
        if self._session is None:
            raise RuntimeError("The client is closed: use it inside `async with Client(settings)`.")
        try:
            # POST is never re-sent by aiohttp; redirects would carry the token to another host.
            async with self._session.post(
                url, data=payload, timeout=timeout, allow_redirects=False
            ) as response:
                return await self._read(response)
        except _UNSENT:
            return Reply(sent=False)
        except _LOST:
            return Reply()

    async def _read(self, response: aiohttp.ClientResponse) -> Reply:
        headers = response.headers
        after = headers.get("Retry-After")
        try:
            body = plain_body(await bounded_body(response), headers.get("Content-Encoding", ""))
        except _LOST:
            body = b""
        return Reply(
            status=response.status,
            body=body,
            retry_after=None if after is None else read_retry_after(after, self.clock()),
            marked=SIMULATOR_HEADER in headers,
            keys=self._credentials,
        )


def _timeout(total: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_connect=min(total, CONNECT_TIMEOUT))


async def bounded_body(response: aiohttp.ClientResponse) -> bytes:
    """Read the body, or nothing where it is longer than any answer of the vendor."""
    length = response.headers.get("Content-Length", "")
    if (
        length.isdigit() and len(length) < 9 and int(length) <= MAX_BODY
    ):  # the parser ends the body there
        return await response.read()
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            response.close()
            return b""
        chunks.append(chunk)
    return b"".join(chunks)


def plain_body(body: bytes, encoding: str) -> bytes:
    """Undo gzip or deflate, within the same bound; what cannot be read is no body."""
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        return b""
    for wbits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            plain = zlib.decompressobj(wbits).decompress(body, MAX_BODY + 1)
        except zlib.error:
            continue
        return plain if len(plain) <= MAX_BODY else b""
    return b""


def read_retry_after(value: str, now: float) -> float | None:
    """Read Retry-After, in seconds or as a date; None where it is neither."""
    text = value.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
