"""Hold the README and the public texts to plain words."""

from __future__ import annotations

import importlib
import inspect
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
    r"\b(barred|unheard|sealed|kept aside|handed over|the wire|told from chance)\b", re.I
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


def public_texts() -> dict[str, str]:
    """Return every text that help(), the README and the site show."""
    texts = {page.name: page.read_text() for page in (ROOT / "README.md", *DOCS)}
    for name in pna.__all__:
        value = getattr(pna, name)
        texts[name] = inspect.getdoc(value) or ""
        if inspect.isclass(value):
            for member, inner in vars(value).items():
                if not member.startswith("_"):
                    texts[f"{name}.{member}"] = inspect.getdoc(inner) or ""
    for room in ("risk", "simulator", "errors"):
        module = importlib.import_module(f"pandas_numberactive.{room}")
        for name in module.__all__:
            texts[f"{room}.{name}"] = inspect.getdoc(getattr(module, name)) or ""
    return texts


def test_no_public_text_uses_words_of_this_house() -> None:
    """A word that only its author understands hides a fact about money."""
    found = {name: HOUSE_WORDS.findall(text) for name, text in public_texts().items()}
    assert {name: words for name, words in found.items() if words} == {}
