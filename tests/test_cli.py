"""The command line, as a user runs it: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.__main__ import main
from pandas_numberactive.simulator import Faults, Simulator


@pytest.fixture
def keys(monkeypatch, vendor, tmp_path):
    for name, value in {
        "APP_KEY": "made-up-key",
        "SECRET": "made-up-secret",
        "ENVIRONMENT": "production",
        "BASE_URL": vendor.base_url,
        "STORE": str(tmp_path / "cli.sqlite3"),
    }.items():
        monkeypatch.setenv(f"NUMBERACTIVE_{name}", value)


def test_the_demo_prints_plan_rows_and_bill_and_buys_nothing_twice(capsys, monkeypatch, keys, vendor):
    assert main(["demo"]) == 0
    first = capsys.readouterr().out
    for text in ("to buy", "answered", "The bill", "invalid: several_numbers", "cost", "08"):
        assert text in first
    assert main(["demo"]) == 0
    second = capsys.readouterr().out
    assert "0 bought: everything was in the store already" in second
    assert not vendor.calls  # the demo has a vendor and a store of its own, whatever the variables say
    assert os.environ["NUMBERACTIVE_BASE_URL"] == vendor.base_url


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_file_is_planned_and_enriched(tmp_path, capsys, keys, vendor, kind):
    df = pd.DataFrame({"id": ["007", "008"], "hp": ["08118899532", "0811-8899-532"]})
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    {"csv": df.to_csv, "xlsx": df.to_excel, "parquet": df.to_parquet}[kind](source, index=False)
    assert main(["plan", str(source), "--column", "hp"]) == 0
    assert vendor.calls == []
    assert main(["enrich", str(source), "--column", "hp", "--out", str(target), "--max-charges", "5"]) == 0
    reader = {"csv": pd.read_csv, "xlsx": pd.read_excel, "parquet": pd.read_parquet}[kind]
    out = reader(target) if kind == "parquet" else reader(target, dtype=str)
    assert out["id"].tolist() == ["007", "008"]
    assert out["hp"].tolist() == df["hp"].tolist()
    assert out["hp_lookup_status"].isin(["answered", "no_data"]).all()
    assert vendor.ledger.total == 1
    assert main(["history"]) == 0
    assert "8118899532" not in capsys.readouterr().out


def test_exit_code_3_says_incomplete_and_2_says_bad_usage(tmp_path, capsys, keys, vendor):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(5)]}).to_csv(source, index=False)
    assert main(["enrich", str(source), "--out", str(target), "--max-charges", "2"]) == 3
    assert vendor.ledger.total == 2
    assert "the same command may spend the cap again" in capsys.readouterr().err
    assert len(pd.read_csv(target)) == 5
    assert main(["enrich", str(source), "--column", "phon", "--out", str(target)]) == 2
    assert "Did you mean 'phone'" in capsys.readouterr().err
    assert main(["plan", "nothing.csv"]) == 2
    assert main(["enrich", str(source), "--out", "x.doc"]) == 2
    with pytest.raises(SystemExit) as caught:
        main(["enrichh"])
    assert caught.value.code == 2
    assert vendor.ledger.total == 2


def test_without_keys_one_line_says_what_to_do(tmp_path, capsys):
    source = tmp_path / "in.csv"
    pd.DataFrame({"phone": ["08118899532"]}).to_csv(source, index=False)
    assert main(["enrich", str(source), "--out", str(tmp_path / "out.csv")]) == 2
    error = capsys.readouterr().err
    assert "NUMBERACTIVE_APP_KEY" in error
    assert "Traceback" not in error


def test_doctor_names_sources_and_never_a_value(capsys, keys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "environment variable NUMBERACTIVE_SECRET" in out
    assert "made-up-secret" not in out
    assert "made-up-key" not in out


def test_the_simulator_serves_a_process_of_its_own(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "pandas_numberactive", "simulate", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        import pandas_numberactive as pna

        with pna.override(environment="simulator", base_url=url, store=str(tmp_path / "s.sqlite3")):
            there = pna.lookup("08118899532")
        with Simulator() as here:
            said = here.answer("8118899532")
        assert (there.active_level or "NA") == said["activeLevel"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        if process.stdout is not None:
            process.stdout.close()


CHILD = """
import pandas as pd, pandas_numberactive as pna
df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(2000)]})
pna.configure(confirm_above=10**6, max_concurrency=64)
df.numberactive.enrich("phone")
"""


def test_a_process_killed_half_way_and_started_again_pays_for_distinct_numbers(keys, vendor):
    killed = subprocess.Popen([sys.executable, "-c", CHILD])
    while vendor.ledger.total < 900:
        time.sleep(0.005)  # the vendor's ledger is the clock here
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    assert 900 <= vendor.ledger.total < 2000
    subprocess.run([sys.executable, "-c", CHILD], check=True)
    assert vendor.ledger.total == 2000
    assert vendor.ledger.double_charged() == []


def test_verify_judges_every_assumption_with_one_purchase(keys, vendor, capsys):
    assert main(["verify", "--phone", "08118899532"]) == 2
    assert "max_charges=1" in capsys.readouterr().err
    assert vendor.calls == []
    assert main(["verify", "--phone", "08118899532", "--max-charges", "1"]) == 0
    out = capsys.readouterr().out
    assert [f"{i}. " in out for i in range(1, 11)] == [True] * 10
    assert "confirmed" in out
    assert vendor.ledger.total == 1
    assert vendor.ledger.requeries == 1
    assert main(["verify", "--phone", "08118899532", "--max-charges", "1"]) == 2
    assert "in the store already" in capsys.readouterr().err


def test_verify_asks_no_request_id_again_that_may_be_another_numbers(keys, vendor, capsys):
    vendor.faults = Faults(script={"handle": ["ok", "same_request_id"]})
    vendor.pending_times = 99
    with pna.override(poll_for=0), pytest.warns(pna.errors.IncompleteRunWarning):
        pna.enrich(pd.DataFrame({"phone": ["08110000001"]}), "phone")
    vendor.pending_times = 0
    arguments = ["verify", "--phone", "08118899532", "--max-charges", "1"]
    assert main(arguments) == 2
    assert "one requestId to two numbers" in capsys.readouterr().err
    asked = vendor.ledger.queries
    assert main(arguments) == 0
    assert "status uncertain" in capsys.readouterr().out
    assert vendor.ledger.queries == asked
    assert vendor.ledger.total == 0


def test_login_without_a_keyring_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda _: "made-up-key")
    monkeypatch.setattr("getpass.getpass", lambda _: "made-up-secret")
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert main(["login"]) == 2
    error = capsys.readouterr().err
    assert "pandas-numberactive[keyring]" in error
    assert "made-up-secret" not in error
