"""Settings: where a value comes from, what is refused, and what is never shown."""

import contextvars
import copy
import pickle
import re
import sys
import threading
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pandas_numberactive import errors
from pandas_numberactive._cli.doctor import doctor
from pandas_numberactive._config.keyring import save_to_keyring
from pandas_numberactive._config.readiness import require, store_location, warn_plain_http
from pandas_numberactive._config.settings import Credentials, configure, override, settings
from pandas_numberactive.errors import ConfigurationError, PlainHttpWarning

module = sys.modules[
    "pandas_numberactive._config.settings"
]  # the package's attribute of that name is the function

KEYS = {"app_key": "my-app-key-1", "secret": "hush-hush-hush"}


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No variable, no keyring and no earlier configure() reaches these tests."""
    for variable in module.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    module._reset()
    yield
    module._reset()


def fake_keyring(monkeypatch, get_password):
    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_password=get_password))


def test_the_order_is_explicit_override_configure_variable_default(monkeypatch):
    assert settings().source["environment"] == "default"
    monkeypatch.setenv("NUMBERACTIVE_ENVIRONMENT", "sandbox")
    assert settings().environment == "sandbox"
    assert settings().source["environment"] == "environment variable NUMBERACTIVE_ENVIRONMENT"
    configure(environment="production")
    assert (settings().environment, settings().source["environment"]) == (
        "production",
        "configure()",
    )
    with override(environment="simulator"):
        assert (settings().environment, settings().source["environment"]) == (
            "simulator",
            "override()",
        )
        assert settings(environment="sandbox").source["environment"] == "explicit"
    assert settings().environment == "production"


def test_every_variable_is_read(monkeypatch):
    for name, text in {
        "APP_KEY": "k",
        "SECRET": "s",
        "ENVIRONMENT": "formal",
        "BASE_URL": "https://h/x/",
        "STORE": "/tmp/a.db",
        "UNIT_PRICE": " 512.5 ",
        "CURRENCY": "USD",
    }.items():
        monkeypatch.setenv(f"NUMBERACTIVE_{name}", text)
    found = require(settings())
    assert (found.unit_price, found.currency) == (512.5, "USD")
    assert configure(unit_price=3).unit_price == 3
    assert (found.environment, found.base_url, found.store) == (
        "production",
        "https://h/x",
        "/tmp/a.db",
    )
    assert (found.credentials.app_key, found.credentials.secret) == ("k", "s")


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("NUMBERACTIVE_ENVIRONMENT", "prod")
    with pytest.raises(
        ConfigurationError, match="NUMBERACTIVE_ENVIRONMENT.*'production', 'sandbox', 'simulator'"
    ):
        settings()


@pytest.mark.parametrize("text", ["-1", "nan", "five", "1.000,00"])
def test_a_price_that_is_no_number_names_its_variable(monkeypatch, text):
    monkeypatch.setenv("NUMBERACTIVE_UNIT_PRICE", text)
    with pytest.raises(
        ConfigurationError,
        match="NUMBERACTIVE_UNIT_PRICE: unit_price must be a number of at least 0",
    ):
        settings()


def test_one_key_without_the_other_is_named_by_settings_and_doctor():
    found = configure(app_key="my-app-key-1")
    assert (found.shown()["app_key"], found.shown()["secret"]) == ("***", "missing")
    for environment in (None, "sandbox"):
        with override(environment=environment):
            said = repr(doctor())
            assert "NUMBERACTIVE_SECRET" in said
            assert "NUMBERACTIVE_APP_KEY" not in said
            assert "my-app-key-1" not in said + repr(settings())
    assert configure(app_key=None).shown()["secret"] == "None"


def test_doctor_tells_what_would_stop_a_run_and_which_variables_nobody_reads(monkeypatch, tmp_path):
    assert not doctor().ready
    monkeypatch.setenv("NUMBERACTIVE_APPKEY", "my-app-key-1")
    monkeypatch.setenv("NUMBERACTIVE_ZZZ", "1")
    configure(environment="simulator", store=tmp_path / "s.sqlite3")
    found = doctor()
    assert found.ready  # a wrong name stops nothing
    assert "NUMBERACTIVE_APPKEY is not read. Did you mean NUMBERACTIVE_APP_KEY?" in found.warnings
    assert "NUMBERACTIVE_ZZZ is not read. There is no such variable." in found.warnings
    assert "my-app-key-1" not in repr(found)
    assert "SQLite" in dict(found.lines)
    configure(store="postgresql://me:pa55@127.0.0.1:1/x")
    assert "SQLite" not in dict(doctor().lines)
    configure(environment="production", store=":memory:", **KEYS)
    found = doctor()
    assert not found.ready
    assert sum("forgets" in text for text in found.warnings) == 1


def test_doctor_misses_the_folder_that_a_run_would_miss(tmp_path):
    configure(environment="simulator", store=tmp_path / "typo" / "s.sqlite3")
    found = doctor()
    assert not found.ready
    assert any("There is no folder 'typo'" in text for text in found.warnings)


def test_none_forgets_in_configure_and_lifts_in_override():
    configure(max_rate=5, environment="sandbox")
    with override(max_rate=None):
        assert settings().max_rate is None
    assert settings(max_rate=None).max_rate == 5
    assert configure(max_rate=None).max_rate is None


@pytest.mark.parametrize(
    "value", [20200101, b"20200101", ["20200101"], 20200101.5], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("name", ["app_key", "secret"])
def test_a_key_of_a_wrong_type_is_not_shown(name, value):
    for use in (configure, settings, lambda **keys: save_to_keyring(**{**KEYS, **keys})):
        with pytest.raises(ConfigurationError) as caught:
            use(**{name: value})
        assert (
            str(caught.value)
            == f"{name} must be text that is not blank, not {type(value).__name__}."
        )


def test_override_nests_and_stays_in_its_thread_and_context():
    seen = []
    with override(max_concurrency=4), override(currency="USD"):
        assert (settings().max_concurrency, settings().currency) == (4, "USD")
        thread = threading.Thread(target=lambda: seen.append(settings().max_concurrency))
        thread.start()
        thread.join()
        inside = contextvars.copy_context()
    assert seen == [16]
    assert settings().max_concurrency == 16
    assert inside.run(lambda: settings().max_concurrency) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_rates": 1}, "max_rate?"),
        ({"nonsense_here": 1}, "The settings are"),
        ({"environment": "prod"}, "'production'"),
        ({"base_url": "ftp://h"}, "http"),
        ({"base_url": "https://user:pw@h"}, "no user"),
        ({"base_url": "https://h/?a=1"}, "no query"),
        ({"base_url": "http://[bad"}, "http"),
        ({"encoding": "xml"}, "'json', 'form'"),
        ({"max_concurrency": 0}, "at least 1"),
        ({"max_concurrency": True}, "at least 1"),
        ({"max_concurrency": 1.5}, "whole"),
        ({"max_rate": 0}, "above 0"),
        ({"unit_price": -1}, "at least 0"),
        ({"unit_price": np.int64(-1)}, "at least 0"),
        ({"unit_price": np.bool_(True)}, "at least 0"),
        ({"unit_price": np.array([500])}, "at least 0"),
        ({"unit_price": np.float32("nan")}, "at least 0"),
        ({"handle_timeout": "30"}, "above 0"),
        ({"max_digits": 20}, "at most 13"),
        ({"store": "mysql://h/db"}, "postgresql://"),
        ({"store": " "}, "not blank"),
        ({"app_key": "k\n"}, "copy it again"),
        ({"secret": 5}, "text"),
        ({"proxy": "socks5://h:1"}, "http://host:port"),
        ({"code_outcomes": {11008: "again"}}, "'failed', 'retry', 'stop'"),
        ({"code_outcomes": {"handle": {11008: "pending"}}}, "'failed', 'retry', 'stop'"),
        ({"code_outcomes": {200: "stop"}}, "other than 200"),
        ({"code_outcomes": [11008]}, "mapping"),
        ({"progress": 3.5}, "'auto'"),
    ],
)
def test_a_wrong_option_says_what_to_do(options, says):
    before = settings()
    with pytest.raises(ConfigurationError) as caught:
        configure(**options)
    assert says in str(caught.value)
    assert settings() == before


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"unit_price": np.int64(500)}, 500),
        ({"unit_price": np.float32(0.5)}, 0.5),
        ({"max_concurrency": np.int16(3)}, 3),
        ({"max_digits": np.float64(12)}, 12),
    ],
)
def test_numpys_numbers_are_numbers_and_kept_as_pythons(options, kept):
    name = next(iter(options))
    found = getattr(settings(**options), name)
    assert found == kept
    assert type(found) is type(kept)


def test_a_refused_secret_is_not_repeated():
    with pytest.raises(ConfigurationError) as caught:
        configure(secret="hush-hush \n")
    assert "hush" not in str(caught.value)


def test_code_outcomes_hold_for_both_steps_or_for_one():
    both = settings(code_outcomes={"11008": "stop"})
    assert both.codes("handle") == both.codes("query") == {11008: "stop"}
    one = settings(code_outcomes={"query": {11008: "no_data", "E7": "retry"}})
    assert (one.codes("handle"), one.codes("query")) == ({}, {11008: "no_data", "E7": "retry"})


def test_require_names_the_variables_and_the_simulator():
    with pytest.raises(ConfigurationError) as caught:
        require(settings())
    for word in (
        "NUMBERACTIVE_APP_KEY",
        "NUMBERACTIVE_SECRET",
        "NUMBERACTIVE_ENVIRONMENT",
        '"simulator"',
    ):
        assert word in str(caught.value)


def test_neither_production_nor_sandbox_is_assumed():
    with pytest.raises(ConfigurationError, match="Which environment"):
        require(settings(**KEYS))


def test_require_names_only_what_is_missing():
    with pytest.raises(ConfigurationError) as caught:
        require(settings(environment="sandbox", app_key="k"))
    assert "NUMBERACTIVE_SECRET" in str(caught.value)
    assert "NUMBERACTIVE_APP_KEY" not in str(caught.value)


def test_the_vendors_addresses_are_the_defaults():
    assert settings(environment="formal").base_url == "http://api.digiscore.id"
    assert (
        settings(environment="sandbox").base_url == "http://test-platform.ferrystatic.com/openrisk"
    )
    assert settings(environment="sandbox").host == "test-platform.ferrystatic.com/openrisk"
    assert settings(environment="simulator").base_url is None


@pytest.mark.parametrize("where", ["variables", "configure", "configure with the word", "explicit"])
def test_real_keys_never_reach_the_simulator(monkeypatch, where):
    if where == "variables":
        monkeypatch.setenv("NUMBERACTIVE_APP_KEY", "real-key")
        monkeypatch.setenv("NUMBERACTIVE_SECRET", "real-secret")
        monkeypatch.setenv("NUMBERACTIVE_BASE_URL", "http://127.0.0.1:9")
    elif where != "explicit":
        word = {"environment": "simulator"} if where.endswith("word") else {}
        configure(app_key="real-key", secret="real-secret", **word)
    explicit = {"app_key": "real-key", "secret": "real-secret"} if where == "explicit" else {}
    assert require(settings(environment="simulator", **explicit)).credentials == Credentials(
        "simulator", "simulator"
    )


def test_a_simulator_of_ones_own_has_its_own_keys():
    configure(environment="production", **KEYS)
    with override(
        environment="simulator", base_url="http://127.0.0.1:9", app_key="a", secret="b"
    ) as found:
        assert found.credentials == Credentials("a", "b")
    assert settings().credentials == Credentials(*KEYS.values())


def test_the_simulator_is_on_this_machine():
    with pytest.raises(ConfigurationError, match="this machine only"):
        settings(environment="simulator", base_url="https://api.example.com")
    for url in ("http://localhost:8000", "http://127.0.0.2:1", "http://[::1]:8000"):
        assert settings(environment="simulator", base_url=url).base_url == url


def test_a_base_url_meant_for_production_is_left_out_of_the_simulator():
    configure(environment="production", base_url="https://gateway.example.com")
    with override(environment="simulator") as found:
        assert found.base_url is None


def test_the_keyring_is_asked_only_when_variables_are_absent(monkeypatch):
    asked = []
    fake_keyring(monkeypatch, lambda service, name: asked.append((service, name)) or f"from-{name}")
    monkeypatch.setenv("NUMBERACTIVE_SECRET", "variable")
    found = settings(environment="sandbox")
    assert (found.credentials.app_key, found.credentials.secret) == ("from-app_key", "variable")
    assert found.source["app_key"] == "keyring"
    assert asked == [("pandas-numberactive", "app_key")]


def test_a_failing_keyring_is_named_and_does_no_harm(monkeypatch):
    def fail(service, name):
        raise LookupError("locked")

    fake_keyring(monkeypatch, fail)
    assert settings().credentials is None
    assert settings().source["secret"] == "not found (keyring: LookupError)"


def test_nothing_that_is_printed_gives_a_secret_away():
    found = settings(
        environment="production",
        store="postgresql://me:pa55@db/x?sslpassword=pa55",
        proxy="http://me:pa55@proxy:3128",
        **KEYS,
    )
    for text in (
        repr(found),
        str(found),
        found._repr_html_(),
        repr(found.credentials),
        f"{found.credentials}",
    ):
        assert "pa55" not in text
        assert KEYS["secret"] not in text
        assert KEYS["app_key"] not in text
    assert "me:***@db" in repr(found)
    assert "my***" in repr(found)
    assert "NUMBERACTIVE" not in found._repr_html_()


@pytest.mark.parametrize(
    "proxy", ["http://me:pa55%40h:9", "http://me:pa55/h", "http://me/x:pa55@h"]
)
def test_a_mistyped_proxy_shows_no_password(proxy):
    found = settings(proxy=proxy)
    assert found.proxy == proxy
    for text in (repr(found), found._repr_html_(), found.shown()["proxy"]):
        assert "pa55" not in text


def test_a_drive_is_no_user():
    """A path of Windows has a colon, and its user's folder may have an @."""
    for path in (r"C:\Users\me@corp\s.sqlite3", "c:/me@corp/s.sqlite3"):
        assert settings(store=path).store.endswith("s.sqlite3")


