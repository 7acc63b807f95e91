"""Where errors leave the package: what of their tracebacks users see."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from tensorflow_federated.core import callsites
from tensorflow_federated.core.errors.names import suggest_name
from tensorflow_federated.core.errors.programs import ArgumentError, NestingError
from tensorflow_federated.core.errors.root import FederatedError

_P = ParamSpec("_P")
_R = TypeVar("_R")


def boundary(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorates a public entry point: its errors show the user's frames, not ours.

    A `FederatedError` that passes through keeps the frames of user code; all frames inside this
    package and inside the tensor frameworks are dropped from its traceback, and so are the errors
    of a framework that it tells anew, which stay at its `__context__`. Arguments that do not fit
    the parameters of the function are an `ArgumentError`. What the user's own code raises passes as
    it is, without these frames either; anything else with all of them. With the environment
    variable `TFF_FULL_TRACEBACKS=1` nothing is dropped.

    Args:
      function: The entry point; of a coroutine function, the errors that awaiting it raises.

    Returns:
      A function with the same signature and name.
    """

    @functools.wraps(function)
    def entry_point(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                if _was_entered(error):
                    raise
                raise _call_error(function, kwargs, error) from None
            except RecursionError as error:
                if isinstance(error, NestingError):
                    raise
                raise _nesting_error(error) from None
        except Exception as error:
            # A framework that called this reads the traceback; the outermost boundary cuts it.
            if not callsites.is_framework_frame(sys._getframe(1)):  # pyright: ignore[reportPrivateUsage]
                hide_internal_frames(error)
            raise

    if inspect.iscoroutinefunction(function):
        return cast("Callable[_P, _R]", _coroutine_boundary(cast("Any", entry_point)))
    return entry_point


def _coroutine_boundary(
    create: Callable[_P, Coroutine[Any, Any, _R]],
) -> Callable[_P, Coroutine[Any, Any, _R]]:
    """The boundary of a coroutine function: errors also leave the package where it is awaited."""

    @functools.wraps(create)
    async def awaited(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return await create(*args, **kwargs)
        except Exception as error:
            hide_internal_frames(error)
            raise

    return awaited


def _was_entered(error: TypeError) -> bool:
    """Whether a function that was called, and failed, had begun: its frame is on the traceback."""
    own_frame = error.__traceback__
    return own_frame is None or own_frame.tb_next is not None


def _nesting_error(error: RecursionError) -> NestingError:
    """The error for what is nested deeper than Python's calls may be, at the user's last line."""
    return NestingError(
        "this is nested too deep.",
        problems=[f"Python: takes at most {sys.getrecursionlimit()} calls inside one another"],
        where=callsites.innermost_user_line(error.__traceback__),
        fix="call computations one after the other, and none from inside itself; a program that "
        "has to be this deep needs a higher `sys.setrecursionlimit(...)`.",
    )


def _call_error(
    function: Callable[..., object], keywords: Iterable[str], error: TypeError
) -> ArgumentError:
    """The error for a call whose arguments Python could not bind to the parameters."""
    name = function.__name__
    signature = inspect.signature(function)
    if name in ("__init__", "__call__"):
        # Users call the class or the object.
        name = function.__qualname__.split(".")[-2]
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    names = list(signature.parameters)
    fixes: list[str] = []
    for keyword in keywords:
        nearest = None if keyword in names else suggest_name(keyword, names)
        if nearest is not None:
            fixes.append(f"write `{nearest}` for `{keyword}`")
    empty = inspect.Parameter.empty
    parameters = [each.replace(annotation=empty) for each in signature.parameters.values()]
    shown = signature.replace(parameters=parameters, return_annotation=empty)
    return ArgumentError(
        f"`{name}` cannot be called with these arguments.",
        problems=[f"arguments: {str(error).partition('() ')[2] or error}"],
        signature=f"{name}{shown}",
        fix=f"{'; '.join(fixes)}." if fixes else "give the arguments that the signature names.",
    )


def hide_internal_frames(error: BaseException) -> None:
    """Drops from a traceback, and from what it is followed by, the frames users did not write.

    Args:
      error: An exception that leaves this package. One that is neither of this package nor raised
        by the user's code is left alone: its frames tell where the mistake in this package is.
    """
    if os.environ.get("TFF_FULL_TRACEBACKS") == "1":
        return
    steps = list(_steps(error.__traceback__))
    if isinstance(error, FederatedError):
        error.__traceback__ = _joined(
            [step for step in steps if callsites.is_user_frame(step.tb_frame)]
        )
        _hide_told_error(error)
    elif _is_of_user(steps, callsites.is_package_frame):
        error.__traceback__ = _joined([step for step in steps if not _is_inside(step.tb_frame)])


def _hide_told_error(error: FederatedError) -> None:
    """Lets a traceback not show the error that this one tells anew, unless users raised it."""
    told = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    steps = [] if told is None else list(_steps(told.__traceback__))
    if not steps or not callsites.is_framework_frame(steps[0].tb_frame):
        # None; or an exception that the caller was handling.
        return
    if isinstance(told, ImportError):
        # What is wrong with an installation only this one says.
        return
    if _is_of_user(steps, callsites.is_framework_frame):
        assert told is not None
        hide_internal_frames(told)
    else:
        error.__cause__, error.__context__ = None, told


def _is_of_user(steps: Iterable[TracebackType], is_inside: Callable[[FrameType], bool]) -> bool:
    """Whether users wrote what is called last, after the last frame of a kind."""
    found = False
    for step in steps:
        if is_inside(step.tb_frame):
            found = False
        elif callsites.is_user_frame(step.tb_frame) or callsites.is_rewritten_frame(step.tb_frame):
            found = True
    return found


def _is_inside(frame: FrameType) -> bool:
    """Whether this package or a framework is at work, be it to call what the user wrote."""
    return callsites.is_framework_frame(frame) or callsites.is_rewritten_frame(frame)


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _joined(steps: Sequence[TracebackType]) -> TracebackType | None:
    result: TracebackType | None = None
    for step in reversed(steps):
        result = TracebackType(result, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return result
