"""Trains one model in three ways: federated, on pooled data, and each client alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorflow_federated import jax
from tensorflow_federated.core import (
    errors,
    intrinsics,
    placements,
    tracing,
    trees,
)
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType, SequenceType
from tensorflow_federated.learning import algorithms
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.comparison import pooled_data
from tensorflow_federated.learning.comparison.pooled_data import PooledData, PoolingError
from tensorflow_federated.learning.comparison.results import Comparison
from tensorflow_federated.learning.local_steps.descent import Descent
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates import arguments, local_training
from tensorflow_federated.learning.templates.learning_process import LearningProcess
from tensorflow_federated.learning.templates.local_evaluation import build_local_evaluation

_NAME = "tff.learning.compare_with_centralized"


@errors.boundary
def compare_with_centralized(
    model_fn: Callable[[], Any] | FunctionalModel,
    train_data: Sequence[Any],
    client_optimizer_fn: Optimizer[Any, Any, Any],
    test_data: Sequence[Any] | None = None,
    *,
    process: LearningProcess | None = None,
    num_rounds: int = 10,
    clients_per_round: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Trains a model federated, on pooled data, and by each client alone, and compares them.

    All three start from the same weights and see the data for `num_rounds` rounds:

    - *federated*: rounds of `process`, each with all clients or with `clients_per_round` that are
      drawn anew;
    - *centralized*: in each round one pass over the examples of all clients, put together,
      shuffled, and cut into batches of the clients' size; what a federated model is measured by;
    - *each client alone*: in each round one pass of every client over its own data, with a model of
      its own; what a client has without the others.

    The optimizer starts afresh in every round, for all three, as it does at the clients of
    federated averaging. After each round the metrics of the model are computed on the test data: of
    the first two on that of all clients, of the third each client's model on the client's own.

    Memory: the model as often as there are clients, and all examples once.

    Args:
      model_fn: a function without arguments that makes a model; or a functional model.
      train_data: a list of the clients' datasets of batches, as `process.next` takes it.
      client_optimizer_fn: the optimizer, for all three.
      test_data: likewise for the test, of the same clients in the same order; `train_data` if None.
      process: the federated process; `tff.learning.algorithms.build_weighted_fed_avg` with this
        optimizer if None.
      num_rounds: the number of rounds.
      clients_per_round: how many clients take part in a federated round; all if None.
      seed: what the draws of clients, and the order of the pooled examples, follow from.

    Returns:
      The metrics of each way by round, as a table with `print`, and as a picture with `.plot()`.

    Raises:
      ModelError: if `model_fn` does not make a model.
      OptimizerTypeError: if the optimizer is none.
      PoolingError: if the data of the clients cannot be put together.
      TypeMismatchError: if another argument is not of its type.

    Examples:
      Two clients with three points of the line y = x - 1 each, tested on the points of the other:
      what a client learns alone does not carry over.

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
      >>> left, right = np.float32([[-2.0], [-1.5]]), np.float32([[1.0], [2.0]])
      >>> train_data = [[(left, left - 1.0)], [(right, right - 1.0)]]
      >>> comparison = tff.learning.compare_with_centralized(
      ...     model_fn,
      ...     train_data,
      ...     tff.learning.optimizers.build_sgdm(0.2),
      ...     test_data=train_data[::-1],
      ...     num_rounds=20,
      ... )
      >>> comparison.metric_names
      ['loss']
      >>> [
      ...     round(float(way[-1]["loss"]), 3)
      ...     for way in (comparison.federated, comparison.local_only)
      ... ]
      [0.0, 1.064]
    """
    optimizer = check_optimizer(client_optimizer_fn, "client_optimizer_fn", _NAME)
    train_clients = pooled_data.check_batches(train_data, "train_data")
    test_clients = train_clients
    if test_data is not None:
        test_clients = pooled_data.check_batches(test_data, "test_data")
    _check_numbers(num_rounds, clients_per_round, len(train_clients), len(test_clients))
    if process is None:
        process = algorithms.build_weighted_fed_avg(model_fn, optimizer)
    arguments.check_kind(
        process,
        LearningProcess,
        "process",
        _NAME,
        "build it with tff.learning.algorithms, or leave it out.",
    )
    model = local_loops.describe_model(model_fn)
    ways = _Ways(model, optimizer, test_clients)
    pooled = PooledData(train_clients, seed)
    state = process.initialize()
    weights = process.get_model_weights(state)
    alone: list[Any] = [weights] * len(train_clients)
    found = [[ways.metrics_of_one(weights)] for _ in range(2)] + [[ways.metrics_of_many(alone)]]
    federated, centralized, local_only = found
    for number in range(num_rounds):
        cohort = _cohort(train_clients, clients_per_round, seed, number)
        state = process.next(state, cohort).state
        federated.append(ways.metrics_of_one(process.get_model_weights(state)))
        (weights,) = ways.trained([weights], [pooled.epoch(number)])
        centralized.append(ways.metrics_of_one(weights))
        alone = ways.trained(alone, train_clients)
        local_only.append(ways.metrics_of_many(alone))
    return Comparison(federated, centralized, local_only)


