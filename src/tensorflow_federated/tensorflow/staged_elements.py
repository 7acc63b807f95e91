"""Loops over elements that go through stages, as those of a `tf.data` pipeline do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from tensorflow_federated.tensorflow import loops, type_specs
from tensorflow_federated.tensorflow.graph_sequences import ColumnSequence

MAP, SCAN, WHILE, COUNT, FOLD = "map", "scan", "take while", "enumerate", "reduce"
REPEAT = "repeat"
"""What can be done to elements: the kinds of stages, and that they come more than once."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is done to each element.

    Attributes:
      kind: what it is.
      apply: the function that is applied.
      state: what the first element finds; empty where elements leave nothing to the next one.
      others: what the function takes beside the state and the element.
    """

    kind: str
    apply: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]
    state: tuple[tf.Tensor, ...] = ()
    others: tuple[tf.Tensor, ...] = ()


@dataclasses.dataclass(frozen=True)
class Elements:
    """A dataset: the elements of a sequence, so many times over, through some stages."""

    sequence: ColumnSequence
    times: int = 1
    stages: tuple[Stage, ...] = ()

    def reduced(self, fold: Stage, loop: loops.Loop) -> list[tf.Tensor]:
        """Folds over the elements that come out of the stages."""
        starts = [fold.state, *(stage.state for stage in self.stages)]
        ends_early = any(stage.kind == WHILE for stage in self.stages)
        start = [
            *(tensor for each in starts for tensor in each),
            *([tf.constant(True)] * ends_early),
        ]

        def step(state: Sequence[tf.Tensor], element: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            remaining = iter(state)
            states = [[next(remaining) for _ in each] for each in starts]
            after, goes_on = _advanced(self.stages, fold, element, states)
            return [*(tensor for each in after for tensor in each), *([goes_on] * ends_early)]

        specs = _settled(step, start, self._element_specs())

        def is_going_on(index: tf.Tensor, *state: tf.Tensor) -> tf.Tensor:
            has_more = index < self.sequence.last
            return has_more & state[-1] if ends_early else has_more

        def once(state: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            return loop(
                is_going_on,
                lambda index, *state: [index + 1, *step(state, self._element(index))],
                [self.sequence.first, *state],
                [tf.TensorSpec([], tf.int64), *specs],
            )[1:]

        if self.times == 1:
            results = once(start)
        else:
            results = loop(
                lambda number, *_: number < self.times,
                lambda number, *state: [number + 1, *once(state)],
                [tf.zeros([], tf.int64), *start],
                [tf.TensorSpec([], tf.int64), *specs],
            )[1:]
        return results[: len(fold.state)]

    def through(self, stage: Stage) -> Elements:
        """What comes out of one more stage."""
        return dataclasses.replace(self, stages=(*self.stages, stage))

    def counted(self, start: int) -> Elements:
        """The elements after their numbers."""
        state = (tf.constant(start, tf.int64),)
        return self.through(Stage(COUNT, lambda each: [each[0] + 1, *each], state))

    def repeated(self, times: int) -> Elements:
        """The elements so many times over."""
        return dataclasses.replace(self, times=self.times * times)

    def first(self, count: tf.Tensor) -> Elements:
        """The first elements of a sequence that is used once, as many; all if that is negative."""
        first = self.sequence.first
        sequence = dataclasses.replace(self.sequence, last=first + self._number(count))
        return dataclasses.replace(self, sequence=sequence)

    def without_first(self, count: tf.Tensor) -> Elements:
        """The elements after so many of a sequence that is used once; none if that is negative."""
        first = self.sequence.first + self._number(count)
        return dataclasses.replace(self, sequence=dataclasses.replace(self.sequence, first=first))

    def _number(self, count: tf.Tensor) -> tf.Tensor:
        whole = self.sequence.last - self.sequence.first
        return tf.where(count < 0, whole, tf.minimum(count, whole))

    def _element(self, index: tf.Tensor) -> list[tf.Tensor]:
        """The tensors that `tf.data` takes an element apart into."""
        return tf.nest.flatten(self.sequence.packed(index))

    def _element_specs(self) -> list[tf.TensorSpec]:
        return tf.nest.flatten(type_specs.element_structure(self.sequence.element_type))


def _advanced(
    stages: Sequence[Stage],
    fold: Stage,
    element: Sequence[tf.Tensor],
    states: Sequence[Sequence[tf.Tensor]],
) -> tuple[list[list[tf.Tensor]], tf.Tensor]:
    """One element through the stages and into the fold.

    Returns:
      The states after it, that of the fold first, and whether more elements are to come.
    """
    folded, *states_of_stages = (list(each) for each in states)
    for number, stage in enumerate(stages):
        state = states_of_stages[number]
        if stage.kind == WHILE:
            later = [folded, *states_of_stages[number + 1 :]]
            ends = _if_wanted(stage, stages[number + 1 :], fold, element, later)
            (folded, *states_of_stages[number + 1 :]), goes_on = ends
            return [folded, *states_of_stages], goes_on
        results = stage.apply([*state, *element, *stage.others])
        states_of_stages[number], element = results[: len(state)], results[len(state) :]
    folded = fold.apply([*folded, *element, *fold.others])
    return [folded, *states_of_stages], tf.constant(True)


def _if_wanted(
    stage: Stage,
    stages: Sequence[Stage],
    fold: Stage,
    element: Sequence[tf.Tensor],
    states: Sequence[Sequence[tf.Tensor]],
) -> tuple[list[list[tf.Tensor]], tf.Tensor]:
    """One element through the later stages if it is wanted; no more elements if it is not."""
    (is_wanted,) = stage.apply([*element, *stage.others])

    def go_on() -> list[tf.Tensor]:
        after, goes_on = _advanced(stages, fold, element, states)
        return [*(tensor for each in after for tensor in each), goes_on]

    def stop() -> list[tf.Tensor]:
        return [*(tf.identity(tensor) for each in states for tensor in each), tf.constant(False)]

    *flat, goes_on = tf.cond(is_wanted, go_on, stop)
    remaining = iter(flat)
    return [[next(remaining) for _ in each] for each in states], goes_on


def _settled(
    step: Callable[[Sequence[tf.Tensor], Sequence[tf.Tensor]], list[tf.Tensor]],
    start: Sequence[tf.Tensor],
    element_specs: Sequence[tf.TensorSpec],
) -> list[tf.TensorSpec]:
    """The specs of a state, in which is unknown what changes from one element to the next."""
    specs = [tf.TensorSpec(each.shape, each.dtype) for each in start]
    while True:
        count = len(specs)
        traced = tf.function(
            lambda *tensors, count=count: step(tensors[:count], tensors[count:]),
            input_signature=[*specs, *element_specs],
            autograph=False,
        ).get_concrete_function()
        after = [
            tf.TensorSpec(spec.shape.most_specific_compatible_shape(result.shape), spec.dtype)
            for spec, result in zip(specs, traced.outputs, strict=True)
        ]
        if after == specs:
            return specs
        specs = after
