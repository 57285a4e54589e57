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


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(len(test.examples) for module in modules for test in finder.find(module)) > 20
