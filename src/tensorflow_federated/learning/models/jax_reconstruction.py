"""A client's reconstruction, training and evaluation of a model, in JAX.

Each stage is the training or the evaluation of a functional model, whose other weights are those
that the stage leaves as they are. So the loops are those of `jax_loops`, one after the other.

Importing this module imports JAX.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tensorflow_federated import jax as jax_backend
from tensorflow_federated.core import (
    callsites,
    containers,
    errors,
    foreign_arrays,
    local_intrinsics,
    tracing,
    trees,
    types,
)
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import SequenceType, StructWithPythonType, TensorType, Type
from tensorflow_federated.jax import precision, structures
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.descent import Descent
from tensorflow_federated.learning.models import functional, jax_loops, jax_models, jax_passes
from tensorflow_federated.learning.models.dataset_splits import DatasetSplit, Part
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.functional_reconstruction import (
    FunctionalReconstructionModel,
)
from tensorflow_federated.learning.models.local_loops import (
    JaxModelSpec,
    ModelSpec,
    check_framework,
)
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.reconstruction_model import check_names
from tensorflow_federated.learning.optimizers.optimizer import Optimizer

_KEY_TYPE = TensorType(np.int64, [2])
_LOSS = "loss"

AnyOptimizer = Optimizer[Any, Any, Any]


class FunctionalReconstruction:
    """See `reconstructions.Reconstruction`."""

    def __init__(
        self, model: FunctionalReconstructionModel, loss: Any, metrics_fns: Any, split: DatasetSplit
    ) -> None:
        """Puts it together.

        Args:
          model: the model.
          loss: its loss.
          metrics_fns: the three functions of its metrics; the loss is added to them.
          split: which batches are for what.
        """
        self._model = model
        self._split = split
        # Local weights are drawn as JAX is configured, whatever else the computation holds.
        self._has_64_bits = precision.has_64_bits()
        local_weights = _sample(model)
        self._local = jax_models.describe_model(_reconstructed(model, local_weights, loss))
        self._global = jax_models.describe_model(
            _trained(model, local_weights, loss, _with_loss(metrics_fns))
        )
        self.spec = _spec(self._global)

    def training(
        self,
        client_optimizer: AnyOptimizer,
        reconstruction_optimizer: AnyOptimizer,
        client_weighting: ClientWeighting | Callable[[Any], Any],
    ) -> ConcreteComputation:
        """See `reconstructions.Reconstruction.training`."""
        local_step = Descent(client_optimizer)
        check_framework(local_step, "jax")
        loop = jax_loops.build_train_loop(self._global, local_step)
        prepare = self._preparation(reconstruction_optimizer)
        run = _Run(loop.step, self._split.second)
        report = jax_backend.computation(
            _report(client_weighting), loop.finish.type_signature.result
        )

        def train(weights: Any, data: Any, key: Any) -> Any:
            prepared = prepare(weights, data, key)
            state = loop.initialize(prepared.weights, (), prepared.key)
            return report(loop.finish(prepared.weights, run.over(data, state)))

        return self._client_computation(train)

    def evaluation(self, reconstruction_optimizer: AnyOptimizer) -> ConcreteComputation:
        """See `reconstructions.Reconstruction.evaluation`."""
        loop = jax_loops.build_eval_loop(self._global)
        prepare = self._preparation(reconstruction_optimizer)
        run = _Run(loop.step, self._split.second)

        def evaluate(weights: Any, data: Any, key: Any) -> Any:
            prepared = prepare(weights, data, key)
            state = loop.initialize(prepared.weights, prepared.key)
            return loop.finish(run.over(data, state))

        return self._client_computation(evaluate)

    def _client_computation(self, fn: Callable[[Any, Any, Any], Any]) -> ConcreteComputation:
        data_type = SequenceType(self.spec.batch_type)
        return tracing.federated_computation(fn, self.spec.weights_type, data_type, _KEY_TYPE)

    def _preparation(self, optimizer: AnyOptimizer) -> ConcreteComputation:
        """From weights, data and key to the weights of the second stage, and a key for it."""
        local_step = Descent(optimizer)
        check_framework(local_step, "jax")
        draw = jax_backend.computation(self._drawn, self.spec.weights_type, _KEY_TYPE)
        local_type = self._local.weights_type
        fix = jax_backend.computation(_fixed, local_type, local_type["trainable"])
        reconstruct = self._reconstruction(local_step)

        def prepare(weights: Any, data: Any, key: Any) -> Any:
            drawn = draw(weights, key)
            return collections.OrderedDict(
                weights=fix(drawn.weights, reconstruct(drawn, data)), key=drawn.second_key
            )

        return self._client_computation(prepare)

    def _reconstruction(self, local_step: Descent) -> Callable[[Any, Any], Any]:
        """From what is drawn and the data to the local weights that the first stage trains."""
        trainable = types.preorder(self._local.weights_type["trainable"])
        if not any(isinstance(each, TensorType) for each in trainable):
            return lambda drawn, data: drawn.weights.trainable
        loop = jax_loops.build_train_loop(self._local, local_step)
        run = _Run(loop.step, self._split.first)

        def reconstruct(drawn: Any, data: Any) -> Any:
            state = loop.initialize(drawn.weights, (), drawn.first_key)
            return run.over(data, state).trainable

        return reconstruct

    def _drawn(self, weights: Any, key: Any) -> Any:
        """The weights of the first stage, and a key for each stage."""
        own, first, second = jax.random.split(jax_passes.to_key(key.astype(jnp.uint32)), 3)
        with precision.with_64_bits(self._has_64_bits):
            trainable, non_trainable = self._model.initial_local_weights_fn(own)
        first, second = (jax.random.key_data(each).astype(jnp.int64) for each in (first, second))
        return collections.OrderedDict(
            weights=ModelWeights(
                trainable, (weights.trainable, weights.non_trainable, non_trainable)
            ),
            first_key=first,
            second_key=second,
        )


def describe(
    model: FunctionalReconstructionModel,
    loss_fn: Callable[[], Any],
    metrics_fn: Callable[[], Any] | None,
    split: DatasetSplit,
) -> FunctionalReconstruction:
    """Finds out what an algorithm has to know of a model of JAX.

    Args:
      model: the model.
      loss_fn: makes its loss.
      metrics_fn: makes the three functions of its metrics; None for none.
      split: which batches of a client are for what.

    Returns:
      The description.

    Raises:
      ModelError: if a function does not make what it is for.
      ModelValueError: if a metric has the name of the loss.
    """
    loss = _made(loss_fn, "loss_fn", "a loss, a function of (output, label, sample_weight)")
    functional.check_callable(loss, "returned", "`loss_fn`")
    functional.check_loss(loss, "`loss_fn`")
    metrics_fns = functional.NO_METRICS
    if metrics_fn is not None:
        metrics_fns = _made(metrics_fn, "metrics_fn", "the three functions of the metrics")
        functional.check_metrics_fns(metrics_fns, "`metrics_fn`")
    return FunctionalReconstruction(model, loss, metrics_fns, split)


def _made(make: Any, name: str, what: str) -> Any:
    """What a function without arguments makes."""
    if not functional.takes_no_arguments(make):
        raise errors.ModelError(
            f"`{name}` is not a function without arguments.",
            problems=[f"{name}: got {descriptions.described(make)}"],
            where=callsites.line_of(make),
            fix=f"give a function that makes {what}: `{name}=lambda: ...`.",
        )
    return make()


class _Run:
    """A loop over the batches of a part of a client's data."""

    def __init__(self, step: ConcreteComputation, part: Part) -> None:
        """Builds it.

        Args:
          step: ``(<state=S,batch=B> -> S)``, for each batch of the part.
          part: which batches.
        """
        self._step = step
        self._part = part
        self._chooses = part.parity is not None or part.has_bound
        if self._chooses:
            parameter: Any = step.type_signature.parameter
            state_type, batch_type = parameter
            self._start = jax_backend.computation(_counted, state_type)
            counted_type = self._start.type_signature.result
            self._begin_epoch = jax_backend.computation(_from_first_batch, counted_type)
            self._step = jax_backend.step_computation(
                _choosing(step, part, state_type), counted_type, batch_type
            )

    def over(self, data: Any, state: Any) -> Any:
        """The state after the batches."""
        if not self._chooses:
            for _ in range(self._part.epochs):
                state = local_intrinsics.sequence_reduce(data, state, self._step)
            return state
        state = self._start(state)
        for epoch in range(self._part.epochs):
            state = self._begin_epoch(state) if epoch else state
            state = local_intrinsics.sequence_reduce(data, state, self._step)
        return state.state


