"""Types as TensorFlow sees them, and values taken apart into flat tensors and put together again.

A value is carried as a flat list of tensors, one for each leaf of its type. A dataset is carried as
the scalar variant tensor that TensorFlow keeps it in.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import containers, dtypes, errors, fields, ir, paths, structure
from tensorflow_federated.core.types import (
    SequenceType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
)
from tensorflow_federated.execution import leaves as tensor_leaves

Pack = Callable[[StructType, Sequence[Any]], Any]
"""Puts the elements of a structure into a Python container."""


def to_tf_dtype(dtype: np.dtype[Any]) -> tf.DType:
    """The TensorFlow dtype of a numpy dtype; strings are `tf.string`."""
    return tf.string if dtypes.is_string(dtype) else tf.as_dtype(dtype)


def tf_shape(tensor_type: TensorType) -> tf.TensorShape:
    """The shape of a tensor type."""
    shape: Any = tensor_type.shape
    return tf.TensorShape(shape)


def to_tensor_spec(tensor_type: TensorType) -> tf.TensorSpec:
    """The spec of a tensor type."""
    return tf.TensorSpec(tf_shape(tensor_type), to_tf_dtype(tensor_type.dtype))


def to_tensor_type(tensor: tf.Tensor) -> TensorType:
    """The type of a tensor, with the shape as far as it is known."""
    shape = None if tensor.shape.rank is None else tensor.shape.as_list()
    if tensor.dtype == tf.string:
        return TensorType(np.str_, shape)
    return TensorType(tensor.dtype.as_numpy_dtype, shape)


def flat_specs(type_signature: Type | None) -> list[tf.TensorSpec]:
    """The specs of the flat tensors that carry a value of a type; none for no parameter."""
    if type_signature is None:
        return []
    return [_leaf_spec(leaf) for leaf in tensor_leaves.leaf_types(type_signature)]


def _leaf_spec(leaf: Type) -> tf.TensorSpec:
    if isinstance(leaf, TensorType):
        return to_tensor_spec(leaf)
    if isinstance(leaf, SequenceType):
        return tf.TensorSpec([], tf.variant)
    raise errors.TypeMismatchError(
        "only tensors, sequences and structures of them can enter a TensorFlow computation.",
        problems=[f"got: {leaf}"],
        fix="apply the computation with `tff.federated_map` where the values are placed.",
    )


def with_shapes(tensors: Sequence[tf.Tensor], specs: Sequence[tf.TensorSpec]) -> list[tf.Tensor]:
    """The same tensors, symbolic, whose shapes are known as far as the specs say."""
    return [
        tensor
        if tensor.shape.rank is not None and tensor.shape.as_list() == spec.shape.as_list()
        else tf.ensure_shape(tensor, spec.shape)
        for tensor, spec in zip(tensors, specs, strict=True)
    ]


def element_structure(element_type: Type) -> Any:
    """The structure of specs that `tf.data` calls the `element_spec`."""
    if isinstance(element_type, TensorType):
        return to_tensor_spec(element_type)
    if isinstance(element_type, SequenceType):
        return tf.data.DatasetSpec(element_structure(element_type.element))
    assert isinstance(element_type, StructType)
    if containers.is_composite(element_type):
        return _composite_spec(element_type)
    return pack_element(element_type, [element_structure(each) for _, each in element_type.items()])


def _composite_spec(struct_type: StructType) -> tf.TypeSpec:
    """The spec of a ragged or sparse tensor; the inverse of how `core.specs` reads one."""
    if struct_type.python_container is tf.SparseTensor:
        _, values, dense_shape = (part for _, part in struct_type.items())
        assert isinstance(values, TensorType)
        assert isinstance(dense_shape, TensorType)
        rank = dense_shape.shape[0] if dense_shape.shape else None
        shape = None if rank is None else [None] * rank
        return tf.SparseTensorSpec(shape, to_tf_dtype(values.dtype))
    flat_values, row_splits = (part for _, part in struct_type.items())
    outermost = tensor_leaves.leaf_types(row_splits)[0]
    assert isinstance(flat_values, TensorType)
    assert isinstance(outermost, TensorType)
    ragged_rank = len(tensor_leaves.leaf_types(row_splits))
    shape = None
    if flat_values.shape:
        ends = outermost.shape[0] if outermost.shape else None
        rows = None if ends is None else ends - 1
        shape = [rows, *[None] * ragged_rank, *flat_values.shape[1:]]
    return tf.RaggedTensorSpec(
        shape, to_tf_dtype(flat_values.dtype), ragged_rank, to_tf_dtype(outermost.dtype)
    )


def pack_argument(struct_type: StructType, elements: Sequence[Any]) -> Any:
    """What a user's function gets for a structure: its container, or a `Struct` if it has none."""
    if isinstance(struct_type, StructWithPythonType):
        return containers.pack(struct_type, elements)
    names = [name for name, _ in struct_type.items()]
    return structure.Struct(zip(names, elements, strict=True))


def pack_element(struct_type: StructType, elements: Sequence[Any]) -> Any:
    """A structure as `tf.data` takes it: never a list, which it would make one tensor of."""
    if isinstance(struct_type, StructWithPythonType):
        container = struct_type.python_container
        if issubclass(container, list):
            return tuple(elements)
        if fields.is_dataclass(container):
            names = [str(name) for name, _ in struct_type.items()]
            return collections.OrderedDict(zip(names, elements, strict=True))
    packed = containers.pack(struct_type, elements)
    return tuple(elements) if isinstance(packed, structure.Struct) else packed


