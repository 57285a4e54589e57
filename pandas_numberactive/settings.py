"""Settings: explicit > override() > configure() > environment variables > keyring > default.

The only module that reads environment variables and the keyring. Nothing here sends anything or costs money.
"""

from __future__ import annotations

import contextvars
import hashlib
import importlib
import ipaddress
import math
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from pandas_numberactive._core.markup import html_table
from pandas_numberactive._core.protocol import BASE_URLS, CodeOutcomes
from pandas_numberactive.errors import ConfigurationError, PlainHttpWarning, missing_extra, near_misses

ENVIRONMENTS = ("production", "sandbox", "simulator")
VARIABLES: Mapping[str, str] = {
    "app_key": "NUMBERACTIVE_APP_KEY",
    "secret": "NUMBERACTIVE_SECRET",
    "environment": "NUMBERACTIVE_ENVIRONMENT",
    "base_url": "NUMBERACTIVE_BASE_URL",
    "store": "NUMBERACTIVE_STORE",
}
KEYRING_SERVICE = "pandas-numberactive"
SIMULATOR_KEY = "simulator"
_WORDS = {"handle": ("failed", "retry", "stop"), "query": ("failed", "retry", "stop", "pending", "no_data")}


class Credentials:
    """The app key and the secret; printed as `***`, and refuse to be pickled."""

    __slots__ = ("_app_key", "_secret")

    def __init__(self, app_key: str, secret: str) -> None:
        self._app_key = app_key
        self._secret = secret

    @property
    def app_key(self) -> str:
        """What the vendor calls appKey."""
        return self._app_key

    @property
    def secret(self) -> str:
        """What tokens are made with; it is never sent."""
        return self._secret

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell app keys apart and give none away."""
        return hashlib.sha256(self._app_key.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return (self._app_key, self._secret) == (other._app_key, other._secret)

    def __hash__(self) -> int:
        return hash((self._app_key, self._secret))

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __copy__(self) -> Credentials:
        return self

    def __deepcopy__(self, memo: object) -> Credentials:
        return self

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("Credentials are never pickled: configure each process from its environment variables.")


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """All settings of a run, resolved; `source` tells where each came from.

    Times are in seconds, `max_rate` in look-ups' calls per second, `unit_price` in `currency` per charged answer,
    `confirm_above` in numbers to buy.
    """

    environment: str | None = None
    base_url: str | None = None
    credentials: Credentials | None = None
    store: str | None = None
    encoding: str = "json"
    max_concurrency: int = 16
    max_rate: float | None = None
    unit_price: float | None = None
    currency: str = "IDR"
    confirm_above: float = 1000
    handle_timeout: float = 30.0
    query_timeout: float = 70.0
    poll_for: float = 60.0
    lease: float = 60.0
    drain: float = 30.0
    max_digits: int = 12
    code_outcomes: Mapping[str, CodeOutcomes] = field(default_factory=dict)
    proxy: str | None = None
    progress: bool | str = "auto"
    source: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def host(self) -> str | None:
        """Where a requestId is valid: host, port and path of `base_url`, whatever its scheme."""
        return self.base_url.split("://", 1)[1] if self.base_url else None

    @property
    def simulated(self) -> bool:
        """Whether answers are made up."""
        return self.environment == "simulator"

    def codes(self, step: str) -> CodeOutcomes:
        """Return what the user said about the vendor's codes at this step ("handle" or "query")."""
        return self.code_outcomes.get(step, {})

    def shown(self) -> dict[str, str]:
        """Return every setting as text that may be printed: key, passwords and secret masked."""
        rows = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("source", "credentials")}
        rows["store"], rows["proxy"] = _masked_url(self.store), _masked_url(self.proxy)
        rows["app_key"] = _masked_key(self.credentials.app_key) if self.credentials else None
        rows["secret"] = "***" if self.credentials else None
        return {name: str(value) if isinstance(value, (str, int)) else repr(value) for name, value in rows.items()}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={text}' for name, text in self.shown().items())})"

    def _repr_html_(self) -> str:
        lines = [(name, f"{text}  ({self.source.get(name, 'default')})") for name, text in self.shown().items()]
        return html_table(f"Settings ({self.environment})", lines)


def _masked_key(key: str) -> str:
    return f"{key[:2]}***" if len(key) > 6 else "***"