def _counted(state: Any) -> Any:
    zero = jnp.zeros([], jnp.int32)
    return collections.OrderedDict(state=state, number=zero, steps=zero)


def _from_first_batch(counted: Any) -> Any:
    return collections.OrderedDict(counted, number=jnp.zeros([], jnp.int32))


def _choosing(step: ConcreteComputation, part: Part, state_type: Type) -> Callable[[Any, Any], Any]:
    """A step that passes over the batches that are not of a part."""

    def step_if_chosen(counted: Any, batch: Any) -> Any:
        state, number, steps = counted["state"], counted["number"], counted["steps"]
        is_chosen = jnp.asarray(True)
        if part.parity is not None:
            is_chosen &= number % 2 == part.parity
        if part.has_bound:
            is_chosen &= steps < part.steps_max
        what = "the state after a batch"
        after = lax.cond(
            is_chosen,
            lambda: structures.to_canonical(step(state, batch), state_type, what),
            lambda: structures.to_canonical(state, state_type, what),
        )
        return collections.OrderedDict(
            state=structures.to_containers(after, state_type),
            number=number + 1,
            steps=steps + is_chosen.astype(steps.dtype),
        )

    step_if_chosen.__name__ = getattr(step, "__name__", "step")
    return step_if_chosen


def _reconstructed(
    model: FunctionalReconstructionModel, local_weights: tuple[Any, Any], loss: Any
) -> FunctionalModel:
    """The model while its local weights are trained: (global, global, local) are the others."""

    def predict(weights: Any, x: Any, training: bool, key: Any) -> Any:
        own, (shared, shared_fixed, own_fixed) = weights
        return model.predict_on_batch((shared, shared_fixed), (own, own_fixed), x, training, key)

    trainable, non_trainable = local_weights
    fixed = (*model.initial_global_weights, non_trainable)
    return _functional(model, (trainable, fixed), predict, loss, functional.NO_METRICS)


