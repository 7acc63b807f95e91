"""What clients report of results that were not finite: who of a chunk did, and who is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.compiler import compilation, non_finite_reports, plan
from tensorflow_federated.core import local_intrinsics, traversal
from tensorflow_federated.execution import folds

AT_CLIENTS = tff.FederatedType(np.bool_, tff.CLIENTS)
AGGREGATE = non_finite_reports.aggregate(traversal.FreshNames([]))
report = tff.federated_computation(local_intrinsics.reported_non_finite, np.bool_)


@tff.federated_computation(np.bool_)
def report_and_go_on(flag):
    local_intrinsics.reported_non_finite(flag)
    return np.float32(1)


def accumulated(reports):
    fold = folds.fold_of(AGGREGATE)
    state = fold.zero(None)
    for each in reports:
        state = fold.accumulate(state, np.bool_(each))
        assert non_finite_reports.is_last(state) == each
    return state


@given(st.lists(st.booleans(), max_size=64))
def test_it_is_known_who_of_a_chunk_reported(reports):
    expected = [position for position, each in enumerate(reports) if each]
    assert non_finite_reports.positions(accumulated(reports), len(reports)) == expected


@given(st.lists(st.booleans(), min_size=65, max_size=140))
def test_of_a_longer_chunk_it_is_known_whether_anybody_did(reports):
    found = non_finite_reports.positions(accumulated(reports), len(reports))
    assert found == (None if any(reports) else [])


@pytest.mark.usefixtures("engine")
def test_a_report_gives_its_argument_back():
    @tff.federated_computation(AT_CLIENTS, tff.FederatedType(np.bool_, tff.SERVER))
    def reports(at_clients, at_server):
        return tff.federated_map(report, at_clients), tff.federated_map(report, at_server)

    assert reports([True, False], True) == ([True, False], True)


@pytest.mark.parametrize("function", [report, report_and_go_on])
def test_the_engine_is_told_though_nothing_else_uses_the_report(function):
    @tff.federated_computation(AT_CLIENTS)
    def total(flags):
        counted = tff.jax.computation(lambda flag: np.float32(1), np.bool_)
        return tff.federated_sum(tff.federated_map(counted, flags)), tff.federated_map(
            function, flags
        )

    total([False, True, True])
    failures = tff.framework.get_context_stack().current.last_failures
    assert [each.client_index for each in failures] == [1, 2]


def test_no_report_leaves_a_client():
    @tff.federated_computation(AT_CLIENTS)
    def ones(flags):
        return tff.federated_sum(tff.federated_map(report_and_go_on, flags))

    compiled = compilation.compile_computation(ones.node, check=True)
    [step] = [each for each in compiled.steps if isinstance(each, plan.ClientStep)]
    assert [each.kind for each in step.aggregates] == ["sum", "non_finite"]
    assert [each.type_signature for each in tff.explain(ones).sent_by_clients] == [
        tff.TensorType(np.float32)
    ]
