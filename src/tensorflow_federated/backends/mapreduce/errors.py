"""The laws of the forms: one error for each that can be broken."""

from __future__ import annotations

from tensorflow_federated.core import errors


class FormSignatureError(errors.FederatedError, TypeError, known_as="TypeError"):
    """A computation has not the type that a form is made of.

    Examples:
      Fails, for a round gives the next state as well:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def total(state, values):
      ...     return tff.federated_sum(values)
      >>> tff.backends.mapreduce.get_map_reduce_form_for_computation(total)
      Traceback (most recent call last):
        ...
      tensorflow_federated.backends.mapreduce.errors.FormSignatureError: a `MapReduceForm` cannot
        be made of a computation of this type.
        result: expected <S@SERVER,X@SERVER>, got int32@SERVER
        ...

      Mended: `return state, tff.federated_sum(values)`.
    """


class FormPartError(errors.FederatedError, TypeError, known_as="TypeError"):
    """A part of a form is no computation of the kind, or of the type, that the others need.

    Examples:
      Fails, for the clients get a number, and the server prepares a pair:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32)
      ... def twice(x):
      ...     return x, x
      >>> @tff.jax.computation(np.int32, np.int32)
      ... def add(context, x):
      ...     return context + x
      >>> tff.backends.mapreduce.BroadcastForm(twice, add)
      Traceback (most recent call last):
        ...
      tensorflow_federated.backends.mapreduce.errors.FormPartError: the parts of this
        `BroadcastForm` do not fit together.
        compute_server_context to client_processing[0]: expected int32, got <int32,int32>
        ...

      Mended: `client_processing` takes what `compute_server_context` returns, and a client's data.
    """


class FormStructureError(errors.FederatedError, ValueError, known_as="ValueError"):
    """A part of a form is of the right kind, and not built as the form needs it.

    Fails: a `server_to_client_broadcast` of a `DistributeAggregateForm` that computes, besides
    sending.
    Mended: compute in `server_prepare`, and only send here.
    """
