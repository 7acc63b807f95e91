"""MimeLite: clients that mimic the server's optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated import aggregators
from tensorflow_federated.core import errors
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.learning import descriptions, templates
from tensorflow_federated.learning.algorithms import process_parts, rate_schedules
from tensorflow_federated.learning.algorithms.process_parts import ProcessParts
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.gradient_mean import MimeLite
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers.optimizer import (
    LEARNING_RATE_KEY,
    Optimizer,
    OptimizerTypeError,
    check_optimizer,
)
from tensorflow_federated.learning.templates import server_keeping, training_work

_WEIGHTED = "tff.learning.algorithms.build_weighted_mime_lite"
_UNWEIGHTED = "tff.learning.algorithms.build_unweighted_mime_lite"
_SCHEDULED = "tff.learning.algorithms.build_mime_lite_with_optimizer_schedule"


@errors.boundary
def build_weighted_mime_lite(
    model_fn: Callable[[], Any] | FunctionalModel,
    base_optimizer: Optimizer[Any, Any, Any],
    server_optimizer: Optimizer[Any, Any, Any] = process_parts.UNIT_DESCENT,
    client_weighting: ClientWeighting | None = ClientWeighting.NUM_EXAMPLES,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.WeightedAggregationFactory | None = None,
    full_gradient_aggregator: aggregators.WeightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds MimeLite, with weighted clients.

    The server keeps the state s of the base optimizer, with parts U for the weights and V for the
    state, and sends it with the model w. Client k takes the step ``v <- U(v, g_b(v), s)`` for each
    of its batches b, always with the state that the server sent, and sends its model delta
    ``d_k = w - v`` (initial - final, so that it acts as a gradient) and the mean gradient
    ``c_k = grad F_k(w)`` of its examples at the server's model. The server computes the means
    ``d = sum_k n_k d_k / sum_k n_k`` and ``c``, of the c_k, likewise; it steps the model with the
    server optimizer, with d as the gradient, and the state, ``s <- V(c, s)``. So the clients' steps
    have the momentum of the whole cohort, and not one that drifts with their own gradients.

    ===================  ===============================================================
    symbol               parameter
    ===================  ===============================================================
    U, V, s              `base_optimizer`, and its state
    n_k                  `client_weighting`: the client's number of examples, or 1
    d                    `model_aggregator`
    c                    `full_gradient_aggregator`
    server step          `server_optimizer`
    batches, epochs      the clients' datasets: batch and repeat them before giving them
    ===================  ===============================================================

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=W,distributor=<>,client_work=<S,<value_sum_process=<>,
    weight_sum_process=<>>>,aggregator=<value_sum_process=<>,weight_sum_process=<>>,
    finalizer=<learning_rate=float32>>``, with the state of the base optimizer, S, and that of the
    aggregator of the full gradients in `client_work`, and gradient descent at the server. There are
    no hyperparameters of the clients. Metrics: those of `build_weighted_fed_avg`, computed while
    the clients train.

    Memory of a client: two copies of the model and the state of the optimizer more than federated
    averaging without momentum. Each batch is passed twice.

    Args:
      model_fn: a function without arguments that makes a new `tff.learning.models.VariableModel`;
        or a `tff.learning.models.FunctionalModel`.
      base_optimizer: the optimizer that the clients mimic, with its learning rate.
      server_optimizer: the optimizer that applies the mean delta; by default it makes the mean of
        the clients' models the next model.
      client_weighting: how much a client counts; by its number of examples if None.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the deltas are averaged; `tff.aggregators.MeanFactory()` if None.
      full_gradient_aggregator: how the full gradients are averaged; `tff.aggregators.MeanFactory()`
        if None.
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
      The loss is ``(w - 1)^2``, with the gradient -2 at w = 0. In the first round the momentum that
      the server keeps is 0, after it -2; so the second step is that of 0.5 * -2 and the gradient at
      w = 0.5, -1.

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
      >>> momentum = tff.learning.optimizers.build_sgdm(learning_rate=0.25, momentum=0.5)
      >>> process = tff.learning.algorithms.build_weighted_mime_lite(model_fn, momentum)
      >>> ones = np.ones([1, 1], np.float32)
      >>> state, weights = process.initialize(), []
      >>> for _ in range(2):
      ...     state, _ = process.next(state, [[(ones, ones)]])
      ...     weights.append(float(process.get_model_weights(state).trainable[0][0, 0]))
      >>> weights
      [0.5, 1.0]

    Source: Karimireddy et al. (2021), "Breaking the centralized barrier for cross-device federated
    learning", NeurIPS 2021, also arXiv:2008.03606, Algorithm 1 (MimeLite).

    Differs from the paper: the server may step with an optimizer of its own, and clients may count
    by their number of examples. Differs from TFF: a client whose delta or gradient is not finite
    leaves the state of the optimizer alone, as does a round without examples; TFF makes it NaN, for
    good. `client_weighting` may be None.
    """
    parts = ProcessParts(
        _WEIGHTED,
        model_fn,
        server_optimizer,
        "server_optimizer",
        model_distributor,
        process_parts.weighted_mean(model_aggregator, "model_aggregator", _WEIGHTED),
        metrics_aggregator,
        loop_implementation,
    )
    return _compose(
        parts,
        base_optimizer,
        process_parts.weighting_or_default(client_weighting, _WEIGHTED),
        process_parts.weighted_mean(
            full_gradient_aggregator, "full_gradient_aggregator", _WEIGHTED
        ),
    )


