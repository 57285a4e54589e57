"""The books: what was charged, checked against an invoice; held look-ups settled by hand; numbers forgotten for good."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    InvalidPhoneError,
    StoreError,
)
from pandas_numberactive.simulator import Faults, Simulator

PHONES = [f"8118899{i:03d}" for i in range(6)]


@pytest.fixture
def frame():
    return pd.DataFrame({"phone": PHONES})


def troubled(**script):
    return Simulator(
        stand_in=True,
        app_key="made-up-key",
        secret="made-up-secret",
        faults=Faults(script={k: [v] * 9 for k, v in script.items()}),
    )


def enrich(frame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pna.errors.IncompleteRunWarning)
        return frame.numberactive.enrich("phone", **options)


def test_spend_is_by_day_run_and_environment_and_counts_a_charge_once(on_either, vendor, frame):
    on_either()
    enrich(frame[:4])
    enrich(frame)
    assert pna.spend("run")["charged"].tolist() == [4, 2]
    by_day = pna.spend("day")
    assert (by_day["charged"].sum(), by_day["cost"].sum()) == (6, 3000.0)
    assert pna.spend("environment")["environment"].tolist() == ["production"]
    assert vendor.ledger.total == 6
    with pytest.raises(ConfigurationError, match="day"):
        pna.spend("week")


def test_an_invoice_is_matched_by_request_id(on_either, vendor, frame):
    on_either()
    enrich(frame)
    ours = [charge.request_id for charge in vendor.ledger.charges()]
    invoice = pd.DataFrame({"requestId": [*ours[1:5], ours[1], "unheard-of"]})
    with pna.LookupStore() as store:
        out = store.reconcile(invoice).set_index("request_id")
    assert out.loc[ours[1], "verdict"] == "charged_twice"
    assert out.loc[ours[2:5], "verdict"].tolist() == ["matched"] * 3
    assert out.loc["unheard-of", "verdict"] == "only_on_invoice"
    assert out.loc[[ours[0], ours[5]], "verdict"].tolist() == ["only_here"] * 2


def test_a_line_of_another_month_is_counted_in_front(on_either, vendor, frame):
    """A wrong period compares every line of the invoice, so the headline says what it is."""
    on_either()
    enrich(frame[:2])
    invoice = pd.DataFrame({"requestId": [charge.request_id for charge in vendor.ledger.charges()]})
    with pna.LookupStore() as store:
        out = store.reconcile(invoice, period="2020-01")
    assert out.headline == "2 requestIds: 2 matched; 2 charged outside the period"
    assert out["outside_period"].tolist() == [True, True]


def test_a_reconciliation_shows_its_verdicts(on_either, vendor, frame):
    """A narrow terminal hides no column between dots."""
    on_either()
    enrich(frame[:2])
    invoice = pd.DataFrame({"requestId": [charge.request_id for charge in vendor.ledger.charges()]})
    with pna.LookupStore() as store, pd.option_context("display.max_columns", 2):
        shown = repr(store.reconcile(invoice, environment="all"))
    names = "verdict times charged at environment"
    assert [name for name in names.split() if f" {name}" not in shown] == []


def test_the_column_of_ids_can_be_named(on_either):
    """The error names the keyword, and the column that is likely meant."""
    on_either()
    with pna.LookupStore() as store, pytest.raises(ColumnNotFoundError) as caught:
        store.reconcile(pd.DataFrame({"Request ID": ["r1"]}))
    assert "'Request ID'" in str(caught.value)
    assert "request_id=" in str(caught.value)


def test_either_name_of_the_request_id_is_read(on_either, vendor, frame):
    """The vendor's, and the one that `charges()` gives."""
    on_either()
    enrich(frame[:2])
    with pna.LookupStore() as store:
        own = store.charges(mask=False)[["request_id"]]
        theirs = own.rename(columns={"request_id": "requestId"})
        for invoice in (own, theirs):
            assert store.reconcile(invoice)["verdict"].tolist() == ["matched"] * 2


