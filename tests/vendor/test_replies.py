"""Replies over a real socket, by both ways to send a call: the lane and aiohttp's session."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from urllib.parse import parse_qs

import aiohttp
import pytest

from pandas_numberactive._config.settings import settings
from pandas_numberactive._vendor.client import Client
from pandas_numberactive._vendor.lane import Call
from pandas_numberactive._vendor.protocol import MAX_BODY, Reply, sign
from tests.vendor import sockets
from tests.vendor.sockets import KEYS, NUMBER, http, server, writes


@pytest.fixture(params=[True, False], ids=["lane", "session"], autouse=True)
def lane(request):
    """The way that calls take in a test: each must hold on both."""
    return request.param


@pytest.fixture
def client_of(lane):
    """A client of a base URL, by the way of this test."""
    return lambda url, **options: sockets.client_of(url, lane=lane, **options)


@pytest.fixture
def ask(lane):
    """Send one handle to a server that answers so; return the reply and the requests it saw."""
    return lambda answer, **options: sockets.ask(answer, lane=lane, **options)


def test_a_whole_reply_is_read(ask):
    reply, requests = ask(
        writes(http(b'{"code":201}', headers="Retry-After: 3\r\nX-Numberactive-Simulator: 1\r\n"))
    )
    assert reply == Reply(200, b'{"code":201}', retry_after=3.0, marked=True)
    head, body = requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /api/data/numberActive/handle HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert b"Cookie" not in head
    assert json.loads(body)["phone"] == "8118899532"


def test_the_form_encoding_is_a_setting(ask):
    _, requests = ask(writes(http(b"{}")), encoding="form")
    head, body = requests[0].split(b"\r\n\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert sent.pop("token") == sign(sent, KEYS["secret"])
    assert sent == {"appKey": "my-app-key", "phone": "8118899532"}


def test_where_nobody_listens_nothing_was_sent(client_of):
    async def main():
        async with server(writes(b"")) as (url, _):
            pass
        async with client_of(url) as client:
            return await client.handle(NUMBER)

    assert asyncio.run(main()) == Reply(sent=False)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200", b"garbage\r\n\r\n"])
def test_a_connection_dropped_before_the_reply_counts_as_sent_once(data, ask):
    reply, requests = ask(writes(data, stay=False))
    assert reply == Reply(sent=True)
    assert len(requests) == 1


def test_a_body_cut_short_keeps_its_status(ask):
    reply, _ = ask(writes(http(b'{"code":', "503 Busy", length=500), stay=False))
    assert reply == Reply(503)


def test_a_dropped_idle_connection_is_not_asked_twice(client_of):
    count = iter(range(9))

    async def answer(writer, request):
        if next(count) == 1:
            return False
        writer.write(http(b"{}"))
        return True

    async def main():
        async with server(answer) as (url, requests), client_of(url) as client:
            return [await client.handle(NUMBER) for _ in range(2)], len(requests)

    replies, seen = asyncio.run(main())
    assert replies == [Reply(200, b"{}"), Reply(sent=True)]
    assert seen == 2


@pytest.mark.parametrize("status", ["301 Moved", "307 Temporary", "308 Permanent"])
def test_a_redirect_carries_nothing_to_another_host(status, client_of):
    async def main():
        async with server(writes(http(b"{}"))) as (elsewhere, stolen):
            redirect = writes(http(b"", status, f"Location: {elsewhere}/x\r\n"))
            async with server(redirect) as (url, _), client_of(url) as client:
                return await client.handle(NUMBER), stolen

    reply, stolen = asyncio.run(main())
    assert reply.status == int(status[:3])
    assert stolen == []


def test_a_hanging_vendor_is_given_up_after_the_time_out(ask):
    async def hang(writer, request):
        await asyncio.Event().wait()

    reply, _ = ask(hang, handle_timeout=0.2)
    assert reply == Reply(sent=True)


@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
def test_an_oversized_body_is_no_body(status, ask):
    reply, _ = ask(writes(http(b"x" * (MAX_BODY + 1), status), stay=False))
    assert reply == Reply(int(status[:3]))


def test_a_body_of_the_largest_size_is_read(ask):
    reply, _ = ask(writes(http(b"x" * MAX_BODY)))
    assert len(reply.body) == MAX_BODY


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
def test_a_packed_body_is_unpacked(coding, pack, ask):
    reply, _ = ask(writes(http(pack(b'{"code":201}'), headers=f"Content-Encoding: {coding}\r\n")))
    assert reply.body == b'{"code":201}'


def test_a_gzip_bomb_is_no_body(ask):
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < MAX_BODY
    reply, _ = ask(writes(http(bomb, headers="Content-Encoding: gzip\r\n")))
    assert reply == Reply(200)


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_a_body_that_cannot_be_unpacked_is_no_body(coding, ask):
    reply, _ = ask(writes(http(b"\x00\x01garbage", headers=f"Content-Encoding: {coding}\r\n")))
    assert reply == Reply(200)


def test_cookies_and_proxies_of_the_surroundings_are_ignored(monkeypatch, client_of):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def main():
        async with (
            server(writes(http(b"{}", headers="Set-Cookie: a=b\r\n"))) as (url, requests),
            client_of(url) as client,
        ):
            return [await client.handle(NUMBER) for _ in range(2)], requests

    replies, requests = asyncio.run(main())
    assert replies == [Reply(200, b"{}")] * 2
    assert b"Cookie" not in requests[1]


def test_a_proxy_that_is_set_gets_the_call(lane):
    async def main():
        async with server(writes(http(b"{}"))) as (proxy, requests):
            options = settings(
                environment="production", base_url="http://vendor.test", proxy=proxy, **KEYS
            )
            async with Client(options, lane=lane) as client:
                return await client.handle(NUMBER), requests

    reply, requests = asyncio.run(main())
    assert reply == Reply(200, b"{}")
    assert requests[0].startswith(b"POST http://vendor.test/api")


def test_the_installed_aiohttp_has_what_the_lane_needs(lane, client_of):
    """Say which way the installed aiohttp takes: without this, every run would be slow unseen."""

    async def main():
        async with client_of("http://127.0.0.1:9") as client:
            return client.takes_lane

    assert asyncio.run(main()) is lane


def test_a_proxy_keeps_the_documented_way():
    async def main():
        options = settings(
            environment="production",
            base_url="http://vendor.test",
            proxy="http://127.0.0.1:9",
            **KEYS,
        )
        async with Client(options) as client:
            return client.takes_lane

    assert asyncio.run(main()) is False


def test_an_aiohttp_without_the_names_takes_the_session(monkeypatch):
    def refuses(*_, **__):
        raise TypeError("another signature")

    async def main():
        monkeypatch.setattr(aiohttp, "ClientRequest", refuses)
        async with sockets.client_of("http://127.0.0.1:9") as client:
            return client.takes_lane

    assert asyncio.run(main()) is False


def test_a_reply_of_100_is_followed_by_the_real_one(ask):
    reply, _ = ask(writes(b"HTTP/1.1 100 Continue\r\n\r\n" + http(b"{}")))
    assert reply == Reply(200, b"{}")


def test_a_chunked_body_is_read(ask):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply, _ = ask(writes(head + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"))
    assert reply == Reply(200, b"{}")


def test_a_body_without_length_ends_with_the_connection(ask):
    reply, _ = ask(writes(b"HTTP/1.1 200 OK\r\n\r\n{}", stay=False))
    assert reply == Reply(200, b"{}")


def test_a_body_without_length_that_is_timed_out_is_lost(ask):
    """An abort ends such a body, and it looks whole."""
    reply, _ = ask(writes(b"HTTP/1.1 200 OK\r\n\r\n{}"), handle_timeout=0.2)
    assert reply.body == b""


def test_a_call_prints_no_value():
    from yarl import URL

    call = Call(URL("http://vendor.test/handle"), b"token", "application/json", 1.0)
    assert repr(call) == "Call(/handle, ***)"
