"""The commands on the ledger: history, spend, reconcile, held, resolve, forget, import, store."""

from __future__ import annotations

import sys
from typing import Literal, get_args

import click
import pandas as pd

from pandas_numberactive._cli.codes import Exit
from pandas_numberactive._cli.files import read_table, write_table
from pandas_numberactive._cli.phones import one_phone
from pandas_numberactive._cli.words import (
    at_terminal,
    example,
    from_stdin,
    put_frame,
    put_json,
    tell,
)
from pandas_numberactive._config.checks import VARIABLES
from pandas_numberactive._config.credentials import masked_url
from pandas_numberactive._config.settings import from_variable, settings
from pandas_numberactive._pandas import api
from pandas_numberactive._pandas.lookup_store import By, LookupStore, named_store, store_to_read
from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive._run.plan import short_location
from pandas_numberactive._store.store import LookupStore as Journalled
from pandas_numberactive.errors import ColumnNotFoundError, ConfigurationError

SHOWN = 50  # events of the ledger
_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_by = click.Choice(get_args(By))
_environment = click.option("--environment", help="Another one than configured, or: all.")


@click.command(epilog=example("numberactive history --since 2026-01-31"))
@click.option("--since", help="A date, such as 2026-01-31.")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help=f"Every event, not the last {SHOWN} only.",
)
@click.option("--spend", "by", type=_by, help="Charges and cost instead; see also: spend.")
@_environment
@_json
def history(
    since: str | None, every: bool, by: By | None, environment: str | None, as_json: bool
) -> int:
    """Show the ledger's events, numbers masked."""
    if by:
        put_frame(_spent(by, environment), as_json, "The ledger is empty.")
        _tell_store()
        return Exit.COMPLETE
    frame = api.history(since, environment=environment)
    shown = frame if every else frame.tail(SHOWN)
    after = f" since {since}" if since else ""
    empty = f"The ledger has nothing{after}." if after else "The ledger is empty."
    put_frame(shown, as_json, empty)
    if len(shown) < len(frame) and not as_json:
        click.echo(f"The last {len(shown)} of {len(frame):,} events{after}; --all shows them all.")
    _tell_store()
    return Exit.COMPLETE


def _spent(by: By, environment: str | None) -> pd.DataFrame:
    """Return the charges with days as dates: JSON would add a time of midnight."""
    frame = api.spend(by, environment=environment)
    if "day" not in frame:
        return frame
    return frame.assign(day=frame["day"].dt.strftime("%Y-%m-%d"))


@click.command(epilog=example("numberactive spend --by run"))
@click.option("--by", type=_by, default="day", show_default=True)
@_environment
@_json
def spend(by: By, environment: str | None, as_json: bool) -> int:
    """Show charges and cost by day, run, environment or buyer (the user who bought)."""
    put_frame(_spent(by, environment), as_json, "The ledger is empty.")
    _tell_store()
    return Exit.COMPLETE


@click.command(epilog=example("numberactive reconcile invoice.csv --period 2026-10"))
@click.argument("invoice")
@click.option(
    "--period", help="Its month, such as 2026-10: charges of others that it lacks are left out."
)
@click.option("--request-id", help="Its column of requestIds.  [requestId or request_id]")
@click.option("--out", help="Write the compared lines to a csv, xlsx or parquet file.")
@_environment
@_json
def reconcile(
    invoice: str,
    period: str | None,
    request_id: str | None,
    out: str | None,
    environment: str | None,
    as_json: bool,
) -> int:
    """Compare the vendor's INVOICE, a file with a line a charge, with the ledger.

    Lines are compared by requestId, amounts are not. The exit code is 3 where a line does not
    match.
    """
    taken = read_table(invoice)
    if taken.how:
        tell(taken.how)
    try:
        with store_to_read(needed=True) as store:
            found = store.reconcile(
                taken.frame, request_id=request_id, period=period, environment=environment
            )
    except ColumnNotFoundError as error:
        plain = ColumnNotFoundError(error.column, taken.frame.columns)
        advice = "Name the column of requestIds with --request-id."
        raise ConfigurationError(f"{plain} {advice}") from None
    if out:
        write_table(found, out)
    if as_json:
        put_frame(found, as_json)
    else:
        click.echo(found.headline)
        put_frame(found[found["verdict"] != "matched"], False, "Every line matches.")
    _tell_store()
    return Exit.COMPLETE if (found["verdict"] == "matched").all() else Exit.INCOMPLETE


@click.command(epilog=example("numberactive held"))
@_json
def held(as_json: bool) -> int:
    """Show the look-ups that wait for a person, numbers masked."""
    with store_to_read() as store:
        put_frame(store.held(), as_json, "Nothing is held.")
    _tell_store()
    return Exit.COMPLETE


