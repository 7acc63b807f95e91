"""`MergeableCompForm`: a computation that parts of the cohort do, whose results are merged."""

from __future__ import annotations

from tensorflow_federated.backends.mergeable import errors
from tensorflow_federated.compiler import normal_forms, phases
from tensorflow_federated.core import arguments, placements
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.core.types import FederatedType, StructType, Type


class MergeableCompForm:
    """A computation of one aggregation, for execution in subrounds.

    ::

        argument, a part of the clients --> up_to_merge --+
        argument, a part of the clients --> up_to_merge --+--> merge, two by two --> merged
        argument, a part of the clients --> up_to_merge --+                            |
                                                                                       |
        argument, a part of the clients, again -------------> after_merge <------------+
                                                                  |
                                                                  +--> result

    The types are ``up_to_merge: (P -> A@SERVER)``, ``merge: (<A,A> -> A)`` and
    ``after_merge: (<P,A@SERVER> -> R)``; without argument ``( -> A@SERVER)`` and
    ``(A@SERVER -> R)``. What is computed is ``(P -> R)``.

    Attributes:
      up_to_merge: what each part of the clients contributes.
      merge: makes one contribution of two.
      after_merge: the result, from the argument and all contributions.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> clients = tff.FederatedType(np.int32, tff.CLIENTS)
      >>> at_server = tff.FederatedType(np.int32, tff.SERVER)
      >>> form = tff.framework.MergeableCompForm(
      ...     up_to_merge=tff.federated_computation(lambda x: tff.federated_sum(x), clients),
      ...     merge=tff.jax.computation(lambda x, y: x + y, np.int32, np.int32),
      ...     after_merge=tff.federated_computation(lambda x, total: total, clients, at_server),
      ... )
      >>> print(form.up_to_merge.type_signature)
      ({int32}@CLIENTS -> int32@SERVER)
    """

    @core_errors.boundary
    def __init__(
        self, *, up_to_merge: Computation, merge: Computation, after_merge: Computation
    ) -> None:
        """Puts a form together.

        Args:
          up_to_merge: `(P -> A@SERVER)`.
          merge: `(<A,A> -> A)`.
          after_merge: `(<P,A@SERVER> -> R)`, without aggregations.

        Raises:
          UpToMergeTypeError: if `up_to_merge` does not return one value at the server.
          MergeTypeNotAssignableError: if `merge` does not fit it.
          AfterMergeTypeError: if `after_merge` does not take what it is given.
          AfterMergeStructureError: if `after_merge` aggregates.
          ArgumentError: if one of the three is no computation.
        """
        arguments.check_instances(
            {"up_to_merge": up_to_merge, "merge": merge, "after_merge": after_merge},
            Computation,
            "a `MergeableCompForm` is made of computations.",
            fix="decorate the functions, and give the types of their parameters.",
        )
        accumulator = _check_up_to_merge(up_to_merge)
        _check_merge(merge, accumulator)
        _check_after_merge(after_merge, up_to_merge, merge)
        self.up_to_merge = up_to_merge
        self.merge = merge
        self.after_merge = after_merge


def _check_up_to_merge(up_to_merge: Computation) -> Type:
    """The type of what is merged."""
    result = up_to_merge.type_signature.result
    if not isinstance(result, FederatedType) or result.placement is not placements.SERVER:
        raise errors.UpToMergeTypeError(
            "`up_to_merge` must return one value at the server.",
            problems=[f"result: expected A@SERVER, got {result}"],
            signature=up_to_merge.type_signature,
            fix="aggregate the clients' values; `tff.federated_zip` makes one value of several.",
        )
    return result.member


def _check_merge(merge: Computation, accumulator: Type) -> None:
    parameter, result = merge.type_signature.parameter, merge.type_signature.result
    expected = StructType([accumulator, accumulator])
    if not isinstance(parameter, StructType) or len(parameter) != 2:
        problems = [f"parameter: expected {expected}, got {parameter}"]
    else:
        problems = parameter.differences(expected, path="argument")
        for index in (0, 1):
            problems += parameter[index].differences(result, path=f"result to argument[{index}]")
    if problems:
        raise errors.MergeTypeNotAssignableError(
            "`merge` must make one value of two that `up_to_merge` returns.",
            problems=problems,
            signature=merge.type_signature,
            fix=f"give a computation of the type ({expected} -> {accumulator}).",
        )


def _check_after_merge(
    after_merge: Computation, up_to_merge: Computation, merge: Computation
) -> None:
    merged = FederatedType(merge.type_signature.result, placements.SERVER)
    argument = up_to_merge.type_signature.parameter
    expected = merged if argument is None else StructType([argument, merged])
    parameter = after_merge.type_signature.parameter
    if parameter is None:
        problems = [f"parameter: expected {expected}, got none"]
    else:
        problems = parameter.differences(expected, path="argument")
    if problems:
        raise errors.AfterMergeTypeError(
            "`after_merge` must take what the computation takes, and what was merged.",
            problems=problems,
            signature=after_merge.type_signature,
            fix=f"give a computation that takes {expected}.",
        )
    aggregations = _aggregations(after_merge)
    if aggregations:
        raise errors.AfterMergeStructureError(
            "`after_merge` must not aggregate: it runs on parts of the cohort.",
            problems=aggregations,
            signature=after_merge.type_signature,
            fix="aggregate in `up_to_merge`; what must not be seen in parts, as a secure sum, "
            "cannot be done in subrounds.",
        )


def _aggregations(computation: Computation) -> list[str]:
    """The aggregations that a computation makes, each once; those of others cannot be seen."""
    if not isinstance(computation, ConcreteComputation):
        return []
    aggregations = phases.aggregations(normal_forms.to_simple(computation.node))
    found = [
        f"{call.function}: of the type {call.function.type_signature}"
        for call in aggregations.values()
    ]
    return list(dict.fromkeys(found))
