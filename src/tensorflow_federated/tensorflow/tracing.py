"""Traces Python functions on tensors into local computations."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import dataclasses
import inspect
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.core import (
    callsites,
    computations,
    containers,
    contexts,
    errors,
    ir,
    traversal,
)
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.types import FunctionType, Type
from tensorflow_federated.tensorflow import (
    captures,
    failures,
    followed_variables,
    keras_graphs,
    results,
    type_specs,
    variables,
)

NAME = "tensorflow"
"""The name of this back end."""


# AutoGraph calls what has this mark as it is.
_AUTOGRAPH_DONE = "autograph_info__"
for _callable in (
    computations.ConcreteComputation,
    computations.PolymorphicComputation,
    containers.pack,
    containers.unpack,
):
    setattr(_callable, _AUTOGRAPH_DONE, {})

keras_graphs.accept_tensors_as_learning_rates()

# Held while a graph with variables runs. One for all: functions that are part of several others
# share their variables with them.
_variables_lock = threading.RLock()


@dataclasses.dataclass(frozen=True, eq=False)
class TracedFunction:
    """A function on flat tensors: what the TensorFlow back end runs.

    Attributes:
      concrete: the traced function; takes and returns flat tensors.
      variables: the variables that it uses, which it keeps alive.
    """

    concrete: Any
    variables: tuple[tf.Variable, ...]

    def __call__(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Applies the function; if it has variables, inside `alone`."""
        return list(self.concrete(*tensors))