def _trained(
    model: FunctionalReconstructionModel,
    local_weights: tuple[Any, Any],
    loss: Any,
    metrics_fns: Any,
) -> FunctionalModel:
    """The model while its global weights are trained: (global, local, local) are the others."""

    def predict(weights: Any, x: Any, training: bool, key: Any) -> Any:
        shared, (shared_fixed, own, own_fixed) = weights
        return model.predict_on_batch((shared, shared_fixed), (own, own_fixed), x, training, key)

    trainable, non_trainable = model.initial_global_weights
    fixed = (non_trainable, *local_weights)
    return _functional(model, (trainable, fixed), predict, loss, metrics_fns)


def _fixed(weights: Any, trained: Any) -> ModelWeights:
    """The weights of the second stage, of those of the first one and what it has trained."""
    shared, shared_fixed, own_fixed = weights.non_trainable
    return ModelWeights(shared, (shared_fixed, trained, own_fixed))


def _functional(
    model: FunctionalReconstructionModel, weights: Any, predict: Any, loss: Any, metrics_fns: Any
) -> FunctionalModel:
    with_key = (
        predict
        if model.takes_key
        else lambda weights, x, training: predict(weights, x, training, None)
    )
    return FunctionalModel(
        initial_weights=weights,
        predict_on_batch_fn=jax.jit(with_key),
        loss_fn=loss,
        metrics_fns=metrics_fns,
        input_spec=model.input_spec,
    )


