"""Errors about calls: what is found when a computation is given data, and runs."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow_federated.core.errors.root import LABEL_WIDTH, FederatedError


class InvalidNonAllEqualValueError(FederatedError, TypeError):
    """A value at the clients is not given as its type says: one value, or one of each client.

    Examples:
      Fails, for each client has a value of its own:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(values)
      >>> total(3)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.InvalidNonAllEqualValueError: a value at the
        clients is
        given as a list, with one value for each client.
        argument: expected a list, got 3 of the Python type `int`
        signature:   {int32}@CLIENTS
        where:       <doctest ...
        fix:         write `[value]` for one client.

      Mended:

      >>> total([3, 4])
      np.int32(7)
    """


class CardinalityError(FederatedError, ValueError, known_as="ValueError"):
    """The arguments of one call disagree about the number of clients.

    Examples:
      Fails, for the third client has no weight:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> numbers = tff.FederatedType(np.float32, tff.CLIENTS)
      >>> @tff.federated_computation(numbers, numbers)
      ... def mean(values, weights):
      ...     return tff.federated_mean(values, weights)
      >>> mean([1.0, 2.0, 3.0], [1.0, 1.0])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.CardinalityError: the arguments disagree about the
        number
        of clients.
        argument.values: values of 3 clients
        argument.weights: values of 2 clients
        signature:   <values={float32}@CLIENTS,weights={float32}@CLIENTS>
        where:       <doctest ...
        fix:         give every client one value in each argument.

      Mended:

      >>> mean([1.0, 2.0, 3.0], [1.0, 1.0, 2.0])
      np.float32(2.25)
    """


class ContextError(FederatedError, RuntimeError, known_as="RuntimeError"):
    """A computation is called where no context runs it.

    Examples:
      Fails, for the context refuses every call:

      >>> import tensorflow_federated as tff
      >>> one = tff.jax.computation(lambda: 1)
      >>> stack = tff.framework.get_context_stack()
      >>> with stack.install(tff.test.create_runtime_error_context()):
      ...     one()
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.ContextError: no context is there to run this
        computation.
        called: <computation <lambda>: ( -> int32)>
        where:       <doctest ...
        fix:         set one, for example with
          `tff.backends.native.set_sync_local_cpp_execution_context()`.

      Mended:

      >>> with stack.install(tff.backends.native.create_sync_local_cpp_execution_context()):
      ...     one()
      np.int32(1)
    """


class SecureSumError(FederatedError, ValueError, known_as="ValueError"):
    """A secure sum is given what it was told it would not be given, or is told what cannot be.

    Examples:
      Fails, for one client has more than the largest value that was announced:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_secure_sum(values, max_input=10)
      >>> total([1, 11, 3])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.SecureSumError: the values of some clients are not
        what
        `federated_secure_sum` was told.
        value: 1 client has more than `max_input`
        signature:   (<{V}@CLIENTS,M> -> V@SERVER)
        where:       <doctest ...
        fix:         raise `max_input`, or clip the values at the clients first.

      Mended:

      >>> total([1, 10, 3])
      np.int32(14)
    """


class SelectionKeyError(FederatedError, ValueError, known_as="ValueError"):
    """A client asks for a slice that the server does not offer.

    Examples:
      Fails, for key 2 is not less than `max_key`:

      >>> import jax.numpy as jnp
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation((np.float32, [2]), np.int32)
      ... def row(table, key):
      ...     return table[key]
      >>> @tff.federated_computation(
      ...     tff.FederatedType((np.int32, [1]), tff.CLIENTS),
      ...     tff.FederatedType((np.float32, [2]), tff.SERVER),
      ... )
      ... def rows(keys, table):
      ...     return tff.federated_select(keys, tff.federated_value(2, tff.SERVER), table, row)
      >>> rows([[0], [2]], [1.0, 10.0])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.ClientError: the work of client 1 failed.
        client:      1
        stage:       client step 1
        round:       1
        ...

      Mended:

      >>> rows([[0], [1]], [1.0, 10.0])
      [[np.float32(1.0)], [np.float32(10.0)]]
    """


class ComputationError(FederatedError, RuntimeError):
    """A local computation failed while it ran; in the work of a client it is a `ClientError`.

    Examples:
      Fails, for there is no element 5:

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> element = tff.tensorflow.computation(lambda i: tf.gather([10, 20], i), np.int32)
      >>> element(5)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.ComputationError: `<lambda>` failed while it ran.
        InvalidArgumentError: indices = 5 is not in [0, 2)
        where:       <doctest ...
        fix:         look at the values that it was called with.

      Mended:

      >>> element(1)
      np.int32(20)
    """


class NonFiniteError(ComputationError, FloatingPointError):
    """A client's results hold NaN or an infinity, in a context that takes this for a failure.

    Examples:
      Fails, for the second client divides by zero:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> inverse = tff.jax.computation(lambda x: 1 / x, np.float32)
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(tff.federated_map(inverse, values))
      >>> native = tff.backends.native
      >>> context = native.create_sync_local_cpp_execution_context(non_finite="fail")
      >>> with tff.framework.get_context_stack().install(context):
      ...     total([2.0, 0.0])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.ClientError: the work of client 1 failed.
        client:      1
        stage:       client step 1
        round:       1
        ...

      Mended:

      >>> with tff.framework.get_context_stack().install(context):
      ...     total([2.0, 4.0])
      np.float32(0.75)
    """


class ClientFormError(FederatedError, ValueError):
    """A context asks for compiled client work, and a step of the program cannot be compiled.

    Examples:
      Fails, for the values stay at the clients:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.float32)
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
      ... def doubled(values):
      ...     return tff.federated_map(double, values)
      >>> native = tff.backends.native
      >>> context = native.create_sync_local_cpp_execution_context(client_form="compiled")
      >>> with tff.framework.get_context_stack().install(context):
      ...     doubled([1.0, 2.0])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.ClientFormError: the work of clients cannot be
        compiled over chunks, as this context asks for.
        client step 1: it keeps values at the clients
        where:       <doctest ...
        fix:         make the context with `client_form="auto"`, which compiles what it can.

      Mended:

      >>> context = native.create_sync_local_cpp_execution_context(client_form="auto")
      >>> with tff.framework.get_context_stack().install(context):
      ...     doubled([1.0, 2.0])
      [np.float32(2.0), np.float32(4.0)]
    """


class ClientError(FederatedError, RuntimeError):
    """The work of one client failed while a computation ran.

    The call is undone: no state has changed, the work of the other clients is not used, and the
    next call works.

    Examples:
      Fails, for the second client asks for an element that there is not:

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> element = tff.tensorflow.computation(lambda i: tf.gather([10, 20], i), np.int32)
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(indices):
      ...     return tff.federated_sum(tff.federated_map(element, indices))
      >>> total([0, 5, 1])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.ClientError: the work of client 1 failed.
        client:      1
        stage:       client step 1
        round:       1
        InvalidArgumentError: indices = 5 is not in [0, 2)
        ...

      Mended, by leaving out the clients whose work fails:

      >>> make_context = tff.backends.native.create_sync_local_cpp_execution_context
      >>> context = make_context(on_client_failure="drop")
      >>> with tff.framework.get_context_stack().install(context):
      ...     total([0, 5, 1])
      np.int32(30)
      >>> [(failure.client_index, failure.stage) for failure in context.last_failures]
      [(1, 'client step 1')]

    Attributes:
      client_index: The position of the client in the cohort, from 0.
      client_id: The client's name, where it has one.
      stage: What was being done: `reading data`, or for example `client step 1`.
      round_number: The number of this call of the program in its context, from 1.
    """

    def __init__(
        self,
        summary: str,
        *,
        client_index: int | None = None,
        client_id: str | None = None,
        stage: str | None = None,
        round_number: int | None = None,
        problems: Sequence[str] = (),
        signature: object | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Builds the error; see `FederatedError` for the arguments that are not listed here.

        Args:
          summary: One sentence: what cannot be done.
          client_index: The position of the client in the cohort, from 0.
          client_id: The client's name, where it has one.
          stage: What was being done.
          round_number: The number of this call of the program in its context, from 1.
          problems: As in `FederatedError`.
          signature: As in `FederatedError`.
          where: As in `FederatedError`.
          fix: As in `FederatedError`.
        """
        place: list[str] = []
        if client_index is not None:
            named = "" if client_id is None else f" ({client_id!r})"
            place.append(f"{'client:':<{LABEL_WIDTH}}{client_index}{named}")
        elif client_id is not None:
            place.append(f"{'client:':<{LABEL_WIDTH}}{client_id!r}")
        if stage is not None:
            place.append(f"{'stage:':<{LABEL_WIDTH}}{stage}")
        if round_number is not None:
            place.append(f"{'round:':<{LABEL_WIDTH}}{round_number}")
        super().__init__(
            summary, problems=(*place, *problems), signature=signature, where=where, fix=fix
        )
        self.client_index: int | None = client_index
        self.client_id: str | None = client_id
        self.stage: str | None = stage
        self.round_number: int | None = round_number


