"""Faults around a run: a full disk, a read-only or locked store, Ctrl-C in a terminal, other keys and hosts, old ids."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import warnings

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._store import saves as store_saves
from pandas_numberactive.errors import IncompleteRunWarning, StoreError, VendorError
from pandas_numberactive.simulator import Faults, Simulator

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
PHONES = [f"8118899{i:03d}" for i in range(30)]


@pytest.fixture
def frame():
    return pd.DataFrame({"phone": PHONES})


def configure(vendor, tmp_path, **options):
    given = {
        "environment": "production",
        "base_url": vendor.base_url,
        "store": str(tmp_path / "s.sqlite3"),
        **KEYS,
        **options,
    }
    return pna.configure(**given)


def quietly(frame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteRunWarning)
        return frame.numberactive.enrich("phone", **options)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_paid_answer_that_the_store_cannot_take_waits_in_an_emergency_file(
    vendor, tmp_path, frame, monkeypatch
):
    configure(vendor, tmp_path)
    real = store_saves._save_settled

    def full(*args):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store_saves, "_save_settled", full)
    with pytest.raises(StoreError, match="disk is full") as caught:
        frame.numberactive.enrich("phone")
    paid = vendor.ledger.total
    assert 0 < paid <= 5  # nothing was begun after the first failure
    assert "next run" in str(caught.value.__notes__)
    folder = tmp_path / "s.sqlite3.rescue"
    files = list(folder.glob("*.json"))
    assert len(files) == paid
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    monkeypatch.setattr(store_saves, "_save_settled", real)
    queries = vendor.ledger.queries
    out = quietly(frame)
    assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert (
        vendor.ledger.queries == queries + 30 - paid
    )  # what waited was read back, not asked again
    assert vendor.ledger.charged_phones() == dict.fromkeys(PHONES, 1)
    assert list(folder.glob("*.json")) == []


def test_an_emergency_file_of_another_store_or_lookup_is_not_read(
    vendor, tmp_path, frame, monkeypatch
):
    configure(vendor, tmp_path)
    real = store_saves._save_settled
    monkeypatch.setattr(
        store_saves,
        "_save_settled",
        lambda *a: (_ for _ in ()).throw(sqlite3.OperationalError("full")),
    )
    with pytest.raises(StoreError):
        frame.numberactive.enrich("phone")
    monkeypatch.setattr(store_saves, "_save_settled", real)
    folder = tmp_path / "s.sqlite3.rescue"
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace('"request_id": "', '"request_id": "forged'))
    out = quietly(frame)
    assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert list(folder.glob("*.json"))  # kept for a person to look at
    assert vendor.ledger.double_charged() == []


def test_an_emergency_file_that_cannot_be_read_back_stops_no_run(
    vendor, tmp_path, frame, monkeypatch, caplog
):
    configure(vendor, tmp_path)
    real = store_saves._save_settled
    monkeypatch.setattr(
        store_saves,
        "_save_settled",
        lambda *a: (_ for _ in ()).throw(sqlite3.OperationalError("full")),
    )
    with pytest.raises(StoreError):
        frame.numberactive.enrich("phone")
    monkeypatch.setattr(store_saves, "_save_settled", real)
    folder = tmp_path / "s.sqlite3.rescue"
    bad = sorted(folder.glob("*.json"))[0]
    bad.write_text(bad.read_text().replace('"msg": "', '"msg": "\\ud83d'))
    out = quietly(frame)
    assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert vendor.ledger.double_charged() == []
    assert list(folder.glob("*.json")) == [bad]  # the others were read back
    (said,) = [record.getMessage() for record in caplog.records if record.name.endswith("store")]
    assert str(folder) in said
    assert not [phone for phone in PHONES if phone in said]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may write anywhere: run as a plain user",
)
def test_a_read_only_store_is_found_before_anything_is_bought(vendor, tmp_path, frame):
    configure(vendor, tmp_path)
    quietly(frame[:1])
    os.chmod(tmp_path / "s.sqlite3", 0o400)
    with pytest.raises(StoreError, match="read-only"):
        frame.numberactive.enrich("phone")
    assert vendor.ledger.total == 1


@pytest.mark.skipif(
    not os.path.isdir("/proc/self"),
    reason="needs a /proc, where nobody can make a file: run it on Linux",
)
def test_a_place_where_no_store_can_be_made_is_found_before_anything_is_bought(
    vendor, tmp_path, frame
):
    configure(vendor, tmp_path, store="/proc/self/s.sqlite3")
    with pytest.raises(StoreError, match="cannot be created"):
        frame.numberactive.enrich("phone")
    assert vendor.calls == []


def test_a_store_locked_by_another_program_buys_nothing(vendor, tmp_path, frame, monkeypatch):
    from pandas_numberactive._store.engines import sqlite as store_schema

    configure(vendor, tmp_path)
    quietly(frame[:1])
    monkeypatch.setattr(store_schema, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "s.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StoreError, match="locked"):
            frame.numberactive.enrich("phone")
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert vendor.ledger.total == 1


@pytest.mark.parametrize("change", ["key", "host", "age"])
def test_an_open_request_of_another_key_host_or_day_is_held_and_not_asked(tmp_path, frame, change):
    with Simulator(
        stand_in=True, faults=Faults(script={"query": ["pending"] * 99}), **KEYS
    ) as vendor:
        configure(vendor, tmp_path, poll_for=0)
        out = quietly(frame[:3])
        assert out["phone_lookup_status"].tolist() == ["pending"] * 3
        calls = len(vendor.calls)
        if change == "age":
            db = sqlite3.connect(tmp_path / "s.sqlite3")
            db.execute("UPDATE lookups SET opened_at = opened_at - 86400000001")
            db.commit()
            db.close()
        with Simulator(stand_in=True, app_key="other", secret="made-up-secret") as second:
            if change == "host":
                configure(second, tmp_path, app_key="made-up-key")
            if change == "key":
                configure(vendor, tmp_path, app_key="other")
            out = quietly(frame[:3])
            assert out["phone_lookup_status"].tolist() == ["uncertain"] * 3
            assert second.calls == []
        assert len(vendor.calls) == calls
        assert vendor.ledger.asked_phones() == dict.fromkeys(PHONES[:3], 1)


def test_a_redirect_stops_the_run_and_the_other_host_receives_nothing(tmp_path, frame):
    with Simulator(stand_in=True, **KEYS) as other:
        faults = Faults(
            handle={"redirect": 1.0}, redirect_to=other.base_url + "/api/data/numberActive/handle"
        )
        with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
            configure(vendor, tmp_path)
            with pytest.raises(VendorError, match="http_307"):
                frame.numberactive.enrich("phone")
        assert other.calls == []
        assert other.ledger.asked_phones() == {}


def test_one_request_id_for_two_numbers_stops_the_run_and_queries_neither(tmp_path, frame):
    faults = Faults(script={"handle": ["ok", "same_request_id"]})
    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        configure(vendor, tmp_path, max_concurrency=2, query_timeout=1)
        with pytest.raises(VendorError, match="one requestId to two numbers") as caught:
            frame.numberactive.enrich("phone")
        states = caught.value.partial["phone_lookup_status"].value_counts()
        assert states["uncertain"] >= 1
        assert vendor.ledger.double_charged() == []


def test_quarantined_ten_in_a_row_stops_the_run(tmp_path, frame):
    with Simulator(stand_in=True, faults=Faults(query={"wrong_phone": 1.0}), **KEYS) as vendor:
        configure(vendor, tmp_path)
        with pytest.raises(VendorError, match="The last 10 look-ups"):
            frame.numberactive.enrich("phone")
        assert vendor.ledger.total < 30


def test_held_ones_at_the_end_of_a_run_stop_nothing_because_nothing_is_left_to_spare(
    tmp_path, frame
):
    wrong = {f"query:{phone}": ["wrong_phone"] for phone in PHONES[5:17]}
    with Simulator(stand_in=True, latency=0.02, faults=Faults(script=wrong), **KEYS) as vendor:
        configure(vendor, tmp_path, max_concurrency=32)
        with pytest.warns(IncompleteRunWarning, match="12 quarantined"):
            out = frame[:17].numberactive.enrich("phone")
        assert out["phone_lookup_status"].value_counts()["quarantined"] == 12
        assert vendor.ledger.total == 17


def test_a_vendor_that_answers_at_handle_is_final_and_remembered(tmp_path, frame):
    faults = Faults(
        script={"handle": ["handle_200_data"] * 3, f"handle:{PHONES[5]}": ["drop_after"]}
    )
    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        configure(vendor, tmp_path)
        out = quietly(frame[:3])
        assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
        assert vendor.ledger.queries == 0
        out = quietly(frame[5:6])  # handle can charge here, so a lost reply is held, not asked anew
        assert out["phone_lookup_status"].tolist() == ["uncertain"]
        assert vendor.ledger.asked_phones()[PHONES[5]] == 1
        assert quietly(frame[5:6])["phone_lookup_status"].tolist() == ["uncertain"]
        assert vendor.ledger.asked_phones()[PHONES[5]] == 1


CHILD = """
import signal, sys, pandas as pd, pandas_numberactive as pna
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
pna.configure(environment="production", base_url=sys.argv[1], app_key="made-up-key", secret="made-up-secret", store=sys.argv[2],
              confirm_above=10**6, max_concurrency=8)
