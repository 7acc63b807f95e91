"""From computations to mergeable ones."""

from __future__ import annotations

from tensorflow_federated.backends.mergeable.form import MergeableCompForm
from tensorflow_federated.compiler import merging, result_types
from tensorflow_federated.core import arguments, errors
from tensorflow_federated.core.computations import ConcreteComputation


@errors.boundary
def compile_to_mergeable_comp_form(comp: ConcreteComputation) -> MergeableCompForm:
    """Cuts a computation at its aggregations, for execution in subrounds.

    The sums, means and `federated_aggregate` of the computation give one accumulator together,
    ``<A1,A2,...>``. What the server computes both before and after the aggregation is computed
    in both parts.

    Args:
      comp: the computation; its aggregations, none or several, do not depend on each other.

    Returns:
      The form, which computes the same. Random keys that clients draw depend on their position in
      the part of the cohort.

    Raises:
      ArgumentError: if `comp` is no computation.
      CommunicationError: if one aggregation depends on another.
      AfterMergeStructureError: if there is an aggregation that must not be seen in parts, as a
        secure sum.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
      ... def mean_and_total(values):
      ...     return tff.federated_mean(values), tff.federated_sum(values)
      >>> form = tff.backends.native.compile_to_mergeable_comp_form(mean_and_total)
      >>> print(form.merge.type_signature)
      (<<<float32,int32>,float32>,<<float32,int32>,float32>> -> <<float32,int32>,float32>)
      >>> first, second = form.up_to_merge([1.0, 2.0]), form.up_to_merge([6.0])
      >>> form.after_merge([1.0, 2.0], form.merge(first, second))
      (np.float32(3.0), np.float32(9.0))

    Differs from TFF: a mean without weights counts the clients in int32.
    """
    arguments.check_instance(
        "comp",
        comp,
        ConcreteComputation,
        "only a computation can be compiled.",
        fix="decorate the function, and give the types of its parameters.",
    )
    parts = merging.cut_at_aggregations(comp.node)
    after_merge = result_types.with_result_type(parts.after_merge, comp.type_signature.result)
    return MergeableCompForm(
        up_to_merge=ConcreteComputation(parts.up_to_merge, "up_to_merge"),
        merge=ConcreteComputation(parts.merge, "merge"),
        after_merge=ConcreteComputation(after_merge, "after_merge"),
    )
