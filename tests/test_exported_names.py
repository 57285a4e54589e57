"""Other people's scripts call these names."""

from __future__ import annotations

import pytest

import pandas_numberactive as pna

PINNED = """
configure settings override enrich aenrich start plan normalize lookup alookup last_run history spend doctor
show_versions restore_dtypes plain_dtypes stored jobs LookupStore LookupForm EnrichPanel RiskPanel risk simulator TELCO_TYPE ACTIVE_LEVEL FREQUENCY_GRADE LOOKUP_STATUS
""".split()


def test_every_pinned_name_is_there_and_public():
    assert set(PINNED) <= set(pna.__all__)
    assert pna.__all__ == sorted(pna.__all__)
    assert callable(pna.simulator.Simulator)


@pytest.mark.parametrize("name", pna.__all__)
def test_every_public_name_loads_and_says_what_it_is(name):
    assert getattr(pna, name).__doc__


def test_the_risk_questions_are_all_that_is_offered():
    """Completion shows no file of the package."""
    assert dir(pna.risk) == sorted(pna.risk.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'enrichh'"):
        pna.enrichh  # noqa: B018


@pytest.mark.parametrize(("kind", "name"), [(pna.Plan, "picture"), (pna.Settings, "missing_keys")])
def test_a_released_method_stays_public(kind: type, name: str) -> None:
    """Both were public in the version before, so code of users may call them."""
    assert callable(getattr(kind, name))
