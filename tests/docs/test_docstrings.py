"""Hold the texts of help() to numpy sections: each public function and method has those that apply."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pandas_numberactive as pna
from pandas_numberactive._pandas.accessor import FrameAccessor, SeriesAccessor

# Nothing that a caller does makes these raise.
NEVER_RAISES = set(
    """jobs last_run show_versions plain_dtypes Job.stop Job.done LookupStore.close
    Plan.lines Plan.picture Plan.to_dict Settings.missing_keys RunReport.lines RunReport.to_dict Settings.codes Settings.shown
    RetroTest.lines Faults.next Ledger.asked Ledger.charge Ledger.charges Ledger.charged_phones
    Ledger.asked_phones Ledger.double_charged Ledger.to_dict Ledger.close Simulator.answer
    Simulator.stop answer_for customers""".split()
)


def public_objects() -> Iterator[tuple[str, Any]]:
    """Yield each public function and class with its name."""
    modules = [pna, *map(importlib.import_module, _rooms())]
    for module in modules:
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield name, value
    yield "DataFrame.numberactive", FrameAccessor
    yield "Series.numberactive", SeriesAccessor
    try:
        dask = importlib.import_module("pandas_numberactive.dask")
    except ImportError:
        return
    yield "dask.enrich", dask.enrich
    yield "dask.plan", dask.plan
    yield "dask.DataFrame.numberactive", dask.FrameAccessor


def _rooms() -> list[str]:
    return [f"pandas_numberactive.{room}" for room in ("risk", "simulator", "errors")]


def methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods that this package gives a class."""
    ours = [one for one in kind.__mro__ if one.__module__.startswith("pandas_numberactive")]
    for name in dir(kind):
        holder = next((one for one in ours if name in vars(one)), None)
        if name.startswith("_") or holder is None:
            continue
        value = inspect.getattr_static(holder, name)
        value = getattr(value, "__func__", value)
        if inspect.isfunction(value):
            yield f"{kind.__name__}.{name}", value


def callables() -> dict[str, Callable[..., Any]]:
    """Return the public functions, and the methods of the public classes."""
    found: dict[str, Callable[..., Any]] = {}
    for name, value in public_objects():
        if inspect.isclass(value):
            exception = issubclass(value, (Exception, Warning))
            found |= {} if exception else dict(methods(value))
        else:
            found[name] = value
    return found


def has(section: str, text: str) -> bool:
    """Return True if a docstring has a section of that name."""
    return bool(re.search(rf"^{section}\n-{{{len(section)}}}$", text, re.M))


def wanted_sections(name: str, function: Callable[..., Any]) -> list[str]:
    """Return the sections that apply to a function."""
    signature = inspect.signature(function)
    wanted = ["Examples"]
    if [one for one in signature.parameters if one != "self"]:
        wanted.append("Parameters")
    if str(signature.return_annotation) != "None":
        wanted.append("Yields" if "Iterator" in str(signature.return_annotation) else "Returns")
    if name not in NEVER_RAISES:
        wanted.append("Raises")
    return wanted


CALLABLES = callables()


def test_the_public_functions_are_found() -> None:
    """The parameters of the next test would be empty if the search broke."""
    assert {"enrich", "override", "LookupStore.forget", "Pilot.run"} <= set(CALLABLES)
    assert len(CALLABLES) > 70


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_a_public_function_has_its_sections(name: str) -> None:
    """A reader finds what goes in, what comes out, what can fail, and an example."""
    text = inspect.getdoc(CALLABLES[name]) or ""
    wanted = wanted_sections(name, CALLABLES[name])
    assert [section for section in wanted if not has(section, text)] == []


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_each_parameter_is_explained(name: str) -> None:
    """Options that are shared by several functions are explained once, as `**options`."""
    signature = inspect.signature(inspect.unwrap(CALLABLES[name]))
    text = inspect.getdoc(CALLABLES[name]) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", text, re.M | re.S)
    entries = re.findall(r"^[*\w][^\n]*", section.group(1), re.M) if section else []
    explained = set(re.findall(r"\w+", " ".join(entries)))
    shared = {"options", "common", "legacy"}
    assert {one for one in signature.parameters if one != "self"} - explained <= shared


@pytest.mark.parametrize(
    "kind",
    [value for _, value in public_objects() if inspect.isclass(value)],
    ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}",
)
def test_a_public_class_explains_its_values(kind: type) -> None:
    """A class that users make has Parameters, one that they receive has Attributes."""
    text = inspect.getdoc(kind) or ""
    if issubclass(kind, (Exception, Warning)) or kind.__name__.endswith("Accessor"):
        assert text
        return
    assert has("Parameters", text) or has("Attributes", text)
    assert has("Examples", text)
