"""Turns what users give as a sequence into a `Sequence`: datasets, lists of elements, arrays."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, cast

import numpy as np

from tensorflow_federated.core import containers, errors, types
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences, tensors
from tensorflow_federated.execution.problems import Problems

Convert = Callable[[Any, Type, str, Problems], Any]
"""Turns a value of a type into a canonical one: `(value, type, path, problems)`."""

# How many pairs of types are remembered: more than a program uses by turns.
_MOST_FITS = 1024


def to_sequence(
    value: Any, element_type: Type, path: str, problems: Problems, convert: Convert
) -> sequences.Sequence | None:
    """Turns a value into a sequence, or notes why it cannot be one.

    Args:
      value: batches of a `ClientData`; a `tf.data.Dataset`; a list, tuple or iterator of elements;
        or a structure of arrays like the element type. Arrays of one more dimension than the
        element type's hold the elements one after the other; arrays of as many dimensions are one
        element, a batch, or, where they are batches without a row, no element: no dataset gives an
        empty batch.
      element_type: the type of every element.
      path: how messages call the value.
      problems: where to note what is wrong.
      convert: turns each element into a canonical value.

    Returns:
      The sequence; None if there is a problem.
    """
    if isinstance(value, (sequences.Sequence, sequences.SequenceHolder)):
        return _fitted(value, element_type, path, problems)
    try:
        dataset = sequences.from_dataset(value, element_type)
    except errors.TypeMismatchError as error:
        for problem in error.problems:
            problems.add_line(problem.replace("dataset[*]", f"{path}[*]", 1), error.fix)
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


def is_one_element(value: Any, element_type: Type) -> bool:
    """Whether a value, given as a sequence, is taken for one element: arrays of its dimensions.

    Examples:
      >>> batch_type = TensorType(np.float32, [None, 2])
      >>> is_one_element(np.ones([3, 2]), batch_type), is_one_element([np.ones([3, 2])], batch_type)
      (True, False)
    """
    if isinstance(value, (sequences.Sequence, sequences.SequenceHolder, Iterator)):
        return False
    if sequences.is_dataset(value):
        return False
    columns = _structure_of_arrays(value, element_type)
    return columns is not None and _added_dimensions(columns, element_type) == {0}


def to_sequences(
    values: Iterable[Any], element_type: Type, path: str, problems: Problems, convert: Convert
) -> list[sequences.Sequence | None]:
    """Turns the values of clients into sequences, each as `to_sequence` does.

    Most often all hold elements of one type: then that fits, or not, for all of them.
    """
    given = list(values)
    holders = [each for each in given if isinstance(each, sequences.SequenceHolder)]
    if holders and len(holders) == len(given):
        found_type = holders[0].element_type
        fit = _fit(element_type, found_type)
        if not fit.differences and all([each.element_type is found_type for each in holders]):
            return [each.sequence(element_type, fit.order) for each in holders]
    return [
        to_sequence(each, element_type, f"{path}[{index}]", problems, convert)
        for index, each in enumerate(given)
    ]


def _fitted(
    value: sequences.Sequence | sequences.SequenceHolder,
    element_type: Type,
    path: str,
    problems: Problems,
) -> sequences.Sequence | None:
    fit = _fit(element_type, value.element_type)
    if fit.differences:
        for difference in fit.differences:
            problems.add_line(f"{path}{difference}", fit.mended_by)
        return None
    if isinstance(value, sequences.SequenceHolder):
        return value.sequence(element_type, fit.order)
    return value


@dataclasses.dataclass(frozen=True)
class _Fit:
    """How elements of one type become those of another.

    Attributes:
      differences: why they cannot, each `[*].path: expected ..., got ...`.
      mended_by: what would mend that, if it is known.
      order: for each leaf that is wanted, which of those given it is; None if all are in order.
    """

    differences: tuple[str, ...]
    mended_by: str | None
    order: tuple[int, ...] | None


@functools.lru_cache(maxsize=_MOST_FITS)
def _fit(wanted: Type, given: Type) -> _Fit:
    """How elements fit; found once for each pair of types, not for each client."""
    ordered, positions = _in_order_of(wanted, given, 0)
    differences = tuple(wanted.differences(ordered, path="[*]"))
    mended_by = None
    if differences and sequences.are_batches_of(wanted, ordered):
        mended_by = (
            "these are single examples; make batches of them: "
            "`client_data.preprocess(Preprocessing(batch_size=...))`."
        )
    elif differences and sequences.are_batches_of(ordered, wanted):
        mended_by = "these are batches; leave `batch_size` out for single examples."
    is_same = positions == list(range(len(positions)))
    return _Fit(differences, mended_by, None if is_same else tuple(positions))


def _in_order_of(wanted: Type, given: Type, first: int) -> tuple[Type, list[int]]:
    """A type with its named elements in the order of another, and which leaf each leaf was."""
    if not isinstance(given, StructType) or not isinstance(wanted, StructType):
        return given, list(range(first, first + len(tensor_leaves.leaf_types(given))))
    names = [name for name, _ in given.items()]
    wanted_names = [name for name, _ in wanted.items()]
    order = list(range(len(names)))
    if None not in names and sorted(map(str, names)) == sorted(map(str, wanted_names)):
        order = [names.index(name) for name in wanted_names]
    counts = [len(tensor_leaves.leaf_types(element)) for element in given.children()]
    starts = [first + sum(counts[:index]) for index in range(len(counts))]
    elements: list[tuple[str | None, Type]] = []
    positions: list[int] = []
    for place, index in enumerate(order):
        element = given[index]
        if len(wanted) == len(given):
            element, inner = _in_order_of(wanted[place], element, starts[index])
        else:
            inner = list(range(starts[index], starts[index] + counts[index]))
        elements.append((names[index], element))
        positions.extend(inner)
    return types.in_container(elements, given.python_container), positions


def _from_elements(
    value: Iterable[Any], element_type: Type, path: str, problems: Problems, convert: Convert
) -> sequences.Sequence:
    given, error = _given(value)
    elements = [
        convert(element, element_type, f"{path}[{index}]", problems)
        for index, element in enumerate(given)
    ]
    if error is None:
        return sequences.Sequence.from_elements(elements, element_type)

    def fail() -> NoReturn:
        raise error

    # The work of one client fails then, as if its data could not be read from a file.
    return sequences.Sequence.from_loader(fail, element_type)


def _given(value: Iterable[Any]) -> tuple[list[Any], Exception | None]:
    """What a user's iterator gives, and the error that it ends with, if it does."""
    given: list[Any] = []
    try:
        given.extend(value)
    except Exception as error:
        return given, error
    return given, None


