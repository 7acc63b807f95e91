"""`train_model`: what it saves and releases, and that it goes on where it was interrupted."""

from __future__ import annotations

import asyncio
import datetime
import inspect

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors, local_intrinsics
from tensorflow_federated.learning.programs.errors import (
    DiscardedRoundError,
    ProgramOutputError,
)


class FailingStates(tff.program.MemoryProgramStateManager):
    """Has no room for one version, until room is made."""

    def __init__(self, version):
        super().__init__()
        self.full_at = version

    async def save(self, program_state, version):
        if version == self.full_at:
            raise OSError("no space left")
        await super().save(program_state, version)


class FailingReleases(tff.program.MemoryReleaseManager):
    async def release(self, value, key):
        if key == 2:
            raise OSError("no space left")
        await super().release(value, key)


def states_of(manager):
    async def load():
        form = tff.learning.programs.ProgramState(
            0, 0, 0, tff.program.DatasetDataSource([[1.0]]).iterator()
        )
        return [await manager.load(each, form) for each in await manager.get_versions()]

    return asyncio.run(load())


def test_each_round_is_saved_and_its_metrics_are_released(program):
    program.run(3)
    states = states_of(program.states)
    assert [each.round_number for each in states] == [0, 1, 2, 3]
    assert [each.next_evaluation_timestamp_seconds for each in states] == [None] * 4
    assert list(program.metrics.values()) == [1, 2, 3]
    totals = program.totals()
    expected = (0.25 * totals[1]) + (0.5 * totals[2]) + totals[3]
    assert float(states[-1].state) == expected


# Source: TFF 0.87.
def test_metrics_are_those_of_tff(program):
    program.run(1)
    [metrics] = program.metrics.values().values()
    assert list(metrics) == ["client_work", "model_metrics"]
    assert list(metrics["client_work"]) == ["other"]
    assert list(metrics["model_metrics"]) == ["total"]


# Source: TFF 0.87.
def test_the_model_of_every_tenth_round_and_of_the_last_is_released(program):
    program.run(12)
    assert list(program.models.values()) == [
        "training_checkpoint_round_10",
        "training_checkpoint_round_12",
    ]
    assert (
        program.models.values()["training_checkpoint_round_12"]
        == states_of(program.states)[-1].state
    )


def test_a_program_that_is_resumed_gives_what_it_would_have_given(
    program, train_process, make_program
):
    whole = make_program(train_process)
    whole.run(6)
    program.run(2)
    program.run(4)
    program.run(6)
    assert program.totals() == whole.totals()
    assert (
        program.models.values()["training_checkpoint_round_6"]
        == (whole.models.values()["training_checkpoint_round_6"])
    )
    assert program.versions() == whole.versions()


def test_a_program_that_is_complete_does_nothing(program):
    program.run(2)
    program.metrics.remove_all()
    program.run(2)
    program.run(1)
    assert not program.metrics.values()


def test_the_first_state_can_be_given(program):
    program.run(1, initial_train_state=np.float32(100))
    assert [float(each.state) for each in states_of(program.states)] == [
        100,
        50 + program.totals()[1],
    ]


def test_it_is_awaited_where_a_loop_runs(program):
    async def notebook():
        return await program.train(1)

    asyncio.run(notebook())
    assert list(program.metrics.values()) == [1]
    assert inspect.iscoroutinefunction(tff.learning.programs.train_model)


@pytest.mark.parametrize("kind", ["federated", "async", "sync"])
def test_it_runs_in_any_context(kind, program, train_process, make_program):
    native = tff.backends.native
    context = {
        "federated": lambda: tff.program.NativeFederatedContext(
            native.create_async_local_cpp_execution_context()
        ),
        "async": native.create_async_local_cpp_execution_context,
        "sync": native.create_sync_local_cpp_execution_context,
    }[kind]()
    with tff.framework.get_context_stack().install(context):
        program.run(2)
    other = make_program(train_process)
    other.run(2)
    assert program.totals() == other.totals()