def _masked_url(url: str | None) -> str | None:
    """Mask what stands between a URL's user and its host, and any password among its parameters."""
    if url is None:
        return None
    url = re.sub(r"(://[^/?#]*?):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"(?i)(password|passwd|pwd|sslpassword)=[^&\s]*", r"\1=***", url)


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


# --- checks: one per option, each returns the value to keep or says what to do --------------------------------------


def _wrong(name: str, must: str, value: object) -> ConfigurationError:
    shown = type(value).__name__ if isinstance(value, str) else repr(value)
    return ConfigurationError(f"{name} must be {must}, not {shown}.")


def _number(
    low: float, high: float = math.inf, whole: bool = False, above: bool = False
) -> Callable[[str, Any], float]:
    """A number of at least `low` (or more than it, where `above`), and at most `high`."""
    must = f"a {'whole ' if whole else ''}number {'above' if above else 'of at least'} {low:g}"
    must += f" and at most {high:g}" if high < math.inf else ""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            raise _wrong(name, must, value)
        if not (low < value if above else low <= value) or value > high or (whole and value != int(value)):
            raise _wrong(name, must, value)
        return int(value) if whole else value

    return check


def _one_of(*words: object) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if value not in words:
            said = f", not {value!r}" if isinstance(value, (str, int)) else ""
            raise ConfigurationError(f"{name} must be one of {', '.join(map(repr, words))}{said}.")
        return value

    return check


def _environment(name: str, value: Any) -> str:
    word = value.strip().lower() if isinstance(value, str) else value
    return str(_one_of(*ENVIRONMENTS)(name, {"formal": "production"}.get(word, word)))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, "text that is not blank", value)
    return value


def _key(name: str, value: Any) -> str:
    text = _text(name, value)
    if text != text.strip() or not text.isprintable():
        raise ConfigurationError(f"{name} begins or ends with a blank, or holds a line break: copy it again.")
    return text


def _base_url(name: str, value: Any) -> str:
    text = _text(name, value).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fit = False
    if not fit or parts.query or parts.fragment or "@" in parts.netloc or re.search(r"\s", text):
        raise ConfigurationError(f"{name} must be http:// or https://, a host and a path: no user, no query.")
    return text


def _proxy(name: str, value: Any) -> str:
    if not re.match(r"https?://[^\s/]+", _text(name, value)):
        raise ConfigurationError(f"{name} must look like http://host:port.")
    return str(value)


def _store(name: str, value: Any) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    text = re.sub(r"^sqlite:(?://)?(?=.)", "", _text(name, text))
    if "://" in text and not re.match(r"postgres(?:ql)?://", text):
        raise ConfigurationError(f"{name} must be a path, sqlite:PATH, :memory: or a postgresql:// URL.")
    return text


def _code_outcomes(name: str, value: Any) -> dict[str, dict[int | str, str]]:
    """Accept `{code: word}` for both steps, or one such map per step."""
    if not isinstance(value, Mapping):
        raise _wrong(name, 'a mapping such as {11008: "stop"}', value)
    per_step = bool(value) and set(value) <= set(_WORDS)
    given = value if per_step else dict.fromkeys(_WORDS, value)
    out: dict[str, dict[int | str, str]] = {}
    for step, codes in given.items():
        allowed = _WORDS[step] if per_step else _WORDS["query"]
        out[step] = {_outcome_code(code): _one_of(*allowed)(f"{name}[{code!r}]", word) for code, word in codes.items()}
    return out


