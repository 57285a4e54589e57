"""Imports go downward only, each kind of work has one home, and the README's map names every module."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import pandas_numberactive

PACKAGE = Path(pandas_numberactive.__file__).parent
ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parent.parent))
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# A file may import its own layer and those below; errors and settings belong to every layer.
LAYERS = {"_core": 0, "_io": 1, "_pandas": 2, "_jupyter": 3}
FACES = {
    "__init__.py",
    "__main__.py",
    "api.py",
    "job.py",
    "diagnose.py",
    "simulator.py",
    "customers.py",
    "risk.py",
    "dask.py",
    "magic.py",
    "verify.py",
    "loanbook.py",
    "simulator_faults.py",
    "simulator_ledger.py",
    "single.py",
}
EVERYWHERE = {"errors", "settings", "settings_ready", "keyring_keys"}

ONLY_IN = {
    "sqlite3": (
        "_io/store_schema.py",
        "_io/store_journal.py",
        "diagnose.py",
    ),  # diagnose reads its version only
    "psycopg": ("_io/store_connection.py",),
    "socket": ("_io/store.py",),  # the host's name, for the worker table
    "aiohttp": ("_io/client.py", "_io/bodies.py", "simulator.py"),
    "keyring": ("keyring_keys.py",),
    "threading": (
        "_io/bridge.py",
        "_io/store_journal.py",
        "simulator.py",
        "simulator_faults.py",
        "simulator_ledger.py",
        "settings.py",
        "settings_ready.py",
        "api.py",
    ),
    "pandas": ("_pandas/", *FACES, "_jupyter/", "risk/"),
    "ipywidgets": ("_jupyter/",),
}


def layer(path: str) -> int:
    top = path.split("/")[0]
    if path in FACES or top == "risk":
        return 4
    if path.removesuffix(".py") in EVERYWHERE:
        return -1
    assert top in LAYERS, f"{path} has no layer: add it to this test, and to the README's map"
    return LAYERS[top]


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
def test_imports_go_downward_only(path):
    mine = layer(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "pandas_numberactive" or len(parts) < 2 or parts[1] in EVERYWHERE:
            continue
        target = "/".join(parts[1:])
        known = [
            m for m in MODULES if m.removesuffix(".py") == target or m == f"{target}/__init__.py"
        ]
        assert mine != -1 or all(layer(m) <= 0 for m in known), f"{path} imports {name}"
        if mine >= 0 and mine < 4:
            allowed = {"_pandas/accessor.py": 4}.get(
                path, mine
            )  # its functions reach up to the faces they delegate to
            allowed = 4 if path.startswith("_jupyter/") else allowed
            assert all(layer(m) <= allowed for m in known), f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES)
def test_each_kind_of_work_has_one_home(path):
    for name in imports(path):
        homes = ONLY_IN.get(name.split(".")[0])
        assert homes is None or any(
            path == home or (home.endswith("/") and path.startswith(home)) for home in homes
        ), f"{path} imports {name}"
    text = (PACKAGE / path).read_text()
    if path != "settings.py":
        assert "os.environ" not in text
        assert "getenv" not in text


@pytest.mark.parametrize("path", [m for m in MODULES if m.startswith("_core/")])
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


def test_the_readme_names_every_module():
    readme = (ROOT / "README.md").read_text()
    missing = [m for m in MODULES if not m.endswith("__init__.py") and Path(m).name not in readme]
    assert not missing


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
