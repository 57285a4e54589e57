"""The formulas of the retro test, against published examples and scipy."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from pandas_numberactive.risk._engine.stats import cells, logistic, mantel, power, sequential, tails

# Bickel, Hammel and O'Connell (1975): admissions at Berkeley by department A to F.
MEN_ADMITTED = np.array([512.0, 353, 120, 138, 53, 22])
MEN_REJECTED = np.array([313.0, 207, 205, 279, 138, 351])
WOMEN_ADMITTED = np.array([89.0, 17, 202, 131, 94, 24])
WOMEN_REJECTED = np.array([19.0, 8, 391, 244, 299, 317])
# Jennison and Turnbull (2000), tables 2.3 and 2.4: constants at alpha 0.05, inflation at power 0.8.
CONSTANTS = {1: 1.960, 2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 6: 2.053, 8: 2.072, 10: 2.087}
INFLATION = {1: 1.000, 2: 1.008, 3: 1.017, 4: 1.024, 5: 1.028, 10: 1.040}


@pytest.fixture
def berkeley():
    """Goods and bads by department and sex, an admission taken as a bad."""
    goods = np.stack([MEN_REJECTED, WOMEN_REJECTED], axis=1)
    bads = np.stack([MEN_ADMITTED, WOMEN_ADMITTED], axis=1)
    return goods, bads


def test_berkeley_common_odds_ratio(berkeley):
    """Agresti (2013), and R's mantelhaen.test on UCBAdmissions, give 0.9047 (0.7719 to 1.0603)."""
    found = mantel.level_odds_ratio(*berkeley, 0)
    assert found.value == pytest.approx(0.9046968, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((0.7719074, 1.0603298), abs=1e-6)


def test_berkeley_conditional_test(berkeley):
    """R's mantelhaen.test without correction gives 1.5246 on 1 degree of freedom."""
    found = mantel.general_association(*berkeley)
    assert found.chi2 == pytest.approx(1.5246, abs=5e-4)
    assert found.df == 1


def test_berkeley_is_not_homogeneous(berkeley):
    """Department A differs: R's BreslowDayTest (DescTools) gives 18.8 on 5 degrees of freedom."""
    found = mantel.homogeneity(*berkeley, 0)
    assert found.chi2 == pytest.approx(18.8255, abs=0.03)
    assert found.df == 5
    assert found.p < 0.01


@pytest.mark.parametrize("looks", CONSTANTS)
def test_obrien_fleming_constants_as_published(looks):
    """The published table has three decimals."""
    assert sequential.obrien_fleming(looks) == pytest.approx(CONSTANTS[looks], abs=6e-4)


@pytest.mark.parametrize("looks", INFLATION)
def test_inflation_as_published(looks):
    """The published table has three decimals."""
    assert sequential.inflation(looks, 0.8) == pytest.approx(INFLATION[looks], abs=6e-4)


def test_bounds_shrink_with_each_look():
    """The first look asks for much, the last for little more than a single test."""
    limits = sequential.bounds(5)
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == pytest.approx(2.040 * math.sqrt(5), abs=1e-2)


def test_conditional_power_at_the_last_look_is_the_answer():
    """Nothing is left to chance there."""
    assert sequential.conditional_power(2.5, 5, 5, 2.8) == 1.0
    assert sequential.conditional_power(1.5, 5, 5, 2.8) == 0.0


def test_conditional_power_as_simulated():
    """A seeded simulation of the remaining looks agrees within its own error."""
    rng = np.random.default_rng(3)
    done = 0.8 * math.sqrt(2 / 5)
    left = rng.normal(2.8 * 3 / 5, math.sqrt(3 / 5), 100_000)
    seen = (np.abs(done + left) >= sequential.bounds(5)[-1]).mean()
    assert sequential.conditional_power(0.8, 2, 5, 2.8) == pytest.approx(seen, abs=0.006)


@pytest.mark.parametrize("df", [1, 2, 3, 7, 12])
def test_chi_square_tail_and_point_match_scipy(df):
    """Relative 1e-12 over the range of p-values that anyone reads."""
    for x in (0.01, 0.5, 3.84, 20.0, 300.0):
        assert tails.chi_square_tail(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-12)
    for p in (0.05, 0.5, 0.95, 0.999):
        assert tails.chi_square_point(p, df) == pytest.approx(stats.chi2.ppf(p, df), rel=1e-12)


def test_noncentral_tail_matches_scipy():
    """200 random tails to 1e-9."""
    rng = np.random.default_rng(4)
    for _ in range(200):
        df = int(rng.integers(1, 15))
        noncentrality = float(rng.gamma(1.0, 40.0))
        x = float(rng.gamma(2.0, 20.0))
        expected = stats.ncx2.sf(x, df, noncentrality)
        assert tails.noncentral_tail(x, df, noncentrality) == pytest.approx(expected, abs=1e-9)


def test_customers_and_smallest_odds_ratio_are_inverse():
    """The smallest odds ratio that the customers show is the one that they were counted for."""
    design = power.Design(0.03, np.array([0.3, 0.4, 0.3]), True, 0.05)
    customers = design.customers(1.3, 0.8)
    assert design.smallest(customers, 0.8) == pytest.approx(1.3, abs=1e-9)
    assert design.power(1.3, customers) == pytest.approx(0.8, abs=1e-9)


def test_level_rates_have_the_base_rate_and_the_odds_ratio():
    """Both hold at once, whatever the shares."""
    design = power.Design(0.11, np.array([0.2, 0.5, 0.3]), True, 0.05)
    rates = design.rates(1.7)
    assert rates @ design.shares == pytest.approx(0.11, abs=1e-12)
    odds = rates / (1 - rates)
    assert odds[1:] / odds[:-1] == pytest.approx([1.7, 1.7], rel=1e-9)


def test_grouped_and_single_rows_fit_the_same():
    """Counts of a cell and its single rows have one likelihood, up to a constant."""
    x = logistic.grid_design(2, 3)
    bads = np.array([5.0, 9, 4, 12, 30, 8])
    n = np.array([50.0, 60, 40, 55, 90, 30])
    rows = np.repeat(np.arange(6), n.astype(int))
    bits = np.concatenate(
        [np.r_[np.ones(int(b)), np.zeros(int(m - b))] for b, m in zip(bads, n, strict=True)]
    )
    grouped = logistic.fit(x, bads, n)
    single = logistic.fit(x[rows], bits)
    assert grouped.beta == pytest.approx(single.beta, abs=1e-10)
    assert grouped.cov == pytest.approx(single.cov, abs=1e-10)
    assert grouped.loglik == pytest.approx(single.loglik, abs=1e-8)


def test_a_scores_bands_stand_on_a_cubic():
    """The band without a score has an effect of its own, and so have few bands or own bands."""
    x = cells.curve(9, 8)
    assert np.linalg.matrix_rank(x) == x.shape[1] == 5
    assert x[8].tolist() == [0, 0, 0, 0, 1]
    normal = [NormalDist().inv_cdf((at + 0.5) / 8) for at in range(8)]
    cubic = np.polynomial.Polynomial([2.0, -1.0, 0.5, 3.0])(np.array(normal))
    assert np.linalg.lstsq(x[:8, :4], cubic, rcond=None)[1].item() == pytest.approx(0, abs=1e-12)
    for scored in (0, 3):
        assert (cells.curve(6, scored) == np.eye(6)).all()


def test_levels_add_a_column_each_but_the_first():
    """Cells come in the order of an array's ravel."""
    free = np.eye(3)
    assert (cells.with_levels(free, 4) == logistic.grid_design(3, 4)).all()


def test_a_band_without_bads_ends_the_fit():
    """Separated columns have no finite estimate; the deviance has, and nothing overflows."""
    x = logistic.grid_design(2, 2)
    found = logistic.fit(x, np.array([0.0, 0, 4, 9]), np.array([20.0, 20, 40, 40]))
    assert np.isfinite(found.beta).all()
    assert found.loglik < 0


def test_independent_rows_have_nearly_the_classical_variance():
    """With one row a cluster, the covariance over clusters is the classical one in large samples."""
    rng = np.random.default_rng(5)
    size = 20_000
    level = rng.integers(0, 3, size)
    band = rng.integers(0, 5, size)
    bits = (rng.random(size) < 0.05 + 0.03 * band + 0.02 * level).astype(float)
    both = np.zeros((2, 5, 3))
    np.add.at(both, (bits.astype(int), band, level), 1.0)
    classical = mantel.general_association(both[0], both[1])
    ones = np.ones(size)
    robust = mantel.dependent_association(level, band, bits, ones, np.arange(size))
    assert robust.df == classical.df == 2
    assert robust.chi2 == pytest.approx(classical.chi2, rel=0.03)


def test_a_million_rows_take_under_a_second():
    """The covariance over clusters is counts of counts."""
    rng = np.random.default_rng(6)
    size = 1_000_000
    level = rng.integers(0, 4, size)
    band = rng.integers(0, 10, size)
    cluster = rng.integers(0, 700_000, size)
    bits = (rng.random(size) < 0.1).astype(float)
    started = time.perf_counter()
    mantel.dependent_association(level, band, bits, np.ones(size), cluster)
    assert time.perf_counter() - started < 3


def test_nothing_loads_scipy():
    """A user pays for numpy and pandas alone, whatever question without a plot is asked."""
    code = (
        "import sys, pandas as pd, pandas_numberactive as pna;"
        "from pandas_numberactive.simulator.loanbook import loan_book, with_answers;"
        "from tests.bench.risk import QUESTIONS;"
        "loans = with_answers(loan_book(1_500));"
        "loans['bad'] = loans['defaulted'].astype('int64');"
        "loans['day'] = loans['application_date'];"
        "loans['city'] = loans['day'].dt.month % 2;"
        "[ask(loans) for ask in QUESTIONS.values()];"
        "terms = pna.risk.RetroTest(target='defaulted', as_of='application_date', score='score',"
        " margin=800_000, loss=6_000_000, unit_price=500);"
        "terms.run(loans)._repr_html_();"
        "assert not {'scipy', 'matplotlib'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_equal_rates_count_half_in_the_gini():
    """Against the definition, over all pairs of cells (Hanley and McNeil 1982)."""
    rng = np.random.default_rng(7)
    rate = rng.integers(0, 4, (20, 9)) / 10
    goods, bads = rng.integers(0, 6, (2, 20, 9)).astype(float)
    higher = np.sign(rate[:, :, None] - rate[:, None, :])
    pairs = np.einsum("si,sij,sj->s", bads, higher, goods)
    expected = pairs / (goods.sum(axis=1) * bads.sum(axis=1))
    assert cells.gini(rate, goods, bads) == pytest.approx(expected, abs=1e-12)
