"""A pass of a JAX model over a batch: its loss, gradients and metrics.

Importing this module imports JAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from tensorflow_federated.core import errors, trees
from tensorflow_federated.core.types import Type
from tensorflow_federated.jax import arrays, precision, structures
from tensorflow_federated.learning.models import batches
from tensorflow_federated.learning.models.variable import BatchOutput


class Values(NamedTuple):
    """What a pass computes with besides the batch.

    Attributes:
      trainable: the weights that training changes, in the containers of the model.
      non_trainable: the other weights, likewise.
      metrics: the state of the metrics, likewise.
      key: a random key of JAX for this batch; None if the model takes none.
    """

    trainable: Any
    non_trainable: Any
    metrics: Any
    key: Any


class Forward(NamedTuple):
    """What a model computes of a batch.

    Attributes:
      loss: the loss of the batch, a scalar.
      predictions: an array whose first dimension is that of the batch, or a structure of such.
      non_trainable: the weights that training does not change, as they are after the batch.
    """

    loss: Any
    predictions: Any
    non_trainable: Any


class JaxModel(Protocol):
    """A model of JAX as pure functions, whoever wrote it."""

    @property
    def takes_key(self) -> bool:
        """Whether `forward` draws random numbers."""
        ...

    def forward(
        self, weights: tuple[Any, Any], features: Any, labels: Any, *, training: bool, key: Any
    ) -> Forward:
        """Computes predictions and loss of a batch, with the trainable and the other weights."""
        ...

    def initialize_metrics_state(self) -> Any:
        """The state of the metrics before the first batch."""
        ...

    def update_metrics_state(self, state: Any, labels: Any, batch_output: BatchOutput) -> Any:
        """The state of the metrics after a batch."""
        ...


class Outcome(NamedTuple):
    """What a pass gives.

    Attributes:
      loss: the loss of the batch, a scalar.
      gradients: those of the trainable weights, in their containers; None if not asked for.
      non_trainable: the other weights afterwards, in their containers.
      metrics: the state of the metrics afterwards.
      num_examples: the number of examples, an integer.
    """

    loss: Any
    gradients: Any
    non_trainable: Any
    metrics: Any
    num_examples: Any


class Pass:
    """A model's passes over batches."""

    def __init__(
        self, model: JaxModel, metrics_type: Type, *, training: bool, uses_64_bits: bool
    ) -> None:
        """Prepares the passes.

        Args:
          model: the model.
          metrics_type: the type of the state of its metrics.
          training: whether gradients are computed, and the model told that it is trained.
          uses_64_bits: whether JAX keeps 64 bits in the functions of the model.
        """
        self.model = model
        self.training = training
        self._metrics_type = metrics_type
        self._uses_64_bits = uses_64_bits

    def over_batch(self, values: Values, batch: Any) -> Outcome:
        """Passes over all rows of a batch."""
        with precision.with_64_bits(self._uses_64_bits):
            features, labels = batches.split(batch)
            forward, gradients = self._differentiated(values, features, labels)
            num_examples = _row_count(forward.predictions)
            output = BatchOutput(forward.loss, forward.predictions, num_examples)
            metrics = self.model.update_metrics_state(values.metrics, labels, output)
            what = "the state of the metrics after a batch"
            structures.to_canonical(metrics, self._metrics_type, what)
            return Outcome(forward.loss, gradients, forward.non_trainable, metrics, num_examples)

    def _differentiated(self, values: Values, features: Any, labels: Any) -> tuple[Forward, Any]:
        """What the model computes, and the gradients of the trainable weights."""

        # Without containers: JAX sorts the keys of a dict, and knows no attrs classes.
        def evaluate(leaves: Sequence[Any]) -> tuple[Any, tuple[Any, Sequence[Any]]]:
            trainable = trees.pack_like(values.trainable, leaves)
            forward = self.model.forward(
                (trainable, values.non_trainable),
                features,
                labels,
                training=self.training,
                key=values.key,
            )
            others = trees.leaves(forward.non_trainable)
            return _checked_loss(forward.loss), (forward.predictions, others)

        leaves, gradients = trees.leaves(values.trainable), None
        if self.training:
            (loss, rest), found = jax.value_and_grad(evaluate, has_aux=True)(leaves)
            # Of a complex weight JAX gives the conjugate of the direction in which the loss grows.
            gradients = trees.pack_like(
                values.trainable,
                [jnp.conj(each) if jnp.iscomplexobj(each) else each for each in found],
            )
        else:
            loss, rest = evaluate(leaves)
        predictions, others = rest
        non_trainable = trees.pack_like(values.non_trainable, others)
        return Forward(loss, predictions, non_trainable), gradients


def to_key(data: Any) -> Any:
    """The random key of JAX with given data, uint32[2]."""
    # Whatever generator JAX is configured to use: the first rows of what this one draws for a
    # batch are what it draws for fewer rows.
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def _checked_loss(loss: Any) -> Any:
    shape = None if loss is None else jnp.shape(loss)
    if shape == () and jnp.issubdtype(jnp.result_type(loss), jnp.floating):
        return loss
    got = "None" if shape is None else f"{jnp.result_type(loss)}{list(shape) or ''}"
    raise errors.ModelValueError(
        "`loss_fn` does not return the loss of the batch.",
        problems=[f"loss: expected a scalar of a float dtype, got {got}"],
        signature="(output, label, sample_weight=None) -> loss of the batch",
        fix="return the mean of the losses of the examples.",
    )


def _row_count(predictions: Any) -> Any:
    leaves = jax.tree.leaves(predictions)
    if leaves and getattr(leaves[0], "shape", ()):
        count = leaves[0].shape[0]
        # A program for batches of all sizes has a symbol here, which not all functions take.
        if isinstance(count, int):
            return count
        return arrays.to_array(count, arrays.jax_number_dtype(0))
    got = "nothing" if not leaves else "a scalar"
    raise errors.ModelValueError(
        "`predict_on_batch_fn` does not predict something for each example.",
        problems=[f"predictions: got {got}"],
        signature="(model_weights, x, training) -> predictions",
        fix="return an array whose first dimension is that of the batch, or a structure that "
        "begins with one.",
    )
