"""Types as the specs of tensor frameworks, written by those who know a framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tensorflow_federated.core import errors, type_trees
from tensorflow_federated.core.types import TensorType

WriteSpec: TypeAlias = Callable[[TensorType], Any]
"""Makes the spec of one tensor."""

_writers: dict[str, WriteSpec] = {}


def register(framework: str, write: WriteSpec) -> None:
    """Makes known how the spec of a tensor is written in a framework."""
    _writers[framework] = write


@errors.boundary
def type_to_tf_tensor_specs(type_spec: object) -> Any:
    """Returns the `tf.TensorSpec`s of a type.

    Args:
      type_spec: a tensor type, a structure of them, or anything that `tff.to_type` makes one of.

    Returns:
      The specs, in the containers of the type.

    Raises:
      StructureError: if a part of the type is neither a tensor nor a structure, or a structure
        without a container has named and unnamed elements.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.types.type_to_tf_tensor_specs({"a": (np.str_, [None])})
      {'a': TensorSpec(shape=(None,), dtype=tf.string, name=None)}
    """
    return type_trees.structure_from_tensor_type_tree(_writers["tensorflow"], type_spec)
