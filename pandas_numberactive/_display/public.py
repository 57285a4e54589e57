"""Decorate the functions that users call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, overload

from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._phones.mask import hide_numbers
from pandas_numberactive.errors import ConfigurationError, near_misses

P = ParamSpec("P")
T = TypeVar("T")


@overload
def public(function: Callable[P, T], /) -> Callable[P, T]: ...
@overload
def public(
    *, options: Callable[..., object] | None = None, foreign: Callable[..., object] | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
def public(
    function: Callable[..., Any] | None = None,
    /,
    *,
    options: Callable[..., object] | None = None,
    foreign: Callable[..., object] | None = None,
) -> Any:
    """Decorate a public function.

    An exception leaves it without our frames, because their locals hold phone numbers. A misspelled
    option raises ConfigurationError and names the likely one. Where the function takes `**options`,
    help() and Shift+Tab show the parameters of `options` with their defaults. The parameters of
    `foreign` belong to other functions: here they are wrong, but not misspelled.
    """
    if function is None:
        return functools.partial(_decorated, options=options, foreign=foreign)
    return _decorated(function, options=options, foreign=foreign)


def _decorated(
    function: Callable[..., Any],
    options: Callable[..., object] | None,
    foreign: Callable[..., object] | None,
) -> Callable[..., Any]:
    apart = [] if foreign is None else list(inspect.signature(foreign).parameters)
    call = without_frames(_spelled(function, apart))
    if options is not None:
        call.__dict__["__signature__"] = _whole(function, options)
    return call


def _spelled(function: Callable[..., Any], apart: list[str]) -> Callable[..., Any]:
    """Answer a misspelled option in words. A function with `**options` does it itself."""
    parameters = inspect.signature(function).parameters.values()
    known = [one.name for one in parameters]
    own = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    if not own or any(one.kind is one.VAR_KEYWORD for one in parameters):
        return function

    def check(names: Iterable[str]) -> None:
        unknown = [name for name in names if name not in known]
        refuse_unknown(unknown, own, f" of {function.__name__}", apart)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        check(kwargs)
        return function(*args, **kwargs)

    @functools.wraps(function)
    async def wait(*args: Any, **kwargs: Any) -> Any:
        check(kwargs)
        return await function(*args, **kwargs)

    return wait if inspect.iscoroutinefunction(function) else call


def _whole(function: Callable[..., Any], options: Callable[..., object]) -> inspect.Signature:
    """Return a function's signature with the parameters of `options` in place of `**options`."""
    own = inspect.signature(function)
    kept = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    stated = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in inspect.signature(options).parameters.values()
    ]
    return own.replace(parameters=[*kept, *stated])


def refuse_unknown(
    names: Iterable[str], known: Iterable[str], of: str = "", apart: Iterable[str] = ()
) -> None:
    """Raise ConfigurationError for an option that is not known, with the likely one.

    The names `apart` are spelled right, but belong to another function.
    """
    options = list(known)
    for name in names:
        if name in options:
            continue
        near = [] if name in apart else near_misses(name, options)
        hint = f"Did you mean {near[0]!r}?" if near else f"The options are: {', '.join(options)}."
        raise ConfigurationError(f"There is no option {hide_numbers(repr(name))}{of}. {hint}")
