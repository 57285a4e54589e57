"""The wire: tokens, tolerant parsing, and the outcome table row by row; no body whatever raises."""

from __future__ import annotations

import json
import random
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandas_numberactive._config.credentials import Credentials
from pandas_numberactive._purchase.purchase import LookupState, pack, unpack
from pandas_numberactive._vendor.protocol import Answer, Message, Reply, Signer, parse, sign, signed
from pandas_numberactive._vendor.verdicts import Outcome, judge_handle, judge_query

N = 8118899532
DATA = {"userPhone": f"62{N}", "telcoType": 1, "activeLevel": "high", "frequencyGrade": "low"}


@pytest.mark.parametrize(
    ("params", "token"),
    [
        (
            {"appKey": "test_key", "idNumber": "idNumber", "name": "name", "phone": "phone"},
            "9c37214032337ccebcd48be6ab4c1740",
        ),
        ({"appKey": "test_key", "phone": "8118899532"}, "a5bf37e07ec95a573e76caf7659c132e"),
        (
            {"appKey": "test_key", "requestId": "3ce9f0c7ad00000dc626cf1f7e4b"},
            "cfdcf756f6d33e41563034fe7187a8d7",
        ),
    ],
)
def test_the_token_is_the_vendors(params, token):
    assert sign(params, "20200101") == token
    assert sign({**params, "token": "ignored"}, "20200101") == token


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.tuples(WORDS, WORDS, WORDS), st.sampled_from(["phone", "requestId"]))
def test_a_prepared_body_is_that_of_the_signed_parameters(words, name):
    """A `Signer` writes the very bytes of `signed` and the encoders, for any text."""
    app_key, secret, value = words
    params = signed({"appKey": app_key, name: value}, secret)
    for form, encode in ((False, json.dumps), (True, urlencode)):
        signer = Signer(Credentials(app_key, secret), name, form=form)
        assert signer.body(value) == encode(params).encode()


def test_a_parameter_out_of_the_vendors_order_is_refused():
    """The digest is copied at the value: the name must be sorted where it is."""
    with pytest.raises(ValueError, match="sorted"):
        Signer(Credentials("k", "s"), "token", form=False)


def body(**fields) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"code": 200, "msg": "ok", "data": {"telcoType": 0, "activeLevel": "NA",}, "requestId": "a,}b", "isFee": 1,}',
        '{"code": 200 "msg": "ok" "data": {"telcoType": 0 "activeLevel": "NA"} "requestId": "a,}b" "isFee": 1}',
        '\ufeff{"code": "200", "msg": "ok", "data": {"telcoType": "0"}, "requestId": "a,}b", "isFee": "1"}',
        '{"code": 200.0, "msg": "ok", "data": {"telcoType": 0.0}, "requestId": "a,}b", "isFee": 1.0}',
    ],
)
def test_commas_and_types_are_mended_and_strings_are_left_alone(text):
    message = parse(text.encode())
    assert (message.code, message.is_fee, message.request_id) == (200, True, "a,}b")
    assert isinstance(message.data, dict)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc", "abc"),
        (12345678901234567890123, "12345678901234567890123"),
        (" a ", " a "),
        ("", None),
        (None, None),
        (True, None),
        ("x" * 257, None),
        ("a\nb", None),
        ([], None),
    ],
)
def test_a_request_id_is_kept_as_its_literal_text(given, kept):
    assert parse(body(code=201, requestId=given)).request_id == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "5",
        '"x"',
        "{",
        "<html>",
        "{" * 5000,
        "NaN",
        "[" * 100_000,
        "1" * 10_000,
        "\x00\xff",
    ],
)
def test_a_body_that_is_no_message_is_an_empty_message(text):
    assert parse(text.encode("latin-1")).code is None


CUT = {
    "escaped quotes": b'{"code":200,"data":"' + b'\\"' * 2**20,
    "packed object": b'{"code":200,"data":"' + b'{\\"a\\":\\"b\\"},' * 2**17,
    "ends in a backslash": b'{"code":200,"data":"' + b'\\"' * 2**20 + b"\\",
    "quotes": b'{"' + b'"' * 2**20,
}


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
def test_a_body_cut_inside_a_string_is_read_once(body):
    """Read from each quote to the end again, it would take hours."""
    assert parse(body) == Message()


