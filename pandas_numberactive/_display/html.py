"""Small pieces of HTML and text, shared by every result's picture; every text from outside is
escaped here.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError

from pandas_numberactive.errors import NumberActiveError

# Where no Jupyter theme is (Colab, an exported page), the page's own colours: they are legible on
# its own ground.
INK = "var(--jp-ui-font-color1, inherit)"
FAINT = "var(--jp-ui-font-color2, inherit)"
PAPER = "var(--jp-layout-color1, transparent)"
LINE = "var(--jp-border-color1, #9e9e9e)"


def esc(text: object) -> str:
    """Escape anything that is shown."""
    return html.escape(str(text))


def html_table(title: str, lines: list[tuple[str, str]], note: str = "", picture: str = "") -> str:
    """A two-column HTML table that follows the theme; everything escaped."""
    cell = "padding:1px 12px 1px 0;text-align:left;vertical-align:top;background:none"
    rows = "".join(
        f'<tr style="background:none"><td style="{cell};opacity:.75;white-space:nowrap">'
        f"{esc(name)}</td>"
        f'<td style="{cell};overflow-wrap:anywhere;min-width:10em">{esc(text)}</td></tr>'
        for name, text in lines
    )
    tail = f'<div style="opacity:.75;max-width:46em">{esc(note)}</div>' if note else ""
    return (
        f'<div style="color:{INK};font-size:13px;line-height:1.4">'
        f'<b>{esc(title)}</b>{picture}<table style="border:none;border-collapse:collapse;'
        "margin:4px 0;"
        f'color:inherit;font-size:inherit">{rows}</table>{tail}</div>'
    )


def text_table(title: str, lines: list[tuple[str, str]], note: str = "") -> str:
    width = max((len(name) for name, _ in lines), default=0)
    body = "\n".join(f"  {name:<{width}}  {text}" for name, text in lines)
    return f"{title}\n{body}" + (f"\n  {note}" if note else "")


def bar(parts: Iterable[tuple[str, int, str]], label: str) -> str:
    """A stacked bar of (name, count, colour), with its legend; hidden from nobody: the numbers
    stand beside it.
    """
    shown = [(name, count, colour) for name, count, colour in parts if count]
    total = sum(count for _, count, _ in shown) or 1
    pieces = "".join(
        f'<div style="width:{100 * count / total:.2f}%;background:{colour}" title="{esc(name)}: '
        f'{count:,}"></div>'
        for name, count, colour in shown
    )
    legend = "".join(
        '<span style="margin-right:14px;white-space:nowrap"><span '
        'style="display:inline-block;width:10px;height:10px;'
        f'border-radius:2px;background:{colour};margin-right:5px"></span>{esc(name)} '
        f"<b>{count:,}</b></span>"
        for name, count, colour in shown
    )
    return (
        f'<div role="img" aria-label="{esc(label)}" style="display:flex;height:14px;'
        "max-width:640px;border-radius:3px;"
        f'overflow:hidden;margin:6px 0 4px">{pieces}</div><div style="color:{INK};line-height:1.7">'
        f"{legend}</div>"
    )


WRAPS = {"flex_flow": "row wrap"}  # a narrow page shows all of a row


RED = "#c62828"


_TITLES = {
    "caller": "Something to put right",
    "vendor": "The vendor did not answer as it should",
    "machine": "A problem on this machine",
}


_CHARGED = {
    "no": "Nothing was charged.",
    "maybe": "It may have been charged; asking again buys nothing twice.",
    "stored": "What was charged is stored; asking again buys nothing twice.",
}


def error_card(error: BaseException) -> str:
    """An error as a person reads it: what happened, what to do, and whether it cost anything; no
    traceback.
    """
    if isinstance(error, CancelledError):
        return card(
            "Given up at once", note(f"Interrupted twice. {_CHARGED['stored']}"), accent=RED
        )
    if not isinstance(error, NumberActiveError):
        told = note("Nothing that was paid is lost. Try again, and report this if it stays.")
        return card(
            f"Unforeseen: {type(error).__name__}", f"<div>{esc(error)}</div>{told}", accent=RED
        )
    code = getattr(error, "code", None)
    said = note(f"code {code}: {getattr(error, 'msg', '')}") if code is not None else ""
    body = (
        f'<div style="white-space:pre-line">{esc(error)}</div>{said}{note(_CHARGED[error.charged])}'
    )
    return card(_TITLES[error.fault], body, accent=RED)


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
