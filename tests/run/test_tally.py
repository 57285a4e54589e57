"""When a run's answers say that going on is no use: "in a row" is by the order of beginning."""

from __future__ import annotations

import json
import random
import warnings

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._config.settings import Settings
from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._run.stopping import (
    BARREN_IN_A_ROW,
    NAMELESS_IN_A_ROW,
    PROBES,
    REMEMBERED,
    SAME_IN_A_ROW,
    UNREACHABLE_IN_A_ROW,
    USELESS_IN_A_ROW,
    Streaks,
)
from pandas_numberactive._run.tally import Tally
from pandas_numberactive.errors import IncompleteRunWarning, VendorError
from pandas_numberactive.simulator import Faults, Simulator


def ended(state, reason=None, code=None, **more):
    return Purchase("sandbox", 8110000001, state=state, reason=reason, code=code, **more)


GOOD = ended(LookupState.ANSWERED)
HELD = ended(LookupState.UNCERTAIN, "lost_reply")
UNKNOWN = ended(LookupState.FAILED, "code", "11008")
UNREACHED = ended(LookupState.FAILED, "lost_reply")
LIMITS = [(HELD, SAME_IN_A_ROW), (UNKNOWN, SAME_IN_A_ROW), (UNREACHED, UNREACHABLE_IN_A_ROW)]


def test_what_was_given_back_is_not_done():
    tally = Tally()
    for lookup in (GOOD, HELD, ended(LookupState.RELEASED), ended(LookupState.PENDING)):
        tally.count(lookup)
    assert (tally.done, tally.bought, tally.uncertain) == (3, 1, 1)


def proven():
    streaks = Streaks(Settings())
    assert streaks.see(streaks.begin(), GOOD) is None
    return streaks


@pytest.mark.parametrize(("bad", "limit"), LIMITS, ids=["held", "code", "unreachable"])
def test_as_many_in_a_row_as_the_limit_end_the_run_whatever_their_order_of_ending(bad, limit):
    streaks = proven()
    places = [streaks.begin() for _ in range(limit)]
    random.Random(3).shuffle(places)
    verdicts = [streaks.see(place, bad) for place in places]
    assert [v is not None for v in verdicts] == [False] * (limit - 1) + [True]


@pytest.mark.parametrize(("bad", "limit"), LIMITS, ids=["held", "code", "unreachable"])
def test_bad_ones_that_end_together_but_did_not_begin_together_end_nothing(bad, limit):
    streaks = proven()
    places = [streaks.begin() for _ in range(6 * limit)]
    assert [streaks.see(place, bad, 5 * limit) for place in places[::2]] == [None] * (3 * limit)
    assert [streaks.see(place, GOOD) for place in places[1::2]] == [None] * (3 * limit)


@pytest.mark.parametrize(("bad", "limit"), LIMITS[::2], ids=["held", "unreachable"])
def test_answers_without_a_code_get_no_advice_on_codes(bad, limit):
    """Nobody could set the meaning of a code that did not come."""
    streaks = proven()
    verdicts = [streaks.see(streaks.begin(), bad) for _ in range(limit)]
    assert "Check the network and base_url" in str(verdicts[-1])
    assert "code_outcomes" not in str(verdicts[-1])


def test_the_first_five_answers_with_one_unknown_code_end_the_run():
    streaks = Streaks(Settings())
    verdicts = [streaks.see(streaks.begin(), UNKNOWN) for _ in range(PROBES)]
    assert [v is not None for v in verdicts] == [False] * (PROBES - 1) + [True]
    assert "11008" in str(verdicts[-1])


def test_a_code_that_the_user_has_explained_never_ends_a_run():
    streaks = Streaks(Settings(code_outcomes={"handle": {"11008": "failed"}}))
    assert [streaks.see(streaks.begin(), UNKNOWN) for _ in range(50)] == [None] * 50


def test_only_the_latest_bad_ones_are_remembered():
    streaks = proven()
    for i in range(3 * REMEMBERED):
        assert streaks.see(streaks.begin(), UNKNOWN if i % 2 else HELD, 10**6) is None
    assert len(streaks._bad) == REMEMBERED


