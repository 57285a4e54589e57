"""The client: every row of the outcome table, what is sent, what is never sent, and what a traceback shows."""

import asyncio
import dataclasses
import inspect
import json
import logging
import re
import traceback
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses

from pandas_numberactive._config.settings import settings
from pandas_numberactive._purchase.drive import Driver
from pandas_numberactive._purchase.flow import RetryPolicy
from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._vendor.client import Client, read_retry_after
from pandas_numberactive._vendor.protocol import sign
from pandas_numberactive.errors import ConfigurationError
from tests.vendor.sockets import client_of, http, server


def shown(value):
    """A test's name, the same in every process: no addresses."""
    return re.sub(r" at 0x\w+| id='\d+'", "", repr(value))


NUMBER = 8118899532
SECRET = "hush-hush-hush"
BASE = "https://vendor.test/openrisk"
KEYS = {"app_key": "my-app-key", "secret": SECRET}
DATA = {"userPhone": "628118899532", "telcoType": 1, "activeLevel": "high", "frequencyGrade": "low"}
OPENED = {"code": 201, "msg": "ok", "data": None, "requestId": "id-1"}
ANSWERED = {"code": 200, "msg": "ok", "data": DATA, "requestId": "id-2", "isFee": 1}
NO_CONNECTION = aiohttp.ClientConnectorError(Mock(ssl=False), OSError("refused"))
DROPPED = aiohttp.ServerDisconnectedError()


WANTS_A_WRITER = "stream_writer" in inspect.signature(aiohttp.ClientResponse).parameters


class ScriptedResponse(aiohttp.ClientResponse):
    """Add the stream_writer that aiohttp 3.14 requires and aioresponses 0.7.9 leaves out."""

    def __init__(self, *args, **kwargs):
        if WANTS_A_WRITER:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class Vendor:
    """Answers by script, the last answer again and again, and remembers what it was asked."""

    def __init__(self, handle=(OPENED,), query=(ANSWERED,)):
        self.script = {"handle": list(handle), "query": list(query)}
        self.asked = {"handle": [], "query": []}
        self.events = []

    def callback(self, step):
        def answer(url, data=None, **kwargs):
            self.events.append(step)
            self.asked[step].append(json.loads(data.decode()))
            turn = min(len(self.asked[step]), len(self.script[step])) - 1
            return reply(self.script[step][turn])

        return answer


def reply(spec):
    """A dict is JSON with status 200, a number a status, text a body, a pair (status, headers) or (status, body)."""
    if isinstance(spec, BaseException):
        raise spec
    status, body, headers = 200, spec, {}
    if isinstance(spec, int):
        status, body = spec, "<html>oops</html>"
    elif isinstance(spec, tuple):
        status, body, headers = spec
    if isinstance(body, dict):
        body = json.dumps(body)
    return CallbackResult(
        status=status, body=body, headers=headers, response_class=ScriptedResponse
    )


class Run:
    """One look-up driven against a scripted vendor, with a clock that only sleeping moves."""

    def __init__(self, vendor, lookup=None, stop_after=None, save=True, policy=None, **options):
        self.vendor, self.saved, self.halted, self.slept = vendor, [], [], []
        self.now = 1_000_000.0
        self.stop_after = stop_after
        self.policy = policy
        self.can_save = save
        self.lost = options.pop("lost", None)
        self.elapsed = 0.0
        self.jumps = options.pop("jumps", {})  # of the wall clock, by the number of sleeps before
        can_charge = options.pop("handle_can_charge", lambda: False)
        options = {"environment": "production", "base_url": BASE, **KEYS, **options}
        self.settings = settings(**options)
        self.lookup = lookup or Purchase("production", NUMBER)
        self.result = asyncio.run(self.main(can_charge))
        self.calls = (len(vendor.asked["handle"]), len(vendor.asked["query"]))

    async def main(self, can_charge):
        client = Client(
            self.settings,
            clock=lambda: self.now,
            sleep=self.sleep,
            monotonic=lambda: self.elapsed,
            lane=False,
        )
        with aioresponses() as mock:
            for step in ("handle", "query"):
                url = f"{BASE}/api/data/numberActive/{step}"
                mock.post(url, callback=self.vendor.callback(step), repeat=True)
            async with client:
                self.stats = client.stats
                driver = Driver(
                    client,
                    policy=self.policy,
                    chance=lambda: 0.5,
                    handle_can_charge=can_charge,
                )
                return await driver.drive(
                    self.lookup,
                    save=self.save,
                    halt=self.halted.append,
                    stopping=self.stopping,
                    lost=self.lost,
                )

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.elapsed += seconds
        self.now += seconds + self.jumps.get(len(self.slept), 0.0)
        if len(self.slept) > 1000:
            pytest.fail("It waits for ever.")
        await asyncio.sleep(0)

    async def save(self, lookup):
        self.vendor.events.append(lookup.state.name)
        self.saved.append(lookup)
        return self.can_save

    def stopping(self):
        return bool(self.halted) or (
            self.stop_after is not None and len(self.vendor.events) >= self.stop_after
        )

    @property
    def state(self):
        return self.result.state.name


