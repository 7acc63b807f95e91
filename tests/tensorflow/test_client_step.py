"""Client steps compiled into one graph give what NumPy gives, client after client."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.core import intrinsics, local_intrinsics, placements, tracing, types
from tensorflow_federated.execution import (
    backends,
    contexts,
    local_programs,
    numpy_domain,
    sequences,
    values,
)
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.tensorflow import client_step, computation

CLIENTS, SERVER = placements.CLIENTS, placements.SERVER
WEIGHTS = types.to_type(collections.OrderedDict(w=(np.float32, [2]), b=np.float32))
BATCH = types.to_type(
    collections.OrderedDict(
        x=types.TensorType(np.float32, [None, 2]), y=types.TensorType(np.float32, [None])
    )
)
DATA = types.SequenceType(BATCH)
SIZES = (5, 0, 1, 3, 4, 0, 7)
RATE = 0.125


def client_batches(size: int, batch_size: int = 3) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(size)
    x = rng.standard_normal((size, 2)).astype(np.float32)
    y = rng.standard_normal(size).astype(np.float32)
    return [
        {"x": x[i : i + batch_size], "y": y[i : i + batch_size]} for i in range(0, size, batch_size)
    ]


COHORT = [client_batches(size) for size in SIZES]


def expected_updates(weights: dict[str, Any]) -> tuple[dict[str, np.ndarray], float]:
    """The sums over clients of examples times update, and of examples, in NumPy."""
    total, examples = {"w": np.zeros(2, np.float32), "b": np.float32(0)}, 0.0
    for batches in COHORT:
        w, b, count = np.float32(weights["w"]), np.float32(weights["b"]), 0
        for batch in batches:
            residual = batch["x"] @ w + b - batch["y"]
            w = w - RATE * 2 * (batch["x"].T @ residual) / len(residual)
            b = b - RATE * 2 * residual.mean()
            count += len(residual)
        total["w"] = total["w"] + count * (weights["w"] - w)
        total["b"] = total["b"] + count * (weights["b"] - b)
        examples += count
    return total, examples


def functional_step(state, batch):
    weights = (state["weights"]["w"], state["weights"]["b"])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        prediction = tf.linalg.matvec(batch["x"], weights[0]) + weights[1]
        loss = tf.reduce_mean(tf.square(prediction - batch["y"]))
    gradients = tape.gradient(loss, weights)
    updated = [w - RATE * g for w, g in zip(weights, gradients, strict=True)]
    return {
        "weights": collections.OrderedDict(w=updated[0], b=updated[1]),
        "examples": state["examples"] + tf.cast(tf.shape(batch["y"])[0], tf.float32),
    }


def variable_step(state, batch):
    w, b = tf.Variable(tf.zeros([2])), tf.Variable(lambda: 0.0)
    w.assign(state["weights"]["w"])
    b.assign(state["weights"]["b"])
    with tf.GradientTape() as tape:
        prediction = tf.linalg.matvec(batch["x"], w) + b
        loss = tf.reduce_mean(tf.square(prediction - batch["y"]))
    for variable, gradient in zip((w, b), tape.gradient(loss, (w, b)), strict=True):
        variable.assign_sub(RATE * gradient)
    return {
        "weights": collections.OrderedDict(w=w, b=b),
        "examples": state["examples"] + tf.cast(tf.shape(batch["y"])[0], tf.float32),
    }


def federated_averaging(step_fn):
    """Client work of federated averaging, in pieces of TensorFlow and of portable code."""
    zero = portable_computation(lambda w: {"weights": w, "examples": np.float32(0)}, WEIGHTS)
    step = computation(step_fn, zero.type_signature.result, BATCH)
    update = portable_computation(
        lambda before, after: (
            {
                name: (before[name] - after["weights"][name]) * after["examples"]
                for name in ("w", "b")
            },
            after["examples"],
        ),
        WEIGHTS,
        step.type_signature.result,
    )

    @tracing.federated_computation(
        types.FederatedType(WEIGHTS, SERVER), types.FederatedType(DATA, CLIENTS)
    )
    def round_fn(weights, data):
        @tracing.federated_computation(WEIGHTS, DATA)
        def work(start, batches):
            return update(start, local_intrinsics.sequence_reduce(batches, zero(start), step))

        results = intrinsics.federated_map(work, (intrinsics.federated_broadcast(weights), data))
        return intrinsics.federated_sum(results[0]), intrinsics.federated_sum(results[1])

    return round_fn


def client_step_of(comp) -> plan.ClientStep:
    steps = compilation.compile_computation(comp.node).steps
    (step,) = [each for each in steps if isinstance(each, plan.ClientStep)]
    return step


def run_chunk(comp, broadcast: list[Any], clients: list[Any]) -> Any:
    """Runs the only client step in one graph, and client by client in NumPy; both must agree."""
    step = client_step_of(comp)
    chunk = backends.get("tensorflow").compile_client_step(step)
    assert chunk is not None
    zeros = [_zero(each) for each in step.aggregates]
    sent = [
        values.to_canonical(v, slot.type) for v, slot in zip(broadcast, step.broadcast, strict=True)
    ]
    own = [
        [values.to_canonical(v, slot.type) for v in column]
        for column, slot in zip(clients, step.inputs, strict=True)
    ]
    count = len(clients[0])
    keys = np.arange(2 * count).reshape(count, 1, 2)
    totals = chunk(sent, zeros, own, keys)
    assert totals is not None
    expected = list(zeros)
    for index in range(count):
        domain = numpy_domain.NumpyDomain(keys[index])
        argument = (*sent, *(column[index] for column in own))
        results = local_programs.run(step.body, argument, domain)
        expected = [
            _accumulated(each, total, result)
            for each, total, result in zip(step.aggregates, expected, results, strict=True)
        ]
    for each, total, wanted in zip(step.aggregates, totals, expected, strict=True):
        wanted_leaves = tensor_leaves.flatten(wanted, _state_type(each))
        for leaf, other in zip(
            tensor_leaves.flatten(total, _state_type(each)), wanted_leaves, strict=True
        ):
            assert np.asarray(leaf).dtype == np.asarray(other).dtype
            np.testing.assert_allclose(leaf, other, rtol=1e-5, atol=1e-6)
    return totals


def _state_type(aggregate: plan.Aggregate) -> types.Type:
    accumulate = aggregate.accumulate
    return aggregate.value_type if accumulate is None else accumulate.type_signature.result


def _zero(aggregate: plan.Aggregate) -> Any:
    state_type = _state_type(aggregate)
    leaves = [
        np.zeros(leaf.shape, tensor_leaves.array_dtype(leaf))[()]
        for leaf in tensor_leaves.leaf_types(state_type)
    ]
    return tensor_leaves.unflatten(leaves, state_type)


def _accumulated(aggregate: plan.Aggregate, total: Any, result: Any) -> Any:
    if aggregate.accumulate is not None:
        domain = numpy_domain.NumpyDomain()
        return local_programs.run(aggregate.accumulate, (total, result), domain)
    leaves = zip(
        tensor_leaves.flatten(total, aggregate.value_type),
        tensor_leaves.flatten(result, aggregate.value_type),
        strict=True,
    )
    return tensor_leaves.unflatten([x + y for x, y in leaves], aggregate.value_type)


@pytest.mark.parametrize("step_fn", [functional_step, variable_step])
def test_federated_averaging(step_fn):
    weights = collections.OrderedDict(w=np.float32([0.5, -0.5]), b=np.float32(0.25))
    comp = federated_averaging(step_fn)
    updates, examples = run_chunk(comp, [weights], [COHORT])
    expected, count = expected_updates(weights)
    np.testing.assert_allclose(updates[0], expected["w"], rtol=1e-5)
    np.testing.assert_allclose(updates[1], expected["b"], rtol=1e-5)
    assert examples == count


@pytest.mark.parametrize(
    "engine", [contexts.create_local_context, contexts.create_reference_context]
)
@pytest.mark.parametrize("as_datasets", [True, False])
def test_federated_averaging_on_every_engine(engine, as_datasets):
    from tensorflow_federated.core import contexts as context_stack

    weights = collections.OrderedDict(w=np.float32([0.5, -0.5]), b=np.float32(0.25))
    cohort: list[Any] = COHORT
    if as_datasets:
        cohort = []
        for batches in COHORT:
            if batches:
                x, y = (np.concatenate([batch[name] for batch in batches]) for name in ("x", "y"))
            else:
                x, y = np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
            cohort.append(tf.data.Dataset.from_tensor_slices({"x": x, "y": y}).batch(3))
    with context_stack.install(engine(seed=0)):
        updates, examples = federated_averaging(variable_step)(weights, cohort)
    expected, count = expected_updates(weights)
    np.testing.assert_allclose(updates["w"], expected["w"], rtol=1e-5)
    assert examples == count


def test_clients_without_examples_add_nothing():
    weights = collections.OrderedDict(w=np.float32([1.0, 2.0]), b=np.float32(3.0))
    updates, examples = run_chunk(federated_averaging(functional_step), [weights], [[[], []]])
    assert examples == 0
    np.testing.assert_array_equal(updates[0], [0, 0])


def test_a_fold_is_accumulated_in_order():
    zero = computation(lambda: (np.int32(0), np.float32(0)))
    state_type = zero.type_signature.result
    accumulate = computation(lambda s, x: (s[0] * 2 + x, s[1] + 0.5), state_type, np.int32)
    merge = computation(lambda s, t: (s[0] + t[0], s[1] + t[1]), state_type, state_type)
    report = computation(lambda s: s[0], state_type)
    double = computation(lambda x: 2 * x, np.int32)

    @tracing.federated_computation(types.FederatedType(np.int32, CLIENTS))
    def comp(value):
        doubled = intrinsics.federated_map(double, value)
        return intrinsics.federated_aggregate(doubled, zero(), accumulate, merge, report)

    ((digits, halves),) = run_chunk(comp, [], [[1, 0, 1, 1]])
    assert digits == 2 * 0b1011
    assert halves == 2.0


def test_several_inputs_of_every_kind():
    own_type = types.to_type(
        collections.OrderedDict(scale=(np.float32, [2]), data=types.SequenceType(np.int32))
    )
    total = computation(lambda s, x: s + tf.cast(x, tf.float32), np.float32, np.int32)
    rows = computation(lambda s, b: s + tf.reduce_sum(b["x"]), np.float32, BATCH)
    combine = computation(
        lambda scale, first, second: scale * (first + 10.0 * second),
        (np.float32, [2]),
        np.float32,
        np.float32,
    )

    @tracing.federated_computation(
        types.FederatedType(own_type, CLIENTS), types.FederatedType(DATA, CLIENTS)
    )
    def comp(own, data):
        @tracing.federated_computation(own_type, DATA)
        def work(first, second):
            zero = computation(lambda: 0.0)
            return combine(
                first.scale,
                local_intrinsics.sequence_reduce(first.data, zero(), total),
                local_intrinsics.sequence_reduce(second, zero(), rows),
            )

        return intrinsics.federated_sum(intrinsics.federated_map(work, (own, data)))

    own = [
        {"scale": np.float32([i, 1]), "data": np.arange(i, dtype=np.int32)}
        for i in range(len(SIZES))
    ]
    run_chunk(comp, [], [[each for each in own], COHORT])


def test_maps_and_sums_of_sequences():
    square = computation(lambda b: (tf.reduce_sum(b["x"] * b["x"]), tf.size(b["y"])), BATCH)

    @tracing.federated_computation(types.FederatedType(DATA, CLIENTS))
    def comp(data):
        @tracing.federated_computation(DATA)
        def work(batches):
            return local_intrinsics.sequence_sum(local_intrinsics.sequence_map(square, batches))

        return intrinsics.federated_sum(intrinsics.federated_map(work, data))

    ((squares, count),) = run_chunk(comp, [], [COHORT])
    assert count == sum(SIZES)
    every_x = np.concatenate([batch["x"] for batches in COHORT for batch in batches])
    np.testing.assert_allclose(squares, (every_x * every_x).sum(), rtol=1e-5)


def test_a_computation_that_loops_over_the_dataset_itself():
    @computation(DATA)
    def count(data):
        batches, examples = tf.Variable(0), 0
        for batch in data:
            batches.assign_add(1)
            examples += tf.size(batch["y"])
        return examples + 100 * batches

    @tracing.federated_computation(types.FederatedType(DATA, CLIENTS))
    def comp(data):
        return intrinsics.federated_sum(intrinsics.federated_map(count, data))

    (total,) = run_chunk(comp, [], [COHORT])
    assert total == sum(SIZES) + 100 * sum(len(batches) for batches in COHORT)


def test_data_without_columns_is_left_to_the_engine():
    comp = federated_averaging(functional_step)
    step = client_step_of(comp)
    chunk = client_step.compile_client_step(step)
    assert chunk is not None
    uneven = sequences.Sequence.from_elements(
        [(np.zeros((2, 2), np.float32), np.zeros(3, np.float32))], BATCH
    )
    weights = (np.zeros(2, np.float32), np.float32(0))
    zeros = [_zero(each) for each in step.aggregates]
    assert chunk([weights], zeros, [[uneven]], np.zeros((1, 0, 2), np.int64)) is None


def test_values_that_stay_at_the_clients_are_left_to_the_engine():
    negate = computation(lambda x: -x, np.float32)

    @tracing.federated_computation(types.FederatedType(np.float32, CLIENTS))
    def comp(value):
        return intrinsics.federated_map(negate, value)

    assert client_step.compile_client_step(client_step_of(comp)) is None


def test_inputs_of_unknown_shape_are_left_to_the_engine():
    total = computation(lambda x: tf.reduce_sum(x), types.TensorType(np.float32, [None]))

    @tracing.federated_computation(
        types.FederatedType(types.TensorType(np.float32, [None]), CLIENTS)
    )
    def comp(value):
        return intrinsics.federated_sum(intrinsics.federated_map(total, value))

    assert client_step.compile_client_step(client_step_of(comp)) is None


def test_each_client_has_its_own_random_keys():
    from tensorflow_federated.core import ir
    from tensorflow_federated.core import types as core_types

    key_type = core_types.TensorType(np.int64, [2])
    body = ir.Lambda(
        "arg",
        core_types.StructType([np.float32]),
        ir.Struct(
            tuple(
                (
                    None,
                    ir.call_intrinsic(
                        "numbered_random_key",
                        ir.Literal(number, core_types.TensorType(np.int32)),
                        key_type,
                    ),
                )
                for number in (np.int32(0), np.int32(1))
            )
        ),
    )
    step = plan.ClientStep(
        broadcast=(),
        inputs=(plan.Slot("x", core_types.TensorType(np.float32)),),
        body=body,
        kept=(),
        aggregates=tuple(
            plan.Aggregate(plan.Slot(f"sum_{number}", key_type), "sum", key_type)
            for number in range(2)
        ),
    )
    chunk = client_step.compile_client_step(step)
    assert chunk is not None
    first, second = np.array([[1, 2], [10, 20], [100, 200]]), np.array([[3, 4], [0, 0], [30, 40]])
    keys = np.stack([first, second], axis=1)
    totals = chunk([], [np.zeros(2, np.int64)] * 2, [[np.float32(0)] * 3], keys)
    assert totals is not None
    assert totals[0].tolist() == [111, 222]
    assert totals[1].tolist() == [33, 44]
