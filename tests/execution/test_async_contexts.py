"""Calls that are awaited: results, failures and cancellation, and the loop that goes on."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

framework = tff.framework
native = tff.backends.native


@tff.jax.computation(np.int32)
def double(x):
    return 2 * x


@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
def total(values):
    return tff.federated_sum(tff.federated_map(double, values))


@tff.federated_computation
def count_clients():
    return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))


def run(main, context=None):
    """Runs a coroutine function in a context, and gives it the context."""

    async def in_context():
        used = context or native.create_async_local_cpp_execution_context(default_num_clients=3)
        with framework.get_context_stack().install(used):
            return await main()

    return asyncio.run(in_context())


class Waiting(framework.ExecutorFactory):
    """Makes executors that wait until they are let go, each call in its thread."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.ended = threading.Semaphore(0)

    def create_executor(self, cardinalities):
        return self

    def clean_up_executor(self, cardinalities):
        pass

    def invoke(self, comp, arg):
        self.begun.release()
        assert self.let_go.wait(timeout=60)
        self.ended.release()
        return arg


def test_a_call_is_awaited():
    async def main():
        return await total([1, 2]), await count_clients()

    assert run(main) == (6, 3)


def test_several_calls_are_gathered_in_their_order():
    async def main():
        return await asyncio.gather(*[total([number]) for number in range(20)])

    assert run(main) == [2 * number for number in range(20)]


def test_a_polymorphic_computation_is_awaited():
    same = tff.jax.computation(lambda x: x)

    async def main():
        return await same(3)

    assert run(main) == 3


def test_the_loop_goes_on_while_calls_run_at_the_same_time():
    factory = Waiting()

    async def main():
        calls = [asyncio.ensure_future(double(number)) for number in (1, 2)]
        # Both have begun, and neither has ended: the loop is free, and so is the other thread.
        for _ in calls:
            await asyncio.to_thread(factory.begun.acquire)
        assert not any(call.done() for call in calls)
        factory.let_go.set()
        return await asyncio.gather(*calls)

    assert run(main, framework.AsyncExecutionContext(factory)) == [1, 2]


def test_a_call_that_is_cancelled_ends_for_who_awaits_it():
    factory = Waiting()

    async def main():
        call = asyncio.ensure_future(double(1))
        await asyncio.to_thread(factory.begun.acquire)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        factory.let_go.set()
        await asyncio.to_thread(factory.ended.acquire)
        return await double(2)

    assert run(main, framework.AsyncExecutionContext(factory)) == 2


def test_a_failure_arrives_with_the_line_of_the_call():
    async def main():
        await total([1, "two"])

    with pytest.raises(TypeError, match=r"argument\[1\]: expected int32") as raised:
        run(main)
    assert raised.value.where.endswith("in `main`")


def test_a_failure_of_one_call_leaves_the_others_alone():
    async def main():
        return await asyncio.gather(total([1]), total(2), return_exceptions=True)

    result, failure = run(main)
    assert result == 2
    assert isinstance(failure, errors.InvalidNonAllEqualValueError)


def test_a_call_is_tried_again_when_an_executor_asks_for_it():
    class Flaky(Waiting):
        was_asked = False

        def invoke(self, comp, arg):
            if not self.was_asked:
                self.was_asked = True
                raise framework.RetryableError
            return arg

    async def main():
        return await double(5)

    assert run(main, framework.AsyncExecutionContext(Flaky())) == 5


@pytest.mark.parametrize(("limit", "expected"), [(1, "alone"), (2, "together")])
def test_no_more_calls_run_at_the_same_time_than_allowed(limit, expected):
    meeting = threading.Barrier(2)

    def meet(value):
        try:
            meeting.wait(timeout=60 if limit == 2 else 0.1)
        except threading.BrokenBarrierError:
            return b"alone"
        return b"together"

    @tff.tensorflow.computation(np.int32)
    def observed(x):
        import tensorflow as tf

        return tf.numpy_function(meet, [x], tf.string)

    context = native.create_async_local_cpp_execution_context(
        max_concurrent_computation_calls=limit
    )

    async def main():
        return await asyncio.gather(observed(1), observed(2))

    assert run(main, context) == [expected.encode()] * 2


def test_the_results_are_those_of_the_sync_context():
    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def mean(values):
        return tff.federated_mean(values)

    values = [0.1 * number for number in range(100)]

    async def main():
        return await mean(values)

    assert run(main) == mean(values)


def test_a_call_in_a_sync_context_works_where_a_loop_runs():
    async def main():
        return total([1, 2])

    context = native.create_sync_local_cpp_execution_context()
    assert run(main, context) == 6


def test_a_context_of_the_user_is_awaited():
    class Mine(framework.AsyncContext):
        async def invoke(self, comp, arg):
            await asyncio.sleep(0)
            return comp, arg

    async def main():
        return await double(1)

    assert run(main, Mine()) == (double, 1)


def test_a_process_runs_in_rounds_that_are_awaited():
    initialize = tff.federated_computation(lambda: tff.federated_value(0, tff.SERVER))

    @tff.jax.computation(np.int32, np.int32)
    def add(x, y):
        return x + y

    @tff.federated_computation(
        initialize.type_signature.result, tff.FederatedType(np.int32, tff.CLIENTS)
    )
    def step(state, values):
        return tff.federated_map(add, (state, tff.federated_sum(values)))

    process = tff.templates.IterativeProcess(initialize, step)

    async def main():
        state = await process.initialize()
        for values in ([1, 2], [3]):
            state = await process.next(state, values)
        return state

    assert run(main) == 6
