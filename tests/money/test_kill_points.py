"""SIGKILL at each step of a call; the same call again charges nothing twice and never over the cap."""

from __future__ import annotations

import os

import pytest

from tests.money.points import CALLS, all_points

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="needs os.fork: run it on Linux or macOS"
)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_killed_anywhere_and_made_again_pays_once(place, call):
    """A few points of each call, those before its end among them.

    `python -m tests.money.points` runs all.
    """
    seen = all_points(place, 4, (call,))
    assert seen.wrong == []
    assert seen.missed == []
    assert seen.kills > 4