df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(5000)]})
try:
    df.numberactive.enrich("phone")
except KeyboardInterrupt:
    print("interrupted", int(pna.spend("environment")["charged"].sum()), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_a_terminal_drains_and_keeps_and_a_second_one_stops_at_once(tmp_path, times):
    with Simulator(stand_in=True, latency=0.1, **KEYS) as vendor:
        store = str(tmp_path / "s.sqlite3")
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, vendor.base_url, store], stdout=subprocess.PIPE, text=True
        )
        while vendor.ledger.total < 20:
            time.sleep(0.005)  # the vendor's ledger is the clock here
            assert child.poll() is None
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        if times == 2:
            time.sleep(0.02)  # a person's second press
            child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=10)
        assert time.monotonic() - started < 5
        charged = vendor.ledger.total
        if times == 1:
            assert out.split() == ["interrupted", str(charged)]
        configure(vendor, tmp_path)
        quietly(
            pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(charged + 20)]}), max_charges=200
        )
        assert vendor.ledger.double_charged() == []


def test_stop_keeps_what_is_paid_and_the_next_call_goes_on(tmp_path):
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(300)]})
    with Simulator(stand_in=True, latency=0.01, **KEYS) as vendor:
        configure(vendor, tmp_path)
        job = df.numberactive.start("phone")
        while job.progress.bought < 50:
            time.sleep(0.002)
        job.stop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = job.result()
        kept = int(out["phone_lookup_status"].isin(["answered", "no_data"]).sum())
        assert kept == vendor.ledger.total < 300
        assert pna.last_run().stopped_by == "stop"
        assert quietly(df)["phone_lookup_status"].isin(["answered", "no_data"]).all()
        assert vendor.ledger.total == 300


BOTH = """
import sys, pandas as pd, pandas_numberactive as pna
pna.configure(environment="production", base_url=sys.argv[1], app_key="made-up-key", secret="made-up-secret", store=sys.argv[2])
df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(int(sys.argv[3]), int(sys.argv[3]) + 300)]})
print(int(df.numberactive.enrich("phone")["phone_lookup_status"].isin(["answered", "no_data"]).sum()), pna.last_run().bought)
"""


def test_two_notebooks_with_overlapping_frames_pay_once_and_both_get_all_answers(place):
    with Simulator(stand_in=True, latency=0.01, **KEYS) as vendor:
        command = [sys.executable, "-c", BOTH, vendor.base_url, place]
        both = [
            subprocess.Popen([*command, str(start)], stdout=subprocess.PIPE, text=True)
            for start in (0, 100)
        ]
        said = [child.communicate(timeout=60)[0].split() for child in both]
        assert [answers for answers, _ in said] == ["300", "300"]
        assert sum(int(bought) for _, bought in said) == 400
        assert vendor.ledger.total == 400
        assert vendor.ledger.double_charged() == []