def _one_batch(
    value: Any, element_type: Type, path: str, problems: Problems, convert: Convert
) -> sequences.Sequence:
    """The sequence of one element; of columns that are the arrays themselves, if it is a batch."""
    [element] = elements = [convert(value, element_type, f"{path}[0]", problems)]
    if not problems and sequences.is_batched(element_type):
        leaves = tensor_leaves.flatten(element, element_type)
        sizes = {len(leaf) for leaf in leaves}
        if len(sizes) == 1:
            offsets = np.array([0, *sizes], np.int64)
            return sequences.Sequence.from_columns(tuple(leaves), offsets, element_type)
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


def _added_dimensions(columns: list[Any], element_type: Type) -> set[int]:
    """How many dimensions arrays have more than the tensors of the element type."""
    leaf_types = tensor_leaves.leaf_types(element_type)
    ranks = [len(leaf.shape or ()) for leaf in leaf_types if isinstance(leaf, TensorType)]
    return {np.ndim(column) - rank for column, rank in zip(columns, ranks, strict=True)}


def _from_columns(
    value: Any,
    columns: list[Any],
    element_type: Type,
    path: str,
    problems: Problems,
    convert: Convert,
) -> sequences.Sequence | None:
    leaf_types = tensor_leaves.leaf_types(element_type)
    extra = _added_dimensions(columns, element_type)
    if extra == {0}:
        if sequences.is_batched(element_type) and not any(len(column) for column in columns):
            return _from_elements([], element_type, path, problems, convert)
        return _one_batch(value, element_type, path, problems, convert)
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
    if sequences.is_batched(element_type) and len({leaf.shape[:2] for leaf in converted}) == 1:
        count, size = converted[0].shape[:2]
        leaves = tuple(leaf.reshape(count * size, *leaf.shape[2:]) for leaf in converted)
        offsets = np.arange(count + 1, dtype=np.int64) * size
        return sequences.Sequence.from_columns(leaves, offsets, element_type)
    rows = zip(*converted, strict=True)
    return sequences.Sequence.from_elements(
        [tensor_leaves.unflatten(row, element_type) for row in rows], element_type
    )
