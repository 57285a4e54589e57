"""Live results in a notebook: HTML that is replaced in place, and a Stop button."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from typing import Any

from pandas_numberactive._display.html import WRAPS, status

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
LATE_STOP = (
    "Stop takes effect when the running cell ends; interrupt the kernel to stop now. "
    "What is paid is kept."
)
_NOTHING = {"text/html": "", "text/plain": ""}


def _shell() -> Any:
    """Return the running IPython without importing it, or None."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def in_kernel() -> bool:
    """Return True where HTML can be shown: in a Jupyter kernel or in marimo."""
    return getattr(_shell(), "kernel", None) is not None or _marimo() is not None


def _marimo() -> Any:
    """Return the module of marimo inside a running marimo notebook, or None."""
    marimo = sys.modules.get("marimo")
    return marimo if marimo is not None and marimo.running_in_notebook() else None


def in_voila() -> bool:
    """Return True in a kernel of Voila, which shows no output that comes after the cells ran."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def _publish(data: dict[str, Any], display_id: str, *, update: bool) -> None:
    if marimo := _marimo():
        _show_in_marimo(marimo, data, update)
    elif _shell() is None:
        print(data["text/plain"])
    else:
        # Imported here because only a notebook shows anything, and IPython takes long to import.
        from IPython.display import publish_display_data

        publish: Any = publish_display_data  # it has no types
        publish(data, transient={"display_id": display_id}, update=update)


def _show_in_marimo(marimo: Any, data: dict[str, Any], update: bool) -> None:
    """Show HTML as the running cell's output, which marimo keeps in place of display_id."""
    shown = marimo.Html(data.get("text/html", ""))
    if update:
        marimo.output.replace(shown)
    else:
        marimo.output.append(shown)


class Live:
    """HTML under one display_id, which the page replaces whenever `value` changes.

    The output is plain HTML, so it stays in the saved notebook and in an export as it was last.
    Every page that knows display_id shows changes: JupyterLab, Notebook 7, Colab and VS Code.
    Voila does not after its cells ran, and gets an HTML widget instead.

    Parameters
    ----------
    value
        The HTML.
    text
        The plain text of it, for a terminal.
    """

    def __init__(self, value: str = "", text: str = "") -> None:
        self._value = value
        self.text = text
        self._id = uuid.uuid4().hex
        self._shown = False
        self._widget: Any = None

    @property
    def value(self) -> str:
        """The HTML on the page."""
        return self._value

    @value.setter
    def value(self, html: str) -> None:
        if html == self._value:
            return
        self._value = html
        if self._widget is not None:
            self._widget.value = html
        elif self._shown:
            _publish(self._bundle(), self._id, update=True)

    def _bundle(self) -> dict[str, str]:
        return {"text/html": self._value, "text/plain": self.text}

    def show(self) -> None:
        """Display it below the running cell."""
        if in_voila():
            self._show_widget()
            return
        self._shown = in_kernel()
        _publish(self._bundle(), self._id, update=False)

    def _show_widget(self) -> None:
        # Imported here because ipywidgets is an extra.
        import ipywidgets

        if self._widget is None:
            self._widget = ipywidgets.HTML(self._value)
        _publish(widget_bundle(self._widget, self.text), self._id, update=False)


def widget_bundle(widget: Any, text: str = "") -> dict[str, Any]:
    """Return the bundle that displays a widget, which ipywidgets 7 cannot make."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"text/plain": text, WIDGET_VIEW: view}


def show_bundle(data: dict[str, Any]) -> None:
    """Display data that is never replaced."""
    _publish(data, uuid.uuid4().hex, update=False)


def let_handlers_run_beside_cells(widget: Any) -> None:
    """Let the page's messages to this widget reach their handler while a cell runs.

    ipykernel 7.4 sends a comm's messages to the shell that last used it (`_reply_subshell_id`, a
    private mark): that of the cell, which is busy. Without the mark they go to the subshell that
    the page opened for its widgets. Every use of the comm sets it again. Other versions have no
    mark, and nothing happens.
    """
    comm = getattr(widget, "comm", None)
    getattr(comm, "__dict__", {}).pop("_reply_subshell_id", None)


def handlers_run_beside_cells() -> bool:
    """Return True where the page has opened a subshell, as JupyterLab 4.4 does for its widgets."""
    thread = getattr(getattr(_shell(), "kernel", None), "shell_channel_thread", None)
    try:
        return bool(thread.manager.list_subshell())  # type: ignore[union-attr]
    except Exception:  # an older kernel, or one without subshells
        return False


class StopRow:
    """A Stop button, with the text beside it that says when it takes effect.

    Parameters
    ----------
    stop
        Called at a click, on any thread.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        # Imported here because ipywidgets is an extra.
        import ipywidgets

        self._stop = stop
        self._id = uuid.uuid4().hex
        self._shown = False
        self.button = ipywidgets.Button(
            description="Stop", tooltip="Begin nothing new; what is paid is kept"
        )
        self.text = ipywidgets.HTML("")
        self.widget = ipywidgets.HBox([self.button, self.text], layout=WRAPS)
        self.button.on_click(self._on_click)
        self.draw(stopping=False)

    def _on_click(self, _: object) -> None:
        self._stop()
        self.draw(stopping=True)

    def draw(self, *, stopping: bool) -> None:
        """Show that it can be pressed, or was."""
        if self.button.disabled != stopping:
            self.button.disabled = stopping
        said = status(_stop_text(stopping))
        if self.text.value != said:
            self.text.value = said
        let_handlers_run_beside_cells(self.button)

    def show(self) -> None:
        """Display it below the running cell."""
        self._shown = True
        _publish(widget_bundle(self.widget, "Stop"), self._id, update=False)

    def remove(self) -> None:
        """Remove it from the page: a saved notebook would show a widget that is not there."""
        if in_voila():  # which replaces no output
            self.widget.layout.display = "none"
        elif self._shown:
            _publish(dict(_NOTHING), self._id, update=True)
        self._shown = False


def _stop_text(stopping: bool) -> str:
    if stopping:
        return "Stopping: what was sent is waited for and kept."
    # Voila shows its page when all cells have run.
    at_once = in_voila() or handlers_run_beside_cells()
    return "" if at_once else LATE_STOP
