"""Programs whose results every engine has to agree on: a new one joins by a row in `PROGRAMS`.

`learning_programs.py` has those that are rows of other contracts.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

import tensorflow_federated as tff

NUM_ROUNDS = 2
NUM_CLIENTS = 37
NUM_FEATURES = 4
NUM_LABELS = 3
BATCH_SIZE = 5
LEARNING_RATE = 0.1

Call = Callable[[int], Any]
"""From a seed to what a few calls of a program give."""


# The data: clients of 0 to 23 examples; another seed gives other clients.


def client_arrays(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(seed)
    sizes = generator.permutation(np.arange(NUM_CLIENTS) % 24)
    return [
        (
            generator.standard_normal((size, NUM_FEATURES)).astype(np.float32),
            generator.integers(0, NUM_LABELS, size).astype(np.int32),
        )
        for size in sizes.tolist()
    ]


def client_batches(seed: int) -> list[list[Any]]:
    return [
        [
            (x[start : start + BATCH_SIZE], y[start : start + BATCH_SIZE])
            for start in range(0, len(x), BATCH_SIZE)
        ]
        for x, y in client_arrays(seed)
    ]


def client_datasets(seed: int) -> list[Any]:
    import tensorflow as tf

    return [
        tf.data.Dataset.from_tensor_slices(arrays)
        .repeat(2)
        .shuffle(10, seed=1)
        .batch(BATCH_SIZE)
        .prefetch(2)
        for arrays in client_arrays(seed)
    ]


# The models.


def tensorflow_spec() -> Any:
    import tensorflow as tf

    return tf.TensorSpec([None, NUM_FEATURES]), tf.TensorSpec([None], tf.int32)


def keras_model() -> Any:
    import keras

    return keras.Sequential(
        [
            keras.layers.InputLayer(shape=(NUM_FEATURES,)),
            keras.layers.Dense(6, activation="tanh", kernel_initializer=first_weights),
            keras.layers.Dense(NUM_LABELS, kernel_initializer=first_weights),
        ]
    )


def first_weights(shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
    del dtype
    return np.linspace(-0.5, 0.5, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def keras_model_fn() -> Any:
    import keras

    return tff.learning.models.from_keras_model(
        keras_model(),
        input_spec=tensorflow_spec(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )


def functional_keras_model() -> Any:
    import keras

    return tff.learning.models.functional_model_from_keras(
        keras_model(),
        loss_fn=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        input_spec=tensorflow_spec(),
    )


def variable_model_fn() -> Any:
    import tensorflow as tf

    class SoftmaxRegression(tff.learning.models.VariableModel):
        def __init__(self) -> None:
            self._kernel = tf.Variable(first_weights((NUM_FEATURES, NUM_LABELS)), name="kernel")
            self._bias = tf.Variable(tf.zeros([NUM_LABELS]), name="bias")
            self._loss_sum = tf.Variable(0.0, trainable=False)
            self._num_examples = tf.Variable(0, trainable=False)

        @property
        def trainable_variables(self):
            return [self._kernel, self._bias]

        @property
        def non_trainable_variables(self):
            return []

        @property
        def local_variables(self):
            return [self._loss_sum, self._num_examples]

        @property
        def input_spec(self):
            return tensorflow_spec()

        @tf.function
        def predict_on_batch(self, x, training=True):
            return tf.matmul(x, self._kernel) + self._bias

        @tf.function
        def forward_pass(self, batch_input, training=True):
            x, y = batch_input
            logits = self.predict_on_batch(x, training)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            self._loss_sum.assign_add(tf.reduce_sum(losses))
            self._num_examples.assign_add(tf.shape(x)[0])
            return tff.learning.models.BatchOutput(
                loss=tf.reduce_mean(losses), predictions=logits, num_examples=tf.shape(x)[0]
            )

        @tf.function
        def report_local_unfinalized_metrics(self):
            return collections.OrderedDict(
                loss=[self._loss_sum, tf.cast(self._num_examples, tf.float32)],
                num_examples=self._num_examples,
            )

        def metric_finalizers(self):
            return collections.OrderedDict(
                loss=tf.function(lambda pair: pair[0] / pair[1]),
                num_examples=tf.function(tf.identity),
            )

        @tf.function
        def reset_metrics(self):
            self._loss_sum.assign(0.0)
            self._num_examples.assign(0)

    return SoftmaxRegression()


def jax_model(**options: Any) -> Any:
    import jax
    import jax.numpy as jnp

    @jax.jit
    def predict(model_weights, x, training):
        del training
        (kernel, bias), _ = model_weights
        return x @ kernel + bias

    def loss(output, label, sample_weight=None):
        log_probabilities = jax.nn.log_softmax(output)
        losses = -jnp.take_along_axis(log_probabilities, label[:, None], axis=1)[:, 0]
        if sample_weight is None:
            return jnp.mean(losses)
        return jnp.sum(losses * sample_weight) / jnp.sum(sample_weight)

    return tff.learning.models.FunctionalModel(
        initial_weights=(
            (first_weights((NUM_FEATURES, NUM_LABELS)), np.zeros(NUM_LABELS, np.float32)),
            (),
        ),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        input_spec=(
            tff.TensorType(np.float32, [None, NUM_FEATURES]),
            tff.TensorType(np.int32, [None]),
        ),
        **options,
    )


def jax_metrics() -> Any:
    return tff.learning.metrics.create_mean_metric_fns(
        {
            "loss": lambda labels, output: output.loss,
            "accuracy": lambda labels, output: output.predictions.argmax(axis=1) == labels,
        }
    )


# The programs.


def sgd() -> Any:
    return tff.learning.optimizers.build_sgdm(LEARNING_RATE, momentum=0.5)


def training(build: Callable[..., Any], model: Any, clients: Any = client_batches) -> Call:
    process = build(model, sgd(), sgd())

    def call(seed: int) -> Any:
        state, metrics = process.initialize(), []
        for number in range(NUM_ROUNDS):
            output = process.next(state, clients(10 * seed + number))
            state = output.state
            metrics.append(output.metrics)
        return process.get_model_weights(state).trainable, state.aggregator, metrics

    return call


def evaluation(model_fn: Any) -> Call:
    process = tff.learning.algorithms.build_fed_eval(model_fn)

    def call(seed: int) -> Any:
        output = process.next(process.initialize(), client_batches(seed))
        return output.metrics

    return call


def client_work(model: Any) -> Call:
    """What the clients themselves have, before anything is aggregated."""
    work = tff.learning.templates.build_model_delta_client_work(
        model, sgd(), tff.learning.ClientWeighting.NUM_EXAMPLES
    )
    parameter: Any = work.next.type_signature.parameter
    weights_type = parameter["weights"].member
    weights = trees_like(weights_type)

    @tff.federated_computation(
        tff.FederatedType(weights_type, tff.SERVER), parameter["client_data"]
    )
    def train(weights, data):
        state = work.initialize()
        return work.next(state, tff.federated_broadcast(weights), data)

    def call(seed: int) -> Any:
        output = train(weights, client_batches(seed))
        return [(each.update, each.update_weight) for each in output.result], output.measurements

    return call


def trees_like(weights_type: Any) -> Any:
    from tensorflow_federated.core import type_trees

    return type_trees.build(weights_type, lambda leaf: first_weights(tuple(leaf.shape)))


def aggregation(factory: Any, is_weighted: bool) -> Call:
    value_type = tff.to_type(collections.OrderedDict(a=np.float32, b=(np.float32, [3])))
    types = (value_type, tff.to_type(np.float32)) if is_weighted else (value_type,)
    process = factory.create(*types)

    def call(seed: int) -> Any:
        generator = np.random.default_rng(seed)
        scales = 10.0 ** generator.uniform(-4, 4, (NUM_CLIENTS, 5))
        drawn = (generator.standard_normal((NUM_CLIENTS, 5)) * scales).astype(np.float32)
        values = [collections.OrderedDict(a=row[0], b=row[1:4]) for row in drawn]
        weights = [list(np.abs(drawn[:, 4]))] if is_weighted else []
        state, results = process.initialize(), []
        for _ in range(NUM_ROUNDS):
            output = process.next(state, values, *weights)
            state = output.state
            results.append((output.result, output.measurements))
        return state, results

    return call


def fold(decorator: Any) -> Call:
    """A fold by functions after a map, beside other aggregations, in one framework."""
    third = decorator(lambda x: x / 3, np.float32)
    accumulate = decorator(lambda a, x: a + 7 * x, np.float32, np.float32)
    merge = decorator(lambda a, b: a + b, np.float32, np.float32)
    report = decorator(lambda a: a / 7, np.float32)

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def computation(values):
        mapped = tff.federated_map(third, values)
        folded = tff.federated_aggregate(mapped, 0.0, accumulate, merge, report)
        return folded, tff.federated_mean(mapped), tff.federated_max(values), mapped

    def call(seed: int) -> Any:
        drawn = np.random.default_rng(seed).standard_normal(NUM_CLIENTS)
        return computation(drawn.astype(np.float32).tolist())

    return call


def loops_over_datasets() -> Call:
    """Training that a user writes, with variables, on whole datasets."""
    import tensorflow as tf

    weights = tff.to_type([(np.float32, [NUM_FEATURES, NUM_LABELS]), (np.float32, [NUM_LABELS])])
    batch = tff.to_type([(np.float32, [None, NUM_FEATURES]), (np.int32, [None])])

    @tff.tensorflow.computation(tff.SequenceType(batch), weights)
    def train(dataset, start):
        kernel, bias = tf.Variable(start[0]), tf.Variable(start[1])

        @tf.function
        def go_through(data):
            count = tf.constant(0)
            for x, y in data:
                if count >= 15:
                    break
                with tf.GradientTape() as tape:
                    logits = tf.matmul(x, kernel) + bias
                    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
                    loss = tf.reduce_mean(losses)
                for variable, gradient in zip(
                    (kernel, bias), tape.gradient(loss, [kernel, bias]), strict=True
                ):
                    variable.assign_sub(LEARNING_RATE * gradient)
                count += tf.shape(x)[0]
            return count

        count = go_through(dataset.repeat(2))
        last = dataset.enumerate().reduce(np.int64(-1), lambda _, each: each[0])
        return (tf.identity(kernel), tf.identity(bias)), tf.cast(count, tf.float32), last

    @tff.federated_computation(
        tff.FederatedType(weights, tff.SERVER),
        tff.FederatedType(tff.SequenceType(batch), tff.CLIENTS),
    )
    def next_round(server_weights, datasets):
        sent = tff.federated_broadcast(server_weights)
        trained, count, last = tff.federated_map(train, (datasets, sent))
        return tff.federated_mean(trained, count), tff.federated_sum(last)

    def call(seed: int) -> Any:
        state, numbers = trees_like(weights), []
        for number in range(NUM_ROUNDS):
            # Fewer clients, for the reference engine starts an iterator for each.
            clients = client_batches(10 * seed + number)[:16]
            state, last = next_round(state, clients)
            numbers.append(last)
        return state, numbers

    return call


weighted = tff.learning.algorithms.build_weighted_fed_avg
unweighted = tff.learning.algorithms.build_unweighted_fed_avg


def prox(model: Any, client: Any, server: Any) -> Any:
    return tff.learning.algorithms.build_weighted_fed_prox(model, 0.5, client, server)


def fed_sgd(model: Any, client: Any, server: Any) -> Any:
    del client
    return tff.learning.algorithms.build_fed_sgd(model, server)


def scheduled(model: Any, client: Any, server: Any) -> Any:
    del client
    return tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule(
        model, lambda round_num: 0.1, tff.learning.optimizers.build_sgdm, server
    )


mime = tff.learning.algorithms.build_weighted_mime_lite

PROGRAMS: dict[str, Callable[[], Call]] = {
    "weighted FedAvg, Keras": lambda: training(weighted, keras_model_fn),
    "weighted FedAvg, Keras, pipelines": lambda: training(
        weighted, keras_model_fn, client_datasets
    ),
    "unweighted FedAvg, Keras": lambda: training(unweighted, keras_model_fn),
    "weighted FedAvg, variables": lambda: training(weighted, variable_model_fn),
    "weighted FedAvg, functional Keras": lambda: training(weighted, functional_keras_model()),
    "weighted FedAvg, JAX": lambda: training(weighted, jax_model()),
    "weighted FedAvg, JAX, metrics": lambda: training(
        weighted, jax_model(metrics_fns=jax_metrics())
    ),
    "unweighted FedAvg, JAX": lambda: training(unweighted, jax_model()),
    "FedProx, variables": lambda: training(prox, variable_model_fn),
    "FedSGD, JAX": lambda: training(fed_sgd, jax_model()),
    "MimeLite, Keras": lambda: training(mime, keras_model_fn),
    "MimeLite, variables": lambda: training(mime, variable_model_fn),
    "MimeLite, JAX": lambda: training(mime, jax_model()),
    "FedAvg with schedule, Keras": lambda: training(scheduled, keras_model_fn),
    "evaluation, Keras": lambda: evaluation(keras_model_fn),
    "client work, variables": lambda: client_work(variable_model_fn),
    "client work, JAX": lambda: client_work(jax_model()),
    "sum": lambda: aggregation(tff.aggregators.SumFactory(), False),
    "mean": lambda: aggregation(tff.aggregators.MeanFactory(), True),
    "unweighted mean": lambda: aggregation(tff.aggregators.UnweightedMeanFactory(), False),
    "fold, TensorFlow": lambda: fold(tff.tensorflow.computation),
    "fold, JAX": lambda: fold(tff.jax.computation),
    "loops over datasets": loops_over_datasets,
}

# Each kind of program once; the others are slow tests.
FAST_PROGRAMS = {
    "weighted FedAvg, Keras",
    "weighted FedAvg, JAX, metrics",
    "MimeLite, variables",
    "client work, variables",
    "sum",
    "mean",
    "fold, TensorFlow",
    "fold, JAX",
    "loops over datasets",
}