class _Ways:
    """What training alone and evaluation compute, for one model."""

    def __init__(
        self,
        model: ModelSpec,
        optimizer: Optimizer[Any, Any, Any],
        test_clients: list[Any],
    ) -> None:
        self._train = _build_training(model, optimizer)
        self._evaluate = _build_evaluation(model)
        self._test_clients = test_clients

    def trained(self, weights: list[Any], data: list[Any]) -> list[Any]:
        """The weights of each client after a pass over its data."""
        found: Any = self._train(weights, data)
        return list(found)

    def metrics_of_one(self, weights: Any) -> Any:
        """The metrics of one model, on the test data of all clients."""
        return self.metrics_of_many([weights] * len(self._test_clients))

    def metrics_of_many(self, weights: list[Any]) -> Any:
        """The metrics of each client's model on its test data, put together."""
        return self._evaluate(weights, self._test_clients)


def _build_training(model: ModelSpec, optimizer: Optimizer[Any, Any, Any]) -> Computation:
    """From weights and data of each client to its weights after training."""
    training = local_training.build_local_training(
        model, Descent(optimizer), ClientWeighting.UNIFORM
    )
    step = jax.portable_computation(_moved, model.weights_type, model.weights_type["trainable"])

    def train_one(weights: Any, data: Any) -> Any:
        trained = training.train(weights, (), data)
        return step(weights, trained.result.update)

    train = tracing.federated_computation(train_one, model.weights_type, training.data_type)

    def train_alone(weights: Any, client_data: Any) -> Any:
        return intrinsics.federated_map(train, (weights, client_data))

    return tracing.federated_computation(
        train_alone,
        FederatedType(model.weights_type, placements.CLIENTS),
        FederatedType(training.data_type, placements.CLIENTS),
    )


def _moved(weights: Any, update: Any) -> Any:
    """The weights after an update, a model delta: initial - final."""
    trainable = trees.map_structure(lambda old, delta: old - delta, weights.trainable, update)
    return ModelWeights(trainable, weights.non_trainable)


def _build_evaluation(model: ModelSpec) -> Computation:
    """From weights and data of each client to the metrics of all."""
    evaluate = build_local_evaluation(model)
    aggregate = sum_then_finalize(model.metric_finalizers, model.unfinalized_metrics_type)

    def evaluate_all(weights: Any, client_data: Any) -> Any:
        return aggregate(intrinsics.federated_map(evaluate, (weights, client_data)))

    return tracing.federated_computation(
        evaluate_all,
        FederatedType(model.weights_type, placements.CLIENTS),
        FederatedType(SequenceType(model.batch_type), placements.CLIENTS),
    )


def _cohort(clients: list[Any], count: int | None, seed: int, number: int) -> list[Any]:
    if count is None:
        return clients
    generator = np.random.default_rng((seed, number, 1))
    return [clients[i] for i in sorted(generator.choice(len(clients), count, replace=False))]


def _check_numbers(rounds: Any, per_round: Any, train: int, test: int) -> None:
    problems: list[str] = []
    if not isinstance(rounds, int) or rounds < 1:
        problems.append(f"num_rounds: expected a positive int, got {rounds!r}")
    if per_round is not None and not (isinstance(per_round, int) and 1 <= per_round <= train):
        problems.append(f"clients_per_round: expected 1 to {train} or None, got {per_round!r}")
    if train != test:
        problems.append(f"test_data: expected the data of {train} clients, got {test}")
    if problems:
        raise PoolingError(
            f"`{_NAME}` cannot use these arguments.",
            problems=problems,
            fix="give a number of rounds, and test data of the clients of `train_data`, in order.",
        )