def test_random_keys_do_not_depend_on_what_was_called_before(program, make_program):
    @tff.federated_computation
    def initialize():
        return tff.federated_value(np.float32(0), tff.SERVER)

    @tff.jax.computation((np.int64, [2]))
    def low_bits(key):
        return (key[0] % 1000).astype(np.float32)

    @tff.federated_computation(
        tff.FederatedType(np.float32, tff.SERVER),
        tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
    )
    def run_round(state, client_data):
        drawn = tff.federated_map(
            tff.federated_computation(
                lambda data: low_bits(local_intrinsics.random_key()),
                tff.SequenceType(np.float32),
            ),
            client_data,
        )
        total = tff.federated_sum(drawn)
        metrics = tff.federated_zip({"client_work": {"train": {"total": total}}})
        return tff.learning.templates.LearningProcessOutput(total, metrics)

    process = tff.learning.templates.LearningProcess(
        initialize,
        run_round,
        tff.federated_computation(lambda state: state, np.float32),
        tff.federated_computation(lambda state, weights: weights, np.float32, np.float32),
    )
    totals = []
    for interruptions in ([4], [1, 3, 4]):
        run = make_program(process)
        for rounds in interruptions:
            context = tff.backends.native.create_sync_local_cpp_execution_context(seed=5)
            with tff.framework.get_context_stack().install(context):
                run.run(rounds)
        totals.append(run.totals())
    assert totals[0] == totals[1]
    assert len(set(totals[0].values())) == 4


class Discard:
    """Discards the outputs of some calls."""

    def __init__(self, *calls):
        self.calls = calls
        self.outputs = []

    def __call__(self, output):
        self.outputs.append(output)
        return len(self.outputs) in self.calls


def test_a_round_that_is_discarded_is_tried_again_with_others(program):
    discard = Discard(2, 3)
    program.run(3, should_discard_round=discard)
    assert list(program.totals()) == [1, 2, 3]
    totals = [float(each.metrics["client_work"]["other"]) for each in discard.outputs]
    assert len(totals) == 5
    assert [totals[0], totals[3], totals[4]] == list(program.totals().values())
    assert totals[1] != totals[2]


def test_rounds_behind_one_that_was_discarded_have_the_same_clients(
    program, train_process, make_program
):
    other = make_program(train_process)
    other.run(4)
    program.run(4, should_discard_round=Discard(2))
    assert {each: program.totals()[each] for each in (1, 3, 4)} == {
        each: other.totals()[each] for each in (1, 3, 4)
    }


# Source: TFF 0.87.
def test_an_iterator_that_draws_nothing_gives_a_discarded_round_the_same_clients(program):
    class Counting(tff.program.FederatedDataSourceIterator):
        federated_type = property(
            lambda self: tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS)
        )
        number = 0

        def select(self, k=None):
            self.number += 1
            return [[float(self.number)]] * k

        def to_bytes(self):
            return str(self.number).encode()

        @classmethod
        def from_bytes(cls, buffer):
            iterator = cls()
            iterator.number = int(buffer)
            return iterator

    class Source(tff.program.FederatedDataSource):
        federated_type = Counting.federated_type

        def iterator(self):
            return Counting()

    discard = Discard(2)
    program.run(3, train_data_source=Source(), should_discard_round=discard)
    assert [float(each.metrics["client_work"]["other"]) for each in discard.outputs] == [2, 4, 4, 6]


def test_a_round_is_not_tried_for_ever(program, check_text):
    with pytest.raises(DiscardedRoundError) as caught:
        program.run(3, should_discard_round=lambda output: True, max_discards_per_round=3)
    check_text("discarded", caught.value)
    assert program.versions() == [0]


