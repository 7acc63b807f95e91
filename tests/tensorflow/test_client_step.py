"""Client steps compiled into one graph give what NumPy gives, client after client."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections
import concurrent.futures
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import intrinsics, local_intrinsics, placements, tracing, types
from tensorflow_federated.execution import (
    backends,
    contexts,
    local_programs,
    numpy_domain,
    profiling,
    sequences,
    settings,
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


def run_compiled(
    compiled: Any, sent: list[Any], zeros: list[Any], own: list[Any], keys: np.ndarray
) -> Any:
    """Runs a compiled step as the engine does."""
    assert not isinstance(compiled, backends.NotCompiled)
    prepared = compiled.prepare(own)
    assert prepared is not None
    return compiled.run(compiled.place(sent), zeros, prepared, keys)


def run_chunk(comp, broadcast: list[Any], clients: list[Any]) -> Any:
    """Runs the only client step in one graph, and client by client in NumPy; both must agree."""
    step = client_step_of(comp)
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
    compiled = backends.get("tensorflow").compile_client_step(step, settings.DEFAULT)
    totals = run_compiled(compiled, sent, zeros, own, keys)
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


def reason_for(comp) -> str:
    """Why the client step of a computation is not compiled."""
    compiled = client_step.compile_client_step(client_step_of(comp), settings.DEFAULT)
    assert isinstance(compiled, backends.NotCompiled)
    return compiled.reason


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


def test_a_result_can_be_written_to():
    @computation(np.float32)
    def filled(x):
        return tf.fill([5000], x)

    @tracing.federated_computation(types.FederatedType(np.float32, CLIENTS))
    def total(values):
        return intrinsics.federated_sum(intrinsics.federated_map(filled, values))

    # A single client: nothing is added to what TensorFlow gave.
    with context_stack.install(contexts.create_local_context()):
        result = total([1.0])
    result += 1
    assert result[0] == 2


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
    compiled = client_step.compile_client_step(step, settings.DEFAULT)
    assert not isinstance(compiled, backends.NotCompiled)
    uneven = sequences.Sequence.from_elements(
        [(np.zeros((2, 2), np.float32), np.zeros(3, np.float32))], BATCH
    )
    assert compiled.prepare([[uneven]]) is None


def test_values_that_stay_at_the_clients_are_left_to_the_engine():
    negate = computation(lambda x: -x, np.float32)

    @tracing.federated_computation(types.FederatedType(np.float32, CLIENTS))
    def comp(value):
        return intrinsics.federated_map(negate, value)

    assert reason_for(comp) == "it keeps values at the clients"


def test_inputs_of_unknown_shape_are_left_to_the_engine():
    total = computation(lambda x: tf.reduce_sum(x), types.TensorType(np.float32, [None]))

    @tracing.federated_computation(
        types.FederatedType(types.TensorType(np.float32, [None]), CLIENTS)
    )
    def comp(value):
        return intrinsics.federated_sum(intrinsics.federated_map(total, value))

    assert reason_for(comp) == (
        "the value that each client has of its own is float32[?], whose shape is not known"
    )


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
    compiled = client_step.compile_client_step(step, settings.DEFAULT)
    first, second = np.array([[1, 2], [10, 20], [100, 200]]), np.array([[3, 4], [0, 0], [30, 40]])
    keys = np.stack([first, second], axis=1)
    zeros: list[Any] = [np.zeros(2, np.int64)] * 2
    totals = run_compiled(compiled, [], zeros, [[np.float32(0)] * 3], keys)
    assert totals[0].tolist() == [111, 222]
    assert totals[1].tolist() == [33, 44]


def branching_step(state, batch):
    """A step whose operations run other functions: loops, branches, calls, a convolution."""
    x = tf.cond(tf.reduce_sum(batch["x"]) > 0, lambda: batch["x"], lambda: 2.0 * batch["x"])
    _, x = tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x + 1.0), (0, x))
    x = doubled_twice(x)
    filters = tf.reshape(state["weights"]["w"], [2, 1, 1])
    convolved = tf.nn.conv1d(x[:, :, tf.newaxis], filters, 1, "VALID")
    update = 0.01 * tf.reduce_mean(convolved)
    return {
        "weights": collections.OrderedDict(
            w=state["weights"]["w"] - update, b=state["weights"]["b"] + update
        ),
        "examples": state["examples"] + tf.cast(tf.shape(batch["y"])[0], tf.float32),
    }


@tf.function
def doubled(x):
    return 2.0 * x


@tf.function
def doubled_twice(x):
    return doubled(doubled(x))


def dataset_step(state, batch):
    """A step that loops over a dataset of its own."""
    total = state["weights"]["b"]
    for x in tf.data.Dataset.from_tensor_slices(batch["x"]).batch(2):
        total += tf.reduce_sum(x)
    return {
        "weights": collections.OrderedDict(w=state["weights"]["w"], b=0.5 * total),
        "examples": state["examples"] + tf.cast(tf.shape(batch["y"])[0], tf.float32),
    }


STEPS = [functional_step, variable_step, branching_step, dataset_step]
START = (np.float32([0.5, -0.5]), np.float32(0.25))


def compiled_averaging(step_fn):
    step = client_step_of(federated_averaging(step_fn))
    compiled = client_step.compile_client_step(step, settings.DEFAULT)
    assert not isinstance(compiled, backends.NotCompiled)
    return compiled, [_zero(each) for each in step.aggregates]


def columns_of(client) -> sequences.Sequence:
    return values.to_canonical(client, DATA)


@pytest.mark.parametrize("step_fn", [branching_step, dataset_step])
def test_steps_that_run_functions(step_fn):
    weights = collections.OrderedDict(w=START[0], b=START[1])
    run_chunk(federated_averaging(step_fn), [weights], [COHORT])


@pytest.mark.parametrize("step_fn", [*STEPS[:-1], pytest.param(STEPS[-1], marks=pytest.mark.slow)])
def test_threads_at_the_same_time_give_the_same_bits(step_fn):
    compiled, zeros = compiled_averaging(step_fn)
    chunks = [[columns_of(client) for client in COHORT[i:]] for i in range(4)]

    def run(chunk):
        keys = np.zeros((len(chunk), 0, 2), np.int64)
        totals = run_compiled(compiled, [START], zeros, [chunk], keys)
        return [np.asarray(leaf).tobytes() for leaf in tf.nest.flatten(totals)]

    alone = [run(chunk) for chunk in chunks]
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(run, chunks * 8)) == alone * 8


def test_one_graph_serves_all_cohorts(monkeypatch):
    counted: list[int] = []
    monkeypatch.setattr(
        profiling, "count", lambda **numbers: counted.append(numbers.get("compilations", 0))
    )
    compiled, zeros = compiled_averaging(functional_step)
    for count, size, batch_size in [(1, 1, 1), (5, 7, 3), (2, 100, 20), (3, 0, 20), (9, 33, 8)]:
        clients = [columns_of(client_batches(size + i, batch_size)) for i in range(count)]
        keys = np.zeros((count, 0, 2), np.int64)
        totals = run_compiled(compiled, [START], zeros, [clients], keys)
        assert totals[1] == sum(size + i for i in range(count))
    assert sum(counted) == 1


def test_rows_of_a_store_that_clients_share():
    rng = np.random.default_rng(0)
    store = (rng.standard_normal((40, 2), np.float32), rng.standard_normal(40, np.float32))
    offsets = np.array([0, 3, 5])
    rows = [rng.choice(40, 5, replace=False) for _ in range(3)]
    shared = [sequences.Sequence.from_columns(store, offsets, BATCH, rows=each) for each in rows]
    own = [
        sequences.Sequence.from_columns(tuple(leaf[each] for leaf in store), offsets, BATCH)
        for each in rows
    ]
    compiled, zeros = compiled_averaging(functional_step)
    keys = np.zeros((3, 0, 2), np.int64)
    first, second = (
        run_compiled(compiled, [START], zeros, [clients], keys) for clients in (shared, own)
    )
    for one, other in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_collected_values_are_left_to_the_engine():
    @tracing.federated_computation(types.FederatedType(np.float32, CLIENTS))
    def comp(value):
        negated = intrinsics.federated_map(computation(lambda x: -x, np.float32), value)
        return intrinsics.federated_collect(negated)

    assert reason_for(comp) == "the values of the clients are collected, not added up"