def test_a_fifth_of_the_numbers_refused_at_once_does_not_end_a_run_of_64_in_flight(tmp_path):
    phones = [f"0811{i:07d}" for i in range(300)]  # made up
    refused = {f"handle:{phone[1:]}": ["code"] for phone in phones[5::5]}
    with Simulator(
        stand_in=True, app_key="k", secret="s", latency=0.02, faults=Faults(script=refused)
    ) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            max_concurrency=64,
            progress=False,
        )
        pna.configure(store=str(tmp_path / "s.sqlite3"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IncompleteRunWarning)
            out = pd.DataFrame({"phone": phones}).numberactive.enrich("phone")
        assert out["phone_lookup_status"].value_counts()["failed"] == len(refused)
        assert vendor.ledger.total == len(phones) - len(refused)


KINDS = [HELD, UNKNOWN, UNREACHED, ended(LookupState.QUARANTINED, "other_phone", "200")]


def test_bad_answers_of_every_kind_with_no_good_one_among_them_end_the_run_whatever_their_places():
    streaks = proven()
    in_flight = 64
    limit = BARREN_IN_A_ROW + in_flight
    verdicts = []
    for i in range(limit):
        place = streaks.begin()
        streaks.begin()  # hangs, so that no two bad ones stand side by side
        verdicts.append(streaks.see(place, KINDS[i % len(KINDS)], in_flight))
    assert [v is not None for v in verdicts] == [False] * (limit - 1) + [True]
    assert f"no good answer among the last {limit}" in str(verdicts[-1])


def test_one_good_answer_among_so_many_bad_ones_lets_a_run_go_on():
    streaks = proven()
    for i in range(400):
        place = streaks.begin()
        streaks.begin()
        assert streaks.see(place, GOOD if i % 60 == 59 else KINDS[i % len(KINDS)], 64) is None


def test_a_vendor_that_hangs_on_half_and_charges_the_rest_for_nothing_is_asked_no_more(tmp_path):
    phones = [f"0811{i:07d}" for i in range(2000)]  # made up
    bad = {
        f"query:{phone[1:]}": ["hang" if i % 2 else "code_charged"] * 9
        for i, phone in enumerate(phones[50:])
    }
    with Simulator(stand_in=True, app_key="k", secret="s", faults=Faults(script=bad)) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            max_concurrency=32,
        )
        pna.configure(store=str(tmp_path / "s.sqlite3"), query_timeout=0.2, progress=False)
        with pytest.raises(VendorError, match="stopped"):
            pd.DataFrame({"phone": phones}).numberactive.enrich("phone")
        assert 50 < vendor.ledger.total < 50 + 2 * (BARREN_IN_A_ROW + 32) + 48


NAMELESS = ended(LookupState.ANSWERED, "no_user_phone")
UNUSABLE = ended(LookupState.ANSWERED, "unknown_value")


@pytest.mark.parametrize(("bad", "limit"), [(NAMELESS, 3), (UNUSABLE, 10)])
def test_paid_answers_of_no_use_end_the_run(bad, limit):
    streaks = proven()
    verdicts = [streaks.see(streaks.begin(), bad) for _ in range(limit)]
    assert [v is not None for v in verdicts] == [False] * (limit - 1) + [True]


def charged(code):
    return ended(LookupState.FAILED_CHARGED, "code", code, charged=True)


OTHERS = ended(LookupState.QUARANTINED, "wrong_phone", "200", charged=True)
USELESS = {
    "another number, unreadable": [OTHERS, UNUSABLE],
    "all kinds": [OTHERS, charged("7"), UNUSABLE],
    "codes that differ": [charged(str(1000 + i)) for i in range(USELESS_IN_A_ROW)],
    "charged at handle, then lost": [UNUSABLE, HELD._replace(charged=True)],
    "charge not known": [OTHERS._replace(charged=None), UNUSABLE._replace(charged=None)],
}


