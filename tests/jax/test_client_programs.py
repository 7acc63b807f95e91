"""What the XLA programs of client steps are made of, where they travel, how long they live."""

from __future__ import annotations

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.execution import backends
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import convolutions, jaxprs

from .client_steps import (
    SIZES,
    START,
    assert_as_reference,
    averaging,
    batches_of,
    compiled_context,
    run_in,
    training_step,
    with_masked_form,
)


def convolutional_round():
    kernel = tff.TensorType(np.float32, [3, 3, 1, 4])
    images = tff.TensorType(np.float32, [None, 6, 6, 1])

    def mean_loss(weights, x, mask):
        result = jax.lax.conv_general_dilated(
            x, weights, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jnp.sum(mask * jnp.sum(jnp.tanh(result) ** 2, (1, 2, 3))) / jnp.sum(mask)

    def masked(weights, x, count):
        mask = (jnp.arange(x.shape[0]) < count).astype(jnp.float32)
        return weights - 0.1 * jax.grad(mean_loss)(weights, x, mask)

    step = tff.jax.computation(lambda w, x: masked(w, x, x.shape[0]), kernel, images)
    step = with_masked_form(step, masked)

    @tff.federated_computation(
        tff.FederatedType(kernel, tff.SERVER),
        tff.FederatedType(tff.SequenceType(images), tff.CLIENTS),
    )
    def program(weights, data):
        work = tff.federated_computation(
            lambda start, own: tff.sequence_reduce(own, start, step),
            kernel,
            tff.SequenceType(images),
        )
        return tff.federated_sum(tff.federated_map(work, (tff.federated_broadcast(weights), data)))

    return program


def images_of(*sizes):
    rng = np.random.default_rng(0)
    return [
        [rng.standard_normal((rows, 6, 6, 1)).astype(np.float32) for rows in client]
        for client in sizes
    ]


KERNEL = np.random.default_rng(1).standard_normal((3, 3, 1, 4)).astype(np.float32)
IMAGES = images_of((3, 3, 1), (), (2,), (3, 2))


@pytest.fixture
def rewritten(monkeypatch):
    """What the convolutions of programs were rewritten to."""
    functions = []
    rewrite = convolutions.in_canonical_layout

    def recording(closed):
        functions.append(rewrite(closed))
        return functions[-1]

    monkeypatch.setattr(convolutions, "in_canonical_layout", recording)
    return functions


@pytest.mark.parametrize("lanes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_convolutions_of_a_step_are_in_the_canonical_layout(rewritten, lanes):
    assert_as_reference(convolutional_round(), KERNEL, IMAGES, lanes=lanes)
    found = [
        each
        for program in rewritten
        for each in jaxprs.equations(program)
        if each.primitive.name == convolutions.NAME
    ]
    assert found
    assert all(map(convolutions.is_canonical, found))


@pytest.mark.slow
def test_mixed_precision_is_close(rewritten):
    exact = run_in(compiled_context(), convolutional_round(), KERNEL, IMAGES)
    assert not any("bf16" in str(program) for program in rewritten)
    rewritten.clear()
    narrow = run_in(compiled_context(mixed_precision=True), convolutional_round(), KERNEL, IMAGES)
    assert any("bf16" in str(program) for program in rewritten)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, exact, rtol=0.02, atol=0.02)
    assert (narrow != exact).any()


def form_of(program, **settings) -> str:
    plan_of = compilation.compile_computation(program.node)
    (step,) = [each for each in plan_of.steps if isinstance(each, plan.ClientStep)]
    compiled = backends.get("jax").compile_client_step(step, Settings(**settings))
    assert not isinstance(compiled, backends.NotCompiled)
    return compiled.form


def test_the_form_is_told():
    loop = "one XLA program that loops over the clients of a chunk and their batches"
    assert form_of(averaging(training_step(has_mask=False))) == (
        f"{loop}; batches of several sizes in stages, a program each"
    )
    assert form_of(averaging(training_step(has_mask=True))) == f"{loop}; masked last batches"
    assert form_of(convolutional_round(), lanes=4, mixed_precision=True) == (
        f"{loop}; masked last batches; 4 clients side by side; products in bfloat16; "
        "convolutions in NHWC"
    )


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        pytest.param(
            averaging(training_step(has_mask=True)),
            (START, [batches_of(size) for size in SIZES]),
            marks=pytest.mark.slow,
            id="averaging",
        ),
        pytest.param(convolutional_round(), (KERNEL, IMAGES), id="convolutions"),
    ],
)
def test_a_program_that_travelled_gives_the_same_bits(compilations, program, arguments):
    data = tff.framework.serialize_computation(program)
    travelled = tff.framework.deserialize_computation(data)
    assert tff.framework.serialize_computation(travelled) == data
    expected = run_in(compiled_context(), program, *arguments)
    before = compilations()
    found = run_in(compiled_context(), travelled, *arguments)
    assert compilations() == 2 * before
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.slow
def test_lanes_of_a_program_that_travelled():
    program = averaging(training_step(has_mask=True))
    travelled = tff.framework.deserialize_computation(tff.framework.serialize_computation(program))
    assert_as_reference(travelled, START, [batches_of(size) for size in SIZES], lanes=3)


@pytest.mark.slow
def test_what_was_compiled_goes_with_its_step():
    def compile_and_run():
        program = averaging(training_step(has_mask=True))
        context = compiled_context()
        run_in(context, program, START, [batches_of(5), batches_of(2)])
        return weakref.ref(context), weakref.ref(program.node)

    dropped = [compile_and_run() for _ in range(2)]
    gc.collect()
    assert [each() for pair in dropped for each in pair] == [None] * 4
