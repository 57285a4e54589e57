"""Send handle and query. This is the only module that opens sockets.

It knows nothing of pandas. Frames that wait on the network hold no secret, token or whole number,
because tracebacks may be printed with their locals.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Self

import aiohttp
from yarl import URL

from pandas_numberactive._config.settings import RunSettings
from pandas_numberactive._vendor.lane import (
    LOST,
    Call,
    Lane,
    RawReply,
    UnsentError,
    bounded,
    make_lane,
)
from pandas_numberactive._vendor.limiter import Gate, Pacer, Sleep
from pandas_numberactive._vendor.pool import CleanPool
from pandas_numberactive._vendor.protocol import (
    HANDLE_PATH,
    MAX_BODY,
    QUERY_PATH,
    SIMULATOR_HEADER,
    Reply,
    Signer,
)
from pandas_numberactive.errors import ConfigurationError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 4.0  # seconds
# Below the idle time-outs that servers use (5 s and up): a call on a connection just dropped may be
# lost or charged.
KEEP_ALIVE = 4.0  # seconds

_UNSENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    UnsentError,
)
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_HEADERS = {
    "Accept": _JSON,
    "Accept-Encoding": "identity",
    "User-Agent": "pandas-numberactive",
}


@dataclass(slots=True)
class ClientStats:
    """Counts of calls sent, to check an invoice against."""

    handles: int = 0
    queries: int = 0
    requeries: int = (
        0  # of the queries: those for a requestId that was, or may have been, asked before
    )
    lost_handles: int = 0  # sent, and the reply was lost: an unknown requestId may be open
    throttled: int = 0


class Trouble(Enum):
    """The cause for which a connection could not be made."""

    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"
    TIME_OUT = "time_out"
    CERTIFICATE = "certificate"
    PROXY = "proxy"
    NETWORK = "network"

    @classmethod
    def of(cls, error: BaseException) -> Trouble:
        """Return the cause that an exception of aiohttp or the system stands for."""
        error = error.__cause__ or error if isinstance(error, UnsentError) else error
        cause = getattr(error, "os_error", None) or error
        kinds: list[tuple[type[BaseException] | tuple[type[BaseException], ...], Trouble]] = [
            (aiohttp.ClientHttpProxyError, cls.PROXY),
            ((ssl.SSLError, ssl.CertificateError), cls.CERTIFICATE),
            (socket.gaierror, cls.UNKNOWN_HOST),
            (ConnectionRefusedError, cls.REFUSED),
            (TimeoutError, cls.TIME_OUT),
        ]
        for kind, trouble in kinds:
            if isinstance(error, kind) or isinstance(cause, kind):
                return trouble
        return cls.REFUSED if "refused" in str(cause).lower() else cls.NETWORK


@dataclass(slots=True)
class Reach:
    """Record if the vendor was ever reached in this run."""

    reached: bool = False  # a connection was made, and a call sent on it
    unsent: int = 0  # calls for which no connection could be made
    trouble: Trouble | None = None  # of the last of those


class Client:
    """One session with the vendor: `async with Client(settings) as client: ...`.

    Parameters
    ----------
    clock, sleep, monotonic
        Injected in tests: seconds since 1970, a sleep, and seconds since any moment.
    lane
        Take the short way to POST where there is no proxy and the installed aiohttp has it.
    """

    def __init__(
        self,
        settings: RunSettings,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        lane: bool = True,
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
        self.monotonic = monotonic
        self._session: aiohttp.ClientSession | None = None
        self._handle_url = URL(settings.base_url + HANDLE_PATH)
        self._query_url = URL(settings.base_url + QUERY_PATH)
        form = settings.encoding == "form"
        self._content_type = _FORM if form else _JSON
        self._sign_handle = Signer(settings.credentials, "phone", form=form)
        self._sign_query = Signer(settings.credentials, "requestId", form=form)
        self._wants_lane = lane and settings.proxy is None
        self._lane: Lane | None = None
        self.pacer = Pacer(settings.max_rate, monotonic, sleep)
        self.gate = Gate(settings.max_concurrency)
        self.stats = ClientStats()
        self.reach = Reach()

    @property
    def fingerprint(self) -> str:
        """The app key's fingerprint, as it is stored beside an open requestId."""
        return self._credentials.fingerprint

    async def __aenter__(self) -> Self:
        if self._wants_lane:
            self._session = self._make_session(aiohttp.TCPConnector)
            self._lane = self._make_lane(self._session)
        if self._lane is None:
            await self._close()
            self._session = self._make_session(CleanPool)
        return self

    def _make_session(self, pool: type[aiohttp.TCPConnector]) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=pool(
                limit=self.settings.max_concurrency,
                keepalive_timeout=KEEP_ALIVE,
                ttl_dns_cache=300,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            auto_decompress=False,  # aiohttp unpacks a whole chunk before it can be bounded
            trust_env=False,
            proxy=self.settings.proxy,
        )

    def _make_lane(self, session: aiohttp.ClientSession) -> Lane | None:
        lane = make_lane(session, self._handle_url, _timeout(self.settings.handle_timeout))
        if lane is not None:
            for url in (self._handle_url, self._query_url):
                lane.add(url, {**_HEADERS, "Content-Type": self._content_type})
        return lane

    @property
    def takes_lane(self) -> bool:
        """True where calls go the short way."""
        return self._lane is not None

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = self._lane = None

    # Not `async def`: a frame that waits would hold the number.
    def handle(self, number: int) -> Coroutine[Any, Any, Reply]:
        """Ask for a requestId, which is assumed to be free. Network trouble becomes a Reply."""
        body = self._sign_handle.body(str(number))
        total = self.settings.handle_timeout
        return self._post(Call(self._handle_url, body, self._content_type, total))

    def query(self, request_id: str) -> Coroutine[Any, Any, Reply]:
        """Ask for the answer, which the vendor charges. Network trouble becomes a Reply."""
        body = self._sign_query.body(request_id)
        total = self.settings.query_timeout
        return self._post(Call(self._query_url, body, self._content_type, total))

    async def _post(self, call: Call) -> Reply:
        if self._session is None:
            raise RuntimeError("The client is closed: use it inside `async with Client(settings)`.")
        try:
            if self._lane is not None:
                raw = await self._lane.post(call, MAX_BODY)
            else:
                raw = await self._by_session(self._session, call)
        except _UNSENT as error:
            self.reach.unsent += 1
            self.reach.trouble = Trouble.of(error)
            return Reply(sent=False)
        except LOST:
            self.reach.reached = True
            return Reply()
        self.reach.reached = True
        return self._reply(raw)

    def _reply(self, raw: RawReply) -> Reply:
        after = raw.headers.get("Retry-After")
        return Reply(
            status=raw.status,
            body=plain_body(raw.body or b"", raw.headers.get("Content-Encoding", "")),
            retry_after=None if after is None else read_retry_after(after, self.clock()),
            marked=SIMULATOR_HEADER in raw.headers,
            keys=self._credentials,
        )

    async def _by_session(self, session: aiohttp.ClientSession, call: Call) -> RawReply:
        """Send a POST through `session.post`, which a proxy needs, on a new connection.

        Where the peer leaves it open in spite of "Connection: close", aiohttp uses it again. The
        pool sees to it that nothing unread waits on it then.
        """
        # POST is never re-sent by aiohttp. A redirect would carry the token to another host.
        async with session.post(
            call.url,
            data=aiohttp.BytesPayload(call.body, content_type=call.content_type),
            headers={"Connection": "close"},
            timeout=_timeout(call.total),
            allow_redirects=False,
        ) as response:
            return RawReply(response.status, response.headers, await bounded_body(response))


def _timeout(total: float) -> aiohttp.ClientTimeout:
    connect = min(total, CONNECT_TIMEOUT)
    return aiohttp.ClientTimeout(total=total, connect=connect, sock_connect=connect)


async def bounded_body(response: aiohttp.ClientResponse) -> bytes | None:
    """Read the body, or return None where it is cut or longer than any answer of the vendor."""
    body = await bounded(response.content, MAX_BODY)
    if body is None:
        response.close()
    return body


def plain_body(body: bytes, encoding: str) -> bytes:
    """Undo gzip or deflate within the same bound. A body that cannot be decoded counts as empty."""
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
    """Return Retry-After in seconds, from a number or a date, or None."""
    text = value.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
