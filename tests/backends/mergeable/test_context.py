"""Execution in subrounds: which contexts work on what, and that the result is the same."""

from __future__ import annotations

import asyncio
import collections
import threading
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import errors
from tensorflow_federated.execution import contexts

native = tff.backends.native

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)


@tff.jax.computation(np.int32, np.int32)
def add(x, y):
    return x + y


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def shifted_total(state, values):
    shifted = tff.federated_map(add, (values, tff.federated_broadcast(state)))
    return tff.federated_sum(shifted), shifted


@tff.federated_computation(AT_CLIENTS)
def compared(values):
    largest = tff.federated_max(values)
    return collections.OrderedDict(
        largest=largest,
        pairs=tff.federated_zip((values, tff.federated_broadcast(largest))),
        told=tff.federated_broadcast(largest),
    )


@tff.federated_computation
def client_count():
    return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))


class Recording(tff.framework.AsyncContext):
    """Runs calls as they come, and notes the names and the clients of each."""

    def __init__(self, name: str, log: list[tuple[str, str, Any]], delay: int = 0) -> None:
        self._name, self._log, self._delay = name, log, delay
        self._inner = contexts.create_reference_context(seed=0)

    async def invoke(self, comp: Any, arg: Any) -> Any:
        for _ in range(self._delay):
            await asyncio.sleep(0)
        self._log.append((self._name, comp.__name__, arg))
        return self._inner.invoke(comp, arg)


def call(context: Any, computation: Any, *arguments: Any) -> Any:
    with tff.framework.get_context_stack().install(context):
        return computation(*arguments)


def clients_of(log: list[tuple[str, str, Any]], part: str) -> list[tuple[str, list[int]]]:
    return [
        (name, [int(value) for value in arg["values"]])
        for name, called, arg in log
        if called == part
    ]


@pytest.mark.parametrize(
    ("values", "subrounds"),
    [
        # From cohort to cohort the numbers of subrounds take turns in the quick tests.
        pytest.param(
            values,
            subrounds,
            marks=() if turn % 3 == which % 3 else pytest.mark.slow,
            id=f"{len(values)}-{subrounds}",
        )
        for which, values in enumerate([[], [5], [5, 1, 4, 1], list(range(7))])
        for turn, subrounds in enumerate([1, 9, 2, None, 4, 3])
    ],
)
def test_the_result_is_that_of_one_round(subrounds, values, engine):
    context = native.create_mergeable_comp_execution_context([engine, engine], subrounds)
    assert call(context, shifted_total, 3, values) == shifted_total(3, values)
    assert repr(call(context, compared, values)) == repr(compared(values))


def test_contexts_that_are_awaited_work_too():
    workers = [native.create_async_local_cpp_execution_context() for _ in range(2)]
    context = native.create_mergeable_comp_execution_context(workers, 3)
    assert call(context, shifted_total, 3, [1, 2, 3, 4]) == (22, [4, 5, 6, 7])


def test_contexts_of_both_kinds_work_together():
    workers = [
        native.create_async_local_cpp_execution_context(),
        native.create_sync_local_cpp_execution_context(),
    ]
    context = native.create_mergeable_comp_execution_context(workers, 3)
    assert call(context, shifted_total, 3, [1, 2, 3, 4]) == (22, [4, 5, 6, 7])


def test_subrounds_are_of_consecutive_clients_and_of_one_size():
    log: list[Any] = []
    context = native.create_mergeable_comp_execution_context([Recording("a", log)], 3)
    call(context, shifted_total, 3, [1, 2, 3, 4, 5, 6, 7])
    assert [clients for _, clients in clients_of(log, "up_to_merge")] == [[1, 2, 3], [4, 5], [6, 7]]


def test_a_context_takes_the_next_subround_when_it_is_done():
    log: list[Any] = []
    workers = [Recording("slow", log, delay=20), Recording("fast", log)]
    context = native.create_mergeable_comp_execution_context(workers, 4)
    call(context, shifted_total, 3, [1, 2, 3, 4])
    taken = clients_of(log, "up_to_merge")
    assert taken == [("fast", [2]), ("fast", [3]), ("fast", [4]), ("slow", [1])]


