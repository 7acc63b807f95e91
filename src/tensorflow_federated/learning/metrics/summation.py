"""Sums the clients' metrics and finalizes the sums, for one round."""

from __future__ import annotations

import functools
from typing import Any

from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FederatedType, Type
from tensorflow_federated.learning.metrics import finalization, polymorphism
from tensorflow_federated.learning.metrics.metric_types import AnyMetricFinalizers

_NAME = "tff.learning.metrics.sum_then_finalize"


@errors.boundary
def sum_then_finalize(
    metric_finalizers: AnyMetricFinalizers,
    local_unfinalized_metrics_type: Type | None = None,
) -> Any:
    """Builds a computation that sums unfinalized metrics over the clients and finalizes the sums.

    Type of the computation: ``({unfinalized}@CLIENTS -> finalized@SERVER)``

    Computes ``finalizer_m(sum_i u_{i,m})`` for each metric m over the clients i. A mean that is
    kept as a sum and a count is so weighted by the counts.

    Args:
      metric_finalizers: the finalizers by name, or one function from all unfinalized metrics to
        all finalized ones; see `tff.learning.metrics.MetricFinalizersType`.
      local_unfinalized_metrics_type: the type of one client's unfinalized metrics, a structure
        with names; without it the computation takes any type that fits.

    Returns:
      The computation. It is polymorphic without `local_unfinalized_metrics_type`.

    Raises:
      MetricFinalizersError: if the finalizers are no functions, or the type no named structure.
      MetricNamesError: if the names of the finalizers and of the metrics differ.

    Examples:
      >>> import collections, numpy as np
      >>> import tensorflow_federated as tff
      >>> finalizers = collections.OrderedDict(loss=lambda x: x[0] / x[1])
      >>> unfinalized_type = tff.to_type(collections.OrderedDict(loss=[np.float32, np.float32]))
      >>> aggregate = tff.learning.metrics.sum_then_finalize(finalizers, unfinalized_type)
      >>> print(aggregate.type_signature)
      ({<loss=<float32,float32>>}@CLIENTS -> <loss=float32>@SERVER)
      >>> metrics = aggregate([{"loss": [3.0, 1.0]}, {"loss": [1.0, 3.0]}])
      >>> float(metrics["loss"])
      1.0

    Differs from TFF: with a type the computation is a concrete one, and names that do not fit are
    an error.
    """
    finalization.check_finalizers(metric_finalizers, _NAME)
    return polymorphism.of_clients_metrics(
        functools.partial(_build, metric_finalizers),
        local_unfinalized_metrics_type,
        "sum_then_finalize",
    )


def _build(metric_finalizers: AnyMetricFinalizers, unfinalized_type: Any) -> ConcreteComputation:
    struct_type = finalization.check_unfinalized_type(metric_finalizers, unfinalized_type, _NAME)
    finalize = finalization.build_finalize_computation(metric_finalizers, struct_type)

    def sum_and_finalize(unfinalized_metrics: Any) -> Any:
        return intrinsics.federated_map(finalize, intrinsics.federated_sum(unfinalized_metrics))

    return tracing.federated_computation(
        sum_and_finalize, FederatedType(struct_type, placements.CLIENTS)
    )
