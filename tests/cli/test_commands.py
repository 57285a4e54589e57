"""Each command as a person used to `gh` or `pip` would call it."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._cli.codes import Exit
from pandas_numberactive._cli.files import write_table
from pandas_numberactive._cli.main import cli, main
from pandas_numberactive._store.store import LookupStore as Journalled
from pandas_numberactive.simulator import Faults

PHONES = ["0811 8899 532", "0812-3456-7890"]  # made up


@pytest.fixture
def keys(monkeypatch, vendor, tmp_path):
    """Configure the stand-in by variables, with a store in the test's folder."""
    values = {
        "APP_KEY": "made-up-key",
        "SECRET": "made-up-secret",
        "ENVIRONMENT": "production",
        "BASE_URL": vendor.base_url,
        "STORE": str(tmp_path / "cli.sqlite3"),
        "UNIT_PRICE": "500",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"NUMBERACTIVE_{name}", value)


@pytest.fixture
def typed(monkeypatch):
    """Give text on standard input."""

    def give(text: str | bytes) -> None:
        content = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))

    return give


@pytest.fixture
def book(tmp_path):
    """A CSV of two customers."""
    path = tmp_path / "book.csv"
    pd.DataFrame({"id": ["1", "2"], "phone": PHONES}).to_csv(path, index=False)
    return str(path)


# --- the command itself


def leaves(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command that is no group, by its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, name)
        else:
            yield " ".join([*above, name]), command


COMMANDS = dict(leaves(cli))
NOT_RUN = ("demo", "login", "simulate")  # run elsewhere, in a terminal, for ever


def example_of(name: str) -> str:
    """Return the line to copy from a command's help."""
    shown = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))
    line: str = shown.split("Example:")[1].strip()
    return line


@pytest.fixture
def office(tmp_path, keys, vendor, monkeypatch):
    """The files that the examples name, and a look-up that waits for a person."""
    monkeypatch.chdir(tmp_path)
    vendor.faults = Faults(script={"query:8118899532": ["wrong_phone", "wrong_phone"]})
    customers = pd.DataFrame({"phone": PHONES})
    customers.to_csv("customers.csv", index=False)
    (tmp_path / "numbers.txt").write_text(PHONES[1] + "\n")
    answer = {"phone": "0813 1111 222", "looked_up_at": "2026-01-31", "telco_type": "prepaid"}
    pd.DataFrame([answer]).to_csv("answers.csv", index=False)
    with pna.LookupStore("ledger.sqlite3"):
        customers.numberactive.enrich("phone")
    with pna.LookupStore() as store:
        store.charges().to_csv("invoice.csv", index=False)


@pytest.mark.usefixtures("office")
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in NOT_RUN])
def test_the_example_of_a_command_runs(name, typed, tmp_path):
    line = example_of(name)
    typed("")
    if " | " in line:
        said, line = line.split(" | ")
        typed(said.removeprefix("echo ") + "\n")
    if " < " in line:
        line, file = line.split(" < ")
        typed((tmp_path / file).read_text())
    line = line.split(" > ")[0]
    assert main(line.split()[1:]) in (Exit.COMPLETE, Exit.INCOMPLETE)


@pytest.mark.parametrize("name", NOT_RUN)
def test_the_example_of_another_command_names_it(name):
    assert example_of(name).startswith(f"numberactive {name}")


def test_both_names_of_the_command_give_the_version():
    start = "import sys; from pandas_numberactive._cli.main import main; sys.exit(main())"
    for way in (["-m", "pandas_numberactive"], ["-c", start]):  # the second is the script
        command = [sys.executable, *way, "--version"]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        assert out.stdout == f"numberactive, version {pna.__version__}\n"


def test_all_commands_are_there():
    wanted = "plan enrich lookup history spend reconcile held resolve forget import doctor verify "
    wanted += "store simulate demo login completion"
    assert set(wanted.split()) == set(cli.commands)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_each_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert "Usage: numberactive" in capsys.readouterr().out


def test_a_mistyped_command_shows_the_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["plann"])
    assert caught.value.code == 2
    assert "No such command 'plann'" in capsys.readouterr().err


def test_the_shell_completes_commands(capsys):
    assert main(["completion", "bash"]) == 0
    assert "_NUMBERACTIVE_COMPLETE=bash_complete" in capsys.readouterr().out


# --- plan and enrich


@pytest.mark.parametrize(
    "arguments",
    [
        ["--column", "phone", "FILE"],
        ["FILE", "--column", "phone", "other"],
        ["FILE", "-c", "phone", "-c", "other"],
        ["--column", "phone", "other", "FILE"],
    ],
    ids=" ".join,
)
def test_the_file_may_stand_anywhere(arguments, tmp_path, keys, capsys):
    path = tmp_path / "two.csv"
    pd.DataFrame({"phone": PHONES, "other": ["", ""]}).to_csv(path, index=False)
    assert main(["plan", *[str(path) if one == "FILE" else one for one in arguments]]) == 0
    blank = 2 if "other" in arguments else 0
    assert f"blank             {blank}" in capsys.readouterr().out


