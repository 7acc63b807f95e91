"""Noise of the server in the forms that platforms take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.backends import mapreduce, mergeable
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import local_intrinsics
from tensorflow_federated.execution import contexts
from tensorflow_federated.jax import portable_computation

VECTOR = tff.TensorType(np.float32, [2])
KEY = tff.TensorType(np.int64, [2])
VALUES = [[0.1, 0.2], [0.3, 0.4]]


@pytest.fixture(scope="module")
def private() -> Any:
    return tff.aggregators.DifferentiallyPrivateFactory.gaussian_fixed(1.0, 2.0, 1.0).create(VECTOR)


@pytest.fixture(scope="module")
def one_round(private) -> Any:
    """A round of a private sum, as MapReduce forms take it."""
    state_type = private.initialize.type_signature.result

    @tff.federated_computation(state_type, tff.FederatedType(VECTOR, tff.CLIENTS))
    def one_round(state, value):
        output = private.next(state, value)
        return output.state, output.result

    return one_round


FORMS = {
    "map reduce": lambda comp: mapreduce.get_computation_for_map_reduce_form(
        mapreduce.get_map_reduce_form_for_computation(comp)
    ),
    "distribute aggregate": lambda comp: mapreduce.get_computation_for_distribute_aggregate_form(
        mapreduce.get_distribute_aggregate_form_for_computation(comp)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_private_sum_has_the_noise_that_it_has_without_a_form(private, one_round, form):
    state = private.initialize()
    again = FORMS[form](one_round)
    results = []
    for comp in (one_round, again):
        with context_stack.install(contexts.create_local_context(seed=3)):
            results.append([comp(state, VALUES)[1] for _ in range(2)])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    assert not np.array_equal(results[0][0], results[0][1])


def test_a_private_sum_in_subrounds_has_noise_once(private):
    parts = [contexts.create_local_context(seed=seed) for seed in (1, 2)]
    context = mergeable.MergeableCompExecutionContext(
        parts, compiler_fn=mergeable.compile_to_mergeable_comp_form
    )
    with context_stack.install(context):
        first = private.next(private.initialize(), VALUES).result
        second = private.next(private.initialize(), VALUES).result
    # The noise of half the sum has a standard deviation of a half: 5 of these are a mistake.
    np.testing.assert_allclose(first, [0.2, 0.3], atol=2.5)
    assert not np.array_equal(first, second)


@tff.federated_computation
def draw():
    return local_intrinsics.server_random_key()


@tff.federated_computation(
    tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
)
def one_key_for_all(state, values):
    """Sends a key to the clients, and returns it too."""
    key = tff.federated_eval(draw, tff.SERVER)
    first = portable_computation(lambda key, value: key, KEY, np.int32)
    keys = tff.federated_map(first, (tff.federated_broadcast(key), values))
    return state, tff.federated_zip((tff.federated_sum(keys), key))


def test_a_key_that_is_kept_is_the_same_before_and_after_the_clients():
    comp = FORMS["distribute aggregate"](one_key_for_all)
    total, key = comp(1, [1])[1]
    np.testing.assert_array_equal(total, key)


TWICE: dict[str, Any] = {
    "map reduce": FORMS["map reduce"],
    "mergeable": mergeable.compile_to_mergeable_comp_form,
}


@pytest.mark.parametrize("form", TWICE)
def test_a_key_that_would_be_drawn_twice_is_refused(form, golden):
    with pytest.raises(ValueError, match="random key of the server") as caught:
        TWICE[form](one_key_for_all)
    golden.check(form, str(caught.value))
