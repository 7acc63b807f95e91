"""Computations and values as bytes."""

from __future__ import annotations

import copyreg
from typing import Any, cast

from tensorflow_federated.compiler import wire
from tensorflow_federated.core import (
    byte_format,
    errors,
    type_encoding,
    type_inference,
    type_predicates,
    types,
)
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Bytes, Limits, Reader, Writer
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.tensor_encoding import read_tensor, write_tensor
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.execution import backends, leaves, sequences, values


class BackendCodec:
    """Turns local computations into bytes through the back end they belong to."""

    def encode(self, computation: LocalComputation) -> bytes:
        """See `compiler.wire.LocalCodec`."""
        return backends.get(computation.backend).encode(computation)

    def decode(
        self, backend: str, data: bytes, type_signature: FunctionType, name: str, limits: Limits
    ) -> Any:
        """See `compiler.wire.LocalCodec`."""
        try:
            loaded = backends.get(backend)
        except errors.BackendError as error:
            raise errors.WireError(
                f"`{name}` is a computation of a back end that is not known here.",
                problems=[f"back end: got {backend!r:.80}"],
                fix=error.fix,
            ) from None
        return loaded.decode(data, type_signature, name, limits)


@errors.boundary
def serialize_computation(computation: Computation) -> bytes:
    """Turns a computation into bytes, which another process can read and run.

    A process that reads the bytes needs this package, and the frameworks of the computations
    inside; it does not need the code that made them. JAX computations travel as StableHLO,
    TensorFlow computations as a SavedModel, everything else in a form of our own. Nothing is
    pickled.

    Args:
      computation: a computation whose types are known.

    Returns:
      The bytes.

    Raises:
      WireError: if something in the computation cannot travel.

    Examples:
      >>> import jax.numpy as jnp, numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation((np.float32, [None]))
      ... def norm(x):
      ...     return jnp.sqrt(jnp.sum(jnp.square(x)))
      >>> data = serialize_computation(norm)
      >>> deserialize_computation(data)([3.0, 4.0])
      np.float32(5.0)

    Differs from TFF: bytes, not a protocol buffer, which every version of this package that knows
    the version of the format can read. Python containers travel with the types.
    """
    if not isinstance(computation, ConcreteComputation):
        raise errors.WireError(
            "only a computation whose types are known can be turned into bytes.",
            problems=[f"computation: got {computation!r:.200}"],
            fix="give the types of its parameters in the decorator.",
        )
    return wire.encode(computation.node, computation.__name__, BackendCodec())


@errors.boundary
def deserialize_computation(data: Bytes, *, limits: Limits = DEFAULT_LIMITS) -> Computation:
    """Reads a computation from the bytes that `serialize_computation` made of it.

    Nothing in the bytes is trusted: all of it is checked before it is used, and functions of the
    frameworks may only compute, not reach files, the network or Python.

    Args:
      data: the bytes.
      limits: what is read at most.

    Returns:
      The computation.

    Raises:
      WireError: if the bytes carry no computation.
      MissingExtraError: if it needs a framework that is not installed.
    """
    node, name = wire.decode(data, BackendCodec(), limits)
    return ConcreteComputation(node, name)


def _reduced(computation: ConcreteComputation) -> tuple[Any, ...]:
    return deserialize_computation, (serialize_computation(computation),)


# So that a computation can be handed to a pool of processes.
copyreg.pickle(ConcreteComputation, _reduced)


