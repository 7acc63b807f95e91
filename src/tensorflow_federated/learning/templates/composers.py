"""Composes a learning process of its four parts."""

from __future__ import annotations

import collections
import os
from typing import Any, NamedTuple

from tensorflow_federated import templates
from tensorflow_federated.core import containers, intrinsics, placements, tracing, value_tables
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.type_predicates import contains
from tensorflow_federated.core.types import FederatedType, FunctionType, StructType, Type
from tensorflow_federated.learning import descriptions, states
from tensorflow_federated.learning.models import model_sources
from tensorflow_federated.learning.templates.client_works import ClientWorkProcess
from tensorflow_federated.learning.templates.distributors import DistributionProcess
from tensorflow_federated.learning.templates.errors import CompositionError
from tensorflow_federated.learning.templates.finalizers import FinalizerProcess
from tensorflow_federated.learning.templates.learning_process import (
    LearningProcess,
    LearningProcessOutput,
)
from tensorflow_federated.templates import iterative_process

_NAME = "tff.learning.templates.compose_learning_process"


class LearningAlgorithmState(NamedTuple):
    """The state of a composed learning process.

    Attributes:
      global_model_weights: the weights of the model at the server.
      distributor: the state of the distributor.
      client_work: the state of the client work.
      aggregator: the state of the aggregator.
      finalizer: the state of the finalizer.

    Examples:
      >>> import tempfile
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> weights = tff.learning.models.ModelWeights([np.float32([1.0, 2.0])], [])
      >>> state = LearningAlgorithmState(weights, (), (), (), ())
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     state.save(f"{folder}/round_10.state")
      ...     loaded = tff.learning.load_state(f"{folder}/round_10.state")
      >>> loaded.global_model_weights.trainable
      [array([1., 2.], dtype=float32)]
    """

    global_model_weights: Any
    distributor: Any
    client_work: Any
    aggregator: Any
    finalizer: Any

    _repr_html_ = value_tables.to_html

    def __repr__(self) -> str:
        return value_tables.to_text(self)

    @core_errors.boundary
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the state into a file, which `tff.learning.load_state` reads.

        The file appears whole or not at all. It holds arrays and the structure that they are in,
        and a checksum; no code.

        Args:
          path: the file; one that is there is replaced.

        Raises:
          WireError: if something in the state is no array, number or string.
        """
        states.save(self, path)


containers.register_container("learning.LearningAlgorithmState", LearningAlgorithmState)


@core_errors.boundary
def compose_learning_process(
    initial_model_weights_fn: Computation,
    model_weights_distributor: DistributionProcess,
    client_work: ClientWorkProcess,
    model_update_aggregator: templates.AggregationProcess,
    model_finalizer: FinalizerProcess,
) -> LearningProcess:
    """Composes a learning process of a distributor, a client work, an aggregator, a finalizer.

    One round::

              weights at the server
                       |
                  distributor          server -> clients
                       |
               weights at the clients
                       |
        data -->  client work          at each client
                       |
             update, update_weight
                       |
                  aggregator           clients -> server
                       |
              aggregated update
                       |
        weights -->  finalizer         at the server
                       |
              new weights at the server

    State: `LearningAlgorithmState`, the model weights and the states of the parts. Metrics: an
    `OrderedDict` of the measurements of the parts, `distributor`, `client_work`, `aggregator`,
    `finalizer`. Hyperparameters: ``<client_work=H,finalizer=K>``, those of these two parts.

    Args:
      initial_model_weights_fn: gives the initial model weights, ``( -> W)``, without placement.
      model_weights_distributor: brings the weights to the clients.
      client_work: makes an update and its weight of the weights and a client's data.
      model_update_aggregator: a weighted aggregation of the updates.
      model_finalizer: makes the new weights of the weights and the aggregated update.

    Returns:
      The process.

    Raises:
      CompositionError: if a part is none of its kind, or the types of two parts do not fit.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer="zeros")
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> templates, sgd = tff.learning.templates, tff.learning.optimizers.build_sgdm(0.5)
      >>> weights_type = tff.learning.models.weights_type_from_model(model_fn)
      >>> @tff.tensorflow.computation
      ... def initial_weights():
      ...     return tff.learning.models.ModelWeights.from_model(model_fn())
      >>> process = templates.compose_learning_process(
      ...     initial_weights,
      ...     templates.build_broadcast_process(weights_type),
      ...     templates.build_model_delta_client_work(
      ...         model_fn, sgd, tff.learning.ClientWeighting.NUM_EXAMPLES
      ...     ),
      ...     tff.aggregators.MeanFactory().create(
      ...         weights_type["trainable"], tff.to_type(np.float32)
      ...     ),
      ...     templates.build_apply_optimizer_finalizer(sgd, weights_type),
      ... )
      >>> print(process.get_hparams.type_signature.result)
      <client_work=<learning_rate=float32>,finalizer=<learning_rate=float32>>
    """
    return compose_as(
        "composed_process",
        initial_model_weights_fn,
        model_weights_distributor,
        client_work,
        model_update_aggregator,
        model_finalizer,
    )


def compose_as(
    name: str,
    initial_model_weights_fn: Computation,
    model_weights_distributor: DistributionProcess,
    client_work: ClientWorkProcess,
    model_update_aggregator: templates.AggregationProcess,
    model_finalizer: FinalizerProcess,
) -> LearningProcess:
    """Composes a learning process, and says what `tff.profile` and messages call it.

    Args:
      name: the name of the process; its computations are called `name.initialize`, `name.next`.
      initial_model_weights_fn: see `compose_learning_process`, as for all others.
      model_weights_distributor: see there.
      client_work: see there.
      model_update_aggregator: see there.
      model_finalizer: see there.

    Returns:
      The process.
    """
    iterative_process.check_computation("initial_model_weights_fn", initial_model_weights_fn)
    _check_kinds(model_weights_distributor, client_work, model_update_aggregator, model_finalizer)
    _check_fit(
        initial_model_weights_fn,
        model_weights_distributor,
        client_work,
        model_update_aggregator,
        model_finalizer,
    )

    def initialize() -> Any:
        return intrinsics.federated_zip(
            LearningAlgorithmState(
                intrinsics.federated_eval(initial_model_weights_fn, placements.SERVER),
                model_weights_distributor.initialize(),
                client_work.initialize(),
                model_update_aggregator.initialize(),
                model_finalizer.initialize(),
            )
        )

    initialize.__name__ = f"{name}.initialize"
    initialize_fn = tracing.federated_computation(initialize)
    state_type = initialize_fn.type_signature.result

    def next_round(state: Any, client_data: Any) -> Any:
        distributed = model_weights_distributor.next(state.distributor, state.global_model_weights)
        worked = client_work.next(state.client_work, distributed.result, client_data)
        aggregated = model_update_aggregator.next(
            state.aggregator, worked.result.update, worked.result.update_weight
        )
        finalized = model_finalizer.next(
            state.finalizer, state.global_model_weights, aggregated.result
        )
        return LearningProcessOutput(
            intrinsics.federated_zip(
                LearningAlgorithmState(
                    finalized.result,
                    distributed.state,
                    worked.state,
                    aggregated.state,
                    finalized.state,
                )
            ),
            intrinsics.federated_zip(
                collections.OrderedDict(
                    distributor=distributed.measurements,
                    client_work=worked.measurements,
                    aggregator=aggregated.measurements,
                    finalizer=finalized.measurements,
                )
            ),
        )

    data_type = _parameter(client_work)[2]
    next_round.__name__ = f"{name}.next"
    next_fn = tracing.federated_computation(next_round, state_type, data_type)
    process = LearningProcess(
        initialize_fn,
        next_fn,
        *weights_computations(state_type.member),
        get_hparams_fn=_get_hparams(state_type.member, client_work, model_finalizer),
        set_hparams_fn=_set_hparams(state_type.member, client_work, model_finalizer),
    )
    model_sources.pass_on(initial_model_weights_fn, process)
    return process


def weights_computations(state_type: StructType) -> tuple[Computation, Computation]:
    """`get_model_weights` and `set_model_weights` for a `LearningAlgorithmState`.

    Args:
      state_type: the type of the state, without placement.

    Returns:
      Computations of the types ``(S -> W)`` and ``(<S,W> -> S)``.
    """

    def get_model_weights(state: Any) -> Any:
        return state.global_model_weights

    def set_model_weights(state: Any, model_weights: Any) -> Any:
        return LearningAlgorithmState(
            model_weights,
            state.distributor,
            state.client_work,
            state.aggregator,
            state.finalizer,
        )

    return (
        tracing.federated_computation(get_model_weights, state_type),
        tracing.federated_computation(set_model_weights, state_type, state_type[0]),
    )


def _get_hparams(
    state_type: StructType, client_work: ClientWorkProcess, finalizer: FinalizerProcess
) -> Computation:
    def get_hparams(state: Any) -> Any:
        return collections.OrderedDict(
            client_work=client_work.get_hparams(state.client_work),
            finalizer=finalizer.get_hparams(state.finalizer),
        )

    return tracing.federated_computation(get_hparams, state_type)


def _set_hparams(
    state_type: StructType, client_work: ClientWorkProcess, finalizer: FinalizerProcess
) -> Computation:
    def set_hparams(state: Any, hparams: Any) -> Any:
        return LearningAlgorithmState(
            state.global_model_weights,
            state.distributor,
            client_work.set_hparams(state.client_work, hparams["client_work"]),
            state.aggregator,
            finalizer.set_hparams(state.finalizer, hparams["finalizer"]),
        )

    hparams_type = collections.OrderedDict(
        client_work=client_work.get_hparams.type_signature.result,
        finalizer=finalizer.get_hparams.type_signature.result,
    )
    return tracing.federated_computation(set_hparams, state_type, hparams_type)


def _check_kinds(distributor: Any, client_work: Any, aggregator: Any, finalizer: Any) -> None:
    expected: list[tuple[str, Any, type[Any]]] = [
        ("model_weights_distributor", distributor, DistributionProcess),
        ("client_work", client_work, ClientWorkProcess),
        ("model_update_aggregator", aggregator, templates.AggregationProcess),
        ("model_finalizer", finalizer, FinalizerProcess),
    ]
    problems = [
        f"{name}: expected {descriptions.with_article(kind.__name__)}, "
        f"got {descriptions.described(part)}"
        for name, part, kind in expected
        if not isinstance(part, kind)
    ]
    if isinstance(aggregator, templates.AggregationProcess) and not aggregator.is_weighted:
        problems.append("model_update_aggregator: expected a weighted aggregation")
    if problems:
        raise CompositionError(
            f"`{_NAME}` cannot use these parts.",
            problems=problems,
            fix="build each part with its builder in `tff.learning.templates`; an aggregator "
            "without weights is wrapped by `tff.learning.algorithms.build_unweighted_fed_avg`.",
        )


def _check_fit(
    initial_model_weights_fn: Computation,
    distributor: DistributionProcess,
    client_work: ClientWorkProcess,
    aggregator: templates.AggregationProcess,
    finalizer: FinalizerProcess,
) -> None:
    initial_type = initial_model_weights_fn.type_signature
    problems: list[str] = []
    if initial_type.parameter is not None:
        problems.append(
            f"initial_model_weights_fn: expected no parameter, got {initial_type.parameter}"
        )
    weights_type = initial_type.result
    if contains(weights_type, lambda part: isinstance(part, (FederatedType, FunctionType))):
        problems.append(
            f"initial_model_weights_fn: expected a result without placement, got {weights_type}"
        )
        _raise_if(problems)
    server_weights = FederatedType(weights_type, placements.SERVER)
    client_result = _result(client_work)[1].member
    client_update = FederatedType(client_result["update"], placements.CLIENTS)
    client_weight = FederatedType(client_result["update_weight"], placements.CLIENTS)
    joints: list[tuple[str, Type, Type]] = [
        ("distributor, the model weights", _parameter(distributor)[1], server_weights),
        ("client work, the model weights", _parameter(client_work)[1], _result(distributor)[1]),
        ("aggregator, the update", _parameter(aggregator)[1], client_update),
        ("aggregator, the weight", _parameter(aggregator)[2], client_weight),
        ("finalizer, the model weights", _parameter(finalizer)[1], server_weights),
        ("finalizer, the update", _parameter(finalizer)[2], _result(aggregator)[1]),
    ]
    problems.extend(
        f"{name}: takes {taken}, is given {given}"
        for name, taken, given in joints
        if not taken.is_assignable_from(given)
    )
    _raise_if(problems)


def _raise_if(problems: list[str]) -> None:
    if problems:
        raise CompositionError(
            "the parts of the learning process do not fit together.",
            problems=problems,
            fix="build all parts for the types of the same model.",
        )


def _parameter(process: templates.MeasuredProcess) -> Any:
    return process.next.type_signature.parameter


def _result(process: templates.MeasuredProcess) -> Any:
    return process.next.type_signature.result
