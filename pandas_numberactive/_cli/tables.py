"""The commands on tables: plan, enrich and demo."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
import pandas as pd
import platformdirs

from pandas_numberactive._cli.codes import Exit
from pandas_numberactive._cli.files import (
    STANDARD,
    Layout,
    check_target,
    read_table,
    write_table,
)
from pandas_numberactive._cli.words import (
    again,
    example,
    plan_text,
    put_json,
    refuse_budget_without_price,
    report_text,
    tell,
)
from pandas_numberactive._config.settings import (
    SettingOptions,
    Settings,
    override,
    simulator_only,
    unknown_variables,
)
from pandas_numberactive._pandas import api, columns
from pandas_numberactive._pandas.formats import why_unwritten
from pandas_numberactive._phones.mask import mask_cell, mask_label
from pandas_numberactive._run.options import EnrichOptions
from pandas_numberactive._run.report import RunReport
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    NumberActiveError,
    before_sending,
)

F = TypeVar("F", bound=Callable[..., Any])
_AGE = "Buy again what is older: a number and its unit (s, min, h, D, W), such as 180D or 12h."
_TERMS = (
    click.argument("files", nargs=-1, required=True, metavar="FILE"),
    click.option(
        "--column",
        "-c",
        multiple=True,
        help="Phone column; may be repeated.  [phone]",
    ),
    click.option("--prefix", help="Of the new columns, in place of the phone column's name."),
    click.option("--max-charges", type=click.IntRange(0), help="The most charges."),
    click.option("--budget", type=float, help="The most money; needs --unit-price."),
    click.option("--unit-price", type=float, help="Price of one charged answer."),
    click.option("--max-rate", type=float, help="The most calls in a second."),
    click.option("--max-age", metavar="AGE", help=_AGE),
    click.option("--refresh", is_flag=True, help="Buy everything again."),
    click.option(
        "--order",
        type=click.Choice(["rows", "random"]),
        default="rows",
        show_default=True,
        help="Under a cap: the first rows, or a fair sample.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        help="Of --order random.  [0]",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Replace result columns that the file has.",
    ),
    click.option("--sheet", help="Excel: name or number of the sheet.  [the first]"),
    click.option(
        "--header-row",
        type=click.IntRange(1),
        default=1,
        help="Row of the names.  [1]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)


def _terms(command: F) -> F:
    """Add the options that plan and enrich share."""
    for add in reversed(_TERMS):
        command = add(command)
    return command


class Request:
    """The request of plan or enrich: a file, its columns and the options of the call."""

    def __init__(self, files: tuple[str, ...], column: tuple[str, ...], **given: Any) -> None:
        # `--column a b FILE` was a way to name two columns: the words that are no file are columns.
        file = next((one for one in files if one == STANDARD or Path(one).exists()), files[0])
        rest = list(files)
        rest.remove(file)
        self.file = file
        self.columns: list[Hashable] = [*column, *rest] or ["phone"]
        self.layout = Layout()  # of the file, once it is read
        self._given = given

    def settings(self) -> AbstractContextManager[Settings]:
        """Return the settings of the call, as a context. Warn of variables that are not read."""
        for warning in unknown_variables():
            tell(f"Warning: {warning}")
        stated: SettingOptions = {}
        if self._given["unit_price"] is not None:
            stated["unit_price"] = self._given["unit_price"]
        if self._given["max_rate"] is not None:
            stated["max_rate"] = self._given["max_rate"]
        return override(**stated)

    def options(self) -> EnrichOptions:
        """Return the options of the call."""
        refuse_budget_without_price(self._given["budget"])
        order: Literal["rows", "random"] = self._given["order"]
        return EnrichOptions(
            prefix=self._given["prefix"],
            max_charges=self._given["max_charges"],
            budget=self._given["budget"],
            max_age=self._given["max_age"],
            refresh=self._given["refresh"],
            order=order,
            seed=self._given["seed"],
            overwrite=self._given["overwrite"],
        )

    def table(self, details: bool = False) -> pd.DataFrame:
        """Read the file, which must have the phone columns and no foreign result columns."""
        taken = read_table(
            self.file, sheet=self._given["sheet"], header_row=self._given["header_row"]
        )
        if taken.how:
            tell(taken.how)
        df = taken.frame
        self.layout = taken.layout
        missing = [name for name in self.columns if name not in df.columns]
        if missing:
            raise ConfigurationError(
                f"{ColumnNotFoundError(missing[0], df.columns)} Name the phone column with "
                "--column."
            )
        taken.refuse_repeated(self.columns)
        if not self._given["overwrite"]:
            self._refuse_foreign(df, details)
        return df

    def _refuse_foreign(self, df: pd.DataFrame, details: bool) -> None:
        found = columns.foreign(df, columns.prefixes(self.columns, self._given["prefix"]), details)
        if found:
            raise ConfigurationError(
                f"The file has {', '.join(map(mask_label, found[:3]))} already: add --overwrite, "
                "or choose another --prefix. Nothing was sent."
            )


@click.command(epilog=example("numberactive plan customers.csv --column phone"))
@_terms
def plan(**given: Any) -> int:
    """Show what enriching FILE would do and cost. Spends nothing.

    FILE is a csv, tsv, txt, xlsx or parquet file, or - for a CSV on standard input.
    """
    request = Request(given.pop("files"), given.pop("column"), **given)
    with request.settings():
        made = api.plan(request.table(), request.columns, **request.options())
        if given["as_json"]:
            put_json(made.to_dict())
        else:
            click.echo(plan_text(made))
    return Exit.COMPLETE


@click.command(
    epilog=example("numberactive enrich customers.csv -c phone --max-charges 500 --out new.csv")
)
@_terms
@click.option(
    "--out",
    help="csv, tsv, txt, xlsx or parquet, or - for a CSV on standard output.  "
    "[required, unless FILE is -]",
)
@click.option(
    "--details",
    is_flag=True,
    help="Add charged, request_id, reason, source, national.",
)
def enrich(out: str | None, details: bool, **given: Any) -> int:
    """Buy what is not stored for FILE, and write the table with its signals.

    FILE is a csv, tsv, txt, xlsx or parquet file, or - for a CSV on standard input; then the
    result goes to standard output, unless --out names a file. A CSV result has the separator of
    the FILE.
    """
    request = Request(given.pop("files"), given.pop("column"), **given)
    target = out or (STANDARD if request.file == STANDARD else None)
    if target is None:
        raise click.UsageError("Missing option '--out'.")
    with request.settings():
        with before_sending():
            check_target(target, request.file)
            options = request.options()
            options["details"] = details
            df = request.table(details)
        keep = partial(_keep, name=target, layout=request.layout)
        try:
            api.enrich_into(df, request.columns, keep, **options)
        except NumberActiveError as error:
            if isinstance(error.partial, pd.DataFrame):  # what is paid goes to the file, too
                keep(error.partial)
            raise
        report = api.last_run()
        assert report is not None
        _put_report(report, as_json=given["as_json"], err=target == STANDARD)
    return exit_code(report)


class UnwrittenTableError(NumberActiveError):
    """The error for a result that its file, or standard output, did not take."""


def _keep(df: pd.DataFrame, name: str, layout: Layout) -> None:
    """Write the result, or say that its answers are stored all the same."""
    try:
        write_table(df, name, layout)
    except Exception as error:  # each format has errors of its own: all is paid for by now
        report = api.last_run()
        if report is not None:
            tell(report_text(report))
        raise UnwrittenTableError(
            f"The table could not be written to --out {mask_label(name)} ({why_unwritten(error)}). "
            "Every answer is stored: the same command with another --out writes it, and buys "
            "nothing twice."
        ) from None


def _put_report(report: RunReport, *, as_json: bool, err: bool) -> None:
    if as_json and not err:
        put_json(report.to_dict())
    else:
        click.echo(report_text(report), err=err)


def exit_code(report: RunReport) -> int:
    """Return the exit code of a run, and say on stderr what the same command would do."""
    if report.complete:
        return Exit.COMPLETE
    tell(f"Incomplete. {again(report)}")
    return Exit.INCOMPLETE


@click.command(epilog=example("numberactive demo"))
def demo() -> int:
    """Enrich a made-up table on the simulator. Costs nothing."""
    folder = Path(platformdirs.user_data_dir("pandas-numberactive", appauthor=False))
    with simulator_only(store=str(folder / "demo.sqlite3"), unit_price=500.0):
        # Imported here because only the demo needs the simulator.
        from pandas_numberactive.simulator import customers

        df = customers(5000)
        click.echo(f"{len(df):,} made-up customers; the simulator answers, nothing is spent.\n")
        click.echo(f"{plan_text(api.plan(df, 'phone'))}\n")
        out = api.enrich(df, "phone")
        report = api.last_run()
        assert report is not None
        _show(out)
        click.echo(f"The bill:\n{report_text(report)}")
        if not report.bought:
            click.echo(
                "\n0 bought: everything was in the store already. To start afresh, delete the "
                "store that the plan names."
            )
    return exit_code(report)


def _show(out: pd.DataFrame) -> None:
    signals = [name for name in out if str(name).startswith("phone_")]
    shown = out[["customer_id", "phone", *signals]].head(10).copy()
    shown["phone"] = [mask_cell(cell) for cell in shown["phone"]]
    shown["phone_looked_up_at"] = shown["phone_looked_up_at"].dt.strftime("%Y-%m-%d")
    shown.columns = [str(name).removeprefix("phone_") for name in shown.columns]
    click.echo(
        "\nThe first ten rows (the table has the whole numbers and phone_ before the new columns):"
    )
    click.echo(shown.astype(object).where(shown.notna(), "").to_string(index=False) + "\n")
    counts = out["phone_lookup_status"].value_counts()
    click.echo(f"Rows by status:\n{counts[counts > 0].to_string(header=False)}\n")