def test_a_save_that_fails_ends_the_run_and_loses_nothing(
    program, train_process, check_text, make_program
):
    states = FailingStates(3)
    with pytest.raises(ProgramOutputError) as caught:
        program.run(6, program_state_manager=states)
    check_text("save", caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert asyncio.run(states.get_versions()) == [0, 1, 2]
    states.full_at = None
    program.run(6, program_state_manager=states)
    whole = make_program(train_process)
    whole.run(6)
    assert program.totals() == whole.totals()
    assert states_of(states)[-1].state == states_of(whole.states)[-1].state


def test_a_first_state_that_cannot_be_saved_ends_the_run(program):
    with pytest.raises(OSError, match="no space left"):
        program.run(2, program_state_manager=FailingStates(0))


def test_a_round_that_was_not_released_is_not_saved(program, check_text):
    with pytest.raises(ProgramOutputError) as caught:
        program.run(4, train_metrics_manager=FailingReleases())
    check_text("release", caught.value)
    assert program.versions() == [0, 1]


def test_a_round_that_fails_leaves_the_rounds_before_it_saved(program):
    class Source(tff.program.FederatedDataSource):
        federated_type = property(
            lambda self: tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS)
        )

        def iterator(self):
            iterator = tff.program.DatasetDataSource([[1.0], [2.0]], seed=1).iterator()
            return Third(iterator)

    class Third(tff.program.FederatedDataSourceIterator):
        federated_type = Source.federated_type

        def __init__(self, inner):
            self.inner = inner
            self.number = 0

        def select(self, k=None):
            self.number += 1
            return [["x"]] if self.number == 3 else self.inner.select(k)

        def to_bytes(self):
            return b""

        @classmethod
        def from_bytes(cls, buffer):
            raise AssertionError

    with pytest.raises(TypeError):
        program.run(4, train_data_source=Source())
    assert program.versions() == [0, 1, 2]


def test_a_run_that_is_cancelled_saves_what_it_had_begun_to(program):
    class SlowStates(tff.program.MemoryProgramStateManager):
        def __init__(self):
            super().__init__()
            self.begun, self.goes_on = asyncio.Event(), asyncio.Event()

        async def save(self, program_state, version):
            if version == 1:
                self.begun.set()
                await self.goes_on.wait()
            await super().save(program_state, version)

    async def interrupted():
        states = SlowStates()
        task = asyncio.create_task(program.train(5, program_state_manager=states))
        await states.begun.wait()
        task.cancel()
        states.goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await states.get_versions()

    assert asyncio.run(interrupted()) == [0, 1]


@pytest.mark.parametrize(
    ("name", "arguments", "builtin"),
    [
        ("a process", {"train_process": 3, "model_output_manager": None}, TypeError),
        ("rounds that are no number", {"max_discards_per_round": None}, TypeError),
        ("client data", {"train_data_source": [[1.0]]}, TypeError),
        ("too many clients", {"train_per_round_clients": 9}, ValueError),
        ("an argument that is misspelt", {"train_rounds": 9}, TypeError),
    ],
)
def test_a_mistake_says_what_to_write(name, arguments, builtin, program, check_text):
    with pytest.raises(builtin) as caught:
        program.run(2, **arguments)
    assert isinstance(caught.value, errors.FederatedError)
    check_text(name, caught.value)


@pytest.mark.parametrize("periodicity", [0, 1.5, None, datetime.timedelta(0)])
def test_a_periodicity_is_positive(periodicity, program, evaluations, check_text):
    with pytest.raises(ValueError, match="periodicity") as caught:
        program.run(
            2,
            evaluation_manager=evaluations.manager(),
            evaluation_periodicity=periodicity,
        )
    check_text(f"a periodicity of {periodicity}", caught.value)
    assert program.versions() is None


def test_metrics_that_are_elsewhere_are_told(process_without_metrics, check_text, make_program):
    with pytest.raises(KeyError) as caught:
        make_program(process_without_metrics).run(1)
    check_text("metrics", caught.value)
    make_program(process_without_metrics, train_metrics_manager=None).run(1)


def test_tuning_with_vizier_says_what_to_write():
    with pytest.raises(AttributeError, match="set_hparams"):
        tff.learning.programs.train_model_with_vizier  # noqa: B018