@pytest.mark.parametrize("text", ['{"code":200,"msg":"1}', '{"code":200,"isFee":0}"'])
def test_a_string_without_an_end_is_no_message(text):
    """What is cut there may be anything, so no quote is left out to read the rest."""
    assert parse(text.encode()) == Message()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no data for 8110000003", "no data for ***"),
        ("62811-8899-532 unknown", "*** unknown"),
        ("phone +62 (0) 811 - 8899 - 532", "phone +***"),
        ("0811.8899.532", "***"),
        ("8,118,899,532", "***"),
        ("0811\u22128899\u2212532", "***"),
        ("0811 \u00b7 8899 \u00b7 532", "***"),
        ("\uff18118899532", "***"),
        ("0811\u00008899\u0000532", "***"),
        ("x" * 196 + "8110000003", "x" * 196 + "***"),
        ("0811 2026-11-25", "***"),
        ("sign 9c37214032337ccebcd48be6ab4c1740", "sign ***"),
        ("2026-11-25 10:30:00 error 100401", "2026-11-25 10:30:00 error 100401"),
        ("due 25/11/2026", "due 25/11/2026"),
        ("20261125: 11008", "20261125: 11008"),
        ("103.20.11.44 is not allowed", "103.20.11.44 is not allowed"),
        ("100401, 100402", "100401, 100402"),
        ("in 30 s", "in 30 s"),
    ],
)
def test_no_number_is_read_in_what_the_vendor_says(said, shown):
    message = parse(body(code=said[:40], msg=said))
    assert message.msg == shown
    assert message.code == shown[:40] or len(said) > 40


def test_no_key_is_read_in_what_the_vendor_says():
    keys = Credentials("made-up-key-20200101", "k7")
    message = parse(
        body(
            code="MADE-UP-KEY-20200101", msg="bad appKey made-up-key-20200101, secret k7, ask k77"
        ),
        keys,
    )
    assert (message.code, message.msg) == ("***", "bad appKey ***, secret ***, ask k77")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("E\ud83d", "E"),
        ("E\u0000X", "E X"),
        ("\u0000", None),
        ("x" * 99, "x" * 40),
        (628110000003, "***"),
        ("0200", 200),
        (100401, 100401),
    ],
)
def test_a_code_is_printable_and_short(said, kept):
    assert parse(body(code=said)).code == kept


def of(outcome, **also):
    return outcome, also


HANDLE = [
    (Reply(401), of(Outcome.STOP)),
    (Reply(403), of(Outcome.STOP)),
    (Reply(302), of(Outcome.STOP)),
    (Reply(404), of(Outcome.STOP)),
    (Reply(405), of(Outcome.STOP)),
    (Reply(415), of(Outcome.STOP)),
    (Reply(408), of(Outcome.RETRY)),
    (Reply(425), of(Outcome.RETRY)),
    (Reply(429), of(Outcome.THROTTLED)),
    (Reply(500), of(Outcome.RETRY)),
    (Reply(503, retry_after=2.0), of(Outcome.THROTTLED, retry_after=2.0)),
    (Reply(None, sent=False), of(Outcome.RETRY)),
    (Reply(None), of(Outcome.AMBIGUOUS)),
    (Reply(200, b"<html>"), of(Outcome.AMBIGUOUS)),
    (Reply(400, b"<html>"), of(Outcome.FAILED, charged=False)),
    (Reply(200, body(code=201, requestId="r")), of(Outcome.PENDING, request_id="r")),
    (Reply(200, body(code=200, requestId="r")), of(Outcome.PENDING, request_id="r")),
    (
        Reply(200, body(code=200, data=DATA, isFee=1)),
        of(Outcome.ANSWERED, charged=True, answer=Answer(1, 3, 1)),
    ),
    (Reply(200, body(code=201, data={"telcoType": 0}, isFee=1)), of(Outcome.NO_DATA, charged=True)),
    (Reply(200, body(code=201)), of(Outcome.FAILED, charged=False)),
    (
        Reply(200, body(code=11008, msg="no")),
        of(Outcome.FAILED, charged=False, code="11008", msg="no", reason="code"),
    ),
    (Reply(200, body(code=11008, isFee=1)), of(Outcome.FAILED, charged=True)),
    (Reply(500, body(code=200, data=DATA, isFee=0)), of(Outcome.RETRY, charged=False)),
    (
        Reply(500, body(code=200, data=DATA, requestId="r")),
        of(Outcome.FAILED, charged=None, request_id="r", reason="http_500"),
    ),
    (
        Reply(200, body(code=0, data=DATA, requestId="r")),
        of(Outcome.FAILED, charged=None, request_id="r", reason="code"),
    ),
    (Reply(200, body(data=DATA)), of(Outcome.FAILED, charged=None, reason="unreadable_reply")),
    (Reply(401, body(code=200, data=DATA)), of(Outcome.STOP, charged=None)),
    (Reply(200, body(code=0, data={"telcoType": 0})), of(Outcome.FAILED, charged=False)),
]

