"""Clients that are left out of compiled steps: the others give what they give without them."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.core import errors
from tensorflow_federated.execution import backends, reduction, sequences, sums
from tensorflow_federated.execution.settings import Settings

from .client_steps import (
    BATCH,
    START,
    averaging,
    batches_of,
    compiled_context,
    run_in,
    training_step,
)

COUNT = 17
BAD = (4, 5, 10)


def data_with(bad):
    """The data of clients of few batches; some of them get NaN instead of labels."""
    data = [batches_of(1 + 5 * client % 11) for client in range(COUNT)]
    for client in bad:
        for batch in data[client]:
            batch["y"] = np.full_like(batch["y"], np.nan)
    return data


@pytest.mark.slow
@pytest.mark.parametrize("has_mask", [True, False])
def test_those_that_are_left_give_the_bits_of_their_chunks_without_the_others(has_mask):
    program = averaging(training_step(has_mask))
    found = run_in(
        compiled_context(on_client_failure="drop", non_finite="fail", threads=2),
        program,
        START,
        data_with(BAD),
    )
    # Each chunk without those that failed, as a cohort that is one chunk; then what merges them.
    data = data_with(())
    left = [[i for i in chunk if i not in BAD] for chunk in reduction.chunks(COUNT)]
    tree = reduction.Tree(len(left), lambda a, b: b if a is None else a if b is None else add(a, b))
    context = compiled_context(threads=1)
    for index, clients in enumerate(left):
        tree.add(
            index,
            run_as_one_chunk(context, program, [data[i] for i in clients]) if clients else None,
        )
    jax.tree.map(np.testing.assert_array_equal, found, tree.result)


def add(first, second):
    return jax.tree.map(np.add, first, second)


def run_as_one_chunk(context, program, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduction, "chunk_size", lambda size, lanes=None: max(size, 1))
        return run_in(context, program, START, data)


def test_numbers_that_are_not_finite_name_the_client():
    program = averaging(training_step(has_mask=True))
    with pytest.raises(errors.ClientError) as raised:
        run_in(compiled_context(non_finite="fail"), program, START, data_with(BAD))
    assert raised.value.client_index == BAD[0]


@pytest.mark.parametrize("has_mask", [True, False])
def test_a_chunk_starts_from_the_totals_that_it_is_given(has_mask):
    program = averaging(training_step(has_mask))
    (step,) = [
        each
        for each in compilation.compile_computation(program.node).steps
        if isinstance(each, plan.ClientStep)
    ]
    compiled = backends.get("jax").compile_client_step(step, Settings(client_form="compiled"))
    assert not isinstance(compiled, backends.NotCompiled)
    broadcast = compiled.place([(START["w"], START["b"])])
    zeros = [sums.zeros(each.value_type) for each in step.aggregates]
    clients = [client_with(3 * size + 1) for size in range(1, 7)]

    def totals_of(start, some):
        keys = np.zeros([len(some), 0, 2], np.int64)
        return compiled.run(broadcast, start, compiled.prepare([some]), keys)

    together = totals_of(zeros, clients)
    one_by_one = zeros
    for client in clients:
        one_by_one = totals_of(one_by_one, [client])
    jax.tree.map(np.testing.assert_array_equal, tuple(one_by_one), together)


def client_with(size):
    batches = [(each["x"], each["y"]) for each in batches_of(size)]
    return sequences.Sequence.from_elements(batches, BATCH)
