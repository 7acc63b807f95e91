"""Training processes as they were until 2022, put together of today's parts."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import aggregators, templates
from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType, TensorType
from tensorflow_federated.learning import templates as learning_templates
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.descent import Descent
from tensorflow_federated.learning.local_steps.gradient_mean import GradientMean
from tensorflow_federated.learning.local_steps.local_step import LocalStep
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.local_loops import ModelSpec, VariableModelSpec
from tensorflow_federated.learning.older_api import keras_models, models
from tensorflow_federated.learning.older_api.server_states import ServerState
from tensorflow_federated.learning.optimizers.optimizer import check_optimizer
from tensorflow_federated.learning.optimizers.sgdm import build_sgdm
from tensorflow_federated.learning.templates import arguments, server_keeping, training_work

_AVERAGING = "tff.learning.build_federated_averaging_process"
_SGD = "tff.learning.build_federated_sgd_process"


class OlderProcess(templates.IterativeProcess):
    """A training process whose `next` returns the pair of a `ServerState` and of metrics."""

    @errors.boundary
    def get_model_weights(self, server_state: ServerState) -> Any:
        """The weights of the model, as `server_state.model` has them."""
        return server_state.model


@errors.boundary
def build_federated_averaging_process(
    model_fn: Callable[[], Any],
    client_optimizer_fn: Any = None,
    server_optimizer_fn: Any = None,
    client_weight_fn: Callable[[Any], Any] | None = None,
    stateful_delta_aggregate_fn: Any = None,
    stateful_model_broadcast_fn: Any = None,
    *,
    client_weighting: ClientWeighting | Callable[[Any], Any] | None = None,
    broadcast_process: templates.MeasuredProcess | None = None,
    aggregation_process: templates.AggregationProcess | None = None,
    model_update_aggregation_factory: aggregators.AggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    use_experimental_simulation_loop: bool = False,
) -> templates.IterativeProcess:
    """Builds federated averaging, in the form that it had until 2022.

    Today's form is `tff.learning.algorithms.build_weighted_fed_avg`. Here `next` returns the pair
    of the next state, a `tff.learning.framework.ServerState`, and of the metrics
    ``<broadcast=...,aggregation=...,train=...>``.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.VariableModel`, or a
        `tff.learning.Model`.
      client_optimizer_fn: a function that makes a Keras optimizer, or one of
        `tff.learning.optimizers`; that of the compiled model if None.
      server_optimizer_fn: likewise for the server; gradient descent with the rate 1.0 if None.
      client_weight_fn: an older name of `client_weighting`.
      stateful_delta_aggregate_fn: gone; see `model_update_aggregation_factory`.
      stateful_model_broadcast_fn: gone; see `broadcast_process`.
      client_weighting: how much a client counts, or a function of what it reports to a number; by
        its number of examples if None.
      broadcast_process: brings the model to the clients.
      aggregation_process: averages the updates, with weights.
      model_update_aggregation_factory: makes such a process; `tff.aggregators.MeanFactory()` if
        None.
      metrics_aggregator: see `tff.learning.algorithms.build_weighted_fed_avg`; the model's
        `federated_output_computation` if it has one.
      use_experimental_simulation_loop: without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if an optimizer is none.
      OlderArgumentError: if an argument is given that is gone, or two that exclude each other.
    """
    weighting = _one_of(
        _AVERAGING, client_weighting=client_weighting, client_weight_fn=client_weight_fn
    )
    _check_gone(_AVERAGING, stateful_delta_aggregate_fn, stateful_model_broadcast_fn)
    parts = _Parts(
        _AVERAGING,
        weighting,
        broadcast_process,
        aggregation_process,
        model_update_aggregation_factory,
        metrics_aggregator,
    )

    def local_step(model: Any) -> LocalStep:
        given = client_optimizer_fn
        if given is None:
            given = keras_models.optimizer_of(model)
        return Descent(check_optimizer(given, "client_optimizer_fn", _AVERAGING))

    return parts.build(model_fn, local_step, server_optimizer_fn, default_rate=1.0)


@errors.boundary
def build_federated_sgd_process(
    model_fn: Callable[[], Any],
    server_optimizer_fn: Any = None,
    client_weight_fn: Callable[[Any], Any] | None = None,
    stateful_delta_aggregate_fn: Any = None,
    stateful_model_broadcast_fn: Any = None,
    *,
    client_weighting: ClientWeighting | Callable[[Any], Any] | None = None,
    broadcast_process: templates.MeasuredProcess | None = None,
    aggregation_process: templates.AggregationProcess | None = None,
    model_update_aggregation_factory: aggregators.AggregationFactory | None = None,
    metrics_aggregator: MetricsAggregatorType | None = None,
    use_experimental_simulation_loop: bool = False,
) -> templates.IterativeProcess:
    """Builds federated SGD, in the form that it had until 2022.

    Today's form is `tff.learning.algorithms.build_fed_sgd`. See
    `build_federated_averaging_process` for what `next` returns and for the arguments; the clients
    send the gradients of their data at the server's weights.

    Args:
      model_fn: see `build_federated_averaging_process`, as for all others.
      server_optimizer_fn: gradient descent with the rate 0.1 if None.
      client_weight_fn: see there.
      stateful_delta_aggregate_fn: see there.
      stateful_model_broadcast_fn: see there.
      client_weighting: see there.
      broadcast_process: see there.
      aggregation_process: see there.
      model_update_aggregation_factory: see there.
      metrics_aggregator: see there.
      use_experimental_simulation_loop: without effect.

    Returns:
      The process.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if an optimizer is none.
      OlderArgumentError: if an argument is given that is gone, or two that exclude each other.
    """
    weighting = _one_of(_SGD, client_weighting=client_weighting, client_weight_fn=client_weight_fn)
    _check_gone(_SGD, stateful_delta_aggregate_fn, stateful_model_broadcast_fn)
    parts = _Parts(
        _SGD,
        weighting,
        broadcast_process,
        aggregation_process,
        model_update_aggregation_factory,
        metrics_aggregator,
    )
    return parts.build(model_fn, lambda _: GradientMean(), server_optimizer_fn, default_rate=0.1)


class _Parts:
    """What the older builders put together."""

    def __init__(
        self,
        user: str,
        client_weighting: Any,
        broadcast_process: templates.MeasuredProcess | None,
        aggregation_process: templates.AggregationProcess | None,
        factory: aggregators.AggregationFactory | None,
        metrics_aggregator: MetricsAggregatorType | None,
    ) -> None:
        _one_of(
            user,
            aggregation_process=aggregation_process,
            model_update_aggregation_factory=factory,
        )
        self._user = user
        self._weighting = client_weighting or ClientWeighting.NUM_EXAMPLES
        self._broadcast = broadcast_process
        self._aggregation = aggregation_process
        self._factory = factory
        self._metrics = metrics_aggregator

    def build(
        self,
        model_fn: Any,
        local_step: Callable[[Any], LocalStep],
        server_optimizer_fn: Any,
        *,
        default_rate: float,
    ) -> templates.IterativeProcess:
        server_optimizer = build_sgdm(default_rate)
        if server_optimizer_fn is not None:
            server_optimizer = check_optimizer(
                server_optimizer_fn, "server_optimizer_fn", self._user
            )
        spec, model = described(model_fn)
        weights_type = spec.weights_type
        finalizer = learning_templates.build_apply_optimizer_finalizer(
            server_optimizer, weights_type
        )
        broadcast = self._broadcast or learning_templates.build_broadcast_process(weights_type)
        aggregation = self._aggregation or self._made_aggregation(weights_type["trainable"])
        initialize = build_initialize(spec, finalizer, aggregation, broadcast)
        if isinstance(model, keras_models.WithoutLoss):
            return _ProcessWithoutLoss(initialize, model)
        work = training_work.build_training_work(
            spec,
            local_step(model),
            server_keeping.Nothing(),
            self._weighting_of(model),
            self._metrics_of(model),
        )
        return OlderProcess(
            initialize, build_next(initialize, work, finalizer, aggregation, broadcast)
        )

    def _made_aggregation(self, update_type: Any) -> templates.AggregationProcess:
        factory = self._factory or aggregators.MeanFactory()
        if isinstance(factory, aggregators.UnweightedAggregationFactory):
            factory = aggregators.as_weighted_aggregator(factory)
        arguments.check_kind(
            factory,
            aggregators.WeightedAggregationFactory,
            "model_update_aggregation_factory",
            self._user,
            "give one of tff.aggregators, as tff.aggregators.MeanFactory().",
        )
        return factory.create(update_type, TensorType(np.float32))

    def _weighting_of(self, model: Any) -> Any:
        weighting = self._weighting
        if isinstance(weighting, ClientWeighting) or not isinstance(model, models.Adapted):
            return weighting
        return lambda unfinalized_metrics: weighting(models.outputs_of(unfinalized_metrics))

    def _metrics_of(self, model: Any) -> MetricsAggregatorType:
        if self._metrics is None and isinstance(model, models.Adapted):
            return lambda _, unfinalized: models.build_output_aggregation(model, unfinalized)
        return arguments.check_metrics_aggregator(self._metrics, sum_then_finalize, self._user)


def described(model_fn: Any) -> tuple[ModelSpec, Any]:
    """The description of a model of any generation, and a model that was made for it.

    Args:
      model_fn: a function that makes a model.

    Returns:
      The description, and the model; None for a model that has no variables.
    """
    spec = local_loops.describe_model(models.adapt(model_fn))
    model = spec.make_model().model if isinstance(spec, VariableModelSpec) else None
    return spec, model


def build_initialize(
    spec: ModelSpec,
    finalizer: learning_templates.FinalizerProcess,
    aggregation: templates.AggregationProcess,
    broadcast: templates.MeasuredProcess,
) -> Computation:
    """Puts the first state together: ``( -> ServerState@SERVER)``."""

    def initialize() -> Any:
        return intrinsics.federated_zip(
            ServerState(
                intrinsics.federated_eval(spec.initial_weights, placements.SERVER),
                finalizer.initialize(),
                aggregation.initialize(),
                broadcast.initialize(),
            )
        )

    return tracing.federated_computation(initialize)


def build_next(
    initialize: Computation,
    work: Any,
    finalizer: learning_templates.FinalizerProcess,
    aggregation: Any,
    broadcast: templates.MeasuredProcess,
) -> Computation:
    """Puts a round together, which gives the pair of the next state and of the metrics.

    Args:
      initialize: see `build_initialize`.
      work: the client work, without a state; it measures `train`.
      finalizer: as of today's algorithms, like the other parts.
      aggregation: the aggregation of the updates, with weights.
      broadcast: brings the model to the clients.

    Returns:
      The computation.
    """

    def next_round(server_state: Any, federated_dataset: Any) -> Any:
        sent = broadcast.next(server_state.model_broadcast_state, server_state.model)
        worked = work.next(work.initialize(), sent.result, federated_dataset)
        aggregated = aggregation.next(
            server_state.delta_aggregate_state, worked.result.update, worked.result.update_weight
        )
        finalized = finalizer.next(
            server_state.optimizer_state, server_state.model, aggregated.result
        )
        metrics = collections.OrderedDict(
            broadcast=sent.measurements,
            aggregation=aggregated.measurements,
            train=worked.measurements["train"],
        )
        state = ServerState(finalized.result, finalized.state, aggregated.state, sent.state)
        return intrinsics.federated_zip(state), intrinsics.federated_zip(metrics)

    return tracing.federated_computation(
        next_round,
        initialize.type_signature.result,
        FederatedType(work.next.type_signature.parameter[2].member, placements.CLIENTS),
    )


class _ProcessWithoutLoss(templates.IterativeProcess):
    """A process whose model can be initialized, and not trained."""

    def __init__(self, initialize_fn: Computation, model: keras_models.WithoutLoss) -> None:
        state_type = initialize_fn.type_signature.result
        unchanged = tracing.federated_computation(lambda state: state, state_type)
        super().__init__(initialize_fn, unchanged, next_is_multi_arg=False)
        self._model = model

    @property
    def next(self) -> Any:
        return functools.partial(_raise_error, self._model)


@errors.boundary
def _raise_error(model: keras_models.WithoutLoss, *arguments: Any, **keywords: Any) -> Any:
    del arguments, keywords
    raise model.error()


def _one_of(user: str, **given: Any) -> Any:
    """The one of several arguments that is given, if any."""
    found = {name: value for name, value in given.items() if value is not None}
    if len(found) > 1:
        raise OlderArgumentError(
            f"`{user}` takes one of these arguments only.",
            problems=[f"{name}: is given" for name in found],
            fix=f"give `{next(iter(found))}` alone.",
        )
    return next(iter(found.values()), None)


def _check_gone(user: str, aggregate: Any, broadcast: Any) -> None:
    today = {
        "stateful_delta_aggregate_fn": (aggregate, "model_update_aggregation_factory"),
        "stateful_model_broadcast_fn": (broadcast, "broadcast_process"),
    }
    problems = [
        f"{name}: is gone since 2020; `{instead}` took its place"
        for name, (value, instead) in today.items()
        if value is not None
    ]
    if problems:
        raise OlderArgumentError(
            f"`{user}` does not take functions with a state.",
            problems=problems,
            fix="give a process of `tff.templates`, or a factory of `tff.aggregators`.",
        )


class OlderArgumentError(errors.FederatedError, TypeError, known_as="TypeError"):
    """An argument of an older generation is gone, or excludes another one.

    Fails: `build_federated_averaging_process(model_fn, stateful_delta_aggregate_fn=fn)`.
    Mended: `build_federated_averaging_process(model_fn, model_update_aggregation_factory=factory)`.
    """
