"""Pieces of HTML that every result is made of, and the one palette. All texts are escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError

from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive.errors import NumberActiveError

# Where no Jupyter theme is (Colab, an exported page), the page's own colours: they are legible on
# its own ground.
INK = "var(--jp-ui-font-color1, inherit)"
FAINT = "var(--jp-ui-font-color2, inherit)"
PAPER = "var(--jp-layout-color1, transparent)"
LINE = "var(--jp-border-color1, #9e9e9e)"


# One colour for one meaning, wherever it is shown: a plan, a bill, a job, a frame, a store.
STATUS_COLOURS: Mapping[str, str] = {
    "answered": "#2e7d32",
    "no_data": "#9ccc65",
    "failed": "#d32f2f",
    "failed_charged": "#8e0000",
    "uncertain": "#f9a825",
    "quarantined": "#8e24aa",
    "pending": "#7986cb",
    "invalid": "#ef6c00",
    "missing": "#bdbdbd",
    "not_bought": "#757575",
    "bought": "#1565c0",
    "to_buy": "#42a5f5",
    "stored": "#00897b",
    "repeats": "#90a4ae",
    "released": "#b0bec5",
    "written_off": "#6d4c41",
}
_SAME_AS = {
    "blank": "missing",
    "begun_or_held": "uncertain",
    "held_or_pending": "uncertain",
    "held": "uncertain",
    "reserved": "pending",
    "to_do": "not_bought",
    "other": "uncertain",
    "no_level": "none",
}
LEVEL_COLOURS: Mapping[str, str] = {
    "high": "#00695c",
    "medium": "#26a69a",
    "low": "#80cbc4",
    "plain": "#5c6bc0",
    "none": "#9e9e9e",
}
RED = STATUS_COLOURS["failed"]
GREEN = STATUS_COLOURS["answered"]
AMBER = STATUS_COLOURS["uncertain"]

_TABLE = f"color:{INK};border:none;border-collapse:collapse;font-size:inherit;line-height:1.5"
_CELL = "padding:1px 16px 1px 0;text-align:left;vertical-align:top;background:none"
_NOTE = "font-size:13px;line-height:1.5;overflow-wrap:anywhere"
_HEAD = "font-weight:600;white-space:normal"
_RIGHT = "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
_HAIRLINE = "rgba(128, 128, 128, 0.25)"
SHORT = 24  # characters of a cell that is not broken
# A count or an amount of money, then what explains it.
_FIGURE = re.compile(
    r"(?P<figure>(?:about |[A-Z]{3} )?-?\d+(?:,\d{3})*(?:\.\d+)?%?(?: s| min| h)?)"
    r"(?P<rest>(?:,? .*)?)"
)


def colour_of(name: str) -> str:
    """Return the colour of a status or a level, named as a column has it or as people write it."""
    key = name.replace(" ", "_")
    known = {**LEVEL_COLOURS, **STATUS_COLOURS}
    return known.get(_SAME_AS.get(key, key), STATUS_COLOURS["not_bought"])


def esc(text: object) -> str:
    """Escape anything that is shown."""
    return html.escape(str(text))


def html_table(
    title: str,
    lines: list[tuple[str, str]],
    note: str = "",
    picture: str = "",
    *,
    under: str = "",
    below: str = "",
    warnings: Iterable[str] = (),
) -> str:
    """Render a headline, a line under it, warnings, a picture and a table of names and figures.

    Figures stand in a column of their own, right-aligned, with what explains them behind. The
    picture and what stands below the table are HTML already.
    """
    body = html_lines(lines)
    tail = f'<div style="color:{FAINT};max-width:46em">{esc(note)}</div>' if note else ""
    return (
        f'<div style="color:{INK};font-size:13px;line-height:1.5">'
        f'<div style="font-weight:600;font-size:15px">{esc(title)}</div>'
        f"{esc(under)}{warned(warnings)}{picture}{body}{below}{tail}</div>"
    )


def html_lines(lines: list[tuple[str, str]]) -> str:
    """Render names and figures as a table, or nothing where there are none.

    A lone figure among words stands with the words.
    """
    figures = [text for _, text in lines if _FIGURE.fullmatch(text)]
    aligned = 2 * len(figures) > len(lines)
    rows = "".join(_line(name, text, aligned) for name, text in lines)
    return f'<table style="{_TABLE};margin:4px 0">{rows}</table>' if rows else ""


def _line(name: str, text: str, aligned: bool) -> str:
    head = f'<td style="{_CELL};color:{FAINT}">{esc(name)}</td>'
    found = _FIGURE.fullmatch(text)
    if found is None or not aligned:
        rest = f'<td colspan="2" style="{_CELL};overflow-wrap:anywhere">{esc(text)}</td>'
    else:
        rest = (
            f'<td style="{_CELL};{_RIGHT}">{esc(found["figure"])}</td>'
            f'<td style="{_CELL};color:{FAINT}">{esc(found["rest"].lstrip(", "))}</td>'
        )
    return f'<tr style="background:none">{head}{rest}</tr>'


def text_table(title: str, lines: list[tuple[str, str]], note: str = "") -> str:
    width = max((len(name) for name, _ in lines), default=0)
    body = "\n".join(f"  {name:<{width}}  {text}" for name, text in lines)
    return f"{title}\n{body}" + (f"\n  {note}" if note else "")


def bar(parts: Iterable[tuple[str, int]], label: str) -> str:
    """Render a stacked bar of names and counts in the colours of their statuses, with a legend."""
    shown = [(name, count, colour_of(name)) for name, count in parts if count]
    total = sum(count for _, count, _ in shown) or 1
    pieces = "".join(
        f'<div style="width:{100 * count / total:.2f}%;background:{colour}" title="{esc(name)}: '
        f'{count:,}"></div>'
        for name, count, colour in shown
    )
    legend = "".join(
        '<span style="display:inline-block;margin-right:14px;white-space:nowrap"><span '
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
    """Render an error without its traceback: the problem, the remedy, and the charge."""
    if isinstance(error, CancelledError):
        return card(
            "Given up at once", note(f"Interrupted twice. {_CHARGED['stored']}"), accent=RED
        )
    if not isinstance(error, NumberActiveError):
        told = note("Nothing that was paid is lost. Try again, and report this if it stays.")
        text = esc(hide_numbers(str(error)))  # pandas quotes cells and names
        return card(f"Unexpected: {type(error).__name__}", f"<div>{text}</div>{told}", accent=RED)
    code = getattr(error, "code", None)
    said = note(f"code {code}: {getattr(error, 'msg', '')}") if code is not None else ""
    charged = "" if "Nothing was sent" in str(error) else note(_CHARGED[error.charged])
    body = f'<div style="white-space:pre-line">{esc(error)}</div>{said}{charged}'
    return card(_TITLES[error.fault], body, accent=RED)


def badge(text: object, kind: str = "plain") -> str:
    """Render a word in a pill with a coloured edge, which neither theme makes glare."""
    colour = LEVEL_COLOURS.get(kind, LEVEL_COLOURS["plain"])
    return (
        '<span style="display:inline-block;padding:0 9px;border-radius:10px;line-height:19px;'
        f"border:1px solid {colour};border-left:8px solid {colour};"
        f'color:{INK};font-weight:600">{esc(text)}</span>'
    )


def level(name: str, value: str | None) -> str:
    """Render one signal with its name, the name of its column."""
    kind = "plain"
    if value is None:
        kind = "none"
    elif value in LEVEL_COLOURS:
        kind = value
    return (
        '<span style="display:inline-block;margin:0 14px 2px 0;white-space:nowrap">'
        f'<span style="color:{FAINT}">{esc(name)}</span> {badge(value or "no data", kind)}</span>'
    )


def card(title: str, body: str, *, accent: str = GREEN) -> str:
    """Render a framed block with a title. The body is HTML already."""
    return (
        f'<div style="border:1px solid {LINE};border-left:4px solid '
        f"{accent};border-radius:4px;padding:8px 12px;"
        f"margin:6px 0;background:{PAPER};color:{INK};font-size:13px;line-height:1.6;"
        "max-width:640px;"
        "box-sizing:border-box;"
        f'overflow-wrap:anywhere"><div style="font-weight:600">{esc(title)}</div>{body}</div>'
    )


def note(text: str) -> str:
    """Render a quiet line."""
    return f'<div style="{_NOTE};color:{FAINT}">{esc(text)}</div>'


def warned(texts: Iterable[str]) -> str:
    """Render warnings in full ink, because a person decides by them."""
    edge = f"border-left:4px solid {AMBER};padding-left:8px;margin:4px 0;max-width:640px"
    return "".join(f'<div style="{_NOTE};color:{INK};{edge}">{esc(text)}</div>' for text in texts)


def status(text: str, *, live: bool = True, decided: bool = False) -> str:
    """Render a line that a screen reader reads out as it changes.

    Not `live` where it changes all the time. What a person decides by (`decided`) is in full ink.
    """
    role = 'role="status" aria-live="polite" ' if live else ""
    ink = INK if decided else FAINT
    return f'<div {role}style="color:{ink};min-height:1.5em;line-height:1.5">{esc(text)}</div>'


def table(rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """Render rows of texts as a table, the first of them its head, figures right-aligned."""
    columns = list(zip(*rows, strict=True))
    styles = [f"{_CELL};{_RIGHT}" if _all_figures(column[1:]) else _CELL for column in columns]
    head = "".join(
        f'<th scope="col" style="{style};{_HEAD}">{_breakable(name)}</th>'
        for name, style in zip(rows[0], styles, strict=True)
    )
    body = "".join(
        f'<tr style="background:none;border-bottom:1px solid {_HAIRLINE}">'
        + "".join(
            f'<td style="{style}{_unbroken(text)}">{esc(text)}</td>'
            for text, style in zip(row, styles, strict=True)
        )
        + "</tr>"
        for row in rows[1:]
    )
    above = (
        f'<caption style="text-align:left;color:{FAINT}">{esc(caption)}</caption>'
        if caption
        else ""
    )
    return (
        '<div style="overflow-x:auto;font-size:13px">'
        f'<table style="{_TABLE};margin:6px 0">{above}'
        f'<thead><tr style="background:none;border-bottom:1px solid {LINE}">{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _unbroken(text: object) -> str:
    """Return the style that keeps a short cell in one line."""
    return ";white-space:nowrap" if len(str(text)) <= SHORT else ""


def _breakable(name: object) -> str:
    """Escape a column's name, which may be broken behind its underscores on a narrow page."""
    return esc(name).replace("_", "_<wbr>")


