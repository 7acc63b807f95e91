"""Tasks for workers, and the replies to them, as bytes.

A task is some chunks of one run of a client step. The step, and what all chunks of a run share, are
long, and are sent to each worker once: it keeps them by their keys, and where it has not what a
task came without, it replies that it is missing.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from tensorflow_federated.compiler import plan
from tensorflow_federated.core.byte_format import Bytes, Reader
from tensorflow_federated.core.types import SequenceType
from tensorflow_federated.execution import profiling, sequences
from tensorflow_federated.execution.chunk_runs import Chunk, ChunkResult, FailedClient
from tensorflow_federated.execution.packets import PacketReader, PacketWriter
from tensorflow_federated.execution.problems import ToldError, describe_error
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.execution.value_encoding import read_value, write_value

_DONE, _MISSING, _FAILED = range(3)
_NUM_REPLIES = 3

THIS_PROCESS = os.urandom(16)
"""Tells this process from all others."""

FrameworkOptions = Mapping[str, Mapping[str, Any]]
"""For each back end that is used, how its framework is set up, as far as results depend on it."""


@dataclasses.dataclass(frozen=True)
class StepSetup:
    """What a worker has to know before it can run a step.

    Attributes:
      encoded: the step, by `step_encoding.encode_step`.
      number: its position among the client steps of its program.
      settings: how it is run.
      frameworks: how the frameworks that it needs are set up.
      process: the process that they are set up so in.
    """

    encoded: Bytes
    number: int
    settings: Settings
    frameworks: FrameworkOptions
    process: bytes = THIS_PROCESS


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What the chunks of one run of a step share.

    Attributes:
      broadcast: the values that all clients are sent, canonical.
      zeros: for each aggregate, what accumulation starts from; None where it is the first value.
    """

    broadcast: Sequence[Any]
    zeros: Sequence[Any]


def write_task(
    step: plan.ClientStep,
    step_key: bytes,
    run_key: bytes,
    step_setup: StepSetup | None,
    run_setup: RunSetup | None,
    chunks: Sequence[tuple[int, Chunk]],
    *,
    is_measured: bool = False,
) -> bytearray:
    """Writes a task.

    Args:
      step: the step.
      step_key: tells it, and how it is run, from others.
      run_key: tells its run from others, of other processes too.
      step_setup: what a worker needs that has not run the step yet; None if it is not sent.
      run_setup: what a worker needs that has no part in the run yet; None if it is not sent.
      chunks: the chunks, each with its position.
      is_measured: whether the worker is to tell where its time went.

    Returns:
      The task.
    """
    packet = PacketWriter()
    fields = packet.fields
    fields.blob(step_key)
    fields.blob(run_key)
    fields.flag(is_measured)
    fields.flag(step_setup is not None)
    if step_setup is not None:
        fields.blob(step_setup.encoded)
        fields.unsigned(step_setup.number)
        fields.blob(step_setup.process)
        fields.text(json.dumps(dataclasses.asdict(step_setup.settings)))
        fields.text(json.dumps({name: dict(each) for name, each in step_setup.frameworks.items()}))
    fields.flag(run_setup is not None)
    if run_setup is not None:
        for slot, value in zip(step.broadcast, run_setup.broadcast, strict=True):
            write_value(packet, value, slot.type)
        for aggregate, zero in zip(step.aggregates, run_setup.zeros, strict=True):
            _write_total(packet, zero, aggregate)
    fields.unsigned(len(chunks))
    for index, chunk in chunks:
        fields.unsigned(index)
        fields.unsigned(chunk.first)
        packet.array(chunk.keys)
        for slot, values in zip(step.inputs, chunk.clients, strict=True):
            for value in values:
                write_value(packet, value, slot.type)
    return packet.to_bytes()


class Task:
    """A task, as a worker reads it.

    Attributes:
      step_key: the key of its step.
      run_key: the key of the run of it.
      is_measured: whether to tell where the time went.
      step_setup: what the step needs, if it was sent.
    """

    def __init__(self, data: Bytes) -> None:
        """Reads what tells how to read the rest.

        Raises:
          WireError: if this is no task.
        """
        self._packet = PacketReader(data)
        fields = self._packet.fields
        self.step_key, self.run_key = bytes(fields.blob()), bytes(fields.blob())
        self.is_measured = fields.flag()
        self.step_setup: StepSetup | None = None
        if fields.flag():
            encoded, number, process = fields.blob(), fields.unsigned(), bytes(fields.blob())
            settings = Settings(**_read_object(fields))
            self.step_setup = StepSetup(encoded, number, settings, _read_object(fields), process)

    def read_rest(self, step: plan.ClientStep) -> tuple[RunSetup | None, list[tuple[int, Chunk]]]:
        """What is different from run to run, and the chunks, each with its position."""
        packet, fields, run_setup = self._packet, self._packet.fields, None
        if fields.flag():
            broadcast = [read_value(packet, slot.type) for slot in step.broadcast]
            zeros = [_read_total(packet, aggregate) for aggregate in step.aggregates]
            run_setup = RunSetup(broadcast, zeros)
        chunks: list[tuple[int, Chunk]] = []
        for _ in range(fields.count("chunks")):
            index, first, keys = fields.unsigned(), fields.unsigned(), packet.array()
            if np.ndim(keys) != 3 or keys.dtype != np.int64:
                fields.fail("the random keys of clients are no int64[?,?,2]")
            clients = [
                [read_value(packet, slot.type) for _ in range(len(keys))] for slot in step.inputs
            ]
            chunks.append((index, Chunk(first, clients, keys)))
        packet.finish()
        return run_setup, chunks


