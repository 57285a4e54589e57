"""Phone-number signals for Indonesian lenders in pandas: every number bought once, no answer lost.

    import pandas_numberactive
    df = df.numberactive.enrich("phone")

Importing this registers the accessors and loads nothing heavy beside pandas. The public names are
listed in __init__.pyi, and each is loaded on first use.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

from pandas_numberactive._pandas.accessor import register

__version__ = "0.1.0"

_EXTRAS = {"ipywidgets": "notebook", "matplotlib": "plot"}
_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """Load a public name on first use. A missing extra is named in the error."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return _load(name)
    except ImportError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        # Imported here because an error is rare, and errors is loaded on first use.
        from pandas_numberactive.errors import missing_extra

        raise missing_extra(extra, str(error.name)) from error


def load_ipython_extension(shell: Any) -> None:
    """Add the magic `%numberactive 0811...` (for `%load_ext pandas_numberactive`)."""
    # Imported here because only IPython has the magic.
    from pandas_numberactive._jupyter.magic import load

    load(shell)


register()
