"""Tables that others have published, to their printed digits."""

from __future__ import annotations

import pandas as pd

from pandas_numberactive import risk
from tests.risk.books import grouped

# Siddiqi, Credit Risk Scorecards (Wiley 2006), the example of weight of evidence by age: goods, bads, WoE x 100.
SIDDIQI_AGE = [
    ("missing", 860, 140, -42.719),
    ("18-22", 3040, 960, -108.980),
    ("23-26", 4920, 1080, -72.613),
    ("27-29", 8100, 900, -4.526),
    ("30-35", 9500, 500, 70.196),
    ("35-44", 6800, 200, 128.388),
    ("44+", 2940, 60, 164.934),
]
SIDDIQI_IV = 0.668

# The documentation of optbinning (github.com/guillermo-navas-palencia/optbinning), doc/source/tutorials/
# tutorial_binary.ipynb, the table of income types: non-events, events, WoE, IV.
OPTBINNING_INCOME = [
    ("Pensioner", 52380, 2982, 0.433445, 0.028249),
    ("Commercial associate", 66257, 5360, 0.082092, 0.001516),
    ("Working", 143550, 15224, -0.188675, 0.019895),
    ("State servant, Unemployed, ...", 20499, 1259, 0.357573, 0.007795),
]
OPTBINNING_IV = 0.057455

# The same documentation, tutorial_scorecard_monitoring.ipynb, the first psi_table(): count actual, count expected,
# their shares, PSI.
OPTBINNING_PSI = [
    ("(-inf, 41.29)", 236, 565, 0.075207, 0.077175, 0.000051),
    ("[41.29, 46.67)", 334, 803, 0.106437, 0.109684, 0.000098),
    ("[46.67, 51.12)", 331, 807, 0.105481, 0.110231, 0.000209),
    ("[51.12, 54.76)", 310, 729, 0.098789, 0.099577, 0.000006),
    ("[54.76, 57.78)", 416, 1015, 0.132569, 0.138642, 0.000272),
    ("[57.78, 60.92)", 269, 565, 0.085723, 0.077175, 0.000898),
    ("[60.92, 63.28)", 185, 417, 0.058955, 0.056959, 0.000069),
    ("[63.28, 67.20)", 298, 752, 0.094965, 0.102718, 0.000608),
    ("[67.20, 72.25)", 407, 823, 0.129700, 0.112416, 0.002472),
    ("[72.25, inf)", 352, 845, 0.112173, 0.115421, 0.000093),
]
OPTBINNING_PSI_TOTAL = 0.004776

# Siddiqi's system stability report: actual %, expected %, index. Its shifts are large enough for a wrong logarithm to
# show; of the range 200-209 we have no second copy, so it stands as the rest and is not compared.
SIDDIQI_STABILITY = [
    ("0-169", 7, 8, 0.0013),
    ("170-179", 8, 10, 0.0045),
    ("180-189", 7, 9, 0.0050),
    ("190-199", 9, 13, 0.0147),
    ("210-219", 11, 10, 0.0010),
    ("220-229", 10, 9, 0.0011),
    ("230-239", 12, 10, 0.0036),
    ("240-249", 11, 11, 0.0000),
    ("250+", 14, 9, 0.0221),
]


def evidence(name, rows):
    """Our table and our total for (level, goods, bads)."""
    frame = grouped(name, rows)
    table = risk.risk_table(frame, name, "bad", counts="w", missing="drop").xs(name, level="signal")
    return table, risk.iv_table(frame, name, "bad", counts="w", missing="drop").loc[name]


def test_siddiqis_weight_of_evidence_by_age():
    table, total = evidence("age", [row[:3] for row in SIDDIQI_AGE])
    assert [round(100 * woe, 3) for woe in table["woe"]] == [woe for *_, woe in SIDDIQI_AGE]
    assert round(total["iv"], 3) == SIDDIQI_IV
    assert total["reading"] == "strong"
    assert not total["corrected"]


def test_optbinnings_table_of_income_types():
    table, total = evidence("income", [row[:3] for row in OPTBINNING_INCOME])
    assert table["woe"].round(6).tolist() == [woe for *_, woe, _ in OPTBINNING_INCOME]
    assert table["iv"].round(6).tolist() == [iv for *_, iv in OPTBINNING_INCOME]
    assert round(total["iv"], 6) == OPTBINNING_IV


def compared(rows):
    """Our stability table for (level, actual, expected)."""
    names = [name for name, *_ in rows]
    kind = pd.CategoricalDtype(names)
    now, before = (
        pd.DataFrame({"score": pd.Categorical(names, dtype=kind), "w": [row[side] for row in rows]})
        for side in (1, 2)
    )
    return risk.stability(now, before, "score", counts="w", missing="drop").xs(
        "score", level="signal"
    )


def test_optbinnings_table_of_population_stability():
    table = compared(OPTBINNING_PSI)
    levels = table.drop("total")
    assert levels["share"].round(6).tolist() == [row[3] for row in OPTBINNING_PSI]
    assert levels["share_before"].round(6).tolist() == [row[4] for row in OPTBINNING_PSI]
    assert levels["psi"].round(6).tolist() == [row[5] for row in OPTBINNING_PSI]
    assert round(table.loc["total", "psi"], 6) == OPTBINNING_PSI_TOTAL
    assert table.loc["total", "n"] == 3138


def test_siddiqis_system_stability_report():
    rest = (
        "the rest",
        *(100 - sum(side) for side in list(zip(*SIDDIQI_STABILITY, strict=True))[1:3]),
    )
    table = compared([*SIDDIQI_STABILITY, rest])
    for name, *_, index in SIDDIQI_STABILITY:
        assert round(table.loc[name, "psi"], 4) == index
