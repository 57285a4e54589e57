"""Short, seeded forms of the simulations in simulate_retro.py; the long ones are in its table."""

from __future__ import annotations

import pytest

from pandas_numberactive.risk._report.rule import Decision
from tests.risk import simulate_retro as simulated
from tests.risk.simulate_retro import Setting


@pytest.mark.parametrize("how", ["plain", "repeat", "weights"])
def test_a_null_signal_adds_as_rarely_as_it_should(how):
    """5% within the error of 100 portfolios."""
    assert simulated.false_positives(100, how) <= 0.1


@pytest.mark.parametrize("how", ["plain", "repeat", "weights"])
def test_one_odds_ratio_seldom_looks_different(how):
    """5% within the error of 100 portfolios, by band, by month and in a segment."""
    assert max(simulated.same_everywhere(100, how)) <= 0.12


def test_a_score_of_few_values_keeps_what_it_knows():
    """A signal that follows a score of mostly zeros adds nothing to it."""
    assert simulated.piled(60) <= 0.12


def test_the_size_has_its_power():
    """80% within the error of 100 portfolios."""
    assert simulated.power_against_formula(100, 1.5, "trend") == pytest.approx(0.8, abs=0.1)


def test_the_gain_in_gini_is_held_by_its_interval():
    """95% within the error of 20 portfolios."""
    bias, error, held, _ = simulated.gains(40, 2_000, 1.3)
    assert abs(bias) < 0.0005 + 2.5 * error
    assert held >= 0.88


def test_the_gain_in_gini_of_2000_rows_is_hardly_biased():
    """A tenth of what the fit alone adds on the rows that it is fitted on."""
    bias, error, _, _ = simulated.gains(100, 2_000, 2.0)
    assert abs(bias) < 0.0015
    assert error < 0.0007


def test_a_swap_of_noise_avoids_nothing():
    """Where the ranking is learned on other rows."""
    mean, error = simulated.avoided_on_null(60, 5)
    assert mean < 2 * error + 0.1


def test_noise_is_not_bought():
    """Neither one signal nor the best of three."""
    made = simulated.decisions(15, Setting(2_000, 0.1, 1.0, 500))
    three = simulated.decisions(8, Setting(2_000, 0.1, 1.0, 500), signals=3)
    assert made[Decision.BUY] <= 0.05
    assert three[Decision.BUY] <= 0.1


def test_what_moves_by_time_alone_is_not_bought():
    """Bad odds and a level that grow over a year, where 3 in 10 were bought before."""
    bought, adds, apart = simulated.bought_by_time(15)
    assert bought == 0
    assert adds <= 0.15
    assert apart > 0.9


def test_a_real_signal_is_mostly_bought():
    """An odds ratio of 2 a step in 10,000 rows."""
    assert simulated.decisions(15, simulated.REAL)[Decision.BUY] >= 0.6


def test_a_plain_rule_buys_noise():
    """The reason for cross-fitting."""
    assert simulated.naive(40, 2_000) > 0.8


def test_the_lag_test_alarms_where_it_should():
    """Rarely on clean rows, nearly always where 1.5 is shown as 3."""
    assert simulated.lag_alarms(150, 1.5) <= 0.12
    assert simulated.lag_alarms(25, 3.0) >= 0.85


def test_looks_cost_nothing_and_save_much():
    """A pilot at its bounds is right as often as one look, and stops early."""
    false, _ = simulated.pilots(100, 1.0)
    found, saved = simulated.pilots(12, 1.8)
    assert false <= 0.12
    assert found == 1
    assert saved > 0.6
