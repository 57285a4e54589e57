"""One cell becomes a number or a reason, and never a stranger's number."""

from __future__ import annotations

import datetime
import decimal
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandas_numberactive._phones.mask import mask, mask_cell
from pandas_numberactive._phones.parse import REASONS, explain, operator_of, parse_phone


def shown(value):
    """A test's name, the same in every process: no addresses."""
    return re.sub(r" at 0x\w+| id='\d+'", "", repr(value))


OURS = "8118899532"

READ = [
    "8118899532",
    "08118899532",
    "+62 811-8899-532",
    "628118899532",
    "0062811 8899 532",
    "620811889 9532",
    "+62 (0)811-8899532",
    "0628118899532",
    "８１１８８９９５３２",
    "\u202a+62 811\u20118899\u2011532\u202c",
    "8.118899532E9",
    "8118899532.0",
    "٠٨١١٨٨٩٩٥٣٢",
    "'08118899532",
    8118899532,
    8118899532.0,
    "HP: 0811-8899-532",
    "tel:+62-811-8899-532",
    "0811.8899.532",
    "(0811) 8899532",
    "+62\u00a0811\u00a08899\u00a0532",
    "8118899532.00",
    "8118899532,0",
    "8,118899532E+09",
    628118899532,
    np.int64(8118899532),
    np.float64(8118899532),
    "8,118,899,532",
    "8,118,899,532.00",
    "8.118.899.532,00",
    "8118 8995 32.0",
    decimal.Decimal("8118899532"),
    "No. HP / WA: 0811 8899 532",
    '"08118899532"',
    "0811 8899 532 (WA)",
]

REFUSED = {
    "not_mobile": ["0628-21234", "84212345678", "0215551234", "0628-1188-9953", "12345678901"],
    "bad_characters": [
        "0811CALLMEE",
        "08118899532 ext 12",
        "O8118899532",
        "0811****532",
        "x" * 999,
    ],
    "several_numbers": [
        "0811-8899-532 / 33",
        "08118899532/081234567890",
        "0811889953 atau 0812345678",
        "+62811 +62812",
        "08118899532\n08123456789",
        "08118899532; 0812",
    ],
    "precision_lost": [
        "6.28119E+11",
        628119000000.0,
        "8.11889953E9",
        8120000000.0,
        np.float32(8118899532),
        "8E9",
    ],
    "not_indonesian": ["+65 8118 8995", "+1 811 889 9532", "+8118899532", "0065 8118 8995"],
    "too_short": ["81188995", "0811", 811],
    "too_long": ["8118899532123", 10**30],
    "missing": [None, "", "  ", "nan", float("nan"), pd.NA, pd.NaT, "-", "N/A"],
    "not_a_number": [
        True,
        -8118899532,
        "-8118899532",
        float("inf"),
        8118899532.5,
        "8118899532.5",
        "811889953.123",
        b"8118899532",
        [],
        {},
        datetime.date(2026, 1, 1),
        object(),
        np.bool_(True),
        "8.118.899.532.0",
    ],
}


@pytest.mark.parametrize("cell", READ, ids=shown)
def test_a_cell_in_any_usual_shape_is_read(cell):
    assert parse_phone(cell) == (OURS, None)


@pytest.mark.parametrize(
    ("reason", "cell"), [(r, c) for r, cells in REFUSED.items() for c in cells], ids=shown
)
def test_a_cell_that_is_no_single_indonesian_mobile_number_is_refused_with_its_reason(reason, cell):
    assert parse_phone(cell) == (None, reason)


def test_many_numbers_in_a_cell_take_no_longer_than_their_length():
    """Each half was split again: seven numbers took 18 s."""
    cell = " ".join(f"0811 8899 {at:03}" for at in range(12))
    assert parse_phone(cell)[0] is None
    assert parse_phone("+62 " + " ".join(["08-12-2024"] * 16))[0] is None