QUERY = [
    (Reply(401), of(Outcome.STOP)),
    (Reply(307), of(Outcome.STOP)),
    (Reply(429, retry_after=1.0), of(Outcome.THROTTLED)),
    (Reply(502), of(Outcome.RETRY)),
    (Reply(None, sent=False), of(Outcome.RETRY)),
    (Reply(None), of(Outcome.AMBIGUOUS)),
    (Reply(200, b""), of(Outcome.AMBIGUOUS)),
    (Reply(400, b"?"), of(Outcome.AMBIGUOUS)),
    (
        Reply(200, body(code=200, data=DATA, isFee=1)),
        of(Outcome.ANSWERED, charged=True, answer=Answer(1, 3, 1)),
    ),
    (Reply(200, body(code=200, data=DATA)), of(Outcome.ANSWERED, charged=None)),
    (Reply(200, body(code=200, data=DATA, isFee=0)), of(Outcome.ANSWERED, charged=False)),
    (
        Reply(200, body(code=200, data=DATA | {"userPhone": "6281100000"}, isFee=1)),
        of(Outcome.QUARANTINED, charged=True),
    ),
    (
        Reply(200, body(code=200, data=DATA | {"userPhone": "62811****532"}, isFee=1)),
        of(Outcome.ANSWERED),
    ),
    (Reply(200, body(code=200, data=DATA | {"userPhone": f"0{N}"}, isFee=1)), of(Outcome.ANSWERED)),
    (Reply(200, body(code=200, data=DATA | {"userPhone": N}, isFee=1)), of(Outcome.ANSWERED)),
    (Reply(200, body(code=200, data=None, isFee=1)), of(Outcome.NO_DATA, charged=True)),
    (Reply(200, body(code=200, data={}, isFee=1)), of(Outcome.NO_DATA, charged=True)),
    (
        Reply(
            200,
            body(
                code=200,
                data={"telcoType": 0, "activeLevel": "NA", "frequencyGrade": "NA"},
                isFee=1,
            ),
        ),
        of(Outcome.NO_DATA),
    ),
    (
        Reply(200, body(code=200, data=DATA | {"activeLevel": "very_high"})),
        of(Outcome.ANSWERED, reason="unknown_value", answer=Answer(1, 0, 1)),
    ),
    (
        Reply(200, body(code=200, data={"telcoType": 7})),
        of(Outcome.ANSWERED, reason="unknown_value", answer=Answer()),
    ),
    (Reply(200, body(code=200, data=["x"])), of(Outcome.ANSWERED, reason="unknown_value")),
    (Reply(200, body(code=100401, isFee=1)), of(Outcome.FAILED, charged=True)),
    (Reply(200, body(code=201)), of(Outcome.PENDING)),
    (Reply(200, body(code=201, isFee=1)), of(Outcome.PENDING, charged=True)),
    (Reply(200, body(code=201, isFee=0)), of(Outcome.PENDING, charged=False)),
    (Reply(200, body(isFee=1)), of(Outcome.AMBIGUOUS, charged=True)),
    (Reply(500, body(code=500, isFee=1)), of(Outcome.RETRY, charged=True)),
    (Reply(429, body(code=429, isFee=1)), of(Outcome.THROTTLED, charged=True)),
    (Reply(403, body(code=403, isFee=1)), of(Outcome.STOP, charged=True)),
    (Reply(200, body(code=201, isFee=1), marked=True), of(Outcome.STOP, charged=False)),
    (Reply(200, body(code=11008, isFee=0)), of(Outcome.FAILED, charged=False)),
    (Reply(200, body(code=11008)), of(Outcome.UNCERTAIN, charged=None)),
]


@pytest.mark.parametrize(("reply", "expected"), HANDLE)
def test_every_row_of_the_table_for_handle(reply, expected):
    verdict = judge_handle(reply, N)
    assert (verdict.outcome, {name: getattr(verdict, name) for name in expected[1]}) == expected


