"""Client works: what a client does with the model and its data in a round."""

from __future__ import annotations

from typing import Any, NamedTuple

from tensorflow_federated import templates
from tensorflow_federated.core import containers, placements
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import StructType, StructWithPythonType
from tensorflow_federated.learning.templates import errors, hyperparameters, laws


class ClientResult(NamedTuple):
    """What a client sends to the aggregator.

    Attributes:
      update: the client's update; for averaging algorithms the model delta, initial - final, so
        that it acts as a gradient.
      update_weight: how much the update counts, a number.
    """

    update: Any
    update_weight: Any


containers.register_container("learning.ClientResult", ClientResult)


class ClientWorkProcess(hyperparameters.HasHyperparameters, templates.MeasuredProcess):
    """A measured process from model weights and data at the clients to a `ClientResult` of each.

    Type: ``initialize: ( -> S@SERVER)``, ``next: (<S@SERVER,{W}@CLIENTS,{D*}@CLIENTS> ->
    <state=S@SERVER,result={<update=U,update_weight=V>}@CLIENTS,measurements=M@SERVER>)``.

    Examples:
      Each client sends the sum of its numbers, with the weight 1:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def initialize():
      ...     return tff.federated_value((), tff.SERVER)
      >>> @tff.federated_computation(
      ...     initialize.type_signature.result,
      ...     tff.FederatedType(np.float32, tff.CLIENTS),
      ...     tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
      ... )
      ... def work(state, weights, client_data):
      ...     result = tff.learning.templates.ClientResult(
      ...         update=tff.sequence_sum(client_data),
      ...         update_weight=tff.federated_value(np.float32(1), tff.CLIENTS),
      ...     )
      ...     nothing = tff.federated_value((), tff.SERVER)
      ...     return tff.templates.MeasuredProcessOutput(state, tff.federated_zip(result), nothing)
      >>> process = tff.learning.templates.ClientWorkProcess(initialize, work)
      >>> process.next(process.initialize(), [0.0, 0.0], [[1.0, 2.0], [4.0]]).result
      [ClientResult(update=np.float32(3.0), update_weight=np.float32(1.0)),
       ClientResult(update=np.float32(4.0), update_weight=np.float32(1.0))]
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
          next_fn: takes the state, the clients' weights and the clients' data; returns a
            `MeasuredProcessOutput` whose result is a `ClientResult` at the clients.
          get_hparams_fn: reads the hyperparameters out of a state, ``(S -> H)``; none by default.
          set_hparams_fn: replaces the hyperparameters in a state, ``(<S,H> -> S)``; by default
            the state stays as it is.

        Raises:
          TemplateNextFnNumArgsError: if `next_fn` takes more or less.
          TemplatePlacementError: if a part is placed where it should not be.
          ClientDataTypeError: if the data is not made of sequences.
          ClientResultTypeError: if the result is no `ClientResult`.
          GetHparamsTypeError: if `get_hparams_fn` does not take the state.
          SetHparamsTypeError: if `set_hparams_fn` does not turn a state into a state.
          TemplateError: where `MeasuredProcess` raises one.
        """
        super().__init__(initialize_fn, next_fn, next_is_multi_arg=True)
        laws.check_number_of_arguments(
            "client work", next_fn, ["the state", "the model weights", "the clients' data"]
        )
        parameter: Any = next_fn.type_signature.parameter
        result: Any = next_fn.type_signature.result
        server, clients = placements.SERVER, placements.CLIENTS
        initial_type = initialize_fn.type_signature.result
        laws.check_placements(
            "client work",
            next_fn,
            [
                ("the state of `initialize_fn`", initial_type, server),
                ("the model weights of `next_fn`", parameter[1], clients),
                ("the data of `next_fn`", parameter[2], clients),
                ("the state that `next_fn` returns", result[0], server),
                ("the result of `next_fn`", result[1], clients),
                ("the measurements of `next_fn`", result[2], server),
            ],
        )
        laws.check_data(parameter[2].member, next_fn)
        _check_result(result[1].member, next_fn)
        self._use_hparams(laws.member_of(self.state_type), get_hparams_fn, set_hparams_fn)


def _check_result(result_type: Any, next_fn: Computation) -> None:
    is_client_result = (
        isinstance(result_type, StructWithPythonType)
        and result_type.python_container is ClientResult
    )
    if not is_client_result:
        container = result_type.python_container if isinstance(result_type, StructType) else None
        shown = "no container" if container is None else f"the container `{container.__name__}`"
        raise errors.ClientResultTypeError(
            "the result of a client work must be a `ClientResult`.",
            problems=[f"the result of `next_fn`: got {result_type} with {shown}"],
            signature=next_fn.type_signature,
            fix="return tff.federated_zip(tff.learning.templates.ClientResult(update, weight)).",
        )