MATRIX = (np.int32, [2, 2])


@tff.jax.computation(MATRIX, MATRIX)
def product(x, y):
    return x @ y


@tff.jax.computation(MATRIX)
def unchanged(x):
    return x


@tff.federated_computation(tff.FederatedType(MATRIX, tff.CLIENTS))
def product_in_order(values):
    one = tff.jax.computation(lambda: np.eye(2, dtype=np.int32))
    return tff.federated_aggregate(values, one(), product, product, unchanged)


@pytest.mark.parametrize("delays", [(0, 0, 0), (30, 10, 0), (0, 30, 10)])
def test_the_order_of_merging_does_not_depend_on_time(delays):
    workers = [Recording(str(delay), [], delay) for delay in delays]
    context = native.create_mergeable_comp_execution_context(workers, 5)
    matrices = [np.array([[i, 1], [1, 0]], np.int32) for i in range(1, 8)]
    expected = np.linalg.multi_dot(matrices)
    assert not np.array_equal(expected, np.linalg.multi_dot(matrices[::-1]))
    np.testing.assert_array_equal(call(context, product_in_order, matrices), expected)


def test_after_merge_runs_once_where_no_client_has_a_result():
    log: list[Any] = []
    context = native.create_mergeable_comp_execution_context([Recording("a", log)], 3)
    total = tff.federated_computation(tff.federated_sum, AT_CLIENTS)
    assert call(context, total, [1, 2, 3]) == 6
    assert [called for _, called, _ in log].count("after_merge") == 1


def test_without_clients_in_the_argument_every_subround_has_those_of_its_context():
    workers = [native.create_async_local_cpp_execution_context(2) for _ in range(3)]
    context = native.create_mergeable_comp_execution_context(workers)
    assert call(context, client_count) == 6


def test_a_form_can_be_invoked_without_compiler():
    context = tff.framework.MergeableCompExecutionContext(
        [native.create_async_local_cpp_execution_context()], num_subrounds=2
    )
    form = native.compile_to_mergeable_comp_form(compared)
    result = context.invoke(form, [1, 5, 3])
    assert result["pairs"] == [(1, 5), (5, 5), (3, 5)]


def test_a_computation_is_compiled_once():
    compiled: list[Any] = []

    def compile_and_note(computation):
        compiled.append(computation)
        return native.compile_to_mergeable_comp_form(computation)

    workers = [native.create_async_local_cpp_execution_context()]
    context = tff.framework.MergeableCompExecutionContext(workers, compile_and_note)
    for _ in range(2):
        call(context, compared, [1, 2])
    assert compiled == [compared]


def test_arguments_and_results_are_transformed():
    context = tff.framework.MergeableCompExecutionContext(
        [native.create_async_local_cpp_execution_context()],
        native.compile_to_mergeable_comp_form,
        transform_args=lambda values: [2 * value for value in values],
        transform_result=lambda result: {"total": result},
    )
    total = tff.federated_computation(tff.federated_sum, AT_CLIENTS)
    assert call(context, total, [1, 2, 3]) == {"total": 12}


def test_a_context_can_be_used_where_an_event_loop_runs():
    context = native.create_mergeable_comp_execution_context(
        [native.create_async_local_cpp_execution_context()], 2
    )

    async def in_a_notebook() -> Any:
        return call(context, shifted_total, 3, [1, 2])

    assert asyncio.run(in_a_notebook()) == (9, [4, 5])


def test_the_default_context_can_be_one():
    workers = [native.create_async_local_cpp_execution_context()]
    try:
        native.set_mergeable_comp_execution_context(workers, 2)
        assert isinstance(
            tff.framework.get_context_stack().current, tff.framework.MergeableCompExecutionContext
        )
        assert shifted_total(3, [1, 2]) == (9, [4, 5])
    finally:
        native.set_sync_local_cpp_execution_context()


