"""Steps without a masked form over batches of several sizes: in stages, as if client by client."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack

from .client_steps import (
    START,
    assert_as_reference,
    averaging,
    batches_of,
    compiled_context,
    run_in,
    training_step,
)


def test_batches_of_many_sizes_in_any_order(compilations):
    program = averaging(training_step(has_mask=False))
    epochs = [2 * batches_of(size) for size in (5, 4, 6, 1)]
    mixed = [batch for size in (1, 2, 3) for batch in batches_of(2 * size, batch_size=size)]
    assert_as_reference(program, START, [*epochs, mixed, []])
    assert compilations()


@pytest.mark.slow
def test_more_clients_than_go_through_at_a_time():
    program = averaging(training_step(has_mask=False))
    data = [batches_of(3 + size % 3) for size in range(20)]
    assert_as_reference(program, START, data, lanes=20)


@pytest.mark.slow
def test_the_same_bits_for_any_number_of_threads():
    program = averaging(training_step(has_mask=False))
    data = [batches_of(3 + size % 7) for size in range(24)]
    one, five = (
        run_in(compiled_context(threads=threads), program, START, data) for threads in (1, 5)
    )
    jax.tree.map(np.testing.assert_array_equal, one, five)


@pytest.mark.slow
def test_a_program_is_compiled_for_each_size_once(compilations):
    program = averaging(training_step(has_mask=False))
    rng = np.random.default_rng(0)

    def cohort():
        return [batches_of(int(size)) for size in [4, 5, 6, *rng.integers(1, 30, 5)]]

    with context_stack.install(compiled_context(threads=1)):
        for _ in range(3):
            program(START, cohort())
        before = compilations()
        for _ in range(5):
            program(START, cohort())
    assert compilations() == before


@pytest.mark.slow
def test_several_loops_over_one_sequence_and_over_two():
    numbers = tff.TensorType(np.float32, [None])
    add = tff.jax.computation(lambda total, x: total + x.sum(), np.float32, numbers)
    decay = tff.jax.computation(lambda state, x: 0.5 * state + x.mean(), np.float32, numbers)
    scaled = tff.jax.computation(lambda x: 3 * x, numbers)

    @tff.federated_computation(
        tff.FederatedType(tff.SequenceType(numbers), tff.CLIENTS),
        tff.FederatedType(tff.SequenceType(numbers), tff.CLIENTS),
    )
    def program(first, second):
        @tff.federated_computation(tff.SequenceType(numbers), tff.SequenceType(numbers))
        def work(own, other):
            total = tff.sequence_reduce(own, 0.0, add)
            mixed = tff.sequence_reduce(tff.sequence_map(scaled, other), total, decay)
            return tff.sequence_reduce(own, mixed, decay), total

        return tff.federated_sum(tff.federated_map(work, (first, second)))

    def batches(*sizes):
        return [np.arange(size, dtype=np.float32) + size for size in sizes]

    ragged = [batches(4, 4, 1), batches(), batches(2), batches(4, 3)]
    even = [batches(2, 2), batches(2), batches(), batches(2)]
    assert_as_reference(program, even, ragged)
    assert_as_reference(program, ragged, ragged[::-1])
