"""Made-up columns of phones, fast enough to make ten million of them, and stores filled without a vendor."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pandas_numberactive._purchase.purchase import LookupState, pack
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._vendor.protocol import Answer

Ints = np.ndarray[Any, np.dtype[np.int64]]
BOUGHT = 1_760_000_000_000_000  # microseconds since 1970


def numbers(count: int, seed: int) -> Ints:
    """Distinct national numbers of ten digits, in random order."""
    rng = np.random.default_rng(seed)
    return 8_110_000_000 + rng.permutation(count).astype(np.int64) * 7 + seed % 7


def _join(*parts: Any) -> Any:
    whole = [
        pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts
    ]
    return pc.binary_join_element_wise(*whole, pa.scalar("", pa.large_string()))


def texts(national: Ints, odd: float, seed: int) -> list[Any]:
    """Each number in a shape of its own (clean ones, and a share of odd ones), as Arrow text."""
    rng = np.random.default_rng(seed + 1)
    digits = pc.cast(pa.array(national), pa.large_string())
    a, b, c = (pc.utf8_slice_codeunits(digits, *cut) for cut in ((0, 3), (3, 7), (7, 99)))
    clean = [
        _join("0", digits),
        _join("+62", digits),
        _join("62", digits),
        digits,
        _join("0", a, "-", b, "-", c),
        _join("+62 ", a, " ", b, " ", c),
        _join("0", a, ".", b, ".", c),
        _join("(0", a, ") ", b, c),
    ]
    strange = [
        _join(digits, ".0"),
        _join("HP: 0", digits),
        _join("0", digits, " / 0", digits),
        _join("0", digits, " (WA)"),
        _join("6.2", a, "E+11"),
        _join("021", b, c),
        _join("+65 ", b, " ", b),
        _join("O", digits),
    ]
    kinds = rng.integers(0, len(clean), len(national))
    bent = rng.random(len(national)) < odd
    kinds[bent] = len(clean) + rng.integers(0, len(strange), int(bent.sum()))
    return pc.choose(pa.array(kinds), *clean, *strange)


PIECES = (  # of shapes that nobody listed beforehand
    [
        "",
        "",
        "0",
        "+62",
        "+62 ",
        "0062",
        "tlp. ",
        "WhatsApp ",
        "no hp:",
        "'",
        "(+62)",
        "telp rumah ",
        "+65 ",
        "021 ",
        "# ",
    ],
    [" ", "  ", "-", ".", " - ", "/", ") ", "\u00a0", "\u2011", "_", "\t", " ke ", "", ", "],
    [
        "",
        "",
        " (istri)",
        " a/n",
        ".0",
        ".00",
        ",00",
        " ext 12",
        "/08",
        ";",
        " ?",
        "*",
        " 2",
        " - 33",
        "\u200b",
        "x",
    ],
)


def bent(cells: Any, share: float, seed: int) -> Any:
    """The same cells, but for a share in 500 shapes put together at random."""
    rng = np.random.default_rng(seed + 2)
    heads, marks, ends = PIECES
    shapes = [
        "".join(
            [
                rng.choice(heads),
                "{0}",
                rng.choice(marks),
                "{1}",
                rng.choice(marks),
                "{2}",
                rng.choice(ends),
            ]
        )
        for _ in range(500)
    ]
    odd = rng.random(len(cells)) < share
    some = rng.integers(8_110_000_000, 8_999_999_999, int(odd.sum())).astype(str).tolist()
    which = rng.integers(0, len(shapes), len(some)).tolist()
    strange = [
        shapes[shape].format(n[:3], n[3:7], n[7:]) for shape, n in zip(which, some, strict=True)
    ]
    return pc.replace_with_mask(cells, pa.array(odd), pa.array(strange, pa.large_string()))


def column(cells: Any) -> pd.Series[Any]:
    """Text as pandas' own string dtype."""
    dtype: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else "string[pyarrow]"
    return pd.Series(
        pd.array(cells.cast(pa.large_string()).to_pandas().array, dtype=dtype), name="phone"
    )


def answers(national: Ints) -> Ints:
    """A packed answer for each number: every level, no data for every twelfth."""
    table = [
        pack(LookupState.ANSWERED, Answer(1 + at % 2, 1 + at % 3, 1 + at // 3 % 3), True)
        if at % 12
        else pack(LookupState.NO_DATA, Answer(), True)
        for at in range(36)
    ]
    return np.array(table, np.int64)[national % 36]


def bought_at(national: Ints) -> Ints:
    """When, in microseconds since 1970; never a whole second, which to_sql and read_sql would lose among the others."""
    return BOUGHT + (national % 10**9 | 1)


def filled_store(path: Path, national: Ints) -> None:
    """A store as if these numbers had been bought, in the sandbox."""
    with LookupStore(str(path)):
        pass
    connection = sqlite3.connect(path)
    sorted_ = np.sort(national)
    rows = zip(
        sorted_.tolist(), answers(sorted_).tolist(), bought_at(sorted_).tolist(), strict=True
    )
    connection.executemany(
        "INSERT INTO lookups (environment, number, generation, packed, bought_at, request_id, host, app_key, run, spend)"
        " VALUES (1, ?, 1, ?, ?, 'r', 'h', 'k', 1, 1)",
        rows,
    )
    connection.commit()
    connection.close()
