"""Tables as files: read as the text that stands in them, written without surprises."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import stat
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pandas_numberactive._pandas.formats import for_excel, without_formulas, write_excel
from pandas_numberactive._phones.mask import mask_label
from pandas_numberactive.errors import ConfigurationError, missing_extra

STANDARD = "-"  # the name of standard input and standard output
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
TEXT_ENDINGS = (".csv", ".tsv", ".txt")
EXCEL_ENDINGS = (".xlsx", ".xlsm")
SAMPLED_LINES = 50
_WINDOWS = ("cp1252", "Windows text (cp1252)")


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a CSV file: what separates cells, and whether a byte order mark begins it."""

    separator: str = ","
    marked: bool = False  # Excel takes text without a mark for the local encoding

    @property
    def encoding(self) -> str:
        """The encoding to write with."""
        return "utf-8-sig" if self.marked else "utf-8"


_PLAIN = Layout()


@dataclass(frozen=True, slots=True)
class Taken:
    """A table as it was read. `how` says what was decided, and is empty for a plain CSV.

    `heading` has the names as they stand in a text or an Excel file: pandas renames repeated ones.
    """

    frame: pd.DataFrame
    how: str = ""
    layout: Layout = _PLAIN
    heading: tuple[str, ...] = ()

    def refuse_repeated(self, columns: Iterable[Hashable]) -> None:
        """Raise ConfigurationError where the heading has a column more than once."""
        for name in columns:
            if self.heading.count(str(name)) > 1:
                raise ConfigurationError(
                    f"The heading has {mask_label(name)} more than once: rename one, so that the "
                    "column that is meant can be named. Nothing was sent."
                )


def read_table(name: str, *, sheet: str | None = None, header_row: int = 1) -> Taken:
    """Read a table, every cell as the text that stands in it.

    The content decides the format, not the name: offices save CSV files as .xlsx.
    """
    content = _content(name)
    if content.startswith(b"PK\x03\x04"):
        return _read_excel(name, content, sheet, header_row)
    if content.startswith(b"PAR1"):
        return Taken(_with_labels(pd.read_parquet(io.BytesIO(content))))
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise ConfigurationError(
            f"{mask_label(name)} is an old Excel file (.xls): save it as .xlsx or .csv."
        )
    return _read_text(name, content, header_row)


def _with_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its labels as columns, because results are written without an index.

    Labels that are positions, or that stand in a column already, are left out.
    """
    names = frame.index.names
    positions = isinstance(frame.index, pd.RangeIndex) and names == [None]
    if positions or set(names) & set(frame.columns):
        return frame.reset_index(drop=True)
    return frame.reset_index()


def _content(name: str) -> bytes:
    if name == STANDARD:
        if sys.stdin is None:
            raise ConfigurationError("Standard input is closed: name a file. Nothing was sent.")
        return sys.stdin.buffer.read()
    path = Path(name)
    if not path.exists():
        raise ConfigurationError(f"There is no file {mask_label(name)}.")
    if path.suffix.lower() not in (*TEXT_ENDINGS, *EXCEL_ENDINGS, ".parquet", ".xls"):
        raise ConfigurationError(
            f"{mask_label(name)} must be a .csv, .tsv, .txt, .xlsx or .parquet file."
        )
    return path.read_bytes()


def _read_excel(name: str, content: bytes, sheet: str | None, header_row: int) -> Taken:
    _need_openpyxl()
    try:
        book = pd.ExcelFile(io.BytesIO(content), engine="openpyxl")
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ConfigurationError(
            f"{mask_label(name)} is no whole Excel file: save it again."
        ) from error
    sheets = [str(one) for one in book.sheet_names]
    chosen = sheets[0] if sheet is None else _sheet(name, sheet, sheets)
    with _refused_dates(name, chosen):
        frame = pd.read_excel(
            book, sheet_name=chosen, dtype=str, keep_default_na=False, header=header_row - 1
        )
    heading = _excel_heading(book, chosen, header_row)
    parts = [f"sheet {mask_label(chosen)} of {len(sheets)}"] if len(sheets) > 1 else []
    return Taken(frame, _said(name, [*parts, *_header(header_row)]), heading=heading)


@contextlib.contextmanager
def _refused_dates(name: str, sheet: str) -> Iterator[None]:
    """Refuse a sheet with a number in the format of a date, which openpyxl reads as an error.

    It warns with the whole number, and the cell is blank in the result.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Cell .* is marked as a date", UserWarning)
        try:
            yield
        except UserWarning as warning:
            cell = str(warning).split()[1]
            raise ConfigurationError(
                f"Cell {cell} in sheet {mask_label(sheet)} of {mask_label(name)} has the format of "
                "a date and a number that is none, such as a phone: format it as a number or as "
                "text, and save the file again. Nothing was sent."
            ) from None


