"""Check that the settings suffice to start a run, and find the place of its store."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import fields, replace
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from pandas_numberactive._bridge import keep_over_forks
from pandas_numberactive._config.checks import BASE_URLS, VARIABLES
from pandas_numberactive._config.credentials import is_loopback
from pandas_numberactive._config.settings import RunSettings, Settings
from pandas_numberactive.errors import (
    ConfigurationError,
    OpenFilesWarning,
    PlainHttpWarning,
    warn_caller,
)

_lock = keep_over_forks(threading.Lock())
_warned: set[str] = set()


def require(given: Settings) -> RunSettings:
    """Return the settings of a run if it can start with them.

    Raises
    ------
    ConfigurationError
        No environment or no credentials; the message names the variables and the simulator. Nothing
        was sent.
    """
    trial = 'To try without keys: configure(environment="simulator").'
    if given.environment is None:
        if given.credentials is None:
            keys = ", ".join(
                VARIABLES[name] for name in given.missing_keys() or ["app_key", "secret"]
            )
            names = f"{keys} and {VARIABLES['environment']}"
            raise ConfigurationError(
                f"No credentials and no environment: set {names}, or use configure(). {trial}"
            )
        raise ConfigurationError(
            "Which environment? Set NUMBERACTIVE_ENVIRONMENT or configure(environment=...) to "
            '"production" '
            '(charged) or "sandbox"; neither is assumed.'
        )
    if given.credentials is None:
        names = " and ".join(
            VARIABLES[name] for name in given.missing_keys() or ["app_key", "secret"]
        )
        raise ConfigurationError(
            f"No credentials for {given.environment}: set {names}, or use configure(). {trial}"
        )
    complete = {
        "environment": given.environment,
        "base_url": given.base_url or "",
        "credentials": given.credentials,
        "store": store_location(given),
    }
    return RunSettings(**{f.name: getattr(given, f.name) for f in fields(given)} | complete)


def warn_plain_http(given: Settings) -> None:
    """Warn once in a process that numbers go to production unencrypted."""
    url = given.base_url or ""
    if (
        given.environment != "production"
        or not url.startswith("http://")
        or is_loopback(urlsplit(url).hostname)
    ):
        return
    with _lock:
        if url in _warned:
            return
        _warned.add(url)
    warn_caller(
        f"Phone numbers go to {given.host} over plain http, as the vendor documents it: anyone on "
        "the way can read them. Ask the vendor for https, or set base_url to a tunnel.",
        PlainHttpWarning,
    )


KEPT_FREE = 32  # open files for the store, its side files, and whatever else opens one meanwhile


def within_open_files(given: RunSettings) -> RunSettings:
    """Lower `max_concurrency` to the files that this process may still open, and warn once.

    Each call in flight is a connection, which counts as an open file. Without any left the store's
    own files cannot be opened, and the run would end at its first write.
    """
    room = _files_left()
    if room is None or given.max_concurrency <= room - KEPT_FREE:
        return given
    lowered = max(1, room - KEPT_FREE)
    with _lock:
        known = "open files" in _warned
        _warned.add("open files")
    if not known:
        warn_caller(
            f"max_concurrency={given.max_concurrency} is more than this process may have open "
            f"files for: {lowered} are in flight at once. Raise the limit before Python starts, "
            "for example with `ulimit -n 4096`, or set a lower max_concurrency. Nothing is lost.",
            OpenFilesWarning,
        )
    return replace(given, max_concurrency=lowered)


def _files_left() -> int | None:
    """Return how many more files this process may open, or None where there is no such limit."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return None
    try:
        opened = len(os.listdir("/dev/fd"))
    except OSError:
        opened = KEPT_FREE
    return most - opened


def store_location(given: Settings) -> str:
    """Return the place of the answers: a path, ":memory:", or a postgresql:// URL.

    Without `store` it is a file in the user's data folder. The simulator has one of its own, and so
    has production behind another base_url than the vendor's. So answers of a test server never
    serve a real decision.
    """
    if given.store == ":memory:":
        if given.environment not in ("simulator", "sandbox"):
            raise ConfigurationError(
                'store=":memory:" forgets what was paid; it is for simulator and sandbox only.'
            )
        return given.store
    if given.store:
        return (
            given.store if "://" in given.store else str(Path(given.store).expanduser().absolute())
        )
    return str(data_folder() / _store_name(given))


def data_folder() -> Path:
    """Return the folder of the default stores, the only folder that is made for a store."""
    return Path(platformdirs.user_data_dir("pandas-numberactive", appauthor=False))


def _store_name(given: Settings) -> str:
    if given.simulated:
        return "simulator.sqlite3"
    vendor = BASE_URLS["production"].split("://", 1)[1]  # the vendor over https is the vendor
    if given.environment != "production" or given.host in (None, vendor):
        return "lookups.sqlite3"
    url = given.base_url or ""
    slug = re.sub(r"[^a-z0-9]+", "-", (urlsplit(url).hostname or "").lower()).strip("-")
    return f"lookups-{slug}-{hashlib.sha256(url.encode()).hexdigest()[:8]}.sqlite3"
