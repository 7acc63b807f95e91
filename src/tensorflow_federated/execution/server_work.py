"""Carries out one server step: as one compiled function where that pays, else call by call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.local_computations import PORTABLE
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.execution import (
    backends,
    leaves,
    local_programs,
    numpy_domain,
    profiling,
)

# From so many numbers on, what numpy needs for one operation after the other is more than what it
# takes to compile all of them at the first call.
_MANY_NUMBERS = 2**17
_OF_PORTABLE_STEPS = "jax"


class ServerWork:
    """A server step, ready to be run any number of times.

    A step is one compiled function if its computations, the portable ones aside, are of one back
    end, and more than one call of these is made: from the second call on, and in a loop over a
    sequence, values would go in and out of the back end for nothing. A step of portable
    computations, or of these and those of JAX, is one compiled function if it has many numbers:
    then each operation is not one more way through memory. Other steps are carried out call by
    call, the portable ones on numpy. So the program alone decides, and the same program gives the
    same at every call.
    """

    def __init__(self, step: plan.ServerStep) -> None:
        """Prepares a step."""
        self.step = step
        self._backend = _backend_for(step)

    def run(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Runs the step.

        Args:
          inputs: the values of its inputs, canonical, in order.

        Returns:
          The values of its outputs, in order.
        """
        body = self.step.body
        argument = None if body.parameter_name is None else tuple(inputs)
        with profiling.span("server"):
            if self._backend is not None:
                return backends.get(self._backend).evaluate_program(body, argument, None)
            return local_programs.run(body, argument, numpy_domain.NumpyDomain())


def _backend_for(step: plan.ServerStep) -> str | None:
    """The back end that compiles a step as a whole; None if it is carried out call by call."""
    names = local_programs.framework_backends([step.body])
    if names <= {_OF_PORTABLE_STEPS} and _has_many_numbers(step) and _makes_a_call(step.body):
        return _OF_PORTABLE_STEPS
    return names.pop() if len(names) == 1 and _makes_several_calls(step.body) else None


def _has_many_numbers(step: plan.ServerStep) -> bool:
    return max(_number_count(step.inputs), _number_count(step.outputs)) > _MANY_NUMBERS


def _number_count(slots: Sequence[plan.Slot]) -> int:
    """The numbers of the tensors whose shapes are known."""
    return sum(
        math.prod(size or 0 for size in leaf.shape or ())
        for slot in slots
        for leaf in leaves.leaf_types(slot.type)
        if isinstance(leaf, TensorType)
    )


def _makes_a_call(body: ir.Lambda) -> bool:
    return any(isinstance(node, ir.Call) for node in traversal.iterate(body))


def _makes_several_calls(body: ir.Lambda) -> bool:
    calls = 0
    for node in traversal.iterate(body):
        if not isinstance(node, ir.Call):
            continue
        if _is_of_framework(node.function):
            calls += 1
        elif node.argument is not None and isinstance(node.function, ir.Intrinsic):
            # What is in the argument is applied to each element of a sequence.
            calls += 2 * any(map(_is_of_framework, traversal.iterate(node.argument)))
    return calls > 1


def _is_of_framework(node: ir.Node) -> bool:
    return isinstance(node, ir.Local) and node.computation.backend != PORTABLE
