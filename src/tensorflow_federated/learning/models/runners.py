"""A model as pure functions of the values of its variables, inside a TensorFlow graph.

There are several ways. `VariableRunner` sets the model's variables, calls it, and reads them: this
works for every model, and where the graph tells all that is done to the variables, values take
their place afterwards. `StatelessRunner` lets Keras compute on tensors to begin with; both give the
same numbers. `FunctionalRunner` does so for functional models, and `LoadedRunner` calls the
functions of a saved model.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import errors, trees
from tensorflow_federated.learning.models import frameworks, keras_scopes
from tensorflow_federated.learning.models.recording import RecordedModel
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

if TYPE_CHECKING:
    import keras

    from tensorflow_federated.learning.models.keras_model import KerasModel

Tensors = list[tf.Tensor]


class Values(NamedTuple):
    """The values of all variables of a model, flat.

    Attributes:
      trainable: of the weights that training changes.
      non_trainable: of the other weights.
      local: of the variables behind the metrics.
      hidden: of whatever else changes: states of random generators, unlisted counters.
    """

    trainable: Tensors
    non_trainable: Tensors
    local: Tensors
    hidden: Tensors


@dataclasses.dataclass(frozen=True)
class Hidden:
    """A variable that a model has and does not list.

    Attributes:
      value: what it starts with at each client.
      is_seed: whether it starts with random bits of the client's key instead.
    """

    value: np.ndarray
    is_seed: bool


class Step(NamedTuple):
    """What a forward pass gives.

    Attributes:
      num_examples: the number of examples of the batch, int64.
      gradients: the gradients of the trainable weights; None if none were asked for.
      values: the values of the variables afterwards.
      output: what the model gave.
    """

    num_examples: tf.Tensor
    gradients: Tensors | None
    values: Values
    output: BatchOutput


class WeightsChangeError(Exception):
    """A forward pass sets a weight that is trained, as `SpectralNormalization` does.

    What its gradients are then is a matter of variables.
    """


class Runner(Protocol):
    """A model as pure functions."""

    recorded: RecordedModel

    @property
    def hidden(self) -> Sequence[Hidden]:
        """The hidden variables."""
        ...

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """The variables that running sets, so that two runs at a time would mix."""
        ...

    def another(self, make_model: Callable[[], RecordedModel]) -> Runner:
        """A runner for another computation, which may run at the same time."""
        ...

    def run(self, values: Values, batch: Any, *, training: bool) -> Step:
        """Runs a forward pass on a batch; and a backward pass if it is for training."""
        ...

    def report(self, values: Values, reset: tf.Tensor | None) -> Any:
        """Reads the unfinalized metrics; `reset` says whether to reset them first."""
        ...


class VariableRunner:
    """Runs a model on its own variables, which it sets before and reads after.

    Whoever runs the traced functions runs one at a time: they share the variables.
    """

    def __init__(self, recorded: RecordedModel) -> None:
        """Makes a runner of a model that nothing else uses."""
        self.recorded = recorded
        self._groups = (
            recorded.trainable,
            recorded.non_trainable,
            recorded.local,
            recorded.hidden,
        )

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        return tuple(variable for group in self._groups for variable in group)

    def another(self, make_model: Callable[[], RecordedModel]) -> Runner:
        return VariableRunner(make_model())

    @property
    def hidden(self) -> Sequence[Hidden]:
        return [
            Hidden(value, frameworks.is_seed_state(variable))
            for variable, value in zip(
                self.recorded.hidden, self.recorded.hidden_values, strict=True
            )
        ]

    def run(self, values: Values, batch: Any, *, training: bool) -> Step:
        model, weights = self.recorded.model, self.recorded.trainable
        self._assign(values)
        gradients = None
        if training:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for variable in weights:
                    tape.watch(variable)
                output = _forward_pass(model, batch, training)
            gradients = dense(tape.gradient(output.loss, list(weights)), values.trainable)
        else:
            output = _forward_pass(model, batch, training)
        return Step(count_examples(output), gradients, self._read(), output)

    def sources(self, values: Values) -> Sequence[Any]:
        """What gradients are taken by: the variables of the trainable weights."""
        del values
        return self.recorded.trainable

    def apply(self, method: Callable[[], Any], values: Values) -> tuple[Any, Values]:
        """Calls a method of the model; see `StatelessRunner.apply`."""
        self._assign(values)
        result = method()
        return result, self._read()

    def report(self, values: Values, reset: tf.Tensor | None) -> Any:
        self._assign(values)
        reported = self._reported()
        if reset is None:
            return reported
        self.recorded.model.reset_metrics()
        return trees.map_structure(
            lambda counted, zero: tf.where(reset, zero, counted), reported, self._reported()
        )

    def _reported(self) -> Any:
        reported = self.recorded.model.report_local_unfinalized_metrics()
        return trees.map_structure(tf.convert_to_tensor, reported)

    def _assign(self, values: Values) -> None:
        for variables, tensors in zip(self._groups, values, strict=True):
            for variable, tensor in zip(variables, tensors, strict=True):
                variable.assign(tensor)

    def _read(self) -> Values:
        return Values(*([variable.read_value() for variable in group] for group in self._groups))


class StatelessRunner:
    """Runs a model made by `from_keras_model` on tensors in place of its variables."""

    def __init__(self, recorded: RecordedModel, model: KerasModel) -> None:
        """Makes a runner of a model.

        Args:
          recorded: the model and its variables.
          model: the same model.
        """
        self.recorded = recorded
        self._model = model
        self._hidden: list[keras.Variable] = list(model.keras_seeds)
        self._found: dict[int, keras.Variable] = {}

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        return ()

    def another(self, make_model: Callable[[], RecordedModel]) -> Runner:
        return self

    @property
    def hidden(self) -> Sequence[Hidden]:
        return [
            Hidden(np.array(variable.numpy()), frameworks.is_seed_state(variable))
            for variable in self._hidden
        ]

    def take_in_found(self) -> bool:
        """Adds the variables that a forward pass was found to change to the hidden ones.

        Returns:
          Whether there were any, so that what was traced before is not valid.
        """
        found = list(self._found.values())
        self._hidden.extend(found)
        self._found.clear()
        return bool(found)

    def run(self, values: Values, batch: Any, *, training: bool) -> Step:
        model = self._model
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if training:
                tape.watch(values.trainable)
            output, changed = self.apply(lambda: model.forward_pass(batch, training), values)
            check_output(output, model)
        gradients = None
        if training:
            gradients = dense(tape.gradient(output.loss, values.trainable), values.trainable)
        return Step(count_examples(output), gradients, changed, output)

    def sources(self, values: Values) -> Sequence[Any]:
        """What gradients are taken by: the values of the trainable weights."""
        return values.trainable

    def apply(self, method: Callable[[], Any], values: Values) -> tuple[Any, Values]:
        """Calls a method of the model.

        Args:
          method: the method, bound to its arguments.
          values: the values of the variables before.

        Returns:
          The result, and the values of the variables afterwards.
        """
        model = self._model
        mapping = self._mapping(values)
        with keras_scopes.stateless_scope(mapping) as scope:
            result = method()
        known = {id(variable) for variable, _ in mapping}
        for variable in scope.updated:
            if id(variable) not in known:
                self._found[id(variable)] = variable
            elif any(variable is each for each in model.keras_trainable):
                raise WeightsChangeError(f"{variable.path} is set by the forward pass")

        def current(variables: Sequence[keras.Variable]) -> Tensors:
            return [scope.get_current_value(variable) for variable in variables]

        changed = Values(
            values.trainable,
            current(model.keras_non_trainable),
            current(model.keras_local),
            current(self._hidden),
        )
        return result, changed

    def report(self, values: Values, reset: tf.Tensor | None) -> Any:
        model = self._model
        mapping = self._mapping(values)
        with keras_scopes.stateless_scope(mapping):
            reported = model.report_local_unfinalized_metrics()
        if reset is None:
            return reported
        with keras_scopes.stateless_scope(mapping):
            model.reset_metrics()
            after_reset = model.report_local_unfinalized_metrics()
        return trees.map_structure(
            lambda counted, zero: tf.where(reset, zero, counted), reported, after_reset
        )

    def _mapping(self, values: Values) -> list[tuple[keras.Variable, tf.Tensor]]:
        model = self._model
        groups = (
            model.keras_trainable,
            model.keras_non_trainable,
            model.keras_local,
            self._hidden,
        )
        return [
            pair
            for variables, tensors in zip(groups, values, strict=True)
            for pair in zip(variables, tensors, strict=True)
        ]


def _forward_pass(model: VariableModel, batch: Any, training: bool) -> BatchOutput:
    """Calls the model, with AutoGraph where the user left that to us."""
    forward_pass = model.forward_pass
    if not isinstance(forward_pass, tf.types.experimental.PolymorphicFunction):
        converted = tf.function(lambda batch: model.forward_pass(batch, training=training))
        forward_pass = lambda batch, training: converted(batch)  # noqa: E731
    output = forward_pass(batch, training=training)
    check_output(output, model)
    return output


def check_output(output: Any, model: VariableModel) -> None:
    """Checks what a forward pass gave.

    Args:
      output: what it gave.
      model: the model, for messages.

    Raises:
      ModelError: if it is no `BatchOutput`.
      ModelValueError: if it has no loss, or does not say how many examples the batch has.
    """
    name = f"{type(model).__name__}.forward_pass"
    if not isinstance(output, BatchOutput):
        raise errors.ModelError(
            f"`{name}` does not return a `tff.learning.models.BatchOutput`.",
            problems=[f"returned: {output!r:.100}"],
            fix="return `tff.learning.models.BatchOutput(loss=..., predictions=..., "
            "num_examples=...)`.",
        )
    loss = output.loss
    if loss is None or tf.convert_to_tensor(loss).shape.rank != 0:
        shape = None if loss is None else tf.convert_to_tensor(loss).shape
        raise errors.ModelValueError(
            f"`{name}` does not return the loss of the batch.",
            problems=[f"loss: expected a scalar, got {shape and f'shape {shape.as_list()}'}"],
            fix="return the mean of the losses of the examples.",
        )
    if output.num_examples is None and output.predictions is None:
        raise errors.ModelValueError(
            f"`{name}` does not say how many examples the batch has.",
            problems=["num_examples: got None", "predictions: got None"],
            fix="return `num_examples=tf.shape(labels)[0]`.",
        )


def count_examples(output: BatchOutput) -> tf.Tensor:
    """The number of examples of a batch, int64."""
    if output.num_examples is None:
        return tf.shape(tf.nest.flatten(output.predictions)[0], tf.int64)[0]
    return tf.cast(output.num_examples, tf.int64)


def dense(gradients: Sequence[Any], weights: Sequence[tf.Tensor]) -> Tensors:
    """Gradients as tensors: zeros where a weight has no part in the loss."""
    return [
        tf.zeros_like(weight) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, weight in zip(gradients, weights, strict=True)
    ]


def random_bits(key: tf.Tensor, index: int, value: np.ndarray) -> tf.Tensor:
    """The start of a random generator: a function of a client's key and the generator's number."""
    own_key: Any = tf.random.fold_in(key, index)
    bits = tf.random.stateless_uniform(
        value.shape, own_key, minval=0, maxval=2**31 - 1, dtype=tf.int64
    )
    return tf.cast(bits, tf.as_dtype(value.dtype))
