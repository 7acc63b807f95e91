"""Client steps as one XLA program give what the reference engine gives, client after client."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import errors, local_intrinsics
from tensorflow_federated.execution import sequences
from tensorflow_federated.jax import portable_computation

from .client_steps import (
    BATCH,
    DATA,
    LANES,
    SIZES,
    START,
    STATE,
    assert_as_reference,
    averaging,
    batches_of,
    compiled_context,
    run_in,
    training_step,
)


@pytest.mark.parametrize("lanes", [None, 3])
def test_ragged_batches_with_a_mask_and_clients_without_data(compilations, lanes):
    program = averaging(training_step(has_mask=True))
    assert_as_reference(program, START, [batches_of(size) for size in SIZES], lanes=lanes)
    assert compilations()


@LANES
def test_batches_of_one_size_without_a_mask(compilations, lanes):
    program = averaging(training_step(has_mask=False))
    data = [batches_of(3 * count) for count in (2, 0, 1, 5, 3)]
    assert_as_reference(program, START, data, lanes=lanes)
    assert compilations()


def test_no_client_has_data():
    program = averaging(training_step(has_mask=True))
    assert_as_reference(program, START, [[], [], []])


def test_a_batch_may_have_no_rows():
    empty = {"x": np.zeros((0, 3), np.float32), "y": np.zeros(0, np.float32)}
    program = averaging(training_step(has_mask=True))
    assert_as_reference(program, START, [[empty], [*batches_of(5), empty], [empty, *batches_of(2)]])


def test_rows_that_do_not_count_are_never_those_of_another_client():
    spoilt = [{"x": np.full((3, 3), np.nan, np.float32), "y": np.zeros(3, np.float32)}]

    step = training_step(has_mask=True)
    kept = tff.jax.computation(
        lambda state: jnp.where(jnp.isnan(state["weights"]["w"]), 0.0, state["weights"]["w"]),
        STATE,
    )

    @tff.federated_computation(tff.FederatedType(DATA, tff.CLIENTS))
    def program(data):
        @tff.federated_computation(DATA)
        def work(batches):
            zero = portable_computation(
                lambda: collections.OrderedDict(
                    weights=collections.OrderedDict(w=np.float32([1, 2, 3]), b=np.float32(0)),
                    examples=np.float32(0),
                )
            )
            return kept(tff.sequence_reduce(batches, zero(), step))

        return tff.federated_sum(tff.federated_map(work, data))

    assert_as_reference(program, [batches_of(4), spoilt])


STORE_ROWS = 50


def store_sequence(rows, batch_size, store=None):
    x, y = store or (
        np.random.default_rng(0).standard_normal((STORE_ROWS, 3)).astype(np.float32),
        np.arange(STORE_ROWS, dtype=np.float32) / STORE_ROWS,
    )
    offsets = np.minimum(np.arange(0, len(rows) + batch_size, batch_size), len(rows))
    return sequences.Sequence.from_columns((x, y), offsets, BATCH, rows=np.asarray(rows))


@LANES
def test_clients_whose_rows_are_in_one_store(lanes):
    rng = np.random.default_rng(1)
    store = (
        rng.standard_normal((STORE_ROWS, 3)).astype(np.float32),
        rng.standard_normal(STORE_ROWS).astype(np.float32),
    )
    data = [
        store_sequence(np.arange(7), 3, store),
        store_sequence(np.arange(44, 50), 3, store),
        store_sequence(rng.permutation(50)[:11], 3, store),
        store_sequence(np.array([4, 4, 4, 5]), 3, store),
        store_sequence(np.arange(0), 3, store),
    ]
    program = averaging(training_step(has_mask=True))
    assert_as_reference(program, START, data, lanes=lanes)


def copy_of(sequence):
    columns = sequence.columns().gathered()
    return sequences.Sequence.from_columns(columns.leaves, columns.offsets, BATCH)


@pytest.mark.slow
def test_where_rows_lie_does_not_change_a_bit():
    program = averaging(training_step(has_mask=True))
    rng = np.random.default_rng(1)
    store = (
        rng.standard_normal((STORE_ROWS, 3)).astype(np.float32),
        rng.standard_normal(STORE_ROWS).astype(np.float32),
    )
    rows = [rng.permutation(50)[:size] for size in SIZES]
    in_store = [store_sequence(each, 3, store) for each in rows]
    copied = [copy_of(each) for each in in_store]
    found = [run_in(compiled_context(), program, START, data) for data in (in_store, copied)]
    jax.tree.map(np.testing.assert_array_equal, *found)


def test_nothing_is_compiled_again_when_cohorts_change(compilations):
    program = averaging(training_step(has_mask=True))
    rng = np.random.default_rng(0)

    def cohort():
        sizes = np.clip(rng.lognormal(np.log(100) - 0.32, 0.8, rng.integers(80, 121)), 5, 1000)
        return [batches_of(int(size), batch_size=20) for size in sizes]

    with context_stack.install(compiled_context()):
        for _ in range(3):
            program(START, cohort())
        before = compilations()
        for _ in range(12):
            program(START, cohort())
    assert before <= 3
    assert compilations() == before


@pytest.mark.slow
def test_a_result_does_not_depend_on_what_came_before():
    program = averaging(training_step(has_mask=True))
    data = [batches_of(size, batch_size=5) for size in (4, 5, 9, 3)]
    fresh = run_in(compiled_context(), program, START, data)
    context = compiled_context()
    run_in(context, program, START, [batches_of(size, batch_size=40) for size in (90, 33)])
    again = run_in(context, program, START, data)
    jax.tree.map(np.testing.assert_array_equal, fresh, again)


@LANES
def test_elements_of_known_shape_are_mapped_reduced_and_summed(lanes):
    element = tff.to_type((np.int32, (np.float32, [2])))
    scaled = tff.jax.computation(lambda e: e[0] * e[1], element)
    add = tff.jax.computation(
        lambda total, x: total * 0.5 + x, (np.float32, [2]), (np.float32, [2])
    )
    first = tff.jax.computation(lambda e: e[0], element)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(element), tff.CLIENTS))
    def program(data):
        @tff.federated_computation(tff.SequenceType(element))
        def work(own):
            mapped = tff.sequence_map(scaled, own)
            return (
                tff.sequence_reduce(mapped, np.float32([0, 0]), add),
                tff.sequence_sum(mapped),
                tff.sequence_sum(tff.sequence_map(first, own)),
            )

        return tff.federated_sum(tff.federated_map(work, data))

    data = [[(i, np.float32([i, client])) for i in range(client)] for client in (3, 0, 5, 1)]
    assert_as_reference(program, data, lanes=lanes)


@LANES
def test_clients_without_sequences(lanes):
    square = tff.jax.computation(lambda x, scale: x**2 * scale, np.float32, np.float32)

    @tff.federated_computation(
        tff.FederatedType(np.float32, tff.CLIENTS), tff.FederatedType(np.float32, tff.SERVER)
    )
    def program(x, scale):
        return tff.federated_sum(tff.federated_map(square, (x, tff.federated_broadcast(scale))))

    assert_as_reference(program, [1.0, 2.0, 3.0, -4.0, 5.0], 0.5, lanes=lanes)


@LANES
def test_random_keys_are_those_of_the_client(lanes):
    draw = tff.jax.computation(
        lambda key, x: jax.random.normal(jax.random.key(key[0].astype(jnp.uint32)), [2]) * x,
        (np.int64, [2]),
        np.float32,
    )

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def program(x):
        work = tff.federated_computation(
            lambda own: draw(local_intrinsics.random_key(), own), np.float32
        )
        return tff.federated_sum(tff.federated_map(work, x))

    assert_as_reference(program, [1.0, 2.0, 3.0], lanes=lanes)


@LANES
def test_values_are_folded_by_functions(lanes):
    zero = tff.jax.computation(lambda: (jnp.zeros(2), jnp.float32(-jnp.inf)))
    total = zero.type_signature.result
    accumulate = tff.jax.computation(
        lambda total, x: (total[0] + x**2, jnp.maximum(total[1], x.sum())),
        total,
        (np.float32, [2]),
    )
    merge = tff.jax.computation(lambda a, b: (a[0] + b[0], jnp.maximum(a[1], b[1])), total, total)
    report = tff.jax.computation(lambda total: total, total)
    double = tff.jax.computation(lambda x: 2 * x, (np.float32, [2]))

    @tff.federated_computation(tff.FederatedType((np.float32, [2]), tff.CLIENTS))
    def program(x):
        return tff.federated_aggregate(
            tff.federated_map(double, x), zero(), accumulate, merge, report
        )

    assert_as_reference(program, [np.float32([i, -i]) for i in range(3)], lanes=lanes)


def test_64_bits_are_kept_where_they_are_asked_for():
    add = tff.jax.computation(lambda total, x: total + x, np.int64, np.int64)
    narrow = tff.jax.computation(lambda x: x * 0.5, np.float32)

    @tff.federated_computation(
        tff.FederatedType(tff.SequenceType(np.int64), tff.CLIENTS),
        tff.FederatedType(np.float32, tff.CLIENTS),
    )
    def program(data, x):
        reduce = tff.federated_computation(
            lambda own: tff.sequence_reduce(own, np.int64(2**40), add), tff.SequenceType(np.int64)
        )
        return (
            tff.federated_sum(tff.federated_map(reduce, data)),
            tff.federated_sum(tff.federated_map(narrow, x)),
        )

    assert_as_reference(program, [[2**41, 1], [], [5]], [1.0, 3.0, 5.0])


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.float16, np.complex64])
def test_other_dtypes(dtype):
    keep = tff.jax.computation(lambda x: x, dtype)

    @tff.federated_computation(tff.FederatedType(dtype, tff.CLIENTS))
    def program(x):
        return tff.federated_sum(tff.federated_map(keep, x))

    assert_as_reference(program, [dtype(1), dtype(0), dtype(1)])


def federated_selection():
    select = tff.jax.computation(lambda table, key: table[key], (np.float32, [5, 2]), np.int32)
    add = tff.jax.computation(lambda total, row: total + row, (np.float32, [2]), (np.float32, [2]))

    @tff.federated_computation(
        tff.FederatedType((np.float32, [5, 2]), tff.SERVER),
        tff.FederatedType((np.int32, [3]), tff.CLIENTS),
    )
    def program(table, keys):
        max_key = tff.federated_value(np.int32(5), tff.SERVER)
        slices = tff.federated_select(keys, max_key, table, select)
        reduce = tff.federated_computation(
            lambda own: tff.sequence_reduce(own, np.float32([0, 0]), add),
            tff.SequenceType((np.float32, [2])),
        )
        return tff.federated_sum(tff.federated_map(reduce, slices))

    return program


TABLE = np.arange(10, dtype=np.float32).reshape(5, 2)


@LANES
def test_slices_are_selected_by_keys(compilations, lanes):
    keys = [np.int32([0, 4, 4]), np.int32([1, 2, 3]), np.int32([3, 3, 3])]
    assert_as_reference(federated_selection(), TABLE, keys, lanes=lanes)
    assert compilations()


def test_a_key_that_is_not_offered_is_an_error():
    keys = [np.int32([0, 4, 4]), np.int32([1, 5, 3])]
    with pytest.raises(errors.ClientError, match="got 5"):
        run_in(compiled_context(), federated_selection(), TABLE, keys)


def summed(computation):
    """The sum over the clients of a computation on what each has."""
    parameter = computation.type_signature.parameter

    @tff.federated_computation(tff.FederatedType(parameter, tff.CLIENTS))
    def program(data):
        return tff.federated_sum(tff.federated_map(computation, data))

    return program


def reason_of(program, *arguments) -> str:
    with pytest.raises(Exception, match="cannot be compiled") as caught:
        run_in(compiled_context(), program, *arguments)
    return str(caught.value)


def test_the_reason_is_told_where_a_step_is_not_compiled():
    vector = tff.TensorType(np.float32, [None])
    norm = tff.jax.computation(lambda x: jnp.sum(x**2), vector)
    assert "the shapes of the clients' values are not known" in reason_of(
        summed(norm), [np.ones(2, np.float32)]
    )
    longer = tff.jax.computation(lambda total, x: jnp.concatenate([total, x]), vector, vector)
    size = tff.jax.computation(lambda x: jnp.sum(x), vector)
    start = tff.jax.computation(lambda: jnp.zeros(0))

    @tff.federated_computation(tff.SequenceType(vector))
    def growing(own):
        return size(tff.sequence_reduce(own, start(), longer))

    assert "the size of what is reduced over its data is not known" in reason_of(
        summed(growing), [[np.ones(2, np.float32)]]
    )
    keep = tff.jax.computation(lambda x: 2 * x, np.float32)

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def kept(x):
        return tff.federated_map(keep, x)

    assert "it keeps values at the clients" in reason_of(kept, [1.0])


@pytest.mark.slow
def test_the_same_bits_for_any_number_of_threads():
    program = averaging(training_step(has_mask=True))
    data = [batches_of(size, batch_size=4) for size in range(40)]
    one, five = (
        run_in(compiled_context(threads=threads), program, START, data) for threads in (1, 5)
    )
    jax.tree.map(np.testing.assert_array_equal, one, five)
