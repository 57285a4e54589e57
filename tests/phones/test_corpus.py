"""Cells as people write them: read as they mean, or refused with a reason that is true."""

from __future__ import annotations

import pandas as pd
import pytest

from pandas_numberactive._phones.column import MISSING, normalize_column
from pandas_numberactive._phones.parse import REASONS, explain, parse_phone
from tests.phones.corpus import BLANK, READ, REFUSED, filled
from tests.phones.strict import strict

NUMBER = "81390004217"
CELLS = [filled(template) for template in (*READ, *REFUSED)] + list(BLANK)


@pytest.mark.parametrize("template", READ)
def test_a_cell_that_a_person_reads_without_doubt_is_read(template):
    """Labels, notes, links, artefacts of an export, a number twice, prefixes, pairs."""
    assert parse_phone(filled(template)) == (NUMBER, None)


@pytest.mark.parametrize("template", REFUSED)
def test_a_cell_in_doubt_is_refused_with_a_true_reason(template):
    """Two numbers, extensions, masks, decimals, dates, rounded numbers, other people."""
    assert parse_phone(filled(template)) == (None, REFUSED[template])


@pytest.mark.parametrize("cell", BLANK)
def test_a_cell_without_a_value_is_missing(cell):
    """Blank words of two languages, fillers and the errors of a spreadsheet."""
    assert parse_phone(cell) == (None, "missing")


@pytest.mark.parametrize("template", [*READ, *REFUSED])
def test_the_strict_reading_agrees_on_the_corpus(template):
    """The strict reading reads what should be read, and nothing else."""
    assert strict(filled(template)) == (NUMBER if template in READ else None)


def test_a_column_reads_the_corpus_as_single_cells():
    """Column path and one-cell path have one set of rules."""
    done = normalize_column(pd.Series(CELLS, dtype=object))
    by_column = [
        (str(number), None) if number else (None, REASONS[code])
        for number, code in zip(done.number.tolist(), done.reason, strict=True)
    ]
    assert by_column == [parse_phone(cell) for cell in CELLS]


@pytest.mark.parametrize("zero", [0, 0.0])
def test_a_zero_of_any_dtype_is_missing(zero):
    """A filler is no number that is too short."""
    assert parse_phone(zero) == (None, "missing")
    assert normalize_column(pd.Series([zero])).reason.tolist() == [MISSING]


def test_no_reason_advises_a_larger_limit():
    """More digits than a number has are a fault of the cell, not of a setting."""
    assert "raise" not in explain("too_long")
