"""Vendors in processes of their own, so that their work is not counted as ours.

`vendor` is the package's simulator. `lean_vendor` answers from two texts: it takes a tenth of a
core where the simulator takes a whole one, so that the client is what is measured.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
SERVE = (
    "import sys; from pandas_numberactive.simulator import serve_forever; "
    "serve_forever(0, latency=float(sys.argv[1]), stand_in=True, app_key='made-up-key', secret='made-up-secret')"
)
LEAN = """
import asyncio, itertools, json, sys, time
latency, phones = float(sys.argv[1]), {}
ids = itertools.count(time.time_ns())  # no store has seen them
HANDLE = '{"code": 201, "msg": "ok", "data": null, "requestId": "%s"}'
QUERY = ('{"code": 200, "msg": "success", "data": {"userPhone": "62%s", "telcoType": "1", '
         '"activeLevel": "high", "frequencyGrade": "low"}, "requestId": "%s", "isFee": 1}')
HEAD = ("HTTP/1.1 200 OK\\r\\nContent-Type: application/json; charset=utf-8\\r\\n"
        "Content-Length: %d\\r\\nDate: Sat, 28 Nov 2026 08:00:00 GMT\\r\\nServer: lean\\r\\n\\r\\n%s")

def answer(path, asked):
    if path.endswith("/handle"):
        request_id = "%032x" % next(ids)
        phones[request_id] = asked["phone"]
        return HANDLE % request_id
    return QUERY % (phones[asked["requestId"]], asked["requestId"])

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\\r\\n")[0])
            asked = json.loads(await reader.readexactly(length))
            body = answer(head.split()[1], asked)
            if latency:
                await asyncio.sleep(latency)
            writer.write((HEAD % (len(body), body)).encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print("http://127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
# Passes bytes on after a delay, in either direction: a server that is not next door. It waits by
# select, because epoll rounds half a millisecond up to a whole one.
PROXY = """
import asyncio, selectors, sys
delay, host, port = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])

async def pump(reader, writer):
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)

async def connected(reader, writer):
    there, back = await asyncio.open_connection(host, port)
    await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

async def main():
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
loop.run_until_complete(main())
"""


@contextmanager
def _process(code: str, *arguments: object) -> Iterator[str]:
    """Run code in a process; yields its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def vendor(latency: float = 0.0) -> contextlib.AbstractContextManager[str]:
    """Start a simulator; yields its base URL."""
    return _process(SERVE, latency)


def lean_vendor(latency: float = 0.0) -> contextlib.AbstractContextManager[str]:
    """Start a vendor that takes little of a core; yields its base URL."""
    return _process(LEAN, latency)


def delaying_proxy(
    round_trip: float, host: str, port: int
) -> contextlib.AbstractContextManager[str]:
    """Start a proxy that adds a round trip of so many seconds; yields its port."""
    return _process(PROXY, round_trip / 2, host, port)