def test_ids_that_a_blank_line_made_floats_match(as_production):
    """Some vendors' ids are whole numbers; pandas reads them as 1.0 beside a blank."""
    as_production()
    old = pd.DataFrame({"phone": PHONES[:2], "telco_type": [1, 2], "requestId": ["71", "72"]})
    with pna.LookupStore() as store:
        store.import_answers(old.assign(looked_up_at="2026-01-05", isFee=1))
        out = store.reconcile(pd.DataFrame({"requestId": [71.0, None, 72.0]}))
        assert out["verdict"].tolist() == ["not_counted"] * 2
        with pytest.raises(ConfigurationError, match="last digits are lost"):
            store.reconcile(pd.DataFrame({"requestId": [2.0**60]}))


def test_ids_that_excel_cut_accuse_nobody(as_production):
    """All of them read 1.00E+17: a purchase billed many times, it seemed."""
    as_production()
    with pna.LookupStore() as store:
        for cut in ("1.00E+17", "1e+17", "1,2E+17"):
            with pytest.raises(ConfigurationError, match="last digits are lost"):
                store.reconcile(pd.DataFrame({"requestId": [cut, cut]}))
        assert len(store.reconcile(pd.DataFrame({"requestId": ["3e17", "1e17"]}))) == 2


def test_marks_that_nobody_sees_are_no_part_of_an_id(on_either, vendor, frame):
    on_either()
    enrich(frame[:2])
    ids = [charge.request_id for charge in vendor.ledger.charges()]
    with pna.LookupStore() as store:
        out = store.reconcile(pd.DataFrame({"requestId": ["\ufeff" + ids[0], ids[1] + " \u200b"]}))
        assert out["verdict"].tolist() == ["matched"] * 2
        twice = pd.DataFrame([ids], columns=["requestId", "requestId"])
        with pytest.raises(ConfigurationError, match="more than once"):
            store.reconcile(twice)


