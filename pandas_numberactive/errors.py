"""Every error and warning of this package, in one tree.

    NumberActiveError
    ├── ConfigurationError (ValueError)       settings are missing or contradict each other
    ├── InvalidPhoneError (ValueError)        a cell is no Indonesian mobile number
    ├── ColumnNotFoundError (KeyError)        no column of that name
    ├── RiskInputError (ValueError)           a table that cannot be analysed
    ├── BudgetExceededError                   the purchase would cost more than its cap
    │   └── ConfirmationRequiredError         a big purchase without a cap
    ├── VendorError                           the vendor's replies stopped the run
    │   └── AuthenticationError (PermissionError)
    ├── LookupFailedError (RuntimeError)      errors="raise", and a look-up failed
    ├── StoreError (OSError)                  answers cannot be read or written
    │   └── StoreVersionError                 the store was written by a newer version
    ├── BridgeError (RuntimeError)            the background thread cannot do this call
    └── MissingExtraError (ImportError)       an optional package is not installed

    IncompleteRunWarning, PlainHttpWarning, UnknownValueWarning, LookAheadWarning,
    OpenFilesWarning, RiskWarning, PhoneColumnWarning (UserWarning)

Each class has three facts: `charged` (money was spent: "no", "maybe" or "stored"), `retry` (True if
the same call can be made again) and `fault` ("caller", "vendor" or "machine" has to act). The
message gives the remedy.
"""

from __future__ import annotations

import difflib
import inspect
import linecache
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, ClassVar, Literal, NamedTuple

from pandas_numberactive._phones.mask import mask_label

__all__ = [
    "AuthenticationError",
    "BridgeError",
    "BudgetExceededError",
    "ColumnNotFoundError",
    "ConfigurationError",
    "ConfirmationRequiredError",
    "IncompleteRunWarning",
    "InvalidPhoneError",
    "LookAheadWarning",
    "LookupFailedError",
    "MissingExtraError",
    "NumberActiveError",
    "OpenFilesWarning",
    "PhoneColumnWarning",
    "PlainHttpWarning",
    "RiskInputError",
    "RiskWarning",
    "StoreError",
    "StoreVersionError",
    "UnknownValueWarning",
    "VendorError",
]

Charged = Literal[
    "no", "maybe", "stored"
]  # stored: what was charged is on disk, asking again buys nothing twice
Fault = Literal["caller", "vendor", "machine"]


class NumberActiveError(Exception):
    """The root of all errors that this package raises on purpose.

    Attributes
    ----------
    charged : str
        "no", "maybe", or "stored": what was charged is on disk, and is never bought again.
    retry : bool
        True if the same call can be made again.
    fault : str
        Who has to act: "caller", "vendor" or "machine".
    partial : object
        The result as far as it is known, None if no run had begun.
    report : RunReport or None
        The bill of the run.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> try:
    ...     pna.lookup("x")
    ... except pna.errors.NumberActiveError as error:
    ...     error.charged, error.retry
    ('no', False)
    """

    charged: ClassVar[Charged] = "no"
    retry: ClassVar[bool] = False
    fault: ClassVar[Fault] = "caller"

    partial: Any = None
    report: Any = None

    short_traceback: ClassVar[bool] = True  # set False to see our frames in IPython, too

    def _render_traceback_(self) -> list[str]:
        """Return the user's line and the message, which IPython shows in place of our frames."""
        if not NumberActiveError.short_traceback:
            return traceback.format_exception(self)
        place = _users_line(self.__traceback__)
        notes = getattr(self, "__notes__", [])
        return [*place, f"{type(self).__name__}: {self}", *notes]

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(
    kind: type[NumberActiveError], args: tuple[Any, ...], state: dict[str, Any]
) -> NumberActiveError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(NumberActiveError, ValueError):
    """Settings are missing, wrong or contradict each other. Nothing was sent."""


class InvalidPhoneError(NumberActiveError, ValueError):
    """A cell is not one Indonesian mobile number. It was not sent."""


class ColumnNotFoundError(NumberActiveError, KeyError):
    """The frame has no such column.

    Parameters
    ----------
    column
        The name that was asked for.
    available
        The names that there are. The message suggests similar ones.
    first
        Names that are suggested before others.
    advice
        A sentence at the end, such as the call that makes the column.

    Examples
    --------
    >>> print(ColumnNotFoundError("phone", ["Phone", "name"]))
    There is no column 'phone'. Did you mean 'Phone'?
    """

    def __init__(
        self,
        column: object,
        available: Iterable[object] = (),
        *,
        first: Iterable[str] = (),
        advice: str = "",
    ) -> None:
        self.column = column
        text = _no_such_column(column, list(available), list(first))
        super().__init__(f"{text} {advice}".rstrip())


@contextmanager
def before_sending() -> Iterator[None]:
    """Add to an error that the caller has to mend that nothing was sent.

    >>> with before_sending():
    ...     raise ConfigurationError("There is no option 'pries'.")
    Traceback (most recent call last):
    ...
    pandas_numberactive.errors.ConfigurationError: There is no option 'pries'. Nothing was sent.
    """
    try:
        yield
    except (ConfigurationError, ColumnNotFoundError) as error:
        text = str(error)
        if "othing was" not in text:
            error.args = (f"{text} Nothing was sent.",)
        raise


def _no_such_column(column: object, available: list[object], first: list[str]) -> str:
    near = list(
        dict.fromkeys([*first, *near_misses(str(column), [str(name) for name in available])])
    )[:3]
    if near:
        return (
            f"There is no column {mask_label(column)}. Did you mean "
            f"{' or '.join(map(mask_label, near))}?"
        )
    shown = ", ".join(map(mask_label, available[:10])) + (", ..." if len(available) > 10 else "")
    return f"There is no column {mask_label(column)}. The columns are: {shown or '(none)'}."