STRANGERS = {  # damaged cells and their verdicts: glued together each is someone else's number
    "a decimal tail in brackets": ("[8118899532.0]", (OURS, None)),
    "a decimal tail with a semicolon": ("8118899532.0;", (OURS, None)),
    "a decimal tail with a comma": ("8118899532.0,", (OURS, None)),
    "a decimal tail with a dash": ("8118899532.0 -", (OURS, None)),
    "a decimal tail behind a blank": ("8118899532. 0", (OURS, None)),
    "a decimal tail in the middle": ("8118899532.0-0", (None, "not_a_number")),
    "two decimal tails": ("8118899532.0.0", (None, "not_a_number")),
    "a count in round brackets": ("08118899532 (2)", (None, "several_numbers")),
    "an extension in round brackets": ("0811-8899-532 (33)", (None, "several_numbers")),
    "an extension in square brackets": ("0811-8899-532 [33]", (None, "several_numbers")),
    "an extension behind a spaced dash": ("0811-8899-532 - 33", (None, "several_numbers")),
    "an extension behind a tab": ("08118899532\t33", (None, "several_numbers")),
    "an extension behind a slash": ("0811-8899-532 / 33", (None, "several_numbers")),
    "a single digit behind a blank": ("08118899532 2", (None, "several_numbers")),
    "two digits behind a blank": ("0811889953 33", (None, "several_numbers")),
    "two digits behind two blanks": ("+62811889953  33", (None, "several_numbers")),
    "two digits behind a dash": ("8118899532-33", (None, "several_numbers")),
    "two digits behind two dashes": ("0811889953--33", (None, "several_numbers")),
    "two digits behind a bracket": ("(0811889953)33", (None, "several_numbers")),
    "two digits behind a prefix of its own": ("+62 811889953 33", (None, "several_numbers")),
    "two digits behind the fewest": ("811889953 33", (None, "several_numbers")),
    "two digits and a decimal tail": ("0811889953 33.0", (None, "several_numbers")),
    "two digits behind two digits": ("0811889953 33 44", (None, "several_numbers")),
    "two digits and clutter": ("0811889953 33 ;", (None, "several_numbers")),
    "a single digit and a decimal tail": ("8118899532 2.0", (None, "several_numbers")),
    "a count and a decimal tail": ("8118899532(2.0", (None, "several_numbers")),
    "letters of a keypad": ("0811CALLMEE", (None, "bad_characters")),
    "E-notation with all digits": ("8.118899532E9", (OURS, None)),
    "E-notation with a plus of Japan": ("+8.118899532E9", (None, "not_indonesian")),
    "a float that Excel rounded": (628119000000.0, (None, "precision_lost")),
    "a text that Excel rounded": ("6.28119E+11", (None, "precision_lost")),
    "a float": (8118899532.0, (OURS, None)),
    "a plus of Japan": ("+8118899532", (None, "not_indonesian")),
    "an area code that looks like 62": ("0628-1188-9953", (None, "not_mobile")),
    "a pair behind a grouped number": ("0811 8899 532 33", (None, "several_numbers")),
    "a digit behind a grouped number": ("0811-8899-532 3", (None, "several_numbers")),
    "a score": ("0.837469082", (None, "not_a_number")),
    "an average": ("8261886.073", (None, "not_a_number")),
    "a date with a time": ("08-12-2024 1030", (None, "not_a_number")),
    "a rounded float as text": ("628119000000.0", (None, "precision_lost")),
    "a rounded float with a comma": ("8119000000,00", (None, "precision_lost")),
    "a mask of dots": ("0812....034567", (None, "bad_characters")),
    "a mask of dashes": ("0812----034567", (None, "bad_characters")),
    "a mask of blanks": ("0812    034567", (None, "bad_characters")),
    "a number cut off": ("0812000345...", (None, "bad_characters")),
    "one digit before a dot": ("8.81200034", (None, "not_a_number")),
    "a Decimal with decimals": (decimal.Decimal("8261886.073"), (None, "not_a_number")),
    "a rounded Decimal": (decimal.Decimal("628119000000.00"), (None, "precision_lost")),
    "a Decimal of zeros": (decimal.Decimal("8118899532.00"), (OURS, None)),
    "an exact round Decimal": (decimal.Decimal("8120000000"), ("8120000000", None)),
    "a rounded amount": ("8,120,000,000.00", (None, "precision_lost")),
    "a span of time": (np.timedelta64(8118899532, "ns"), (None, "not_a_number")),
    "no span of time": (np.timedelta64("NaT", "ns"), (None, "missing")),
    "a huge Decimal": (decimal.Decimal("1E+999999"), (None, "too_long")),
}


@pytest.mark.parametrize("trap", STRANGERS)
def test_a_damaged_cell_never_becomes_a_strangers_number(trap):
    cell, verdict = STRANGERS[trap]
    assert parse_phone(cell) == verdict


@pytest.mark.parametrize(
    "cell",
    [
        "8 1 1 8 8 9 9 5 3 2",
        "(+62) 811-8899-532",
        "(08118899532)",
        "HP-08118899532",
        "+62 - 811 8899 532",
        "8118899532,00",
        "08 11 88 99 53 2",
        "081188995 32",
        "628118899 532",
        "6281188995 32",
        "811 8899 5 32",
        "811889 95 32",
    ],
)
def test_odd_groups_of_one_whole_number_are_read(cell):
    assert parse_phone(cell) == (OURS, None)