@pytest.mark.parametrize(
    "period",
    [
        ("2026-02-01", "2026-01-01"),
        ("2026-01-01", None),
        "08-11-2026",
        "11/2026",
        ("01-02-2026", "2026-03-01"),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_a_period_that_may_hide_charges_is_refused(as_production, period):
    """An empty time left every charge out, and 08-11-2026 was 11 August."""
    as_production()
    with pna.LookupStore() as store, pytest.raises(ConfigurationError, match="period must be"):
        store.reconcile(pd.DataFrame({"requestId": ["r1"]}), period=period)


def test_a_months_invoice_leaves_other_months_out(on_either, vendor, frame):
    """What was charged in another month, and is not billed now, is no finding."""
    given = on_either()
    enrich(frame[:4])
    ids = [charge.request_id for charge in vendor.ledger.charges()]
    with LookupStore.open(given.store) as store:
        january = 1_767_700_000_000_000
        sql = "UPDATE events SET at = ? WHERE request_id IN (?, ?)"
        store.do(lambda db: db.execute(sql, (january, *ids[:2])))
    invoice = pd.DataFrame({"requestId": ids[2:]})
    month = pd.Timestamp.now("Asia/Jakarta").strftime("%Y-%m")
    with pna.LookupStore() as store:
        assert len(store.reconcile(invoice)) == 4
        out = store.reconcile(invoice, period=month)
        assert out["verdict"].tolist() == ["matched"] * 2
        assert repr(out).startswith("2 requestIds: 2 matched\n")
        assert len(store.reconcile(invoice, period=("2026-01-01", "2026-02-01"))) == 4
        assert out.headline == "2 requestIds: 2 matched"
        with pytest.raises(ConfigurationError, match="period must be"):
            store.reconcile(invoice, period="soon")


def test_books_show_the_settings_environment(on_either, vendor, frame):
    """Trials in the sandbox are no part of production's bill, unless asked for."""
    on_either()
    enrich(frame[:3])
    with pna.override(environment="sandbox"):
        enrich(frame)
    assert pna.spend()["charged"].tolist() == [3]
    both = pna.spend(environment="all")
    assert dict(zip(both["environment"], both["charged"], strict=True)) == {
        "production": 3,
        "sandbox": 6,
    }
    assert len(pna.history()) == 6
    assert "environment" not in pna.history()
    assert pna.history(environment="all")["environment"].value_counts().max() == 12
    with pna.LookupStore() as store:
        assert len(store.charges()) == 3
        assert len(store.charges(environment="all")) == 9
        assert sum(store.summary().values()) == 3
        assert sum(store.summary(environment="all").values()) == 9
        ids = store.charges(mask=False)[["request_id"]]
        assert store.reconcile(ids)["verdict"].tolist() == ["matched"] * 3
        assert len(store.reconcile(ids, environment="all")) == 9
        with pytest.raises(ConfigurationError, match="Which environment"):
            store.charges(environment="prod")


@pytest.mark.parametrize("name", ["Active_Level", "activelevel", "phone_active_level"])
def test_a_signal_under_a_like_name_is_not_left_out(on_either, name):
    """Beside a telco_type without data it was a paid answer that says nothing, for good."""
    on_either()
    old = pd.DataFrame({"phone": PHONES[:1], "telcoType": 0, name: "high"})
    with pna.LookupStore() as store:
        with pytest.raises(pna.errors.ColumnNotFoundError, match=name):
            store.import_answers(old.assign(looked_up_at="2026-01-05"))
        assert store.summary() == {}


def test_imported_ids_that_a_blank_line_made_floats_are_whole(on_either):
    on_either()
    old = pd.DataFrame({"phone": PHONES[:2], "telcoType": 1, "requestId": [1001, None]})
    with pna.LookupStore() as store:
        assert store.import_answers(old.assign(looked_up_at="2026-01-05"))["imported"] == 2
        found = store.reconcile(pd.DataFrame({"requestId": ["1001"]}))
    assert found["verdict"].tolist() == ["not_counted"]


def test_the_vendors_own_names_are_taken_in(on_either, vendor, frame):
    """A loop that kept what came back has these columns."""
    on_either()
    old = pd.DataFrame(
        {
            "phone": PHONES[:2],
            "telcoType": [1, 2],
            "activeLevel": ["high", "NA"],
            "frequencyGrade": ["low", "medium"],
            "requestId": ["r1", "r2"],
            "isFee": ["1", "0"],
            "looked_up_at": ["2026-01-05"] * 2,
        }
    )
    with pna.LookupStore() as store:
        assert store.import_answers(old)["imported"] == 2
        assert store.summary() == {"answered": 2}
    out = enrich(frame[:2], details=True)
    assert out["phone_telco_type"].tolist() == ["prepaid", "postpaid"]
    assert out["phone_charged"].tolist() == [True, False]
    assert vendor.ledger.total == 0


def test_an_older_answer_serves_what_failed_free(on_either, vendor, frame, quiet_incomplete):
    """The first call failed without charge: what the team had paid before is not bought again."""
    on_either(progress=False)
    vendor.faults = Faults(script={"query": ["code_free"] * 2})
    assert enrich(frame[:2])["phone_lookup_status"].tolist() == ["failed"] * 2
    old = pd.DataFrame({"phone": PHONES[:2], "active_level": "high", "looked_up_at": "2026-01-05"})
    with pna.LookupStore() as store:
        assert store.import_answers(old)["imported"] == 2
        assert store.import_answers(old)["known"] == 2
    assert enrich(frame[:2], overwrite=True)["phone_active_level"].tolist() == ["high"] * 2
    assert vendor.ledger.total == 0


def test_an_older_answer_hides_no_bought_one(on_either, vendor, frame, quiet_incomplete):
    """A refresh failed free: the answer behind it still serves, and is newer than the imported."""
    on_either(progress=False)
    first = enrich(frame[1:2])
    vendor.faults = Faults(script={"query": ["code_free"]})
    enrich(frame[1:2], refresh=True)
    old = pd.DataFrame({"phone": PHONES[1:2], "active_level": "low", "looked_up_at": "2026-01-05"})
    with pna.LookupStore() as store:
        assert store.import_answers(old)["known"] == 1
    again = enrich(frame[1:2])
    assert again["phone_looked_up_at"].tolist() == first["phone_looked_up_at"].tolist()


def test_answers_without_any_signal_are_refused(as_production):
    """They would be paid answers without data, served for ever."""
    as_production()
    old = pd.DataFrame(
        {"phone": PHONES[:1], "Active_Level": ["high"], "looked_up_at": "2026-01-05"}
    )
    with pna.LookupStore() as store:
        with pytest.raises(ColumnNotFoundError, match="Active_Level"):
            store.import_answers(old)
        assert len(store) == 0


def test_answers_of_an_older_loop_are_taken_in_and_not_bought_again(on_either, vendor, frame):
    on_either()
    old = pd.DataFrame(
        {
            "phone": ["0811-8899-000", "+628118899001", "x", "08118899002"],
            "telco_type": [1, "postpaid", 1, 0],
            "active_level": ["high", None, "high", "NA"],
            "frequency_grade": ["low", "NA", "low", "NA"],
            "looked_up_at": ["2026-01-05"] * 4,
            "charged": [True, None, True, True],
        }
    )
    with pna.LookupStore() as store:
        assert store.import_answers(old) == {
            "imported": 3,
            "known": 0,
            "repeated": 0,
            "invalid": 1,
            "undated": 0,
        }
        assert store.import_answers(old) == {
            "imported": 0,
            "known": 3,
            "repeated": 0,
            "invalid": 1,
            "undated": 0,
        }
    out = enrich(frame, details=True)
    assert vendor.ledger.total == 3
    assert out["phone_telco_type"].tolist()[:2] == ["prepaid", "postpaid"]
    assert out["phone_lookup_status"].tolist()[:3] == ["answered", "answered", "no_data"]
    assert out["phone_looked_up_at"].dt.year.tolist()[:3] == [2026] * 3
    assert out["phone_source"].tolist()[:3] == ["stored"] * 3


@pytest.mark.parametrize(
    "moment",
    [
        *(pd.NaT, None, float("nan"), "", "no date", "0000", pd.Timestamp(0), -5, []),
        *("05/06/2026", "13/06/2026", 1767225600, 1767225600.5, "2062-01-05", True),
    ],
)
def test_an_older_answer_without_a_date_is_refused_and_not_said_to_be_there(as_production, moment):
    as_production()
    old = pd.DataFrame(
        {
            "phone": ["08118899001", "08118899002"],
            "telco_type": [None, None],
            "looked_up_at": pd.Series([moment, "2026-01-05"], dtype=object),
        }
    )
    with pna.LookupStore() as store:
        assert store.import_answers(old) == {
            "imported": 1,
            "known": 0,
            "repeated": 0,
            "invalid": 1,
            "undated": 1,
        }
        assert store.summary() == {"no_data": 1}
    assert pna.plan(old, "phone").to_buy == 1


def test_an_older_answer_of_a_clock_ahead_hides_no_refresh(as_production, vendor):
    """A date of this evening was newer than the refresh, which then bought nothing."""
    as_production()
    evening = pd.Timestamp.now(tz="UTC") + pd.Timedelta(hours=12)
    old = pd.DataFrame(
        {"phone": ["08118899001"], "activeLevel": ["low"], "looked_up_at": [evening]}
    )
    with pna.LookupStore() as store:
        assert store.import_answers(old)["imported"] == 1
    assert old[["phone"]].numberactive.enrich("phone", refresh=True) is not None
    assert vendor.ledger.total == 1


def test_a_held_lookup_is_shown_and_released_or_settled_by_hand(place, frame):
    with troubled(**{f"query:{PHONES[0]}": "code", f"query:{PHONES[1]}": "wrong_phone"}) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="made-up-key",
            secret="made-up-secret",
            store=place,
        )
        with pytest.warns(pna.errors.IncompleteRunWarning, match="held"):
            out = frame.numberactive.enrich("phone")
        assert out["phone_lookup_status"].tolist()[:2] == ["uncertain", "quarantined"]
        assert (
            out.loc[1, ["phone_telco_type", "phone_active_level", "phone_frequency_grade"]]
            .isna()
            .all()
        )
        with pna.LookupStore() as store:
            held = store.held()
            assert held["state"].tolist() == ["uncertain", "quarantined"]
            assert PHONES[0] not in held.to_string()
            assert (
                store.resolve(PHONES[0], "settle", charged=True, active_level="high") == "answered"
            )
            assert store.resolve(PHONES[1], "release", charged=True) == "written_off"
            with pytest.raises(StoreError, match="answered"):
                store.resolve(PHONES[0], "release")
            with pytest.raises(InvalidPhoneError):
                store.resolve("x", "release")
        handles = vendor.ledger.asked_phones()
        out = enrich(frame)
        assert out["phone_active_level"].tolist()[0] == "high"
        again = vendor.ledger.asked_phones() - handles
        assert again == {PHONES[1]: 1}  # only what was released is asked anew


@pytest.mark.parametrize("rows", [[0, 1], [1, 0]])
def test_of_an_older_loops_repeated_answers_the_newest_serves(on_either, vendor, frame, rows):
    on_either()
    old = pd.DataFrame(
        {
            "phone": ["08118899000"] * 2,
            "looked_up_at": ["2025-12-01", "2026-11-20"],
            "active_level": ["high", "low"],
            "request_id": ["r1", "r2"],
            "charged": [True, True],
        }
    ).iloc[rows]
    with pna.LookupStore() as store:
        counts = store.import_answers(old)
        billed = store.reconcile(pd.DataFrame({"requestId": ["r2", "r9"]})).set_index("request_id")[
            "verdict"
        ]
    assert counts == {"imported": 1, "known": 0, "repeated": 1, "invalid": 0, "undated": 0}
    assert billed.to_dict() == {"r2": "not_counted", "r9": "only_on_invoice"}
    assert enrich(frame[:1], max_age=pd.Timestamp.now() - pd.Timestamp("2026-11-01"))[
        "phone_active_level"
    ].tolist() == ["low"]
    assert vendor.ledger.total == 0


@pytest.mark.parametrize(
    ("how", "charged", "counted", "unknown", "verdict"),
    [
        ("release", True, 1, 0, "matched"),
        ("release", None, 1, 1, "matched"),
        ("release", False, 0, 0, "not_counted"),
        ("settle", True, 1, 0, "matched"),
        ("settle", None, 1, 1, "matched"),
        ("settle", False, 0, 0, "not_counted"),
    ],
)
@pytest.mark.parametrize("reply", ["code", "wrong_phone"])
def test_what_is_decided_by_hand_stands_in_the_books(
    place, frame, how, charged, counted, unknown, verdict, reply
):
    faults = Faults(script={f"query:{PHONES[0]}": [reply] * 9})
    with Simulator(
        stand_in=True, app_key="made-up-key", secret="made-up-secret", faults=faults
    ) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="made-up-key",
            secret="made-up-secret",
            store=place,
        )
        enrich(frame[:1])
        with pna.LookupStore() as store:
            bill = store.held()[["request_id"]].rename(columns={"request_id": "requestId"})
            if reply == "code":
                assert store.reconcile(bill)["verdict"].tolist() == ["not_counted"]  # held
            store.resolve(PHONES[0], how, charged=charged)
            if reply == "wrong_phone":  # the vendor's own isFee 1 stands, whatever a person heard
                counted, unknown, verdict = 1, 0, "matched"
            assert store.reconcile(bill)["verdict"].tolist() == [verdict]
            spent = store.spend("environment")
        assert (spent["charged"].sum(), spent["charge_unknown"].sum()) == (counted, unknown)


