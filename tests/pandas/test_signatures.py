"""The options of a public function stand in its signature, with their defaults."""

from __future__ import annotations

import inspect

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._config.checks import CHECKS
from pandas_numberactive._config.settings import SettingOptions, Settings
from pandas_numberactive._run.options import EnrichOptions, Options

DF = pd.DataFrame({"phone": ["08118899532"]})
FRONTS = {
    "enrich": pna.enrich,
    "aenrich": pna.aenrich,
    "start": pna.start,
    "plan": pna.plan,
    "df.enrich": DF.numberactive.enrich,
    "df.aenrich": DF.numberactive.aenrich,
    "df.start": DF.numberactive.start,
    "df.plan": DF.numberactive.plan,
    "series.enrich": DF["phone"].numberactive.enrich,
    "series.plan": DF["phone"].numberactive.plan,
}


@pytest.mark.parametrize("name", FRONTS)
def test_each_front_shows_the_options_and_their_defaults(name):
    shown = inspect.signature(FRONTS[name]).parameters
    for option, parameter in inspect.signature(Options).parameters.items():
        assert shown[option].default == parameter.default
        assert shown[option].kind is inspect.Parameter.KEYWORD_ONLY
    assert inspect.getdoc(FRONTS[name])


@pytest.mark.parametrize("name", FRONTS)
def test_each_front_names_the_option_that_was_meant(name):
    where = [] if name.startswith("series") else ["phone"]
    frame = [] if "." in name else [DF]
    with pytest.raises(pna.errors.ConfigurationError, match="Did you mean 'max_charges'"):
        _done(FRONTS[name](*frame, *where, max_charge=5))


def _done(result):
    """Let a coroutine come to its error."""
    if inspect.iscoroutine(result):
        result.send(None)


def test_type_checkers_see_the_options_that_are_validated():
    parameters = inspect.signature(Options).parameters
    written = {name: parameter.annotation for name, parameter in parameters.items()}
    typed = {name: hint.__forward_arg__ for name, hint in EnrichOptions.__annotations__.items()}
    assert typed == written


@pytest.mark.parametrize("front", [pna.configure, pna.override, pna.settings])
def test_the_settings_stand_in_the_signature(front):
    shown = inspect.signature(front).parameters
    assert list(shown) == list(CHECKS) == list(SettingOptions.__annotations__)
    assert shown["max_concurrency"].default == Settings().max_concurrency
    assert shown["max_rate"].default is None


def test_whole_amounts_of_any_type_are_counts():
    assert Options(max_charges=1e3).max_charges == 1000
    with pytest.raises(pna.errors.ConfigurationError, match=r"not 2\.5 \(float\)"):
        Options(max_charges=2.5)
