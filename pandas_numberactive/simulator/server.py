"""A local vendor: a real HTTP server on the loopback that speaks the documented protocol.

It keeps a ledger, and can fail. Its answers are made up by a hash of the number alone, so they are
equal in every process. They carry a marker that every real environment refuses. Nothing here costs
money.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import signal
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from pandas_numberactive._vendor.protocol import (
    HANDLE_PATH,
    QUERY_PATH,
    SIMULATOR_FIELD,
    SIMULATOR_HEADER,
    sign,
)
from pandas_numberactive.errors import ConfigurationError
from pandas_numberactive.simulator.faults import Faults, coded, garbled
from pandas_numberactive.simulator.ledger import Ledger, answer_for

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class _Book:
    phone: str
    polls: int = 0


@dataclass
class Simulator:
    """Serve the vendor's documented protocol on this machine, as a context manager.

    Its answers are made up, and nothing costs money.

    Parameters
    ----------
    app_key, secret
        The keys that it accepts, by default "simulator" both.
    port
        0 takes a free one. It listens on the loopback only.
    host
        "127.0.0.1" or another name of the loopback.
    latency
        Seconds before each reply.
    faults
        The faulty replies, and how often they come.
    encoding
        The encoding of requests that it accepts: "json", "form" or "any".
    stand_in
        True leaves out the marker of made-up answers, for tests that play the vendor.
    seed
        Another seed gives other answers.
    pending_times
        How often query says 201 before it answers.
    ledger_path
        A file to which each charge is written at once, a JSON object a line.

    Attributes
    ----------
    base_url : str
        The address on which it listens.
    ledger : Ledger
        The numbers that it was asked, and the charges.
    calls : list
        The calls that came in: monotonic time (s), "handle" or "query", number or requestId.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.simulator.Simulator() as vendor:
    ...     with pna.override(
    ...         environment="simulator", base_url=vendor.base_url, store=":memory:"
    ...     ):
    ...         answer = pna.lookup("0811 8899 532")
    >>> vendor.ledger.total
    1
    """

    app_key: str = field(default="simulator", repr=False)
    secret: str = field(default="simulator", repr=False)
    port: int = 0
    host: str = "127.0.0.1"
    latency: float = 0.0
    faults: Faults = field(default_factory=Faults)
    encoding: str = "any"
    stand_in: bool = False
    seed: int = 0
    pending_times: int = 0
    ledger_path: str | None = None
    calls: list[tuple[float, str, str]] = field(default_factory=list, repr=False)
    ledger: Ledger = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK:
            raise ValueError("The simulator listens on the loopback only: host must be 127.0.0.1.")
        self.ledger = Ledger(self.ledger_path)
        self._ids: dict[str, _Book] = {}
        self._last_id = ""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        """Return the address on which it listens."""
        return f"http://{self.host}:{self.port}"

    def answer(self, national: str) -> dict[str, Any]:
        """Return the fixed answer about a number.

        Parameters
        ----------
        national
            The national number, such as "8118899532".

        Returns
        -------
        dict
            The vendor's data field: userPhone, telcoType, activeLevel, frequencyGrade.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> pna.simulator.Simulator().answer("8118899532")["userPhone"]
        '628118899532'
        """
        return answer_for(national, self.seed)

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Simulator:
        """Serve from a background thread, and return the simulator once it listens.

        Returns
        -------
        Simulator
            Itself.

        Raises
        ------
        OSError
            The port is taken.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> vendor = pna.simulator.Simulator().start()
        >>> vendor.stop()
        """
        ready = threading.Event()
        failed: list[BaseException] = []
        self._thread = threading.Thread(
            target=self._run, args=(ready, failed), name="numberactive-simulator", daemon=True
        )
        self._thread.start()
        ready.wait()
        if failed:
            self._thread.join()
            raise failed[0]
        return self

    def stop(self) -> None:
        """Stop serving, and cut open connections.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> vendor = pna.simulator.Simulator().start()
        >>> vendor.stop()
        """
        loop = self._loop
        ended = self._ended
        thread = self._thread
        if loop is None or ended is None or thread is None:
            return
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        self._thread = None
        self.ledger.close()

    def _run(self, ready: threading.Event, failed: list[BaseException]) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve(ready, failed))

    async def _serve(self, ready: threading.Event, failed: list[BaseException]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_route("*", HANDLE_PATH, self._handle)
        app.router.add_route("*", QUERY_PATH, self._query)
        app.router.add_get("/ledger", self._books)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        try:
            await runner.setup()
            site = web.TCPSite(runner, self.host, self.port, backlog=512)
            await site.start()
            self.port = runner.addresses[0][1]
        except BaseException as error:
            failed.append(error)
            ready.set()
            await runner.cleanup()
            return
        ready.set()
        await self._ended.wait()
        await runner.cleanup()

    async def _books(self, _: web.Request) -> web.Response:
        return web.json_response(self.ledger.to_dict())

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        params, refusal = await self._params(request, "phone")
        if params is None:
            return web.Response(status=400) if refusal is None else refusal
        phone = params.get("phone", "")
        self.calls.append((time.monotonic(), "handle", phone))
        kind = self.faults.next("handle", phone)
        if (early := await self._before(request, kind)) is not None:
            return early
        if not re.fullmatch(r"8\d{8,12}", phone):
            return self._reply(
                {"code": 10001, "msg": "phone is invalid", "data": None, "requestId": _new_id()}
            )
        self.ledger.asked(phone)
        request_id = self._last_id if kind == "same_request_id" and self._last_id else _new_id()
        self._last_id = request_id
        self._ids.setdefault(request_id, _Book(phone))
        body: dict[str, Any] = {"code": 201, "msg": "ok", "data": None, "requestId": request_id}
        if kind == "handle_200_data":
            self.ledger.charge(request_id, phone)
            body |= {"code": 200, "data": self.answer(phone), "isFee": 1}
        if kind == "no_request_id":
            del body["requestId"]
        return self._after(request, kind, coded(kind, body, self.faults.code))

    async def _query(self, request: web.Request) -> web.StreamResponse:
        params, refusal = await self._params(request, "requestId")
        if params is None:
            return web.Response(status=400) if refusal is None else refusal
        request_id = params.get("requestId", "")
        book = self._ids.get(request_id)
        phone = book.phone if book else ""
        self.calls.append((time.monotonic(), "query", request_id))
        self.ledger.queries += 1
        kind = self.faults.next("query", phone)
        if (early := await self._before(request, kind)) is not None:
            return early
        shown = _new_id()  # as on the vendor's page: the answer shows another id
        if book is None:
            return self._reply(
                {
                    "code": 10004,
                    "msg": "requestId is unknown",
                    "data": None,
                    "requestId": shown,
                    "isFee": 0,
                }
            )
        book.polls += 1
        if kind == "pending" or book.polls <= self.pending_times:
            return self._reply({"code": 201, "msg": "need query", "data": None, "requestId": shown})
        free = kind in ("code", "code_free")
        if not free:
            self.ledger.charge(request_id, phone)
        body: dict[str, Any] = {
            "code": 200,
            "msg": "ok",
            "data": self.answer(phone),
            "requestId": shown,
            "isFee": 1,
        }
        return self._after(request, kind, coded(kind, body, self.faults.code))

    async def _params(
        self, request: web.Request, name: str
    ) -> tuple[dict[str, str] | None, web.StreamResponse | None]:
        """Return the call's parameters, or the reply that refuses it."""
        is_json = request.content_type == "application/json"
        if request.method != "POST":
            return None, web.Response(status=405)
        if self.encoding not in ("any", "json" if is_json else "form"):
            return None, web.Response(status=415)
        try:
            params = await _read_params(request, is_json)
        except ValueError:
            return None, web.Response(status=400)
        signed = {key: value for key, value in params.items() if key != "token"}
        if params.get("appKey") != self.app_key:
            return None, self._refused(name, 10002, "appKey is unknown")
        if params.get("token") != sign(signed, self.secret):
            return None, self._refused(name, 10003, "invalid appKey or token")
        return params, None

    def _refused(self, name: str, code: int, msg: str) -> web.Response:
        body = {"code": code, "msg": msg, "data": None, "requestId": _new_id()}
        if name == "requestId":
            body["isFee"] = 0
        return self._reply(body)

    async def _before(self, request: web.Request, kind: str) -> web.StreamResponse | None:
        """Latency, and what happens before the vendor has done anything."""
        if self.latency:
            await asyncio.sleep(self.latency)
        if kind == "hang":
            await asyncio.sleep(self.faults.hang_for)
        if kind == "drop_before":
            _cut(request)
            return web.Response()
        if kind in ("throttle", "throttle_no_header"):
            after = f"{self.faults.retry_after:g}"
            return web.Response(
                status=429, headers={"Retry-After": after} if kind == "throttle" else None
            )
        if kind == "redirect":
            return web.Response(status=307, headers={"Location": self.faults.redirect_to})
        status = re.fullmatch(r"http_(\d+)", kind)
        return web.Response(status=int(status[1]), text="unavailable") if status else None

    def _after(
        self,
        request: web.Request,
        kind: str,
        body: dict[str, Any],
    ) -> web.StreamResponse:
        """Apply the faults that happen after the vendor has done its work and charged."""
        if kind == "drop_after":
            _cut(request)
        if kind == "http_500_after":
            return web.Response(status=500)
        if kind == "html":
            return web.Response(
                text="<html><body>Service busy</body></html>", content_type="text/html"
            )
        return self._reply(body, kind)

    def _reply(self, body: dict[str, Any], kind: str = "ok") -> web.Response:
        if kind == "loose_types":
            body = {**body, "code": str(body["code"]), "isFee": float(body.get("isFee", 0))}
        if not self.stand_in:
            body = {**body, SIMULATOR_FIELD: True}
        text = garbled(kind, json.dumps(body))
        headers = {} if self.stand_in else {SIMULATOR_HEADER: "1"}
        if kind == "gzip_bomb":
            packed = gzip.compress(text.encode() + b" " * 20_000_000)
            return web.Response(body=packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(text=text, content_type="application/json", headers=headers)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _read_params(request: web.Request, is_json: bool) -> dict[str, str]:
    """Return the parameters as text. Raises ValueError if the body is no JSON."""
    raw = await request.json() if is_json else dict(await request.post())
    if not isinstance(raw, dict):
        return {}
    return {str(key): str(value) for key, value in raw.items()}


def _new_id() -> str:
    return uuid.uuid4().hex


def serve_forever(port: int = 0, host: str = "127.0.0.1", **options: Any) -> None:
    """Serve until SIGINT or SIGTERM.

    It prints the base URL once it listens, then the settings that use it.

    Parameters
    ----------
    port
        0 takes a free one.
    host
        "127.0.0.1" or another name of the loopback.
    **options
        As in `Simulator`.

    Raises
    ------
    ConfigurationError
        The port is taken.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> pna.simulator.serve_forever(8080)  # doctest: +SKIP
    """
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    simulator = Simulator(port=port, host=host, **options)
    try:
        simulator.start()
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be used ({error}): name another, or 0 for any."
        ) from None
    try:
        print(simulator.base_url, flush=True)
        if not simulator.stand_in:
            print("In another terminal, to use it (Ctrl-C here ends it):")
            print("export NUMBERACTIVE_ENVIRONMENT=simulator")
            print(f"export NUMBERACTIVE_BASE_URL={simulator.base_url}", flush=True)
        ended.wait()
    finally:
        simulator.stop()
