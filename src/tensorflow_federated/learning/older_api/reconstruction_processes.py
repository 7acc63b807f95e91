"""Federated reconstruction as it was until 2023, put together of today's parts."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import aggregators, templates
from tensorflow_federated.core import errors, intrinsics, local_intrinsics, placements, tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType, SequenceType, TensorType
from tensorflow_federated.learning import templates as learning_templates
from tensorflow_federated.learning.algorithms import fed_recon
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models import reconstructions
from tensorflow_federated.learning.models.reconstruction_model import ReconstructionDatasetSplitFn
from tensorflow_federated.learning.older_api import evaluation, processes
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.optimizers.sgdm import build_sgdm

_TRAINING = "tff.learning.reconstruction.build_training_process"
_EVALUATION = "tff.learning.reconstruction.build_federated_evaluation"
_SERVER_OPTIMIZER = build_sgdm(1.0)
_CLIENT_OPTIMIZER = build_sgdm(0.1)


@errors.boundary
def build_training_process(
    model_fn: Callable[[], Any],
    *,
    loss_fn: Callable[[], Any],
    metrics_fn: Callable[[], list[Any]] | None = None,
    server_optimizer_fn: Any = _SERVER_OPTIMIZER,
    client_optimizer_fn: Any = _CLIENT_OPTIMIZER,
    reconstruction_optimizer_fn: Any = _CLIENT_OPTIMIZER,
    dataset_split_fn: ReconstructionDatasetSplitFn | None = None,
    client_weighting: ClientWeighting | Callable[[Any], Any] | None = None,
    broadcast_process: templates.MeasuredProcess | None = None,
    aggregation_factory: aggregators.AggregationFactory | None = None,
) -> templates.IterativeProcess:
    """Builds federated reconstruction, in the form that it had until 2023.

    Today's form is `tff.learning.algorithms.build_fed_recon`. Here `next` returns the pair of the
    next state, a `tff.learning.framework.ServerState`, and of the metrics
    ``<broadcast=...,aggregation=...,train=...>``. The metric `loss` is the mean over examples; that
    of today's form is the mean over batches.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.ReconstructionModel`.
      loss_fn: a function that makes a `keras.losses.Loss`.
      metrics_fn: a function that makes a list of `keras.metrics.Metric`s.
      server_optimizer_fn: a function that makes a Keras optimizer, or one of
        `tff.learning.optimizers`.
      client_optimizer_fn: likewise for the global variables at a client.
      reconstruction_optimizer_fn: likewise for the local variables.
      dataset_split_fn: splits the data of a client; by turns if None.
      client_weighting: how much a client counts, or a function of its unfinalized metrics to a
        number; by its number of examples if None.
      broadcast_process: brings the global variables to the clients.
      aggregation_factory: averages the updates; `tff.aggregators.MeanFactory()` if None.

    Returns:
      The process.

    Raises:
      ModelError: if a function does not make what it is for.
      ModelValueError: if the aggregator is unweighted and clients have weights.
      OptimizerTypeError: if an optimizer is none.
    """
    server_optimizer = check_optimizer(server_optimizer_fn, "server_optimizer_fn", _TRAINING)
    client_optimizer = check_optimizer(client_optimizer_fn, "client_optimizer_fn", _TRAINING)
    weighting = fed_recon.checked_weighting(client_weighting)
    factory = fed_recon.checked_aggregator(aggregation_factory, weighting)
    reconstruction = reconstructions.describe(
        model_fn, loss_fn, metrics_fn, dataset_split_fn, counts_examples=True
    )
    train = reconstruction.training(
        client_optimizer,
        _reconstruction_optimizer(reconstruction_optimizer_fn, _TRAINING),
        weighting,
    )
    spec = reconstruction.spec
    weights_type = spec.weights_type
    finalizer = learning_templates.build_apply_optimizer_finalizer(server_optimizer, weights_type)
    broadcast = broadcast_process or learning_templates.build_broadcast_process(weights_type)
    aggregation = factory.create(weights_type["trainable"], TensorType(np.float32))
    initialize = processes.build_initialize(spec, finalizer, aggregation, broadcast)
    work = fed_recon.build_recon_work(spec, train, sum_then_finalize)
    return processes.OlderProcess(
        initialize, processes.build_next(initialize, work, finalizer, aggregation, broadcast)
    )


@errors.boundary
def build_federated_evaluation(
    model_fn: Callable[[], Any],
    *,
    loss_fn: Callable[[], Any],
    metrics_fn: Callable[[], list[Any]] | None = None,
    reconstruction_optimizer_fn: Any = _CLIENT_OPTIMIZER,
    dataset_split_fn: ReconstructionDatasetSplitFn | None = None,
    broadcast_process: templates.MeasuredProcess | None = None,
) -> Computation:
    """Builds a computation that evaluates a model whose local variables clients reconstruct.

    Type: ``(<server_model_weights=W@SERVER,federated_dataset={B*}@CLIENTS> ->
    <broadcast=...,eval=M>@SERVER)``, W the global variables, M the metrics after `loss`, the mean
    over examples. Today's form is the process of `tff.learning.algorithms.build_fed_recon_eval`.

    Args:
      model_fn: see `build_training_process`, as for all others.
      loss_fn: see there.
      metrics_fn: see there.
      reconstruction_optimizer_fn: see there.
      dataset_split_fn: see there.
      broadcast_process: see there; without a state.

    Returns:
      The computation.

    Raises:
      ModelError: if a function does not make what it is for.
      OlderArgumentError: if `broadcast_process` has a state.
      OptimizerTypeError: if the optimizer is none.
    """
    optimizer = _reconstruction_optimizer(reconstruction_optimizer_fn, _EVALUATION)
    reconstruction = reconstructions.describe(
        model_fn, loss_fn, metrics_fn, dataset_split_fn, counts_examples=True
    )
    evaluate = reconstruction.evaluation(optimizer)
    spec = reconstruction.spec
    aggregate = sum_then_finalize(spec.metric_finalizers, spec.unfinalized_metrics_type)
    broadcast = broadcast_process or learning_templates.build_broadcast_process(spec.weights_type)
    evaluation.check_no_state(broadcast, _EVALUATION)
    data_type = SequenceType(spec.batch_type)

    def evaluate_client(weights: Any, data: Any) -> Any:
        return evaluate(weights, data, local_intrinsics.random_key())

    evaluate_clients = tracing.federated_computation(evaluate_client, spec.weights_type, data_type)
    names = [name for name, _ in spec.unfinalized_metrics_type.items() if name != "loss"]

    def federated_evaluation(server_model_weights: Any, federated_dataset: Any) -> Any:
        sent: Any = broadcast.next(broadcast.initialize(), server_model_weights)
        reports = intrinsics.federated_map(evaluate_clients, (sent.result, federated_dataset))
        metrics = aggregate(reports)
        return intrinsics.federated_zip(
            collections.OrderedDict(
                broadcast=sent.measurements,
                eval=collections.OrderedDict((name, metrics[name]) for name in ["loss", *names]),
            )
        )

    return tracing.federated_computation(
        federated_evaluation,
        FederatedType(spec.weights_type, placements.SERVER),
        FederatedType(data_type, placements.CLIENTS),
    )


def _reconstruction_optimizer(given: Any, user: str) -> Optimizer[Any, Any, Any]:
    return check_optimizer(given, "reconstruction_optimizer_fn", user)