@pytest.mark.parametrize(("reply", "expected"), QUERY)
def test_every_row_of_the_table_for_query(reply, expected):
    verdict = judge_query(reply, N)
    assert (verdict.outcome, {name: getattr(verdict, name) for name in expected[1]}) == expected


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("628110000001 (fax)", Outcome.QUARANTINED),
        ("628110000001x", Outcome.QUARANTINED),
        ("8110000001 #2", Outcome.QUARANTINED),
        ("62811000000*", Outcome.QUARANTINED),
        (f"62{N}x1", Outcome.QUARANTINED),
        ("811000000xx", Outcome.QUARANTINED),
        ("62811-8899-5XX", Outcome.ANSWERED),
        ("+62 811-8899-*32", Outcome.ANSWERED),
        (f"62{N} (fax)", Outcome.ANSWERED),
        ("62811****532", Outcome.ANSWERED),
        ("0811xxxx532", Outcome.ANSWERED),
        ("***", Outcome.ANSWERED),
        ("", Outcome.ANSWERED),
        ("\uff16\uff12" + str(N), Outcome.ANSWERED),
        (f"62{N}.0", Outcome.ANSWERED),
        ("62811000000\uff11", Outcome.QUARANTINED),
        ("NA", Outcome.QUARANTINED),
        (f"62{N}, 628110000001", Outcome.QUARANTINED),
    ],
)
def test_an_answer_is_ours_only_if_its_phone_is_masked_or_surely_ours(said, outcome):
    for judge in (judge_query, judge_handle):
        assert (
            judge(Reply(200, body(code=200, data=DATA | {"userPhone": said}, isFee=1)), N).outcome
            is outcome
        )


@pytest.mark.parametrize("word", ["failed", "retry", "stop", "pending", "no_data"])
def test_the_user_may_know_a_code_better(word):
    for fee, free in ((0, False), (1, True), (None, None)):
        fields = {"code": 11008, **({} if fee is None else {"isFee": fee})}
        verdict = judge_query(Reply(200, body(**fields)), N, codes={11008: word})
        expected = {"failed": Outcome.FAILED if fee is not None else Outcome.UNCERTAIN}.get(
            word, Outcome(word)
        )
        assert verdict.outcome is expected
        if word in ("failed", "no_data"):
            assert verdict.charged is free
    assert judge_handle(Reply(200, body(code=7)), N, codes={7: "stop"}).outcome is Outcome.STOP


def test_the_simulators_mark_is_refused_everywhere_else():
    for reply in (
        Reply(200, body(code=201, requestId="r", simulator=True)),
        Reply(200, body(code=201, requestId="r"), marked=True),
    ):
        assert judge_handle(reply, N).outcome is Outcome.STOP
        assert judge_query(reply, N).reason == "simulator_answer"
        assert judge_handle(reply, N, simulated=True).outcome is Outcome.PENDING


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=9),
        st.sampled_from([200, 201, "200", 11008, "NA", "high"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "code",
                    "msg",
                    "data",
                    "requestId",
                    "isFee",
                    "userPhone",
                    "telcoType",
                    "activeLevel",
                    "frequencyGrade",
                    "x",
                ]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)


@given(
    st.one_of(st.binary(max_size=200), JSON.map(lambda v: json.dumps(v).encode())),
    st.sampled_from([200, 201, 400, 418, 500, 302]),
)
def test_any_body_becomes_an_outcome(raw, status):
    for judge in (judge_handle, judge_query):
        assert isinstance(judge(Reply(status, raw), N).outcome, Outcome)


def test_twenty_thousand_damaged_answers_become_outcomes_and_never_a_wrong_level():
    rng = random.Random(3)
    whole = json.dumps(
        {"code": 200, "msg": "ok", "data": DATA, "requestId": "e6", "isFee": 1}
    ).encode()
    seen = set()
    for _ in range(20_000):
        raw = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(raw))
            kind = rng.randrange(3)
            if kind == 0:
                raw[at] = rng.randrange(256)
            elif kind == 1:
                del raw[at : at + rng.randrange(1, 20)]
            else:
                raw[at:at] = bytes(rng.choices(b',}{]["0a:', k=rng.randrange(1, 4)))
            raw = raw or bytearray(b" ")
        verdict = judge_query(Reply(200, bytes(raw)), N)
        seen.add(verdict.outcome)
        if verdict.outcome is Outcome.ANSWERED:
            assert verdict.answer.active_level in (0, 3)
            assert verdict.answer.frequency_grade in (0, 1)
    assert len(seen) >= 4


