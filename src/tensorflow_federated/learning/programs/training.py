"""The program that trains a model: round after round, saved, released and evaluated."""

from __future__ import annotations

import asyncio
import copy
import datetime
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.core import arguments, callsites, errors
from tensorflow_federated.execution import call_numbers
from tensorflow_federated.learning.programs import evaluation, model_metrics
from tensorflow_federated.learning.programs.errors import (
    DiscardedRoundError,
    MetricsPathError,
    ProgramOutputError,
    TrainingArgumentError,
)
from tensorflow_federated.learning.templates import (
    LearningAlgorithmState,
    LearningProcess,
    LearningProcessOutput,
)
from tensorflow_federated.program import (
    FederatedDataSource,
    FederatedDataSourceIterator,
    ProgramStateManager,
    ReleaseManager,
    materialize_value,
    native,
)

_LOGGER = logging.getLogger(__name__)
# Rounds count on their own: see `call_numbers.numbered`. Evaluations are series 2.
_CALL_SERIES = 1
_MODEL_EVERY = 10

_Step = tuple[str, Callable[[], Awaitable[None]]]
"""What an error says of a step that failed, with the number of the round; and the step."""


class ProgramState(NamedTuple):
    """The state of `train_model` after a round.

    Attributes:
      state: the state of the learning process.
      round_number: how many rounds have ended.
      next_evaluation_timestamp_seconds: the earliest time of the next evaluation, in seconds since
        1970; None where evaluations go by rounds, and before the first one.
      data_iterator: selects the clients of the next round.
    """

    state: Any
    round_number: int
    next_evaluation_timestamp_seconds: int | None
    data_iterator: FederatedDataSourceIterator | None


