"""The weights of a model, as the server holds them and sends them."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from tensorflow_federated.core import (
    containers,
    errors,
    fields,
    structure,
    trees,
    types,
    value_tables,
)
from tensorflow_federated.core.types import StructWithPythonType, TensorType, Type
from tensorflow_federated.learning.models import frameworks
from tensorflow_federated.learning.models.variable import VariableModel


class ModelWeights(NamedTuple):
    """The weights of a model: those that training changes, and those that it leaves alone.

    Attributes:
      trainable: a structure (mostly a list) of arrays, tensors or variables.
      non_trainable: likewise.

    Examples:
      >>> weights = ModelWeights(trainable=[np.float32([1, 2])], non_trainable=[])
      >>> weights.trainable
      [array([1., 2.], dtype=float32)]
    """

    trainable: Any
    non_trainable: Any

    _repr_html_ = value_tables.to_html

    def __repr__(self) -> str:
        return value_tables.to_text(self)

    @classmethod
    def from_model(cls, model: Any) -> ModelWeights:
        """Collects the variables of a model.

        The states of random generators, which Keras counts among the non-trainable variables, are
        no weights and left out.

        Args:
          model: a `tff.learning.models.VariableModel` or a Keras model.

        Returns:
          The variables themselves, not copies.

        Raises:
          ModelError: if it is neither.
        """
        _check_has_weights(model, "ModelWeights.from_model")
        return cls(_variables(model.trainable_variables), _variables(model.non_trainable_variables))

    @classmethod
    def from_tff_result(cls, struct: Any) -> ModelWeights:
        """Makes weights of a structure with the elements `trainable` and `non_trainable`.

        Args:
          struct: a `tff.structure.Struct`, a mapping, or weights.

        Returns:
          The weights; what is a `Struct` inside becomes a list.

        Raises:
          ModelError: if one of the two elements is missing.
        """
        elements = containers.unpack(struct)
        named = {} if elements is None else dict(elements)
        missing = [name for name in cls._fields if name not in named]
        if missing:
            raise errors.ModelError(
                "this is not the structure of model weights.",
                problems=[f"got: {struct!r:.100}", f"missing: {', '.join(missing)}"],
                signature="<trainable=<...>,non_trainable=<...>>",
                fix="give the weights that `process.get_model_weights(state)` returns.",
            )
        return cls(_without_struct(named["trainable"]), _without_struct(named["non_trainable"]))

    def assign_weights_to(self, model: Any) -> None:
        """Sets the variables of a model to these weights.

        Args:
          model: a `tff.learning.models.VariableModel` or a Keras model of the same structure.

        Raises:
          ModelError: if it is neither.
          ModelValueError: if its weights are others in number, names or shapes.
        """
        _check_has_weights(model, "ModelWeights.assign_weights_to")
        own = ModelWeights.from_model(model)
        problems: list[str] = []
        pairs = [
            *_matched(own.trainable, self.trainable, "trainable", problems),
            *_matched(own.non_trainable, self.non_trainable, "non_trainable", problems),
        ]
        if problems:
            raise errors.ModelValueError(
                "the weights do not fit the model.",
                problems=problems,
                fix="give the weights to a model that is built as the trained one is.",
            )
        for variable, value in pairs:
            variable.assign(value)

    def convert_variables_to_arrays(self) -> ModelWeights:
        """Returns the weights as numpy arrays, apart from the variables they came from."""
        return ModelWeights(
            trees.map_structure(_to_array, self.trainable),
            trees.map_structure(_to_array, self.non_trainable),
        )


containers.register_container("learning.ModelWeights", ModelWeights)


def weights_type_from_model(model: Any) -> StructWithPythonType:
    """Deduces the type of the weights of a model.

    Args:
      model: a `tff.learning.models.VariableModel`, or a function that makes one.

    Returns:
      The type, `<trainable=<...>,non_trainable=<...>>`, a `ModelWeights` in Python.

    Raises:
      ModelError: if it is neither.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer="zeros")
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> print(tff.learning.models.weights_type_from_model(model_fn))
      <trainable=<float32[1,1],float32[1]>,non_trainable=<>>
    """
    if not isinstance(model, VariableModel):
        if not callable(model) or frameworks.is_keras_model(model):
            raise _no_variable_model(model)
        model = cast("Callable[[], Any]", model)()
        if not isinstance(model, VariableModel):
            raise _no_variable_model(model)
    weights = ModelWeights.from_model(model)
    return StructWithPythonType(
        [
            ("trainable", _type_of(weights.trainable)),
            ("non_trainable", _type_of(weights.non_trainable)),
        ],
        ModelWeights,
    )


def _no_variable_model(candidate: Any) -> errors.ModelError:
    return errors.ModelError(
        "`weights_type_from_model` needs a model, or a function that makes one.",
        problems=[f"got: {candidate!r:.100}"],
        fix="give a `tff.learning.models.VariableModel`, as `from_keras_model` makes one.",
    )


def _check_has_weights(model: Any, what: str) -> None:
    if isinstance(model, VariableModel) or frameworks.is_keras_model(model):
        return
    if frameworks.is_legacy_keras(model) and hasattr(model, "trainable_variables"):
        return
    raise errors.ModelError(
        f"`{what}` needs a model.",
        problems=[f"got: {model!r:.100}"],
        fix="give a `tff.learning.models.VariableModel` or a `keras.Model`.",
    )


def _variables(listed: Any) -> Any:
    """The variables that a model lists, in plain containers, without the states of generators."""
    elements = containers.unpack(listed)
    if elements is None:
        return frameworks.to_framework_variable(listed)
    kept = [
        (name, _variables(element))
        for name, element in elements
        if containers.unpack(element) is not None or not frameworks.is_seed_state(element)
    ]
    values = [value for _, value in kept]
    if isinstance(listed, Mapping):
        return dict(kept) if type(listed) is dict else collections.OrderedDict(kept)
    if fields.is_named_tuple(listed) or fields.is_attrs(listed):
        return type(listed)(*values) if len(values) == len(elements) else values
    return tuple(values) if isinstance(listed, tuple) else values


def _type_of(variables: Any) -> Type:
    elements = containers.unpack(variables)
    if frameworks.is_keras_variable(variables):
        return TensorType(np.dtype(variables.value.dtype), variables.shape)
    if elements is None:
        shape = None if variables.shape.rank is None else variables.shape.as_list()
        return TensorType(variables.dtype.as_numpy_dtype, shape)
    return types.StructWithPythonType(
        [(name, _type_of(element)) for name, element in elements], type(variables)
    )


def _without_struct(value: Any) -> Any:
    if isinstance(value, structure.Struct):
        return [_without_struct(element) for _, element in structure.iter_elements(value)]
    return value


def _matched(variables: Any, values: Any, path: str, problems: list[str]) -> list[tuple[Any, Any]]:
    """The variables with their values; what does not fit is added to the problems."""
    elements, given = containers.unpack(variables), containers.unpack(values)
    if elements is None:
        if given is not None:
            problems.append(f"{path}: expected one array, got {len(given)} elements")
            return []
        if not _fits(variables, np.shape(values)):
            problems.append(
                f"{path}: expected shape {list(variables.shape)}, got {list(np.shape(values))}"
            )
        return [(variables, values)]
    if given is None:
        problems.append(f"{path}: expected {len(elements)} elements, got one array")
        return []
    names, given_names = [n for n, _ in elements], [n for n, _ in given]
    if len(names) != len(given_names):
        problems.append(f"{path}: expected {len(names)} elements, got {len(given_names)}")
        return []
    by_name = dict(given)
    if None not in names and None not in given_names:
        if set(names) != set(given_names):
            problems.append(f"{path}: expected the names {names}, got {given_names}")
            return []
        given = [(name, by_name[name]) for name in names]
    pairs: list[tuple[Any, Any]] = []
    for index, ((name, variable), (_, value)) in enumerate(zip(elements, given, strict=True)):
        inner = f"{path}[{index}]" if name is None else f"{path}.{name}"
        pairs.extend(_matched(variable, value, inner, problems))
    return pairs


def _fits(variable: Any, shape: tuple[int, ...]) -> bool:
    if frameworks.is_keras_variable(variable):
        return tuple(variable.shape) == shape
    return variable.shape.is_compatible_with(shape)


def _to_array(weight: Any) -> Any:
    if frameworks.is_jax_array(weight):
        return np.array(weight)
    # A variable may share its memory with the array that it gives.
    return np.array(weight.numpy()) if hasattr(weight, "numpy") else weight