def unflatten(type_signature: Type, tensors: Sequence[tf.Tensor], pack: Pack) -> Any:
    """The Python value that flat tensors carry."""
    return _unflatten(type_signature, iter(tensors), pack)


def _unflatten(type_signature: Type, tensors: Iterator[tf.Tensor], pack: Pack) -> Any:
    if isinstance(type_signature, StructType):
        elements = [_unflatten(each, tensors, pack) for _, each in type_signature.items()]
        return pack(type_signature, elements)
    tensor = next(tensors)
    if isinstance(type_signature, SequenceType):
        return tf.data.experimental.from_variant(tensor, element_structure(type_signature.element))
    return tensor


def flatten(value: Any, type_signature: Type) -> list[tf.Tensor]:
    """The flat tensors that carry a Python value of a type.

    Args:
      value: tensors, arrays, numbers, datasets, in any containers.
      type_signature: the type that it is to have.

    Returns:
      The tensors, of the dtypes of the type.

    Raises:
      TypeMismatchError: if the value is not of the type.
    """
    problems: list[str] = []
    tensors = _flatten(value, type_signature, "value", problems)
    if problems:
        raise errors.TypeMismatchError(
            "a value does not have the type that is needed here.",
            problems=problems,
            signature=type_signature,
        )
    return tensors


def _flatten(value: Any, type_signature: Type, path: str, problems: list[str]) -> list[tf.Tensor]:
    def fail(got: Any) -> list[tf.Tensor]:
        problems.append(f"{path}: expected {type_signature}, got {got}")
        return []

    if isinstance(type_signature, StructType):
        elements = _in_order(value, type_signature)
        if elements is None:
            return fail(_described(value))
        tensors: list[tf.Tensor] = []
        for index, ((name, each), element) in enumerate(
            zip(type_signature.items(), elements, strict=True)
        ):
            inner = paths.to_element(path, name, index)
            tensors.extend(_flatten(element, each, inner, problems))
        return tensors
    if isinstance(type_signature, SequenceType):
        if not isinstance(value, tf.data.Dataset):
            return fail(_described(value))
        return [to_variant(value, type_signature.element)]
    assert isinstance(type_signature, TensorType)
    try:
        tensor = tf.convert_to_tensor(value, to_tf_dtype(type_signature.dtype))
    except (TypeError, ValueError):
        return fail(_described(value))
    if not tensor.shape.is_compatible_with(tf_shape(type_signature)):
        return fail(to_tensor_type(tensor))
    return [tensor]


def _described(value: Any) -> str:
    if isinstance(value, (tf.Tensor, tf.Variable)):
        return str(to_tensor_type(tf.convert_to_tensor(value)))
    return f"a {type(value).__name__}"


def _in_order(value: Any, struct_type: StructType) -> list[Any] | None:
    """The elements in the order of the type; None if they are not those of the type."""
    pairs = containers.unpack(value)
    return None if pairs is None else containers.in_order(pairs, ir.element_names(struct_type))


def flatten_element(element: Any, element_type: Type) -> list[Any]:
    """The leaves of an element of a dataset, in the order of the type, as they are."""
    return _flatten_element(element, element_type, lambda _: False)


def _flatten_element(
    element: Any, element_type: Type, is_leaf: Callable[[Type], bool]
) -> list[Any]:
    if not isinstance(element_type, StructType) or is_leaf(element_type):
        return [element]
    elements = _in_order(element, element_type)
    assert elements is not None, f"{element_type} does not describe {element}"
    return [
        leaf
        for each, (_, each_type) in zip(elements, element_type.items(), strict=True)
        for leaf in _flatten_element(each, each_type, is_leaf)
    ]


def to_variant(dataset: tf.data.Dataset, element_type: Type) -> tf.Tensor:
    """The variant tensor of a dataset whose elements are put into the containers of a type."""
    own, wanted = dataset.element_spec, element_structure(element_type)
    if _components(own, element_type) != _components(wanted, element_type):
        dataset = dataset.map(
            lambda *element: unflatten(
                element_type,
                flatten_element(_whole(element, own), element_type),
                pack_element,
            )
        )
    return tf.data.experimental.to_variant(dataset)


def _whole(arguments: tuple[Any, ...], spec: Any) -> Any:
    """The element again, that `Dataset.map` has spread over arguments if it is a plain tuple."""
    if isinstance(spec, tuple) and not hasattr(spec, "_fields"):
        return arguments
    return arguments[0]


def _components(element_spec: Any, element_type: Type) -> tuple[list[Any], list[type]]:
    """What of an element spec decides how `tf.data` carries elements.

    For each component in the order of the type, its position among those that `tf.data` hands on;
    and their kinds: a row of a ragged tensor, which is dense, is carried as a ragged one.
    """
    flat: list[Any] = tf.nest.flatten(element_spec)
    positions = tf.nest.pack_sequence_as(element_spec, range(len(flat)))
    order = _flatten_element(positions, element_type, containers.is_composite)
    return order, [type(spec) for spec in flat]