def _all_figures(texts: Sequence[object]) -> bool:
    shown = [str(text) for text in texts if str(text)]
    return bool(shown) and all(_FIGURE.fullmatch(text) for text in shown)


def invalid_html(cells: Mapping[str, int], examples: Mapping[str, str]) -> str:
    """Render the refused cells, folded by reason, with an example of each."""
    found = {reason: count for reason, count in cells.items() if count}
    if not found:
        return ""
    rows = [(reason, f"{count:,}", examples.get(reason, "")) for reason, count in found.items()]
    inside = table([("reason", "cells", "for example"), *rows])
    total = sum(found.values())
    title = f"{total:,} invalid cell{'' if total == 1 else 's'}, not sent: why?"
    return folded(title, inside)


def folded(title: str, body: str) -> str:
    """Render HTML that a click on its title unfolds."""
    return (
        f'<details style="color:{INK};font-size:13px"><summary style="cursor:pointer">{esc(title)}'
        f"</summary>{body}</details>"
    )


def block(title: str, body: str) -> str:
    """Render a small title over HTML."""
    return (
        f'<div style="color:{INK};font-size:13px;line-height:1.5;margin-top:8px">'
        f"<div>{esc(title)}</div>{body}</div>"
    )


def code_block(title: str, text: str) -> str:
    """Render a line of code to copy."""
    return block(
        title,
        f'<pre style="color:{INK};background:none;border:1px solid {LINE};border-radius:4px;'
        "padding:6px 10px;margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere;"
        f'max-width:640px">{esc(text)}</pre>',
    )
