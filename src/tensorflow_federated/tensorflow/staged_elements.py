"""Loops over elements that go through stages, as those of a `tf.data` pipeline do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tensorflow_federated.tensorflow import loops, type_specs
from tensorflow_federated.tensorflow.graph_sequences import ColumnSequence

MAP, SCAN, COUNT, FOLD = "map", "scan", "enumerate", "reduce"
FILTER, WHILE, TAKE, SKIP = "filter", "take while", "take", "skip"
"""What can be done to elements: the kinds of stages."""

_ENDING = (WHILE, TAKE)


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is done to each element.

    Attributes:
      kind: what it is.
      apply: the function that is applied; not used where elements are only counted.
      state: what the first element finds; empty where elements leave nothing to the next one.
      others: what the function takes beside the state and the element; or how many are counted.
    """

    kind: str
    apply: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]
    state: tuple[tf.Tensor, ...] = ()
    others: tuple[tf.Tensor, ...] = ()


@dataclasses.dataclass(frozen=True)
class Pass:
    """Stages that all elements go through, and how often: each time they start afresh."""

    stages: tuple[Stage, ...] = ()
    times: int = 1

    @property
    def may_end(self) -> bool:
        """Whether a stage may want no more elements."""
        return any(stage.kind in _ENDING for stage in self.stages)

    def goes_on(self) -> tf.Tensor:
        """Whether elements are wanted at all."""
        wanted = [stage.others[0] != 0 for stage in self.stages if stage.kind == TAKE]
        return tf.reduce_all(wanted) if wanted else tf.constant(True)


@dataclasses.dataclass(frozen=True)
class Elements:
    """A dataset: the elements of a sequence, through some passes, the innermost one first."""

    sequence: ColumnSequence
    passes: tuple[Pass, ...] = (Pass(),)

    def reduced(self, fold: Stage, loop: loops.Loop) -> list[tf.Tensor]:
        """Folds over the elements that come out of the passes."""
        return _Fold(self, fold, loop).result()

    def through(self, stage: Stage) -> Elements:
        """What comes out of one more stage."""
        *inner, last = self.passes
        if last.times != 1:
            return dataclasses.replace(self, passes=(*self.passes, Pass((stage,))))
        longer = Pass((*last.stages, stage))
        return dataclasses.replace(self, passes=(*inner, longer))

    def counted(self, start: int) -> Elements:
        """The elements after their numbers."""
        state = (tf.constant(start, tf.int64),)
        return self.through(Stage(COUNT, lambda each: [each[0] + 1, *each], state))

    def repeated(self, times: int) -> Elements:
        """The elements so many times over."""
        *inner, last = self.passes
        longer = dataclasses.replace(last, times=last.times * times)
        return dataclasses.replace(self, passes=(*inner, longer))

    def first(self, count: tf.Tensor) -> Elements:
        """The first elements, as many; all if that is negative."""
        if not self._is_one_to_one():
            return self.through(_counting(TAKE, count))
        first = self.sequence.first
        sequence = dataclasses.replace(self.sequence, last=first + self._number(count))
        return dataclasses.replace(self, sequence=sequence)

    def without_first(self, count: tf.Tensor) -> Elements:
        """The elements after so many; none if that is negative."""
        if not self._is_one_to_one():
            return self.through(_counting(SKIP, count))
        first = self.sequence.first + self._number(count)
        return dataclasses.replace(self, sequence=dataclasses.replace(self.sequence, first=first))

    def _is_one_to_one(self) -> bool:
        """Whether one element comes out for each of the sequence, whichever come before it."""
        kinds = {stage.kind for each in self.passes for stage in each.stages}
        return kinds <= {MAP} and all(each.times == 1 for each in self.passes)

    def _number(self, count: tf.Tensor) -> tf.Tensor:
        whole = self.sequence.last - self.sequence.first
        return tf.where(count < 0, whole, tf.minimum(count, whole))


def _counting(kind: str, count: tf.Tensor) -> Stage:
    return Stage(kind, list, (tf.constant(0, tf.int64),), (count,))


