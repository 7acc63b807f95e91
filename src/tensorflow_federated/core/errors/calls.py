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


class ClientError(FederatedError, RuntimeError):
    """The work of one client failed while a computation ran.

    Fails: a client's dataset that holds a string where the model reads a number.
    Mended: the message names the client; look at its data, or leave it out of the cohort.

    Attributes:
      client_index: The position of the client in the cohort, from 0.
      client_id: The client's name, where it has one.
      stage: What was being done, for example `local step`.
      round_number: The number of the round, where there are rounds.
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
          stage: What was being done, for example `local step`.
          round_number: The number of the round, where there are rounds.
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


class BackendError(FederatedError, LookupError):
    """A local computation belongs to a back end that nothing has registered.

    Fails: a program with a computation of the back end `torch`, which no module makes known.
    Mended: import the module that registers the back end before the program runs.
    """
