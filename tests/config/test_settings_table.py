"""All settings stand in one table: names, variables, defaults and meanings."""

from __future__ import annotations

import inspect
import os
import traceback
from pathlib import Path

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._config.checks import CHECKS, SETTINGS, VARIABLES
from pandas_numberactive._config.settings import settings_table
from pandas_numberactive.errors import ConfigurationError

ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE") or Path(__file__).parents[2])
KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
PHONE = "08118899532"  # made up


def test_the_page_of_settings_is_the_table_of_the_code():
    assert settings_table() in (ROOT / ".github" / "SETTINGS.md").read_text()


@pytest.mark.parametrize("name", CHECKS)
def test_help_explains_each_setting(name):
    assert f"\n{name} : default " in (inspect.getdoc(pna.configure) or "")


@pytest.mark.parametrize("one", [one for one in SETTINGS if one.scalar], ids=lambda one: one.name)
def test_each_scalar_setting_has_its_variable(one, monkeypatch):
    texts = {
        "environment": "simulator",
        "base_url": "http://127.0.0.1:1",
        "encoding": "form",
        "timezone": "Asia/Makassar",
        "max_digits": "11",
        "proxy": "http://proxy:3128",
        "progress": "false",
    }
    text = texts.get(one.name, "7" if one.number else "made-up")
    monkeypatch.setenv(one.variable, text)
    found = pna.settings()
    assert found.source[one.name] == f"environment variable {one.variable}"
    if one.number:
        assert getattr(found, one.name) == float(text)


def test_a_word_where_a_number_belongs_names_the_variable(monkeypatch):
    monkeypatch.setenv("NUMBERACTIVE_MAX_RATE", "fast")
    with pytest.raises(
        ConfigurationError, match="NUMBERACTIVE_MAX_RATE: max_rate must be a number"
    ):
        pna.settings()


def test_a_mapping_has_no_variable():
    assert set(CHECKS) - set(VARIABLES) == {"code_outcomes"}


@pytest.mark.parametrize("environment", ["sandbox", "production"])
def test_an_environment_with_the_others_host_is_refused(environment):
    hosts = {
        "sandbox": "https://api.digiscore.id/x",
        "production": "http://test-platform.ferrystatic.com/openrisk",
    }
    with pytest.raises(ConfigurationError, match="contradict each other.*Nothing was sent"):
        pna.configure(environment=environment, base_url=hosts[environment], **KEYS)
    assert pna.settings().environment is None


@pytest.mark.parametrize(
    "host",
    ["api.digiscore.id.", "API.digiscore.id:80", "api\u3002digiscore.id", "api%2Edigiscore.id"],
)
def test_another_spelling_of_the_production_host_is_refused(host):
    """A resolver takes each of them for the host that charges."""
    with pytest.raises(ConfigurationError, match="contradict each other.*Nothing was sent"):
        pna.configure(environment="sandbox", base_url=f"http://{host}", **KEYS)


def test_doctor_begins_with_its_verdict(tmp_path):
    first = repr(pna.doctor()).splitlines()
    assert first[0] == "Not ready (doctor)"
    assert first[1].startswith("  ! No credentials")
    pna.configure(environment="simulator", store=tmp_path / "s.sqlite3")
    assert repr(pna.doctor()).startswith("Ready: a run can start in simulator (doctor)")


@pytest.mark.parametrize(
    "options",
    [
        {"order": PHONE},
        {"prefix": int(PHONE)},
        {"max_charges": PHONE},
        {"seed": PHONE},
        {"max_age": PHONE},
        {"progress": PHONE},
        {PHONE: 1},
    ],
    ids=str,
)
def test_an_option_repeats_no_phone(options):
    with pytest.raises(ConfigurationError) as caught:
        pna.enrich(None, "phone", **options)
    assert "8118899532" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.spend(PHONE),
        lambda store: store.resolve(PHONE, PHONE),
        lambda store: store.history(PHONE),
        lambda store: store.purge(older_than=PHONE),
    ],
    ids=["spend", "resolve", "history", "purge"],
)
def test_an_argument_of_the_store_repeats_no_phone(call):
    with pna.LookupStore(":memory:") as store, pytest.raises(ConfigurationError) as caught:
        call(store)
    assert "8118899532" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [{"lease": float("inf")}, {"lease": 1e300}, {"unit_price": float("inf")}], ids=str
)
def test_a_setting_without_end_is_refused(value):
    """A lease of it fits into no store, and a cost of it into no bill."""
    with pytest.raises(ConfigurationError, match="at most"):
        pna.configure(**value)


def test_a_budget_at_a_tiny_price_is_a_cap():
    frame = pd.DataFrame({"phone": [PHONE]})
    with pna.override(environment="simulator", store=":memory:", unit_price=1e-320):
        assert pna.plan(frame, "phone", budget=1).purchases == 1


def test_a_store_that_was_not_opened_can_be_shown(tmp_path):
    """A traceback with its locals shows the half-made one."""
    with pytest.raises(pna.errors.StoreError) as caught:
        pna.LookupStore(tmp_path / "no" / "s.sqlite3")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "StoreError" in "".join(shown.format())


@pytest.mark.parametrize("name", ["environment", "encoding", "max_concurrency", "timezone", PHONE])
def test_a_setting_repeats_no_phone(name):
    value = int(PHONE) if name == "max_concurrency" else PHONE
    with pytest.raises(ConfigurationError) as caught:
        pna.configure(**{name: value})
    assert "8118899532" not in str(caught.value)
