"""What a training client work keeps at the server from round to round, one class for each way."""

from __future__ import annotations

import abc
import collections
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated import aggregators, jax
from tensorflow_federated.core import intrinsics, placements, portable, tracing, trees
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.learning.optimizers import hyperparameters
from tensorflow_federated.learning.optimizers import tracing as optimizer_tracing
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.templates.client_works import ClientResult


class RoundEnd(NamedTuple):
    """What a client work makes of the results of its clients.

    Attributes:
      state: its next state, at the server.
      result: a `ClientResult` of each client.
      measurements: what it measures besides the metrics of the model, at the server, by name.
    """

    state: Any
    result: Any
    measurements: collections.OrderedDict[str, Any]


class ServerKeeping(abc.ABC):
    """What a training client work keeps at the server.

    Its methods are traced into federated computations.

    Attributes:
      get_hparams_fn: reads the hyperparameters out of a state, ``(S -> H)``; None for none.
      set_hparams_fn: replaces them, ``(<S,H> -> S)``; None for none.
    """

    get_hparams_fn: Computation | None = None
    set_hparams_fn: Computation | None = None

    @abc.abstractmethod
    def initialize(self) -> Any:
        """The first state, at the server."""

    @abc.abstractmethod
    def shared(self, state: Any) -> Any:
        """What the clients get besides the weights, at the server, of a state."""

    @abc.abstractmethod
    def finish(self, state: Any, result: Any) -> RoundEnd:
        """What becomes of a state, and of the clients' results.

        Args:
          state: the state of the round.
          result: a `ClientResult` of each client, with the update that the local step makes.

        Returns:
          The end of the round.
        """


class Nothing(ServerKeeping):
    """Keeps nothing, for a local step that shares nothing."""

    def initialize(self) -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    def shared(self, state: Any) -> Any:
        return state

    def finish(self, state: Any, result: Any) -> RoundEnd:
        return RoundEnd(state, result, collections.OrderedDict())


class Hyperparameters(ServerKeeping):
    """Keeps and shares the hyperparameters of an optimizer."""

    def __init__(self, optimizer: Optimizer[Any, Any, Any], trainable_type: Type) -> None:
        """Prepares the hyperparameters of an optimizer for weights of a type."""
        self._initialize, self._get_hparams, _ = optimizer_tracing.trace_optimizer(
            optimizer, trainable_type
        )
        hparams_type = self._get_hparams.type_signature.result

        def unchanged(hparams: Any) -> Any:
            return hparams

        def replaced(state: Any, hparams: Any) -> Any:
            del state
            return hparams

        self.get_hparams_fn = tracing.federated_computation(unchanged, hparams_type)
        self.set_hparams_fn = tracing.federated_computation(replaced, hparams_type, hparams_type)

    def initialize(self) -> Any:
        state = intrinsics.federated_eval(self._initialize, placements.SERVER)
        return intrinsics.federated_map(self._get_hparams, state)

    def shared(self, state: Any) -> Any:
        return state

    def finish(self, state: Any, result: Any) -> RoundEnd:
        return RoundEnd(state, result, collections.OrderedDict())


class ScheduledRate(ServerKeeping):
    """Keeps the number of the round, and shares and measures its learning rate."""

    def __init__(self, schedule: ConcreteComputation) -> None:
        """Makes what shares the rates of a schedule, ``(int32 -> R)``."""
        self._schedule = schedule

    def initialize(self) -> Any:
        return intrinsics.federated_value(np.int32(0), placements.SERVER)

    def shared(self, state: Any) -> Any:
        return intrinsics.federated_map(self._schedule, state)

    def finish(self, state: Any, result: Any) -> RoundEnd:
        return RoundEnd(
            intrinsics.federated_map(_next_number(), state),
            result,
            collections.OrderedDict(client_learning_rate=self.shared(state)),
        )


