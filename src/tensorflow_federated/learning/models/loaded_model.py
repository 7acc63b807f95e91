"""Models with variables that were read from a file.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import trees, type_encoding
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import serialization
from tensorflow_federated.learning.models import from_keras, runners, saved_calls
from tensorflow_federated.learning.models.recording import RecordedModel
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

Content = collections.OrderedDict[str, Any]
"""What is saved of a model: the values of its variables, and its methods as computations.

The methods are in bytes of their own. `train`, `evaluate`: ``(<state=S,batch=B> ->
<loss,predictions,num_examples,gradients,state=S>)``, with no gradients to evaluate.
`predict_training`, `predict`: ``(<state=S,x=X> -> <predictions,state=S>)``; with `_gradient` after
the name: ``(<state=S,x=X,upstream> -> gradients)``, those of the trainable weights and of the
features. `report`: ``(S -> M)``. `reset`: ``(S -> S)``. `finalizers`: the bytes of one computation
for each metric of M, or of one for all. S are the values of all variables, flat. `is_pure` says
that no method has variables inside.
"""


class LoadedModel(VariableModel):
    """A model that was saved, with variables of its own."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Makes the variables.

        Args:
          content: what `saved_variables.to_content` gave.
        """
        self._content = content
        self._methods: dict[str, Computation] = {}
        if not content["is_pure"]:
            # Not in the graph that calls them first, which would set their variables back.
            self._methods = {
                name: serialization.deserialize_computation(data)
                for name, data in content["methods"].items()
            }
        self._input_spec = from_keras.to_specs(self.batch_type)

        def variable(value: Any, **options: Any) -> tf.Variable:
            return tf.Variable(value, **options)

        self._trainable = trees.map_structure(variable, content["trainable"])
        self._non_trainable = trees.map_structure(
            lambda value: variable(value, trainable=False), content["non_trainable"]
        )
        self._local = [variable(value, trainable=False) for value in content["local"]]
        self._hidden = [
            variable(value, trainable=False, name=_seed_name(value) if is_seed else "hidden")
            for value, is_seed in zip(content["hidden"], content["is_seed"], strict=True)
        ]

    @property
    def batch_type(self) -> Type:
        """The type of a batch."""
        return type_encoding.deserialize_type(self._content["batch_type"])

    @property
    def hidden(self) -> list[runners.Hidden]:
        """The variables that the model does not list."""
        return [
            runners.Hidden(np.array(variable.numpy()), bool(is_seed))
            for variable, is_seed in zip(self._hidden, self._content["is_seed"], strict=True)
        ]

    @property
    def inner_variables(self) -> tuple[tf.Variable, ...]:
        """The variables inside the methods, which each call sets."""
        functions: Any = [each.node.computation.function for each in self._methods.values()]  # pyright: ignore
        return tuple(variable for function in functions for variable in function.variables)

    @property
    def trainable_variables(self) -> Any:
        return self._trainable

    @property
    def non_trainable_variables(self) -> Any:
        return self._non_trainable

    @property
    def local_variables(self) -> list[tf.Variable]:
        return self._local

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    @tf.autograph.experimental.do_not_convert
    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        values = self._values()
        result = trees.map_structure(
            tf.stop_gradient, self.run(values, batch_input, training=training)
        )
        self._assign(result["state"])
        loss = result["loss"]
        if training:
            # The gradients are those of the model that was saved, custom ones too.
            loss = saved_calls.with_gradients(loss, values[0], result["gradients"])
        return to_output(result)._replace(loss=loss)

    @tf.autograph.experimental.do_not_convert
    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        name = "predict_training" if training else "predict"
        trainable, *others = self._values()
        states: list[Any] = []

        def predict(first: Any) -> Any:
            weights, x = first
            result = self._call(name, (weights, *others), x)
            states.append(result["state"])
            return result["predictions"]

        def gradient(first: Any, upstream: Any) -> Any:
            weights, x = first
            return self._call(f"{name}_gradient", (weights, *others), x, upstream)

        predictions = saved_calls.differentiable(predict, gradient)((trainable, batch_input))
        self._assign(states[-1])
        return predictions

    @tf.autograph.experimental.do_not_convert
    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return self.report(self._values())

    def metric_finalizers(self) -> Any:
        finalizers = self._content["finalizers"]
        if not isinstance(finalizers, Mapping):
            return saved_calls.decode(finalizers)
        return collections.OrderedDict(
            (name, saved_calls.decode(data)) for name, data in finalizers.items()
        )

    @tf.autograph.experimental.do_not_convert
    def reset_metrics(self) -> None:
        self._assign(self.reset(self._values()))

    def run(self, values: Any, batch: Any, *, training: bool) -> Any:
        """A forward pass, as a function of the values of the variables; see `Content`."""
        return self._call("train" if training else "evaluate", values, batch)

    def report(self, values: Any) -> Any:
        """The unfinalized metrics, as a function of the values of the variables."""
        return self._call("report", values)

    def reset(self, values: Any) -> Any:
        """The values of the variables after the metrics are reset."""
        return self._call("reset", values)

    def to_content(self) -> Content:
        """What is to be saved of this model: what was read, with what the variables hold now."""
        now = collections.OrderedDict(self._content)
        for name, variables in (
            ("trainable", self._trainable),
            ("non_trainable", self._non_trainable),
            ("local", self._local),
            ("hidden", self._hidden),
        ):
            now[name] = trees.map_structure(lambda each: np.array(each.numpy()), variables)
        return now

    def _call(self, name: str, *arguments: Any) -> Any:
        method = self._methods.get(name)
        if method is None:
            method = self._methods[name] = saved_calls.decode(self._content["methods"][name])
        return saved_calls.called(method, arguments)

    def _values(self) -> Any:
        weights = (trees.leaves(self._trainable), trees.leaves(self._non_trainable))
        groups = (*weights, self._local, self._hidden)
        return tuple([tf.convert_to_tensor(each) for each in group] for group in groups)

    def _assign(self, state: Any) -> None:
        # The forward pass of a Keras model that was traced as a pure one sets no weights.
        trainable = [] if self._content["is_pure"] else trees.leaves(self._trainable)
        groups = (trainable, trees.leaves(self._non_trainable), self._local, self._hidden)
        new = list(state) if trainable else [[], *list(state)[1:]]
        for variables, values in zip(groups, new, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


class LoadedRunner:
    """Runs a loaded model on values of its variables; see `runners.Runner`."""

    def __init__(self, recorded: RecordedModel, model: LoadedModel) -> None:
        """Makes a runner of a model.

        Args:
          recorded: the model and its variables.
          model: the same model.
        """
        self.recorded = recorded
        self._model = model

    @property
    def hidden(self) -> Sequence[runners.Hidden]:
        return self._model.hidden

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        return self._model.inner_variables

    def another(self, make_model: Callable[[], RecordedModel]) -> runners.Runner:
        if not self.variables:
            return self
        recorded = make_model()
        assert isinstance(recorded.model, LoadedModel)
        return LoadedRunner(recorded, recorded.model)

    def run(self, values: runners.Values, batch: Any, *, training: bool) -> runners.Step:
        result = self._model.run(tuple(values), batch, training=training)
        output = to_output(result)
        gradients = list(result["gradients"]) if training else None
        return runners.Step(
            runners.count_examples(output), gradients, _to_values(result["state"]), output
        )

    def report(self, values: runners.Values, reset: tf.Tensor | None) -> Any:
        reported = self._model.report(tuple(values))
        if reset is None:
            return reported
        zeros = self._model.report(self._model.reset(tuple(values)))
        return trees.map_structure(
            lambda counted, zero: tf.where(reset, zero, counted), reported, zeros
        )


def to_output(result: Any) -> BatchOutput:
    """What a forward pass gave, of the result of one that was saved."""
    predictions = result["predictions"][0] if len(result["predictions"]) else None
    return BatchOutput(result["loss"], predictions, result["num_examples"])


def _to_values(state: Any) -> runners.Values:
    return runners.Values(*map(list, state))


def _seed_name(value: Any) -> str:
    """A name that `frameworks.is_seed_state` knows."""
    return "seed_generator_state" if np.shape(value) == (2,) else "StateVar"