def test_uncertain_asks_the_same_request_id_again_and_never_a_new_handle(place, frame):
    script = {f"query:{PHONES[0]}": ["code", "ok"]}
    with Simulator(
        stand_in=True, app_key="made-up-key", secret="made-up-secret", faults=Faults(script=script)
    ) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="made-up-key",
            secret="made-up-secret",
            store=place,
        )
        assert enrich(frame)["phone_lookup_status"].tolist()[0] == "uncertain"
        assert enrich(frame)["phone_lookup_status"].isin(["answered", "no_data"]).all()
        assert vendor.ledger.asked_phones()[PHONES[0]] == 1
        assert pna.last_run().requeried == 1


def test_a_forgotten_number_is_gone_from_the_bytes_and_its_charge_stays(
    as_production, vendor, frame, tmp_path
):
    as_production()
    enrich(frame)
    path = tmp_path / "store.sqlite3"

    def traces(phone):
        data = b"".join(
            p.read_bytes() for p in sorted(tmp_path.glob("store.sqlite3*")) if p.is_file()
        )
        return data.count(phone.encode()) + data.count(int(phone).to_bytes(6, "big"))

    assert traces(PHONES[2]) > 0
    with pna.LookupStore() as store:
        assert store.forget(["0811-8899-002"]) == 1
        assert store.spend("environment")["charged"].tolist() == [6]
        assert len(store) == 5
    assert path.exists()
    assert traces(PHONES[2]) == 0
    assert traces(PHONES[3]) > 0
    enrich(frame)
    assert vendor.ledger.charged_phones()[PHONES[2]] == 2  # a forgotten number costs again


