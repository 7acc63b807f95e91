"""Makes a model of a Keras model: checks what it is given, and builds what is not built."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorflow_federated.core import containers, errors, structure, types
from tensorflow_federated.core.types import StructType, StructWithPythonType, TensorType, Type
from tensorflow_federated.learning.metrics import class_accuracies, functional_metrics, metric_calls
from tensorflow_federated.learning.models import batches, frameworks
from tensorflow_federated.learning.models.variable import VariableModel

_NAME = "`tff.learning.models.from_keras_model`"
_AUTOMATIC = "loss"


@errors.boundary
def from_keras_model(
    keras_model: Any,
    loss: Any,
    input_spec: Any,
    loss_weights: Sequence[float] | None = None,
    metrics: Any = None,
) -> VariableModel:
    """Makes a model of a Keras model, its losses and its metrics.

    Call it inside the function that a federated algorithm is given, together with the code that
    makes the Keras model, its losses and its metrics.

    The loss of a batch is that of `loss`, or the weighted sum of several, and what the layers add
    (regularizers). Reported are the user's metrics, then `loss` (the mean over examples, without
    what the layers add), `num_examples` and `num_batches`.

    Args:
      keras_model: a Keras 3 model on the TensorFlow or the JAX backend, not compiled:
        `Sequential`, functional or subclassed; or one of Keras 2 (`tf_keras`), as `tf.keras` makes
        it where TF_USE_LEGACY_KERAS=1 is set. If its variables are not made yet, they are made
        from `input_spec`.
      loss: a `keras.losses.Loss`; for a model of several outputs a list of one for each, or a dict
        if the outputs have names.
      input_spec: the form of a batch, as `dataset.element_spec` gives it: a pair of the features
        and the labels, or a mapping with the names `x` and `y`, of `tf.TensorSpec`s or
        `tff.TensorType`s; on JAX of whatever `tff.to_type` reads.
      loss_weights: one number for each loss, if there are several; 1 if None.
      metrics: a list of metrics, or of functions that make them, or a dict of these.

    Returns:
      The model.

    Raises:
      ModelError: if an argument is not of the kind that is needed.
      ModelValueError: if the model is compiled, or `input_spec`, losses and metrics do not fit.

    Examples:
      >>> import tensorflow as tf
      >>> def model_fn():
      ...     keras_model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(1)])
      ...     return from_keras_model(
      ...         keras_model,
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1])),
      ...     )
      >>> [weight.shape for weight in model_fn().trainable_variables]
      [TensorShape([3, 1]), TensorShape([1])]

    With Keras on JAX (``KERAS_BACKEND=jax``) nothing needs TensorFlow. There the variables that the
    model lists are those of Keras, and its finalizers JAX computations.

    Differs from TFF: a dict of metrics names them; two metrics of one name are an error. The states
    of random generators, which Keras counts among the non-trainable variables, are no weights. TFF
    has no models on JAX.
    """
    check_keras(_NAME)
    is_legacy = frameworks.is_legacy_keras(keras_model) and hasattr(keras_model, "layers")
    if not is_legacy:
        check_keras_model(keras_model, _NAME)
    _check_not_compiled(keras_model)
    if is_legacy:
        return _legacy_model(keras_model, loss, input_spec, loss_weights, metrics)
    return wrap_keras_model(keras_model, loss, input_spec, loss_weights, metrics)


def wrap_keras_model(
    keras_model: Any, loss: Any, input_spec: Any, loss_weights: Any, metrics: Any
) -> VariableModel:
    """Makes a model of a Keras 3 model, compiled or not; see `from_keras_model`."""
    specs = tensor_specs(input_spec)
    ensure_built(keras_model, specs)
    losses = _checked_losses(loss, keras_model)
    weights = _checked_loss_weights(loss_weights, loss, losses)
    named = _checked_metrics(metrics)
    from tensorflow_federated.learning.models import keras_model as keras_models

    for metric in named.values():
        ensure_metric_built(metric, specs, lambda: symbolic_predictions(keras_model, specs))
    names = sorted(loss) if isinstance(loss, Mapping) else None
    given = input_spec if frameworks.keras_is_on_jax() else specs
    return keras_models.KerasModel(keras_model, losses, weights, names, given, named)


def _legacy_model(
    keras_model: Any, loss: Any, input_spec: Any, loss_weights: Any, metrics: Any
) -> VariableModel:
    """A model of a model of Keras 2; the arguments are those of `from_keras_model`."""
    check_framework(_NAME)
    from tensorflow_federated.learning.models import legacy_keras_model

    specs = checked_input_spec(input_spec)
    legacy_keras_model.ensure_built(keras_model, specs)
    losses = _checked_losses(loss, keras_model)
    weights = _checked_loss_weights(loss_weights, loss, losses)
    named = _checked_metrics(metrics, is_legacy=True)
    names = sorted(loss) if isinstance(loss, Mapping) else None
    return legacy_keras_model.LegacyKerasModel(keras_model, losses, weights, names, specs, named)


def check_keras(user: str) -> None:
    """Checks that Keras is there and runs on TensorFlow or JAX.

    Args:
      user: the name of the function that needs it.

    Raises:
      MissingExtraError: if Keras, or what it runs on, is not installed.
      ModelValueError: if Keras runs on another framework.
    """
    if not frameworks.keras_is_on_jax():
        check_framework(user, expected="'tensorflow' or 'jax'")
        return
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError as error:
        raise errors.missing_extra("keras", user) from error


def check_framework(user: str, *, expected: str = "'tensorflow'") -> None:
    """Checks that Keras is there and runs on TensorFlow.

    Args:
      user: the name of the function that needs it.
      expected: the back ends of Keras that it works with, for the message.

    Raises:
      MissingExtraError: if Keras or TensorFlow is not installed.
      ModelValueError: if Keras runs on another framework.
    """
    try:
        import keras
        import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise errors.missing_extra("tensorflow", user) from error
    backend = keras.backend.backend()
    if backend != "tensorflow":
        given = os.environ.get("KERAS_BACKEND")
        problems = [f"Keras backend: expected {expected}, got {backend!r}"]
        if given is not None:
            problems.append(f"KERAS_BACKEND: {given}")
        raise errors.ModelValueError(
            f"{user} does not work with Keras on this framework.",
            problems=problems,
            fix="set the environment variable KERAS_BACKEND=tensorflow before Keras is imported.",
        )


def check_keras_model(keras_model: Any, user: str) -> None:
    """Checks that something is a Keras 3 model.

    Args:
      keras_model: what was given.
      user: the name of the function that needs it.

    Raises:
      ModelError: if it is not.
    """
    if frameworks.is_legacy_keras(keras_model):
        raise errors.ModelError(
            f"{user} takes models of Keras 3.",
            problems=["keras_model: a model of Keras 2, from the package `tf_keras`"],
            fix="make it with `keras`, without TF_USE_LEGACY_KERAS; or write a "
            "`tff.learning.models.VariableModel` around it.",
        )
    if not frameworks.is_keras_model(keras_model):
        raise errors.ModelError(
            f"{user} cannot make a model of this.",
            problems=[f"keras_model: expected a `keras.Model`, got {_shown(keras_model)}"],
            fix="give the Keras model itself, as `keras.Sequential([...])` makes one.",
        )


def _check_not_compiled(keras_model: Any) -> None:
    # Keras 2 does not say whether a model is compiled, but such a model has an optimizer.
    compiled = getattr(keras_model, "compiled", getattr(keras_model, "optimizer", None) is not None)
    if compiled:
        raise errors.ModelValueError(
            f"{_NAME} needs a model that is not compiled.",
            problems=[f"keras_model: {keras_model.name!r} has been compiled"],
            fix="leave `compile` out: loss and metrics are arguments here, the optimizer is one of "
            "the algorithm; `clone_model` of Keras 3 compiles too, so clone before `compile`.",
        )


def tensor_specs(input_spec: Any) -> Any:
    """The form of a batch, as a structure of what has shapes and dtypes.

    Args:
      input_spec: as of `from_keras_model`.

    Returns:
      Specs of TensorFlow, or with Keras on JAX `tff.TensorType`s, in the containers of the batch.

    Raises:
      ModelError: if it is no structure of the forms of tensors.
      ModelValueError: if it does not have features and labels.
    """
    if not frameworks.keras_is_on_jax():
        return checked_input_spec(input_spec)
    from tensorflow_federated.learning.models import jax_models

    batch_type = jax_models.read_input_spec(input_spec)
    return _in_containers(batch_type, lambda leaf: leaf)


def checked_input_spec(input_spec: Any) -> Any:
    """The form of a batch, as a structure of specs of TensorFlow.

    Args:
      input_spec: a pair of features and labels, or a mapping with the names `x` and `y`; or a type.

    Raises:
      ModelError: if it is no structure of tensor specs.
      ModelValueError: if it does not have features and labels.
    """
    if any(isinstance(leaf, Type) for _, leaf in _leaves(input_spec, "")):
        input_spec = to_specs(types.to_type(input_spec))

    def fail(problem: str, wrong_kind: bool = False) -> errors.FederatedError:
        error = errors.ModelError if wrong_kind else errors.ModelValueError
        return error(
            "`input_spec` does not say what features and labels a batch has.",
            problems=[f"input_spec: {problem}"],
            signature="(features, labels) or <x=features,y=labels>",
            fix="give the `element_spec` of a client's dataset of batches.",
        )

    elements = containers.unpack(input_spec)
    if elements is None:
        raise fail(f"expected a pair, got {_shown(input_spec)}", wrong_kind=True)
    if len(elements) != 2:
        raise fail(f"expected 2 elements, features and labels, got {len(elements)}")
    names = [name for name, _ in elements]
    if any(name is not None for name in names) and set(names) != {"x", "y"}:
        raise fail(f"expected the names x and y, got {' and '.join(map(str, names))}")
    for path, leaf in _leaves(input_spec, "input_spec"):
        if not _is_tensor_spec(leaf):
            raise fail(f"expected a `tf.TensorSpec` at {path}, got {_shown(leaf)}", wrong_kind=True)
    return input_spec


def to_specs(type_signature: Type) -> Any:
    """The structure of `tf.TensorSpec`s of a type, in its containers or in tuples.

    Args:
      type_signature: a tensor type, or a structure of them.

    Raises:
      ModelError: if another type is in it.
    """
    return _in_containers(type_signature, _to_spec)


def _in_containers(type_signature: Type, convert: Callable[[TensorType], Any]) -> Any:
    """A structure of what stands for tensors, in the Python containers of a type."""
    if isinstance(type_signature, TensorType):
        return convert(type_signature)
    if not isinstance(type_signature, StructType):
        raise errors.ModelError(
            "`input_spec` may hold tensors only.",
            problems=[f"input_spec: got {type_signature}"],
            fix="give the type of one batch, not of a dataset.",
        )
    elements = [_in_containers(element, convert) for _, element in type_signature.items()]
    packed = containers.pack(type_signature, elements)
    if isinstance(type_signature, StructWithPythonType) or not isinstance(packed, structure.Struct):
        return packed
    return tuple(elements)


def _to_spec(tensor_type: TensorType) -> Any:
    import tensorflow as tf

    is_string = tensor_type.dtype.kind in "USO"
    shape: Any = tensor_type.shape
    return tf.TensorSpec(shape, tf.string if is_string else tf.as_dtype(tensor_type.dtype))


def _is_tensor_spec(candidate: Any) -> bool:
    import tensorflow as tf

    return isinstance(candidate, tf.TensorSpec)


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    elements = containers.unpack(value)
    if elements is None:
        return [(path, value)]
    found: list[tuple[str, Any]] = []
    for index, (name, element) in enumerate(elements):
        found.extend(_leaves(element, f"{path}[{index}]" if name is None else f"{path}.{name}"))
    return found


def _keras_inputs(spec: Any) -> Any:
    """Symbolic features, from which Keras makes variables without computing anything."""
    import keras

    inputs, _ = batches.split(spec)
    return keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype.name), inputs
    )


def symbolic_predictions(keras_model: Any, spec: Any) -> Any:
    """The form of what a model predicts, in the tensors that Keras has for forms.

    Args:
      keras_model: the model, built.
      spec: the form of a batch, checked.
    """
    from tensorflow_federated.learning.models import keras_model as keras_models

    return keras_model(keras_models.arrange_inputs(keras_model, _keras_inputs(spec)))


def ensure_built(keras_model: Any, spec: Any) -> None:
    """Makes the variables of a model that would make them when it is first called.

    Args:
      keras_model: the model.
      spec: the form of a batch, checked.

    Raises:
      ModelValueError: if the model cannot be called on features of that form.
    """
    if keras_model.built:
        return
    try:
        keras_model(_keras_inputs(spec))
    except Exception as error:
        raise errors.ModelValueError(
            f"the variables of the Keras model {keras_model.name!r} cannot be made.",
            problems=[f"input_spec: {spec}", f"Keras: {error}"],
            fix="give the `input_spec` of the batches that the model is to read, of a fixed size "
            "if a layer needs that, or call the model on one batch before.",
        ) from error


def _checked_losses(loss: Any, keras_model: Any) -> list[Any]:
    if isinstance(loss, Mapping):
        losses = [loss[name] for name in sorted(loss)]
    elif isinstance(loss, (list, tuple)):
        losses = list(loss)
    else:
        losses = [loss]
    is_legacy = frameworks.is_legacy_keras(keras_model)
    problems = [
        f"loss{'' if len(losses) == 1 and losses[0] is loss else f'[{index}]'}: expected a "
        f"`keras.losses.Loss`, got {_shown(each)}"
        for index, each in enumerate(losses)
        if not is_loss(each) or frameworks.is_legacy_keras(each) != is_legacy
    ]
    if problems:
        raise errors.ModelError(
            f"{_NAME} needs a loss.",
            problems=problems,
            fix="take models, losses and metrics all from `tf.keras`."
            if all(map(is_loss, losses))
            else "give an instance, for example `keras.losses.MeanSquaredError()`.",
        )
    check_reduced(losses, _NAME)
    outputs = getattr(keras_model, "outputs", None)
    if losses != [loss] and outputs is not None and len(outputs) != len(losses):
        raise errors.ModelValueError(
            "the Keras model needs one loss for each of its outputs.",
            problems=[f"loss: expected {len(outputs)}, got {len(losses)}"],
            fix="give the losses in the order of `keras_model.outputs`.",
        )
    return losses


def check_reduced(losses: Sequence[Any], user: str) -> None:
    """Checks that losses give one number for a batch.

    Args:
      losses: `keras.losses.Loss`es.
      user: the name of the function that needs them.

    Raises:
      ModelValueError: if one of them gives a number for each example.
    """
    unreduced = [
        f"{each.name}: reduction is {each.reduction!r}"
        for each in losses
        if each.reduction in (None, "none")
    ]
    if unreduced:
        raise errors.ModelValueError(
            f"{user} needs a loss that gives one number for a batch.",
            problems=unreduced,
            fix="leave `reduction` out: the mean of the examples is taken.",
        )


def is_loss(candidate: Any) -> bool:
    """Whether it is a `keras.losses.Loss`, of Keras 3 or 2."""
    import keras

    if isinstance(candidate, keras.losses.Loss):
        return True
    is_object = frameworks.is_legacy_keras(candidate) and not isinstance(candidate, type)
    return is_object and hasattr(candidate, "reduction") and hasattr(candidate, "call")


def _checked_loss_weights(loss_weights: Any, loss: Any, losses: Sequence[Any]) -> list[float]:
    if loss_weights is None:
        return [1.0] * len(losses)
    if not isinstance(loss, (list, tuple, Mapping)):
        raise errors.ModelValueError(
            "`loss_weights` weighs several losses.",
            problems=["loss: there is one"],
            fix="leave `loss_weights` out, or give a list of losses.",
        )
    if isinstance(loss_weights, Mapping):
        loss_weights = [loss_weights[name] for name in sorted(loss_weights)]
    if isinstance(loss_weights, str) or not isinstance(loss_weights, Sequence):
        raise errors.ModelError(
            "`loss_weights` is a list of numbers.",
            problems=[f"loss_weights: got {_shown(loss_weights)}"],
            fix="give one number for each loss.",
        )
    wrong = [
        f"loss_weights[{index}]: expected a number, got {_shown(weight)}"
        for index, weight in enumerate(loss_weights)
        if isinstance(weight, (str, bytes)) or not hasattr(weight, "__float__")
    ]
    if wrong:
        raise errors.ModelError(
            "`loss_weights` is a list of numbers.",
            problems=wrong,
            fix="give one number for each loss.",
        )
    if len(loss_weights) != len(losses):
        raise errors.ModelValueError(
            "each loss needs one weight.",
            problems=[f"loss_weights: expected {len(losses)}, got {len(loss_weights)}"],
            fix="give the weights in the order of the losses.",
        )
    return [float(weight) for weight in loss_weights]


def _checked_metrics(metrics: Any, *, is_legacy: bool = False) -> collections.OrderedDict[str, Any]:
    """The metrics by name; constructors are called."""
    if metrics is None:
        return collections.OrderedDict()
    if not isinstance(metrics, (list, tuple, Mapping)):
        raise errors.ModelError(
            f"{_NAME} needs a list of metrics.",
            problems=[f"metrics: got {_shown(metrics)}"],
            fix="write `metrics=[...]`, also for one metric.",
        )
    given = list(metrics.items()) if isinstance(metrics, Mapping) else [(None, m) for m in metrics]
    kinds = {_is_metric(metric) for _, metric in given}
    if len(kinds) > 1 and all(callable(metric) for _, metric in given):
        raise errors.ModelError(
            f"{_NAME} takes metrics or functions that make them, not both at once.",
            problems=[f"metrics[{i}]: {_shown(metric)}" for i, (_, metric) in enumerate(given)],
            fix="give instances only, for example `keras.metrics.MeanAbsoluteError()`.",
        )
    named: collections.OrderedDict[str, Any] = collections.OrderedDict()
    for index, (name, candidate) in enumerate(given):
        made = _to_metric(candidate, index if name is None else repr(name))
        if frameworks.is_legacy_keras(made) != is_legacy:
            raise errors.ModelError(
                f"{_NAME} needs metrics of the Keras that the model is of.",
                problems=[
                    f"metrics[{index}]: expected one of Keras {2 if is_legacy else 3}, got "
                    f"{_shown(made)}"
                ],
                fix="take models, losses and metrics all from `tf.keras`.",
            )
        metric = made if is_legacy else class_accuracies.prepared(made)
        name = metric.name if name is None else str(name)
        if name in named or name == _AUTOMATIC:
            used = "this name is that of the loss" if name == _AUTOMATIC else "the name is taken"
            raise errors.ModelValueError(
                "each metric needs a name of its own.",
                problems=[f"metrics[{index}]: {name!r}: {used}"],
                fix="give it another `name=`.",
            )
        named[name] = metric
    return named


def _to_metric(candidate: Any, index: object) -> Any:
    if _is_metric(candidate):
        return candidate

    def fail(got: str) -> errors.ModelError:
        return errors.ModelError(
            f"{_NAME} cannot use this metric.",
            problems=[
                f"metrics[{index}]: expected a `keras.metrics.Metric`, or a function without "
                f"arguments that makes one, got {got}"
            ],
            fix="give an instance, for example `keras.metrics.MeanAbsoluteError()`.",
        )

    if not callable(candidate):
        raise fail(_shown(candidate))
    make: Callable[[], Any] = candidate
    try:
        metric = make()
    except TypeError as error:
        raise fail(f"{_shown(candidate)}, which fails: {error}") from error
    if not _is_metric(metric):
        raise fail(f"{_shown(candidate)}, which makes {_shown(metric)}")
    return metric


def _is_metric(candidate: Any) -> bool:
    return metric_calls.is_metric(candidate) and not isinstance(candidate, type)


def ensure_metric_built(metric: Any, spec: Any, predictions: Callable[[], Any]) -> None:
    """Makes the variables of a metric that would make them at its first update.

    Args:
      metric: a Keras metric.
      spec: the form of a batch, checked.
      predictions: gives the form of what a model predicts.
    """
    if functional_metrics.is_built(metric):
        return
    import keras

    _, labels = batches.split(spec)
    metric.update_state(
        keras.tree.map_structure(_example_of, labels),
        keras.tree.map_structure(_example_of, predictions()),
    )
    metric.reset_state()


def _example_of(spec: Any) -> Any:
    """Zeros in the form of a spec, one where a size is unknown."""
    import keras

    dtype = getattr(spec.dtype, "name", spec.dtype)
    return keras.ops.zeros([1 if size is None else size for size in spec.shape], dtype)


def _shown(value: Any) -> str:
    if isinstance(value, type):
        return f"the class `{value.__name__}`"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function `{value.__name__}`"
    return f"{value!r:.80} ({type(value).__name__})"
