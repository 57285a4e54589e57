"""Exploratory risk analysis on the typed columns.

Does the signal separate good from bad, is it stable, is it worth its price? The functions take
frames and return frames. Only `Pilot` and `RetroTest.pilot` send or charge anything.

The signal is neither income nor character. It shows how a phone number is used. Small cells say
little, and levels that you merge are your own choice. Every number is a person: use it with a
purpose and consent (Indonesia's UU PDP, Law 27 of 2022), and `forget` it after.
"""

from pandas_numberactive.risk._retro.pilot import Pilot as Pilot
from pandas_numberactive.risk._retro.retro import RetroTest as RetroTest
from pandas_numberactive.risk._retro.samples import SampleSize as SampleSize
from pandas_numberactive.risk._retro.samples import sample_size as sample_size
from pandas_numberactive.risk.added import incremental as incremental
from pandas_numberactive.risk.crossing import cross_table as cross_table
from pandas_numberactive.risk.drift import stability as stability
from pandas_numberactive.risk.groups import segments as segments
from pandas_numberactive.risk.lags import lateness as lateness
from pandas_numberactive.risk.periods import by_period as by_period
from pandas_numberactive.risk.plots import plot_by_period as plot_by_period
from pandas_numberactive.risk.plots import plot_coverage as plot_coverage
from pandas_numberactive.risk.plots import plot_cross_table as plot_cross_table
from pandas_numberactive.risk.plots import plot_odds_ratios as plot_odds_ratios
from pandas_numberactive.risk.plots import plot_risk_table as plot_risk_table
from pandas_numberactive.risk.plots import plot_stability as plot_stability
from pandas_numberactive.risk.prices import break_even as break_even
from pandas_numberactive.risk.swaps import swap_set as swap_set
from pandas_numberactive.risk.tables import iv_table as iv_table
from pandas_numberactive.risk.tables import risk_table as risk_table
from pandas_numberactive.risk.trends import trend as trend
from pandas_numberactive.risk.worth import coverage as coverage
from pandas_numberactive.risk.worth import value as value

__all__ = [
    "Pilot",
    "RetroTest",
    "SampleSize",
    "break_even",
    "by_period",
    "coverage",
    "cross_table",
    "incremental",
    "iv_table",
    "lateness",
    "plot_by_period",
    "plot_coverage",
    "plot_cross_table",
    "plot_odds_ratios",
    "plot_risk_table",
    "plot_stability",
    "risk_table",
    "sample_size",
    "segments",
    "stability",
    "swap_set",
    "trend",
    "value",
]


def __dir__() -> list[str]:
    """Return the public names, so that completion offers no file."""
    return __all__
