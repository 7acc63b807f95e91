"""A functional model on values of its weights: no variable is touched.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.core import trees
from tensorflow_federated.learning.models import batches, frameworks, runners
from tensorflow_federated.learning.models.functional_variables import WithOwnMetrics
from tensorflow_federated.learning.models.recording import RecordedModel
from tensorflow_federated.learning.models.variable import BatchOutput


class FunctionalRunner:
    """Runs a functional model that brings its own metrics; see `runners.Runner`."""

    def __init__(self, recorded: RecordedModel, model: WithOwnMetrics) -> None:
        """Makes a runner of a model.

        Args:
          recorded: the model and its variables, for their forms alone.
          model: the same model.
        """
        self.recorded = recorded
        self._model = model
        self._functional = model.functional_model

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        return ()

    def another(self, make_model: Callable[[], RecordedModel]) -> runners.Runner:
        return self

    @property
    def hidden(self) -> Sequence[runners.Hidden]:
        return [
            runners.Hidden(value, frameworks.is_seed_state(variable))
            for variable, value in zip(
                self.recorded.hidden, self.recorded.hidden_values, strict=True
            )
        ]

    def run(self, values: runners.Values, batch: Any, *, training: bool) -> runners.Step:
        # A function of its own, for AutoGraph converts what the user wrote in Python.
        converted = tf.function(
            lambda values, batch: self._pass(runners.Values(*values), batch, training)
        )
        return converted(tuple(values), batch)

    def report(self, values: runners.Values, reset: tf.Tensor | None) -> Any:
        reported = trees.pack_like(self._model.metrics_state, values.local)
        if reset is None:
            return reported
        start = self._functional.initialize_metrics_state()
        return trees.map_structure(
            lambda counted, zero: tf.where(reset, tf.cast(zero, counted.dtype), counted),
            reported,
            start,
        )

    def _pass(self, values: runners.Values, batch: Any, training: bool) -> runners.Step:
        model = self._functional
        features, labels = batches.split(batch)
        key, next_hidden = (), values.hidden
        if training and model.takes_key:
            (number,) = values.hidden
            key, next_hidden = (number,), [number + tf.constant([0, 1], tf.int64)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if training:
                tape.watch(values.trainable)
            weights = (
                trees.pack_like(self._model.trainable_variables, values.trainable),
                trees.pack_like(self._model.non_trainable_variables, values.non_trainable),
            )
            predictions = model.predict_on_batch(weights, features, training, *key)
            loss = model.loss(predictions, labels)
        gradients = None
        if training:
            gradients = runners.dense(tape.gradient(loss, values.trainable), values.trainable)
        num_examples = tf.shape(tf.nest.flatten(predictions)[0])[0]
        output = BatchOutput(loss, predictions, num_examples)
        runners.check_output(output, self._model)
        state = trees.pack_like(self._model.metrics_state, values.local)
        updated = trees.leaves(model.update_metrics_state(state, labels, output))
        local = [
            tf.convert_to_tensor(new, old.dtype)
            for new, old in zip(updated, values.local, strict=True)
        ]
        after = runners.Values(values.trainable, values.non_trainable, local, next_hidden)
        return runners.Step(runners.count_examples(output), gradients, after, output)