@dataclasses.dataclass(frozen=True)
class Missing:
    """The reply of a worker that has not what a task came without."""


@dataclasses.dataclass(frozen=True)
class Failed:
    """The reply of a worker that cannot run a task, which is not the fault of a client.

    Attributes:
      text: what was raised, as `problems.describe_error` tells it.
    """

    text: str


@dataclasses.dataclass(frozen=True)
class Done:
    """The reply of a worker that ran a task.

    Attributes:
      results: the result of each chunk, with its position.
      measured: where its time went; None if that was not asked.
    """

    results: list[tuple[int, ChunkResult]]
    measured: profiling.Measured | None


Reply = Done | Missing | Failed


def write_done(
    step: plan.ClientStep,
    results: Sequence[tuple[int, ChunkResult]],
    measured: profiling.Measured | None,
) -> bytearray:
    """Writes the reply of a worker that ran a task."""
    packet = PacketWriter()
    fields = packet.fields
    fields.unsigned(_DONE)
    fields.text("null" if measured is None else json.dumps(dataclasses.asdict(measured)))
    fields.unsigned(len(results))
    for index, result in results:
        fields.unsigned(index)
        fields.unsigned(len(result.failed))
        for failed in result.failed:
            fields.unsigned(failed.position)
            fields.text(failed.stage)
            fields.text(describe_error(failed.error))
        fields.unsigned(len(result.replaced))
        for position in result.replaced:
            fields.unsigned(position)
        fields.flag(result.totals is not None)
        if result.totals is None:
            continue
        for aggregate, total in zip(step.aggregates, result.totals, strict=True):
            _write_total(packet, total, aggregate)
        for slot, values in zip(step.kept, result.kept, strict=True):
            fields.unsigned(len(values))
            for value in values:
                write_value(packet, value, slot.type)
    return packet.to_bytes()


def write_missing() -> bytearray:
    """Writes the reply of a worker that has not what a task came without."""
    packet = PacketWriter()
    packet.fields.unsigned(_MISSING)
    return packet.to_bytes()


def write_failed(error: Exception) -> bytearray:
    """Writes the reply of a worker that cannot run a task."""
    packet = PacketWriter()
    packet.fields.unsigned(_FAILED)
    packet.fields.text(describe_error(error))
    return packet.to_bytes()


def read_reply(step: plan.ClientStep, data: Bytes) -> Reply:
    """Reads the reply of a worker.

    Args:
      step: the step that the task was of.
      data: the reply. If it can be written to, so can the arrays that are read.

    Returns:
      What it says.

    Raises:
      WireError: if this is no reply.
    """
    packet = PacketReader(data)
    fields = packet.fields
    kind = fields.choice(_NUM_REPLIES, "kind of reply")
    reply: Reply
    if kind == _MISSING:
        reply = Missing()
    elif kind == _FAILED:
        reply = Failed(fields.text())
    else:
        told = _read_json(fields)
        measured = None if told is None else profiling.Measured(**told)
        results = [_read_result(packet, step) for _ in range(fields.count("results"))]
        reply = Done(results, measured)
    packet.finish()
    return reply


def _read_result(packet: PacketReader, step: plan.ClientStep) -> tuple[int, ChunkResult]:
    fields = packet.fields
    index = fields.unsigned()
    failed = tuple(
        FailedClient(fields.unsigned(), fields.text(), ToldError(fields.text()))
        for _ in range(fields.count("failed clients"))
    )
    replaced = tuple(fields.unsigned() for _ in range(fields.count("replaced results")))
    if not fields.flag():
        return index, ChunkResult(None, [[] for _ in step.kept], failed, replaced)
    totals = [_read_total(packet, aggregate) for aggregate in step.aggregates]
    kept = [[read_value(packet, slot.type) for _ in range(fields.unsigned())] for slot in step.kept]
    return index, ChunkResult(totals, kept, failed, replaced)


def _write_total(packet: PacketWriter, total: Any, aggregate: plan.Aggregate) -> None:
    """Writes what an aggregate has accumulated; None if that is nothing at all."""
    packet.fields.flag(total is not None)
    if total is None:
        return
    if aggregate.kind == "collection":
        # As a sequence, which checks how many there are.
        element_type = aggregate.value_type
        total = sequences.Sequence.from_elements(total, element_type)
        write_value(packet, total, SequenceType(element_type))
    else:
        write_value(packet, total, aggregate.accumulator_type)


def _read_total(packet: PacketReader, aggregate: plan.Aggregate) -> Any:
    if not packet.fields.flag():
        return None
    if aggregate.kind == "collection":
        values = read_value(packet, SequenceType(aggregate.value_type))
        return tuple(values.elements())
    return read_value(packet, aggregate.accumulator_type)


def _read_object(fields: Reader) -> dict[str, Any]:
    """Reads named settings; those of other names are refused where they are used."""
    read = _read_json(fields)
    if read is None:
        fields.fail("there are no settings")
    return read


def _read_json(fields: Reader) -> dict[str, Any] | None:
    try:
        read: object = json.loads(fields.text())
    except ValueError:
        fields.fail("what was told is no JSON")
    if read is not None and not isinstance(read, dict):
        fields.fail("what was told has no names")
    return cast("dict[str, Any] | None", read)
