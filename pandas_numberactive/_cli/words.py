"""Print results and errors in the words of the command line."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import pandas as pd

from pandas_numberactive._config.credentials import masked_url
from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.html import text_table
from pandas_numberactive._display.text import numbers
from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive._run.plan import Plan, cap_for
from pandas_numberactive._run.report import Ending as RunEnding
from pandas_numberactive._run.report import RunReport, ending_of, verdict
from pandas_numberactive.errors import (
    ConfigurationError,
    ConfirmationRequiredError,
    NumberActiveError,
)

UNKNOWN_COST = "unknown: add --unit-price"
_COSTS = ("cost", "cost at most")
_LIMITS = {RunEnding.CAPPED: "--max-charges or --budget", RunEnding.SPENT: "--budget"}


def example(line: str) -> str:
    """Return the end of a command's help: one line to copy."""
    return f"\b\nExample:\n  {line}"


def tell(text: str) -> None:
    """Print a line that is no result to stderr."""
    click.echo(text, err=True)


def foreign(text: str) -> str:
    """Return a text of somebody else without numbers and passwords."""
    return hide_numbers(masked_url(text) or "")


def put_json(value: object) -> None:
    """Print a result as JSON."""
    click.echo(json.dumps(value, indent=2, default=str))


def put_frame(frame: pd.DataFrame, as_json: bool, empty: str = "Nothing.") -> None:
    """Print rows as a table or as JSON."""
    if as_json:
        click.echo(frame.to_json(orient="records", date_format="iso", indent=2))
    else:
        click.echo(frame.to_string(index=False) if len(frame) else empty)


def _priced(lines: list[tuple[str, str]], cost: float | None) -> list[tuple[str, str]]:
    """Name the flag of the price where the cost is unknown."""
    if cost is not None:
        return lines
    return [(name, UNKNOWN_COST if name in _COSTS else text) for name, text in lines]


def plan_text(plan: Plan) -> str:
    """Return a plan as text."""
    lines = _priced(plan.lines(), plan.cost)
    return text_table(f"Plan ({plan.environment})", lines, "; ".join(plan.warnings))


def report_text(report: RunReport) -> str:
    """Return a bill as text, the verdict first."""
    title = f"Run {report.run or '-'} ({report.environment}): {verdict(report)}"
    return text_table(title, _priced(report.lines(), report.cost))


def again(report: RunReport) -> str:
    """Return what the same command would do."""
    ending = ending_of(report)
    limit = _LIMITS.get(ending)
    if limit is not None:
        return _under_the_cap(report, limit)
    if report.goes_on_with or ending is RunEnding.BROKEN:
        return "The same command goes on where this ended."
    return "What is held waits for a decision: see numberactive held."


def _under_the_cap(report: RunReport, limit: str) -> str:
    """Return what the same command and a higher cap would do."""
    if report.goes_on_with:
        more = f"; a higher {limit} with more" if report.goes_on_with < report.left else ""
        return f"The same command goes on with {numbers(report.goes_on_with)}{more}."
    if report.open:
        return f"A higher {limit} goes on."
    return f"The same command buys nothing more today; a higher {limit} goes on."


def error_text(error: NumberActiveError) -> str:
    """Return an error in the words of the command line."""
    if isinstance(error, ConfirmationRequiredError) and isinstance(error.plan, Plan):
        plan = error.plan
        return (
            f"This would buy {plan.to_buy:,} numbers, more than confirm_above="
            f"{settings().confirm_above:,}. Nothing was bought. If that is meant, add "
            f"--max-charges {cap_for(plan)}.\n{plan_text(plan)}"
        )
    return str(error)


def print_error(error: NumberActiveError) -> None:
    """Print an error with its notes and its bill to stderr."""
    tell(f"Error: {error_text(error)}")
    for note in getattr(error, "__notes__", []):
        tell(note)
    if error.report is not None:
        tell(report_text(error.report))


def refuse_budget_without_price(budget: float | None) -> None:
    """Raise where a budget cannot be turned into a number of charges."""
    if budget is not None and not settings().unit_price:
        raise ConfigurationError(
            "--budget needs a price: add --unit-price, or use --max-charges. Nothing was sent."
        )


def at_terminal() -> bool:
    """Return True where a person types. A shell or a scheduler may have closed standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


def from_stdin(name: str) -> str:
    """Read one line of standard input, such as a number or an address with a password."""
    if at_terminal():
        return str(click.prompt(name, err=True))
    line = "" if sys.stdin is None else sys.stdin.readline().strip()
    if not line:
        raise ConfigurationError(f"Give the {name.lower()} on standard input. Nothing was sent.")
    return line


def plain(value: Any) -> Any:
    """Return the fields of a small result for JSON."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