class SharedOptimizer(ServerKeeping):
    """Keeps and shares the state of an optimizer, and steps it by the clients' full gradients."""

    def __init__(
        self,
        optimizer: Optimizer[Any, Any, Any],
        trainable_type: StructType,
        full_gradient_aggregator: aggregators.WeightedAggregationFactory,
    ) -> None:
        """Prepares the state of an optimizer for weights of a type.

        Args:
          optimizer: the optimizer.
          trainable_type: the type of the weights.
          full_gradient_aggregator: aggregates the clients' full gradients.
        """
        self._aggregator = full_gradient_aggregator.create(trainable_type, TensorType(np.float32))
        self._initialize, _, _ = optimizer_tracing.trace_optimizer(optimizer, trainable_type)
        self.optimizer_state_type = self._initialize.type_signature.result
        self._step = _step_of_the_state(optimizer, self.optimizer_state_type, trainable_type)

    def initialize(self) -> Any:
        optimizer_state = intrinsics.federated_eval(self._initialize, placements.SERVER)
        return intrinsics.federated_zip((optimizer_state, self._aggregator.initialize()))

    def shared(self, state: Any) -> Any:
        return state[0]

    def finish(self, state: Any, result: Any) -> RoundEnd:
        optimizer_state, aggregator_state = state
        aggregated = self._aggregator.next(
            aggregator_state, result.update["full_gradient"], result.update_weight
        )
        next_state = intrinsics.federated_map(self._step, (optimizer_state, aggregated.result))
        delta = ClientResult(result.update["delta"], result.update_weight)
        return RoundEnd(
            intrinsics.federated_zip((next_state, aggregated.state)),
            intrinsics.federated_zip(delta),
            collections.OrderedDict(),
        )


class ScheduledOptimizer(ServerKeeping):
    """A shared optimizer whose learning rate follows a schedule."""

    def __init__(self, kept: SharedOptimizer, schedule: ConcreteComputation) -> None:
        """Puts a schedule, ``(int32 -> float32)``, on a shared optimizer."""
        self._kept = kept
        self._schedule = schedule

        def set_learning_rate(state: Any, learning_rate: Any) -> Any:
            return hyperparameters.replace(state, {LEARNING_RATE_KEY: learning_rate})

        self._set_learning_rate = jax.portable_computation(
            set_learning_rate, kept.optimizer_state_type, schedule.type_signature.result
        )

    def initialize(self) -> Any:
        number = intrinsics.federated_value(np.int32(0), placements.SERVER)
        return self._scheduled(number, self._kept.initialize())

    def shared(self, state: Any) -> Any:
        return self._kept.shared(state[1])

    def finish(self, state: Any, result: Any) -> RoundEnd:
        ended = self._kept.finish(state[1], result)
        number = intrinsics.federated_map(_next_number(), state[0])
        return ended._replace(state=self._scheduled(number, ended.state))

    def _scheduled(self, number: Any, kept_state: Any) -> Any:
        optimizer_state, aggregator_state = kept_state
        rate = intrinsics.federated_map(self._schedule, number)
        scheduled = intrinsics.federated_map(self._set_learning_rate, (optimizer_state, rate))
        return intrinsics.federated_zip((number, (scheduled, aggregator_state)))


def _next_number() -> ConcreteComputation:
    """From the number of a round to that of the next one."""

    def next_number(round_num: Any) -> Any:
        return round_num + 1

    return jax.portable_computation(next_number, TensorType(np.int32))


def _step_of_the_state(
    optimizer: Optimizer[Any, Any, Any], state_type: Type, trainable_type: StructType
) -> ConcreteComputation:
    """From the state of an optimizer and a gradient to the next state."""

    def step(state: Any, gradient: Any) -> Any:
        xp = portable.namespace_of(state, gradient)
        # What becomes of the weights is not wanted: any do.
        weights = trees.map_structure(xp.zeros_like, gradient)
        next_state, _ = optimizer.next(state, weights, gradient)
        is_finite = xp.asarray(True)
        for leaf in trees.leaves(gradient):
            is_finite = xp.logical_and(is_finite, xp.all(xp.isfinite(leaf)))

        def unless_bad(new: Any, old: Any) -> Any:
            new = xp.asarray(new)
            return xp.where(is_finite, new, xp.asarray(old, xp.dtype_of(new)))

        return trees.map_structure(unless_bad, next_state, state)

    local = optimizer_tracing.decorator_for(optimizer.framework)
    return local(step, state_type, trainable_type)
