"""Intrinsics around TensorFlow computations: in one graph, and next to computations of JAX."""

from __future__ import annotations

import collections

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.execution import backends, settings
from tensorflow_federated.tensorflow import client_step

pytestmark = pytest.mark.usefixtures("engine")

KEYS = tff.FederatedType((np.int32, [2]), tff.CLIENTS)
SIZE = tff.FederatedType(np.int32, tff.SERVER)
TABLE = tff.FederatedType((np.float32, [4]), tff.SERVER)
VALUES = [1.0, 10.0, 100.0, 1000.0]


@tff.tensorflow.computation((np.float32, [4]), np.int32)
def row(table, key):
    return tf.gather(table, key)


@tff.tensorflow.computation(tff.SequenceType(np.float32))
def total_of(rows):
    return rows.reduce(0.0, lambda total, each: total + each)


@tff.jax.computation(np.float32)
def jax_double(x):
    return 2 * x


@tff.federated_computation(KEYS, SIZE, TABLE)
def total_of_rows(keys, size, table):
    rows = tff.federated_select(keys, size, table, row)
    return tff.federated_sum(tff.federated_map(total_of, rows))


def assert_is_one_graph(computation):
    """The client steps are compiled as loops over clients; nothing is run one by one."""
    steps = compilation.compile_computation(computation.node).steps
    client_steps = [step for step in steps if isinstance(step, plan.ClientStep)]
    assert client_steps
    for step in client_steps:
        compiled = client_step.compile_client_step(step, settings.DEFAULT)
        assert not isinstance(compiled, backends.NotCompiled)


def test_a_selection_is_part_of_the_graph_of_a_client_step():
    assert_is_one_graph(total_of_rows)
    assert total_of_rows([[0, 1], [3, 3]], 4, VALUES) == 2011.0


def test_a_selection_is_read_as_a_dataset_or_reduced():
    @tff.tensorflow.computation(np.float32, np.float32)
    def add(x, y):
        return x + y

    @tff.federated_computation(KEYS, SIZE, TABLE)
    def totals(keys, size, table):
        rows = tff.federated_select(keys, size, table, row)
        return tff.federated_zip(
            (
                tff.federated_map(total_of, rows),
                tff.sequence_sum(rows),
                tff.sequence_reduce(rows, 0.0, add),
            )
        )

    assert totals([[0, 1], [2, 2]], 4, VALUES) == [(11.0, 11.0, 11.0), (200.0, 200.0, 200.0)]


def test_selected_slices_come_back():
    @tff.federated_computation(KEYS, SIZE, TABLE)
    def rows(keys, size, table):
        return tff.federated_select(keys, size, table, row)

    found = [[float(each) for each in of_client] for of_client in rows([[2, 0]], 4, VALUES)]
    assert found == [[100.0, 1.0]]


def test_selected_strings():
    @tff.tensorflow.computation((np.str_, [3]), np.int32)
    def word(table, key):
        return collections.OrderedDict(word=table[key], length=tf.strings.length(table[key]))

    @tff.federated_computation(KEYS, SIZE, tff.FederatedType((np.str_, [3]), tff.SERVER))
    def length(keys, size, table):
        words = tff.federated_select(keys, size, table, word)
        lengths = tff.sequence_map(
            tff.tensorflow.computation(
                lambda each: each["length"], words.type_signature.member.element
            ),
            words,
        )
        return tff.federated_sum(tff.sequence_sum(lengths))

    assert length([[0, 2], [1, 1]], 3, ["a", "bcd", "ef"]) == 9


def test_a_selection_between_computations_of_both_frameworks():
    @tff.federated_computation(KEYS, SIZE, TABLE)
    def doubled(keys, size, table):
        rows = tff.federated_select(keys, size, table, row)
        return tff.federated_sum(tff.sequence_sum(tff.sequence_map(jax_double, rows)))

    assert doubled([[0, 1], [3, 3]], 4, VALUES) == 4022.0


def test_a_selection_by_jax_of_what_tensorflow_made():
    @tff.jax.computation((np.float32, [4]), np.int32)
    def jax_row(table, key):
        return jnp.take(table, key)

    half = tff.tensorflow.computation(lambda x: x / 2, (np.float32, [4]))

    @tff.federated_computation(KEYS, SIZE, TABLE)
    def halves(keys, size, table):
        rows = tff.federated_select(keys, size, tff.federated_map(half, table), jax_row)
        return tff.federated_map(total_of, rows)

    assert halves([[0, 1]], 4, VALUES) == [5.5]


@pytest.mark.parametrize(("keys", "size"), [([[0, 1], [0, 4]], 4), ([[0, 1], [0, 3]], 3)])
def test_a_key_out_of_range_is_an_error(keys, size):
    with pytest.raises((ValueError, RuntimeError), match="client_keys: expected keys"):
        total_of_rows(keys, size, VALUES)