@errors.boundary
def serialize_value(value: Any, type_spec: Any = None) -> tuple[bytes, Type]:
    """Turns a value into bytes.

    Args:
      value: numbers, strings, arrays, datasets, computations, structures of these, and lists of
        clients' values where the type is placed at the clients.
      type_spec: its type; deduced if None.

    Returns:
      The bytes, and the type of the value.

    Raises:
      TypeMismatchError: if the value is not of the type, or has none.
      WireError: if a computation in it cannot travel.

    Examples:
      >>> import numpy as np
      >>> data, _ = serialize_value({"a": 1.5}, [("a", np.float32)])
      >>> deserialize_value(data)
      (OrderedDict([('a', np.float32(1.5))]), StructType([('a', TensorType(np.float32))]))
    """
    if type_spec is None:
        type_signature = type_inference.infer_type(value)
    else:
        type_signature = types.to_type(type_spec)
    canonical = values.to_canonical(value, type_signature, "value")
    table = type_encoding.TypeTable()
    table.position(type_signature)
    writer = Writer()
    table.write(writer)
    _write(writer, canonical, type_signature)
    return byte_format.seal(byte_format.VALUE, writer.data), type_signature


@errors.boundary
def deserialize_value(
    data: Bytes, type_hint: Any = None, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[Any, Type]:
    """Reads a value from the bytes that `serialize_value` made of it.

    Args:
      data: the bytes.
      type_hint: the type that the value is to have, with the containers that it is to come in; that
        which is in the bytes if None.
      limits: what is read at most.

    Returns:
      The value and its type. Sequences are lists of their elements.

    Raises:
      WireError: if the bytes carry no value.
      TypeNotAssignableError: if the value is not of the type that was asked for.
    """
    reader = byte_format.open_sealed(byte_format.VALUE, data, limits)
    found = type_encoding.read_types(reader).types
    if not found:
        reader.fail("a value has no type")
    type_signature = found[-1]
    canonical = _read(reader, type_signature)
    reader.finish()
    if type_hint is not None:
        wanted = types.to_type(type_hint)
        wanted.check_assignable_from(type_signature)
        type_signature = wanted
    return values.to_python(canonical, type_signature), type_signature


def _write(writer: Writer, value: Any, type_signature: Type) -> None:
    match type_signature:
        case TensorType(dtype=dtype):
            write_tensor(writer, value, dtype)
        case StructType():
            for element, (_, element_type) in zip(value, type_signature.items(), strict=True):
                _write(writer, element, element_type)
        case SequenceType(element=element_type):
            elements = list(cast("sequences.Sequence", value).elements())
            writer.unsigned(len(elements))
            for element in elements:
                _write(writer, element, element_type)
        case FederatedType(member=member) if type_predicates.is_each_own(type_signature):
            writer.unsigned(len(value))
            for each in value:
                _write(writer, each, member)
        case FederatedType(member=member):
            _write(writer, value, member)
        case FunctionType():
            writer.blob(serialize_computation(value))
        case _:
            raise errors.WireError(
                "this value cannot be turned into bytes.", problems=[f"value: got {type_signature}"]
            )


def _read(reader: Reader, type_signature: Type) -> Any:
    match type_signature:
        case TensorType():
            value, dtype = read_tensor(reader)
            found = TensorType(dtype, () if isinstance(value, bytes) else value.shape)
            if not type_signature.is_assignable_from(found):
                reader.fail(f"expected {type_signature}, got {found}")
            return value
        case StructType():
            return tuple(_read(reader, element) for element in type_signature.children())
        case SequenceType(element=element_type):
            count = _count(reader, element_type)
            elements = [_read(reader, element_type) for _ in range(count)]
            return sequences.Sequence.from_elements(elements, element_type)
        case FederatedType(member=member) if type_predicates.is_each_own(type_signature):
            return [_read(reader, member) for _ in range(_count(reader, member))]
        case FederatedType(member=member):
            return _read(reader, member)
        case FunctionType():
            computation = deserialize_computation(reader.blob(), limits=reader.limits)
            if not type_signature.is_assignable_from(computation.type_signature):
                reader.fail(f"expected {type_signature}, got {computation.type_signature}")
            return computation
        case _:
            reader.fail(
                f"there are no values of the type {type_signature.compact_representation()}"
            )


def _count(reader: Reader, element_type: Type) -> int:
    """How many values follow; those without tensors take no bytes, and are not read."""
    if not leaves.leaf_types(element_type):
        reader.fail("an element of a sequence has no tensors")
    return reader.count("values")
