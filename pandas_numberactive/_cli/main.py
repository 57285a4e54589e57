"""python -m pandas_numberactive: demo, plan, enrich, simulate, doctor, history, verify, store,
login.

Exit codes: 0 complete, 3 incomplete (rows left pending or not bought), 2 bad usage or
configuration, 1 from doctor where no run could start.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import platformdirs

from pandas_numberactive._cli.doctor import doctor
from pandas_numberactive._cli.files import check_target, read_table, write_table
from pandas_numberactive._config.credentials import masked_url
from pandas_numberactive._config.keyring import require_keyring, save_to_keyring
from pandas_numberactive._config.settings import VARIABLES, override, simulator_only
from pandas_numberactive._pandas import api
from pandas_numberactive._phones.mask import mask_cell
from pandas_numberactive._run.ending import ends_with_block
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    IncompleteRunWarning,
    NumberActiveError,
)

COMPLETE, BROKEN, USAGE, INCOMPLETE = 0, 1, 2, 3
_AGE = "buy again what is older: a number and its unit (s, min, h, D, W), such as 180D or 12h"
SHOWN = 50  # events of the ledger


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one line on stderr."""
    parsed = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IncompleteRunWarning)  # a line of our own says it
            warnings.showwarning = _one_line
            return int(parsed.run(parsed))
    except NumberActiveError as error:
        print(f"Error: {_in_flags(error)}", file=sys.stderr)
        for note in getattr(error, "__notes__", []):
            print(note, file=sys.stderr)
        report = error.report
        if report is not None:
            print(_in_flags(report), file=sys.stderr)
        return INCOMPLETE if report is not None else USAGE
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(
            "Interrupted: what was paid is stored; the same command goes on where this ended.",
            file=sys.stderr,
        )
        return INCOMPLETE


class _Parser(argparse.ArgumentParser):
    """Repeats a mistyped command without the password in an address."""

    def error(self, message: str) -> NoReturn:
        super().error(masked_url(message) or "")


def _one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    """A warning without the source line, which is none of the user's."""
    print(f"Warning: {_in_flags(message)}", file=sys.stderr)


_FLAGS = {
    "pass overwrite=True, or another prefix=": "add --overwrite, or rename them",
    "add max_charges=": "add --max-charges ",
    "set unit_price": "say --unit-price",
    "budget= needs a price: configure(unit_price=...)": "--budget needs a price: add --unit-price",
    "or use max_charges=": "or use --max-charges",
}


def _in_flags(shown: object) -> str:
    """A text of the library in the words of the command line."""
    text = str(shown)
    for option, flag in _FLAGS.items():
        text = text.replace(option, flag)
    return text


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "python -m pandas_numberactive", description="Phone-number signals for tables."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "demo", _demo, "enrich a made-up table on the simulator; costs nothing")
    plan = _add(commands, "plan", _plan, "what enriching a file would do and cost; spends nothing")
    enrich = _add(commands, "enrich", _enrich, "enrich a file")
    for command in (plan, enrich):
        command.add_argument("file", help="csv, xlsx or parquet; phones are read as text")
        command.add_argument(
            "--column",
            default=["phone"],
            action="extend",
            nargs="+",
            help="phone column(s); default: phone",
        )
        command.add_argument("--max-charges", type=int, help="the most charges")
        command.add_argument("--budget", type=float, help="the most money; needs --unit-price")
        command.add_argument("--unit-price", type=float, help="what a charged answer costs")
        command.add_argument("--max-age", metavar="AGE", help=_AGE)
        command.add_argument("--refresh", action="store_true", help="buy everything again")
        command.add_argument(
            "--overwrite", action="store_true", help="replace result columns that the file has"
        )
    enrich.add_argument("--out", required=True, help="csv, xlsx or parquet")
    enrich.add_argument(
        "--details", action="store_true", help="with charged, request_id, reason, source, national"
    )
    simulate = _add(commands, "simulate", _simulate, "serve the simulator on the loopback")
    simulate.add_argument(
        "--port", type=_port, default=8900, help="default: 8900; 0 for any that is free"
    )
    simulate.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    _add(commands, "doctor", _doctor, "what is configured, without spending")
    history = _add(commands, "history", _history, "the ledger, numbers masked")
    history.add_argument("--since", help="a date, such as 2026-01-31")
    history.add_argument(
        "--all", action="store_true", help=f"every event, not the last {SHOWN} only"
    )
    history.add_argument(
        "--spend", choices=("day", "run", "environment"), help="charges and cost instead"
    )
    verify = _add(commands, "verify", _verify, "check the README's assumptions with one look-up")
    verify.add_argument("--phone", required=True, help="a number of your own")
    verify.add_argument("--max-charges", type=int, help="production: must be 1")
    store = commands.add_parser("store", help="make a store, or move a ledger").add_subparsers(
        required=True, metavar="ACTION"
    )
    copy = _add(
        store,
        "copy",
        _store_copy,
        "copy a ledger; again, it finds nothing to do; open look-ups change hands",
    )
    copy.add_argument("source", help="a path, sqlite:PATH or postgresql://...")
    copy.add_argument("target", help="the same; made if need be")
    init = _add(
        store, "init", _store_init, "make the tables, or bring them up to date, as their owner"
    )
    init.add_argument("target", help="a path, sqlite:PATH or postgresql://...")
    _add(commands, "login", _login, "keep app key and secret in the system's keyring")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _demo(_: argparse.Namespace) -> int:
    store = (
        Path(platformdirs.user_data_dir("pandas-numberactive", appauthor=False)) / "demo.sqlite3"
    )
    with simulator_only(store=str(store), unit_price=500.0):
        # Imported here because only the demo needs the simulator.
        from pandas_numberactive.simulator import customers

        df = customers(5000)
        print(f"{len(df):,} made-up customers; the simulator answers, nothing is spent.\n")
        print(api.plan(df, "phone"), "\n", flush=True)
        out = api.enrich(df, "phone", progress=True)
        _show(out)
        return _exit_code()