@errors.boundary
def build_unweighted_mime_lite(
    model_fn: Callable[[], Any] | FunctionalModel,
    base_optimizer: Optimizer[Any, Any, Any],
    server_optimizer: Optimizer[Any, Any, Any] = process_parts.UNIT_DESCENT,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.UnweightedAggregationFactory | None = None,
    full_gradient_aggregator: aggregators.UnweightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType = sum_then_finalize,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds MimeLite, with all clients alike.

    As `build_weighted_mime_lite` with ``n_k = 1`` for every client, and with aggregators that take
    no weights: this is the form that secure and private aggregators need. A client without
    examples counts, with a delta and a gradient of 0.

    State and metrics: as of `build_weighted_mime_lite`, with the states ``<<>,<>>`` of the
    aggregators and the measurements ``aggregator=<mean_value=<>,mean_count=<>>``.

    Args:
      model_fn: a function without arguments that makes a new `tff.learning.models.VariableModel`;
        or a `tff.learning.models.FunctionalModel`.
      base_optimizer: the optimizer that the clients mimic, with its learning rate.
      server_optimizer: the optimizer that applies the mean delta.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the deltas are averaged; `tff.aggregators.UnweightedMeanFactory()` if
        None.
      full_gradient_aggregator: how the full gradients are averaged;
        `tff.aggregators.UnweightedMeanFactory()` if None.
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
      >>> momentum = tff.learning.optimizers.build_sgdm(learning_rate=0.25, momentum=0.5)
      >>> process = tff.learning.algorithms.build_unweighted_mime_lite(model, momentum)
      >>> ones = np.ones([1, 1], np.float32)
      >>> state, _ = process.next(process.initialize(), [[(ones, ones)]])
      >>> optimizer_state, _ = state.client_work
      >>> float(optimizer_state["accumulator"][0][0, 0])
      -2.0

    Source: as of `build_weighted_mime_lite`.
    """
    parts = ProcessParts(
        _UNWEIGHTED,
        model_fn,
        server_optimizer,
        "server_optimizer",
        model_distributor,
        process_parts.unweighted_mean(model_aggregator, "model_aggregator", _UNWEIGHTED),
        metrics_aggregator,
        loop_implementation,
    )
    return _compose(
        parts,
        base_optimizer,
        ClientWeighting.UNIFORM,
        process_parts.unweighted_mean(
            full_gradient_aggregator, "full_gradient_aggregator", _UNWEIGHTED
        ),
    )


@errors.boundary
def build_mime_lite_with_optimizer_schedule(
    model_fn: Callable[[], Any] | FunctionalModel,
    learning_rate_fn: Callable[[Any], Any],
    base_optimizer: Optimizer[Any, Any, Any],
    server_optimizer: Optimizer[Any, Any, Any] = process_parts.UNIT_DESCENT,
    client_weighting: ClientWeighting | None = ClientWeighting.NUM_EXAMPLES,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator: aggregators.WeightedAggregationFactory | None = None,
    full_gradient_aggregator: aggregators.WeightedAggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds MimeLite with a schedule for the learning rate of the base optimizer.

    As `build_weighted_mime_lite`, but in round t = 0, 1, ... the learning rate of the base
    optimizer is ``learning_rate_fn(t)``, at the clients and where the server steps the state.

    ===================  ===============================================================
    symbol               parameter
    ===================  ===============================================================
    eta_t                `learning_rate_fn`
    others               as of `build_weighted_mime_lite`
    ===================  ===============================================================

    State: as of `build_weighted_mime_lite`, with ``client_work=<int32,<S,A>>``: t, the state of the
    base optimizer with the learning rate of round t, and the state of the aggregator of the full
    gradients. Metrics and memory: as of `build_weighted_mime_lite`.

    Args:
      model_fn: a function without arguments that makes a new `tff.learning.models.VariableModel`;
        or a `tff.learning.models.FunctionalModel`.
      learning_rate_fn: from t, an int32 scalar, to a learning rate, float32. It is traced, and so
        may not ask in Python how large t is: with TensorFlow if it is a `tf.function`, with JAX if
        `jax.jit` made it, else in the framework of the model.
      base_optimizer: the optimizer that the clients mimic; its own learning rate is not used.
      server_optimizer: the optimizer that applies the mean delta.
      client_weighting: how much a client counts; by its number of examples if None.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the deltas are averaged; `tff.aggregators.MeanFactory()` if None.
      full_gradient_aggregator: how the full gradients are averaged; `tff.aggregators.MeanFactory()`
        if None.
      metrics_aggregator: how the metrics are aggregated; `tff.learning.metrics.sum_then_finalize`
        if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if an optimizer is none of `tff.learning.optimizers`; or if the state of
        the base optimizer has no learning rate of the type that `learning_rate_fn` returns.
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
      >>> process = tff.learning.algorithms.build_mime_lite_with_optimizer_schedule(
      ...     model,
      ...     learning_rate_fn=lambda t: 0.5 / (t + 1),
      ...     base_optimizer=tff.learning.optimizers.build_sgdm(momentum=0.5),
      ... )
      >>> ones = np.ones([1, 1], np.float32)
      >>> state, _ = process.next(process.initialize(), [[(ones, ones)]])
      >>> round_num, (optimizer_state, _) = state.client_work
      >>> int(round_num), float(optimizer_state["learning_rate"])
      (1, 0.25)

    Source: as of `build_weighted_mime_lite`, with the learning rate of the round in U and V.
    """
    rate_schedules.check_function(
        learning_rate_fn,
        "learning_rate_fn",
        _SCHEDULED,
        "lambda round_num: 0.1 * 0.99 ** tf.cast(round_num, tf.float32)",
    )
    parts = ProcessParts(
        _SCHEDULED,
        model_fn,
        server_optimizer,
        "server_optimizer",
        model_distributor,
        process_parts.weighted_mean(model_aggregator, "model_aggregator", _SCHEDULED),
        metrics_aggregator,
        loop_implementation,
    )
    return _compose(
        parts,
        base_optimizer,
        process_parts.weighting_or_default(client_weighting, _SCHEDULED),
        process_parts.weighted_mean(
            full_gradient_aggregator, "full_gradient_aggregator", _SCHEDULED
        ),
        learning_rate_fn,
    )


def _compose(
    parts: ProcessParts,
    base_optimizer: Optimizer[Any, Any, Any],
    weighting: ClientWeighting,
    full_gradient_aggregator: aggregators.WeightedAggregationFactory,
    learning_rate_fn: Callable[[Any], Any] | None = None,
) -> templates.LearningProcess:
    optimizer = check_optimizer(base_optimizer, "base_optimizer", parts.builder)

    def build_work(
        model: ModelSpec, metrics_aggregator: MetricsAggregatorType
    ) -> templates.ClientWorkProcess:
        trainable_type = model.weights_type["trainable"]
        assert isinstance(trainable_type, StructType)
        kept = server_keeping.SharedOptimizer(optimizer, trainable_type, full_gradient_aggregator)
        keeping: server_keeping.ServerKeeping = kept
        if learning_rate_fn is not None:
            schedule = rate_schedules.trace(
                learning_rate_fn, "learning_rate_fn", parts.builder, model
            )
            _check_learning_rate(
                kept.optimizer_state_type, schedule.type_signature.result, optimizer
            )
            keeping = server_keeping.ScheduledOptimizer(kept, schedule)
        return training_work.build_training_work(
            model, MimeLite(optimizer), keeping, weighting, metrics_aggregator
        )

    return parts.compose(build_work)


def _check_learning_rate(
    state_type: Type, scheduled_type: Type, optimizer: Optimizer[Any, Any, Any]
) -> None:
    by_name = dict(state_type.items()) if isinstance(state_type, StructType) else {}
    kept_type = by_name.get(LEARNING_RATE_KEY)
    if kept_type == scheduled_type:
        return
    if kept_type is None:
        kind = descriptions.with_article(type(optimizer).__name__)
        problem = f"base_optimizer: got {kind}, whose state is {state_type}"
    else:
        problem = f"learning_rate_fn: expected (int32 -> {kept_type}), returns {scheduled_type}"
    raise OptimizerTypeError(
        f"`{_SCHEDULED}` cannot set the learning rate of the base optimizer.",
        problems=[problem],
        fix="use an optimizer of `tff.learning.optimizers`, such as `build_sgdm`, and return a "
        "learning rate of float32.",
    )