def _outcome_code(code: object) -> int | str:
    if isinstance(code, bool) or not isinstance(code, (int, str)) or str(code).strip() in ("", "200", "201"):
        raise ConfigurationError("code_outcomes is for the vendor's codes other than 200 and 201.")
    text = str(code).strip()
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else text


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "environment": _environment,
    "base_url": _base_url,
    "app_key": _key,
    "secret": _key,
    "store": _store,
    "encoding": _one_of("json", "form"),
    "max_concurrency": _number(1, 1000, whole=True),
    "max_rate": _number(0, above=True),
    "unit_price": _number(0),
    "currency": _text,
    "confirm_above": _number(0),
    "handle_timeout": _number(0, above=True),
    "query_timeout": _number(0, above=True),
    "poll_for": _number(0),
    "lease": _number(1),
    "drain": _number(0),
    "max_digits": _number(9, 13, whole=True),
    "code_outcomes": _code_outcomes,
    "proxy": _proxy,
    "progress": _one_of("auto", True, False),
}


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options; None stays and means: as if nobody had said."""
    for name in options:
        if name not in _CHECKS:
            near = near_misses(name, _CHECKS)
            hint = f"Did you mean {near[0]}?" if near else f"The settings are: {', '.join(_CHECKS)}."
            raise ConfigurationError(f"There is no setting {name!r}. {hint}")
    done = {name: None if value is None else _CHECKS[name](name, value) for name, value in options.items()}
    if done.get("environment") == "simulator" and done.get("base_url"):
        # Keys named together with a simulator are that simulator's; they never mix with the real ones.
        for name in ("app_key", "secret"):
            if name in done:
                done[f"simulator_{name}"] = done.pop(name)
    return done


# --- the layers -----------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_configured: dict[str, Any] = {}
_overridden: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("numberactive_override")
_warned: set[str] = set()


def configure(**options: Any) -> Settings:
    """Set options for this process and return the settings that now hold; without options, only return them.

    Options are the fields of `Settings`, with `app_key` and `secret` in place of `credentials`; None forgets one.

    Raises
    ------
    ConfigurationError
        An option is unknown or its value cannot be used.
    """
    global _configured
    checked = _checked(options)
    with _lock:
        before, _configured = _configured, {**_configured, **checked}
        try:
            return settings()
        except ConfigurationError:
            _configured = before
            raise


@contextmanager
def override(**options: Any) -> Iterator[Settings]:
    """Change options inside a `with` block only, for this thread or task; blocks nest.

    None lifts what `configure` or an outer block had set: `override(max_rate=None)` is without a rate limit.
    """
    token = _overridden.set({**_overridden.get({}), **_checked(options)})
    try:
        yield settings()
    finally:
        _overridden.reset(token)


def settings(**explicit: Any) -> Settings:
    """Return the settings that hold here, `explicit` ones first; None there means: not said.

    Secrets are masked however it is printed, and `Settings.source` says where each value was found.
    """
    said = _checked({name: value for name, value in explicit.items() if value is not None})
    values = {**_configured, **_overridden.get({}), **said}
    sources = {
        name: "explicit" if name in said else "override()" if name in _overridden.get({}) else "configure()"
        for name, value in values.items()
        if value is not None
    }
    for name, variable in VARIABLES.items():
        if values.get(name) is None and os.environ.get(variable, "").strip():
            values[name] = _from_variable(name, variable)
            sources[name] = f"environment variable {variable}"
    return _resolved({name: value for name, value in values.items() if value is not None}, sources)


def _from_variable(name: str, variable: str) -> Any:
    try:
        return _CHECKS[name](name, os.environ[variable].strip())
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable}: {error}") from None


def _resolved(values: dict[str, Any], sources: dict[str, str]) -> Settings:
    environment = values.get("environment")
    if environment == "simulator":
        _use_simulator(values, sources)
    else:
        _use_keyring(values, sources)
        if environment and "base_url" not in values:
            values["base_url"] = BASE_URLS[environment]
    app_key, secret = values.get("app_key"), values.get("secret")
    known = {f.name for f in fields(Settings)}
    for name in (*known - {"credentials", "source"}, "app_key", "secret"):
        sources.setdefault(name, "not found" if name in ("app_key", "secret") else "default")
    return Settings(
        **{name: value for name, value in values.items() if name in known},
        credentials=Credentials(app_key, secret) if app_key and secret else None,
        source={name: text for name, text in sorted(sources.items()) if not name.startswith("simulator_")},
    )


def _use_simulator(values: dict[str, Any], sources: dict[str, str]) -> None:
    """Keep everything real away from the simulator: keys always, and a base_url of somewhere else."""
    for name in ("app_key", "secret"):
        given = values.get(f"simulator_{name}")
        values[name] = given or SIMULATOR_KEY
        sources[name] = sources.get(f"simulator_{name}", "default") if given else "default"
    url = values.get("base_url")
    if url is None or _is_loopback(urlsplit(url).hostname):
        return
    order = ("explicit", "override()", "configure()")
    rank = {name: order.index(sources[name]) if sources[name] in order else 3 for name in ("environment", "base_url")}
    if rank["base_url"] <= rank["environment"]:
        raise ConfigurationError(
            'environment="simulator" talks to this machine only: leave base_url out, or use http://127.0.0.1:PORT.'
        )
    del values["base_url"], sources["base_url"]


def _use_keyring(values: dict[str, Any], sources: dict[str, str]) -> None:
    for name in ("app_key", "secret"):
        if name not in values:
            found, sources[name] = _from_keyring(name)
            if found:
                values[name] = found


def _from_keyring(name: str) -> tuple[str | None, str]:
    try:
        keyring = importlib.import_module("keyring")
    except Exception:
        return None, "not found"
    try:
        found = keyring.get_password(KEYRING_SERVICE, name)
        return (_key(name, found), "keyring") if found else (None, "not found (keyring asked)")
    except Exception as error:
        return None, f"not found (keyring: {type(error).__name__})"


def save_to_keyring(app_key: str, secret: str) -> None:
    """Keep both in the system's keyring; raises MissingExtraError without the extra `keyring`."""
    checked = {"app_key": _key("app_key", app_key), "secret": _key("secret", secret)}
    try:
        keyring = importlib.import_module("keyring")
    except ImportError as error:
        raise missing_extra("keyring", "keyring") from error
    try:
        for name, value in checked.items():
            keyring.set_password(KEYRING_SERVICE, name, value)
    except Exception as error:
        raise ConfigurationError(
            f"The system's keyring did not take the keys ({type(error).__name__}); set "
            f"{VARIABLES['app_key']} and {VARIABLES['secret']} instead."
        ) from None


