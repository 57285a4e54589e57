"""Fail for each function over complexity 10, as radon counts, that EXCEPTIONS does not list."""

from __future__ import annotations

import sys
from pathlib import Path

from radon.complexity import cc_visit

PACKAGE = Path(__file__).parent.parent / "pandas_numberactive"
MOST = 10
EXCEPTIONS: dict[str, str] = {}  # "folder/file.py:function": the reason

over = {}
for path in sorted(PACKAGE.rglob("*.py")):
    for block in cc_visit(path.read_text()):
        name = f"{path.relative_to(PACKAGE).as_posix()}:{block.name}"
        if block.complexity > MOST and block.letter != "C":
            over[name] = block.complexity

unlisted = sorted(set(over) - set(EXCEPTIONS))
outdated = sorted(set(EXCEPTIONS) - set(over))
for name in unlisted:
    print(f"{name} has complexity {over[name]}, over {MOST}: split it.")
for name in outdated:
    print(f"{name} is simple now: take it off the exceptions in .ci/complexity.py.")
sys.exit(bool(unlisted or outdated))
