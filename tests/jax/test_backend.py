"""What the JAX back end keeps, and what it gives up again."""

from __future__ import annotations

import gc
import weakref

import numpy as np

import tensorflow_federated as tff
from tensorflow_federated.execution import backends


def run_and_drop() -> list[weakref.ref[object]]:
    """Runs a computation and a program that nothing else refers to."""
    backend = backends.get("jax")
    computation = tff.jax.computation(lambda x: x + 1, np.int32)
    program = tff.federated_computation(lambda x: computation(x), np.int32)
    assert backend.evaluate(computation.node.computation, np.int32(1)) == 2
    assert backend.evaluate_program(program.node, np.int32(2), None) == 3
    return [weakref.ref(computation.node.computation), weakref.ref(program.node)]


def test_what_is_compiled_lives_as_long_as_its_computation():
    dropped = run_and_drop()
    gc.collect()
    assert [node() for node in dropped] == [None, None]


def test_a_computation_is_traced_once_for_each_shape():
    traces = []

    def count_traces(x):
        traces.append(x.shape)
        return x.sum()

    computation = tff.jax.computation(count_traces, tff.TensorType(np.float32, [None]))
    traces.clear()
    for size in (2, 3, 2, 3, 2):
        assert computation(np.ones(size, np.float32)) == size
    assert traces == [(2,), (3,)]


def test_nothing_is_traced_again_in_the_next_call():
    traces = []

    def count_traces(total, batch):
        traces.append(batch.shape)
        return total + batch.sum()

    batch_type = tff.TensorType(np.float32, [None])
    step = tff.jax.computation(count_traces, np.float32, batch_type)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(batch_type), tff.CLIENTS))
    def program(data):
        reduce = tff.federated_computation(
            lambda own: tff.sequence_reduce(own, 0.0, step), tff.SequenceType(batch_type)
        )
        return tff.federated_sum(tff.federated_map(reduce, data))

    full, short = np.ones(4, np.float32), np.ones(1, np.float32)
    traces.clear()
    assert program([[full, full, short], [full], [short, full]]) == 18.0
    assert traces
    traces.clear()
    assert program([[full, full, short], [full], [short, full]]) == 18.0
    assert not traces
