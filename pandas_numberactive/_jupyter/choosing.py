"""Tell the phone columns of a frame from the others, and the customer's from other people's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pandas_numberactive._config.settings import Settings, settings
from pandas_numberactive._phones.mask import mask_label
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive.errors import ConfigurationError

CELLS_LOOKED_AT = 200  # cells of a column, to see whether it may hold phones
CELLS_DRAWN = 10_000  # cells, spread over the column, among which these are found
LIKELY_SHARE = 0.4  # of its cells that are mobile numbers
NAME_OUTWEIGHS = 0.1  # of the share of readable cells

_PHONE_WORDS = frozenset(
    "phone phones phonenumber hp nohp nomorhp handphone ponsel telp telpon telepon tlp mobile "
    "msisdn wa whatsapp cell cellphone seluler".split()
)
_OTHERS_WORDS = frozenset("ibu ayah istri suami ref ortu econ wife son boss teman kantor".split())
_OTHERS_PARTS = (
    "relative emergency spouse kerabat darurat pasangan referen referee keluarga saudara family "
    "guarantor penjamin husband mother father parent sibling brother sister friend orangtua "
    "atasan employer office guardian neighbour neighbor tetangga"
).split()


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns of a frame as a panel offers them, by their positions."""

    preselected: tuple[int, ...]
    likely: tuple[int, ...]  # those that may hold phones
    places: tuple[int, ...]  # all of them, the likely ones first
    told: str  # a sentence on the choice


def choose(df: pd.DataFrame) -> Choice:
    """Find the phone columns of a frame, in the order of the frame.

    One column is preselected where it is the only likely one, or the only one that is named like
    a phone and no worse to read than the others. Columns of other people are never preselected:
    relatives and references did not apply for anything.
    """
    limit = max_digits()
    shares = [_readable(df.iloc[:, place], limit) for place in range(df.shape[1])]
    likely = [place for place, share in enumerate(shares) if share > LIKELY_SHARE]
    rest = [place for place in range(len(shares)) if place not in likely]
    own = [place for place in likely if not names_others(df.columns[place])]
    best = _best(own, shares, df.columns)
    preselected = () if best is None else (best,)
    told = _told(df.columns, likely, own, best)
    return Choice(preselected, tuple(likely), (*likely, *rest), told)


def _best(own: list[int], shares: list[float], names: pd.Index[Any]) -> int | None:
    """Return the one column that is meant, or None where a person has to say."""
    if len(own) == 1:
        return own[0]
    named = [place for place in own if names_phone(names[place])]
    if len(named) != 1:
        return None
    enough = max(shares[place] for place in own) - NAME_OUTWEIGHS
    return named[0] if shares[named[0]] >= enough else None


def _told(
    names: pd.Index[Any],
    likely: list[int],
    own: list[int],
    best: int | None,
) -> str:
    if best is not None:
        return ""
    if not likely:
        return "No column looks like phones: choose one."
    if not own:
        listed = _listed(names, likely)
        return f"Only columns of other people look like phones ({listed}): choose one."
    return f"Several columns look like phones ({_listed(names, own)}): choose."


def _listed(names: pd.Index[Any], places: list[int]) -> str:
    return ", ".join(mask_label(names[place], quoted=False) for place in places)


def offered_labels(names: Iterable[object]) -> list[str]:
    """Return the labels of columns in a field, masked where they may be phones.

    Those that look alike get their place in the table.

    >>> offered_labels(["hp", "08118899532", "08118899533"])
    ['hp', '0811******* (column 2)', '0811******* (column 3)']
    """
    shown = [mask_label(name, quoted=False) for name in names]
    count = Counter(shown)
    return [
        f"{label} (column {at})" if count[label] > 1 else label
        for at, label in enumerate(shown, start=1)
    ]


def names_phone(name: object) -> bool:
    """Return True for a name such as `phone`, `no_hp` or `nomorHP`.

    >>> [names_phone(name) for name in ("phone_1", "noHP", "hpp", "score")]
    [True, True, False, False]
    """
    return bool(_PHONE_WORDS & words_of(name))


def names_others(name: object) -> bool:
    """Return True for a name of other people's phones, such as `relative_phone`.

    >>> [names_others(name) for name in ("hp_darurat", "emergencyPhone", "phone")]
    [True, True, False]
    """
    text = str(name).lower()
    return any(part in text for part in _OTHERS_PARTS) or bool(_OTHERS_WORDS & words_of(name))


def words_of(name: object) -> set[str]:
    """Split a name at signs, digits and changes of case.

    >>> sorted(words_of("tanggalPengajuan_2"))
    ['pengajuan', 'tanggal']
    """
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", str(name))}


def _readable(column: pd.Series[Any], limit: int) -> float:
    """Return the share of some filled cells that are Indonesian mobile numbers."""
    cells = filled(column, CELLS_LOOKED_AT)
    read = [cell for cell in cells if parse_phone(cell, max_digits=limit)[0] is not None]
    return len(read) / len(cells) if cells else 0.0


def filled(column: pd.Series[Any], most: int) -> list[Any]:
    """Return some filled cells of cells spread over the column, which may have ten million."""
    drawn = column.iloc[:: max(1, len(column) // CELLS_DRAWN)]
    return drawn.dropna().head(most).tolist()


def max_digits() -> int:
    """Return the setting, or its default where the settings are wrong: planning says so."""
    try:
        return settings().max_digits
    except ConfigurationError:
        return Settings().max_digits
