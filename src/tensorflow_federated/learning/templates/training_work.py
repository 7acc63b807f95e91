"""The client work that trains a model, whatever its local step and what the server keeps."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated import templates
from tensorflow_federated.core import intrinsics, placements, tracing
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.local_step import LocalStep
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.templates import local_training
from tensorflow_federated.learning.templates.client_works import ClientWorkProcess
from tensorflow_federated.learning.templates.server_keeping import ServerKeeping


def build_training_work(
    model: ModelSpec,
    local_step: LocalStep,
    keeping: ServerKeeping,
    client_weighting: ClientWeighting,
    metrics_aggregator: MetricsAggregatorType,
) -> ClientWorkProcess:
    """Builds the client work of a local step.

    State: what `keeping` keeps. Measurements: ``<train=...>``, the metrics of the model as
    `metrics_aggregator` makes them, and what `keeping` measures.

    Args:
      model: the description of the model.
      local_step: what a client does with the gradients of a batch.
      keeping: what the server keeps; its `shared` is of the type that the local step wants.
      client_weighting: the weight of a client's update.
      metrics_aggregator: from the metric finalizers and the type of the unfinalized metrics to the
        computation that aggregates them.

    Returns:
      The process.

    Raises:
      ModelError: if the model cannot read a batch of its `input_spec`, or the local step is written
        in another framework than the model.
      ModelValueError: if the model's loss is none.
    """
    training = local_training.build_local_training(model, local_step, client_weighting)
    aggregate_metrics = metrics_aggregator(model.metric_finalizers, model.unfinalized_metrics_type)
    initialize = tracing.federated_computation(keeping.initialize)

    def work(state: Any, weights: Any, client_data: Any) -> Any:
        shared = intrinsics.federated_broadcast(keeping.shared(state))
        trained = intrinsics.federated_map(training.train, (weights, shared, client_data))
        ended = keeping.finish(state, trained.result)
        metrics = aggregate_metrics(trained.unfinalized_metrics)
        return templates.MeasuredProcessOutput(
            ended.state,
            ended.result,
            intrinsics.federated_zip(collections.OrderedDict(train=metrics, **ended.measurements)),
        )

    return ClientWorkProcess(
        initialize,
        tracing.federated_computation(
            work,
            initialize.type_signature.result,
            FederatedType(model.weights_type, placements.CLIENTS),
            FederatedType(training.data_type, placements.CLIENTS),
        ),
        get_hparams_fn=keeping.get_hparams_fn,
        set_hparams_fn=keeping.set_hparams_fn,
    )
