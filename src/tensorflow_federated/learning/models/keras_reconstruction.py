"""Reconstruction models made of Keras models. Importing this module imports TensorFlow."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.learning.models import (
    batches,
    frameworks,
    from_keras,
    keras_model,
    reconstruction_model,
)

_CLASS = "tff.learning.models.ReconstructionModel"
_LAYERS = f"`{_CLASS}.from_keras_model_and_layers`"
_VARIABLES = f"`{_CLASS}.from_keras_model_and_variables`"


class KerasReconstructionModel(reconstruction_model.ReconstructionModel):
    """A Keras model and which of its variables are global and which are local."""

    def __init__(
        self, model: keras.Model, variables: Mapping[str, Sequence[Any]], input_spec: Any
    ) -> None:
        """Takes what was checked.

        Args:
          model: the Keras model.
          variables: the four lists of variables, by the names of the properties.
          input_spec: the form of a batch.
        """
        self._keras_model = model
        self._input_spec = input_spec
        self._variables = {
            name: [
                frameworks.to_framework_variable(variable)
                for variable in listed
                if not frameworks.is_seed_state(variable)
            ]
            for name, listed in variables.items()
        }

    @property
    def global_trainable_variables(self) -> list[tf.Variable]:
        return self._variables["global_trainable_variables"]

    @property
    def global_non_trainable_variables(self) -> list[tf.Variable]:
        return self._variables["global_non_trainable_variables"]

    @property
    def local_trainable_variables(self) -> list[tf.Variable]:
        return self._variables["local_trainable_variables"]

    @property
    def local_non_trainable_variables(self) -> list[tf.Variable]:
        return self._variables["local_non_trainable_variables"]

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    def forward_pass(
        self, batch_input: Any, training: bool = True
    ) -> reconstruction_model.ReconstructionBatchOutput:
        features, labels = batches.split(batch_input)
        inputs = keras_model.arrange_inputs(self._keras_model, features)
        return reconstruction_model.ReconstructionBatchOutput(
            predictions=self._keras_model(inputs, training=training),
            labels=labels,
            num_examples=tf.shape(tf.nest.flatten(features)[0])[0],
        )


def from_layers(
    model: Any, global_layers: Sequence[Any], local_layers: Sequence[Any], input_spec: Any
) -> KerasReconstructionModel:
    """See `ReconstructionModel.from_keras_model_and_layers`."""
    spec = _checked(model, input_spec, _LAYERS)
    from_keras.ensure_built(model, spec)
    lists = {"global": global_layers, "local": local_layers}
    problems = [
        f"{name}_layers[{index}]: expected a `keras.layers.Layer`, got {type(layer).__name__}"
        for name, layers in lists.items()
        for index, layer in enumerate(layers)
        if not isinstance(layer, keras.layers.Layer)
    ]
    if problems:
        raise errors.ModelError(
            f"{_LAYERS} needs the layers of the Keras model.",
            problems=problems,
            fix="give lists of the layers themselves, as `[item_embedding]`.",
        )
    variables = {
        f"{name}_{kind}_variables": [
            variable for layer in layers for variable in getattr(layer, f"{kind}_variables")
        ]
        for name, layers in lists.items()
        for kind in ("trainable", "non_trainable")
    }
    _check_partition(model, variables, _LAYERS)
    return KerasReconstructionModel(model, variables, spec)


def from_variables(
    model: Any, variables: Mapping[str, Sequence[Any]], input_spec: Any
) -> KerasReconstructionModel:
    """See `ReconstructionModel.from_keras_model_and_variables`."""
    spec = _checked(model, input_spec, _VARIABLES)
    if not model.built:
        raise errors.ModelValueError(
            f"{_VARIABLES} needs a model whose variables are made.",
            problems=[f"keras_model: {model.name!r} is not built"],
            fix="give it a `keras.Input`, or call it on one batch before.",
        )
    _check_partition(model, variables, _VARIABLES)
    return KerasReconstructionModel(model, variables, spec)


def _checked(model: Any, input_spec: Any, user: str) -> Any:
    """Checks model and spec; gives the spec as a structure of specs of TensorFlow."""
    from_keras.check_framework(user)
    from_keras.check_keras_model(model, user)
    if model.compiled:
        raise errors.ModelValueError(
            f"{user} needs a model that is not compiled.",
            problems=[f"keras_model: {model.name!r} has been compiled"],
            fix="leave `compile` out: loss, metrics and optimizers are arguments of the algorithm.",
        )
    return from_keras.checked_input_spec(input_spec)


def _check_partition(model: Any, variables: Mapping[str, Sequence[Any]], user: str) -> None:
    """Checks that each variable of a model is in exactly one list."""
    lists = {
        name: {id(frameworks.to_framework_variable(variable)): variable for variable in listed}
        for name, listed in variables.items()
    }
    own = {
        id(frameworks.to_framework_variable(variable)): variable
        for variable in [*model.trainable_variables, *model.non_trainable_variables]
        if not frameworks.is_seed_state(variable)
    }
    problems = [
        f"{_named(one[key])}: in `{first}` and in `{second}`"
        for (first, one), (second, other) in itertools.combinations(lists.items(), 2)
        for key in one.keys() & other.keys()
    ]
    listed = {key: variable for each in lists.values() for key, variable in each.items()}
    problems += [
        f"{_named(variable)}: in no list" for key, variable in own.items() if key not in listed
    ]
    problems += [
        f"{_named(variable)}: no variable of the model {model.name!r}"
        for key, variable in listed.items()
        if key not in own and not frameworks.is_seed_state(variable)
    ]
    if problems:
        raise errors.ModelValueError(
            f"{user} needs each variable of the Keras model in exactly one list.",
            problems=problems[:8] + ([f"and {len(problems) - 8} more"] if problems[8:] else []),
            fix="list what the server may average as global, and what stays at a client as local.",
        )


def _named(variable: Any) -> str:
    return f"{getattr(variable, 'path', variable.name)!r} of shape {list(variable.shape)}"
