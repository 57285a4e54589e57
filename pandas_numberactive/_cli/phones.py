"""The numbers that a command is given: in a variable, or on standard input."""

from __future__ import annotations

import sys

from pandas_numberactive._cli.words import at_terminal, from_stdin
from pandas_numberactive._config.settings import from_variable, settings
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive.errors import ConfigurationError

PHONE_VARIABLE = "NUMBERACTIVE_PHONE"


def one_phone() -> str:
    """Return the number of the variable, or else of the first line of standard input."""
    return _stated() or from_stdin("Phone")


def every_phone() -> list[str]:
    """Return the number of the variable, or else of each line of standard input."""
    stated = _stated()
    if stated:
        return [stated]
    if at_terminal():
        return [from_stdin("Phone")]
    phones = _piped()
    if not phones:
        raise ConfigurationError("Give a number on standard input. Nothing was sent.")
    return phones


def _stated() -> str:
    """Return the variable's number, empty where it is not set.

    Raise ConfigurationError where standard input holds another one: a variable that was left set
    would be bought in place of what is piped.
    """
    stated = from_variable(PHONE_VARIABLE)
    if stated and {_national(phone) for phone in _piped()} - {_national(stated)}:
        raise ConfigurationError(
            f"The variable {PHONE_VARIABLE} and standard input give different numbers: unset the "
            "variable, or give nothing on standard input (< /dev/null). Nothing was sent."
        )
    return stated


def _piped() -> list[str]:
    """Return the lines of standard input, of which a terminal and nohup have none."""
    try:
        if sys.stdin is None or at_terminal():
            return []
        return [line.strip() for line in sys.stdin if line.strip()]
    except OSError:  # nohup opens it for writing alone
        return []


def _national(phone: str) -> str:
    """Return what a number is compared by, or the text that is none."""
    national, _ = parse_phone(phone, max_digits=settings().max_digits)
    return national or phone
