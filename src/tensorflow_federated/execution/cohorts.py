"""What users give as the values of all clients: anything with one value after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MappingView, Set
from typing import Any

from tensorflow_federated.core import containers, fields, specs
from tensorflow_federated.core.types import SequenceType, Type
from tensorflow_federated.execution import sequences


def values_of_clients(value: Any, member_type: Type) -> list[Any] | None:
    """The value of each client, in order.

    Args:
      value: an iterable with an order: a list, a tuple, a view of a dictionary, an iterator, which
        is used up, an array, whose rows are the clients', or a dataset of clients' values.
      member_type: the type of the value of one client.

    Returns:
      The values; None if it is not known of which client each would be.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core import types
      >>> values_of_clients({"a": 1, "b": 2}.values(), types.to_type(np.int32))
      [1, 2]
      >>> values_of_clients({1, 2}, types.to_type(np.int32)) is None
      True
    """
    clients: Any = value
    if isinstance(value, (list, tuple)) and not fields.is_named_tuple(clients):
        return list(clients)
    if sequences.is_dataset(clients):
        if not isinstance(member_type, SequenceType):
            dataset = sequences.from_dataset(clients, member_type)
            return None if dataset is None else list(dataset.elements())
        is_of_datasets = isinstance(specs.read_spec(clients.element_spec), specs.SequenceSpec)
        return list(clients) if is_of_datasets else None
    if (
        isinstance(value, (str, bytes, Mapping, sequences.SequenceHolder))
        or containers.unpack(clients) is not None
    ):
        return None
    if isinstance(value, Set) and not isinstance(value, MappingView):
        return None
    if not isinstance(value, Iterable) or getattr(clients, "ndim", 1) == 0:
        return None
    return list(clients)


def how_to_give(value: Any) -> str:
    """What to write instead of a value that `values_of_clients` does not take.

    Examples:
      >>> how_to_give({3, 1})
      'a set has no order: `sorted(clients)`, or a list, has one.'
    """
    if fields.is_named_tuple(value):
        return "write `[value]` for one client; or put the arguments in their order."
    if isinstance(value, Mapping):
        return "give the values of the clients without their names: `list(clients.values())`."
    if isinstance(value, Set):
        return "a set has no order: `sorted(clients)`, or a list, has one."
    if sequences.is_dataset(value):
        return "a dataset is the data of one client here: write `[dataset]`."
    if hasattr(value, "cohort") and hasattr(value, "client_ids"):
        return "say which clients take part: `client_data.cohort(client_ids)`."
    if value is None:
        return "write the list of the clients' values, `[]` if there is none."
    if hasattr(value, "__array__") and getattr(value, "ndim", 1):
        return "make an array of it, whose rows are the clients': `np.asarray(value)`."
    return "write `[value]` for one client."
