"""FedSGD: gradient descent on the gradients of the clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated import aggregators
from tensorflow_federated.core import errors
from tensorflow_federated.learning import optimizers, templates
from tensorflow_federated.learning.algorithms import process_parts
from tensorflow_federated.learning.algorithms.process_parts import ProcessParts
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.gradient_mean import GradientMean
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers.optimizer import Optimizer
from tensorflow_federated.learning.templates import server_keeping, training_work

_NAME = "tff.learning.algorithms.build_fed_sgd"
_DESCENT = optimizers.build_sgdm(learning_rate=0.1)


@errors.boundary
def build_fed_sgd(
    model_fn: Callable[[], Any] | FunctionalModel,
    server_optimizer_fn: Optimizer[Any, Any, Any] = _DESCENT,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.WeightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds FedSGD.

    In each round the server sends the model w to the clients. Client k computes the mean gradient
    of its n_k examples at w, ``g_k = sum_b n_b g_b / n_k`` over its batches b, and takes no step.
    The server computes ``g = sum_k n_k g_k / sum_k n_k`` and steps the model with its optimizer,
    with g as the gradient. So a round is one step on all examples of the cohort, however they are
    batched.

    ===================  ===============================================================
    symbol               parameter
    ===================  ===============================================================
    mean over clients    `model_aggregator`
    server step          `server_optimizer_fn`
    ===================  ===============================================================

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=W,distributor=<>,client_work=<>,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<learning_rate=float32>>``
    for gradient descent. Metrics: ``<distributor=<>,client_work=<train=...>,
    aggregator=<mean_value=<>,mean_weight=<>>,finalizer=<update_non_finite=int32>>``, with the
    metrics of the model at w in `train`.

    Memory of a client: the model, the sum of the gradients, and one batch with its activations.

    Args:
      model_fn: a function without arguments that makes a new `tff.learning.models.VariableModel`;
        or a `tff.learning.models.FunctionalModel`.
      server_optimizer_fn: the optimizer of the server; gradient descent with the learning rate 0.1
        by default.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the gradients are averaged; `tff.aggregators.MeanFactory()` if None.
      metrics_aggregator: how the metrics are aggregated; `tff.learning.metrics.sum_then_finalize`
        if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if the optimizer is none of `tff.learning.optimizers`.
      TypeMismatchError: if another argument is not of its type.
      CompositionError: if the given parts do not fit together.

    Examples:
      The gradient of ``(w - y)^2`` at w = 0 is ``-2 y``, so -4 on average over the four examples.

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
      >>> process = tff.learning.algorithms.build_fed_sgd(
      ...     model_fn, tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      ... )
      >>> client_data = [
      ...     [(np.ones([3, 1], np.float32), np.float32([[1.0], [1.0], [1.0]]))],
      ...     [(np.ones([1, 1], np.float32), np.float32([[5.0]]))],
      ... ]
      >>> state, _ = process.next(process.initialize(), client_data)
      >>> process.get_model_weights(state).trainable
      [array([[2.]], dtype=float32)]

    Source: McMahan et al. (2017), "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", arXiv:1602.05629, section 2 (FederatedSGD).

    Differs from the paper: the cohort of a round is given, not sampled.
    """
    parts = ProcessParts(
        _NAME,
        model_fn,
        server_optimizer_fn,
        "server_optimizer_fn",
        model_distributor,
        process_parts.weighted_mean(model_aggregator, "model_aggregator", _NAME),
        metrics_aggregator,
        loop_implementation,
    )

    def build_work(
        model: ModelSpec, metrics_aggregator: MetricsAggregatorType
    ) -> templates.ClientWorkProcess:
        return training_work.build_training_work(
            model,
            GradientMean(),
            server_keeping.Nothing(),
            ClientWeighting.NUM_EXAMPLES,
            metrics_aggregator,
        )

    return parts.compose(build_work)