def near_misses(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three of the known words that look like this one, the nearest first.

    >>> near_misses("max_rates", ["max_rate", "store"])
    ['max_rate']
    """
    by_folded = {name.casefold().strip(): name for name in known}
    return [
        by_folded[hit]
        for hit in difflib.get_close_matches(word.casefold().strip(), by_folded, 3, 0.6)
    ]


class RiskInputError(NumberActiveError, ValueError):
    """A table cannot be analysed as asked. The message names the column and the remedy."""


class BudgetExceededError(NumberActiveError):
    """The purchase would cost more than its cap. Nothing above the cap was bought."""

    charged: ClassVar[Charged] = "stored"


class ConfirmationRequiredError(BudgetExceededError):
    """The purchase exceeds `confirm_above` and has no cap. Nothing was sent.

    Parameters
    ----------
    message
        The text of the error.
    plan
        The Plan of the purchase, with its price.
    """

    charged: ClassVar[Charged] = "no"

    def __init__(self, message: str, plan: Any = None) -> None:
        super().__init__(message)
        self.plan = plan


class VendorError(NumberActiveError):
    """The vendor's replies stopped the run. Everything paid is stored.

    Parameters
    ----------
    message
        The text of the error.
    code, msg
        The vendor's own code and message.
    """

    charged: ClassVar[Charged] = "stored"
    retry: ClassVar[bool] = True
    fault: ClassVar[Fault] = "vendor"

    def __init__(self, message: str, code: int | str | None = None, msg: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.msg = msg


class AuthenticationError(VendorError, PermissionError):
    """The vendor does not accept the app key, the secret, or this machine's address."""

    retry: ClassVar[bool] = False
    fault: ClassVar[Fault] = "caller"


class LookupFailedError(NumberActiveError, RuntimeError):
    """At least one look-up failed under `errors="raise"`.

    The answers of the others are stored, and in `partial`.
    """

    charged: ClassVar[Charged] = "maybe"
    retry: ClassVar[bool] = True
    fault: ClassVar[Fault] = "vendor"


class StoreError(NumberActiveError, OSError):
    """The store of bought answers cannot be opened, read or written. No call is sent without it."""

    charged: ClassVar[Charged] = "stored"
    fault: ClassVar[Fault] = "machine"


class StoreVersionError(StoreError):
    """The store was written by a newer version of this package. Upgrade the package to use it."""

    charged: ClassVar[Charged] = "no"
    fault: ClassVar[Fault] = "caller"


class BridgeError(NumberActiveError, RuntimeError):
    """The background thread cannot start, or a blocking call was made on it. Nothing was sent."""


class MissingExtraError(NumberActiveError, ImportError):
    """An optional package is not installed. The message holds the line that installs it."""


def missing_extra(extra: str, module: str) -> MissingExtraError:
    """Return the error to raise where `module`, of this package's extra, cannot be imported.

    >>> print(missing_extra("notebook", "ipywidgets"))
    This needs ipywidgets. Install it with: pip install "pandas-numberactive[notebook]"
    """
    error = MissingExtraError(
        f'This needs {module}. Install it with: pip install "pandas-numberactive[{extra}]"'
    )
    error.name = module
    return error


def _users_line(frames: TracebackType | None) -> list[str]:
    """Return the innermost line of a traceback that is not in this package, as text."""
    shown: list[str] = []
    for frame, number in traceback.walk_tb(frames):
        file = frame.f_code.co_filename
        line = linecache.getline(file, number, frame.f_globals).strip()
        if line and not _is_ours(frame):
            cell = "ipykernel" in file or file.startswith("<")
            where = f"line {number}" if cell else f"{file}, line {number}"
            shown = [f"{where}: {line}"]
    return shown


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __package__


class Place(NamedTuple):
    """A line of the user's, at which a warning points."""

    file: str
    line: int
    module: str
    names: dict[str, Any]

    def warn(self, text: str, category: type[Warning]) -> None:
        """Warn at this line. Raises if the user has made such warnings errors."""
        seen = self.names.setdefault("__warningregistry__", {})
        warnings.warn_explicit(text, category, self.file, self.line, self.module, seen)


def users_place() -> Place:
    """Return the user's line that called us, however deep in here we are."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    if frame is None:  # a Python without frames
        return Place("sys", 1, "sys", {})
    names = frame.f_globals
    module = str(names.get("__name__") or "<string>")
    return Place(frame.f_code.co_filename, frame.f_lineno, module, names)


def warn_caller(text: str, category: type[Warning]) -> None:
    """Warn at the user's own line, once for each of their lines."""
    users_place().warn(text, category)


class IncompleteRunWarning(UserWarning):
    """Numbers are left pending, uncertain or not bought.

    The message gives the reason and the effect of the next call.
    """


class PlainHttpWarning(UserWarning):
    """Phone numbers travel to the vendor unencrypted. An https base_url avoids it."""


class OpenFilesWarning(UserWarning):
    """The process may not open as many files as `max_concurrency` needs, so fewer are in flight."""


class UnknownValueWarning(UserWarning):
    """An answer held a value that the vendor's page does not list. It is missing in the result."""


class RiskWarning(UserWarning):
    """A risk table rests on doubtful input, such as a target that looks reversed."""


class LookAheadWarning(UserWarning):
    """Answers were bought after the decision of their row, so they may reflect its outcome."""


class PhoneColumnWarning(UserWarning):
    """A phone column is numeric, or most of its cells are no phones.

    Perhaps it is another column, or was read wrongly.
    """


def __dir__() -> list[str]:
    """List the public names alone."""
    return __all__