@tff.tensorflow.computation(np.int32)
def next_number(x):
    return x + 1


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (lambda x: tff.federated_secure_sum(x, 7), 11),
        (lambda x: tff.federated_secure_sum_bitwidth(x, 3), 11),
        (lambda x: tff.federated_secure_modular_sum(x, 4), 3),
        (tff.federated_max, 7),
        (tff.federated_min, 1),
    ],
    ids=["secure sum", "bit width", "modular sum", "max", "min"],
)
def test_an_aggregation_is_part_of_the_graph_of_a_client_step(aggregate, expected):
    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def aggregated(x):
        return aggregate(tff.federated_map(next_number, x))

    assert_is_one_graph(aggregated)
    assert aggregated([0, 6, 2]) == expected


def test_a_value_that_is_too_large_is_an_error_from_a_graph_too():
    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def total(x):
        return tff.federated_secure_sum(tff.federated_map(next_number, x), 6)

    assert total([5, 2]) == 9
    with pytest.raises(ValueError, match="value: 1 client has more than `max_input`"):
        total([6, 2])


@pytest.mark.parametrize(
    "dtype",
    [np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.int64, np.uint64, ml_dtypes.int4],
)
def test_graphs_know_secure_sums_and_extremes_of_every_integer(dtype):
    same = tff.tensorflow.computation(lambda x: tf.identity(x), dtype)

    @tff.federated_computation(tff.FederatedType(dtype, tff.CLIENTS))
    def aggregated(x):
        values = tff.federated_map(same, x)
        return (
            tff.federated_secure_sum(values, 6),
            tff.federated_secure_modular_sum(values, 5),
            tff.federated_max(values),
            tff.federated_min(values),
        )

    assert [int(each) for each in aggregated([1, 2, 4])] == [7, 2, 4, 1]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_nan_makes_the_extremes_of_a_graph_nan(dtype, position):
    same = tff.tensorflow.computation(lambda x: tf.identity(x), (dtype, [2]))

    @tff.federated_computation(tff.FederatedType((dtype, [2]), tff.CLIENTS))
    def extremes(x):
        values = tff.federated_map(same, x)
        return tff.federated_min(values), tff.federated_max(values)

    clients = [[1.0, 2.0], [-np.inf, np.inf]]
    clients.insert(position, [np.nan, 0.0])
    smallest, largest = extremes(clients)
    assert np.isnan(smallest[0])
    assert np.isnan(largest[0])
    assert (smallest[1], largest[1]) == (0.0, np.inf)


def test_a_collection_of_what_a_graph_made():
    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def collected(x):
        values = tff.federated_map(next_number, x)
        return tff.federated_collect(values), tff.federated_sum(values)

    numbers, total = collected([3, 1, 2])
    assert [int(each) for each in numbers] == [4, 2, 3]
    assert total == 9


def test_a_reduction_with_a_state_that_grows():
    @tff.tensorflow.computation((np.int32, [None]), np.int32)
    def append(numbers, number):
        return tf.concat([numbers, [number]], 0)

    nothing = tff.tensorflow.computation(lambda: tf.zeros([0], tf.int32))

    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def collected(x):
        return tff.federated_reduce(x, nothing(), append)

    @tff.federated_computation(tff.SequenceType(np.int32))
    def gathered(x):
        return tff.sequence_reduce(x, nothing(), append)

    assert str(collected.type_signature.result) == "int32[?]@SERVER"
    assert collected([3, 1, 2]).tolist() == [3, 1, 2]
    assert gathered([3, 1, 2]).tolist() == [3, 1, 2]


def test_a_dataset_of_weights_is_averaged():
    weights = tf.data.Dataset.from_tensor_slices(
        (tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1.0, 3.0]))
    )
    member = ((np.float32, [2]), (np.float32, []))

    @tff.federated_computation(tff.FederatedType(member, tff.CLIENTS))
    def average(client_weights):
        return tff.federated_mean(client_weights, weight=1.0)

    kernel, bias = average(weights)
    assert kernel.tolist() == [2.0, 3.0]
    assert bias == 2.0


def test_a_dataset_of_weights_without_a_type_is_told_how_to_write_it():
    weights = tf.data.Dataset.from_tensor_slices((tf.constant([1.0, 3.0]), tf.constant([1.0, 3.0])))

    @tff.federated_computation
    def average(client_weights):
        return tff.federated_mean(client_weights, weight=1.0)

    with pytest.raises(TypeError) as caught:
        average(weights)
    wanted = "tff.FederatedType([np.float32, np.float32], tff.CLIENTS)"
    assert f"`@tff.federated_computation({wanted})`" in str(caught.value)