@errors.boundary
async def train_model(
    *,
    train_process: LearningProcess,
    initial_train_state: LearningAlgorithmState | None = None,
    train_data_source: FederatedDataSource,
    train_per_round_clients: int,
    train_total_rounds: int,
    should_discard_round: Callable[[LearningProcessOutput], bool] | None = None,
    program_state_manager: ProgramStateManager[Any],
    model_output_manager: ReleaseManager[Any, str],
    train_metrics_manager: ReleaseManager[Any, int] | None = None,
    evaluation_manager: evaluation.EvaluationManager | None,
    evaluation_periodicity: int | datetime.timedelta,
    max_discards_per_round: int = 100,
) -> None:
    """Trains a model for a number of rounds, and evaluates it beside that.

    After each round its metrics are released under the number of the round, and then the state of
    the program is saved under it; the first state is saved as version 0. The state of the process
    is released after every tenth round and after the last one, under the key
    `training_checkpoint_round_10`. All of this goes on while the next round is computed.

    A program that was interrupted is resumed by calling it again with the same managers: it goes on
    behind the last round whose state was saved, with the clients that would have come next, and
    gives what it would have given. A round that was released and whose state was not saved is
    released again. With models that draw random numbers this needs a context with a `seed`.

    It is awaited in the cell of a notebook, `await train_model(...)`, and run by
    `asyncio.run(train_model(...))` in a script. Computations are called in the current context;
    where that is no `tff.program.FederatedContext`, by a `tff.program.NativeFederatedContext` on
    it.

    Args:
      train_process: the learning process, as `tff.learning.algorithms` build it.
      initial_train_state: the state to begin with; what `initialize` of the process gives if None.
        It is of no consequence for a program that is resumed.
      train_data_source: gives the clients' data.
      train_per_round_clients: how many clients train in a round.
      train_total_rounds: how many rounds there are in all, those before an interruption included.
      should_discard_round: says of the output of a round whether to forget it and to try the round
        again: with other clients, where the data source draws them.
      program_state_manager: saves the states of the program, and finds the latest.
      model_output_manager: releases states of the process.
      train_metrics_manager: releases the metrics of each round, those of the model under
        `model_metrics`; none are released if None.
      evaluation_manager: evaluates models; there is no evaluation if None.
      evaluation_periodicity: after how many rounds, or after how long a time, the model is
        evaluated again. The model of the last round always is.
      max_discards_per_round: how often one round is tried again at most.

    Raises:
      ArgumentError: if an argument is of another class, a `TypeError`.
      TrainingArgumentError: if `evaluation_periodicity` is not positive, a `ValueError`.
      MetricsPathError: if the metrics of the process are not in `client_work` under `train`, a
        `KeyError`.
      DiscardedRoundError: if one round is discarded more often than that.
      ProgramOutputError: if something could not be saved or released; its cause says why.
      EvaluationError: when the training has ended, if an evaluation has failed.

    Examples:
      A process that adds up the numbers of the clients, and measures their sum:

      >>> import asyncio
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> add = tff.jax.computation(lambda x, y: x + y, np.float32, np.float32)
      >>> @tff.federated_computation
      ... def initialize():
      ...     return tff.federated_value(np.float32(0), tff.SERVER)
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.float32, tff.SERVER),
      ...     tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
      ... )
      ... def run_round(state, client_data):
      ...     total = tff.federated_sum(tff.sequence_sum(client_data))
      ...     metrics = tff.federated_zip({"client_work": {"train": {"total": total}}})
      ...     state = tff.federated_map(add, (state, total))
      ...     return tff.learning.templates.LearningProcessOutput(state, metrics)
      >>> process = tff.learning.templates.LearningProcess(
      ...     initialize,
      ...     run_round,
      ...     tff.federated_computation(lambda state: state, np.float32),
      ...     tff.federated_computation(lambda state, weights: weights, np.float32, np.float32),
      ... )
      >>> states = tff.program.MemoryProgramStateManager()
      >>> metrics = tff.program.MemoryReleaseManager()
      >>> models = tff.program.MemoryReleaseManager()
      >>> asyncio.run(
      ...     train_model(
      ...         train_process=process,
      ...         train_data_source=tff.program.DatasetDataSource([[1.0], [2.0, 3.0]], seed=1),
      ...         train_per_round_clients=2,
      ...         train_total_rounds=2,
      ...         program_state_manager=states,
      ...         model_output_manager=models,
      ...         train_metrics_manager=metrics,
      ...         evaluation_manager=None,
      ...         evaluation_periodicity=1,
      ...     )
      ... )
      >>> models.values()
      OrderedDict([('training_checkpoint_round_2', np.float32(12.0))])
      >>> metrics.values()[1]
      {'client_work': {}, 'model_metrics': {'total': np.float32(6.0)}}
      >>> asyncio.run(states.get_versions())
      [0, 1, 2]

    Differs from TFF: any context will do. A failure to save or to release ends the program, where
    TFF goes on and says nothing. A state is saved after its round was released, not before. Retries
    of a round are bounded.
    """
    _check_arguments(
        train_process=train_process,
        train_data_source=train_data_source,
        program_state_manager=program_state_manager,
        model_output_manager=model_output_manager,
        train_metrics_manager=train_metrics_manager,
    )
    arguments.check_instances(
        {
            "train_total_rounds": train_total_rounds,
            "max_discards_per_round": max_discards_per_round,
        },
        (int, np.integer),
        "rounds are counted in integers.",
        fix="write `train_total_rounds=10`, for example.",
    )
    schedule = None
    if evaluation_manager is not None:
        schedule = _EvaluationSchedule(evaluation_periodicity, train_total_rounds)
    outputs = _Outputs(callsites.find_user_line())
    with native.federated_context():
        try:
            if evaluation_manager is not None:
                await evaluation_manager.resume_from_previous_state()
            program_state = await _load_or_begin(
                train_process, initial_train_state, train_data_source, program_state_manager
            )
            next_evaluation = program_state.next_evaluation_timestamp_seconds
            if schedule is not None:
                schedule.next_time = next_evaluation
            state, iterator = program_state.state, program_state.data_iterator
            assert iterator is not None
            for round_number in range(program_state.round_number + 1, train_total_rounds + 1):
                output, iterator = await _run_round(
                    train_process,
                    state,
                    iterator,
                    train_per_round_clients,
                    round_number,
                    should_discard_round,
                    max_discards_per_round,
                )
                state = output.state
                await outputs.wait()
                if (
                    evaluation_manager is not None
                    and schedule is not None
                    and schedule.is_due(round_number)
                ):
                    await evaluation_manager.start_evaluation(
                        round_number, int(time.time()), train_process.get_model_weights(state)
                    )
                steps: list[_Step] = []
                if train_metrics_manager is not None:
                    metrics = _train_metrics(train_process, output.metrics)
                    release = functools.partial(
                        train_metrics_manager.release, metrics, key=round_number
                    )
                    steps.append(("the metrics of round {} could not be released.", release))
                if round_number % _MODEL_EVERY == 0 or round_number == train_total_rounds:
                    key = f"training_checkpoint_round_{round_number}"
                    release = functools.partial(model_output_manager.release, state, key=key)
                    steps.append(("the model of round {} could not be released.", release))
                saved = ProgramState(
                    state,
                    round_number,
                    next_evaluation if schedule is None else schedule.next_time,
                    copy.deepcopy(iterator),
                )
                save = functools.partial(program_state_manager.save, saved, version=round_number)
                steps.append(("the program state of round {} could not be saved.", save))
                outputs.start(round_number, steps)
            await outputs.wait()
        except BaseException:
            await outputs.finish()
            if isinstance(evaluation_manager, evaluation.EvaluationManager):
                await evaluation_manager.stop_evaluations()
            raise
        if evaluation_manager is not None:
            await evaluation_manager.wait_for_evaluations_to_finish()


