"""`%load_ext pandas_numberactive`: one magic, for one number."""

from __future__ import annotations

from typing import Any

from pandas_numberactive._config.settings import settings
from pandas_numberactive._pandas.lookup import Lookup, lookup
from pandas_numberactive._phones.parse import explain, parse_phone
from pandas_numberactive.errors import InvalidPhoneError

HOW = (
    "%numberactive 0811 8899 532 looks one number up, at most one charged answer; a stored "
    "number is free."
)


def numberactive(line: str) -> Lookup | None:
    """Look up the number on the line: at most one answer is charged, a stored one is free.

    Without a number it says how. What cannot be read raises InvalidPhoneError, and nothing is sent.
    What you type stays in IPython's history: for numbers that must not, use `pna.LookupForm()`.

    >>> numberactive("")  # doctest: +NORMALIZE_WHITESPACE
    %numberactive 0811 8899 532 looks one number up, at most one charged answer; a stored number is
    free.
    """
    text = line.strip().strip("\"'")
    if not text:
        print(HOW)
        return None
    national, reason = parse_phone(text, max_digits=settings().max_digits)
    if national is None:
        raise InvalidPhoneError(f"{explain(reason or '')} Nothing was sent. {HOW}")
    return lookup(national)


def load(shell: Any) -> None:
    """Register the magic with a running IPython."""
    shell.register_magic_function(numberactive, "line", "numberactive")
