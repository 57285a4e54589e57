"""The command line: `numberactive`, or `python -m pandas_numberactive`.

Exit codes: 0 complete, 3 incomplete (numbers left pending or not bought), 2 bad usage or
configuration, 1 from doctor where no run could start.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from pandas_numberactive import errors
from pandas_numberactive._cli import books, single, tables
from pandas_numberactive._cli.codes import Exit
from pandas_numberactive._cli.words import foreign, print_error, tell
from pandas_numberactive.errors import IncompleteRunWarning, NumberActiveError

_SHOWS = {"-h", "--help", "--version"}
# By its name, because the package at the top imports the rooms below it.
_VERSION: str = import_module("pandas_numberactive").__version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_VERSION, prog_name="numberactive")
def cli() -> None:
    """Phone-number signals for tables: every number bought once, no answer lost.

    Exit codes: 0 complete, 3 incomplete, 2 bad usage or configuration, 1 from doctor where no run
    could start.
    """


for command in (
    *(tables.plan, tables.enrich, tables.demo),
    *(single.lookup, single.verify, single.doctor, single.login, single.simulate),
    *(books.history, books.spend, books.reconcile, books.held, books.resolve),
    *(books.forget, books.import_, books.store, single.completion),
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors are one line on stderr."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IncompleteRunWarning)  # a line of our own says it
            warnings.showwarning = _one_line
            given = list(sys.argv[1:] if arguments is None else arguments)
            code = int(
                cli.main(
                    given,
                    prog_name="numberactive",
                    standalone_mode=False,
                )
                or 0
            )
    except click.ClickException as error:
        # An address may hold a password, and a word that was no option may be a number.
        safe = foreign(error.format_message())
        click.UsageError(safe, getattr(error, "ctx", None)).show()
        raise SystemExit(Exit.USAGE) from None
    except NumberActiveError as error:
        print_error(error)
        return Exit.USAGE if error.report is None else Exit.INCOMPLETE
    except (OSError, ValueError) as error:
        tell(f"Error: {foreign(str(error))}")
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        tell("Interrupted: what was paid is stored; the same command goes on where this ended.")
        return Exit.INCOMPLETE
    if _SHOWS & set(given):  # as a console script ends
        raise SystemExit(code)
    return code


def _one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    """Print a warning without the source line, which is none of the user's.

    A library's may quote a cell. Our own have their numbers masked, and counts of millions.
    """
    ours = category.__module__ == errors.__name__
    tell(f"Warning: {message if ours else foreign(str(message))}")
