"""The forms of a round compute what the round computes: drawn programs, on drawn data."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.compiler import normal_forms
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import ir, traversal, trees
from tensorflow_federated.execution import contexts

mapreduce = tff.backends.mapreduce


def assert_same(actual: Any, expected: Any) -> None:
    """Checks that two results are equal, with their containers and dtypes."""
    trees.map_structure(np.testing.assert_array_equal, expected, actual)
    trees.map_structure(lambda x, y: _assert_equal(x.dtype, y.dtype), expected, actual)
    assert repr(actual) == repr(expected)


def _assert_equal(x: Any, y: Any) -> None:
    assert x == y


def through_map_reduce_form(computation: tff.Computation) -> tff.Computation:
    form = mapreduce.get_map_reduce_form_for_computation(computation)
    return mapreduce.get_computation_for_map_reduce_form(form)


def through_distribute_aggregate_form(computation: tff.Computation) -> tff.Computation:
    form = mapreduce.get_distribute_aggregate_form_for_computation(computation)
    return mapreduce.get_computation_for_distribute_aggregate_form(form)


THROUGH = [through_map_reduce_form, through_distribute_aggregate_form]
# No fixture: Hypothesis runs all examples of a test under one.
ENGINES = [contexts.create_local_context, contexts.create_reference_context]


def run_by_hand(form: Any, state: Any, clients: list[Any], cohorts: list[range]) -> Any:
    """Runs a form without secure sums as a system would: cohort by cohort."""
    sent = form.prepare(state)
    accumulators = []
    for cohort in cohorts:
        accumulator = form.zero()
        for client in cohort:
            accumulator = form.accumulate(accumulator, form.work(clients[client], sent)[0])
        accumulators.append(accumulator)
    merged = accumulators[0]
    for each in accumulators[1:]:
        merged = form.merge(merged, each)
    return form.update(state, (form.report(merged), (), (), ()))


@pytest.mark.parametrize(
    ("through", "create_context"),
    [
        pytest.param(*each, marks=pytest.mark.slow if number else ())
        for number, each in enumerate(itertools.product(THROUGH, ENGINES))
    ],
)
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=60)
def test_a_form_computes_what_the_round_computes(
    through, create_context, data, draw_round, draw_value
):
    original = draw_round(data.draw, secure=True)
    state_type, data_type = (each for _, each in original.type_signature.parameter.items())
    state = draw_value(data.draw, state_type, 0)
    clients = draw_value(data.draw, data_type, data.draw(st.integers(0, 9), label="clients"))
    again = through(original)
    assert again.type_signature.is_identical_to(original.type_signature)
    with context_stack.install(create_context(seed=0)):
        assert_same(again(state, clients), original(state, clients))


@pytest.mark.slow
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=60)
def test_the_parts_by_hand_give_the_same_in_any_grouping(data, draw_round, draw_value):
    original = draw_round(data.draw, secure=False)
    state_type, data_type = (each for _, each in original.type_signature.parameter.items())
    hypothesis.assume(not data_type.all_equal)
    client_count = data.draw(st.integers(1, 7))
    state = draw_value(data.draw, state_type, 0)
    clients = draw_value(data.draw, data_type, client_count)
    cuts = sorted(data.draw(st.lists(st.integers(0, client_count), max_size=3), label="cuts"))
    bounds = [0, *cuts, client_count]
    cohorts = [range(first, last) for first, last in itertools.pairwise(bounds)]
    form = mapreduce.get_map_reduce_form_for_computation(original)
    with context_stack.install(contexts.create_reference_context(seed=0)):
        by_hand = run_by_hand(form, state, clients, cohorts)
        assert_same(by_hand, original(state, clients))


def count_of_work(nodes: Iterable[ir.Node]) -> collections.Counter[str]:
    """How often each operation is called; placing a value and sending it is no work."""
    found: collections.Counter[str] = collections.Counter()
    for node in nodes:
        for each in traversal.iterate(node):
            if isinstance(each, ir.Call):
                found[str(each.function)] += 1
    for uri in ("value_at_server", "value_at_clients", "broadcast", "zip_at_server"):
        del found[f"federated_{uri}"]
    return found


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=60)
def test_a_distribute_aggregate_form_computes_nothing_twice(data, draw_round):
    original = draw_round(data.draw, secure=True)
    form = mapreduce.get_distribute_aggregate_form_for_computation(original)
    parts = [
        form.server_prepare,
        form.server_to_client_broadcast,
        form.client_work,
        form.client_to_server_aggregation,
        form.server_result,
    ]
    program = normal_forms.to_simple(original.to_building_block())
    in_parts = count_of_work(each.to_building_block() for each in parts)
    assert in_parts == count_of_work([program])
