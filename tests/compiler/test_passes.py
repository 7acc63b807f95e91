"""All passes: the program after each, and that none of them changes what a program computes."""

from __future__ import annotations

import collections
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tensorflow_federated.compiler import compilation
from tensorflow_federated.core import computations, intrinsics, ir, local_intrinsics, portable
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, SequenceType
from tensorflow_federated.execution import local, reference, values
from tensorflow_federated.jax import portable_computation

WEIGHTS = collections.OrderedDict(kernel=(np.float32, [2]), bias=np.float32)
STATE = collections.OrderedDict(weights=WEIGHTS, round=np.int32)
FLOAT_CLIENTS = FederatedType(np.float32, CLIENTS)
FLOAT_SERVER = FederatedType(np.float32, SERVER)


@portable_computation(WEIGHTS, np.float32)
def train_on_batch(weights, batch):
    return collections.OrderedDict(kernel=weights["kernel"] * batch, bias=weights["bias"] + batch)


@portable_computation(np.float32, np.float32)
def count(number, batch):
    return number + batch * 0 + 1


@portable_computation(WEIGHTS, WEIGHTS)
def finalize(old, mean):
    return collections.OrderedDict(
        kernel=old["kernel"] - mean["kernel"], bias=old["bias"] - mean["bias"]
    )


@portable_computation(np.int32)
def next_round(number):
    return number + 1


@federated_computation(WEIGHTS, SequenceType(np.float32))
def client_work(weights, data):
    trained = local_intrinsics.sequence_reduce(data, weights, train_on_batch)
    return trained, local_intrinsics.sequence_reduce(data, 0.0, count)


@federated_computation(
    FederatedType(STATE, SERVER), FederatedType(SequenceType(np.float32), CLIENTS)
)
def averaging(state, data):
    weights = intrinsics.federated_broadcast(state.weights)
    update, examples = intrinsics.federated_map(client_work, (weights, data))
    mean = intrinsics.federated_mean(update, examples)
    new = intrinsics.federated_map(finalize, (state.weights, mean))
    rounds = intrinsics.federated_map(next_round, state.round)
    state = intrinsics.federated_zip(collections.OrderedDict(weights=new, round=rounds))
    return state, intrinsics.federated_sum(examples)


def canonical(computation: computations.ConcreteComputation, argument: Any) -> tuple[Any, int]:
    parameter = computation.type_signature.parameter
    assert parameter is not None
    value = values.to_canonical(argument, parameter)
    return value, values.cardinality(value, parameter) or 0


def run_reference(node: ir.Lambda | ir.Local, argument: Any, client_count: int) -> Any:
    program = reference.ReferenceEngine().compile(node)
    return program.run(argument, client_count, seed=1, invocation=0)


def assert_close(actual: Any, expected: Any) -> None:
    if isinstance(expected, (tuple, list)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_close(one, other)
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5)
        assert actual.dtype == expected.dtype


@pytest.mark.parametrize("index", range(len(compilation.PASSES)))
def test_the_program_after_each_pass(index, golden):
    name, program = compilation.trace_passes(averaging.node, check=True)[index]
    golden.check(name, str(program))


def test_the_steps_of_the_plan(golden):
    compiled = compilation.compile_computation(averaging.node, check=True)
    shown = [f"{type(step).__name__}: {step.body}" for step in compiled.steps]
    golden.check("steps", "\n".join(shown))


ARGUMENT = ({"weights": {"kernel": [1.0, 2.0], "bias": 3.0}, "round": 4}, [[1.0, 2.0], [], [5.0]])


def test_no_pass_changes_what_averaging_computes():
    argument, client_count = canonical(averaging, ARGUMENT)
    expected = run_reference(averaging.node, argument, client_count)
    for _, program in compilation.trace_passes(averaging.node):
        assert_close(run_reference(program, argument, client_count), expected)


@portable_computation(np.float32)
def shift(x):
    return x + 1


@portable_computation(np.float32, np.float32)
def combine(x, y):
    return x - y * 2


@portable_computation(np.float32)
def positive(x):
    return x * x + 1


@portable_computation(np.float32)
def to_integer(x):
    xp = portable.namespace_of(x)
    return xp.cast(xp.clip(x, -1e6, 1e6), np.int32)


@portable_computation(np.int32)
def to_float(x):
    xp = portable.namespace_of(x)
    return xp.cast(x, np.float32)


@portable_computation(np.float32)
def three_keys(x):
    xp = portable.namespace_of(x)
    return xp.stack([xp.cast(xp.clip(xp.abs(x), 0.0, 4.0), np.int32) for _ in range(3)])


@portable_computation(np.float32, np.int32)
def scaled(x, key):
    xp = portable.namespace_of(x, key)
    return x * xp.cast(key, np.float32)


@federated_computation(np.float32)
def shift_twice(x):
    shift(combine(x, x))
    return shift(shift(x))


@federated_computation(np.float32)
def as_pair(x):
    return collections.OrderedDict(same=x, shifted=shift(x))


Step = tuple[str, int, int]

CLIENT_OPERATIONS = (
    "map",
    "compose",
    "combine",
    "broadcast",
    "identity",
    "pair",
    "eval",
    "map for all",
    "select",
)
SERVER_OPERATIONS = (
    "sum",
    "mean",
    "weighted",
    "weighted for all",
    "aggregate",
    "apply",
    "combine",
    "sum of pairs",
    "max",
    "min",
    "reduce",
    "collect",
    "secure sum",
    "secure sum of bits",
    "secure modular sum",
)