@contextmanager
def simulator_only(**options: Any) -> Iterator[Settings]:
    """The simulator in this process whatever else is configured: for the demo."""
    hidden = {name: os.environ.pop(variable) for name, variable in VARIABLES.items() if variable in os.environ}
    token = _overridden.set({})
    before = dict(_configured)
    try:
        _configured.clear()
        with override(environment="simulator", **options) as given:
            yield given
    finally:
        _configured.update(before)
        _overridden.reset(token)
        os.environ.update({VARIABLES[name]: value for name, value in hidden.items()})


def _reset() -> None:
    """Forget configure() and the warnings given; for tests."""
    global _configured
    with _lock:
        _configured = {}
        _warned.clear()
    _overridden.set({})


# --- what a run asks of its settings --------------------------------------------------------------------------------


def require(given: Settings) -> Settings:
    """Return the settings if a run can start with them.

    Raises
    ------
    ConfigurationError
        No environment or no credentials; the message names the variables and the simulator. Nothing was sent.
    """
    trial = 'To try without keys: configure(environment="simulator").'
    if given.environment is None:
        if given.credentials is None:
            names = f"{VARIABLES['app_key']}, {VARIABLES['secret']} and {VARIABLES['environment']}"
            raise ConfigurationError(f"No credentials and no environment: set {names}, or use configure(). {trial}")
        raise ConfigurationError(
            'Which environment? Set NUMBERACTIVE_ENVIRONMENT or configure(environment=...) to "production" '
            '(charged) or "sandbox"; neither is assumed.'
        )
    if given.credentials is None:
        missing = [VARIABLES[name] for name in ("app_key", "secret") if given.source.get(name, "not").startswith("not")]
        names = " and ".join(missing or [VARIABLES["app_key"], VARIABLES["secret"]])
        raise ConfigurationError(f"No credentials for {given.environment}: set {names}, or use configure(). {trial}")
    store_location(given)
    return given


def warn_plain_http(given: Settings) -> None:
    """Warn, once in a process, that production is spoken to unencrypted; call it when a run starts."""
    url = given.base_url or ""
    if given.environment != "production" or not url.startswith("http://") or _is_loopback(urlsplit(url).hostname):
        return
    with _lock:
        if url in _warned:
            return
        _warned.add(url)
    warnings.warn(
        f"Phone numbers go to {given.host} over plain http, as the vendor documents it: anyone on the way can read "
        "them. Ask the vendor for https, or set base_url to a tunnel.",
        PlainHttpWarning,
        stacklevel=3,
    )


def store_location(given: Settings) -> str:
    """Return where answers are kept: a path, ":memory:", or a postgresql:// URL.

    Without `store`, a file in the user's data folder; one of its own for the simulator, and for production behind
    another base_url than the vendor's, so that a mock's answers never serve a real decision.
    """
    if given.store == ":memory:":
        if given.environment not in ("simulator", "sandbox"):
            raise ConfigurationError('store=":memory:" forgets what was paid; it is for simulator and sandbox only.')
        return given.store
    if given.store:
        return given.store if "://" in given.store else str(Path(given.store).expanduser().absolute())
    return str(Path(platformdirs.user_data_dir("pandas-numberactive", appauthor=False)) / _store_name(given))


def _store_name(given: Settings) -> str:
    if given.simulated:
        return "simulator.sqlite3"
    vendor = BASE_URLS["production"].split("://", 1)[1]  # the vendor over https is the vendor
    if given.environment != "production" or given.host in (None, vendor):
        return "lookups.sqlite3"
    url = given.base_url or ""
    slug = re.sub(r"[^a-z0-9]+", "-", (urlsplit(url).hostname or "").lower()).strip("-")
    return f"lookups-{slug}-{hashlib.sha256(url.encode()).hexdigest()[:8]}.sqlite3"
