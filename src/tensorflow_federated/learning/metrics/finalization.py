"""Finalizing: from the sums of the clients' metrics to the numbers that are reported."""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tensorflow_federated import jax, tensorflow
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
    """Checks that metric finalizers are a function, or an `OrderedDict` of functions.

    Args:
      metric_finalizers: what was given.
      user: the function that takes them, for the message.

    Raises:
      MetricFinalizersError: if they are not.
    """
    if isinstance(metric_finalizers, collections.OrderedDict):
        problems = [
            f"metric_finalizers: the name {name!r} is no string"
            for name in metric_finalizers
            if not isinstance(name, str)
        ]
        problems += [
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
    metric_finalizers: AnyMetricFinalizers | None, unfinalized_type: Any, user: str
) -> StructType:
    """Checks the type of unfinalized metrics, and that there is a finalizer for each.

    Args:
      metric_finalizers: the finalizers, if there are any.
      unfinalized_type: the type of one client's unfinalized metrics.
      user: the function that takes them, for the message.

    Returns:
      The type.

    Raises:
      MetricFinalizersError: if it is no structure of named metrics.
      MetricNamesError: if the names differ.
    """
    is_struct = isinstance(unfinalized_type, StructType)
    container = unfinalized_type.python_container if is_struct else None
    if container is None or not issubclass(container, Mapping):
        raise MetricFinalizersError(
            f"`{user}` cannot use this type of unfinalized metrics.",
            problems=[
                "local_unfinalized_metrics_type: expected a structure of named metrics in an "
                f"`OrderedDict`, got {unfinalized_type!s:.200}"
            ],
            fix="give the type of what `report_local_unfinalized_metrics()` returns, for example "
            "`tff.to_type(collections.OrderedDict(loss=np.float32))`.",
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
    """Makes one computation of all finalizers, each in its own framework.

    A computation of this package stays what it is, and what `jax.jit` made is traced by JAX. Any
    other function is traced by TensorFlow, where that is installed; by JAX, if TensorFlow cannot.

    Args:
      metric_finalizers: the finalizers.
      unfinalized_type: the type of the unfinalized metrics.

    Returns:
      A computation of the type ``(unfinalized -> finalized)``; a dict of finalizers gives the
      metrics in its own order.
    """
    struct_type = as_ordered_dict(unfinalized_type)
    if not isinstance(metric_finalizers, Mapping):
        return _localized(metric_finalizers, struct_type)
    element_types: dict[Any, Type] = dict(unfinalized_type.items())
    finalizers = [
        (name, _localized(finalizer, element_types[name]))
        for name, finalizer in metric_finalizers.items()
    ]

    def finalize(unfinalized: Any) -> Any:
        return collections.OrderedDict(
            (name, finalizer(unfinalized[name])) for name, finalizer in finalizers
        )

    return tracing.federated_computation(finalize, struct_type)


def _localized(finalizer: Callable[[Any], Any], unfinalized_type: Type) -> ConcreteComputation:
    """A finalizer as a computation of one type."""
    given: Any = finalizer
    if isinstance(given, (computations.ConcreteComputation, computations.PolymorphicComputation)):
        return tracing.federated_computation(
            lambda unfinalized: given(unfinalized), unfinalized_type
        )
    if _is_of_jax(given) or importlib.util.find_spec("tensorflow") is None:
        return jax.computation(given, unfinalized_type)
    try:
        return tensorflow.computation(given, unfinalized_type)
    except Exception:
        if hasattr(given, "get_concrete_function"):
            raise
        in_jax = _in_jax(given, unfinalized_type)
        if in_jax is None:
            raise
        return in_jax


def _is_of_jax(function: Any) -> bool:
    """Whether `jax.jit` made it, found out without loading JAX."""
    loaded = sys.modules.get("jax")
    return loaded is not None and isinstance(function, loaded.stages.Wrapped)


def _in_jax(finalizer: Any, unfinalized_type: Type) -> ConcreteComputation | None:
    """A function as a computation of JAX, or None if it is not written in JAX.

    What is wrong with a function of neither framework, TensorFlow tells.
    """
    with contextlib.suppress(Exception):
        return jax.computation(finalizer, unfinalized_type)
    return None


def names_of_finalized(finalized_type: Type, user: str) -> list[str]:
    """The names of the finalized metrics.

    Raises:
      MetricFinalizersError: if one function finalizes all metrics, and gives no named ones.
    """
    names = (
        [name for name, _ in finalized_type.items()]
        if isinstance(finalized_type, StructType)
        else [None]
    )
    if None in names:
        raise MetricFinalizersError(
            f"`{user}` cannot use these metric finalizers.",
            problems=[f"metric_finalizers: returns {finalized_type}, where metrics need names"],
            fix="return a `collections.OrderedDict` from the names of metrics to their values.",
        )
    return [str(name) for name in names]


def as_ordered_dict(struct_type: StructType) -> Type:
    """The same type, with an `OrderedDict` as its Python container."""
    return types.StructWithPythonType(list(struct_type.items()), collections.OrderedDict)
