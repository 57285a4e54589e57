"""Mutated cells: the strict reading refuses none that is read, and both paths agree."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.phones.mutate import NUMBERS, TEXTS, Result, compare, run
from tests.phones.strict import strict

CELLS = 20_000


@pytest.fixture(scope="module")
def mutated() -> Result:
    return run(CELLS, seed=20, size=500)


def test_nothing_is_read_that_the_strict_reading_refuses(mutated):
    """Only a number that a careful person reads in the cell may be asked."""
    assert mutated.wrong == []


def test_both_paths_agree_on_mutated_cells(mutated):
    """Column path and one-cell path have one set of rules."""
    assert mutated.unequal == []


def test_mutated_cells_are_of_every_kind(mutated):
    """A run that reads nothing, or tries few kinds, would prove nothing."""
    assert set(mutated.cells) >= {*TEXTS, *NUMBERS}
    assert mutated.read > CELLS / 10


def test_a_wrong_reading_is_found():
    """The comparison sees a number that a careful person does not read."""
    column = pd.Series(["08118899532"])
    result = Result()
    compare(column, ["0811.8899.532 atau 0811"], result)
    assert len(result.wrong) == len(result.unequal) == 1


@pytest.mark.parametrize(
    "cell", ["0811 8899 532 33", "0.837469082", "0812....034567", 628119000000.0, "0812 / 33", None]
)
def test_the_strict_reading_refuses_cells_in_doubt(cell):
    """The strict reading itself is no rubber stamp."""
    assert strict(cell) is None
