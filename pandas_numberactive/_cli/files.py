"""Tables as files (CSV, Excel, Parquet): read as the text that stands in them, written without
surprises.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pandas_numberactive.errors import ConfigurationError, missing_extra


def read_table(name: str) -> pd.DataFrame:
    """Read a table, every cell as the text that stands in it."""
    path = Path(name)
    if not path.exists():
        raise ConfigurationError(f"There is no file {name!r}.")
    kind = path.suffix.lower()
    if kind == ".csv":
        return _read_csv(path)
    if kind == ".parquet":
        return pd.read_parquet(path)
    if kind in (".xlsx", ".xlsm"):
        _need_openpyxl()
        return pd.read_excel(path, dtype=str, keep_default_na=False)
    raise ConfigurationError(f"{name!r} must be a .csv, .xlsx or .parquet file.")


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        wide = b"\0" in file.read(1000)
    try:
        if wide:
            raise ValueError("it seems to be UTF-16")
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        raise ConfigurationError(f"{path.name!r} is empty.") from None
    except pd.errors.ParserError as error:
        raise ConfigurationError(f"{path.name!r} cannot be read: {error}.") from None
    except ValueError as error:
        what = f"byte {error.start:,}" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ConfigurationError(
            f'{path.name!r} is no UTF-8 text ({what}): save it again, in Excel as "CSV UTF-8".'
        ) from None


def check_target(name: str, source: str) -> None:
    """Refuse, before anything is bought, a name that the result could not be written to."""
    path = Path(name)
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise ConfigurationError(
            f"--out {name!r} is the file that is read: name another, so that it is kept."
        )
    if path.suffix.lower() not in (".csv", ".xlsx", ".parquet"):
        raise ConfigurationError(f"--out {name!r} must end in .csv, .xlsx or .parquet.")
    if path.suffix.lower() == ".xlsx":
        _need_openpyxl()
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"There is no folder for --out {name!r}.")


def _need_openpyxl() -> None:
    """Raise MissingExtraError where Excel files cannot be read or written."""
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise missing_extra("excel", "openpyxl") from error


def write_table(df: pd.DataFrame, name: str) -> None:
    """Write a table in the format that the name ends in."""
    kind = Path(name).suffix.lower()
    if kind == ".csv":
        df.to_csv(name, index=False)
    elif kind == ".parquet":
        df.to_parquet(name, index=False)
    else:
        dates = df.select_dtypes(
            "datetimetz"
        ).columns  # Excel knows no time zones; the values are UTC
        df.assign(**{str(c): df[c].dt.tz_localize(None) for c in dates}).to_excel(name, index=False)
