"""A model of `from_keras_model`, with Keras on JAX, as the pure functions that the loops run.

Importing this module imports Keras and JAX.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import keras
import numpy as np

from tensorflow_federated import jax as jax_backend
from tensorflow_federated.core import callsites, errors, trees, type_inference, type_trees, types
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import StructWithPythonType, TensorType
from tensorflow_federated.jax import exported_functions, precision
from tensorflow_federated.learning.models import (
    frameworks,
    jax_models,
    keras_scopes,
    model_fns,
    model_sources,
    model_weights,
)
from tensorflow_federated.learning.models.jax_passes import Forward
from tensorflow_federated.learning.models.keras_model import KerasModel
from tensorflow_federated.learning.models.local_loops import JaxModelSpec
from tensorflow_federated.learning.models.model_fns import ModelFn
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel


def describe_if_keras(model_fn: ModelFn) -> JaxModelSpec | None:
    """Finds out what an algorithm has to know of a model of Keras on JAX.

    Args:
      model_fn: what a user gave as the function that makes a model.

    Returns:
      The description; None if it makes another model, whose variables are TensorFlow's.

    Raises:
      ModelError: if it does not make a model, or one by hand of Keras variables; or if
        `input_spec` is no structure of arrays.
      ModelValueError: if `model_fn` does not make a new model each time, or training changes a
        variable that Keras does not list.
    """
    model_fns.check_model_fn(model_fn)
    model = model_fn()
    model_fns.check_is_model(model, model_fn)
    if not isinstance(model, KerasModel):
        _check_not_of_keras(model, model_fn)
        return None
    another = model_fn()
    _check_made_anew(model, another, model_fn)
    weights_type = model_weights.weights_type_from_model(model)
    batch_type = jax_models.read_input_spec(model.input_spec)
    passes = KerasPasses(model)
    metrics_type = type_inference.infer_type(passes.initialize_metrics_state())
    assert isinstance(metrics_type, StructWithPythonType)
    return JaxModelSpec(
        weights_type=weights_type,
        batch_type=batch_type,
        initial_weights=model_sources.remember(_initial_weights(model_fn, weights_type), model_fn),
        metric_finalizers=model.metric_finalizers(),
        unfinalized_metrics_type=metrics_type,
        model=passes,
        metrics_type=metrics_type,
        # Counters have 64 bits, and see to it themselves.
        uses_64_bits=precision.has_64_bits()
        or any(map(precision.asks_for_64_bits, (weights_type, batch_type))),
    )


class KerasPasses:
    """A model, as the loops run it: on arrays in place of the values of its variables."""

    def __init__(self, model: KerasModel) -> None:
        """Wraps a model; its own variables are left alone from here on."""
        self._model = model
        self._metrics_state = trees.map_structure(
            np.array, model.report_local_unfinalized_metrics()
        )
        self._adds_losses = False
        self.takes_key = bool(model.keras_seeds)

    def forward(
        self, weights: tuple[Any, Any], features: Any, labels: Any, *, training: bool, key: Any
    ) -> Forward:
        """See `jax_passes.JaxModel`."""
        model = self._model
        trainable, non_trainable = weights
        mapping = [
            *zip(model.keras_trainable, trainable, strict=True),
            *zip(model.keras_non_trainable, non_trainable, strict=True),
            *zip(model.keras_seeds, seeds_of(key, len(model.keras_seeds)), strict=True),
        ]
        with keras_scopes.stateless_scope(mapping) as scope:
            predictions = model.predict_on_batch(features, training)
            loss = model.loss_of(labels, predictions)
            added = model.keras_model.losses
            for each in added:
                loss = loss + keras.ops.cast(each, loss.dtype)
        self._adds_losses = bool(added)
        self._check_listed(scope.updated)
        others = [scope.get_current_value(variable) for variable in model.keras_non_trainable]
        return Forward(loss, predictions, others)

    def initialize_metrics_state(self) -> Any:
        """See `jax_passes.JaxModel`."""
        return self._metrics_state

    def update_metrics_state(self, state: Any, labels: Any, batch_output: BatchOutput) -> Any:
        """See `jax_passes.JaxModel`."""
        model = self._model
        mapping = list(zip(model.keras_local, trees.leaves(state), strict=True))
        with keras_scopes.stateless_scope(mapping):
            loss, predictions = batch_output.loss, batch_output.predictions
            if self._adds_losses:
                loss = model.loss_of(labels, predictions)
            model.update_metrics(labels, predictions, loss, batch_output.num_examples)
            return model.report_local_unfinalized_metrics()

    def _check_listed(self, updated: Sequence[keras.Variable]) -> None:
        model = self._model
        known = {id(v) for v in (*model.keras_non_trainable, *model.keras_seeds)}
        problems = [
            f"{variable.path}: a forward pass changes it, and Keras does not list it"
            for variable in updated
            if id(variable) not in known and not _is_among(variable, model.keras_trainable)
        ]
        set_weights = [
            f"{variable.path}: a forward pass sets it, and it is trained"
            for variable in updated
            if _is_among(variable, model.keras_trainable)
        ]
        if set_weights:
            raise errors.ModelValueError(
                "a layer of this Keras model sets a weight that is trained.",
                problems=set_weights,
                fix="leave such layers, as `SpectralNormalization`, out; or use Keras on "
                "TensorFlow, KERAS_BACKEND=tensorflow.",
            )
        if problems:
            raise errors.ModelValueError(
                "this Keras model is no function of its weights and of a random key alone.",
                problems=problems,
                fix="let a layer hold the variable as an attribute: make it with `add_weight`, or "
                "the generator as `self.seed_generator = keras.random.SeedGenerator()`; "
                "recurrent layers cannot be `stateful` here.",
            )


def _is_among(variable: Any, variables: Sequence[Any]) -> bool:
    return any(variable is each for each in variables)


def seeds_of(key: Any, count: int) -> list[Any]:
    """States of random generators of Keras, each another one.

    Args:
      key: a random key of JAX; it may be None if no state is needed.
      count: how many states are needed.

    Returns:
      Arrays uint32[2].
    """
    if not count:
        return []
    return [jax.random.key_data(each) for each in jax.random.split(key, count)]


def _check_not_of_keras(model: VariableModel, model_fn: ModelFn) -> None:
    variables = trees.leaves((model.trainable_variables, model.non_trainable_variables))
    problems = [
        f"variable: got the Keras variable {variable.path!r}"
        for variable in variables
        if frameworks.is_keras_variable(variable)
    ]
    if problems:
        raise errors.ModelError(
            "with Keras on JAX, a `VariableModel` cannot be written by hand.",
            problems=[f"model: got an object of the class `{type(model).__name__}`", *problems[:5]],
            where=callsites.line_of(model_fn),
            fix="return what `tff.learning.models.from_keras_model` makes, or give the algorithm a "
            "`tff.learning.models.FunctionalModel`.",
        )


def _check_made_anew(model: KerasModel, another: Any, model_fn: ModelFn) -> None:
    variables = {id(v) for v in _all_variables(another)} if isinstance(another, KerasModel) else {}
    model_fns.check_made_anew(
        [
            f"{variable.path!r} of shape {list(variable.shape)}"
            for variable in _all_variables(model)
            if id(variable) in variables
        ],
        model_fn,
    )


def _all_variables(model: KerasModel) -> list[keras.Variable]:
    return [*model.keras_trainable, *model.keras_non_trainable, *model.keras_local]


def _initial_weights(model_fn: ModelFn, weights_type: StructWithPythonType) -> ConcreteComputation:
    """The computation that draws weights; it calls `model_fn` in Python each time it runs.

    Keras chooses the seeds of its initializers when a layer is made: traced, the same weights would
    come out of every call. Turned into bytes, it gives weights that are drawn then.
    """
    specs = [
        jax.ShapeDtypeStruct(leaf.shape or (), leaf.dtype)
        for leaf in types.preorder(weights_type)
        if isinstance(leaf, TensorType)
    ]
    uses_64_bits, policy = precision.has_64_bits(), keras.config.dtype_policy()

    def draw() -> list[np.ndarray]:
        # On the processor: an accelerator waits for what is drawn here. Keras and JAX keep how they
        # are configured for each thread, and this is one of XLA's.
        cpu = jax.local_devices(backend="cpu")[0]
        with jax.default_device(cpu), precision.with_64_bits(uses_64_bits), _dtype_policy(policy):
            weights: Any = ModelWeights.from_model(model_fn())
        drawn = [np.asarray(variable.value) for variable in trees.leaves(weights)]
        forms = [(value.shape, value.dtype) for value in drawn]
        if forms != [(spec.shape, spec.dtype) for spec in specs]:
            raise errors.ModelValueError(
                "`model_fn` makes models of another form each time.",
                problems=[f"weights: {[list(value.shape) for value in drawn]}"],
                where=callsites.line_of(model_fn),
            )
        return drawn

    def initial_weights() -> ModelWeights:
        drawn = iter(jax.pure_callback(draw, specs) if specs else [])
        return type_trees.build(weights_type, lambda leaf: next(drawn))

    computation = jax_backend.computation(initial_weights)

    def make_substitute() -> LocalComputation:
        # Another one: this function must not keep alive the computation that it belongs to.
        drawn = jax_backend.computation(initial_weights)()
        return jax_backend.computation(lambda: drawn).node.computation

    # Elsewhere there is no `model_fn` to call.
    exported_functions.encode_as(computation.node.computation, make_substitute)
    return computation


@contextlib.contextmanager
def _dtype_policy(policy: Any) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
