"""Small pieces of HTML and text, shared by every result's picture; every text from outside is
escaped here.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

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
