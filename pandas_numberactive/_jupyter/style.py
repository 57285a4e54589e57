"""Small pieces of HTML that follow the theme; every text from outside is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pandas_numberactive._core.markup import FAINT, INK, LINE, PAPER
from pandas_numberactive._core.markup import bar as bar
from pandas_numberactive._core.markup import esc as esc

# Dark text on light grounds, 4.5:1 at least, in both themes; the words say the same as the colours.
_BADGES = {
    "high": ("#0b5d3b", "#d7f2e3"),
    "medium": ("#7a4a00", "#ffe9c7"),
    "low": ("#8a1c1c", "#fde0e0"),
    "plain": ("#1f3a5f", "#dce9f8"),
    "none": ("#424242", "#e6e6e6"),
}


def badge(text: object, kind: str = "plain") -> str:
    """A word on a coloured ground."""
    ink, ground = _BADGES.get(kind, _BADGES["plain"])
    return (
        '<span style="display:inline-block;padding:0 8px;border-radius:9px;line-height:20px;'
        f"background:{ground};"
        f'color:{ink};font-weight:600">{esc(text)}</span>'
    )


def level(name: str, value: str | None) -> str:
    """One signal with its name."""
    kind = value if value in ("high", "medium", "low") else "none" if value is None else "plain"
    return (
        f'<span style="display:inline-block;margin-right:14px;white-space:nowrap">{esc(name)} '
        f"{badge(value or 'no data', kind)}</span>"
    )


def card(title: str, body: str, *, accent: str = "#2e7d32") -> str:
    """A framed block with a title; `body` is HTML already."""
    return (
        f'<div style="border:1px solid {LINE};border-left:4px solid '
        f"{accent};border-radius:4px;padding:8px 12px;"
        f"margin:6px 0;background:{PAPER};color:{INK};line-height:1.6;max-width:640px;"
        "box-sizing:border-box;"
        f'overflow-wrap:anywhere"><div style="font-weight:600">{esc(title)}</div>{body}</div>'
    )


def note(text: str) -> str:
    """A quiet line."""
    return f'<div style="color:{FAINT};line-height:1.5;overflow-wrap:anywhere">{esc(text)}</div>'


def status(text: str, *, live: bool = True) -> str:
    """A line that a screen reader reads out as it changes; not `live` where it changes all the
    time.
    """
    told = 'role="status" aria-live="polite" ' if live else ""
    return f'<div {told}style="color:{FAINT};min-height:1.5em;line-height:1.5">{esc(text)}</div>'


def table(rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """Rows of texts as a small table, the first of them its head."""
    cell = "padding:1px 16px 1px 0;text-align:left;vertical-align:top"
    head = "".join(f'<th scope="col" style="{cell}">{esc(name)}</th>' for name in rows[0])
    body = "".join(
        '<tr style="background:none">'
        + "".join(f'<td style="{cell}">{esc(text)}</td>' for text in row)
        + "</tr>"
        for row in rows[1:]
    )
    above = f'<caption style="text-align:left">{esc(caption)}</caption>' if caption else ""
    return (
        f'<table style="color:{INK};border-collapse:collapse;margin:6px 0;line-height:1.5">{above}'
        f'<thead><tr style="background:none">{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def when(moment: datetime | None) -> str:
    """A date as people write it, UTC."""
    return "" if moment is None else f"{moment.day} {moment:%b %Y}"
