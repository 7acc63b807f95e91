"""JAX computations as bytes: StableHLO, with a symbol for every dimension that is not known.

Two dimensions that are not known may differ, unless the function needs them to be equal; then those
that come first in their arrays, such as the sizes of a batch, are taken to be equal, and if that is
not enough, all of them.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from tensorflow_federated.core import errors, ir, traversal
from tensorflow_federated.core.byte_format import Limits, Reader, Writer
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.tensor_encoding import read_tensor, write_tensor
from tensorflow_federated.core.types import FunctionType, StructType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.jax import (
    application,
    captured_arrays,
    masked_forms,
    mixed_precision,
    precision,
    processor_forms,
    stablehlo,
    structures,
)

_PLATFORMS = ("cpu", "cuda", "tpu")
_SYMBOLIC_SHAPE = re.compile(r"[a-z0-9_ ,()*+-]*\Z")
_LONGEST_SHAPE = 1000

# How a dimension that is not known is named, by the number of its array and of its axis. From the
# second form on, some names are shared. `n - 1` may be 0, where JAX takes `n` to be 1 or more.
_NAMINGS: tuple[Callable[[int, int], str], ...] = (
    lambda array, axis: f"d{array}_{axis} - 1",
    lambda array, axis: f"d{array}_{axis}",
    lambda array, axis: "n - 1" if axis == 0 else f"d{array}_{axis} - 1",
    lambda array, axis: "n" if axis == 0 else f"d{array}_{axis}",
    lambda array, axis: "n - 1",
    lambda array, axis: "n",
)

_SHARED_NAMING = 2


class ExportedFunction:
    """The function of a computation that was read from bytes.

    Attributes:
      data: the bytes.
    """

    def __init__(self, call: Callable[..., Any], type_signature: FunctionType, data: bytes) -> None:
        """Wraps a function.

        Args:
          call: from the flat arrays of the argument to those of the result.
          type_signature: its type.
          data: the bytes that it was read from.
        """
        # It is compiled, not traced, so JAX cannot see how to apply it to many arguments at once.
        self._call = jax.custom_batching.sequential_vmap(call)
        self._type_signature = type_signature
        self.data = data

    def __call__(self, *argument: Any) -> Any:
        """Applies the function to its argument in its containers."""
        parameter, result_type = self._type_signature.parameter, self._type_signature.result
        flat: list[Any] = []
        if parameter is not None:
            canonical = structures.to_canonical(argument[0], parameter, "the argument")
            flat = tensor_leaves.flatten(canonical, parameter)
        result = tensor_leaves.unflatten(self._call(*flat), result_type)
        return structures.to_containers(result, result_type)


def are_in(programs: Sequence[ir.Node]) -> bool:
    """Whether a program has a computation that was read from bytes."""
    return any(
        isinstance(node, ir.Local) and is_exported(node.computation)
        for program in programs
        for node in traversal.iterate(program)
    )


def is_exported(computation: LocalComputation) -> bool:
    """Whether the function of a computation was read from bytes."""
    function = computation.function
    return isinstance(function, application.JaxFunction) and isinstance(
        function.function, ExportedFunction
    )


_substitutes: weakref.WeakKeyDictionary[LocalComputation, Callable[[], LocalComputation]] = (
    weakref.WeakKeyDictionary()
)


def encode_as(
    computation: LocalComputation, make_substitute: Callable[[], LocalComputation]
) -> None:
    """Says what travels in the place of a computation that calls Python.

    Args:
      computation: a computation that cannot travel itself.
      make_substitute: makes another computation of the same type; called once, when it is needed.
    """
    _substitutes[computation] = functools.cache(make_substitute)


def encode(computation: LocalComputation, in_mixed_precision: bool = False) -> bytes:
    """Turns the function of a JAX computation into bytes; see `execution.backends.Backend`.

    Args:
      computation: the computation.
      in_mixed_precision: whether it is to multiply in bfloat16.

    Returns:
      The bytes.

    Raises:
      WireError: if it cannot travel.
    """
    make_substitute = _substitutes.get(computation)
    if make_substitute is not None:
        computation = make_substitute()
    function: application.JaxFunction = computation.function
    if isinstance(function.function, ExportedFunction):
        return function.function.data
    writer, masked_writer, naming = Writer(), Writer(), 0
    masked = masked_forms.find(computation)
    masked_writer.flag(masked is not None)
    if masked is not None:
        # All arrays of a batch have the same rows, with a mask or without.
        naming = _export_somehow(
            _masked_step(computation, masked), _SHARED_NAMING, in_mixed_precision, masked_writer
        )
    else:
        _check_sizes(computation)
    _export_somehow(computation, naming, in_mixed_precision, writer)
    return bytes(writer.data + masked_writer.data)


def _check_sizes(computation: LocalComputation) -> None:
    """Refuses a function that tells sizes apart, which no program for all of them can do."""
    size = masked_forms.differing_size(computation)
    if size is not None:
        raise errors.WireError(
            f"the JAX computation `{computation.name}` cannot be turned into bytes.",
            problems=[f"for batches of {size} it does something else than for other sizes"],
            signature=computation.type_signature.compact_representation(),
            fix="branch on the size with `jax.numpy.where` or `jax.lax.cond`, not with `if`.",
        )


def _write(writer: Writer, shapes: Sequence[str], function: jax.export.Exported) -> None:
    writer.unsigned(function.calling_convention_version)
    writer.flag(function.uses_global_constants)
    writer.unsigned(len(function.platforms))
    for platform in function.platforms:
        writer.text(platform)
    for shape in shapes:
        writer.text(shape)
    for aval in function.out_avals:
        writer.text(",".join(str(size) for size in aval.shape))
    writer.blob(stablehlo.to_text(function.mlir_module_serialized).encode())


def decode(
    data: bytes, type_signature: FunctionType, name: str, limits: Limits
) -> application.JaxFunction:
    """Reads the function of a JAX computation; see `execution.backends.Backend`."""
    reader = Reader(memoryview(data), limits)
    function = ExportedFunction(_read(reader, type_signature, name), type_signature, data)
    masked = None
    if reader.flag():
        masked_type = _masked_type(type_signature)
        if masked_type is None:
            reader.fail("a masked form has to be that of a step over batches")
        masked = ExportedFunction(_read(reader, masked_type, name), masked_type, data)
    reader.finish()
    return application.JaxFunction(
        function, uses_64_bits=True, masked=None if masked is None else _of_elements(masked)
    )


def _of_elements(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of one structure as one of its elements."""
    return lambda *elements: function(elements)


