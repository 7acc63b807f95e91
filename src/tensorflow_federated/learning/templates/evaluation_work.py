"""The client work that evaluates a model, and the process around it."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from tensorflow_federated import aggregators, templates
from tensorflow_federated.core import intrinsics, placements, tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import (
    FederatedType,
    StructWithPythonType,
    TensorType,
)
from tensorflow_federated.learning.templates import composers
from tensorflow_federated.learning.templates.client_works import ClientResult, ClientWorkProcess
from tensorflow_federated.learning.templates.distributors import (
    DistributionProcess,
    build_broadcast_process,
)
from tensorflow_federated.learning.templates.identity_finalizer import build_identity_finalizer
from tensorflow_federated.learning.templates.learning_process import LearningProcess


def build_evaluation_client_work(
    evaluate: Computation, metrics_process: templates.AggregationProcess
) -> ClientWorkProcess:
    """Builds the client work that evaluates a model, reports metrics and sends an empty update.

    State: that of `metrics_process`. Measurements: ``<eval=<current_round_metrics=...,
    total_rounds_metrics=...>>``.

    Args:
      evaluate: the evaluation of one client, ``(<W,D*> -> M)``, from model weights and data to
        unfinalized metrics.
      metrics_process: aggregates the unfinalized metrics to the pair of the metrics of this round
        and of all rounds.

    Returns:
      The process.
    """
    parameter: Any = evaluate.type_signature.parameter
    weights_type, data_type = parameter

    def work(state: Any, weights: Any, client_data: Any) -> Any:
        unfinalized = intrinsics.federated_map(evaluate, (weights, client_data))
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
            FederatedType(weights_type, placements.CLIENTS),
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