@given(
    st.sampled_from(list(LookupState)),
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([None, True, False]),
    st.booleans(),
)
def test_packing_loses_nothing(state, telco, active, frequency, charged, unknown):
    packed = pack(state, Answer(telco, active, frequency), charged, unknown)
    assert unpack(packed) == (state, Answer(telco, active, frequency), charged, unknown)
    assert packed < 2**15


@pytest.mark.parametrize("code", ["E1100812", "10.001.2345", "ERR-11008123", "123456789"])
def test_the_users_own_table_is_asked_about_the_code_as_it_came_although_it_is_shown_masked(code):
    reply = Reply(200, json.dumps({"code": code, "msg": "", "isFee": 0}).encode())
    for key in [code, int(code)] if code.isdigit() else [code]:
        assert judge_query(reply, 8118899532, codes={key: "no_data"}).outcome is Outcome.NO_DATA
    verdict = judge_query(reply, 8118899532, codes={})
    assert (verdict.outcome, "***" in verdict.code) == (Outcome.FAILED, True)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("628118****9532", Outcome.ANSWERED),  # four stars for three digits
        ("0811*********532", Outcome.ANSWERED),
        ("62899****111", Outcome.QUARANTINED),
        ("62811****111", Outcome.QUARANTINED),
        ("0899xxxx532", Outcome.QUARANTINED),
        ("62811\u2022\u2022\u2022\u20229532", Outcome.ANSWERED),
        ("62811\u25cf\u25cf\u25cf532", Outcome.ANSWERED),
        ("0811\u00d7\u00d7\u00d7532", Outcome.ANSWERED),
        ("62811----9532", Outcome.ANSWERED),
        ("62811...532", Outcome.ANSWERED),
        ("62811\u2026532", Outcome.ANSWERED),
        ("62811___532", Outcome.ANSWERED),
        ("62899\u2022\u2022\u2022\u2022111", Outcome.QUARANTINED),
        ("62811...111", Outcome.QUARANTINED),
        ("62811-0000-001", Outcome.QUARANTINED),
        ("62811~~~~532", Outcome.ANSWERED),
        ("62811%%%532", Outcome.ANSWERED),
        ("62899~~~~111", Outcome.QUARANTINED),
    ],
)
def test_a_mask_contradicts_by_its_shown_digits(said, outcome):
    """A mask often has a fixed number of stars, whatever the length of the number."""
    reply = Reply(200, body(code=200, data=DATA | {"userPhone": said}, isFee=1))
    assert judge_query(reply, N).outcome is outcome


@pytest.mark.parametrize(
    ("reply", "outcome", "reason"),
    [
        (Reply(500, body(code=500, isFee=1, requestId="r")), Outcome.FAILED, "http_500"),
        (Reply(429, body(code=429, isFee="1", requestId="r")), Outcome.FAILED, "http_429"),
        (Reply(403, body(code=403, isFee=1, requestId="r")), Outcome.STOP, "http_403"),
        (Reply(200, body(isFee=1, requestId="r")), Outcome.FAILED, "unreadable_reply"),
        (Reply(200, body(code=11008, isFee=1, requestId="r")), Outcome.FAILED, "code"),
    ],
)
def test_a_charge_at_handle_is_read_under_any_status(reply, outcome, reason):
    verdict = judge_handle(reply, N)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert (verdict.charged, verdict.request_id) == (True, "r")


def test_a_charge_that_the_simulator_made_up_is_none():
    reply = Reply(200, body(code=201, isFee=1, requestId="r"), marked=True)
    verdict = judge_handle(reply, N)
    assert (verdict.outcome, verdict.charged) == (Outcome.STOP, False)


def test_signals_without_a_phone_have_their_reason():
    data = {name: value for name, value in DATA.items() if name != "userPhone"}
    verdict = judge_query(Reply(200, body(code=200, data=data, isFee=1)), N)
    assert (verdict.outcome, verdict.reason) == (Outcome.ANSWERED, "no_user_phone")


@pytest.mark.parametrize(
    "fields",
    [
        {"result": DATA},
        {"data": None, "Data": [DATA]},
        {"data": {"userPhone": f"62{N}", "telcoType": 0, "active_level": "high"}},
        {"data": {"userPhone": f"62{N}", "telco_type": 1, "activeLevel": "NA"}},
        {"data": {"userPhone": f"62{N}", "telcoType": "0", "online": " Medium "}},
        {"encryptData": "kR9x" * 32},
        {"data": None, "payload": "0a" * 96},
        {"data": "", "result": json.dumps(DATA)},
        {"data": {"userPhone": f"62{N}", "telcoType": 0, "cipher": "kR9x" * 32}},
        {"data": json.dumps(DATA)},
        {"data": [DATA]},
        {"data": {"data": DATA}},
    ],
)
def test_a_paid_answer_in_another_place_is_never_no_data(fields):
    """It is settled for good: as one without data nobody would look at it again."""
    verdict = judge_query(Reply(200, body(code=200, isFee=1, **fields)), N)
    assert (verdict.outcome, verdict.reason) == (Outcome.ANSWERED, "unknown_value")


