"""The command line, as a user runs it: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
import warnings

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


def test_the_demo_prints_plan_rows_and_bill_and_buys_nothing_twice(
    capsys, monkeypatch, keys, vendor
):
    assert main(["demo"]) == 0
    first = capsys.readouterr().out
    for text in ("to buy", "answered", "The bill", "invalid: several_numbers", "cost", "08"):
        assert text in first
    assert main(["demo"]) == 0
    second = capsys.readouterr().out
    assert "0 bought: everything was in the store already" in second
    assert "delete the store that the plan names" in second
    assert (
        not vendor.calls
    )  # the demo has a vendor and a store of its own, whatever the variables say
    assert os.environ["NUMBERACTIVE_BASE_URL"] == vendor.base_url


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_file_is_planned_and_enriched(tmp_path, capsys, keys, vendor, kind):
    df = pd.DataFrame({"id": ["007", "008"], "hp": ["08118899532", "0811-8899-532"]})
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    {"csv": df.to_csv, "xlsx": df.to_excel, "parquet": df.to_parquet}[kind](source, index=False)
    assert main(["plan", str(source), "--column", "hp"]) == 0
    assert vendor.calls == []
    assert (
        main(["enrich", str(source), "--column", "hp", "--out", str(target), "--max-charges", "5"])
        == 0
    )
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
    assert "The same command buys nothing more today" in capsys.readouterr().err
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


def test_doctors_exit_code_tells_whether_a_run_could_start(capsys, monkeypatch):
    assert main(["doctor"]) == 1
    assert "NUMBERACTIVE_ENVIRONMENT" in capsys.readouterr().out
    monkeypatch.setenv("NUMBERACTIVE_ENVIRONMENT", "simulator")
    assert main(["doctor"]) == 0


def test_doctor_names_sources_and_never_a_value(capsys, keys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "environment variable NUMBERACTIVE_SECRET" in out
    assert "made-up-secret" not in out
    assert "made-up-key" not in out


def test_the_simulator_serves_a_process_of_its_own(tmp_path):
    charges = tmp_path / "charges.jsonl"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "pandas_numberactive", "simulate", "--port", "0"),
            *("--ledger", str(charges)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.stdout.readline()
        assert process.stdout.readline().strip() == "export NUMBERACTIVE_ENVIRONMENT=simulator"
        assert process.stdout.readline().strip() == f"export NUMBERACTIVE_BASE_URL={url}"
        import pandas_numberactive as pna

        with pna.override(environment="simulator", base_url=url, store=str(tmp_path / "s.sqlite3")):
            there = pna.lookup("08118899532")
        with Simulator() as here:
            said = here.answer("8118899532")
        assert (there.active_level or "NA") == said["activeLevel"]
        assert json.loads(charges.read_text())["phone"] == "8118899532"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def choosy():
    """The address of a served simulator with keys of its own."""
    command = [sys.executable, "-m", "pandas_numberactive", "simulate", "--port", "0"]
    command += ["--app-key", "made-up-key", "--secret", "made-up-secret"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_wrong_key_can_be_rehearsed(choosy, monkeypatch, tmp_path, capsys):
    """A simulator served with other keys refuses the commands, and one that has them answers."""
    monkeypatch.setenv("NUMBERACTIVE_ENVIRONMENT", "simulator")
    monkeypatch.setenv("NUMBERACTIVE_BASE_URL", choosy)
    monkeypatch.setenv("NUMBERACTIVE_STORE", str(tmp_path / "s.sqlite3"))
    monkeypatch.setenv("NUMBERACTIVE_PHONE", "0811 8899 532")
    assert main(["lookup"]) == 3
    assert "does not accept the keys" in capsys.readouterr().err
    given = {"app_key": "made-up-key", "secret": "made-up-secret"}
    with pna.override(environment="simulator", base_url=choosy, **given):
        assert pna.lookup("0811 8899 532").charged


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


VERIFY = ["verify", "--phone", "08118899532", "--max-charges", "1"]


def test_verify_queries_no_id_that_handle_answered(keys, vendor, capsys):
    """Its first query may be a second charge, and one was allowed."""
    vendor.faults = Faults(script={"handle": ["handle_200_data"]})
    main(VERIFY)
    assert "REFUTED    handle gave an answer, or was charged" in capsys.readouterr().out
    assert vendor.ledger.queries == 0


def test_verify_sees_a_charge_at_handle(keys, vendor, capsys, monkeypatch):
    """isFee 0 of the repetition confirmed that handle is free."""
    real = vendor._after

    def after(request, kind, body):
        fee = 1 if request.path.endswith("handle") else 0
        return real(request, kind, {**body, "isFee": fee})

    monkeypatch.setattr(vendor, "_after", after)
    main(VERIFY)
    assert "REFUTED    handle gave an answer, or was charged" in capsys.readouterr().out


def test_verify_shows_the_code_of_a_free_failure(keys, vendor, capsys):
    """It was refused as a number that is in the store already."""
    vendor.faults = Faults(script={"query": ["code_free"]})
    assert main(VERIFY) == 0
    assert f"code {vendor.faults.code}" in capsys.readouterr().out


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


def write(path, phones, column="phone"):
    pd.DataFrame({column: phones}).to_csv(path, index=False)
    return str(path)


def test_a_terminal_sees_the_bar_on_stderr_whatever_its_size_and_a_file_none(
    tmp_path, keys, vendor
):
    pty = pytest.importorskip("pty", reason="Windows has no terminal of this kind")
    vendor.latency = 0.1
    source = write(tmp_path / "in.csv", [f"0811{i:07d}" for i in range(100)])
    arguments = [
        sys.executable,
        "-m",
        "pandas_numberactive",
        "enrich",
        source,
        "--out",
        str(tmp_path / "out.csv"),
    ]
    ours, theirs = pty.openpty()  # a terminal that says it has no columns
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while more := _read(ours):
            seen += more
        assert b" of 100" in seen
        assert process.stdout is not None
        assert b" of 100" not in process.stdout.read()
    os.close(ours)
    again = subprocess.run([*arguments, "--refresh"], capture_output=True)
    assert (again.returncode, again.stderr) == (0, b"")
    assert vendor.ledger.total == 200


def _read(terminal):
    try:
        return os.read(terminal, 10_000)
    except OSError:  # the other end is closed
        return b""


def test_a_column_that_is_not_there_names_the_flag_or_the_separator(tmp_path, capsys, keys):
    assert main(["plan", write(tmp_path / "a.csv", ["0811"], "hp")]) == 2
    assert "'hp'. Name the phone column with --column" in capsys.readouterr().err
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        (tmp_path / "b.csv").write_text(f"id{mark}phone\n1{mark}0811\n")
        assert main(["plan", str(tmp_path / "b.csv")]) == 0
        assert f"separated by {word}" in capsys.readouterr().err
    assert main(["plan", write(tmp_path / "c.csv", ["08118899532"], "a;b"), "--column", "a;b"]) == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"phone,name\n0811,\x81\n", "no UTF-8 text"),  # no letter of Windows
        (b"", "is empty"),
        (b"phone\n1\n1,2,3\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, capsys, keys, content, says):
    (tmp_path / "in.csv").write_bytes(content)
    assert main(["plan", str(tmp_path / "in.csv")]) == 2
    assert says in capsys.readouterr().err


def test_the_input_is_never_overwritten_and_result_columns_only_when_asked(
    tmp_path, capsys, keys, vendor
):
    source, target = write(tmp_path / "in.csv", ["08118899532"]), str(tmp_path / "out.csv")
    assert main(["enrich", source, "--out", str(tmp_path / ".." / tmp_path.name / "in.csv")]) == 2
    assert "is the file that is read" in capsys.readouterr().err
    assert vendor.calls == []
    assert main(["enrich", source, "--out", target]) == 0
    assert "--unit-price" in capsys.readouterr().out
    more = str(tmp_path / "more.csv")
    assert main(["enrich", target, "--out", more]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["enrich", target, "--out", more, "--overwrite"]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(more), pd.read_csv(target))


def test_a_file_of_something_else_is_warned_of_in_one_line(tmp_path, capsys, keys):
    source = write(tmp_path / "in.csv", [f"name {c}" for c in "abcdefghij"])
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["enrich", source, "--out", str(tmp_path / "out.csv")]) == 0
    error = capsys.readouterr().err
    assert error.startswith("Warning: 10 of 10 filled cells of column 'phone'")
    assert error.count("\n") == 1


def test_an_age_on_the_command_line_needs_its_unit(tmp_path, capsys, keys, vendor):
    source = write(tmp_path / "in.csv", ["08118899532"])
    assert main(["enrich", source, "--out", str(tmp_path / "out.csv"), "--max-age", "180"]) == 2
    assert '"180D"' in capsys.readouterr().err
    assert vendor.calls == []
    assert main(["plan", source, "--max-age", "180D"]) == 0


def test_history_shows_the_last_events_and_says_how_many_there_are(tmp_path, capsys, keys):
    assert main(["history"]) == 0
    assert "The ledger is empty" in capsys.readouterr().out
    source = write(tmp_path / "in.csv", [f"0811{i:07d}" for i in range(40)])
    assert main(["enrich", source, "--out", str(tmp_path / "out.csv")]) == 0
    capsys.readouterr()
    assert main(["history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 50 + 1
    assert lines[-1] == "The last 50 of 80 events; --all shows them all."
    assert main(["history", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 80
    assert main(["history", "--since", "2100-01-01"]) == 0
    assert "nothing since 2100-01-01" in capsys.readouterr().out
    assert main(["history", "--since", "yesterday"]) == 2
    assert "a date such as \"2026-01-31\", not 'yesterday'" in capsys.readouterr().err


def test_a_port_that_is_taken_says_so(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["simulate", "--port", port]) == 2
    assert f"Port {port} cannot be used" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["simulate", "--port", "99999"])


class _Never:
    def __call__(self, *_):
        raise AssertionError("asked for a key that it cannot keep")


@pytest.mark.parametrize(
    ("priority", "terminal", "says"),
    [(0, True, "no keyring"), (-1, True, "no keyring"), (5, False, "in a terminal")],
)
def test_login_asks_for_nothing_that_it_cannot_keep(monkeypatch, capsys, priority, terminal, says):
    backend = types.SimpleNamespace(priority=priority)
    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_keyring=lambda: backend))
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: terminal))
    monkeypatch.setattr("builtins.input", _Never())
    monkeypatch.setattr("getpass.getpass", _Never())
    assert main(["login"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "NUMBERACTIVE_SECRET" in error


def test_login_keeps_both_keys(monkeypatch, capsys):
    kept = {}
    backend = types.SimpleNamespace(priority=5)
    keyring = types.SimpleNamespace(
        get_keyring=lambda: backend,
        set_password=lambda service, name, value: kept.update({(service, name): value}),
    )
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: "made-up-key ")
    monkeypatch.setattr("getpass.getpass", lambda _: "made-up-secret")
    assert main(["login"]) == 0
    assert set(kept.values()) == {"made-up-key", "made-up-secret"}
    assert "made-up" not in capsys.readouterr().out


@pytest.mark.parametrize("command", [["plan"], ["enrich", "--out", "out.csv"]])
def test_a_budget_without_a_price_names_the_flags(tmp_path, capsys, keys, vendor, command):
    source = tmp_path / "in.csv"
    pd.DataFrame({"phone": ["08118899532"]}).to_csv(source, index=False)
    assert main([command[0], str(source), *command[1:], "--budget", "100"]) == 2
    said = "--budget needs a price: add --unit-price, or use --max-charges. Nothing was sent."
    assert capsys.readouterr().err == f"Error: {said}\n"
    assert vendor.ledger.total == 0