def _masked_type(type_signature: FunctionType) -> FunctionType | None:
    """The type of the masked form of a step; None if a function of this type is none."""
    parameter = type_signature.parameter
    if not isinstance(parameter, StructType) or len(parameter) != 2:
        return None
    state, batch = parameter.children()
    return FunctionType(StructType([state, batch, TensorType(np.int32)]), type_signature.result)


def _masked_step(
    computation: LocalComputation, masked: masked_forms.MaskedStep
) -> LocalComputation:
    """The masked form of a step as a computation of its own."""
    function: application.JaxFunction = computation.function
    type_signature = _masked_type(computation.type_signature)
    assert type_signature is not None
    return LocalComputation(
        "jax",
        application.JaxFunction(lambda argument: masked(*argument), function.uses_64_bits),
        type_signature,
        computation.name,
    )


def _read(reader: Reader, type_signature: FunctionType, name: str) -> Callable[..., Any]:
    """Reads a function of flat arrays."""
    arrays, array_types = _read_arrays(reader)
    version, uses_global_constants = reader.unsigned(), reader.flag()
    oldest = jax.export.minimum_supported_calling_convention_version
    newest = jax.export.maximum_supported_calling_convention_version
    if not oldest <= version <= newest:
        reader.fail(
            f"this JAX reads exported functions of the versions {oldest} to {newest}, got {version}"
        )
    platforms = tuple(reader.text() for _ in range(reader.count("platforms")))
    if not platforms or not set(platforms) <= set(_PLATFORMS):
        reader.fail(f"a JAX computation is for the platforms {platforms!s:.80}")
    parameters, results = _tensor_types(reader, type_signature)
    shapes = [_read_shape(reader) for _ in parameters]
    result_shapes = [_read_shape(reader) for _ in results]
    text = str(reader.blob(), "utf-8", "replace")
    try:
        array_shapes = [",".join(map(str, array.shape)) for array in arrays]
        template = _template(
            (*array_types, *parameters),
            [*array_shapes, *shapes],
            results,
            result_shapes,
            platforms,
        )
        main_type = stablehlo.main_type_of(template.mlir_module_serialized)
        module = stablehlo.from_text(text, main_type)
    except stablehlo.ModuleError as error:
        raise _error(name, str(error)) from None
    except Exception as error:
        raise _error(name, f"its shapes cannot be read: {error!s:.300}") from error
    exported = dataclasses.replace(
        template,
        mlir_module_serialized=module,
        calling_convention_version=version,
        uses_global_constants=uses_global_constants,
    )
    return functools.partial(exported.call, *arrays) if arrays else exported.call