def test_a_pipe_is_read_and_written(typed, keys, capsys):
    typed("phone\n0811 8899 532\n")
    assert main(["enrich", "-"]) == 0
    out, err = capsys.readouterr()
    frame = pd.read_csv(io.StringIO(out), dtype=str)
    assert frame["phone"].tolist() == ["0811 8899 532"]
    assert frame["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert err.startswith("Run 1 (production): Complete: 1 bought")


def test_a_random_pilot_takes_a_sample_and_a_prefix(book, tmp_path, keys):
    out = str(tmp_path / "out.csv")
    options = ["--order", "random", "--max-charges", "1", "--prefix", "p_", "--max-rate", "100"]
    assert main(["enrich", book, "--out", out, *options]) == 3
    assert pd.read_csv(out)["p_lookup_status"].tolist() != ["not_bought", "not_bought"]


def test_json_is_all_that_stands_on_standard_output(book, tmp_path, keys, capsys):
    assert main(["plan", book, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_buy"] == 2
    assert main(["enrich", book, "--out", str(tmp_path / "o.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"] == 1000


def test_a_cap_is_told_with_the_flag_that_goes_on(book, tmp_path, keys, capsys):
    assert main(["enrich", book, "--out", str(tmp_path / "o.csv"), "--max-charges", "1"]) == 3
    out, err = capsys.readouterr()
    assert "Stopped at your cap: 1 of 2 bought; 1 left" in out
    assert err == (
        "Incomplete. The same command buys nothing more today; a higher --max-charges or "
        "--budget goes on.\n"
    )


def test_a_large_purchase_asks_for_the_flag(book, tmp_path, keys, capsys, monkeypatch, vendor):
    monkeypatch.setenv("NUMBERACTIVE_CONFIRM_ABOVE", "1")
    assert main(["enrich", book, "--out", str(tmp_path / "o.csv")]) == 2
    assert "add --max-charges 2." in capsys.readouterr().err
    assert vendor.calls == []


# --- files of offices

TABLE = "id;phone\n1;0811 8899 532\n2;0812-3456-7890\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", TABLE.encode(), "separated by semicolons"),
        ("a.csv", TABLE.replace(";", "\t").encode("utf-16"), "UTF-16, separated by tabs"),
        ("a.csv", TABLE.replace(";", ",").encode("utf-16-le"), "UTF-16"),
        ("a.tsv", TABLE.replace(";", "\t").encode(), "separated by tabs"),
        ("a.txt", TABLE.replace(";", "|").encode(), "separated by bars"),
        ("a.xlsx", TABLE.encode(), "text, although it is named as Excel, separated by semicolons"),
        ("a.csv", TABLE.replace(";", ",").encode("utf-8-sig"), ""),
        (
            "a.csv",
            TABLE.encode() + b"3;Ren\xe9\n",
            "Windows text (cp1252), separated by semicolons",
        ),
    ],
)
def test_a_table_of_an_office_is_read(name, content, says, tmp_path, keys, capsys):
    (tmp_path / name).write_bytes(content)
    assert main(["plan", str(tmp_path / name), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["to_buy"] == 2
    assert says in err if says else err == ""


OFFICE = (
    "nama;telepon;gaji\r\n\u201cSiti\u201d Ren\u00e9;0812-3456-7890;5.250.000,50\r\n"
    "Budi;0811 8899 532;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_table_of_an_indonesian_office_comes_back_as_it_was(encoding, tmp_path, keys):
    """LibreOffice and Excel open it in their cells: semicolons, decimal commas, every letter."""
    (tmp_path / "in.csv").write_bytes(OFFICE.encode(encoding))
    target = tmp_path / "out.csv"
    assert main(["enrich", str(tmp_path / "in.csv"), "-c", "telepon", "--out", str(target)]) == 0
    assert target.read_bytes().startswith(b"\xef\xbb\xbf") == (encoding != "utf-8")
    lines = target.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("nama;telepon;gaji;telepon_telco_type;")
    assert lines[1].startswith("\u201cSiti\u201d Ren\u00e9;0812-3456-7890;5.250.000,50;")
    back = pna.restore_dtypes(pd.read_csv(target, sep=";", dtype=str, encoding="utf-8-sig"))
    assert back["telepon_lookup_status"].tolist() == ["answered", "answered"]


def test_a_pipe_of_semicolons_stays_one(keys, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(OFFICE.encode())))
    assert main(["enrich", "-", "-c", "telepon"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("nama;telepon;gaji;telepon_telco_type;")
    assert err.startswith("Standard input was read as: separated by semicolons.")


def test_a_sheet_and_the_row_of_names_are_chosen(tmp_path, keys, capsys):
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"a": ["x"]}).to_excel(writer, sheet_name="Info", index=False)
        rows = pd.DataFrame([["Data nasabah", ""], ["id", "phone"], ["1", PHONES[0]]])
        rows.to_excel(writer, sheet_name="Data", index=False, header=False)
    assert main(["plan", str(path), "--sheet", "Data", "--header-row", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["to_buy"] == 1
    assert "sheet 'Data' of 2, names in row 2" in err
    assert main(["plan", str(path), "--sheet", "Date"]) == 2
    assert "Its sheets are: 'Info', 'Data'" in capsys.readouterr().err


SHIFTED = {
    "ends": "name,phone,emergency\nBudi,08118899532,081398765401,\nSiti,,081398765402,\n",
    "twice": "name,phone,emergency\nBudi,08118899532,081398765401,,\n",
    "semicolons": "name;phone;emergency\n" + 20 * "Budi;08118899532;081398765401;\n",
    "tabs": "name\tphone\temergency\n" + 20 * "Budi\t08118899532\t081398765401\t\n",
    "first row": "name,phone,emergency\nBudi, S.H.,08118899532,081398765401\nSiti,,0813111122\n",
}  # made up


@pytest.mark.parametrize("command", ["plan", "enrich", "import"])
@pytest.mark.parametrize("shape", SHIFTED)
def test_cells_right_of_the_heading_are_refused(command, shape, tmp_path, keys, vendor, capsys):
    """Each name stood above its right neighbour's cells: emergency numbers were bought."""
    (tmp_path / "in.csv").write_text(SHIFTED[shape])
    rest = ["--out", str(tmp_path / "out.csv")] if command == "enrich" else []
    assert main([command, str(tmp_path / "in.csv"), *rest]) == 2
    said = capsys.readouterr().err
    assert "a row with more cells than the heading" in said
    assert said.endswith("Nothing was sent.\n")
    assert vendor.calls == []


@pytest.mark.parametrize("command", ["plan", "enrich", "import"])
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_phone_column_named_twice_is_refused(command, ending, tmp_path, keys, vendor, capsys):
    """The first of them was bought, whichever was meant."""
    rows = [["List", "", ""], ["name", "phone", "phone"], ["Budi", *PHONES]]
    frame = pd.DataFrame(rows[1:] if command == "import" else rows)
    source = tmp_path / f"in.{ending}"
    {"csv": frame.to_csv, "xlsx": frame.to_excel}[ending](source, index=False, header=False)
    rest = [] if command == "import" else ["--header-row", "2"]
    if command == "enrich":
        rest += ["--out", str(tmp_path / "out.csv")]
    assert main([command, str(source), *rest]) == 2
    assert "The heading has 'phone' more than once" in capsys.readouterr().err
    assert vendor.calls == []


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_another_column_may_be_named_twice(ending, tmp_path, keys):
    """A customer's own notes decide nothing."""
    frame = pd.DataFrame([["note", "note", "phone"], ["a", "b", PHONES[0]]])
    source = tmp_path / f"in.{ending}"
    {"csv": frame.to_csv, "xlsx": frame.to_excel}[ending](source, index=False, header=False)
    assert main(["plan", str(source)]) == 0


FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3"]


def test_excel_shows_formulas_of_a_table_as_text(tmp_path, keys):
    import openpyxl

    df = pd.DataFrame({"phone": [PHONES[0]] * 4, "note": FORMULAS, "=x": "y"})
    df.to_csv(tmp_path / "in.csv", index=False)
    assert main(["enrich", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out.xlsx")]) == 0
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}
    assert [cell.value for cell in sheet["B"]] == ["note", *FORMULAS]


@pytest.mark.parametrize("command", ["plan", "enrich"])
def test_a_phone_with_a_date_format_is_refused(command, tmp_path, keys, vendor, capsys):
    """The cell counted as blank, its number was printed, and the result had lost it."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["phone"])
    book.active.append([628118899532])
    book.active["A2"].number_format = "yyyy-mm-dd"
    book.save(tmp_path / "in.xlsx")
    out = [] if command == "plan" else ["--out", str(tmp_path / "out.csv")]
    assert main([command, str(tmp_path / "in.xlsx"), *out]) == 2
    said = capsys.readouterr().err
    assert "Cell A2" in said
    assert "Nothing was sent." in said
    assert "8899532" not in said
    assert not (tmp_path / "out.csv").exists()
    assert vendor.calls == []


def test_a_foreign_warning_shows_no_number(book, keys, monkeypatch, capsys):
    """A library may quote a cell. Our own warnings count in millions."""

    def warned() -> list[str]:
        warnings.simplefilter("always")
        warnings.warn("cell 0811 8899 532 is odd", UserWarning, stacklevel=1)
        warnings.warn("1,234,567 cells", pna.errors.PhoneColumnWarning, stacklevel=1)
        return []

    monkeypatch.setattr("pandas_numberactive._cli.tables.unknown_variables", warned)
    assert main(["plan", book]) == 0
    said = capsys.readouterr().err
    assert "Warning: cell *** is odd" in said
    assert "Warning: 1,234,567 cells" in said


def test_excel_takes_a_table_with_a_time_zone(tmp_path, keys):
    """It raised once everything was bought, and no file stood there."""
    day = pd.Timestamp("2026-01-31 14:00", tz="Asia/Jakarta")
    pd.DataFrame({"phone": [PHONES[0]], "day": day}).to_parquet(tmp_path / "in.parquet")
    assert main(["enrich", str(tmp_path / "in.parquet"), "--out", str(tmp_path / "out.xlsx")]) == 0
    out = pd.read_excel(tmp_path / "out.xlsx")
    assert out["day"].tolist() == [pd.Timestamp("2026-01-31 14:00")]


LABELS = {
    "named": pd.Index(["C1", "C2"], name="customer_id"),
    "a name over positions": pd.RangeIndex(2, name="customer_id"),
    "without a name": pd.Index(["C1", "C2"]),
    "two": pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["branch", "customer_id"]),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_labels_of_a_parquet_file_stand_in_the_result(labels, ending, tmp_path, keys):
    """The customer of each answer was lost, because results are written without an index."""
    frame = pd.DataFrame({"phone": PHONES}, index=LABELS[labels])
    frame.to_parquet(tmp_path / "in.parquet")
    out = tmp_path / f"out.{ending}"
    assert main(["enrich", str(tmp_path / "in.parquet"), "--out", str(out)]) == 0
    found = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    for level, name in enumerate(frame.index.names):
        there = found[name or "index"]
        assert there.tolist() == frame.index.get_level_values(level).tolist()


def test_labels_of_a_parquet_file_may_be_the_phones(tmp_path, keys):
    """A table that was joined by phone is often saved so."""
    labels = pd.Index(PHONES, name="phone")
    pd.DataFrame({"id": [1, 2]}, index=labels).to_parquet(tmp_path / "in.parquet")
    assert main(["plan", str(tmp_path / "in.parquet")]) == 0


@pytest.mark.parametrize("name", [None, "phone"], ids=["positions", "a column's name"])
def test_labels_that_tell_nothing_make_no_column(name, tmp_path, keys):
    """A second column of one name could not be written."""
    labels = pd.RangeIndex(2, name=name)
    pd.DataFrame({"phone": PHONES}, index=labels).to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "out.csv"
    assert main(["enrich", str(tmp_path / "in.parquet"), "--out", str(out)]) == 0
    assert list(pd.read_csv(out).columns)[:2] == ["phone", "phone_telco_type"]


def test_a_csv_keeps_phones_and_disarms_formulas(tmp_path, keys):
    phones = ["+62 811-8899-532"] * 4
    pd.DataFrame({"phone": phones, "note": FORMULAS}).to_csv(tmp_path / "in.csv", index=False)
    assert main(["enrich", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out.csv")]) == 0
    out = pd.read_csv(tmp_path / "out.csv", dtype=str)
    assert out["phone"].tolist() == phones
    assert out["note"].str.startswith("'").tolist() == [True] * 4


def test_a_file_that_fails_half_way_leaves_no_file(tmp_path, keys, book, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    out = tmp_path / "out.parquet"
    assert main(["enrich", book, "--out", str(out)]) == 2
    assert [one.name for one in tmp_path.iterdir() if "out" in one.name] == []


# --- the ledger


@pytest.fixture
def broken_pipe():
    """The writing end of a pipe that nobody reads, buffered as Python's own output is."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as output:
        yield output


def test_output_that_does_not_arrive_ends_no_run(keys, book, vendor, broken_pipe, monkeypatch):
    """It was lost in Python's buffer after the run had ended: each call bought the book again."""
    command = ["enrich", book, "--out", "-", "--refresh"]
    monkeypatch.setattr("sys.stdout", broken_pipe)
    assert main(command) == 2
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert main(command) == 0
    assert vendor.ledger.total == 2


def test_a_cell_that_excel_refuses_ends_no_run(keys, vendor, tmp_path, capsys):
    """The writer's own error was no error of ours, and repeated the cell."""
    source = tmp_path / "in.csv"
    pd.DataFrame({"note": ["private\x0b"], "phone": PHONES[:1]}).to_csv(source, index=False)
    command = ["enrich", str(source), "--refresh", "--out"]
    assert main([*command, str(tmp_path / "out.xlsx")]) == 2
    said = capsys.readouterr().err
    assert "control character" in said
    assert "buys nothing twice" in said
    assert "private" not in said
    assert main([*command, str(tmp_path / "out.csv")]) == 0
    assert vendor.ledger.total == 1


def test_a_folder_is_refused_as_a_result_first(keys, book, vendor, tmp_path, capsys):
    """It was found only when everything had been bought."""
    folder = tmp_path / "out.csv"
    folder.mkdir()
    assert main(["enrich", book, "--out", str(folder)]) == 2
    assert "is a folder: name a file. Nothing was sent." in capsys.readouterr().err
    assert vendor.ledger.total == 0


def test_closed_output_is_refused_first(keys, book, vendor, monkeypatch, capsys):
    """A shell closes it with `>&-`."""
    monkeypatch.setattr("sys.stdout", None)
    assert main(["enrich", book, "--out", "-"]) == 2
    assert "closed: name a file with --out. Nothing was sent." in capsys.readouterr().err
    assert vendor.ledger.total == 0


def test_a_folder_that_cannot_be_written_is_refused_first(
    tmp_path, keys, book, vendor, capsys, monkeypatch
):
    """The maker of the unfinished file is refused: rights do not stop every user."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refused)
    assert main(["enrich", book, "--out", str(tmp_path / "out.csv")]) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "Nothing was sent." in said
    assert vendor.calls == []


@pytest.fixture
def mask_of_027():
    """Let new files be read by the group alone."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")
@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_a_result_keeps_the_rights_of_the_file_before(ending, tmp_path, keys, book, mask_of_027):
    """It holds whole numbers. A new file has the rights of any other."""
    private = tmp_path / f"private.{ending}"
    private.touch(mode=0o600)
    new = tmp_path / f"new.{ending}"
    for out in (private, new):
        assert main(["enrich", book, "--out", str(out)]) == 0
    assert [stat.S_IMODE(out.stat().st_mode) for out in (private, new)] == [0o600, 0o640]
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_a_result_is_private_while_it_is_written(tmp_path, keys, book, monkeypatch):
    """The file that is not whole yet could be read by anyone."""
    modes = []
    real = pd.DataFrame.to_csv

    def seen(frame: pd.DataFrame, path: Path, **options: object) -> None:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        real(frame, path, **options)

    monkeypatch.setattr(pd.DataFrame, "to_csv", seen)
    assert main(["enrich", book, "--out", str(tmp_path / "out.csv")]) == 0
    assert sys.platform == "win32" or modes == [0o600]


def test_two_results_of_one_name_share_no_file(tmp_path, monkeypatch):
    """The second moved the unfinished file of the first away."""
    out = tmp_path / "out.csv"
    real = pd.DataFrame.to_csv

    def overtaken(frame: pd.DataFrame, path: Path, **options: object) -> None:
        monkeypatch.setattr(pd.DataFrame, "to_csv", real)
        real(frame, path, **options)
        write_table(pd.DataFrame({"of": ["the second"]}), str(out))

    monkeypatch.setattr(pd.DataFrame, "to_csv", overtaken)
    write_table(pd.DataFrame({"of": ["the first"]}), str(out))
    assert out.read_text().split("\n")[1] == "the first"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_a_file_of_the_users_beside_the_result_stays(tmp_path, keys, book):
    mine = tmp_path / ".out.part.csv"
    mine.write_text("mine")
    assert main(["enrich", book, "--out", str(tmp_path / "out.csv")]) == 0
    assert mine.read_text() == "mine"


def test_a_disk_that_fills_up_after_the_purchase_loses_nothing(
    tmp_path, keys, book, vendor, capsys, monkeypatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as during:
        during.setattr(pd.DataFrame, "to_csv", full)
        assert main(["enrich", book, "--out", str(tmp_path / "out.csv")]) == 2
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "buys nothing twice" in said
    assert re.search(r"charged +2", said)
    assert main(["enrich", book, "--out", str(tmp_path / "out.csv")]) == 0
    assert vendor.ledger.total == 2


def test_a_word_that_may_be_a_number_is_not_repeated(capsys):
    with pytest.raises(SystemExit):
        main(["lookup", "0812-3456-7890"])
    assert "7890" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "081234567890"],
        ["enrich", "BOOK", "--out", "081234567890"],
        ["enrich", "BOOK", "--out", "no-folder/081234567890.csv"],
    ],
    ids=["file", "ending", "folder"],
)
def test_a_number_given_as_a_file_is_not_repeated(words, book, keys, capsys):
    assert main([book if word == "BOOK" else word for word in words]) == 2
    said = capsys.readouterr().err
    assert "567890" not in said
    assert "0812" in said


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "081234567890 " * 40],
        ["enrich", "BOOK", "--out", "081234567890 " * 40 + ".csv"],
        ["import", "081234567890 " * 40 + ".csv"],
        ["reconcile", "081234567890\0.csv"],
    ],
    ids=["file", "result", "import", "null byte"],
)
def test_numbers_given_as_a_name_of_no_file_are_not_repeated(words, book, keys, capsys):
    """The system refuses such a name with an error that quotes it whole."""
    assert main([book if word == "BOOK" else word for word in words]) == 2
    said = capsys.readouterr().err
    assert "Error: " in said
    assert "567890" not in said


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"", b"a,b\n1,2,3\n"])
def test_a_file_named_by_a_number_is_not_repeated(content, tmp_path, keys, capsys):
    name = tmp_path / "081234567890.csv"
    name.write_bytes(content)
    assert main(["plan", str(name)]) == 2
    assert "567890" not in capsys.readouterr().err


