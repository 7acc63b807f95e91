"""Evaluation as it was until 2024: a computation, without a state."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from tensorflow_federated import templates
from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType, SequenceType
from tensorflow_federated.learning import templates as learning_templates
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.older_api import keras_models, models, processes
from tensorflow_federated.learning.templates import arguments
from tensorflow_federated.learning.templates.local_evaluation import build_local_evaluation

_NAME = "tff.learning.build_federated_evaluation"


@errors.boundary
def build_federated_evaluation(
    model_fn: Callable[[], Any],
    broadcast_process: templates.MeasuredProcess | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    use_experimental_simulation_loop: bool = False,
) -> Computation:
    """Builds a computation that evaluates a model on the data of clients.

    Type: ``(<server_model_weights=W@SERVER,federated_dataset={B*}@CLIENTS> -> <eval=M>@SERVER)``.
    For a `tff.learning.Model` the result is what its `federated_output_computation` gives, without
    `eval`. Today's form is the process of `tff.learning.algorithms.build_fed_eval`.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.VariableModel`, or a
        `tff.learning.Model`.
      broadcast_process: brings the model to the clients; without a state.
      metrics_aggregator: see `tff.learning.algorithms.build_weighted_fed_avg`.
      use_experimental_simulation_loop: without effect.

    Returns:
      The computation.

    Raises:
      ModelError: if `model_fn` does not make a model.
      ModelValueError: if the model has no loss.
      OlderArgumentError: if `broadcast_process` has a state.
    """
    del use_experimental_simulation_loop
    spec, model = processes.described(model_fn)
    if isinstance(model, keras_models.WithoutLoss):
        raise model.error()
    is_older = isinstance(model, models.Adapted)
    if metrics_aggregator is None and is_older:
        aggregate = models.build_output_aggregation(model, spec.unfinalized_metrics_type)
    else:
        aggregator = arguments.check_metrics_aggregator(
            metrics_aggregator, sum_then_finalize, _NAME
        )
        aggregate = aggregator(spec.metric_finalizers, spec.unfinalized_metrics_type)
    broadcast = broadcast_process or learning_templates.build_broadcast_process(spec.weights_type)
    check_no_state(broadcast, _NAME)
    evaluate = build_local_evaluation(spec)

    def federated_evaluation(server_model_weights: Any, federated_dataset: Any) -> Any:
        sent: Any = broadcast.next(broadcast.initialize(), server_model_weights)
        reports = intrinsics.federated_map(evaluate, (sent.result, federated_dataset))
        metrics = aggregate(reports)
        if is_older:
            return metrics
        return intrinsics.federated_zip(collections.OrderedDict(eval=metrics))

    return tracing.federated_computation(
        federated_evaluation,
        FederatedType(spec.weights_type, placements.SERVER),
        FederatedType(SequenceType(spec.batch_type), placements.CLIENTS),
    )


def check_no_state(broadcast: templates.MeasuredProcess, user: str) -> None:
    """Checks that a broadcast has no state, for an evaluation that keeps none.

    Raises:
      OlderArgumentError: if it has one.
    """
    state: Any = broadcast.initialize.type_signature.result
    if str(state.member) != "<>":
        raise processes.OlderArgumentError(
            f"`{user}` keeps no state for a broadcast.",
            problems=[f"broadcast_process: the state is {state}"],
            fix="give `model_distributor` to today's process, which keeps one: see "
            "`tff.learning.algorithms`.",
        )
