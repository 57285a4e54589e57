"""A real JupyterLab and a headless Chromium: open a notebook, run it, ask its kernel, and let nothing leave the host."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
HOW = "Chromium is missing: apt-get install -y --no-install-recommends chromium fonts-liberation"
ARGS = [
    *"--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(),
    *"--disable-component-update --disable-sync".split(),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # every other host is blocked, for sockets and workers too
]

# Complaints of JupyterLab itself, whose debugger looks for a kernel that has just gone.
JUPYTERLABS_OWN = ("debugger state",)
READY = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const widget = app.shell.currentWidget;
  await widget.context.ready;
  await widget.sessionContext.ready;
  await widget.sessionContext.session.kernel.info;
}"""
ASK = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({code, store_history: false});
  let text = '';
  future.onIOPub = message => {
    if (message.header.msg_type === 'stream') text += message.content.text;
    if (message.header.msg_type === 'error') text += 'ERROR ' + message.content.ename + ': ' + message.content.evalue;
  };
  await future.done;
  return text;
}"""

STANDS = """name => [...document.querySelectorAll('.jp-Notebook button')].some(
  button => button.offsetParent && button.textContent.trim().startsWith(name))"""
SAID = """text => [...document.querySelectorAll('.jp-Notebook [role=status]')].some(
  line => line.offsetParent && line.textContent.includes(text))"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """JupyterLab in a process group of its own, its settings in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.url = f"http://127.0.0.1:{free_port()}"
        names = "JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR JUPYTERLAB_SETTINGS_DIR JUPYTERLAB_WORKSPACES_DIR IPYTHONDIR"
        places = {name: str(folder / name.lower()) for name in names.split()}
        config = Path(places["JUPYTER_CONFIG_DIR"], "labconfig")
        config.mkdir(parents=True)
        announcements = {"@jupyterlab/apputils-extension:announcements": True}
        (config / "page_config.json").write_text(json.dumps({"disabledExtensions": announcements}))
        kept = Path(places["JUPYTERLAB_SETTINGS_DIR"], "@jupyter-widgets/jupyterlab-manager")
        kept.mkdir(parents=True)
        (kept / "plugin.jupyterlab-settings").write_text(
            '{"saveState": true}'
        )  # "Save Widget State Automatically"
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("NUMBERACTIVE_")
        }
        options = (
            "--no-browser --allow-root --ip=127.0.0.1 --ServerApp.port_retries=0 --IdentityProvider.token= "
            "--ServerApp.password= --ServerApp.disable_check_xsrf=True --expose-app-in-browser"
        ).split()
        where = [f"--port={urlsplit(self.url).port}", f"--ServerApp.root_dir={self.folder}"]
        self._log = open(folder / "lab.log", "w")  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *options, *where],
            env={**clean, **places},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/api/status", timeout=2):
                    return
            except OSError:
                assert time.monotonic() < deadline, "JupyterLab did not start"
                assert self._process.poll() is None, "JupyterLab ended"
                time.sleep(0.05)

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


class Notebook:
    """One open notebook: its page, its kernel, and what went wrong in the page."""

    def __init__(self, browser: Any, server: Server, name: str, cells: list[str]) -> None:
        self.server, self.path = server, server.folder / f"{name}.ipynb"
        book = nbformat.v4.new_notebook()
        book.metadata["kernelspec"] = {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }
        book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(book, self.path)
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.forgiven: tuple[str, ...] = JUPYTERLABS_OWN
        self._context = browser.new_context(viewport={"width": 1180, "height": 900})
        self._context.on("request", self._own_host_only)
        self.page = self._context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.set_default_timeout(20_000)
        self.page.goto(f"{server.url}/lab/tree/{self.path.name}?reset")
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext !== undefined"
        )
        self.page.evaluate(READY)

    def _own_host_only(self, request: Any) -> None:
        own = urlsplit(request.url).netloc == urlsplit(self.server.url).netloc
        if not own and not request.url.startswith(("data:", "blob:")):
            self.foreign.append(request.url)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self._complain(message.text)

    def _complain(self, text: str) -> None:
        if not any(known in text for known in self.forgiven):
            self.complaints.append(text)

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        self.page.evaluate(
            "([n, a]) => window.jupyterapp.commands.execute(n, a)", [name, arguments or {}]
        )

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def start_all(self) -> None:
        """Run all cells without waiting for their end."""
        self.page.evaluate(
            "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
        )

    def start_cell(self, code: str) -> None:
        """Run code without waiting for its end."""
        start = "code => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}); }"
        self.page.evaluate(start, code)

    def ask(self, code: str) -> str:
        """What a piece of code prints in the kernel."""
        return str(self.page.evaluate(ASK, code)).strip()

    def theme(self, dark: bool) -> None:
        self.command(
            "apputils:change-theme", {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}
        )
        self.page.wait_for_function(
            "(wanted) => document.body.dataset.jpThemeLight === wanted && !document.querySelector('#jupyterlab-splash')",
            arg="false" if dark else "true",
        )

    def save(self) -> str:
        """Save, the widgets' state included; the file's text."""
        self.command("docmanager:save")
        return self.path.read_text()

    def close(self) -> None:
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().catch(() => undefined)"
        )
        self._context.close()


def button(book: Notebook, name: str) -> Any:
    """A button in the notebook, by its name."""
    return book.page.locator(".jp-Notebook").get_by_role("button", name=name)


def click_at_once(book: Notebook, name: str) -> None:
    """Click a button in the frame in which it stands there, or in the next."""
    book.page.wait_for_function(STANDS, arg=name)
    button(book, name).click()


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect as expected

    return expected(locator)


def said(book: Notebook, text: str, timeout: float = 15_000) -> None:
    """Wait until a status line says so; looked at in every frame, where `expect` would look once a second."""
    book.page.wait_for_function(SAID, arg=text, timeout=timeout)