class _EvaluationSchedule:
    """Says after which rounds the model is evaluated."""

    def __init__(self, periodicity: object, last_round: int) -> None:
        arguments.check_instance(
            "evaluation_periodicity",
            periodicity,
            (int, np.integer, datetime.timedelta),
            "a periodicity is an integer or a `datetime.timedelta`.",
            fix="write `evaluation_periodicity=1` to evaluate the model of every round.",
            error=TrainingArgumentError,
        )
        self._every: Any = periodicity
        self._last_round = last_round
        # When evaluations go by time: the earliest second of the next one.
        self.next_time: int | None = None
        is_time = isinstance(periodicity, datetime.timedelta)
        if (self._every.total_seconds() if is_time else self._every) <= 0:
            raise TrainingArgumentError(
                "a periodicity is positive.",
                problems=[f"evaluation_periodicity: got {periodicity}"],
                fix="write `evaluation_periodicity=1` to evaluate the model of every round.",
            )

    def is_due(self, round_number: int) -> bool:
        """Whether the model of a round that has just ended is evaluated."""
        if round_number == self._last_round:
            return True
        if not isinstance(self._every, datetime.timedelta):
            return round_number % self._every == 0
        now = time.time()
        if self.next_time is not None and now <= self.next_time:
            return False
        self.next_time = int(now + self._every.total_seconds())
        return True


class _Outputs:
    """Saves and releases what a round gave, while the next one is computed."""

    def __init__(self, where: str | None) -> None:
        # The stack of a task does not hold the line that called `train_model`.
        self._where = where
        self._task: asyncio.Task[None] | None = None

    def start(self, round_number: int, steps: list[_Step]) -> None:
        """Starts the steps of a round: one after the other, so that the state is saved last.

        Args:
          round_number: the number of the round.
          steps: what to call and await, each with what the error says if it fails.
        """
        self._task = asyncio.get_running_loop().create_task(
            _carry_out(round_number, steps, self._where)
        )

    async def wait(self) -> None:
        """Waits for what was started.

        Raises:
          ProgramOutputError: if it failed.
        """
        if self._task is None:
            return
        try:
            # A program that is cancelled still saves what it has begun to save.
            await asyncio.shield(self._task)
        finally:
            if self._task.done():
                self._task = None

    async def finish(self) -> None:
        """Waits for what was started, after something else has failed."""
        try:
            await self.wait()
        except ProgramOutputError as error:
            _LOGGER.error("%s", error)


