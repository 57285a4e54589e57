"""The only module that opens sockets: sends handle and query, and does what `lookup_flow` says.

It knows nothing of pandas. Frames that wait on the network hold no secret, token or whole number,
so that a traceback with its locals gives nothing away.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from pandas_numberactive._config.settings import Settings
from pandas_numberactive._purchase.flow import (
    Halt,
    Handle,
    Query,
    RetryPolicy,
    RetryQuota,
    Rules,
    Save,
    Step,
    Wait,
    lookup_flow,
)
from pandas_numberactive._purchase.purchase import Lookup
from pandas_numberactive._vendor.limiter import Gate, Pacer, Sleep, nap
from pandas_numberactive._vendor.protocol import (
    HANDLE_PATH,
    MAX_BODY,
    QUERY_PATH,
    SIMULATOR_HEADER,
    Reply,
    signed,
)
from pandas_numberactive._vendor.verdicts import Verdict
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


@dataclass(slots=True, repr=False)
class _Drive:
    """One look-up under way; it holds the step, which names the whole number, so that no frame has
    to.
    """

    lookup: Lookup
    step: Step
    save: Callable[[Lookup], Awaitable[bool]]
    halt: Callable[[Verdict], None]
    stopping: Callable[[], bool]
    asked: str | None  # the requestId that was, or may have been, sent to query before


class Client:
    """One session with the vendor: `async with Client(settings) as client: ...`.

    Parameters
    ----------
    settings
        With environment, base_url and credentials.
    clock, sleep, chance, monotonic
        Injected in tests: seconds since 1970, a sleep, a number in [0, 1), and seconds since any
        moment.
    policy
        How often and how long to retry and to poll; by default `RetryPolicy` with the settings'
        `poll_for`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        policy: RetryPolicy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if settings.base_url is None or settings.host is None or settings.credentials is None:
            raise ConfigurationError(
                "A client needs an environment, a base_url and credentials: see configure()."
            )
        self._settings = settings
        self._credentials = settings.credentials
        self._host = settings.host
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self._policy = policy or RetryPolicy(poll_for=settings.poll_for)
        self._quota = RetryQuota()
        self._session: aiohttp.ClientSession | None = None
        self._handle_url = URL(settings.base_url + HANDLE_PATH)
        self._query_url = URL(settings.base_url + QUERY_PATH)
        self._handle_timeout = _timeout(settings.handle_timeout)
        self._query_timeout = _timeout(settings.query_timeout)
        self._form = settings.encoding == "form"
        self.pacer = Pacer(settings.max_rate, monotonic, sleep)
        self.gate = Gate(settings.max_concurrency)
        self.stats = ClientStats()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._settings.max_concurrency,
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
            proxy=self._settings.proxy,
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
            retry_after=None if after is None else read_retry_after(after, self._clock()),
            marked=SIMULATOR_HEADER in headers,
            keys=self._credentials,
        )

    async def drive(
        self,
        lookup: Lookup,
        *,
        save: Callable[[Lookup], Awaitable[bool]],
        halt: Callable[[Verdict], None],
        stopping: Callable[[], bool],
        resumed: bool = False,
        handle_can_charge: Callable[[], bool] = lambda: False,
    ) -> Lookup | None:
        """Take a claimed look-up as far as it goes; at most one answer is charged.

        Parameters
        ----------
        save
            Puts a look-up on disk; returns False where another worker owns it by now.
        halt
            Told when no other number may be asked, before it returns.
        stopping
            Once true, nothing more is sent and no wait goes on.
        resumed
            Whether another run may have sent handle for it.
        handle_can_charge
            Whether this vendor was seen to answer at handle; asked when a reply is judged.

        Returns
        -------
        Lookup or None
            As it was saved last; None where another worker has it.
        """
        flow = lookup_flow(lookup, self._rules(resumed, handle_can_charge))
        try:
            work = _Drive(lookup, next(flow), save, halt, stopping, asked=lookup.request_id)
            while True:
                work.step = flow.send(await self._perform(work))
        except StopIteration as end:
            done: Lookup | None = end.value
            return done

    def _rules(self, resumed: bool, handle_can_charge: Callable[[], bool]) -> Rules:
        return Rules(
            clock=self._clock,
            chance=self._chance,
            quota=self._quota,
            host=self._host,
            key=self._credentials.fingerprint,
            policy=self._policy,
            handle_codes=self._settings.codes("handle"),
            query_codes=self._settings.codes("query"),
            simulated=self._settings.simulated,
            handle_can_charge=handle_can_charge,
            resumed=resumed,
        )

    def _perform(self, work: _Drive) -> Awaitable[Reply | bool | None]:
        match work.step:
            case Save(lookup):
                return work.save(lookup)
            case Wait(seconds):
                return nap(seconds, self._sleep, work.stopping)
            case Halt(verdict):
                return self._halt(work, verdict)
            case _:
                return self._send(work)

    async def _halt(self, work: _Drive, verdict: Verdict) -> None:
        work.halt(verdict)

    async def _send(self, work: _Drive) -> Reply | None:
        """Wait for a place and a turn, then send, unless the run is stopping by then."""
        if work.stopping():
            return None
        if not self.gate.enter_now():
            await self.gate.enter()
        try:
            if not self.pacer.free_now():
                await self.pacer.wait_turn(work.stopping)
            if work.stopping() or (isinstance(work.step, Handle) and work.step.barred()):
                return None
            reply = await self._call(work.step)
        finally:
            self.gate.leave()
        if reply.sent:
            self._count(work, reply)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %r: %r", type(work.step).__name__.lower(), work.lookup, reply)
        return reply

    def _call(self, step: Step) -> Coroutine[Any, Any, Reply]:
        assert isinstance(step, (Handle, Query))
        return self.handle(step.number) if isinstance(step, Handle) else self.query(step.request_id)

    def _count(self, work: _Drive, reply: Reply) -> None:
        stats = self.stats
        if isinstance(work.step, Query):
            stats.queries += 1
            stats.requeries += work.asked == work.step.request_id
            work.asked = work.step.request_id
        else:
            stats.handles += 1
            stats.lost_handles += reply.status is None or (reply.status == 200 and not reply.body)
        if reply.status == 429 or (reply.retry_after is not None and (reply.status or 0) >= 500):
            stats.throttled += 1
            if self.pacer.throttled():
                self.gate.throttled()
        elif reply.status == 200:
            self.gate.succeeded()


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