def test_a_number_is_asked_opened_on_disk_queried_and_stored():
    run = Run(Vendor())
    assert run.vendor.events == ["handle", "PENDING", "query", "ANSWERED"]
    answer = run.result.answer
    assert (answer.telco_type, answer.active_level, answer.frequency_grade) == (1, 3, 1)
    assert (run.result.charged, run.result.request_id, run.result.host) == (
        True,
        "id-1",
        "vendor.test/openrisk",
    )
    assert dataclasses.astuple(run.stats) == (1, 1, 0, 0, 0)


def test_what_is_sent_is_signed_json_with_the_national_number():
    run = Run(Vendor())
    (handle,), (query,) = run.vendor.asked["handle"], run.vendor.asked["query"]
    assert handle.pop("token") == sign(handle, SECRET)
    assert handle == {"appKey": "my-app-key", "phone": "8118899532"}
    assert query.pop("token") == sign(query, SECRET)
    assert query == {"appKey": "my-app-key", "requestId": "id-1"}


# --- the rows for both steps ----------------------------------------------------------------------------------------

STOPS = [301, 302, 307, 308, 401, 403, 404, 405, 415]
RETRIES = [
    408,
    425,
    429,
    500,
    502,
    503,
    504,
    NO_CONNECTION,
    DROPPED,
    TimeoutError(),
    "",
    "<html>",
    "[1]",
    '{"code"',
]


@pytest.mark.parametrize("status", STOPS)
def test_a_status_that_stops_at_handle_gives_the_reservation_back(status):
    run = Run(Vendor(handle=[status]))
    assert (run.state, run.calls, run.halted[0].reason) == ("RELEASED", (1, 0), f"http_{status}")


@pytest.mark.parametrize("status", STOPS)
def test_a_status_that_stops_at_query_keeps_the_request_open(status):
    run = Run(Vendor(query=[status]))
    assert (run.state, run.calls, run.halted[0].reason) == ("PENDING", (1, 1), f"http_{status}")


@pytest.mark.parametrize("trouble", RETRIES, ids=shown)
def test_passing_trouble_at_handle_is_retried(trouble):
    run = Run(Vendor(handle=[trouble, trouble, OPENED]))
    assert (run.state, run.calls) == ("ANSWERED", (3, 1))
    assert len(run.slept) >= 2


@pytest.mark.parametrize("trouble", RETRIES, ids=shown)
def test_lasting_trouble_at_handle_is_given_up_free_of_charge(trouble):
    run = Run(Vendor(handle=[trouble]))
    assert (run.state, run.calls, run.result.charged) == ("FAILED", (4, 0), False)


@pytest.mark.parametrize("trouble", RETRIES, ids=shown)
def test_passing_trouble_at_query_asks_the_same_request_again(trouble):
    run = Run(Vendor(query=[trouble, trouble, ANSWERED]))
    assert (run.state, run.calls) == ("ANSWERED", (1, 3))
    assert {asked["requestId"] for asked in run.vendor.asked["query"]} == {"id-1"}