def test_a_variable_that_is_not_read_is_warned_of(book, keys, capsys, monkeypatch):
    monkeypatch.setenv("NUMBERACTIVE_MAXRATE", "5")
    assert main(["plan", book]) == 0
    assert "Did you mean NUMBERACTIVE_MAX_RATE?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["-c", "phon"], ["--max-age", "180"], ["--out", "no/folder.csv"]]
)
def test_an_error_before_anything_is_sent_says_so(wrong, book, tmp_path, keys, vendor, capsys):
    assert main(["enrich", book, "--out", str(tmp_path / "out.csv"), *wrong]) == 2
    assert "Nothing was" in capsys.readouterr().err
    assert vendor.calls == []


def test_lookup_reads_numbers_from_standard_input(typed, keys, capsys, vendor):
    typed("0811 8899 532\n0812-3456-7890\n")
    assert main(["lookup"]) in (0, 3)
    out = capsys.readouterr().out
    assert out.count("Lookup(") == 2
    assert "8118899532" not in out
    assert vendor.ledger.total == 2
    with pytest.raises(SystemExit):  # a number here would stand in the process list
        main(["lookup", "08118899532"])


def test_lookup_reads_every_line_before_it_asks(typed, keys, capsys, vendor):
    """It said that nothing was sent, after the numbers above the bad line were charged."""
    typed("\n".join([*PHONES, "hello"]))
    assert main(["lookup"]) == 2
    assert vendor.calls == []
    assert "Line 3: " in capsys.readouterr().err


