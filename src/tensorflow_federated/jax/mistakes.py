"""What goes wrong while JAX traces a function, told in four parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType

import jax

from tensorflow_federated.core import callsites, errors
from tensorflow_federated.core.types import Type

_WAS_TRACED = " was traced by JAX"

_INSTEAD_OF_CONTROL_FLOW = (
    "write `jnp.where(condition, x, y)` or `jax.lax.cond` for `if`, `jax.lax.while_loop` for "
    "`while`, and `&`, `|`, `~` for `and`, `or`, `not`."
)

# The first class that fits: what was asked of the array, and what to write instead.
_QUESTIONS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        jax.errors.TracerBoolConversionError,
        "a Python condition asks whether an array is true",
        _INSTEAD_OF_CONTROL_FLOW,
    ),
    (
        jax.errors.TracerIntegerConversionError,
        "an array is used where Python needs a whole number, as an index or a length",
        "index an array with it, `jnp.asarray(items)[index]`, and loop with `jax.lax.fori_loop`.",
    ),
    (
        jax.errors.TracerArrayConversionError,
        "a function that is not of JAX, as those of NumPy and TensorFlow, asks for the elements",
        "use the function of that name in `jax.numpy`.",
    ),
    (
        jax.errors.NonConcreteBooleanIndexError,
        "an array is indexed by a condition, so that its size would depend on its elements",
        "write `jnp.where(condition, x, 0)`, which keeps the size.",
    ),
    (
        jax.errors.ConcretizationTypeError,
        "the number in an array is asked for, as by `int(x)`, `float(x)` or `range(x)`",
        "keep it an array: `x.astype(...)` for `int` and `float`, `jax.lax.fori_loop` for a loop.",
    ),
)


@contextlib.contextmanager
def explained(name: str, parameter_type: Type | None) -> Iterator[None]:
    """Explains what the function of a computation does wrong while it is traced.

    What JAX says about arrays whose elements are not known, and about arrays of other traces,
    becomes an error of four parts. Other exceptions stay what they are, with a note about the
    computation that they come from.

    Args:
      name: the name of the computation.
      parameter_type: the type of its parameter; None if it takes none.

    Yields:
      Nothing.
    """
    try:
        yield
    except errors.FederatedError:
        raise
    except jax.errors.UnexpectedTracerError as error:
        where = _innermost_user_line(error.__traceback__)
        raise array_of_another_trace(name, parameter_type, where) from None
    except Exception as error:
        where = _innermost_user_line(error.__traceback__)
        for kind, question, fix in _QUESTIONS:
            if isinstance(error, kind):
                raise errors.TracedValueError(
                    f"`{name}` depends on the elements of an array, which are not known while it "
                    "is traced.",
                    problems=[f"value: {question}"],
                    signature=errors.signature_without_result(parameter_type),
                    where=where,
                    fix=fix,
                ) from None
        _add_note(error, name, parameter_type, where)
        raise


def array_of_another_trace(
    name: str, parameter_type: Type | None, where: str | None
) -> errors.TracedValueError:
    """The error for a function that uses an array which another function was traced on.

    Args:
      name: the name of the computation.
      parameter_type: the type of its parameter; None if it takes none.
      where: the user's line.

    Returns:
      The error, not raised yet.
    """
    return errors.TracedValueError(
        f"`{name}` uses an array of another trace, which is over.",
        problems=["value: an array that a function kept outside of itself when it was traced"],
        signature=errors.signature_without_result(parameter_type),
        where=where,
        fix="give such an array back with `return`, and pass it on as an argument.",
    )


def _add_note(error: Exception, name: str, parameter_type: Type | None, where: str | None) -> None:
    note = f"while `{name}`{_WAS_TRACED}"
    if parameter_type is not None:
        note += f" for an argument of the type {parameter_type}"
    if where is not None:
        note += f", at {where}"
    # A computation inside of another: only the inner one is where it happened.
    if not any(_WAS_TRACED in told for told in getattr(error, "__notes__", ())):
        error.add_note(note)


def _innermost_user_line(traceback: TracebackType | None) -> str | None:
    """The deepest line of the user's code on a traceback."""
    found: str | None = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if callsites.is_user_frame(traceback.tb_frame):
            found = callsites.describe_line(code.co_filename, traceback.tb_lineno, code.co_name)
        traceback = traceback.tb_next
    return found