@pytest.mark.parametrize("trouble", RETRIES, ids=shown)
def test_lasting_trouble_at_query_is_held_as_uncertain(trouble):
    run = Run(Vendor(query=[trouble]))
    assert (run.state, run.calls, run.result.charged) == ("UNCERTAIN", (1, 6), None)
    assert run.result.request_id == "id-1"


@pytest.mark.parametrize("step", ["handle", "query"])
@pytest.mark.parametrize("header", [{"X-Numberactive-Simulator": "1"}, {}])
def test_a_simulators_answer_stops_production(step, header):
    mark = {} if header else {"simulator": True}
    fake = (200, {**(OPENED if step == "handle" else ANSWERED), **mark}, header)
    run = Run(Vendor(**{step: [fake]}))
    assert run.halted[0].reason == "simulator_answer"
    assert run.state in ("RELEASED", "PENDING")


def test_a_simulators_answer_serves_the_simulator_environment():
    fake = (200, ANSWERED, {"X-Numberactive-Simulator": "1"})
    vendor = Vendor(query=[fake])
    options = settings(environment="simulator", base_url="http://127.0.0.1:9", **KEYS)

    async def main():
        with aioresponses() as mock:
            for step in ("handle", "query"):
                url = f"http://127.0.0.1:9/api/data/numberActive/{step}"
                mock.post(url, callback=vendor.callback(step), repeat=True)
            async with Client(options, lane=False) as client:
                return await Driver(client).drive(
                    Purchase("simulator", NUMBER),
                    save=always,
                    halt=pytest.fail,
                    stopping=lambda: False,
                )

    assert asyncio.run(main()).state is LookupState.ANSWERED


async def always(_):
    return True


# --- handle ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "state", "charged", "calls"),
    [
        (OPENED, "ANSWERED", True, (1, 1)),
        ({**OPENED, "code": 200}, "ANSWERED", True, (1, 1)),
        ({**OPENED, "code": "201"}, "ANSWERED", True, (1, 1)),
        ('{"code": 201.0, "msg": "ok", "requestId": "id-1",}', "ANSWERED", True, (1, 1)),
        (ANSWERED, "ANSWERED", True, (1, 0)),
        ({**ANSWERED, "code": 201, "isFee": 0}, "ANSWERED", False, (1, 0)),
        ({"code": 201, "requestId": ""}, "FAILED", False, (1, 0)),
        ({"code": 200, "data": {}}, "FAILED", False, (1, 0)),
        ({"code": 11008, "msg": "no", "requestId": "id-1"}, "FAILED", False, (1, 0)),
        ({"code": "E_BAD", "msg": "no"}, "FAILED", False, (1, 0)),
        ({"code": 11008, "isFee": 1}, "FAILED_CHARGED", True, (1, 0)),
    ],
    ids=shown,
)
def test_what_a_reply_to_handle_comes_to(body, state, charged, calls):
    run = Run(Vendor(handle=[body]))
    assert (run.state, run.result.charged, run.calls) == (state, charged, calls)
    assert run.saved[-1] == run.result
    assert not run.halted


@pytest.mark.parametrize(
    ("word", "state", "calls", "halts"),
    [
        ("stop", "RELEASED", (1, 0), 1),
        ("retry", "FAILED", (4, 0), 0),
        ("failed", "FAILED", (1, 0), 0),
    ],
)
def test_the_user_may_say_what_a_code_means_at_handle(word, state, calls, halts):
    run = Run(Vendor(handle=[{"code": 11008, "msg": "no"}]), code_outcomes={11008: word})
    assert (run.state, run.calls, len(run.halted)) == (state, calls, halts)


def test_where_handle_can_charge_a_lost_reply_is_held():
    run = Run(Vendor(handle=[DROPPED]), handle_can_charge=lambda: True)
    assert (run.state, run.calls) == ("UNCERTAIN", (1, 0))
    assert run.stats.lost_handles == 1


def test_where_handle_can_charge_a_connection_never_made_is_retried():
    run = Run(Vendor(handle=[NO_CONNECTION, OPENED]), handle_can_charge=lambda: True)
    assert (run.state, run.stats.lost_handles) == ("ANSWERED", 0)