def _read_arrays(reader: Reader) -> tuple[list[Any], list[TensorType]]:
    """The arrays that the function had captured, and their types."""
    arrays: list[Any] = []
    types: list[TensorType] = []
    for _ in range(reader.count("arrays")):
        array, dtype = read_tensor(reader)
        arrays.append(array)
        types.append(TensorType(dtype, array.shape))
        if not structures.is_jax_type(types[-1]):
            reader.fail(f"a JAX computation has no {types[-1].compact_representation():.80}")
    return arrays, types


def _error(name: str, problem: str) -> errors.WireError:
    return errors.WireError(
        f"the JAX computation `{name}` cannot be read from these bytes.", problems=[problem]
    )


def _export_somehow(
    computation: LocalComputation, first_naming: int, in_mixed_precision: bool, writer: Writer
) -> int:
    """Writes a function, its dimensions named in the first way that it can be traced with.

    Args:
      computation: the computation.
      first_naming: the way of naming that is tried first.
      in_mixed_precision: whether it is to multiply in bfloat16.
      writer: what is written to.

    Returns:
      The way of naming.
    """
    type_signature = computation.type_signature
    parameter = type_signature.parameter
    parameters = () if parameter is None else tensor_leaves.leaf_types(parameter)

    def applied(*arrays: Any) -> tuple[Any, ...]:
        argument = None if parameter is None else tensor_leaves.unflatten(arrays, parameter)
        result = application.apply(computation, argument)
        return tuple(tensor_leaves.flatten(result, type_signature.result))

    failure: Exception | None = None
    for naming, shapes in _shapes_to_try(parameters, first_naming):
        specs = _specs(parameters, shapes)
        try:
            with precision.with_64_bits(True):
                # Whoever runs the bytes can look into them no more.
                function = jax.make_jaxpr(applied)(*specs)
                if in_mixed_precision:
                    function = mixed_precision.in_bfloat16(function)
                function = processor_forms.in_fast_forms(function)
                taking_arrays, arrays = captured_arrays.split(function)
        except Exception as error:
            # Which errors JAX raises for what a function asks of a symbol, it does not say.
            failure = error
            continue
        for platforms in (_PLATFORMS, _PLATFORMS[:1]):
            try:
                exported = _export(taking_arrays, [*arrays, *specs], platforms)
            except Exception as error:
                failure = error
                continue
            writer.unsigned(len(arrays))
            for array in arrays:
                write_tensor(writer, array, array.dtype)
            _write(writer, shapes, exported)
            return naming
    assert failure is not None
    raise errors.WireError(
        f"the JAX computation `{computation.name}` cannot be turned into bytes.",
        problems=[f"jax.export: {failure!s:.500}"],
        signature=type_signature.compact_representation(),
        fix="give the sizes of all dimensions in its type."
        if structures.has_unknown_dimension(parameter)
        else "compute with JAX only: Python functions that it calls back cannot travel.",
    ) from failure


