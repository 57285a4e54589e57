"""The contents of a report: the decision with its reasons and tables."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pandas_numberactive.risk._report.needs import Needs
from pandas_numberactive.risk._report.rule import Decision

if TYPE_CHECKING:
    from pandas_numberactive.risk._engine.retro_terms import RetroTerms


@dataclass(frozen=True, repr=False)
class Contents:
    """The decision of a retro test.

    decision: BUY, DO NOT BUY or NOT ENOUGH DATA. reasons, warnings: sentences. signal: the one
    that the tables are about. tables: frames by name. needs: the study that would decide.
    """

    terms: RetroTerms
    decision: Decision
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    limits: tuple[str, ...]
    signal: str
    needs: Needs
    tables: dict[str, pd.DataFrame]
    facts: dict[str, str]
    made: str = field(default_factory=lambda: f"{pd.Timestamp.now('UTC'):%Y-%m-%d %H:%M} UTC")


def versions() -> dict[str, str]:
    """Return the versions that made the report."""
    return {
        "pandas-numberactive": _ours(),
        "pandas": pd.__version__,
        "numpy": np.__version__,
        "Python": platform.python_version(),
    }


def _ours() -> str:
    """Return the version of this package, which a source tree has none of."""
    try:
        return version("pandas-numberactive")
    except PackageNotFoundError:
        return "from source"
