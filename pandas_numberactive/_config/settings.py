"""Settings: explicit > override() > configure() > environment variables > keyring > default.

The only module that reads environment variables; `_config.keyring` reads the keyring. Nothing here
sends anything or costs money.
"""

from __future__ import annotations

import contextvars
import getpass
import inspect
import os
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypedDict, Unpack
from urllib.parse import urlsplit

from pandas_numberactive import _bridge
from pandas_numberactive._bridge import keep_over_forks
from pandas_numberactive._config.checks import (
    BASE_URLS,
    CHECKS,
    NUMBERS,
    SETTINGS,
    CodeOutcomes,
    checked,
    refuse_mixed,
)
from pandas_numberactive._config.checks import VARIABLES as VARIABLES
from pandas_numberactive._config.credentials import Credentials as Credentials
from pandas_numberactive._config.credentials import is_loopback, masked_key, masked_url
from pandas_numberactive._config.keyring import from_keyring
from pandas_numberactive._config.used_stores import forget_used, mean_this_one
from pandas_numberactive._display.html import html_table
from pandas_numberactive._display.public import public
from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive.errors import BridgeError, ConfigurationError, near_misses

_bridge.error_class = BridgeError  # whoever calls over the bridge has read the settings

SIMULATOR_KEY = "simulator"
COMMAND_VARIABLES = ("NUMBERACTIVE_PHONE",)  # read by the command line alone


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """All settings of a run, resolved.

    Key, passwords and secret are masked wherever they are printed. Times are in seconds, `max_rate`
    in calls per second, `unit_price` in `currency` per charged answer, `confirm_above` in numbers
    to buy. `configure` explains each setting.

    Attributes
    ----------
    source : Mapping
        The place where each value was found, by the setting's name.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.override(unit_price=500) as given:
    ...     given.unit_price, given.source["unit_price"]
    (500, 'override()')
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
    timezone: str = "Asia/Jakarta"
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
        """Return host, port and path of `base_url`: a requestId is valid there, over any scheme."""
        return self.base_url.partition("://")[2] if self.base_url else None

    @property
    def simulated(self) -> bool:
        """Return True if answers are made up."""
        return self.environment == "simulator"

    def codes(self, step: str) -> CodeOutcomes:
        """Return the outcomes that `code_outcomes` gives to the vendor's codes at one step.

        Parameters
        ----------
        step
            "handle" or "query".

        Returns
        -------
        Mapping
            The outcome by code, empty if the setting has none.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.override(code_outcomes={11008: "no_data"}) as given:
        ...     given.codes("query")
        {11008: 'no_data'}
        """
        return self.code_outcomes.get(step, {})

    def missing_keys(self) -> list[str]:
        """Return those of `app_key` and `secret` that were not found.

        Returns
        -------
        list of str
            Their names, none if both were found.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.override(app_key="made-up", secret="made-up") as given:
        ...     given.missing_keys()
        []
        """
        names = ("app_key", "secret")
        return [name for name in names if self.source.get(name, "not").startswith("not")]

    def shown(self) -> dict[str, str]:
        """Return every setting as text that may be printed.

        Returns
        -------
        dict of str to str
            The text by the setting's name. Key, passwords and secret are masked.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.override(app_key="made-up", secret="made-up", environment="sandbox") as given:
        ...     given.shown()["secret"]
        '***'
        """
        rows = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("source", "credentials")
        }
        rows["store"] = masked_url(self.store)
        rows["proxy"] = masked_url(self.proxy)
        if self.credentials:
            rows |= {"app_key": masked_key(self.credentials.app_key), "secret": "***"}
        else:  # one without the other is named, for both are needed
            missing = self.missing_keys()
            words = dict.fromkeys(("app_key", "secret"), "***") | dict.fromkeys(missing, "missing")
            rows |= words if len(missing) == 1 else dict.fromkeys(words)
        return {
            name: str(value) if isinstance(value, (str, int)) else repr(value)
            for name, value in rows.items()
        }

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={text}' for name, text in self.shown().items())})"

    def _repr_html_(self) -> str:
        lines = [
            (name, f"{text}  ({self.source.get(name, 'default')})")
            for name, text in self.shown().items()
        ]
        return html_table(f"Settings ({self.environment})", lines)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class RunSettings(Settings):
    """Settings that suffice for a run, as `readiness.require` returns them.

    `store` is where the answers are. `base_url` is empty for a simulator that is not started yet.
    """

    environment: str
    base_url: str
    credentials: Credentials
    store: str

    @property
    def host(self) -> str:
        """Return host, port and path of `base_url`: a requestId is valid there, over any scheme."""
        return self.base_url.partition("://")[2]


class SettingOptions(TypedDict, total=False):
    """The options of `configure` and `override`, for type checkers. None forgets a setting."""

    environment: Literal["production", "sandbox", "simulator", "formal"] | None
    base_url: str | None
    app_key: str | None
    secret: str | None
    store: str | os.PathLike[str] | None
    encoding: Literal["json", "form"] | None
    max_concurrency: int | None
    max_rate: float | None
    unit_price: float | None
    currency: str | None
    timezone: str | None
    confirm_above: float | None
    handle_timeout: float | None
    query_timeout: float | None
    poll_for: float | None
    lease: float | None
    drain: float | None
    max_digits: int | None
    code_outcomes: Mapping[int, str] | Mapping[str, str] | Mapping[str, CodeOutcomes] | None
    proxy: str | None
    progress: bool | Literal["auto"] | None


def _options(**options: Unpack[SettingOptions]) -> None:
    """Stand for the options of `configure` wherever their names and defaults are shown."""


_options.__dict__["__signature__"] = inspect.Signature(
    [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=SettingOptions.__annotations__[name].__forward_arg__.removesuffix(" | None"),
            default=getattr(Settings(), name, None),
        )
        for name in CHECKS
    ]
)


# --- the layers

_lock = keep_over_forks(threading.Lock())
_configured: dict[str, Any] = {}
_overridden: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar(
    "numberactive_override"
)


@public(options=_options)
def configure(**options: Unpack[SettingOptions]) -> Settings:
    """Set options for this process and return the settings that now hold.

    None forgets an option. An option that is set neither here nor in `override` comes from its
    environment variable: `NUMBERACTIVE_` and its name in capitals (`code_outcomes` has none).
    app_key and secret then come from the system's keyring, and the rest from the defaults. `doctor`
    names variables that look like ours and that nothing reads.

    Parameters
    ----------
    SETTINGS

    Returns
    -------
    Settings
        The settings that now hold; secrets are masked wherever they are shown.

    Raises
    ------
    ConfigurationError
        An option is unknown, its value cannot be used, or two contradict each other.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> pna.configure(environment="simulator", unit_price=500).unit_price
    500
    """
    global _configured
    said = checked(options)
    with _lock:
        before = _configured
        _configured = {**_configured, **said}
        try:
            now = settings()
        except ConfigurationError:
            _configured = before
            raise
    if said.get("store") is not None:
        mean_this_one(said["store"])
    return now


def _described(name: str) -> str:
    """Return the default of a setting as text."""
    default = getattr(Settings(), name, None)
    return "none" if default is None or default == {} else repr(default)


def settings_list() -> str:
    """Return all settings as the parameters of a docstring without an indent."""
    indent = " " * 4
    entries = [
        f"{one.name} : default {_described(one.name)}\n"
        + textwrap.fill(one.meaning, 92, initial_indent=indent, subsequent_indent=indent)
        for one in SETTINGS
    ]
    return "\n".join(entries)


def settings_table() -> str:
    """Return all settings as a Markdown table: .github/SETTINGS.md."""
    head = "| Setting | Environment variable | Default | Meaning |\n|---|---|---|---|\n"
    rows = [
        f"| `{one.name}` | {f'`{one.variable}`' if one.scalar else '(none)'} "
        f"| `{_described(one.name)}` | {one.meaning} |\n"
        for one in SETTINGS
    ]
    return head + "".join(rows)


# Dedented first: since Python 3.13 the compiler has done so already.
configure.__doc__ = inspect.cleandoc(configure.__doc__ or "").replace("SETTINGS", settings_list())


@public(options=_options)
def override(**options: Unpack[SettingOptions]) -> AbstractContextManager[Settings]:
    """Change settings inside a `with` block only, for this thread or task. Blocks nest.

    None lifts what `configure` or an outer block had set: `override(max_rate=None)` is without a
    rate limit.

    Parameters
    ----------
    **options
        As in `configure`.

    Returns
    -------
    contextlib.AbstractContextManager
        Its `with` block is given the settings that hold inside. It decorates a function, too.

    Raises
    ------
    ConfigurationError
        An option is unknown, its value cannot be used, or two contradict each other.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", unit_price=500) as given:
    ...     given.environment
    'simulator'
    """
    said = checked(options)

    @without_frames
    def begin() -> tuple[contextvars.Token[dict[str, Any]], Settings]:
        token = _overridden.set({**_overridden.get({}), **said})
        try:
            return token, settings()
        except BaseException:
            _overridden.reset(token)
            raise

    return _overriding(begin)


@contextmanager
def _overriding(
    begin: Callable[[], tuple[contextvars.Token[dict[str, Any]], Settings]],
) -> Iterator[Settings]:
    """Change settings until the block ends. No local variable here holds a password."""
    token, now = begin()
    try:
        yield now
    finally:
        _overridden.reset(token)


@public(options=_options)
def settings(**explicit: Unpack[SettingOptions]) -> Settings:
    """Return the settings that hold here.

    Secrets are masked wherever they are printed. `Settings.source` gives the place of each value.

    Parameters
    ----------
    **explicit
        Options as in `configure` that go before all others. None means "not set".

    Returns
    -------
    Settings
        The settings, resolved.

    Raises
    ------
    ConfigurationError
        A setting is unknown, its value cannot be used, or two contradict each other.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> pna.settings(environment="simulator").source["environment"]
    'explicit'
    """
    said = checked({name: value for name, value in explicit.items() if value is not None})
    layers = {
        "configure()": _configured,
        "override()": _overridden.get({}),
        "explicit": said,
    }
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer, options in layers.items():
        values |= options
        sources |= dict.fromkeys(options, layer)
    _add_variables(values, sources)
    found = {name: value for name, value in values.items() if value is not None}
    return _resolved(found, {name: text for name, text in sources.items() if name in found})


def _add_variables(values: dict[str, Any], sources: dict[str, str]) -> None:
    for name, variable in VARIABLES.items():
        if values.get(name) is None and os.environ.get(variable, "").strip():
            values[name] = _from_variable(name, variable)
            sources[name] = f"environment variable {variable}"


def _from_variable(name: str, variable: str) -> Any:
    text = os.environ[variable].strip()
    try:
        return CHECKS[name](name, _number(text) if name in NUMBERS else text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable}: {error}") from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def from_variable(name: str) -> str:
    """Return the text of any environment variable, empty where there is none."""
    return os.environ.get(name, "").strip()


def user() -> str:
    """Return the name of the user who buys: JupyterHub's, else the system's, else empty."""
    hub = from_variable("JUPYTERHUB_USER")
    if hub:
        return hub
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return ""


def unknown_variables() -> list[str]:
    """Return what to tell of environment variables that look like ours and are read by nothing."""
    ours = "NUMBERACTIVE_"
    known = [variable.removeprefix(ours) for variable in VARIABLES.values()]
    told = []
    for name in sorted(os.environ):
        if name.upper().startswith(ours) and name not in (*VARIABLES.values(), *COMMAND_VARIABLES):
            near = near_misses(name[len(ours) :], known)
            hint = f"Did you mean {ours}{near[0]}?" if near else "There is no such variable."
            told.append(f"{name} is not read. {hint}")
    return told


def _resolved(values: dict[str, Any], sources: dict[str, str]) -> Settings:
    environment = values.get("environment")
    if environment == "simulator":
        _use_simulator(values, sources)
    else:
        _use_keyring(values, sources)
        if environment and "base_url" not in values:
            values["base_url"] = BASE_URLS[environment]
        refuse_mixed(environment, values.get("base_url"))
    known = {f.name for f in fields(Settings)} - {"credentials", "source"}
    unset = dict.fromkeys(known, "default") | dict.fromkeys(("app_key", "secret"), "not found")
    every = unset | sources
    return Settings(
        **{name: value for name, value in values.items() if name in known},
        credentials=_credentials(values.get("app_key"), values.get("secret")),
        source={name: every[name] for name in sorted(every) if not name.startswith("simulator_")},
    )


def _credentials(app_key: str | None, secret: str | None) -> Credentials | None:
    return Credentials(app_key, secret) if app_key and secret else None


def _use_simulator(values: dict[str, Any], sources: dict[str, str]) -> None:
    """Keep real keys, and a base_url of another machine, away from the simulator."""
    for name in ("app_key", "secret"):
        given = values.get(f"simulator_{name}")
        values[name] = given or SIMULATOR_KEY
        sources[name] = sources.get(f"simulator_{name}", "default") if given else "default"
    url = values.get("base_url")
    if url is None or is_loopback(urlsplit(url).hostname):
        return
    order = ("explicit", "override()", "configure()")
    rank = {
        name: order.index(sources[name]) if sources[name] in order else 3
        for name in ("environment", "base_url")
    }
    if rank["base_url"] <= rank["environment"]:
        raise ConfigurationError(
            'environment="simulator" talks to this machine only: leave base_url out, or use '
            "http://127.0.0.1:PORT."
        )
    del values["base_url"], sources["base_url"]


def _use_keyring(values: dict[str, Any], sources: dict[str, str]) -> None:
    for name in ("app_key", "secret"):
        if name not in values:
            found, sources[name] = from_keyring(name)
            if found:
                values[name] = found


@contextmanager
def simulator_only(**options: Unpack[SettingOptions]) -> Iterator[Settings]:
    """Use the simulator in this process, whatever else is configured: for the demo."""
    options["environment"] = "simulator"
    hidden = {
        name: os.environ.pop(variable)
        for name, variable in VARIABLES.items()
        if variable in os.environ
    }
    token = _overridden.set({})
    before = dict(_configured)
    try:
        _configured.clear()
        with override(**options) as given:
            yield given
    finally:
        _configured.update(before)
        _overridden.reset(token)
        os.environ.update({VARIABLES[name]: value for name, value in hidden.items()})


def _reset() -> None:
    """Forget configure() and the warnings given. For tests."""
    global _configured
    with _lock:
        _configured = {}
    forget_used()
    _overridden.set({})
