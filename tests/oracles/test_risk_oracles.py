"""200 random tables against optbinning, feature-engine, statsmodels and scipy, in an environment of their own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.risk._engine.book.population import Population
from pandas_numberactive.risk._engine.stats.covariance import Rows, rates_covariance
from pandas_numberactive.risk._engine.stats.formulas import cochran_armitage
from pandas_numberactive.risk._engine.stats.ranking import auc
from pandas_numberactive.risk._engine.stats.significance import holm, pool
from pandas_numberactive.risk._engine.strata import feature, whole

HOW = "in an environment of its own: pip install -e . --group oracles"
pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # the oracles' own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
LEVEL = "phone_active_level"
CLOSE = {"rel": 1e-9, "abs": 1e-9}


def frames(filled: bool):
    """200 random tables; `filled`: no level lacks a good or a bad."""
    rng = np.random.default_rng(20)
    made = 0
    while made < 200:
        n = int(rng.integers(30, 3000))
        codes = rng.choice(3, n, p=rng.dirichlet([2, 2, 2]))
        bad = (rng.random(n) < rng.uniform(0.05, 0.6, 3)[codes]).astype(int)
        cells = pd.crosstab(codes, bad)
        if len(set(bad)) < 2 or (filled and (cells.shape != (3, 2) or (cells == 0).any(axis=None))):
            continue
        made += 1
        yield pd.DataFrame(
            {LEVEL: pd.Categorical.from_codes(codes, dtype=pna.ACTIVE_LEVEL), "bad": bad}
        )


def table(frame):
    return risk.risk_table(frame, LEVEL, "bad", missing="drop", bad=1).xs(LEVEL, level="signal")


def test_optbinning_agrees_on_weight_of_evidence_and_information_value():
    optbinning = pytest.importorskip("optbinning", reason=HOW)
    splits = np.array([["low"], ["medium"], ["high"]], object)
    for frame in frames(filled=True):
        ours = table(frame)
        binning = optbinning.OptimalBinning(
            dtype="categorical", user_splits=splits, user_splits_fixed=[True] * 3, min_bin_size=None
        ).fit(frame[LEVEL].astype(object).to_numpy(), frame["bad"].to_numpy())
        built = binning.binning_table.build()
        seen = 0
        for row in built.to_dict("records"):
            level = row["Bin"][0] if len(row["Bin"]) == 1 else None
            if level in ours.index:
                seen += 1
                assert ours.loc[level, "woe"] == pytest.approx(row["WoE"], **CLOSE)
                assert ours.loc[level, "iv"] == pytest.approx(row["IV"], **CLOSE)
        assert seen == 3
        assert ours["iv"].sum() == pytest.approx(binning.binning_table.iv, **CLOSE)


def test_feature_engine_agrees_with_the_sign_flipped():
    encoding = pytest.importorskip("feature_engine.encoding", reason=HOW)
    for frame in frames(filled=True):
        words = frame[[LEVEL]].astype(object)
        encoder = encoding.WoEEncoder(variables=[LEVEL]).fit(words, frame["bad"])
        ours = table(frame)["woe"]
        for level, woe in encoder.encoder_dict_[LEVEL].items():
            assert -woe == pytest.approx(ours[level], **CLOSE)


def test_statsmodels_agrees_on_wilsons_interval():
    proportion = pytest.importorskip("statsmodels.stats.proportion", reason=HOW)
    for frame in frames(filled=False):
        for _, row in table(frame).iterrows():
            if row["n"]:
                low, high = proportion.proportion_confint(
                    int(row["bads"]), int(row["n"]), 0.05, "wilson"
                )
                assert (row["bad_rate_low"], row["bad_rate_high"]) == pytest.approx(
                    (low, high), **CLOSE
                )


def test_statsmodels_agrees_on_the_trend():
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason=HOW)
    for frame in frames(filled=True):
        theirs = tables.Table(
            pd.crosstab(frame["bad"], frame[LEVEL]).to_numpy()
        ).test_ordinal_association()
        n, bads = (table(frame)[name].to_numpy(dtype=float) for name in ("n", "bads"))
        z, p = cochran_armitage(bads, n)
        # statsmodels permutes with fixed margins: its variance has N - 1 where Cochran and Armitage have N.
        total = n.sum()
        assert abs(z) == pytest.approx(abs(theirs.zscore) * math.sqrt(total / (total - 1)), **CLOSE)
        assert p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), **CLOSE)


def test_an_independent_formula_and_scipy_agree_on_the_trend():
    stats = pytest.importorskip("scipy.stats", reason=HOW)
    for frame in frames(filled=False):
        row = risk.trend(frame, LEVEL, "bad", bad=1).loc[LEVEL]
        if not row["tested"]:
            continue
        score, bad = frame[LEVEL].cat.codes.to_numpy(), frame["bad"].to_numpy()
        r = np.corrcoef(score, bad)[0, 1]  # the chi-square for a linear trend is N r^2
        assert row["z"] == pytest.approx(r * math.sqrt(len(bad)), **CLOSE)
        assert row["p_value"] == pytest.approx(2 * stats.norm.sf(abs(row["z"])), **CLOSE)


def test_scipy_agrees_on_the_counts_by_chi_square():
    stats = pytest.importorskip("scipy.stats", reason=HOW)
    for frame in frames(filled=True):
        ours = table(frame)
        bads, n = ours["bads"].to_numpy(), ours["n"].to_numpy()
        expected = stats.chi2_contingency(
            pd.crosstab(frame[LEVEL], frame["bad"]).to_numpy(), correction=False
        ).statistic
        rate = bads.sum() / n.sum()
        assert ((bads - n * rate) ** 2 / (n * rate * (1 - rate))).sum() == pytest.approx(
            expected, **CLOSE
        )


def test_scipy_agrees_on_what_chance_alone_does():
    stats = pytest.importorskip("scipy.stats", reason=HOW)
    for frame in frames(filled=False):
        cells = pd.crosstab(frame[LEVEL], frame["bad"]).to_numpy()
        p = risk.iv_table(frame, LEVEL, "bad", missing="drop", bad=1).loc[LEVEL, "p_value"]
        groups = pool(cells[:, 0].astype(float), cells[:, 1].astype(float))
        pooled = np.array([cells[groups == at].sum(axis=0) for at in range(groups.max() + 1)])
        if len(pooled) > 1:
            assert p == pytest.approx(
                stats.chi2_contingency(pooled, correction=False).pvalue, rel=1e-9, abs=1e-300
            )
        row = risk.value(frame, LEVEL, "bad", unit_price=1, bad=1).loc[LEVEL]
        mine = [row["bads_caught"], row["goods_lost"]]
        rest = [frame["bad"].sum() - mine[0], (1 - frame["bad"]).sum() - mine[1]]
        exact = stats.fisher_exact([mine, rest], alternative="greater").pvalue
        assert row["p_value_corrected"] == pytest.approx(
            min(1, exact * row["levels_tried"]), rel=1e-8, abs=1e-300
        )


def dependent_rows(seed):
    """Random rows with weights and customers, as the covariance takes them."""
    rng = np.random.default_rng([7, seed])
    n = int(rng.integers(200, 1500))
    codes = rng.choice(3, n, p=rng.dirichlet([4, 4, 4])).astype(np.int8)
    bad = (rng.random(n) < rng.uniform(0.1, 0.5, 3)[codes]).astype(np.int8)
    _, who = np.unique(rng.integers(0, n // 3, n), return_inverse=True)
    return Rows(("a", "b", "c"), codes, bad, rng.uniform(0.5, 8, n), None, who)


@pytest.mark.parametrize("kind", ["weighted", "clustered", "both"])
def test_statsmodels_agrees_on_the_covariance_of_rates(kind):
    """Weighted least squares on level dummies, whose coefficients are the rates."""
    api = pytest.importorskip("statsmodels.api", reason=HOW)
    for seed in range(200):
        rows = dependent_rows(seed)
        if kind == "weighted":
            rows = replace(rows, cluster=None)
        if kind == "clustered":
            rows = replace(rows, weight=None)
        rates, covariance = rates_covariance(rows)
        weight = np.ones(len(rows)) if rows.weight is None else rows.weight
        model = api.WLS(rows.bad.astype(float), np.eye(3)[rows.codes], weights=weight)
        if rows.cluster is None:
            theirs = model.fit(cov_type="HC0").cov_params() * len(rows) / (len(rows) - 1)
        else:
            options = {"groups": rows.cluster, "use_correction": False}
            groups = rows.cluster.max() + 1
            theirs = model.fit(cov_type="cluster", cov_kwds=options).cov_params()
            theirs = theirs * groups / (groups - 1)
        assert rates == pytest.approx(model.fit().params, rel=1e-8)
        assert covariance == pytest.approx(theirs, rel=1e-8, abs=1e-14)


def test_statsmodels_agrees_on_an_effect_with_repeat_customers():
    """The sandwich of a logistic regression with month intercepts, without its correction."""
    api = pytest.importorskip("statsmodels.api", reason=HOW)
    for seed in range(200):
        rows = replace(dependent_rows(seed), weight=None)
        month = np.random.default_rng(seed).integers(0, 3, len(rows))
        found = Population(
            rows.levels, rows.codes, rows.bad, None, None, rows.cluster, "x", 3, True,
            np.arange(len(rows)),
        )  # fmt: skip
        effect = whole(found, feature(found), month)
        x = np.column_stack([np.eye(3)[month], -rows.codes.astype(float)])
        options = {"groups": rows.cluster, "use_correction": False}
        model = api.GLM(rows.bad.astype(float), x, family=api.families.Binomial())
        theirs = model.fit(tol=1e-12, cov_type="cluster", cov_kwds=options)
        assert effect.log_odds == pytest.approx(theirs.params[-1], rel=1e-8, abs=1e-10)
        assert effect.variance == pytest.approx(theirs.cov_params()[-1, -1], rel=1e-8)


def test_sklearn_agrees_on_the_area():
    metrics = pytest.importorskip("sklearn.metrics", reason=HOW)
    for frame in frames(filled=False):
        row = risk.iv_table(frame, LEVEL, "bad", missing="drop", bad=1).loc[LEVEL]
        if not 1 < frame["bad"].sum() < len(frame) - 1:
            continue  # no variance, so no figure
        theirs = metrics.roc_auc_score(frame["bad"], -frame[LEVEL].cat.codes)
        assert row["auc"] == pytest.approx(theirs, rel=1e-12)


def test_sklearn_agrees_on_the_weighted_area():
    metrics = pytest.importorskip("sklearn.metrics", reason=HOW)
    for seed in range(200):
        rows = dependent_rows(seed)
        theirs = metrics.roc_auc_score(rows.bad, -rows.codes, sample_weight=rows.weight)
        assert auc(rows).value == pytest.approx(theirs, rel=1e-12)


def test_scipy_agrees_on_ks():
    stats = pytest.importorskip("scipy.stats", reason=HOW)
    for frame in frames(filled=True):
        row = risk.iv_table(frame, LEVEL, "bad", missing="drop", bad=1).loc[LEVEL]
        codes = frame[LEVEL].cat.codes
        theirs = stats.ks_2samp(codes[frame["bad"] == 1], codes[frame["bad"] == 0]).statistic
        assert row["ks"] == pytest.approx(theirs, rel=1e-12)


def test_scipy_agrees_on_the_limit_of_the_stability_index():
    stats = pytest.importorskip("scipy.stats", reason=HOW)
    for frame in frames(filled=True):
        half = len(frame) // 2
        now, before = frame.iloc[:half], frame.iloc[half:]
        row = risk.stability(now, LEVEL, baseline=before, missing="drop").loc[(LEVEL, "total")]
        unit = 1 / half + 1 / (len(frame) - half)
        assert row["psi_limit"] == pytest.approx(stats.chi2.ppf(0.95, 2) * unit, rel=1e-12)
        assert row["p_value"] == pytest.approx(stats.chi2.sf(row["psi"] / unit, 2), rel=1e-12)


def test_statsmodels_agrees_on_holm():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason=HOW)
    rng = np.random.default_rng(3)
    for _ in range(200):
        p = rng.random(int(rng.integers(1, 12))) ** 2
        assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], rel=1e-12)
