"""Federated evaluation of several models on the same data."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorflow_federated import templates as process_templates
from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.learning import templates
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.summation_process import SumThenFinalizeFactory
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.templates import arguments, composers, evaluation_work
from tensorflow_federated.learning.templates.local_evaluation import build_local_evaluation

_NAME = "tff.learning.algorithms.build_fed_multi_model_eval"
_FROM_PROCESSES = "tff.learning.algorithms.build_fed_multi_model_eval_from_processes"
_METRICS = ("distributor", "client_work", "aggregator", "finalizer")


@errors.boundary
def build_fed_multi_model_eval(
    model_fns: Sequence[Callable[[], Any] | FunctionalModel],
    model_distributor: templates.DistributionProcess | None = None,
    metrics_aggregation_processes: Sequence[process_templates.AggregationProcess | None]
    | None = None,
    loop_implementation: LoopImplementation = LoopImplementation.DATASET_REDUCE,
) -> templates.LearningProcess:
    """Builds the evaluation of several models on the data of the same clients.

    As `build_fed_eval` for each model, in one round: the data of a client is read once, and no
    client sees one model only. The models are known by the letters `a`, `b`, `c`, ... in the order
    in which they are given: in the model weights, in the state of the client work, and in its
    metrics.

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=<a=W,b=V>,distributor=<>,client_work=<a=<<>,U>,b=<<>,T>>,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<>>``. Metrics:
    ``client_work=<a=<eval=<current_round_metrics=...,total_rounds_metrics=...>>,b=...>``.

    Args:
      model_fns: at least one, at most 52; each a function without arguments that makes a
        `tff.learning.models.VariableModel`, or a `tff.learning.models.FunctionalModel`. All have
        the same `input_spec`.
      model_distributor: how the models, by letter, come to the clients; a broadcast if None.
      metrics_aggregation_processes: for each model, see `build_fed_eval`; its default if None.
      loop_implementation: accepted for compatibility, without effect.

    Returns:
      The process.

    Raises:
      ModelError: if a function does not make a model.
      ModelValueError: if there are no models or too many, or they do not read the same batches.
      TypeMismatchError: if another argument is not of its type.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn(value):
      ...     kernel = tf.keras.initializers.Constant(value)
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer=kernel)
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> process = tff.learning.algorithms.build_fed_multi_model_eval(
      ...     [lambda: model_fn(1.0), lambda: model_fn(2.0)]
      ... )
      >>> client_data = [[(np.float32([[1.0], [2.0]]), np.float32([[2.0], [4.0]]))]]
      >>> metrics = process.next(process.initialize(), client_data).metrics["client_work"]
      >>> [float(metrics[each]["eval"]["current_round_metrics"]["loss"]) for each in "ab"]
      [2.5, 0.0]

    Differs from TFF: the models may be of different kinds; more models than there are letters are
    an error, and are not dropped.
    """
    arguments.check_distributor(model_distributor, _NAME)
    arguments.check_loop_implementation(loop_implementation, _NAME)
    model_fns = list(model_fns)
    letters = _letters("model_fns", len(model_fns), _NAME)
    processes = _metrics_processes(metrics_aggregation_processes, len(model_fns))
    models = {
        letter: local_loops.describe_model(model_fn)
        for letter, model_fn in zip(letters, model_fns, strict=True)
    }
    _check_same(
        "read the same batches", {letter: each.batch_type for letter, each in models.items()}
    )
    return evaluation_work.compose_evaluation(
        "fed_multi_model_eval",
        _initial_weights(models),
        model_distributor,
        _client_work(models, dict(zip(letters, processes, strict=True))),
    )


def _initial_weights(models: Mapping[str, ModelSpec]) -> Computation:
    def initial_weights() -> Any:
        return {letter: model.initial_weights() for letter, model in models.items()}

    return tracing.federated_computation(initial_weights)


def _client_work(
    models: Mapping[str, ModelSpec],
    processes: Mapping[str, process_templates.AggregationProcess | None],
) -> templates.ClientWorkProcess:
    """The client works of the models as one, by letter."""
    works: dict[str, Any] = {
        letter: evaluation_work.build_evaluation_client_work(
            build_local_evaluation(model),
            processes[letter]
            or SumThenFinalizeFactory(model.metric_finalizers).create(
                model.unfinalized_metrics_type
            ),
        )
        for letter, model in models.items()
    }

    def initialize() -> Any:
        return intrinsics.federated_zip({key: each.initialize() for key, each in works.items()})

    def work(state: Any, weights: Any, client_data: Any) -> Any:
        outputs = {
            letter: each.next(state[letter], weights[letter], client_data)
            for letter, each in works.items()
        }
        return process_templates.MeasuredProcessOutput(
            intrinsics.federated_zip({key: each.state for key, each in outputs.items()}),
            evaluation_work.no_update(),
            intrinsics.federated_zip({key: each.measurements for key, each in outputs.items()}),
        )

    initialize_fn = tracing.federated_computation(initialize)
    weights_type = {letter: model.weights_type for letter, model in models.items()}
    first, *_ = works.values()
    return templates.ClientWorkProcess(
        initialize_fn,
        tracing.federated_computation(
            work,
            initialize_fn.type_signature.result,
            FederatedType(weights_type, placements.CLIENTS),
            first.next.type_signature.parameter[2],
        ),
    )


@errors.boundary
def build_fed_multi_model_eval_from_processes(
    eval_processes: Sequence[templates.LearningProcess],
) -> templates.LearningProcess:
    """Builds one evaluation of several evaluations.

    In each round every process evaluates its model on the data of the same clients. The parts of
    the states and of the metrics are put together by letters, `a`, `b`, `c`, ..., in the order in
    which the processes are given.

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=<a=W,b=V>,distributor=<a=...,b=...>,client_work=<a=...,b=...>,
    aggregator=<a=...,b=...>,finalizer=<a=...,b=...>>``. Metrics: in the same form, without the
    weights.

    Args:
      eval_processes: from 2 to 52 processes, such as `build_fed_eval` makes, on data of one type.

    Returns:
      The process.

    Raises:
      ModelValueError: if there are too few or too many, or their data are of different types.
      TypeMismatchError: if one is no composed learning process.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn(value):
      ...     kernel = tf.keras.initializers.Constant(value)
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer=kernel)
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> build_fed_eval = tff.learning.algorithms.build_fed_eval
      >>> process = tff.learning.algorithms.build_fed_multi_model_eval_from_processes(
      ...     [build_fed_eval(lambda: model_fn(1.0)), build_fed_eval(lambda: model_fn(2.0))]
      ... )
      >>> client_data = [[(np.float32([[1.0], [2.0]]), np.float32([[2.0], [4.0]]))]]
      >>> metrics = process.next(process.initialize(), client_data).metrics["client_work"]
      >>> [float(metrics[each]["eval"]["current_round_metrics"]["loss"]) for each in "ab"]
      [2.5, 0.0]
    """
    eval_processes = list(eval_processes)
    for index, process in enumerate(eval_processes):
        arguments.check_kind(
            process,
            templates.LearningProcess,
            f"eval_processes[{index}]",
            _FROM_PROCESSES,
            "build it with tff.learning.algorithms.build_fed_eval.",
        )
    letters = _letters("eval_processes", len(eval_processes), _FROM_PROCESSES, at_least=2)
    processes: dict[str, Any] = dict(zip(letters, eval_processes, strict=True))
    _check_composed(processes)
    data_types = {key: each.next.type_signature.parameter[1] for key, each in processes.items()}
    _check_same("take data of the same type", data_types)

    def initialize() -> Any:
        return _together({key: each.initialize() for key, each in processes.items()})

    def next_round(state: Any, client_data: Any) -> Any:
        outputs = {
            letter: process.next(_apart(state, letter), client_data)
            for letter, process in processes.items()
        }
        metrics = {
            name: {letter: output.metrics[name] for letter, output in outputs.items()}
            for name in _METRICS
        }
        return templates.LearningProcessOutput(
            _together({letter: output.state for letter, output in outputs.items()}),
            intrinsics.federated_zip(metrics),
        )

    initialize.__name__ = "fed_multi_model_eval.initialize"
    next_round.__name__ = "fed_multi_model_eval.next"
    initialize_fn = tracing.federated_computation(initialize)
    state_type: Any = initialize_fn.type_signature.result
    return templates.LearningProcess(
        initialize_fn,
        tracing.federated_computation(next_round, state_type, data_types[letters[0]]),
        *composers.weights_computations(state_type.member),
    )


def _together(states: Mapping[str, Any]) -> Any:
    """The states of several processes as one, each part by letter."""
    return intrinsics.federated_zip(
        templates.LearningAlgorithmState(
            *(
                {letter: getattr(state, name) for letter, state in states.items()}
                for name in templates.LearningAlgorithmState._fields
            )
        )
    )


def _apart(state: Any, letter: str) -> Any:
    """The state of one process."""
    return intrinsics.federated_zip(
        templates.LearningAlgorithmState(
            *(getattr(state, name)[letter] for name in templates.LearningAlgorithmState._fields)
        )
    )


def _letters(argument: str, count: int, user: str, *, at_least: int = 1) -> str:
    if not at_least <= count <= len(string.ascii_letters):
        raise errors.ModelValueError(
            f"`{user}` cannot name this many models.",
            problems=[
                f"{argument}: expected {at_least} to {len(string.ascii_letters)}, got {count}"
            ],
            fix="give as many as are expected, or evaluate in several processes.",
        )
    return string.ascii_letters[:count]


def _metrics_processes(given: Any, count: int) -> list[Any]:
    if given is None:
        return [None] * count
    processes = list(given)
    if len(processes) != count:
        raise errors.ModelValueError(
            f"`{_NAME}` needs an aggregation of metrics for each model.",
            problems=[f"metrics_aggregation_processes: expected {count}, got {len(processes)}"],
            fix="give one for each model, or None for all of them.",
        )
    for index, process in enumerate(processes):
        if process is not None:
            arguments.check_kind(
                process,
                process_templates.AggregationProcess,
                f"metrics_aggregation_processes[{index}]",
                _NAME,
                "make one with tff.learning.metrics.SumThenFinalizeFactory, or leave it out.",
            )
    return processes


def _check_composed(processes: Mapping[str, Any]) -> None:
    problems = [
        f"eval_processes[{index}]: the state is {process.state_type}"
        for index, process in enumerate(processes.values())
        if getattr(process.state_type.member, "python_container", None)
        is not templates.LearningAlgorithmState
    ]
    if problems:
        raise errors.TypeMismatchError(
            f"`{_FROM_PROCESSES}` needs processes that are composed of templates.",
            problems=problems,
            signature="<global_model_weights=...,distributor=...,client_work=...,aggregator=...,"
            "finalizer=...>@SERVER",
            fix="build them with tff.learning.algorithms.build_fed_eval.",
        )


def _check_same(law: str, types: Mapping[str, Any]) -> None:
    (_, first), *others = types.items()
    problems = [
        f"model {letter}: expected {first}, got {other}"
        for letter, other in others
        if not first.is_equivalent_to(other)
    ]
    if problems:
        raise errors.ModelValueError(
            f"models that are evaluated together have to {law}.",
            problems=problems,
            fix="give all models the same `input_spec`.",
        )