def _excel_heading(book: pd.ExcelFile, sheet: str, row: int) -> tuple[str, ...]:
    """Return the heading's cells as they stand in a sheet."""
    first = pd.read_excel(
        book,
        sheet_name=sheet,
        dtype=str,
        keep_default_na=False,
        header=None,
        skiprows=row - 1,
        nrows=1,
    )
    return _names(first)


def _names(first: pd.DataFrame) -> tuple[str, ...]:
    """Return the cells of a heading that was read as a row."""
    return tuple(map(str, first.to_numpy().ravel()))


def _sheet(name: str, wanted: str, sheets: list[str]) -> str:
    if wanted in sheets:
        return wanted
    if wanted.isdigit() and 0 < int(wanted) <= len(sheets):
        return sheets[int(wanted) - 1]
    raise ConfigurationError(
        f"{mask_label(name)} has no sheet {mask_label(wanted)}. Its sheets are: "
        f"{', '.join(map(mask_label, sheets))}."
    )


def _read_text(name: str, content: bytes, header_row: int) -> Taken:
    text, encoding = _decoded(name, content)
    lines = text.splitlines(keepends=True)[header_row - 1 :]
    whole = "".join(lines)
    if not whole.strip():
        raise ConfigurationError(f"{mask_label(name)} is empty.")
    try:
        separator = _separator(lines[:SAMPLED_LINES])
    except csv.Error as error:
        raise ConfigurationError(
            f"The first rows of {mask_label(name)} cannot be cut into cells ({error}): shorten the "
            "longest cell, or close the quote that is open. Nothing was sent."
        ) from None
    frame = _cells(name, whole, separator)
    parts = [] if encoding.startswith("UTF-8") else [encoding]
    if separator != ",":
        parts.append(f"separated by {SEPARATORS[separator]}")
    if name.lower().endswith(EXCEL_ENDINGS):
        parts.insert(0, "text, although it is named as Excel")
    layout = Layout(separator, marked=encoding != "UTF-8")
    said = _said(name, [*parts, *_header(header_row)])
    return Taken(frame, said, layout, _text_heading(whole, separator))


def _cells(name: str, text: str, separator: str) -> pd.DataFrame:
    """Return the rows below the heading, or raise ConfigurationError.

    pandas takes surplus first cells for labels, and each name then stands above its right
    neighbour's cells.
    """
    try:
        frame = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except pd.errors.ParserError as error:
        raise ConfigurationError(
            f"{mask_label(name)} cannot be read: {error}. Nothing was sent."
        ) from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise ConfigurationError(
            f"{mask_label(name)} has a row with more cells than the heading: quote cells "
            "that hold the separator, or remove the mark at the end of the lines. Nothing was sent."
        )
    return frame


def _text_heading(text: str, separator: str) -> tuple[str, ...]:
    """Return the heading's cells as they stand in a text."""
    first = pd.read_csv(
        io.StringIO(text), sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False
    )
    return _names(first)


def _header(row: int) -> list[str]:
    return [] if row == 1 else [f"names in row {row}"]


def _said(name: str, parts: list[str]) -> str:
    shown = "Standard input" if name == STANDARD else mask_label(name, quoted=False)
    return f"{shown} was read as: {', '.join(parts)}." if parts else ""


