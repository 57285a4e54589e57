"""Importing the package loads nothing heavy beside pandas."""

from __future__ import annotations

import subprocess
import sys


def test_the_import_loads_no_network_no_widgets_no_plots():
    code = (
        "import sys, pandas_numberactive; import pandas as pd; pd.DataFrame().numberactive; "
        "print([m for m in ('aiohttp', 'ipywidgets', 'matplotlib', 'tqdm', 'psycopg', 'dask', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_second_registration_warns_of_nothing():
    code = "import importlib, pandas_numberactive as p; importlib.reload(p); p.register()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True)