def test_forget_takes_one_phone_or_a_column_and_all_or_none(as_production, frame):
    as_production()
    enrich(frame)
    with pna.LookupStore() as store:
        for cells in (
            [PHONES[0], None, "x", PHONES[1], "12"],
            pd.Series([PHONES[0], "", "x", float("nan"), "12"]),
        ):
            with pytest.raises(
                InvalidPhoneError, match=r"2 of 5 cells .* at position 2 \(bad_characters\)"
            ):
                store.forget(cells)
        assert len(store) == 6
        assert store.forget("0811-8899-000") == 1
        assert store.forget(int(PHONES[1])) == 1
        assert (
            store.forget(
                pd.Series(
                    [PHONES[2], None, float("nan"), "", pd.NA, PHONES[3]], index=list("aabbcc")
                )
            )
            == 2
        )
        assert store.forget([]) == store.forget("") == 0
        assert len(store) == 2
        with pytest.raises(InvalidPhoneError, match="1 of 1 "):
            store.forget("x")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"phone": PHONES[:2]}),
        pd.DataFrame({"phone": PHONES[:2]}).groupby("phone"),
        np.array([PHONES[:2]]),
        {"phone": PHONES[:2]},
        {},
    ],
    ids=["frame", "groups", "array of two dimensions", "dict", "empty dict"],
)
def test_forget_refuses_a_table(as_production, frame, table):
    """Iterating it gives the names of its columns, and nothing would be forgotten."""
    as_production()
    enrich(frame)
    with pna.LookupStore() as store:
        with pytest.raises(ConfigurationError, match=r"one column.*df\[.phone.\]"):
            store.forget(table)
        assert len(store) == 6


