"""When a run's answers say that going on is no use: "in a row" is by the order of beginning."""

from __future__ import annotations

import random
import warnings

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._config.settings import Settings
from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._run.stopping import (
    BARREN_IN_A_ROW,
    PROBES,
    REMEMBERED,
    SAME_IN_A_ROW,
    UNREACHABLE_IN_A_ROW,
    Streaks,
)
from pandas_numberactive._run.tally import Tally
from pandas_numberactive.errors import IncompleteRunWarning, VendorError
from pandas_numberactive.simulator import Faults, Simulator


def ended(state, reason=None, code=None):
    return Purchase("sandbox", 8110000001, state=state, reason=reason, code=code)


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