def test_credentials_refuse_to_be_pickled():
    keys = Credentials("a", "b")
    for victim in (keys, settings(environment="sandbox", **KEYS)):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(victim)
    assert copy.deepcopy(keys) is keys
    assert (
        keys.fingerprint == Credentials("a", "c").fingerprint != Credentials("b", "b").fingerprint
    )
    assert len(keys.fingerprint) == 16


def test_plain_http_is_warned_of_once():
    plain = settings(environment="production", **KEYS)
    with pytest.warns(PlainHttpWarning, match=r"api\.digiscore\.id over plain http"):
        warn_plain_http(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_plain_http(plain)
        warn_plain_http(settings(environment="production", base_url="https://api.digiscore.id"))
        warn_plain_http(settings(environment="production", base_url="http://127.0.0.1:1"))


def test_each_source_of_answers_has_its_own_default_store():
    def name(**options):
        return store_location(settings(**options)).replace("\\", "/").rsplit("/", 1)[1]

    vendor = name(environment="production")
    assert (
        vendor
        == "lookups.sqlite3"
        == name(environment="production", base_url="https://api.digiscore.id")
    )
    assert name(environment="simulator") == "simulator.sqlite3"
    mock = name(environment="production", base_url="http://127.0.0.1:8000")
    assert mock.startswith("lookups-127-0-0-1-")
    assert mock != name(environment="production", base_url="http://127.0.0.1:8001")
    assert "pandas-numberactive" in store_location(settings())


def test_a_named_store_is_used_as_it_is(tmp_path):
    assert store_location(settings(store=tmp_path / "a.db")) == str(tmp_path / "a.db")
    assert store_location(settings(store=f"sqlite:{tmp_path}/a.db")) == str(tmp_path / "a.db")
    url = "postgresql://me:pa55@db/x"
    assert store_location(settings(store=url)) == url


def test_a_store_in_memory_is_for_play_only():
    for environment in ("simulator", "sandbox"):
        assert store_location(settings(environment=environment, store=":memory:")) == ":memory:"
    with pytest.raises(ConfigurationError, match="forgets"):
        require(settings(environment="production", store=":memory:", **KEYS))


def test_every_error_survives_pickling_and_keeps_what_it_says():
    made = [
        errors.ColumnNotFoundError("phone", ["Phone", "name"]),
        errors.ConfirmationRequiredError("too many", plan={"to_buy": 5}),
        errors.VendorError("stopped", code=11008, msg="no"),
        errors.AuthenticationError("refused", code=401, msg="sign"),
        errors.StoreVersionError("newer"),
        errors.LookupFailedError("failed"),
        errors.missing_extra("plot", "matplotlib"),
    ]
    made[0].partial = [1]
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.__dict__) == (
            type(error),
            str(error),
            error.__dict__,
        )
    assert str(made[0]) == "There is no column 'phone'. Did you mean 'Phone'?"
    assert (made[3].code, made[3].errno) == (401, None)
    assert made[-1].name == "matplotlib"


