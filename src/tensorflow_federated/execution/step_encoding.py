"""Client steps as bytes, so that another process can run them for some of the clients.

What travels is what a worker does: the work of one client, and how the values of several are
accumulated. Merging what the workers give, and the report of a fold, stay where the plan is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import get_args

from tensorflow_federated.compiler import non_finite_reports, plan, wire
from tensorflow_federated.core import byte_format, ir, type_encoding
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Bytes, Limits, Reader, Writer
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution.serialization import BackendCodec

_AGGREGATE_KINDS: tuple[plan.AggregateKind, ...] = get_args(plan.AggregateKind)
_FOLD_KINDS = ("fold", non_finite_reports.KIND)


def encode_step(step: plan.ClientStep) -> bytes:
    """Turns a client step into bytes.

    Args:
      step: the step.

    Returns:
      The bytes; the same for the same step.

    Raises:
      WireError: if one of its computations cannot travel.
    """
    table, slots = type_encoding.TypeTable(), Writer()
    for group in (step.broadcast, step.inputs, step.kept):
        _write_slots(slots, table, group)
    slots.unsigned(len(step.aggregates))
    for aggregate in step.aggregates:
        _write_slots(slots, table, [aggregate.output])
        slots.unsigned(_AGGREGATE_KINDS.index(aggregate.kind))
        slots.unsigned(table.position(aggregate.value_type))
        slots.optional_text(aggregate.zero)
        slots.optional_text(aggregate.protocol)
        slots.flag(aggregate.accumulate is not None)
    writer = Writer()
    table.write(writer)
    writer.data += slots.data
    functions = ir.Struct(tuple((None, each) for each in step.programs))
    writer.blob(wire.encode(ir.Lambda(None, None, functions), "client_step", BackendCodec()))
    return byte_format.seal(byte_format.STEP, writer.data)


def decode_step(data: Bytes, limits: Limits = DEFAULT_LIMITS) -> plan.ClientStep:
    """Reads a client step from bytes.

    Args:
      data: what `encode_step` returned.
      limits: what is read at most.

    Returns:
      The step, whose aggregates neither merge nor report.

    Raises:
      WireError: if the bytes carry no client step.
      MissingExtraError: if it needs a framework that is not installed.
    """
    reader = byte_format.open_sealed(byte_format.STEP, data, limits)
    types = type_encoding.read_types(reader)
    broadcast, inputs, kept = (_read_slots(reader, types) for _ in range(3))
    described = [_read_aggregate(reader, types) for _ in range(reader.count("aggregates"))]
    program, _ = wire.decode(reader.blob(), BackendCodec(), limits)
    reader.finish()
    functions = _functions(reader, program)
    num_folds = sum(has_accumulate for _, has_accumulate in described)
    if len(functions) != 1 + num_folds:
        reader.fail(f"expected {1 + num_folds} functions of a step, got {len(functions)}")
    body, accumulates = functions[0], iter(functions[1:])
    aggregates = tuple(
        dataclasses.replace(each, accumulate=next(accumulates)) if has_accumulate else each
        for each, has_accumulate in described
    )
    step = plan.ClientStep(broadcast, inputs, body, kept, aggregates)
    _check(reader, step)
    return step


def _write_slots(
    writer: Writer, table: type_encoding.TypeTable, slots: Sequence[plan.Slot]
) -> None:
    writer.unsigned(len(slots))
    for slot in slots:
        writer.text(slot.name)
        writer.unsigned(table.position(slot.type))


def _read_slots(reader: Reader, types: type_encoding.Types) -> tuple[plan.Slot, ...]:
    return tuple(
        plan.Slot(reader.text(), types.read(reader)[0]) for _ in range(reader.count("values"))
    )


def _read_aggregate(reader: Reader, types: type_encoding.Types) -> tuple[plan.Aggregate, bool]:
    """An aggregate without its functions, and whether it has one."""
    outputs = _read_slots(reader, types)
    if len(outputs) != 1:
        reader.fail("an aggregate gives one value")
    kind = _AGGREGATE_KINDS[reader.choice(len(_AGGREGATE_KINDS), "kind of aggregate")]
    value_type, _ = types.read(reader)
    zero, protocol = reader.optional_text(), reader.optional_text()
    aggregate = plan.Aggregate(*outputs, kind, value_type, zero, protocol=protocol)
    has_accumulate = reader.flag()
    if has_accumulate != (kind in _FOLD_KINDS):
        reader.fail("a fold accumulates by a function, and nothing else does")
    return aggregate, has_accumulate


def _functions(reader: Reader, program: ir.Node) -> list[ir.Lambda]:
    struct = program.result if isinstance(program, ir.Lambda) else program
    if not isinstance(struct, ir.Struct):
        reader.fail("a client step has no functions")
    functions: list[ir.Lambda] = []
    for _, function in struct.elements:
        if not isinstance(function, ir.Lambda):
            reader.fail("the work of a client is no function")
        functions.append(function)
    return functions


def _check(reader: Reader, step: plan.ClientStep) -> None:
    """Checks that the functions of a step take and give what the step says."""
    given = [slot.type for slot in (*step.broadcast, *step.inputs)]
    expected = [
        *(slot.type for slot in step.kept),
        *(each.value_type for each in step.aggregates),
    ]
    body = step.body.type_signature
    taken = [] if body.parameter is None else list(body.parameter.children())
    if not _fit(taken, given) or not _fit(expected, list(body.result.children())):
        reader.fail("the work of a client is not of the type of its step")
    for aggregate in step.aggregates:
        if aggregate.accumulate is not None:
            parameter = aggregate.accumulate.type_signature.parameter
            wanted = [aggregate.accumulator_type, aggregate.value_type]
            if parameter is None or not _fit(list(parameter.children()), wanted):
                reader.fail("an aggregate does not accumulate its values")


def _fit(targets: Sequence[Type], sources: Sequence[Type]) -> bool:
    return len(targets) == len(sources) and all(
        target.is_assignable_from(source) for target, source in zip(targets, sources, strict=True)
    )