class WorkerError(FederatedError, RuntimeError):
    """The workers of an executor did not do the work of some clients.

    Fails: clients whose data needs more memory than a worker has, which dies each time that the
    work of the clients is done again; or workers that miss a framework.
    Mended: give the workers what they need, or leave the clients that are named out of the cohort.

    Attributes:
      client_indices: The positions in the cohort of the clients whose work is lost.
      client_ids: Their names, None for those that have none.
      attempts: How many workers died with their work.
      stage: What was being done, for example `client step 1`.
      round_number: The number of the round.
    """

    def __init__(
        self,
        summary: str,
        *,
        client_indices: Sequence[int] = (),
        client_ids: Sequence[str | None] = (),
        attempts: int = 0,
        stage: str | None = None,
        round_number: int | None = None,
        problems: Sequence[str] = (),
        signature: object | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Builds the error; see `FederatedError` for the arguments that are not listed here.

        Args:
          summary: One sentence: what cannot be done.
          client_indices: The positions in the cohort of the clients whose work is lost.
          client_ids: Their names, None for those that have none.
          attempts: How many workers died with their work.
          stage: What was being done.
          round_number: The number of the round.
          problems: As in `FederatedError`.
          signature: As in `FederatedError`.
          where: As in `FederatedError`.
          fix: As in `FederatedError`.
        """
        place: list[tuple[str, object]] = []
        if client_indices:
            names = client_ids or [None] * len(client_indices)
            named = [
                str(index) if name is None else f"{index} ({name!r})"
                for index, name in zip(client_indices, names, strict=True)
            ]
            place.append(("clients:", ", ".join(named)))
        if attempts:
            place.append(("attempts:", attempts))
        if stage is not None:
            place.append(("stage:", stage))
        if round_number is not None:
            place.append(("round:", round_number))
        lines = [f"{label:<{LABEL_WIDTH}}{text}" for label, text in place]
        super().__init__(
            summary, problems=(*lines, *problems), signature=signature, where=where, fix=fix
        )
        self.client_indices: tuple[int, ...] = tuple(client_indices)
        self.client_ids: tuple[str | None, ...] = tuple(client_ids)
        self.attempts: int = attempts
        self.stage: str | None = stage
        self.round_number: int | None = round_number


class BackendError(FederatedError, LookupError):
    """A local computation belongs to a back end that nothing has registered.

    Fails: a program with a computation of the back end `torch`, which no module makes known.
    Mended: import the module that registers the back end before the program runs.
    """
