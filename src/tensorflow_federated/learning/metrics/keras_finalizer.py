"""Finalizers of Keras metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.metrics import metric_calls


@errors.boundary
def create_keras_metric_finalizer(metric: Any) -> Callable[[Any], Any]:
    """Makes the finalizer of a Keras metric: from the values of its variables to its result.

    Args:
      metric: a `keras.metrics.Metric`, or a function without arguments that makes one; of
        Keras 3 or of Keras 2 (`tf_keras`).

    Returns:
      A function from the list of the values of the metric's variables, in their order, to what the
      metric's `result()` is with these values. The metric itself is not changed.

    Raises:
      ModelError: if `metric` is neither.

    Examples:
      >>> import keras
      >>> finalizer = create_keras_metric_finalizer(keras.metrics.Mean)
      >>> float(finalizer([6.0, 3.0]))
      2.0
    """
    made: Any = metric
    given: Any = metric
    if not metric_calls.is_metric(metric) and callable(given):
        made = given()
    if not metric_calls.is_metric(made):
        raise errors.ModelError(
            "a finalizer can only be made of a Keras metric.",
            problems=[f"metric: got {descriptions.described(made)}"],
            fix="give a `keras.metrics.Metric`, or a function that makes one.",
        )

    def finalize(unfinalized: Any) -> Any:
        values = list(unfinalized)
        if len(values) != len(made.variables):
            raise errors.ModelValueError(
                f"the metric `{made.name}` has another number of variables.",
                problems=[f"values: expected {len(made.variables)}, got {len(values)}"],
                fix="give the values of all variables of the metric.",
            )
        if not metric_calls.is_legacy(made):
            return metric_calls.result(made, values)
        from tensorflow_federated.learning.metrics import legacy_metrics

        return metric_calls.result(legacy_metrics.made(make_another), values)

    def make_another() -> Any:
        return given() if made is not metric else type(made).from_config(made.get_config())

    return _of_framework(finalize)


def _of_framework(finalize: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The finalizer, so that it is seen which framework it is written in."""
    import keras

    if keras.backend.backend() != "jax":
        return finalize
    import jax

    return jax.jit(finalize)
