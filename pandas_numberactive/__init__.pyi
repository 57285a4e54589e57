from . import errors as errors
from . import risk as risk
from . import simulator as simulator
from ._cli.doctor import doctor as doctor
from ._cli.doctor import show_versions as show_versions
from ._config.settings import Settings as Settings
from ._config.settings import configure as configure
from ._config.settings import override as override
from ._config.settings import settings as settings
from ._jupyter.form import LookupForm as LookupForm
from ._jupyter.panel import EnrichPanel as EnrichPanel
from ._jupyter.risk_panel import RiskPanel as RiskPanel
from ._pandas.api import aenrich as aenrich
from ._pandas.api import enrich as enrich
from ._pandas.api import history as history
from ._pandas.api import normalize as normalize
from ._pandas.api import plan as plan
from ._pandas.api import spend as spend
from ._pandas.api import start as start
from ._pandas.api import stored as stored
from ._pandas.columns import ACTIVE_LEVEL as ACTIVE_LEVEL
from ._pandas.columns import FREQUENCY_GRADE as FREQUENCY_GRADE
from ._pandas.columns import LOOKUP_STATUS as LOOKUP_STATUS
from ._pandas.columns import TELCO_TYPE as TELCO_TYPE
from ._pandas.ending import last_run as last_run
from ._pandas.formats import plain_dtypes as plain_dtypes
from ._pandas.formats import restore_dtypes as restore_dtypes
from ._pandas.job import Job as Job
from ._pandas.job import jobs as jobs
from ._pandas.lookup import Lookup as Lookup
from ._pandas.lookup import alookup as alookup
from ._pandas.lookup import lookup as lookup
from ._pandas.lookup_store import LookupStore as LookupStore
from ._run.plan import Plan as Plan
from ._run.report import Progress as Progress
from ._run.report import RunReport as RunReport

__version__: str
__all__: list[str]

def load_ipython_extension(shell: object) -> None: ...
