"""What a traced function returns: its type, and the flat tensors that carry it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import containers, errors, paths, types
from tensorflow_federated.core.types import SequenceType, Type
from tensorflow_federated.tensorflow import type_specs


def flatten_result(
    result: Any, name: str, parameter_type: Type | None, where: str | None
) -> tuple[Type, list[tf.Tensor]]:
    """Deduces the type of a result and takes it apart.

    Args:
      result: what the user's function returned: tensors, variables, arrays, Python numbers and
        strings, datasets, in any containers.
      name: the name of the function, for messages.
      parameter_type: the type of its parameter, for messages; None if it takes none.
      where: where the function is defined, for messages.

    Returns:
      The type, with the containers of the result, and the flat tensors.

    Raises:
      ComputationReturnedNoneError: if there is no result.
      UnsupportedGraphResultError: if a part of it has no type.
      StructureError: if a part of it is a dataset of datasets.
    """
    if result is None:
        raise errors.returned_nothing(name, parameter_type, where)
    problems: list[str] = []
    try:
        flattened = _flatten(result, "result", problems)
    except errors.StructureError as error:
        error.where = where
        raise
    if flattened is None:
        raise errors.UnsupportedGraphResultError(
            f"`{name}` returns what is no tensor.",
            problems=problems,
            signature=errors.signature_without_result(parameter_type),
            where=where,
            fix="return tensors, numbers, strings, datasets, or structures of these.",
        )
    return flattened


def _flatten(value: Any, path: str, problems: list[str]) -> tuple[Type, list[tf.Tensor]] | None:
    if isinstance(value, tf.data.Dataset):
        return _flatten_dataset(value, path, problems)
    if value is None:
        problems.append(f"{path}: expected a tensor, got None")
        return None
    pairs = containers.unpack(value)
    if pairs is None:
        return _flatten_leaf(value, path, problems)
    elements: list[tuple[str | None, Type]] = []
    tensors: list[tf.Tensor] = []
    for index, (element_name, element) in enumerate(pairs):
        flattened = _flatten(element, paths.to_element(path, element_name, index), problems)
        if flattened is not None:
            elements.append((element_name, flattened[0]))
            tensors.extend(flattened[1])
    if len(elements) < len(pairs):
        return None
    return containers.type_of(value, elements), tensors


def _flatten_leaf(
    value: Any, path: str, problems: list[str]
) -> tuple[Type, list[tf.Tensor]] | None:
    accepted = (bool, int, float, complex, str, bytes, np.ndarray, np.generic, tf.IndexedSlices)
    tensor = None
    if tf.is_tensor(value) or isinstance(value, accepted):
        try:
            tensor = tf.convert_to_tensor(cast("Any", value))
        except (TypeError, ValueError) as error:
            shown = errors.describe_object(value)
            problems.append(f"{path}: got {shown}, which makes no tensor: {error!s:.100}")
            return None
    if tensor is None or tensor.dtype in (tf.resource, tf.variant):
        problems.append(f"{path}: expected a tensor, got {errors.describe_object(value)}")
        return None
    return type_specs.to_tensor_type(tensor), [tensor]


def _flatten_dataset(
    dataset: tf.data.Dataset, path: str, problems: list[str]
) -> tuple[Type, list[tf.Tensor]] | None:
    try:
        sequence_type = SequenceType(types.to_type(dataset.element_spec))
    except errors.StructureError as error:
        raise errors.StructureError(
            "a dataset of datasets has no type.",
            problems=[f"{path}: got a dataset of {dataset.element_spec}"],
            fix="make one dataset of them, with `flat_map`, or batches, with `batch`.",
        ) from error
    except errors.ToTypeError as error:
        problems.append(f"{path}: got a dataset of {dataset.element_spec}: {error.summary}")
        return None
    return sequence_type, [type_specs.to_variant(dataset, sequence_type.element)]
