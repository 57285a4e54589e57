"""Each kind of work has one home; import-linter holds the order of the rooms (pyproject.toml)."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import pandas_numberactive

PACKAGE = Path(pandas_numberactive.__file__).parent
ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parent.parent))
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

ONLY_IN = {
    "sqlite3": ("_store/engines/", "_cli/doctor.py"),  # doctor reads its version only
    "psycopg": ("_store/engines/connection.py",),
    # The host's name, for the worker table, the proxies, and a look for bytes that nobody asked for.
    "socket": ("_store/workers.py", "_vendor/client.py", "_vendor/lane.py"),
    "aiohttp": ("_vendor/client.py", "_vendor/lane.py", "_vendor/pool.py", "simulator/"),
    "keyring": ("_config/keyring.py",),
    "threading": (
        "_bridge.py",
        "_store/engines/journal.py",
        "simulator/",
        "_config/settings.py",
        "_config/readiness.py",
        "_pandas/api.py",
        "_jupyter/form.py",  # locks: the page's messages come on several threads
        "_jupyter/panel.py",
        "_pandas/job.py",
    ),
    "pandas": (
        "_phones/column.py",
        "_phones/doubts.py",
        "_pandas/",
        "_jupyter/",
        "_cli/",
        "risk/",
        "simulator/",
        "dask.py",
    ),
    "ipywidgets": ("_jupyter/", "_display/live.py"),  # a job's Stop button, when it is shown
}


def imports(path: str, *, eager: bool = False) -> list[str]:
    """Modules that a file imports; `eager`: at its top level and not for type checkers only."""
    tree = ast.parse((PACKAGE / path).read_text())
    nodes = ast.walk(tree)
    if eager:
        nodes = iter(tree.body)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


@pytest.mark.parametrize("path", MODULES)
def test_each_kind_of_work_has_one_home(path):
    for name in imports(path):
        homes = ONLY_IN.get(name.split(".")[0])
        assert homes is None or any(
            path == home or (home.endswith("/") and path.startswith(home)) for home in homes
        ), f"{path} imports {name}"
    text = (PACKAGE / path).read_text()
    if path not in ("_config/settings.py", "_display/live.py"):  # the last: is this Voila?
        assert "os.environ" not in text
        assert "getenv" not in text


@pytest.mark.parametrize(
    "path",
    [
        m
        for m in MODULES
        if m.startswith(
            ("_purchase/", "_vendor/protocol", "_vendor/verdicts", "_phones/parse", "_phones/mask")
        )
        # drive.py acts, and purchase.py packs whole columns.
        and m not in ("_purchase/drive.py", "_purchase/purchase.py")
    ],
)
def test_the_core_is_pure(path):
    assert not {name.split(".")[0] for name in imports(path)} & {
        "time",
        "os",
        "random",
        "asyncio",
        "pandas",
        "numpy",
        "pathlib",
        "io",
    }


def test_the_top_level_holds_nothing_else():
    allowed = {
        "pyproject.toml",
        "README.md",
        "pandas_numberactive",
        "notebooks",
        "tests",
        "LICENSE",
        "build",
    }
    assert {entry.name for entry in ROOT.iterdir() if not entry.name.startswith(".")} - {
        "pandas_numberactive.egg-info"
    } <= allowed
