"""Look at a built site in Chromium, in both themes: .ci/site.py SITE.

Each page must pass axe, fit its window, and the search must find a page.
"""

from __future__ import annotations

import functools
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

PAGES = (
    "index.html",
    "tutorial/02_enrich_a_book.html",
    "howto/team-store.html",
    "reference/generated/pandas_numberactive.enrich.html",
    "reference/settings.html",
    "explanation/money-rules.html",
    "explanation/speed.html",
)
PANDAS = {"empty-table-header"}  # of the frames that pandas writes
CHROMIUM = next(
    path for path in ("/usr/bin/chromium", "/usr/bin/google-chrome") if Path(path).exists()
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server without a log."""

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


def served(folder: str) -> str:
    """Serve a folder on the loopback and return its address."""
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def problems_of(page: Any, name: str) -> Iterator[str]:
    """Yield what is wrong with the page that is open."""
    page.wait_for_timeout(300)  # the scripts of the theme
    for found in Axe().run(page).response["violations"]:
        if found["id"] not in PANDAS:
            yield f"{name}: {found['id']}: {found['nodes'][0]['target']}"
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield f"{name}: wider than its window"


def problems(browser: Any, site: str) -> Iterator[str]:
    """Yield what is wrong with the pages and the search, in both themes and two widths."""
    for theme, width in (("light", 1400), ("dark", 700)):
        window = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 1000})
        page = window.new_page()
        for name in PAGES:
            page.goto(site + name)
            yield from problems_of(page, f"{name} ({theme}, {width} px)")
        page.goto(f"{site}search.html?q=uncertain")
        try:
            page.wait_for_selector("ul.search li", timeout=20_000)
        except Exception:
            yield "The search finds nothing."
        window.close()


def main() -> int:
    """Print the problems. Returns 1 if there are any."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = list(problems(browser, served(sys.argv[1])))
        browser.close()
    print("\n".join(found) or f"{len(PAGES)} pages look right.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
