"""Client steps as one XLA program: a loop over clients, inside it loops over their batches."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import dtypes, ir, shapes, traversal
from tensorflow_federated.core.types import SequenceType, StructType, TensorType, Type
from tensorflow_federated.execution import (
    aligned_arrays,
    backends,
    kept_values,
    local_programs,
    selections,
    sequences,
)
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import (
    devices,
    domain,
    executables,
    exported_functions,
    lanes,
    layout,
    masking,
    precision,
    stages,
)

# A program takes smaller arrays faster than it is found out whether they are on the device.
_LARGE_BYTES = 2**16

# As many as there are sizes of batches, and some more.
_MOST_PROGRAMS = 64


def compile_client_step(
    step: plan.ClientStep, settings: Settings, data: Kept
) -> ClientLoop | backends.NotCompiled:
    """Compiles a step over chunks of clients.

    Args:
      step: the step; its computations are of this back end or portable.
      settings: how the engine works.
      data: where data is kept on the device.

    Returns:
      The compiled step; or why it is run for one client after the other.
    """
    reason = _reason_against(step)
    if reason is not None:
        return backends.NotCompiled(reason)
    try:
        uses = masking.sequence_uses(step)
    except masking.CannotCompileError as error:
        return backends.NotCompiled(str(error))
    return ClientLoop(step, uses, settings, data)


def _reason_against(step: plan.ClientStep) -> str | None:
    if step.kept:
        return "it keeps values at the clients"
    if not step.aggregates:
        return "nothing is aggregated"
    if any(each.kind == "collection" for each in step.aggregates):
        return "the clients' values are collected one by one"
    slots = [*step.broadcast, *step.inputs]
    accumulated = [each.accumulator_type for each in step.aggregates]
    for leaf in itertools.chain.from_iterable(
        map(_tensors, [*(slot.type for slot in slots), *accumulated])
    ):
        if dtypes.is_string(leaf.dtype):
            return "JAX has no strings"
    if not all(_has_columns(leaf) for slot in step.inputs for leaf in _leaves(slot.type)):
        return "the shapes of the clients' values are not known"
    if not all(_is_static(leaf) for slot in step.broadcast for leaf in _leaves(slot.type)):
        return "the shape of a broadcast value is not known"
    if not all(_is_static(leaf) for each in accumulated for leaf in _leaves(each)):
        return "the shape of an aggregate is not known"
    return None


def _leaves(type_signature: Type) -> tuple[Type, ...]:
    return tensor_leaves.leaf_types(type_signature)


def _tensors(type_signature: Type) -> Iterator[TensorType]:
    for leaf in _leaves(type_signature):
        if isinstance(leaf, SequenceType):
            yield from _tensors(leaf.element)
        elif isinstance(leaf, TensorType):
            yield leaf


def _is_static(leaf: Type) -> bool:
    return isinstance(leaf, TensorType) and shapes.is_shape_fully_defined(leaf.shape)


def _has_columns(leaf: Type) -> bool:
    if isinstance(leaf, SequenceType):
        return sequences.is_batched(leaf.element) or sequences.is_stacked(leaf.element)
    return _is_static(leaf)


def _as_it_is(position: int, sequence: Any) -> Any:
    del position
    return sequence


class Kept:
    """What is kept on the device from call to call, for all client steps."""

    def __init__(self) -> None:
        """Keeps nothing yet."""
        chunks, stores = devices.limits()
        self.chunks = kept_values.KeptValues(chunks)
        self.stores = kept_values.KeptValues(stores)


class Prepared(NamedTuple):
    """The data of a chunk.

    Attributes:
      capacity: the number of clients that all arrays are padded to.
      inputs: for each leaf of the inputs a tensor with a leading dimension of clients, or the
        `layout.Data` of a sequence.
      order: the order in which clients take lanes; None without lanes.
      runs: for each leaf of the inputs, the runs of batches, if they are of several sizes.
    """

    capacity: int
    inputs: list[Any]
    order: Any
    runs: list[layout.Runs | None]


class ClientLoop:
    """A client step over the clients of a chunk; see `execution.backends.CompiledStep`."""

    def __init__(
        self,
        step: plan.ClientStep,
        uses: Sequence[masking.SequenceUse],
        settings: Settings,
        data: Kept,
    ) -> None:
        """Makes a step, which is compiled when it is first run.

        Args:
          step: the step.
          uses: how it uses the sequences of its inputs.
          settings: how the engine works.
          data: where data is kept on the device.
        """
        self._step = step
        self._settings = settings
        self._has_masks = any(use.takes_masks and use.reads for use in uses)
        self._accumulator_types = [each.accumulator_type for each in step.aggregates]
        self._input_leaves = [leaf for slot in step.inputs for leaf in _leaves(slot.type)]
        self._client_capacity = layout.Capacity()
        remaining = iter(uses)
        its_uses = [
            next(remaining) if isinstance(leaf, SequenceType) else None
            for leaf in self._input_leaves
        ]
        self._has_stages = any(
            isinstance(leaf, SequenceType)
            and use is not None
            # Single examples are always of one size.
            and sequences.is_batched(leaf.element)
            and use.reads
            and not use.takes_masks
            for leaf, use in zip(self._input_leaves, its_uses, strict=True)
        )
        self._layouts = [
            layout.SequenceLayout(leaf.element, use.takes_masks, data.stores, data.chunks)
            if isinstance(leaf, SequenceType) and use is not None
            else None
            for leaf, use in zip(self._input_leaves, its_uses, strict=True)
        ]
        sent = [slot.type for slot in step.broadcast]
        self._lanes = lanes.count_for(
            settings.lanes,
            sum(map(_size_of, [*sent, *self._accumulator_types])),
            is_batchable=not exported_functions.are_in([step.body]),
        )
        self._stores = data.stores
        self._programs = executables.Programs(_MOST_PROGRAMS, settings.mixed_precision)
        self._stages = stages.Stages(self.work, self.accumulate, self._programs, its_uses)

    @property
    def form(self) -> str:
        """How it runs, in a few words."""
        return "; ".join(
            [
                "one XLA program that loops over the clients of a chunk and their batches",
                *(["masked last batches"] if self._has_masks else []),
                *(
                    ["batches of several sizes in stages, a program each"]
                    if self._has_stages
                    else []
                ),
                *([f"{self._lanes} clients side by side"] if self._lanes > 1 else []),
                *(["products in bfloat16"] if self._settings.mixed_precision else []),
                *(["convolutions in NHWC"] if self._rewrites_convolutions() else []),
            ]
        )

    def place(self, broadcast: Sequence[Any]) -> list[Any]:
        """The broadcast values on the device, leaf by leaf."""
        flat = [
            leaf
            for slot, value in zip(self._step.broadcast, broadcast, strict=True)
            for leaf in tensor_leaves.flatten(value, slot.type)
        ]
        with precision.with_64_bits(True):
            return [jax.device_put(leaf) if leaf.nbytes > _LARGE_BYTES else leaf for leaf in flat]

    def prepare(self, clients: Sequence[Sequence[Any]]) -> Prepared | None:
        """The data of a chunk on the device; None if it has no shape that a program can have."""
        # Whoever looks into a step with a debugger wants nothing compiled.
        if jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
            return None
        count = len(clients[0]) if clients else 0
        if not clients:
            return Prepared(0, [], None, [])
        capacity = self._capacity_for(count)
        by_leaf: list[Sequence[Any]] = []
        for slot, values in zip(self._step.inputs, clients, strict=True):
            if isinstance(slot.type, StructType):
                each = [tensor_leaves.flatten(value, slot.type) for value in values]
                by_leaf += zip(*each, strict=True)
            else:
                by_leaf.append(values)
        inputs: list[Any] = []
        lengths = np.zeros(count, np.int64)
        runs: list[layout.Runs | None] = [None] * len(by_leaf)
        with precision.with_64_bits(True):
            for position, (leaf, its_layout, values) in enumerate(
                zip(self._input_leaves, self._layouts, by_leaf, strict=True)
            ):
                if its_layout is None:
                    inputs.append(_stacked(values, leaf, capacity))
                    continue
                laid_out = its_layout.lay_out(values, capacity)
                if laid_out is None:
                    return None
                data, runs[position] = laid_out
                inputs.append(data)
                if self._lanes > 1:
                    lengths += np.diff(data.bounds[: count + 1])
        order = None if any(runs) else self._order(lengths, capacity)
        return Prepared(capacity, inputs, order, runs)

    def _order(self, lengths: np.ndarray, capacity: int) -> Any:
        """In which order clients take lanes, where there are any."""
        return lanes.order_of(lengths, capacity) if self._lanes > 1 else None

    def _capacity_for(self, count: int) -> int:
        fitting = self._client_capacity.fit(max(count, 1))
        return -(-fitting // self._lanes) * self._lanes

    def run(
        self, broadcast: list[Any], zeros: Sequence[Any], prepared: Prepared, keys: np.ndarray
    ) -> tuple[Any, ...]:
        """Runs the step for each client in order and accumulates."""
        capacity, inputs, order, runs = prepared
        if not self._step.inputs:
            capacity = self._capacity_for(len(keys))
            order = self._order(np.zeros(len(keys)), capacity)
        all_keys = np.zeros([capacity, *keys.shape[1:]], np.int64)
        all_keys[: len(keys)] = keys
        with precision.with_64_bits(True):
            starts = self._starts(zeros)
            if any(runs):
                done = self._stages.run((all_keys, broadcast, inputs), starts, runs, len(keys))
            else:
                arguments = (all_keys, np.int32(len(keys)), order, broadcast, starts, inputs)
                done = self._programs.run(self._run, (order is None,), arguments)
            totals, are_keys_offered = _on_host(done)
        if not are_keys_offered:
            raise selections.key_error("expected keys that are at least 0 and less than max_key")
        leaves = iter(totals)
        return tuple([tensor_leaves.unflatten(leaves, each) for each in self._accumulator_types])

    def _starts(self, zeros: Sequence[Any]) -> list[Any]:
        """What accumulation starts from, leaf by leaf, large arrays on the device."""
        leaves = [
            leaf
            for zero, zero_type in zip(zeros, self._accumulator_types, strict=True)
            for leaf in tensor_leaves.flatten(zero, zero_type)
        ]
        return [
            self._stores.get_or_make(
                "leaf", functools.partial(jax.device_put, leaf), leaf.nbytes, [leaf]
            )
            if leaf.nbytes > _LARGE_BYTES and not devices.is_used_in_place(leaf)
            else leaf
            for leaf in leaves
        ]

    def _run(
        self,
        keys: Any,
        count: Any,
        order: Any,
        broadcast: list[Any],
        starts: list[Any],
        inputs: list[Any],
    ) -> tuple[list[Any], Any]:
        """The program: the totals, leaf by leaf, and whether all selected keys were offered."""

        def work(client: Any) -> list[Any]:
            return self.work(client, (keys, broadcast, inputs))

        buffers = None if order is None else lanes.run(work, self._lanes, order, count)

        def turn(client: Any, carried: tuple[list[Any], Any]) -> tuple[list[Any], Any]:
            totals, are_keys_offered = carried
            done = work(client) if buffers is None else [buffer[client] for buffer in buffers]
            *results, are_offered = done
            return self.accumulate(totals, results), are_keys_offered & are_offered

        return lax.fori_loop(np.int32(0), count, turn, (starts, np.True_))

    def work(
        self, client: Any, data: Any, as_read: Callable[[int, Any], Any] = _as_it_is
    ) -> list[Any]:
        """What one client does: its results, leaf by leaf, and whether its keys were offered.

        Args:
          client: its position in the chunk.
          data: the random keys, the broadcast values, and the inputs of all clients of the chunk.
          as_read: what takes the place of a sequence, given which leaf of the inputs it is.

        Returns:
          The results; in a trace.
        """
        keys, broadcast, inputs = data
        sent = iter(broadcast)
        own = iter(
            [
                as_read(position, each.of_client(client, leaf.element))
                if isinstance(leaf, SequenceType)
                else each[client]
                for position, (leaf, each) in enumerate(
                    zip(self._input_leaves, inputs, strict=True)
                )
            ]
        )
        argument = [
            *(tensor_leaves.unflatten(sent, slot.type) for slot in self._step.broadcast),
            *(tensor_leaves.unflatten(own, slot.type) for slot in self._step.inputs),
        ]
        of_client = domain.TracedDomain(keys[client])
        results = local_programs.run(self._step.body, tuple(argument), of_client)
        return [
            *(
                leaf
                for aggregate, value in zip(self._step.aggregates, results, strict=True)
                for leaf in domain.as_declared(value, aggregate.value_type)
            ),
            of_client.are_keys_offered,
        ]

    def accumulate(self, totals: list[Any], results: list[Any]) -> list[Any]:
        """The totals with the results of one client more, leaf by leaf; in a trace."""
        before, values, after = iter(totals), iter(results), list[Any]()
        for aggregate, total_type in zip(
            self._step.aggregates, self._accumulator_types, strict=True
        ):
            total = tensor_leaves.unflatten(before, total_type)
            value = tensor_leaves.unflatten(values, aggregate.value_type)
            if aggregate.accumulate is None:
                total = domain.add(total, value, total_type)
            else:
                total = local_programs.run(
                    aggregate.accumulate, (total, value), domain.TracedDomain(None)
                )
            after.extend(domain.as_declared(total, total_type))
        return after

    def _rewrites_convolutions(self) -> bool:
        """Whether there are convolutions, and it is a processor that runs them."""
        if devices.default_device().platform != "cpu":
            return False
        return any(
            isinstance(node, ir.Local) and executables.has_convolutions(node.computation)
            for node in traversal.iterate(self._step.body)
        )


def _on_host(done: tuple[list[Any], Any]) -> tuple[list[Any], bool]:
    """The totals of a chunk as arrays and scalars of NumPy, and whether all keys were offered."""
    totals, are_keys_offered = done
    if devices.default_device().platform != "cpu":
        for leaf in totals:
            leaf.copy_to_host_async()
    return [np.asarray(leaf)[()] for leaf in totals], bool(are_keys_offered)


def _size_of(type_signature: Type) -> int:
    """How many bytes a value of a type has."""
    return sum(
        math.prod(size or 0 for size in leaf.shape or ()) * np.dtype(leaf.dtype).itemsize
        for leaf in _tensors(type_signature)
    )


def _stacked(values: Sequence[Any], leaf: Type, capacity: int) -> np.ndarray:
    assert isinstance(leaf, TensorType)
    sizes = [size or 0 for size in leaf.shape or ()]
    stacked = aligned_arrays.empty([capacity, *sizes], np.dtype(leaf.dtype))
    for client, value in enumerate(values):
        stacked[client] = value
    return stacked