def _show(out: pd.DataFrame) -> None:
    shown = (
        out[["customer_id", "phone", *[name for name in out if str(name).startswith("phone_")]]]
        .head(10)
        .copy()
    )
    shown["phone"] = [mask_cell(cell) for cell in shown["phone"]]
    shown["phone_looked_up_at"] = shown["phone_looked_up_at"].dt.strftime("%Y-%m-%d")
    shown.columns = [str(name).removeprefix("phone_") for name in shown.columns]
    print(
        "\nThe first ten rows (the table has the whole numbers and phone_ before the new columns):"
    )
    print(shown.astype(object).where(shown.notna(), "").to_string(index=False), "\n")
    print("Rows by status:")
    print(
        out["phone_lookup_status"]
        .value_counts()
        .loc[lambda counts: counts > 0]
        .to_string(header=False),
        "\n",
    )
    print(f"The bill:\n{api.last_run()}")
    report = api.last_run()
    if report is not None and not report.bought:
        print("\n0 bought: everything was in the store already.")


def _exit_code() -> int:
    report = api.last_run()
    if report is None or report.complete:
        return COMPLETE
    again = "The same command goes on where this ended."
    if report.capped:
        again = "The same command buys nothing more today; with a higher cap it goes on."
    print(f"Incomplete. {again}", file=sys.stderr)
    return INCOMPLETE


def _plan(arguments: argparse.Namespace) -> int:
    with override(unit_price=arguments.unit_price):
        print(_in_flags(api.plan(_table(arguments), _columns(arguments), **_terms(arguments))))
    return COMPLETE


def _enrich(arguments: argparse.Namespace) -> int:
    check_target(arguments.out, arguments.file)
    df = _table(arguments)
    # The run is not over before the file has its name: what dies until then goes on with it.
    with override(unit_price=arguments.unit_price), ends_with_block():
        try:
            out = api.enrich(
                df, _columns(arguments), details=arguments.details, **_terms(arguments)
            )
        except NumberActiveError as error:
            if error.partial is not None:  # what is paid goes to the file, too
                write_table(error.partial, arguments.out)
            raise
        write_table(out, arguments.out)
    print(_in_flags(api.last_run()))
    return _exit_code()


def _columns(arguments: argparse.Namespace) -> list[str]:
    return arguments.column[1:] or ["phone"]


def _terms(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("max_charges", "budget", "max_age", "refresh", "overwrite")
    return {name: getattr(arguments, name) for name in names}


def _table(arguments: argparse.Namespace) -> pd.DataFrame:
    """The file, which must have the phone columns."""
    df = read_table(arguments.file)
    missing = [name for name in _columns(arguments) if name not in df.columns]
    if not missing:
        return df
    only = str(df.columns[0]) if len(df.columns) == 1 else ""
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if mark in only:
            raise ConfigurationError(
                f"{arguments.file!r} seems to be separated by {word}, for it has one column only. "
                "Save it with commas."
            )
    raise ConfigurationError(
        f"{ColumnNotFoundError(missing[0], df.columns)} Name the phone column with --column."
    )


def _simulate(arguments: argparse.Namespace) -> int:
    from pandas_numberactive.simulator import serve_forever

    serve_forever(arguments.port, latency=arguments.latency)
    return COMPLETE


def _doctor(_: argparse.Namespace) -> int:
    found = doctor()
    print(found)
    return COMPLETE if found.ready else BROKEN


def _history(arguments: argparse.Namespace) -> int:
    frame = api.spend(arguments.spend) if arguments.spend else api.history(arguments.since)
    shown = frame if arguments.all or arguments.spend else frame.tail(SHOWN)
    since = f" since {arguments.since}" if arguments.since else ""
    print(
        shown.to_string(index=False)
        if len(shown)
        else "The ledger is empty."
        if not since
        else f"The ledger has nothing{since}."
    )
    if len(shown) < len(frame):
        print(f"The last {len(shown)} of {len(frame):,} events{since}; --all shows them all.")
    return COMPLETE


def _verify(arguments: argparse.Namespace) -> int:
    from pandas_numberactive._cli.verify import verify

    try:
        found = verify(arguments.phone, max_charges=arguments.max_charges)
    except NumberActiveError as error:
        error.report = None  # a check that could not be made has no bill to show
        raise
    print(found)
    return INCOMPLETE if found.refuted else COMPLETE


def _store_copy(arguments: argparse.Namespace) -> int:
    from pandas_numberactive._store.copy import copy

    done = copy(arguments.source, arguments.target)
    print(done)
    return INCOMPLETE if done.left else COMPLETE


def _store_init(arguments: argparse.Namespace) -> int:
    from pandas_numberactive._store.store import LookupStore

    with LookupStore.open(arguments.target) as store:
        print(f"{store!r} is ready: {store.count():,} look-ups.")
    return COMPLETE


def _login(_: argparse.Namespace) -> int:
    import getpass

    keys = f"{VARIABLES['app_key']} and {VARIABLES['secret']}"
    require_keyring()
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"login asks for the keys in a terminal, and there is none: set {keys} instead."
        )
    try:
        app_key = input("App key: ").strip()
        secret = getpass.getpass("Secret (not shown): ").strip()
    except EOFError:
        raise ConfigurationError("Nothing was kept: login needs both keys.") from None
    save_to_keyring(app_key, secret)
    print("Kept in the system's keyring.")
    return COMPLETE
