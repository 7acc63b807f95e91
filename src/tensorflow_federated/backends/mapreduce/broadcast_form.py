"""`BroadcastForm`: what the server sends, and what the clients make of it."""

from __future__ import annotations

from collections.abc import Callable

from tensorflow_federated.backends.mapreduce import errors as form_errors
from tensorflow_federated.backends.mapreduce import part_checks
from tensorflow_federated.core import errors
from tensorflow_federated.core.computations import ConcreteComputation

_FORM = "BroadcastForm"
_PATTERNS = {"compute_server_context": "(S -> C)", "client_processing": "(<C,D> -> R)"}


class BroadcastForm:
    """A computation that sends from the server to the clients, as two local computations.

    ::

        server data --> compute_server_context --> context
                                                      |
                                     client data --> client_processing --> result at the clients

    The types are ``compute_server_context: (S -> C)`` and ``client_processing: (<C,D> -> R)``; the
    computation is ``(<S@SERVER,{D}@CLIENTS> -> {R}@CLIENTS)``.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.float32, tff.SERVER), tff.FederatedType(np.float32, tff.CLIENTS)
      ... )
      ... def scale(factor, values):
      ...     times = tff.jax.computation(lambda x, y: x * y, np.float32, np.float32)
      ...     return tff.federated_map(times, (tff.federated_broadcast(factor), values))
      >>> form = tff.backends.mapreduce.get_broadcast_form_for_computation(scale)
      >>> form.summary()
      compute_server_context: (float32 -> <float32>)
      client_processing     : (<<float32>,float32> -> float32)
      >>> context = form.compute_server_context(10.0)
      >>> [float(form.client_processing(context, value)) for value in [1.0, 2.0]]
      [10.0, 20.0]
    """

    @errors.boundary
    def __init__(
        self,
        compute_server_context: ConcreteComputation,
        client_processing: ConcreteComputation,
        server_data_label: str | None = None,
        client_data_label: str | None = None,
    ) -> None:
        """Puts a form together.

        Args:
          compute_server_context: `(S -> C)`, without placement.
          client_processing: `(<C,D> -> R)`, without placement.
          server_data_label: the name of the server's data in the computation.
          client_data_label: the name of the clients' data.

        Raises:
          FormPartError: if the parts are not local computations whose types fit together.
          ArgumentError: if a label is no string.
        """
        parts = {
            "compute_server_context": compute_server_context,
            "client_processing": client_processing,
        }
        part_checks.check_computations(_FORM, parts)
        part_checks.check_local(
            f"the parts of a `{_FORM}` have no placement.",
            {name: part.node for name, part in parts.items()},
        )
        taken = client_processing.type_signature.parameter
        part_checks.check_length(_FORM, _PATTERNS, [("parameter of client_processing", taken, 2)])
        given = compute_server_context.type_signature.result
        context, _ = part_checks.elements(taken)
        label = "compute_server_context to client_processing[0]"
        part_checks.check_fits(_FORM, _PATTERNS, [(label, context, given)])
        if compute_server_context.type_signature.parameter is None:
            raise form_errors.FormPartError(
                "`compute_server_context` of a `BroadcastForm` takes the server's data.",
                problems=["parameter: expected one, got none"],
                signature=compute_server_context.type_signature,
                fix="take the empty structure if the server has no data.",
            )
        labels = {"server_data_label": server_data_label, "client_data_label": client_data_label}
        problems = [
            f"{name}: expected a string, got {errors.describe_object(label)}"
            for name, label in labels.items()
            if label is not None and not isinstance(label, str)  # pyright: ignore[reportUnnecessaryIsInstance]
        ]
        if problems:
            raise errors.ArgumentError(
                "the labels of a `BroadcastForm` are names.",
                problems=problems,
                fix="give strings, or None.",
            )
        self._parts = parts
        self._server_data_label = server_data_label
        self._client_data_label = client_data_label

    @property
    def compute_server_context(self) -> ConcreteComputation:
        """What the server computes of its data, to send it: `(S -> C)`."""
        return self._parts["compute_server_context"]

    @property
    def client_processing(self) -> ConcreteComputation:
        """What each client does with what it was sent and with its data: `(<C,D> -> R)`."""
        return self._parts["client_processing"]

    @property
    def server_data_label(self) -> str | None:
        """The name of the server's data in the computation; None where it has none."""
        return self._server_data_label

    @property
    def client_data_label(self) -> str | None:
        """The name of the clients' data in the computation; None where it has none."""
        return self._client_data_label

    def summary(self, print_fn: Callable[..., None] = print) -> None:
        """Prints the types of the parts.

        Args:
          print_fn: called with each line.
        """
        for line in part_checks.summary_lines(self._parts, len("compute_server_context")):
            print_fn(line)
