"""Contexts over factories of executors: what a call goes through before and after it runs."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

from tensorflow_federated.core import arguments, contexts, errors, structure
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.execution import executors
from tensorflow_federated.execution.cardinalities import (
    CardinalityInferenceFn,
    infer_cardinalities,
)
from tensorflow_federated.execution.errors import RetryableError
from tensorflow_federated.execution.executors import ExecutorFactory
from tensorflow_federated.execution.failures import ClientFailure

CompilerFn: TypeAlias = Callable[[Any], Any]
TransformFn: TypeAlias = Callable[[Any], Any]


class Invocation:
    """What is done at each call: transform, compile, count the clients, and let an executor run."""

    def __init__(
        self,
        executor_fn: ExecutorFactory,
        compiler_fn: CompilerFn | None,
        transform_args: TransformFn | None,
        transform_result: TransformFn | None,
        cardinality_inference_fn: CardinalityInferenceFn,
    ) -> None:
        """Prepares calls; see `SyncExecutionContext` for the arguments."""
        arguments.check_instance(
            "executor_fn",
            executor_fn,
            ExecutorFactory,
            "executors come from a `tff.framework.ExecutorFactory`.",
            fix="give `tff.framework.local_cpp_executor_factory()`.",
        )
        self.factory = executor_fn
        self._compiler_fn = compiler_fn
        self._transform_args = transform_args
        self._transform_result = transform_result
        self._cardinality_inference_fn = cardinality_inference_fn
        self._compiled: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def run(self, comp: ConcreteComputation, arg: Any) -> Any:
        """Makes one attempt at a call.

        Args:
          comp: the computation.
          arg: its argument; None where there is none.

        Returns:
          The result, transformed.

        Raises:
          RetryableError: if the executor says that it makes sense to try again.
        """
        parameter_type = comp.type_signature.parameter
        if arg is not None and self._transform_args is not None:
            arg = _transformed(arg, self._transform_args)
        compiled = self._compile(comp)
        cardinalities = {}
        if arg is not None and parameter_type is not None:
            cardinalities = self._cardinality_inference_fn(arg, parameter_type)
        try:
            result = self.factory.create_executor({**cardinalities}).invoke(compiled, arg)
        except Exception:
            self.factory.clean_up_executor({**cardinalities})
            raise
        return result if self._transform_result is None else self._transform_result(result)

    def _compile(self, comp: ConcreteComputation) -> Any:
        if self._compiler_fn is None:
            return comp
        compiled = self._compiled.get(comp)
        if compiled is None:
            compiled = self._compiler_fn(comp)
            arguments.check_instance(
                "compiler_fn", compiled, Computation, "a compiler gives a computation."
            )
            self._compiled[comp] = compiled
        return compiled


def _transformed(arg: Any, transform: TransformFn) -> Any:
    """The argument with a transform applied to the positional and to the named arguments."""
    if not isinstance(arg, structure.Struct):
        return transform(arg)
    given = structure.to_elements(cast("structure.Struct[Any]", arg))
    elements = [(name, _plain(element)) for name, element in given]
    args: object = transform([element for name, element in elements if name is None])
    kwargs: object = transform({name: element for name, element in elements if name is not None})
    if not isinstance(args, Sequence) or not isinstance(kwargs, Mapping):
        raise errors.ArgumentError(
            "`transform_args` gives a sequence of a sequence, and a mapping of a mapping.",
            problems=[
                f"sequence: got {errors.describe_object(cast('object', args))}",
                f"mapping: got {errors.describe_object(kwargs)}",
            ],
        )
    unnamed = [(None, each) for each in cast("Sequence[Any]", args)]
    return structure.Struct([*unnamed, *cast("Mapping[str, Any]", kwargs).items()])


def _plain(value: Any) -> Any:
    if isinstance(value, structure.Struct):
        return structure.to_odict_or_tuple(cast("structure.Struct[Any]", value))
    return value


class SyncExecutionContext(contexts.SyncContext):
    """A context that lets executors run the computations that are called in it.

    In a `with` statement it is the context of the block.

    Examples:
      >>> import tensorflow_federated as tff
      >>> context = SyncExecutionContext(
      ...     tff.framework.local_cpp_executor_factory(), transform_result=str
      ... )
      >>> one = tff.jax.computation(lambda: 1)
      >>> with context:
      ...     one()
      '1'

    Differs from TFF: a context of TFF is installed by the context stack alone.
    """

    @errors.boundary
    def __init__(
        self,
        executor_fn: ExecutorFactory,
        compiler_fn: CompilerFn | None = None,
        *,
        transform_args: TransformFn | None = None,
        transform_result: TransformFn | None = None,
        cardinality_inference_fn: CardinalityInferenceFn = infer_cardinalities,
    ) -> None:
        """Makes a context.

        Args:
          executor_fn: makes the executor of each call, from the number of clients.
          compiler_fn: turns a computation into the one to run, once for each; none if None.
          transform_args: applied to the arguments before they are used: to the only argument, or to
            a list of the positional ones and a dict of the named ones.
          transform_result: applied to the result.
          cardinality_inference_fn: tells the number of clients from the argument and its type.

        Raises:
          ArgumentError: if `executor_fn` is no factory.
        """
        self._invocation = Invocation(
            executor_fn, compiler_fn, transform_args, transform_result, cardinality_inference_fn
        )
        self._installed: list[AbstractContextManager[Any]] = []

    def __enter__(self) -> Self:
        installed = contexts.install(self)
        installed.__enter__()
        self._installed.append(installed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._installed.pop().__exit__(kind, error, traceback)

    @property
    def executor_factory(self) -> ExecutorFactory:
        """What makes the executors."""
        return self._invocation.factory

    @property
    def last_failures(self) -> tuple[ClientFailure, ...]:
        """The clients whose work failed in the call that ended last, in the cohort's order.

        Each has a `client_index`, a `client_id` where its data has one, the `stage` and the
        `round_number` in which its work failed, and the `error`. Clients are left out in contexts
        that are made with `on_client_failure="drop"`. Where `is_left_out` is false, the client put
        zeros in the place of results that were not finite.
        """
        return self._invocation.factory.last_failures

    @errors.boundary
    def invoke(self, comp: Any, arg: Any) -> Any:
        """Runs a computation.

        Args:
          comp: the computation.
          arg: its argument in the structure of the parameter; None where there is none.

        Returns:
          The result, in the containers of its type.

        Raises:
          TypeMismatchError: if the argument is not of the parameter's type.
          CardinalityError: if the arguments disagree about the number of clients.
          ClientError: if the work of a client fails.
        """
        waits = executors.retry_waits()
        while True:
            try:
                return self._invocation.run(comp, arg)
            except RetryableError:
                time.sleep(next(waits))
