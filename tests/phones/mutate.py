"""Mutated cells: nothing is read that the strict reading refuses, and both paths agree.

Run it at length with: python -m tests.phones.mutate --cells 2000000
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive._phones.parse import REASONS, parse_phone
from tests.phones.corpus import BLANK, READ, REFUSED, filled
from tests.phones.strict import strict

TEMPLATES = (*READ, *READ, *REFUSED)
ALPHABET = [*"0000123456789", *" -.()[]+,/;:='_@*x#\t", "..", "--", "  ", " - ", "62", "+62", "0"]
ALPHABET += ["08", "WA", "HP ", "(", ") ", "\u00a0", "\u2013", "\u200b", "\u0663", "\uff10", ".0"]
MASKS = [*".-* x\u2022\u25cf_#/", ". ", "- ", "\u2013", "\u00b7"]
DATES = ("%d-%m-%Y %H%M", "%d-%m-%Y", "%d/%m/%Y %H:%M", "%d.%m.%Y %H.%M", "%d-%m-%y %H%M")
DATES += ("%d %m %Y %H %M", "%Y-%m-%d %H:%M:%S", "%d%m%Y %H%M", "%d-%m-%Y %H%M%S", "%d.%m.%y")
Batch = tuple["pd.Series[Any]", list[Any]]


@dataclass
class Result:
    """Counts of a run, and the first cells of each defect."""

    cells: Counter[str] = field(default_factory=Counter)
    read: int = 0
    wrong: list[Any] = field(default_factory=list)  # read, but not by the strict reading
    unequal: list[Any] = field(default_factory=list)  # one-cell path and column path differ

    @property
    def total(self) -> int:
        """Return the number of cells tried."""
        return sum(self.cells.values())


def number(rng: random.Random) -> str:
    """Return a made-up national number, often one with zeros in it."""
    length = rng.choice((9, 10, 10, 11, 11, 11, 12))
    digits = "8" + rng.choice("12356789")
    while len(digits) < length:
        digits += rng.choice("000000" if rng.random() < 0.3 else "0123456789")
    return digits


def text(rng: random.Random) -> str:
    """Return a cell as people write it, bent in up to three places."""
    cell = filled(rng.choice(TEMPLATES), number(rng), number(rng))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        at = rng.randrange(len(cell) + 1)
        cell = cell[:at] + rng.choice(("", *ALPHABET)) + cell[at + rng.randrange(2) :]
    return cell


def joined(rng: random.Random) -> str:
    """Return two cells in one."""
    marks = (" ", "/", " / ", "-", " - ", ", ", ";", "\n", " atau ", "  ", ".", "", " dan ", "+")
    first, second = (filled(rng.choice(READ), number(rng), number(rng)) for _ in range(2))
    if rng.random() < 0.4:
        second = second[: rng.randrange(len(second) + 1)]
    return first + rng.choice(marks) + second


def mask(rng: random.Random) -> str:
    """Return a number of which marks hide some digits."""
    cell = filled(rng.choice(READ[:12]), number(rng))
    start = rng.randrange(len(cell))
    hidden = rng.randrange(1, 7)
    runs = rng.choice(MASKS) * rng.choice((1, 2, 2, 3, 3, 4, 5))
    return cell[:start] + runs + cell[start + hidden :]


def decimals(rng: random.Random) -> str:
    """Return a score, an average or an amount as text."""
    value = rng.random() * 10 ** rng.randrange(0, 13)
    cell = rng.choice((repr(value), f"{value:.{rng.randrange(12)}f}", f"{value:,.2f}"))
    return cell.replace(".", ",") if rng.random() < 0.2 else cell


def rounded(rng: random.Random) -> str:
    """Return a number that a spreadsheet rounded, as text."""
    digits = rng.choice(("", "62", "0")) + number(rng)
    value = float(f"{float(digits):.{rng.randrange(3, 12)}g}")
    return rng.choice(
        (f"{value}", f"{value:.0f}.00", f"{value:.5E}", f"{value:.0f},0", f"{value:g}")
    )


def date(rng: random.Random) -> str:
    """Return a date, most often one that begins as a number does."""
    day = datetime.datetime(2000, 1, 1) + datetime.timedelta(minutes=rng.randrange(15_000_000))
    if rng.random() < 0.8:
        day = day.replace(day=8)
    cell = day.strftime(rng.choice(DATES))
    return cell.removeprefix("0") if rng.random() < 0.3 else cell


def blank(rng: random.Random) -> str:
    """Return a blank word, perhaps with a number behind it."""
    return rng.choice(BLANK) + rng.choice(("", "", " ", number(rng)))


TEXTS: dict[str, Callable[[random.Random], str]] = {
    "texts": text,
    "two": joined,
    "masks": mask,
    "decimals": decimals,
    "rounded": rounded,
    "dates": date,
    "blanks": blank,
}


def integer(rng: random.Random) -> int:
    """Return a number as an integer, most often with a prefix or a digit too many."""
    return int(rng.choice(("", "", "62", "6262", "8", "1", "862")) + number(rng))


def floating(rng: random.Random) -> float:
    """Return a float: whole, rounded or with decimals."""
    value = float(integer(rng))
    near = float(f"{value:.{rng.randrange(4, 12)}g}")
    return rng.choice((value, value, near, value + rng.random(), value / 10**3, 0.0, -value))


def exact(rng: random.Random) -> decimal.Decimal:
    """Return a Decimal with as many decimals as a database would give it."""
    value = decimal.Decimal(rng.choice((str(integer(rng)), repr(abs(floating(rng))), "0")))
    return round(value, rng.choice((0, 1, 2, 2, 6)))


def _text_column(kind: str, rng: random.Random, size: int) -> Batch:
    cells: list[Any] = [TEXTS[kind](rng) for _ in range(size)]
    dtype = rng.choice(("str", "object", "string[python]", "string[pyarrow]", "category"))
    return pd.Series(cells, dtype=object).astype(dtype), cells


def _integers(rng: random.Random, size: int) -> Batch:
    cells = [integer(rng) for _ in range(size)]
    dtype = rng.choice(("int64", "Int64", "uint64", "object", "int64[pyarrow]"))
    return pd.Series(cells, dtype="int64").astype(dtype), cells


def _floats(rng: random.Random, size: int) -> Batch:
    cells = [floating(rng) for _ in range(size)]
    dtype = rng.choice(("float64", "Float64", "object", "double[pyarrow]"))
    return pd.Series(cells, dtype="float64").astype(dtype), cells


def _narrow(rng: random.Random, size: int) -> Batch:
    column = pd.Series([floating(rng) for _ in range(size)], dtype="float32")
    return column, list(column.to_numpy())


def _decimals(rng: random.Random, size: int) -> Batch:
    cells = [exact(rng) for _ in range(size)]
    return pd.Series(cells, dtype=object), cells


def _arrow_decimals(rng: random.Random, size: int) -> Batch:
    scale = rng.choice((0, 2, 6))
    step = decimal.Decimal(1).scaleb(-scale)
    cells = [exact(rng).quantize(step) for _ in range(size)]
    array = pa.array(cells, pa.decimal128(30, scale))
    return pd.Series(pd.array(array, dtype=pd.ArrowDtype(array.type))), cells


def _objects(rng: random.Random, size: int) -> Batch:
    kinds: list[Callable[[random.Random], Any]] = [text, integer, floating, exact]
    cells = [rng.choice(kinds)(rng) for _ in range(size)]
    return pd.Series(cells, dtype=object), cells


NUMBERS: dict[str, Callable[[random.Random, int], Batch]] = {
    "integers": _integers,
    "floats": _floats,
    "float32": _narrow,
    "Decimal": _decimals,
    "Arrow decimal": _arrow_decimals,
    "objects": _objects,
}


def batches(rng: random.Random, size: int) -> Iterator[tuple[str, Batch]]:
    """Yield columns of each kind in turn, mutated texts and masks most often."""
    while True:
        for kind in (*TEXTS, "texts", "masks", "two"):
            yield kind, _text_column(kind, rng, size)
        for kind, make in NUMBERS.items():
            yield kind, make(rng, size)


def run(
    cells: int, seed: int, size: int = 2_000, each: Callable[[Result], None] | None = None
) -> Result:
    """Read mutated cells by both paths and by the strict reading, `size` of a kind in turn."""
    result = Result()
    for kind, (column, given) in batches(random.Random(seed), size):
        if result.total >= cells:
            return result
        compare(column, given, result)
        result.cells[kind] += len(given)
        if each:
            each(result)
    return result


def compare(column: pd.Series[Any], given: list[Any], result: Result) -> None:
    """Count the cells that are read, and keep those that the readings differ on."""
    done = normalize_column(column)
    for national, code, cell in zip(done.number.tolist(), done.reason, given, strict=True):
        by_column = (str(national), None) if national else (None, REASONS[code])
        if by_column != parse_phone(cell):
            result.unequal.append((cell, by_column))
        if national:
            result.read += 1
            if strict(cell) != str(national):
                result.wrong.append((cell, str(national)))


def main() -> None:
    """Run as many cells as asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    started = time.monotonic()

    def tell(so_far: Result) -> None:
        if so_far.total % 100_000 == 0:
            defects = f"{len(so_far.wrong)} wrong, {len(so_far.unequal)} unequal"
            print(f"{so_far.total:,} cells, {defects}", flush=True)
            print(*map(ascii, (so_far.wrong + so_far.unequal)[-5:]), sep="\n", flush=True)

    result = run(given.cells, given.seed, each=tell)
    print(f"{datetime.date.today()}: {result.total:,} cells in {time.monotonic() - started:.0f} s")
    print(f"{result.read:,} read, of which the strict reading refuses {len(result.wrong)}")
    print(f"{len(result.unequal)} differ between the column path and the one-cell path")
    print(dict(result.cells))
    for defect in (*result.wrong[:20], *result.unequal[:20]):
        print(ascii(defect))


if __name__ == "__main__":
    main()
