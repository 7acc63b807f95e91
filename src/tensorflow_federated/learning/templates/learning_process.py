"""Learning processes: what the algorithms build, and what `next` of one returns."""

from __future__ import annotations

from typing import Any, NamedTuple

from tensorflow_federated import templates
from tensorflow_federated.core import containers, placements, value_tables
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import StructWithPythonType
from tensorflow_federated.learning.templates import errors, hyperparameters, laws
from tensorflow_federated.templates import iterative_process


class LearningProcessOutput(NamedTuple):
    """What `next` of a learning process returns.

    Attributes:
      state: the next state.
      metrics: the metrics of the round.
    """

    state: Any
    metrics: Any

    _repr_html_ = value_tables.to_html

    def __repr__(self) -> str:
        return value_tables.to_text(self)


containers.register_container("learning.LearningProcessOutput", LearningProcessOutput)


class LearningProcess(hyperparameters.HasHyperparameters, templates.IterativeProcess):
    """An iterative process that learns a model, or evaluates one, from the data of clients.

    Type: ``initialize: ( -> S@SERVER)``, ``next: (<S@SERVER,{D*}@CLIENTS> ->
    <state=S@SERVER,metrics=M@SERVER>)``, ``get_model_weights: (S -> W)``,
    ``set_model_weights: (<S,W> -> S)``.

    ::

        state = process.initialize()
        for data in rounds:
            state, metrics = process.next(state, data)
        weights = process.get_model_weights(state)

    Examples:
      A process that learns the sum of all numbers that it sees:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.float32, np.float32)
      ... def add(x, y):
      ...     return x + y
      >>> @tff.federated_computation
      ... def initialize():
      ...     return tff.federated_value(np.float32(0), tff.SERVER)
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.float32, tff.SERVER),
      ...     tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
      ... )
      ... def run_round(state, client_data):
      ...     total = tff.federated_sum(tff.sequence_sum(client_data))
      ...     return tff.learning.templates.LearningProcessOutput(
      ...         tff.federated_map(add, (state, total)), total
      ...     )
      >>> process = tff.learning.templates.LearningProcess(
      ...     initialize,
      ...     run_round,
      ...     tff.federated_computation(lambda state: state, np.float32),
      ...     tff.federated_computation(lambda state, weights: weights, np.float32, np.float32),
      ... )
      >>> state = process.initialize()
      >>> for client_data in ([[1.0], [2.0, 3.0]], [[4.0], []]):
      ...     state, metrics = process.next(state, client_data)
      >>> process.get_model_weights(state), metrics
      (np.float32(10.0), np.float32(4.0))
    """

    def __init__(
        self,
        initialize_fn: Computation,
        next_fn: Computation,
        get_model_weights: Computation,
        set_model_weights: Computation,
        *,
        get_hparams_fn: Computation | None = None,
        set_hparams_fn: Computation | None = None,
    ) -> None:
        """Builds a process of its computations.

        Args:
          initialize_fn: gives the first state, at the server.
          next_fn: takes the state and the clients' data; returns a `LearningProcessOutput` at the
            server.
          get_model_weights: reads the model weights out of a state.
          set_model_weights: replaces the model weights in a state.
          get_hparams_fn: reads the hyperparameters out of a state, ``(S -> H)``; none by default.
          set_hparams_fn: replaces the hyperparameters in a state, ``(<S,H> -> S)``; by default
            the state stays as it is.

        Raises:
          TemplateNextFnNumArgsError: if `next_fn` does not take two arguments.
          LearningProcessPlacementError: if a part is placed where it should not be.
          ClientDataTypeError: if the data is not made of sequences.
          LearningProcessOutputError: if `next_fn` returns something else.
          GetModelWeightsTypeSignatureError: if `get_model_weights` does not take the state.
          SetModelWeightsTypeSignatureError: if `set_model_weights` does not turn a state into one.
          GetHparamsTypeError: if `get_hparams_fn` does not take the state.
          SetHparamsTypeError: if `set_hparams_fn` does not turn a state into a state.
          TemplateError: where `IterativeProcess` raises one.
        """
        super().__init__(initialize_fn, next_fn, next_is_multi_arg=True)
        laws.check_number_of_arguments(
            "learning process", next_fn, ["the state", "the clients' data"]
        )
        result = next_fn.type_signature.result
        is_output = (
            isinstance(result, StructWithPythonType)
            and result.python_container is LearningProcessOutput
        )
        if not is_output:
            raise errors.LearningProcessOutputError(
                "`next_fn` of a learning process must return a `LearningProcessOutput`.",
                problems=[f"result: got {result}"],
                signature=next_fn.type_signature,
                fix="return tff.learning.templates.LearningProcessOutput(state, metrics).",
            )
        _check_placements(initialize_fn, next_fn)
        state_type = laws.member_of(self.state_type)
        iterative_process.check_computation("get_model_weights", get_model_weights)
        iterative_process.check_computation("set_model_weights", set_model_weights)
        laws.check_getter(
            get_model_weights,
            state_type,
            "get_model_weights",
            errors.GetModelWeightsTypeSignatureError,
        )
        laws.check_setter(
            set_model_weights,
            state_type,
            "model_weights",
            errors.SetModelWeightsTypeSignatureError,
        )
        self._get_model_weights = get_model_weights
        self._set_model_weights = set_model_weights
        self._use_hparams(state_type, get_hparams_fn, set_hparams_fn)

    @property
    def get_model_weights(self) -> Computation:
        """The computation that reads the model weights out of a state, ``(S -> W)``."""
        return self._get_model_weights

    @property
    def set_model_weights(self) -> Computation:
        """The computation that replaces the model weights in a state, ``(<S,W> -> S)``."""
        return self._set_model_weights


def _check_placements(initialize_fn: Computation, next_fn: Computation) -> None:
    parameter: Any = next_fn.type_signature.parameter
    result: Any = next_fn.type_signature.result
    server, clients = placements.SERVER, placements.CLIENTS
    laws.check_placements(
        "learning process",
        next_fn,
        [
            ("the state of `initialize_fn`", initialize_fn.type_signature.result, server),
            ("the data of `next_fn`", parameter[1], clients),
            ("the state that `next_fn` returns", result[0], server),
            ("the metrics of `next_fn`", result[1], server),
        ],
        errors.LearningProcessPlacementError,
    )
    laws.check_data(parameter[1].member, next_fn)