@pytest.mark.parametrize("phones", [pd.DataFrame({"phone": PHONES}), {"phone": 1}, PHONES])
def test_resolve_refuses_many_phones(as_production, phones):
    as_production()
    with (
        pna.LookupStore() as store,
        pytest.raises(InvalidPhoneError, match="takes one number, not a"),
    ):
        store.resolve(phones, "release")


def test_many_are_forgotten_in_groups_and_the_others_stay(on_either, frame, monkeypatch):
    from pandas_numberactive._store import ledger as store_ledger

    monkeypatch.setattr(store_ledger, "FORGET_AT_ONCE", 2)
    on_either()
    enrich(frame)
    with pna.LookupStore() as store:
        assert store.forget([*PHONES[:5], "0812 000 0000"]) == 5  # the last was never there
        assert len(store) == 1
        assert store.spend("environment")["charged"].tolist() == [6]
        assert set(store.history(mask=False)["number"].dropna()) == {PHONES[5]}


def test_a_number_with_an_open_lookup_is_not_forgotten(place, frame):
    with troubled(**{f"query:{PHONES[0]}": "code"}) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="made-up-key",
            secret="made-up-secret",
            store=place,
        )
        enrich(frame)
        with pna.LookupStore() as store:
            with pytest.raises(StoreError, match="Nothing was forgotten"):
                store.forget(PHONES)
            assert len(store) == 6
            assert store.purge(older_than="0s") == 5
            assert store.summary() == {"uncertain": 1}