@click.command(epilog=example("echo 08118899532 | numberactive resolve release --free"))
@click.argument("how", type=click.Choice(["release", "settle"]))
@click.option("--charged/--free", default=None, help="The vendor's word on the charge.")
@click.option("--telco-type", help="Of settle: the answer that the vendor gave.")
@click.option("--active-level", help="Likewise.")
@click.option("--frequency-grade", help="Likewise.")
@click.option("--environment", help="Another one than configured.")
def resolve(
    how: Literal["release", "settle"],
    charged: bool | None,
    telco_type: str | None,
    active_level: str | None,
    frequency_grade: str | None,
    environment: str | None,
) -> int:
    """Decide about a held look-up. Give its number on standard input.

    release: the next run buys it again. settle: it is final, with the answer given or without one.
    """
    phone = one_phone()
    with LookupStore(named_store()) as store:
        state = store.resolve(
            phone,
            how,
            charged=charged,
            telco_type=telco_type,
            active_level=active_level,
            frequency_grade=frequency_grade,
            environment=environment,
        )
    click.echo(f"It is {state} now.")
    _tell_store()
    return Exit.COMPLETE


def _tell_store() -> None:
    """Print the store that was read, on stderr: a wrong one looks like an empty one."""
    location = named_store()
    made = "" if Journalled.is_made(location) else ", not made yet"
    tell(f"Store: {short_location(location)}{made}")


@click.command(epilog=example("numberactive forget < numbers.txt"))
def forget() -> int:
    """Remove numbers from the store. Give them on standard input, one a line."""
    if at_terminal():
        tell("One number a line, then Ctrl-D:")
    phones = [line.strip() for line in sys.stdin or () if line.strip()]
    if not phones:
        raise ConfigurationError(
            "Give the numbers on standard input, one a line. Nothing was forgotten."
        )
    with LookupStore(named_store()) as store:
        count = store.forget(phones)
    click.echo(f"{count:,} of {len(phones):,} numbers were there and are forgotten.")
    _tell_store()
    return Exit.COMPLETE


@click.command("import", epilog=example("numberactive import answers.csv --column phone"))
@click.argument("answers")
@click.option("--column", default="phone", show_default=True, help="The phone column.")
@click.option("--environment", help="Another one than configured.")
@_json
def import_(answers: str, column: str, environment: str | None, as_json: bool) -> int:
    """Take ANSWERS, a file of answers bought with another program, into the store."""
    taken = read_table(answers)
    if taken.how:
        tell(taken.how)
    taken.refuse_repeated([column])
    with LookupStore(named_store()) as store:
        counts = store.import_answers(taken.frame, phone=column, environment=environment)
    if as_json:
        put_json(counts)
    else:
        click.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    _tell_store()
    return Exit.COMPLETE


@click.group()
def store() -> None:
    """Make a store, or move a ledger.

    An address is a path, sqlite:PATH, postgresql://..., env:NAME for one in an environment
    variable, or - for a line of standard input. The last two keep a password out of the process
    list.
    """


@store.command(epilog=example("numberactive store copy ledger.sqlite3 team.sqlite3"))
@click.argument("source")
@click.argument("target", required=False)
def copy(source: str, target: str | None) -> int:
    """Copy a ledger from SOURCE to TARGET (by default the store that is configured).

    A second copy finds nothing to do. It is made if need be.
    """
    # Imported here because only this command copies.
    from pandas_numberactive._store.copy import copy as copied

    done = copied(_address(source), _address(target))
    click.echo(str(done))
    return Exit.INCOMPLETE if getattr(done, "left", 0) else Exit.COMPLETE


@store.command(epilog=example("numberactive store init team.sqlite3"))
@click.argument("target", required=False)
def init(target: str | None) -> int:
    """Make the tables, or bring them up to date, as their owner."""
    address = _address(target)
    with Journalled.open(address) as opened:
        click.echo(f"The store {short_location(address)} is ready: {opened.count():,} look-ups.")
    return Exit.COMPLETE


def _address(given: str | None) -> str:
    """Return a store's address, which may stand in a variable or on standard input."""
    if given is None:
        configured = settings().store
        if configured is None:
            raise ConfigurationError(
                f"Which store? Name it, or set {VARIABLES['store']}. Nothing was done."
            )
        return configured
    if given == "-":
        return from_stdin("Store")
    if given.startswith("env:"):
        value = from_variable(given.removeprefix("env:"))
        if not value:
            variable = hide_numbers(given.removeprefix("env:"))
            raise ConfigurationError(f"The variable {variable} is not set.")
        return value
    if masked_url(given) != given:
        tell(
            "Warning: the password of this address can be read in the process list; use "
            f"env:{VARIABLES['store']}, or - for standard input."
        )
    return given
