"""Finalizing: from the sums of the clients' metrics to the numbers that are reported."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from tensorflow_federated import tensorflow
from tensorflow_federated.core import computations, errors, tracing, types
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.metrics.metric_types import AnyMetricFinalizers


class MetricFinalizersError(errors.FederatedError, TypeError):
    """Metric finalizers are not what they should be, or do not fit the unfinalized metrics.

    Fails: `sum_then_finalize([tf.function(lambda x: x)])`, for a list has no names.
    Mended: `sum_then_finalize(OrderedDict(loss=tf.function(lambda x: x[0] / x[1])))`.
    """


class MetricNamesError(MetricFinalizersError, ValueError):
    """The names of the finalizers and those of the unfinalized metrics differ.

    Fails: finalizers of `loss` for unfinalized metrics of the type `<accuracy=float32>`.
    Mended: one finalizer for each unfinalized metric, of the same name.
    """


def check_finalizers(metric_finalizers: Any, user: str) -> None:
    """Checks that metric finalizers are a function, or a dict of functions by name.

    Args:
      metric_finalizers: what was given.
      user: the function that takes them, for the message.

    Raises:
      MetricFinalizersError: if they are not.
    """
    if isinstance(metric_finalizers, Mapping):
        problems = [
            f"metric_finalizers[{name!r}]: expected a function, "
            f"got {descriptions.described(finalizer)}"
            for name, finalizer in metric_finalizers.items()
            if not callable(finalizer)
        ]
    elif not callable(metric_finalizers):
        problems = [
            f"metric_finalizers: expected an `OrderedDict` of functions, got "
            f"{descriptions.described(metric_finalizers)}"
        ]
    else:
        problems = []
    if problems:
        raise MetricFinalizersError(
            f"`{user}` cannot use these metric finalizers.",
            problems=problems,
            fix="give what `metric_finalizers()` of a model returns.",
        )


def check_unfinalized_type(
    metric_finalizers: AnyMetricFinalizers, unfinalized_type: Any, user: str
) -> StructType:
    """Checks the type of unfinalized metrics, and that there is a finalizer for each.

    Args:
      metric_finalizers: the finalizers.
      unfinalized_type: the type of one client's unfinalized metrics.
      user: the function that takes them, for the message.

    Returns:
      The type.

    Raises:
      MetricFinalizersError: if it is no structure of named metrics.
      MetricNamesError: if the names differ.
    """
    named = isinstance(unfinalized_type, StructType) and all(
        name is not None for name, _ in unfinalized_type.items()
    )
    if not named:
        raise MetricFinalizersError(
            f"`{user}` cannot use this type of unfinalized metrics.",
            problems=[
                f"local_unfinalized_metrics_type: expected a structure of named metrics, got "
                f"{unfinalized_type!s:.200}"
            ],
            fix="give the type of what `report_local_unfinalized_metrics()` returns.",
        )
    assert isinstance(unfinalized_type, StructType)
    if isinstance(metric_finalizers, Mapping):
        expected = [str(name) for name, _ in unfinalized_type.items()]
        given = [str(name) for name in metric_finalizers]
        problems = [
            *[f"{name}: has no finalizer" for name in expected if name not in given],
            *[
                f"{name}: has a finalizer, and is not reported"
                for name in given
                if name not in expected
            ],
        ]
        if problems:
            raise MetricNamesError(
                f"`{user}` needs one finalizer for each metric.",
                problems=problems,
                signature=unfinalized_type.compact_representation(),
                fix="use the same names in `metric_finalizers` and in "
                "`report_local_unfinalized_metrics`.",
            )
    return unfinalized_type


def build_finalize_computation(
    metric_finalizers: AnyMetricFinalizers, unfinalized_type: StructType
) -> ConcreteComputation:
    """Makes one computation of all finalizers.

    Args:
      metric_finalizers: the finalizers, functions on tensors, which are traced by TensorFlow; or
        computations, which stay in their own framework.
      unfinalized_type: the type of the unfinalized metrics.

    Returns:
      A computation of the type ``(unfinalized -> finalized)``; a dict of finalizers gives the
      metrics in its own order.
    """

    def finalize(unfinalized: Any) -> Any:
        values = unfinalized if are_computations else collections.OrderedDict(unfinalized)
        if isinstance(metric_finalizers, Mapping):
            return collections.OrderedDict(
                (name, finalizer(values[name])) for name, finalizer in metric_finalizers.items()
            )
        return metric_finalizers(values)

    given: Any = metric_finalizers
    finalizers = list(given.values()) if isinstance(given, Mapping) else [given]
    are_computations = bool(finalizers) and all(map(_is_computation, finalizers))
    local = tracing.federated_computation if are_computations else tensorflow.computation
    return local(finalize, as_ordered_dict(unfinalized_type))


def _is_computation(finalizer: Any) -> bool:
    return isinstance(
        finalizer, (computations.ConcreteComputation, computations.PolymorphicComputation)
    )


def as_ordered_dict(struct_type: StructType) -> Type:
    """The same type, with an `OrderedDict` as its Python container."""
    return types.StructWithPythonType(list(struct_type.items()), collections.OrderedDict)
