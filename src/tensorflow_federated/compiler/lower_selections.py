"""Writes selections as broadcasts, and as maps of each client over its own keys."""

from __future__ import annotations

from tensorflow_federated.compiler import lowering
from tensorflow_federated.core import ir, placements
from tensorflow_federated.core.types import FederatedType, SequenceType, TensorType, Type


def lower_selections(program: ir.Lambda) -> ir.Lambda:
    """Replaces `federated_select` and `federated_secure_select`.

    The server's value is broadcast as a whole; each client takes its slices from it.

    Args:
      program: a lambda in call-dominant form.

    Returns:
      The lambda in call-dominant form, without selections.
    """
    return lowering.rewrite(
        program, {"federated_select": _selection, "federated_secure_select": _selection}
    )


def _selection(rewriter: lowering.Rewriter, argument: ir.Node, result: Type) -> ir.Node:
    keys, max_key, server_value, select = (ir.select(argument, index) for index in range(4))
    sent = [_broadcast(rewriter, value) for value in (max_key, server_value)]
    of_client = rewriter.zip_at_clients(keys, *sent)
    slices_type = ir.unplaced(result)

    def slices(inner: lowering.Rewriter, parameter: ir.Reference) -> ir.Node:
        own_keys, bound, value = (ir.select(parameter, index) for index in range(3))
        sequence_type = _sequence_of(own_keys.type_signature)
        sequence = inner.bind(
            ir.call_intrinsic("sequence_of_keys", lowering.pack([own_keys, bound]), sequence_type)
        )

        def slice_at(innermost: lowering.Rewriter, key: ir.Reference) -> ir.Node:
            return innermost.apply(select, lowering.pack([value, key]))

        function = rewriter.function(sequence_type.element, slice_at)
        return inner.bind(
            ir.call_intrinsic("sequence_map", lowering.pack([function, sequence]), slices_type)
        )

    work = rewriter.function(lowering.member_of(of_client), slices)
    return ir.call_intrinsic("federated_map", lowering.pack([work, of_client]), result)


def _sequence_of(keys_type: Type) -> SequenceType:
    assert isinstance(keys_type, TensorType)
    return SequenceType(TensorType(keys_type.dtype))


def _broadcast(rewriter: lowering.Rewriter, value: ir.Node) -> ir.Node:
    sent_type = FederatedType(lowering.member_of(value), placements.CLIENTS, all_equal=True)
    return rewriter.bind(ir.call_intrinsic("federated_broadcast", value, sent_type))
