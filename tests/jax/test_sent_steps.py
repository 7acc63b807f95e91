"""JAX client steps as other processes get them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.compiler import plan
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import backend, exported_functions

DEFAULT = Settings()


def client_step(function, parameter=np.float32) -> plan.ClientStep:
    """A step of one computation of each client's value, whose results are added up."""
    computation = tff.jax.computation(function, parameter)
    argument = ir.Reference("x", computation.type_signature.parameter)
    body = ir.Lambda(
        "x", argument.type_signature, ir.Struct(((None, ir.Call(computation.node, argument)),))
    )
    result = computation.type_signature.result
    output = plan.Slot("total", result)
    return plan.ClientStep(
        (), (plan.Slot("x", parameter),), body, (), (plan.Aggregate(output, "sum", result),)
    )


def computations(step: plan.ClientStep):
    return [
        node.computation
        for program in step.programs
        for node in traversal.iterate(program)
        if isinstance(node, ir.Local)
    ]


@pytest.fixture
def jax_backend():
    return backend.JaxBackend()


def sent(jax_backend, step, settings=DEFAULT, *, is_sent=False):
    return jax_backend.as_sent(step, settings, is_sent)


def test_this_process_runs_what_others_get(jax_backend):
    step = sent(jax_backend, client_step(jnp.sin))
    assert all(map(exported_functions.is_exported, computations(step)))


def test_a_step_is_made_once(jax_backend):
    step = client_step(jnp.sin)
    assert sent(jax_backend, step) is sent(jax_backend, step, is_sent=True)


def test_what_was_sent_stays_what_it_is(jax_backend):
    step = sent(jax_backend, client_step(jnp.sin))
    again = sent(jax_backend, step)
    assert [each.function for each in computations(again)] == [
        each.function for each in computations(step)
    ]


def test_options_of_jax_are_kept_apart(jax_backend):
    step = client_step(lambda x: x @ x, tff.TensorType(np.float32, [2, 2]))
    with jax.default_matmul_precision("highest"):
        precise = sent(jax_backend, step)
        assert sent(jax_backend, step) is precise
    assert sent(jax_backend, step) is not precise


def test_whoever_debugs_runs_the_function_itself(jax_backend):
    step = client_step(jnp.sin)
    with jax.debug_nans(True):
        assert sent(jax_backend, step) is step
        assert sent(jax_backend, step, is_sent=True) is not step


def test_clients_side_by_side_run_the_function_itself(jax_backend):
    step = client_step(jnp.sin)
    assert sent(jax_backend, step, Settings(lanes=4)) is step


def test_a_function_that_cannot_be_sent_stays_as_it_is(jax_backend):
    def printing(x):
        jax.debug.print("{}", x)
        return x

    step = client_step(printing)
    assert [each.function for each in computations(sent(jax_backend, step))] == [
        each.function for each in computations(step)
    ]


def test_other_processes_multiply_in_bfloat16_too(jax_backend):
    step = client_step(lambda x: x @ x, tff.TensorType(np.float32, [2, 2]))
    mixed = sent(jax_backend, step, Settings(mixed_precision=True), is_sent=True)
    x = jnp.asarray(np.float32([[1 + 2**-12, 0], [0, 1]]))
    (exact,), (rounded,) = (computations(each) for each in (sent(jax_backend, step), mixed))
    assert exact.function.function(x)[0, 0] > 1
    assert rounded.function.function(x)[0, 0] == 1


def test_a_large_array_travels_as_it_is(jax_backend):
    table = np.random.default_rng(0).random(100_000, np.float32)
    computation = tff.jax.computation(lambda i: jnp.asarray(table)[i], np.int32)
    data = tff.framework.serialize_computation(computation)
    assert len(data) < table.nbytes + 10_000
    assert tff.framework.deserialize_computation(data)(7) == table[7]
