"""The local computations of `local_loops`, written in JAX.

Importing this module imports JAX.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tensorflow_federated import jax as jax_backend
from tensorflow_federated.core import (
    callsites,
    contexts,
    errors,
    trees,
    type_inference,
    type_trees,
)
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.jax import application, mistakes, precision, structures
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.local_steps.local_step import BatchGradients, LocalStep
from tensorflow_federated.learning.models import jax_passes
from tensorflow_federated.learning.models.jax_passes import Outcome, Pass, Values
from tensorflow_federated.learning.models.local_loops import EvalLoop, JaxModelSpec, TrainLoop

_KEY_TYPE = TensorType(np.int64, [2])

# With many divisors, so that a model that splits or reshapes its batches can be traced.
_TRACED_ROWS = 24

State = collections.OrderedDict[str, Any]


def build_train_loop(spec: JaxModelSpec, local_step: LocalStep) -> TrainLoop:
    """See `local_loops.build_train_loop`."""
    trainable_type = spec.weights_type["trainable"]
    weight_specs = type_trees.build(trainable_type, lambda leaf: leaf)
    shared_type = type_inference.infer_type(local_step.shared(weight_specs))

    def initialize(weights: Any, shared: Any, key: Any) -> State:
        return collections.OrderedDict(
            **_start(spec, weights, key),
            start=weights.trainable if local_step.needs_start else (),
            local_step=local_step.initialize(weight_specs, shared),
            num_examples=jnp.zeros((), jnp.int64),
        )

    def advance(state: State, model_pass: Pass, values: Values, batch: Any) -> State:
        start, at_start = state["start"], None
        if local_step.needs_gradients_at_start:
            at_start = model_pass.over_batch(values._replace(trainable=start), batch).gradients
        outcome = model_pass.over_batch(values, batch)
        counted = jnp.asarray(outcome.num_examples, jnp.int64)
        step_state, trainable = local_step.next(
            state["local_step"],
            values.trainable,
            start if local_step.needs_start else None,
            BatchGradients(outcome.gradients, at_start, counted),
        )
        return collections.OrderedDict(
            trainable=trainable,
            **_after(outcome),
            start=start,
            local_step=step_state,
            num_examples=state["num_examples"] + counted,
        )

    def finish(weights: Any, state: State) -> Any:
        num_examples = state["num_examples"]
        update = local_step.finish(
            state["local_step"], state["trainable"], weights.trainable, num_examples
        )
        are_finite = [jnp.all(jnp.isfinite(leaf)) for leaf in trees.leaves(update)]
        has_non_finite = jnp.logical_not(jnp.all(jnp.asarray(are_finite, jnp.bool_)))

        def unless_bad(value: Any, instead: Any) -> Any:
            return jnp.where(has_non_finite, jnp.asarray(instead, value.dtype), value)

        with precision.with_64_bits(spec.uses_64_bits):
            reset = spec.model.initialize_metrics_state()
        metrics = trees.map_structure(unless_bad, state["metrics"], reset)
        return collections.OrderedDict(
            update=trees.map_structure(lambda leaf: unless_bad(leaf, 0), update),
            num_examples=num_examples,
            has_non_finite=has_non_finite,
            unfinalized_metrics=collections.OrderedDict(metrics),
        )

    initialized = jax_backend.computation(initialize, spec.weights_type, shared_type, _KEY_TYPE)
    state_type = initialized.type_signature.result
    return TrainLoop(
        shared_type=shared_type,
        initialize=initialized,
        step=_step(spec, state_type, advance, training=True),
        finish=jax_backend.computation(finish, spec.weights_type, state_type),
    )


def build_eval_loop(spec: JaxModelSpec) -> EvalLoop:
    """See `local_loops.build_eval_loop`."""

    def initialize(weights: Any, key: Any) -> State:
        return _start(spec, weights, key)

    def advance(state: State, model_pass: Pass, values: Values, batch: Any) -> State:
        outcome = model_pass.over_batch(values, batch)
        return collections.OrderedDict(trainable=values.trainable, **_after(outcome))

    def finish(state: State) -> Any:
        return collections.OrderedDict(state["metrics"])

    initialized = jax_backend.computation(initialize, spec.weights_type, _KEY_TYPE)
    state_type = initialized.type_signature.result
    return EvalLoop(
        initialize=initialized,
        step=_step(spec, state_type, advance, training=False),
        finish=jax_backend.computation(finish, state_type),
    )


def _start(spec: JaxModelSpec, weights: Any, key: Any) -> State:
    with precision.with_64_bits(spec.uses_64_bits):
        metrics = spec.model.initialize_metrics_state()
    return collections.OrderedDict(
        trainable=weights.trainable,
        non_trainable=weights.non_trainable,
        metrics=metrics,
        key=key.astype(jnp.uint32) if spec.model.takes_key else (),
    )


def _after(outcome: Outcome) -> State:
    """The part of the state that a pass changes, but for the key."""
    return collections.OrderedDict(
        non_trainable=outcome.non_trainable, metrics=outcome.metrics, key=()
    )


def _step(
    spec: JaxModelSpec,
    state_type: Type,
    advance: Callable[[State, Pass, Values, Any], State],
    *,
    training: bool,
) -> ConcreteComputation:
    """The step of a loop."""
    model_pass = Pass(
        spec.model, spec.metrics_type, training=training, uses_64_bits=spec.uses_64_bits
    )

    def step(state: State, batch: Any) -> State:
        values, next_key = _values(state)
        return collections.OrderedDict(advance(state, model_pass, values, batch), key=next_key)

    step.__name__ = "train_on_batch" if training else "evaluate_batch"
    _check(spec, step, state_type)
    return jax_backend.step_computation(step, state_type, spec.batch_type)


def _values(state: State) -> tuple[Values, Any]:
    """What a pass computes with, and the key of the state after it."""
    key, next_key = None, state["key"]
    if not isinstance(next_key, tuple):
        carried, key = jax.random.split(jax_passes.to_key(next_key))
        next_key = jax.random.key_data(carried)
    return Values(state["trainable"], state["non_trainable"], state["metrics"], key), next_key


def _check(spec: JaxModelSpec, step: Callable[[State, Any], State], state_type: Type) -> None:
    """Traces a step, so that what is wrong with a model is told where it is used."""

    def canonical(state: Any, batch: Any) -> Any:
        after = step(
            structures.to_containers(state, state_type),
            structures.to_containers(batch, spec.batch_type),
        )
        return structures.to_canonical(after, state_type, "the state after a batch")

    try:
        with precision.with_64_bits(True), contexts.install(application.InliningContext()):
            jax.make_jaxpr(canonical)(
                structures.abstract(state_type, None),
                structures.abstract(spec.batch_type, _TRACED_ROWS),
            )
    except errors.FederatedError:
        raise
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError):
        with mistakes.explained("model", spec.batch_type):
            raise
    except Exception as error:
        kind = errors.ModelError if isinstance(error, TypeError) else errors.ModelValueError
        raise kind(
            "the model cannot compute its loss for a batch of its `input_spec`.",
            problems=[
                f"input_spec: {spec.batch_type}",
                f"{type(error).__name__}: {descriptions.told(error)}",
            ],
            where=callsites.innermost_user_line(error.__traceback__),
            fix="compare `input_spec` with the batches of a client, the features with what "
            "`predict_on_batch_fn` takes, and the labels with what loss and metrics take.",
        ) from error
