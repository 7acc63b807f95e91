"""The parts that the training algorithms have in common, checked and put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import aggregators
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.learning import optimizers, templates
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates import arguments, composers

UNIT_DESCENT = optimizers.build_sgdm(learning_rate=1.0)
"""The server's optimizer where none is given: it makes ``w - d`` of the weights w and a delta d."""


@dataclasses.dataclass(frozen=True)
class ProcessParts:
    """The arguments that every builder of a training algorithm takes.

    Attributes:
      builder: the public name of the builder, for messages and for `tff.profile`.
      model_fn: a function that makes a model; or a functional model.
      server_optimizer: steps the model by the aggregated update.
      server_optimizer_name: the name of this argument.
      model_distributor: how the model comes to the clients; a broadcast if None.
      model_aggregator: how the updates are averaged, weighted.
      metrics_aggregator: how the metrics are aggregated.
      loop_implementation: accepted for compatibility, without effect.
    """

    builder: str
    model_fn: Callable[[], Any] | FunctionalModel
    server_optimizer: Optimizer[Any, Any, Any]
    server_optimizer_name: str
    model_distributor: templates.DistributionProcess | None
    model_aggregator: aggregators.WeightedAggregationFactory
    metrics_aggregator: MetricsAggregatorType | None
    loop_implementation: LoopImplementation

    def compose(
        self, build_work: Callable[[ModelSpec, MetricsAggregatorType], templates.ClientWorkProcess]
    ) -> templates.LearningProcess:
        """Puts the learning process together.

        Args:
          build_work: makes the client work, of the description of the model and the aggregator of
            its metrics.

        Returns:
          The process.

        Raises:
          ModelError: if `model_fn` does not make a model.
          OptimizerTypeError: if the server's optimizer is none.
          TypeMismatchError: if another part is not of its kind.
          CompositionError: if the parts do not fit together.
        """
        user = self.builder
        optimizer = check_optimizer(self.server_optimizer, self.server_optimizer_name, user)
        arguments.check_distributor(self.model_distributor, user)
        arguments.check_loop_implementation(self.loop_implementation, user)
        aggregate = arguments.check_metrics_aggregator(
            self.metrics_aggregator, sum_then_finalize, user
        )
        model: Any = local_loops.describe_model(self.model_fn)
        distributor = self.model_distributor
        if distributor is None:
            distributor = templates.build_broadcast_process(model.weights_type)
        client_work = build_work(model, aggregate)
        worked: Any = client_work.next.type_signature.result
        return composers.compose_as(
            user.rpartition("build_")[2],
            model.initial_weights,
            distributor,
            client_work,
            self.model_aggregator.create(worked.result.member["update"], TensorType(np.float32)),
            templates.build_apply_optimizer_finalizer(optimizer, model.weights_type),
        )


def weighting_or_default(candidate: ClientWeighting | None, user: str) -> ClientWeighting:
    """The weighting of the clients; by their number of examples if None.

    Args:
      candidate: what was given.
      user: the function that takes it, for the message.

    Returns:
      The weighting.

    Raises:
      TypeMismatchError: if it is no `ClientWeighting`.
    """
    if candidate is None:
        return ClientWeighting.NUM_EXAMPLES
    return arguments.check_client_weighting(candidate, user)


def weighted_mean(
    candidate: aggregators.WeightedAggregationFactory | None, argument: str, user: str
) -> aggregators.WeightedAggregationFactory:
    """A weighted aggregator; the mean if None.

    Args:
      candidate: what was given.
      argument: the name of the argument.
      user: the function that takes it, for the message.

    Returns:
      The aggregator.

    Raises:
      TypeMismatchError: if it is no weighted aggregator.
    """
    if candidate is None:
        return aggregators.MeanFactory()
    has_sibling = "_weighted_" in user and not user.endswith("_schedule")
    sibling = user.replace("_weighted_", "_unweighted_")
    instead = f", or use {sibling}." if has_sibling else "."
    arguments.check_kind(
        candidate,
        aggregators.WeightedAggregationFactory,
        argument,
        user,
        f"give a weighted one, as tff.aggregators.MeanFactory(){instead}",
    )
    return candidate


def unweighted_mean(
    candidate: aggregators.UnweightedAggregationFactory | None, argument: str, user: str
) -> aggregators.WeightedAggregationFactory:
    """An unweighted aggregator in the form of a weighted one; the mean if None.

    Args:
      candidate: what was given.
      argument: the name of the argument.
      user: the function that takes it, for the message.

    Returns:
      The aggregator, which takes weights and leaves them.

    Raises:
      TypeMismatchError: if it is no unweighted aggregator.
    """
    if candidate is None:
        candidate = aggregators.UnweightedMeanFactory()
    arguments.check_kind(
        candidate,
        aggregators.UnweightedAggregationFactory,
        argument,
        user,
        "give an unweighted one, as tff.aggregators.UnweightedMeanFactory(), or use "
        f"{user.replace('_unweighted_', '_weighted_')}.",
    )
    return aggregators.as_weighted_aggregator(candidate)