@pytest.mark.parametrize("kinds", USELESS.values(), ids=USELESS)
def test_paid_and_useless_answers_of_any_kind_end_the_run(kinds):
    """Whatever is wrong with each, ten in a row were paid for nothing."""
    streaks = proven()
    places = [streaks.begin() for _ in range(USELESS_IN_A_ROW)]
    random.Random(3).shuffle(places)
    verdicts = [streaks.see(place, kinds[place % len(kinds)], 64) for place in places]
    assert [v is not None for v in verdicts] == [False] * (USELESS_IN_A_ROW - 1) + [True]
    assert f"The last {USELESS_IN_A_ROW} paid look-ups" in str(verdicts[-1])


def test_useless_answers_that_were_free_are_no_row_of_paid_ones():
    free = [OTHERS._replace(charged=False), UNUSABLE._replace(charged=False)]
    streaks = proven()
    assert [streaks.see(streaks.begin(), free[i % 2], 64) for i in range(80)] == [None] * 80


def test_a_good_answer_ends_a_row_of_paid_and_useless_ones():
    streaks = proven()
    for i in range(200):
        assert (
            streaks.see(streaks.begin(), GOOD if i % 10 == 9 else [OTHERS, UNUSABLE][i % 2]) is None
        )


def test_an_explained_code_that_is_charged_ends_the_run():
    """`failed` says that nothing was found, not that each time may be paid."""
    streaks = Streaks(Settings(code_outcomes={"query": {"100401": "failed"}}))
    verdicts = [streaks.see(streaks.begin(), charged("100401")) for _ in range(USELESS_IN_A_ROW)]
    assert [v is not None for v in verdicts] == [False] * (USELESS_IN_A_ROW - 1) + [True]
    assert '"no_data"' in str(verdicts[-1])


def no_data(**data):
    data = {"telcoType": 0, "activeLevel": "NA", "frequencyGrade": "NA", **data}
    body = json.dumps({"code": 200, "data": data, "isFee": 1}).encode()
    return ended(LookupState.NO_DATA, code="200", charged=True, raw=body)


SILENT = no_data()  # names no number


def test_silent_no_data_ends_no_row_of_nameless_answers():
    streaks = proven()
    verdicts = [streaks.see(streaks.begin(), [NAMELESS, SILENT][i % 2]) for i in range(5)]
    assert [v is not None for v in verdicts] == [False] * 4 + [True]
    assert f"The last {NAMELESS_IN_A_ROW} look-ups" in str(verdicts[-1])


def test_named_no_data_ends_a_row_of_nameless_answers():
    streaks = proven()
    named = no_data(userPhone="628110000001")
    for i in range(200):
        assert streaks.see(streaks.begin(), [NAMELESS, named][i % 2]) is None


def test_silent_no_data_is_no_good_answer():
    """Answers for other numbers end the run, though half of the replies say "no data"."""
    streaks = proven()
    verdicts = [
        streaks.see(streaks.begin(), [SILENT, OTHERS][i % 2]) for i in range(2 * BARREN_IN_A_ROW)
    ]
    assert [v is not None for v in verdicts] == [False] * (2 * BARREN_IN_A_ROW - 1) + [True]


def test_no_data_alone_ends_no_run():
    """It lets the other numbers go, for it shows that the keys are accepted."""
    streaks = Streaks(Settings())
    assert [streaks.see(streaks.begin(), SILENT) for _ in range(200)] == [None] * 200
    assert streaks.proven


@pytest.mark.parametrize(
    ("kept", "most"), [(("activeLevel",), 8), ((), 17)], ids=["no phone", "wrapped"]
)
def test_a_vendor_of_useless_answers_is_stopped(tmp_path, monkeypatch, kept, most):
    """Answers without a phone, and answers wrapped in something unknown, are all charged (B1)."""
    with Simulator(stand_in=True, app_key="k", secret="s") as vendor:
        data = {"activeLevel": "high"} if kept else {"sealed": "x"}
        monkeypatch.setattr(vendor, "answer", lambda _: {"userPhone": None, **data})
        monkeypatch.setattr("pandas_numberactive.simulator.server.coded", lambda _, body, __: body)
        pna.configure(environment="sandbox", base_url=vendor.base_url, app_key="k", secret="s")
        pna.configure(store=str(tmp_path / "s.sqlite3"), progress=False)
        with pytest.raises(VendorError, match="stopped"):
            pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(200)]}).numberactive.enrich(
                "phone"
            )
        assert vendor.ledger.total <= most
