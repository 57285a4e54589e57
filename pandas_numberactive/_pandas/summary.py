"""A store at a glance: its look-ups by state, as text and as a picture."""

from __future__ import annotations

from pandas_numberactive._display.html import bar, html_table, text_table

_COLOURS = {
    "reserved": "#90a4ae",
    "answered": "#2e7d32",
    "no_data": "#9e9e9e",
    "failed_charged": "#c62828",
    "quarantined": "#6a1b9a",
    "failed": "#ef6c00",
    "uncertain": "#00838f",
}


class Summary(dict[str, int]):
    """A store's look-ups by state."""

    def __repr__(self) -> str:
        return text_table(
            "Look-ups in the store", [(name, f"{count:,}") for name, count in self.items()]
        )

    def _repr_html_(self) -> str:
        parts = [
            (name.replace("_", " "), count, _COLOURS.get(name, "#1565c0"))
            for name, count in self.items()
        ]
        return html_table(
            f"{sum(self.values()):,} look-ups in the store",
            [],
            picture=bar(parts, "look-ups by state"),
        )
