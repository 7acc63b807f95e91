"""What goes wrong while JAX traces a function, told in four parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

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

    What JAX and NumPy say about it becomes an error of four parts. What the user's own code raises
    stays what it is, with a note about the computation that it comes from.

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
        where = callsites.innermost_user_line(error.__traceback__)
        raise array_of_another_trace(name, parameter_type, where) from None
    except Exception as error:
        where = callsites.innermost_user_line(error.__traceback__)
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
        if _is_from_framework(error):
            raise _refused(error, name, parameter_type, where) from None
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


def _refused(
    error: Exception, name: str, parameter_type: Type | None, where: str | None
) -> errors.FederatedError:
    """The error for what JAX or NumPy cannot do, as for arrays whose shapes do not fit."""
    kind = errors.TypeMismatchError if isinstance(error, TypeError) else errors.TracingError
    return kind(
        f"JAX cannot trace `{name}`.",
        problems=[f"{type(error).__name__}: {error}"],
        signature=errors.signature_without_result(parameter_type),
        where=where,
        fix="mend this line; a `jax.jit` of the same code has to work too.",
    )


def _is_from_framework(error: Exception) -> bool:
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and callsites.is_framework_frame(step.tb_frame)


def _add_note(error: Exception, name: str, parameter_type: Type | None, where: str | None) -> None:
    note = f"while `{name}`{_WAS_TRACED}"
    if parameter_type is not None:
        note += f" for an argument of the type {parameter_type}"
    if where is not None:
        note += f", at {where}"
    # A computation inside of another: only the inner one is where it happened.
    if not any(_WAS_TRACED in told for told in getattr(error, "__notes__", ())):
        error.add_note(note)
