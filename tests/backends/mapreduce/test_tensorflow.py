"""Forms of rounds whose local work is TensorFlow's: strings, datasets, federated averaging."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import trees

mapreduce = tff.backends.mapreduce

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)


def through_map_reduce_form(computation):
    form = mapreduce.get_map_reduce_form_for_computation(computation)
    return mapreduce.get_computation_for_map_reduce_form(form)


def through_distribute_aggregate_form(computation):
    form = mapreduce.get_distribute_aggregate_form_for_computation(computation)
    return mapreduce.get_computation_for_distribute_aggregate_form(form)


THROUGH = [through_map_reduce_form, through_distribute_aggregate_form]


@tff.tensorflow.computation(np.str_, np.str_)
def joined(x, y):
    return tf.strings.join([x, y], "|")


@tff.tensorflow.computation(np.str_)
def whole(x):
    return tf.strings.join(["<", x, ">"])


@tff.federated_computation(
    tff.FederatedType(np.str_, tff.SERVER), tff.FederatedType(np.str_, tff.CLIENTS)
)
def collect_words(separator, words):
    marked = tff.federated_map(joined, (words, tff.federated_broadcast(separator)))
    return separator, tff.federated_aggregate(marked, "", joined, joined, whole)


@pytest.mark.parametrize("through", THROUGH)
def test_strings_are_aggregated(through, engine):
    words = ["a", "bc", ""]
    assert through(collect_words)("-", words) == collect_words("-", words)


@tff.tensorflow.computation(tff.SequenceType(np.int64), np.int32)
def largest_after(dataset, start):
    return dataset.reduce(start, lambda state, x: tf.maximum(state, tf.cast(x, tf.int32)))


@tff.federated_computation(AT_SERVER, tff.FederatedType(tff.SequenceType(np.int64), tff.CLIENTS))
def sum_of_largest(state, data):
    largest = tff.federated_map(largest_after, (data, tff.federated_broadcast(state)))
    return state, tff.federated_sum(largest)


@pytest.mark.parametrize("through", THROUGH)
def test_datasets_stay_at_the_clients(through, engine):
    data = [tf.data.Dataset.range(n) for n in (0, 3, 9)]
    assert through(sum_of_largest)(4, data) == (4, 16)
    assert sum_of_largest(4, data) == (4, 16)


def test_the_work_on_a_dataset_by_hand(engine):
    form = mapreduce.get_map_reduce_form_for_computation(sum_of_largest)
    assert form.work(tf.data.Dataset.range(9), form.prepare(4)) == ((8,), (), (), ())


@pytest.fixture(scope="module")
def clients() -> list[tf.data.Dataset]:
    generator = np.random.default_rng(7)
    datasets = []
    for size in (3, 7, 4):
        x = generator.standard_normal((size, 2)).astype(np.float32)
        y = (x.sum(axis=1, keepdims=True) > 0).astype(np.int32)
        element: Any = collections.OrderedDict(x=x, y=y)
        datasets.append(tf.data.Dataset.from_tensor_slices(element).batch(4))
    return datasets


@pytest.fixture(scope="module")
def process(clients) -> tff.learning.templates.LearningProcess:
    import keras

    def model_fn() -> tff.learning.models.VariableModel:
        keras_model = keras.Sequential(
            [keras.layers.InputLayer(shape=(2,)), keras.layers.Dense(2, kernel_initializer="ones")]
        )
        return tff.learning.models.from_keras_model(
            keras_model,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            input_spec=clients[0].element_spec,
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )

    return tff.learning.algorithms.build_weighted_fed_avg(
        model_fn, tff.learning.optimizers.build_sgdm(0.1)
    )


def assert_close(actual: Any, expected: Any) -> None:
    trees.map_structure(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7), expected, actual
    )


@pytest.mark.parametrize("through", THROUGH)
def test_rounds_of_federated_averaging_are_the_same(through, process, clients):
    round_of = through(process.next)
    assert round_of.type_signature.is_identical_to(process.next.type_signature)
    state = expected_state = process.initialize()
    for _ in range(3):
        state, metrics = round_of(state, clients)
        expected_state, expected_metrics = process.next(expected_state, clients)
        assert type(state) is type(expected_state)
        assert_close(state, expected_state)
        assert_close(metrics, expected_metrics)


def test_federated_averaging_starts_from_its_first_state(process):
    initialize = mapreduce.get_state_initialization_computation(process.initialize)
    member = process.initialize.type_signature.result.member
    assert initialize.type_signature == tff.FunctionType(None, member)
    assert_close(initialize(), process.initialize())


def test_federated_averaging_in_subrounds_is_the_same(process, clients):
    context = tff.backends.native.create_mergeable_comp_execution_context(
        [tff.backends.native.create_async_local_cpp_execution_context() for _ in range(2)],
        num_subrounds=3,
    )
    state = process.initialize()
    expected = process.next(state, clients)
    with tff.framework.get_context_stack().install(context):
        result = process.next(state, clients)
    assert type(result) is type(expected)
    assert_close(result.state, expected.state)
    assert_close(result.metrics, expected.metrics)
