"""A risk question as a panel's fields describe it, its answer, and a count of the answers seen."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
import pandas as pd

from pandas_numberactive.risk._engine.book.dates import bought_column
from pandas_numberactive.risk._engine.book.population import customers, readings
from pandas_numberactive.risk._engine.book.terms import Common, Late
from pandas_numberactive.risk._engine.stats.significance import CHANCE, holm, levels_test
from pandas_numberactive.risk._engine.views import TESTS, Shown
from pandas_numberactive.risk.groups import segments
from pandas_numberactive.risk.tables import table_of

LEVELS_DIFFER = "levels differ"
SEGMENTS_DIFFER = "segments differ"


@dataclass(frozen=True, slots=True)
class Question:
    """One table: the bad rate by level, or with `segment` the effect of the signal by segment."""

    outcome: str
    signal: str
    date: str | None = None
    late: Late | None = None  # with a date
    segment: str | None = None

    def call(self) -> str:
        """Return the line of code that makes the table."""
        places = [self.signal, self.outcome]
        function = "risk_table"
        if self.segment is not None:
            places.append(self.segment)
            function = "segments"
        given = [repr(name) for name in places]
        given += [f"{name}={value!r}" for name, value in self.dated().items()]
        return f"table = pna.risk.{function}(df, {', '.join(given)})"

    def dated(self) -> Common:
        """Return the options on the date of the decision."""
        if self.date is None:
            return {}
        return {"as_of": self.date, "late": self.late or "drop"}

    def options(self) -> Common:
        """Return the options of the call. Without a date nothing warns: the panel says so."""
        return self.dated() or {"late": "keep"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A table, and the p-values that it shows, by the name of their test."""

    table: Shown
    p_values: dict[str, float]


def answer(df: pd.DataFrame, question: Question) -> Answer:
    """Return the table of a question, and its tests."""
    if question.segment is not None:
        return _by_segment(df, question, question.segment)
    found = readings(df, question.signal, question.outcome, **question.options())
    p = levels_test(found[0].population()).p
    return Answer(table_of(found), _known({LEVELS_DIFFER: p}))


def _by_segment(df: pd.DataFrame, question: Question, segment: str) -> Answer:
    table = segments(df, question.signal, question.outcome, segment, **question.options())
    (test,) = table.attrs[TESTS].values()
    tests = {SEGMENTS_DIFFER: float(test["p_value"])}
    names = table.index.get_level_values(1)
    tests |= {str(name): float(p) for name, p in zip(names, table["p_value"], strict=True)}
    return Answer(table, _known(tests))


def _known(p_values: dict[str, float]) -> dict[str, float]:
    return {name: p for name, p in p_values.items() if not np.isnan(p)}


def remember_customers(df: pd.DataFrame, signal: str) -> None:
    """Store the customer of each row where `customers` looks first, so that phones are read once.

    They are those that it finds in the phone column, so each table is the same as without.
    """
    bought = bought_column(signal)
    if bought is None:
        return
    national = bought.removesuffix("looked_up_at") + "national"
    if national in df.columns:
        return
    found = customers(df, signal, "auto")
    if found is not None:
        df[national] = found


@dataclass(frozen=True, slots=True)
class Look:
    """A table that was seen: its p-values, and what Holm's correction over all looks makes of them.

    Both by the name of the test.
    """

    question: Question
    p_values: dict[str, float]
    corrected: dict[str, float]


class Looks:
    """The tables that were seen, each once, with Holm's correction over all their p-values."""

    def __init__(self) -> None:
        self._seen: dict[Question, dict[str, float]] = {}

    def add(self, question: Question, found: Answer) -> None:
        """Count a table, once."""
        self._seen[question] = found.p_values

    def all(self) -> list[Look]:
        """Return the looks in the order in which the tables were seen first."""
        every = [p for tests in self._seen.values() for p in tests.values()]
        corrected = iter(holm(every).tolist())
        return [
            Look(question, tests, {test: next(corrected) for test in tests})
            for question, tests in self._seen.items()
        ]

    def frame(self) -> pd.DataFrame:
        """Return a line a test."""
        parts = [field.name for field in fields(Question)]
        rows = [
            (*astuple(look.question), test, p, look.corrected[test])
            for look in self.all()
            for test, p in look.p_values.items()
        ]
        return pd.DataFrame(rows, columns=[*parts, "test", "p_value", "p_holm"])

    def told(self) -> str:
        """Return the count as a sentence."""
        looks = self.all()
        plain = [p for look in looks for p in look.p_values.values()]
        corrected = [p for look in looks for p in look.corrected.values()]
        return (
            f"{_counted(len(looks), 'table')} with {_counted(len(plain), 'test')} seen: by chance "
            f"alone 1 test in 20 has p < {CHANCE}. Here {_low(plain)} have, {_low(corrected)} "
            "after Holm's correction."
        )


def _low(p_values: list[float]) -> int:
    return len([p for p in p_values if p < CHANCE])


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
