"""What TensorFlow reports of a user's function, told as an error with the user's own line.

An exception that the user's own code raises stays what it is; only what TensorFlow, Keras or NumPy
raise, for they cannot do what the function asks of them, is told anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import tensorflow as tf

from tensorflow_federated.core import callsites, errors
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution.problems import describe_error

# What AutoGraph leaves on exceptions that pass through code that it has converted.
_METADATA = "ag_error_metadata"
_LONGEST_TEXT = 600
_STACK_LINE = re.compile(r'^\s*File "(?P<path>[^"]*)", line (?P<number>\d+), in (?P<function>.*)$')
_NODE = re.compile(
    r"\s*(\[\[(\{\{.*\}\}|[A-Za-z][\w/.-]*)\]\]|\[Op:\w+\]|<stack traces unavailable>)\s*"
)
_HEADING = re.compile(r"^(Graph execution error:|Detected at node .*:|\(most recent call last\):)$")

_BRANCHES = re.compile(
    r"same nested structure|in the main branch|initialized in the (else|main) branch"
    r"|also have a return statement|true_fn and false_fn|cond_v2\.py"
)
_LOOPS = re.compile(r"before the loop|after one iteration|set_loop_options|shape_invariants")
_VALUES = re.compile(r"to a numpy array|no attribute 'numpy'|NumPy call")


def of_ours(error: Exception) -> errors.FederatedError | None:
    """The error of ours that stopped the tracing of a function; None if another one did."""
    original = _before_autograph(error)
    if not isinstance(original, errors.FederatedError):
        return None
    if original is not error:
        original.where = _user_line(original) or original.where
    return original


def while_tracing(
    error: Exception, fn: Callable[..., Any], name: str, parameter_type: Type | None
) -> BaseException:
    """The exception to raise instead of one that stopped the tracing of a function.

    Args:
      error: what was raised.
      fn: the user's function.
      name: its name.
      parameter_type: the type of its parameter; None if it takes none.

    Returns:
      An error of ours; or what was raised, if the user's code raised it.
    """
    original = _before_autograph(error)
    where = _user_line(original)
    if not _is_from_framework(original):
        if original is not error and where is not None:
            original.add_note(f"  where:       {where}")
        return original
    return _class_for(original)(
        f"TensorFlow cannot trace `{name}`.",
        problems=[_described(original)],
        signature=errors.signature_without_result(parameter_type),
        where=where or callsites.line_of(fn),
        fix=_fix(original, fn),
    )


def while_running(error: tf.errors.OpError, name: str) -> errors.ComputationError:
    """The error to raise instead of one that stopped a computation.

    Args:
      error: what TensorFlow raised.
      name: how messages call the computation.

    Returns:
      The error, with the line of the operation that failed.
    """
    lines = str(error).splitlines()
    frames = [_STACK_LINE.match(line) for line in lines]
    where = None
    for frame in frames:
        if frame is not None and callsites.is_user_file(frame["path"]):
            where = callsites.describe_line(frame["path"], int(frame["number"]), frame["function"])
    told = [
        _NODE.sub("", line).strip()
        for line, frame in zip(lines, frames, strict=True)
        if frame is None and not _HEADING.match(line.strip())
    ]
    text = "\n".join(line for line in told if line)
    return errors.ComputationError(
        f"{name} failed while it ran.",
        problems=[_shortened(f"{type(error).__name__}: {text}")],
        where=where,
        fix="look at the values that it was called with.",
    )


def _class_for(error: BaseException) -> type[errors.FederatedError]:
    if _needs_values(error):
        return errors.TracedValueError
    return errors.TypeMismatchError if isinstance(error, TypeError) else errors.TracingError


def _needs_values(error: BaseException) -> bool:
    if isinstance(error, tf.errors.OperatorNotAllowedInGraphError):
        return True
    return _VALUES.search(str(error)) is not None


def _described(error: BaseException) -> str:
    if isinstance(error, tf.errors.OperatorNotAllowedInGraphError):
        # The rest tells how to use `tf.function`.
        error = type(error)(str(error).partition(". ")[0] + ".")
    assert isinstance(error, Exception)
    return _shortened(describe_error(error))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."


def _before_autograph(error: BaseException) -> BaseException:
    """What was raised, before AutoGraph made another exception of the same class of it."""
    while error.__context__ is not None and hasattr(error.__context__, _METADATA):
        error = error.__context__
    return error


def _user_line(error: BaseException) -> str | None:
    """The user's line that raised an exception, also where AutoGraph has rewritten it."""
    metadata = getattr(error, _METADATA, None)
    for frame in () if metadata is None else metadata.translated_stack:
        if frame.is_converted and callsites.is_user_file(frame.filename):
            return callsites.describe_line(frame.filename, frame.lineno, frame.function_name)
    return callsites.innermost_user_line(error.__traceback__)


def _is_from_framework(error: BaseException) -> bool:
    steps = list(_steps(error.__traceback__))
    return bool(steps) and callsites.is_framework_frame(steps[-1].tb_frame)


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _fix(error: BaseException, fn: Callable[..., Any]) -> str:
    files = " ".join(step.tb_frame.f_code.co_filename for step in _steps(error.__traceback__))
    text = f"{error} {files}"
    if isinstance(error, tf.errors.OperatorNotAllowedInGraphError):
        if getattr(fn, "__name__", "") == "<lambda>":
            return "write a `def`, whose `if` and `while` AutoGraph converts; or use `tf.where`."
        return "use `tf.where`, `tf.cond` or `tf.while_loop`: a tensor has no value yet."
    if _BRANCHES.search(text):
        return "let both branches give the same structure, with the same dtypes."
    if _LOOPS.search(text):
        return (
            "tell what varies: `tf.autograph.experimental.set_loop_options(shape_invariants=...)`."
        )
    if _needs_values(error):
        return "use TensorFlow's functions instead of NumPy's: a tensor has no value yet."
    return "mend this line; a `tf.function` of the same code has to work too."
