"""The federated context of this machine: calls run in its threads, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Generator
from typing import Any

from tensorflow_federated.core import (
    arguments,
    callsites,
    containers,
    contexts,
    errors,
    placements,
    structure,
)
from tensorflow_federated.core.types import FederatedType, StructType, Type
from tensorflow_federated.execution import thread_states
from tensorflow_federated.program import federated_contexts
from tensorflow_federated.program.errors import FederatedContextError
from tensorflow_federated.program.value_references import (
    MaterializableTypeSignature,
    MaterializableValueReference,
    MaterializedValue,
)


class NativeValueReference(MaterializableValueReference):
    """Stands for a part of what a task of `asyncio` returns.

    Examples:
      >>> import asyncio
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> async def main():
      ...     task = asyncio.create_task(asyncio.sleep(0, np.int32(3)))
      ...     return await NativeValueReference(task, tff.TensorType(np.int32)).get_value()
      >>> asyncio.run(main())
      np.int32(3)
    """

    def __init__(
        self,
        task: asyncio.Task[Any],
        type_signature: MaterializableTypeSignature,
        path: tuple[int, ...] = (),
    ) -> None:
        """Makes a reference.

        Args:
          task: the task.
          type_signature: the type of the value.
          path: where the value is in what the task returns; that is the value itself by default.
        """
        self._task = task
        self._type_signature = type_signature
        self._path = path

    @property
    def type_signature(self) -> MaterializableTypeSignature:
        return self._type_signature

    async def get_value(self) -> MaterializedValue:
        # Who stops waiting for one value does not stop the computation of the others.
        value: Any = self._task.result() if self._task.done() else await asyncio.shield(self._task)
        for index in self._path:
            value = (containers.unpack(value) or [])[index][1]
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NativeValueReference):
            return NotImplemented
        return (self._task, self._type_signature, self._path) == (
            other._task,
            other._type_signature,
            other._path,
        )

    def __hash__(self) -> int:
        return hash((self._task, self._path))

    def __repr__(self) -> str:
        state = "computed" if self._task.done() else "being computed"
        return f"<{type(self).__name__} to {self._type_signature}, {state}>"


class NativeFederatedContext(federated_contexts.FederatedContext):
    """A federated context on another context: a call returns at once, and is run beside the loop.

    Examples:
      >>> import asyncio
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.int32)
      >>> async def main():
      ...     context = tff.backends.native.create_async_local_cpp_execution_context()
      ...     with tff.framework.get_context_stack().install(NativeFederatedContext(context)):
      ...         reference = double(double(1))
      ...         print(reference.type_signature)
      ...         return await reference.get_value()
      >>> asyncio.run(main())
      int32
      np.int32(4)

    Differs from TFF: the context may also be one in which calls give their results; such a call is
    run in a thread. A computation that failed says so wherever one of its results is used.
    """

    @errors.boundary
    def __init__(self, context: Any) -> None:
        """Makes a context.

        Args:
          context: what runs the computations, an `AsyncContext` or a `SyncContext`.

        Raises:
          ArgumentError: if it is no context, or a federated one.
        """
        arguments.check_instance(
            "context",
            context,
            (contexts.AsyncContext, contexts.SyncContext),
            "a federated context runs computations in another context.",
            fix="give `tff.backends.native.create_async_local_cpp_execution_context()`.",
        )
        if isinstance(context, federated_contexts.FederatedContext):
            raise errors.ArgumentError(
                "this context is a federated one already.",
                problems=[f"context: got a `{type(context).__name__}`"],
                fix="use it as it is.",
            )
        self._context: contexts.AsyncContext | contexts.SyncContext = context

    @errors.boundary
    def invoke(self, comp: Any, arg: Any) -> Any:
        """Starts a computation.

        Args:
          comp: the computation.
          arg: its argument, in which references may stand for values at the server; None where it
            takes none.

        Returns:
          References to the parts of the result, in the containers of its type.

        Raises:
          FederatedContextError: if the result would be more than values at the server.
          ContextError: if no event loop runs.
        """
        result_type = comp.type_signature.result
        if not federated_contexts.contains_only_server_placed_data(result_type):
            raise FederatedContextError(
                "a federated program is given values at the server only.",
                problems=[f"result: got {result_type.compact_representation()}"],
                signature=comp.type_signature,
                fix="bring the clients' values together, with `tff.federated_sum` for example.",
            )
        where = callsites.find_user_line()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise errors.ContextError(
                "no event loop runs, which a federated context needs.",
                problems=[f"called: {comp!r}"],
                where=where,
                fix="call it in an `async def main(): ...`, and that by `asyncio.run(main())`.",
            ) from None
        task = loop.create_task(self._run(comp, arg, where))
        return _references(task, result_type, ())

    async def _run(self, comp: Any, arg: Any, where: str | None) -> Any:
        try:
            if comp.type_signature.parameter is not None:
                arg = await _without_references(arg, comp.type_signature.parameter)
            if isinstance(self._context, contexts.AsyncContext):
                return await self._context.invoke(comp, arg)
            run = functools.partial(self._context.invoke, comp, arg)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, thread_states.carried(run))
        except errors.FederatedError as error:
            # The stack of the task does not hold the line that made the call.
            error.where = error.where or where
            errors.hide_internal_frames(error)
            raise


@contextlib.contextmanager
def federated_context() -> Generator[None]:
    """Makes sure that computations are called in a federated context, inside of a `with` block.

    Where the current context is none, they are run in it all the same, by a
    `NativeFederatedContext`.
    """
    current = contexts.current()
    if isinstance(current, federated_contexts.FederatedContext):
        yield
        return
    with contexts.install(NativeFederatedContext(current)):
        yield


def _references(task: asyncio.Task[Any], type_signature: Type, path: tuple[int, ...]) -> Any:
    if isinstance(type_signature, FederatedType):
        return _references(task, type_signature.member, path)
    if isinstance(type_signature, StructType):
        elements = [
            _references(task, element, (*path, index))
            for index, element in enumerate(type_signature.children())
        ]
        return containers.pack(type_signature, elements)
    assert isinstance(type_signature, MaterializableTypeSignature)
    return NativeValueReference(task, type_signature, path)


async def _without_references(value: Any, type_signature: Type) -> Any:
    """The value with values in the place of references; the clients' data is not looked into."""
    if isinstance(value, MaterializableValueReference):
        return await value.get_value()
    if isinstance(type_signature, FederatedType):
        if type_signature.placement == placements.CLIENTS and not type_signature.all_equal:
            return value
        return await _without_references(value, type_signature.member)
    if not isinstance(type_signature, StructType):
        return value
    names = [name for name, _ in type_signature.items()]
    given = containers.unpack(value)
    elements = None if given is None else containers.in_order(given, names)
    if elements is None:
        # What is wrong with the argument says the context that runs the computation.
        return value
    values = [
        await _without_references(element, element_type)
        for element, element_type in zip(elements, type_signature.children(), strict=True)
    ]
    if all(new is old for new, old in zip(values, elements, strict=True)):
        return value
    return structure.Struct(list(zip(names, values, strict=True)))
