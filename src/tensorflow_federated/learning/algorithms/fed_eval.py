"""Federated evaluation."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import aggregators
from tensorflow_federated import templates as process_templates
from tensorflow_federated.core import errors, intrinsics, local_intrinsics, placements, tracing
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructWithPythonType,
    TensorType,
    Type,
)
from tensorflow_federated.learning import templates
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.summation_process import SumThenFinalizeFactory
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.templates import arguments, composers

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
    if model_distributor is None:
        model_distributor = templates.build_broadcast_process(model.weights_type)
    if metrics_aggregation_process is None:
        metrics_aggregation_process = SumThenFinalizeFactory(model.metric_finalizers).create(
            model.unfinalized_metrics_type
        )
    no_update = StructWithPythonType([], tuple)
    return composers.compose_as(
        "fed_eval",
        model.initial_weights,
        model_distributor,
        _evaluation_work(model, metrics_aggregation_process),
        aggregators.MeanFactory().create(no_update, TensorType(np.float32)),
        _keeping_finalizer(model.weights_type, no_update),
    )


def _evaluation_work(
    model: Any, metrics_process: process_templates.AggregationProcess
) -> templates.ClientWorkProcess:
    """The client work that evaluates, reports metrics and sends an empty update."""
    data_type = SequenceType(model.batch_type)
    evaluate = _local_evaluation(model, data_type)

    def work(state: Any, weights: Any, client_data: Any) -> Any:
        unfinalized = intrinsics.federated_map(evaluate, (weights, client_data))
        output = metrics_process.next(state, unfinalized)
        current, total = output.result
        metrics = collections.OrderedDict(
            eval=collections.OrderedDict(current_round_metrics=current, total_rounds_metrics=total)
        )
        result = templates.ClientResult(update=(), update_weight=np.float32(1.0))
        return process_templates.MeasuredProcessOutput(
            output.state,
            intrinsics.federated_value(result, placements.CLIENTS),
            intrinsics.federated_zip(metrics),
        )

    initialize_fn = metrics_process.initialize
    return templates.ClientWorkProcess(
        initialize_fn,
        tracing.federated_computation(
            work,
            initialize_fn.type_signature.result,
            FederatedType(model.weights_type, placements.CLIENTS),
            FederatedType(data_type, placements.CLIENTS),
        ),
    )


def _local_evaluation(model: Any, data_type: Type) -> ConcreteComputation:
    """The evaluation of one client: from weights and data to unfinalized metrics."""
    loop = local_loops.build_eval_loop(model)

    def evaluate(weights: Any, data: Any) -> Any:
        start = loop.initialize(weights, local_intrinsics.random_key())
        return loop.finish(local_intrinsics.sequence_reduce(data, start, loop.step))

    return tracing.federated_computation(evaluate, model.weights_type, data_type)


def _keeping_finalizer(weights_type: Type, update_type: Type) -> templates.FinalizerProcess:
    """The finalizer that leaves the model as it is."""

    def initialize() -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    initialize_fn = tracing.federated_computation(initialize)

    def keep(state: Any, weights: Any, update: Any) -> Any:
        del update
        nothing = intrinsics.federated_value((), placements.SERVER)
        return process_templates.MeasuredProcessOutput(state, weights, nothing)

    return templates.FinalizerProcess(
        initialize_fn,
        tracing.federated_computation(
            keep,
            initialize_fn.type_signature.result,
            FederatedType(weights_type, placements.SERVER),
            FederatedType(update_type, placements.SERVER),
        ),
    )
