"""Finalizers: how the aggregated update changes the model at the server."""

from __future__ import annotations

from typing import Any

from tensorflow_federated import templates
from tensorflow_federated.core import placements
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.learning.templates import errors, hyperparameters, laws


class FinalizerProcess(hyperparameters.HasHyperparameters, templates.MeasuredProcess):
    """A measured process from model weights and an update, at the server, to new model weights.

    Type: ``initialize: ( -> S@SERVER)``, ``next: (<S@SERVER,W@SERVER,U@SERVER> ->
    <state=S@SERVER,result=W@SERVER,measurements=M@SERVER>)``.

    Examples:
      The model delta is initial - final, so it is subtracted:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.float32, np.float32)
      ... def subtract(weights, update):
      ...     return weights - update
      >>> @tff.federated_computation
      ... def initialize():
      ...     return tff.federated_value((), tff.SERVER)
      >>> @tff.federated_computation(
      ...     initialize.type_signature.result,
      ...     tff.FederatedType(np.float32, tff.SERVER),
      ...     tff.FederatedType(np.float32, tff.SERVER),
      ... )
      ... def finalize(state, weights, update):
      ...     nothing = tff.federated_value((), tff.SERVER)
      ...     return tff.templates.MeasuredProcessOutput(
      ...         state, tff.federated_map(subtract, (weights, update)), nothing
      ...     )
      >>> process = tff.learning.templates.FinalizerProcess(initialize, finalize)
      >>> process.next(process.initialize(), 3.0, 1.0).result
      np.float32(2.0)
    """

    def __init__(
        self,
        initialize_fn: Computation,
        next_fn: Computation,
        *,
        get_hparams_fn: Computation | None = None,
        set_hparams_fn: Computation | None = None,
    ) -> None:
        """Builds a process of its computations.

        Args:
          initialize_fn: gives the first state, at the server.
          next_fn: takes the state, the model weights and the aggregated update; returns a
            `MeasuredProcessOutput` whose result are the new model weights.
          get_hparams_fn: reads the hyperparameters out of a state, ``(S -> H)``; none by default.
          set_hparams_fn: replaces the hyperparameters in a state, ``(<S,H> -> S)``; by default
            the state stays as it is.

        Raises:
          TemplateNextFnNumArgsError: if `next_fn` takes more or less.
          TemplatePlacementError: if a part is placed where it should not be.
          FinalizerResultTypeError: if the result is not of the type of the model weights.
          GetHparamsTypeError: if `get_hparams_fn` does not take the state.
          SetHparamsTypeError: if `set_hparams_fn` does not turn a state into a state.
          TemplateError: where `MeasuredProcess` raises one.
        """
        super().__init__(initialize_fn, next_fn, next_is_multi_arg=True)
        laws.check_number_of_arguments(
            "finalizer", next_fn, ["the state", "the model weights", "the update"]
        )
        parameter: Any = next_fn.type_signature.parameter
        result: Any = next_fn.type_signature.result
        server = placements.SERVER
        initial_type = initialize_fn.type_signature.result
        laws.check_placements(
            "finalizer",
            next_fn,
            [
                ("the state of `initialize_fn`", initial_type, server),
                ("the model weights of `next_fn`", parameter[1], server),
                ("the update of `next_fn`", parameter[2], server),
                ("the state that `next_fn` returns", result[0], server),
                ("the result of `next_fn`", result[1], server),
                ("the measurements of `next_fn`", result[2], server),
            ],
        )
        weights_type, result_type = parameter[1].member, result[1].member
        if not weights_type.is_assignable_from(result_type):
            raise errors.FinalizerResultTypeError(
                "the result of a finalizer must be of the type of the model weights.",
                problems=[f"the result of `next_fn`: expected {weights_type}, got {result_type}"],
                signature=next_fn.type_signature,
                fix="return the model weights after the update.",
            )
        self._use_hparams(laws.member_of(self.state_type), get_hparams_fn, set_hparams_fn)
