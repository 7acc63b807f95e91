"""A client's reconstruction, training and evaluation of a model, in TensorFlow.

Unlike the loops of `tensorflow_loops`, what is done here is one computation that takes the whole
dataset, for it is split by a function of the user; the back end makes loops of its graph. The model
is made while that graph is: so its local variables are initialized anew for each client.

Importing this module imports TensorFlow and Keras.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tensorflow_federated import tensorflow as tensorflow_backend
from tensorflow_federated.core import callsites, errors, trees, types
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import SequenceType, TensorType
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.metrics import functional_metrics, keras_finalizer
from tensorflow_federated.learning.models import description
from tensorflow_federated.learning.models.keras_reconstruction import KerasReconstructionModel
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.models.reconstruction_model import (
    ReconstructionBatchOutput,
    ReconstructionDatasetSplitFn,
    ReconstructionModel,
    check_names,
)
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel
from tensorflow_federated.learning.optimizers.optimizer import Optimizer
from tensorflow_federated.tensorflow import keras_graphs, type_specs

_KEY_TYPE = TensorType(np.int64, [2])

AnyOptimizer = Optimizer[Any, Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class ModelParts:
    """What an algorithm is given of a model, each a function without arguments.

    Attributes:
      model_fn: makes the model.
      loss_fn: makes a `keras.losses.Loss`.
      metrics_fn: makes a list of `keras.metrics.Metric`s; None for none.
      counts_examples: whether the metric `loss` is the mean over examples, instead of batches.
    """

    model_fn: Callable[[], ReconstructionModel]
    loss_fn: Callable[[], Any]
    metrics_fn: Callable[[], Any] | None
    counts_examples: bool = False

    def make(self) -> MeasuredModel:
        """Makes the model, with its loss and its metrics."""
        return MeasuredModel(self)


class MeasuredModel(VariableModel):
    """A reconstruction model with loss and metrics; its weights are the global variables."""

    def __init__(self, parts: ModelParts) -> None:
        """Makes the model.

        Args:
          parts: what it is made of.
        """
        self.model = _made(parts.model_fn, "model_fn", ReconstructionModel)
        self._loss = _made(parts.loss_fn, "loss_fn", keras.losses.Loss)
        metrics = [] if parts.metrics_fn is None else _made(parts.metrics_fn, "metrics_fn", list)
        _check_metrics(metrics, parts.metrics_fn)
        loss_metric = keras.metrics.MeanMetricWrapper(parts.loss_fn(), name="loss")
        self.metrics = [*metrics, loss_metric]
        check_names([metric.name for metric in self.metrics])
        self._counts_examples = parts.counts_examples
        self._is_keras = isinstance(self.model, KerasReconstructionModel)
        for metric in self.metrics:
            if not functional_metrics.is_built(metric):
                self._build(metric)

    @property
    def trainable_variables(self) -> Any:
        return self.model.global_trainable_variables

    @property
    def non_trainable_variables(self) -> Any:
        return self.model.global_non_trainable_variables

    @property
    def local_variables(self) -> list[Any]:
        local = trees.leaves(tuple(ReconstructionModel.get_local_variables(self.model)))
        return [*local, *(variable for metric in self.metrics for variable in metric.variables)]

    @property
    def input_spec(self) -> Any:
        return self.model.input_spec

    def output(self, batch: Any, *, training: bool) -> ReconstructionBatchOutput:
        """Runs the model on a batch, with AutoGraph where the user left that to us."""
        forward_pass = self.model.forward_pass
        if self._is_keras or isinstance(forward_pass, tf.types.experimental.PolymorphicFunction):
            output = forward_pass(batch, training=training)
        else:
            output = tf.function(lambda batch: forward_pass(batch, training=training))(batch)
        _check_output(output, self.model)
        return output

    def loss_of(self, output: ReconstructionBatchOutput) -> tf.Tensor:
        """The loss of a batch."""
        return self._loss(output.labels, output.predictions)

    def measure(self, output: ReconstructionBatchOutput) -> None:
        """Adds a batch to the metrics."""
        *others, loss = self.metrics
        for metric in others:
            metric.update_state(output.labels, output.predictions)
        weight = _count(output) if self._counts_examples else None
        loss.update_state(output.labels, output.predictions, sample_weight=weight)

    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        output = self.output(batch_input, training=training)
        return BatchOutput(self.loss_of(output), output.predictions, output.num_examples)

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        raise TypeError(f"{type(self.model).__name__} predicts for batches with labels only")

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return ReconstructionModel.read_metric_variables(self.metrics)

    def metric_finalizers(self) -> collections.OrderedDict[str, Callable[[Any], Any]]:
        return collections.OrderedDict(
            (metric.name, keras_finalizer.create_keras_metric_finalizer(metric))
            for metric in self.metrics
        )

    def reset_metrics(self) -> None:
        for metric in self.metrics:
            metric.reset_state()

    def _build(self, metric: Any) -> None:
        batch = tf.nest.map_structure(
            lambda spec: tf.zeros([size or 1 for size in spec.shape], spec.dtype),
            type_specs.element_structure(types.to_type(self.input_spec)),
        )
        output = self.output(batch, training=False)
        metric.update_state(output.labels, output.predictions)
        metric.reset_state()


def describe(parts: ModelParts) -> ModelSpec:
    """Finds out what an algorithm has to know; the weights are those of the global variables.

    Args:
      parts: what the algorithm was given.

    Returns:
      The description.

    Raises:
      ModelError: if a function does not make what it is for.
      ModelValueError: if two metrics have one name, or variables were made elsewhere.
    """
    for name in ("model_fn", "loss_fn", "metrics_fn"):
        _check_is_function(getattr(parts, name), name)
    return description.describe_model(parts.make)


def trace_training(
    parts: ModelParts,
    spec: ModelSpec,
    *,
    client_optimizer: AnyOptimizer,
    reconstruction_optimizer: AnyOptimizer,
    dataset_split_fn: ReconstructionDatasetSplitFn,
    client_weighting: ClientWeighting | Callable[[Any], Any],
) -> ConcreteComputation:
    """Traces what a client does in training.

    Args:
      parts: what the model is made of.
      spec: its description.
      client_optimizer: steps the global variables.
      reconstruction_optimizer: steps the local variables.
      dataset_split_fn: splits the data.
      client_weighting: the weight of a client.

    Returns:
      A computation of the type ``(<weights=W,data=B*,key=int64[2]> -> <model_delta=T,
      weight=float32,has_non_finite=bool,unfinalized_metrics=M>)``. The model delta is
      initial - final, so that it acts as a gradient; if it is infinite or NaN anywhere it is zero.
    """

    @tf.autograph.experimental.do_not_convert
    def train(weights: Any, data: tf.data.Dataset, key: tf.Tensor) -> Any:
        with keras_graphs.drawing_from(key):
            model = parts.make()
        first, second = _split(data, dataset_split_fn)
        _assign(model, weights)
        _reconstruct(model, first, reconstruction_optimizer)
        trained = [_to_variable(each) for each in trees.leaves(model.trainable_variables)]

        def measured_loss(batch: Any) -> tuple[tf.Tensor, Any]:
            output = model.output(batch, training=True)
            return model.loss_of(output), output

        num_examples = _descend(second, trained, client_optimizer, measured_loss, model.measure)
        final = trees.pack_like(weights.trainable, [tf.convert_to_tensor(v) for v in trained])
        delta = trees.map_structure(tf.subtract, weights.trainable, final)
        finite = _all_finite(trees.leaves(delta))
        unfinalized = model.report_local_unfinalized_metrics()
        if client_weighting is ClientWeighting.NUM_EXAMPLES:
            weight = tf.cast(num_examples, tf.float32)
        elif client_weighting is ClientWeighting.UNIFORM:
            weight = tf.constant(1.0)
        else:
            assert callable(client_weighting)
            weight = tf.cast(client_weighting(unfinalized), tf.float32)
        return collections.OrderedDict(
            model_delta=trees.map_structure(
                lambda leaf: tf.where(finite, leaf, tf.zeros_like(leaf)), delta
            ),
            weight=weight,
            has_non_finite=tf.logical_not(finite),
            unfinalized_metrics=unfinalized,
        )

    return tensorflow_backend.computation(
        train, spec.weights_type, SequenceType(spec.batch_type), _KEY_TYPE
    )


def trace_evaluation(
    parts: ModelParts,
    spec: ModelSpec,
    *,
    reconstruction_optimizer: AnyOptimizer,
    dataset_split_fn: ReconstructionDatasetSplitFn,
) -> ConcreteComputation:
    """Traces what a client does in an evaluation.

    Args:
      parts: what the model is made of.
      spec: its description.
      reconstruction_optimizer: steps the local variables.
      dataset_split_fn: splits the data.

    Returns:
      A computation of the type ``(<weights=W,data=B*,key=int64[2]> -> M)``, M the type of the
      unfinalized metrics.
    """

    @tf.autograph.experimental.do_not_convert
    def evaluate(weights: Any, data: tf.data.Dataset, key: tf.Tensor) -> Any:
        with keras_graphs.drawing_from(key):
            model = parts.make()
        first, second = _split(data, dataset_split_fn)
        _assign(model, weights)
        _reconstruct(model, first, reconstruction_optimizer)

        @tf.autograph.experimental.do_not_convert
        def measure(count: tf.Tensor, batch: Any) -> tf.Tensor:
            model.measure(model.output(batch, training=False))
            return count + 1

        second.reduce(tf.constant(0), measure)
        return model.report_local_unfinalized_metrics()

    return tensorflow_backend.computation(
        evaluate, spec.weights_type, SequenceType(spec.batch_type), _KEY_TYPE
    )


def _assign(model: MeasuredModel, weights: Any) -> None:
    groups = (
        (model.trainable_variables, weights.trainable),
        (model.non_trainable_variables, weights.non_trainable),
    )
    for variables, values in groups:
        for variable, value in zip(trees.leaves(variables), trees.leaves(values), strict=True):
            _to_variable(variable).assign(value)


def _reconstruct(model: MeasuredModel, data: tf.data.Dataset, optimizer: AnyOptimizer) -> None:
    """Trains the local variables."""
    local = [_to_variable(each) for each in trees.leaves(model.model.local_trainable_variables)]
    if not local:
        return

    def loss_of(batch: Any) -> tuple[tf.Tensor, Any]:
        output = model.output(batch, training=True)
        return model.loss_of(output), output

    _descend(data, local, optimizer, loss_of, lambda output: None)


def _descend(
    data: tf.data.Dataset,
    variables: Sequence[tf.Variable],
    optimizer: AnyOptimizer,
    loss_of: Callable[[Any], tuple[tf.Tensor, Any]],
    then: Callable[[Any], None],
) -> tf.Tensor:
    """Steps variables once for each batch; returns how many examples there were."""
    specs = [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
    first_state = trees.map_structure(tf.convert_to_tensor, optimizer.initialize(specs))

    @tf.autograph.experimental.do_not_convert
    def step(carried: tuple[tf.Tensor, ...], batch: Any) -> tuple[tf.Tensor, ...]:
        num_examples, *leaves = carried
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in variables:
                tape.watch(variable)
            loss, output = loss_of(batch)
        before = [tf.convert_to_tensor(variable) for variable in variables]
        gradients = [
            tf.zeros_like(value) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, value in zip(tape.gradient(loss, list(variables)), before, strict=True)
        ]
        state, after = optimizer.next(trees.pack_like(first_state, leaves), before, gradients)
        for variable, value in zip(variables, after, strict=True):
            variable.assign(value)
        then(output)
        return (num_examples + _count(output), *trees.leaves(state))

    start = (tf.constant(0, tf.int64), *trees.leaves(first_state))
    return data.reduce(start, step)[0]


def _split(
    data: tf.data.Dataset, dataset_split_fn: ReconstructionDatasetSplitFn
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    parts: Any = dataset_split_fn(data)
    is_pair = isinstance(parts, (tuple, list)) and len(parts) == 2
    if not is_pair or not all(isinstance(part, tf.data.Dataset) for part in parts):
        raise errors.ModelError(
            "`dataset_split_fn` does not return two datasets.",
            problems=[f"returned: got {descriptions.described(parts)}"],
            signature="(tf.data.Dataset -> (tf.data.Dataset, tf.data.Dataset))",
            where=callsites.line_of(dataset_split_fn),
            fix="return the data for reconstruction and the data for what comes after it, as "
            "`ReconstructionModel.build_dataset_split_fn(split_dataset=True)` does.",
        )
    expected = types.to_type(data.element_spec)
    problems = [
        f"part {number}: expected batches {expected}, got {got}"
        for number, part in enumerate(parts, 1)
        if not expected.is_assignable_from(got := types.to_type(part.element_spec))
    ]
    if problems:
        raise errors.ModelValueError(
            "`dataset_split_fn` returns datasets of other batches than it is given.",
            problems=problems,
            where=callsites.line_of(dataset_split_fn),
            fix="select batches, with `take`, `skip`, `filter` or `repeat`, and leave them as they "
            "are.",
        )
    return parts[0], parts[1]


def _to_variable(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _count(output: ReconstructionBatchOutput) -> tf.Tensor:
    if output.num_examples is None:
        return tf.shape(tf.nest.flatten(output.labels)[0], tf.int64)[0]
    return tf.cast(output.num_examples, tf.int64)


def _all_finite(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    floats = [each for each in tensors if each.dtype.is_floating or each.dtype.is_complex]
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(tf.abs(each))) for each in floats])


def _check_is_function(candidate: Any, name: str) -> None:
    if (name == "metrics_fn" and candidate is None) or callable(candidate):
        is_made = isinstance(candidate, (keras.losses.Loss, keras.metrics.Metric, keras.Model))
        if not is_made:
            return
    makes = {
        "model_fn": "a `tff.learning.models.ReconstructionModel`",
        "loss_fn": "a `keras.losses.Loss`",
        "metrics_fn": "a list of `keras.metrics.Metric`s",
    }[name]
    raise errors.ModelError(
        f"`{name}` is not a function.",
        problems=[f"{name}: got {descriptions.described(candidate)}"],
        fix=f"give a function without arguments that makes {makes}, and a new one at each call.",
    )


def _made(make: Callable[[], Any], name: str, kind: type[Any]) -> Any:
    made = make()
    if isinstance(made, kind):
        return made
    expected = {
        "model_fn": "a `tff.learning.models.ReconstructionModel`",
        "loss_fn": "a `keras.losses.Loss`",
        "metrics_fn": "a list",
    }[name]
    raise errors.ModelError(
        f"`{name}` does not return {expected}.",
        problems=[f"returned: got {descriptions.described(made)}"],
        where=callsites.line_of(make),
        fix={
            "model_fn": "make one with `tff.learning.models.ReconstructionModel."
            "from_keras_model_and_layers(...)`, or write a subclass.",
            "loss_fn": "return a loss, as `lambda: keras.losses.MeanSquaredError()` does.",
            "metrics_fn": "return a list, as `lambda: [keras.metrics.MeanAbsoluteError()]` does.",
        }[name],
    )


def _check_metrics(metrics: Sequence[Any], metrics_fn: Callable[[], Any] | None) -> None:
    problems = [
        f"returned[{index}]: got {descriptions.described(metric)}"
        for index, metric in enumerate(metrics)
        if not isinstance(metric, keras.metrics.Metric)
    ]
    if problems:
        raise errors.ModelError(
            "`metrics_fn` does not return a list of Keras metrics.",
            problems=problems,
            where=callsites.line_of(metrics_fn),
            fix="return instances, for example `[keras.metrics.MeanAbsoluteError()]`.",
        )


def _check_output(output: Any, model: ReconstructionModel) -> None:
    missing = [
        name for name in ("predictions", "labels", "num_examples") if not hasattr(output, name)
    ]
    if missing:
        raise errors.ModelError(
            f"`{type(model).__name__}.forward_pass` does not return what it has to.",
            problems=[f"{name}: the returned {type(output).__name__} has none" for name in missing],
            fix="return `tff.learning.models.ReconstructionBatchOutput(predictions=..., "
            "labels=..., num_examples=...)`.",
        )
