"""JAX computations over the data of clients: reduced, mapped and summed, batch by batch."""

from __future__ import annotations

import collections

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.compiler import random_keys
from tensorflow_federated.core import ir, local_intrinsics
from tensorflow_federated.execution import backends, sequences
from tensorflow_federated.jax import portable_computation

BATCH = tff.to_type(collections.OrderedDict(x=tff.TensorType(np.float32, [None])))
DATA = tff.SequenceType(BATCH)
STATE = tff.to_type(collections.OrderedDict(total=np.float32, count=np.int32))
CLIENTS_DATA = [
    [{"x": [1.0, 2.0]}, {"x": [3.0]}],
    [],
    [{"x": [10.0]}],
]


@tff.jax.computation(STATE, BATCH)
def accumulate(state, batch):
    return collections.OrderedDict(
        total=state["total"] + jnp.sum(batch["x"]), count=state["count"] + batch["x"].shape[0]
    )


@tff.federated_computation(DATA)
def count_and_total(data):
    return tff.sequence_reduce(data, collections.OrderedDict(total=0.0, count=0), accumulate)


def test_each_client_reduces_its_own_data(engine):
    @tff.federated_computation(tff.FederatedType(DATA, tff.CLIENTS))
    def program(data):
        return tff.federated_map(count_and_total, data)

    results = program(CLIENTS_DATA)
    assert [(each["total"], each["count"]) for each in results] == [(6, 3), (0, 0), (10, 1)]


def test_the_server_gets_the_sum_over_clients(engine):
    @tff.federated_computation(tff.FederatedType(DATA, tff.CLIENTS))
    def program(data):
        return tff.federated_sum(tff.federated_map(count_and_total, data))

    result = program(CLIENTS_DATA)
    assert (result["total"], result["count"]) == (16.0, 4)


def test_a_broadcast_value_is_where_the_reduction_starts(engine):
    start = tff.to_type(np.float32)
    step = tff.jax.computation(lambda w, batch: w - jnp.mean(batch["x"]), start, BATCH)

    @tff.federated_computation(
        tff.FederatedType(start, tff.SERVER), tff.FederatedType(DATA, tff.CLIENTS)
    )
    def program(model, data):
        @tff.federated_computation(start, DATA)
        def train(weights, own_data):
            return tff.sequence_reduce(own_data, weights, step)

        return tff.federated_map(train, (tff.federated_broadcast(model), data))

    assert program(100.0, CLIENTS_DATA) == [95.5, 100.0, 90.0]


def test_sequences_are_mapped_and_summed(engine):
    element = tff.to_type(np.int32)

    @tff.federated_computation(tff.SequenceType(element))
    def program(data):
        doubled = tff.sequence_map(tff.jax.computation(lambda x: 2 * x, element), data)
        return tff.sequence_sum(doubled), tff.sequence_sum(data)

    assert program([1, 2, 3]) == (12, 6)
    assert program([]) == (0, 0)


def evaluate(program: tff.Computation, argument, keys=None):
    """Runs a local program on the JAX back end alone, canonical values in and out."""
    node = program.node
    assert isinstance(node, ir.Lambda)
    return backends.get("jax").evaluate_program(random_keys.number_draws(node), argument, keys)


def test_the_back_end_runs_whole_programs():
    @tff.federated_computation(np.float32, DATA)
    def program(weight, data):
        scaled = tff.sequence_map(tff.jax.computation(lambda b: 2 * b["x"], BATCH), data)
        add = portable_computation(lambda total, x: total + x.sum(), np.float32, VECTOR)
        total = tff.sequence_reduce(scaled, weight, add)
        return total, tff.jax.computation(lambda w: 3 * w, np.float32)(weight)

    data = sequences.Sequence.from_elements(
        [(np.ones(3, np.float32),), (np.ones(2, np.float32),)], BATCH
    )
    assert evaluate(program, (np.float32(1.0), data)) == (11.0, 3.0)


VECTOR = tff.TensorType(np.float32, [None])


def test_a_program_passes_on_what_jax_has_no_arrays_for():
    program = tff.federated_computation(
        lambda text, data, x: (text, data, tff.jax.computation(lambda y: y + 1, np.int32)(x)),
        np.str_,
        DATA,
        np.int32,
    )
    data = sequences.Sequence.from_elements([], BATCH)
    assert evaluate(program, (b"text", data, np.int32(1))) == (b"text", data, 2)


