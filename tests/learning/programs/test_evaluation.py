"""Evaluations run beside the training, are released under its rounds, and are resumed."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.learning.programs.errors import EvaluationError


def name_of(train_round):
    return f"evaluation_of_train_round_{train_round:05d}"


# Source: TFF 0.87.
def test_the_models_of_every_other_round_and_of_the_last_are_evaluated(program, evaluations):
    program.run(5, evaluation_manager=evaluations.manager())
    assert evaluations.names == [name_of(each) for each in (2, 4, 5)]
    assert sorted(evaluations.rounds.values()) == [2, 4, 5]
    assert sorted(evaluations.aggregated.values()) == [2, 4, 5]


# Source: TFF 0.87.
def test_metrics_are_released_as_those_of_the_model(program, evaluations):
    program.run(1, evaluation_manager=evaluations.manager())
    [of_round] = evaluations.rounds.values().values()
    [of_all] = evaluations.aggregated.values().values()
    assert list(of_round["client_work"]["eval"]) == ["total_rounds_metrics"]
    assert list(of_all["client_work"]["eval"]) == ["current_round_metrics"]
    assert list(of_round["model_metrics"]) == list(of_all["model_metrics"]) == ["total"]


# Source: TFF 0.87.
def test_state_is_kept_under_the_names_of_tff_until_an_evaluation_has_ended(program, evaluations):
    program.run(2, evaluation_manager=evaluations.manager())
    managers = evaluations.state_managers
    assert sorted(managers) == ["eval_manager", name_of(2)]
    assert asyncio.run(managers[name_of(2)].get_versions()) is None
    versions = asyncio.run(managers["eval_manager"].get_versions())
    assert versions == [1, 2]
    unfinished, _ = asyncio.run(managers["eval_manager"].load(1, (0, 0)))
    assert unfinished.tolist() == [2]
    assert unfinished.dtype == np.int32
    unfinished, _ = asyncio.run(managers["eval_manager"].load(2, (0, 0)))
    assert unfinished.tolist() == []


def test_training_does_not_depend_on_evaluations(program, evaluations, train_process, make_program):
    program.run(4, evaluation_manager=evaluations.manager())
    other = make_program(train_process)
    other.run(4)
    assert program.totals() == other.totals()


def test_evaluations_go_by_time(program, evaluations, monkeypatch):
    now = [1000.25]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def pass_ten_seconds(output):
        now[0] += 10
        return False

    program.run(
        6,
        evaluation_manager=evaluations.manager(),
        evaluation_periodicity=datetime.timedelta(seconds=25),
        should_discard_round=pass_ten_seconds,
    )
    assert evaluations.names == [name_of(each) for each in (1, 4, 6)]
    state, _ = asyncio.run(
        program.states.load_latest(
            tff.learning.programs.ProgramState(
                0, 0, 0, evaluations.arguments["data_source"].iterator()
            )
        )
    )
    assert state.next_evaluation_timestamp_seconds == 1040 + 25


def test_an_evaluation_goes_on_for_its_duration(evaluations, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    evaluations.arguments["duration"] = datetime.timedelta(seconds=25)

    class Clock(tff.program.MemoryReleaseManager):
        async def release(self, value, key):
            now[0] += 10
            await super().release(value, key)

    evaluations.rounds = Clock()

    async def run():
        manager = evaluations.manager()
        await manager.start_evaluation(7, 1000, np.float32(0))
        await manager.wait_for_evaluations_to_finish()

    asyncio.run(run())
    assert list(evaluations.rounds.values()) == [7, 8, 9]
    assert list(evaluations.aggregated.values()) == [7]


class Interrupted(tff.program.MemoryReleaseManager):
    """Lets an evaluation wait in its second round, until it goes on."""

    def __init__(self):
        super().__init__()
        self.waiting = asyncio.Event()

    async def release(self, value, key):
        if key == 8 and not self.waiting.is_set():
            self.waiting.set()
            await asyncio.Event().wait()
        await super().release(value, key)


def test_an_evaluation_that_was_interrupted_is_resumed_with_the_clients_that_come_next(
    eval_process, make_evaluations
):
    def totals(evaluations):
        values = evaluations.rounds.values()
        return {key: float(each["model_metrics"]["total"]) for key, each in values.items()}

    async def run(evaluations, seconds):
        evaluations.arguments["duration"] = datetime.timedelta(seconds=seconds)
        manager = evaluations.manager()
        await manager.start_evaluation(7, int(time.time()), np.float32(0))
        await evaluations.rounds.waiting.wait()
        await manager.stop_evaluations()
        assert list(evaluations.rounds.values()) == [7]
        evaluations.arguments["duration"] = datetime.timedelta(0)
        manager = evaluations.manager()
        await manager.resume_from_previous_state()
        await manager.wait_for_evaluations_to_finish()

    interrupted = make_evaluations(eval_process)
    interrupted.rounds = Interrupted()
    asyncio.run(run(interrupted, 1000))
    draws = tff.program.DatasetDataSource(
        [[1.0], [2.0, 3.0], [4.0], [5.0, 6.0], [7.0]], seed=4
    ).iterator()
    expected = [sum(sum(client) for client in draws.select(2)) for _ in range(2)]
    assert totals(interrupted) == dict(zip([7, 8], expected, strict=True))


def test_an_evaluation_that_is_running_is_not_started_again(evaluations):
    async def run():
        manager = evaluations.manager()
        await manager.start_evaluation(7, 0, np.float32(0))
        await manager.start_evaluation(7, 0, np.float32(0))
        await manager.resume_from_previous_state()
        await manager.wait_for_evaluations_to_finish()

    asyncio.run(run())
    assert evaluations.names == [name_of(7)]


def test_a_failing_evaluation_is_told_and_does_not_stop_the_training(
    program, evaluations, caplog, check_text
):
    class Failing(tff.program.MemoryReleaseManager):
        async def release(self, value, key):
            if key == 2:
                raise OSError("no space left")
            await super().release(value, key)

    evaluations.rounds = Failing()
    with caplog.at_level(logging.ERROR), pytest.raises(EvaluationError) as caught:
        program.run(5, evaluation_manager=evaluations.manager())
    check_text("evaluation", caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert "training round 2 failed: no space left" in caplog.text
    assert program.versions() == [0, 1, 2, 3, 4, 5]
    # Run again, it takes up the evaluation that did not end.
    evaluations.rounds = tff.program.MemoryReleaseManager()
    program.run(5, evaluation_manager=evaluations.manager())
    assert list(evaluations.rounds.values()) == [2]


def test_a_training_that_fails_stops_its_evaluations(program, evaluations):
    evaluations.arguments["duration"] = datetime.timedelta(days=1)

    class Failing(tff.program.MemoryProgramStateManager):
        async def save(self, program_state, version):
            if version == 3:
                raise OSError("no space left")
            await super().save(program_state, version)

    async def run():
        with pytest.raises(RuntimeError):
            await program.train(
                5, evaluation_manager=evaluations.manager(), program_state_manager=Failing()
            )
        count = len(evaluations.rounds.values())
        # Those that are left come to their end, and none of them is an evaluation.
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        return count

    assert asyncio.run(run()) == len(evaluations.rounds.values())


def test_what_a_manager_was_made_with_can_be_read(evaluations):
    manager = evaluations.manager()
    for name, value in evaluations.arguments.items():
        assert getattr(manager, name) == value


@pytest.mark.parametrize(
    ("name", "call", "builtin"),
    [
        ("not started", lambda m: m.record_evaluations_finished(3), RuntimeError),
    ],
)
def test_a_mistake_says_what_to_do(name, call, builtin, evaluations, check_text):
    with pytest.raises(builtin) as caught:
        asyncio.run(call(evaluations.manager()))
    check_text(name, caught.value)


def test_client_data_is_no_data_source(evaluations, check_text):
    evaluations.arguments["data_source"] = [[1.0]]
    with pytest.raises(TypeError) as caught:
        evaluations.manager()
    check_text("no data source", caught.value)
