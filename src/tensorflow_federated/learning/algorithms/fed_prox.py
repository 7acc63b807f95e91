"""FedProx: federated averaging whose clients stay near the model of the server."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import aggregators
from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions, templates
from tensorflow_federated.learning.algorithms import process_parts
from tensorflow_federated.learning.algorithms.process_parts import ProcessParts
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.descent import ProximalDescent
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates import server_keeping, training_work

_WEIGHTED = "tff.learning.algorithms.build_weighted_fed_prox"
_UNWEIGHTED = "tff.learning.algorithms.build_unweighted_fed_prox"


@errors.boundary
def build_weighted_fed_prox(
    model_fn: Callable[[], Any] | FunctionalModel,
    proximal_strength: float,
    client_optimizer_fn: Optimizer[Any, Any, Any],
    server_optimizer_fn: Optimizer[Any, Any, Any] = process_parts.UNIT_DESCENT,
    client_weighting: ClientWeighting | None = ClientWeighting.NUM_EXAMPLES,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.WeightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds FedProx, with weighted clients.

    As `tff.learning.algorithms.build_weighted_fed_avg`, but client k takes its steps on
    ``h_k(v) = F_k(v) + mu / 2 * ||v - w||^2`` in place of its loss F_k, with w the model that the
    server sent: to the gradient of each batch it adds ``mu * (v - w)``. So clients whose data
    differ drift less far apart, however many steps they take.

    ===================  ===============================================================
    symbol               parameter
    ===================  ===============================================================
    mu                   `proximal_strength`
    client step          `client_optimizer_fn`
    n_k                  `client_weighting`: the client's number of examples, or 1
    mean                 `model_aggregator`
    server step          `server_optimizer_fn`
    batches, epochs      the clients' datasets: batch and repeat them before giving them
    ===================  ===============================================================

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=W,distributor=<>,client_work=<>,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<learning_rate=float32>>``
    for gradient descent at the server. Metrics: those of `build_weighted_fed_avg`; the loss in them
    is F_k, without the term.

    Memory of a client: one copy of the model more than that of federated averaging.

    Args:
      model_fn: a function without arguments that makes a new `tff.learning.models.VariableModel`;
        or a `tff.learning.models.FunctionalModel`.
      proximal_strength: mu, a number >= 0; with 0 this is federated averaging.
      client_optimizer_fn: the optimizer of the clients.
      server_optimizer_fn: the optimizer of the server; by default it makes the mean of the clients'
        models the next model.
      client_weighting: how much a client counts; by its number of examples if None.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the deltas are averaged; `tff.aggregators.MeanFactory()` if None.
      metrics_aggregator: how the metrics are aggregated; `tff.learning.metrics.sum_then_finalize`
        if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ProximalStrengthError: if `proximal_strength` is no number >= 0.
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if an optimizer is none of `tff.learning.optimizers`.
      TypeMismatchError: if another argument is not of its type.
      CompositionError: if the given parts do not fit together.

    Examples:
      One client takes two steps on the same batch. The first reaches 0.5, as without the term; in
      the second the loss is 0, and the term pulls it back by ``0.5 * 1.0 * (0.5 - 0)``.

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
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> batch = (np.float32([[1.0]]), np.float32([[0.5]]))
      >>> process = tff.learning.algorithms.build_weighted_fed_prox(model_fn, 1.0, sgd)
      >>> state, _ = process.next(process.initialize(), [[batch, batch]])
      >>> process.get_model_weights(state).trainable
      [array([[0.25]], dtype=float32)]

    Source: Li et al. (2020), "Federated Optimization in Heterogeneous Networks", arXiv:1812.06127,
    Algorithm 2 and equation (2).

    Differs from the paper: clients count by their number of examples, where the paper samples them
    by it; a client takes the steps that its dataset has, and no inexactness is measured. Differs
    from TFF: `proximal_strength` may be an integer, and `client_weighting` None.
    """
    parts = ProcessParts(
        _WEIGHTED,
        model_fn,
        server_optimizer_fn,
        "server_optimizer_fn",
        model_distributor,
        process_parts.weighted_mean(model_aggregator, "model_aggregator", _WEIGHTED),
        metrics_aggregator,
        loop_implementation,
    )
    weighting = process_parts.weighting_or_default(client_weighting, _WEIGHTED)
    return _compose(parts, proximal_strength, client_optimizer_fn, weighting)


