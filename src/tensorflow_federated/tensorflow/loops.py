"""Loops of graphs, in two forms.

TensorFlow runs a loop by default as many operations that hand tensors on from turn to turn, and as
many threads as it has take them up as they become ready: for small operations that costs more than
to compute them. On a processor a function traced by `trace` is run by the thread that calls it, one
operation after the other, loops included; so the other threads are left to other clients.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.tensorflow import graph_bodies, graph_functions, inlined_calls, layouts

Loop = Callable[
    [
        Callable[..., tf.Tensor],
        Callable[..., Sequence[tf.Tensor]],
        Sequence[tf.Tensor],
        Sequence[tf.TensorSpec],
    ],
    list[tf.Tensor],
]
"""`loop(condition, body, start, specs)`: a loop whose state may vary in shape as the specs say."""

_EXECUTOR = "SINGLE_THREADED_EXECUTOR"

# TensorFlow replaces these by operations of oneDNN, several times as fast, but only in graphs that
# it optimizes as a whole; the body of a loop in one thread is none, a function that it calls is.
_OPTIMIZED = "Conv"


def of_graph(
    condition: Callable[..., tf.Tensor],
    body: Callable[..., Sequence[tf.Tensor]],
    start: Sequence[tf.Tensor],
    specs: Sequence[tf.TensorSpec],
) -> list[tf.Tensor]:
    """A loop as TensorFlow makes it, which any function may have and any device runs."""
    return list(
        tf.while_loop(
            condition,
            body,
            list(start),
            shape_invariants=[spec.shape for spec in specs],
            parallel_iterations=1,
        )
    )


def in_one_thread(
    condition: Callable[..., tf.Tensor],
    body: Callable[..., Sequence[tf.Tensor]],
    start: Sequence[tf.Tensor],
    specs: Sequence[tf.TensorSpec],
) -> list[tf.Tensor]:
    """A loop that one thread runs, for `trace`; it has no gradient."""
    is_going_on, turn = _traced(lambda *state: [condition(*state)], specs), _traced(body, specs)
    # What the two take from the graph around them is carried along as part of the state.
    around = {id(tensor): tensor for each in (is_going_on, turn) for tensor in each.captured_inputs}
    positions = {key: len(specs) + number for number, key in enumerate(around)}
    every_spec = [*specs, *[tf.TensorSpec(each.shape, each.dtype) for each in around.values()]]

    def call(concrete: Any, state: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        captured = [state[positions[id(tensor)]] for tensor in concrete.captured_inputs]
        return copied(concrete, [*state[: len(specs)], *captured])

    def take_turn(*state: tf.Tensor) -> list[tf.Tensor]:
        return [*call(turn, state), *state[len(specs) :]]

    if any(_OPTIMIZED in operation.type for operation in turn.graph.get_operations()):
        take_turn = _apart(take_turn, every_spec)
    whole_turn = _traced(take_turn, every_spec)
    run = tf.raw_ops.While if _is_stateful(whole_turn) else tf.raw_ops.StatelessWhile
    results = run(
        input=[*start, *around.values()],
        cond=_traced(lambda *state: call(is_going_on, state)[0], every_spec),
        body=whole_turn,
        output_shapes=[spec.shape for spec in every_spec],
        parallel_iterations=1,
    )
    return list(results[: len(specs)])


class Function:
    """A traced function of flat eager tensors; several threads may call it at once.

    The variables that it uses are those of one call: while that runs no other has them. It sets all
    of them before it reads them, so nothing of one call is left to the next.
    """

    def __init__(self, concrete: Any, variables: Sequence[tf.Variable], executor: str) -> None:
        """Takes a function.

        Args:
          concrete: the concrete function.
          variables: those that the function was traced with, others than which it is given.
          executor: what runs it.
        """
        self._run = _caller(concrete, executor)
        self._readers = [layouts.reader_of(output) for output in concrete.outputs]
        self._captured = list(concrete.captured_inputs)
        known = {id(variable.handle): variable for variable in variables}
        self._own = {
            position: known[id(captured)]
            for position, captured in enumerate(self._captured)
            if id(captured) in known
        }
        self._free: collections.deque[dict[int, tf.Variable]] = collections.deque()

    def __call__(self, tensors: Sequence[tf.Tensor]) -> list[np.ndarray]:
        """Runs the function.

        Args:
          tensors: its arguments.

        Returns:
          Its results.
        """
        if not self._own:
            return self._read(self._run([*tensors, *self._captured]))
        try:
            mine = self._free.pop()
        except IndexError:
            mine = {position: _another(variable) for position, variable in self._own.items()}
        captured = list(self._captured)
        for position, variable in mine.items():
            captured[position] = variable.handle
        try:
            return self._read(self._run([*tensors, *captured]))
        finally:
            self._free.append(mine)

    def _read(self, results: Sequence[tf.Tensor]) -> list[np.ndarray]:
        return [reader(result) for reader, result in zip(self._readers, results, strict=True)]


def _another(variable: tf.Variable) -> tf.Variable:
    """A variable of the same dtype and shape."""
    sizes = [size or 0 for size in variable.shape] if variable.shape.rank is not None else []
    return tf.Variable(tf.zeros(sizes, variable.dtype), shape=variable.shape, trainable=False)


def trace(
    fn: Callable[[Loop], Callable[..., Sequence[tf.Tensor]]],
    specs: Sequence[tf.TensorSpec],
    variables: Sequence[tf.Variable] = (),
) -> Function:
    """Traces a function that makes loops, in the form that suits the machine.

    Args:
      fn: the function of flat tensors, given what makes its loops; outside of these and of the
        functions that it calls nothing branches.
      specs: the specs of its arguments.
      variables: those that it uses, and sets before it reads them.

    Returns:
      The function.
    """
    if tf.config.list_logical_devices("GPU"):
        return Function(_traced(fn(of_graph), specs), variables, "")
    return Function(_traced(fn(in_one_thread), specs), variables, _EXECUTOR)


def copied(concrete: Any, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Copies the operations of a function into the graph that is being made, on other tensors.

    TensorFlow does not do so by itself in loops that one thread runs, and a call costs as much as
    some ten small operations. Functions with side effects are called, which keeps their order.

    Args:
      concrete: the function.
      tensors: its arguments, those that it has captured included.

    Returns:
      Its results.
    """
    if _is_stateful(concrete):
        return list(concrete.inference_fn.call_flat(*tensors))
    return inlined_calls.inlined(graph_bodies.of_concrete(concrete)).applied(tensors)