class Failing(tff.framework.AsyncContext):
    async def invoke(self, comp: Any, arg: Any) -> Any:
        raise errors.ContextError("this context cannot run anything.", where="")


def test_a_failure_shows_the_line_of_the_call():
    context = native.create_mergeable_comp_execution_context([Failing()], 2)
    with pytest.raises(RuntimeError, match="this context cannot run anything") as raised:
        call(context, compared, [1, 2])
    assert "test_context.py" in str(raised.value)


@pytest.mark.parametrize("delays", [(0, 20), (20, 0)])
def test_the_failure_of_the_first_clients_is_told(delays):
    class FailingFor(Recording):
        async def invoke(self, comp: Any, arg: Any) -> Any:
            await super().invoke(comp, arg)
            raise ValueError(f"clients {[int(value) for value in arg['values']]}")

    workers = [FailingFor(str(delay), [], delay) for delay in delays]
    context = native.create_mergeable_comp_execution_context(workers, 4)
    with pytest.raises(ValueError, match=r"clients \[1\]"):
        call(context, shifted_total, 3, [1, 2, 3, 4])


def test_contexts_run_at_the_same_time():
    both_are_there = threading.Barrier(2, timeout=30)

    class Meeting(tff.framework.SyncContext):
        def invoke(self, comp: Any, arg: Any) -> Any:
            if comp.__name__ == "up_to_merge":
                both_are_there.wait()
            return contexts.create_reference_context().invoke(comp, arg)

    context = native.create_mergeable_comp_execution_context([Meeting(), Meeting()])
    assert call(context, shifted_total, 3, [1, 2]) == (9, [4, 5])


MISTAKES = {
    "no context": lambda: native.create_mergeable_comp_execution_context([]),
    "not a context": lambda: native.create_mergeable_comp_execution_context([1]),
    "no subround": lambda: native.create_mergeable_comp_execution_context([Failing()], 0),
    "no compiler": lambda: tff.framework.MergeableCompExecutionContext([Failing()]).invoke(
        compared, [1]
    ),
    "compiler of something else": lambda: tff.framework.MergeableCompExecutionContext(
        [Failing()], lambda computation: computation
    ).invoke(compared, [1]),
    "not a computation": lambda: native.create_mergeable_comp_execution_context([Failing()]).invoke(
        lambda values: values, [1]
    ),
    "other clients": lambda: call(
        native.create_mergeable_comp_execution_context([Failing()]),
        tff.federated_computation(lambda x, y: (x, y), AT_CLIENTS, AT_CLIENTS),
        [1, 2],
        [1],
    ),
    "another type": lambda: call(
        native.create_mergeable_comp_execution_context([Failing()]), compared, [1, 2.5]
    ),
}
_VALUE_ERRORS = ("no compiler", "compiler of something else", "other clients")


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(name, golden):
    with pytest.raises(ValueError if name in _VALUE_ERRORS else TypeError) as raised:
        MISTAKES[name]()
    golden.check(name, f"{type(raised.value).__qualname__}: {raised.value}")


# No fixture: Hypothesis runs all examples of a test under one.
@pytest.mark.parametrize(
    "create",
    [
        contexts.create_local_context,
        pytest.param(contexts.create_reference_context, marks=pytest.mark.slow),
    ],
)
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=60)
def test_drawn_rounds_are_the_same_in_subrounds(create, data, draw_round, draw_value):
    original = draw_round(data.draw, secure=False)
    state_type, data_type = (each for _, each in original.type_signature.parameter.items())
    hypothesis.assume(not data_type.all_equal)
    state = draw_value(data.draw, state_type, 0)
    values = draw_value(data.draw, data_type, data.draw(st.integers(0, 9), label="clients"))
    subrounds = data.draw(st.integers(1, 4), label="subrounds")
    with context_stack.install(create(seed=0)) as worker:
        expected = original(state, values)
    context = native.create_mergeable_comp_execution_context([worker, worker], subrounds)
    assert repr(call(context, original, state, values)) == repr(expected)
