"""Columns whose first digits decide are read at once, as `parse_phone` reads them."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from pandas_numberactive._phones import column as columns
from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive._phones.parse import REASONS, parse_phone

# {n} and {m} are national numbers, {a} to {c} a number's groups.
TWO = (
    *("0{n} / 0{m}", "0{n} / +62{m}", "+62{n} / +62{m}", "0{n}\n0{m}", "0{n}, 62{m}"),
    *("0{a}-{b}-{c} 0{m}", "0{n} (0{m})", "0{n} +62{m}", "HP: 0{n} atau 0{m}", "WA 0{n}; HP 0{m}"),
    *("(0{a}) {b}{c} / 0{m}", "+62 {a} {b} {c} / 0{m}", "0{n} 62{m}", "0062{n} / 0{m}"),
)
BEHIND = ("0{n} 33", "0{a}-{b}-{c} - 33", "{n} 123", "+62{n} 7", "62{n} (2)", "0{n}  5 WA")
DOTTED = ("0{a}.{b}{c}", "{a}.{b} {c}", "+62.{n}", "+62 {a}.{b}{c}", "HP: 0{a}.{b}-{c}", "0{a}.{n}")

# A label's slash parts no numbers, and a tail of zeros stands behind the only number.
LABELLED = ("W/A 0{a}.{n}", "W/A 0{n}-{a}-{b}", "{n} {a},00", "{n} 02,00", "W/A 0{a}.{b}{c}")
# A tail of zeros behind what the first digits decide, and other decimals.
TAILED = (
    *("{a}{b}-{c}.00", "no hp:{a}{b} - {c}.0", "{a}{b} {c}.05", "0{a}.{b} {c},00"),
    *("0{a}.{b}-{c},5", "# {a} {b}.{c},00", "# {a}.{b}{c},00", "0062{a}{b}-{c}.00"),
    *("0{n}-{a}.0", "0062 {a}.{b}{c}", "0062 {a}.0000", "{a} - {b}.000"),
)


def number(rng):
    """Return a made-up national number, now and then one that nobody has."""
    head = rng.choice(("81", "85", "89", "81", "85", "84", "21", "80"))
    return head + "".join(rng.choice("0012345") for _ in range(rng.choice((7, 8, 9, 9, 10, 11))))


def cells(shapes, rng, count):
    """Return cells of these shapes. Half of the pairs are one number twice."""
    made = []
    for _ in range(count):
        n = number(rng)
        m = n if rng.random() < 0.5 else number(rng)
        made.append(rng.choice(shapes).format(n=n, m=m, a=n[:3], b=n[3:7], c=n[7:]))
    return made


def read(given, **options):
    """Return the column's verdicts as `parse_phone` writes them."""
    done = normalize_column(pd.Series(given, dtype="str"), **options)
    return [
        (str(national), None) if national else (None, REASONS[code])
        for national, code in zip(done.number.tolist(), done.reason.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    "shapes",
    [TWO, BEHIND, DOTTED, LABELLED, TAILED],
    ids=["two", "behind", "dotted", "labelled", "tailed"],
)
@pytest.mark.parametrize("max_digits", [9, 12])
def test_parted_cells_agree_with_single_cells(shapes, max_digits):
    """A column is read by the rules of one cell, whatever the digits are."""
    given = cells(shapes, random.Random(5), 4_000)
    assert read(given, max_digits=max_digits) == [
        parse_phone(cell, max_digits=max_digits) for cell in given
    ]


@pytest.mark.parametrize("shape", [*TWO, *BEHIND, *DOTTED[:-1], *TAILED[:-2]])
def test_whole_numbers_in_parts_take_no_cell_apart(shape, monkeypatch):
    """Only what is no whole mobile number goes to the one-cell function."""
    apart = []
    each = columns._each
    monkeypatch.setattr(
        columns, "_each", lambda some, limit: apart.extend(some) or each(some, limit)
    )
    n = "81188995321"
    m = "85698761234"
    given = [shape.format(n=n, m=other, a=n[:3], b=n[3:7], c=n[7:]) for other in (n, m)]
    assert read(given) == [parse_phone(cell) for cell in given]
    assert apart == []


@pytest.mark.parametrize(
    "cell",
    [
        *("0841 5847 225 2", "+62 847 5518 894 - 33", "846 8531) 411 2", "00628206545 148 - 33"),
        *("021 851-5322 602 - 33", "WhatsApp 861) 6179.421", "843.3380) 023;", "863 - 6588.448"),
        *("8543729 342 WA", "HP 8161867-520", "8871 344, 442 (istri)", "0841.5847-225"),
        *("0811.9000 000,00", "0811.9000 010,00", "0811900-0000.00"),
    ],
)
def test_what_is_no_mobile_number_takes_no_cell_apart(cell, monkeypatch):
    """The marks and the first digits decide on landlines, areas, decimals and odd brackets."""
    apart = []
    each = columns._each
    monkeypatch.setattr(
        columns, "_each", lambda some, limit: apart.extend(some) or each(some, limit)
    )
    assert read([cell]) == [parse_phone(cell)]
    assert apart == []


def test_a_date_is_known_from_a_number_of_its_layout():
    """08122024 1030 is a date and a time, and 08123424 1030 a number in two groups.

    So is 08322024 1030. 8122424 103 may be a landline with an extension.
    """
    given = ["08122024 1030", "08123424 1030", "8122024 103", "8122424 103", "08322024 1030"]
    assert read(given) == [parse_phone(cell) for cell in given]
    dated, number, line = "not_a_number", None, "several_numbers"
    assert [why for _, why in read(given)] == [dated, number, dated, line, number]


def test_one_number_twice_is_read_and_two_are_refused():
    """The same number twice is in no doubt. Of two, nobody can say which is meant."""
    given = ["08118899532 / 08118899532", "08118899532 / 08118899533", "08118899532 33"]
    assert read(given) == [
        ("8118899532", None),
        (None, "several_numbers"),
        (None, "several_numbers"),
    ]
