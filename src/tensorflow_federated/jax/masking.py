"""Finds out how a client step uses its sequences, by carrying it out on values that are opaque."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from tensorflow_federated.compiler import plan
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import SequenceType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import local_programs, sums
from tensorflow_federated.jax import masked_forms


class CannotCompileError(Exception):
    """A step does something for which there is no loop; the message is the reason."""


@dataclasses.dataclass
class SequenceUse:
    """How a sequence of a client is used.

    Attributes:
      is_read: whether its elements are read at all.
      takes_masks: whether every function that reads its elements is one that has a masked form, so
        that batches may be padded.
      reads: for each loop over its elements, how many loops over data come before it.
    """

    takes_masks: bool = True
    reads: list[int] = dataclasses.field(default_factory=list[int])


def sequence_uses(step: plan.ClientStep) -> list[SequenceUse]:
    """How a step uses the sequences of its inputs, in the order of their leaves.

    Args:
      step: the step.

    Returns:
      One for each leaf of the inputs that is a sequence.

    Raises:
      CannotCompileError: if the step does something for which there is no loop.
    """
    uses: list[SequenceUse] = []

    def opaque(leaf: Type) -> Any:
        if not isinstance(leaf, SequenceType):
            return _Opaque()
        uses.append(SequenceUse())
        return _Sequence(uses[-1])

    own = [
        tensor_leaves.unflatten(map(opaque, tensor_leaves.leaf_types(slot.type)), slot.type)
        for slot in step.inputs
    ]
    broadcast = [_Opaque() for _ in step.broadcast]
    results = local_programs.run(step.body, (*broadcast, *own), _OpaqueDomain())
    if any(isinstance(part, (_Sequence, _Element)) for part in _parts(results)):
        raise CannotCompileError("a sequence leaves the client")
    return uses


class _Opaque:
    """Any value."""

    def __getitem__(self, index: int) -> _Opaque:
        return self


class _Element(_Opaque):
    """An element of a sequence; who looks into it takes no masks."""

    def __init__(self, use: SequenceUse) -> None:
        self.use = use

    def __getitem__(self, index: int) -> _Opaque:
        self.use.takes_masks = False
        return _Opaque()


@dataclasses.dataclass(frozen=True)
class _Sequence:
    use: SequenceUse


class _OpaqueDomain:
    """See `execution.local_programs.Domain`."""

    def __init__(self) -> None:
        self._loops = 0
        self._reads = itertools.count()

    def literal(self, value: Any, type_signature: Type) -> _Opaque:
        del value, type_signature
        return _Opaque()

    def call(self, computation: LocalComputation, argument: Any) -> _Opaque:
        has_mask = masked_forms.find(computation) is not None
        for part in _parts(argument):
            if isinstance(part, _Element):
                is_the_batch = has_mask and len(argument) == 2 and part is argument[1]
                part.use.takes_masks &= is_the_batch
        return _Opaque()

    def random_key(self, number: int) -> _Opaque:
        del number
        return _Opaque()

    def sequence_map(
        self, fn: Callable[[Any], Any], sequence: _Sequence, sequence_type: Type
    ) -> _Sequence:
        del sequence_type
        # A mapped batch may have other rows than the batch.
        sequence.use.takes_masks = False
        self._in_loop(lambda: fn(_Element(sequence.use)))
        return sequence

    def sequence_of_keys(self, keys: Any, max_key: Any) -> _Sequence:
        del keys, max_key
        if self._loops:
            raise CannotCompileError("it selects by keys while it loops over data")
        return _Sequence(SequenceUse())

    def sequence_reduce(
        self, step: Callable[[Any, Any], Any], zero: Any, sequence: _Sequence, zero_type: Type
    ) -> _Opaque:
        del zero
        if not sums.has_zeros(zero_type):
            raise CannotCompileError("the size of what is reduced over its data is not known")
        sequence.use.reads.append(next(self._reads))
        self._in_loop(lambda: step(_Opaque(), _Element(sequence.use)))
        return _Opaque()

    def sequence_sum(self, sequence: _Sequence, element_type: Type) -> _Opaque:
        if not sums.has_zeros(element_type):
            raise CannotCompileError("the size of the elements that it adds up is not known")
        sequence.use.reads.append(next(self._reads))
        sequence.use.takes_masks = False
        return _Opaque()

    def _in_loop(self, visit: Callable[[], Any]) -> None:
        self._loops += 1
        result = visit()
        self._loops -= 1
        for part in _parts(result):
            if isinstance(part, _Element):
                part.use.takes_masks = False
            elif isinstance(part, _Sequence):
                raise CannotCompileError("a sequence leaves a loop over data")


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for element in value:
            yield from _parts(element)
    else:
        yield value
