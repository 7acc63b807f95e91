"""What a local step is: what a client does with the gradients of its batches, as pure functions."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple


class BatchGradients(NamedTuple):
    """The gradients of the loss of a batch, in the structure of the trainable weights.

    Attributes:
      here: where the client's weights are now.
      at_start: at the weights that the server sent; None if the local step does not ask for it.
      num_examples: the number of examples of the batch, int64.
    """

    here: Any
    at_start: Any
    num_examples: Any


class LocalStep(abc.ABC):
    """What a client does with the gradients of its batches.

    The local loops (`models.local_loops`) call the model and know nothing of algorithms; a local
    step knows nothing of models. Its methods are traced into the loop: inside a TensorFlow graph if
    the model is written in TensorFlow, inside a JAX trace if it is written in JAX.

    Attributes:
      framework: what the methods are written in: "portable" (see `core.portable`), "tensorflow" or
        "jax".
      needs_start: whether `next` is given the weights that the server sent.
      needs_gradients_at_start: whether `next` is given the gradients at the server's weights, for a
        second pass over each batch; then `needs_start` holds too.
    """

    needs_start: ClassVar[bool] = False
    needs_gradients_at_start: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def framework(self) -> str:
        """What the methods are written in."""

    @property
    def written_by(self) -> Any:
        """What of the local step the user wrote, for messages."""
        return self

    @abc.abstractmethod
    def shared(self, specs: Any) -> Any:
        """What the server sends the clients besides the weights, as it is in the first round.

        Args:
          specs: the trainable weights, as a structure of what has a `shape` and a `dtype`.

        Returns:
          A structure of arrays; only its type is used.
        """

    @abc.abstractmethod
    def initialize(self, specs: Any, shared: Any) -> Any:
        """The state of a client before its first batch.

        Args:
          specs: as in `shared`.
          shared: what the server sent besides the weights.

        Returns:
          A structure of arrays.
        """

    @abc.abstractmethod
    def next(
        self, state: Any, weights: Any, start: Any, gradients: BatchGradients
    ) -> tuple[Any, Any]:
        """Takes in the gradients of a batch.

        Args:
          state: the state, of `initialize` or of the batch before.
          weights: the trainable weights of the client.
          start: those that the server sent; None unless `needs_start`.
          gradients: the gradients of the batch.

        Returns:
          The next state and the next weights, of the same types.
        """

    @abc.abstractmethod
    def finish(self, state: Any, weights: Any, start: Any, num_examples: Any) -> Any:
        """What the client sends to the aggregator after its last batch.

        Args:
          state: the state after the last batch.
          weights: the trainable weights of the client.
          start: those that the server sent.
          num_examples: the number of examples of all its batches, int64.

        Returns:
          The update, a structure of arrays.
        """
