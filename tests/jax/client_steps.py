"""Client work on JAX that tests of compiled client steps share."""

from __future__ import annotations

import collections
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import ir
from tensorflow_federated.execution import contexts
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import application, portable_computation

WEIGHTS = tff.to_type(collections.OrderedDict(w=(np.float32, [3]), b=np.float32))
BATCH = tff.to_type(
    collections.OrderedDict(
        x=tff.TensorType(np.float32, [None, 3]), y=tff.TensorType(np.float32, [None])
    )
)
DATA = tff.SequenceType(BATCH)
STATE = tff.to_type(collections.OrderedDict(weights=WEIGHTS, examples=np.float32))
START = {"w": np.float32([0.5, -1, 2]), "b": np.float32(0.25)}
SIZES = (5, 0, 1, 3, 4, 0, 7, 12, 6, 2)
RATE = 0.125


def with_masked_form(computation: tff.Computation, masked) -> tff.Computation:
    """The same step, with a function of the first rows of a batch."""
    local = computation.node.computation
    function = dataclasses.replace(local.function, masked=masked)
    assert isinstance(function, application.JaxFunction)
    return type(computation)(ir.Local(dataclasses.replace(local, function=function)))


def loss(weights, batch, mask):
    residual = batch["x"] @ weights["w"] + weights["b"] - batch["y"]
    return jnp.sum(mask * residual**2) / jnp.maximum(jnp.sum(mask), 1)


def train(state, batch, mask):
    gradient = jax.grad(loss)(state["weights"], batch, mask)
    return {
        "weights": jax.tree.map(lambda w, g: w - RATE * g, state["weights"], gradient),
        "examples": state["examples"] + jnp.sum(mask),
    }


def whole_step(state, batch):
    return train(state, batch, jnp.ones(batch["y"].shape[0]))


def masked_step(state, batch, count):
    counts = jnp.arange(batch["y"].shape[0]) < count
    # The other rows may hold anything, NaN too.
    x, y = jnp.where(counts[:, None], batch["x"], 0), jnp.where(counts, batch["y"], 0)
    return train(state, {"x": x, "y": y}, counts.astype(jnp.float32))


def ordered(fn):
    """The same function, whose result has its names in the order of the type."""
    return lambda *arguments: collections.OrderedDict(
        sorted(fn(*arguments).items(), key=lambda item: item[0] == "examples")
    )


def sorting_step(state, batch):
    """A step for which no masked form is found: a median is none of rows one by one."""
    return whole_step(state, {**batch, "y": batch["y"] - jnp.median(batch["y"])})


def training_step(has_mask: bool) -> tff.Computation:
    if not has_mask:
        return tff.jax.computation(ordered(sorting_step), STATE, BATCH)
    step = tff.jax.computation(ordered(whole_step), STATE, BATCH)
    return with_masked_form(step, ordered(masked_step))


def averaging(step: tff.Computation) -> tff.Computation:
    """A round of federated averaging, its clients' work in pieces of JAX and portable code."""
    start = portable_computation(
        lambda w: collections.OrderedDict(weights=w, examples=np.float32(0)), WEIGHTS
    )
    update = tff.jax.computation(
        lambda before, after: (
            jax.tree.map(lambda a, b: (a - b) * after["examples"], before, after["weights"]),
            after["examples"],
        ),
        WEIGHTS,
        STATE,
    )

    @tff.federated_computation(
        tff.FederatedType(WEIGHTS, tff.SERVER), tff.FederatedType(DATA, tff.CLIENTS)
    )
    def round_fn(weights, data):
        @tff.federated_computation(WEIGHTS, DATA)
        def work(before, batches):
            return update(before, tff.sequence_reduce(batches, start(before), step))

        updates, examples = tff.federated_map(work, (tff.federated_broadcast(weights), data))
        return tff.federated_sum(updates), tff.federated_sum(examples)

    return round_fn


def batches_of(size: int, batch_size: int = 3) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(size)
    x = rng.standard_normal((size, 3)).astype(np.float32)
    y = rng.standard_normal(size).astype(np.float32)
    return [
        {"x": x[i : i + batch_size], "y": y[i : i + batch_size]} for i in range(0, size, batch_size)
    ]


def run_in(context, program, *arguments):
    with context_stack.install(context):
        return program(*arguments)


def compiled_context(**settings) -> contexts.ExecutionContext:
    return contexts.create_local_context(
        seed=0, settings=Settings(client_form="compiled", **settings)
    )


def assert_as_reference(program, *arguments, **settings):
    expected = run_in(contexts.create_reference_context(seed=0), program, *arguments)
    found = run_in(compiled_context(**settings), program, *arguments)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), found, expected)
    assert [each.dtype for each in jax.tree.leaves(found)] == [
        each.dtype for each in jax.tree.leaves(expected)
    ]


LANES = pytest.mark.parametrize("lanes", [None, pytest.param(3, marks=pytest.mark.slow)])
