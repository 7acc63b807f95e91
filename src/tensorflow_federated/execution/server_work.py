"""Carries out one server step: as one compiled function where that pays, else call by call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.local_computations import PORTABLE
from tensorflow_federated.execution import backends, local_programs, numpy_domain


class ServerWork:
    """A server step, ready to be run any number of times.

    A step is one compiled function if its computations, the portable ones aside, are of one back
    end, and more than one call of these is made: from the second call on, and in a loop over a
    sequence, values would go in and out of the back end for nothing. Other steps are carried out
    call by call, the portable ones on numpy. So the program alone decides, and the same program
    gives the same at every call.
    """

    def __init__(self, step: plan.ServerStep) -> None:
        """Prepares a step."""
        self.step = step
        self._backend: str | None = None
        if _makes_several_calls(step.body):
            self._backend = local_programs.only_backend([step.body])

    def run(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Runs the step.

        Args:
          inputs: the values of its inputs, canonical, in order.

        Returns:
          The values of its outputs, in order.
        """
        body = self.step.body
        argument = None if body.parameter_name is None else tuple(inputs)
        if self._backend is not None:
            return backends.get(self._backend).evaluate_program(body, argument, None)
        return local_programs.run(body, argument, numpy_domain.NumpyDomain())


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
