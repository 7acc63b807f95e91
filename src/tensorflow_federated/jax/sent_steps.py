"""Client steps as other processes get them, so that they give the same bits there and here.

XLA fuses operations as the program around them asks for, and a function that was traced with the
sizes of a batch is another program than one that was exported for all sizes. The last bit of a sum
may tell the two apart. So the exported one is run in this process too.
"""

from __future__ import annotations

import dataclasses
import threading
import weakref
from typing import Any

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import errors, ir, traversal
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.execution import profiling
from tensorflow_federated.jax import application, exported_functions, thread_options


class SentSteps:
    """What becomes of steps that are sent; each is made once, as long as it lives."""

    def __init__(self) -> None:
        """Starts with none."""
        self._lock = threading.Lock()
        self._steps: weakref.WeakKeyDictionary[ir.Lambda, dict[Any, plan.ClientStep]] = (
            weakref.WeakKeyDictionary()
        )

    def get(self, step: plan.ClientStep, in_mixed_precision: bool) -> plan.ClientStep:
        """A step whose JAX computations were written as bytes, and read again.

        Args:
          step: the step.
          in_mixed_precision: whether it multiplies in bfloat16.

        Returns:
          The step: the same object for the same one, under the same options of JAX. What cannot be
          written as bytes stays as it is.
        """
        key = (in_mixed_precision, thread_options.current())
        with self._lock:
            made = self._steps.setdefault(step.body, {})
            if key not in made:
                with profiling.span("compile"):
                    made[key] = _sent(step, in_mixed_precision)
            return made[key]


def _sent(step: plan.ClientStep, in_mixed_precision: bool) -> plan.ClientStep:
    done: dict[int, ir.Node] = {}

    def replace(node: ir.Node) -> ir.Node:
        if not isinstance(node, ir.Local) or not _is_to_be_sent(node.computation):
            return node
        computation = node.computation
        if id(computation) not in done:
            try:
                data = exported_functions.encode(computation, in_mixed_precision)
            except errors.WireError:
                # It runs nowhere else, so there is nothing that it has to agree with.
                return node
            function = exported_functions.decode(
                data, computation.type_signature, computation.name, DEFAULT_LIMITS
            )
            done[id(computation)] = ir.Local(dataclasses.replace(computation, function=function))
        return done[id(computation)]

    def as_sent(function: ir.Lambda) -> ir.Lambda:
        # A copy: what holds its own key would keep the entry alive.
        sent = traversal.transform_postorder(function, replace)
        assert isinstance(sent, ir.Lambda)
        return dataclasses.replace(sent) if sent is function else sent

    aggregates = [
        each
        if each.accumulate is None
        else dataclasses.replace(each, accumulate=as_sent(each.accumulate))
        for each in step.aggregates
    ]
    return dataclasses.replace(step, body=as_sent(step.body), aggregates=tuple(aggregates))


def _is_to_be_sent(computation: LocalComputation) -> bool:
    return isinstance(
        computation.function, application.JaxFunction
    ) and not exported_functions.is_exported(computation)
