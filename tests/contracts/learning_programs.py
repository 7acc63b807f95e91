"""The rows of the contracts of `tff.learning`, as programs that every engine has to agree on.

These are the algorithms, with models in each framework; the optimizers, at the clients and at the
server, likewise; and the ways to make a model.
"""

from __future__ import annotations

import collections
import functools
import pathlib
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import optax
from tests.contracts import learning_algorithms
from tests.contracts.programs import Call
from tests.learning.models import adapters
from tests.learning.optimizers import registry

import tensorflow_federated as tff

NUM_ROUNDS = 2
# More than there are chunks, and of all lengths.
SIZES = tuple(number * 7 % 10 for number in range(21))

weighted = tff.learning.algorithms.build_weighted_fed_avg


def calls(process: Any, cohort: Callable[[int], Any]) -> Call:
    """A few rounds of a learning process; their states and metrics."""

    def call(seed: int) -> Any:
        state, metrics = process.initialize(), []
        for number in range(NUM_ROUNDS):
            output = process.next(state, cohort(10 * seed + number))
            state = output.state
            metrics.append(output.metrics)
        return state, metrics

    return call


def algorithm(row: learning_algorithms.Row, framework: str) -> Call:
    """An algorithm, with a model of a framework."""
    process = learning_algorithms.process(row, framework)
    return calls(process, lambda seed: row.cohort(seed, SIZES))


def personalization() -> Call:
    """The evaluation of a way to personalize a model: examples in, metrics of each client out."""
    import tensorflow as tf

    def evaluate(model: Any, dataset: Any) -> Any:
        def add(total: Any, batch: Any) -> Any:
            return total + model.forward_pass(batch, training=False).loss

        return collections.OrderedDict(loss=dataset.batch(4).reduce(0.0, add))

    def build() -> Any:
        @tf.function
        def personalize(model: Any, train_data: Any, test_data: Any) -> Any:
            for batch in train_data.batch(4):
                with tf.GradientTape() as tape:
                    loss = model.forward_pass(batch).loss
                weights = model.trainable_variables
                for weight, change in zip(weights, tape.gradient(loss, weights), strict=True):
                    weight.assign_sub(0.1 * change)
            return evaluate(model, test_data)

        return personalize

    compute = tff.learning.algorithms.build_personalization_eval_computation(
        learning_algorithms.keras_model_fn, {"descent": build}, evaluate
    )
    model = learning_algorithms.keras_model_fn()
    weights = tff.learning.models.ModelWeights.from_model(model).convert_variables_to_arrays()

    def call(seed: int) -> Any:
        clients = [
            [pair for x, y in batches for pair in zip(x, y, strict=True)]
            for batches in learning_algorithms.cohort(seed, SIZES[:7])
        ]
        data = [collections.OrderedDict(train_data=each, test_data=each[:3]) for each in clients]
        return compute(weights, data)

    return call


def optimizer(build: Callable[[], Any], framework: str) -> Call:
    """An optimizer that clients and server use, with a model of a framework."""
    model = learning_algorithms.model_of(framework)
    with warnings.catch_warnings():
        # One of Keras is replaced, which is told.
        warnings.simplefilter("ignore", FutureWarning)
        process = weighted(model, build(), build())
    return calls(process, lambda seed: learning_algorithms.cohort(seed, SIZES))


def adapter(name: str) -> Call:
    """A way to make a model."""
    make = adapters.maker(name, _folder())
    model = make()
    is_functional = isinstance(model, tff.learning.models.FunctionalModel)
    sgd = tff.learning.optimizers.build_sgdm(0.1, momentum=0.5)
    return calls(weighted(model if is_functional else make, sgd), adapters.cohort)


@functools.cache
def _folder() -> pathlib.Path:
    return pathlib.Path(tempfile.mkdtemp())


def keras_adam() -> Any:
    import keras

    return lambda: keras.optimizers.Adam(0.05)


OPTIMIZERS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    **{name: (row.build, learning_algorithms.FRAMEWORKS) for name, row in registry.ROWS.items()},
    "scheduled": (
        lambda: tff.learning.optimizers.schedule_learning_rate(
            tff.learning.optimizers.build_sgdm(0.1), lambda step: 0.1 / (1.0 + 0.5 * step)
        ),
        learning_algorithms.FRAMEWORKS,
    ),
    "of Keras": (keras_adam, ("tensorflow",)),
    "of optax": (lambda: tff.learning.optimizers.from_optax(optax.adabelief(0.05)), ("jax",)),
}

PROGRAMS: dict[str, Callable[[], Call]] = {
    **{
        f"algorithm: {row.name}, {framework}": functools.partial(algorithm, row, framework)
        for row in learning_algorithms.ROWS
        for framework in row.frameworks
    },
    "algorithm: personalization, tensorflow": personalization,
    **{
        f"optimizer: {name}, {framework}": functools.partial(optimizer, build, framework)
        for name, (build, frameworks) in OPTIMIZERS.items()
        for framework in frameworks
    },
    **{f"model: {name}": functools.partial(adapter, name) for name in adapters.NAMES},
}
