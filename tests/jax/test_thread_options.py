"""Options of JAX that hold for one thread hold for all the work of a call that it makes."""

from __future__ import annotations

import asyncio

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts
from tensorflow_federated.execution.settings import Settings

FORMS = ["compiled", "separate"]


def local_context(**settings):
    return contexts.create_local_context(seed=0, settings=Settings(**settings))


def precisions_of_traces():
    """A program of 40 clients, and the precision of products in each trace of their work."""
    seen = []

    def work(x):
        seen.append(jax.config.jax_default_matmul_precision)
        return jnp.sum(x @ x)

    computation = tff.jax.computation(work, (np.float32, [2, 2]))

    @tff.federated_computation(tff.FederatedType((np.float32, [2, 2]), tff.CLIENTS))
    def program(x):
        return tff.federated_sum(tff.federated_map(computation, x))

    seen.clear()
    return program, seen


@pytest.mark.parametrize("form", FORMS)
def test_a_call_is_traced_as_its_thread_is_set_up(form):
    program, seen = precisions_of_traces()
    data = [np.eye(2, dtype=np.float32)] * 40
    with context_stack.install(local_context(client_form=form, threads=4)):
        for precision in ("highest", None, "high", "highest"):
            before = len(seen)
            with jax.default_matmul_precision(precision):
                assert program(data) == 80
            assert set(seen[before:]) <= {precision}
    assert {"highest", None, "high"} <= set(seen)


def test_a_thread_of_a_call_is_left_as_it_was():
    program, _ = precisions_of_traces()
    with context_stack.install(local_context(threads=2)):
        with jax.default_matmul_precision("highest"):
            program([np.eye(2, dtype=np.float32)] * 4)
        assert jax.config.jax_default_matmul_precision is None


def test_a_call_that_is_awaited():
    program, seen = precisions_of_traces()
    context = tff.backends.native.create_async_local_cpp_execution_context()

    async def call():
        with context_stack.install(context), jax.default_matmul_precision("highest"):
            return await program([np.eye(2, dtype=np.float32)] * 4)

    assert asyncio.run(call()) == 8
    assert set(seen) == {"highest"}