def test_lookup_buys_a_repeated_number_once(typed, keys, capsys, vendor):
    typed(f"{PHONES[0]}\n+62{PHONES[0][1:]}\n{PHONES[0]}\n")
    main(["lookup", "--refresh"])
    assert vendor.ledger.total == 1
    assert capsys.readouterr().out.count("Lookup(") == 1


def test_lookup_refreshes_one_number_alone(typed, keys, capsys, vendor):
    """Each line was a run of its own: the same command once more bought finished ones again."""
    typed("\n".join(PHONES))
    assert main(["lookup", "--refresh"]) == 2
    said = capsys.readouterr().err
    assert "numberactive enrich - --refresh. Nothing was sent." in said
    assert vendor.calls == []


def test_a_refresh_of_lines_goes_on_where_it_ended(typed, keys, monkeypatch, vendor):
    """It is the command that lookup names in place of its own."""
    monkeypatch.setenv("NUMBERACTIVE_POLL_FOR", "0")
    vendor.faults = Faults(script={"query:81234567890": ["pending"] * 9})
    for _ in range(2):
        typed("\n".join(["phone", *PHONES]))
        assert main(["enrich", "-", "--refresh"]) == 3
    assert vendor.ledger.charged_phones()["8118899532"] == 1


def test_an_answer_is_shown_before_the_next_is_asked(typed, keys, capsys, vendor):
    """An error of the second number must not hide what was paid for the first."""
    vendor.faults = Faults(script={"handle:81234567890": ["http_401"]})
    typed("\n".join(PHONES))
    main(["lookup"])
    said = capsys.readouterr()
    assert "Lookup(8118****532" in said.out
    assert "Error" in said.err


