"""`tff.explain`: how the current context runs the work of clients, and why."""

from __future__ import annotations

import concurrent.futures

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

FLOATS = tff.FederatedType(np.float32, tff.CLIENTS)
DECORATORS = {"JAX": tff.jax.computation, "TensorFlow": tff.tensorflow.computation}


def doubled_and_summed(*decorators):
    @tff.federated_computation(FLOATS)
    def total(values):
        for decorator in decorators:
            double = decorator(lambda x: 2.0 * x, np.float32)
            values = tff.federated_map(double, values)
        return tff.federated_sum(values)

    return total


def runs(computation, **options) -> str:
    """What is told under `runs`, on one line."""
    plan = tff.explain(computation, **options).plan
    _, _, rest = plan.partition("\n   runs ")
    lines = rest.partition("\n\n")[0].splitlines()
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize("name", DECORATORS)
def test_compiled_step_says_its_form(name, golden):
    golden.check(f"compiled, {name}", runs(doubled_and_summed(DECORATORS[name])))


def test_computation_whose_dataset_stays_one_is_named(golden):
    def largest_first(dataset):
        return dataset.shuffle(3, seed=1).reduce(np.float32(0), lambda most, x: most * 2 + x)

    values = tff.SequenceType(np.float32)
    read = tff.tensorflow.computation(largest_first, values)

    @tff.federated_computation(tff.FederatedType(values, tff.CLIENTS))
    def total(data):
        return tff.federated_sum(tff.federated_map(read, data))

    golden.check("a dataset that is shuffled", runs(total))


def test_step_of_both_frameworks_says_that_it_is_not_compiled(golden):
    golden.check("both frameworks", runs(doubled_and_summed(*DECORATORS.values())))


def test_portable_step_says_that_it_runs_on_numpy(golden):
    golden.check("portable", runs(doubled_and_summed()))


def test_step_that_keeps_values_says_so():
    @tff.federated_computation(FLOATS)
    def doubled(values):
        return tff.federated_map(tff.jax.computation(lambda x: 2 * x, np.float32), values)

    assert runs(doubled).startswith("client by client: it keeps values at the clients")


@pytest.mark.parametrize("num_clients", [0, 1, 10, 1000])
def test_chunks_are_those_of_a_call(num_clients, golden):
    told = runs(doubled_and_summed(), num_clients=num_clients)
    golden.check(f"{num_clients} clients", told)


def test_context_that_asks_for_a_form_is_told(golden):
    total = doubled_and_summed(tff.jax.computation)
    with context_stack.install(
        tff.backends.native.create_sync_local_cpp_execution_context(
            client_form="separate", threads=3
        )
    ):
        golden.check("separate", runs(total))


def test_context_that_asks_for_what_cannot_be_says_so(golden):
    total = doubled_and_summed(*DECORATORS.values())
    with context_stack.install(
        tff.backends.native.create_sync_local_cpp_execution_context(client_form="compiled")
    ):
        golden.check("impossible", runs(total))


def test_workers_of_an_executor_are_told():
    with (
        concurrent.futures.ThreadPoolExecutor(2) as threads,
        tff.backends.native.create_executor_context(threads),
    ):
        assert runs(doubled_and_summed()).endswith("by the workers of an executor")


def test_reference_engine_is_told():
    with context_stack.install(contexts.create_reference_context()):
        told = runs(doubled_and_summed(tff.jax.computation))
    assert told == "one operation after the other, for one client after the other"


def test_nothing_is_compiled_to_explain():
    total = doubled_and_summed(tff.jax.computation)
    with tff.profile(print=False) as profile:
        tff.explain(total)
    assert profile.outside.compilations == 0


@pytest.mark.parametrize("num_clients", [-1, 1.5, "ten"])
def test_number_of_clients_is_a_number(num_clients, golden):
    with pytest.raises(TypeError) as caught:
        tff.explain(doubled_and_summed(), num_clients=num_clients)
    golden.check(f"num_clients={num_clients!r}", str(caught.value))


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("TensorFlow", {"lanes": 2}, "`lanes` without effect"),
        ("TensorFlow", {"lanes": 2, "mixed_precision": True}, "`lanes` and `mixed_precision` with"),
        ("JAX", {"lanes": 2, "client_form": "separate"}, "`lanes` without effect"),
    ],
)
def test_settings_without_effect_are_told_and_warned_of_once(name, settings, expected, caplog):
    total = doubled_and_summed(DECORATORS[name])
    context = tff.backends.native.create_sync_local_cpp_execution_context(**settings)
    with context_stack.install(context):
        assert expected in runs(total)
        for _ in range(2):
            total([1.0, 2.0])
    [message] = [each.getMessage() for each in caplog.records]
    assert message.startswith(f"client step 1: {expected}")


def test_settings_of_a_compiled_jax_step_have_effect(caplog):
    total = doubled_and_summed(tff.jax.computation)
    context = tff.backends.native.create_sync_local_cpp_execution_context(lanes=2)
    with context_stack.install(context):
        assert "without effect" not in runs(total)
        total([1.0, 2.0])
    assert not caplog.records