def test_a_request_id_made_of_the_phone_is_masked(on_either, vendor, frame, monkeypatch):
    """The vendor chooses it, and what is shown may be saved."""
    monkeypatch.setattr(vendor, "_after", _id_of_the_phone(vendor, vendor._after))
    on_either()
    enrich(frame)
    card = pna.lookup(PHONES[0])
    shown = [pna.history().to_csv(), card._repr_html_(), repr(card)]
    with pna.LookupStore() as store:
        shown += [store.charges().to_csv(), store.held().to_csv()]
        whole = store.charges(mask=False)["request_id"]
        assert store.reconcile(pd.DataFrame({"requestId": whole}))["verdict"].eq("matched").all()
    assert set(whole) == {f"order-62{phone}" for phone in PHONES}
    assert not [phone for phone in PHONES if phone in "".join(shown)]
    assert all("order-628" in text for text in shown[:2])


@pytest.mark.parametrize("made_of", ["order-62{}", "20261128-0{}-1", "62{}", "20261128{}001"])
def test_a_forgotten_number_is_masked_in_its_ids(on_either, vendor, frame, monkeypatch, made_of):
    """The id is kept for the invoice, and shown without the number that it was made of."""
    monkeypatch.setattr(vendor, "_after", _id_of_the_phone(vendor, vendor._after, made_of))
    on_either()
    enrich(frame)
    with pna.LookupStore() as store:
        assert store.forget(PHONES) == len(PHONES)
        shown = store.history().to_csv() + store.charges().to_csv()
        whole = store.charges(mask=False)["request_id"]
        verdicts = store.reconcile(pd.DataFrame({"requestId": whole}))["verdict"]
    assert "***" in shown
    assert not [phone for phone in PHONES if phone in shown]
    assert set(whole) == {made_of.format(phone) for phone in PHONES}
    assert verdicts.eq("matched").all()


@pytest.mark.parametrize(
    ("request_id", "shown"),
    [
        (f"20260101-62{PHONES[0]}-1", "20260101-***"),
        ("3ce9f0c7a1234567f94012776d20e85b", "3ce9f0c7a1234567f94012776d20e85b"),
    ],
    ids=["made of the phone", "hexadecimal"],
)
def test_an_older_answers_id_once_forgotten(on_either, request_id, shown):
    """An id with a phone in it is masked. Any other is compared with an invoice, and stays."""
    on_either()
    old = pd.DataFrame({"phone": [PHONES[0]], "looked_up_at": "2026-01-01", "telco_type": 1})
    old["request_id"] = request_id
    with pna.LookupStore() as store:
        store.import_answers(old)
        store.forget(PHONES[0])
        assert store.history()["request_id"].dropna().tolist() == [shown]


def _id_of_the_phone(vendor, real, made_of="order-62{}"):
    """Let handle give requestIds that are made of the phone, such as order-628118899532."""

    def after(request, kind, body):
        if request.path.endswith("handle"):
            book = vendor._ids[body["requestId"]]
            body = {**body, "requestId": made_of.format(book.phone)}
            vendor._ids[body["requestId"]] = book
        return real(request, kind, body)

    return after


def test_history_is_typed_masked_and_from_a_date(on_either, frame):
    on_either()
    enrich(frame)
    events = pna.history()
    assert set(events["kind"]) == {"opened", "answered", "no_data"} - (
        {"no_data"} - set(events["kind"])
    )
    assert not events["number"].isin(PHONES).any()
    assert set(pna.history(mask=False)["number"]) == set(PHONES)
    assert len(pna.history(since="2100-01-01")) == 0
    for since in ("yesterday", 2026, "", pd.NaT, ["2026"], "99999-01-01"):
        with pytest.raises(ConfigurationError, match='a date such as "2026-01-31"'):
            pna.history(since=since)
    for since in ("2026-01-31", "2026", events["at"].min(), events["at"].min().date()):
        assert len(pna.history(since=since)) == len(events)
    assert str(events["at"].dtype) == "datetime64[us, UTC]"