# --- query ----------------------------------------------------------------------------------------------------------


def data(**changes):
    return {**ANSWERED, "data": {**DATA, **changes}}


def without(answer, name):
    return {key: value for key, value in answer.items() if key != name}


@pytest.mark.parametrize(
    ("body", "state", "charged", "reason"),
    [
        (ANSWERED, "ANSWERED", True, None),
        ({**ANSWERED, "isFee": "0"}, "ANSWERED", False, None),
        (without(ANSWERED, "isFee"), "ANSWERED", None, None),
        (data(telcoType="2", activeLevel="NA", frequencyGrade=None), "ANSWERED", True, None),
        (data(userPhone="6281****532"), "ANSWERED", True, None),
        (json.dumps(ANSWERED)[:-1] + ",}", "ANSWERED", True, None),
        (data(telcoType=0, activeLevel="NA", frequencyGrade="NA"), "NO_DATA", True, None),
        ({**ANSWERED, "data": None, "isFee": 0}, "NO_DATA", False, None),
        ({**ANSWERED, "data": {}}, "NO_DATA", True, None),
        (without({**ANSWERED, "data": None}, "isFee"), "NO_DATA", None, None),
        (data(activeLevel="extreme"), "ANSWERED", True, "unknown_value"),
        (
            data(telcoType=7, activeLevel="NA", frequencyGrade="NA"),
            "ANSWERED",
            True,
            "unknown_value",
        ),
        (data(userPhone="628118899533"), "QUARANTINED", True, "wrong_phone"),
        ({**data(userPhone="628118899533"), "code": 11008}, "QUARANTINED", True, "wrong_phone"),
        ({"code": 11008, "msg": "no", "isFee": 1}, "FAILED_CHARGED", True, "code"),
        ({"code": 11008, "msg": "no", "isFee": 0}, "FAILED", False, "code"),
        ({"code": 11008, "msg": "no"}, "UNCERTAIN", None, "code"),
    ],
    ids=shown,
)
def test_what_a_reply_to_query_comes_to(body, state, charged, reason):
    run = Run(Vendor(query=[body]))
    assert (run.state, run.result.charged, run.result.reason) == (state, charged, reason)
    assert run.calls == (1, 1)
    assert run.saved[-1] == run.result
    assert run.result.raw


def test_a_pending_answer_is_asked_for_at_once_then_ever_later_for_a_minute():
    run = Run(Vendor(query=[{"code": 201, "isFee": 1}]))
    assert (run.state, run.calls[0]) == ("PENDING", 1)
    assert run.calls[1] == 10
    assert 50 < sum(run.slept) <= 60
    assert run.stats.requeries == run.stats.queries - 1 == 9


@pytest.mark.parametrize("jump", [-30.0, -3600.0, -2 * 86400.0, 3600.0])
def test_a_clock_that_jumps_leaves_polling_as_long(jump):
    """The wall clock says how old a requestId is, not how long it was polled for."""
    run = Run(Vendor(query=[{"code": 201}]), poll_for=4, jumps={3: jump})
    assert (run.state, run.calls) == ("PENDING", (1, 4))


def test_a_look_up_resumed_is_polled_as_long_again():
    run = Run(Vendor(query=[{"code": 201}]), lookup=open_lookup(), poll_for=4)
    assert (run.state, run.calls) == ("PENDING", (0, 4))


def test_how_long_to_poll_is_a_setting():
    assert Run(Vendor(query=[{"code": 201}]), poll_for=4).calls == (1, 4)


@pytest.mark.parametrize(
    ("word", "state", "queries", "halts"),
    [
        ("stop", "PENDING", 1, 1),
        ("retry", "UNCERTAIN", 6, 0),
        ("pending", "PENDING", 10, 0),
        ("no_data", "NO_DATA", 1, 0),
        ("failed", "UNCERTAIN", 1, 0),
    ],
)
def test_the_user_may_say_what_a_code_means_at_query(word, state, queries, halts):
    run = Run(Vendor(query=[{"code": 11008, "msg": "no"}]), code_outcomes={"query": {11008: word}})
    assert (run.state, run.calls[1], len(run.halted)) == (state, queries, halts)