def _spec(trained: JaxModelSpec) -> ModelSpec:
    """What algorithms have to know: of the weights, the global ones."""
    non_trainable: Any = trained.weights_type["non_trainable"]

    def initial_weights() -> Any:
        weights: Any = trained.initial_weights()
        return ModelWeights(weights.trainable, weights.non_trainable[0])

    return ModelSpec(
        weights_type=StructWithPythonType(
            [("trainable", trained.weights_type["trainable"]), ("non_trainable", non_trainable[0])],
            ModelWeights,
        ),
        batch_type=trained.batch_type,
        initial_weights=tracing.federated_computation(initial_weights),
        metric_finalizers=trained.metric_finalizers,
        unfinalized_metrics_type=trained.unfinalized_metrics_type,
    )


def _sample(model: FunctionalReconstructionModel) -> tuple[Any, Any]:
    """Local weights, arrays of NumPy: their types are those of all local weights."""
    made = model.initial_local_weights_fn(jax.random.key(0))
    elements = containers.unpack(made)
    if elements is None or len(elements) != 2:
        raise errors.ModelError(
            "`initial_local_weights_fn` does not return trainable and non-trainable weights.",
            problems=[f"returned: expected a pair, got {descriptions.described(made)}"],
            signature="(key) -> (trainable, non_trainable)",
            where=callsites.line_of(model.initial_local_weights_fn),
            fix="return `([user], [])` if all are trainable.",
        )
    (_, trainable), (_, non_trainable) = elements
    return trees.map_structure(
        lambda leaf: np.asarray(foreign_arrays.to_plain(leaf)), (trainable, non_trainable)
    )


def _with_loss(metrics_fns: Any) -> Any:
    """The functions of the metrics, and of the mean of the losses of the batches."""
    initialize, update, finalize = metrics_fns

    def initialize_all() -> Any:
        state = initialize()
        check_names([*state, _LOSS])
        return _and_loss(state, [jnp.zeros([], jnp.float32)] * 2)

    def update_all(state: Any, labels: Any, output: Any, sample_weight: Any = None) -> Any:
        total, count = state[_LOSS]
        updated = update(_without_loss(state), labels, output, sample_weight)
        return _and_loss(updated, [total + output.loss.astype(jnp.float32), count + 1])

    def finalize_all(state: Any) -> Any:
        total, count = state[_LOSS]
        # 0 without batches, as the metrics of Keras have it.
        return _and_loss(finalize(_without_loss(state)), total / jnp.maximum(count, 1))

    return initialize_all, update_all, finalize_all


def _and_loss(values: Any, loss: Any) -> Any:
    return collections.OrderedDict([*values.items(), (_LOSS, loss)])


def _without_loss(state: Any) -> Any:
    return collections.OrderedDict((name, each) for name, each in state.items() if name != _LOSS)


def _report(
    client_weighting: ClientWeighting | Callable[[Any], Any],
) -> Callable[[Any], Any]:
    def report(finished: Any) -> Any:
        weight = finished["num_examples"]
        if client_weighting is ClientWeighting.UNIFORM:
            weight = jnp.ones([])
        elif not isinstance(client_weighting, ClientWeighting):
            weight = client_weighting(finished["unfinalized_metrics"])
        return collections.OrderedDict(
            model_delta=finished["update"],
            weight=jnp.asarray(weight, jnp.float32),
            has_non_finite=finished["has_non_finite"],
            unfinalized_metrics=finished["unfinalized_metrics"],
        )

    return report