@errors.boundary
def build_unweighted_fed_prox(
    model_fn: Callable[[], Any] | FunctionalModel,
    proximal_strength: float,
    client_optimizer_fn: Optimizer[Any, Any, Any],
    server_optimizer_fn: Optimizer[Any, Any, Any] = process_parts.UNIT_DESCENT,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.UnweightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType = sum_then_finalize,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds FedProx, with all clients alike.

    As `build_weighted_fed_prox` with ``n_k = 1`` for every client, and with an aggregator that
    takes no weights: this is the form that secure and private aggregators need. A client without
    examples counts, with a delta of 0.

    State and metrics: as of `build_weighted_fed_prox`, with the state ``aggregator=<<>,<>>`` and
    the measurements ``aggregator=<mean_value=<>,mean_count=<>>``.

    Args:
      model_fn: a function without arguments that makes a new `tff.learning.models.VariableModel`;
        or a `tff.learning.models.FunctionalModel`.
      proximal_strength: mu, a number >= 0; with 0 this is federated averaging.
      client_optimizer_fn: the optimizer of the clients.
      server_optimizer_fn: the optimizer of the server.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the deltas are averaged; `tff.aggregators.UnweightedMeanFactory()` if
        None.
      metrics_aggregator: how the metrics are aggregated.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ProximalStrengthError: if `proximal_strength` is no number >= 0.
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if an optimizer is none of `tff.learning.optimizers`.
      TypeMismatchError: if another argument is not of its type.
      CompositionError: if the given parts do not fit together.

    Examples:
      >>> import jax, jax.numpy as jnp, numpy as np
      >>> import tensorflow_federated as tff
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.zeros([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
      ...     loss_fn=jax.jit(lambda output, label, sample_weight: jnp.mean((output - label) ** 2)),
      ...     input_spec=(
      ...         tff.TensorType(np.float32, [None, 1]),
      ...         tff.TensorType(np.float32, [None, 1]),
      ...     ),
      ... )
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> batch = (np.float32([[1.0]]), np.float32([[0.5]]))
      >>> process = tff.learning.algorithms.build_unweighted_fed_prox(model, 1.0, sgd)
      >>> state, _ = process.next(process.initialize(), [[batch, batch]])
      >>> float(process.get_model_weights(state).trainable[0][0, 0])
      0.25

    Source: as of `build_weighted_fed_prox`.
    """
    parts = ProcessParts(
        _UNWEIGHTED,
        model_fn,
        server_optimizer_fn,
        "server_optimizer_fn",
        model_distributor,
        process_parts.unweighted_mean(model_aggregator, "model_aggregator", _UNWEIGHTED),
        metrics_aggregator,
        loop_implementation,
    )
    return _compose(parts, proximal_strength, client_optimizer_fn, ClientWeighting.UNIFORM)


class ProximalStrengthError(errors.FederatedError, ValueError, known_as="ValueError"):
    """The strength of the proximal term is no number >= 0.

    Fails: `build_weighted_fed_prox(model_fn, -1.0, optimizer)`.
    Mended: `build_weighted_fed_prox(model_fn, 0.1, optimizer)`.
    """


def _compose(
    parts: ProcessParts,
    proximal_strength: float,
    client_optimizer: Optimizer[Any, Any, Any],
    weighting: ClientWeighting,
) -> templates.LearningProcess:
    strength = _checked_strength(proximal_strength, parts.builder)
    optimizer = check_optimizer(client_optimizer, "client_optimizer_fn", parts.builder)

    def build_work(
        model: ModelSpec, metrics_aggregator: MetricsAggregatorType
    ) -> templates.ClientWorkProcess:
        return training_work.build_training_work(
            model,
            ProximalDescent(optimizer, strength),
            server_keeping.Nothing(),
            weighting,
            metrics_aggregator,
        )

    return parts.compose(build_work)


def _checked_strength(candidate: Any, user: str) -> float:
    is_number = isinstance(candidate, (int, float, np.integer, np.floating))
    if is_number and not isinstance(candidate, bool):
        strength = float(candidate)
        if math.isfinite(strength) and strength >= 0:
            return strength
    raise ProximalStrengthError(
        f"`{user}` cannot use this `proximal_strength`.",
        problems=[
            "proximal_strength: expected a finite number >= 0, got "
            f"{descriptions.described(candidate)}"
        ],
        fix="give a number as 0.1; 0 is federated averaging.",
    )