def test_a_broken_excel_file_is_an_error_of_ours(tmp_path, keys, capsys):
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 cut off")
    assert main(["plan", str(tmp_path / "broken.xlsx")]) == 2
    assert "no whole Excel file" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["08118899532", "env:08118899532"])  # made up
def test_a_number_given_as_a_store_is_not_repeated(source, tmp_path, keys, capsys):
    assert main(["store", "copy", source, str(tmp_path / "to.sqlite3")]) == 2
    assert "8118899532" not in capsys.readouterr().err


def test_lookup_gives_json(monkeypatch, keys, capsys):
    monkeypatch.setenv("NUMBERACTIVE_PHONE", "0811 8899 532")
    main(["lookup", "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["phone"] == "8118****532"


def test_verify_takes_its_number_from_a_variable(monkeypatch, keys, capsys):
    monkeypatch.setenv("NUMBERACTIVE_PHONE", "08118899532")
    assert main(["verify", "--max-charges", "1"]) == 0
    assert "confirmed" in capsys.readouterr().out


FROM_STDIN = [["lookup"], ["verify", "--max-charges", "1"], ["resolve", "release"]]


@pytest.mark.parametrize("command", FROM_STDIN, ids=lambda command: command[0])
def test_two_sources_of_a_number_are_refused(command, monkeypatch, typed, keys, vendor, capsys):
    """A variable that was left set was bought in place of the number that was piped."""
    monkeypatch.setenv("NUMBERACTIVE_PHONE", PHONES[0])
    typed(PHONES[1])
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "NUMBERACTIVE_PHONE and standard input give different numbers" in said
    assert "Nothing was sent." in said
    assert not re.search("[0-9]", said)
    assert vendor.calls == []


@pytest.mark.parametrize("piped", ["", "\n", f"{PHONES[0]}\n+62{PHONES[0][1:]}\n"])
def test_a_variable_beside_no_other_number_is_asked(piped, monkeypatch, typed, keys, vendor):
    """Its own number on standard input is no other one."""
    monkeypatch.setenv("NUMBERACTIVE_PHONE", PHONES[0])
    typed(piped)
    main(["lookup"])
    assert vendor.ledger.charged_phones() == {"8118899532": 1}


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "nohup"])
def test_a_variable_needs_no_standard_input(closed, monkeypatch, tmp_path, keys, vendor):
    """A scheduler may close it, and nohup leaves one that cannot be read."""
    monkeypatch.setenv("NUMBERACTIVE_PHONE", PHONES[0])
    with open(tmp_path / "written", "w") as unreadable:
        monkeypatch.setattr("sys.stdin", None if closed else unreadable)
        main(["lookup"])
    assert vendor.ledger.total == 1


