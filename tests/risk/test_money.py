"""swap_set, break_even and sample_size: approvals, prices and sizes."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from pandas_numberactive import risk
from pandas_numberactive.errors import RiskInputError
from tests.risk.retro_books import NAME, frame, portfolio

KEEP = {"late": "keep", "cluster": None}
STAKES = {"margin": 800_000, "loss": 6_000_000, "unit_price": 500}


@pytest.fixture
def real():
    """A signal that adds an odds ratio of 2 a step."""
    return frame(*portfolio(np.random.default_rng(1), 8_000, 2.0))


@pytest.fixture
def null():
    """A signal without any effect."""
    return frame(*portfolio(np.random.default_rng(2), 8_000, 1.0, correlation=0.0))


def test_the_sets_are_all_rows(real):
    """Each row is in one set, and as many come in as go out."""
    table = risk.swap_set(real, NAME, "defaulted", score="score", **KEEP)
    sets = table.loc[["both", "swap in", "swap out", "neither"]]
    assert sets["n"].sum() == len(real)
    assert sets["bads"].sum() == real["defaulted"].sum()
    assert table.loc["swap in", "n"] == pytest.approx(table.loc["swap out", "n"], abs=5)
    assert sets.loc[["both", "swap in"], "share"].sum() == pytest.approx(0.7, abs=0.002)


def test_a_real_signal_avoids_bads(real):
    """The interval of the avoided rate is above 0."""
    table = risk.swap_set(real, NAME, "defaulted", score="score", **KEEP)
    assert table.loc["avoided", "bads"] > 0
    assert table.loc["avoided", "bad_rate_low"] > 0


def test_a_null_signal_avoids_nothing(null):
    """Cross-fitting does not flatter it."""
    table = risk.swap_set(null, NAME, "defaulted", score="score", **KEEP)
    assert table.loc["avoided", "bad_rate_low"] < 0


def test_the_direction_of_the_score_does_not_matter(real):
    """A score where high is risky gives the same sets."""
    turned = real.assign(score=-real["score"])
    one = risk.swap_set(real, NAME, "defaulted", score="score", **KEEP)
    other = risk.swap_set(turned, NAME, "defaulted", score="score", **KEEP)
    assert one.loc["avoided", "bads"] == pytest.approx(other.loc["avoided", "bads"], abs=5)


def test_a_real_signal_pays_in_some_bands(real):
    """Where nobody or everybody is approved anyway, no answer changes the decision."""
    table = risk.break_even(real, NAME, "defaulted", score="score", **STAKES, **KEEP)
    assert table.loc["all", "advice"] == "look up"
    assert table.loc["chosen", "worth"] > table.loc["all", "worth"]
    assert table["advice"].iloc[-3] != "look up"
    assert table["n"].iloc[:-2].sum() == len(real)


def test_worth_is_in_units_of_money(real):
    """Stakes ten times as high make it worth ten times as much."""
    small = risk.break_even(real, NAME, "defaulted", score="score", **STAKES, **KEEP)
    ten = {"margin": 8_000_000, "loss": 60_000_000, "unit_price": 5_000}
    large = risk.break_even(real, NAME, "defaulted", score="score", **ten, **KEEP)
    assert large.loc["all", "worth"] == pytest.approx(10 * small.loc["all", "worth"])


def test_a_null_signal_is_not_worth_its_price(null):
    """It is never "look up"; at a high price it is "skip"."""
    cheap = risk.break_even(null, NAME, "defaulted", score="score", **STAKES, **KEEP)
    dear = STAKES | {"unit_price": 50_000}
    table = risk.break_even(null, NAME, "defaulted", score="score", **dear, **KEEP)
    assert cheap.loc["all", "advice"] != "look up"
    assert table.loc["all", "advice"] == "skip"


def test_few_rows_never_prove_a_worth_of_nothing():
    """Decisions that never change in 700 rows leave a worth possible."""
    rows = frame(*portfolio(np.random.default_rng(3), 700, 1.0, base=0.08, spread=0.0))
    table = risk.break_even(rows, NAME, "defaulted", **STAKES, **KEEP)
    assert table.loc["all", "advice"] == "not enough data"
    assert table.loc["all", "worth_high"] > 500


def test_the_decision_in_use_replaces_the_bands(real):
    """With a decision that approves all, the worth is that of declining the worst."""
    real["approved"] = True
    table = risk.break_even(real, NAME, "defaulted", approved="approved", **STAKES, **KEEP)
    assert table.loc["all", "worth"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin": 0}, "margin"),
        ({"loss": "much"}, "loss"),
        ({"folds": 1}, "folds"),
        ({"approved": "product"}, "True or False"),
    ],
)
def test_wrong_stakes_are_refused_in_words(real, options, words):
    """The message names the option."""
    with pytest.raises(RiskInputError, match=words):
        risk.break_even(real, NAME, "defaulted", **(STAKES | KEEP | options))


def test_a_price_is_needed(real):
    """Neither the call nor the settings have one."""
    with pytest.raises(RiskInputError, match="unit_price=500"):
        risk.break_even(real, NAME, "defaulted", margin=1, loss=1, **KEEP)


def test_a_million_rows_have_a_price_in_seconds():
    """The gains of rows are sums over cells and folds."""
    rows = frame(*portfolio(np.random.default_rng(4), 1_000_000, 1.2))
    started = time.process_time()
    risk.break_even(rows, NAME, "defaulted", score="score", **STAKES, **KEEP)
    assert time.process_time() - started < 3


def test_sample_size_grows_as_it_should():
    """Smaller effects, fewer answers, more looks and a good score need more look-ups."""
    plain = risk.sample_size(0.05, [0.3, 0.4, 0.3])
    more = [
        risk.sample_size(0.05, [0.3, 0.4, 0.3], 1.2),
        risk.sample_size(0.05, [0.3, 0.4, 0.3], hit_rate=0.8),
        risk.sample_size(0.05, [0.3, 0.4, 0.3], looks=5),
        risk.sample_size(0.05, [0.3, 0.4, 0.3], r2=0.2),
        risk.sample_size(0.05, [0.3, 0.4, 0.3], deff=1.5),
        risk.sample_size(0.05, [0.3, 0.4, 0.3], power=0.9),
    ]
    assert all(one.lookups > plain.lookups for one in more)


def test_sample_size_and_smallest_effect_are_inverse():
    """The look-ups for 1.3 show 1.3."""
    plan = risk.sample_size(0.05, [0.3, 0.4, 0.3], 1.3, hit_rate=0.8, looks=5, unit_price=500)
    back = risk.sample_size(0.05, [0.3, 0.4, 0.3], lookups=plan.lookups, hit_rate=0.8, looks=5)
    assert back.odds_ratio == pytest.approx(1.3, abs=1e-3)
    assert plan.cost == plan.lookups * 500


def test_the_pilots_that_people_buy_are_too_small():
    """500 look-ups at 3% bad show nothing below an odds ratio of 2 a step (A9)."""
    assert risk.sample_size(0.03, [0.3, 0.4, 0.3], lookups=500).odds_ratio > 2


@pytest.mark.parametrize(
    "options",
    [
        {"base_rate": 0},
        {"share": 1.2},
        {"share": [0.5]},
        {"odds_ratio": 1},
        {"power": 0.3},
        {"hit_rate": 0},
        {"r2": 1},
        {"looks": 0},
        {"test": "t"},
        {"lookups": -1},
    ],
)
def test_a_number_out_of_range_is_refused(options):
    """Each is named in the message."""
    given = {"base_rate": 0.05, "share": 0.3} | options
    with pytest.raises(RiskInputError, match=next(iter(options))):
        risk.sample_size(**given)


def test_a_sample_size_is_shown():
    """As text and as a table."""
    plan = risk.sample_size(0.05, 0.3, unit_price=500)
    assert "look-ups" in repr(plan)
    assert "<table" in plan._repr_html_()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"share": "a"}, "share is that of"),
        ({"share": [[0.1, 0.2], [0.3, 0.4]]}, "share is that of"),
        ({"share": 0.3, "r2": "x"}, "r2 is a share"),
        ({"share": 0.3, "unit_price": -5}, "unit_price is what"),
        ({"share": 0.3, "unit_price": "500"}, "unit_price is what"),
    ],
)
def test_a_plan_of_no_numbers_is_refused(options, words):
    """Neither a crash nor a price of a text repeated."""
    with pytest.raises(RiskInputError, match=words):
        risk.sample_size(0.1, **options)


@pytest.mark.parametrize("names", [["all", "B"], ["chosen", "B"], ["no score", None], [1, "1"]])
def test_bands_of_one_name_are_refused(null, names):
    """One line would hide the other."""
    loans = null.assign(grade=[names[at % 2] for at in range(len(null))])
    with pytest.raises(RiskInputError, match="two lines that read"):
        risk.break_even(loans, NAME, "defaulted", bands="grade", **STAKES, **KEEP)


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
def test_a_seed_is_a_whole_number(null, seed):
    options = {"score": "score", "seed": seed, **KEEP}
    with pytest.raises(RiskInputError, match="seed is a whole number"):
        risk.swap_set(null, NAME, "defaulted", **options)
    with pytest.raises(RiskInputError, match="seed is a whole number"):
        risk.break_even(null, NAME, "defaulted", **STAKES, **options)


@pytest.fixture
def cells():
    """Identical loans of three bands of a score, and how many there are of each kind."""
    score, level, bits = portfolio(np.random.default_rng(4), 3_000, 1.5)
    loans = frame(np.digitize(score, [-0.5, 0.5]), level, bits)
    kinds = ["score", NAME, "phone_lookup_status", "defaulted"]
    table = loans.groupby(kinds, observed=True, dropna=False).size().reset_index(name="loans")
    return table, table.loc[table.index.repeat(table["loans"])].reset_index(drop=True)


def test_a_frequency_table_is_worth_what_its_loans_are(cells):
    """A cell is parted over the folds, as its loans are."""
    table, loans = cells
    options = {"score": "score", **STAKES, **KEEP}
    counted = risk.break_even(table, NAME, "defaulted", counts="loans", **options)
    pd.testing.assert_frame_equal(
        counted, risk.break_even(loans, NAME, "defaulted", **options), check_exact=True
    )


def test_a_frequency_table_swaps_what_its_loans_do(cells):
    """No cell is swapped as a whole."""
    table, loans = cells
    options = {"score": "score", **KEEP}
    counted = risk.swap_set(table, NAME, "defaulted", counts="loans", **options)
    pd.testing.assert_frame_equal(
        counted, risk.swap_set(loans, NAME, "defaulted", **options), check_exact=True
    )


def test_a_frequency_table_counts_its_loans(cells):
    """In incremental, too, n and bads are loans."""
    table, loans = cells
    found = risk.incremental(table, NAME, "defaulted", bands="score", counts="loans", **KEEP)
    assert found["n"].item() == len(loans)
    assert found["bads"].item() == loans["defaulted"].sum()


def test_too_many_loans_to_fold_are_refused(cells):
    """Before memory runs out."""
    table = cells[0].assign(loans=10**9)
    with pytest.raises(RiskInputError, match="at most 20,000,000"):
        risk.break_even(table, NAME, "defaulted", counts="loans", **STAKES, **KEEP)


@pytest.mark.parametrize("unit", [1e-9, 1e-4, 1e6])
def test_the_unit_of_weights_changes_no_test(real, unit):
    """Weights may sum to one, or to the customers of a country."""
    loans = real.assign(weight=np.random.default_rng(5).choice([1.0, 3.0], len(real)))
    found = [
        risk.incremental(
            loans.assign(weight=loans["weight"] * times),
            NAME,
            "defaulted",
            score="score",
            weight="weight",
            **KEEP,
        )
        for times in (1.0, unit)
    ]
    pd.testing.assert_frame_equal(*found, rtol=1e-6)
