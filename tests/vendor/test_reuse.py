"""Fronts that break kept-alive connections: no reply of one number may reach another."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._vendor import client
from pandas_numberactive._vendor.lane import Lane

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


class Front:
    """A vendor by hand: each reply goes through `send(writer, reply, how many on this connection)`."""

    def __init__(self, send):
        self.send, self.charged, self.phones, self.connections = send, Counter(), {}, 0
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _serve(self):
        async def start():
            self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    async def _end(self):
        self._server.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _talk(self, reader, writer):
        self.connections += 1
        uses = 0
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                size = int(head.split("content-length: ")[1].split("\r\n")[0])
                body = json.dumps(self._answer(json.loads(await reader.readexactly(size)))).encode()
                uses += 1
                reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                await self.send(
                    writer, b"%bContent-Length: %d\r\n\r\n%b" % (reply, len(body), body), uses
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side has gone, or `send` cuts the connection
        finally:
            writer.close()

    def _answer(self, asked):
        if "phone" in asked:
            request_id = f"r{len(self.phones)}"
            self.phones[request_id] = asked["phone"]
            return {"code": 201, "data": None, "requestId": request_id}
        phone = self.phones[asked["requestId"]]
        self.charged[asked["requestId"]] = phone
        data = {
            "userPhone": f"62{phone}",
            "telcoType": 1,
            "activeLevel": "high",
            "frequencyGrade": "low",
        }
        return {"code": 200, "data": data, "isFee": 1}


async def twice(writer, reply, uses):
    writer.write(reply + reply)
    await writer.drain()


async def late(writer, reply, uses):
    """The second reply comes while the client is busy with something else."""
    writer.write(reply)
    await asyncio.sleep(0.01)
    writer.write(reply)


async def once_only(writer, reply, uses):
    """The second use of a connection is heard, and its reply lost."""
    if uses > 1:
        raise ConnectionError
    writer.write(reply)


@pytest.fixture
def bought(tmp_path):
    def buy(front, count=40, base_url=None, **options):
        pna.configure(
            environment="sandbox",
            base_url=base_url or front.url,
            app_key="made-up-key",
            secret="made-up-secret",
            store=str(tmp_path / "s.sqlite3"),
            progress=False,
            **options,
        )
        frame = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(count)]})  # made up
        return frame.numberactive.enrich("phone")["phone_lookup_status"].value_counts()["answered"]

    return buy


def test_a_second_reply_is_never_the_next_numbers(bought):
    """A connection with unread bytes is not used again (A9)."""
    with Front(twice) as front:
        assert bought(front, 12) == 12
        assert Counter(front.charged.values()) == Counter(f"811{i:07d}" for i in range(12))


def test_a_second_reply_that_nobody_has_read_yet_is_seen(bought, monkeypatch):
    """It lies in the socket when the next number takes the connection (A9)."""
    real = Lane.post

    async def post(self, call, most):
        time.sleep(0.04)  # a loop that is kept busy reads nothing
        return await real(self, call, most)

    monkeypatch.setattr(Lane, "post", post)
    with Front(late) as front:
        assert bought(front, 6, max_concurrency=1) == 6
        assert Counter(front.charged.values()) == Counter(f"811{i:07d}" for i in range(6))


async def kept(writer, reply, uses):
    """The connection stays open, whatever the client said."""
    writer.write(reply)
    await writer.drain()


@pytest.fixture
def without_lane(bought, monkeypatch):
    """Buy by `session.post`."""

    def buy(front, why):
        options = {"base_url": "http://127.0.0.1:9", "proxy": front.url}
        if why != "proxy":
            monkeypatch.setattr(client, "make_lane", lambda *_: None)
            options = {}
        return bought(front, 6, max_concurrency=1, **options)

    return buy


@pytest.mark.parametrize("why", ["proxy", "unknown aiohttp"])
def test_without_the_lane_a_second_reply_is_never_the_next_numbers(without_lane, why, monkeypatch):
    """Nor where the front ignores "Connection: close" (A9)."""
    real = client.Client._by_session

    async def post(self, *call):
        time.sleep(0.04)  # a loop that is kept busy reads nothing
        return await real(self, *call)

    monkeypatch.setattr(client.Client, "_by_session", post)
    with Front(late) as front:
        assert without_lane(front, why) == 6
        assert Counter(front.charged.values()) == Counter(f"811{i:07d}" for i in range(6))
        assert front.connections >= 11  # after the first reply too many


@pytest.mark.parametrize("why", ["proxy", "unknown aiohttp"])
def test_without_the_lane_a_clean_connection_may_be_used_again(without_lane, why):
    with Front(kept) as front:
        assert without_lane(front, why) == 6
        assert front.connections == 1


def test_reuse_ends_where_replies_are_lost_on_it(bought):
    """A front that closes at the second use: every number is answered in the first run."""
    with Front(once_only) as front:
        assert bought(front) == 40
        assert Counter(front.charged.values()) == Counter(f"811{i:07d}" for i in range(40))
        assert front.connections >= 80
