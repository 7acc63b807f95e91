"""Turns what users give as a sequence into a `Sequence`: datasets, lists of elements, arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import containers, errors
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences, tensors
from tensorflow_federated.execution.problems import Problems

Convert = Callable[[Any, Type, str, Problems], Any]
"""Turns a value of a type into a canonical one: `(value, type, path, problems)`."""


def to_sequence(
    value: Any, element_type: Type, path: str, problems: Problems, convert: Convert
) -> sequences.Sequence | None:
    """Turns a value into a sequence, or notes why it cannot be one.

    Args:
      value: a `tf.data.Dataset`; a list, tuple or iterator of elements; or a structure of arrays
        like the element type. Arrays of one more dimension than the element type's hold the
        elements one after the other; arrays of as many dimensions are one element, a batch, or,
        where they are batches without a row, no element: no dataset gives an empty batch.
      element_type: the type of every element.
      path: how messages call the value.
      problems: where to note what is wrong.
      convert: turns each element into a canonical value.

    Returns:
      The sequence; None if there is a problem.
    """
    if isinstance(value, sequences.Sequence):
        given = value.element_type
        if element_type.is_assignable_from(given):
            return value
        problems.add_text(path, f"expected {element_type}*, got {given}*")
        return None
    try:
        dataset = sequences.from_dataset(value, element_type)
    except errors.TypeMismatchError as error:
        for problem in error.problems:
            problems.add_line(problem.replace("dataset[*]", f"{path}[*]", 1))
        return None
    if dataset is not None:
        return dataset
    columns = _structure_of_arrays(value, element_type)
    if columns is not None:
        return _from_columns(value, columns, element_type, path, problems, convert)
    if isinstance(value, (list, tuple, Iterator)):
        return _from_elements(cast("Iterable[Any]", value), element_type, path, problems, convert)
    problems.add_text(
        path,
        f"expected {element_type}*, got {problems.describe(value)}; give a dataset, a list of "
        "elements, or arrays",
    )
    return None


def _from_elements(
    value: Iterable[Any], element_type: Type, path: str, problems: Problems, convert: Convert
) -> sequences.Sequence:
    elements = [
        convert(element, element_type, f"{path}[{index}]", problems)
        for index, element in enumerate(value)
    ]
    return sequences.Sequence.from_elements(elements, element_type)


def _structure_of_arrays(value: Any, element_type: Type) -> list[Any] | None:
    """The arrays of a value in the form of the element type, None if it is not of that form.

    A list is always a list of elements, so it is no structure here.
    """
    if isinstance(element_type, TensorType):
        array = tensors.as_numpy(value)
        return [array] if isinstance(array, np.ndarray) else None
    if not isinstance(element_type, StructType) or isinstance(value, list):
        return None
    elements = containers.unpack(value)
    if elements is None or len(elements) != len(element_type) or not elements:
        return None
    given = dict(enumerate(element for _, element in elements))
    if elements[0][0] is not None:
        by_name = dict(elements)
        names = [name for name, _ in element_type.items()]
        if set(by_name) != set(names):
            return None
        given = {index: by_name[name] for index, name in enumerate(names)}
    found: list[Any] = []
    for index, (_, inner) in enumerate(element_type.items()):
        arrays = _structure_of_arrays(given[index], inner)
        if arrays is None:
            return None
        found.extend(arrays)
    return found


def _from_columns(
    value: Any,
    columns: list[Any],
    element_type: Type,
    path: str,
    problems: Problems,
    convert: Convert,
) -> sequences.Sequence | None:
    leaf_types = tensor_leaves.leaf_types(element_type)
    ranks = [len(leaf.shape or ()) for leaf in leaf_types if isinstance(leaf, TensorType)]
    extra = {np.ndim(column) - rank for column, rank in zip(columns, ranks, strict=True)}
    if extra == {0}:
        if sequences.is_batched(element_type) and not any(len(column) for column in columns):
            return _from_elements([], element_type, path, problems, convert)
        return _from_elements([value], element_type, path, problems, convert)
    sizes = {len(column) for column in columns if np.ndim(column)}
    if extra != {1} or len(sizes) != 1:
        shapes = ", ".join(str(list(np.shape(column))) for column in columns)
        problems.add_text(
            path,
            f"expected arrays of {element_type} with one more dimension in front, as long in "
            f"each, got the shapes {shapes}",
        )
        return None
    converted: list[Any] = []
    for index, (column, leaf) in enumerate(zip(columns, leaf_types, strict=True)):
        assert isinstance(leaf, TensorType)
        stacked = TensorType(leaf.dtype, (None, *(leaf.shape or ())))
        converted.append(tensors.to_canonical(column, stacked, f"{path}[{index}]", problems))
    if any(column is None for column in converted):
        return None
    if sequences.is_stacked(element_type):
        return sequences.Sequence.from_columns(tuple(converted), None, element_type)
    rows = zip(*converted, strict=True)
    return sequences.Sequence.from_elements(
        [tensor_leaves.unflatten(row, element_type) for row in rows], element_type
    )
