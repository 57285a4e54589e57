"""Bounds for a test that is looked at several times: O'Brien and Fleming's (1979).

The statistic of look k is taken as Brownian motion at k of K equal steps. Its density between the
bounds is carried from look to look by numerical integration (Armitage, McPherson and Rowe 1969).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.stats.tails import normal_point, normal_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_POINTS = 96  # Gauss-Legendre nodes of the integration: ten digits at 20 looks


@lru_cache(maxsize=64)
def obrien_fleming(looks: int, alpha: float = 0.05) -> float:
    """Return C: at look k of K the two-sided bound for |z| is C * sqrt(K / k).

    >>> round(obrien_fleming(5), 3)
    2.04
    """
    low = -normal_point(alpha / 2)
    high = low + 2.0
    for _ in range(45):
        middle = (low + high) / 2
        if crossing(_bounds(looks, middle), 0.0) > alpha:
            low = middle
        else:
            high = middle
    return high


def bounds(looks: int, alpha: float = 0.05) -> list[float]:
    """Return the two-sided bound for |z| at each look."""
    return _bounds(looks, obrien_fleming(looks, alpha))


def _bounds(looks: int, constant: float) -> list[float]:
    return [constant * math.sqrt(looks / k) for k in range(1, looks + 1)]


def crossing(bounds: list[float], drift: float) -> float:
    """Return the probability that |z| crosses a bound at any look.

    `drift` is the mean of z at the last look, 0 where there is no effect.
    """
    step = drift / math.sqrt(len(bounds))  # mean of one increment of variance 1
    nodes, weights = _nodes()
    edges = [bound * math.sqrt(k) for k, bound in enumerate(bounds, 1)]
    density = _normal(nodes * edges[0] - step)
    for before, edge in pairwise(edges):
        move = nodes[:, None] * edge - nodes[None] * before - step
        density = _normal(move) @ (weights * before * density)
    return 1 - float((weights * edges[-1]) @ density)


def inflation(looks: int, power: float, alpha: float = 0.05) -> float:
    """Return how many times the customers of one look the last of several needs for a power."""
    if looks == 1:
        return 1.0
    limits = bounds(looks, alpha)
    single = normal_point(1 - alpha / 2) + normal_point(power)
    low = single
    high = 2 * single
    for _ in range(40):
        middle = (low + high) / 2
        if crossing(limits, middle) < power:
            low = middle
        else:
            high = middle
    return (high / single) ** 2


def conditional_power(
    z: float,
    look: int,
    looks: int,
    drift: float,
    alpha: float = 0.05,
) -> float:
    """Return the probability that the last look's |z| crosses its bound, given z at this look.

    `drift` is the mean of z at the last look (Lan, Simon and Halperin 1982).
    """
    done = look / looks
    left = 1 - done
    if left <= 0:
        return float(abs(z) >= bounds(looks, alpha)[-1])
    mean = z * math.sqrt(done) + drift * left
    bound = bounds(looks, alpha)[-1]
    return _above((bound - mean) / math.sqrt(left)) + _above((bound + mean) / math.sqrt(left))


def _above(z: float) -> float:
    return normal_tail(z) / 2 if z >= 0 else 1 - normal_tail(z) / 2


@lru_cache(maxsize=1)
def _nodes() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(_POINTS)


def _normal(x: Floats) -> Floats:
    density: Floats = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return density
