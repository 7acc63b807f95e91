"""Federated averaging whose client optimizer changes from round to round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated import aggregators
from tensorflow_federated.core import errors
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.learning import descriptions, templates
from tensorflow_federated.learning.algorithms import process_parts, rate_schedules
from tensorflow_federated.learning.algorithms.process_parts import ProcessParts
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.descent import ScheduledDescent
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, OptimizerTypeError
from tensorflow_federated.learning.templates import server_keeping, training_work

_NAME = "tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule"


@errors.boundary
def build_weighted_fed_avg_with_optimizer_schedule(
    model_fn: Callable[[], Any] | FunctionalModel,
    client_learning_rate_fn: Callable[[Any], Any],
    client_optimizer_fn: Callable[[Any], Optimizer[Any, Any, Any]],
    server_optimizer_fn: Optimizer[Any, Any, Any] | None = None,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.WeightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds federated averaging with a schedule for the clients' learning rate.

    As `tff.learning.algorithms.build_weighted_fed_avg`, but in round t = 0, 1, ... all clients take
    their steps with the optimizer ``client_optimizer_fn(client_learning_rate_fn(t))``.

    ===================  ===============================================================
    symbol               parameter
    ===================  ===============================================================
    eta_t                `client_learning_rate_fn`
    client step          `client_optimizer_fn`
    mean                 `model_aggregator`
    server step          `server_optimizer_fn`
    ===================  ===============================================================

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=W,distributor=<>,client_work=int32,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<learning_rate=float32>>``
    with t in `client_work`, and gradient descent at the server. Metrics: those of
    `build_weighted_fed_avg`, and ``client_work=<train=...,client_learning_rate=float32>``.

    Memory: that of federated averaging.

    Args:
      model_fn: a function without arguments that makes a new `tff.learning.models.VariableModel`;
        or a `tff.learning.models.FunctionalModel`.
      client_learning_rate_fn: from t, an int32 scalar, to a learning rate. It is traced, and so may
        not ask in Python how large t is: with TensorFlow if it is a `tf.function`, with JAX if
        `jax.jit` made it, else in the framework of the model.
      client_optimizer_fn: from a learning rate to an optimizer of `tff.learning.optimizers`. It is
        called with 1.0, and with a rate that is being traced.
      server_optimizer_fn: the optimizer of the server; gradient descent with the learning rate 1.0
        if None.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the deltas are averaged; `tff.aggregators.MeanFactory()` if None.
      metrics_aggregator: how the metrics are aggregated; `tff.learning.metrics.sum_then_finalize`
        if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if an optimizer is none of `tff.learning.optimizers`.
      TypeMismatchError: if another argument is not of its type.
      CompositionError: if the given parts do not fit together.

    Examples:
      The learning rates are 0.5, 0.25, ...; the model is w, and its loss (w - 1)^2.

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> process = tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule(
      ...     model_fn,
      ...     client_learning_rate_fn=lambda t: 0.5 * 0.5 ** tf.cast(t, tf.float32),
      ...     client_optimizer_fn=lambda rate: tff.learning.optimizers.build_sgdm(rate),
      ... )
      >>> state, rates = process.initialize(), []
      >>> for _ in range(2):
      ...     ones = np.ones([1, 1], np.float32)
      ...     state, metrics = process.next(state, [[(ones, ones)]])
      ...     rates.append(float(metrics["client_work"]["client_learning_rate"]))
      >>> rates, int(state.client_work)
      ([0.5, 0.25], 2)

    Source: McMahan et al. (2017), arXiv:1602.05629, Algorithm 1, and for the schedule Reddi et al.
    (2021), "Adaptive Federated Optimization", arXiv:2003.00295, Algorithm 1, with eta_l of round t.

    Differs from TFF: the learning rate is computed once, at the server, and sent to the clients;
    functional models take any optimizer.
    """
    rate_schedules.check_function(
        client_learning_rate_fn,
        "client_learning_rate_fn",
        _NAME,
        "lambda round_num: 0.1 * 0.99 ** tf.cast(round_num, tf.float32)",
    )
    rate_schedules.check_function(
        client_optimizer_fn,
        "client_optimizer_fn",
        _NAME,
        "lambda learning_rate: tff.learning.optimizers.build_sgdm(learning_rate)",
    )
    parts = ProcessParts(
        _NAME,
        model_fn,
        process_parts.UNIT_DESCENT if server_optimizer_fn is None else server_optimizer_fn,
        "server_optimizer_fn",
        model_distributor,
        process_parts.weighted_mean(model_aggregator, "model_aggregator", _NAME),
        metrics_aggregator,
        loop_implementation,
    )

    def build_optimizer(learning_rate: Any) -> Optimizer[Any, Any, Any]:
        return _checked(client_optimizer_fn(learning_rate))

    def build_work(
        model: ModelSpec, metrics_aggregator: MetricsAggregatorType
    ) -> templates.ClientWorkProcess:
        schedule = rate_schedules.trace(
            client_learning_rate_fn, "client_learning_rate_fn", _NAME, model
        )
        rate_type = schedule.type_signature.result
        assert isinstance(rate_type, TensorType)
        return training_work.build_training_work(
            model,
            ScheduledDescent(build_optimizer, rate_type.dtype),
            server_keeping.ScheduledRate(schedule),
            ClientWeighting.NUM_EXAMPLES,
            metrics_aggregator,
        )

    return parts.compose(build_work)


def _checked(optimizer: Any) -> Optimizer[Any, Any, Any]:
    # An optimizer of Keras keeps its learning rate in a variable, which cannot be traced.
    if isinstance(optimizer, Optimizer):
        return optimizer
    raise OptimizerTypeError(
        f"`{_NAME}` needs an optimizer of `tff.learning.optimizers`.",
        problems=[
            "client_optimizer_fn: expected an Optimizer of each learning rate, got "
            f"{descriptions.described(optimizer)}"
        ],
        fix="give for example "
        "`lambda learning_rate: tff.learning.optimizers.build_sgdm(learning_rate)`.",
    )
