"""Misspelled and misused options, each of which mypy and pyright must refuse; checked, never run.

An ignore that is not needed is an error here: then a typo would go unnoticed by a type checker.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=error

from __future__ import annotations

import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive._pandas.accessor import FrameAccessor, SeriesAccessor

df = pd.DataFrame({"phone": ["08118899532"]})
frame = FrameAccessor(df)
series = SeriesAccessor(df["phone"])

pna.enrich(df, "phone", max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
_ = pna.aenrich(df, "phone", max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
pna.start(df, "phone", max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
pna.plan(df, "phone", max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
pna.lookup("08118899532", max_ages="1D")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
pna.configure(max_rates=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
pna.override(max_rates=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
frame.enrich("phone", max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
frame.start("phone", max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
frame.plan("phone", max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
series.enrich(max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
series.plan(max_charge=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

pna.enrich(df, "phone", max_age=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
pna.enrich(df, "phone", order="row")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
pna.configure(environment="prod")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
pna.configure(max_concurrency="4")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
