"""The client work that trains the model and sends how its weights changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.descent import Descent, TunedDescent
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates import arguments, server_keeping, training_work
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
    keeping = server_keeping.Hyperparameters(optimizer, model.weights_type["trainable"])
    return training_work.build_training_work(
        model, TunedDescent(optimizer), keeping, client_weighting, aggregate
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
    name = "tff.learning.templates.build_functional_model_delta_client_work"
    optimizer = check_optimizer(optimizer, "optimizer", name)
    arguments.check_client_weighting(client_weighting, name)
    arguments.check_loop_implementation(loop_implementation, name)
    return training_work.build_training_work(
        local_loops.describe_model(model),
        Descent(optimizer),
        server_keeping.Nothing(),
        client_weighting,
        arguments.check_metrics_aggregator(metrics_aggregator, sum_then_finalize, name),
    )