def test_signals_beside_an_empty_data_are_read_and_compared():
    """The names are the vendor's own, and userPhone still says about whom they are."""
    own = judge_query(Reply(200, body(code=200, isFee=1, data=None, **DATA)), N)
    assert (own.outcome, own.answer.active_level, own.reason) == (Outcome.ANSWERED, 3, None)
    other = judge_query(Reply(200, body(code=200, isFee=1, **DATA)), N + 1)
    assert other.outcome is Outcome.QUARANTINED


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": {}, "traceId": "a1"},
        {"data": {}, "traceId": "a1" * 32, "message": "no data for this number, " * 4},
        {"data": None, "sign": "kR9x" * 86, "operator": ""},
        {"data": None, "userPhone": f"62{N}"},
        {"data": {"telcoType": 0, "activeLevel": "NA"}},
        {"data": {"telcoType": 0, "operator": "XL", "active_level": "NA"}},
    ],
)
def test_nothing_beside_no_data_stays_no_data(fields):
    assert judge_query(Reply(200, body(code=200, isFee=1, **fields)), N).outcome is Outcome.NO_DATA


@pytest.mark.parametrize("judge", [judge_handle, judge_query])
@pytest.mark.parametrize(
    ("said", "holder", "outcome"),
    [
        (None, N + 1, Outcome.AMBIGUOUS),
        ("***", N + 1, Outcome.AMBIGUOUS),
        ("62811****532", N + 1, Outcome.AMBIGUOUS),
        (f"62{N + 1}", N + 1, Outcome.AMBIGUOUS),
        (f"+62 {N}", N + 1, Outcome.ANSWERED),
        (None, N, Outcome.ANSWERED),
        (None, None, Outcome.ANSWERED),
    ],
)
def test_a_reply_with_anothers_request_id_must_name_its_phone(judge, said, holder, outcome):
    """A requestId that nobody opened is the rule: the vendor's page shows another one."""
    reply = Reply(200, body(code=200, data=DATA | {"userPhone": said}, isFee=1, requestId="r"))
    assert judge(reply, N, opened_for={"r": holder}.get).outcome is outcome


@pytest.mark.parametrize("code", [200, 201])
def test_a_request_id_opened_for_two_numbers_is_no_lost_reply(code):
    """The store sees it, holds both and stops the run."""
    reply = Reply(200, body(code=code, requestId="r"))
    assert judge_handle(reply, N, opened_for={"r": N + 1}.get).outcome is Outcome.PENDING


@pytest.mark.parametrize(
    ("said", "charged"),
    [
        ("true", True),
        ("Y", True),
        ("False", False),
        ("no", False),
        (0.0, False),
        ("maybe", None),
        (2, None),
    ],
)
def test_a_charge_is_read_in_words(said, charged):
    verdict = judge_query(Reply(200, body(code=200, data=DATA, isFee=said)), N)
    assert verdict.charged is charged


@pytest.mark.parametrize("code", [201, 11008])
def test_a_charge_in_words_at_handle_is_one(code):
    """A failure that costs money is not tried again by the next call."""
    verdict = judge_handle(Reply(200, body(code=code, isFee="true", requestId="r")), N)
    assert verdict.charged is True


@pytest.mark.parametrize("code", [200, 201, 11008])
@pytest.mark.parametrize("said", [2, -1, "charged", "1.5", [1], " 1 "])
def test_a_charge_at_handle_that_nobody_reads_is_one(said, code):
    """A page without isFee at handle says nothing of its values, and only a clear 0 is free."""
    verdict = judge_handle(Reply(200, body(code=code, isFee=said, requestId="r")), N)
    assert verdict.charged is True


@pytest.mark.parametrize("said", [0, "0", 0.0, "0.0", False, "no", None, ""])
def test_a_clear_0_at_handle_is_free(said):
    verdict = judge_handle(Reply(200, body(code=11008, isFee=said, requestId="r")), N)
    assert (verdict.outcome, verdict.charged) == (Outcome.FAILED, False)