def _decoded(name: str, content: bytes) -> tuple[str, str]:
    """Return the text and its encoding.

    Excel's "Unicode text" is UTF-16, and its plain CSV has the encoding of a Western Windows.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16"), "UTF-16"
    nulls = content[:1000].count(b"\0")
    if nulls:
        wide = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
        return content.decode(wide, errors="replace"), "UTF-16"
    marked = content.startswith(b"\xef\xbb\xbf")
    for encoding, shown in (("utf-8-sig", "UTF-8 with a mark" if marked else "UTF-8"), _WINDOWS):
        try:
            return content.decode(encoding), shown
        except UnicodeDecodeError as error:
            at = error.start
    raise ConfigurationError(
        f"{mask_label(name)} is no UTF-8 text (byte {at:,}): save it again, in Excel as "
        '"CSV UTF-8".'
    )


def _separator(lines: list[str]) -> str:
    """Return the mark that cuts the lines into the same number of cells, two or more."""
    best = ","
    most = 1
    for mark in SEPARATORS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=mark) if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        if width > most and 10 * count >= 9 * widths.total():
            best = mark
            most = width
    return best


def check_target(name: str, source: str) -> None:
    """Refuse, before anything is bought, a name that the result could not be written to."""
    if name == STANDARD:
        _check_output()
        return
    path = Path(name)
    _check_kind(path, name)
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise ConfigurationError(
            f"--out {mask_label(name)} is the file that is read: name another, so that it is kept."
        )
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"There is no folder for --out {mask_label(name)}.")
    try:
        _new_part(path).unlink()
    except OSError as error:
        raise ConfigurationError(
            f"--out {mask_label(name)} cannot be written ({error.strerror}): name another file."
        ) from error


def _check_output() -> None:
    """Raise ConfigurationError where a shell has closed standard output."""
    if sys.stdout is None:
        raise ConfigurationError("Standard output is closed: name a file with --out.")


def _check_kind(path: Path, name: str) -> None:
    """Raise where the name is a folder's, or of a format that cannot be written."""
    if path.suffix.lower() not in (*TEXT_ENDINGS, ".xlsx", ".parquet"):
        raise ConfigurationError(
            f"--out {mask_label(name)} must end in .csv, .tsv, .txt, .xlsx or .parquet."
        )
    if path.suffix.lower() == ".xlsx":
        _need_openpyxl()
    if path.is_dir():
        raise ConfigurationError(f"--out {mask_label(name)} is a folder: name a file.")


def _need_openpyxl() -> None:
    """Raise MissingExtraError where Excel files cannot be read or written."""
    try:
        # Imported here because it is an extra.
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise missing_extra("excel", "openpyxl") from error


def write_table(df: pd.DataFrame, name: str, layout: Layout = _PLAIN) -> None:
    """Write a table in the format that the name ends in, a CSV in this layout.

    The file has its name only once it is whole. It keeps the rights of the one that it replaces.
    """
    if name == STANDARD:
        _print_whole(without_formulas(df).to_csv(index=False, sep=layout.separator))
        return
    path = Path(name)
    part = _new_part(path)
    try:
        _write(df, part, path.suffix.lower(), layout)
        with contextlib.suppress(OSError):  # some file systems know no rights
            part.chmod(_mode_of(path))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _print_whole(text: str) -> None:
    """Write to standard output, and raise OSError where not all of it arrives.

    What is left in Python's buffer would be found undeliverable only after the run had ended.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        _drop_output()
        raise


def _drop_output() -> None:
    """Send the rest of standard output nowhere: as Python ends, it would fail again."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _new_part(path: Path) -> Path:
    """Make a file beside `path` for a result that is not whole, which nobody else may read."""
    handle, name = tempfile.mkstemp(path.suffix, ".numberactive-", path.absolute().parent)
    os.close(handle)
    return Path(name)


def _mode_of(path: Path) -> int:
    """Return the rights of a file, or those that a new one gets."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0o077)  # it cannot be read without setting it
    os.umask(mask)
    return 0o666 & ~mask


def _write(df: pd.DataFrame, path: Path, kind: str, layout: Layout) -> None:
    if kind == ".parquet":
        df.to_parquet(path, index=False)
    elif kind == ".xlsx":
        write_excel(for_excel(df), path, index=False)
    else:
        separator = layout.separator if kind == ".csv" else "\t"
        without_formulas(df).to_csv(path, index=False, sep=separator, encoding=layout.encoding)
