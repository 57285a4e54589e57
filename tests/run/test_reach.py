"""A vendor that cannot be reached, or refuses the keys: seven causes, seven texts, soon."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
import time

import pandas as pd
import pytest
from aiohttp import TCPConnector

import pandas_numberactive as pna
from pandas_numberactive._vendor.client import CONNECT_TIMEOUT
from pandas_numberactive.errors import AuthenticationError, VendorError
from pandas_numberactive.simulator import Simulator

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


def book(count):
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(count)]})  # made up


@pytest.fixture
def refused():
    """The address of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def self_signed(tmp_path):
    """The address of a TLS server whose certificate nobody knows."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl is missing")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop, ready, port, servers = asyncio.new_event_loop(), threading.Event(), [], []

    async def serve():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()

    def run():
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    yield f"https://localhost:{port[0]}"
    loop.call_soon_threadsafe(servers[0].close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def error_of(as_production, base_url, count=4, **keys):
    given = {"app_key": "made-up-key", "secret": "made-up-secret", **keys}
    as_production(progress=False)
    pna.configure(base_url=base_url, **given)
    began = time.monotonic()
    with pytest.raises(VendorError) as caught:
        book(count).numberactive.enrich("phone")
    return caught.value, time.monotonic() - began


@pytest.mark.parametrize("count", [1, 40])
def test_a_refused_port_says_so_after_one_try_each(as_production, refused, count):
    error, _ = error_of(as_production, refused, count)
    assert refused in str(error)
    assert "refused the connection" in str(error)
    assert "Nothing was sent or charged" in str(error)
    assert pna.last_run().failed <= 5


@pytest.fixture
def lost_on_the_way(monkeypatch):
    """A simulator that ends after 30 charges, as a vendor that goes down during a run."""
    vendor = Simulator(latency=0.01).start()
    charge = vendor.ledger.charge
    ending = threading.Thread(target=vendor.stop)

    def charge_and_end(request_id, phone):
        charge(request_id, phone)
        if vendor.ledger.total == 30:
            ending.start()

    monkeypatch.setattr(vendor.ledger, "charge", charge_and_end)
    yield vendor.base_url
    ending.join()


def test_a_vendor_lost_on_the_way_names_its_cause(lost_on_the_way):
    """The advice is that of the connection. Keys and codes have nothing to do with it."""
    settings = {"environment": "simulator", "base_url": lost_on_the_way, "store": ":memory:"}
    with pna.override(**settings, progress=False), pytest.raises(VendorError) as caught:
        book(400).numberactive.enrich("phone")
    text = str(caught.value)
    assert f"{lost_on_the_way} refused the connection. Check the port" in text
    assert "call again" in text
    assert "everything paid is stored" in text
    assert "app key" not in text
    assert "code_outcomes" not in text


def test_an_unknown_host_is_named(as_production, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error, _ = error_of(as_production, "https://no-such-host.invalid")
    assert "https://no-such-host.invalid is not known" in str(error)


def test_a_certificate_that_nobody_knows_is_named(as_production, self_signed):
    error, _ = error_of(as_production, self_signed)
    assert f"The certificate of {self_signed}" in str(error)


def test_a_host_that_does_not_answer_ends_the_run(as_production, monkeypatch):
    """All that is asked waits at the same time: the run takes one connect time-out."""

    async def hangs(*_, **__):
        raise TimeoutError

    monkeypatch.setattr("aiohttp.TCPConnector.connect", hangs)
    error, _ = error_of(as_production, "http://127.0.0.1:9")
    assert "did not answer within 4 seconds" in str(error)
    assert CONNECT_TIMEOUT == 4.0


def test_a_proxy_variable_that_is_not_used_is_named(as_production, refused, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    error, _ = error_of(as_production, refused)
    assert "HTTPS_PROXY is set here, but not used: pass configure(proxy=...)" in str(error)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_wrong_key_and_a_wrong_secret_have_their_texts(as_production, vendor, count):
    texts = set()
    for keys in ({"app_key": "another"}, {"secret": "another"}):
        error, _ = error_of(as_production, vendor.base_url, count, **keys)
        assert isinstance(error, AuthenticationError)
        assert str(error).startswith(f"{vendor.base_url} does not accept the keys: code 1000")
        assert "NUMBERACTIVE_APP_KEY" in str(error)
        assert "NUMBERACTIVE_SECRET" in str(error)
        texts.add(str(error))
    assert len(texts) == 2


def test_one_look_up_with_a_wrong_key_says_so(as_production, vendor):
    """It said "failed and was not charged; try again"."""
    as_production()
    with (
        pna.override(app_key="another"),
        pytest.raises(AuthenticationError, match="NUMBERACTIVE_APP_KEY"),
    ):
        pna.lookup("0811 8899 532")
    assert pna.lookup("0811 8899 532").status == "answered"


def test_what_was_reached_once_is_tried_again(as_production, vendor, monkeypatch):
    """A connection that fails later is passing trouble, and retried."""
    as_production(progress=False, max_concurrency=1)
    real, calls = TCPConnector.connect, []

    async def once(self, *args, **options):
        calls.append(1)
        if len(calls) in (3, 4):
            raise ConnectionRefusedError
        return await real(self, *args, **options)

    monkeypatch.setattr(TCPConnector, "connect", once)
    out = book(3).numberactive.enrich("phone")
    assert set(out["phone_lookup_status"]) <= {"answered", "no_data"}
