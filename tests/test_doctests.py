"""The examples in the docstrings run, on the simulator."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pandas_numberactive

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(pandas_numberactive.__path__, "pandas_numberactive.")
    if not name.endswith("__main__")
]


FINDER = doctest.DocTestFinder()


def examples(module):
    """A module's tests; the finder takes a decorated function for another module's."""
    found = FINDER.find(module)
    for name, value in vars(module).items():
        inner = getattr(value, "__wrapped__", None)
        if inner is not None and inner.__module__ == module.__name__:
            found += FINDER.find(inner, f"{module.__name__}.{name}", module)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, monkeypatch):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed = []
    for test in examples(module):
        # Each docstring begins with an empty store, as a reader does, in a session of its own.
        monkeypatch.setattr("pandas_numberactive._store.store._MEMORY", {})
        monkeypatch.setattr("pandas_numberactive._config.used_stores._used", {})
        if runner.run(test).failed:
            failed.append(test.name)
    assert failed == []


def test_there_are_examples():
    modules = [importlib.import_module(name) for name in MODULES]
    found = {test.name: len(test.examples) for module in modules for test in examples(module)}
    assert sum(found.values()) > 20
    assert found["pandas_numberactive._pandas.lookup.lookup"] > 1  # decorated
