"""Format amounts, times and words for people."""

from __future__ import annotations

from datetime import UTC, datetime

from pandas_numberactive._phones.mask import hide_numbers


def said(value: object) -> str:
    """Return a wrong value as an error shows it: short, with its type, a phone masked."""
    text = hide_numbers(repr(value)) if isinstance(value, (str, int, float)) else ""
    return (
        f"{text} ({type(value).__name__})" if 0 < len(text) <= 40 else f"a {type(value).__name__}"
    )


def utc(micros: int) -> datetime:
    """Microseconds since 1970 as a date."""
    return datetime.fromtimestamp(micros / 1e6, UTC)


def money(amount: float | None, currency: str) -> str:
    """Format an amount with its currency, or "unknown" without a unit price."""
    return "unknown (set unit_price)" if amount is None else f"{currency} {amount:,.0f}"


def numbers(count: int) -> str:
    """Render a count of phone numbers.

    >>> numbers(1), numbers(1500)
    ('1 number', '1,500 numbers')
    """
    return f"{count:,} number{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def words(status: str) -> str:
    """Return a status in words."""
    return status.replace("_", " ")


def when(moment: datetime | None) -> str:
    """Return a date in words, UTC."""
    return "" if moment is None else f"{moment.day} {moment:%b %Y}"
