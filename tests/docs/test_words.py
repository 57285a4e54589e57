"""Hold the README and the public texts to plain words."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest

import pandas_numberactive as pna

ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parents[2]))
README = (ROOT / "README.md").read_text()
DOCS = sorted((ROOT / ".github" / "docs").rglob("*.md"))
# Words of this house that nobody else uses: each has a standard term.
HOUSE_WORDS = re.compile(
    r"\b(barred|unheard|sealed|kept aside|keeps? aside|handed over|hands over|the wire|told from chance)\b",
    re.I,
)


def prose(text: str) -> str:
    """Return a page without its code and its pictures."""
    text = re.sub(r"```.*?```", " ", text, flags=re.S)
    text = re.sub(r"`[^`]*`", " x ", text)
    return re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)


def test_the_readme_is_short() -> None:
    """At most 900 words outside code."""
    assert len(re.findall(r"[\w'-]+", prose(README))) <= 900


def test_the_status_is_on_the_first_screen() -> None:
    """A reader learns early that the live vendor has not been tried."""
    assert "not yet" in "\n".join(README.splitlines()[:60])


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: page.name)
def test_each_relative_link_resolves(page: Path) -> None:
    """A link to a file of this repository leads to it."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http", "mailto:")):
            assert (page.parent / target).exists(), target


def strings_of(path: Path) -> str:
    """Return every string of a Python file: docstrings, messages, and the help of commands."""
    tree = ast.parse(path.read_text())
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(text for text in found if isinstance(text, str))


def cells_of(path: Path) -> str:
    """Return the sources of a notebook's cells, and the text that they print."""
    cells = json.loads(path.read_text())["cells"]
    printed = [out.get("text", []) for cell in cells for out in cell.get("outputs", [])]
    return "\n".join("".join(part) for part in [*(cell["source"] for cell in cells), *printed])


def public_texts() -> dict[str, str]:
    """Return every text that a user reads: pages, notebooks, help, messages and commands."""
    pages = {page.name: page.read_text() for page in (ROOT / "README.md", *DOCS)}
    notebooks = {page.name: cells_of(page) for page in (ROOT / "notebooks").glob("*.ipynb")}
    package = Path(pna.__file__).parent
    code = {str(file.relative_to(package)): strings_of(file) for file in package.rglob("*.py")}
    return pages | notebooks | code


def test_each_kind_of_text_is_read() -> None:
    """A search that found nothing would prove nothing."""
    texts = public_texts()
    assert len(texts) > 150
    assert "Nothing was sent" in texts["_cli/single.py"]
    assert "Return" in texts["_pandas/api.py"]
    assert "numberactive" in texts["01_quickstart.ipynb"]


def test_no_public_text_uses_words_of_this_house() -> None:
    """A word that only its author understands hides a fact about money."""
    found = {name: HOUSE_WORDS.findall(text) for name, text in public_texts().items()}
    assert {name: words for name, words in found.items() if words} == {}