@pytest.mark.parametrize(
    "command",
    ["forget", "lookup", "resolve release", "verify", "store init -", "plan -", "enrich -"],
)
def test_closed_standard_input_is_named(command, monkeypatch, keys, vendor, capsys):
    """A shell closes it with `<&-`, and Python then has none."""
    monkeypatch.setattr("sys.stdin", None)
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert "tandard input" in said
    assert vendor.calls == []


def test_login_without_standard_input_says_so(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    monkeypatch.setattr("pandas_numberactive._cli.single.require_keyring", lambda: None)
    assert main(["login"]) == 2
    assert "there is none" in capsys.readouterr().err


def test_forget_needs_a_number(typed, keys, capsys):
    """Nothing that was forgotten looked like something."""
    typed("\n\n")
    assert main(["forget"]) == 2
    assert "Nothing was forgotten." in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["x" * 140_000, "unclosed\n" * 20_000], ids=["long", "unclosed"])
def test_a_cell_too_long_to_count_is_named(cell, tmp_path, keys, vendor, capsys):
    """The reader's own error ended the command with a traceback."""
    end = '"' if "x" in cell else ""
    (tmp_path / "in.csv").write_text(f'note,phone\n"{cell}{end},{PHONES[0]}\n')
    assert main(["plan", str(tmp_path / "in.csv")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert "Nothing was sent." in said
    assert vendor.calls == []


def test_a_cap_beyond_any_store_is_refused_first(book, tmp_path, keys, vendor, capsys):
    cap = "99999999999999999999"
    assert main(["enrich", book, "--out", str(tmp_path / "o.csv"), "--max-charges", cap]) == 2
    assert "at most 9,223,372,036,854,775,807" in capsys.readouterr().err
    assert vendor.calls == []


def test_spend_and_history_give_json(book, tmp_path, keys, capsys):
    main(["enrich", book, "--out", str(tmp_path / "o.csv")])
    capsys.readouterr()
    assert main(["spend", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["charged"] == 2
    assert main(["history", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4


def test_a_charge_late_in_utc_is_of_the_next_day_in_jakarta(book, tmp_path, keys, capsys):
    """23:30 UTC is 06:30 in Jakarta. The day is a date, without a time of midnight."""
    main(["enrich", book, "--out", str(tmp_path / "o.csv")])
    moment = pd.Timestamp("2026-01-31 23:30", tz="UTC").value // 1000
    with Journalled.open(tmp_path / "cli.sqlite3") as store:
        store.do(lambda db: db.execute("UPDATE events SET at = ?", (moment,)))
    capsys.readouterr()
    assert main(["spend", "--json"]) == 0
    assert [line["day"] for line in json.loads(capsys.readouterr().out)] == ["2026-02-01"]


def test_an_invoice_is_reconciled(book, tmp_path, keys, capsys):
    main(["enrich", book, "--out", str(tmp_path / "o.csv")])
    ids = pna.LookupStore().charges()["request_id"]
    invoice = tmp_path / "invoice.csv"
    pd.DataFrame({"requestId": ids}).to_csv(invoice, index=False)
    capsys.readouterr()
    assert main(["reconcile", str(invoice)]) == 0
    assert "2 matched" in capsys.readouterr().out
    pd.DataFrame({"requestId": [ids[0], "unknown-1"]}).to_csv(invoice, index=False)
    assert main(["reconcile", str(invoice)]) == 3
    assert "only_on_invoice" in capsys.readouterr().out


def test_a_column_of_ids_is_named_by_its_flag(book, tmp_path, keys, capsys):
    """Someone in a shell has no keyword request_id=."""
    main(["enrich", book, "--out", str(tmp_path / "o.csv")])
    invoice = tmp_path / "invoice.csv"
    pd.DataFrame({"Request ID": ["made-up-1"]}).to_csv(invoice, index=False)
    assert main(["reconcile", str(invoice)]) == 2
    said = capsys.readouterr().err
    assert "Name the column of requestIds with --request-id." in said
    assert "request_id=" not in said
    assert main(["reconcile", str(invoice), "--request-id", "Request ID"]) == 3


def test_held_resolve_and_forget_work_on_the_store(typed, tmp_path, keys, book, capsys):
    assert main(["held"]) == 0
    assert capsys.readouterr().out == "Nothing is held.\n"
    main(["enrich", book, "--out", str(tmp_path / "o.csv")])
    typed("0811 8899 532\n")
    assert main(["resolve", "release"]) == 2  # an answer is final
    capsys.readouterr()
    typed("0811 8899 532\n0813 0000 0000\n")
    assert main(["forget"]) == 0
    said = capsys.readouterr()
    assert said.out == "1 of 2 numbers were there and are forgotten.\n"
    assert said.err.startswith("Store: ")


def test_answers_of_another_program_are_imported(tmp_path, keys, capsys):
    answers = pd.DataFrame(
        {"phone": PHONES, "active_level": ["high", "low"], "looked_up_at": "2026-01-31"}
    )
    answers.to_csv(tmp_path / "old.csv", index=False)
    assert main(["import", str(tmp_path / "old.csv")]) == 0
    assert "2 imported" in capsys.readouterr().out


def test_a_store_is_named_by_a_variable(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MY_STORE", str(tmp_path / "s.sqlite3"))
    assert main(["store", "init", "env:MY_STORE"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("The store ")
    assert said.endswith("s.sqlite3 is ready: 0 look-ups.\n")
    assert main(["store", "init", "env:NOBODYS"]) == 2


def test_a_password_in_the_process_list_is_warned_of(capsys):
    main(["store", "init", "postgresql://me:pa55@127.0.0.1:1/db"])
    err = capsys.readouterr().err
    assert err.startswith("Warning: the password of this address can be read in the process list")
    assert "pa55" not in err


READS = ("history", "spend", "held", "reconcile")


def reading(name: str, tmp_path) -> list[str]:
    """Return the arguments of a command that reads the ledger."""
    invoice = tmp_path / "invoice.csv"
    pd.DataFrame({"requestId": ["made-up-1", "made-up-2"]}).to_csv(invoice, index=False)
    return [name, str(invoice)] if name == "reconcile" else [name]


@pytest.fixture
def at_home(tmp_path):
    """Return the user's data folder, which the settings of each test name."""
    return tmp_path / "data"


@pytest.mark.parametrize("name", READS)
def test_books_of_no_named_store_are_refused(name, at_home, tmp_path, capsys):
    """An empty default store would say that the whole invoice is wrong."""
    assert main(reading(name, tmp_path)) == 2
    assert "Which store?" in capsys.readouterr().err
    assert not at_home.exists()


@pytest.mark.parametrize("name", READS)
def test_a_read_makes_no_store(name, at_home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NUMBERACTIVE_ENVIRONMENT", "production")
    code = main(reading(name, tmp_path))
    said = capsys.readouterr()
    assert code == (2 if name == "reconcile" else 0)
    assert "lookups.sqlite3" in said.err
    assert "only_on_invoice" not in said.out
    assert not at_home.exists()


def test_an_invoice_needs_a_store_that_is_there(keys, tmp_path, capsys):
    assert main(reading("reconcile", tmp_path)) == 2
    assert "There is no store at" in capsys.readouterr().err


@pytest.mark.parametrize("name", READS)
def test_a_read_names_the_store_on_stderr(name, book, keys, tmp_path, capsys):
    """A wrong store looks like an empty one."""
    main(["enrich", book, "--out", str(tmp_path / "o.csv")])
    capsys.readouterr()
    main(reading(name, tmp_path))
    said = capsys.readouterr()
    assert said.err.endswith(f"Store: {tmp_path / 'cli.sqlite3'}\n")
    assert "Store:" not in said.out


@pytest.mark.parametrize(
    ("typed_option", "meant"),
    [("--output", "--out"), ("--max-charge", "--max-charges"), ("--price", "--unit-price")],
)
def test_an_unknown_option_is_answered_with_a_near_one(typed_option, meant, book, capsys):
    with pytest.raises(SystemExit):
        main(["enrich", book, typed_option, "1"])
    said = capsys.readouterr().err.split("No such option")[1]
    assert re.search(rf"{meant}\b", said.replace(typed_option, "", 1))  # click's words change


def test_a_wrong_value_is_answered_with_its_option(capsys):
    with pytest.raises(SystemExit):
        main(["simulate", "--port", "99999"])
    assert "Invalid value for '--port'" in capsys.readouterr().err


def test_a_missing_file_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["plan"])
    assert "Missing argument 'FILE" in capsys.readouterr().err


def test_the_help_marks_out_as_required():
    shown = COMMANDS["enrich"].get_help(click.Context(COMMANDS["enrich"], info_name="enrich"))
    assert "[required, unless FILE is -]" in " ".join(shown.split())
