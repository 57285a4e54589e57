"""Test the metadata, the extras and the console script in pyproject.toml."""

from __future__ import annotations

import os
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parent.parent))
FOR_USERS = {"notebook", "lab", "plot", "keyring", "postgres", "dask", "excel", "all"}


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    """Return the parsed pyproject.toml of the source tree."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_command_numberactive_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The console script prints its help and ends with exit code 0."""
    (command,) = entry_points(group="console_scripts", name="numberactive")
    with pytest.raises(SystemExit) as ended:
        command.load()(["--help"])
    assert ended.value.code == 0
    assert "enrich" in capsys.readouterr().out


def test_every_extra_that_an_error_names_exists(pyproject: dict[str, Any]) -> None:
    """Each pip install line in the code names an extra of pyproject.toml."""
    named: set[str] = set()
    for folder in ("pandas_numberactive", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r"pandas-numberactive\[([a-z]+)\]", path.read_text()))
    assert named - set(pyproject["project"]["optional-dependencies"]) == set()
    assert "postgres" in named


def test_extras_are_for_users_and_test(pyproject: dict[str, Any]) -> None:
    """Development tools are dependency groups, `test` excepted for pip below 25.1."""
    assert set(pyproject["project"]["optional-dependencies"]) == FOR_USERS | {"test"}
    assert set(pyproject["dependency-groups"]) == {
        "test",
        "core",
        "bench",
        "oracles",
        "package",
        "docs",
    }


def test_the_notebook_extra_brings_no_jupyterlab(pyproject: dict[str, Any]) -> None:
    """It brings widgets and plots to the Jupyter that a user has already."""
    extras = pyproject["project"]["optional-dependencies"]
    wanted = " ".join([*extras["notebook"], *extras["plot"]])
    assert "ipywidgets" in wanted
    assert "matplotlib" in wanted
    assert "jupyter" not in wanted.replace("pandas-numberactive", "")


def test_every_dependency_of_users_has_a_floor(pyproject: dict[str, Any]) -> None:
    """Each line states the lowest version, as CI tests on exactly these."""
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for name in FOR_USERS for line in extras[name])]
    others = [line for line in lines if not line.startswith("pandas-numberactive[")]
    assert [line for line in others if not re.search(r">=\d", line)] == []


def test_pictures_of_the_readme_are_in_the_sdist(pyproject: dict[str, Any]) -> None:
    """Every picture that the README shows matches a pattern of the sdist."""
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    patterns = pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    kept = {path for pattern in patterns for path in ROOT.glob(pattern.lstrip("/"))}
    assert {ROOT / picture for picture in pictures} <= kept
    assert ROOT / ".github/CHANGELOG.md" in kept
