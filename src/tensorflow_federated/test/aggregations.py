"""Assertions about how a computation brings the values of clients together."""

from __future__ import annotations

from tensorflow_federated.compiler import checks
from tensorflow_federated.core import arguments, errors, ir
from tensorflow_federated.core.computations import ConcreteComputation


@errors.boundary
def assert_contains_secure_aggregation(comp: ConcreteComputation) -> None:
    """Asserts that a computation applies at least one secure aggregation to data.

    Args:
      comp: the computation.

    Raises:
      AssertionError: if it does not.
      ArgumentError: if it is no computation, or one whose types are not known.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_secure_sum_bitwidth(values, bitwidth=4)
      >>> assert_contains_secure_aggregation(total)
    """
    if not checks.secure_aggregations(_program(comp)):
        raise AssertionError(f"expected a secure aggregation, and there is none in {comp!r}.")


@errors.boundary
def assert_not_contains_secure_aggregation(comp: ConcreteComputation) -> None:
    """Asserts that a computation applies no secure aggregation to data.

    Args:
      comp: the computation.

    Raises:
      AssertionError: if it does.
      ArgumentError: if it is no computation, or one whose types are not known.

    Examples:
      >>> import tensorflow_federated as tff
      >>> assert_not_contains_secure_aggregation(tff.jax.computation(lambda: 1))
    """
    _assert_none("secure", checks.secure_aggregations(_program(comp)), comp)


@errors.boundary
def assert_contains_unsecure_aggregation(comp: ConcreteComputation) -> None:
    """Asserts that a computation applies at least one aggregation that is not secure to data.

    Args:
      comp: the computation.

    Raises:
      AssertionError: if it does not.
      ArgumentError: if it is no computation, or one whose types are not known.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(values)
      >>> assert_contains_unsecure_aggregation(total)
    """
    if not checks.unsecure_aggregations(_program(comp)):
        raise AssertionError(
            f"expected an aggregation that is not secure, and there is none in {comp!r}."
        )


@errors.boundary
def assert_not_contains_unsecure_aggregation(comp: ConcreteComputation) -> None:
    """Asserts that a computation applies no aggregation to data but secure ones.

    Args:
      comp: the computation.

    Raises:
      AssertionError: if it does.
      ArgumentError: if it is no computation, or one whose types are not known.

    Examples:
      >>> import tensorflow_federated as tff
      >>> assert_not_contains_unsecure_aggregation(tff.jax.computation(lambda: 1))
    """
    _assert_none("unsecure", checks.unsecure_aggregations(_program(comp)), comp)


def _assert_none(kind: str, found: list[str], comp: ConcreteComputation) -> None:
    if found:
        raise AssertionError(f"expected no {kind} aggregation in {comp!r}, got {', '.join(found)}.")


def _program(comp: ConcreteComputation) -> ir.Lambda | ir.Local:
    arguments.check_instance(
        "comp",
        comp,
        ConcreteComputation,
        "only a computation whose types are known can be looked into.",
        fix="give the types of its parameters in the decorator.",
    )
    return comp.node
