"""`DistributeAggregateForm`: one round as five computations, two of which only communicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tensorflow_federated.backends.mapreduce import errors, part_checks
from tensorflow_federated.compiler import call_dominant
from tensorflow_federated.core import computations, ir, placements
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FunctionType

_FORM = "DistributeAggregateForm"
_PATTERNS = {
    "type_signature": "(<S,D> -> <S,X>)",
    "server_prepare": "(S -> <sent,kept>)",
    "server_to_client_broadcast": "(sent -> received)",
    "client_work": "(<D,received> -> updates)",
    "client_to_server_aggregation": "(<kept,updates> -> totals)",
    "server_result": "(<kept,totals> -> <S,X>)",
}


class DistributeAggregateForm(computations.TypedObject):
    """One round of a computation, cut where values change their place.

    ::

        state --> server_prepare --> sent --> server_to_client_broadcast --> received --+
                        |                                                               |
                      kept                              client data --> client_work <---+
                        |                                                   |
                        +--> client_to_server_aggregation <-- updates <-----+
                        |                 |
                        |               totals
                        |                 |
                        +---------> server_result --> state of the next round, output

    With ``S`` the state, ``D`` the clients' data and ``X`` the output, the computation is
    ``(<S,D> -> <S,X>)``, where ``S`` and ``X`` are at the server and ``D`` at the clients, and the
    parts are

    ==============================  ============================================================
    `server_prepare`                ``(S -> <sent,kept>)``, at the server
    `server_to_client_broadcast`    ``(sent -> received)``: calls that send, and nothing else
    `client_work`                   ``(<D,received> -> updates)``, at the clients
    `client_to_server_aggregation`  ``(<kept,updates> -> totals)``: calls that aggregate, and
                                    nothing else
    `server_result`                 ``(<kept,totals> -> <S,X>)``, at the server
    ==============================  ============================================================

    Nothing is computed twice: what the server needs after the clients as well is kept.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.float32, np.float32)
      ... def times(x, y):
      ...     return x * y
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.float32, tff.SERVER), tff.FederatedType(np.float32, tff.CLIENTS)
      ... )
      ... def scaled_mean(factor, values):
      ...     scaled = tff.federated_map(times, (values, tff.federated_broadcast(factor)))
      ...     return factor, tff.federated_mean(scaled)
      >>> form = tff.backends.mapreduce.get_distribute_aggregate_form_for_computation(scaled_mean)
      >>> print(form.client_work.type_signature)
      (<{float32}@CLIENTS,<float32@CLIENTS>> -> <{float32}@CLIENTS>)
      >>> print(form.client_to_server_aggregation.to_building_block().result)
      (let v_3=federated_mean(arg_3.intrinsic_args_from_before_comp[0]) in <v_3>)

    Differs from TFF: `federated_aggregate` can be cut too; what `server_prepare` computes and
    `server_result` alone needs is computed there.
    """

    @core_errors.boundary
    def __init__(
        self,
        type_signature: FunctionType,
        server_prepare: ConcreteComputation,
        server_to_client_broadcast: ConcreteComputation,
        client_work: ConcreteComputation,
        client_to_server_aggregation: ConcreteComputation,
        server_result: ConcreteComputation,
    ) -> None:
        """Puts a form together; the types of the parts are those in the class.

        Args:
          type_signature: the type of the computation that the parts make up.
          server_prepare: what the clients are sent, and what the server keeps.
          server_to_client_broadcast: sends.
          client_work: what a client does.
          client_to_server_aggregation: aggregates.
          server_result: the state of the next round and the output.

        Raises:
          FormPartError: if a part is no federated computation, works at another place, or does not
            fit the others.
          FormStructureError: if a part that communicates does something else as well.
        """
        parts = {
            "server_prepare": server_prepare,
            "server_to_client_broadcast": server_to_client_broadcast,
            "client_work": client_work,
            "client_to_server_aggregation": client_to_server_aggregation,
            "server_result": server_result,
        }
        part_checks.check_computations(_FORM, parts)
        _check_lambdas(parts)
        part_checks.check_at(
            _FORM,
            {
                "server_prepare": (server_prepare, placements.SERVER),
                "client_work": (client_work, placements.CLIENTS),
                "server_result": (server_result, placements.SERVER),
            },
        )
        _check_only_calls("server_to_client_broadcast", server_to_client_broadcast, "communication")
        _check_only_calls(
            "client_to_server_aggregation", client_to_server_aggregation, "aggregation"
        )
        _check_types(type_signature, {name: part.type_signature for name, part in parts.items()})
        self._type_signature = type_signature
        self._parts = parts

    @property
    def type_signature(self) -> FunctionType:
        """The type of the computation that the parts make up."""
        return self._type_signature

    @property
    def server_prepare(self) -> ConcreteComputation:
        """What the clients are sent, and what the server keeps: `(S -> <sent,kept>)`."""
        return self._parts["server_prepare"]

    @property
    def server_to_client_broadcast(self) -> ConcreteComputation:
        """Sends: `(sent -> received)`."""
        return self._parts["server_to_client_broadcast"]

    @property
    def client_work(self) -> ConcreteComputation:
        """What a client does: `(<D,received> -> updates)`."""
        return self._parts["client_work"]

    @property
    def client_to_server_aggregation(self) -> ConcreteComputation:
        """Aggregates: `(<kept,updates> -> totals)`."""
        return self._parts["client_to_server_aggregation"]

    @property
    def server_result(self) -> ConcreteComputation:
        """The state of the next round and the output: `(<kept,totals> -> <S,X>)`."""
        return self._parts["server_result"]

    def summary(self, print_fn: Callable[..., None] = print) -> None:
        """Prints the types of the parts.

        Args:
          print_fn: called with each line.
        """
        for line in part_checks.summary_lines(self._parts, len("client_to_server_aggregation")):
            print_fn(line)


def _check_lambdas(parts: dict[str, ConcreteComputation]) -> None:
    problems = [
        f"{label}: expected a federated computation, got {part!r}"
        for label, part in parts.items()
        if not isinstance(part.node, ir.Lambda)
    ]
    if problems:
        raise errors.FormPartError(
            f"the parts of a `{_FORM}` are federated computations.",
            problems=problems,
            fix="make them with `@tff.federated_computation`.",
        )


def _check_only_calls(label: str, part: ConcreteComputation, kind: str) -> None:
    """Raises an error if a part does anything but call intrinsics of one kind."""
    assert isinstance(part.node, ir.Lambda)
    bindings, result = call_dominant.open_lambda(part.node)
    problems: list[str] = []
    for name, bound in bindings:
        intrinsic = ir.called_intrinsic(bound)
        if intrinsic is None or intrinsic.definition.kind != kind:
            problems.append(f"{name}: expected a call of kind {kind!r}, got {bound}")
            continue
        problems.extend(
            f"{name}: expected a part of the argument or a constant, got {argument}"
            for argument in _arguments(bound)
            if not _is_part_of(argument, part.node.parameter_name)
        )
    given = [str(each) for each in result.children()] if isinstance(result, ir.Struct) else None
    expected = [name for name, _ in bindings]
    if given != expected:
        problems.append(f"result: expected <{','.join(expected)}>, got {result}")
    if problems:
        raise errors.FormStructureError(
            f"`{label}` makes calls of the kind {kind!r}, and returns their results in order.",
            problems=problems,
            signature=part.type_signature,
            fix="compute in the parts before and after.",
        )


def _arguments(bound: ir.Node) -> Iterator[ir.Node]:
    """The values that a call is given; functions are no values."""
    assert isinstance(bound, ir.Call)
    waiting = [bound.argument]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ir.Struct):
            waiting.extend(node.children())
        elif node is not None and not isinstance(node.type_signature, FunctionType):
            yield node


def _is_part_of(node: ir.Node, parameter_name: str | None) -> bool:
    if isinstance(node, ir.Literal):
        return True
    while isinstance(node, ir.Selection):
        node = node.source
    return isinstance(node, ir.Reference) and node.name == parameter_name


def _check_types(whole: FunctionType, parts: dict[str, FunctionType]) -> None:
    """Raises an error if the types of the parts do not fit together, or not the whole."""
    aggregation = parts["client_to_server_aggregation"]
    part_checks.check_length(
        _FORM,
        _PATTERNS,
        [
            ("result of server_prepare", parts["server_prepare"].result, 2),
            ("parameter of client_work", parts["client_work"].parameter, 2),
            ("parameter of client_to_server_aggregation", aggregation.parameter, 2),
            ("parameter of server_result", parts["server_result"].parameter, 2),
            ("result of server_result", parts["server_result"].result, 2),
            ("parameter of type_signature", whole.parameter, 2),
            ("result of type_signature", whole.result, 2),
        ],
    )
    sent, kept = part_checks.elements(parts["server_prepare"].result)
    work_data, work_received = part_checks.elements(parts["client_work"].parameter)
    aggregation_kept, updates = part_checks.elements(aggregation.parameter)
    finish_kept, totals = part_checks.elements(parts["server_result"].parameter)
    state, data = part_checks.elements(whole.parameter)
    next_state, _ = part_checks.elements(whole.result)
    broadcast, finish = parts["server_to_client_broadcast"], parts["server_result"]
    part_checks.check_fits(
        _FORM,
        _PATTERNS,
        [
            ("type_signature to server_prepare", parts["server_prepare"].parameter, state),
            ("server_prepare to server_to_client_broadcast", broadcast.parameter, sent),
            ("type_signature to client_work[0]", work_data, data),
            ("server_to_client_broadcast to client_work[1]", work_received, broadcast.result),
            ("server_prepare to client_to_server_aggregation[0]", aggregation_kept, kept),
            (
                "client_work to client_to_server_aggregation[1]",
                updates,
                parts["client_work"].result,
            ),
            ("server_prepare to server_result[0]", finish_kept, kept),
            ("client_to_server_aggregation to server_result[1]", totals, aggregation.result),
            ("result of type_signature to its parameter", state, next_state),
            ("server_result to result of type_signature", whole.result, finish.result),
        ],
    )