class Hostile:
    """Raises at whatever is done with it."""

    __hash__ = None  # type: ignore[assignment]

    def __str__(self):
        raise RuntimeError

    def __ne__(self, other):
        raise RuntimeError


class HostileText(str):
    """A text whose methods raise."""

    __slots__ = ()

    def isascii(self):
        raise RuntimeError


def test_hostile_objects_are_refused_and_can_be_shown():
    assert parse_phone(Hostile()) == (None, "not_a_number")
    assert parse_phone(HostileText(OURS)) == (OURS, None)
    assert parse_phone(np.datetime64("NaT", "D")) == (None, "missing")
    assert mask_cell(Hostile()) == "<Hostile>"
    assert mask_cell(10**5000) == "<int>"


@given(
    st.one_of(
        st.text(max_size=99), st.integers(), st.floats(), st.from_regex(r"[0-9٠-٩０-９ +-]{20,90}")
    )
)
def test_a_masked_cell_is_short_and_shows_seven_digits_at_most(cell):
    shown = mask_cell(cell)
    assert len(shown) <= 40
    assert sum(map(str.isdigit, shown)) <= 7


@pytest.mark.parametrize(
    ("cell", "national"),
    [
        ("811889953", "811889953"),
        ("811889953212", "811889953212"),
        (8120000000, "8120000000"),
        ("08120000000", "8120000000"),
    ],
)
def test_short_long_and_pretty_numbers_are_never_refused(cell, national):
    assert parse_phone(cell) == (national, None)


@given(
    st.one_of(
        st.text(),
        st.integers(),
        st.floats(),
        st.none(),
        st.binary(),
        st.decimals(),
        st.booleans(),
        st.dates(),
    )
)
def test_any_object_gets_a_number_of_the_right_form_or_a_known_reason(cell):
    national, reason = parse_phone(cell)
    assert (national is None) == (reason in REASONS)
    assert national is None or re.fullmatch(r"8[1-35-9]\d{7,10}", national)


@given(
    st.from_regex(r"8[1-35-9][0-9]{7,10}", fullmatch=True),
    st.sampled_from(["", "0", "62", "+62", "0062", "+62 "]),
)
def test_a_prefix_changes_nothing(national, prefix):
    assert parse_phone(prefix + national) == (national, None)


@given(st.text(alphabet="0123456789+-. ()/,E", max_size=24))
def test_a_number_read_from_text_has_only_digits_that_stood_there_in_that_order(cell):
    national, _ = parse_phone(cell)
    if national is not None and "E" not in cell:
        assert national in re.sub(r"\D", "", cell)


def test_max_digits_is_a_limit_that_can_be_moved():
    assert parse_phone("8118899532123", max_digits=13) == ("8118899532123", None)


def test_masks_show_seven_digits_at_most():
    assert mask(OURS) == "8118****532"
    assert mask("811") == "****"
    assert mask_cell("0811-8899-532 / 33") == "0811-****-*** / **"
    assert len(mask_cell("9" * 500)) == 40
    assert operator_of(OURS) == "Telkomsel"
    assert operator_of("8000000000") is None
    assert all(explain(reason).endswith(".") for reason in REASONS)


@pytest.mark.parametrize(
    "cell", ["(+62) +62 811 8899532", "+62)+628118899532", "62 +62 811 8899 532"]
)
def test_a_prefix_twice_with_odd_marks_is_refused(cell):
    """Only the plain ways to write +62 twice are read: other marks may stand for lost digits."""
    assert parse_phone(cell)[0] is None


def test_what_may_be_a_mobile_number_is_no_landline_beside_another():
    """62 twice before a short mobile number, or area 628: of two people, nobody is asked."""
    assert parse_phone("+62 62821220301;8570620000") == (None, "several_numbers")
    assert parse_phone("0622 123456;8570620000") == ("8570620000", None)


@pytest.mark.parametrize("cell", ["021 5550123 / 8506030000.0", "8506030000; 8506030000,00"])
def test_a_rounded_number_beside_another_is_refused(cell):
    """Decimals of zeros show that a program printed it, with the digits that it kept."""
    assert parse_phone(cell) == (None, "several_numbers")
    assert parse_phone("021 5550123 / 8506031234.0") == ("8506031234", None)