def test_a_program_knows_the_random_keys_of_its_client():
    program = tff.federated_computation(
        lambda x: portable_computation(lambda key, y: key + y, (np.int64, [2]), np.int64)(
            local_intrinsics.random_key(), x
        ),
        np.int64,
    )
    keys = np.array([[2**40, 7]], np.int64)
    np.testing.assert_array_equal(evaluate(program, np.int64(1), keys), keys[0] + 1)


def test_results_are_numpy_values_of_the_declared_dtypes():
    program = tff.federated_computation(
        lambda x: portable_computation(lambda y: (y + 1, y > 0), np.int64)(x), np.int64
    )
    larger, is_positive = evaluate(program, np.int64(2**50))
    assert larger.dtype == np.int64
    assert larger == 2**50 + 1
    assert isinstance(is_positive, np.bool_)


ROWS = np.arange(10, dtype=np.float32).reshape(5, 2)
LABELS = np.arange(5, dtype=np.int32)
LABELLED = tff.to_type(
    collections.OrderedDict(
        x=tff.TensorType(np.float32, [None, 2]), y=tff.TensorType(np.int32, [None])
    )
)
EXAMPLE = tff.to_type(collections.OrderedDict(x=tff.TensorType(np.float32, [2]), y=np.int32))


def batches():
    return [{"x": ROWS[i : i + 2], "y": LABELS[i : i + 2]} for i in (0, 2, 4)]


def dataset():
    return tf.data.Dataset.from_tensor_slices(collections.OrderedDict(x=ROWS, y=LABELS))


@tff.jax.computation((np.float32, np.int32), LABELLED)
def add_up(state, batch):
    total, count = state
    return total + jnp.sum(batch["x"][:, 0] * batch["y"]), count + batch["y"].shape[0]


@pytest.mark.parametrize(
    "data",
    [
        batches,
        lambda: iter(batches()),
        lambda: dataset().batch(2),
        lambda: {"x": ROWS, "y": LABELS},
    ],
    ids=["list of batches", "iterator", "dataset", "one batch of columns"],
)
def test_every_form_of_data_is_reduced_with_its_short_last_batch(engine, data):
    @tff.federated_computation(tff.SequenceType(LABELLED))
    def program(sequence):
        return tff.sequence_reduce(sequence, (0.0, 0), add_up)

    assert program(data()) == (60.0, 5)


@pytest.mark.parametrize("data", [[], [{"x": ROWS[:0], "y": LABELS[:0]}]], ids=["none", "empty"])
def test_without_examples_the_state_stays(engine, data):
    @tff.federated_computation(tff.SequenceType(LABELLED))
    def program(sequence):
        return tff.sequence_reduce(sequence, (1.0, 0), add_up)

    assert program(data) == (1.0, 0)


@pytest.mark.parametrize(
    "data", [dataset, lambda: {"x": ROWS, "y": LABELS}], ids=["dataset", "columns"]
)
def test_single_examples_are_reduced(engine, data):
    step = tff.jax.computation(lambda total, e: total + e["x"][0] * e["y"], np.float32, EXAMPLE)

    @tff.federated_computation(tff.SequenceType(EXAMPLE))
    def program(sequence):
        return tff.sequence_reduce(sequence, 0.0, step)

    assert program(data()) == 60.0


def test_mapped_elements_keep_their_containers(engine):
    @tff.federated_computation(tff.SequenceType(EXAMPLE))
    def program(sequence):
        return tff.sequence_map(
            tff.jax.computation(lambda e: {"sum": jnp.sum(e["x"])}, EXAMPLE), sequence
        )

    assert program(dataset()) == [{"sum": total} for total in (1.0, 5.0, 9.0, 13.0, 17.0)]


def test_elements_of_unknown_sizes_are_summed(engine):
    double = tff.jax.computation(lambda v: 2 * v, VECTOR)

    @tff.federated_computation(tff.SequenceType(VECTOR))
    def program(sequence):
        return tff.sequence_sum(tff.sequence_map(double, sequence))

    np.testing.assert_array_equal(program([[1.0, 2.0], [3.0, 4.0]]), [8.0, 12.0])
    with pytest.raises(TypeError, match="values of different shapes cannot be added"):
        program([[1.0, 2.0], [3.0]])
    with pytest.raises(TypeError, match="needs a type whose shapes are known"):
        program([])
