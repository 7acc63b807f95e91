"""Evaluating models beside the training that makes them."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.core import arguments, errors
from tensorflow_federated.execution import call_numbers
from tensorflow_federated.learning.models import ModelWeights
from tensorflow_federated.learning.programs import model_metrics
from tensorflow_federated.learning.programs.errors import EvaluationError, TrainingArgumentError
from tensorflow_federated.learning.templates import LearningProcess, LearningProcessOutput
from tensorflow_federated.program import (
    FederatedDataSource,
    ProgramStateManager,
    ReleaseManager,
    materialize_value,
    native,
)

_LOGGER = logging.getLogger(__name__)
_MANAGER_NAME = "eval_manager"
# Rounds of evaluations count on their own: see `call_numbers.numbered`. Training is series 1.
_CALL_SERIES = 2

CreateStateManager = Callable[[str], ProgramStateManager[Any]]
CreateProcess = Callable[[str], tuple[LearningProcess, ReleaseManager[Any, int] | None]]


class EvaluationManager:
    """Evaluates models, each in a loop of rounds that runs beside the training.

    ::

        training     round 1, round 2, round 3, round 4, ...
                                 |                 |
        evaluation               |--> round 2, 3   |
        evaluation                                 |--> round 4, 5

    An evaluation of the model of training round `r` runs for some time, and at least one round. Its
    first round is released under `r`, so that it stands beside that training round, and the next
    ones under `r + 1`, `r + 2`, ...; at its end what it has measured in all of its rounds is
    released under `r`. Evaluations that were interrupted go on when they are resumed: which they
    are is kept by a state manager of the name `eval_manager`, and the state of each by one of the
    name `evaluation_of_train_round_00002`.

    Examples:
      >>> import datetime
      >>> import tensorflow_federated as tff
      >>> state_managers = {}
      >>> def create_state_manager(name):
      ...     return state_managers.setdefault(name, tff.program.MemoryProgramStateManager())
      >>> def create_process(name):
      ...     process = tff.learning.algorithms.build_fed_eval(model_fn)
      ...     return process, tff.program.LoggingReleaseManager()
      >>> manager = EvaluationManager(
      ...     tff.program.DatasetDataSource([[1, 2], [3]]),
      ...     tff.program.MemoryReleaseManager(),
      ...     create_state_manager,
      ...     create_process,
      ...     cohort_size=2,
      ...     duration=datetime.timedelta(minutes=10),
      ... )
      >>> manager.cohort_size
      2

    Differs from TFF: an evaluation that is resumed goes on with the clients that would have come
    next; one that is running is not started again; any program state manager will do.
    """

    @errors.boundary
    def __init__(
        self,
        data_source: FederatedDataSource,
        aggregated_metrics_manager: ReleaseManager[Any, int] | None,
        create_state_manager_fn: CreateStateManager,
        create_process_fn: CreateProcess,
        cohort_size: int,
        duration: datetime.timedelta = datetime.timedelta(days=1),
    ) -> None:
        """Makes a manager.

        Args:
          data_source: gives the clients' data; each evaluation takes an iterator of its own.
          aggregated_metrics_manager: releases what an evaluation measured in all of its rounds.
          create_state_manager_fn: gives the state manager of a name. Called again with a name, also
            when the program is run again, it must give one that finds what was saved.
          create_process_fn: gives for the name of an evaluation a process, such as
            `tff.learning.algorithms.build_fed_eval` builds, and what releases the metrics of its
            rounds, or None.
          cohort_size: how many clients evaluate in a round.
          duration: how long to evaluate each model.

        Raises:
          ArgumentError: if an argument is of another class.
        """
        arguments.check_instance(
            "data_source",
            data_source,
            FederatedDataSource,
            "an evaluation takes its data from a data source.",
            fix="give `tff.program.DatasetDataSource(client_data)`.",
        )
        arguments.check_instance(
            "duration",
            duration,
            datetime.timedelta,
            "a duration is a `datetime.timedelta`.",
            fix="write `datetime.timedelta(hours=1)`.",
        )
        self._data_source = data_source
        self._aggregated_metrics_manager = aggregated_metrics_manager
        self._create_state_manager_fn = create_state_manager_fn
        self._create_process_fn = create_process_fn
        self._cohort_size = cohort_size
        self._duration = duration
        self._state_manager = create_state_manager_fn(_MANAGER_NAME)
        self._next_version = 1
        # The start of each evaluation that has not ended, in seconds, by its training round.
        self._unfinished: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @property
    def data_source(self) -> FederatedDataSource:
        """What gives the clients' data."""
        return self._data_source

    @property
    def aggregated_metrics_manager(self) -> ReleaseManager[Any, int] | None:
        """What releases the metrics over all rounds of an evaluation."""
        return self._aggregated_metrics_manager

    @property
    def create_state_manager_fn(self) -> CreateStateManager:
        """What gives the state manager of a name."""
        return self._create_state_manager_fn

    @property
    def create_process_fn(self) -> CreateProcess:
        """What gives the process of an evaluation, and what releases the metrics of its rounds."""
        return self._create_process_fn

    @property
    def cohort_size(self) -> int:
        """How many clients evaluate in a round."""
        return self._cohort_size

    @property
    def duration(self) -> datetime.timedelta:
        """How long each model is evaluated."""
        return self._duration

    @errors.boundary
    async def start_evaluation(
        self, train_round: int, start_timestamp_seconds: int, model_weights: ModelWeights
    ) -> None:
        """Starts to evaluate a model, beside whatever the program does next.

        Args:
          train_round: the number of the training round that the model is of. If it is being
            evaluated already, nothing is done.
          start_timestamp_seconds: when the evaluation counts as begun, in seconds since 1970.
          model_weights: the weights of the model, or references to them.
        """
        task = self._tasks.get(train_round)
        if train_round in self._unfinished and task is not None and not task.done():
            return
        name = _name(train_round)
        with native.federated_context():
            state_manager = self._create_state_manager_fn(name)
            process, metrics_manager = self._create_process_fn(name)
            state = await materialize_value(process.initialize())
            state = await materialize_value(process.set_model_weights(state, model_weights))
            if await state_manager.get_versions():
                # What an evaluation that was given up has left behind.
                await state_manager.remove_all()
            await state_manager.save(state, 0)
            self._unfinished[train_round] = int(start_timestamp_seconds)
            await self._save()
            self._run(train_round, state_manager, process, metrics_manager)

    @errors.boundary
    async def record_evaluations_finished(self, train_round: int) -> None:
        """Notes that an evaluation has ended, so that it is not resumed.

        Args:
          train_round: the number of its training round.

        Raises:
          EvaluationError: if there is no evaluation of it, a `RuntimeError`.
        """
        if train_round not in self._unfinished:
            raise EvaluationError(
                f"there is no evaluation of training round {train_round} that could have ended.",
                problems=[f"evaluations: {sorted(self._unfinished) or 'none'}"],
                fix="start it first: `await manager.start_evaluation(...)`.",
            )
        del self._unfinished[train_round]
        await self._save()

    @errors.boundary
    async def resume_from_previous_state(self) -> None:
        """Resumes the evaluations that had not ended when their state was saved.

        Those that this manager is running go on as they are.
        """
        nothing = np.zeros([0], np.int32)
        saved, version = await self._state_manager.load_latest((nothing, nothing))
        self._next_version = version + 1
        if saved is None:
            _LOGGER.info("There are no evaluations to resume.")
            return
        rounds, starts = saved
        self._unfinished = dict(zip(rounds.tolist(), starts.tolist(), strict=True))
        with native.federated_context():
            for train_round in self._unfinished:
                task = self._tasks.get(train_round)
                if task is None or task.done():
                    _LOGGER.info("Resuming the evaluation of training round %d.", train_round)
                    name = _name(train_round)
                    state_manager = self._create_state_manager_fn(name)
                    self._run(train_round, state_manager, *self._create_process_fn(name))

    @errors.boundary
    async def wait_for_evaluations_to_finish(self) -> None:
        """Waits until all evaluations have ended.

        Raises:
          EvaluationError: if some of them failed.
        """
        tasks = dict(self._tasks)
        pending = [task for task in tasks.values() if not task.done()]
        if pending:
            await asyncio.wait(pending)
        failed: dict[int, BaseException] = {}
        for train_round, task in tasks.items():
            if self._tasks.get(train_round) is task:
                del self._tasks[train_round]
            error = None if task.cancelled() else task.exception()
            if error is not None:
                failed[train_round] = error
        if failed:
            raise EvaluationError(
                f"evaluations failed: {len(failed)}.",
                problems=[
                    f"training round {train_round}: {type(error).__qualname__}: {error}"
                    for train_round, error in failed.items()
                ],
                fix="mend what is wrong; evaluations that did not end are resumed when the program "
                "is run again.",
            ) from next(iter(failed.values()))

    async def stop_evaluations(self) -> None:
        """Stops all evaluations where they are; `resume_from_previous_state` takes them up again.

        Differs from TFF: there they run on after a training that failed.
        """
        tasks = [self._tasks.pop(train_round) for train_round in list(self._tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(
        self,
        train_round: int,
        state_manager: ProgramStateManager[Any],
        process: LearningProcess,
        metrics_manager: ReleaseManager[Any, int] | None,
    ) -> None:
        """Starts the loop of an evaluation whose state is saved."""
        end = self._unfinished[train_round] + self._duration.total_seconds()

        async def run() -> None:
            await self._evaluate(train_round, state_manager, process, metrics_manager, end)
            await self.record_evaluations_finished(train_round)
            await state_manager.remove_all()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks[train_round] = task
        task.add_done_callback(lambda task: self._tell(train_round, task))

    def _tell(self, train_round: int, task: asyncio.Task[None]) -> None:
        """Tells at once of an evaluation that failed; one that succeeded is forgotten."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            # Raised where the program waits for its evaluations.
            _LOGGER.error("The evaluation of training round %d failed: %s", train_round, error)
        elif self._tasks.get(train_round) is task:
            del self._tasks[train_round]

    async def _evaluate(
        self,
        train_round: int,
        state_manager: ProgramStateManager[Any],
        process: LearningProcess,
        metrics_manager: ReleaseManager[Any, int] | None,
        end: float,
    ) -> None:
        form = await materialize_value(process.initialize())
        state, version = await state_manager.load_latest(form)
        if state is None:
            raise TrainingArgumentError(
                f"no state of the evaluation of training round {train_round} is saved.",
                fix="let `create_state_manager_fn` give a manager that finds what was saved under "
                "the same name before.",
            )
        iterator = self._data_source.iterator()
        for _ in range(version):
            iterator.select(self._cohort_size)
        while True:
            data = iterator.select(self._cohort_size)
            with call_numbers.numbered(_CALL_SERIES, train_round, version):
                started = process.next(state, data)
            output = await materialize_value(started)
            check_output("evaluation", output)
            if metrics_manager is not None:
                await metrics_manager.release(
                    model_metrics.rewrap_evaluation(output.metrics, "current_round_metrics"),
                    key=train_round + version,
                )
            state, version = output.state, version + 1
            await state_manager.save(state, version)
            _LOGGER.info("Evaluated training round %d, round %d.", train_round, version)
            if time.time() >= end:
                break
        if self._aggregated_metrics_manager is not None:
            await self._aggregated_metrics_manager.release(
                model_metrics.rewrap_evaluation(output.metrics, "total_rounds_metrics"),
                key=train_round,
            )

    async def _save(self) -> None:
        version, self._next_version = self._next_version, self._next_version + 1
        # Arrays, whose lengths may differ: a state always has the same structure.
        rounds = np.array(list(self._unfinished), np.int32)
        starts = np.array(list(self._unfinished.values()), np.int64)
        await self._state_manager.save((rounds, starts), version)


def check_output(what: str, output: object) -> None:
    """Raises an `ArgumentError` if `next` of a process did not give a `LearningProcessOutput`.

    Args:
      what: what the process does.
      output: what it gave.
    """
    arguments.check_instance(
        "result",
        output,
        LearningProcessOutput,
        f"`next` of the {what} process gives a `LearningProcessOutput` in a federated context.",
        fix="let the context keep the containers of the result's type.",
    )


def _name(train_round: int) -> str:
    return f"evaluation_of_train_round_{train_round:05d}"
