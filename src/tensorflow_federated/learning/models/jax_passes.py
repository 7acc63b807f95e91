"""A pass of a JAX model over a batch: its loss, gradients and metrics.

There are two: over all rows of a batch, and over its first rows only, as if there were no others.
The second is for engines that keep one size of batches; how the first rows are taken depends on the
model, see `jax_masking`.

Importing this module imports JAX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tensorflow_federated.core import errors, trees, type_trees
from tensorflow_federated.core.types import Type
from tensorflow_federated.jax import precision, structures
from tensorflow_federated.learning.models import batches
from tensorflow_federated.learning.models.functional import FunctionalModel
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


class Outcome(NamedTuple):
    """What a pass gives.

    Attributes:
      loss: the loss of the batch, a scalar.
      gradients: those of the trainable weights, in their containers; None if not asked for.
      metrics: the state of the metrics afterwards.
      num_examples: the number of examples, an integer.
    """

    loss: Any
    gradients: Any
    metrics: Any
    num_examples: Any


class Rows(NamedTuple):
    """Which rows of a batch count.

    Attributes:
      size: how many rows there are.
      count: how many of them count, int32: the first ones.
      counts: bool[size], whether a row counts.
    """

    size: int
    count: Any
    counts: Any


LossForm = Callable[["LossOfRows"], Any]
"""How the loss of the first rows of a batch is computed."""

MetricForm = Callable[["MetricsOfRows"], Any]
"""How the metrics take in the first rows of a batch."""


@dataclasses.dataclass(frozen=True)
class Masking:
    """How a model computes on the first rows of a batch.

    Attributes:
      loss: how the loss is computed.
      metrics: for each leaf of the state of the metrics, how it is computed.
      has_rows: for each array of the predictions whether it has a row for each example.
    """

    loss: LossForm
    metrics: tuple[MetricForm, ...]
    has_rows: tuple[bool, ...]


class Pass:
    """A model's passes over batches."""

    def __init__(
        self, model: FunctionalModel, metrics_type: Type, *, training: bool, uses_64_bits: bool
    ) -> None:
        """Prepares the passes.

        Args:
          model: a functional model of JAX.
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
            loss, predictions, gradients = self._differentiated(
                values, features, lambda predictions: self.model.loss(predictions, labels)
            )
            num_examples = _row_count(predictions)
            output = BatchOutput(loss, predictions, num_examples)
            metrics = self.model.update_metrics_state(values.metrics, labels, output)
            self.metric_leaves(metrics)
            return Outcome(loss, gradients, metrics, num_examples)

    def over_first_rows(self, values: Values, batch: Any, count: Any, masking: Masking) -> Outcome:
        """Passes over the first `count` rows of a batch; what the others hold has no effect."""
        loss, gradients, given = self.loss_of_first_rows(values, batch, count, masking)
        forms = dict.fromkeys(masking.metrics)
        by_form = {form: self.metrics_of_first_rows(given, form) for form in forms}
        leaves = iter([by_form[form][index] for index, form in enumerate(masking.metrics)])
        metrics = type_trees.build(self._metrics_type, lambda _: next(leaves))
        return Outcome(loss, gradients, metrics, count)

    def loss_of_first_rows(
        self, values: Values, batch: Any, count: Any, masking: Masking
    ) -> tuple[Any, Any, MetricsOfRows]:
        """The loss, its gradients, and what the metrics are computed of."""
        with precision.with_64_bits(self._uses_64_bits):
            size = trees.leaves(batch)[0].shape[0]
            rows = Rows(size, count, jnp.arange(size) < count)
            features, labels = batches.split(trees.map_structure(rows_with(rows.counts), batch))
            loss, predictions, gradients = self._differentiated(
                values,
                features,
                lambda predictions: masking.loss(
                    LossOfRows(self.model, predictions, labels, rows, masking.has_rows)
                ),
            )
        given = MetricsOfRows(
            self.model, values.metrics, loss, predictions, labels, rows, masking.has_rows
        )
        return loss, gradients, given

    def metrics_of_first_rows(self, given: MetricsOfRows, form: MetricForm) -> list[Any]:
        """The leaves of the metrics after the first rows of a batch, all in one form."""
        with precision.with_64_bits(self._uses_64_bits):
            return self.metric_leaves(form(given))

    def predictions(self, values: Values, batch: Any) -> Any:
        """What the model predicts for a batch."""
        with precision.with_64_bits(self._uses_64_bits):
            features, _ = batches.split(batch)
            return self._predict(values.trainable, values, features)

    def _differentiated(
        self, values: Values, features: Any, loss_of: Callable[[Any], Any]
    ) -> tuple[Any, Any, Any]:
        """The loss, the predictions and the gradients of the trainable weights."""

        def evaluate(leaves: Sequence[Any]) -> tuple[Any, Any]:
            trainable = trees.pack_like(values.trainable, leaves)
            predictions = self._predict(trainable, values, features)
            return _checked_loss(loss_of(predictions)), predictions

        leaves = trees.leaves(values.trainable)
        if not self.training:
            return *evaluate(leaves), None
        # Without containers: JAX sorts the keys of a dict, and knows no attrs classes.
        (loss, predictions), found = jax.value_and_grad(evaluate, has_aux=True)(leaves)
        # Of a complex weight JAX gives the conjugate of the direction in which the loss grows.
        gradients = [jnp.conj(each) if jnp.iscomplexobj(each) else each for each in found]
        return loss, predictions, trees.pack_like(values.trainable, gradients)

    def _predict(self, trainable: Any, values: Values, features: Any) -> Any:
        weights = (trainable, values.non_trainable)
        return self.model.predict_on_batch(weights, features, self.training, values.key)

    def metric_leaves(self, metrics: Any) -> list[Any]:
        """The leaves of a state of the metrics in the order of its type.

        Raises:
          TypeMismatchError: if it is not of the type that it had before.
        """
        what = "the state of the metrics after a batch"
        return trees.leaves(structures.to_canonical(metrics, self._metrics_type, what))


class LossOfRows(NamedTuple):
    """What the loss of the first rows of a batch is computed of."""

    model: FunctionalModel
    predictions: Any
    labels: Any
    rows: Rows
    has_rows: tuple[bool, ...]


class MetricsOfRows(NamedTuple):
    """What the metrics of the first rows of a batch are computed of."""

    model: FunctionalModel
    metrics: Any
    loss: Any
    predictions: Any
    labels: Any
    rows: Rows
    has_rows: tuple[bool, ...]


def to_key(data: Any) -> Any:
    """The random key of JAX with given data, uint32[2]."""
    # Whatever generator JAX is configured to use: the first rows of what this one draws for a
    # batch are what it draws for fewer rows.
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def rows_with(counts: Any) -> Callable[[Any], Any]:
    """Replaces the rows of an array that do not count by copies of the first row.

    A copy of a good example gives no NaN, where zeros could, as in a division by a norm.
    """

    def replace(leaf: Any) -> Any:
        shaped = counts.reshape((-1,) + (1,) * (leaf.ndim - 1))
        return jnp.where(shaped, leaf, leaf[:1])

    return replace


def mean_by_weights(given: LossOfRows) -> Any:
    """The loss with weights: for means over all rows, and for means by the sum of the weights."""
    rows = given.rows
    weights = rows.counts.astype(jnp.float32) * (rows.size / rows.count.astype(jnp.float32))
    return given.model.loss(given.predictions, given.labels, weights)


def sum_by_weights(given: LossOfRows) -> Any:
    """The loss with weights of one and zero: for sums."""
    weights = given.rows.counts.astype(jnp.float32)
    return given.model.loss(given.predictions, given.labels, weights)


def mean_of_rows(given: LossOfRows) -> Any:
    """The mean of the losses of single rows, which need not know weights."""
    total = sum_of_rows(given)
    return total / given.rows.count.astype(total.dtype)


def sum_of_rows(given: LossOfRows) -> Any:
    """The sum of the losses of single rows."""

    def loss_of_row(prediction: Any, label: Any) -> Any:
        return given.model.loss(prediction, label)

    losses = _for_each_row(loss_of_row, given.predictions, given.labels, given.has_rows)
    return jnp.sum(jnp.where(given.rows.counts, losses, jnp.zeros_like(losses)))


LOSS_FORMS: tuple[LossForm, ...] = (mean_of_rows, sum_of_rows, mean_by_weights, sum_by_weights)
"""The forms, those that fit more losses first."""


def metrics_by_weights(given: MetricsOfRows) -> Any:
    """The metrics with weights of one and zero."""
    weights = given.rows.counts.astype(jnp.float32)
    output = BatchOutput(given.loss, given.predictions, given.rows.count)
    return given.model.update_metrics_state(given.metrics, given.labels, output, weights)


def metrics_of_rows(given: MetricsOfRows) -> Any:
    """The metrics as sums of what single rows add: for those that know no weights."""
    zeros = trees.map_structure(jnp.zeros_like, given.metrics)

    def added_by_row(prediction: Any, label: Any) -> Any:
        output = BatchOutput(given.model.loss(prediction, label), prediction, 1)
        return given.model.update_metrics_state(zeros, label, output)

    added = _for_each_row(added_by_row, given.predictions, given.labels, given.has_rows)
    keep = rows_that_count(given.rows.counts)
    return trees.map_structure(
        lambda before, each: before + jnp.sum(keep(each), axis=0, dtype=before.dtype),
        given.metrics,
        added,
    )


def metrics_of_filled_batch(given: MetricsOfRows) -> Any:
    """The metrics of the whole batch: for those that count batches, or take the largest."""
    output = BatchOutput(given.loss, given.predictions, given.rows.count)
    return given.model.update_metrics_state(given.metrics, given.labels, output)


METRIC_FORMS: tuple[MetricForm, ...] = (
    metrics_by_weights,
    metrics_of_rows,
    metrics_of_filled_batch,
)


def rows_that_count(counts: Any) -> Callable[[Any], Any]:
    """Replaces the rows of an array that do not count by zeros."""

    def replace(leaf: Any) -> Any:
        shaped = counts.reshape((-1,) + (1,) * (leaf.ndim - 1))
        return jnp.where(shaped, leaf, jnp.zeros_like(leaf))

    return replace


def _for_each_row(
    fn: Callable[[Any, Any], Any], predictions: Any, labels: Any, has_rows: Sequence[bool]
) -> Any:
    """Applies a function to batches of one row, for all rows at once."""
    leaves, form = jax.tree.flatten(predictions)

    def apply(parts: Sequence[Any], label: Any) -> Any:
        batched = [
            part[None] if is_rows else part for part, is_rows in zip(parts, has_rows, strict=True)
        ]
        prediction = jax.tree.unflatten(form, batched)
        return fn(prediction, jax.tree.map(lambda leaf: leaf[None], label))

    axes = [0 if is_rows else None for is_rows in has_rows]
    return jax.vmap(apply, in_axes=(axes, 0))(leaves, labels)


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
        return count if isinstance(count, int) else jnp.asarray(count)
    got = "nothing" if not leaves else "a scalar"
    raise errors.ModelValueError(
        "`predict_on_batch_fn` does not predict something for each example.",
        problems=[f"predictions: got {got}"],
        signature="(model_weights, x, training) -> predictions",
        fix="return an array whose first dimension is that of the batch, or a structure that "
        "begins with one.",
    )
