"""The client work that evaluates a model, and the process around it."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from tensorflow_federated import aggregators, templates
from tensorflow_federated.core import intrinsics, local_intrinsics, placements, tracing
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructWithPythonType,
    TensorType,
    Type,
)
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.templates import composers
from tensorflow_federated.learning.templates.client_works import ClientResult, ClientWorkProcess
from tensorflow_federated.learning.templates.distributors import (
    DistributionProcess,
    build_broadcast_process,
)
from tensorflow_federated.learning.templates.identity_finalizer import build_identity_finalizer
from tensorflow_federated.learning.templates.learning_process import LearningProcess


def build_evaluation_client_work(
    model: ModelSpec,
    metrics_process: templates.AggregationProcess,
    evaluate: ConcreteComputation | None = None,
) -> ClientWorkProcess:
    """Builds the client work that evaluates a model, reports metrics and sends an empty update.

    State: that of `metrics_process`. Measurements: ``<eval=<current_round_metrics=...,
    total_rounds_metrics=...>>``.

    Args:
      model: the description of the model.
      metrics_process: aggregates the unfinalized metrics to the pair of the metrics of this round
        and of all rounds.
      evaluate: the evaluation of one client, from weights and data to unfinalized metrics; a pass
        of the model over all batches if None.

    Returns:
      The process.
    """
    data_type = SequenceType(model.batch_type)
    evaluate_client = evaluate or _local_evaluation(model, data_type)

    def work(state: Any, weights: Any, client_data: Any) -> Any:
        unfinalized = intrinsics.federated_map(evaluate_client, (weights, client_data))
        output = metrics_process.next(state, unfinalized)
        current, total = output.result
        metrics = collections.OrderedDict(
            eval=collections.OrderedDict(current_round_metrics=current, total_rounds_metrics=total)
        )
        return templates.MeasuredProcessOutput(
            output.state, no_update(), intrinsics.federated_zip(metrics)
        )

    initialize_fn = metrics_process.initialize
    return ClientWorkProcess(
        initialize_fn,
        tracing.federated_computation(
            work,
            initialize_fn.type_signature.result,
            FederatedType(model.weights_type, placements.CLIENTS),
            FederatedType(data_type, placements.CLIENTS),
        ),
    )


def no_update() -> Any:
    """What clients send that only evaluate: an empty `ClientResult` of each."""
    result = ClientResult(update=(), update_weight=np.float32(1.0))
    return intrinsics.federated_value(result, placements.CLIENTS)


def compose_evaluation(
    name: str,
    initial_model_weights_fn: Computation,
    model_distributor: DistributionProcess | None,
    client_work: ClientWorkProcess,
) -> LearningProcess:
    """Composes a learning process whose clients send `no_update`, so that the weights stay.

    Args:
      name: see `composers.compose_as`.
      initial_model_weights_fn: gives the initial model weights, without placement.
      model_distributor: how the weights come to the clients; a broadcast if None.
      client_work: evaluates.

    Returns:
      The process.
    """
    weights_type = initial_model_weights_fn.type_signature.result
    update_type = StructWithPythonType([], tuple)
    return composers.compose_as(
        name,
        initial_model_weights_fn,
        model_distributor or build_broadcast_process(weights_type),
        client_work,
        aggregators.MeanFactory().create(update_type, TensorType(np.float32)),
        build_identity_finalizer(weights_type, update_type),
    )


def _local_evaluation(model: ModelSpec, data_type: Type) -> ConcreteComputation:
    """The evaluation of one client: from weights and data to unfinalized metrics."""
    loop = local_loops.build_eval_loop(model)

    def evaluate(weights: Any, data: Any) -> Any:
        start = loop.initialize(weights, local_intrinsics.random_key())
        return loop.finish(local_intrinsics.sequence_reduce(data, start, loop.step))

    return tracing.federated_computation(evaluate, model.weights_type, data_type)