class _Fold:
    """A fold over elements, as loops in each other: one for each pass that is repeated.

    The loops carry, flat, the state of the fold, those of all stages, and for each pass that may
    end, whether it goes on.
    """

    def __init__(self, elements: Elements, fold: Stage, loop: loops.Loop) -> None:
        self._sequence = elements.sequence
        self._passes = elements.passes
        self._fold = fold
        self._loop = loop
        self._stages = [
            (level, stage) for level, each in enumerate(self._passes) for stage in each.stages
        ]
        self._starts = [fold.state, *(stage.state for _, stage in self._stages)]
        self._ending = [level for level, each in enumerate(self._passes) if each.may_end]

    def result(self) -> list[tf.Tensor]:
        """The last state of the fold."""
        start = self._flat(self._starts, {level: tf.constant(True) for level in self._ending})
        element_specs = tf.nest.flatten(type_specs.element_structure(self._sequence.element_type))
        self._specs = _settled(self._step, start, element_specs)
        return self._repeated(len(self._passes) - 1, start)[: len(self._fold.state)]

    def _repeated(self, level: int, carried: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """All that a pass, with those inside of it, does."""

        def once(carried: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            states, goes_on = self._structured(carried)
            for number, (own_level, stage) in enumerate(self._stages, 1):
                if own_level == level:
                    states[number] = list(stage.state)
            if level in goes_on:
                goes_on[level] = self._passes[level].goes_on()
            fresh = self._flat(states, goes_on)
            return self._over_sequence(fresh) if level == 0 else self._repeated(level - 1, fresh)

        times = self._passes[level].times
        if times == 1:
            return once(carried)
        return self._loop(
            lambda number, *carried: self._goes_on(number < times, carried, level + 1),
            lambda number, *carried: [number + 1, *once(carried)],
            [tf.zeros([], tf.int64), *carried],
            [tf.TensorSpec([], tf.int64), *self._specs],
        )[1:]

    def _over_sequence(self, carried: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        def turn(index: tf.Tensor, *carried: tf.Tensor) -> list[tf.Tensor]:
            # As `tf.data` takes an element apart.
            element = tf.nest.flatten(self._sequence.packed(index))
            return [index + 1, *self._step(carried, element)]

        return self._loop(
            lambda index, *carried: self._goes_on(index < self._sequence.last, carried, 0),
            turn,
            [self._sequence.first, *carried],
            [tf.TensorSpec([], tf.int64), *self._specs],
        )[1:]

    def _goes_on(self, has_more: tf.Tensor, carried: Sequence[tf.Tensor], level: int) -> tf.Tensor:
        """Whether no pass from a level outwards has ended."""
        _, goes_on = self._structured(carried)
        for own_level, each in goes_on.items():
            has_more = has_more & each if own_level >= level else has_more
        return has_more

    def _step(self, carried: Sequence[tf.Tensor], element: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Takes one element through all stages and into the fold."""
        return self._advanced(0, carried, element)

    def _advanced(
        self, position: int, carried: Sequence[tf.Tensor], element: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Takes one element through the stages from a position on."""
        states, goes_on = self._structured(carried)
        for number, (level, stage) in enumerate(self._stages[position:], position + 1):
            state = states[number]
            if stage.kind == TAKE:
                states[number] = [state[0] + 1]
                goes_on[level] = goes_on[level] & (state[0] + 1 != stage.others[0])
            elif stage.kind in (FILTER, WHILE, SKIP):
                if stage.kind == SKIP:
                    count = stage.others[0]
                    is_wanted = (count >= 0) & (state[0] >= count)
                    states[number] = [state[0] + 1]
                else:
                    (is_wanted,) = stage.apply([*element, *stage.others])
                return self._if_wanted(
                    is_wanted, number, stage, self._flat(states, goes_on), element
                )
            else:
                results = stage.apply([*state, *element, *stage.others])
                states[number], element = results[: len(state)], results[len(state) :]
        states[0] = self._fold.apply([*states[0], *element, *self._fold.others])
        return self._flat(states, goes_on)

    def _if_wanted(
        self,
        is_wanted: tf.Tensor,
        number: int,
        stage: Stage,
        carried: Sequence[tf.Tensor],
        element: Sequence[tf.Tensor],
    ) -> list[tf.Tensor]:
        """Takes an element further if it is wanted; if it is not, the stage may end its pass."""

        def leave_out() -> list[tf.Tensor]:
            states, goes_on = self._structured([tf.identity(each) for each in carried])
            if stage.kind == WHILE:
                goes_on[self._stages[number - 1][0]] = tf.constant(False)
            return self._flat(states, goes_on)

        return list(tf.cond(is_wanted, lambda: self._advanced(number, carried, element), leave_out))

    def _flat(
        self, states: Sequence[Sequence[tf.Tensor]], goes_on: Mapping[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        flags = [goes_on[level] for level in self._ending]
        return [*(tensor for each in states for tensor in each), *flags]

    def _structured(
        self, carried: Sequence[tf.Tensor]
    ) -> tuple[list[list[tf.Tensor]], dict[int, tf.Tensor]]:
        remaining = iter(carried)
        states = [[next(remaining) for _ in each] for each in self._starts]
        return states, {level: next(remaining) for level in self._ending}


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
