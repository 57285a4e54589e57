"""Logistic regression by iteratively reweighted least squares, and the test of nested models.

Rows may be single loans or groups (n of a kind, of them `bads`): the likelihoods differ by a
constant only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.stats.tails import chi_square_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STEPS = 60
_CLOSE = 1e-12  # relative change of the deviance at which the steps end
_FARTHEST = 30.0  # log-odds: beyond, a rate is 0 or 1 in double precision
_RIDGE = 1e-10  # keeps a separated column solvable; the solution itself does not move


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    `beta` are log-odds, `cov` their covariance, `loglik` the maximised log-likelihood.
    """

    beta: Floats
    cov: Floats
    loglik: float


def fit(x: Floats, bads: Floats, n: Floats | None = None) -> Fit:
    """Fit the log-odds of `bads` among `n` on the columns of `x`.

    x is (rows, columns), bads and n are (rows,); n is 1 each by default.
    """
    size = np.ones(len(bads)) if n is None else np.asarray(n, float)
    beta = fit_many(x, np.asarray(bads, float)[None], size[None])[0]
    rate = rates(x, beta[None])[0]
    weight = size * rate * (1 - rate)
    cov = np.linalg.pinv((x * weight[:, None]).T @ x, hermitian=True)
    return Fit(beta, cov, _loglik(np.asarray(bads, float), size, rate))


def fit_many(x: Floats, bads: Floats, n: Floats, close: float = _CLOSE) -> Floats:
    """Fit one design to many sets of counts at once, as a bootstrap needs it.

    x is (rows, columns), bads and n are (sets, rows); returns (sets, columns). `close` is the
    relative change of the deviance at which the steps end.
    """
    beta = np.zeros((len(bads), x.shape[1]))
    before = np.full(len(bads), np.inf)
    for _ in range(_STEPS):
        rate = rates(x, beta)
        deviance = -2 * _logliks(bads, n, rate)
        if (np.abs(before - deviance) <= close * (np.abs(deviance) + 0.1)).all():
            break
        before = deviance
        beta = _bounded(x, beta + _step(x, bads, n, rate))
    return beta


def _step(x: Floats, bads: Floats, n: Floats, rate: Floats) -> Floats:
    weight = n * rate * (1 - rate)
    information = np.matmul(weight[:, None, :] * x.T[None], x)
    scale = np.trace(information, axis1=1, axis2=2)[:, None, None] / x.shape[1]
    ridge = (_RIDGE * scale + 1e-300) * np.eye(x.shape[1])
    score = (bads - n * rate) @ x
    step: Floats = np.linalg.solve(information + ridge, score[..., None])[..., 0]
    return step


def _bounded(x: Floats, beta: Floats) -> Floats:
    """Shrink the sets whose log-odds left the range of double precision."""
    farthest = np.abs(beta @ x.T).max(axis=1, initial=0.0)
    shrink: Floats = np.minimum(1.0, _FARTHEST / np.maximum(farthest, 1e-300))
    return beta * shrink[:, None]


def rates(x: Floats, beta: Floats) -> Floats:
    """Return the fitted rates, (sets, rows)."""
    fitted: Floats = 1 / (1 + np.exp(-(beta @ x.T)))
    return fitted


def _logliks(bads: Floats, n: Floats, rate: Floats) -> Floats:
    tiny = np.finfo(float).tiny
    good = n - bads
    total: Floats = (
        bads * np.log(np.maximum(rate, tiny)) + good * np.log(np.maximum(1 - rate, tiny))
    ).sum(axis=-1)
    return total


def _loglik(bads: Floats, n: Floats, rate: Floats) -> float:
    return float(_logliks(bads, n, rate))


def sandwich(
    x: Floats, bits: Floats, model: Fit, load: Floats, cluster: NDArray[np.int64]
) -> Floats:
    """Return the covariance of the estimates where rows of one cluster depend on each other.

    Liang and Zeger (1986), without a small-sample factor. `load` are sampling weights, and
    `cluster` numbers the rows' clusters from 0.
    """
    rate = rates(x, model.beta[None])[0]
    scores = x * (load * (bits - rate))[:, None]
    sums = np.stack([np.bincount(cluster, column) for column in scores.T], axis=1)
    bread = np.linalg.pinv((x * (load * rate * (1 - rate))[:, None]).T @ x, hermitian=True)
    covariance: Floats = bread @ (sums.T @ sums) @ bread
    return covariance


@dataclass(frozen=True)
class Test:
    """A test's statistic, its degrees of freedom and its p-value."""

    chi2: float
    df: int
    p: float


def likelihood_ratio(small: Fit, large: Fit, df: int) -> Test:
    """Return Wilks's test of the smaller of two nested models (1938)."""
    chi2 = max(0.0, 2 * (large.loglik - small.loglik))
    return Test(chi2, df, chi_square_tail(chi2, df))


def grid_design(bands: int, levels: int) -> Floats:
    """Return the design of a main effect of each band, and of each level but the first.

    Rows are the cells in the order of a (bands, levels) array's ravel.
    """
    cells = bands * levels
    band = np.repeat(np.arange(bands), levels)
    level = np.tile(np.arange(levels), bands)
    x = np.zeros((cells, bands + levels - 1))
    x[np.arange(cells), band] = 1.0
    later = level > 0
    x[np.flatnonzero(later), bands + level[later] - 1] = 1.0
    return x
