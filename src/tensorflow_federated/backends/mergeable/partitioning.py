"""Cuts the clients' values of an argument into parts, and puts the parts of a result together."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from tensorflow_federated.core import type_predicates
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.execution import values


@dataclasses.dataclass(frozen=True)
class Part:
    """An argument for some of the clients.

    Attributes:
      argument: the argument, in the structure of the parameter.
      first_client: the position of its first client among all; 0 where it has none.
    """

    argument: Any
    first_client: int = 0


def split(argument: Any, parameter_type: Type, part_count: int) -> list[Part]:
    """Cuts an argument into arguments of consecutive clients.

    Args:
      argument: what a computation is called with, in the structure of its parameter.
      parameter_type: the type of the parameter.
      part_count: how many parts are wanted.

    Returns:
      The parts, in the order of the clients: as many as wanted, or as there are clients, whose
      number of clients differs by one at most; one if there is no client. Without values of single
      clients, the argument itself as often as wanted. What is not of single clients is in all.

    Raises:
      TypeMismatchError: if the argument is not of the type.
      CardinalityError: if its parts disagree about the number of clients.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core import placements, types
      >>> clients = types.FederatedType(np.int32, placements.CLIENTS)
      >>> for part in split([1, 2, 3], clients, 2):
      ...     print(part.first_client, part.argument)
      0 [np.int32(1), np.int32(2)]
      2 [np.int32(3)]
    """
    canonical = values.to_canonical(argument, parameter_type)
    client_count = values.cardinality(canonical, parameter_type)
    if client_count is None:
        return [Part(argument)] * part_count
    parts: list[Part] = []
    for clients in _ranges(client_count, part_count):
        selected = _select(canonical, parameter_type, slice(clients.start, clients.stop))
        parts.append(Part(values.to_python(selected, parameter_type), clients.start))
    return parts


def _ranges(client_count: int, part_count: int) -> list[range]:
    """The clients of each part, the larger parts first."""
    count = max(1, min(client_count, part_count))
    size, larger = divmod(client_count, count)
    starts = [index * size + min(index, larger) for index in range(count + 1)]
    return [range(first, last) for first, last in itertools.pairwise(starts)]


def _select(canonical: Any, type_signature: Type, clients: slice) -> Any:
    if isinstance(type_signature, StructType):
        return tuple(
            _select(element, element_type, clients)
            for element, (_, element_type) in zip(canonical, type_signature.items(), strict=True)
        )
    return canonical[clients] if has_clients(type_signature) else canonical


def join(results: Sequence[Any], result_type: Type) -> Any:
    """Puts the results for parts of the clients together.

    Args:
      results: the result for each part, in the order of the clients.
      result_type: the type of each.

    Returns:
      The values of all clients where the type has such; otherwise the value of the first part,
      which is that of all.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core import placements, types
      >>> clients = types.FederatedType(np.int32, placements.CLIENTS)
      >>> join([[1, 2], [3]], clients)
      [np.int32(1), np.int32(2), np.int32(3)]
    """
    canonical = [values.to_canonical(result, result_type, "result") for result in results]
    return values.to_python(_joined(canonical, result_type), result_type)


def _joined(parts: Sequence[Any], type_signature: Type) -> Any:
    if isinstance(type_signature, StructType):
        return tuple(
            _joined([part[index] for part in parts], element)
            for index, (_, element) in enumerate(type_signature.items())
        )
    if has_clients(type_signature):
        return [member for part in parts for member in part]
    return parts[0]


def has_clients(type_signature: Type) -> bool:
    """Whether a type, or a part of a structure, is of values of single clients."""
    if isinstance(type_signature, StructType):
        return any(has_clients(element) for _, element in type_signature.items())
    return type_predicates.is_each_own(type_signature)
