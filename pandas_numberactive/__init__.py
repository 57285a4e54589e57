"""Phone-number signals for Indonesian lenders in pandas: every number bought once, no answer lost.

    import pandas_numberactive
    df = df.numberactive.enrich("phone")

Importing this registers the accessors and loads nothing heavy beside pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Not lazily: once the module of that name is loaded, the package's `settings` would be the module.
from pandas_numberactive._config.settings import configure as configure
from pandas_numberactive._config.settings import override as override
from pandas_numberactive._config.settings import settings as settings
from pandas_numberactive._pandas.accessor import register

if TYPE_CHECKING:
    from pandas_numberactive import risk as risk
    from pandas_numberactive import simulator as simulator
    from pandas_numberactive._config.settings import Settings as Settings
    from pandas_numberactive._jupyter.form import LookupForm as LookupForm
    from pandas_numberactive._jupyter.panel import EnrichPanel as EnrichPanel
    from pandas_numberactive._pandas.api import aenrich as aenrich
    from pandas_numberactive._pandas.api import enrich as enrich
    from pandas_numberactive._pandas.api import history as history
    from pandas_numberactive._pandas.api import last_run as last_run
    from pandas_numberactive._pandas.api import normalize as normalize
    from pandas_numberactive._pandas.api import plan as plan
    from pandas_numberactive._pandas.api import spend as spend
    from pandas_numberactive._pandas.api import start as start
    from pandas_numberactive._pandas.columns import ACTIVE_LEVEL as ACTIVE_LEVEL
    from pandas_numberactive._pandas.columns import FREQUENCY_GRADE as FREQUENCY_GRADE
    from pandas_numberactive._pandas.columns import LOOKUP_STATUS as LOOKUP_STATUS
    from pandas_numberactive._pandas.columns import TELCO_TYPE as TELCO_TYPE
    from pandas_numberactive._pandas.columns import restore_dtypes as restore_dtypes
    from pandas_numberactive._pandas.job import Job as Job
    from pandas_numberactive._pandas.lookup import Lookup as Lookup
    from pandas_numberactive._pandas.lookup import alookup as alookup
    from pandas_numberactive._pandas.lookup import lookup as lookup
    from pandas_numberactive._pandas.lookup_store import LookupStore as LookupStore
    from pandas_numberactive._run.plan import Plan as Plan
    from pandas_numberactive._run.report import Progress as Progress
    from pandas_numberactive._run.report import RunReport as RunReport
    from pandas_numberactive.diagnose import doctor as doctor
    from pandas_numberactive.diagnose import show_versions as show_versions

__version__ = "0.1.0"

_WHERE = {
    "ACTIVE_LEVEL": "_pandas.columns",
    "EnrichPanel": "_jupyter.panel",
    "FREQUENCY_GRADE": "_pandas.columns",
    "Job": "_pandas.job",
    "LOOKUP_STATUS": "_pandas.columns",
    "Lookup": "_pandas.lookup",
    "LookupForm": "_jupyter.form",
    "LookupStore": "_pandas.lookup_store",
    "Plan": "_run.plan",
    "Progress": "_run.report",
    "RunReport": "_run.report",
    "Settings": "_config.settings",
    "TELCO_TYPE": "_pandas.columns",
    "aenrich": "_pandas.api",
    "alookup": "_pandas.lookup",
    "doctor": "diagnose",
    "enrich": "_pandas.api",
    "errors": "",
    "history": "_pandas.api",
    "last_run": "_pandas.api",
    "lookup": "_pandas.lookup",
    "normalize": "_pandas.api",
    "plan": "_pandas.api",
    "restore_dtypes": "_pandas.columns",
    "risk": "",
    "show_versions": "diagnose",
    "simulator": "",
    "spend": "_pandas.api",
    "start": "_pandas.api",
}

__all__ = sorted([*_WHERE, "configure", "override", "settings"])
_EXTRAS = {"ipywidgets": "notebook", "matplotlib": "plot"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used; an extra that is missing is named in the error."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    where = _WHERE[name]
    try:
        module = importlib.import_module(f"{__name__}.{where or name}")
    except ImportError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        from pandas_numberactive.errors import missing_extra

        raise missing_extra(extra, str(error.name)) from error
    value = getattr(module, name) if where else module
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext pandas_numberactive`: adds the magic `%numberactive 0811...`."""
    from pandas_numberactive.magic import load

    load(shell)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


register()
