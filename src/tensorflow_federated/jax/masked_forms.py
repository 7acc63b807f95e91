"""The masked forms of steps over batches: those that a step brings, and those that are found.

A step that is written by hand is traced at several sizes of its batch. If the traces are one
program, and each of its operations is known to work on rows one by one or to reduce them, then it
can be carried out on the first rows of a larger batch. See `sized_programs` and `first_rows`.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from tensorflow_federated.core import contexts, dtypes
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences
from tensorflow_federated.jax import (
    application,
    first_rows,
    mistakes,
    precision,
    sized_programs,
    structures,
    thread_options,
)

MaskedStep = Callable[[Any, Any, Any], Any]
"""A step of the first rows of a batch: of the state, the batch, and how many rows count."""

# With many divisors, for functions that split their batch.
_TRACED_SIZES = (24, 48)

# What batches often are of: a function that does something else for one of them is found out.
_COMPARED_SIZES = (2, 3, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100)

# For a batch of one row JAX takes other operations than for those of more. Then it is tried.
_DRAWS, _DRAWN_ROWS = 2, 3

# Compiling takes far longer than what is computed: these options halve it.
_QUICKLY: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}

_lock = threading.RLock()
_found: weakref.WeakKeyDictionary[LocalComputation, dict[Any, MaskedStep | None]] = (
    weakref.WeakKeyDictionary()
)


def find(computation: LocalComputation) -> MaskedStep | None:
    """The masked form of a computation, in the containers of its types; None if there is none."""
    function = computation.function
    if not isinstance(function, application.JaxFunction):
        return None
    if function.masked is not None:
        return function.masked
    if not _is_step(computation):
        return None
    with _lock:
        forms = _found.setdefault(computation, {})
        key = thread_options.current()
        if key not in forms:
            forms[key] = _proved(computation)
        return forms[key]


def differing_size(computation: LocalComputation) -> int | None:
    """A size of batches for which a function does something else than for others.

    A function that is traced for all sizes at once cannot tell them apart: it would do the same for
    this one.

    Args:
      computation: a computation of JAX.

    Returns:
      The size; None if none was found.
    """
    if not structures.has_unknown_dimension(computation.type_signature.parameter):
        return None
    try:
        program = _program_of(computation)
        return next(
            (
                size
                for size in _COMPARED_SIZES
                if not program.is_at(size, _traced(computation, size))
            ),
            None,
        )
    except Exception:  # what cannot be compared is not known to differ
        return None


def apply(computation: LocalComputation, state: Any, batch: Any, count: Any) -> Any:
    """Applies the masked form of a computation that has one; see `application.apply`.

    Args:
      computation: the computation, a step `(<state,batch> -> state)`.
      state: the state, nested tuples of arrays.
      batch: the batch, nested tuples of arrays.
      count: how many rows of the batch count, int32.

    Returns:
      The next state, nested tuples of arrays.
    """
    function, signature = computation.function, computation.type_signature
    masked, parameter = find(computation), signature.parameter
    assert isinstance(function, application.JaxFunction)
    assert masked is not None
    assert isinstance(parameter, StructType)
    with (
        precision.with_64_bits(function.uses_64_bits),
        contexts.install(application.InliningContext()),
        mistakes.explained(computation.name, parameter),
    ):
        result = masked(
            structures.to_containers(state, parameter[0]),
            structures.to_containers(batch, parameter[1]),
            count,
        )
        return structures.to_canonical(
            result, signature.result, f"the result of `{computation.name}`"
        )


def _is_step(computation: LocalComputation) -> bool:
    """Whether this can be the step of a loop over batches."""
    parameter = computation.type_signature.parameter
    if not isinstance(parameter, StructType) or len(parameter) != 2:
        return False
    state_type, batch_type = parameter.children()
    return (
        sequences.is_batched(batch_type)
        and not structures.has_unknown_dimension(state_type)
        and state_type.is_assignable_from(computation.type_signature.result)
    )


def _proved(computation: LocalComputation) -> MaskedStep | None:
    parameter, result_type = (
        computation.type_signature.parameter,
        computation.type_signature.result,
    )
    assert isinstance(parameter, StructType)
    state_type, batch_type = parameter.children()
    try:
        with _on_the_processor():
            program = _program_of(computation)
            masked = _masked_step(program, state_type, batch_type, result_type)
            _check(masked, state_type, batch_type)
            are_same = all(
                program.is_at(size, _traced(computation, size)) for size in _COMPARED_SIZES
            ) and (
                program.is_at(1, _traced(computation, 1)) or _agree_on_one_row(computation, program)
            )
    except Exception:  # whatever a function does not take, it runs at the sizes that come
        return None
    return masked if are_same else None


def _program_of(computation: LocalComputation) -> sized_programs.Program:
    first, second = (_traced(computation, size) for size in _TRACED_SIZES)
    return sized_programs.program_of((first, second), _TRACED_SIZES)


def _traced(computation: LocalComputation, size: int) -> core.ClosedJaxpr:
    """A step traced for batches of a size."""
    parameter = computation.type_signature.parameter
    assert parameter is not None

    def flat(*arrays: Any) -> list[Any]:
        argument = tensor_leaves.unflatten(iter(arrays), parameter)
        result = application.apply(computation, argument)
        return tensor_leaves.flatten(result, computation.type_signature.result)

    with precision.with_64_bits(True):
        specs = tensor_leaves.flatten(structures.abstract(parameter, size), parameter)
        return jax.make_jaxpr(flat)(*specs)


def _masked_step(
    program: sized_programs.Program, state_type: Type, batch_type: Type, result_type: Type
) -> MaskedStep:
    def masked(state: Any, batch: Any, count: Any) -> Any:
        with precision.with_64_bits(True):
            own = structures.to_canonical(state, state_type, "the state")
            rows = structures.to_canonical(batch, batch_type, "the batch")
            arguments = [
                *tensor_leaves.flatten(own, state_type),
                *tensor_leaves.flatten(rows, batch_type),
            ]
            size = arguments[-1].shape[0]
            first = first_rows.FirstRows(size, jnp.asarray(count, np.int32))
            results = iter(first.evaluate(program, arguments))
            result = tensor_leaves.unflatten(results, result_type)
        return structures.to_containers(result, result_type)

    return masked


def _check(masked: MaskedStep, state_type: Type, batch_type: Type) -> None:
    """Traces a masked form: whether it can be traced is seen by trying."""

    def flat(state: Any, batch: Any, count: Any) -> Any:
        own = structures.to_containers(state, state_type)
        return jax.tree.leaves(masked(own, structures.to_containers(batch, batch_type), count))

    with precision.with_64_bits(True):
        jax.eval_shape(
            flat,
            structures.abstract(state_type, None),
            structures.abstract(batch_type, _TRACED_SIZES[0]),
            jax.ShapeDtypeStruct((), np.int32),
        )


def _agree_on_one_row(computation: LocalComputation, program: sized_programs.Program) -> bool:
    """Whether a step of one row does what its program does, as far as that can be seen."""
    exact = core.jaxpr_as_fun(_traced(computation, 1))

    def both(arguments: Sequence[Any]) -> Any:
        ones = [
            argument[:1] if first_rows.row_axes(variable) else argument
            for variable, argument in zip(program.parameters, arguments, strict=True)
        ]
        rows = first_rows.FirstRows(_DRAWN_ROWS, np.int32(1))
        return exact(*ones), rows.evaluate(program, arguments)

    with precision.with_64_bits(True):
        compiled = jax.jit(both).lower(_drawn(program, 0)).compile(_QUICKLY)
        return all(_agree(*compiled(_drawn(program, seed))) for seed in range(_DRAWS))


def _drawn(program: sized_programs.Program, seed: int) -> list[Any]:
    """Random arguments: numbers around 0, small whole ones; what does not count is NaN."""
    generator = np.random.default_rng(seed)
    drawn: list[Any] = []
    for variable in program.parameters:
        shape = sized_programs.params_at(variable.shape, _DRAWN_ROWS)
        if dtypes.is_floating(variable.dtype):
            drawn.append(generator.standard_normal(shape).astype(variable.dtype))
            if first_rows.row_axes(variable):
                drawn[-1][1:] = np.nan
        else:
            drawn.append(generator.integers(0, 2, shape).astype(variable.dtype))
    return drawn


def _agree(expected: Sequence[Any], got: Sequence[Any]) -> bool:
    """Whether numbers are the same but for rounding, measured by the largest of an array."""
    return all(map(_array_agrees, jax.device_get(expected), jax.device_get(got)))


def _array_agrees(expected: np.ndarray, got: np.ndarray) -> bool:
    if not dtypes.is_floating(expected.dtype):
        return bool(np.array_equal(expected, got))
    exact, other = expected.astype(np.float64), got.astype(np.float64)
    tolerance = max(1e-4, 16 * float(jnp.finfo(expected.dtype).eps))
    scale = np.max(np.abs(exact), initial=0.0, where=np.isfinite(exact))
    return np.allclose(exact, other, rtol=0, atol=tolerance * scale + 1e-12, equal_nan=True)


@contextlib.contextmanager
def _on_the_processor() -> Iterator[None]:
    """Computes on the processor, where JAX has it."""
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        yield
        return
    with jax.default_device(device):
        yield
