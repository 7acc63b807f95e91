"""Recognises type specs of NumPy, TensorFlow, JAX and Python; nothing is imported for it.

`read_spec` takes one layer off an object and says what it is; `types.to_type` builds the type from
that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from tensorflow_federated.core import dtypes, errors, fields, shapes, structure


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """A tensor of one dtype and shape."""

    dtype: dtypes.DType
    shape: shapes.ArrayShape


@dataclasses.dataclass(frozen=True)
class SequenceSpec:
    """A dataset whose elements have a spec."""

    element: object


@dataclasses.dataclass(frozen=True)
class StructSpec:
    """Elements with optional names, each a spec, in a Python container or in none."""

    elements: Sequence[tuple[str | None, object]]
    container: type[Any] | None


Spec: TypeAlias = TensorSpec | SequenceSpec | StructSpec


def read_spec(obj: object) -> Spec | None:
    """Says what type spec an object is, one layer deep.

    Args:
      obj: Any object.

    Returns:
      What it is, or None if it is no type spec.

    Raises:
      ToTypeError: If it is a spec that has no type here, such as that of a `tf.TensorArray`.
    """
    if isinstance(obj, (TensorSpec, SequenceSpec, StructSpec)):
        return obj
    dtype = dtypes.find_dtype(obj)
    if dtype is not None:
        return TensorSpec(dtype, ())
    words = dtypes.words_of_key(obj)
    if words is not None:
        return TensorSpec(dtypes.as_dtype(np.uint32), (words,))
    if _is_of_numpy(obj):
        return TensorSpec(dtypes.as_dtype(obj), ())
    framework_spec = _framework_spec(obj)
    if framework_spec is not None:
        return framework_spec
    if isinstance(obj, structure.Struct):
        return StructSpec(structure.to_elements(cast("structure.Struct[object]", obj)), None)
    named = fields.named_fields(obj)
    if named is not None:
        return _named_struct(named, type(obj))
    if isinstance(obj, (list, tuple)):
        return _read_list_or_tuple(cast("Sequence[object]", obj))
    return None


def _is_of_numpy(obj: object) -> bool:
    """Whether it is a dtype, or a class of scalars, one that tensors can have or not."""
    return isinstance(obj, np.dtype) or (isinstance(obj, type) and issubclass(obj, np.generic))


def _named_struct(elements: Sequence[tuple[Any, object]], container: type[Any]) -> StructSpec:
    for name, _ in elements:
        if not isinstance(name, str):
            raise errors.ToTypeError(
                "The names of a struct's elements must be strings.",
                problems=[f"got: {name!r} in a {container.__name__}"],
            )
    return StructSpec(elements, container)


def _read_list_or_tuple(items: Sequence[object]) -> Spec:
    if isinstance(items, tuple) and len(items) == 2:
        dtype = dtypes.find_dtype(items[0])
        if dtype is not None and shapes.is_shape(items[1]):
            return TensorSpec(dtype, shapes.as_shape(items[1]))
    if is_named_pair(tuple(items)) and not fields.is_named_tuple(items):
        # One pair alone is one named element, as in TFF.
        return StructSpec([cast("tuple[str, object]", tuple(items))], type(items))
    if any(is_named_pair(item) for item in items):
        return StructSpec([as_element(item) for item in items], None)
    return StructSpec([(None, item) for item in items], type(items))


def is_named_pair(item: object) -> bool:
    """Returns whether an item of a list is a pair of a name and a spec."""
    return (
        fields.is_name_value_pair(item)
        and not fields.is_named_tuple(item)
        and cast("tuple[object, object]", item)[0] is not None
    )


def as_element(item: object) -> tuple[str | None, object]:
    """Returns the name (None if it has none) and the spec of an item of a list of elements."""
    if fields.is_name_value_pair(item) and not fields.is_named_tuple(item):
        return cast("tuple[str | None, object]", item)
    return (None, item)


def _framework_spec(obj: object) -> Spec | None:
    for each in type(obj).__mro__:
        root = each.__module__.partition(".")[0]
        if root == "tensorflow":
            spec = _tensorflow_spec(each.__name__, obj)
            if spec is not None:
                return spec
        elif root == "jax" and each.__name__ == "ShapeDtypeStruct":
            return _shaped(obj)
    return None


def _tensorflow_spec(class_name: str, obj: Any) -> Spec | None:
    if class_name == "TensorSpec":
        return _shaped(obj)
    if class_name == "DatasetSpec":
        return SequenceSpec(obj.element_spec)
    if class_name == "RaggedTensorSpec":
        return _ragged(obj)
    if class_name == "SparseTensorSpec":
        return _sparse(obj)
    if class_name == "TypeSpec":
        # The root of all specs of TensorFlow: this one is none of the above.
        raise errors.ToTypeError(
            f"A `tf.{type(obj).__name__}` has no federated type.",
            problems=[f"got: {obj}"],
            fix="convert such values to dense tensors first, for example in the dataset's `map`.",
        )
    return None


def _ragged(obj: Any) -> Spec:
    """A ragged tensor is its values, end to end, and for each ragged dimension where rows end."""
    sizes = shapes.as_shape(obj.shape)
    if obj.ragged_rank == 0:
        return TensorSpec(dtypes.as_dtype(obj.dtype), sizes)
    rows = None if not sizes or sizes[0] is None else sizes[0] + 1
    splits = dtypes.as_dtype(obj.row_splits_dtype)
    row_splits = [TensorSpec(splits, (rows,))]
    row_splits += [TensorSpec(splits, (None,))] * (obj.ragged_rank - 1)
    flat_values = TensorSpec(
        dtypes.as_dtype(obj.dtype), None if sizes is None else (None, *sizes[obj.ragged_rank + 1 :])
    )
    if obj.flat_values_spec is not None:
        flat_values = _shaped(obj.flat_values_spec)
    return StructSpec(
        [
            ("flat_values", flat_values),
            ("nested_row_splits", StructSpec([(None, each) for each in row_splits], tuple)),
        ],
        obj.value_type,
    )


def _sparse(obj: Any) -> Spec:
    """A sparse tensor is its values that are not zero, and where in what shape they are."""
    rank = None if obj.shape.rank is None else int(obj.shape.rank)
    index = dtypes.as_dtype(np.int64)
    return StructSpec(
        [
            ("indices", TensorSpec(index, (None, rank))),
            ("values", TensorSpec(dtypes.as_dtype(obj.dtype), (None,))),
            ("dense_shape", TensorSpec(index, (rank,))),
        ],
        obj.value_type,
    )


def _shaped(obj: Any) -> TensorSpec:
    words = dtypes.words_of_key(obj.dtype)
    if words is not None:
        return TensorSpec(dtypes.as_dtype(np.uint32), (*obj.shape, words))
    return TensorSpec(dtypes.as_dtype(obj.dtype), shapes.as_shape(obj.shape))