def trace(
    fn: Callable[..., Any],
    parameter_type: Type | None,
    unpack: bool,
    name: str,
    autograph: bool | None = None,
    *,
    runs_model: bool = False,
) -> ir.Local:
    """Traces a Python function into a local computation.

    Args:
      fn: the function.
      parameter_type: the type of its argument; None where it takes none.
      unpack: whether the elements of the argument are the parameters of the function.
      name: its name.
      autograph: whether AutoGraph turns Python's control flow into the graph's; if None, it does
        for everything but lambdas, whose source cannot be told apart reliably.
      runs_model: whether the function is ours and runs a model: it sets the variables that it
        takes from outside, and what TensorFlow raises is told by its caller.

    Returns:
      The local computation.

    Raises:
      TracingError: if the function returns nothing or calls what cannot run here.
      TypeMismatchError: if its result has no type.
    """
    where = callsites.line_of(fn)
    specs = type_specs.flat_specs(parameter_type)
    lifting = variables.VariableLifting()
    result_types: list[Type] = []

    @tf.autograph.experimental.do_not_convert
    def prepare(tensors: Sequence[tf.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        lifting.start()
        if parameter_type is None:
            return (), {}
        value = type_specs.unflatten(parameter_type, tensors, type_specs.pack_argument)
        if not unpack:
            return (value,), {}
        return _bind(fn, containers.unpack(value) or [])

    @tf.autograph.experimental.do_not_convert
    def finish(result: Any) -> list[tf.Tensor]:
        result_type, tensors = results.flatten_result(result, name, parameter_type, where)
        result_types.append(result_type)
        return tensors

    # AutoGraph converts this function and what it calls; the two helpers above it leaves alone.
    def traced(*tensors: tf.Tensor) -> list[tf.Tensor]:
        args, kwargs = prepare(tensors)
        return finish(fn(*args, **kwargs))

    use_autograph = not _is_lambda(fn) if autograph is None else autograph
    function = tf.function(traced, input_signature=specs, autograph=use_autograph)

    context = TensorFlowContext(name)

    def get_concrete_function() -> Any:
        try:
            with lifting.scope(), contexts.install(context):
                return function.get_concrete_function()
        except Exception as error:
            told = failures.of_ours(error)
            if told is None and not runs_model:
                told = failures.while_tracing(error, fn, name, parameter_type)
            if told is None or told is error:
                raise
            raise told from (None if isinstance(error, type(told)) else error)

    concrete = _outside_of_graphs(get_concrete_function)
    function_type = FunctionType(parameter_type, result_types[-1])
    own = (*lifting.variables, *(each for inner in context.called for each in inner.variables))
    if not runs_model:
        captures.check(concrete, own, name, function_type, where)
    return ir.Local(LocalComputation(NAME, TracedFunction(concrete, own), function_type, name))


def owning(computation: LocalComputation, used: Sequence[tf.Variable]) -> LocalComputation:
    """A computation that has the variables which it uses to itself; best, it needs none.

    Args:
      computation: the computation, of this back end.
      used: variables that were made outside of it; it sets them before it reads them.

    Returns:
      One that computes the same from values alone, where that can be told from its graph; or else
      the same graph, which owns the variables.
    """
    concrete = computation.function.concrete
    owned = (*computation.function.variables, *used)
    followed = followed_variables.without_variables(concrete, owned)
    if followed is None:
        return dataclasses.replace(computation, function=TracedFunction(concrete, owned))
    function_type = computation.type_signature
    result_specs = type_specs.flat_specs(function_type.result)

    def run(*tensors: tf.Tensor) -> list[tf.Tensor]:
        results = followed.body.applied([*tensors, *followed.captured])
        return type_specs.with_shapes(results, result_specs)

    specs = type_specs.flat_specs(function_type.parameter)
    traced = tf.function(run, input_signature=specs, autograph=False)
    concrete = _outside_of_graphs(traced.get_concrete_function)
    return dataclasses.replace(computation, function=TracedFunction(concrete, ()))


class TensorFlowContext:
    """The context while a TensorFlow function is traced: computations become part of its graph.

    Attributes:
      called: the functions of this back end that became part of it.
    """

    def __init__(self, name: str) -> None:
        """Starts the context.

        Args:
          name: the name of the function that is being traced, for messages.
        """
        self._name = name
        self.called: list[TracedFunction] = []

    def invoke(self, comp: computations.ConcreteComputation, arg: Any) -> Any:
        """Makes a local computation part of the graph.

        Args:
          comp: a computation of this back end, or a portable one.
          arg: its argument, made of tensors.

        Returns:
          Its result, made of tensors, in its containers.

        Raises:
          TypeMismatchError: if the computation is not local, or of another framework.
        """
        node = comp.node
        if isinstance(node, ir.Local) and node.computation.backend in (NAME, PORTABLE):
            function_type = node.type_signature
            parameter_type = function_type.parameter
            tensors = [] if parameter_type is None else type_specs.flatten(arg, parameter_type)
            if node.computation.backend == NAME:
                self.called.append(node.computation.function)
            return type_specs.unflatten(
                function_type.result, call_flat(node.computation, tensors), type_specs.pack_argument
            )
        kind = "federated" if isinstance(node, ir.Lambda) else node.computation.backend
        raise errors.TypeMismatchError(
            f"`{comp.__name__}` cannot be called inside the TensorFlow computation `{self._name}`.",
            problems=[f"`{comp.__name__}`: a {kind} computation"],
            signature=comp.type_signature.compact_representation(),
            fix="call both from a `@tff.federated_computation`, one after the other.",
        )


def call_flat(
    computation: LocalComputation,
    tensors: Sequence[tf.Tensor],
    call: Callable[[Any, Sequence[tf.Tensor]], list[tf.Tensor]] | None = None,
) -> list[tf.Tensor]:
    """Applies a local computation of this back end, or a portable one, inside a graph.

    Args:
      computation: the computation.
      tensors: the flat tensors of its argument.
      call: applies a concrete function to its arguments and what it has captured; if None, it is
        called.

    Returns:
      The flat tensors of its result.
    """
    function = computation.function
    if computation.backend == NAME:
        if call is None:
            return function(tensors)
        return call(function.concrete, [*tensors, *function.concrete.captured_inputs])
    function_type = computation.type_signature
    if function_type.parameter is None:
        result = function()
    else:
        result = function(type_specs.unflatten(function_type.parameter, tensors, containers.pack))
    tensors = type_specs.flatten(result, function_type.result)
    # TensorFlow may know less of the shapes than the type says.
    return type_specs.with_shapes(tensors, type_specs.flat_specs(function_type.result))


def variables_of(*programs: ir.Node) -> list[tf.Variable]:
    """The variables that the local computations in some programs use."""
    found = {
        id(variable): variable
        for node in itertools.chain.from_iterable(map(traversal.iterate, programs))
        if isinstance(node, ir.Local) and node.computation.backend == NAME
        for variable in node.computation.function.variables
    }
    return list(found.values())


def alone(with_variables: bool) -> contextlib.AbstractContextManager[Any]:
    """Where a graph runs: one at a time of those with variables, which calls share."""
    return _variables_lock if with_variables else contextlib.nullcontext()


def _bind(
    fn: Callable[..., Any], elements: Sequence[tuple[str | None, Any]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that `computations.call_unpacked` would call a function with."""

    def record(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, kwargs

    record.__signature__ = inspect.signature(getattr(fn, "python_function", fn))  # type: ignore[attr-defined]
    return computations.call_unpacked(record, elements)


def _outside_of_graphs(work: Callable[[], Any]) -> Any:
    """Runs what must not see the graph that is being traced now, if one is: in another thread.

    `tf.init_scope` would do too, but stops all gradient tapes.
    """
    if tf.executing_eagerly():
        return work()
    context = contextvars.copy_context()
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(context.run, work).result()


def _is_lambda(fn: Callable[..., Any]) -> bool:
    return getattr(fn, "__name__", "") == "<lambda>"
