"""Federated evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated import templates as process_templates
from tensorflow_federated.core import errors
from tensorflow_federated.learning import templates
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.summation_process import SumThenFinalizeFactory
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.templates import arguments, evaluation_work
from tensorflow_federated.learning.templates.local_evaluation import build_local_evaluation

_NAME = "tff.learning.algorithms.build_fed_eval"


@errors.boundary
def build_fed_eval(
    model_fn: Callable[[], Any] | FunctionalModel,
    model_distributor: templates.DistributionProcess | None = None,
    metrics_aggregation_process: process_templates.AggregationProcess | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds the evaluation of a model on the data of clients.

    In each round the server sends the model to the clients of the cohort; each runs it over its
    data, in inference mode, and reports its unfinalized metrics. The model does not change: set it
    with `set_model_weights`.

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=W,distributor=<>,client_work=<<>,U>,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<>>``, with the unfinalized
    metrics U summed over all rounds. Metrics: ``<distributor=<>,
    client_work=<eval=<current_round_metrics=...,total_rounds_metrics=...>>,
    aggregator=<mean_value=<>,mean_weight=<>>,finalizer=<>>``. `total_rounds_metrics` counts a
    client as often as it took part.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.VariableModel`; it is
        called several times, and must make a new one each time. Or a
        `tff.learning.models.FunctionalModel`, which reports its own metrics.
      model_distributor: how the model comes to the clients; a broadcast if None.
      metrics_aggregation_process: aggregates the unfinalized metrics to the pair of the metrics of
        this round and of all rounds; made by `tff.learning.metrics.SumThenFinalizeFactory` if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
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
      >>> process = tff.learning.algorithms.build_fed_eval(model_fn)
      >>> weights = tff.learning.models.ModelWeights(
      ...     trainable=[np.ones([1, 1], np.float32), np.zeros([1], np.float32)], non_trainable=[]
      ... )
      >>> state = process.set_model_weights(process.initialize(), weights)
      >>> client_data = [[(np.float32([[1.0], [2.0]]), np.float32([[1.0], [4.0]]))]]
      >>> state, metrics = process.next(state, client_data)
      >>> metrics = metrics["client_work"]["eval"]["current_round_metrics"]
      >>> float(metrics["loss"]), int(metrics["num_examples"])
      (2.0, 2)
    """
    arguments.check_distributor(model_distributor, _NAME)
    arguments.check_loop_implementation(loop_implementation, _NAME)
    if metrics_aggregation_process is not None:
        arguments.check_kind(
            metrics_aggregation_process,
            process_templates.AggregationProcess,
            "metrics_aggregation_process",
            _NAME,
            "make one with tff.learning.metrics.SumThenFinalizeFactory, or leave it out.",
        )
    model = local_loops.describe_model(model_fn)
    if metrics_aggregation_process is None:
        metrics_aggregation_process = SumThenFinalizeFactory(model.metric_finalizers).create(
            model.unfinalized_metrics_type
        )
    return evaluation_work.compose_evaluation(
        "fed_eval",
        model.initial_weights,
        model_distributor,
        evaluation_work.build_evaluation_client_work(
            build_local_evaluation(model), metrics_aggregation_process
        ),
    )