def test_a_long_number_that_max_digits_allows_can_be_forgotten_settled_and_taken_over(
    as_production, vendor
):
    phone = "8118899532123"  # made up
    as_production(max_digits=13)
    pd.DataFrame({"phone": [phone]}).numberactive.enrich("phone")
    assert vendor.ledger.total == 1
    with pna.LookupStore() as store:
        assert store.forget(phone) == 1
        old = pd.DataFrame({"phone": [phone], "telco_type": [None], "looked_up_at": ["2026-01-05"]})
        assert store.import_answers(old)["imported"] == 1
        with pytest.raises(StoreError, match="can be resolved"):  # known: settled, not unreadable
            store.resolve(phone, "release")


# --- the clock of days and months


@pytest.fixture
def late_in_utc(as_production, frame):
    """A charge at 18:00 UTC on the last of January: the first of February in Jakarta."""
    given = as_production()
    enrich(frame[:1])
    moment = pd.Timestamp("2026-01-31 18:00", tz="UTC").value // 1000
    with LookupStore.open(given.store) as store:
        store.do(lambda db: db.execute("UPDATE events SET at = ?", (moment,)))


@pytest.mark.usefixtures("late_in_utc")
@pytest.mark.parametrize(
    ("zone", "day", "month"),
    [("Asia/Jakarta", "2026-02-01", "2026-02"), ("UTC", "2026-01-31", "2026-01")],
)
def test_days_and_months_are_those_of_the_timezone(zone, day, month):
    nothing = pd.DataFrame({"requestId": []})
    with pna.override(timezone=zone), pna.LookupStore() as store:
        assert store.spend("day")["day"].tolist() == [pd.Timestamp(day)]
        assert store.reconcile(nothing, period=month)["verdict"].tolist() == ["only_here"]
        assert len(store.history(since=day)) > 0
        assert len(store.history(since=pd.Timestamp(day) + pd.Timedelta("1D"))) == 0


# --- the user who bought


def phones(*numbers: int) -> pd.DataFrame:
    """Return a frame of made-up numbers."""
    return pd.DataFrame({"phone": [f"0811{number:07d}" for number in numbers]})


def test_the_ledger_names_the_user_who_bought(as_production, monkeypatch):
    """JupyterHub's user, or the system's."""
    as_production()
    monkeypatch.setenv("JUPYTERHUB_USER", "siti")
    phones(1, 2).numberactive.enrich("phone")
    monkeypatch.delenv("JUPYTERHUB_USER")
    monkeypatch.setattr("getpass.getuser", lambda: "budi")
    phones(3).numberactive.enrich("phone")
    spent = pna.spend("buyer")
    assert spent[["buyer", "charged"]].values.tolist() == [["budi", 1], ["siti", 2]]
    with pna.LookupStore() as store:
        assert sorted(store.charges()["buyer"]) == ["budi", "siti", "siti"]


def test_a_run_that_another_user_goes_on_with_names_both(as_production, monkeypatch):
    as_production()
    for name, cap in (("siti", 1), ("budi", 3), ("siti", 3)):
        monkeypatch.setenv("JUPYTERHUB_USER", name)
        phones(*range(4)).numberactive.enrich("phone", max_charges=cap)
    assert pna.spend("buyer")[["buyer", "charged"]].values.tolist() == [["siti, budi", 3]]


def test_a_user_without_a_name_can_buy(as_production, monkeypatch):
    def nobody() -> str:
        raise OSError("No username set in the environment")

    as_production()
    monkeypatch.setattr("getpass.getuser", nobody)
    phones(1).numberactive.enrich("phone")
    assert pna.spend("buyer")["buyer"].tolist() == [""]
