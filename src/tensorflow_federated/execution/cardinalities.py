"""How many clients a call has: what its arguments tell."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from tensorflow_federated.core import containers, errors, ir, paths
from tensorflow_federated.core.placements import PlacementLiteral
from tensorflow_federated.core.types import FederatedType, StructType, Type
from tensorflow_federated.execution import values

CardinalitiesType: TypeAlias = Mapping[PlacementLiteral, int]
"""The number of members of each placement: `{tff.CLIENTS: 10}`."""

CardinalityInferenceFn: TypeAlias = Callable[[Any, Type], CardinalitiesType]


class CardinalityCarrying(abc.ABC):
    """An argument that tells itself how many clients it is for.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> at_clients = tff.FederatedType(np.int32, tff.CLIENTS)
      >>> isinstance(tff.framework.DataDescriptor(None, [1, 2], at_clients, 2), CardinalityCarrying)
      True
    """

    @property
    @abc.abstractmethod
    def cardinality(self) -> CardinalitiesType:
        """The number of members of each placement that the argument speaks of."""


@errors.boundary
def merge_cardinalities(existing: CardinalitiesType, to_add: CardinalitiesType) -> dict[Any, int]:
    """Puts two statements about the number of members together.

    Args:
      existing: the number of members of some placements.
      to_add: the number of members of some placements.

    Returns:
      The number of members of all of them.

    Raises:
      ArgumentError: if one is no mapping of placements to integers.
      CardinalityError: if they disagree.

    Examples:
      >>> import tensorflow_federated as tff
      >>> merge_cardinalities({tff.CLIENTS: 3}, {tff.SERVER: 1})
      {PlacementLiteral('clients'): 3, PlacementLiteral('server'): 1}
    """
    _check_cardinalities("existing", existing)
    _check_cardinalities("to_add", to_add)
    for placement, number in to_add.items():
        if existing.get(placement, number) != number:
            raise errors.CardinalityError(
                f"two statements about the number of {placement} disagree.",
                problems=[f"existing: {existing[placement]}", f"to_add: {number}"],
            )
    return {**existing, **to_add}


def infer_cardinalities(value: Any, type_spec: Type) -> dict[PlacementLiteral, int]:
    """Counts the clients that an argument has values for.

    Args:
      value: the argument, as the caller gave it.
      type_spec: its type.

    Returns:
      The number of clients; nothing if the argument does not tell it.

    Raises:
      CardinalityError: if its parts disagree.

    Examples:
      >>> from tensorflow_federated.core import placements, types
      >>> infer_cardinalities([5, 6], FederatedType(types.to_type(int), placements.CLIENTS))
      {PlacementLiteral('clients'): 2}
    """
    found = list(_counts(value, type_spec, "argument"))
    counts: dict[PlacementLiteral, int] = {}
    for placement in dict.fromkeys(placement for placement, _, _ in found):
        at_placement = [(path, count) for at, path, count in found if at == placement]
        count = values.agreed_count(at_placement, type_spec)
        assert count is not None
        counts[placement] = count
    return counts


def _counts(value: Any, type_spec: Type, path: str) -> Iterator[tuple[PlacementLiteral, str, int]]:
    """For each part of an argument that tells it: the placement, its path, and the number."""
    if isinstance(value, CardinalityCarrying):
        for placement, count in value.cardinality.items():
            yield placement, path, count
    elif isinstance(type_spec, FederatedType):
        if not type_spec.all_equal and isinstance(value, (list, tuple)):
            yield type_spec.placement, path, len(cast("list[Any]", value))
    elif isinstance(type_spec, StructType):
        names = ir.element_names(type_spec)
        ordered = containers.in_order(containers.unpack(value) or [], names) or []
        for index, element in enumerate(ordered):
            inner = paths.to_element(path, names[index], index)
            yield from _counts(element, type_spec[index], inner)


def _check_cardinalities(label: str, given: Any) -> None:
    if isinstance(given, Mapping):
        pairs = cast("Mapping[Any, Any]", given).items()
        if all(isinstance(key, PlacementLiteral) and isinstance(n, int) for key, n in pairs):
            return
    raise errors.ArgumentError(
        "the number of members is given by placement.",
        problems=[f"{label}: got {errors.describe_object(cast('object', given))}"],
        fix="write `{tff.CLIENTS: 10}`.",
    )