def _apart(
    fn: Callable[..., Sequence[tf.Tensor]], specs: Sequence[tf.TensorSpec]
) -> Callable[..., list[tf.Tensor]]:
    """A function that stays one where it is called."""
    inner = _traced(fn, specs, {"_noinline": True})
    # The one thread of such a function waits for the functions that it calls, and these for one of
    # few threads; so a function that calls others, or branches, has TensorFlow's usual executor.
    nodes = inner.graph.as_graph_def().node
    calls_others = any(any(True for _ in graph_functions.references(node)) for node in nodes)
    call = _caller(inner, "" if calls_others else _EXECUTOR)
    return lambda *tensors: call([*tensors, *inner.captured_inputs])


def _caller(concrete: Any, executor: str) -> Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]:
    """Runs a function as an operation, which is what makes TensorFlow stay in one thread."""
    run = (
        tf.raw_ops.StatefulPartitionedCall if _is_stateful(concrete) else tf.raw_ops.PartitionedCall
    )
    dtypes = [each.dtype for each in concrete.outputs]
    return lambda arguments: list(
        run(args=arguments, Tout=dtypes, f=concrete, executor_type=executor)
    )


def _traced(
    fn: Callable[..., Any],
    specs: Sequence[tf.TensorSpec],
    attributes: dict[str, Any] | None = None,
) -> Any:
    function = tf.function(
        fn, input_signature=list(specs), autograph=False, experimental_attributes=attributes
    )
    return function.get_concrete_function()


def _is_stateful(concrete: Any) -> bool:
    return any(operation.op_def.is_stateful for operation in concrete.graph.get_operations())