async def _carry_out(round_number: int, steps: list[_Step], where: str | None) -> None:
    for summary, step in steps:
        try:
            await step()
        except Exception as error:
            raise ProgramOutputError(
                summary.format(round_number),
                problems=[f"{type(error).__qualname__}: {error}"],
                where=where,
                fix="mend that, and call `train_model` again with the same managers: it goes on "
                "behind the last round whose state was saved.",
            ) from error


async def _load_or_begin(
    process: LearningProcess,
    initial_state: Any,
    data_source: FederatedDataSource,
    manager: ProgramStateManager[Any],
) -> ProgramState:
    """The latest program state; the first one, which is saved, if there is none."""
    iterator = data_source.iterator()
    if initial_state is None:
        initial_state = await materialize_value(process.initialize())
    saved, version = await manager.load_latest(ProgramState(initial_state, 0, 0, iterator))
    if saved is not None:
        _LOGGER.info("Resuming from program state version %d.", version)
        return saved
    first = ProgramState(initial_state, 0, None, iterator)
    await manager.save(first._replace(data_iterator=copy.deepcopy(iterator)), version=0)
    return first


async def _run_round(
    process: LearningProcess,
    state: Any,
    iterator: FederatedDataSourceIterator,
    num_clients: int,
    round_number: int,
    should_discard: Callable[[LearningProcessOutput], bool] | None,
    max_discards: int,
) -> tuple[LearningProcessOutput, FederatedDataSourceIterator]:
    """The output of a round that is not discarded, and the iterator behind it."""
    for attempt in range(max_discards + 1):
        tried = copy.deepcopy(iterator)
        if attempt:
            tried = tried.retry(attempt)
        data = tried.select(num_clients)
        with call_numbers.numbered(_CALL_SERIES, round_number, attempt):
            started = process.next(state, data)
        output = await materialize_value(started)
        evaluation.check_output("training", output)
        if should_discard is None or not should_discard(output):
            _LOGGER.info("Finished round %d; discarded %d times.", round_number, attempt)
            return output, tried
    raise DiscardedRoundError(
        f"round {round_number} was discarded {max_discards + 1} times.",
        problems=[f"max_discards_per_round: {max_discards}"],
        fix="discard a round only where another attempt can succeed, or raise the limit.",
    )


def _train_metrics(process: LearningProcess, metrics: Any) -> Any:
    try:
        return model_metrics.extract_and_rewrap_metrics(metrics, path=("client_work", "train"))
    except (MetricsPathError, errors.ArgumentError) as error:
        raise MetricsPathError(
            "the metrics of the training process are not where `train_model` takes them from.",
            problems=error.problems,
            signature=process.next.type_signature.result,
            fix="let the client work measure `{'train': ...}`, as `tff.learning.algorithms` do; or "
            "give no `train_metrics_manager`.",
        ) from None


def _check_arguments(**given: object) -> None:
    """Raises one error for all arguments that are of another class."""
    expected: dict[str, type] = {
        "train_process": LearningProcess,
        "train_data_source": FederatedDataSource,
        "program_state_manager": ProgramStateManager,
        "model_output_manager": ReleaseManager,
        "train_metrics_manager": ReleaseManager,
    }
    problems = [
        f"{label}: expected a `{expected[label].__name__}`, got {errors.describe_object(value)}"
        for label, value in given.items()
        if not isinstance(value, expected[label])
        and not (label == "train_metrics_manager" and value is None)
    ]
    if problems:
        raise errors.ArgumentError(
            "a model cannot be trained with these arguments.",
            problems=problems,
            fix="give `tff.program.DatasetDataSource(client_data)` for data, "
            "`tff.program.MemoryProgramStateManager()` and `tff.program.MemoryReleaseManager()`.",
        )
