"""The client work that trains the model and sends how its weights changed."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from tensorflow_federated import templates
from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.descent import Descent
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers import tracing as optimizer_tracing
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates import arguments, local_training
from tensorflow_federated.learning.templates.client_works import ClientWorkProcess

_NAME = "tff.learning.templates.build_model_delta_client_work"


@errors.boundary
def build_model_delta_client_work(
    model_fn: Callable[[], Any] | FunctionalModel | ModelSpec,
    optimizer: Optimizer[Any, Any, Any],
    client_weighting: ClientWeighting,
    metrics_aggregator: MetricsAggregatorType | None = None,
    *,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> ClientWorkProcess:
    """Builds the client work of federated averaging.

    A client starts from the weights that it is given, takes one optimizer step for each of its
    batches, with a fresh state of the optimizer, and sends its model delta, initial - final, so
    that it acts as a gradient. A client whose delta is not finite sends zeros, with the weight 0,
    and reports no metrics.

    State: the hyperparameters of the optimizer, as ``<learning_rate=float32>``; all clients of a
    round train with them. Measurements: ``<train=...>``, the metrics of the model as
    `metrics_aggregator` makes them. Hyperparameters: the state.

    Memory of a client: the weights, the delta, the optimizer's state and one batch with its
    activations.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.VariableModel`; or a
        `tff.learning.models.FunctionalModel`.
      optimizer: the optimizer of the clients.
      client_weighting: the weight of a client's update.
      metrics_aggregator: from the metric finalizers and the type of the unfinalized metrics to the
        computation that aggregates them; `tff.learning.metrics.sum_then_finalize` if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if `optimizer` is no optimizer.
      TypeMismatchError: if another argument is not of its type.

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
      >>> work = tff.learning.templates.build_model_delta_client_work(
      ...     model_fn, sgd, tff.learning.ClientWeighting.NUM_EXAMPLES
      ... )
      >>> print(work.next.type_signature.result["result"])
      {<update=<float32[1,1],float32[1]>,update_weight=float32>}@CLIENTS
    """
    optimizer = check_optimizer(optimizer, "optimizer", _NAME)
    arguments.check_client_weighting(client_weighting, _NAME)
    arguments.check_loop_implementation(loop_implementation, _NAME)
    aggregate = arguments.check_metrics_aggregator(metrics_aggregator, sum_then_finalize, _NAME)
    model = local_loops.describe_model(model_fn)
    training = local_training.build_local_training(model, Descent(optimizer), client_weighting)
    trainable_type = model.weights_type["trainable"]
    initialize_optimizer, get_hparams, _ = optimizer_tracing.trace_optimizer(
        optimizer, trainable_type
    )
    hparams_type = get_hparams.type_signature.result
    aggregate_metrics = aggregate(model.metric_finalizers, model.unfinalized_metrics_type)

    def initialize() -> Any:
        state = intrinsics.federated_eval(initialize_optimizer, placements.SERVER)
        return intrinsics.federated_map(get_hparams, state)

    def work(state: Any, weights: Any, client_data: Any) -> Any:
        hparams = intrinsics.federated_broadcast(state)
        trained = intrinsics.federated_map(training.train, (weights, hparams, client_data))
        metrics = aggregate_metrics(trained.unfinalized_metrics)
        return templates.MeasuredProcessOutput(
            state,
            trained.result,
            intrinsics.federated_zip(collections.OrderedDict(train=metrics)),
        )

    def unchanged(hparams: Any) -> Any:
        return hparams

    def replaced(state: Any, hparams: Any) -> Any:
        del state
        return hparams

    return ClientWorkProcess(
        tracing.federated_computation(initialize),
        tracing.federated_computation(
            work,
            FederatedType(hparams_type, placements.SERVER),
            FederatedType(model.weights_type, placements.CLIENTS),
            FederatedType(training.data_type, placements.CLIENTS),
        ),
        get_hparams_fn=tracing.federated_computation(unchanged, hparams_type),
        set_hparams_fn=tracing.federated_computation(replaced, hparams_type, hparams_type),
    )


@errors.boundary
def build_functional_model_delta_client_work(
    *,
    model: FunctionalModel | ModelSpec,
    optimizer: Optimizer[Any, Any, Any],
    client_weighting: ClientWeighting,
    metrics_aggregator: MetricsAggregatorType | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> ClientWorkProcess:
    """Builds the client work that trains a functional model.

    The same training as that of `build_model_delta_client_work`, without a state: the
    hyperparameters of the optimizer stay what they are. Reported are the metrics of the model
    itself, under `train`.

    Args:
      model: a `tff.learning.models.FunctionalModel`.
      optimizer: a `tff.learning.optimizers.Optimizer`, for the local steps.
      client_weighting: whether clients count by their number of examples or all the same.
      metrics_aggregator: makes the aggregation of the unfinalized metrics;
        `tff.learning.metrics.sum_then_finalize` if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model` is no functional model, or its metrics have no names.
      TypeMismatchError: if another argument is not of its type.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.zeros([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=tf.function(lambda weights, x, training: x @ weights[0][0]),
      ...     loss_fn=lambda output, label, sample_weight: tf.reduce_mean((output - label) ** 2),
      ...     input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ... )
      >>> work = tff.learning.templates.build_functional_model_delta_client_work(
      ...     model=model,
      ...     optimizer=tff.learning.optimizers.build_sgdm(0.1),
      ...     client_weighting=tff.learning.ClientWeighting.NUM_EXAMPLES,
      ... )
      >>> print(work.initialize.type_signature)
      ( -> <>@SERVER)
    """
    if not isinstance(model, (FunctionalModel, ModelSpec)):
        raise errors.ModelError(
            "`tff.learning.templates.build_functional_model_delta_client_work` needs a functional "
            "model.",
            problems=[f"model: got {descriptions.described(model)}"],
            fix="give a `tff.learning.models.FunctionalModel`; or call "
            "`build_model_delta_client_work` with a function that makes a model.",
        )
    work = build_model_delta_client_work(
        model,
        optimizer,
        client_weighting,
        metrics_aggregator,
        loop_implementation=loop_implementation,
    )

    def initialize() -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    def without_state(state: Any, weights: Any, client_data: Any) -> Any:
        output: Any = work.next(work.initialize(), weights, client_data)
        return templates.MeasuredProcessOutput(state, output.result, output.measurements)

    parameters: Any = work.next.type_signature.parameter
    _, weights_type, data_type = parameters
    initialize_fn = tracing.federated_computation(initialize)
    return ClientWorkProcess(
        initialize_fn,
        tracing.federated_computation(
            without_state, initialize_fn.type_signature.result, weights_type, data_type
        ),
    )