def test_failed_at_query_is_free_only_where_the_vendor_says_so():
    run = Run(Vendor(query=[{"code": 11008, "isFee": 0}]), code_outcomes={11008: "failed"})
    assert (run.state, run.result.charged) == ("FAILED", False)


# --- stopping, losing the claim, coming back ------------------------------------------------------------------------


def test_a_run_that_is_stopping_sends_nothing():
    run = Run(Vendor(), stop_after=0)
    assert (run.state, run.calls) == ("RELEASED", (0, 0))


def test_a_stop_between_the_calls_leaves_the_request_open():
    run = Run(Vendor(), stop_after=2)
    assert (run.vendor.events, run.state) == (["handle", "PENDING"], "PENDING")


def test_a_stop_ends_a_long_wait():
    run = Run(Vendor(query=[(503, "", {"Retry-After": "100"})]), stop_after=3)
    assert (run.state, run.calls, run.slept) == ("PENDING", (1, 1), [])


def test_a_stop_while_waiting_for_a_turn_sends_nothing():
    run = Run(Vendor(query=[{"code": 201}]), stop_after=4, max_rate=0.5)
    assert run.calls == (1, 2)


def test_a_claim_lost_before_the_query_means_no_query():
    run = Run(Vendor(), save=False)
    assert (run.result, run.calls) == (None, (1, 0))


def open_lookup(**changes):
    fingerprint = settings(environment="sandbox", **KEYS).credentials.fingerprint
    opened = Purchase(
        "production",
        NUMBER,
        state=LookupState.PENDING,
        request_id="old",
        opened_at=999_000.0,
        host="vendor.test/openrisk",
        key=fingerprint,
    )
    return opened._replace(**changes)


def test_an_open_request_is_resumed_without_a_new_handle():
    run = Run(Vendor(), lookup=open_lookup())
    assert (run.state, run.calls, run.vendor.asked["query"][0]["requestId"]) == (
        "ANSWERED",
        (0, 1),
        "old",
    )
    assert run.stats.requeries == 1


@pytest.mark.parametrize(
    "change", [{"host": "other"}, {"key": "other"}, {"opened_at": 0.0}, {"opened_at": 2e6}]
)
def test_a_request_that_may_be_a_new_order_is_held_and_not_asked(change):
    run = Run(Vendor(), lookup=open_lookup(**change))
    assert (run.state, run.calls) == ("UNCERTAIN", (0, 0))


# --- throttling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_heeded_and_the_pace_gives_way(status):
    run = Run(Vendor(handle=[(status, "", {"Retry-After": "7"}), OPENED]))
    assert run.state == "ANSWERED"
    assert 7 <= sum(run.slept) <= 9
    assert run.stats.throttled == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("-3", None),
        ("soon", None),
        ("nan", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("९", None),
    ],
)
def test_retry_after_comes_in_seconds_or_as_a_date(text, seconds):
    assert read_retry_after(text, now=100.0) == seconds


def test_a_throttled_vendor_is_asked_by_fewer_at_once():
    vendor = Vendor(handle=[429])

    async def main():
        client = Client(
            settings(environment="production", base_url=BASE, **KEYS),
            sleep=lambda _: asyncio.sleep(0),
            lane=False,
        )
        with aioresponses() as mock:
            mock.post(
                f"{BASE}/api/data/numberActive/handle",
                callback=vendor.callback("handle"),
                repeat=True,
            )
            async with client:
                await Driver(client).drive(
                    Purchase("production", NUMBER),
                    save=always,
                    halt=pytest.fail,
                    stopping=lambda: False,
                )
        return client

    client = asyncio.run(main())
    assert client.gate.limit == 11
    assert client.pacer.rate is not None


# --- what nobody may see --------------------------------------------------------------------------------------------


def assert_clean(text):
    assert text
    assert str(NUMBER) not in text
    assert SECRET not in text
    assert KEYS["app_key"] not in text
    assert sign({"appKey": KEYS["app_key"], "phone": str(NUMBER)}, SECRET) not in text
    assert sign({"appKey": KEYS["app_key"], "requestId": "id-1"}, SECRET) not in text


