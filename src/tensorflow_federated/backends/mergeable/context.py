"""The context that runs computations in subrounds, over several other contexts."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Sequence
from typing import Any, cast

from tensorflow_federated.backends.mergeable import compilation, partitioning
from tensorflow_federated.backends.mergeable import errors as form_errors
from tensorflow_federated.backends.mergeable.form import MergeableCompForm
from tensorflow_federated.backends.mergeable.partitioning import Part
from tensorflow_federated.core import callsites, contexts, errors, structure
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.execution import coroutines
from tensorflow_federated.execution.executor_contexts import TransformFn

CompilerFn = Callable[[Any], MergeableCompForm]


class MergeableCompExecutionContext(contexts.SyncContext):
    """A context that cuts the cohort into subrounds, runs them in other contexts, and merges.

    The subrounds are of consecutive clients. Each context works on one of them at a time and takes
    the next one when it is done. The results are merged in the order of the clients, whichever
    comes first. Then `after_merge` gives the result: once, or for each subround where the result
    has values of single clients.

    A computation without values of single clients in its argument runs in every subround, for as
    many clients as each context says.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(values)
      >>> contexts = [
      ...     tff.backends.native.create_async_local_cpp_execution_context() for _ in range(2)
      ... ]
      >>> context = tff.backends.native.create_mergeable_comp_execution_context(
      ...     contexts, num_subrounds=3
      ... )
      >>> with tff.framework.get_context_stack().install(context):
      ...     total([1, 2, 3, 4])
      np.int32(10)

    Differs from TFF: contexts whose calls give their results at once can be among the others; the
    order of merging does not depend on time; `transform_args` is applied; it can be used where an
    event loop runs, as in a notebook.
    """

    @errors.boundary
    def __init__(
        self,
        async_contexts: Sequence[contexts.AsyncContext | contexts.SyncContext],
        compiler_fn: CompilerFn | None = None,
        transform_args: TransformFn | None = None,
        transform_result: TransformFn | None = None,
        num_subrounds: int | None = None,
    ) -> None:
        """Makes a context.

        Args:
          async_contexts: what the subrounds run in.
          compiler_fn: makes a `MergeableCompForm` of a computation; without it, only such forms can
            be invoked.
          transform_args: applied to the argument of each call.
          transform_result: applied to the result of each call.
          num_subrounds: the number of subrounds, at most one for each client; by default, one for
            each context.

        Raises:
          ArgumentError: if there is no context, one of them is none, or `num_subrounds` is less
            than 1.
        """
        _check_arguments(async_contexts, num_subrounds)
        self._contexts = list(async_contexts)
        self._compiler_fn = compiler_fn
        self._transform_args = transform_args
        self._transform_result = transform_result
        self._subround_count = len(self._contexts) if num_subrounds is None else num_subrounds
        self._forms: weakref.WeakKeyDictionary[Any, MergeableCompForm] = weakref.WeakKeyDictionary()

    @errors.boundary
    def invoke(self, comp: MergeableCompForm | Computation, arg: Any = None) -> Any:
        """Runs a computation in subrounds.

        Args:
          comp: a form, or a computation that `compiler_fn` makes one of.
          arg: its argument in the structure of the parameter; None where there is none.

        Returns:
          The result.

        Raises:
          NoMergeableFormError: if there is no form of `comp`.
          TypeMismatchError: if the argument is not of the parameter's type.
          CardinalityError: if the arguments disagree about the number of clients.
        """
        form = self._form(comp)
        if arg is not None and self._transform_args is not None:
            arg = self._transform_args(arg)
        parameter_type = form.up_to_merge.type_signature.parameter
        parts = [Part(None)] * self._subround_count
        if parameter_type is not None:
            parts = partitioning.split(arg, parameter_type, self._subround_count)
        where = callsites.find_user_line()
        try:
            result = coroutines.run_to_end(self._run_subrounds(form, parts))
        except errors.FederatedError as error:
            # The stack of a thread does not hold the line that made the call.
            error.where = error.where or where
            raise
        return result if self._transform_result is None else self._transform_result(result)

    def _form(self, comp: MergeableCompForm | Computation) -> MergeableCompForm:
        if isinstance(comp, MergeableCompForm):
            return comp
        if not isinstance(comp, Computation):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise errors.ArgumentError(
                "only a computation can be run in subrounds.",
                problems=[f"comp: got {errors.describe_object(comp)}"],
                fix="give a `MergeableCompForm` or a computation.",
            )
        if self._compiler_fn is None:
            raise form_errors.NoMergeableFormError(
                "this context has no compiler, and runs instances of `MergeableCompForm` only.",
                problems=[f"comp: got {comp!r}"],
                fix="make the context with `compiler_fn=compile_to_mergeable_comp_form`.",
            )
        if comp not in self._forms:
            form = cast("object", self._compiler_fn(comp))
            if not isinstance(form, MergeableCompForm):
                raise form_errors.NoMergeableFormError(
                    "the compiler of this context must make a `MergeableCompForm`.",
                    problems=[f"compiler_fn: returned {errors.describe_object(form)}"],
                    fix="give `tff.backends.native.compile_to_mergeable_comp_form`.",
                )
            self._forms[comp] = form
        return self._forms[comp]

    async def _run_subrounds(self, form: MergeableCompForm, parts: Sequence[Part]) -> Any:
        partial = await self._in_pool(form.up_to_merge, parts)
        merged = partial[0]
        for each in partial[1:]:
            pair: Any = structure.Struct([(None, merged), (None, each)])
            merged = await _invoke(self._contexts[0], form.merge, pair)
        if form.up_to_merge.type_signature.parameter is None:
            after_parts = [Part(merged)] * len(parts)
        else:
            after_parts = [
                Part(structure.Struct([(None, part.argument), (None, merged)]), part.first_client)
                for part in parts
            ]
        result_type = form.after_merge.type_signature.result
        if not partitioning.has_clients(result_type):
            return await _invoke(self._contexts[0], form.after_merge, after_parts[0].argument)
        return partitioning.join(await self._in_pool(form.after_merge, after_parts), result_type)

    async def _in_pool(self, comp: Computation, parts: Sequence[Part]) -> list[Any]:
        """The results for all parts, in order; each context works on one at a time.

        After a failure no other part is begun. Those before the one that failed have been, so that
        the first failure in order does not depend on time.
        """
        waiting = iter(enumerate(parts))
        results: dict[int, Any] = {}
        failures: dict[int, Exception] = {}

        async def work(context: Any) -> None:
            for index, part in waiting:
                try:
                    results[index] = await _invoke(context, comp, part.argument)
                except errors.ClientError as failure:
                    failures[index] = _among_all_clients(failure, part.first_client)
                except Exception as failure:
                    failures[index] = failure
                if failures:
                    return

        await asyncio.gather(*(work(context) for context in self._contexts))
        if failures:
            raise failures[min(failures)]
        return [results[index] for index in range(len(parts))]


def _among_all_clients(failure: errors.ClientError, first_client: int) -> errors.ClientError:
    """The failure of a client of a subround, with its position among all clients."""
    if failure.client_index is None:
        return failure
    position = failure.client_index + first_client
    place = (failure.client_index, failure.stage, failure.round_number)
    moved = errors.ClientError(
        f"the work of client {position} failed in a subround.",
        client_index=position,
        client_id=failure.client_id,
        stage=failure.stage,
        round_number=failure.round_number,
        problems=failure.problems[sum(each is not None for each in place) :],
        signature=failure.signature,
        where=failure.where,
        fix=failure.fix,
    )
    moved.__cause__, moved.__context__ = failure.__cause__, failure.__context__
    return moved


async def _invoke(context: Any, comp: Computation, argument: Any) -> Any:
    """Calls a computation in a context; where that gives its result at once, in a thread."""
    if isinstance(context, contexts.AsyncContext):
        return await context.invoke(comp, argument)
    return await asyncio.to_thread(context.invoke, comp, argument)


def _check_arguments(async_contexts: Sequence[Any], num_subrounds: Any) -> None:
    problems = [
        f"async_contexts[{index}]: got {errors.describe_object(each)}"
        for index, each in enumerate(async_contexts)
        if not isinstance(each, (contexts.AsyncContext, contexts.SyncContext))
    ]
    if not async_contexts:
        problems.append("async_contexts: expected one or more, got none")
    if num_subrounds is not None and (not isinstance(num_subrounds, int) or num_subrounds < 1):
        problems.append(f"num_subrounds: expected an integer of at least 1, got {num_subrounds!r}")
    if problems:
        raise errors.ArgumentError(
            "a `MergeableCompExecutionContext` cannot be made of these arguments.",
            problems=problems,
            fix="give contexts, as `create_async_local_cpp_execution_context` makes them.",
        )


@errors.boundary
def create_mergeable_comp_execution_context(
    async_contexts: Sequence[contexts.AsyncContext | contexts.SyncContext],
    num_subrounds: int | None = None,
) -> MergeableCompExecutionContext:
    """Makes a context that compiles computations to mergeable ones, and runs them in subrounds.

    Args:
      async_contexts: what the subrounds run in.
      num_subrounds: the number of subrounds, at most one for each client; by default, one for each
        context.

    Returns:
      The context.

    Raises:
      ArgumentError: if there is no context, one of them is none, or `num_subrounds` is less than 1.

    Examples:
      >>> import tensorflow_federated as tff
      >>> contexts = [tff.backends.native.create_async_local_cpp_execution_context()]
      >>> context = tff.backends.native.create_mergeable_comp_execution_context(contexts)
      >>> isinstance(context, tff.framework.MergeableCompExecutionContext)
      True
    """
    return MergeableCompExecutionContext(
        async_contexts,
        compiler_fn=compilation.compile_to_mergeable_comp_form,
        num_subrounds=num_subrounds,
    )


@errors.boundary
def set_mergeable_comp_execution_context(
    async_contexts: Sequence[contexts.AsyncContext | contexts.SyncContext],
    num_subrounds: int | None = None,
) -> None:
    """Makes the default context one that runs computations in subrounds.

    Args:
      async_contexts: what the subrounds run in.
      num_subrounds: the number of subrounds, at most one for each client; by default, one for each
        context.

    Raises:
      ArgumentError: if there is no context, one of them is none, or `num_subrounds` is less than 1.

    Examples:
      >>> import tensorflow_federated as tff
      >>> contexts = [tff.backends.native.create_async_local_cpp_execution_context()]
      >>> tff.backends.native.set_mergeable_comp_execution_context(contexts, num_subrounds=2)
      >>> tff.backends.native.set_sync_local_cpp_execution_context()
    """
    contexts.set_default_context(
        create_mergeable_comp_execution_context(async_contexts, num_subrounds)
    )
