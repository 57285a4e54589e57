"""Remove our stack frames from every exception that reaches the user.

Their local variables hold phone numbers, and notebooks, loggers and crash reporters print them.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive.errors import NumberActiveError

P = ParamSpec("P")
T = TypeVar("T")
_WHERE = "Where it happened:\n"


def without_frames(call: Callable[P, T]) -> Callable[P, T]:
    """Decorate a public function, so that an exception leaves it without our frames.

    The arguments of the call are removed, too. Our own errors keep their cause as a one-line note.
    Unexpected errors keep the whole traceback as a note, with numbers masked.
    """
    if inspect.iscoroutinefunction(call):
        return cast("Callable[P, T]", _without_frames_async(call))

    @functools.wraps(call)
    def border(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except BaseException as error:
            left = _without_frames(error)
        del args, kwargs
        try:
            raise left
        finally:
            del left  # else the error would hold the frame that holds it

    return border


def _without_frames_async(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @functools.wraps(call)
    async def border(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await call(*args, **kwargs)
        except BaseException as error:
            left = _without_frames(error)
        del args, kwargs
        try:
            raise left
        finally:
            del left

    return border


def _without_frames(error: BaseException) -> BaseException:
    note = _note(error)
    if (
        note
        and note not in str(error)
        and not any(_WHERE in known for known in getattr(error, "__notes__", ()))
    ):
        error.add_note(note)
    if not isinstance(error, NumberActiveError):  # KeyError: 8118899532
        error.args = tuple(_hidden(part) for part in error.args)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _hidden(part: object) -> object:
    shown = str(part) if isinstance(part, (str, int)) else ""
    return part if hide_numbers(shown) == shown else hide_numbers(shown)


def _note(error: BaseException) -> str:
    """Return frames and causes as one note.

    Our own errors keep one line, unexpected errors their whole traceback with numbers masked.
    """
    if not isinstance(error, Exception):
        return ""  # an interrupt says all
    if isinstance(error, NumberActiveError) and type(error) is not NumberActiveError:
        cause: Any = error.__cause__
        return hide_numbers(f"{type(cause).__name__}: {cause}") if cause is not None else ""
    return _WHERE + hide_numbers("".join(traceback.format_exception(error)))
