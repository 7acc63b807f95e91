"""`tff.templates.EstimationProcess`: a state that can be reported from."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.templates import errors

computation = tff.jax.computation

zero = computation(lambda: 0)
add = computation(lambda state, x: state + x, np.int32, np.int32)
as_float = computation(lambda state: state / 2, np.int32)
process = tff.templates.EstimationProcess(zero, add, as_float)


def test_report_gives_the_estimate_of_a_state(engine):
    state = process.next(process.initialize(), 5)
    assert process.report(state) == 2.5


def test_map_changes_what_is_reported_and_nothing_else(engine):
    mapped = process.map(computation(lambda estimate: (estimate, -estimate), np.float32))
    assert str(mapped.report.type_signature) == "(int32 -> <float32,float32>)"
    assert mapped.next is process.next
    assert mapped.report(4) == (2.0, -2.0)


def test_a_federated_report_is_mapped_by_a_federated_computation(engine):
    federated = tff.templates.EstimationProcess(
        tff.federated_computation(lambda: tff.federated_value(0, tff.SERVER)),
        tff.federated_computation(lambda state: state, tff.FederatedType(np.int32, tff.SERVER)),
        tff.federated_computation(
            lambda state: tff.federated_map(as_float, state),
            tff.FederatedType(np.int32, tff.SERVER),
        ),
    )
    negate = computation(lambda x: -x, np.float32)
    mapped = federated.map(
        tff.federated_computation(
            lambda x: tff.federated_map(negate, x), tff.FederatedType(np.float32, tff.SERVER)
        )
    )
    assert mapped.report(3) == -1.5


@pytest.mark.parametrize(
    ("report_fn", "error"),
    [
        (computation(lambda state: state, np.float32), errors.TemplateStateNotAssignableError),
        (zero, errors.TemplateStateNotAssignableError),
        (add, errors.TemplateStateNotAssignableError),
        (lambda state: state, errors.TemplateNotComputationError),
    ],
)
def test_report_has_to_take_the_state(report_fn, error):
    with pytest.raises(error, match="`report_fn` must"):
        tff.templates.EstimationProcess(zero, add, report_fn)


@pytest.mark.parametrize(
    ("map_fn", "error"),
    [
        (computation(lambda x: x, np.int32), errors.EstimateNotAssignableError),
        (add, errors.EstimateNotAssignableError),
        (zero, errors.EstimateNotAssignableError),
        (lambda x: x, errors.TemplateNotComputationError),
    ],
)
def test_map_has_to_take_the_estimate(map_fn, error):
    with pytest.raises(error, match="`map_fn` must"):
        process.map(map_fn)
