"""Print a constraint for the lowest version of each dependency that pyproject.toml allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
EXTRAS = ("notebook", "plot", "keyring", "postgres", "dask", "excel")
FLOOR = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?>=(?P<version>[\w.]+)")

lines = list(PROJECT["dependencies"])
for extra in EXTRAS:
    lines += PROJECT["optional-dependencies"][extra]
for line in lines:
    floor = FLOOR.match(line)
    if floor:
        print(f"{floor['name']}=={floor['version']}")
