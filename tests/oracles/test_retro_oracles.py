"""200 random tables against statsmodels and scipy, in an environment of their own."""

from __future__ import annotations

import numpy as np
import pytest

from pandas_numberactive.risk._engine.stats import logistic, mantel, power, ranking
from pandas_numberactive.risk._engine.stats.covariance import Rows
from pandas_numberactive.risk._engine.stats.tails import Z95

HOW = "in an environment of its own: pip install -e . --group oracles"
pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # the oracles' own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def strata(count=200, levels=2):
    """Random goods and bads by stratum and level, none of them empty."""
    rng = np.random.default_rng(21)
    for _ in range(count):
        shape = (int(rng.integers(2, 12)), levels)
        n = rng.integers(20, 400, shape)
        bads = np.clip(rng.binomial(n, rng.uniform(0.05, 0.6, shape)), 1, n - 1)
        yield (n - bads).astype(float), bads.astype(float)


def regressions():
    """Random designs with an intercept, outcomes, weights and clusters."""
    rng = np.random.default_rng(22)
    for _ in range(200):
        size = int(rng.integers(80, 600))
        columns = int(rng.integers(1, 5))
        x = np.column_stack([np.ones(size), rng.normal(size=(size, columns))])
        odds = x @ rng.normal(0, 0.7, columns + 1)
        bits = (rng.random(size) < 1 / (1 + np.exp(-odds))).astype(float)
        yield x, bits, rng.uniform(0.2, 5, size), rng.integers(0, size // 3, size)


@pytest.fixture
def tables():
    return pytest.importorskip("statsmodels.stats.contingency_tables", reason=HOW)


@pytest.fixture
def sm():
    return pytest.importorskip("statsmodels.api", reason=HOW)


def test_irls_and_likelihood_ratio_match_statsmodels(sm):
    """Estimates, covariance, log-likelihood and Wilks's statistic to 1e-8."""
    for x, bits, _, _ in regressions():
        theirs = sm.Logit(bits, x).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
        ours = logistic.fit(x, bits)
        assert ours.beta == pytest.approx(theirs.params, abs=1e-8)
        assert ours.cov == pytest.approx(theirs.cov_params(), abs=1e-8)
        assert ours.loglik == pytest.approx(theirs.llf, abs=1e-8)
        small = logistic.fit(x[:, :1], bits)
        test = logistic.likelihood_ratio(small, ours, x.shape[1] - 1)
        null = sm.Logit(bits, x[:, :1]).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
        assert test.chi2 == pytest.approx(2 * (theirs.llf - null.llf), abs=1e-8)
        assert test.p == pytest.approx(theirs.llr_pvalue, abs=1e-6)  # their null model is looser


@pytest.mark.filterwarnings("ignore:cov_type not fully supported")
def test_sandwich_matches_statsmodels(sm):
    """Weighted rows in clusters, without the small-sample factor, to 1e-8."""
    for x, bits, load, cluster in regressions():
        model = sm.GLM(bits, x, family=sm.families.Binomial(), var_weights=load)
        theirs = model.fit(tol=1e-14, maxiter=100)
        robust = model.fit(
            tol=1e-14,
            maxiter=100,
            cov_type="cluster",
            cov_kwds={"groups": cluster, "use_correction": False},
        )
        ours = logistic.fit(x, bits * load, load)
        assert ours.beta == pytest.approx(theirs.params, abs=1e-8)
        covariance = logistic.sandwich(x, bits, ours, load, cluster)
        assert covariance == pytest.approx(robust.cov_params(), abs=1e-8)


def test_mantel_haenszel_matches_statsmodels(tables):
    """Odds ratio, Robins-Breslow-Greenland interval, test and homogeneity to 1e-9."""
    for goods, bads in strata():
        cells = np.stack([bads, goods], axis=-1).transpose(1, 2, 0)
        theirs = tables.StratifiedTable(cells)
        ours = mantel.level_odds_ratio(goods, bads, 0)
        assert ours.value == pytest.approx(theirs.oddsratio_pooled, rel=1e-9)
        low, high = theirs.oddsratio_pooled_confint()
        assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-9)
        test = theirs.test_null_odds()
        assert mantel.general_association(goods, bads).chi2 == pytest.approx(
            test.statistic, rel=1e-9
        )
        tarone = theirs.test_equal_odds(adjust=True)
        assert mantel.homogeneity(goods, bads, 0).chi2 == pytest.approx(tarone.statistic, rel=1e-9)


def test_general_association_matches_its_definition():
    """The sum over strata of observed less expected, written out with Kronecker products."""
    for goods, bads in strata(levels=4):
        score = np.zeros(3)
        variance = np.zeros((3, 3))
        for good, bad in zip(goods, bads, strict=True):
            n = good + bad
            total = n.sum()
            share = n / total
            p = bad.sum() / total
            whole = np.diag(share) - np.outer(share, share)
            score += (bad - bad.sum() * share)[:-1]
            variance += total**2 / (total - 1) * p * (1 - p) * whole[:-1, :-1]
        expected = score @ np.linalg.solve(variance, score)
        assert mantel.general_association(goods, bads).chi2 == pytest.approx(expected, rel=1e-9)


def test_power_matches_statsmodels():
    """The noncentral chi-square power of a goodness-of-fit test to 1e-9."""
    module = pytest.importorskip("statsmodels.stats.power", reason=HOW)
    rng = np.random.default_rng(23)
    for _ in range(200):
        shares = rng.dirichlet([4, 4, 4])
        design = power.Design(float(rng.uniform(0.02, 0.4)), shares, False, 0.05)
        ratio = float(rng.uniform(1.05, 2.5))
        customers = float(rng.integers(100, 5000))
        theirs = module.GofChisquarePower().power(
            np.sqrt(design.effect(ratio)), customers, 0.05, n_bins=3
        )
        assert design.power(ratio, customers) == pytest.approx(theirs, abs=1e-9)


def test_auc_matches_sklearn_and_delong_its_definition():
    """AUC of ordered levels to 1e-12, and DeLong's variance by its brute-force placements."""
    metrics = pytest.importorskip("sklearn.metrics", reason=HOW)
    for goods, bads in strata(levels=4):
        good = goods.sum(axis=0)
        bad = bads.sum(axis=0)
        risk = np.arange(4)[::-1]
        outcomes = np.r_[np.ones(int(bad.sum())), np.zeros(int(good.sum()))]
        codes = np.r_[np.repeat(range(4), bad.astype(int)), np.repeat(range(4), good.astype(int))]
        bits = outcomes.astype(np.int8)
        scores = risk[codes]
        found = ranking.auc(Rows(tuple("abcd"), codes.astype(np.int8), bits, None, None, None))
        assert found.value == pytest.approx(metrics.roc_auc_score(outcomes, scores), abs=1e-12)
        x = np.repeat(risk, bad.astype(int))[:, None]
        y = np.repeat(risk, good.astype(int))[None]
        wins = (x > y) + 0.5 * (x == y)
        variance = wins.mean(axis=1).var(ddof=1) / len(wins)
        variance += wins.mean(axis=0).var(ddof=1) / wins.shape[1]
        high = np.log(found.high / (1 - found.high))
        half = (high - np.log(found.value / (1 - found.value))) / Z95
        seen = (half * found.value * (1 - found.value)) ** 2
        assert seen == pytest.approx(variance, rel=1e-12)
