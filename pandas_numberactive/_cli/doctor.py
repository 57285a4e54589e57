"""Tell what is configured and what might go wrong: doctor() and show_versions()."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pandas_numberactive._config.checks import BASE_URLS
from pandas_numberactive._config.readiness import require, store_location
from pandas_numberactive._config.settings import Settings, settings, unknown_variables
from pandas_numberactive._display.html import html_table, text_table
from pandas_numberactive._store.engines.files import NETWORK, file_system
from pandas_numberactive._store.engines.sqlite import new_mode
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import ConfigurationError, StoreError

_PACKAGES = (
    "pandas-numberactive pandas numpy pyarrow aiohttp platformdirs tqdm ipywidgets ipykernel "
    "jupyterlab matplotlib "
    "keyring psycopg dask openpyxl nest-asyncio nest-asyncio2"
).split()


@dataclass(frozen=True, slots=True, repr=False)
class Diagnosis:
    """Pairs of label and text.

    `warnings` lists problems to mend, `ready` is true if a run could start.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    ready: bool = True

    def __repr__(self) -> str:
        """Return the verdict, what should be mended, and the details."""
        head = "\n".join([self.title, *(f"  ! {text}" for text in self.warnings)])
        return text_table(head, list(self.lines))

    def _repr_html_(self) -> str:
        return html_table(self.title, list(self.lines), warnings=self.warnings)


def doctor() -> Diagnosis:
    """Return the settings in use and the problems that would stop a run.

    It shows the environment, where each key was found (never its value), the store and the
    versions. It sends and charges nothing.

    Returns
    -------
    Diagnosis
        `ready` is True if a run could start, `warnings` lists what to mend.

    Raises
    ------
    ConfigurationError
        A setting cannot be read.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:"):
    ...     pna.doctor().ready
    True
    """
    given = settings()
    lines = [
        ("environment", f"{given.environment or 'none'} ({given.source['environment']})"),
        ("app key", given.source["app_key"]),
        ("secret", given.source["secret"]),
        ("base URL", given.base_url or ("started in the process" if given.simulated else "none")),
        (
            "unit price",
            "not set: costs are unknown"
            if given.unit_price is None
            else f"{given.unit_price:,.2f}",
        ),
    ]
    stops = _stops(given)
    warned = [*_plain_http(given), *unknown_variables()]
    lines += _store_lines(given, stops, warned)
    lines += [
        ("nest-asyncio", _nested()),
        ("Python", platform.python_version()),
        ("pandas", _version("pandas")),
    ]
    ready = not stops
    verdict = f"Ready: a run can start in {given.environment}" if ready else "Not ready"
    return Diagnosis(f"{verdict} (doctor)", tuple(lines), (*stops, *warned), ready)


def _stops(given: Settings) -> list[str]:
    """Return what would keep a run from starting."""
    try:
        require(given)
    except ConfigurationError as error:
        return [str(error)]
    return []


def _plain_http(given: Settings) -> list[str]:
    if given.environment == "production" and (given.base_url or "").startswith("http://"):
        what = (
            "as the vendor documents it"
            if given.base_url == BASE_URLS["production"]
            else "by your base_url"
        )
        return [
            f"Plain http ({what}): numbers can be read on the way; use https or a proxy= if "
            "you can."
        ]
    return []


def _store_lines(
    given: Settings,
    stops: list[str],
    warned: list[str],
) -> list[tuple[str, str]]:
    try:
        location = store_location(given)
    except ConfigurationError as error:
        stops += [str(error)] if str(error) not in stops else []
        return []
    made = True
    try:
        made = LookupStore.check_use(location)
    except (ConfigurationError, StoreError) as error:
        stops.append(str(error))
    if "://" in location:
        note = "" if made else " (no tables of this version yet: the first run makes them)"
        return [("store", f"{given.shown()['store']}{note}")]
    if location == ":memory:":
        return [("store", location), ("SQLite", sqlite3.sqlite_version)]
    path = Path(location)
    sqlite = f"{sqlite3.sqlite_version}, new stores in {new_mode(path)} mode"
    return [("store", _file_line(path, stops, warned)), ("SQLite", sqlite)]


def _file_line(path: Path, stops: list[str], warned: list[str]) -> str:
    """Describe a store that is a file, and note what is wrong with its place."""
    size = f"{path.stat().st_size / 1e6:,.1f} MB" if path.exists() else "not made yet"
    system = file_system(path)
    if system in NETWORK:
        warned.append(
            f"The store is on a network file system ({system}), where file locks may fail: use a "
            "local disk."
        )
    folder = next(parent for parent in path.parents if parent.exists())
    if not path.exists() and not os.access(folder, os.W_OK):
        stops.append("The store cannot be written: name another place with store=.")
    return f"{path} ({', '.join(part for part in (size, system) if part)})"


def _nested() -> str:
    applied = [name for name in ("nest_asyncio", "nest_asyncio2") if name in sys.modules]
    return f"{', '.join(applied)} imported: works, and is not needed" if applied else "not applied"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def show_versions() -> None:
    """Print the versions of Python, the system and the packages, for a report of a fault.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> pna.show_versions()  # doctest: +ELLIPSIS
    versions
    ...
    """
    rows = [
        ("Python", platform.python_version()),
        ("system", platform.platform()),
        ("SQLite", sqlite3.sqlite_version),
    ]
    print(text_table("versions", rows + [(name, _version(name)) for name in _PACKAGES]))