def with_locals(error, only=""):
    """The traceback with its locals, without the frames of this file, which know everything."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [
        frame for frame in told.stack if frame.filename != __file__ and only in frame.filename
    ]
    assert len(frames) >= 3
    told.stack = traceback.StackSummary.from_list(frames)
    return "".join(told.format())


def drive_until_it_raises(vendor, save=always):
    async def main():
        options = settings(environment="production", base_url=BASE, **KEYS)
        with aioresponses() as mock:
            for step in ("handle", "query"):
                url = f"{BASE}/api/data/numberActive/{step}"
                mock.post(url, callback=vendor.callback(step), repeat=True)
            async with Client(options, lane=False) as client:
                await Driver(client).drive(
                    Purchase("production", NUMBER),
                    save=save,
                    halt=pytest.fail,
                    stopping=lambda: False,
                )

    with pytest.raises(BaseException) as caught:
        asyncio.run(main())
    return caught.value


def test_a_store_that_fails_gives_nothing_away():
    async def fail(lookup):
        raise OSError("disk full")

    error = drive_until_it_raises(Vendor(), save=fail)
    assert "Purchase(production, 8118****532, RESERVED)" in with_locals(error)
    assert_clean(with_locals(error))


@pytest.mark.parametrize("step", ["handle", "query"])
def test_an_unforeseen_failure_while_sending_gives_nothing_away(step):
    error = drive_until_it_raises(Vendor(**{step: [RuntimeError("a bug")]}))
    assert "a bug" in with_locals(error)
    assert_clean(
        with_locals(error, only="pandas_numberactive")
    )  # the mock's own frames hold the body


@pytest.mark.parametrize("step", ["handle", "query"])
def test_a_cancelled_call_gives_nothing_away(step):
    async def main():
        arrived = asyncio.Event()

        async def answer(writer, request):
            if step == "query" and b"/handle" in request:
                writer.write(http(json.dumps(OPENED).encode()))
                return
            arrived.set()
            await asyncio.Event().wait()

        async with server(answer) as (url, _), client_of(url) as client:
            lookup = Purchase("production", NUMBER)
            task = asyncio.create_task(
                Driver(client).drive(lookup, save=always, halt=pytest.fail, stopping=lambda: False)
            )
            await asyncio.wait_for(arrived.wait(), 5)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                return with_locals(error)

    assert_clean(asyncio.run(main()))


def test_log_records_and_reprs_give_nothing_away(caplog):
    with caplog.at_level(logging.DEBUG):
        run = Run(Vendor(handle=[503, OPENED]))
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("pandas_numberactive")
    ]
    assert len(ours) == 3
    assert "8118****532" in ours[0]
    assert_clean("".join(ours))
    client = Client(run.settings)
    assert_clean(repr(vars(client)))


def test_a_client_needs_somewhere_to_send_to():
    with pytest.raises(ConfigurationError, match=r"configure\(\)"):
        Client(settings(environment="simulator"))


def test_a_closed_client_says_so():
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(Client(settings(environment="sandbox", **KEYS)).handle(NUMBER))


def test_the_retry_policy_may_be_given():
    assert Run(Vendor(handle=[503]), policy=RetryPolicy(handle_attempts=2)).calls == (2, 0)


def test_an_outage_empties_the_retry_quota_and_then_fails_fast():
    vendor = Vendor(handle=[503])

    async def main():
        client = Client(
            settings(environment="production", base_url=BASE, **KEYS),
            sleep=lambda _: asyncio.sleep(0),
            lane=False,
        )
        with aioresponses() as mock:
            mock.post(
                f"{BASE}/api/data/numberActive/handle",
                callback=vendor.callback("handle"),
                repeat=True,
            )
            async with client:
                driver = Driver(client)
                for number in range(100):
                    lookup = Purchase("production", NUMBER + number)
                    await driver.drive(
                        lookup, save=always, halt=pytest.fail, stopping=lambda: False
                    )

    asyncio.run(main())
    assert len(vendor.asked["handle"]) == 100 + 500 // 14
