"""Small books for the risk tests."""

from __future__ import annotations

import pandas as pd
from hypothesis import strategies as st

import pandas_numberactive as pna

LEVEL = "phone_active_level"


def book(levels, bads, statuses=None, **more):
    frame = pd.DataFrame(
        {LEVEL: pd.Categorical(levels, dtype=pna.ACTIVE_LEVEL), "bad": bads, **more}
    )
    if statuses is not None:
        frame["phone_lookup_status"] = pd.Categorical(statuses, dtype=pna.LOOKUP_STATUS)
    return frame


def grouped(name, rows, dtype=None):
    """A frame from (level, goods, bads), weighted: one row a cell."""
    levels = [level for level, _, _ in rows for _ in (0, 1)]
    kind = dtype or pd.CategoricalDtype([level for level, _, _ in rows], ordered=True)
    sizes = [size for _, goods, bads in rows for size in (goods, bads)]
    return pd.DataFrame(
        {name: pd.Categorical(levels, dtype=kind), "bad": [0, 1] * len(rows), "w": sizes}
    )


def dated(bought, applied):
    """Three rows, each with the day it was bought and the day of its decision."""
    stamps = pd.to_datetime(bought, utc=True, format="ISO8601")
    return book(["low", "high", "low"], [1, 0, 0]).assign(
        phone_looked_up_at=stamps, applied=pd.to_datetime(applied, format="ISO8601")
    )


frames = st.lists(
    st.tuples(
        st.sampled_from(["low", "medium", "high", None]), st.integers(0, 1), st.integers(1, 9)
    ),
    min_size=2,
    max_size=60,
).filter(lambda rows: {bad for level, bad, _ in rows if level is not None} == {0, 1})


def weighted(rows):
    """A frame of answered rows, weighted; those without a level hold no data."""
    frame = book(
        [level for level, *_ in rows], [bad for _, bad, _ in rows], ["answered"] * len(rows)
    )
    return frame.assign(w=[float(weight) for *_, weight in rows])
