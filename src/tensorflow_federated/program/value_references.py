"""Values that are still being computed, or are somewhere else: references, and how to get them."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.core.computations import TypedObject
from tensorflow_federated.core.types import SequenceType, TensorType
from tensorflow_federated.program import structures

MaterializableTypeSignature: TypeAlias = TensorType | SequenceType
"""The types of what a reference stands for."""

_Array: TypeAlias = bool | int | float | complex | str | bytes | np.generic | np.ndarray

MaterializedValue: TypeAlias = _Array | Iterable[_Array]
"""What a reference gives: a number, a string, an array; of a sequence, its elements."""


class MaterializableValueReference(TypedObject):
    """Stands for a value at the server which a platform computes or keeps.

    Examples:
      >>> import asyncio
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> class Known(tff.program.MaterializableValueReference):
      ...     type_signature = tff.TensorType(np.int32)
      ...
      ...     async def get_value(self):
      ...         return np.int32(3)
      >>> asyncio.run(Known().get_value())
      np.int32(3)
    """

    @property
    @abc.abstractmethod
    def type_signature(self) -> MaterializableTypeSignature:
        """The type of the value."""

    @abc.abstractmethod
    async def get_value(self) -> MaterializedValue:
        """Waits for the value, and returns it: an array, or the elements of a sequence."""


MaterializableValue: TypeAlias = MaterializedValue | MaterializableValueReference
"""A value, or what stands for one."""

MaterializedStructure: TypeAlias = MaterializedValue | Sequence[Any] | Mapping[str, Any]
"""A structure of values."""

MaterializableStructure: TypeAlias = MaterializableValue | Sequence[Any] | Mapping[str, Any]
"""A structure of values, and of what stands for values."""


@errors.boundary
async def materialize_value(value: Any) -> Any:
    """Waits for all values in a structure that are references.

    Args:
      value: a structure: dicts, lists, tuples, named tuples, attrs and dataclasses.

    Returns:
      The structure with values in the place of the references; anything else in it stays as it is.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> three = tff.jax.computation(lambda: 3)
      >>> async def main():
      ...     context = tff.backends.native.create_async_local_cpp_execution_context()
      ...     context = tff.program.NativeFederatedContext(context)
      ...     with tff.framework.get_context_stack().install(context):
      ...         return await tff.program.materialize_value({"a": three(), "b": [4]})
      >>> asyncio.run(main())
      {'a': np.int32(3), 'b': [4]}

    Differs from TFF: references in attrs and data classes, and in dicts of any keys, are found too.
    """
    found = [leaf for _, leaf in structures.leaves(value)]
    references = [leaf for leaf in found if isinstance(leaf, MaterializableValueReference)]
    if not references:
        return value
    values = iter(await asyncio.gather(*[reference.get_value() for reference in references]))

    def materialized(_: structures.Path, leaf: Any) -> Any:
        return next(values) if isinstance(leaf, MaterializableValueReference) else leaf

    return structures.map_leaves(materialized, value)
