"""A vendor over a real socket that replies byte for byte as a test says."""

from __future__ import annotations

import asyncio
import contextlib

from pandas_numberactive._config.settings import settings
from pandas_numberactive._vendor.client import Client

KEYS = {"app_key": "my-app-key", "secret": "hush-hush-hush"}
NUMBER = 8118899532


@contextlib.asynccontextmanager
async def server(answer):
    """A server that reads one request a time and lets `answer(writer, request)` reply; yields its base URL."""
    requests = []

    tasks = set()

    async def connected(reader, writer):
        tasks.add(asyncio.current_task())
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                requests.append(head + await reader.readexactly(length))
                if await answer(writer, requests[-1]) is False:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}", requests
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await listening.wait_closed()


def client_of(url, *, lane=True, **options):
    given = settings(environment="production", base_url=url, **KEYS, **options)
    return Client(given, lane=lane)


def http(body, status="200 OK", headers="", length=None):
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + body


def ask(answer, **options):
    """Send one handle to a server that answers so; return the reply and the requests it saw."""

    async def main():
        async with server(answer) as (url, requests), client_of(url, **options) as client:
            return await client.handle(NUMBER), requests

    return asyncio.run(main())


def writes(data, stay=True):
    async def answer(writer, request):
        writer.write(data)
        await writer.drain()
        return stay

    return answer