def _export(
    flat: Callable[..., Any], specs: Sequence[Any], platforms: Sequence[str]
) -> jax.export.Exported:
    with precision.with_64_bits(True):
        return jax.export.export(jax.jit(flat, keep_unused=True), platforms=platforms)(*specs)


def _shapes_to_try(
    parameters: Sequence[Type], first_naming: int
) -> Iterator[tuple[int, list[str]]]:
    """The shapes of all parameters, in the words of `jax.export`; the most general first.

    With each comes the position of the way in which its dimensions are named.
    """
    tried: list[list[str]] = []
    for position, naming in enumerate(_NAMINGS[first_naming:], first_naming):
        shapes = [
            ",".join(
                naming(array, axis) if size is None else str(size)
                for axis, size in enumerate(_shape(parameter))
            )
            for array, parameter in enumerate(parameters)
        ]
        if shapes not in tried:
            tried.append(shapes)
            yield position, shapes


def _shape(tensor_type: Type) -> tuple[int | None, ...]:
    assert isinstance(tensor_type, TensorType)
    assert tensor_type.shape is not None
    return tensor_type.shape


def _specs(parameters: Sequence[Type], shapes: Sequence[str]) -> list[jax.ShapeDtypeStruct]:
    scope = jax.export.SymbolicScope()
    specs: list[jax.ShapeDtypeStruct] = []
    for parameter, shape in zip(parameters, shapes, strict=True):
        assert isinstance(parameter, TensorType)
        sizes = jax.export.symbolic_shape(shape, scope=scope)
        specs.append(jax.ShapeDtypeStruct(sizes, parameter.dtype))
    return specs


def _tensor_types(
    reader: Reader, type_signature: FunctionType
) -> tuple[tuple[Type, ...], tuple[Type, ...]]:
    parameter = type_signature.parameter
    parameters = () if parameter is None else tensor_leaves.leaf_types(parameter)
    results = tensor_leaves.leaf_types(type_signature.result)
    for leaf in (*parameters, *results):
        if not structures.is_jax_type(leaf) or _has_no_rank(leaf):
            reader.fail(f"a JAX computation has no {leaf.compact_representation():.80}")
    return parameters, results


def _has_no_rank(leaf: Type) -> bool:
    return isinstance(leaf, TensorType) and leaf.shape is None


def _read_shape(reader: Reader) -> str:
    shape = reader.text()
    if len(shape) > _LONGEST_SHAPE or not _SYMBOLIC_SHAPE.match(shape):
        reader.fail(f"there is no shape {shape!r:.80}")
    return shape


def _template(
    parameters: Sequence[Type],
    shapes: Sequence[str],
    results: Sequence[Type],
    result_shapes: Sequence[str],
    platforms: Sequence[str],
) -> jax.export.Exported:
    """A function of the same flat type: all that JAX needs to know beside the module."""
    specs = _specs(parameters, shapes)
    scope = next(
        (size.scope for spec in specs for size in spec.shape if not isinstance(size, int)), None
    )
    zeros = [
        jax.ShapeDtypeStruct(jax.export.symbolic_shape(shape, scope=scope), result.dtype)
        for shape, result in zip(result_shapes, results, strict=True)
        if isinstance(result, TensorType)
    ]
    for declared, spec in zip((*parameters, *results), (*specs, *zeros), strict=True):
        sizes = [size if isinstance(size, int) else None for size in spec.shape]
        if not declared.is_assignable_from(TensorType(spec.dtype, sizes)):
            raise stablehlo.ModuleError(f"an array is declared as {declared}, and is {spec}")

    def flat(*arrays: Any) -> tuple[Any, ...]:
        return tuple(jnp.zeros(zero.shape, zero.dtype) for zero in zeros)

    return _export(flat, specs, platforms)
