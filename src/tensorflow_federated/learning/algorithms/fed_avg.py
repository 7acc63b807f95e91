"""Federated averaging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated import aggregators
from tensorflow_federated.core import errors
from tensorflow_federated.learning import templates
from tensorflow_federated.learning.algorithms import process_parts
from tensorflow_federated.learning.algorithms.process_parts import ProcessParts
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer

_WEIGHTED = "tff.learning.algorithms.build_weighted_fed_avg"
_UNWEIGHTED = "tff.learning.algorithms.build_unweighted_fed_avg"


@errors.boundary
def build_weighted_fed_avg(
    model_fn: Callable[[], Any] | FunctionalModel,
    client_optimizer_fn: Optimizer[Any, Any, Any],
    server_optimizer_fn: Optimizer[Any, Any, Any] | None = None,
    *,
    client_weighting: ClientWeighting | None = ClientWeighting.NUM_EXAMPLES,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.WeightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds federated averaging, with weighted clients.

    In each round the server sends the model w to the clients of the cohort. Client k takes one step
    of the client optimizer for each of its batches, to w_k, and sends its model delta
    ``d_k = w - w_k`` (initial - final, so that it acts as a gradient). The server computes the mean
    ``d = sum_k n_k d_k / sum_k n_k`` and steps the model with the server optimizer, with d as the
    gradient.

    ===================  ===============================================================
    symbol               parameter
    ===================  ===============================================================
    client step          `client_optimizer_fn`
    n_k                  `client_weighting`: the client's number of examples, or 1
    mean                 `model_aggregator`
    server step          `server_optimizer_fn`
    batches, epochs      the clients' datasets: batch and repeat them before giving them
    ===================  ===============================================================

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=W,distributor=<>,client_work=<learning_rate=float32>,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<learning_rate=float32>>``
    where both optimizers are `tff.learning.optimizers.build_sgdm` without momentum. Metrics:
    ``<distributor=<>,client_work=<train=...>,aggregator=<mean_value=<>,mean_weight=<>>,
    finalizer=<update_non_finite=int32>>``, with the metrics of the model in `train`, computed while
    the clients train.

    Memory at the server: the model, the sum of the deltas and the state of the optimizer.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.VariableModel`; it is
        called several times, and must make a new one each time. Or a
        `tff.learning.models.FunctionalModel`, which reports its own metrics; `client_work` of the
        state is then empty.
      client_optimizer_fn: the optimizer of the clients.
      server_optimizer_fn: the optimizer of the server; gradient descent with the learning rate 1.0
        if None, which makes the mean of the clients' models the next model.
      client_weighting: how much a client counts; by its number of examples if None.
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
      A linear model on two clients, with one batch each; the client with three examples counts
      three times as much as the other.

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer="zeros")
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(model_fn, sgd)
      >>> client_data = [
      ...     [(np.ones([3, 1], np.float32), np.float32([[1.0], [1.0], [1.0]]))],
      ...     [(np.ones([1, 1], np.float32), np.float32([[5.0]]))],
      ... ]
      >>> state, metrics = process.next(process.initialize(), client_data)
      >>> process.get_model_weights(state).trainable
      [array([[2.]], dtype=float32), array([2.], dtype=float32)]
      >>> train = metrics["client_work"]["train"]
      >>> float(train["loss"]), int(train["num_examples"]), int(train["num_batches"])
      (7.0, 4, 2)

    Source: McMahan et al. (2017), "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", arXiv:1602.05629, Algorithm 1 (FederatedAveraging), for gradient descent at
    the server with a learning rate of 1; with another server optimizer, Reddi et al. (2021),
    "Adaptive Federated Optimization", arXiv:2003.00295, Algorithm 1 (FedOpt).

    Differs from the papers: the cohort of a round is given, not sampled; epochs and batches are
    those of the datasets; the delta of Reddi et al. is final - initial, and its negative the
    gradient.
    """
    weighting = process_parts.weighting_or_default(client_weighting, _WEIGHTED)
    parts = ProcessParts(
        _WEIGHTED,
        model_fn,
        process_parts.UNIT_DESCENT if server_optimizer_fn is None else server_optimizer_fn,
        "server_optimizer_fn",
        model_distributor,
        process_parts.weighted_mean(model_aggregator, "model_aggregator", _WEIGHTED),
        metrics_aggregator,
        loop_implementation,
    )
    return _compose(parts, client_optimizer_fn, weighting)


@errors.boundary
def build_unweighted_fed_avg(
    model_fn: Callable[[], Any] | FunctionalModel,
    client_optimizer_fn: Optimizer[Any, Any, Any],
    server_optimizer_fn: Optimizer[Any, Any, Any] | None = None,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.UnweightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType = sum_then_finalize,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds federated averaging, with all clients alike.

    As `build_weighted_fed_avg` with ``n_k = 1`` for every client, and with an aggregator that takes
    no weights: this is the form that secure and private aggregators need. A client without
    examples counts, with a delta of 0.

    State and metrics: as of `build_weighted_fed_avg`, with the state ``aggregator=<<>,<>>`` and the
    measurements ``aggregator=<mean_value=<>,mean_count=<>>``.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.VariableModel`; it is
        called several times, and must make a new one each time. Or a
        `tff.learning.models.FunctionalModel`, which reports its own metrics; `client_work` of the
        state is then empty.
      client_optimizer_fn: the optimizer of the clients.
      server_optimizer_fn: the optimizer of the server; gradient descent with the learning rate 1.0
        if None.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the deltas are averaged; `tff.aggregators.UnweightedMeanFactory()` if
        None.
      metrics_aggregator: how the metrics are aggregated.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if an optimizer is none of `tff.learning.optimizers`.
      TypeMismatchError: if another argument is not of its type.
      CompositionError: if the given parts do not fit together.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer="zeros")
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_unweighted_fed_avg(model_fn, sgd)
      >>> client_data = [
      ...     [(np.ones([3, 1], np.float32), np.float32([[1.0], [1.0], [1.0]]))],
      ...     [(np.ones([1, 1], np.float32), np.float32([[5.0]]))],
      ... ]
      >>> state, _ = process.next(process.initialize(), client_data)
      >>> process.get_model_weights(state).trainable
      [array([[3.]], dtype=float32), array([3.], dtype=float32)]

    Source: as of `build_weighted_fed_avg`.
    """
    parts = ProcessParts(
        _UNWEIGHTED,
        model_fn,
        process_parts.UNIT_DESCENT if server_optimizer_fn is None else server_optimizer_fn,
        "server_optimizer_fn",
        model_distributor,
        process_parts.unweighted_mean(model_aggregator, "model_aggregator", _UNWEIGHTED),
        metrics_aggregator,
        loop_implementation,
    )
    return _compose(parts, client_optimizer_fn, ClientWeighting.UNIFORM)


def _compose(
    parts: ProcessParts, client_optimizer: Optimizer[Any, Any, Any], weighting: ClientWeighting
) -> templates.LearningProcess:
    optimizer = check_optimizer(client_optimizer, "client_optimizer_fn", parts.builder)

    def build_work(
        model: ModelSpec, metrics_aggregator: MetricsAggregatorType
    ) -> templates.ClientWorkProcess:
        if isinstance(parts.model_fn, FunctionalModel):
            return templates.build_functional_model_delta_client_work(
                model=model,
                optimizer=optimizer,
                client_weighting=weighting,
                metrics_aggregator=metrics_aggregator,
            )
        return templates.build_model_delta_client_work(
            model, optimizer, weighting, metrics_aggregator
        )

    return parts.compose(build_work)
