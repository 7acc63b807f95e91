"""Computations on the clients' unfinalized metrics, of one type or of any that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import computations, ir, placements, tracing
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FederatedType

Build = Callable[[Any], ConcreteComputation]
"""Makes a computation of the type of one client's unfinalized metrics."""


def of_clients_metrics(build: Build, unfinalized_type: Any, name: str) -> Any:
    """Makes the computation of one type, or one that takes any type that fits.

    Args:
      build: makes the computation of a type.
      unfinalized_type: the type of one client's unfinalized metrics, or None.
      name: the name of the computation that takes any type.

    Returns:
      A `tff.Computation`; a polymorphic one for None.
    """
    if unfinalized_type is not None:
        return build(unfinalized_type)

    def aggregate(unfinalized: Any) -> Any:
        return build(unfinalized.type_signature.member)(unfinalized)

    def trace(fn: Any, parameter_type: Any, unpack: bool, name: str) -> ir.Node:
        del unpack, name
        clients_type = parameter_type
        if not isinstance(parameter_type, FederatedType):
            clients_type = FederatedType(parameter_type, placements.CLIENTS)
        return tracing.federated_computation(fn, clients_type).node

    return computations.PolymorphicComputation(aggregate, trace, name)