def build_program(steps: list[Step]) -> computations.ConcreteComputation:
    """A program that takes each step on values that it has so far, and returns all of them."""

    def program(start, data):
        at_server, at_clients = [start], [data]

        def client(index):
            return at_clients[index % len(at_clients)]

        def server(index):
            return at_server[index % len(at_server)]

        def integers(i):
            return intrinsics.federated_map(to_integer, client(i))

        def floats(value):
            return intrinsics.federated_map(to_float, value)

        def pair(i):
            return intrinsics.federated_map(as_pair, client(i))

        client_rules = {
            "map": lambda i, j: intrinsics.federated_map(shift, client(i)),
            "compose": lambda i, j: intrinsics.federated_map(shift_twice, client(i)),
            "combine": lambda i, j: intrinsics.federated_map(combine, (client(i), client(j))),
            "broadcast": lambda i, j: intrinsics.federated_map(
                combine, (client(i), intrinsics.federated_broadcast(server(j)))
            ),
            "identity": lambda i, j: intrinsics.federated_map(lambda x: x, client(i)),
            "pair": lambda i, j: pair(i).shifted,
            "eval": lambda i, j: intrinsics.federated_eval(lambda: shift(2.0), CLIENTS),
            "map for all": lambda i, j: intrinsics.federated_map_all_equal(
                shift_twice, intrinsics.federated_broadcast(server(i))
            ),
            "select": lambda i, j: local_intrinsics.sequence_sum(
                intrinsics.federated_select(
                    intrinsics.federated_map(three_keys, client(i)),
                    intrinsics.federated_value(5, SERVER),
                    server(j),
                    scaled,
                )
            ),
        }
        server_rules = {
            "sum": lambda i, j: intrinsics.federated_sum(client(i)),
            "mean": lambda i, j: intrinsics.federated_mean(client(i)),
            "weighted": lambda i, j: intrinsics.federated_mean(
                client(i), intrinsics.federated_map(positive, client(j))
            ),
            "aggregate": lambda i, j: intrinsics.federated_aggregate(
                client(i), shift(0.0), add, add, shift_twice
            ),
            "apply": lambda i, j: intrinsics.federated_map(shift_twice, server(i)),
            "combine": lambda i, j: intrinsics.federated_map(combine, (server(i), server(j))),
            "sum of pairs": lambda i, j: intrinsics.federated_sum(pair(i)).same,
            "weighted for all": lambda i, j: intrinsics.federated_mean(
                client(i), intrinsics.federated_broadcast(at_server[0])
            ),
            "max": lambda i, j: intrinsics.federated_max(client(i)),
            "min": lambda i, j: intrinsics.federated_min(client(i)),
            "reduce": lambda i, j: intrinsics.federated_reduce(client(i), shift(1.0), combine),
            "collect": lambda i, j: local_intrinsics.sequence_sum(
                intrinsics.federated_collect(client(i))
            ),
            "secure sum": lambda i, j: floats(intrinsics.federated_secure_sum(integers(i), 10**7)),
            "secure sum of bits": lambda i, j: floats(
                intrinsics.federated_secure_sum_bitwidth(integers(i), 30)
            ),
            "secure modular sum": lambda i, j: floats(
                intrinsics.federated_secure_modular_sum(integers(i), 17)
            ),
        }
        for operation, i, j in steps:
            if operation.startswith("client "):
                at_clients.append(client_rules[operation.removeprefix("client ")](i, j))
            else:
                at_server.append(server_rules[operation.removeprefix("server ")](i, j))
        return at_server, at_clients

    return federated_computation(program, FLOAT_SERVER, FLOAT_CLIENTS)


@portable_computation(np.float32, np.float32)
def add(x, y):
    return x + y


OPERATIONS = [f"client {name}" for name in CLIENT_OPERATIONS] + [
    f"server {name}" for name in SERVER_OPERATIONS
]
STEPS = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9), st.integers(0, 9)), max_size=7
)
NUMBERS = st.integers(-3, 3).map(float)


@pytest.mark.slow
@hypothesis.given(STEPS, NUMBERS, st.lists(NUMBERS, min_size=1, max_size=3))
@hypothesis.settings(max_examples=60)
def test_no_pass_changes_what_a_program_computes(steps, start, data):
    # The aggregate's zero is 1, so more than one chunk of clients would count it more than once.
    program = build_program(steps)
    argument, client_count = canonical(program, (start, data))
    expected = run_reference(program.node, argument, client_count)
    for _, after in compilation.trace_passes(program.node, check=True):
        assert_close(run_reference(after, argument, client_count), expected)


@hypothesis.given(STEPS, NUMBERS, st.lists(NUMBERS, max_size=4))
@hypothesis.settings(max_examples=60)
def test_the_plan_computes_what_the_program_says(steps, start, data):
    program = build_program(steps)
    argument, client_count = canonical(program, (start, data))
    expected = run_reference(program.node, argument, client_count)
    compilation.compile_computation(program.node, check=True)
    compiled = local.LocalEngine().compile(program.node)
    assert_close(compiled.run(argument, client_count, seed=1, invocation=0), expected)


@hypothesis.given(STEPS)
@hypothesis.settings(max_examples=30)
def test_every_pass_keeps_the_type(steps):
    program = build_program(steps)
    for _, after in compilation.trace_passes(program.node):
        assert program.type_signature.is_assignable_from(after.type_signature)