def test_every_error_is_in_the_drawing_and_answers_the_three_questions():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert {kind.__name__ for kind in kinds} == set(errors.__all__)
    for kind in kinds:
        assert kind.__name__ in errors.__doc__
        if issubclass(kind, errors.NumberActiveError):
            assert kind.charged in ("no", "maybe", "stored")
            assert kind.fault in ("caller", "vendor", "machine")


def test_a_store_in_a_folder_that_is_not_there_is_refused_and_the_plan_names_its_store(
    tmp_path, monkeypatch
):
    frame = pd.DataFrame({"phone": ["08118899532"]})  # made up
    with override(environment="simulator", store=str(tmp_path / "storr" / "book.sqlite3")):
        for use in (frame.numberactive.plan, frame.numberactive.enrich):
            with pytest.raises(errors.StoreError, match=r"no folder 'storr' .* correct store="):
                use("phone")
    assert not (tmp_path / "storr").exists()
    monkeypatch.setenv("HOME", str(tmp_path))
    with override(environment="simulator", store=str(tmp_path / "book.sqlite3")):
        plan = frame.numberactive.plan("phone")
    assert plan.store == str(Path("~", "book.sqlite3"))
    assert plan.store in repr(plan)
    with override(environment="simulator"):  # the folder that nobody named is made
        assert frame.numberactive.plan("phone").to_buy == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"environment": "simulater"}, "not 'simulater'. Did you mean 'simulator'?"),
        ({"encoding": "jsn"}, "Did you mean 'json'?"),
        ({"unit_price": "Rp 500"}, "not 'Rp 500' (str)."),
    ],
)
def test_a_wrong_value_is_shown_with_the_nearest_right_one(options, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        configure(**options)
